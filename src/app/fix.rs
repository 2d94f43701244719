//! One pass over logs that are there already, and a fix for every defect found in them.

use std::collections::{BTreeSet, VecDeque};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use anyhow::Context as _;
use serde::Serialize;
use tokio::task::JoinSet;

use super::{evidence, parts};
use crate::config::Config;
use crate::domain::{
    ErrorGroup, FileChange, Fingerprint, OperationalFinding, RepoPath, Suggestion, VerdictKind,
};
use crate::fixer::{Finding, Fixer, Workbench, operational};
use crate::repository::Repository;

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
    /// The build cache is filled with what every test needs; the first time it takes a minute or two.
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
        /// Its title.
        title: String,
        /// The verdict.
        outcome: String,
        /// Wall time, in seconds.
        seconds: f64,
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
    /// What `apply` did; empty without it.
    pub applied: Vec<Application>,
}

/// One fix that was to be applied.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Application {
    /// The group it mends.
    pub fingerprint: Fingerprint,
    /// Why it was not applied; none when it was.
    pub error: Option<String>,
}

/// Reads the logs, works out a suggestion for every code defect, each on its own against the repository
/// as it stands, and applies the proven ones when asked to.
///
/// # Errors
/// When a log or the repository cannot be read, or there is no sandbox or Go toolchain to prove with.
pub async fn fix(config: &Config, request: Request, listener: Listener) -> anyhow::Result<Report> {
    let repository = Arc::new(Repository::open_within(&request.repo, parts::repository(config))?);
    let found = evidence::gather(&request.logs, config)?;
    listener(Stage::Read { events: found.events, groups: found.groups.len() });
    let mut report = Report::default();
    let mut defects = Vec::new();
    for group in found.groups {
        match operational(&group, &repository) {
            Some(finding) => report.operational.push(finding),
            None => defects.push(group),
        }
    }
    if defects.is_empty() {
        return Ok(report);
    }
    report.left_out = defects.split_off(defects.len().min(parts::as_usize(config.fixer.max_defects))).len();
    let work = Work {
        repository: Arc::clone(&repository),
        fixer: parts::fixer(config)?,
        context: found.context,
        listener,
        total: defects.len(),
        waiting: Mutex::new((1..).zip(defects).collect()),
    };
    let findings = work.all(parts::as_usize(config.fixer.parallel)).await?;
    let mut proven: Vec<(Fingerprint, Vec<FileChange>)> = Vec::new();
    for Finding { suggestion, changes } in findings {
        if suggestion.verdict == VerdictKind::Proven && !suggestion.masks {
            proven.push((suggestion.fingerprint, changes));
        }
        report.suggestions.push(suggestion);
    }
    if request.apply {
        report.applied = apply(&repository, proven);
    }
    Ok(report)
}

/// Writes fixes into the repository. Each was proven on its own: one that touches a file which another
/// has just changed is left for the next run, which proves it on the code as it then stands.
fn apply(repository: &Repository, proven: Vec<(Fingerprint, Vec<FileChange>)>) -> Vec<Application> {
    let mut touched: BTreeSet<RepoPath> = BTreeSet::new();
    let mut applied = Vec::new();
    for (fingerprint, changes) in proven {
        let error = match changes.iter().find(|change| touched.contains(&change.path)) {
            Some(change) => Some(format!(
                "another fix of this run has changed {}: run the command again to prove this one on top of it",
                change.path
            )),
            None => repository.apply(&changes).err().map(|error| error.to_string()),
        };
        if error.is_none() {
            touched.extend(changes.into_iter().map(|change| change.path));
        }
        applied.push(Application { fingerprint, error });
    }
    applied
}

/// What the workers share.
struct Work {
    repository: Arc<Repository>,
    fixer: Fixer,
    context: Vec<String>,
    listener: Listener,
    total: usize,
    /// The groups nobody has taken yet, each with its number.
    waiting: Mutex<VecDeque<(usize, ErrorGroup)>>,
}

impl Work {
    /// Works on all groups, `parallel` at once, and keeps their order.
    async fn all(self, parallel: usize) -> anyhow::Result<Vec<Finding>> {
        let work = Arc::new(self);
        let mut first = Workbench::new(Arc::clone(&work.repository));
        (work.listener)(Stage::Preparing);
        if let Err(error) = work.fixer.warm_up(&mut first).await {
            // Each attempt will say so in its own words.
            tracing::warn!(%error, "could not prepare the build cache");
        }
        let mut benches = vec![first];
        benches.resize_with(parallel.clamp(1, work.total), || Workbench::new(Arc::clone(&work.repository)));
        let mut workers: JoinSet<Vec<(usize, Finding)>> = JoinSet::new();
        for bench in benches {
            workers.spawn(Arc::clone(&work).worker(bench));
        }
        let mut findings = Vec::with_capacity(work.total);
        while let Some(done) = workers.join_next().await {
            findings.extend(done.context("working on a defect ended abnormally")?);
        }
        findings.sort_by_key(|(number, _)| *number);
        Ok(findings.into_iter().map(|(_, finding)| finding).collect())
    }

    /// Takes one group after the other.
    async fn worker(self: Arc<Self>, mut bench: Workbench) -> Vec<(usize, Finding)> {
        let mut findings = Vec::new();
        while let Some((number, group)) = self.next() {
            findings.push((number, self.one(&mut bench, number, &group).await));
        }
        findings
    }

    fn next(&self) -> Option<(usize, ErrorGroup)> {
        // A queue that is only popped from cannot be left half changed.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).pop_front()
    }

    async fn one(&self, bench: &mut Workbench, number: usize, group: &ErrorGroup) -> Finding {
        let title = &group.first.title;
        let progress = |doing: &str| {
            let (title, doing) = (title.clone(), doing.to_owned());
            (self.listener)(Stage::Working { number, total: self.total, title, doing });
        };
        let begun = Instant::now();
        let finding = self.fixer.work_out(bench, group, &self.context, &progress).await;
        let outcome = finding.suggestion.verdict.as_str();
        (self.listener)(Stage::Done {
            number,
            total: self.total,
            title: title.clone(),
            outcome: outcome.to_owned(),
            seconds: begun.elapsed().as_secs_f64(),
        });
        finding
    }
}
