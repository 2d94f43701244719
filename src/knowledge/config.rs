//! What an operator may set.

use std::time::Duration;

/// The `knowledge` section of the configuration, as far as this room is concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Config {
    /// How many groups are kept.
    pub max_entries: usize,
    /// How long a group is kept after its last occurrence.
    pub retention_period: Duration,
    /// For how much running time the id of an event is recognised.
    pub dedup_retention: Duration,
}

impl Default for Config {
    fn default() -> Self {
        const DAY: u64 = 86_400;
        Self {
            max_entries: 10_000,
            retention_period: Duration::from_secs(90 * DAY),
            dedup_retention: Duration::from_secs(7 * DAY),
        }
    }
}
