//! The rungs that every candidate must climb.

use std::collections::BTreeSet;
use std::time::Instant;

use super::baseline::{Confirmed, Module, Tests};
use super::report::Report;
use super::verdict::Verdict;
use super::{
    Baseline, Error, Subject, Validator, advice, failed, policy, succeeded, tail, text_of, was_cut_short,
};
use crate::domain::{FileChange, FixCandidate, Step, StepName, StepResult};
use crate::repository::go::File;
use crate::sandbox::hindrance;

/// What one rung showed.
type Rung = Result<(StepResult, u32, String), Error>;

/// A candidate and what it touches.
struct Change<'a> {
    candidate: &'a FixCandidate,
    confirmed: Option<&'a Confirmed>,
    module: Module,
    /// The folders of the packages it changes.
    folders: BTreeSet<String>,
    /// Those and the folder of the package at fault.
    tested: BTreeSet<String>,
    /// The folders of packages that import those; none when nobody knows.
    dependents: Option<Vec<String>>,
    /// How many more there are, beyond the limit.
    left_out: usize,
}

impl Change<'_> {
    /// Puts the change and the reproducer into the scratch copy.
    fn make(&self, subject: Subject<'_>) -> Result<(), Error> {
        subject.workspace.change(&self.candidate.changes)?;
        if let Some(Confirmed { reproducer, .. }) = self.confirmed {
            subject.workspace.write(&reproducer.file, &reproducer.source)?;
        }
        Ok(())
    }

    fn take_back(&self, subject: Subject<'_>) -> Result<(), Error> {
        subject.workspace.restore(&self.candidate.changes)?;
        if let Some(Confirmed { reproducer, .. }) = self.confirmed {
            subject.workspace.remove(&reproducer.file)?;
        }
        Ok(())
    }

    /// Whether the tests of a folder were compiled when the reproducer was tried.
    fn is_compiled(&self, folder: &str) -> bool {
        self.confirmed.is_some_and(|confirmed| confirmed.reproducer.file.folder() == folder)
    }
}

/// The steps taken so far. After a step that did not hold, no further one is taken.
struct Climb {
    steps: Vec<Step>,
}

impl Climb {
    fn goes_on(&self) -> bool {
        self.steps.last().is_none_or(|step| matches!(step.result, StepResult::Passed | StepResult::Skipped))
    }

    async fn step(&mut self, name: StepName, rung: impl Future<Output = Rung>) -> Result<(), Error> {
        if self.goes_on() {
            let begun = Instant::now();
            let (result, runs, detail) = rung.await?;
            self.steps.push(Step { name, result, runs, detail, seconds: begun.elapsed().as_secs_f64() });
        }
        Ok(())
    }
}

