//! A second look at a fix that would be proven: can the crash still be had?
//!
//! One input is one witness. A statement that can fail in two ways may be guarded against the one that
//! the reproducer shows and not against the one that the log tells. So the search that found the
//! reproducer is run again on the mended code, with other choices: what it finds refutes the fix. A crash
//! of the same class at another statement of the function, or beside it, refutes it too, if the fix wrote it;
//! if it stood there before, the fix is extended to it, and while such a statement is left it is not proven.
//!
//! A fix may also leave something behind, as a lock that is held: calls that do not come back, although they
//! did before the change, refute it too. A search in which most calls hang has looked at nothing, nor has one
//! whose process another defect ended again and again.

use std::time::{Duration, Instant};

use similar::{DiffOp, TextDiff};

use super::obstacle::Obstacle;
use super::origin::unmended;
use super::standing::Earlier;
use super::{Fixer, Progress};
use crate::domain::{Fault, FileChange, FixCandidate, Location, Reach, Step, StepName, StepResult};
use crate::generator::reproduce::{Effort, Reproduction, Request, reproduce};
use crate::repository::{Likeness, Repository, Workspace};
use crate::validator::Subject;

/// How long calls are tried at least.
const SEARCH_LIMIT: Duration = Duration::from_secs(2);
/// And at most, where the first search was slow.
const LONGEST_SEARCH: Duration = Duration::from_secs(20);
/// For everything else, builds above all.
const TIME_LIMIT: Duration = Duration::from_secs(40);

/// What a second look has shown.
#[derive(Debug)]
pub(super) struct Challenged {
    pub(super) step: Step,
    /// Statements of the function, or beside it, that stood there before and fail in the same way with the change
    /// in place, as the mended code has them.
    pub(super) still_failing: Vec<Location>,
}

/// What a renewed search says.
#[derive(Debug)]
struct Told {
    result: StepResult,
    detail: String,
    still_failing: Vec<Location>,
}

impl Told {
    const fn new(result: StepResult, detail: String) -> Self {
        Self { result, detail, still_failing: Vec::new() }
    }
}

impl Fixer {
    /// Runs the search again with the change in place. The scratch copy is as it was afterwards.
    pub(super) async fn challenge(
        &self,
        subject: Subject<'_>,
        candidate: &FixCandidate,
        log_context: &[String],
        earlier: &Earlier,
        progress: Progress<'_>,
    ) -> Result<Challenged, Obstacle> {
        let begun = Instant::now();
        let failing = subject.fault.stack.first().map(|place| moved(place, candidate));
        subject.workspace.change(&candidate.changes)?;
        let found = self.search_again(subject, candidate, log_context, earlier, progress).await;
        subject.workspace.restore(&candidate.changes)?;
        let Told { mut result, mut detail, still_failing } =
            judge(found?, candidate, earlier, failing.as_ref());
        // A call that came in at an entry took the way of the log, whatever else is not clear of it.
        let inner = earlier.reach < Reach::EntryPoint && earlier.astray.is_none();
        let inner = inner && result == StepResult::Passed;
        let unmended = inner.then(|| unmended(subject.repository, subject.fault, candidate)).flatten();
        if let Some((Location { file, line, function }, ty)) = unmended {
            result = StepResult::Inconclusive;
            detail = format!(
                "the reproducer makes its {ty} elsewhere than {function} on the log's stack, which the fix does not touch (line {line} of {file}): nothing shows that the crash of the log is gone",
            );
        }
        let seconds = begun.elapsed().as_secs_f64();
        let step = Step { name: StepName::RenewedSearch, result, runs: 1, detail, seconds };
        Ok(Challenged { step, still_failing })
    }

