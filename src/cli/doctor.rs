//! `hephaestus doctor`: what this machine offers, and how to get what it lacks.

use std::io::Write;

use anstyle::{AnsiColor, Style};
use clap::{Args, ValueEnum};
use serde_json::json;

use super::{Exit, render};
use crate::app::examination::{Check, examine};
use crate::config::Config;

const GOOD: Style = AnsiColor::Green.on_default();
const BAD: Style = AnsiColor::Red.on_default();
const DIM: Style = Style::new().dimmed();

/// Where what was found begins.
const COLUMN: usize = 34;

/// How the answer is printed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    /// For people
    #[default]
    Text,
    /// {"ok", "checks": [{"name", "ok", "required", "found", "remedy"}]}
    Json,
}

/// See whether this machine can prove fixes, and how to get what it lacks
///
/// Each tier of isolation is really tried. Exits 0 if `fix` can work here, else 1.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    hephaestus doctor\n  \
    hephaestus doctor --format json | jq '.checks[] | select(.ok | not)'")]
pub(super) struct DoctorArgs {
    /// How to print the answer
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT")]
    format: Format,
}

impl DoctorArgs {
    pub(super) fn run(&self, config: &Config, out: &mut impl Write) -> anyhow::Result<Exit> {
        let checks = examine(config);
        let ok = checks.iter().all(|check| check.ok || !check.required);
        match self.format {
            Format::Json => render::json(out, &json!({"ok": ok, "checks": checks}))?,
            Format::Text => checks.iter().try_for_each(|check| line(out, check))?,
        }
        Ok(if ok { Exit::Yes } else { Exit::No })
    }
}

fn line(out: &mut impl Write, check: &Check) -> std::io::Result<()> {
    let (style, mark) = match (check.ok, check.required) {
        (true, _) => (GOOD, "ok"),
        (false, true) => (BAD, "missing"),
        (false, false) => (DIM, "absent"),
    };
    write!(out, "{style}{mark:8}{style:#} {:24} ", check.name)?;
    render::running(out, COLUMN, ("", Style::new()), &check.found)?;
    match &check.remedy {
        Some(remedy) => {
            write!(out, "{:COLUMN$}", "")?;
            render::running(out, COLUMN, (remedy, DIM), remedy)
        }
        None => Ok(()),
    }
}