impl Validator<'_> {
    /// Judges one candidate. The scratch copy is as it was afterwards.
    ///
    /// # Errors
    /// When the machinery fails, which says nothing about the candidate.
    pub async fn validate(
        &self,
        subject: Subject<'_>,
        baseline: &mut Baseline,
        confirmed: Option<&Confirmed>,
        candidate: &FixCandidate,
    ) -> Result<Verdict, Error> {
        let mut climb = Climb { steps: Vec::new() };
        climb.step(StepName::Apply, async { Ok(self.allowed(subject, candidate)) }).await?;
        climb.step(StepName::Parse, async { Ok(parses(candidate)) }).await?;
        climb.step(StepName::Format, self.formatted(subject, candidate)).await?;
        if climb.goes_on() {
            let folders = touched(candidate);
            let module = candidate.changes.first().map(|change| subject.module_of(&change.path));
            let module = module.and_then(|folder| baseline.modules.get(&folder).cloned()).unwrap_or_default();
            let at_fault = subject.fault.stack.first().map(|place| place.file.folder().to_owned());
            let tested: BTreeSet<String> = folders.iter().cloned().chain(at_fault).collect();
            let mut dependents = module.packages.as_ref().map(|packages| packages.dependents(&tested));
            let left_out = dependents
                .as_mut()
                .map_or(0, |all| all.split_off(all.len().min(self.config.max_dependents)).len());
            for folder in &folders {
                self.measure_vet(subject, baseline, folder).await?;
            }
            for folder in tested.iter().chain(dependents.iter().flatten()) {
                self.measure(subject, baseline, folder).await?;
            }
            let change = Change { candidate, confirmed, module, folders, tested, dependents, left_out };
            change.make(subject)?;
            let climbed = self.with_change(subject, baseline, &change, &mut climb).await;
            change.take_back(subject)?;
            climbed?;
        }
        let reproducer = confirmed.map(|confirmed| &confirmed.reproducer);
        Ok(Verdict::judge(climb.steps, self.sandbox.tier().to_string(), reproducer))
    }

    /// The rungs that need the change in place.
    async fn with_change(
        &self,
        subject: Subject<'_>,
        baseline: &Baseline,
        change: &Change<'_>,
        climb: &mut Climb,
    ) -> Result<(), Error> {
        climb.step(StepName::Build, self.builds(subject, change)).await?;
        climb.step(StepName::Vet, self.vets(subject, baseline, &change.folders)).await?;
        if let Some(confirmed) = change.confirmed
            && climb.goes_on()
        {
            climb.steps.push(confirmed.before.clone());
        }
        climb.step(StepName::ReproducerAfter, self.reproducer_after(subject, change)).await?;
        let tested: Vec<String> = change.tested.iter().cloned().collect();
        climb.step(StepName::PackageTests, self.tests_hold(subject, baseline, change, &tested)).await?;
        climb.step(StepName::DependentTests, self.dependents_hold(subject, baseline, change)).await
    }

    fn allowed(&self, subject: Subject<'_>, candidate: &FixCandidate) -> (StepResult, u32, String) {
        match policy::objection(subject.repository, &candidate.changes, self.config.max_patch_lines) {
            Some(objection) => (StepResult::Failed, 1, objection),
            None => (StepResult::Passed, 1, format!("{} file(s), all in bounds", candidate.changes.len())),
        }
    }

    /// gofmt must have nothing to say of a file it had nothing to say of before.
    async fn formatted(&self, subject: Subject<'_>, candidate: &FixCandidate) -> Rung {
        let mut dos = false;
        for change in &candidate.changes {
            // gofmt knows one kind of line end: those of the file are looked at by themselves.
            if let Some(mixed) = line_ends_differ(change) {
                return Ok((StepResult::Failed, 1, mixed));
            }
            dos |= change.after.contains("\r\n");
            let (old, new) = (change.before.replace("\r\n", "\n"), change.after.replace("\r\n", "\n"));
            let before = self.gofmt(subject, &old).await?;
            let after = self.gofmt(subject, &new).await?;
            match (before, after) {
                (Some(before), _) if before != old => {}
                (_, Some(after)) if after == new => {}
                (_, Some(_)) => {
                    return Ok((StepResult::Failed, 1, format!("gofmt would change {}", change.path)));
                }
                (_, None) => {
                    return Ok((StepResult::Failed, 1, format!("gofmt cannot read {}", change.path)));
                }
            }
        }
        let ends = if dos { ", but for its CR LF line ends, which are kept" } else { "" };
        Ok((StepResult::Passed, 1, format!("as gofmt writes it{ends}")))
    }

    /// The text as gofmt writes it; none for what is no Go.
    async fn gofmt(&self, subject: Subject<'_>, text: &str) -> Result<Option<String>, Error> {
        let outcome =
            self.run(subject, |folders| self.go.gofmt(folders, &[], text, self.config.step_timeout)).await?;
        Ok(succeeded(&outcome).then(|| String::from_utf8_lossy(&outcome.stdout).into_owned()))
    }

    async fn builds(&self, subject: Subject<'_>, change: &Change<'_>) -> Rung {
        let mut targets: Vec<(std::path::PathBuf, &str)> = Vec::new();
        if change.module.builds
            && let Some(first) = change.candidate.changes.first()
        {
            targets.push((subject.workspace.folder(&subject.module_of(&first.path)), "./..."));
        } else {
            targets.extend(change.folders.iter().map(|folder| (subject.workspace.folder(folder), ".")));
        }
        for (folder, pattern) in targets {
            let outcome = self.go(subject, &folder, &["build", "-o", "/dev/null", pattern]).await?;
            if was_cut_short(&outcome) {
                return Ok((StepResult::Inconclusive, 1, "the build did not end in time".to_owned()));
            }
            if !succeeded(&outcome) {
                let said = text_of(&outcome);
                let (result, detail) = failed(&said, || format!("does not build:\n{}", tail(&said, 12)));
                return Ok((result, 1, detail));
            }
        }
        let whole = if change.module.builds { "the whole module" } else { "the changed packages" };
        let left_out = advice::left_out_by_cgo(subject.repository, &change.folders);
        Ok((StepResult::Passed, 1, format!("{whole} builds{left_out}")))
    }

    async fn vets(&self, subject: Subject<'_>, baseline: &Baseline, folders: &BTreeSet<String>) -> Rung {
        for folder in folders {
            let after = match self.vet(subject, folder).await? {
                Ok(after) => after,
                Err(why) => return Ok((StepResult::Inconclusive, 1, why)),
            };
            let Some(before) = baseline.vet.get(folder) else {
                let why = "what go vet says without the change could not be found out".to_owned();
                return Ok((StepResult::Inconclusive, 1, why));
            };
            if let Some(first) = after.difference(before).next() {
                return Ok((StepResult::Failed, 1, format!("go vet reports something new: {first}")));
            }
        }
        Ok((StepResult::Passed, 1, "nothing new".to_owned()))
    }

    async fn reproducer_after(&self, subject: Subject<'_>, change: &Change<'_>) -> Rung {
        let Some(confirmed) = change.confirmed else {
            return Ok((StepResult::Skipped, 0, "there is no reproducer".to_owned()));
        };
        let (reproducer, wall) = (&confirmed.reproducer, confirmed.patience(self.config.step_timeout));
        let folder = subject.workspace.folder(reproducer.file.folder());
        let binary = subject.workspace.bin().join(WITH_REPRODUCER);
        if let Some(output) = self.compile_tests(subject, &folder, &binary).await? {
            let (result, detail) =
                failed(&output, || format!("the reproducer no longer compiles:\n{output}"));
            return Ok((result, 0, detail));
        }
        for run in 1..=self.config.reproducer_runs {
            let test = Some(reproducer.test.as_str());
            let outcome = self.run_tests_within(subject, &folder, &binary, test, wall).await?;
            let output = text_of(&outcome);
            if was_cut_short(&outcome) {
                let detail = format!(
                    "run {run} did not end in time, {} s at most:\n{}",
                    wall.as_secs(),
                    tail(&output, 8)
                );
                return Ok((StepResult::Failed, run, detail));
            }
            if !succeeded(&outcome) || !Report::read(&output).has_passed(&reproducer.test) {
                let (result, detail) =
                    failed(&output, || format!("run {run} still fails:\n{}", tail(&output, 8)));
                return Ok((result, run, detail));
            }
        }
        Ok((StepResult::Passed, self.config.reproducer_runs, "passes each time".to_owned()))
    }

    /// The tests of a package with the change in place.
    async fn tests_after(
        &self,
        subject: Subject<'_>,
        change: &Change<'_>,
        folder: &str,
    ) -> Result<Tests, Error> {
        if change.is_compiled(folder) {
            self.compiled_tests(subject, folder, WITH_REPRODUCER).await
        } else {
            self.package_tests(subject, folder, "candidate.test").await
        }
    }

    async fn dependents_hold(&self, subject: Subject<'_>, baseline: &Baseline, change: &Change<'_>) -> Rung {
        let Some(dependents) = &change.dependents else {
            let detail = "go list failed, so nobody knows which packages import the changed ones".to_owned();
            return Ok((StepResult::Inconclusive, 0, detail));
        };
        let (result, runs, mut detail) = self.tests_hold(subject, baseline, change, dependents).await?;
        if change.left_out > 0 {
            let tested = dependents.len();
            detail = format!("{detail}; {} more than the {tested} nearest were left out", change.left_out);
        }
        Ok((result, runs, detail))
    }

    /// Every test that passed before must pass now.
    async fn tests_hold(
        &self,
        subject: Subject<'_>,
        baseline: &Baseline,
        change: &Change<'_>,
        folders: &[String],
    ) -> Rung {
        let (mut passed, mut failing) = (0, 0);
        for folder in folders {
            let before = match baseline.tests.get(folder) {
                Some(Tests::Ran(before)) => before,
                Some(Tests::DoNotCompile(output)) => {
                    if let Some(hindrance) = hindrance(output) {
                        return Ok((StepResult::Inconclusive, 1, hindrance.to_string()));
                    }
                    let detail = format!("the tests in {folder} do not compile before any change:\n{output}");
                    return Ok((StepResult::Inconclusive, 1, detail));
                }
                Some(Tests::TooSlow) => {
                    let detail = format!("the tests in {folder} do not end in time even before any change");
                    return Ok((StepResult::Inconclusive, 1, detail));
                }
                Some(Tests::TooLoud) => {
                    let detail =
                        format!("the tests in {folder} print more than is kept; raise sandbox.output");
                    return Ok((StepResult::Inconclusive, 1, detail));
                }
                Some(Tests::None) | None => continue,
            };
            let after = self.tests_after(subject, change, folder).await?;
            if let Some(lost) = lost(before, &after) {
                let (result, detail) = failed(&lost, || lost.clone());
                return Ok((result, 1, detail));
            }
            passed += before.passed().len();
            failing += before.failed_count();
        }
        Ok(match (passed, failing) {
            (0, 0) => (StepResult::Skipped, 0, "there are no such tests".to_owned()),
            (0, failing) => {
                (StepResult::Inconclusive, 1, format!("all {failing} failed already before the change"))
            }
            (passed, 0) => (StepResult::Passed, 1, format!("{passed} pass")),
            (passed, failing) => {
                (StepResult::Passed, 1, format!("{passed} pass; {failing} failed already before the change"))
            }
        })
    }
}

