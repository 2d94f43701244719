//! Runs a command isolated, says how well, and runs nothing when it cannot.
//!
//! # How
//!
//! The binary starts itself again as a *launcher* (see [`launch_if_requested`]), which restricts itself
//! and then becomes the program. Three layers, entered in this order, cannot be left again:
//!
//! 1. limits: processor time, file size, open files, no core dumps; no capabilities, no new privileges,
//!    no inherited descriptors, only the given environment;
//! 2. Landlock (`filesystem`): no file but the system's programs and the job's own paths;
//! 3. seccomp (`syscalls`): a list of allowed calls; no namespaces, no tracing, no new sessions.
//!
//! Where user namespaces are allowed, bubblewrap puts an outer wall around the launcher: an own network
//! with nothing but loopback, own processes, and a file system of only those paths. Without it, sockets
//! are denied altogether, and so is changing modes and times: see `syscalls` for why.
//!
//! # Bounds
//!
//! A job is one process group and cannot leave it, so that one signal ends it all. One thread a job
//! (`supervise`) watches time, memory, processes, output and disk, and makes sure nothing survives.
//! Should Hephaestus itself be killed, the job's first process dies with it (under bubblewrap: all of
//! them). Other processes of the Landlock tier then live on, as confined as before: one that computes until
//! its processor limit, one that sleeps until somebody ends it.
//!
//! # Failing closed
//!
//! [`Sandbox::detect`] does not ask what the kernel offers: it enters each tier and tries to break out. A
//! [`Sandbox`] exists only if that failed. A job's result counts only if its launcher reported, by a secret
//! that the program cannot know, that every layer held before the program began.
//!
//! # What can still be seen
//!
//! Without namespaces a program can learn whether a path exists and its size (`stat` is beyond Landlock),
//! and the machine's name and load. It cannot read, write or tell anyone. Covert channels through load are
//! out of scope, and so are kernel bugs: run untrusted repositories in a virtual machine if that matters.

mod bubblewrap;
mod capture;
mod config;
mod descriptors;
mod error;
mod filesystem;
pub mod git;
pub mod go;
mod hindrance;
mod job;
mod launcher;
mod policy;
mod preamble;
mod process_group;
mod race;
mod supervise;
mod syscalls;
mod tier;
mod watch;

use std::ffi::OsString;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use prometheus::IntCounterVec;

pub use config::{Config, TierChoice};
pub use error::{Error, Unavailable};
pub use go::{Folders, GoError, GoToolchain};
pub use hindrance::{Hindrance, hindrance};
pub use job::{Ended, Job, Limits, Outcome};
pub use launcher::launch_if_requested;
pub use race::{NoRaceDetector, RaceDetector};
pub use tier::{ProbeReport, Tier};

use tier::Failure;

use policy::{Paths, Policy, ProcessLimits, Surround, Task};
use supervise::{Bounds, Handle, Launch};

use crate::telemetry::metrics::Metrics;

/// A way to run commands isolated that was seen to hold on this machine.
#[derive(Debug, Clone)]
pub struct Sandbox {
    tier: Tier,
    config: Config,
    launcher: PathBuf,
    /// What was run, by tier and result; none where nobody looks.
    runs: Option<IntCounterVec>,
}

impl Sandbox {
    /// Finds the strongest tier that the configuration accepts and that holds.
    ///
    /// This blocks for some tens of milliseconds.
    ///
    /// # Errors
    /// When none does; the error says for each tier why not, and what to do.
    pub fn detect(config: &Config) -> Result<Self, Unavailable> {
        let mut probes = Vec::new();
        for surround in candidates(config.tier) {
            let report = probe(config, *surround);
            if let Ok(tier) = &report.result {
                let launcher = launcher_path(config);
                return Ok(Self { tier: tier.clone(), config: config.clone(), launcher, runs: None });
            }
            probes.push(report);
        }
        Err(Unavailable { probes })
    }

    /// Tries every tier, for `hephaestus doctor`.
    #[must_use]
    pub fn report(config: &Config) -> Vec<ProbeReport> {
        candidates(TierChoice::Auto).iter().map(|surround| probe(config, *surround)).collect()
    }

    /// The same, counting what it runs.
    #[must_use]
    pub fn counting(self, metrics: &Metrics) -> Self {
        Self { runs: Some(metrics.sandbox_runs.clone()), ..self }
    }

