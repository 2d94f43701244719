//! The rungs that every candidate must climb.

use std::time::Instant;

use super::baseline::Confirmed;
use super::change::Change;
use super::report::Report;
use super::suite::{Compiled, Tests};
use super::verdict::Verdict;
use super::{
    Baseline, Error, Subject, Validator, advice, no_answer, policy, shown, succeeded, tail, text_of,
};
use crate::analyzer::go::{races, short_function};
use crate::domain::{FileChange, FixCandidate, Frame, Location, Step, StepName, StepResult};
use crate::repository::KnownCrash;
use crate::repository::go::File;
use crate::sandbox::Ended;

/// What one rung showed.
type Rung = Result<(StepResult, u32, String), Error>;

/// The steps taken so far. After a step that did not hold, no further one is taken. Whoever judges keeps it,
/// so that it is not lost where time runs out in the middle.
#[derive(Debug, Default)]
pub struct Climb {
    steps: Vec<Step>,
    /// The step that is being taken, and since when.
    under_way: Option<(StepName, Instant)>,
    /// Where the reproducer fails in the same way instead.
    moved: Option<Location>,
    sandbox: String,
}

impl Climb {
    /// What was judged where it came to no end.
    #[must_use]
    pub fn broken_off(mut self) -> Verdict {
        let detail = "it was broken off before it came to its end".to_owned();
        let (name, seconds) = match self.under_way.take() {
            Some((name, since)) => (name, since.elapsed().as_secs_f64()),
            // What is measured of the code as it stands comes before the build.
            None => (StepName::Build, 0.0),
        };
        self.steps.push(Step { name, result: StepResult::Inconclusive, runs: 0, detail, seconds });
        Verdict::judge(self.steps, self.sandbox, None, None)
    }

    fn goes_on(&self) -> bool {
        self.steps.last().is_none_or(|step| matches!(step.result, StepResult::Passed | StepResult::Skipped))
    }

    async fn step(&mut self, name: StepName, rung: impl Future<Output = Rung>) -> Result<(), Error> {
        if self.goes_on() {
            let begun = Instant::now();
            self.under_way = Some((name, begun));
            let (result, runs, detail) = rung.await?;
            self.under_way = None;
            self.steps.push(Step { name, result, runs, detail, seconds: begun.elapsed().as_secs_f64() });
        }
        Ok(())
    }
}

