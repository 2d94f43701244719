//! One pass over logs that are there already, and a fix for every defect found in them.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::Context as _;
use serde::Serialize;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::apply::{Application, Applied, Skipped, WorkTree, apply};
use super::evidence::{self, Found};
use super::examination::{demand_build_cache, demand_scratch};
use super::parts;
use crate::config::{Config, StrategyType};
use crate::domain::{Class, ErrorGroup, Fingerprint, Language, OperationalFinding, Suggestion};
use crate::fixer::{Doing, Experience, Finding, Fixer, Workbench, is_operational, operational};
use crate::repository::Repository;
use crate::telemetry::metrics::Metrics;

/// Preparations that take no longer are not worth a word.
const QUIETLY: Duration = Duration::from_secs(2);

/// What to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// The repository the logs come from.
    pub repo: PathBuf,
    /// The logs; `-` is standard input.
    pub logs: Vec<PathBuf>,
    /// Whether proven fixes are written into the repository.
    pub apply: bool,
}

/// How it goes on.
#[derive(Debug, Clone, PartialEq)]
pub enum Stage {
    /// The logs are read.
    Read {
        /// Error events in them.
        events: u64,
        /// Groups they fall into.
        groups: usize,
    },
    /// The build cache is filled with what every test needs, and that takes its time: the first time a
    /// minute or two.
    Preparing,
    /// A group is worked on.
    Working {
        /// Which, from 1.
        number: usize,
        /// Of how many.
        total: usize,
        /// Its title.
        title: String,
        /// What is being done.
        doing: String,
    },
    /// A group is done.
    Done {
        /// Which, from 1.
        number: usize,
        /// Of how many.
        total: usize,
        /// What came of it.
        suggestion: Box<Suggestion>,
    },
}

/// Hears how it goes on, from several threads.
pub type Listener = Arc<dyn Fn(Stage) + Send + Sync>;

/// What came of it. Its JSON form is the contract of `hephaestus fix`.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct Report {
    /// Every code defect, in the order of severity and count.
    pub suggestions: Vec<Suggestion>,
    /// Every operational failure.
    pub operational: Vec<OperationalFinding>,
    /// Code defects beyond `fixer.max_defects`, which were not worked on.
    pub left_out: usize,
    /// How many errors of other languages, as their stack traces tell, are in the logs; nobody works on them.
    pub other_languages: BTreeMap<Language, u64>,
    /// What could not be read of the logs, and why; what was read before is worked on.
    pub unread: Vec<String>,
    /// Whether it was told to stop before all was done.
    pub broken_off: bool,
    /// Code defects that were not worked out because it was told to stop.
    pub unfinished: Vec<Unfinished>,
    /// What `apply` did; empty without it.
    pub applied: Vec<Application>,
    /// Patches that `apply` leaves to a person; empty without it.
    pub skipped: Vec<Skipped>,
    /// What git said of the files before they were changed; none where nothing was applied.
    pub work_tree: Option<WorkTree>,
    /// The command that takes back all that `apply` wrote, to be pasted into a shell; none where nothing was
    /// written, or a path cannot be written in one.
    pub undo: Option<String>,
}

/// A code defect that was not worked out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Unfinished {
    /// Which, from 1: the number that its progress bore.
    pub number: usize,
    /// The group.
    pub fingerprint: Fingerprint,
    /// What kind of failure it is.
    pub class: Class,
    /// What it is called.
    pub title: String,
    /// How often it occurred.
    pub count: u64,
    /// What was being done about it when it was broken off; none where its turn had not come.
    pub doing: Option<String>,
}

impl Unfinished {
    fn new(number: usize, group: &ErrorGroup, doing: Option<String>) -> Self {
        Self {
            number,
            fingerprint: group.fingerprint,
            class: group.first.class,
            title: group.first.title.clone(),
            count: group.count,
            doing,
        }
    }
}

