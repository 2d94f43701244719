//! A fix that holds at its statement while others, of the function or beside it, fail in the same way is extended to
//! them.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::challenge::{mended, moved};
use super::obstacle::Obstacle;
use super::proposing::proposed;
use crate::domain::{Fault, FaultFacts, FileChange, FixCandidate, Location};
use crate::repository::go::Symbol;
use crate::repository::{Repository, Workspace};

/// How often one fix is extended: each time costs a judgement.
pub(super) const MOST: usize = 2;
/// To how many statements at once.
const MOST_STATEMENTS: usize = 5;

/// The fix with what the same rule does about the statements that still fail, as the mended code has them; none
/// where it has no answer to any. The scratch copy is as it was afterwards.
pub(super) async fn extended(
    fault: &Fault,
    repository: &Repository,
    workspace: &Workspace,
    candidate: &FixCandidate,
    still_failing: &[Location],
) -> Result<Option<FixCandidate>, Obstacle> {
    let mut whole = None;
    let mut left = still_failing.iter().take(MOST_STATEMENTS).cloned().collect::<Vec<_>>();
    let mut callers: Vec<_> = fault.stack.iter().skip(1).map(|place| moved(place, candidate)).collect();
    left.reverse();
    while let Some(failing) = left.pop() {
        // Who calls another function than the log's is not known.
        let is_its = fault.stack.first().is_some_and(|top| {
            top.file == failing.file && Symbol::declared(&top.function) == Symbol::declared(&failing.function)
        });
        let known = callers.iter().filter(|_| is_its);
        let fault = Fault {
            class: fault.class,
            // What the log tells of values was said of another statement.
            message: String::new(),
            facts: FaultFacts::default(),
            stack: std::iter::once(failing).chain(known.cloned()).collect(),
            others: Vec::new(),
        };
        let sofar = whole.as_ref().unwrap_or(candidate);
        workspace.change(&sofar.changes)?;
        // It reads files when they are asked for.
        let proposal = match mended(repository, workspace) {
            Ok(mended) => proposed(&fault, &Arc::new(mended)).await,
            Err(error) => Err(error.into()),
        };
        workspace.restore(&sofar.changes)?;
        let alike =
            |more: &FixCandidate| more.provenance == candidate.provenance && more.masks <= candidate.masks;
        let Some(more) = proposal?.candidates.into_iter().find(alike) else { continue };
        for place in left.iter_mut().chain(&mut callers) {
            *place = moved(place, &more);
        }
        whole = Some(joined(sofar, more));
    }
    Ok(whole)
}

/// One change after the other, as one.
fn joined(first: &FixCandidate, second: FixCandidate) -> FixCandidate {
    let mut changes: BTreeMap<_, FileChange> =
        first.changes.iter().map(|change| (change.path.clone(), change.clone())).collect();
    for change in second.changes {
        let FileChange { path, before, after } = change;
        let known = changes.entry(path.clone()).or_insert(FileChange { path, before, after: String::new() });
        known.after = after;
    }
    let explanation = match first.explanation.contains(&second.explanation) {
        true => first.explanation.clone(),
        false => format!("{} {}", first.explanation, second.explanation),
    };
    FixCandidate {
        provenance: first.provenance.clone(),
        explanation,
        changes: changes.into_values().collect(),
        masks: first.masks || second.masks,
        unsettled: first.unsettled.clone().or(second.unsettled),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Provenance, RepoPath};

    fn candidate(explanation: &str, files: &[(&str, &str, &str)], masks: bool) -> FixCandidate {
        let change = |(path, before, after): &(&str, &str, &str)| FileChange {
            path: RepoPath::new(*path).unwrap(),
            before: (*before).to_owned(),
            after: (*after).to_owned(),
        };
        FixCandidate {
            provenance: Provenance::Rule { rule: "check_length".to_owned() },
            explanation: explanation.to_owned(),
            changes: files.iter().map(change).collect(),
            masks,
            unsettled: None,
        }
    }

    #[test]
    fn two_changes_are_one_from_the_first_text_to_the_last() {
        let first = candidate("One.", &[("b.go", "1", "2")], false);
        let second = candidate("Two.", &[("b.go", "2", "3"), ("a.go", "x", "y")], true);
        let expected = candidate("One. Two.", &[("a.go", "x", "y"), ("b.go", "1", "3")], true);
        assert_eq!(joined(&first, second), expected);
        // What is said already is not said again.
        let again = candidate("One.", &[("b.go", "2", "3")], false);
        assert_eq!(joined(&first, again).explanation, "One.");
    }
}
