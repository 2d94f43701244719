use crate::config::quantity::{ByteSize, Interval};
use crate::config::read::section;
use crate::config::scalar::names;

section! {
    /// How events travel from the analyzer to the fixer.
    pub struct BusSection {
        /// What carries them.
        kind: BusKind,
        /// The most that may wait to be written.
        max_queue: ByteSize [ByteSize::from_kib(64)..=ByteSize::from_mib(256)],
        /// The most that is kept on disk.
        retention_bytes: ByteSize [ByteSize::from_mib(16)..=ByteSize::from_gib(1_024)],
        /// How long what was worked on is kept.
        retention_period: Interval [Interval::from_secs(1)..=Interval::from_days(365)],
    }
}

names! {
    /// What can carry them.
    pub enum BusKind {
        /// In the process itself, with its data under `state_dir`.
        Embedded = "embedded",
    }
}
