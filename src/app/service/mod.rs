//! The roles that stay up: sources → detector → bus → knowledge → fixer → suggestions, in one process.
//!
//! ```text
//! tail, taps ──SourceEvent──▶ detect ──Message──▶ bus ──Delivery──▶ intake ──▶ knowledge ◀──▶ workshop
//!      ▲                        │  ▲                │                              │
//!      └──── registry ◀─────────┘  └─── Pending ◀───┘                              └──▶ server, suggestions
//! ```
//!
//! Every arrow is bounded, and each stage waits for the next: at the end of the chain the disk is full or
//! slow, at its beginning reading stops, and the file is the buffer. What a stage has promised is durable
//! before the stage before it forgets it, so the process may die at any moment.

mod checkpoints;
mod context;
mod detect;
mod followed;
mod health;
mod in_flight;
mod intake;
mod outbox;
mod state_dir;
mod upkeep;
mod wire;
mod workshop;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::{CancellationToken, DropGuard};

use super::parts;
use crate::analyzer::{Aggregator, Analyzer};
use crate::bus::{Bus, Embedded};
use crate::collector::pipe::Tap;
use crate::collector::registry::Registry;
use crate::collector::tail::{SourceEvent, Tailer};
use crate::collector::{Budget, Counters};
use crate::config::Config;
use crate::domain::SuggestionRecord;
use crate::knowledge::{self, Knowledge, View};
use crate::server::NotReady;
use crate::telemetry::metrics::Metrics;

pub use state_dir::Error as StateDirError;

use detect::Detector;
use health::{Condition, Report};
use in_flight::InFlight;
use intake::Intake;
use state_dir::StateDir;
use upkeep::Upkeep;
use workshop::{Limits, Workshop};

/// How often it is looked whether everything has been counted, while somebody waits for that.
const SETTLE_INTERVAL: Duration = Duration::from_millis(20);

/// How much of the grace period is kept for closing, at most.
const LONGEST_CLOSING: Duration = Duration::from_secs(2);

/// A part of a running service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Tail,
    Detector,
    Intake,
    Workshop,
    Upkeep,
}

/// A running service.
#[derive(Debug)]
pub struct Service {
    /// With it, the state directory is ours.
    registry: Arc<Registry>,
    bus: Bus,
    knowledge: Knowledge,
    metrics: Metrics,
    health: Report,
    budget: Budget,
    /// Where taps send; gone once the service is being stopped.
    sources: Option<mpsc::Sender<SourceEvent>>,
    /// The last change at which every group that may be worked on had been.
    idle: watch::Receiver<u64>,
    parts: JoinSet<(Part, anyhow::Result<()>)>,
    /// Whether the detector has not ended yet.
    detecting: bool,
    stop_reading: CancellationToken,
    stop_working: CancellationToken,
    /// No further suggestion comes.
    ended: CancellationToken,
    _ends: DropGuard,
}

impl Service {
    /// Takes the state directory, opens what is in it and starts every part. Files are followed where the
    /// configuration names some; defects are worked on where it names a repository.
    ///
    /// # Errors
    /// When the state directory is taken, damaged, of a newer version or cannot be written; when there is a
    /// repository and no toolchain or sandbox to prove fixes with.
    pub async fn start(config: &Config) -> anyhow::Result<Self> {
        let state = StateDir::take(config.state_dir.clone()).await?;
        let metrics = Metrics::new()?;
        let bus_dir = state.bus();
        let registry = Arc::new(state.into_registry()?);
        let bus = Bus::Embedded(Embedded::open(&bus_dir, &parts::bus(config), &metrics)?);
        let knowledge = Knowledge::open(&parts::knowledge_dir(config), &parts::knowledge(config), &metrics)?;
        let health = Report::new();
        let workshop = match &config.repository.path {
            Some(repository) => {
                Some(workshop(config, repository.clone(), &knowledge, &metrics, health.clone())?)
            }
            None => None,
        };
        let budget = Budget::new(parts::read_budget(config));
        let (sources, events) = mpsc::channel(parts::as_usize(config.collector.buffer_size));
        let (is_idle, idle) = watch::channel(0);
        let ended = CancellationToken::new();
        let mut service = Self {
            registry,
            bus,
            knowledge,
            metrics,
            health,
            budget,
            sources: Some(sources.clone()),
            idle,
            parts: JoinSet::new(),
            detecting: true,
            stop_reading: CancellationToken::new(),
            stop_working: CancellationToken::new(),
            _ends: ended.clone().drop_guard(),
            ended,
        };
        let in_flight = InFlight::default();
        service.detect(config, events, in_flight.clone())?;
        service.count();
        if !config.collector.log_paths.is_empty() {
            service.follow(config, sources)?;
        }
        if let Some(workshop) = workshop {
            let run = Arc::new(workshop).run(service.stop_working.clone(), is_idle);
            service.parts.spawn(async move { (Part::Workshop, run.await) });
        }
        let upkeep = Upkeep {
            bus: service.bus.clone(),
            knowledge: service.knowledge.clone(),
            health: service.health.clone(),
            metrics: service.metrics.clone(),
            registry: Arc::clone(&service.registry),
            in_flight,
            cleanup_interval: config.knowledge.cleanup_interval.get(),
        };
        let stop = service.stop_working.clone();
        service.parts.spawn(async move { (Part::Upkeep, upkeep.run(stop).await) });
        Ok(service)
    }

