//! What an attempt has reached so far: it must not be lost when time runs out in the middle.

use crate::domain::{FixCandidate, Location, Reach, Step, StepName, StepResult, VerdictKind};
use crate::generator::reproduce::{Aftermath, Effort};
use crate::validator::{Climb, Verdict};

/// What the search before the change has shown.
#[derive(Debug)]
pub(super) struct Earlier {
    /// How the crash was reached.
    pub(super) reach: Reach,
    pub(super) effort: Effort,
    /// Where it crashed, if the statement of the log is not there any more.
    pub(super) astray: Option<Location>,
    pub(super) aftermath: Option<Box<Aftermath>>,
}

/// Why a fix is not proven by what only the fuzzer found.
const FUZZED: &str =
    "only the fuzzer came to the crash, and the renewed search, which is none, comes less far";

/// A candidate and what was judged of it.
type Judged = (FixCandidate, Verdict);

/// The best candidate so far, and the one that is looked at a second time.
#[derive(Debug, Default)]
pub(super) struct Standing {
    best: Option<Judged>,
    /// The one that is being judged, and how far that has come.
    climbing: Option<(FixCandidate, Climb)>,
    pending: Option<Judged>,
    /// Why the reproducer need not show the defect of the log.
    doubt: Option<String>,
    /// Whether only the fuzzer found the reproducer.
    fuzzed: bool,
    /// Where what is judged extends the best: how many statements failed still. It need not be better otherwise if
    /// fewer do now.
    extends: Option<usize>,
}

impl Standing {
    /// From now on nothing is proven.
    pub(super) fn doubt(&mut self, why: String) {
        self.doubt = Some(why);
    }

    /// Whether the reproducer need not show the defect of the log.
    pub(super) const fn is_doubted(&self) -> bool {
        self.doubt.is_some()
    }

    /// Keeps what is known of a candidate while it is judged.
    pub(super) fn climb(&mut self, candidate: FixCandidate, climb: Climb) -> &mut Climb {
        &mut self.climbing.insert((candidate, climb)).1
    }

    /// Takes a candidate in, if it is better than the best so far.
    pub(super) fn take(&mut self, candidate: FixCandidate, verdict: Verdict) {
        self.take_if(candidate, verdict, false);
    }

    /// The same, where it is as good and does more.
    fn take_if(&mut self, candidate: FixCandidate, verdict: Verdict, does_more: bool) {
        self.climbing = None;
        let is_better = |best: VerdictKind| verdict.kind() > best || does_more && verdict.kind() == best;
        if self.best.as_ref().is_none_or(|(_, best)| is_better(best.kind())) {
            self.best = Some((candidate, verdict));
        }
    }

    /// What is judged next extends the best, with which so many statements fail still; or is another one.
    pub(super) const fn extend(&mut self, failing: Option<usize>) {
        self.extends = failing;
    }

    /// Notes that only the fuzzer found the reproducer.
    pub(super) const fn set_fuzzed(&mut self, fuzzed: bool) {
        self.fuzzed = fuzzed;
    }

    /// Whether anything may be proven at all.
    pub(super) const fn may_prove(&self) -> bool {
        self.doubt.is_none() && !self.fuzzed
    }

    /// Whether something holds, as far as it could be judged.
    pub(super) fn holds(&self) -> bool {
        self.best.as_ref().is_some_and(|(_, best)| best.kind() >= VerdictKind::Plausible)
    }

    /// Whether it is this candidate that holds.
    pub(super) fn is_held_by(&self, candidate: &FixCandidate) -> bool {
        self.holds() && self.best.as_ref().is_some_and(|(best, _)| best.changes == candidate.changes)
    }

    /// Whether something is proven.
    pub(super) fn is_proven(&self) -> bool {
        self.best.as_ref().is_some_and(|(_, best)| best.kind() == VerdictKind::Proven)
    }

    /// Keeps what is known of a candidate that climbed the whole ladder, before the renewed search.
    pub(super) fn await_challenge(&mut self, candidate: FixCandidate, verdict: Verdict) {
        self.climbing = None;
        self.pending = Some((candidate, verdict));
    }

    /// Ends the second look; how the candidate came out of it. Where statements fail still, it is not proven.
    pub(super) fn challenged(&mut self, step: Step, still_failing: &[Location]) -> Option<VerdictKind> {
        let (candidate, verdict) = self.pending.take()?;
        let verdict = verdict.challenged(step);
        let partial = still_failing
            .first()
            .map(|Location { function, .. }| format!("{function} still fails in the same way"));
        let lame = self.fuzzed.then(|| FUZZED.to_owned());
        let doubt = self.doubt.as_ref().or(partial.as_ref()).or(lame.as_ref());
        let verdict = match doubt {
            Some(why) => verdict.doubted(why),
            None => verdict,
        };
        let kind = verdict.kind();
        let does_more = self.extends.is_some_and(|before| still_failing.len() < before);
        self.take_if(candidate, verdict, does_more);
        Some(kind)
    }

    /// The best of all. What never ended proves nothing, but takes nothing away either.
    pub(super) fn finish(mut self) -> Option<Judged> {
        if let Some((candidate, climb)) = self.climbing.take() {
            self.take(candidate, climb.broken_off());
        }
        if let Some((candidate, verdict)) = self.pending.take() {
            let verdict = verdict.challenged(cut_short());
            if self.best.as_ref().is_none_or(|(_, best)| verdict.kind() >= best.kind()) {
                return Some((candidate, verdict));
            }
        }
        self.best
    }
}

