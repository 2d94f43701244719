//! What an operator may set.

use std::time::Duration;

/// The `bus` section of the configuration, as far as the embedded engine is concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Config {
    /// The most bytes that may wait to be written. Publishing waits at this limit.
    pub max_queue_bytes: u64,
    /// The most bytes of messages that are kept on disk. Beyond, what was consumed is deleted, oldest
    /// first; what was not is never deleted, and publishing waits.
    pub retention_bytes: u64,
    /// How long what was consumed is kept at most.
    pub retention_period: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            max_queue_bytes: 8 << 20,
            retention_bytes: 512 << 20,
            retention_period: Duration::from_secs(3_600),
        }
    }
}
