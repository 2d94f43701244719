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

/// The version of the language that knows `any`.
const ANY_SINCE: (u32, u32) = (1, 18);
/// How often a search is taken up again after an execution ended its process.
const MAX_RESTARTS: usize = 16;
/// How many processes may be spent on making such an execution smaller, and how long.
const MAX_SHRINK_RUNS: usize = 40;
const SHRINK_TIME: Duration = Duration::from_secs(6);
/// How many functions are left out of calls, since they end the process.
const MAX_LEFT_OUT: usize = 32;
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
    /// Functions that are not called, except as targets: what stands at a position depends on them.
    without: &'a [String],
    calls: Option<&'a Calls>,
    /// What other goroutines were in.
    others: &'a [String],
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
    pub(super) without: Vec<String>,
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
    /// How often the process ended, and nothing was found by that.
    pub(super) ended: u64,
    pub(super) found: Vec<Found>,
    /// Other statements of the failing function that crash in the same way.
    pub(super) elsewhere: Vec<Location>,
}

/// What came of calls that others are held against.
pub(super) enum Made<T> {
    /// They were made; none where they tell nothing.
    Told(Option<T>),
    /// The process ended before, with another crash than the log's.
    Ended {
        /// In a call of this function, as far as is known.
        by: Option<String>,
        how: String,
    },
}

/// Where a run of the harness was last.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Mark {
    at: (u64, u64),
    /// The function that was called last, where calls are watched.
    calling: Option<String>,
}

/// One run of the harness.
struct Run {
    /// Nothing where the harness did not write it.
    report: Report,
    /// Where it was last; none where the harness did not come to that.
    mark: Option<Mark>,
    outcome: Outcome,
}

impl Run {
    /// How many executions there were from `start` on.
    fn tried(&self, start: Position) -> u64 {
        match &self.mark {
            _ if self.report.ended => self.report.tried,
            Some(Mark { at: (_, index), .. }) => index.saturating_sub(start.index),
            None => 0,
        }
    }

    /// Where the search stood; where it started if it did not come to anything.
    fn position(&self, start: Position) -> Position {
        let Some(Mark { at: (phase, index), .. }) = self.mark else { return start };
        Position { phase: usize::try_from(phase).unwrap_or(usize::MAX), index }
    }
}

impl<'a> Errand<'a> {
    const fn new(mode: Mode, phases: &'a [Phase], start: Position, time: Duration) -> Self {
        Self { mode, phases, start, path: &[], from: 0, without: &[], calls: None, others: &[], time }
    }
}

impl Origin {
    /// The same call again, in another mode.
    fn errand<'a>(&'a self, mode: Mode, calls: &'a Calls) -> Errand<'a> {
        let errand = Errand::new(mode, &self.phases, self.at, AFTERMATH_TIME);
        Errand { path: &self.path, without: &self.without, calls: Some(calls), ..errand }
    }

