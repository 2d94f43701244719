//! The tests of one package: compiled, and run until each has a result.

use std::path::Path;
use std::time::Duration;

use super::report::Report;
use super::{Error, Folders, Subject, Validator, cut_short, no_answer, shown, succeeded, tail, text_of};
use crate::sandbox::Outcome;

/// The most tests that are run alone because the program ended before their turn.
const MAX_SINGLE_RUNS: usize = 40;

/// The tests of one package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Tests {
    /// They ran.
    Ran(Report),
    /// There are none.
    None,
    /// They do not compile; what the compiler said.
    DoNotCompile(String),
    /// Nobody knows how they end: a limit or the surroundings stood in the way, as this sentence says.
    Unknown(String),
}

/// How the tests of a package compile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Compiled {
    /// They do, or there are none.
    Yes,
    /// They do not; what the compiler said.
    No(String),
    /// Nobody knows, as this sentence says.
    Unknown(String),
}

impl Validator<'_> {
    /// Compiles and runs the tests of a package.
    pub(super) async fn package_tests(
        &self,
        subject: Subject<'_>,
        folder: &str,
        binary: &str,
    ) -> Result<Tests, Error> {
        match self.compile_tests(subject, folder, binary, false).await? {
            Compiled::Yes => self.compiled_tests(subject, folder, binary).await,
            Compiled::No(output) => Ok(Tests::DoNotCompile(output)),
            Compiled::Unknown(why) => Ok(Tests::Unknown(why)),
        }
    }

    /// Runs the tests of a package that were compiled to `binary`.
    pub(super) async fn compiled_tests(
        &self,
        subject: Subject<'_>,
        folder: &str,
        binary: &str,
    ) -> Result<Tests, Error> {
        let binary = subject.workspace.bin().join(binary);
        if !binary.exists() {
            return Ok(Tests::None);
        }
        let tests = self.all_tests(subject, folder, &binary).await;
        std::fs::remove_file(&binary).ok();
        tests
    }

    /// Runs a test binary until every test it lists has a result: one that ends the program, by a panic
    /// or an exit, must not hide those behind it.
    async fn all_tests(&self, subject: Subject<'_>, folder: &str, binary: &Path) -> Result<Tests, Error> {
        let unknown =
            |why: String| Ok(Tests::Unknown(format!("running the tests in {} {why}", shown(folder))));
        let all = self.run_tests(subject, folder, binary, None).await?;
        if let Some(why) = cut_short(&all) {
            return unknown(why);
        }
        if all.truncated {
            let why = format!("the tests in {} print more than is kept; raise sandbox.output", shown(folder));
            return Ok(Tests::Unknown(why));
        }
        let mut report = Report::read(&text_of(&all));
        report.succeeded = succeeded(&all);
        let listed =
            self.run_binary(subject, folder, binary, &["-test.list=."], self.config.step_timeout).await?;
        if let Some(why) = cut_short(&listed) {
            return unknown(why);
        }
        let missing = report.missing(&String::from_utf8_lossy(&listed.stdout));
        for (number, name) in missing.iter().enumerate() {
            let mut alone = Report::default();
            if number < MAX_SINGLE_RUNS {
                let outcome = self.run_tests(subject, folder, binary, Some(name)).await?;
                if let Some(why) = cut_short(&outcome) {
                    return unknown(format!("{why} ({name} alone)"));
                }
                alone = Report::read(&text_of(&outcome));
            }
            report.add(name, &alone);
        }
        Ok(Tests::Ran(report))
    }

    /// Compiles a package's tests to `binary`; with `race` the race detector watches them.
    pub(super) async fn compile_tests(
        &self,
        subject: Subject<'_>,
        folder: &str,
        binary: &str,
        race: bool,
    ) -> Result<Compiled, Error> {
        let detector = match self.go.race_detector() {
            _ if !race => None,
            Ok(detector) => Some(detector),
            Err(why) => return Ok(Compiled::Unknown(format!("the race detector cannot watch, since {why}"))),
        };
        let (path, binary) = (subject.workspace.folder(folder), subject.workspace.bin().join(binary));
        std::fs::remove_file(&binary).ok();
        let outcome = self
            .run(subject, |folders| {
                let job = self.go.compile_tests(folders, &path, &binary, self.config.step_timeout);
                match &detector {
                    Some(detector) => detector.watching(job),
                    None => job,
                }
            })
            .await?;
        let what = || format!("compiling the tests in {}", shown(folder));
        Ok(match no_answer(&outcome, what) {
            Some(why) => Compiled::Unknown(why),
            None if succeeded(&outcome) => Compiled::Yes,
            None => Compiled::No(tail(&text_of(&outcome), 12)),
        })
    }

    /// Runs a compiled test binary, whole or one test of it.
    pub(super) async fn run_tests(
        &self,
        subject: Subject<'_>,
        folder: &str,
        binary: &Path,
        test: Option<&str>,
    ) -> Result<Outcome, Error> {
        self.run_tests_within(subject, folder, binary, test, self.config.step_timeout).await
    }

    /// The same, with a time limit of its own.
    pub(super) async fn run_tests_within(
        &self,
        subject: Subject<'_>,
        folder: &str,
        binary: &Path,
        test: Option<&str>,
        wall: Duration,
    ) -> Result<Outcome, Error> {
        let pattern = test.map(|test| format!("-test.run=^{test}$"));
        let mut args = vec!["-test.v=test2json", "-test.count=1"];
        args.extend(pattern.as_deref());
        self.run_binary(subject, folder, binary, &args, wall).await
    }

    /// Runs a compiled test binary with temporary files of its own.
    async fn run_binary(
        &self,
        subject: Subject<'_>,
        folder: &str,
        binary: &Path,
        args: &[&str],
        wall: Duration,
    ) -> Result<Outcome, Error> {
        let fresh = subject.workspace.fresh_tmp()?;
        let (tree, bin) = (subject.tree(), subject.workspace.bin());
        let folders = Folders { tree: &tree, tmp: fresh.path(), bin: &bin };
        let job = self.go.run_tests(folders, &subject.workspace.folder(folder), binary, args, wall);
        Ok(self.sandbox.run(job).await?)
    }
}