/// The renewed search that did not come to its end.
fn cut_short() -> Step {
    Step {
        name: StepName::RenewedSearch,
        result: StepResult::Inconclusive,
        runs: 0,
        detail: "every other step holds, but the search was cut short".to_owned(),
        seconds: 0.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Provenance;

    fn candidate(name: &str) -> FixCandidate {
        FixCandidate {
            provenance: Provenance::Rule { rule: name.to_owned() },
            explanation: name.to_owned(),
            masks: false,
            unsettled: None,
            changes: Vec::new(),
        }
    }

    fn step(result: StepResult) -> Step {
        Step { result, ..cut_short() }
    }

    fn end(standing: Standing) -> (String, VerdictKind) {
        let (candidate, verdict) = standing.finish().unwrap();
        (candidate.explanation, verdict.kind())
    }

    #[test]
    fn a_second_look_that_never_ends_keeps_the_candidate() {
        let mut standing = Standing::default();
        standing.take(candidate("slow"), Verdict::after(step(StepResult::Inconclusive)));
        standing.await_challenge(candidate("good"), Verdict::after(step(StepResult::Passed)));
        assert_eq!(end(standing), ("good".to_owned(), VerdictKind::Inconclusive));
    }

    #[test]
    fn a_candidate_that_was_not_judged_to_its_end_is_kept() {
        let mut standing = Standing::default();
        standing.take(candidate("bad"), Verdict::after(step(StepResult::Failed)));
        standing.climb(candidate("open"), Climb::default());
        assert_eq!(end(standing), ("open".to_owned(), VerdictKind::Inconclusive));
        // Another one was as good before.
        let mut standing = Standing::default();
        standing.take(candidate("slow"), Verdict::after(step(StepResult::Inconclusive)));
        standing.climb(candidate("open"), Climb::default());
        assert_eq!(end(standing), ("slow".to_owned(), VerdictKind::Inconclusive));
        // What was judged is not judged any more.
        let mut standing = Standing::default();
        standing.climb(candidate("bad"), Climb::default());
        standing.take(candidate("bad"), Verdict::after(step(StepResult::Failed)));
        assert_eq!(end(standing), ("bad".to_owned(), VerdictKind::Rejected));
    }

    #[test]
    fn a_refuted_candidate_gives_way_to_the_best_before() {
        let mut standing = Standing::default();
        standing.take(candidate("slow"), Verdict::after(step(StepResult::Inconclusive)));
        standing.await_challenge(candidate("refuted"), Verdict::after(step(StepResult::Passed)));
        assert_eq!(standing.challenged(step(StepResult::Failed), &[]), Some(VerdictKind::Rejected));
        assert_eq!(end(standing), ("slow".to_owned(), VerdictKind::Inconclusive));
    }

    #[test]
    fn a_candidate_that_holds_is_proven() {
        let mut standing = Standing::default();
        standing.take(candidate("bad"), Verdict::after(step(StepResult::Failed)));
        standing.await_challenge(candidate("good"), Verdict::after(step(StepResult::Passed)));
        assert_eq!(standing.challenged(step(StepResult::Passed), &[]), Some(VerdictKind::Proven));
        assert_eq!(end(standing), ("good".to_owned(), VerdictKind::Proven));
    }

    #[test]
    fn what_mends_a_part_is_not_proven() {
        let mut standing = Standing::default();
        let path = crate::domain::RepoPath::new("a.go").unwrap();
        let failing = Location { file: path, line: 7, function: "F".to_owned() };
        standing.await_challenge(candidate("a part"), Verdict::after(step(StepResult::Passed)));
        assert_eq!(standing.challenged(step(StepResult::Passed), &[failing]), Some(VerdictKind::Plausible));
        let (candidate, verdict) = standing.finish().unwrap();
        assert_eq!(candidate.explanation, "a part");
        assert_eq!(verdict.reason(), "every step holds, but F still fails in the same way");
    }

    #[test]
    fn what_only_the_fuzzer_finds_proves_nothing() {
        let mut standing = Standing::default();
        standing.set_fuzzed(true);
        standing.await_challenge(candidate("good"), Verdict::after(step(StepResult::Passed)));
        assert_eq!(standing.challenged(step(StepResult::Passed), &[]), Some(VerdictKind::Plausible));
        assert!(!standing.is_doubted() && !standing.may_prove() && standing.holds());
    }

    #[test]
    fn what_may_be_another_defect_is_refuted_but_not_proven() {
        let mut standing = Standing::default();
        standing.doubt("the log does not tell".to_owned());
        standing.await_challenge(candidate("refuted"), Verdict::after(step(StepResult::Passed)));
        assert_eq!(standing.challenged(step(StepResult::Failed), &[]), Some(VerdictKind::Rejected));
        standing.await_challenge(candidate("good"), Verdict::after(step(StepResult::Passed)));
        assert_eq!(standing.challenged(step(StepResult::Passed), &[]), Some(VerdictKind::Plausible));
        let (candidate, verdict) = standing.finish().unwrap();
        assert_eq!(candidate.explanation, "good");
        assert_eq!(verdict.reason(), "every step holds, but the log does not tell");
    }
}
