use crate::config::quantity::Interval;
use crate::config::read::section;
use crate::config::scalar::PathGlob;

section! {
    /// Which logs are followed.
    pub struct CollectorSection {
        /// The files to follow.
        log_paths: Vec<PathGlob>,
        /// How often files are looked for where no notification came.
        polling_interval: Interval [Interval::from_millis(100)..=Interval::from_days(1)],
        /// How many lines may wait between reading and analysis.
        buffer_size: u32 [1..=1_000_000],
    }
}
