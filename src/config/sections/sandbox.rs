use crate::config::quantity::ByteSize;
use crate::config::read::section;
use crate::config::scalar::names;

section! {
    /// What code under test may use.
    pub struct SandboxSection {
        /// The isolation to run under.
        tier: SandboxTier,
        /// The memory of one command, all its processes together.
        memory: ByteSize [ByteSize::from_mib(64)..=ByteSize::from_gib(1_024)],
        /// Processes of one command at once; its threads may be 32 times as many.
        processes: u32 [8..=100_000],
        /// The largest file that may be written.
        file_size: ByteSize [ByteSize::from_mib(1)..=ByteSize::from_gib(1_024)],
        /// All that may be written to disk by one command.
        disk: ByteSize [ByteSize::from_mib(1)..=ByteSize::from_gib(1_024)],
        /// The output that is kept of one command; what is beyond is counted and dropped.
        output: ByteSize [ByteSize::from_kib(4)..=ByteSize::from_mib(256)],
    }
}

names! {
    /// The tiers of isolation.
    pub enum SandboxTier {
        /// The strongest that this machine allows.
        Auto = "auto",
        /// Landlock, seccomp and limits.
        Landlock = "landlock",
        /// Bubblewrap's namespaces on top of that.
        Bubblewrap = "bubblewrap",
    }
}
