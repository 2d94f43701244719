//! Go's own fuzzer, guided by coverage: it makes the texts of calls that the harness makes otherwise as ever.
//!
//! It comes last, for it takes an instrumented build of all that the package needs, and finds little that the
//! search does not. The processes that it starts are the sandbox's to watch like any other; what it keeps lies in
//! a folder that goes with it, for what it would write of a crash is meant for the sources, which nobody may write.

use std::path::Path;
use std::time::{Duration, Instant};

use super::exchange::{Found, Mode, Phase, Position, Splice};
use super::register::FUZZ_TARGET;
use super::run::token;
use super::search::{Errand, Findings, GRACE, Search};
use super::session::Built;
use super::tally::Tally;
use super::verify::first_lines;
use super::{Attempt, Error, OwnedSearch, Reproduction};
use crate::domain::Class;
use crate::repository::read_regular;

/// Less time is no use.
const LEAST_TIME: Duration = Duration::from_secs(5);
/// A build that finds the standard library in the cache takes this long.
const LEAST_BUILD_TIME: Duration = Duration::from_secs(5);
/// How often the fuzzer is taken up again when a process of it ended.
const MAX_RUNS: usize = 3;
/// A call that is made again, and made smaller.
const AGAIN_TIME: Duration = Duration::from_secs(6);
/// How many calls of one run are made again.
const MAX_AGAIN: usize = 4;
/// How many processes are looked at, and what they may leave.
const MAX_TRAILS: usize = 32;
const MAX_TRAIL_BYTES: u64 = 8 << 10;

impl Attempt<'_> {
    /// Fuzzes the first package whose targets take a text, if nothing was found and there is time for it.
    pub(super) async fn fuzz(
        &self,
        searches: &[OwnedSearch<'_>],
        end: Instant,
        tally: &mut Tally,
    ) -> Result<Option<Reproduction>, Error> {
        let left = || end.saturating_duration_since(Instant::now());
        // The fuzzer waits for every call to come back.
        let hangs = self.request.fault.class == Class::Deadlock;
        if hangs || self.request.fuzz_limit.is_zero() || tally.second_best.is_some() {
            return Ok(None);
        }
        for owned in searches {
            if left() < LEAST_BUILD_TIME + LEAST_TIME {
                break;
            }
            let search = self.search(owned);
            if search.texts(&search.phases(false, Duration::ZERO), &tally.without).await?.is_empty() {
                continue;
            }
            let package = &owned.surface.import_path;
            (self.progress)(&format!("building a fuzzer for {package}"));
            let time = left().saturating_sub(LEAST_TIME);
            let built = self.bench.build_fuzzer(self.scratch, &owned.surface, &owned.harness, time).await;
            let binary = match built {
                Ok(Built::Binary(binary)) => binary,
                Ok(Built::Failed(said)) => {
                    tracing::debug!(%package, output = %said, "the fuzzer does not build");
                    let (within, said) = (time.as_secs(), first_lines(&said));
                    tally.note(format!("no fuzzer could be built within {within} s: {said}"), false);
                    break;
                }
                // All that came before stands without it.
                Err(Error::Hindered(hindrance)) => {
                    tally.note(format!("no fuzzer could be built: {hindrance}"), false);
                    break;
                }
                Err(error) => return Err(error),
            };
            (self.progress)(&format!("fuzzing {package}"));
            let begun = Instant::now();
            let time = self.request.fuzz_limit.min(left());
            let findings = search.fuzz(&binary, time, &mut tally.without).await?;
            return self.examine(owned, &search, findings, begun.elapsed(), tally).await;
        }
        Ok(None)
    }
}