    /// The tier that jobs run in.
    #[must_use]
    pub const fn tier(&self) -> &Tier {
        &self.tier
    }

    /// Runs a job to its end. Dropping the future kills all its processes.
    ///
    /// # Errors
    /// When the program could not be run isolated, or not at all. A program that fails or is killed for
    /// exceeding a limit is an [`Outcome`], not an error.
    pub async fn run(&self, job: Job) -> Result<Outcome, Error> {
        let program = job.program.clone();
        let launch = self.prepare(job)?;
        let (send, receive) = tokio::sync::oneshot::channel();
        let count = self.counter();
        let handle = Handle::default();
        // Killed with the future; the thread then ends by itself.
        let guard = handle.clone().kill_on_drop();
        // A thread for this job alone: the kernel ties a child's life to the thread that started it, and
        // threads of a pool come and go.
        std::thread::Builder::new()
            .name("sandbox".to_owned())
            .spawn(move || {
                let result = supervise::supervise(launch, &handle);
                // Here, so that a job whose future was dropped counts too.
                count(&result);
                send.send(result).ok()
            })
            .map_err(|source| Error::System { what: "start a thread", source })?;
        let result = receive.await.unwrap_or_else(|_| {
            Err(Error::Refused { program, what: "the supervising thread failed".to_owned() })
        });
        drop(guard);
        result
    }

    /// Counts how a job ended.
    fn counter(&self) -> impl FnOnce(&Result<Outcome, Error>) + Send + use<> {
        let (runs, tier) = (self.runs.clone(), self.tier.name());
        move |result: &Result<Outcome, Error>| {
            let result = result.as_ref().map_or("refused", |outcome| outcome.ended.as_str());
            if let Some(runs) = runs {
                runs.with_label_values(&[tier, result]).inc();
            }
        }
    }

    fn prepare(&self, job: Job) -> Result<Launch, Error> {
        let paths =
            Paths::resolve(&job.read, &job.write).map_err(|(path, source)| Error::Path { path, source })?;
        let cwd = job.cwd.canonicalize();
        let cwd = cwd.map_err(|source| Error::Path { path: job.cwd.clone(), source })?;
        if !paths.covers(&cwd) {
            return Err(Error::Cwd { cwd: job.cwd });
        }
        check_text(&job)?;
        let limits = job.limits;
        let bounds = Bounds {
            wall: job.wall,
            memory_bytes: limits.memory_bytes.unwrap_or(self.config.memory_bytes),
            processes: limits.processes.unwrap_or(self.config.processes),
            output_bytes: limits.output_bytes.unwrap_or(self.config.output_bytes),
            disk_bytes: limits.disk_bytes.unwrap_or(self.config.disk_bytes),
        };
        let file_bytes = limits.file_bytes.unwrap_or(self.config.file_bytes);
        let task = Task::Run {
            program: job.program.clone().into(),
            args: job.args,
            cwd: job.cwd.into(),
            env: job.env,
        };
        let policy =
            policy(&self.config, self.tier.surround, &paths, task, process_limits(&bounds, file_bytes));
        let command = command(self.tier.surround, &self.launcher, &paths);
        Launch::new(command, job.program, &policy, job.stdin, paths, bounds)
    }
}

fn check_text(job: &Job) -> Result<(), Error> {
    let bad_key = |key: &str| key.is_empty() || key.contains(['=', '\0']);
    if let Some((key, _)) = job.env.iter().find(|(key, value)| bad_key(key) || value.contains('\0')) {
        return Err(Error::Job { what: format!("the environment variable {key:?} is malformed") });
    }
    if job.args.iter().any(|argument| policy::has_nul(argument)) {
        return Err(Error::Job { what: "an argument holds a NUL byte".to_owned() });
    }
    Ok(())
}

const fn candidates(choice: TierChoice) -> &'static [Surround] {
    match choice {
        TierChoice::Auto => &[Surround::Namespaces, Surround::Bare],
        TierChoice::Bubblewrap => &[Surround::Namespaces],
        TierChoice::Landlock => &[Surround::Bare],
    }
}

