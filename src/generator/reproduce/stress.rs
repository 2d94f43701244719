//! Races: no single call shows them, so several goroutines make calls at once, for a while, under the race detector.
//!
//! The harness makes the object as for any other call, and rehearses calls of it one after the other: those that come
//! back make a drill. Called together are the functions that the log's goroutines were in, as `target` finds
//! them from each stack; where the log shows one, it is called by all. Each drill is written as a test, all of a
//! package are compiled at once, and one is taken that meets in the race of the log: an access in the same function,
//! at the same statement. One by which nothing else is raced for comes first, for only that passes on a fix.
//!
//! A race with another method of the object, which the log does not name, is a reproduction too where there is no
//! other, but nothing is proven by it: perhaps the program never makes those calls at once.

use std::time::{Duration, Instant};

use super::aftermath::Aftermath;
use super::exchange::Drill;
use super::judge::{Race, race};
use super::render::WORKERS;
use super::session::Built;
use super::target::{Call, Package, choose};
use super::verify::OF_ANOTHER_VERSION;
use super::{Attempt, Effort, Error, OwnedSearch, Reproduction, first_lines, render};
use crate::domain::{Fault, Reach, Reproducer};
use crate::repository::Likeness;
use crate::sandbox::RaceDetector;

/// How long calls of one package are rehearsed.
const REHEARSAL: Duration = Duration::from_secs(2);
/// How long the tests of one package may run at least.
const RUN_TIME: Duration = Duration::from_secs(10);
/// The most tests of one package.
const MAX_TESTS: usize = 10;
/// How often tests that do not compile are left out.
const ROUNDS: usize = 3;

/// What has come of it so far.
struct Stress {
    /// Why there is no detector, as a sentence that goes on after "since".
    detector: Result<RaceDetector, String>,
    effort: Effort,
    /// How many tests were run.
    tests: usize,
    problems: Vec<String>,
    /// The first problem by which nobody knows what the program's callers can do.
    unsettled: Option<String>,
    /// Functions whose calls do not come back.
    hanging: Vec<String>,
    best: Option<Met>,
}

/// A drill that meets in the race of the log.
struct Met {
    drill: Drill,
    reproducer: Reproducer,
    race: Race,
}

impl Met {
    /// Better ones are greater.
    const fn rank(&self) -> (bool, bool, bool) {
        (self.drill.told, self.drill.entry, matches!(self.race, Race::Alone))
    }
}

impl<'a> Attempt<'a> {
    /// Looks for calls that race as the log tells, and writes them down.
    pub(super) async fn stress(&self, packages: &'a [Package]) -> Result<Reproduction, Error> {
        let mut stress = Stress {
            detector: self.bench.go.race_detector().map_err(|why| why.to_string()),
            effort: Effort::default(),
            tests: 0,
            problems: Vec::new(),
            unsettled: None,
            hanging: Vec::new(),
            best: None,
        };
        if let Ok(detector) = &stress.detector {
            // It is built once for all, and takes long: that is not the search's time.
            (self.progress)("building the race detector");
            self.bench.build_detector(self.scratch, detector).await?;
        }
        let end = Instant::now() + self.request.time_limit;
        for (number, package) in packages.iter().enumerate() {
            if Instant::now() >= end {
                stress.note("the time was over".to_owned(), package);
                break;
            }
            if stress.best.as_ref().is_some_and(|met| met.drill.told) {
                break;
            }
            match self.prepare(package, number).await? {
                Ok(search) => self.stress_package(&search, end, &mut stress).await?,
                Err(problem) => stress.note(problem, package),
            }
        }
        Ok(self.closed(stress))
    }

    /// The drills of one package, as tests that are run until one is as good as can be.
    async fn stress_package(
        &self,
        owned: &OwnedSearch<'_>,
        end: Instant,
        stress: &mut Stress,
    ) -> Result<(), Error> {
        (self.progress)(&format!("rehearsing calls of {}", owned.surface.import_path));
        let begun = Instant::now();
        let others = self.others(&owned.package.folder);
        let time = REHEARSAL.min(self.request.search_limit);
        let report = self.search(owned).drills(&others, time).await?;
        let ended = u64::from(!report.ended);
        let effort = Effort { tried: report.tried, stuck: report.stuck, ended, searched: begun.elapsed() };
        stress.effort = stress.effort.and(effort);
        stress.hanging.extend(report.given_up.unwrap_or_default());
        let mut drills = report.drills.unwrap_or_default();
        drills.sort_by_key(|drill| (!drill.told, !drill.entry));
        drills.truncate(MAX_TESTS);
        if stress.detector.is_ok()
            && let Some(package) = self.bench.own_c_code(self.scratch, &owned.surface.folder).await?
        {
            stress.detector = Err(format!("{package} holds C code, which is not compiled here"));
        }
        let watched = stress.detector.is_ok();
        let numbered = drills.into_iter().enumerate();
        let mut tests: Vec<(Drill, Reproducer)> = numbered
            .filter_map(|(number, drill)| {
                let test = render::stress(self.request.fault, &owned.surface, &drill, number, watched)?;
                Some((drill, test))
            })
            .collect();
        let Some(binary) = self.build_stress(owned, &mut tests, stress).await? else { return Ok(()) };
        // What took so long to build is run.
        let end = end.max(Instant::now() + RUN_TIME);
        for (drill, test) in tests {
            let is_enough = stress.best.as_ref().is_some_and(|best| {
                best.rank() >= (drill.told, drill.entry, true) || best.drill.told && !drill.told
            });
            if is_enough {
                break;
            }
            if Instant::now() >= end {
                stress.note("the time was over".to_owned(), owned.package);
                break;
            }
            (self.progress)(&format!("running {} of {} and {}", test.test, drill.call, drill.with));
            stress.tests += 1;
            let output = self.bench.run_test(&test, &binary).await?;
            tracing::debug!(source = %test.source, output = %String::from_utf8_lossy(&output), "a stress test ran");
            let Some(race) = race(self.crash, &output) else { continue };
            let reproducer = self.kept(owned, &drill, stress.detector.is_ok()).await?;
            let met = reproducer.map(|reproducer| Met { drill, reproducer, race });
            if met.as_ref().map(Met::rank) > stress.best.as_ref().map(Met::rank) {
                stress.best = met;
            }
        }
        Ok(())
    }

