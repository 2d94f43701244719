//! Knowledge → the fixer → knowledge: every new group is worked on, the worst and most frequent first.

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use jiff::Timestamp;
use tokio::sync::{OnceCell, watch};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::domain::{Fingerprint, GroupRecord, SuggestionId, VerdictKind};
use crate::fixer::{Finding, Fixer, Workbench, operational};
use crate::knowledge::{AttemptEnd, Knowledge};
use crate::repository::{self, Repository, Stamp};
use crate::telemetry::metrics::Metrics;

/// How often groups that rest are looked at again, where nothing else happens.
const LOOK_INTERVAL: Duration = Duration::from_secs(30);

/// How attempts are limited.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    /// How many are made at once.
    pub(super) parallel: usize,
    /// How many one group gets.
    pub(super) attempts: u32,
    /// How long a group rests between two.
    pub(super) pause: Duration,
}

/// Where groups are worked on.
pub(super) struct Workshop {
    knowledge: Knowledge,
    fixer: Fixer,
    repository: PathBuf,
    reading: repository::Config,
    limits: Limits,
    metrics: Metrics,
    /// Whether the build cache has been filled with what every test needs.
    warm: OnceCell<()>,
}

/// A workbench and the state of the repository it was set up for.
struct Bench {
    stamp: Stamp,
    repository: Arc<Repository>,
    workbench: Workbench,
}

/// What one worker brings back.
struct Done {
    bench: Option<Bench>,
    fingerprint: Fingerprint,
    result: anyhow::Result<()>,
}

impl Workshop {
    pub(super) fn new(
        knowledge: Knowledge,
        fixer: Fixer,
        repository: PathBuf,
        reading: repository::Config,
        limits: Limits,
        metrics: Metrics,
    ) -> Self {
        Self { knowledge, fixer, repository, reading, limits, metrics, warm: OnceCell::new() }
    }

    /// Works until told to stop. What is being worked on then is dropped, and taken up again by the next
    /// process. `idle` tells the last change of knowledge at which everything that may be worked on had been.
    ///
    /// # Errors
    /// When knowledge cannot be used.
    pub(super) async fn run(
        self: Arc<Self>,
        stop: CancellationToken,
        idle: watch::Sender<u64>,
    ) -> anyhow::Result<()> {
        let mut changes = self.knowledge.view().subscribe();
        let mut workers: JoinSet<Done> = JoinSet::new();
        let mut busy = HashSet::new();
        let mut benches: Vec<Bench> = Vec::new();
        loop {
            let seen = changes.borrow_and_update().changes;
            let room = self.limits.parallel - workers.len();
            for fingerprint in
                self.knowledge.next_to_work_on(room, &busy, self.limits.pause, Timestamp::now())
            {
                busy.insert(fingerprint);
                workers.spawn(Arc::clone(&self).work(fingerprint, benches.pop()));
            }
            if workers.is_empty() {
                idle.send_replace(seen);
            }
            tokio::select! {
                () = stop.cancelled() => return Ok(()),
                Some(done) = workers.join_next() => {
                    let done = done.context("working on a defect ended abnormally")?;
                    busy.remove(&done.fingerprint);
                    benches.extend(done.bench);
                    done.result?;
                }
                changed = changes.changed() => if changed.is_err() { return Ok(()) },
                () = tokio::time::sleep(LOOK_INTERVAL) => {}
            }
        }
    }

    /// One attempt at one group.
    async fn work(self: Arc<Self>, fingerprint: Fingerprint, bench: Option<Bench>) -> Done {
        let (bench, result) = match self.attempt(fingerprint, bench).await {
            Ok(bench) => (bench, Ok(())),
            Err(error) => (None, Err(error)),
        };
        Done { bench, fingerprint, result }
    }

    async fn attempt(&self, fingerprint: Fingerprint, bench: Option<Bench>) -> anyhow::Result<Option<Bench>> {
        let most = self.limits.attempts;
        let id = tokio::task::block_in_place(|| self.knowledge.begin_attempt(fingerprint, most))?;
        let Some(id) = id else {
            tracing::warn!(%fingerprint, "given up: no attempt at this defect came to an end");
            return Ok(bench);
        };
        let Some(record) = self.knowledge.view().group(fingerprint)? else { return Ok(bench) };
        let mut bench = match tokio::task::block_in_place(|| self.bench(bench)) {
            Ok(bench) => bench,
            Err(error) => {
                tracing::error!(%error, "the repository cannot be used");
                self.end(id)?;
                return Ok(None);
            }
        };
        if let Some(finding) = operational(&record.group, &bench.repository) {
            self.knowledge.record_operational(finding, Timestamp::now())?;
            return Ok(Some(bench));
        }
        self.warm_up(&mut bench).await;
        let finding = self.work_out(&mut bench, &record).await;
        self.record(id, finding)?;
        Ok(Some(bench))
    }

    /// A workbench for the repository as it stands now.
    fn bench(&self, bench: Option<Bench>) -> Result<Bench, repository::Error> {
        let stamp = Stamp::of(&self.repository);
        if let Some(bench) = bench.filter(|bench| bench.stamp == stamp) {
            return Ok(bench);
        }
        let repository = Arc::new(Repository::open_within(&self.repository, self.reading)?);
        let workbench = Workbench::new(Arc::clone(&repository));
        Ok(Bench { stamp, repository, workbench })
    }

    /// The first attempt fills the build cache, outside its own time; another waits for it.
    async fn warm_up(&self, bench: &mut Bench) {
        let fill = async {
            if let Err(error) = self.fixer.warm_up(&mut bench.workbench).await {
                // Each attempt will say so in its own words.
                tracing::warn!(%error, "could not prepare the build cache");
            }
        };
        self.warm.get_or_init(|| fill).await;
    }

    async fn work_out(&self, bench: &mut Bench, record: &GroupRecord) -> Finding {
        let title = &record.group.first.title;
        tracing::info!(%title, "working on a defect");
        let progress = |doing: &str| tracing::debug!(%title, doing, "working");
        self.fixer.work_out(&mut bench.workbench, &record.group, &record.context, &progress).await
    }

    /// Keeps what came of an attempt. What could not be decided is tried again while attempts are left:
    /// anything else would end the same way.
    fn record(&self, id: SuggestionId, finding: Finding) -> anyhow::Result<()> {
        let Finding { suggestion, changes } = finding;
        let provenance = suggestion.provenance.as_deref().unwrap_or("none").to_owned();
        self.metrics
            .fix_attempts
            .with_label_values(&[provenance.as_str(), suggestion.verdict.as_str()])
            .inc();
        tracing::info!(title = suggestion.title, verdict = suggestion.verdict.as_str(), "worked on a defect");
        let undecided = suggestion.verdict == VerdictKind::Inconclusive;
        if undecided && id.attempt < self.limits.attempts {
            tracing::info!(title = suggestion.title, reason = suggestion.reason, "to be tried again");
            return self.end(id);
        }
        tokio::task::block_in_place(|| {
            self.knowledge.record_suggestion(id, suggestion, changes, Timestamp::now())
        })?;
        Ok(())
    }

    /// Ends an attempt that brought nothing.
    fn end(&self, id: SuggestionId) -> anyhow::Result<()> {
        let end = if id.attempt < self.limits.attempts { AttemptEnd::Retry } else { AttemptEnd::GiveUp };
        Ok(self.knowledge.end_attempt(id, end, Timestamp::now())?)
    }
}
