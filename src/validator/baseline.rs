//! What holds before any change: the measure for every candidate of one fault.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::{Duration, Instant};

use super::packages::{LIST_FORMAT, Packages};
use super::report::Report;
use super::{Error, Folders, Subject, Validator, advice, succeeded, tail, text_of, was_cut_short};
use crate::analyzer::go::parse_trace;
use crate::domain::{Reproducer, Step, StepName, StepResult};
use crate::repository::KnownCrash;
use crate::sandbox::{Hindrance, hindrance};

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
    /// Not the code, but what it is built with stood in the way.
    #[error("the package in {folder} could not be built: {hindrance}")]
    Hindered {
        /// Its folder; `.` for the root.
        folder: String,
        /// What it was, and what to do.
        hindrance: Hindrance,
    },
    /// The build did not end in time.
    #[error(
        "the package in {folder} did not build within the time limit; raise validator.step_timeout and generator.timeout"
    )]
    TooSlow {
        /// Its folder; `.` for the root.
        folder: String,
    },
}

/// What holds before any change, for all faults of one repository. Everything is measured when it is
/// first asked for, and once.
#[derive(Debug, Default)]
pub struct Baseline {
    pub(super) modules: BTreeMap<String, Module>,
    builds: BTreeMap<String, Option<Broken>>,
    pub(super) vet: BTreeMap<String, BTreeSet<String>>,
    pub(super) tests: BTreeMap<String, Tests>,
}

/// One module.
#[derive(Debug, Clone, Default)]
pub(super) struct Module {
    /// Who imports whom; none when Go does not tell.
    pub(super) packages: Option<Packages>,
    /// Whether every package of it builds; else only the touched ones are built.
    pub(super) builds: bool,
}

/// A reproducer that was tried on the repository as it stands.
#[derive(Debug, Clone)]
pub struct Confirmed {
    pub(super) reproducer: Reproducer,
    pub(super) before: Step,
    /// The longest of its runs.
    longest: Duration,
}

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

/// The most tests that are run alone because the program ended before their turn.
const MAX_SINGLE_RUNS: usize = 40;
/// The most modules of one repository whose packages are listed.
const MAX_MODULES: usize = 20;

/// The tests of one package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Tests {
    /// They ran.
    Ran(Report),
    /// There are none.
    None,
    /// They do not compile.
    DoNotCompile(String),
    /// They did not end in time.
    TooSlow,
    /// They printed more than is kept, so nobody knows how each ended.
    TooLoud,
}