impl Search<'_> {
    /// The calls that take a text, each with the place of one.
    async fn texts(&self, phases: &[Phase], without: &[String]) -> Result<Vec<Position>, Error> {
        let start = Position::default();
        let errand = Errand { without, ..Errand::new(Mode::Texts, phases, &start, AGAIN_TIME) };
        Ok(self.harness(errand).await?.report.texts.unwrap_or_default())
    }

    /// Runs the fuzzer until it sees the crash of the log, or the time is over. Where a process of it ends, the
    /// call which that made last is judged, and the fuzzer taken up again with what it has learnt.
    async fn fuzz(
        &self,
        binary: &Path,
        time: Duration,
        without: &mut Vec<String>,
    ) -> Result<Findings, Error> {
        let (phases, start) = (self.phases(false, time), Position::default());
        let (end, tmp) = (Instant::now() + time, self.bench.fresh_tmp()?);
        let mut findings = Findings::default();
        for _ in 0..MAX_RUNS {
            let left = end.saturating_duration_since(Instant::now());
            if left < Duration::from_secs(1) {
                break;
            }
            let texts = self.texts(&phases, without).await?;
            if texts.is_empty() {
                break;
            }
            let token = token();
            let errand = Errand { without, texts: &texts, ..Errand::new(Mode::Fuzz, &phases, &start, left) };
            let config = self.write(errand, token)?;
            let (target, time, cache) = (
                format!("-test.fuzz=^{FUZZ_TARGET}$"),
                format!("-test.fuzztime={}ms", left.as_millis()),
                format!("-test.fuzzcachedir={}", tmp.path().join("cache").display()),
            );
            // Small inputs are what it can change with effect: each new one is made smaller, but not for long.
            let small = "-test.fuzzminimizetime=200x";
            let args = ["-test.run=^$", &target, &time, small, "-test.parallel=2", &cache];
            let folder = &self.package.folder;
            let outcome = self.bench.run_harness(&tmp, &config, folder, binary, &args, left + GRACE).await?;
            let trails = trails(tmp.path(), token);
            tracing::debug!(
                ended = %outcome.ended,
                output = %String::from_utf8_lossy(&outcome.stdout),
                ?trails,
                "the fuzzer ran"
            );
            for trail in &trails {
                findings.tried = findings.tried.saturating_add(trail.tried);
                findings.stuck = findings.stuck.saturating_add(trail.stuck);
            }
            for trail in trails.into_iter().filter(|trail| trail.state != State::Ended).take(MAX_AGAIN) {
                if Instant::now() > end + AGAIN_TIME {
                    break;
                }
                let Some(Position { phase, index, splice: Some(Splice { number, .. }) }) =
                    texts.get(trail.which)
                else {
                    continue;
                };
                let splice = Some(Splice { number: *number, data: trail.data });
                let at = Position { phase: *phase, index: *index, splice };
                if let Some(found) = self.again(&phases, &at, without).await? {
                    findings.found.push(found);
                    return Ok(findings);
                }
                findings.ended += u64::from(trail.state == State::Calling);
            }
        }
        Ok(findings)
    }

    /// Makes a call again by the plain harness, and makes it smaller where it is the crash of the log.
    async fn again(
        &self,
        phases: &[Phase],
        at: &Position,
        without: &mut Vec<String>,
    ) -> Result<Option<Found>, Error> {
        let errand = Errand { without, ..Errand::new(Mode::Again, phases, at, AGAIN_TIME) };
        let run = self.harness(errand).await?;
        match run.report.found.into_iter().flatten().next() {
            None if !run.report.ended => self.do_again(phases, at, without).await,
            found => Ok(found),
        }
    }
}

/// How it stands with a process of the fuzzer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// It ended in the midst of a call, or not long after.
    Calling,
    /// It saw the crash of the log.
    Matched,
    Ended,
}

/// What a process of the fuzzer did last: `harness/fuzz.go` writes it.
#[derive(Debug, PartialEq, Eq)]
struct Trail {
    state: State,
    tried: u64,
    stuck: u64,
    /// The number of the call.
    which: usize,
    data: Vec<u8>,
}

/// The trails of one run, those that saw the crash first.
fn trails(tmp: &Path, token: u64) -> Vec<Trail> {
    let entries = std::fs::read_dir(tmp).into_iter().flatten().flatten();
    let mut trails: Vec<Trail> = entries
        .filter(|entry| entry.file_name().to_string_lossy().starts_with("hephaestus-fuzz-"))
        .take(MAX_TRAILS)
        .filter_map(|entry| read_trail(&read_regular(&entry.path(), MAX_TRAIL_BYTES).ok()?, token))
        .collect();
    trails.sort_by_key(|trail| trail.state != State::Matched);
    trails
}

/// Six numbers and the text, as long as the last of them says. None if it is no trail of the run with this token.
fn read_trail(bytes: &[u8], token: u64) -> Option<Trail> {
    let (numbers, data) = bytes.split_at_checked(48)?;
    let mut numbers =
        numbers.chunks_exact(8).map(|n| n.iter().rev().fold(0, |n, byte| n << 8 | u64::from(*byte)));
    let mut next = || numbers.next();
    let (known, state, tried, stuck) = (next()?, next()?, next()?, next()?);
    let (which, length) = (usize::try_from(next()?).ok()?, usize::try_from(next()?).ok()?);
    let state = match state {
        1 => State::Calling,
        2 => State::Matched,
        3 => State::Ended,
        _ => return None,
    };
    (known == token).then_some(Trail { state, tried, stuck, which, data: data.get(..length)?.to_vec() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trail_is_that_of_this_run_and_whole() {
        let trail = |numbers: [u64; 6], data: &[u8]| {
            read_trail(&[numbers.map(u64::to_le_bytes).concat().as_slice(), data].concat(), 7)
        };
        let read = Trail { state: State::Calling, tried: 300, stuck: 2, which: 1, data: b"a\xff".to_vec() };
        assert_eq!(trail([7, 1, 300, 2, 1, 2], b"a\xff of an earlier call"), Some(read));
        for (numbers, data) in [
            ([8, 1, 300, 2, 1, 2], b"ab".as_slice()),
            ([7, 0, 300, 2, 1, 2], b"ab"),
            ([7, 4, 300, 2, 1, 2], b"ab"),
            ([7, 1, 300, 2, 1, 3], b"ab"),
            ([7, 1, 300, 2, 1, u64::MAX], b"ab"),
        ] {
            assert_eq!(trail(numbers, data), None, "{numbers:?}");
        }
        assert_eq!(read_trail(&[7; 47], 7), None);
    }
}
