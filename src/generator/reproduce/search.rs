//! The search within one package: what the harness is told, what it tells, and what is done when an
//! execution ends its process.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use super::Error;
use super::exchange::{Calls, Config, Found, Hang, Mode, Phase, Place, Position, Report, Statement};
use super::judge::likeness;
use super::seeds::{Route, Seeds};
use super::session::{Bench, Scratch};
use super::surface::Surface;
use super::target::{Call, Target};
use crate::domain::{Fault, Location};
use crate::repository::{KnownCrash, read_regular};
use crate::sandbox::Outcome;

/// How often a search is taken up again after an execution ended its process.
const MAX_RESTARTS: usize = 16;
/// How many processes may be spent on making such an execution smaller, and how long.
const MAX_SHRINK_RUNS: usize = 40;
const SHRINK_TIME: Duration = Duration::from_secs(6);
/// How many other statements are told of.
const MAX_ELSEWHERE: usize = 4;
/// How long calls may be made that follow one which crashed.
const AFTERMATH_TIME: Duration = Duration::from_secs(5);
/// Starting and ending a process takes this long at most; then it hangs.
const GRACE: Duration = Duration::from_secs(3);

/// What one run of the harness is to do.
#[derive(Clone, Copy)]
struct Errand<'a> {
    mode: Mode,
    phases: &'a [Phase],
    start: Position,
    /// The steps that make smaller what stands at the start, and the next one to try.
    path: &'a [usize],
    from: usize,
    calls: Option<&'a Calls>,
    time: Duration,
}

/// Where a call comes from: with the same choices it is made again.
#[derive(Debug, Clone, Default)]
pub(super) struct Origin {
    seed: u64,
    seeds: Seeds,
    phases: Vec<Phase>,
    at: Position,
    path: Vec<usize>,
    /// How it is written, by which it is known again.
    setup: String,
    r#final: String,
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
    /// How many calls did not come back.
    pub(super) stuck: u64,
    pub(super) found: Vec<Found>,
    /// Other statements of the failing function that crash in the same way.
    pub(super) elsewhere: Vec<Location>,
}

/// One run of the harness.
struct Run {
    /// Nothing where the harness did not write it.
    report: Report,
    /// Where it was last; none where the harness did not come to that.
    mark: Option<(u64, u64)>,
    outcome: Outcome,
}

impl Run {
    /// How many executions there were from `start` on.
    fn tried(&self, start: Position) -> u64 {
        match self.mark {
            _ if self.report.ended => self.report.tried,
            Some((_, index)) => index.saturating_sub(start.index),
            None => 0,
        }
    }

    /// Where the search stood; where it started if it did not come to anything.
    fn position(&self, start: Position) -> Position {
        let Some((phase, index)) = self.mark else { return start };
        Position { phase: usize::try_from(phase).unwrap_or(usize::MAX), index }
    }
}

impl<'a> Errand<'a> {
    const fn new(mode: Mode, phases: &'a [Phase], start: Position, time: Duration) -> Self {
        Self { mode, phases, start, path: &[], from: 0, calls: None, time }
    }
}

