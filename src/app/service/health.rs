//! What keeps the service from doing its work just now: who may ask for it, and how it is told.
//!
//! Whoever meets a condition reports it here, as often as it is met; this place decides what is said. A
//! condition is told when it begins, seldom while it lasts, and when it is over. One that comes and goes, as on
//! a disk that is all but full, is told no more often than one that lasts.

use std::error::Error;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::watch;

use crate::server::NotReady;

/// The least time between two lines about the same condition.
const REMINDER_INTERVAL: Duration = Duration::from_secs(300);

/// Something that keeps the service from doing its work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Condition {
    /// What the last process left is not taken up yet.
    Starting,
    /// It is coming to its end.
    Stopping,
    /// The bus holds as much as it may.
    BusFull,
    /// The bus cannot be written.
    BusUnwritable,
    /// Kafka cannot be used.
    BrokersUnusable,
    /// Counts cannot be written.
    CountsUnwritable,
    /// The beginnings and ends of attempts cannot be written.
    AttemptsUnwritable,
    /// Checkpoints cannot be written.
    CheckpointsUnwritable,
    /// The repository cannot be read.
    RepositoryUnusable,
}

impl Condition {
    const ALL: [Self; 9] = [
        Self::Starting,
        Self::Stopping,
        Self::BusFull,
        Self::BusUnwritable,
        Self::BrokersUnusable,
        Self::CountsUnwritable,
        Self::AttemptsUnwritable,
        Self::CheckpointsUnwritable,
        Self::RepositoryUnusable,
    ];

    /// The part of the service that it concerns.
    const fn part(self) -> &'static str {
        match self {
            Self::Starting | Self::Stopping => "service",
            Self::BusFull | Self::BusUnwritable | Self::BrokersUnusable => "bus",
            Self::CountsUnwritable | Self::AttemptsUnwritable => "knowledge",
            Self::CheckpointsUnwritable => "collector",
            Self::RepositoryUnusable => "repository",
        }
    }

    /// What is so, what follows from it, and what to do.
    const fn reason(self) -> &'static str {
        match self {
            Self::Starting => "starting: what the last run left is not taken up yet",
            Self::Stopping => "stopping: nothing more is read",
            Self::BusFull => {
                "the bus is full of events that were not counted yet, and reading waits; see what keeps them \
                 from being counted, or raise bus.retention_bytes"
            }
            Self::BusUnwritable => {
                "the bus cannot be written, and reading waits; it needs space in state_dir, and is tried again"
            }
            Self::BrokersUnusable => {
                "Kafka cannot be used, and once the queue is full reading waits; the log tells why and what to do; \
                 it is tried again"
            }
            Self::CountsUnwritable => {
                "errors cannot be counted, and wait in the bus; knowledge needs space on its disk, and is tried \
                 again"
            }
            Self::AttemptsUnwritable => {
                "what attempts bring cannot be written and is held, and no more are begun; knowledge needs \
                 space on its disk, and is tried again"
            }
            Self::CheckpointsUnwritable => {
                "checkpoints cannot be written; a restart would read again what came since; they need space in \
                 state_dir, and are tried again"
            }
            Self::RepositoryUnusable => {
                "the repository cannot be read, and defects wait to be worked on; see whether its volume is \
                 there; it is tried again"
            }
        }
    }

    /// What is said when it is over.
    const fn end(self) -> &'static str {
        match self {
            Self::Starting => "what the last run left is taken up",
            Self::Stopping => "stopped",
            Self::BusFull => "the bus has room again",
            Self::BusUnwritable => "the bus can be written again; nothing was lost",
            Self::BrokersUnusable => "Kafka can be used again; nothing was lost",
            Self::CountsUnwritable => "errors are counted again; nothing was lost",
            Self::AttemptsUnwritable => "what attempts bring can be written again; nothing was lost",
            Self::CheckpointsUnwritable => "checkpoints can be written again; nothing was lost",
            Self::RepositoryUnusable => "the repository can be read again; what waited is worked on",
        }
    }
}

/// How one condition stands.
#[derive(Debug, Clone, Copy, Default)]
struct Standing {
    holds: bool,
    /// When it was last told.
    told: Option<Instant>,
    /// Whether somebody was told that it holds, and not yet that it is over.
    is_open: bool,
}

impl Standing {
    /// It holds. Whether that is to be told.
    fn met(&mut self, now: Instant) -> bool {
        self.holds = true;
        let is_due = self.told.is_none_or(|told| now.saturating_duration_since(told) >= REMINDER_INTERVAL);
        if is_due {
            (self.told, self.is_open) = (Some(now), true);
        }
        is_due
    }

