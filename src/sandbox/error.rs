//! Why a command was not run.

use std::path::PathBuf;

use super::tier::ProbeReport;

/// Why a job could not be run, or its end not be vouched for. In no case did the program run unconfined.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A path of the job is not there or makes no sense.
    #[error("the sandbox cannot use the path {path}: name one that exists, is absolute, and is not the root")]
    Path {
        /// The path.
        path: PathBuf,
        /// What is wrong.
        source: std::io::Error,
    },
    /// The working directory is not among the paths the job may see.
    #[error(
        "the working directory {cwd} lies outside the paths the job may read or write: add it to one of them"
    )]
    Cwd {
        /// The working directory.
        cwd: PathBuf,
    },
    /// The job cannot be described.
    #[error("the job cannot be run: {what}")]
    Job {
        /// What is wrong.
        what: String,
    },
    /// The operating system failed while the sandbox was set up or watched.
    #[error("the sandbox could not {what}")]
    System {
        /// What was attempted.
        what: &'static str,
        /// What it said.
        source: std::io::Error,
    },
    /// The restrictions could not be entered; the program was not run.
    #[error("the sandbox refused to run {program}: {what} (`hephaestus doctor` tells what is missing)")]
    Refused {
        /// The program.
        program: PathBuf,
        /// What could not be done.
        what: String,
    },
    /// The program cannot be started.
    #[error("{what}: is it installed, executable, and among the paths the job may read?")]
    Program {
        /// What the system said.
        what: String,
    },
    /// Processes of the job were still there after it was killed.
    #[error("{count} processes of {program} did not end when killed: the machine may be stuck on a device")]
    Survivors {
        /// The program.
        program: PathBuf,
        /// How many are left.
        count: u32,
    },
}

/// No tier works here; says for each why, and what to do.
#[derive(Debug, Clone, thiserror::Error)]
#[error("no isolation works here, so nothing will be run:{}", list(.probes))]
pub struct Unavailable {
    /// What was tried.
    pub probes: Vec<ProbeReport>,
}

fn list(probes: &[ProbeReport]) -> String {
    probes.iter().map(|probe| format!("\n  {probe}")).collect()
}
