//! What holds before any change: the measure for every candidate of one fault.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::measured::{Answer, Measured};
use super::packages::{LIST_FORMAT, Packages};
use super::suite::{Compiled, Tests};
use super::{
    Error, Subject, Validator, advice, cut_short, lacks_module, no_answer, shown, succeeded, tail, text_of,
};
use crate::analyzer::go::{Waiting, parse_trace, races, waiting};
use crate::domain::{Class, Fault, Reproducer, Step, StepName, StepResult};
use crate::repository::KnownCrash;
use crate::sandbox::Outcome;

/// Why nothing can be judged in this repository as it stands.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Broken {
    /// The package at fault does not compile.
    #[error("the package in {folder} does not build before any change; {advice}, then run again:\n{output}")]
    DoesNotBuild {
        /// Its folder; `.` for the root.
        folder: String,
        /// What to do about it.
        advice: String,
        /// What the compiler said, its end.
        output: String,
    },
    /// A module that it needs is not on this machine.
    #[error("the package in {folder} could not be built: {why}")]
    Lacking {
        /// Its folder; `.` for the root.
        folder: String,
        /// What it needs, and what to do.
        why: String,
    },
    /// Not the code, but a limit or what it is built with stood in the way.
    #[error("the package in {folder} could not be built: {why}")]
    Unknown {
        /// Its folder; `.` for the root.
        folder: String,
        /// What it was, and what to do.
        why: String,
    },
}

/// What holds before any change, for all faults of one repository. Everything is measured when it is
/// first asked for, and once; but what a limit or the surroundings made unknown may be known later. Its clones
/// are one: what one worker has measured in its scratch copy, or just measures, no other measures again.
#[derive(Debug, Default, Clone)]
pub struct Baseline(Arc<Known>);

#[derive(Debug, Default)]
struct Known {
    /// The packages of a module and what they import, or why nobody knows.
    packages: Measured<Result<Arc<Packages>, String>>,
    /// Whether every package of a module builds.
    whole: Measured<bool>,
    builds: Measured<Option<Broken>>,
    vet: Measured<Result<BTreeSet<String>, String>>,
    tests: Measured<Tests>,
}

/// The packages that import some others.
#[derive(Debug, Clone, Default)]
pub(super) struct Dependents {
    /// Their folders, nearest first.
    pub(super) folders: Vec<String>,
    /// The modules that may hold more, each with the reason why nobody knows.
    pub(super) unseen: Vec<String>,
}

/// A reproducer that was tried on the repository as it stands.
#[derive(Debug, Clone)]
pub struct Confirmed {
    pub(super) reproducer: Reproducer,
    pub(super) before: Step,
    /// Why a fix is not proven by it, in words that go on after "but".
    pub(super) doubt: Option<String>,
    /// The longest of its runs.
    longest: Duration,
}

/// How a reproducer ends on the repository as it stands.
struct Tried {
    result: StepResult,
    runs: u32,
    detail: String,
    doubt: Option<String>,
    longest: Duration,
}

/// How often a race is run at least.
const LEAST_RACES: u32 = 3;
/// A reproducer that passes takes about as long as one that fails, give or take a slow machine.
const PATIENCE: u32 = 5;
/// How long it may run in any case.
const LEAST_PATIENCE: Duration = Duration::from_secs(10);

impl Confirmed {
    /// How long one run may take with a change in place: a candidate that loops for ever must not take
    /// the time of all others.
    pub(super) fn patience(&self, step_timeout: Duration) -> Duration {
        self.longest.saturating_mul(PATIENCE).max(LEAST_PATIENCE).min(step_timeout)
    }
}

/// The most modules of one repository whose packages are listed.
const MAX_MODULES: usize = 20;
/// The test binary with the reproducer, and without any change.
const WITHOUT_CHANGE: &str = "before.test";

