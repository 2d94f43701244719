//! What an operator may set.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// Which isolation to use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TierChoice {
    /// The strongest tier that works here.
    #[default]
    Auto,
    /// Landlock, seccomp and limits only; works in a restricted pod.
    Landlock,
    /// Namespaces by bubblewrap around that; nothing less is accepted.
    Bubblewrap,
}

/// The `sandbox` section of the configuration. The limits hold for one job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Which isolation to use.
    pub tier: TierChoice,
    /// Resident memory of all processes of a job together.
    pub memory_bytes: u64,
    /// Processes of a job at one time; threads may be 32 times as many.
    pub processes: u32,
    /// What is kept of each output stream: its head and its tail.
    pub output_bytes: u64,
    /// The largest file a job may write.
    pub file_bytes: u64,
    /// What a job may add to the file systems it can write to.
    pub disk_bytes: u64,
    /// The binary that applies the restrictions from inside; by default the running executable.
    pub launcher: Option<PathBuf>,
    /// Use no more of Landlock than this version has, so that what stands in for it can be tested.
    #[serde(skip)]
    #[doc(hidden)]
    pub landlock_abi_at_most: Option<u32>,
}

impl Default for Config {
    fn default() -> Self {
        const MIB: u64 = 1 << 20;
        Self {
            tier: TierChoice::Auto,
            memory_bytes: 4096 * MIB,
            processes: 512,
            output_bytes: MIB,
            file_bytes: 512 * MIB,
            disk_bytes: 4096 * MIB,
            launcher: None,
            landlock_abi_at_most: None,
        }
    }
}
