//! All occurrences of one failure.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{ErrorEvent, Fingerprint, Severity};

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

    /// Counts another occurrence. A later event that carries a trace replaces a first one without.
    pub fn add(&mut self, event: ErrorEvent) {
        debug_assert_eq!(self.fingerprint, event.keys.site, "an event joins its own group");
        self.count += 1;
        self.severity = self.severity.max(event.severity);
        if let Some(time) = event.time {
            self.first_seen = Some(self.first_seen.map_or(time, |first| first.min(time)));
            self.last_seen = Some(self.last_seen.map_or(time, |last| last.max(time)));
        }
        if self.first.trace.is_none() && event.trace.is_some() {
            self.first = event;
        }
    }
}
