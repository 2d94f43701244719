//! The search within one package: what the harness is told, what it tells, and what is done when an
//! execution ends its process.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::Error;
use super::judge::likeness;
use super::seeds::{Route, Seeds};
use super::session::{Bench, Scratch};
use super::surface::Surface;
use super::target::{Call, Target};
use crate::domain::{Fault, Location, RepoPath};
use crate::repository::KnownCrash;
use crate::sandbox::Outcome;

/// How often a search is taken up again after an execution ended its process.
const MAX_RESTARTS: usize = 16;
/// How many processes may be spent on making such an execution smaller, and how long.
const MAX_SHRINK_RUNS: usize = 40;
const SHRINK_TIME: Duration = Duration::from_secs(6);
/// How many other statements are told of.
const MAX_ELSEWHERE: usize = 4;
/// Starting and ending a process takes this long at most; then it hangs.
const GRACE: Duration = Duration::from_secs(3);

/// One import of a test.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Import {
    pub(super) name: String,
    pub(super) path: String,
}

/// Where an execution stands; with the seed it decides what is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Position {
    pub(super) phase: usize,
    pub(super) index: u64,
}

/// A call that ends in the crash.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Found {
    pub(super) at: Position,
    pub(super) forced: bool,
    pub(super) entry: bool,
    /// What is called, for people.
    pub(super) call: String,
    /// How many calls the test makes in all.
    pub(super) steps: u32,
    #[serde(default)]
    pub(super) imports: Option<Vec<Import>>,
    pub(super) setup: String,
    pub(super) r#final: String,
    pub(super) blocks: bool,
    /// Why it cannot be written down; empty when it can.
    pub(super) problem: String,
    /// Whether the crash ends the process: another goroutine's panic, a fatal error.
    #[serde(skip)]
    pub(super) ends_process: bool,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Report {
    tried: u64,
    ended: bool,
    hung: bool,
    next: Position,
    found: Option<Vec<Found>>,
    elsewhere: Option<Vec<Statement>>,
}

/// A statement that crashes, as the harness tells it.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Statement {
    file: String,
    line: u32,
    function: String,
}

impl Statement {
    fn location(self) -> Option<Location> {
        Some(Location { file: RepoPath::new(&self.file).ok()?, line: self.line, function: self.function })
    }
}

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Phase {
    target: String,
    entry: bool,
    forced: bool,
    millis: u128,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Mode {
    Search,
    Shrink,
    Render,
    Replay,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Place<'a> {
    file: &'a str,
    line: u32,
    function: &'a str,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Config<'a> {
    mode: Mode,
    seed: u64,
    class: &'a str,
    message: &'a str,
    actual: &'a str,
    stack: &'a [Place<'a>],
    tree: &'a Path,
    drifted: bool,
    phases: &'a [Phase],
    start: Position,
    #[serde(flatten)]
    seeds: &'a Seeds,
    taken: &'a [String],
    path: &'a [usize],
    from: usize,
    millis: u128,
}

/// What a search is about.
pub(super) struct Search<'a> {
    pub(super) bench: Bench<'a>,
    pub(super) scratch: &'a Scratch,
    pub(super) fault: &'a Fault,
    pub(super) crash: &'a KnownCrash<'a>,
    pub(super) seed: u64,
    pub(super) package: &'a Surface,
    pub(super) binary: PathBuf,
    pub(super) seeds: Seeds,
    pub(super) targets: &'a [Target],
}

/// What came of it.
#[derive(Debug, Default)]
pub(super) struct Findings {
    pub(super) tried: u64,
    pub(super) found: Vec<Found>,
    /// Other statements of the failing function that crash in the same way.
    pub(super) elsewhere: Vec<Location>,
}

/// One run of the harness.
struct Run {
    report: Report,
    mark: (u64, u64),
    outcome: Outcome,
}