    /// The functions of a package that the other goroutines of the log were in.
    fn others(&self, folder: &str) -> Vec<String> {
        let fault = self.request.fault;
        let mut names = Vec::new();
        for stack in &fault.others {
            let other = Fault { stack: stack.clone(), ..fault.clone() };
            let packages = choose(&other, self.request.repository);
            let targets = packages.into_iter().filter(|package| package.folder == folder);
            for target in targets.flat_map(|package| package.targets) {
                if let Call::Function(name) = target.call
                    && !names.contains(&name)
                {
                    names.push(name);
                }
            }
        }
        names
    }

    /// Compiles tests together. Those that do not compile are left out, and so is the detector where it is at fault.
    async fn build_stress(
        &self,
        owned: &OwnedSearch<'_>,
        tests: &mut Vec<(Drill, Reproducer)>,
        stress: &mut Stress,
    ) -> Result<Option<std::path::PathBuf>, Error> {
        (self.progress)("building stress tests");
        let mut failed = None;
        for _ in 0..ROUNDS {
            if tests.is_empty() {
                break;
            }
            let all: Vec<Reproducer> = tests.iter().map(|(_, test)| test.clone()).collect();
            let said = match self.bench.build_tests(self.scratch, &all, stress.detector.as_ref().ok()).await?
            {
                Built::Binary(binary) => return Ok(Some(binary)),
                Built::Failed(said) => said,
            };
            let before = tests.len();
            tests.retain(|(_, test)| !said.contains(&format!("{}:", test.file.file_name())));
            if tests.len() == before {
                if stress.detector.is_err() {
                    failed = Some(said);
                    break;
                }
                stress.detector = Err(format!("nothing can be built with it: {}", first_lines(&said)));
            }
            failed = Some(said);
        }
        let why = match failed {
            Some(said) => format!(
                "a stress test of {} does not build: {}",
                owned.surface.import_path,
                first_lines(&said)
            ),
            None => format!(
                "no calls of {} that come back can be made and written down",
                owned.surface.import_path
            ),
        };
        stress.note(why, owned.package);
        Ok(None)
    }

    /// A drill as the test that is kept.
    async fn kept(
        &self,
        owned: &OwnedSearch<'_>,
        drill: &Drill,
        watched: bool,
    ) -> Result<Option<Reproducer>, Error> {
        let Some(mut test) = render::stress(self.request.fault, &owned.surface, drill, 0, watched) else {
            return Ok(None);
        };
        test.source = self.bench.format(self.scratch, test.source).await?;
        if drill.told && drill.entry && !self.crash.has_drifted() {
            test.reach = Reach::EntryPoint;
        }
        Ok(Some(test))
    }

    fn closed(&self, stress: Stress) -> Reproduction {
        let Stress { detector, effort, tests, mut problems, unsettled, hanging, best } = stress;
        let elsewhere = Vec::new();
        let unwatched = detector.err().map(|why| format!("the race detector could not watch, since {why}"));
        let Some(Met { drill, mut reproducer, .. }) = best else {
            if let Some(function) = self.request.aftermath.and_then(|before| before.newly(&hanging)) {
                let how = format!("calls of {function} do not come back any more");
                return Reproduction::Hangs { how, surely: false };
            }
            problems.extend(unwatched);
            problems.dedup();
            let mut reason = match tests {
                0 => "no stress test was run".to_owned(),
                _ => format!("no stress test of {tests} met in the race of the log"),
            };
            problems.iter().for_each(|problem| reason.extend(["; ", problem]));
            return Reproduction::NotReproduced { reason, effort, elsewhere, unsettled };
        };
        let unclear = if let Some(why) = unwatched.filter(|_| !reproducer.race) {
            Some(format!("{why}: a test that passes without it shows little"))
        } else if self.crash.has_drifted() {
            Some(OF_ANOTHER_VERSION.to_owned())
        } else if drill.told {
            None
        } else {
            Some(format!("that other goroutines called {} meanwhile, the log does not tell", drill.with))
        };
        if unclear.is_some() {
            reproducer.reach = Reach::InternalCall;
        }
        let calls = match drill.call == drill.with {
            true => drill.call.clone(),
            false => format!("{} and {}", drill.call, drill.with),
        };
        let shown =
            if reproducer.race { "which the race detector reports" } else { "which ends the program" };
        let seed = self.request.seed;
        let mut how = format!(
            "calls of {calls} by {WORKERS} goroutines at once, {shown}, found by stress test {tests} (seed {seed})"
        );
        unclear.iter().for_each(|why| how.extend(["; it counts as an internal call only: ", why]));
        Reproduction::Reproduced {
            reproducer,
            effort,
            elsewhere,
            perhaps_another: (!drill.told).then_some(Likeness::Unclear),
            unclear,
            fuzzed: false,
            astray: None,
            how,
            aftermath: Some(Aftermath::of_race(hanging)),
        }
    }
}

impl Stress {
    fn note(&mut self, problem: String, package: &Package) {
        if package.targets.iter().any(|target| target.entry) {
            self.unsettled.get_or_insert_with(|| problem.clone());
        }
        self.problems.push(problem);
    }
}