impl Validator<'_> {
    /// Makes sure that the package at fault builds before any change: else nothing can be judged.
    ///
    /// # Errors
    /// When the machinery fails. The inner error tells that the repository is broken as it stands.
    pub async fn survey(
        &self,
        subject: Subject<'_>,
        baseline: &Baseline,
    ) -> Result<Result<(), Broken>, Error> {
        let Some(place) = subject.fault.stack.first() else { return Ok(Ok(())) };
        let broken = self.build_before(subject, baseline, place.file.folder()).await?;
        Ok(broken.map_or(Ok(()), Err))
    }

    /// Why a package does not build as it stands; none when it does. Measured once.
    pub(super) async fn build_before(
        &self,
        subject: Subject<'_>,
        baseline: &Baseline,
        folder: &str,
    ) -> Result<Option<Broken>, Error> {
        let measure = async {
            let built = self.build(subject, folder, ".").await?;
            let name = shown(folder).to_owned();
            if let Some(why) = no_answer(&built, || "the build".to_owned()) {
                if lacks_module(&built) {
                    return Ok(Answer::ForGood(Some(Broken::Lacking { folder: name, why })));
                }
                return Ok(Answer::ForNow(Some(Broken::Unknown { folder: name, why })));
            }
            if succeeded(&built) {
                return Ok(Answer::ForGood(None));
            }
            let said = text_of(&built);
            let advice = advice::to_make_it_build(subject.repository, &said);
            Ok(Answer::ForGood(Some(Broken::DoesNotBuild { folder: name, advice, output: tail(&said, 12) })))
        };
        baseline.0.builds.of(folder, measure).await
    }

    /// Whether every package of a module builds as it stands. Measured once.
    pub(super) async fn whole_before(
        &self,
        subject: Subject<'_>,
        baseline: &Baseline,
        module: &str,
    ) -> Result<bool, Error> {
        let measure = async {
            let built = self.build(subject, module, "./...").await?;
            Ok(match no_answer(&built, String::new) {
                Some(_) => Answer::ForNow(false),
                None => Answer::ForGood(succeeded(&built)),
            })
        };
        baseline.0.whole.of(module, measure).await
    }

    /// Builds packages in a folder of the scratch copy, and keeps nothing of them.
    pub(super) async fn build(
        &self,
        subject: Subject<'_>,
        folder: &str,
        pattern: &str,
    ) -> Result<Outcome, Error> {
        self.go(subject, &subject.workspace.folder(folder), &["build", "-o", "/dev/null", pattern]).await
    }

    /// The packages that import those in `folders`, over all modules of the repository; the inner error
    /// says why nobody knows. `module` is the one at fault: what others do not tell is left out and named.
    pub(super) async fn dependents(
        &self,
        subject: Subject<'_>,
        baseline: &Baseline,
        module: &str,
        folders: &BTreeSet<String>,
    ) -> Result<Result<Dependents, String>, Error> {
        let all = subject.repository.modules().iter().map(|module| module.folder.as_str());
        let others = all.filter(|other| *other != module);
        let (mut graph, mut unseen) = (Packages::default(), Vec::new());
        for (number, folder) in std::iter::once(module).chain(others).enumerate() {
            if number >= MAX_MODULES {
                unseen.push(format!("{} (only {MAX_MODULES} modules are looked at)", shown(folder)));
                continue;
            }
            match self.packages_before(subject, baseline, folder).await? {
                Ok(listed) => graph.join(&listed),
                Err(why) if number == 0 => return Ok(Err(why)),
                Err(why) => {
                    tracing::warn!(module = folder, why, "the packages of a module are not known");
                    unseen.push(format!("{} ({why})", shown(folder)));
                }
            }
        }
        let found = graph.dependents(folders);
        Ok(found.map(|folders| Dependents { folders, unseen }))
    }

    /// The packages of a module, listed once; the inner error says why nobody knows. Who needs another module
    /// does not wait for it.
    async fn packages_before(
        &self,
        subject: Subject<'_>,
        baseline: &Baseline,
        module: &str,
    ) -> Result<Result<Arc<Packages>, String>, Error> {
        let measure = async {
            let path = subject.workspace.folder(module);
            let listed = self.go(subject, &path, &["list", "-e", "-f", LIST_FORMAT, "./..."]).await?;
            let what = || format!("go list in {}", shown(module));
            if let Some(why) = no_answer(&listed, what) {
                return Ok(Answer::ForNow(Err(why)));
            }
            if listed.truncated {
                let why = format!("{} prints more than is kept; raise sandbox.output", what());
                return Ok(Answer::ForNow(Err(why)));
            }
            if !succeeded(&listed) {
                let why = format!("{} failed: {}", what(), tail(&text_of(&listed), 1));
                return Ok(Answer::ForGood(Err(why)));
            }
            let packages = Packages::read(&String::from_utf8_lossy(&listed.stdout), &subject.tree());
            Ok(Answer::ForGood(Ok(Arc::new(packages))))
        };
        baseline.0.packages.of(module, measure).await
    }

    /// Tries the reproducer on the repository as it stands: it must fail each time, with the crash of
    /// the log. A race need not show each time, but then nothing is proven by it.
    ///
    /// # Errors
    /// When the machinery fails.
    pub async fn confirm(&self, subject: Subject<'_>, reproducer: Reproducer) -> Result<Confirmed, Error> {
        let begun = Instant::now();
        subject.workspace.write(&reproducer.file, &reproducer.source)?;
        let judged = self.fails_as_logged(subject, &reproducer).await;
        subject.workspace.remove(&reproducer.file)?;
        let Tried { result, runs, detail, doubt, longest } = judged?;
        let seconds = begun.elapsed().as_secs_f64();
        let before = Step { name: StepName::ReproducerBefore, result, runs, detail, seconds };
        Ok(Confirmed { reproducer, before, doubt, longest })
    }

    /// How often the reproducer of a fault is run: that a race does not show in one run says little.
    pub(super) fn runs_of(&self, fault: &Fault) -> u32 {
        let runs = self.config.reproducer_runs;
        if fault.class.is_race() { runs.max(LEAST_RACES) } else { runs }
    }

    async fn fails_as_logged(&self, subject: Subject<'_>, reproducer: &Reproducer) -> Result<Tried, Error> {
        let folder = reproducer.file.folder();
        let binary = subject.workspace.bin().join(WITHOUT_CHANGE);
        let mut tried = Tried {
            result: StepResult::Inconclusive,
            runs: 0,
            detail: String::new(),
            doubt: None,
            longest: Duration::ZERO,
        };
        let refused = match self.compile_tests(subject, folder, WITHOUT_CHANGE, reproducer.race).await? {
            Compiled::Yes => None,
            Compiled::No(output) => Some(format!("the reproducer does not compile:\n{output}")),
            Compiled::Unknown(why) => Some(why),
        };
        if let Some(detail) = refused {
            return Ok(Tried { detail, ..tried });
        }
        let known = KnownCrash::new(subject.fault, subject.repository, subject.tree());
        let (mut message, mut missed) = (None, None);
        let is_race = subject.fault.class.is_race();
        for run in 1..=self.runs_of(subject.fault) {
            tried.runs = run;
            let begun = Instant::now();
            let outcome = self.run_tests(subject, folder, &binary, Some(&reproducer.test)).await?;
            tried.longest = tried.longest.max(begun.elapsed());
            let output = text_of(&outcome);
            if let Some(why) = cut_short(&outcome) {
                tried.detail = format!("run {run} of the reproducer {why}:\n{}", tail(&output, 8));
                return Ok(tried);
            }
            let same = known.as_ref().and_then(|known| as_logged(known, &output));
            match same.filter(|_| !succeeded(&outcome)) {
                Some(seen) => message = Some(seen),
                None => {
                    missed.get_or_insert_with(|| {
                        format!("run {run} did not fail with the crash of the log:\n{}", tail(&output, 8))
                    });
                }
            }
            // A race may show in the next run.
            if missed.is_some() && !is_race {
                break;
            }
        }
        if missed.is_some() && is_race {
            let why = "the race does not show in every run, so that its absence shows little";
            tried.doubt = Some(why.to_owned());
        }
        let Some(message) = message.filter(|_| missed.is_none() || is_race) else {
            tried.detail = missed.unwrap_or_default();
            if is_race {
                tried.result = StepResult::Skipped;
            }
            return Ok(tried);
        };
        let watched = if reproducer.race { ", under the race detector" } else { "" };
        let how = if missed.is_some() { "fails in some of the runs" } else { "fails" };
        tried.result = StepResult::Passed;
        tried.detail = format!("{how} with the crash of the log{watched}: {message}");
        Ok(tried)
    }

    /// The tests of a package that a candidate touches or that imports one, measured once.
    pub(super) async fn tests_before(
        &self,
        subject: Subject<'_>,
        baseline: &Baseline,
        folder: &str,
    ) -> Result<Tests, Error> {
        let measure = async {
            Ok(match self.package_tests(subject, folder, "baseline.test").await? {
                unknown @ Tests::Unknown(_) => Answer::ForNow(unknown),
                tests => Answer::ForGood(tests),
            })
        };
        baseline.0.tests.of(folder, measure).await
    }

    /// What `go vet` says of a package, measured once; the inner error says why nobody knows.
    pub(super) async fn vet_before(
        &self,
        subject: Subject<'_>,
        baseline: &Baseline,
        folder: &str,
    ) -> Result<Result<BTreeSet<String>, String>, Error> {
        let measure = async {
            Ok(match self.vet(subject, folder).await? {
                Ok(findings) => Answer::ForGood(Ok(findings)),
                Err(why) => Answer::ForNow(Err(why)),
            })
        };
        baseline.0.vet.of(folder, measure).await
    }

    /// What `go vet` says of a package, line numbers left out; the inner error says why
    /// nobody knows.
    pub(super) async fn vet(
        &self,
        subject: Subject<'_>,
        folder: &str,
    ) -> Result<Result<BTreeSet<String>, String>, Error> {
        let outcome = self.go(subject, &subject.workspace.folder(folder), &["vet", "."]).await?;
        if let Some(why) = no_answer(&outcome, || format!("go vet in {}", shown(folder))) {
            return Ok(Err(why));
        }
        Ok(Ok(text_of(&outcome).lines().filter_map(finding).collect()))
    }
}

