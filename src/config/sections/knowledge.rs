use std::path::PathBuf;

use crate::config::quantity::Interval;
use crate::config::read::section;

section! {
    /// What is remembered of errors and fixes.
    pub struct KnowledgeSection {
        /// Where it is kept; none means `knowledge` under `state_dir`.
        storage_path: Option<PathBuf>,
        /// Whether outcomes change which kind of fix is tried first.
        learning_enabled: bool,
        /// How many groups are kept.
        max_entries: u64 [1..=1_000_000_000],
        /// How often expired groups are removed.
        cleanup_interval: Interval [Interval::from_secs(1)..=Interval::from_days(365)],
        /// How long a group is kept after its last occurrence.
        retention_period: Interval [Interval::from_secs(60)..=Interval::from_days(36_500)],
        /// For how much running time an event that comes again is recognised.
        dedup_retention: Interval [Interval::from_secs(60)..=Interval::from_days(365)],
    }
}