impl Validator<'_> {
    /// Makes sure that the package at fault builds before any change: else nothing can be judged.
    ///
    /// # Errors
    /// When the machinery fails. The inner error tells that the repository is broken as it stands.
    pub async fn survey(
        &self,
        subject: Subject<'_>,
        baseline: &mut Baseline,
    ) -> Result<Result<(), Broken>, Error> {
        let Some(place) = subject.fault.stack.first() else { return Ok(Ok(())) };
        let folder = place.file.folder();
        if !baseline.builds.contains_key(folder) {
            let broken = self.broken(subject, folder).await?;
            baseline.builds.insert(folder.to_owned(), broken);
        }
        if let Some(Some(broken)) = baseline.builds.get(folder).cloned() {
            if matches!(broken, Broken::Hindered { .. }) {
                // It may be gone by the next attempt.
                baseline.builds.remove(folder);
            }
            return Ok(Err(broken));
        }
        let module = subject.module_of(&place.file);
        if let Entry::Vacant(vacant) = baseline.modules.entry(module) {
            let path = subject.workspace.folder(vacant.key());
            let packages = self.packages(subject).await?;
            let whole = self.go(subject, &path, &["build", "-o", "/dev/null", "./..."]).await?;
            vacant.insert(Module { packages, builds: succeeded(&whole) });
        }
        Ok(Ok(()))
    }

    /// Who imports whom, over all modules of the repository; none when Go does not tell.
    async fn packages(&self, subject: Subject<'_>) -> Result<Option<Packages>, Error> {
        let mut all = Packages::default();
        for module in subject.repository.modules().iter().take(MAX_MODULES) {
            let path = subject.workspace.folder(&module.folder);
            let listed = self.go(subject, &path, &["list", "-e", "-f", LIST_FORMAT, "./..."]).await?;
            if !succeeded(&listed) || listed.truncated {
                tracing::warn!(module = module.path, said = tail(&text_of(&listed), 3), "go list failed");
                return Ok(None);
            }
            all.add(&String::from_utf8_lossy(&listed.stdout), &subject.tree());
        }
        Ok(Some(all))
    }

    /// Why a package does not build as it stands; none when it does.
    async fn broken(&self, subject: Subject<'_>, folder: &str) -> Result<Option<Broken>, Error> {
        let path = subject.workspace.folder(folder);
        let built = self.go(subject, &path, &["build", "-o", "/dev/null", "."]).await?;
        let folder = if folder.is_empty() { ".".to_owned() } else { folder.to_owned() };
        Ok(if succeeded(&built) {
            None
        } else if was_cut_short(&built) {
            Some(Broken::TooSlow { folder })
        } else {
            let said = text_of(&built);
            Some(match hindrance(&said) {
                Some(hindrance) => Broken::Hindered { folder, hindrance },
                None => {
                    let advice = advice::to_make_it_build(subject.repository.root(), &said);
                    Broken::DoesNotBuild { folder, advice, output: tail(&said, 12) }
                }
            })
        })
    }

    /// Tries the reproducer on the repository as it stands: it must fail each time, with the crash of
    /// the log.
    ///
    /// # Errors
    /// When the machinery fails.
    pub async fn confirm(&self, subject: Subject<'_>, reproducer: Reproducer) -> Result<Confirmed, Error> {
        let begun = Instant::now();
        subject.workspace.write(&reproducer.file, &reproducer.source)?;
        let judged = self.fails_as_logged(subject, &reproducer).await;
        subject.workspace.remove(&reproducer.file)?;
        let (result, runs, detail, longest) = judged?;
        let seconds = begun.elapsed().as_secs_f64();
        let before = Step { name: StepName::ReproducerBefore, result, runs, detail, seconds };
        Ok(Confirmed { reproducer, before, longest })
    }

    async fn fails_as_logged(
        &self,
        subject: Subject<'_>,
        reproducer: &Reproducer,
    ) -> Result<(StepResult, u32, String, Duration), Error> {
        let folder = subject.workspace.folder(reproducer.file.folder());
        let binary = subject.workspace.bin().join("before.test");
        let compiled = self.compile_tests(subject, &folder, &binary).await?;
        if let Some(output) = compiled {
            let detail = format!("the reproducer does not compile:\n{output}");
            return Ok((StepResult::Inconclusive, 0, detail, Duration::ZERO));
        }
        let known = KnownCrash::new(subject.fault, subject.repository, subject.tree());
        let (mut message, mut longest) = (String::new(), Duration::ZERO);
        for run in 1..=self.config.reproducer_runs {
            let begun = Instant::now();
            let outcome = self.run_tests(subject, &folder, &binary, Some(&reproducer.test)).await?;
            longest = longest.max(begun.elapsed());
            let output = text_of(&outcome);
            let seen = parse_trace(&output).zip(known.as_ref());
            let same = seen.and_then(|(seen, known)| {
                known.likeness(seen.class, &seen.message, &seen.trace).map(|_| seen.message)
            });
            if let Some(seen) = same.filter(|_| !succeeded(&outcome)) {
                message = seen;
            } else {
                let detail =
                    format!("run {run} did not fail with the crash of the log:\n{}", tail(&output, 8));
                return Ok((StepResult::Inconclusive, run, detail, longest));
            }
        }
        let detail = format!("fails with the crash of the log: {message}");
        Ok((StepResult::Passed, self.config.reproducer_runs, detail, longest))
    }

    /// Measures a package that a candidate touches or that imports one, once.
    pub(super) async fn measure(
        &self,
        subject: Subject<'_>,
        baseline: &mut Baseline,
        folder: &str,
    ) -> Result<(), Error> {
        if !baseline.tests.contains_key(folder) {
            let tests = self.package_tests(subject, folder, "baseline.test").await?;
            baseline.tests.insert(folder.to_owned(), tests);
        }
        Ok(())
    }

    /// Measures what `go vet` says of a package, once.
    pub(super) async fn measure_vet(
        &self,
        subject: Subject<'_>,
        baseline: &mut Baseline,
        folder: &str,
    ) -> Result<(), Error> {
        if !baseline.vet.contains_key(folder) {
            // What is not known now may be later.
            if let Ok(findings) = self.vet(subject, folder).await? {
                baseline.vet.insert(folder.to_owned(), findings);
            }
        }
        Ok(())
    }

    /// What `go vet` says of a package, line numbers left out; the inner error says why
    /// nobody knows.
    pub(super) async fn vet(
        &self,
        subject: Subject<'_>,
        folder: &str,
    ) -> Result<Result<BTreeSet<String>, String>, Error> {
        let outcome = self.go(subject, &subject.workspace.folder(folder), &["vet", "."]).await?;
        if was_cut_short(&outcome) {
            return Ok(Err("go vet did not end in time".to_owned()));
        }
        let said = text_of(&outcome);
        if let Some(hindrance) = hindrance(&said).filter(|_| !succeeded(&outcome)) {
            return Ok(Err(hindrance.to_string()));
        }
        Ok(Ok(said.lines().filter_map(finding).collect()))
    }

    /// Compiles and runs the tests of a package.
    pub(super) async fn package_tests(
        &self,
        subject: Subject<'_>,
        folder: &str,
        binary: &str,
    ) -> Result<Tests, Error> {
        let path = subject.workspace.bin().join(binary);
        if let Some(output) = self.compile_tests(subject, &subject.workspace.folder(folder), &path).await? {
            return Ok(Tests::DoNotCompile(output));
        }
        self.compiled_tests(subject, folder, binary).await
    }

    /// Runs the tests of a package that were compiled to `binary`.
    pub(super) async fn compiled_tests(
        &self,
        subject: Subject<'_>,
        folder: &str,
        binary: &str,
    ) -> Result<Tests, Error> {
        let folder = subject.workspace.folder(folder);
        let binary = subject.workspace.bin().join(binary);
        if !binary.exists() {
            return Ok(Tests::None);
        }
        let tests = self.all_tests(subject, &folder, &binary).await;
        std::fs::remove_file(&binary).ok();
        tests
    }

    /// Runs a test binary until every test it lists has a result: one that ends the program, by a panic
    /// or an exit, must not hide those behind it.
    async fn all_tests(&self, subject: Subject<'_>, folder: &Path, binary: &Path) -> Result<Tests, Error> {
        let outcome = self.run_tests(subject, folder, binary, None).await?;
        if was_cut_short(&outcome) {
            return Ok(Tests::TooSlow);
        }
        if outcome.truncated {
            return Ok(Tests::TooLoud);
        }
        let mut report = Report::read(&text_of(&outcome));
        report.succeeded = succeeded(&outcome);
        let listed =
            self.run_binary(subject, folder, binary, &["-test.list=."], self.config.step_timeout).await?;
        let missing = report.missing(&String::from_utf8_lossy(&listed.stdout));
        for (number, name) in missing.iter().enumerate() {
            let alone = if number < MAX_SINGLE_RUNS {
                Report::read(&text_of(&self.run_tests(subject, folder, binary, Some(name)).await?))
            } else {
                Report::default()
            };
            report.add(name, &alone);
        }
        Ok(Tests::Ran(report))
    }

    /// Compiles a package's tests; the compiler's complaint, where it has one.
    pub(super) async fn compile_tests(
        &self,
        subject: Subject<'_>,
        folder: &Path,
        binary: &Path,
    ) -> Result<Option<String>, Error> {
        std::fs::remove_file(binary).ok();
        let outcome = self
            .run(subject, |folders| self.go.compile_tests(folders, folder, binary, self.config.step_timeout))
            .await?;
        let said = text_of(&outcome);
        Ok((!succeeded(&outcome))
            .then(|| hindrance(&said).map_or_else(|| tail(&said, 12), |hindrance| hindrance.line)))
    }

    /// Runs a compiled test binary, whole or one test of it.
    async fn run_tests(
        &self,
        subject: Subject<'_>,
        folder: &Path,
        binary: &Path,
        test: Option<&str>,
    ) -> Result<crate::sandbox::Outcome, Error> {
        self.run_tests_within(subject, folder, binary, test, self.config.step_timeout).await
    }

    /// The same, with a time limit of its own.
    pub(super) async fn run_tests_within(
        &self,
        subject: Subject<'_>,
        folder: &Path,
        binary: &Path,
        test: Option<&str>,
        wall: Duration,
    ) -> Result<crate::sandbox::Outcome, Error> {
        let pattern = test.map(|test| format!("-test.run=^{test}$"));
        let mut args = vec!["-test.v=test2json", "-test.count=1"];
        args.extend(pattern.as_deref());
        self.run_binary(subject, folder, binary, &args, wall).await
    }

    /// Runs a compiled test binary with temporary files of its own.
    async fn run_binary(
        &self,
        subject: Subject<'_>,
        folder: &Path,
        binary: &Path,
        args: &[&str],
        wall: Duration,
    ) -> Result<crate::sandbox::Outcome, Error> {
        let fresh = subject.workspace.fresh_tmp()?;
        let (tree, bin) = (subject.tree(), subject.workspace.bin());
        let folders = Folders { tree: &tree, tmp: fresh.path(), bin: &bin };
        let job = self.go.run_tests(folders, folder, binary, args, wall);
        Ok(self.sandbox.run(job).await?)
    }
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
            };
            let before = Step {
                name: StepName::ReproducerBefore,
                result: StepResult::Passed,
                runs: 3,
                detail: String::new(),
                seconds: 0.0,
            };
            let longest = Duration::from_secs(longest);
            Confirmed { reproducer, before, longest }.patience(Duration::from_secs(step_timeout)).as_secs()
        };
        assert_eq!((patience(0, 300), patience(6, 300), patience(90, 300)), (10, 30, 300));
        assert_eq!(patience(0, 4), 4);
    }
}
