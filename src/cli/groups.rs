//! `hephaestus groups`: the groups that are remembered.

use std::io::{self, Write};

use clap::{Args, Subcommand};

use super::attempts::Attempts;
use super::render::{self, BOLD, DIM, field};
use super::scan::style_of;
use super::tame::plain;
use super::{Exit, Format, limit, one_of};
use crate::app::review::{GroupList, GroupQuery, GroupSummary, Limit, Review, Workforce};
use crate::config::Config;
use crate::domain::{Class, GroupRecord, GroupStatus, Severity, UNKNOWN_SERVICE};

/// How many lines of a sample are shown.
const SAMPLE_LINES: usize = 40;

/// See the errors that are remembered, one group a defect
///
/// Asks the instance that runs in the state directory; when none runs, the directory is read.
#[derive(Debug, Subcommand)]
pub(super) enum GroupsCommand {
    /// List the groups, worst and most frequent first
    #[command(after_help = "Examples:\n  \
        hephaestus groups list\n  \
        hephaestus groups list --status new --severity critical\n  \
        hephaestus groups list --format json | jq -r '.groups[] | \"\\(.count) \\(.title)\"'\n\n\
        JSON:\n  \
        {\"groups\": [{\"fingerprint\", \"class\", \"severity\", \"title\", \"service\", \"count\", \"first_seen\", \"last_seen\", \"status\"}]}")]
    List(ListArgs),
    /// Show one group in full: its first occurrence, stack and sample
    #[command(after_help = "Examples:\n  \
        hephaestus groups show 4f1c0a      the beginning of a fingerprint is enough\n  \
        hephaestus groups show 4f1c0a --format json | jq -r .first.sample\n\n\
        `hephaestus explain` tells the same in words, with what to do next.\n\n\
        JSON: docs/vocabulary.md tells every field.")]
    Show {
        /// The fingerprint, or how it alone begins
        fingerprint: String,
        /// How to print it
        #[arg(long, value_enum, default_value_t, value_name = "FORMAT")]
        format: Format,
    },
}

#[derive(Debug, Args)]
pub(super) struct ListArgs {
    /// Only groups that have come so far
    #[arg(long, value_name = "STATUS", value_parser = one_of::<GroupStatus>(GroupStatus::ALL.map(GroupStatus::as_str)))]
    status: Option<GroupStatus>,
    /// Only groups of this class, as nil_map_write
    #[arg(long, value_name = "CLASS", hide_possible_values = true,
        value_parser = one_of::<Class>(Class::ALL.iter().map(|class| class.as_str())))]
    class: Option<Class>,
    /// Only groups at least so bad
    #[arg(long, value_name = "SEVERITY", value_parser = one_of::<Severity>(Severity::ALL.map(Severity::as_str)))]
    severity: Option<Severity>,
    /// At most so many
    #[arg(long, value_name = "COUNT", default_value = "100", value_parser = limit)]
    limit: Limit,
    /// How to print them
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT")]
    format: Format,
}

impl GroupsCommand {
    pub(super) fn run(self, config: &Config, out: &mut impl Write) -> anyhow::Result<Exit> {
        super::block_on(async {
            let review = Review::open(config).await?;
            match self {
                Self::List(ListArgs { status, class, severity, limit, format }) => {
                    let query = GroupQuery { status, class, severity, prefix: None, limit };
                    let list = review.groups(&query).await?;
                    match format {
                        Format::Text => write_list(out, &list, limit, Attempts::of(config, &review).await?)?,
                        Format::Json => render::json(out, &list)?,
                    }
                }
                Self::Show { fingerprint, format } => {
                    let group = review.group(&fingerprint).await?;
                    match format {
                        Format::Text => {
                            let attempts = Attempts::of(config, &review).await?;
                            write_group(out, &group, attempts)?;
                            if let Some(next) = attempts.next(&group) {
                                field(out, "next", &next)?;
                                writeln!(out)?;
                            }
                        }
                        Format::Json => render::json(out, &group)?,
                    }
                }
            }
            Ok(Exit::Yes)
        })
    }
}

