use crate::config::read::section;
use crate::config::scalar::names;

section! {
    /// How events travel from the analyzer to the fixer.
    pub struct BusSection {
        /// Which engine carries them.
        engine: BusEngine,
    }
}

names! {
    /// The engines.
    pub enum BusEngine {
        /// In the process itself, with its data under `state_dir`.
        Embedded = "embedded",
    }
}
