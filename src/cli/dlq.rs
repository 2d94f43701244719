//! `hephaestus dlq`: dead letters, listed and put back.

use std::io::{self, Write};

use anstyle::{AnsiColor, Style};
use anyhow::bail;
use clap::{ArgGroup, Args, Subcommand};

use super::render::{self, BOLD, DIM, counted};
use super::tame::plain;
use super::{Exit, Format, limit};
use crate::app::letters;
use crate::app::review::Limit;
use crate::config::Config;
use crate::domain::{
    ChosenLetter, LetterChoice, LetterFate, LetterList, LetterName, LetterStatus, LetterSummary, MOST_NAMED,
    ReplayOrder, ReplayReport,
};

const GREEN: Style = AnsiColor::Green.on_default();
const YELLOW: Style = AnsiColor::Yellow.on_default();

/// See messages that could not be read or written, and put them back
///
/// Such a message is set aside as a dead letter, with where it came from and why, so that it holds up nobody. On
/// Kafka they lie in the topic `….dlq.v1`; the embedded bus keeps its own, and the instance that runs in the state
/// directory is asked for them, or the directory itself when none runs.
#[derive(Debug, Subcommand)]
pub(super) enum DlqCommand {
    /// List the dead letters, latest first
    #[command(after_help = "\
A letter is `open` until it is put back, and `replayed` then. Of one that is `cut` only the beginning is kept, since it
was too large for its topic; one that is `foreign` does not tell of a topic of ours. Neither can be put back.

Examples:
  hephaestus dlq list
  hephaestus dlq list --limit 5
  hephaestus dlq list --format json | jq -r '.letters[] | select(.status == \"open\") | .id'

JSON:
  {\"letters\": [{\"id\", \"event_id\", \"status\", \"reason\", \"time\", \"topic\", \"partition\", \"offset\", \"key\", \"bytes\", \"preview\"}],
   \"counts\": {\"open\", …}}")]
    List(ListArgs),
    /// Put dead letters back onto the topics that they were meant for
    #[command(after_help = "\
Each goes back unchanged: key, headers and body. Do so once what was wrong is mended: whatever a consumer still cannot
read comes back as a new dead letter. That a letter was put back is written together with it, so it is not put back
twice, whatever interrupts the command or however often it is called.

Exit code: 0 if every letter that was named was put back, or all that were open; 1 if one that was named was not, which
is told with why; 2 if it could not be done.

Examples:
  hephaestus dlq replay --all --dry-run      what would be put back?
  hephaestus dlq replay --all
  hephaestus dlq replay 0/17 2/4             by partition and offset, as `list` shows them
  hephaestus dlq replay 5f3c…-9a1b…-4096     by the identity of the message, its ce_id

JSON:
  {\"dry_run\", \"topics\": {TOPIC: COUNT}, \"left\": {STATUS: COUNT}, \"chosen\": [{\"letter\", \"fate\", \"topic\"}]}")]
    Replay(ReplayArgs),
}

#[derive(Debug, Args)]
pub(super) struct ListArgs {
    /// At most so many
    #[arg(long, value_name = "COUNT", default_value = "100", value_parser = limit)]
    limit: Limit,
    /// How to print them
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT")]
    format: Format,
}

#[derive(Debug, Args)]
#[command(group(ArgGroup::new("choice").args(["letters", "all"]).required(true)))]
pub(super) struct ReplayArgs {
    /// The letters: PARTITION/OFFSET in the topic of dead letters, or the identity of a message
    #[arg(value_name = "LETTER")]
    letters: Vec<String>,
    /// All that are open
    #[arg(long)]
    all: bool,
    /// Only tell what would be put back
    #[arg(long)]
    dry_run: bool,
    /// How to print what was done
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT")]
    format: Format,
}

impl DlqCommand {
    pub(super) fn run(self, config: &Config, out: &mut impl Write) -> anyhow::Result<Exit> {
        super::block_on(async {
            match self {
                Self::List(ListArgs { limit, format }) => {
                    let list = letters::list(config, limit).await?;
                    match format {
                        Format::Text => write_list(out, &list)?,
                        Format::Json => render::json(out, &list)?,
                    }
                    Ok(Exit::Yes)
                }
                Self::Replay(args) => args.replay(config, out).await,
            }
        })
    }
}

impl ReplayArgs {
    async fn replay(self, config: &Config, out: &mut impl Write) -> anyhow::Result<Exit> {
        if self.letters.len() > MOST_NAMED {
            bail!("{} letters are named: name at most {MOST_NAMED} at once, or --all", self.letters.len());
        }
        let choice = match self.all {
            true => LetterChoice::All,
            false => LetterChoice::Named(self.letters.into_iter().map(LetterName::from).collect()),
        };
        let order = ReplayOrder { choice, dry_run: self.dry_run, within: None };
        let report = letters::replay(config, order).await?;
        match self.format {
            Format::Text => write_report(out, &report)?,
            Format::Json => render::json(out, &report)?,
        }
        let is_done = report.chosen.iter().all(|chosen| chosen.fate == LetterFate::PutBack);
        Ok(if is_done { Exit::Yes } else { Exit::No })
    }
}

