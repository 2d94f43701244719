//! Candidate to verdict: the ladder of proof and its evidence.
//!
//! Each rung is a [`Step`](crate::domain::Step) of the evidence. A rung that fails rejects the
//! candidate; one that cannot decide (no time left, a broken baseline) makes the verdict inconclusive.
//! Only when every rung holds and the crash was reproduced through an entry point is a candidate
//! *proven*. What stood before the change is measured once for all candidates: the [`Baseline`].
//!
//! Deliberately absent: any way to make a [`Verdict`] outside this room.

mod advice;
mod baseline;
mod change;
mod ladder;
mod measured;
mod packages;
mod policy;
mod report;
mod suite;
mod verdict;

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::analyzer::go::parse_trace;
use crate::domain::{Fault, Location};
use crate::repository::{KnownCrash, Repository, Workspace};
use crate::sandbox::go::{Folders, GoToolchain};
use crate::sandbox::{Ended, Job, Outcome, Sandbox, hindrance};

pub use baseline::{Baseline, Broken, Confirmed};
pub use ladder::Climb;
pub use verdict::Verdict;

/// How candidates are judged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// How often the reproducer must fail without and pass with the patch.
    pub reproducer_runs: u32,
    /// Wall time of one build, vet or test run.
    pub step_timeout: Duration,
    /// The most packages that import the changed ones whose tests are run too, nearest first.
    pub max_dependents: usize,
    /// The most lines a patch may add and remove.
    pub max_patch_lines: usize,
}

/// The machinery itself failed: this says nothing about any candidate.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The scratch copy cannot be written.
    #[error(transparent)]
    Repository(#[from] crate::repository::Error),
    /// The sandbox did not run.
    #[error(transparent)]
    Sandbox(#[from] crate::sandbox::Error),
}

/// What is judged: one fault in a scratch copy that is exclusively ours meanwhile.
#[derive(Debug, Clone, Copy)]
pub struct Subject<'a> {
    /// The repository as it stands.
    pub repository: &'a Repository,
    /// A scratch copy of it.
    pub workspace: &'a Workspace,
    /// The fault to be mended.
    pub fault: &'a Fault,
}

impl Subject<'_> {
    fn tree(&self) -> PathBuf {
        self.workspace.tree()
    }

    /// Where an output shows a crash of the fault's class, in the scratch copy.
    fn fails_alike_at(&self, output: &str) -> Option<Location> {
        let crash = parse_trace(output).filter(|crash| crash.class == self.fault.class)?;
        KnownCrash::new(self.fault, self.repository, self.tree())?.place_of(&crash.trace)
    }

    /// The folder of the module that owns a package's folder.
    fn module_of(&self, folder: &str) -> String {
        let inside = |module: &str| module.is_empty() || Path::new(folder).starts_with(module);
        let modules = self.repository.modules();
        modules
            .iter()
            .find(|module| inside(&module.folder))
            .map(|module| module.folder.clone())
            .unwrap_or_default()
    }
}

/// Judges candidates in the sandbox.
#[derive(Debug)]
pub struct Validator<'a> {
    config: &'a Config,
    go: &'a GoToolchain,
    sandbox: &'a Sandbox,
}

impl<'a> Validator<'a> {
    /// A validator that runs this toolchain in this sandbox.
    #[must_use]
    pub const fn new(config: &'a Config, go: &'a GoToolchain, sandbox: &'a Sandbox) -> Self {
        Self { config, go, sandbox }
    }

    /// Builds what every generated test needs of the standard library, unless the build cache holds it.
    ///
    /// # Errors
    /// When the machinery fails.
    pub async fn warm_up(&self, workspace: &Workspace) -> Result<(), Error> {
        let (tree, tmp, bin) = (workspace.tree(), workspace.tmp(), workspace.bin());
        let folders = Folders { tree: &tree, tmp: &tmp, bin: &bin };
        let args = ["build", "-o", "/dev/null", "testing", "net/http/httptest", "encoding/json", "log/slog"];
        self.sandbox.run(self.go.go(folders, &tmp, &args, self.config.step_timeout)).await?;
        Ok(())
    }

    /// Runs one job of the toolchain, made from the folders of the scratch copy.
    async fn run(
        &self,
        subject: Subject<'_>,
        job: impl FnOnce(Folders<'_>) -> Job,
    ) -> Result<Outcome, Error> {
        let (tree, tmp, bin) = (subject.tree(), subject.workspace.tmp(), subject.workspace.bin());
        Ok(self.sandbox.run(job(Folders { tree: &tree, tmp: &tmp, bin: &bin })).await?)
    }

    /// `go` with `args` in a folder of the scratch copy.
    async fn go(&self, subject: Subject<'_>, folder: &Path, args: &[&str]) -> Result<Outcome, Error> {
        self.run(subject, |folders| self.go.go(folders, folder, args, self.config.step_timeout)).await
    }
}

/// Whether a program ended by itself with success.
const fn succeeded(outcome: &Outcome) -> bool {
    outcome.ended.is_success()
}

/// The signal that nobody can ignore; the kernel sends it for want of memory.
const SIGKILL: i32 = 9;

/// What ended a program before its time, which says nothing about what it would have answered, and what to
/// raise; none when it ended by itself.
fn cut_short(outcome: &Outcome) -> Option<String> {
    let limit = match outcome.ended {
        Ended::Signalled(SIGKILL) => {
            return Some("was killed from outside, as for want of memory".to_owned());
        }
        Ended::Exited(_) | Ended::Signalled(_) => return None,
        Ended::TimedOut => "validator.step_timeout and generator.timeout",
        Ended::OutOfMemory => "sandbox.memory",
        Ended::TooManyProcesses => "sandbox.processes",
        Ended::TooMuchOutput => "sandbox.output",
        Ended::TooMuchDisk => "sandbox.disk",
    };
    Some(format!("{}; raise {limit}", outcome.ended))
}

/// Why a command of the Go toolchain that failed says nothing about the code: a limit ended it, or its
/// surroundings stood in the way. None when what it said is about the code.
fn no_answer(outcome: &Outcome, what: impl FnOnce() -> String) -> Option<String> {
    if succeeded(outcome) {
        return None;
    }
    let told = || hindrance(&text_of(outcome)).map(|hindrance| hindrance.to_string());
    cut_short(outcome).map(|why| format!("{} {why}", what())).or_else(told)
}

/// Whether a command of the Go toolchain failed for want of a module.
fn lacks_module(outcome: &Outcome) -> bool {
    !succeeded(outcome) && hindrance(&text_of(outcome)).is_some_and(|hindrance| hindrance.lacks_module)
}

/// A folder of the repository, for people.
fn shown(folder: &str) -> &str {
    if folder.is_empty() { "." } else { folder }
}

/// Both streams as text, errors last, from a line of their own.
fn text_of(outcome: &Outcome) -> String {
    let mut text = String::from_utf8_lossy(&outcome.stdout).into_owned();
    if !text.is_empty() && !text.ends_with('\n') {
        text.push('\n');
    }
    text.push_str(&String::from_utf8_lossy(&outcome.stderr));
    text
}

/// A line of the test runner that only tells programs whose output follows.
const RUNNER_NOTE: &str = "\u{16}=== NAME";

/// The end of an output that a person is shown: compilers and tests say what counts last.
fn tail(text: &str, lines: usize) -> String {
    let all: Vec<&str> = text.trim().lines().filter(|line| !line.starts_with(RUNNER_NOTE)).collect();
    all[all.len().saturating_sub(lines)..].join("\n").replace(report::MARK, "")
}