    fn detect(
        &mut self,
        config: &Config,
        events: mpsc::Receiver<SourceEvent>,
        in_flight: InFlight,
    ) -> anyhow::Result<()> {
        let parts = detect::Parts {
            analyzer: Analyzer::new(&parts::analyzer(config))?,
            aggregator: Aggregator::new(parts::pace(config)),
            registry: Arc::clone(&self.registry),
            bus: self.bus.clone(),
            metrics: self.metrics.clone(),
            service: config.service_name.clone(),
            context_lines: parts::as_usize(config.analyzer.context_lines),
        };
        let detector = Detector::new(parts, in_flight, self.stop_working.clone());
        self.parts.spawn(async move { (Part::Detector, detector.run(events).await) });
        Ok(())
    }

    fn count(&mut self) {
        let (bus, knowledge) = (self.bus.clone(), self.knowledge.clone());
        let intake = Intake { bus, knowledge, health: self.health.clone() };
        self.parts.spawn(async move { (Part::Intake, intake.run().await) });
    }

    fn follow(&mut self, config: &Config, sources: mpsc::Sender<SourceEvent>) -> anyhow::Result<()> {
        let tailer = Tailer::new(parts::tail(config), Arc::clone(&self.registry), self.budget.clone())?;
        let stop = self.stop_reading.clone();
        self.parts
            .spawn_blocking(move || (Part::Tail, tailer.run(&sources, &stop).map_err(anyhow::Error::from)));
        Ok(())
    }

    /// A new source that bytes can be pushed into; none once the service is being stopped.
    #[must_use]
    pub fn tap(&self, name: impl Into<PathBuf>) -> Option<Tap> {
        let sources = self.sources.clone()?;
        Some(Tap::new(name, self.budget.clone(), sources, self.counters()))
    }

    /// What is remembered.
    #[must_use]
    pub fn view(&self) -> &View {
        self.knowledge.view()
    }

    /// What is remembered, to be changed too.
    #[must_use]
    pub const fn knowledge(&self) -> &Knowledge {
        &self.knowledge
    }

    /// What can be measured.
    #[must_use]
    pub const fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// Why it cannot do its work just now; empty when it can.
    #[must_use]
    pub fn readiness(&self) -> watch::Receiver<Vec<NotReady>> {
        self.health.readiness()
    }

    /// What the sources have seen.
    #[must_use]
    pub fn counters(&self) -> Arc<Counters> {
        self.registry.counters()
    }

    /// The suggestions after a place in their order, as they come.
    #[must_use]
    pub fn suggestions(&self, after: u64) -> Suggestions {
        let (changes, ended) = (self.view().subscribe(), self.ended.clone());
        Suggestions { changes, knowledge: self.knowledge.clone(), after, ended }
    }

    /// The suggestions that are still to come.
    #[must_use]
    pub fn new_suggestions(&self) -> Suggestions {
        let last = self.view().subscribe().borrow().last_sequence;
        self.suggestions(last)
    }

    /// Waits until a part of the service fails; without a failure, for ever.
    ///
    /// # Errors
    /// What failed.
    pub async fn failed(&mut self) -> anyhow::Error {
        loop {
            match self.next_end().await {
                Some(Err(error)) => return error,
                // Whoever has nothing to read any more has done its work.
                Some(Ok(())) => {}
                None => std::future::pending().await,
            }
        }
    }

    /// Waits until a part ends, and tells how; none where no part is left.
    async fn next_end(&mut self) -> Option<anyhow::Result<()>> {
        Some(match self.parts.join_next().await? {
            Ok((part, result)) => {
                self.detecting &= part != Part::Detector;
                result.with_context(|| format!("the {part:?} has ended"))
            }
            Err(error) => {
                // It may have been the detector, and nobody waits for that again.
                self.detecting = false;
                Err(error).context("a part has ended abnormally")
            }
        })
    }

    /// Ends reading, and waits until everything that was read is counted and every group that may be worked
    /// on has been. Streams of suggestions end then, once they have given all. The service must still be
    /// [stopped](Self::stop).
    ///
    /// # Errors
    /// When a part failed.
    pub async fn finish(&mut self) -> anyhow::Result<()> {
        self.settle().await?;
        let counted = self.view().subscribe().borrow().changes;
        let mut idle = self.idle.clone();
        tokio::select! {
            error = self.failed() => Err(error),
            // The workshop holds the sender: where there is none there is nothing to wait for.
            _ = idle.wait_for(|seen| *seen >= counted) => {
                self.ended.cancel();
                Ok(())
            }
        }
    }