    /// Whether the harness came to the same call: with other code it might not.
    fn is_that_of(&self, found: Option<&[Found]>) -> bool {
        let found = found.and_then(<[Found]>::first);
        found.is_some_and(|found| found.setup == self.setup && found.r#final == self.r#final)
    }
}

impl Search<'_> {
    /// Tries every target for its share of the time. With `forced`, also what no caller would do. A function
    /// that ends the process with another crash is put among those that are left out, `without`: else all
    /// processes would be spent on it.
    pub(super) async fn run(
        &self,
        forced: bool,
        time: Duration,
        without: &mut Vec<String>,
    ) -> Result<Findings, Error> {
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
            let errand = Errand { without, ..Errand::new(Mode::Search, &phases, start, left) };
            let run = self.harness(errand).await?;
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
                    if run.mark.is_some()
                        && let Some(found) = self.do_again(&phases, at, without).await?
                    {
                        findings.found.push(found);
                        break;
                    }
                    findings.ended += 1;
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

    /// Does an execution again that ended its process. It is made smaller if it is the crash of the log; if
    /// it is another one, the function that was called then is left out from now on.
    async fn do_again(
        &self,
        phases: &[Phase],
        at: Position,
        without: &mut Vec<String>,
    ) -> Result<Option<Found>, Error> {
        let errand = Errand { without, ..Errand::new(Mode::Replay, phases, at, SHRINK_TIME) };
        let again = self.harness(errand).await?;
        if likeness(self.crash, &again.outcome.stderr).is_some() {
            return self.shrink(phases, at, without).await;
        }
        // One that comes to its end was an earlier one's goroutine, or chance.
        let culprit = again.mark.filter(|_| !again.report.ended).and_then(|mark| mark.calling);
        if let Some(culprit) = culprit {
            self.leave_out(culprit, without);
        }
        Ok(None)
    }

    /// Leaves a function out, if that is possible: not what is to be called, and not any number.
    pub(super) fn leave_out(&self, function: String, without: &mut Vec<String>) -> bool {
        let is_target = self.targets.iter().any(|target| match &target.call {
            Call::Function(name) => {
                function.strip_prefix(&self.package.import_path).and_then(|rest| rest.strip_prefix('.'))
                    == Some(name)
            }
            Call::Http => false,
        });
        let may = !is_target && without.len() < MAX_LEFT_OUT && !without.contains(&function);
        if may {
            tracing::debug!(%function, "it ends the process with another crash, and is left out");
            without.push(function);
        }
        may
    }

    /// An execution that ends its process is made smaller one process a step.
    async fn shrink(
        &self,
        phases: &[Phase],
        at: Position,
        without: &[String],
    ) -> Result<Option<Found>, Error> {
        let end = Instant::now() + SHRINK_TIME;
        let (mut path, mut from) = (Vec::new(), 0);
        for _ in 0..MAX_SHRINK_RUNS {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            let errand = Errand { path: &path, from, without, ..Errand::new(Mode::Shrink, phases, at, left) };
            let run = self.harness(errand).await?;
            let Some(Mark { at: (_, step), .. }) = run.mark.filter(|_| !run.report.ended) else { break };
            let step = usize::try_from(step).unwrap_or(usize::MAX);
            if likeness(self.crash, &run.outcome.stderr).is_some() {
                path.push(step);
                from = 0;
            } else {
                from = step.saturating_add(1);
            }
        }
        let errand = Errand { path: &path, without, ..Errand::new(Mode::Render, phases, at, SHRINK_TIME) };
        let written = self.harness(errand).await?;
        let found = written.report.found.into_iter().flatten().next();
        Ok(found.map(|found| Found { ends_process: true, path: Some(path), ..found }))
    }

    /// Where a call that was found comes from, by a search that left something out.
    pub(super) fn origin(&self, found: &Found, without: &[String]) -> Origin {
        Origin {
            seed: self.seed,
            seeds: self.seeds.clone(),
            phases: self.phases(found.forced, Duration::ZERO),
            at: found.at,
            path: found.path.clone().unwrap_or_default(),
            without: without.to_vec(),
            setup: found.setup.clone(),
            r#final: found.r#final.clone(),
        }
    }

    /// What calls of the target leave behind that do not crash; what they do `without` is left out.
    pub(super) async fn before(&self, origin: &Origin, without: &[String]) -> Result<Made<Calls>, Error> {
        let calls = Calls { without: Some(without.to_vec()), ..Calls::default() };
        let run = self.harness(origin.errand(Mode::Before, &calls)).await?;
        tracing::debug!(?run.report.aftermath, "calls were made that do not crash");
        Ok(self.made(run, origin, |report| report.aftermath))
    }

    /// Calls of every target for a stress test, beside those that others made.
    pub(super) async fn drills(&self, others: &[String], time: Duration) -> Result<Report, Error> {
        let phases = self.phases(false, time);
        let errand = Errand { others, ..Errand::new(Mode::Stress, &phases, Position::default(), time) };
        Ok(self.harness(errand).await?.report)
    }

    /// What of the same calls does not come back here, where another call crashed or came back.
    pub(super) async fn after(&self, origin: &Origin, calls: &Calls) -> Result<Made<Hang>, Error> {
        let search =
            Search { seed: origin.seed, seeds: origin.seeds.clone(), binary: self.binary.clone(), ..*self };
        let run = search.harness(origin.errand(Mode::After, calls)).await?;
        tracing::debug!(?run.report.hang, "the calls were made again");
        Ok(self.made(run, origin, |report| report.hang))
    }

    /// The crash of the log says nothing here: the search looks for it.
    fn made<T>(&self, run: Run, origin: &Origin, take: fn(Report) -> Option<T>) -> Made<T> {
        let Run { report, mark, outcome } = run;
        if !report.ended && likeness(self.crash, &outcome.stderr).is_none() {
            return Made::Ended { by: mark.and_then(|mark| mark.calling), how: outcome.ended.to_string() };
        }
        let same = origin.is_that_of(report.found.as_deref());
        Made::Told(take(report).filter(|_| same))
    }

    async fn harness(&self, errand: Errand<'_>) -> Result<Run, Error> {
        let Errand { mode, phases, start, path, from, without, calls, others, time } = errand;
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
            any: if self.package.language < ANY_SINCE { "interface{}" } else { "any" },
            taken: &taken,
            path,
            from,
            millis: time.as_millis(),
            without,
            others,
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

/// A mark is two numbers and, where calls are watched, the length of a name and the name. None if it is no mark
/// of the run with this token.
fn read_mark(bytes: &[u8], token: u64) -> Option<Mark> {
    let number = |bytes: &[u8; 8]| u64::from_le_bytes(*bytes);
    let (first, rest) = bytes.split_first_chunk()?;
    let (a, rest) = rest.split_first_chunk()?;
    let (b, rest) = rest.split_first_chunk()?;
    let name = match rest.split_first_chunk() {
        None if rest.is_empty() => &[],
        None => return None,
        Some((length, rest)) => rest.get(..usize::try_from(number(length)).ok()?)?,
    };
    let calling = std::str::from_utf8(name).ok().filter(|name| !name.is_empty()).map(str::to_owned);
    (number(first) == token).then(|| Mark { at: (number(a), number(b)), calling })
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
        let at = |a, b| Mark { at: (a, b), calling: None };
        assert_eq!(read_mark(&mark(&[7, 1, 9]), 7), Some(at(1, 9)));
        assert_eq!(read_mark(&mark(&[7, 1, 9, 0, 0]), 7), Some(at(1, 9)));
        let named = [mark(&[7, 1, 9, 3]), b"m.F\0\0".to_vec()].concat();
        assert_eq!(read_mark(&named, 7), Some(Mark { calling: Some("m.F".to_owned()), ..at(1, 9) }));
        for foreign in
            [mark(&[8, 1, 9]), mark(&[7, 1]), mark(&[7, 1, 9, 1]), vec![0; 23], vec![0; 25], Vec::new()]
        {
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
        assert_eq!(run(false, 5, Some(at(1, 9))).tried(start), 5);
        assert_eq!(run(false, 5, Some(at(1, 2))).tried(start), 0);
        assert_eq!(run(true, 8, Some(at(1, 9))).tried(start), 8);
    }
}
