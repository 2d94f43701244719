use crate::config::quantity::Interval;
use crate::config::read::section;

section! {
    /// How defects are worked through.
    pub struct FixerSection {
        /// How many defects are worked on at once.
        parallel: u32 [1..=64],
        /// How long one defect may take, from diagnosis to verdict.
        defect_timeout: Interval [Interval::from_secs(10)..=Interval::from_days(1)],
    }
}
