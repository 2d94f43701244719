//! The search within one package: what the harness is told, what it tells, and what is done when an
//! execution ends its process.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use super::Error;
use super::exchange::{Calls, Config, Found, Hang, Mode, Phase, Place, Position, Report, Statement};
use super::judge::likeness;
use super::run::{Mark, Run, token};
use super::seeds::{Route, Seeds};
use super::session::{Bench, Scratch};
use super::surface::Surface;
use super::target::{Call, Target};
use crate::domain::{Fault, Location};
use crate::repository::KnownCrash;

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
pub(super) const GRACE: Duration = Duration::from_secs(3);

/// What one run of the harness is to do.
#[derive(Clone, Copy)]
pub(super) struct Errand<'a> {
    pub(super) mode: Mode,
    pub(super) phases: &'a [Phase],
    pub(super) start: &'a Position,
    /// The steps that make smaller what stands at the start, and the next one to try.
    pub(super) path: &'a [usize],
    pub(super) from: usize,
    /// Functions that are not called, except as targets: what stands at a position depends on them.
    pub(super) without: &'a [String],
    pub(super) calls: Option<&'a Calls>,
    /// What other goroutines were in.
    pub(super) others: &'a [String],
    /// The calls that are fuzzed.
    pub(super) texts: &'a [Position],
    pub(super) time: Duration,
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

impl<'a> Errand<'a> {
    pub(super) const fn new(mode: Mode, phases: &'a [Phase], start: &'a Position, time: Duration) -> Self {
        let (path, without, others, texts): (&[_], &[_], &[_], &[_]) = (&[], &[], &[], &[]);
        Self { mode, phases, start, path, from: 0, without, calls: None, others, texts, time }
    }
}

impl Origin {
    /// The same call again, in another mode.
    fn errand<'a>(&'a self, mode: Mode, calls: &'a Calls) -> Errand<'a> {
        let errand = Errand::new(mode, &self.phases, &self.at, AFTERMATH_TIME);
        Errand { path: &self.path, without: &self.without, calls: Some(calls), ..errand }
    }

    /// The text that the fuzzer found.
    pub(super) fn fuzzed(&self) -> Option<Vec<u8>> {
        self.at.splice.as_ref().map(|splice| splice.data.clone())
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
            let errand = Errand { without, ..Errand::new(Mode::Search, &phases, &start, left) };
            let run = self.harness(errand).await?;
            let at = run.position(&start);
            findings.tried = findings.tried.saturating_add(run.tried(&start));
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
                        && let Some(found) = self.do_again(&phases, &at, without).await?
                    {
                        findings.found.push(found);
                        break;
                    }
                    findings.ended += 1;
                    Position { index: at.index.saturating_add(1), ..at }
                }
            };
        }
        Ok(findings)
    }

    pub(super) fn phases(&self, forced: bool, time: Duration) -> Vec<Phase> {
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
    pub(super) async fn do_again(
        &self,
        phases: &[Phase],
        at: &Position,
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
        at: &Position,
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
            at: found.at.clone(),
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
        let start = Position::default();
        let errand = Errand { others, ..Errand::new(Mode::Stress, &phases, &start, time) };
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

    /// Runs the harness.
    pub(super) async fn harness(&self, errand: Errand<'_>) -> Result<Run, Error> {
        let (token, wall) = (token(), errand.time + GRACE);
        let config = self.write(errand, token)?;
        let tmp = self.bench.fresh_tmp()?;
        let folder = &self.package.folder;
        let outcome = self.bench.run_harness(&tmp, &config, folder, &self.binary, &[], wall).await?;
        Ok(Run::read(outcome, tmp.path(), token))
    }

    /// Writes down for the harness what it is to do.
    pub(super) fn write(&self, errand: Errand<'_>, token: u64) -> Result<PathBuf, Error> {
        let Errand { mode, phases, start, path, from, without, calls, others, texts, time } = errand;
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
        let tree = self.bench.workspace.tree();
        let config = Config {
            mode,
            token,
            seed: self.seed,
            class: self.fault.class.as_str(),
            message: &self.fault.message,
            wait: self.fault.facts.wait.as_deref().unwrap_or_default(),
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
            elsewhere: self.fault.met_elsewhere(),
            aftermath: calls.unwrap_or(&nothing),
            texts,
        };
        let text = serde_json::to_string(&config).unwrap_or_default();
        self.scratch.write("config.json", &text)
    }
}

/// Requests of the log are routes too.
pub(super) fn merge_routes(seeds: &mut Seeds) {
    let patterns: Vec<Route> = seeds.requests.clone();
    if seeds.routes.is_empty() {
        seeds.routes = patterns;
    }
}