fn write_list(out: &mut impl Write, list: &LetterList) -> io::Result<()> {
    for letter in &list.letters {
        write_letter(out, letter)?;
    }
    let total: u64 = list.counts.values().sum();
    if total == 0 {
        return writeln!(out, "No dead letters");
    }
    let counts = list.counts.iter().map(|(status, count)| format!("{count} {}", status.as_str()));
    let counts = counts.collect::<Vec<_>>().join(", ");
    let shown = list.letters.len() as u64;
    let latest = if shown < total {
        format!("; the latest {shown} are shown, --limit shows more")
    } else {
        String::new()
    };
    writeln!(out, "{}: {counts}{latest}", counted(total, "dead letter"))
}

fn write_letter(out: &mut impl Write, letter: &LetterSummary) -> io::Result<()> {
    let style = match letter.status {
        LetterStatus::Open => YELLOW.bold(),
        LetterStatus::Replayed | LetterStatus::Cut | LetterStatus::Foreign => Style::new(),
    };
    let (status, id, reason) = (letter.status.as_str(), letter.id.to_string(), plain(&letter.reason));
    let reason = if reason.is_empty() { "no reason is told" } else { &reason };
    writeln!(out, "{style}{status:<9}{style:#} {id:>8}  {BOLD}{reason}{BOLD:#}")?;
    let origin = match (&letter.topic, letter.partition, letter.offset) {
        (Some(topic), Some(partition), Some(offset)) => format!("{} {partition}/{offset}", plain(topic)),
        (Some(topic), ..) => plain(topic),
        (None, ..) => "no topic is told".to_owned(),
    };
    let (time, bytes) = (letter.time, counted(letter.bytes, "byte"));
    writeln!(out, "{:18}  {DIM}{origin}  {time:.0}  {bytes}{DIM:#}", "")?;
    let (key, event_id) = (plain(&letter.key), plain(&letter.event_id));
    writeln!(out, "{:18}  {DIM}key {key}  id {event_id}{DIM:#}", "")?;
    writeln!(out, "{:18}  {}\n", "", plain(&letter.preview))
}

fn write_report(out: &mut impl Write, report: &ReplayReport) -> io::Result<()> {
    for chosen in &report.chosen {
        write_chosen(out, chosen, report.dry_run)?;
    }
    let count = report.count();
    let done = if report.dry_run { "would be put back" } else { "put back" };
    let topics = report.topics.iter().map(|(topic, count)| format!("{count} onto {}", plain(topic)));
    let topics = topics.collect::<Vec<_>>().join(", ");
    let left = report.left.iter().map(|(status, count)| format!("{count} {}", status.as_str()));
    let left = left.collect::<Vec<_>>().join(", ");
    write!(out, "{} {done}", counted(count, "dead letter"))?;
    if count > 0 {
        write!(out, ": {topics}")?;
    }
    if !left.is_empty() {
        write!(out, "; left as they are: {left}")?;
    }
    writeln!(out)?;
    if count > 0 && !report.dry_run {
        writeln!(
            out,
            "{DIM}What still cannot be read comes back as a new dead letter: hephaestus dlq list{DIM:#}"
        )?;
    }
    Ok(())
}

fn write_chosen(out: &mut impl Write, chosen: &ChosenLetter, dry_run: bool) -> io::Result<()> {
    let letter = plain(&chosen.letter.to_string());
    let topic = chosen.topic.as_deref().map(plain).unwrap_or_default();
    let (style, fate, why) = match chosen.fate {
        LetterFate::PutBack if dry_run => (GREEN, "would go back", format!("onto {topic}")),
        LetterFate::PutBack => (GREEN, "put back", format!("onto {topic}")),
        LetterFate::Left(status) => (YELLOW, "left", why(status).to_owned()),
        LetterFate::Unknown => (YELLOW, "not there", "see `hephaestus dlq list`".to_owned()),
    };
    writeln!(out, "{style}{fate:<14}{style:#} {letter:>8}  {why}")
}

const fn why(status: LetterStatus) -> &'static str {
    match status {
        LetterStatus::Open => "it is open",
        LetterStatus::Replayed => "it was put back before",
        LetterStatus::Cut => "it was too large for its topic, and only its beginning is kept",
        LetterStatus::Foreign => "it does not tell of a topic of ours",
    }
}
