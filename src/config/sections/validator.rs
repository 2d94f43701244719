use crate::config::quantity::Interval;
use crate::config::read::section;

section! {
    /// What a fix must show.
    pub struct ValidatorSection {
        /// How often the reproducer must fail before and pass after the patch.
        reproducer_runs: u32 [1..=100],
        /// How long one build, vet or test run may take; none where only its attempt's time bounds it.
        step_timeout: Option<Interval>,
        /// How many packages that import the changed ones have their tests run too, nearest first.
        max_dependents: u32 [0..=10_000],
        /// The most lines a patch may add and remove.
        max_patch_lines: u32 [1..=100_000],
    }
}