/// Reads the logs, works out a suggestion for every code defect, each on its own against the repository
/// as it stands, and applies the proven ones when asked to. Told to `stop`, it gives what it has, and
/// applies nothing.
///
/// # Errors
/// When a log or the repository cannot be read, there is no room to work, or no sandbox or Go toolchain to
/// prove with.
pub async fn fix(
    config: &Config,
    request: Request,
    listener: Listener,
    stop: CancellationToken,
) -> anyhow::Result<Report> {
    let repository = Arc::new(Repository::open_within(&request.repo, parts::repository(config))?);
    parts::sweep_scratch();
    demand_scratch()?;
    let found = gather(config, request.logs, &stop).await?;
    let mut report = Report::default();
    let Some(found) = found else { return Ok(Report { broken_off: true, ..report }) };
    (report.unread, report.other_languages) = (found.unread, found.other_languages);
    listener(Stage::Read { events: found.events, groups: found.groups.len() });
    let most = parts::as_usize(config.fixer.max_defects);
    let (failures, mut defects): (Vec<_>, Vec<_>) = found.groups.into_iter().partition(is_operational);
    report.left_out = defects.split_off(defects.len().min(most)).len();
    report.operational = place(failures, &repository, most, &stop).await?;
    if stop.is_cancelled() {
        let untouched = (1..).zip(&defects).map(|(number, group)| Unfinished::new(number, group, None));
        return Ok(Report { broken_off: true, unfinished: untouched.collect(), ..report });
    }
    if defects.is_empty() {
        return Ok(report);
    }
    demand_build_cache(config)?;
    warn_of_strategies(config);
    let work = Work {
        repository: Arc::clone(&repository),
        fixer: parts::fixer(config, &Metrics::new()?)?,
        context: found.context,
        tasks: tasks(defects, &listener),
        listener,
        taken: AtomicUsize::new(0),
        done: Mutex::default(),
    };
    let (findings, unfinished) = work.all(parts::as_usize(config.fixer.parallel), &stop).await?;
    report.broken_off = stop.is_cancelled();
    report.unfinished = unfinished;
    if request.apply && !report.broken_off {
        let Applied { applied, skipped, work_tree, undo } = apply(config, &repository, &findings).await;
        report = Report { applied, skipped, work_tree, undo, ..report };
    }
    report.suggestions = findings.into_iter().map(|finding| finding.suggestion).collect();
    Ok(report)
}

/// Says so where every defect will be left without a fix.
fn warn_of_strategies(config: &Config) {
    if config.generator.fix_strategies.iter().all(|strategy| strategy.r#type != StrategyType::Rule) {
        tracing::warn!(
            "generator.fix_strategies does not list `rule`, and nothing else finds a fix here: `fix` has no memory of \
             approved fixes, and asks no model; add {{type: rule, priority: 1}}"
        );
    }
}

/// What the logs tell; none when it was told to stop before they were read. Reading blocks, and may wait
/// for whoever writes to standard input, so it has a thread of its own.
async fn gather(
    config: &Config,
    logs: Vec<PathBuf>,
    stop: &CancellationToken,
) -> anyhow::Result<Option<Found>> {
    let (config, told) = (config.clone(), stop.clone());
    let reading = tokio::task::spawn_blocking(move || evidence::gather(&logs, &config, &told));
    tokio::select! {
        biased;
        () = stop.cancelled() => Ok(None),
        found = reading => found.context("reading the logs ended abnormally")?.map(Some),
    }
}

/// What is said of failures of the surroundings, and for the first of them where the code reports it. Finding
/// that reads the repository, so it has a thread of its own, and is left where it stands when it is told to
/// stop.
async fn place(
    failures: Vec<ErrorGroup>,
    repository: &Arc<Repository>,
    most: usize,
    stop: &CancellationToken,
) -> anyhow::Result<Vec<OperationalFinding>> {
    let (repository, told) = (Arc::clone(repository), stop.clone());
    let placing = tokio::task::spawn_blocking(move || {
        let within = failures.iter().enumerate().take_while(|_| !told.is_cancelled());
        within
            .map(|(number, group)| operational(group, Some(&*repository).filter(|_| number < most)))
            .collect()
    });
    tokio::select! {
        biased;
        () = stop.cancelled() => Ok(Vec::new()),
        placed = placing => placed.context("placing the operational failures ended abnormally"),
    }
}

/// A group that is worked on.
struct Task {
    /// Which, from 1.
    number: usize,
    group: ErrorGroup,
    doing: Doing,
}

fn tasks(groups: Vec<ErrorGroup>, listener: &Listener) -> Vec<Task> {
    let total = groups.len();
    let task = |(number, group): (usize, ErrorGroup)| {
        let (listener, title) = (Arc::clone(listener), group.first.title.clone());
        let doing = Doing::new(move |doing| {
            listener(Stage::Working { number, total, title: title.clone(), doing: doing.to_owned() });
        });
        Task { number, group, doing }
    };
    (1..).zip(groups).map(task).collect()
}

/// What the workers share.
struct Work {
    repository: Arc<Repository>,
    fixer: Fixer,
    context: Vec<String>,
    listener: Listener,
    tasks: Vec<Task>,
    /// How many of them were taken on.
    taken: AtomicUsize,
    /// What is done, by the number of the group.
    done: Mutex<BTreeMap<usize, Finding>>,
}