    async fn search_again(
        &self,
        subject: Subject<'_>,
        candidate: &FixCandidate,
        log_context: &[String],
        earlier: &Earlier,
        progress: Progress<'_>,
    ) -> Result<Reproduction, Obstacle> {
        let mended = mended(subject.repository, subject.workspace)?;
        let all = |stack: &[Location]| stack.iter().map(|place| moved(place, candidate)).collect();
        let fault = Fault {
            stack: all(&subject.fault.stack),
            others: subject.fault.others.iter().map(|stack| all(stack)).collect(),
            ..subject.fault.clone()
        };
        // A program that is slow to start made its first call late: here too calls must have their turn.
        let search_limit = earlier.effort.searched.saturating_mul(3).clamp(SEARCH_LIMIT, LONGEST_SEARCH);
        let request = Request {
            fault: &fault,
            repository: &mended,
            workspace: subject.workspace,
            log_context,
            time_limit: TIME_LIMIT + search_limit,
            search_limit,
            // It would take a build of the changed code; what it found before is among the texts to begin with.
            fuzz_limit: Duration::ZERO,
            by_force: false,
            seed: self.config.seed.wrapping_add(1),
            aftermath: earlier.aftermath.as_deref(),
        };
        Ok(reproduce(request, &self.go, &self.sandbox, progress).await?)
    }
}

/// What a renewed search says about a fix. A search that made no call, or hardly any, says nothing.
/// `failing` is where the log's statement stands now.
fn judge(
    searched: Reproduction,
    candidate: &FixCandidate,
    earlier: &Earlier,
    failing: Option<&Location>,
) -> Told {
    match searched {
        Reproduction::Reproduced { reproducer, how, perhaps_another, .. }
            if reproducer.reach == Reach::EntryPoint && perhaps_another != Some(Likeness::Unclear) =>
        {
            Told::new(StepResult::Failed, format!("the crash can still be had: {how}"))
        }
        Reproduction::Hangs { how, surely: true } => Told::new(StepResult::Failed, how),
        Reproduction::Hangs { how, surely: false } => Told::new(StepResult::Inconclusive, how),
        // What the log tells of is mended; another part of its statement is left, and can be mended as well.
        Reproduction::Reproduced {
            how,
            perhaps_another: Some(Likeness::OtherNil | Likeness::OtherPart | Likeness::Unclear),
            effort,
            mut elsewhere,
            ..
        } if effort.was_broken_off().is_none() => {
            elsewhere.splice(0..0, failing.cloned());
            let detail = format!("the statement still fails: {how}");
            Told { result: StepResult::Passed, detail, still_failing: elsewhere }
        }
        Reproduction::Reproduced { how, perhaps_another: Some(_), .. } => {
            Told::new(StepResult::Inconclusive, format!("the statement still fails: {how}"))
        }
        Reproduction::NotReproduced { reason, effort: Effort { tried: 0, .. }, .. } => Told::new(
            StepResult::Inconclusive,
            format!("no call was made with the change in place: {reason}"),
        ),
        Reproduction::NotReproduced { unsettled: Some(problem), .. } => Told::new(
            StepResult::Inconclusive,
            format!("the search with the change in place is no answer: {problem}"),
        ),
        // Where the fix replaced the statement nothing is left of it to crash: what crashes is another one.
        Reproduction::Reproduced { effort, mut elsewhere, astray, how, reproducer, .. } => {
            let shown = earlier.astray.as_ref().map(|place| moved(place, candidate));
            let same = if earlier.astray.is_some() { astray == shown } else { astray.is_none() };
            // What no caller does says nothing about a guard in the caller; but if only such a call showed
            // the crash before, such a call shows that it is still there.
            if same && reproducer.reach >= earlier.reach {
                return Told::new(StepResult::Failed, format!("the crash can still be had: {how}"));
            }
            let astray = astray.filter(|place| !elsewhere.contains(place));
            elsewhere.extend(astray);
            unless(survivors(effort.tried, elsewhere, candidate), effort.was_broken_off())
        }
        Reproduction::NotReproduced { effort, elsewhere, .. } => unless(
            survivors(effort.tried, elsewhere, candidate),
            effort.is_too_little_beside(&earlier.effort),
        ),
    }
}

/// What would have passed is open, where there is a reason.
fn unless(told: Told, why: Option<String>) -> Told {
    match why {
        Some(why) if told.result == StepResult::Passed => Told::new(StepResult::Inconclusive, why),
        _ => told,
    }
}

