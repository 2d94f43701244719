use crate::config::read::section;

section! {
    /// How defects are worked through.
    pub struct FixerSection {
        /// How many defects are worked on at once.
        parallel: u32 [1..=64],
        /// How many defects of one log are worked on.
        max_defects: u32 [1..=10_000],
        /// Seed of the search for reproducers: the same seed searches the same inputs in the same order.
        seed: u32 [0..=u32::MAX],
    }
}