impl Validator<'_> {
    /// Where the steps of a candidate are kept while it is judged.
    #[must_use]
    pub fn begin(&self) -> Climb {
        Climb { sandbox: self.sandbox.tier().to_string(), ..Climb::default() }
    }

    /// Judges one candidate, and keeps its steps in `climb` meanwhile. The scratch copy is as it was
    /// afterwards.
    ///
    /// # Errors
    /// When the machinery fails, which says nothing about the candidate.
    pub async fn validate(
        &self,
        subject: Subject<'_>,
        baseline: &Baseline,
        confirmed: Option<&Confirmed>,
        candidate: &FixCandidate,
        climb: &mut Climb,
    ) -> Result<Verdict, Error> {
        climb.step(StepName::Apply, async { Ok(self.allowed(subject, candidate)) }).await?;
        climb.step(StepName::Parse, async { Ok(parses(candidate)) }).await?;
        climb.step(StepName::Format, self.formatted(subject, candidate)).await?;
        if climb.goes_on() {
            let change = self.survey_change(subject, baseline, confirmed, candidate).await?;
            subject.workspace.change(&candidate.changes)?;
            let climbed = self.with_change(subject, &change, climb).await;
            change.take_back(subject)?;
            climbed?;
        }
        let reproducer = confirmed.map(|confirmed| &confirmed.reproducer);
        let doubt = candidate.doubt().or(confirmed.and_then(|confirmed| confirmed.doubt.as_deref()));
        let Climb { steps, sandbox, moved, .. } = std::mem::take(climb);
        Ok(Verdict::judge(steps, sandbox, reproducer, doubt).failing_at(moved))
    }

    /// The rungs that need the change in place.
    async fn with_change(
        &self,
        subject: Subject<'_>,
        change: &Change<'_>,
        climb: &mut Climb,
    ) -> Result<(), Error> {
        climb.step(StepName::Build, self.builds(subject, change)).await?;
        // Before the reproducer is there: what vet says of our own test is no finding about the change.
        climb.step(StepName::Vet, self.vets(subject, change)).await?;
        change.add_reproducer(subject)?;
        if let Some(confirmed) = change.confirmed
            && climb.goes_on()
        {
            climb.steps.push(confirmed.before.clone());
        }
        let mut moved = None;
        climb.step(StepName::ReproducerAfter, self.reproducer_after(subject, change, &mut moved)).await?;
        climb.moved = moved;
        let tested: Vec<String> = change.tested.iter().cloned().collect();
        climb.step(StepName::PackageTests, self.own_tests_hold(subject, change, &tested)).await?;
        climb.step(StepName::DependentTests, self.dependents_hold(subject, change)).await
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
                (Err(why), _) | (_, Err(why)) => return Ok((StepResult::Inconclusive, 1, why)),
                (Ok(Some(before)), _) if before != old => {}
                (_, Ok(Some(after))) if after == new => {}
                (_, Ok(Some(_))) => {
                    return Ok((StepResult::Failed, 1, format!("gofmt would change {}", change.path)));
                }
                (_, Ok(None)) => {
                    return Ok((StepResult::Failed, 1, format!("gofmt cannot read {}", change.path)));
                }
            }
        }
        let ends = if dos { ", but for its CR LF line ends, which are kept" } else { "" };
        Ok((StepResult::Passed, 1, format!("as gofmt writes it{ends}")))
    }

    /// The text as gofmt writes it, none for what is no Go; the inner error says why nobody knows.
    async fn gofmt(&self, subject: Subject<'_>, text: &str) -> Result<Result<Option<String>, String>, Error> {
        let outcome =
            self.run(subject, |folders| self.go.gofmt(folders, &[], text, self.config.step_timeout)).await?;
        if let Some(why) = no_answer(&outcome, || "gofmt".to_owned()) {
            return Ok(Err(why));
        }
        if outcome.truncated {
            return Ok(Err("gofmt prints more than is kept; raise sandbox.output".to_owned()));
        }
        Ok(Ok(succeeded(&outcome).then(|| String::from_utf8_lossy(&outcome.stdout).into_owned())))
    }

    async fn builds(&self, subject: Subject<'_>, change: &Change<'_>) -> Rung {
        let targets = &change.targets;
        if let Some(unknown) = &targets.unknown {
            return Ok((StepResult::Inconclusive, 0, format!("before any change, {unknown}")));
        }
        let whole = targets.module.iter().map(|module| (module, "./..."));
        for (folder, pattern) in whole.chain(targets.folders.iter().map(|folder| (folder, "."))) {
            let outcome = self.build(subject, folder, pattern).await?;
            if let Some(why) = no_answer(&outcome, || format!("the build of {}", shown(folder))) {
                return Ok((StepResult::Inconclusive, 1, why));
            }
            if !succeeded(&outcome) {
                let detail = format!("does not build:\n{}", tail(&text_of(&outcome), 12));
                return Ok((StepResult::Failed, 1, detail));
            }
        }
        let left_out = advice::left_out_by_cgo(subject.repository, &change.folders);
        Ok((StepResult::Passed, 1, format!("{}{left_out}", targets.told())))
    }

    async fn vets(&self, subject: Subject<'_>, change: &Change<'_>) -> Rung {
        for (folder, before) in &change.vet {
            let before = match before {
                Ok(before) => before,
                Err(why) => return Ok((StepResult::Inconclusive, 1, format!("before any change, {why}"))),
            };
            let after = match self.vet(subject, folder).await? {
                Ok(after) => after,
                Err(why) => return Ok((StepResult::Inconclusive, 1, why)),
            };
            if let Some(first) = after.difference(before).next() {
                return Ok((StepResult::Failed, 1, format!("go vet reports something new: {first}")));
            }
        }
        Ok((StepResult::Passed, 1, "nothing new".to_owned()))
    }

    /// `moved` is where it fails in the same way, if it does.
    async fn reproducer_after(
        &self,
        subject: Subject<'_>,
        change: &Change<'_>,
        moved: &mut Option<Location>,
    ) -> Rung {
        let Some(confirmed) = change.confirmed else {
            return Ok((StepResult::Skipped, 0, "there is no reproducer".to_owned()));
        };
        let (reproducer, wall) = (&confirmed.reproducer, confirmed.patience(self.config.step_timeout));
        let folder = reproducer.file.folder();
        let binary = subject.workspace.bin().join(WITH_REPRODUCER);
        match self.compile_tests(subject, folder, WITH_REPRODUCER, reproducer.race).await? {
            Compiled::Yes => {}
            Compiled::No(output) => {
                let detail = format!("the reproducer no longer compiles:\n{output}");
                return Ok((StepResult::Failed, 0, detail));
            }
            Compiled::Unknown(why) => return Ok((StepResult::Inconclusive, 0, why)),
        }
        let all = self.runs_of(subject.fault);
        for run in 1..=all {
            let test = Some(reproducer.test.as_str());
            let outcome = self.run_tests_within(subject, folder, &binary, test, wall).await?;
            let output = tail(&text_of(&outcome), 8);
            if outcome.ended == Ended::TimedOut && wall < self.config.step_timeout {
                let detail = format!(
                    "run {run} did not end within {} s, several times what it took before:\n{output}",
                    wall.as_secs(),
                );
                return Ok((StepResult::Inconclusive, run, detail));
            }
            if let Some(why) = no_answer(&outcome, || format!("run {run}")) {
                return Ok((StepResult::Inconclusive, run, format!("{why}:\n{output}")));
            }
            if reproducer.race
                && let Some(another) = another_race(subject, &text_of(&outcome))
            {
                let detail =
                    format!("the race of the log is gone, but another shows in run {run}: {another}");
                return Ok((StepResult::Inconclusive, run, detail));
            }
            if !succeeded(&outcome) || !Report::read(&text_of(&outcome)).has_passed(&reproducer.test) {
                *moved = subject.fails_alike_at(&text_of(&outcome));
                return Ok((StepResult::Failed, run, format!("run {run} still fails:\n{output}")));
            }
        }
        let watched = if reproducer.race { " under the race detector" } else { "" };
        Ok((StepResult::Passed, all, format!("passes each time{watched}")))
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

    async fn dependents_hold(&self, subject: Subject<'_>, change: &Change<'_>) -> Rung {
        let dependents = match &change.dependents {
            Ok(dependents) => dependents,
            Err(why) => return Ok((StepResult::Inconclusive, 0, why.clone())),
        };
        // Nor does what nobody could learn of them.
        let (silent, told): (Vec<_>, Vec<_>) = dependents
            .folders
            .iter()
            .cloned()
            .partition(|folder| matches!(change.tests.get(folder), Some(Tests::Unknown(_))));
        let (result, runs, mut detail) = match self.tests_hold(subject, change, &told).await? {
            // What is broken in other packages anyway says nothing of this change.
            Held::All { passed: 0, failing } if failing > 0 => {
                (StepResult::Skipped, 1, format!("all {failing} failed already before the change"))
            }
            held => held.rung(),
        };
        if change.left_out > 0 {
            let tested = dependents.folders.len();
            detail = format!("{detail}; {} more than the {tested} nearest were left out", change.left_out);
        }
        if !change.lacking.is_empty() {
            let lacking: Vec<String> = change.lacking.iter().map(|folder| shown(folder).to_owned()).collect();
            detail = format!("{detail}; before any change these do not build here: {}", few(&lacking));
        }
        if let Some(Tests::Unknown(why)) = silent.first().and_then(|folder| change.tests.get(folder)) {
            let silent: Vec<String> = silent.iter().map(|folder| shown(folder).to_owned()).collect();
            let silent = few(&silent);
            detail = format!("{detail}; before any change the tests of these tell nothing: {silent} ({why})");
        }
        if !dependents.unseen.is_empty() {
            detail = format!("{detail}; not looked at: {}", few(&dependents.unseen));
        }
        Ok((result, runs, detail))
    }

    async fn own_tests_hold(&self, subject: Subject<'_>, change: &Change<'_>, folders: &[String]) -> Rung {
        Ok(self.tests_hold(subject, change, folders).await?.rung())
    }

    /// Every test that passed before must pass now.
    async fn tests_hold(
        &self,
        subject: Subject<'_>,
        change: &Change<'_>,
        folders: &[String],
    ) -> Result<Held, Error> {
        let (mut passed, mut failing) = (0, 0);
        for folder in folders {
            let before = match change.tests.get(folder) {
                Some(Tests::Ran(before)) => before,
                Some(Tests::DoNotCompile(output)) => {
                    let folder = shown(folder);
                    let detail = format!("the tests in {folder} do not compile before any change:\n{output}");
                    return Ok(Held::Unknown(detail));
                }
                Some(Tests::Unknown(why)) => {
                    return Ok(Held::Unknown(format!("before any change, {why}")));
                }
                Some(Tests::None) | None => continue,
            };
            match self.tests_after(subject, change, folder).await? {
                Tests::Unknown(why) => return Ok(Held::Unknown(why)),
                after => {
                    if let Some(lost) = lost(before, &after) {
                        return Ok(Held::Lost(lost));
                    }
                }
            }
            passed += before.passed().len();
            failing += before.failed_count();
        }
        Ok(Held::All { passed, failing })
    }
}