/// What crashes at other statements, of the function or beside it, say about a fix.
fn survivors(tried: u64, elsewhere: Vec<Location>, candidate: &FixCandidate) -> Told {
    if let Some(place) = elsewhere.iter().find(|place| is_written_by(candidate, place)) {
        let detail =
            format!("the fix itself fails in the same way, in line {} of {}", place.line, place.file);
        return Told::new(StepResult::Failed, detail);
    }
    let mut detail = format!("{tried} further calls do not end in the crash");
    if !elsewhere.is_empty() {
        let told = |place: &Location| format!("line {} of {}", before(place, candidate), place.function);
        let places: Vec<String> = elsewhere.iter().map(told).collect();
        let fails = if places.len() == 1 { "fails" } else { "fail" };
        detail.push_str(&format!(
            "; but {} {fails} in the same way, which this fix does not mend",
            places.join(", ")
        ));
    }
    Told { result: StepResult::Passed, detail, still_failing: elsewhere }
}

/// Whether a line of the mended file was written by the change.
pub(super) fn is_written_by(candidate: &FixCandidate, place: &Location) -> bool {
    let line = usize::try_from(place.line).unwrap_or(usize::MAX).saturating_sub(1);
    candidate.changes.iter().filter(|change| change.path == place.file).any(|change| {
        let diff = TextDiff::from_lines(&change.before, &change.after);
        diff.ops().iter().any(|op| !matches!(op, DiffOp::Equal { .. }) && op.new_range().contains(&line))
    })
}

/// The line of an unchanged statement in the file as it stands.
fn before(place: &Location, candidate: &FixCandidate) -> u32 {
    let line = usize::try_from(place.line).unwrap_or(usize::MAX).saturating_sub(1);
    let change = candidate.changes.iter().find(|change| change.path == place.file);
    let old = change.and_then(|change| {
        let diff = TextDiff::from_lines(&change.before, &change.after);
        diff.ops().iter().find_map(|op| {
            let (old, new) = (op.old_range(), op.new_range());
            (matches!(op, DiffOp::Equal { .. }) && new.contains(&line))
                .then(|| old.start + (line - new.start))
        })
    });
    old.and_then(|old| u32::try_from(old + 1).ok()).unwrap_or(place.line)
}

/// The scratch copy as a repository of its own.
pub(super) fn mended(
    repository: &Repository,
    workspace: &Workspace,
) -> Result<Repository, crate::repository::Error> {
    Repository::open_within(&workspace.tree(), repository.config())
}

/// Where a statement stands after the change. One that was itself replaced is the line of its
/// replacement that is most like it.
pub(super) fn moved(place: &Location, candidate: &FixCandidate) -> Location {
    let Some(change) = candidate.changes.iter().find(|change| change.path == place.file) else {
        return place.clone();
    };
    let old = usize::try_from(place.line).unwrap_or(usize::MAX).saturating_sub(1);
    let diff = TextDiff::from_lines(&change.before, &change.after);
    let new = diff.ops().iter().find_map(|op| {
        let (before, after) = (op.old_range(), op.new_range());
        before.contains(&old).then(|| match op {
            DiffOp::Equal { .. } => after.start + (old - before.start),
            _ => most_like(change, old, after),
        })
    });
    let line = new.and_then(|line| u32::try_from(line + 1).ok()).unwrap_or(place.line);
    Location { line, ..place.clone() }
}

