//! One pass over logs that are there already, and a fix for every defect found in them.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context as _;
use serde::Serialize;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::{evidence, parts};
use crate::config::Config;
use crate::domain::{ErrorGroup, FileChange, Fingerprint, OperationalFinding, Suggestion, VerdictKind};
use crate::fixer::{Finding, Fixer};
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
        /// The verdict, or that it is operational.
        outcome: String,
        /// Wall time, in seconds.
        seconds: f64,
    },
}

/// Hears how it goes on, from several threads.
pub type Listener = Arc<dyn Fn(Stage) + Send + Sync>;

/// What came of it. Its JSON form is the contract of `hephaestus fix`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    /// Every code defect, in the order of severity and count.
    pub suggestions: Vec<Suggestion>,
    /// Every operational failure.
    pub operational: Vec<OperationalFinding>,
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
    let mut report = Report { suggestions: Vec::new(), operational: Vec::new(), applied: Vec::new() };
    if found.groups.is_empty() {
        return Ok(report);
    }
    let fixer = Arc::new(parts::fixer(config)?);
    let work = Work {
        repository: Arc::clone(&repository),
        fixer,
        context: Arc::new(found.context),
        listener,
        total: found.groups.len(),
    };
    let findings = work.all(found.groups, parts::as_usize(config.fixer.parallel)).await?;
    let mut proven: Vec<(Fingerprint, Vec<FileChange>)> = Vec::new();
    for finding in findings {
        match finding {
            Finding::Operational(finding) => report.operational.push(*finding),
            Finding::Defect { suggestion, changes } => {
                if suggestion.verdict == VerdictKind::Proven && !suggestion.masks {
                    proven.push((suggestion.fingerprint, changes));
                }
                report.suggestions.push(*suggestion);
            }
        }
    }
    if request.apply {
        let apply = |(fingerprint, changes): (Fingerprint, Vec<FileChange>)| Application {
            fingerprint,
            error: repository.apply(&changes).err().map(|error| error.to_string()),
        };
        report.applied = proven.into_iter().map(apply).collect();
    }
    Ok(report)
}

/// What every group's task needs.
#[derive(Clone)]
struct Work {
    repository: Arc<Repository>,
    fixer: Arc<Fixer>,
    context: Arc<Vec<String>>,
    listener: Listener,
    total: usize,
}

impl Work {
    /// Works on all groups, `parallel` at once, and keeps their order.
    async fn all(&self, groups: Vec<ErrorGroup>, parallel: usize) -> anyhow::Result<Vec<Finding>> {
        let places = Arc::new(Semaphore::new(parallel.max(1)));
        let mut tasks = JoinSet::new();
        for (index, group) in groups.into_iter().enumerate() {
            let (places, work) = (Arc::clone(&places), self.clone());
            tasks.spawn(async move {
                let _place = places.acquire_owned().await;
                (index, work.one(index + 1, &group).await)
            });
        }
        let mut findings = Vec::with_capacity(self.total);
        while let Some(done) = tasks.join_next().await {
            findings.push(done.context("working on a defect ended abnormally")?);
        }
        findings.sort_by_key(|(index, _)| *index);
        Ok(findings.into_iter().map(|(_, finding)| finding).collect())
    }

    async fn one(&self, number: usize, group: &ErrorGroup) -> Finding {
        let title = &group.first.title;
        let progress = |doing: &str| {
            let (title, doing) = (title.clone(), doing.to_owned());
            (self.listener)(Stage::Working { number, total: self.total, title, doing });
        };
        let begun = std::time::Instant::now();
        let finding = self.fixer.work_out(&self.repository, group, &self.context, &progress).await;
        let outcome = match &finding {
            Finding::Defect { suggestion, .. } => suggestion.verdict.as_str(),
            Finding::Operational(_) => "operational",
        };
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
