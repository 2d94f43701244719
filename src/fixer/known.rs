//! What is known of a defect already, from the group of another service's log: its answer is given at once.

use crate::domain::{Decision, ErrorGroup, Suggestion, SuggestionRecord, SuggestionStatus, VerdictKind};
use crate::generator::recall::is_as_before;
use crate::repository::Repository;

use super::Finding;

/// The answer that is known for a group: a fix that was proven, or a person's rejection of one. `known` are
/// suggestions for the same failure, the newest first. Where the code is not what they were made for, they say
/// nothing any more.
#[must_use]
pub fn known_answer(
    group: &ErrorGroup,
    known: Vec<SuggestionRecord>,
    repository: &Repository,
) -> Option<Finding> {
    let mut still = known.into_iter().filter(|record| is_as_before(&record.changes, repository));
    still.find_map(|record| answer(group, record))
}

fn answer(group: &ErrorGroup, record: SuggestionRecord) -> Option<Finding> {
    let SuggestionRecord { id, status, decision, suggestion, changes, .. } = record;
    let said = |word: &str| match &decision {
        Some(Decision { by, note: Some(note), .. }) => format!("{word} by {by}: {note}"),
        Some(Decision { by, .. }) => format!("{word} by {by}"),
        None => word.to_owned(),
    };
    let suggestion = Suggestion {
        fingerprint: group.fingerprint,
        count: group.count,
        title: group.first.title.clone(),
        provenance: Some("recalled".to_owned()),
        rule: None,
        seconds: 0.0,
        ..suggestion
    };
    match status {
        SuggestionStatus::Rejected => {
            let reason = format!("the fix for the same failure, {id}, was {}", said("rejected"));
            let suggestion = Suggestion { verdict: VerdictKind::Rejected, reason, patch: None, ..suggestion };
            Some(Finding { suggestion, changes: Vec::new() })
        }
        SuggestionStatus::Open | SuggestionStatus::Approved if suggestion.verdict == VerdictKind::Proven => {
            let how = match status {
                SuggestionStatus::Approved => said("approved"),
                _ => "open".to_owned(),
            };
            let reason = format!("proven as {id} for the same failure, which is {how}; the code is the same");
            Some(Finding { suggestion: Suggestion { reason, ..suggestion }, changes })
        }
        SuggestionStatus::Open | SuggestionStatus::Approved => None,
    }
}