fn most_like(change: &FileChange, old: usize, lines: std::ops::Range<usize>) -> usize {
    let line_of = |text: &'_ str, at: usize| text.lines().nth(at).unwrap_or_default().trim().to_owned();
    let wanted = line_of(&change.before, old);
    let likeness =
        |at: &usize| TextDiff::from_chars(wanted.as_str(), line_of(&change.after, *at).as_str()).ratio();
    let best = lines.clone().max_by(|a, b| likeness(a).total_cmp(&likeness(b)));
    best.unwrap_or(lines.start)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Provenance, RepoPath};

    fn effort(tried: u64) -> Effort {
        Effort { tried, searched: Duration::from_secs(1), ..Effort::default() }
    }

    fn earlier(reach: Reach) -> Earlier {
        Earlier { reach, effort: effort(50), astray: None, aftermath: None }
    }

    #[test]
    fn a_search_that_says_nothing_proves_nothing() {
        let candidate = FixCandidate {
            provenance: Provenance::Rule { rule: "x".to_owned() },
            explanation: String::new(),
            changes: Vec::new(),
            masks: false,
            unsettled: None,
        };
        let missed = |effort, unsettled: Option<&str>| Reproduction::NotReproduced {
            reason: "m does not build".to_owned(),
            effort,
            elsewhere: Vec::new(),
            unsettled: unsettled.map(str::to_owned),
        };
        let hit = |reach, perhaps_another| Reproduction::Reproduced {
            reproducer: crate::domain::Reproducer {
                file: RepoPath::new("a_test.go").unwrap(),
                test: "TestA".to_owned(),
                source: String::new(),
                reach,
                race: false,
            },
            effort: effort(9),
            elsewhere: Vec::new(),
            perhaps_another,
            unclear: None,
            fuzzed: false,
            astray: None,
            how: "one call".to_owned(),
            aftermath: None,
        };
        for (searched, result) in [
            (missed(effort(9), None), StepResult::Passed),
            (missed(effort(0), None), StepResult::Inconclusive),
            (missed(effort(9), Some("m does not build")), StepResult::Inconclusive),
            (hit(Reach::EntryPoint, None), StepResult::Failed),
            // Another nil of the statement, by a call that callers make.
            (hit(Reach::InternalCall, Some(Likeness::OtherWords)), StepResult::Inconclusive),
            (hit(Reach::InternalCall, Some(Likeness::OtherNil)), StepResult::Passed),
            // Nobody knows which of its expressions the log tells of.
            (hit(Reach::EntryPoint, Some(Likeness::Unclear)), StepResult::Passed),
            // What no caller does says nothing about a guard in the caller.
            (hit(Reach::InternalCall, None), StepResult::Passed),
        ] {
            let told = format!("{searched:?}");
            assert_eq!(
                judge(searched, &candidate, &earlier(Reach::EntryPoint), None).result,
                result,
                "{told}"
            );
        }
        // The log's nil is mended, another one of its statement is left.
        let failing = Location { file: RepoPath::new("a.go").unwrap(), line: 3, function: "F".to_owned() };
        let other = hit(Reach::InternalCall, Some(Likeness::OtherNil));
        let told = judge(other, &candidate, &earlier(Reach::EntryPoint), Some(&failing));
        assert_eq!(told.still_failing, [failing]);
        let inner = earlier(Reach::InternalCall);
        assert!(judge(missed(effort(0), None), &candidate, &inner, None).detail.contains("m does not build"));
        // Nobody came in at an entry before either: the call that showed the crash does so still.
        assert_eq!(
            judge(hit(Reach::InternalCall, None), &candidate, &inner, None).result,
            StepResult::Failed
        );
        assert_eq!(judge(hit(Reach::ForcedState, None), &candidate, &inner, None).result, StepResult::Passed);
        // Nearly all calls hang.
        let hung = missed(Effort { stuck: 15, ..effort(16) }, None);
        let Told { result, detail: told, .. } = judge(hung, &candidate, &earlier(Reach::EntryPoint), None);
        assert!(result == StepResult::Inconclusive && told.contains("only 1 of 16 calls"), "{told}");
        // Another defect ends the process again and again.
        let broken = missed(Effort { ended: 16, ..effort(68) }, None);
        let Told { result, detail: told, .. } = judge(broken, &candidate, &earlier(Reach::EntryPoint), None);
        let open = result == StepResult::Inconclusive;
        assert!(open && told.contains("only 68 calls") && told.contains("ended 16 times"), "{told}");
        for (surely, result) in [(true, StepResult::Failed), (false, StepResult::Inconclusive)] {
            let hangs = Reproduction::Hangs { how: "a call".to_owned(), surely };
            assert_eq!(judge(hangs, &candidate, &inner, None).result, result);
        }
    }

    #[test]
    fn a_crash_where_the_statement_was_replaced_counts_with_its_own_line() {
        let path = RepoPath::new("a.go").unwrap();
        let candidate = FixCandidate {
            provenance: Provenance::Rule { rule: "x".to_owned() },
            explanation: String::new(),
            changes: vec![FileChange {
                path: path.clone(),
                before: "func F() {\n\treturn a[i]\n\treturn b[0]\n}\n".to_owned(),
                after: "func F() {\n\tc := a[0]\n\treturn c\n\treturn b[0]\n}\n".to_owned(),
            }],
            masks: false,
            unsettled: None,
        };
        let hit = |line| Reproduction::Reproduced {
            reproducer: crate::domain::Reproducer {
                file: RepoPath::new("a_test.go").unwrap(),
                test: "TestA".to_owned(),
                source: String::new(),
                reach: Reach::InternalCall,
                race: false,
            },
            effort: effort(9),
            elsewhere: Vec::new(),
            perhaps_another: None,
            unclear: None,
            fuzzed: false,
            astray: Some(Location { file: path.clone(), line, function: "F".to_owned() }),
            how: "one call".to_owned(),
            aftermath: None,
        };
        let mut earlier = earlier(Reach::InternalCall);
        earlier.astray = Some(Location { file: path.clone(), line: 2, function: "F".to_owned() });
        let Told { result, detail: told, .. } = judge(hit(2), &candidate, &earlier, None);
        assert!(result == StepResult::Failed && told.contains("line 2 of a.go"), "{told}");
        let Told { result, detail: told, .. } = judge(hit(4), &candidate, &earlier, None);
        assert!(result == StepResult::Passed && told.contains("but line 3 of F fails"), "{told}");
        // The very statement that was shown to crash.
        earlier.astray = earlier.astray.map(|place| Location { line: 3, ..place });
        let Told { result, detail: told, .. } = judge(hit(4), &candidate, &earlier, None);
        assert!(result == StepResult::Failed && told.contains("can still be had"), "{told}");
    }

    #[test]
    fn statements_move_with_the_change() {
        let path = RepoPath::new("a.go").unwrap();
        let change = FileChange {
            path: path.clone(),
            before: "a\nb\nc\nd\n".to_owned(),
            after: "a\nnew\nnew\nb\nC\nd\n".to_owned(),
        };
        let candidate = FixCandidate {
            provenance: Provenance::Rule { rule: "x".to_owned() },
            explanation: String::new(),
            changes: vec![change],
            masks: false,
            unsettled: None,
        };
        let at = |line| {
            let place = Location { file: path.clone(), line, function: "F".to_owned() };
            moved(&place, &candidate).line
        };
        assert_eq!((at(1), at(2), at(3), at(4)), (1, 4, 5, 6));
        // What the fix wrote counts against it; what stood there before is told with its own line.
        let at = |line| Location { file: path.clone(), line, function: "F".to_owned() };
        let Told { result, detail: told, .. } = survivors(9, vec![at(6)], &candidate);
        assert!(result == StepResult::Passed && told.contains("line 4 of F"), "{told}");
        assert_eq!(survivors(9, vec![at(6), at(2)], &candidate).result, StepResult::Failed);
        assert_eq!(survivors(9, Vec::new(), &candidate).detail, "9 further calls do not end in the crash");
        let mut replaced = candidate.clone();
        replaced.changes[0].before = "a\nreturn x / y / z\nd\n".to_owned();
        replaced.changes[0].after = "a\nq := 0\nif z != 0 {\n\tq = x / y / z\n}\nreturn q\nd\n".to_owned();
        let place = Location { file: path, line: 2, function: "F".to_owned() };
        assert_eq!(moved(&place, &replaced).line, 4);
        let elsewhere = Location { file: RepoPath::new("b.go").unwrap(), line: 3, function: "F".to_owned() };
        assert_eq!(moved(&elsewhere, &candidate), elsewhere);
    }
}