/// Whether a change brings another kind of line end into a file that has only one.
fn line_ends_differ(change: &FileChange) -> Option<String> {
    let counts = |text: &str| (text.matches("\r\n").count(), text.matches('\n').count());
    let ((dos_before, all_before), (dos_after, all_after)) = (counts(&change.before), counts(&change.after));
    let mixed = match dos_before {
        0 => dos_after > 0,
        before if before == all_before => dos_after != all_after,
        _ => false,
    };
    mixed.then(|| format!("the line ends of {} would be mixed", change.path))
}

/// What held before and does not now.
fn lost(before: &Report, after: &Tests) -> Option<String> {
    match after {
        Tests::Ran(after) => match before.passed().difference(&after.passed()).next() {
            Some(test) => Some(format!("{test} passed before the change and does not now")),
            None if before.succeeded && !after.succeeded => {
                Some("the tests as a whole succeeded before the change and do not now".to_owned())
            }
            None => None,
        },
        Tests::DoNotCompile(output) => Some(format!("the tests no longer compile:\n{output}")),
        Tests::TooSlow => Some("the tests no longer end in time".to_owned()),
        Tests::TooLoud => Some("the tests now print more than is kept".to_owned()),
        Tests::None => Some("the tests are gone".to_owned()),
    }
}

