//! `hephaestus topics`: the topics on Kafka.

use std::io::Write;

use anstyle::{AnsiColor, Style};
use clap::Subcommand;
use serde_json::json;

use super::{Exit, Format, block_on, render};
use crate::app::topics::{self, TopicReport, TopicState};
use crate::config::Config;

const GOOD: Style = AnsiColor::Green.on_default();
const BAD: Style = AnsiColor::Red.on_default();
const DIM: Style = Style::new().dimmed();

/// Make or check the topics on Kafka
#[derive(Debug, Subcommand)]
pub(super) enum TopicsCommand {
    /// Make the topics that are missing
    ///
    /// Those that are there stay as they are; what is wrong with them is told. Exits 0 if all are as they
    /// should be in the end, else 1.
    #[command(after_help = "Examples:\n  \
        hephaestus topics create --dry-run\n  \
        hephaestus topics create --config deploy/hephaestus.yaml")]
    Create {
        /// Only ask the brokers whether they would
        #[arg(long)]
        dry_run: bool,
        /// How to print the answer
        #[arg(long, value_enum, default_value_t, value_name = "FORMAT")]
        format: Format,
    },
    /// See whether the topics are there and as they should be, and how to mend them
    ///
    /// Exits 0 if they are, else 1.
    #[command(after_help = "Examples:\n  \
        hephaestus topics check\n  \
        hephaestus topics check --format json | jq '.topics[] | select(.problems != [])'")]
    Check {
        /// How to print the answer
        #[arg(long, value_enum, default_value_t, value_name = "FORMAT")]
        format: Format,
    },
}

impl TopicsCommand {
    pub(super) fn run(&self, config: &Config, out: &mut impl Write) -> anyhow::Result<Exit> {
        let (reports, format) = match *self {
            Self::Create { dry_run, format } => {
                (block_on(async { Ok(topics::create(config, dry_run).await?) })?, format)
            }
            Self::Check { format } => (block_on(async { Ok(topics::check(config).await?) })?, format),
        };
        let ok = reports.iter().all(|report| report.problems.is_empty());
        match format {
            Format::Json => render::json(out, &json!({"ok": ok, "topics": reports}))?,
            Format::Text => reports.iter().try_for_each(|report| line(out, report))?,
        }
        Ok(if ok { Exit::Yes } else { Exit::No })
    }
}

fn line(out: &mut impl Write, report: &TopicReport) -> std::io::Result<()> {
    let state = match report.state {
        TopicState::Present => "ok",
        TopicState::Created => "created",
        TopicState::WouldCreate => "would be created",
        TopicState::Missing => "missing",
    };
    let style = if report.problems.is_empty() { GOOD } else { BAD };
    let state =
        if report.state == TopicState::Present && !report.problems.is_empty() { "wrong" } else { state };
    let kept = match report.retention_ms {
        Some(length) => format!("{}, kept for {} h", report.cleanup_policy, length / 3_600_000),
        None => report.cleanup_policy.clone(),
    };
    writeln!(
        out,
        "{style}{state:16}{style:#} {:32} {} partitions, {} copies, {kept}",
        report.name, report.partitions, report.replication_factor
    )?;
    for problem in &report.problems {
        writeln!(out, "{:16} {}", "", problem.message)?;
        writeln!(out, "{:16} {DIM}{}{DIM:#}", "", problem.remedy)?;
    }
    Ok(())
}
