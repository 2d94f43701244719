//! All occurrences of one failure.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{ErrorEvent, Fingerprint, Occurrences, Severity};

/// All occurrences of one failure: an exact count and the first occurrence in full.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorGroup {
    /// The group's identity: the `site` key of its events.
    pub fingerprint: Fingerprint,
    /// The worst severity seen.
    pub severity: Severity,
    /// Exact number of occurrences.
    pub count: u64,
    /// Time of the first occurrence that told one.
    pub first_seen: Option<Timestamp>,
    /// Time of the last occurrence that told one.
    pub last_seen: Option<Timestamp>,
    /// The first occurrence.
    pub first: ErrorEvent,
}

impl ErrorGroup {
    /// A group of one.
    #[must_use]
    pub fn new(event: ErrorEvent) -> Self {
        Self {
            fingerprint: event.keys.site,
            severity: event.severity,
            count: 1,
            first_seen: event.time,
            last_seen: event.time,
            first: event,
        }
    }

    /// Counts another occurrence.
    pub fn add(&mut self, event: ErrorEvent) {
        self.count(1, event.time, event.time, event);
    }

    /// The group that these occurrences begin.
    #[must_use]
    pub fn of(occurrences: Occurrences) -> Self {
        Self {
            count: occurrences.count.get(),
            first_seen: Some(occurrences.first_seen),
            last_seen: Some(occurrences.last_seen),
            ..Self::new(occurrences.event)
        }
    }

    /// Counts further occurrences.
    pub fn extend(&mut self, more: Occurrences) {
        self.count(more.count.get(), Some(more.first_seen), Some(more.last_seen), more.event);
    }

    /// A later event that carries a trace replaces a first one without.
    fn count(&mut self, count: u64, from: Option<Timestamp>, to: Option<Timestamp>, event: ErrorEvent) {
        debug_assert_eq!(self.fingerprint, event.keys.site, "an event joins its own group");
        self.count += count;
        self.severity = self.severity.max(event.severity);
        self.first_seen = self.first_seen.into_iter().chain(from).min();
        self.last_seen = self.last_seen.into_iter().chain(to).max();
        if self.first.trace.is_none() && event.trace.is_some() {
            self.first = event;
        }
    }
}
