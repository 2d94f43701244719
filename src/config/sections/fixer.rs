use crate::config::quantity::Interval;
use crate::config::read::section;

section! {
    /// How defects are worked through.
    pub struct FixerSection {
        /// How many defects are worked on at once.
        parallel: u32 [1..=64],
        /// How many defects of one log are worked on.
        max_defects: u32 [1..=10_000],
        /// How many attempts one group gets in all.
        max_attempts: u32 [1..=100],
        /// How long a group rests between two attempts.
        retry_after: Interval [Interval::from_secs(1)..=Interval::from_days(365)],
        /// Seed of the search for reproducers: the same seed searches the same inputs in the same order.
        seed: u32 [0..=u32::MAX],
    }
}
