//! Events → groups with exact counts, in bounded memory.

use std::collections::HashMap;

use crate::domain::{ErrorEvent, ErrorGroup, Fingerprint};

/// Groups of events by their site.
///
/// At most `limit` groups are kept. At the limit an event of a new group is not stored, but counted as
/// [`overflowed`](Self::overflowed), so that the counts of all groups and the overflow together are the
/// exact number of events; groups that are known go on counting exactly.
#[derive(Debug, Clone)]
pub struct Groups {
    groups: HashMap<Fingerprint, ErrorGroup>,
    limit: usize,
    events: u64,
    overflowed: u64,
}

impl Groups {
    /// An empty collection of at most `limit` groups.
    #[must_use]
    pub fn new(limit: usize) -> Self {
        Self { groups: HashMap::new(), limit, events: 0, overflowed: 0 }
    }

    /// Counts an event.
    pub fn add(&mut self, event: ErrorEvent) {
        self.events += 1;
        let room = self.groups.len() < self.limit;
        match self.groups.get_mut(&event.keys.site) {
            Some(group) => group.add(event),
            None if room => {
                self.groups.insert(event.keys.site, ErrorGroup::new(event));
            }
            None => self.overflowed += 1,
        }
    }

    /// Whether an event would be the first of a group that finds room.
    #[must_use]
    pub fn would_add_group(&self, event: &ErrorEvent) -> bool {
        self.groups.len() < self.limit && !self.groups.contains_key(&event.keys.site)
    }

    /// Number of events added.
    #[must_use]
    pub const fn events(&self) -> u64 {
        self.events
    }

    /// Number of events whose group found no room.
    #[must_use]
    pub const fn overflowed(&self) -> u64 {
        self.overflowed
    }

    /// Number of groups.
    #[must_use]
    pub fn len(&self) -> usize {
        self.groups.len()
    }

    /// Whether there is no group.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.groups.is_empty()
    }

    /// The groups: worst severity first, then the most frequent, then by place in the log.
    #[must_use]
    pub fn into_sorted(self) -> Vec<ErrorGroup> {
        let mut groups: Vec<_> = self.groups.into_values().collect();
        groups.sort_by(|a, b| {
            b.severity
                .cmp(&a.severity)
                .then(b.count.cmp(&a.count))
                .then(a.first.span.start.cmp(&b.first.span.start))
                .then(a.fingerprint.cmp(&b.fingerprint))
        });
        groups
    }
}
