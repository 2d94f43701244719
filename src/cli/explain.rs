//! `hephaestus explain`: one group told in words, from the log to what to do next.

use std::io::{self, Write};
use std::path::Path;

use clap::Args;
use serde_json::json;

use super::attempts::Attempts;
use super::render::{self, BOLD, field};
use super::{Exit, Format, groups, suggestions};
use crate::app::git;
use crate::app::review::Review;
use crate::config::Config;
use crate::domain::{GroupRecord, GroupStatus, SuggestionRecord, SuggestionStatus, VerdictKind};

/// Tell in words what a group is, why it happens, and what to do next
///
/// What the log told, the diagnosis, how the crash was reproduced, the verdict on the fix with its
/// evidence, and the next step.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    hephaestus explain 4f1c0a      the beginning of a fingerprint is enough\n  \
    hephaestus explain 4f1c0a --format json | jq -r '.next[]'\n\n\
    JSON:\n  \
    {\"group\": {…}, \"suggestion\": {…} or null, \"next\": [\"…\"]}")]
pub(super) struct ExplainArgs {
    /// The group's fingerprint, or how it alone begins
    fingerprint: String,
    /// How to print it
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT")]
    format: Format,
}

impl ExplainArgs {
    pub(super) fn run(self, config: &Config, out: &mut impl Write) -> anyhow::Result<Exit> {
        super::block_on(async {
            let review = Review::open(config).await?;
            let group = review.group(&self.fingerprint).await?;
            let suggestion = review.latest(&group).await?;
            let attempts = Attempts::of(config, &review).await?;
            let next = next_steps(&group, suggestion.as_ref(), attempts);
            match self.format {
                Format::Text => write(out, (&group, attempts), suggestion.as_ref(), &next)?,
                Format::Json => {
                    render::json(out, &json!({"group": group, "suggestion": suggestion, "next": next}))?;
                }
            }
            Ok(Exit::Yes)
        })
    }
}

fn write(
    out: &mut impl Write,
    (group, attempts): (&GroupRecord, Attempts),
    suggestion: Option<&SuggestionRecord>,
    next: &[String],
) -> io::Result<()> {
    groups::write_group(out, group, attempts)?;
    if let Some(remedy) = &group.remedy {
        render::operational(out, remedy)?;
    }
    if let Some(record) = suggestion {
        writeln!(out, "{BOLD}Suggestion {}{BOLD:#}", record.id)?;
        field(out, "status", &suggestions::status(record))?;
        render::body(out, &record.suggestion)?;
    }
    writeln!(out, "{BOLD}What to do next{BOLD:#}")?;
    next.iter().try_for_each(|step| match step.split_once(COMMAND) {
        // What is to be pasted into a shell is one line, however long.
        Some((what, command)) => render::command(out, &format!("{what}:"), &format!("hephaestus {command}")),
        None => field(out, "", step),
    })
}

/// What parts the words of a step from the command that takes it.
const COMMAND: &str = ": hephaestus ";

/// What a person can do about a group, first things first.
fn next_steps(group: &GroupRecord, suggestion: Option<&SuggestionRecord>, attempts: Attempts) -> Vec<String> {
    if let Some(next) = attempts.next(group) {
        let undecided = group.undecided.as_ref();
        return undecided.map(|reason| undecided_step(reason)).into_iter().chain([next]).collect();
    }
    let has_patch = suggestion.filter(|record| record.suggestion.patch.is_some());
    match (group.status, has_patch) {
        (GroupStatus::Operational, _) => {
            let remedy = group.remedy.as_ref().map(|finding| finding.remedy.clone());
            vec![
                remedy
                    .unwrap_or_else(|| "It is a failure of the surroundings: no patch mends it.".to_owned()),
            ]
        }
        (_, Some(record)) => with_patch(record),
        (_, None) => {
            let place = suggestion.and_then(|record| record.suggestion.locations.first());
            let start = place
                .map(|place| format!(", beginning at {}:{} in {}", place.file, place.line, place.function));
            let start = start.unwrap_or_default();
            vec![
                format!("No patch was found: mend it by hand{start}."),
                "The reason of the last attempt is told above; its reproducer, where there is one, is a test to \
                 start from."
                    .to_owned(),
            ]
        }
    }
}

/// What may bring an attempt to a decision.
fn undecided_step(reason: &str) -> String {
    format!("Mend what kept the last attempt from being decided, where that can be done: {reason}")
}

fn with_patch(record: &SuggestionRecord) -> Vec<String> {
    let id = record.id;
    let git = record.repository.as_deref().and_then(|folder| git::apply(Path::new(folder)));
    let git = git.unwrap_or_else(|| format!("{}, in the folder of its repository", git::APPLY_HERE));
    let apply = format!("Apply it: hephaestus suggestions show {id} --format json | jq -r .patch | {git}");
    let mut steps = Vec::new();
    match record.status {
        SuggestionStatus::Open => {
            steps.push(match record.suggestion.verdict {
                VerdictKind::Proven => "Read the patch: it is proven, and still yours to judge.".to_owned(),
                VerdictKind::Plausible => {
                    format!("Read the patch with care, it is not proven: {}.", record.suggestion.reason)
                }
                VerdictKind::Rejected | VerdictKind::Inconclusive => {
                    "Do not take the patch as it is: it did not hold. It may show where to begin.".to_owned()
                }
            });
            if record.suggestion.may_mask() {
                steps.push(
                    "Find out why the value was wrong: the patch may hide the defect rather than mend it."
                        .to_owned(),
                );
            }
            steps.push(format!("Approve it: hephaestus suggestions approve {id}"));
            steps.push(format!("Or say no: hephaestus suggestions reject {id} --note 'why'"));
            steps.push(apply);
        }
        SuggestionStatus::Approved => steps.push(apply),
        SuggestionStatus::Rejected => {
            steps.push("The patch was rejected: mend it by hand.".to_owned());
        }
    }
    steps
}