/// Whether tests that passed before pass now.
enum Held {
    /// All of them; others failed already before.
    All { passed: usize, failing: usize },
    /// Not this one.
    Lost(String),
    /// Nobody knows, as this sentence says.
    Unknown(String),
}

impl Held {
    fn rung(self) -> (StepResult, u32, String) {
        match self {
            Self::All { passed: 0, failing: 0 } => {
                (StepResult::Skipped, 0, "there are no such tests".to_owned())
            }
            Self::All { passed: 0, failing } => {
                (StepResult::Inconclusive, 1, format!("all {failing} failed already before the change"))
            }
            Self::All { passed, failing: 0 } => (StepResult::Passed, 1, format!("{passed} pass")),
            Self::All { passed, failing } => {
                (StepResult::Passed, 1, format!("{passed} pass; {failing} failed already before the change"))
            }
            Self::Lost(which) => (StepResult::Failed, 1, which),
            Self::Unknown(why) => (StepResult::Inconclusive, 1, why),
        }
    }
}

/// The sites of a race that an output tells of, if none of those that it tells of is the log's.
fn another_race(subject: Subject<'_>, output: &str) -> Option<String> {
    let known = KnownCrash::new(subject.fault, subject.repository, subject.tree())?;
    let races = races(output);
    if races.iter().any(|sites| known.is_race_left_at(subject.repository, sites)) {
        return None;
    }
    let name = |path: &str| path.rsplit('/').next().unwrap_or_default().to_owned();
    let told =
        |site: &Frame| format!("{} ({}:{})", short_function(&site.function), name(&site.file), site.line);
    Some(races.first()?.iter().map(told).collect::<Vec<_>>().join(" and "))
}

/// A few of many, for a sentence.
fn few(all: &[String]) -> String {
    const MOST: usize = 3;
    match all.len().saturating_sub(MOST) {
        0 => all.join(", "),
        more => format!("{} and {more} more", all[..MOST].join(", ")),
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
        // That nobody knows is told before anything is compared.
        Tests::Unknown(_) => None,
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