impl Work {
    /// Works on all groups, `parallel` at once, until it is told to stop: what came of them and what is left,
    /// both in the order of the groups.
    async fn all(
        self,
        parallel: usize,
        stop: &CancellationToken,
    ) -> anyhow::Result<(Vec<Finding>, Vec<Unfinished>)> {
        let work = Arc::new(self);
        let mut first = Workbench::new(Arc::clone(&work.repository));
        tokio::select! {
            biased;
            () = stop.cancelled() => return Ok(work.outcome()),
            () = work.warm_up(&mut first) => {}
        }
        let others = parallel.clamp(1, work.tasks.len()) - 1;
        let mut benches: Vec<_> = std::iter::repeat_with(|| first.beside()).take(others).collect();
        benches.push(first);
        let mut workers = JoinSet::new();
        for bench in benches {
            workers.spawn(Arc::clone(&work).worker(bench));
        }
        loop {
            tokio::select! {
                biased;
                // Dropped, work ends what runs in the sandbox and removes its copy.
                () = stop.cancelled() => {
                    workers.shutdown().await;
                    break;
                }
                ended = workers.join_next() => match ended {
                    Some(ended) => ended.context("working on a defect ended abnormally")?,
                    None => break,
                },
            }
        }
        Ok(work.outcome())
    }

    fn outcome(&self) -> (Vec<Finding>, Vec<Unfinished>) {
        let done = std::mem::take(&mut *lock(&self.done));
        let left = self.tasks.iter().filter(|task| !done.contains_key(&task.number));
        let left = left.map(|task| Unfinished::new(task.number, &task.group, task.doing.last())).collect();
        (done.into_values().collect(), left)
    }

    /// Fills the build cache, and says so if that takes its time.
    async fn warm_up(&self, bench: &mut Workbench) {
        let mut warm = std::pin::pin!(self.fixer.warm_up(bench));
        if tokio::time::timeout(QUIETLY, &mut warm).await.is_err() {
            (self.listener)(Stage::Preparing);
            warm.await;
        }
    }

    /// Takes one group after the other.
    async fn worker(self: Arc<Self>, mut bench: Workbench) {
        while let Some(task) = self.next() {
            let finding = self.one(&mut bench, task).await;
            lock(&self.done).insert(task.number, finding);
        }
    }

    fn next(&self) -> Option<&Task> {
        self.tasks.get(self.taken.fetch_add(1, Ordering::Relaxed))
    }

    async fn one(&self, bench: &mut Workbench, Task { number, group, doing }: &Task) -> Finding {
        let mut finding =
            self.fixer.work_out(bench, group, &self.context, &Experience::default(), doing).await;
        to_milliseconds(&mut finding.suggestion);
        let suggestion = Box::new(finding.suggestion.clone());
        (self.listener)(Stage::Done { number: *number, total: self.tasks.len(), suggestion });
        finding
    }
}

/// A map that is only inserted into, or taken whole, cannot be left half changed.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Times as a person can use them: nobody asks for less than a millisecond.
fn to_milliseconds(suggestion: &mut Suggestion) {
    let steps = suggestion.evidence.steps.iter_mut().map(|step| &mut step.seconds);
    for seconds in steps.chain([&mut suggestion.seconds]) {
        *seconds = (*seconds * 1e3).round() / 1e3;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analyzer::{Analyzer, Grain};

    #[tokio::test]
    async fn failures_of_the_surroundings_are_placed_as_far_as_that_is_wanted() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("go.mod"), "module m\n").unwrap();
        let source = "package m\n\nfunc f() {\n\tlog.Printf(\"fetch rates: %v\", err)\n\tlog.Printf(\"load prices: %v\", err)\n}\n";
        std::fs::write(folder.path().join("m.go"), source).unwrap();
        let repository = Arc::new(Repository::open(folder.path()).unwrap());
        let analyzer = Analyzer::new(&crate::analyzer::Config::default()).unwrap();
        let (mut stream, mut groups) = (analyzer.stream(), analyzer.groups(Grain::Site));
        let log = b"ERROR fetch rates: connection refused\nERROR load prices: permission denied\n";
        stream.push(log, &mut |event| groups.add(event));
        stream.finish(&mut |event| groups.add(event));
        let groups = groups.into_sorted();
        assert!(groups.len() == 2 && groups.iter().all(is_operational));
        let stop = CancellationToken::new();
        let placed = place(groups.clone(), &repository, 1, &stop).await.unwrap();
        assert_eq!(placed.iter().map(|finding| finding.locations.len()).collect::<Vec<_>>(), [1, 0]);
        stop.cancel();
        assert_eq!(place(groups, &repository, 1, &stop).await.unwrap(), []);
    }
}