impl Search<'_> {
    /// Tries every target for its share of the time. With `forced`, also what no caller would do.
    pub(super) async fn run(&self, forced: bool, time: Duration) -> Result<Findings, Error> {
        let mut phases = self.phases(forced, time);
        let schedule: Vec<u128> = phases.iter().map(|phase| phase.millis).collect();
        let mut findings = Findings::default();
        let mut start = Position::default();
        let end = Instant::now() + time;
        for _ in 0..MAX_RESTARTS {
            let left = end.saturating_duration_since(Instant::now());
            if left < Duration::from_millis(20) {
                break;
            }
            let elapsed = time.saturating_sub(left).as_millis();
            for (phase, whole) in phases.iter_mut().zip(&schedule) {
                phase.millis = whole.saturating_sub(elapsed);
            }
            let run = self.harness(Mode::Search, &phases, start, &[], 0, left).await?;
            let at = Position { phase: usize::try_from(run.mark.0).unwrap_or(usize::MAX), index: run.mark.1 };
            findings.tried +=
                if run.report.ended { run.report.tried } else { at.index.saturating_sub(start.index) };
            tracing::debug!(ended = %run.outcome.ended, report = ?run.report, ?at, "the harness ran");
            findings.found = run.report.found.unwrap_or_default();
            for place in run.report.elsewhere.into_iter().flatten().filter_map(Statement::location) {
                if findings.elsewhere.len() < MAX_ELSEWHERE && !findings.elsewhere.contains(&place) {
                    findings.elsewhere.push(place);
                }
            }
            if !findings.found.is_empty() {
                break;
            }
            start = match (run.report.ended, run.report.hung) {
                (true, false) => break,
                (true, true) => run.report.next,
                (false, _) => {
                    if likeness(self.crash, &run.outcome.stderr).is_some()
                        && let Some(found) = self.shrink(&phases, at).await?
                    {
                        findings.found.push(found);
                        break;
                    }
                    Position { phase: at.phase, index: at.index + 1 }
                }
            };
        }
        Ok(findings)
    }

    fn phases(&self, forced: bool, time: Duration) -> Vec<Phase> {
        // The first target gets double. Each phase is told when it ends.
        let shares = u32::try_from(self.targets.len()).unwrap_or(u32::MAX).saturating_add(1);
        let end = |at: usize| time * u32::try_from(at + 2).unwrap_or(u32::MAX).min(shares) / shares;
        self.targets
            .iter()
            .enumerate()
            .map(|(at, target)| Phase {
                target: match &target.call {
                    Call::Function(name) => name.clone(),
                    Call::Http => "http".to_owned(),
                },
                entry: target.entry,
                forced,
                millis: end(at).as_millis(),
            })
            .collect()
    }

    /// An execution that ends its process is made smaller one process a step.
    async fn shrink(&self, phases: &[Phase], at: Position) -> Result<Option<Found>, Error> {
        let again = self.harness(Mode::Replay, phases, at, &[], 0, SHRINK_TIME).await?;
        if likeness(self.crash, &again.outcome.stderr).is_none() {
            return Ok(None); // It was an earlier one's goroutine, or chance.
        }
        let end = Instant::now() + SHRINK_TIME;
        let (mut path, mut from) = (Vec::new(), 0);
        for _ in 0..MAX_SHRINK_RUNS {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            let run = self.harness(Mode::Shrink, phases, at, &path, from, left).await?;
            if run.report.ended {
                break;
            }
            let step = usize::try_from(run.mark.1).unwrap_or(usize::MAX);
            if likeness(self.crash, &run.outcome.stderr).is_some() {
                path.push(step);
                from = 0;
            } else {
                from = step.saturating_add(1);
            }
        }
        let written = self.harness(Mode::Render, phases, at, &path, 0, SHRINK_TIME).await?;
        let found = written.report.found.into_iter().flatten().next();
        Ok(found.map(|found| Found { ends_process: true, ..found }))
    }

    async fn harness(
        &self,
        mode: Mode,
        phases: &[Phase],
        start: Position,
        path: &[usize],
        from: usize,
        time: Duration,
    ) -> Result<Run, Error> {
        let stack: Vec<_> = self
            .fault
            .stack
            .iter()
            .map(|location| Place {
                file: location.file.as_str(),
                line: location.line,
                function: &location.function,
            })
            .collect();
        let taken: Vec<String> = self.package.top_level().into_iter().collect();
        let tree = self.bench.workspace.tree();
        let config = Config {
            mode,
            seed: self.seed,
            class: self.fault.class.as_str(),
            message: &self.fault.message,
            actual: self.fault.facts.actual_type.as_deref().unwrap_or_default(),
            stack: &stack,
            tree: &tree.canonicalize().unwrap_or(tree),
            drifted: self.crash.has_drifted(),
            phases,
            start,
            seeds: &self.seeds,
            taken: &taken,
            path,
            from,
            millis: time.as_millis(),
        };
        let failed = |source| Error::Io { what: "talk to the harness", source };
        let tmp = self.scratch.tmp();
        for name in ["hephaestus-mark", "hephaestus-result.json"] {
            match std::fs::remove_file(tmp.join(name)) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(failed(error)),
                _ => {}
            }
        }
        let text = serde_json::to_vec(&config).unwrap_or_default();
        std::fs::write(tmp.join("hephaestus-config.json"), text).map_err(failed)?;
        let outcome =
            self.bench.run(self.scratch, &self.package.folder, &self.binary, &[], time + GRACE).await?;
        // Both files may be missing, or be written by the code under test: then they say nothing.
        let report = read_capped(&tmp.join("hephaestus-result.json"));
        let report = report.and_then(|text| serde_json::from_slice(&text).ok()).unwrap_or_default();
        let mark = read_capped(&tmp.join("hephaestus-mark")).unwrap_or_default();
        Ok(Run { report, mark: (number(&mark, 0), number(&mark, 8)), outcome })
    }
}

/// A file that the code under test could have written: regular, and not large.
fn read_capped(path: &Path) -> Option<Vec<u8>> {
    let meta = path.symlink_metadata().ok()?;
    if !meta.is_file() || meta.len() > 4 << 20 {
        return None;
    }
    std::fs::read(path).ok()
}

fn number(bytes: &[u8], at: usize) -> u64 {
    bytes.get(at..at + 8).and_then(|bytes| bytes.try_into().ok()).map_or(0, u64::from_le_bytes)
}

/// Requests of the log are routes too.
pub(super) fn merge_routes(seeds: &mut Seeds) {
    let patterns: Vec<Route> = seeds.requests.clone();
    if seeds.routes.is_empty() {
        seeds.routes = patterns;
    }
}
