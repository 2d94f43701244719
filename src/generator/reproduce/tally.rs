//! What has come of a reproduction so far, and what it took.

use std::time::Duration;

use super::Reproduction;
use super::aftermath::Aftermath;
use crate::domain::{Location, Reproducer};
use crate::repository::Likeness;

/// What a search has done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Effort {
    /// How many calls were made.
    pub tried: u64,
    /// How many of them did not come back in time.
    pub stuck: u64,
    /// How often the process ended, and nothing was found by that.
    pub ended: u64,
    /// How long calls were made, starts of processes and the shrinking of what was found included.
    pub searched: Duration,
}

/// A search is held against another only if it made so many calls.
const ENOUGH: u64 = 100;
/// So many times slower it is another kind of search.
const MUCH_SLOWER: f64 = 50.0;
/// From this part of calls that hang on, they may be what keeps a search from its work.
const MANY_STUCK: f64 = 0.1;
/// Where so many times more of them hang than did before, something has changed.
const MUCH_MORE: f64 = 3.0;
/// A process that ended so often keeps a search from its work, unless so many calls were made for each.
const ENDED_OFTEN: u64 = 4;
const CALLS_FOR_EACH: u64 = 100;
/// The harness leaves a call behind after so long.
const PATIENCE: Duration = Duration::from_millis(60);

impl Effort {
    /// The sum of two.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self {
            tried: self.tried.saturating_add(other.tried),
            stuck: self.stuck.saturating_add(other.stuck),
            ended: self.ended.saturating_add(other.ended),
            searched: self.searched.saturating_add(other.searched),
        }
    }

    /// Why a search whose process ended again and again is no answer: it made hardly any calls. Whether it
    /// went so before the change as well is no matter, for then nobody has ever looked.
    #[must_use]
    pub fn was_broken_off(&self) -> Option<String> {
        let few = self.tried < self.ended.saturating_mul(CALLS_FOR_EACH);
        (self.ended >= ENDED_OFTEN && few).then(|| {
            format!(
                "only {} calls were made, since the process ended {} times: that is too little to say that the crash is gone",
                self.tried, self.ended,
            )
        })
    }

    /// Why this search, which found nothing, is no answer beside one of the same calls before a change. A
    /// program that is slow is slow both times: it is the calls that hang which count, where they take the
    /// time, and how many calls are made in a time. The first search may have ended with its first calls,
    /// so how many there are in all says nothing.
    #[must_use]
    pub fn is_too_little_beside(&self, before: &Self) -> Option<String> {
        if let Some(why) = self.was_broken_off() {
            return Some(why);
        }
        // One more of each kind, so that a handful of calls is no certainty.
        let stuck_before = ratio(before.stuck + 1, before.tried + 2);
        let stuck = ratio(self.stuck, self.tried.max(1));
        let lost = PATIENCE.saturating_mul(u32::try_from(self.stuck).unwrap_or(u32::MAX));
        let many = stuck >= MANY_STUCK
            && (stuck >= MUCH_MORE * stuck_before || MUCH_MORE * (1.0 - stuck) <= 1.0 - stuck_before);
        if many && lost * 2 >= self.searched {
            let back = self.tried.saturating_sub(self.stuck);
            return Some(format!(
                "only {back} of {} calls came back, the others hang, where {} of {} did before the change: that is too little to say that the crash is gone",
                self.tried,
                before.tried.saturating_sub(before.stuck),
                before.tried,
            ));
        }
        let slower = before.tried >= ENOUGH && self.pace() * MUCH_SLOWER < before.pace();
        slower.then(|| {
            format!(
                "only {} calls were made in {:.1} s, where {} were in {:.1} s before the change: that is too little to say that the crash is gone",
                self.tried,
                self.searched.as_secs_f64(),
                before.tried,
                before.searched.as_secs_f64(),
            )
        })
    }

    /// Calls a second.
    fn pace(&self) -> f64 {
        ratio(self.tried, 1) / self.searched.as_secs_f64().max(0.001)
    }
}

#[allow(clippy::cast_precision_loss, reason = "counts of calls are small, and only their proportion matters")]
fn ratio(part: u64, whole: u64) -> f64 {
    part as f64 / whole as f64
}

/// A test that ends in the crash.
pub(super) struct Shown {
    pub(super) reproducer: Reproducer,
    pub(super) likeness: Likeness,
    /// Where it crashed.
    pub(super) place: Option<Location>,
    /// By which function it did not come, as the log's crash did.
    pub(super) missed: Option<String>,
}