fn launcher_path(config: &Config) -> PathBuf {
    // The link leads to the running binary even after its file was replaced by an upgrade.
    config.launcher.clone().unwrap_or_else(|| {
        let executable = std::env::current_exe().ok().filter(|path| path.exists());
        executable.unwrap_or_else(|| format!("/proc/{}/exe", std::process::id()).into())
    })
}

/// The command that starts the launcher, with no environment: what the program gets is in the policy.
fn command(surround: Surround, launcher: &Path, paths: &Paths) -> Command {
    let mut command = match surround {
        Surround::Bare => {
            let mut command = Command::new(launcher);
            command.arg0(launcher::NAME).arg(launcher::ARGUMENT);
            command
        }
        Surround::Namespaces => {
            // Not found by now, it is not found then: the error says so.
            let mut command = Command::new(bubblewrap::find().unwrap_or_else(|| "bwrap".into()));
            command.args(bubblewrap::arguments(launcher, paths));
            command
        }
    };
    command.env_clear();
    command
}

fn policy(config: &Config, surround: Surround, paths: &Paths, task: Task, limits: ProcessLimits) -> Policy {
    Policy {
        nonce: nonce(),
        surround,
        parent: std::process::id(),
        read: paths.real_read(),
        write: paths.real_write(),
        task,
        limits,
        landlock_abi_at_most: config.landlock_abi_at_most.unwrap_or(filesystem::NEWEST),
    }
}

/// Something a program cannot guess. Two keyed hashes whose keys the standard library draws at random.
fn nonce() -> String {
    use std::hash::{BuildHasher, RandomState};
    format!("{:016x}{:016x}", RandomState::new().hash_one(0), RandomState::new().hash_one(1))
}

fn process_limits(bounds: &Bounds, file_bytes: u64) -> ProcessLimits {
    let processors = std::thread::available_parallelism().map_or(1, std::num::NonZero::get) as u64;
    let user = rustix::process::geteuid();
    ProcessLimits {
        cpu_seconds: bounds.wall.as_secs().saturating_add(1).saturating_mul(processors),
        file_bytes,
        open_files: 4096,
        // The kernel counts all tasks of the user, ours included, and lets root have any number. So this is
        // a backstop against a fork bomb between two looks of the watchdog, no more.
        tasks: (!user.is_root())
            .then(|| watch::tasks_of(user.as_raw()).saturating_add(bounds.threads().saturating_mul(2))),
    }
}

/// Enters a tier and tries to break out of it.
fn probe(config: &Config, surround: Surround) -> ProbeReport {
    ProbeReport::new(surround, try_probe(config, surround))
}

fn try_probe(config: &Config, surround: Surround) -> Result<Tier, Failure> {
    if launcher::is_requested() {
        let what = "this process was itself started as a launcher, by a binary that is none";
        return Err(Failure::Tier(what.to_owned()));
    }
    if surround == Surround::Namespaces && bubblewrap::find().is_none() {
        return Err(Failure::Tier("bwrap is not in PATH".to_owned()));
    }
    let outside = tempfile::NamedTempFile::new().map_err(|error| Failure::Scratch(error.to_string()))?;
    let launcher = launcher_path(config);
    let paths = Paths::default();
    let bounds = Bounds {
        wall: Duration::from_secs(20),
        memory_bytes: u64::MAX,
        processes: u32::MAX,
        output_bytes: 1 << 16,
        disk_bytes: u64::MAX,
    };
    let task = Task::Probe { outside: OsString::from(outside.path()) };
    let policy = policy(config, surround, &paths, task, process_limits(&bounds, 1 << 20));
    let command = command(surround, &launcher, &paths);
    let failed = |error| Failure::Tier(why(error));
    let launch = Launch::new(command, launcher, &policy, None, paths, bounds).map_err(failed)?;
    let outcome = supervise::supervise(launch, &Handle::default()).map_err(failed)?;
    if !outcome.ended.is_success() {
        return Err(Failure::Tier(format!("the probe {}", outcome.ended)));
    }
    let said = String::from_utf8_lossy(&outcome.stderr);
    let landlock = said.trim().parse().map_err(|_| Failure::Tier(format!("the probe said {said:?}")))?;
    Ok(Tier::new(surround, landlock))
}

fn why(error: Error) -> String {
    if let Error::Refused { what, .. } = error {
        return what;
    }
    match std::error::Error::source(&error) {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    }
}