    /// Ends reading, and waits until everything that was read is counted.
    async fn settle(&mut self) -> anyhow::Result<()> {
        self.stop_reading.cancel();
        self.sources = None;
        // Another part's failure does not keep the detector from making durable what was read.
        let mut first = Ok(());
        while self.detecting
            && let Some(end) = self.next_end().await
        {
            first = first.and(end);
        }
        first?;
        while self.lag() > 0 {
            tokio::select! {
                error = self.failed() => return Err(error),
                () = tokio::time::sleep(SETTLE_INTERVAL) => {}
            }
        }
        Ok(())
    }

    /// Messages that have not been counted yet.
    fn lag(&self) -> u64 {
        match &self.bus {
            Bus::Embedded(bus) => {
                bus.status().topics.iter().flat_map(|topic| &topic.groups).map(|group| group.lag).sum()
            }
        }
    }

    /// Ends, within `grace`. What was found is made durable and counted, and what pipes brought is looked at before;
    /// what was read of files and not looked at yet is read again by the next process, and so is what does not get
    /// done by then. Attempts that are going on are broken off.
    ///
    /// # Errors
    /// When a part failed while it ended.
    pub async fn stop(mut self, grace: Duration) -> anyhow::Result<()> {
        let deadline = Instant::now() + grace;
        self.health.set(Condition::Stopping, true);
        self.stop_working.cancel();
        let for_closing = (grace / 4).min(LONGEST_CLOSING);
        let settled = timeout_at(deadline - for_closing, self.settle()).await;
        if settled.is_err() {
            tracing::warn!("the grace period is over; what is left is taken up at the next start");
        }
        let (bus, knowledge) = (self.bus.clone(), self.knowledge.clone());
        let mut parts = std::mem::take(&mut self.parts);
        let ended = self.ended.clone();
        // Each of them waits for the disk, which may never answer. Then they are left behind: what they hold is
        // as safe as in a crash.
        let closing = async {
            bus.close().await;
            parts.shutdown().await;
            ended.cancel();
            let closed = tokio::task::spawn_blocking(move || knowledge.close()).await;
            closed.context("knowledge could not be closed")
        };
        match timeout_at(deadline, closing).await {
            Ok(closed) => closed?,
            Err(_) => tracing::warn!("the disk does not answer; nothing is waited for any more"),
        }
        if let Some(error) = self.registry.trouble() {
            let cause: &(dyn std::error::Error + 'static) = &error;
            tracing::warn!(
                cause,
                "the last checkpoints are not written; the next start reads again what came since"
            );
        }
        settled.unwrap_or(Ok(()))
    }
}

impl Drop for Service {
    /// The tailer has a thread of its own, which nothing else would end.
    fn drop(&mut self) {
        self.stop_reading.cancel();
    }
}

/// A workshop for this repository.
fn workshop(
    config: &Config,
    repository: PathBuf,
    knowledge: &Knowledge,
    metrics: &Metrics,
    health: Report,
) -> anyhow::Result<Workshop> {
    let reading = parts::repository(config);
    parts::sweep_scratch();
    // A wrong path is told now, not with the first defect.
    crate::repository::Repository::open_within(&repository, reading)?;
    let limits = Limits {
        parallel: parts::as_usize(config.fixer.parallel),
        attempts: config.fixer.max_attempts,
        pause: config.fixer.retry_after.get(),
    };
    let (fixer, of) = (parts::fixer(config)?, (parts::absolute(&repository), reading));
    Ok(Workshop::new(knowledge.clone(), fixer, of, limits, metrics.clone(), health))
}

/// Suggestions in the order in which they come.
#[derive(Debug)]
pub struct Suggestions {
    knowledge: Knowledge,
    changes: watch::Receiver<knowledge::Revision>,
    after: u64,
    ended: CancellationToken,
}

impl Suggestions {
    /// The place of the last one that was had.
    #[must_use]
    pub const fn place(&self) -> u64 {
        self.after
    }

    /// The next suggestion; none once the service has finished and all were given, or once it was stopped:
    /// what was not given by then, the next start has. Dropping the future loses nothing.
    ///
    /// # Errors
    /// When what is stored cannot be read.
    pub async fn next(&mut self) -> anyhow::Result<Option<SuggestionRecord>> {
        loop {
            let has_ended = self.ended.is_cancelled();
            self.changes.mark_unchanged();
            match self.knowledge.view().suggestions_after(self.after, 1) {
                Ok(mut records) => {
                    if let Some(record) = records.pop() {
                        self.after = record.sequence;
                        return Ok(Some(record));
                    }
                }
                // A service that was stopped has closed it.
                Err(_) if self.ended.is_cancelled() => return Ok(None),
                Err(error) => return Err(error.into()),
            }
            if has_ended {
                return Ok(None);
            }
            tokio::select! {
                changed = self.changes.changed() => if changed.is_err() { return Ok(None) },
                () = self.ended.cancelled() => {}
            }
        }
    }
}

#[cfg(test)]
mod log_writer;
#[cfg(test)]
mod tests;