fn write_list(out: &mut impl Write, list: &GroupList, limit: Limit, attempts: Attempts) -> io::Result<()> {
    for group in &list.groups {
        write_summary(out, group, attempts)?;
    }
    match list.groups.len() {
        0 => writeln!(out, "No groups"),
        count if count == limit.get() => writeln!(out, "The first {count} groups; --limit shows more"),
        1 => writeln!(out, "1 group"),
        count => writeln!(out, "{count} groups"),
    }?;
    write_waiting(out, list, attempts.workforce())
}

/// Says how many groups nobody works on.
fn write_waiting(out: &mut impl Write, list: &GroupList, workforce: Workforce) -> io::Result<()> {
    let is_waiting = |group: &&GroupSummary| matches!(group.status, GroupStatus::New | GroupStatus::Working);
    let waiting = list.groups.iter().filter(is_waiting).count();
    let why = match workforce {
        Workforce::Nobody => "no instance runs",
        Workforce::WithoutRepository => "the instance that runs has no repository",
        Workforce::AtWork => return Ok(()),
    };
    let waiting = match waiting {
        0 => return Ok(()),
        1 => "1 of them waits".to_owned(),
        count => format!("{count} of them wait"),
    };
    writeln!(out, "{waiting} for `hephaestus run --repo DIR`, since {why}")
}

fn write_summary(out: &mut impl Write, group: &GroupSummary, attempts: Attempts) -> io::Result<()> {
    let style = style_of(group.severity);
    let (severity, title) = (group.severity, plain(&group.title));
    writeln!(out, "{style}{severity:<8}{style:#} {:>7}×  {BOLD}{title}{BOLD:#}", group.count)?;
    let seen = render::seen(group.first_seen, group.last_seen);
    let (status, class, fingerprint) = (attempts.status(group.status), group.class, group.fingerprint);
    let service = match group.service.as_str() {
        UNKNOWN_SERVICE => String::new(),
        service => format!(" in {}", plain(service)),
    };
    writeln!(out, "                   {status}  {DIM}{class}{service}  {fingerprint}{seen}{DIM:#}\n")
}

/// What the log told: shared with `explain`.
pub(super) fn write_group(out: &mut impl Write, record: &GroupRecord, attempts: Attempts) -> io::Result<()> {
    let (group, event) = (&record.group, &record.group.first);
    let style = style_of(group.severity);
    writeln!(out, "{BOLD}{}{BOLD:#}", plain(&event.title))?;
    field(out, "fingerprint", &group.fingerprint.to_string())?;
    field(out, "class", &format!("{}: {}", event.class, event.class.explanation()))?;
    render::label(out, "severity")?;
    writeln!(out, "{style}{}{style:#}", group.severity)?;
    let seen = render::seen(group.first_seen, group.last_seen);
    field(out, "seen", &format!("{} in {}{seen}", render::times(group.count), record.service))?;
    field(out, "status", &attempts.made(record))?;
    if let Some(reason) = &record.undecided {
        field(out, "undecided", reason)?;
    }
    field(out, "message", &event.message)?;
    for (index, frame) in event.trace.iter().flat_map(|trace| &trace.frames).filter(|f| f.in_app).enumerate()
    {
        render::label(out, if index == 0 { "stack" } else { "" })?;
        let (function, file) = (plain(&frame.function), plain(&frame.file));
        writeln!(out, "{function}  {DIM}{file}:{}{DIM:#}", frame.line)?;
    }
    write_lines(out, "before it", record.context.iter().map(String::as_str))?;
    write_lines(out, "sample", event.sample.lines())?;
    writeln!(out)
}

fn write_lines<'l>(
    out: &mut impl Write,
    name: &str,
    mut lines: impl Iterator<Item = &'l str>,
) -> io::Result<()> {
    for (index, line) in lines.by_ref().take(SAMPLE_LINES).enumerate() {
        render::label(out, if index == 0 { name } else { "" })?;
        writeln!(out, "{DIM}|{DIM:#} {}", plain(line))?;
    }
    match lines.count() {
        0 => Ok(()),
        more => field(out, "", &format!("… and {more} more lines (--format json has all)")),
    }
}