    /// It is over. Whether that is to be told.
    fn over(&mut self) -> bool {
        self.holds = false;
        std::mem::take(&mut self.is_open)
    }
}

/// Where conditions are reported. Clones report to the same place.
#[derive(Debug, Clone)]
pub(super) struct Report {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    standings: Mutex<[Standing; Condition::ALL.len()]>,
    readiness: watch::Sender<Vec<NotReady>>,
}

impl Report {
    /// A service that is starting.
    pub(super) fn new() -> Self {
        let shared = Shared { standings: Mutex::default(), readiness: watch::Sender::new(Vec::new()) };
        let report = Self { shared: Arc::new(shared) };
        report.set(Condition::Starting, true);
        report
    }

    /// Why the service is not ready; empty when it is.
    pub(super) fn readiness(&self) -> watch::Receiver<Vec<NotReady>> {
        self.shared.readiness.subscribe()
    }

    /// A condition was met, for this cause.
    pub(super) fn failing(&self, condition: Condition, cause: &(dyn Error + 'static)) {
        let mut standings = self.standings();
        if standings[condition as usize].met(Instant::now()) {
            // With all that led to it: what the system said comes last.
            tracing::error!(cause, "{}", condition.reason());
        }
        self.show(&standings);
    }

    /// What was attempted has succeeded.
    pub(super) fn fine(&self, condition: Condition) {
        let mut standings = self.standings();
        if standings[condition as usize].over() {
            tracing::warn!("{}", condition.end());
        }
        self.show(&standings);
    }

    /// Whether a condition holds of which somebody else tells, or nobody needs to.
    pub(super) fn set(&self, condition: Condition, holds: bool) {
        let mut standings = self.standings();
        standings[condition as usize].holds = holds;
        self.show(&standings);
    }

    fn show(&self, standings: &[Standing; Condition::ALL.len()]) {
        let holding = || Condition::ALL.into_iter().filter(|condition| standings[*condition as usize].holds);
        self.shared.readiness.send_if_modified(|reasons| {
            let is_news = !holding().map(Condition::reason).eq(reasons.iter().map(|it| it.reason.as_str()));
            if is_news {
                let reason = |it: Condition| NotReady { part: it.part(), reason: it.reason().to_owned() };
                *reasons = holding().map(reason).collect();
            }
            is_news
        });
    }

    fn standings(&self) -> MutexGuard<'_, [Standing; Condition::ALL.len()]> {
        self.shared.standings.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_condition_is_told_when_it_begins_seldom_while_it_lasts_and_when_it_is_over() {
        let start = Instant::now();
        let mut standing = Standing::default();
        assert!(!standing.over(), "nothing has begun");
        let mut lines = 0;
        for second in 0..=900 {
            lines += u32::from(standing.met(start + Duration::from_secs(second)));
        }
        assert_eq!(lines, 4);
        assert!(standing.over() && !standing.over());
    }

    #[test]
    fn what_comes_and_goes_is_told_no_more_often_than_what_lasts() {
        let start = Instant::now();
        let mut standing = Standing::default();
        let (mut begun, mut ended) = (0, 0);
        for second in 0..=900 {
            begun += u32::from(standing.met(start + Duration::from_secs(second)));
            ended += u32::from(standing.over());
        }
        assert_eq!((begun, ended), (4, 4));
    }

    #[test]
    fn whoever_asks_hears_of_what_holds_and_of_changes_only() {
        let report = Report::new();
        let mut readiness = report.readiness();
        let parts = |reasons: &[NotReady]| reasons.iter().map(|reason| reason.part).collect::<Vec<_>>();
        assert_eq!(parts(&readiness.borrow_and_update()), ["service"]);
        report.set(Condition::Starting, false);
        assert_eq!(parts(&readiness.borrow_and_update()), Vec::<&str>::new());
        report.failing(Condition::CountsUnwritable, &std::io::Error::from(std::io::ErrorKind::StorageFull));
        report.clone().set(Condition::BusFull, true);
        assert_eq!(parts(&readiness.borrow_and_update()), ["bus", "knowledge"]);
        report.failing(Condition::CountsUnwritable, &std::io::Error::from(std::io::ErrorKind::StorageFull));
        assert!(!readiness.has_changed().unwrap());
        report.fine(Condition::CountsUnwritable);
        assert_eq!(parts(&readiness.borrow_and_update()), ["bus"]);
    }

    #[test]
    fn conditions_stand_at_their_places() {
        for (index, condition) in Condition::ALL.into_iter().enumerate() {
            assert_eq!(condition as usize, index);
        }
    }
}