impl Origin {
    /// Whether the harness came to the same call: with other code it might not.
    fn is_that_of(&self, found: Option<&[Found]>) -> bool {
        let found = found.and_then(<[Found]>::first);
        found.is_some_and(|found| found.setup == self.setup && found.r#final == self.r#final)
    }
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
            let run = self.harness(Errand::new(Mode::Search, &phases, start, left)).await?;
            let at = run.position(start);
            findings.tried = findings.tried.saturating_add(run.tried(start));
            findings.stuck = findings.stuck.saturating_add(run.report.stuck);
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
                    Position { phase: at.phase, index: at.index.saturating_add(1) }
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
        let again = self.harness(Errand::new(Mode::Replay, phases, at, SHRINK_TIME)).await?;
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
            let errand = Errand { path: &path, from, ..Errand::new(Mode::Shrink, phases, at, left) };
            let run = self.harness(errand).await?;
            let Some((_, step)) = run.mark.filter(|_| !run.report.ended) else { break };
            let step = usize::try_from(step).unwrap_or(usize::MAX);
            if likeness(self.crash, &run.outcome.stderr).is_some() {
                path.push(step);
                from = 0;
            } else {
                from = step.saturating_add(1);
            }
        }
        let errand = Errand { path: &path, ..Errand::new(Mode::Render, phases, at, SHRINK_TIME) };
        let written = self.harness(errand).await?;
        let found = written.report.found.into_iter().flatten().next();
        Ok(found.map(|found| Found { ends_process: true, path: Some(path), ..found }))
    }

    /// Where a call that was found comes from.
    pub(super) fn origin(&self, found: &Found) -> Origin {
        Origin {
            seed: self.seed,
            seeds: self.seeds.clone(),
            phases: self.phases(found.forced, Duration::ZERO),
            at: found.at,
            path: found.path.clone().unwrap_or_default(),
            setup: found.setup.clone(),
            r#final: found.r#final.clone(),
        }
    }

    /// What calls of the target leave behind that do not crash; none where nobody knows.
    pub(super) async fn before(&self, origin: &Origin) -> Result<Option<Calls>, Error> {
        let errand = Errand::new(Mode::Before, &origin.phases, origin.at, AFTERMATH_TIME);
        let report = self.harness(Errand { path: &origin.path, ..errand }).await?.report;
        tracing::debug!(?report.aftermath, "calls were made that do not crash");
        Ok(report.aftermath.filter(|_| origin.is_that_of(report.found.as_deref())))
    }

    /// What of the same calls does not come back here, where another call crashed or came back.
    pub(super) async fn after(&self, origin: &Origin, calls: &Calls) -> Result<Option<Hang>, Error> {
        let search =
            Search { seed: origin.seed, seeds: origin.seeds.clone(), binary: self.binary.clone(), ..*self };
        let errand = Errand::new(Mode::After, &origin.phases, origin.at, AFTERMATH_TIME);
        let report =
            search.harness(Errand { path: &origin.path, calls: Some(calls), ..errand }).await?.report;
        tracing::debug!(?report.hang, "the calls were made again");
        Ok(report.hang.filter(|_| origin.is_that_of(report.found.as_deref())))
    }

    async fn harness(&self, errand: Errand<'_>) -> Result<Run, Error> {
        let Errand { mode, phases, start, path, from, calls, time } = errand;
        let nothing = Calls::default();
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
        let token = token();
        let tree = self.bench.workspace.tree();
        let config = Config {
            mode,
            token,
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
            aftermath: calls.unwrap_or(&nothing),
        };
        let text = serde_json::to_string(&config).unwrap_or_default();
        let config = self.scratch.write("config.json", &text)?;
        let (outcome, tmp) =
            self.bench.run_harness(&config, &self.package.folder, &self.binary, time + GRACE).await?;
        // The code under test may have written both files: without the token they say nothing.
        let report = read_regular(&tmp.path().join("hephaestus-result.json"), MAX_RESULT_BYTES).ok();
        let report = report.and_then(|text| serde_json::from_slice(&text).ok());
        let report = report.filter(|report: &Report| report.token == token).unwrap_or_default();
        let mark = read_regular(&tmp.path().join("hephaestus-mark"), MAX_RESULT_BYTES).ok();
        let mark = mark.and_then(|bytes| read_mark(&bytes, token));
        Ok(Run { report, mark, outcome })
    }
}

/// What a file of the harness may hold at most.
const MAX_RESULT_BYTES: u64 = 4 << 20;

/// Tells what the harness wrote in this run from what the code under test left there, which is not told
/// it: who seeks it out in the same process can still lie, and does so about its own fault alone.
fn token() -> u64 {
    use std::hash::{BuildHasher, RandomState};
    RandomState::new().hash_one(0)
}

/// The two numbers of a mark; none if it is no mark of the run with this token.
fn read_mark(bytes: &[u8], token: u64) -> Option<(u64, u64)> {
    let (numbers, []) = bytes.as_chunks() else { return None };
    match numbers {
        [first, a, b] if u64::from_le_bytes(*first) == token => {
            Some((u64::from_le_bytes(*a), u64::from_le_bytes(*b)))
        }
        _ => None,
    }
}

/// Requests of the log are routes too.
pub(super) fn merge_routes(seeds: &mut Seeds) {
    let patterns: Vec<Route> = seeds.requests.clone();
    if seeds.routes.is_empty() {
        seeds.routes = patterns;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sandbox::Ended;

    #[test]
    fn numbers_of_others_count_for_nothing() {
        let mark = |numbers: &[u64]| numbers.iter().flat_map(|n| n.to_le_bytes()).collect::<Vec<_>>();
        assert_eq!(read_mark(&mark(&[7, 1, 9]), 7), Some((1, 9)));
        for foreign in [mark(&[8, 1, 9]), mark(&[7, 1]), mark(&[7, 1, 9, 0]), vec![0; 23], Vec::new()] {
            assert_eq!(read_mark(&foreign, 7), None, "{foreign:?}");
        }
        let run = |ended, tried, mark| Run {
            report: Report { ended, tried, ..Report::default() },
            mark,
            outcome: Outcome {
                ended: Ended::Exited(0),
                stdout: Vec::new(),
                stderr: Vec::new(),
                truncated: false,
                wall: Duration::ZERO,
                cpu: Duration::ZERO,
                peak_memory_bytes: 0,
            },
        };
        let start = Position { phase: 1, index: 4 };
        // A process that died before the harness began has tried nothing, whatever lies about.
        assert_eq!(run(false, 5, None).tried(start), 0);
        assert_eq!(run(false, 5, None).position(start), start);
        assert_eq!(run(false, 5, Some((1, 9))).tried(start), 5);
        assert_eq!(run(false, 5, Some((1, 2))).tried(start), 0);
        assert_eq!(run(true, 8, Some((1, 9))).tried(start), 8);
    }
}
