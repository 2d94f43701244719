use crate::config::read::section;
use crate::config::scalar::names;

section! {
    /// How events travel from the analyzer to the fixer.
    pub struct BusSection {
        /// What carries them.
        kind: BusKind,
    }
}

names! {
    /// What can carry them.
    pub enum BusKind {
        /// In the process itself, with its data under `state_dir`.
        Embedded = "embedded",
    }
}
