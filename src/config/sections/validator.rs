use crate::config::quantity::Interval;
use crate::config::read::section;

section! {
    /// What a fix must show.
    pub struct ValidatorSection {
        /// How often the reproducer must fail before and pass after the patch.
        reproducer_runs: u32 [1..=100],
        /// How long one step of the ladder may take.
        step_timeout: Interval [Interval::from_secs(1)..=Interval::from_days(1)],
    }
}
