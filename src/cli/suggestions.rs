//! `hephaestus suggestions`: what was suggested, and a person's word on it.

use std::io::{self, Write};

use clap::{Args, Subcommand};

use super::render::{self, BOLD, DIM, field, verdict_style};
use super::tame::plain;
use super::{Exit, Format, limit, one_of};
use crate::app::review::{
    Choice, Limit, Review, SuggestionList, SuggestionQuery, SuggestionSummary, Word, decide,
};
use crate::config::{Config, Environment};
use crate::domain::{Class, SuggestionRecord, SuggestionStatus, VerdictKind};

const VERDICTS: [VerdictKind; 4] =
    [VerdictKind::Proven, VerdictKind::Plausible, VerdictKind::Rejected, VerdictKind::Inconclusive];

/// See what was suggested, and approve or reject it
///
/// Asks the instance that runs in the state directory; when none runs, the directory itself is used.
#[derive(Debug, Subcommand)]
pub(super) enum SuggestionsCommand {
    /// List the suggestions, latest first
    #[command(after_help = "Examples:\n  \
        hephaestus suggestions list\n  \
        hephaestus suggestions list --status open --verdict proven\n  \
        hephaestus suggestions list --format json | jq -r '.suggestions[].id'\n\n\
        JSON:\n  \
        {\"suggestions\": [{\"id\", \"fingerprint\", \"class\", \"title\", \"count\", \"verdict\", \"masks\", \"status\", \"created_at\"}]}")]
    List(ListArgs),
    /// Show one suggestion in full: diagnosis, reproducer, patch and evidence
    #[command(after_help = "Examples:\n  \
        hephaestus suggestions show 4f1c0a      the beginning of an id is enough\n  \
        hephaestus suggestions show 4f1c0a --format json | jq -r .patch |\n      \
        git apply --directory=\"$(git rev-parse --show-prefix)\"    in the folder of the repository\n\n\
        JSON: docs/vocabulary.md tells every field.")]
    Show {
        /// The id, or how it alone begins
        id: String,
        /// How to print it
        #[arg(long, value_enum, default_value_t, value_name = "FORMAT")]
        format: Format,
    },
    /// Say that you want the patch
    #[command(after_help = "Example:\n  \
        hephaestus suggestions approve 4f1c0a --note 'seen in staging, looks right'")]
    Approve(DecideArgs),
    /// Say that you do not want the patch
    #[command(after_help = "Example:\n  \
        hephaestus suggestions reject 4f1c0a --note 'the map must be made in New'")]
    Reject(DecideArgs),
}

#[derive(Debug, Args)]
pub(super) struct ListArgs {
    /// Only suggestions that have come so far
    #[arg(long, value_name = "STATUS",
        value_parser = one_of::<SuggestionStatus>(SuggestionStatus::ALL.map(SuggestionStatus::as_str)))]
    status: Option<SuggestionStatus>,
    /// Only suggestions for failures of this class, as nil_map_write
    #[arg(long, value_name = "CLASS", hide_possible_values = true,
        value_parser = one_of::<Class>(Class::ALL.iter().map(|class| class.as_str())))]
    class: Option<Class>,
    /// Only suggestions with this verdict
    #[arg(long, value_name = "VERDICT", value_parser = one_of::<VerdictKind>(VERDICTS.map(VerdictKind::as_str)))]
    verdict: Option<VerdictKind>,
    /// At most so many
    #[arg(long, value_name = "COUNT", default_value = "100", value_parser = limit)]
    limit: Limit,
    /// How to print them
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT")]
    format: Format,
}

#[derive(Debug, Args)]
pub(super) struct DecideArgs {
    /// The id, or how it alone begins
    id: String,
    /// Why; it is kept with the decision
    #[arg(long, value_name = "TEXT")]
    note: Option<String>,
    /// How to print the suggestion as it is then
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT")]
    format: Format,
}

impl SuggestionsCommand {
    pub(super) fn run(
        self,
        config: &Config,
        environment: Environment<'_>,
        out: &mut impl Write,
    ) -> anyhow::Result<Exit> {
        super::block_on(async {
            match self {
                Self::List(ListArgs { status, class, verdict, limit, format }) => {
                    let query = SuggestionQuery { status, class, verdict, prefix: None, limit };
                    let list = Review::open(config).await?.suggestions(&query).await?;
                    match format {
                        Format::Text => write_list(out, &list, limit)?,
                        Format::Json => render::json(out, &list)?,
                    }
                }
                Self::Show { id, format } => {
                    let record = Review::open(config).await?.suggestion(&id).await?;
                    match format {
                        Format::Text => write_record(out, &record)?,
                        Format::Json => render::json(out, &record)?,
                    }
                }
                Self::Approve(args) => args.decide(config, environment, Choice::Approve, out).await?,
                Self::Reject(args) => args.decide(config, environment, Choice::Reject, out).await?,
            }
            Ok(Exit::Yes)
        })
    }
}

impl DecideArgs {
    async fn decide(
        self,
        config: &Config,
        environment: Environment<'_>,
        choice: Choice,
        out: &mut impl Write,
    ) -> anyhow::Result<()> {
        let by = environment("USER").or_else(|| environment("LOGNAME")).filter(|name| !name.is_empty());
        let record = decide(config, &self.id, choice, Word { by, note: self.note }).await?;
        match self.format {
            Format::Json => render::json(out, &record)?,
            Format::Text => {
                writeln!(
                    out,
                    "{} {}: {}",
                    record.status.as_str(),
                    record.id,
                    plain(&record.suggestion.title)
                )?;
            }
        }
        Ok(())
    }
}

fn write_list(out: &mut impl Write, list: &SuggestionList, limit: Limit) -> io::Result<()> {
    for suggestion in &list.suggestions {
        write_summary(out, suggestion)?;
    }
    match list.suggestions.len() {
        0 => writeln!(out, "No suggestions"),
        count if count == limit.get() => writeln!(out, "The latest {count} suggestions; --limit shows more"),
        1 => writeln!(out, "1 suggestion"),
        count => writeln!(out, "{count} suggestions"),
    }
}

fn write_summary(out: &mut impl Write, s: &SuggestionSummary) -> io::Result<()> {
    let style = verdict_style(s.verdict);
    let (verdict, title) = (render::verdict(s.verdict, s.masks), plain(&s.title));
    writeln!(out, "{style}{verdict:<19}{style:#} {BOLD}{title}{BOLD:#}")?;
    let (status, class, seen) = (s.status.as_str(), s.class, render::times(s.count));
    writeln!(
        out,
        "                    {status}  {DIM}{class}, seen {seen}  {}  {:.0}{DIM:#}\n",
        s.id, s.created_at
    )
}

/// A suggestion and what became of it.
fn write_record(out: &mut impl Write, record: &SuggestionRecord) -> io::Result<()> {
    writeln!(out, "{BOLD}{}{BOLD:#}", plain(&record.suggestion.title))?;
    field(out, "id", &record.id.to_string())?;
    field(out, "status", &status(record))?;
    render::body(out, &record.suggestion)
}

/// How far a suggestion has come, and by whose word: shared with `explain`.
pub(super) fn status(record: &SuggestionRecord) -> String {
    let mut text = format!("{}, made {:.0}", record.status.as_str(), record.created_at);
    if let Some(decision) = &record.decision {
        text.push_str(&format!("; decided by {} {:.0}", decision.by, decision.at));
        if let Some(note) = &decision.note {
            text.push_str(&format!(": {note}"));
        }
    }
    text
}
