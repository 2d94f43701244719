//! One command to run, and how it ended.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

/// Limits of one job; what is `None` is taken from the configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Limits {
    /// See [`Config::memory_bytes`](super::Config::memory_bytes).
    pub memory_bytes: Option<u64>,
    /// See [`Config::processes`](super::Config::processes).
    pub processes: Option<u32>,
    /// See [`Config::output_bytes`](super::Config::output_bytes).
    pub output_bytes: Option<u64>,
    /// See [`Config::file_bytes`](super::Config::file_bytes).
    pub file_bytes: Option<u64>,
    /// See [`Config::disk_bytes`](super::Config::disk_bytes).
    pub disk_bytes: Option<u64>,
}

/// One command to run isolated.
///
/// Besides `read` and `write` it sees only the system's program directories (`/usr`, `/lib`, `/bin`, a
/// few harmless files of `/etc`, `/dev/null` and its like). There is no `/tmp`: point `TMPDIR` at a
/// directory in `write`. It cannot start a session or a process group; Go's own telemetry wants one, and
/// complains on standard error if `HOME` is set and has no `.config/go/telemetry/mode` that says `off`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Job {
    /// The program; a bare name is looked up in the `PATH` of `env`.
    pub program: PathBuf,
    /// Its arguments, without its own name.
    pub args: Vec<OsString>,
    /// Where it starts; must lie in `read` or `write`.
    pub cwd: PathBuf,
    /// Its whole environment: nothing is inherited.
    pub env: Vec<(String, String)>,
    /// Files and directories it may read and execute, with everything below.
    pub read: Vec<PathBuf>,
    /// Files and directories it may read, execute and change, with everything below.
    pub write: Vec<PathBuf>,
    /// When it is killed.
    pub wall: Duration,
    /// What it reads from standard input; none is an empty input.
    pub stdin: Option<Vec<u8>>,
    /// Limits other than the configured ones.
    pub limits: Limits,
}

impl Job {
    /// A job with no arguments, an empty environment, `cwd` as its only writable place and a minute to run.
    pub fn new(program: impl Into<PathBuf>, cwd: impl Into<PathBuf>) -> Self {
        let cwd = cwd.into();
        Self {
            program: program.into(),
            args: Vec::new(),
            env: Vec::new(),
            read: Vec::new(),
            write: vec![cwd.clone()],
            cwd,
            wall: Duration::from_secs(60),
            stdin: None,
            limits: Limits::default(),
        }
    }
}

/// How a job ended. Whatever the end, none of its processes is left.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Ended {
    /// By itself, with this code.
    Exited(i32),
    /// By this signal, not sent by the sandbox. Under bubblewrap an exit code of 128 + n reads as signal n.
    Signalled(i32),
    /// Killed: its time was over.
    TimedOut,
    /// Killed: its processes together held more memory than allowed.
    OutOfMemory,
    /// Killed: more processes, or threads, than allowed.
    TooManyProcesses,
    /// Killed: it printed many times more than is kept.
    TooMuchOutput,
    /// Killed: it filled the disk, or more of it than allowed.
    TooMuchDisk,
}

impl Ended {
    /// Whether the command ended by itself with code 0.
    #[must_use]
    pub const fn is_success(self) -> bool {
        matches!(self, Self::Exited(0))
    }

    /// A stable name without spaces, fit for a metric label.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Exited(0) => "success",
            Self::Exited(_) => "failure",
            Self::Signalled(_) => "signal",
            Self::TimedOut => "timed_out",
            Self::OutOfMemory => "out_of_memory",
            Self::TooManyProcesses => "too_many_processes",
            Self::TooMuchOutput => "too_much_output",
            Self::TooMuchDisk => "too_much_disk",
        }
    }
}

impl std::fmt::Display for Ended {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Exited(code) => write!(f, "exited with code {code}"),
            Self::Signalled(signal) => write!(f, "was ended by signal {signal}"),
            Self::TimedOut => f.write_str("was killed: time limit"),
            Self::OutOfMemory => f.write_str("was killed: memory limit"),
            Self::TooManyProcesses => f.write_str("was killed: limit of processes and threads"),
            Self::TooMuchOutput => f.write_str("was killed: output limit"),
            Self::TooMuchDisk => f.write_str("was killed: disk limit"),
        }
    }
}

/// What a job did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// How it ended.
    pub ended: Ended,
    /// Its standard output: all of it, or head, a note and tail.
    pub stdout: Vec<u8>,
    /// Its standard error: all of it, or head, a note and tail.
    pub stderr: Vec<u8>,
    /// Whether something was left out of either.
    pub truncated: bool,
    /// Time on the clock, start of the isolation included.
    pub wall: Duration,
    /// Processor time of the command and of its children; sampled, so the last moments may be missing.
    pub cpu: Duration,
    /// The most resident memory that was seen, summed over processes; sampled, so short peaks are missed.
    pub peak_memory_bytes: u64,
}