/// What the crash of the log that an output shows says; none where it shows another or none.
fn as_logged(known: &KnownCrash<'_>, output: &str) -> Option<String> {
    let crash = parse_trace(output)
        .filter(|seen| known.likeness(seen.class, &seen.message, &seen.trace).is_some())
        .map(|seen| seen.message);
    let race = || races(output).iter().any(|sites| known.is_race_at(sites)).then(|| "DATA RACE".to_owned());
    let hangs = || {
        let waits = |seen: &Waiting| known.likeness(Class::Deadlock, "", &seen.trace).is_some();
        waiting(output).iter().any(waits).then(|| "a call does not come back".to_owned())
    };
    crash.or_else(race).or_else(hangs)
}

/// One finding of `go vet` without its line and column, so that a shifted line is no new finding.
fn finding(line: &str) -> Option<String> {
    if line.starts_with('#') || line.trim().is_empty() {
        return None;
    }
    let mut parts = line.splitn(4, ':');
    match (parts.next(), parts.next(), parts.next(), parts.next()) {
        (Some(file), Some(row), Some(column), Some(message))
            if row.bytes().all(|b| b.is_ascii_digit()) && column.bytes().all(|b| b.is_ascii_digit()) =>
        {
            Some(format!("{}:{message}", file.trim_start_matches("./")))
        }
        _ => Some(line.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Reach, RepoPath};

    #[test]
    fn a_candidate_that_never_ends_is_given_up_soon() {
        let patience = |longest, step_timeout| {
            let reproducer = Reproducer {
                file: RepoPath::new("a_test.go").unwrap(),
                test: "TestA".to_owned(),
                source: String::new(),
                reach: Reach::EntryPoint,
                race: false,
            };
            let before = Step {
                name: StepName::ReproducerBefore,
                result: StepResult::Passed,
                runs: 3,
                detail: String::new(),
                seconds: 0.0,
            };
            let longest = Duration::from_secs(longest);
            Confirmed { reproducer, before, doubt: None, longest }
                .patience(Duration::from_secs(step_timeout))
                .as_secs()
        };
        assert_eq!((patience(0, 300), patience(6, 300), patience(90, 300)), (10, 30, 300));
        assert_eq!(patience(0, 4), 4);
    }
}