/// The best that has come of it.
pub(super) struct Best {
    pub(super) reproducer: Reproducer,
    pub(super) perhaps_another: Option<Likeness>,
    pub(super) unclear: Option<String>,
    pub(super) fuzzed: bool,
    pub(super) astray: Option<Location>,
    pub(super) how: String,
    pub(super) aftermath: Option<Box<Aftermath>>,
}

/// What has come of it so far.
#[derive(Default)]
pub(super) struct Tally {
    pub(super) effort: Effort,
    pub(super) elsewhere: Vec<Location>,
    /// Functions that end the process with another crash: they are left out from now on.
    pub(super) without: Vec<String>,
    problems: Vec<String>,
    /// The first of them that concerns what the program's callers do.
    unsettled: Option<String>,
    /// A crash at the statement that may be another defect.
    pub(super) second_best: Option<Best>,
}

impl Tally {
    pub(super) fn leaving_out(without: Vec<String>) -> Self {
        Self { without, ..Self::default() }
    }

    /// Notes what went wrong; `fair` where it concerns what the program's callers do.
    pub(super) fn note(&mut self, problem: String, fair: bool) {
        if fair {
            self.unsettled.get_or_insert_with(|| problem.clone());
        }
        self.problems.push(problem);
    }

    pub(super) fn reproduced(self, best: Best) -> Reproduction {
        let Self { effort, elsewhere, .. } = self;
        let Best { reproducer, perhaps_another, unclear, fuzzed, astray, how, aftermath } = best;
        Reproduction::Reproduced {
            reproducer,
            effort,
            elsewhere,
            perhaps_another,
            fuzzed,
            unclear,
            astray,
            how,
            aftermath,
        }
    }

    pub(super) fn close(mut self) -> Reproduction {
        if let Some(best) = self.second_best.take() {
            return self.reproduced(best);
        }
        let Self { effort, elsewhere, mut problems, unsettled, .. } = self;
        problems.dedup();
        let Effort { tried, ended, .. } = effort;
        if ended >= ENDED_OFTEN {
            problems.push(format!("the process ended {ended} times"));
        }
        let reason = match problems.is_empty() {
            true => format!("no call of {tried} ended in the crash"),
            false => format!("no call of {tried} ended in the crash; {}", problems.join("; ")),
        };
        Reproduction::NotReproduced { reason, effort, elsewhere, unsettled }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_made_hardly_any_calls_says_nothing() {
        let effort = |tried, stuck, millis| Effort {
            tried,
            stuck,
            searched: Duration::from_millis(millis),
            ..Effort::default()
        };
        let ending = |tried, ended| Effort { ended, ..effort(tried, 0, 2000) };
        for (before, after, told) in [
            // A lock that is left held: nearly every call hangs.
            (effort(18_000, 3, 2000), effort(96, 90, 5500), Some("only 6 of 96 calls came back")),
            // The crash was found at once.
            (effort(14, 0, 80), effort(40, 30, 2000), Some("only 10 of 40")),
            (effort(18_000, 3, 2000), effort(180, 31, 2000), Some("only 149 of 180")),
            // Calls that wait did so before, too.
            (effort(60, 25, 2000), effort(55, 30, 2000), None),
            (effort(14, 9, 600), effort(60, 30, 2000), None),
            // A few that hang leave the others their time.
            (effort(18_000, 3, 2000), effort(9_000, 12, 2000), None),
            // A program that is slow is slow both times, and the first search may have been lucky.
            (effort(1, 0, 900), effort(12, 0, 2700), None),
            (effort(200, 0, 20_000), effort(20, 0, 2000), None),
            // It ends at nearly every call, and is started but so often.
            (effort(18_000, 0, 2000), effort(16, 0, 2000), Some("only 16 calls were made in 2.0 s")),
            // Another defect ends it again and again, as it did before.
            (
                ending(68, 16),
                ending(68, 16),
                Some("only 68 calls were made, since the process ended 16 times"),
            ),
            (effort(18_000, 0, 2000), ending(9_000, 16), None),
            (effort(1, 0, 900), ending(12, 1), None),
        ] {
            let said = after.is_too_little_beside(&before);
            match told {
                Some(told) => assert!(said.as_deref().is_some_and(|said| said.contains(told)), "{said:?}"),
                None => assert_eq!(said, None, "{before:?} {after:?}"),
            }
        }
    }
}
