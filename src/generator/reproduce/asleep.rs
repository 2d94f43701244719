//! Calls that never come back, since goroutines wait for each other.
//!
//! The search knows one by where it stands when its time is over: it waits, as the log's goroutine did, at the statement of
//! the log. That is no deadlock yet, for it may wait for a timer, or for what its callers do meanwhile. So two more runs
//! are made of each:
//!
//! - alone, in a process where nothing else goes on: only where the Go runtime itself ends it, with the deadlock of
//!   the log, can nobody wake the call;
//! - beside calls of the other functions that can be called on its objects, of the package's own, and of somebody at the
//!   other end of its channels, and of what calls before it returned to give something back: where one of those wakes it,
//!   it is meant to wait. An empty queue is no defect. Nor is it one where the call calls back what the test made, with
//!   a channel or a function in hand to tell of its end.
//!
//! No object is used after a call that by its name ends it (`Close`, `Stop`): what waits then, waits for nobody.

use std::time::Duration;

use super::Error;
use super::exchange::{Found, Mode};
use super::judge::likeness;
use super::run::Mark;
use super::search::{Errand, Search};

/// How long the runtime may take to see that nobody can go on.
const ALONE_TIME: Duration = Duration::from_secs(1);
/// How long others are tried, and in how many processes: some of their calls end one.
const BESIDE_TIME: Duration = Duration::from_secs(4);
const MAX_RUNS: usize = 8;

impl Search<'_> {
    /// Why a call that waits at the statement of the log is not its deadlock; none where it is.
    pub(super) async fn may_be_woken(
        &self,
        found: &Found,
        without: &[String],
    ) -> Result<Option<String>, Error> {
        let phases = self.phases(found.forced, Duration::ZERO);
        let path = found.path.as_deref().unwrap_or_default();
        let errand = |mode, time| Errand { path, without, ..Errand::new(mode, &phases, &found.at, time) };
        let alone = self.harness(errand(Mode::Alone, ALONE_TIME)).await?;
        if likeness(self.crash, &alone.outcome.stderr).is_none() {
            tracing::debug!(ended = %alone.outcome.ended, "a call that hangs is no deadlock");
            let why = format!("the runtime takes no call of {} for a deadlock", found.call);
            return Ok(Some(why));
        }
        let mut from = 0;
        for _ in 0..MAX_RUNS {
            let beside = self.harness(Errand { from, ..errand(Mode::Beside, BESIDE_TIME) }).await?;
            tracing::debug!(ended = %beside.outcome.ended, report = ?beside.report, "others were called beside a call that hangs");
            match (beside.report.ended, beside.mark) {
                (true, _) if beside.report.asleep => return Ok(None),
                (true, _) if beside.report.woken.is_empty() => break,
                (true, _) => {
                    let why = format!("{} waits, but {} wakes it", found.call, beside.report.woken);
                    return Ok(Some(why));
                }
                (false, Some(Mark { at: (1, index), .. })) => {
                    from = usize::try_from(index).unwrap_or(usize::MAX).saturating_add(1);
                }
                (false, _) => break,
            }
        }
        Ok(Some(format!("nobody can say whether others are to wake {}", found.call)))
    }
}