/// The binary of the tests of the reproducer's package, with the reproducer and the change.
const WITH_REPRODUCER: &str = "after.test";

fn parses(candidate: &FixCandidate) -> (StepResult, u32, String) {
    let broken = candidate
        .changes
        .iter()
        .find(|change| !File::parse(change.path.clone(), change.after.clone()).parses());
    match broken {
        Some(change) => (StepResult::Failed, 1, format!("{} has a syntax error", change.path)),
        None => (StepResult::Passed, 1, "no syntax error".to_owned()),
    }
}

fn touched(candidate: &FixCandidate) -> BTreeSet<String> {
    candidate.changes.iter().map(|change| change.path.folder().to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::RepoPath;

    #[test]
    fn line_ends_stay_of_one_kind() {
        let change = |before: &str, after: &str| FileChange {
            path: RepoPath::new("a.go").unwrap(),
            before: before.to_owned(),
            after: after.to_owned(),
        };
        for (before, after, mixed) in [
            ("a\r\nb\r\n", "a\r\nx\r\nb\r\n", false),
            ("a\r\nb\r\n", "a\r\nx\nb\r\n", true),
            ("a\nb\n", "a\nx\nb\n", false),
            ("a\nb\n", "a\nx\r\nb\n", true),
            ("a\r\nb\n", "a\r\nx\nb\n", false),
        ] {
            assert_eq!(line_ends_differ(&change(before, after)).is_some(), mixed, "{before:?} {after:?}");
        }
    }
}
