//! What every role that stays up has: its state directory, its bus, and parts that run until they are stopped.

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;

use super::detect::{self, Detector};
use super::health::{Condition, Report};
use super::in_flight::InFlight;
use super::state_dir::StateDir;
use super::upkeep::Upkeep;
use crate::analyzer::{Aggregator, Analyzer};
use crate::app::parts;
use crate::bus::Bus;
use crate::collector::Budget;
use crate::collector::pipe::Tap;
use crate::collector::registry::Registry;
use crate::collector::tail::{SourceEvent, Tailer};
use crate::config::Config;
use crate::knowledge::Knowledge;
use crate::telemetry::metrics::Metrics;

/// How often it is looked whether everything has been counted, while somebody waits for that.
const SETTLE_INTERVAL: Duration = Duration::from_millis(20);

/// How much of the grace period is kept for closing, at most.
const LONGEST_CLOSING: Duration = Duration::from_secs(2);

/// A part that runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Part {
    Tail,
    Detector,
    Intake,
    Workshop,
    Upkeep,
}

/// What every role has.
#[derive(Debug)]
pub(super) struct Core {
    /// With it, the state directory is ours.
    pub(super) registry: Arc<Registry>,
    pub(super) bus: Bus,
    pub(super) metrics: Metrics,
    pub(super) health: Report,
    pub(super) budget: Budget,
    pub(super) stop_working: CancellationToken,
    /// Where sources send; none where nothing is read, or no more.
    sources: Option<mpsc::Sender<SourceEvent>>,
    in_flight: InFlight,
    pub(super) stop_reading: CancellationToken,
    pub(super) parts: JoinSet<(Part, anyhow::Result<()>)>,
    /// Those that have not ended yet.
    running: HashSet<Part>,
}

impl Core {
    /// Takes the state directory and opens what is in it.
    ///
    /// # Errors
    /// When the state directory is taken, damaged, of a newer version or cannot be written.
    pub(super) async fn open(config: &Config) -> anyhow::Result<Self> {
        let state = StateDir::take(config.state_dir.clone()).await?;
        let metrics = Metrics::new()?;
        let registry = Arc::new(state.into_registry()?);
        let bus = parts::open_bus(config, registry.producer().to_string(), &metrics)?;
        Ok(Self {
            registry,
            bus,
            metrics,
            health: Report::new(),
            budget: Budget::new(parts::read_budget(config)),
            stop_working: CancellationToken::new(),
            sources: None,
            in_flight: InFlight::default(),
            stop_reading: CancellationToken::new(),
            parts: JoinSet::new(),
            running: HashSet::new(),
        })
    }

    /// Lets a part run.
    pub(super) fn spawn(
        &mut self,
        part: Part,
        run: impl Future<Output = anyhow::Result<()>> + Send + 'static,
    ) {
        self.running.insert(part);
        self.parts.spawn(async move { (part, run.await) });
    }

    /// Begins to find errors in what sources bring, and to follow the files that the configuration names.
    pub(super) fn read(&mut self, config: &Config) -> anyhow::Result<()> {
        let (sources, events) = mpsc::channel(parts::as_usize(config.collector.buffer_size));
        let parts = detect::Parts {
            analyzer: Analyzer::new(&parts::analyzer(config))?,
            aggregator: Aggregator::new(parts::pace(config)),
            registry: Arc::clone(&self.registry),
            bus: self.bus.clone(),
            budget: self.budget.clone(),
            metrics: self.metrics.clone(),
            service: config.service_name.clone(),
            context_lines: parts::as_usize(config.analyzer.context_lines),
        };
        let detector = Detector::new(parts, self.in_flight.clone(), self.stop_working.clone());
        self.spawn(Part::Detector, detector.run(events));
        if !config.collector.log_paths.is_empty() {
            self.follow(config, sources.clone())?;
        }
        self.sources = Some(sources);
        Ok(())
    }

    fn follow(&mut self, config: &Config, sources: mpsc::Sender<SourceEvent>) -> anyhow::Result<()> {
        let tailer = Tailer::new(parts::tail(config), Arc::clone(&self.registry), self.budget.clone())?;
        let stop = self.stop_reading.clone();
        self.running.insert(Part::Tail);
        self.parts
            .spawn_blocking(move || (Part::Tail, tailer.run(&sources, &stop).map_err(anyhow::Error::from)));
        Ok(())
    }

    /// Begins to measure, to tell how everything stands, and to forget what is old.
    pub(super) fn keep_up(&mut self, config: &Config, knowledge: Option<Knowledge>) {
        let upkeep = Upkeep {
            bus: self.bus.clone(),
            knowledge,
            health: self.health.clone(),
            metrics: self.metrics.clone(),
            registry: Arc::clone(&self.registry),
            in_flight: self.in_flight.clone(),
            cleanup_interval: config.knowledge.cleanup_interval.get(),
        };
        let stop = self.stop_working.clone();
        self.spawn(Part::Upkeep, upkeep.run(stop));
    }

    /// A new source that bytes can be pushed into; none where nothing is read, or no more.
    pub(super) fn tap(&self, name: impl Into<PathBuf>) -> Option<Tap> {
        let sources = self.sources.clone()?;
        Some(Tap::new(name, self.budget.clone(), sources, self.registry.counters()))
    }

    /// Waits until a part fails; without a failure, for ever.
    pub(super) async fn failed(&mut self) -> anyhow::Error {
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
                self.running.remove(&part);
                // It reads on until it is told to stop, or nothing will come any more.
                let is_early = part == Part::Intake && !self.stop_working.is_cancelled();
                let result =
                    result.and_then(|()| if is_early { Err(anyhow!("the bus has ended")) } else { Ok(()) });
                result.with_context(|| format!("the {part:?} has ended"))
            }
            Err(error) => {
                // Which it was is not told, and nobody may wait for it for ever.
                self.running.clear();
                Err(error).context("a part has ended abnormally")
            }
        })
    }

    /// Waits until a part has ended. Another part's failure does not keep it from its work.
    async fn end_of(&mut self, part: Part) -> anyhow::Result<()> {
        let mut first = Ok(());
        while self.running.contains(&part)
            && let Some(end) = self.next_end().await
        {
            first = first.and(end);
        }
        first
    }

    /// Ends reading, and waits until everything that was read is durable; where it is counted in this process alone,
    /// until it is counted, too.
    pub(super) async fn settle(&mut self) -> anyhow::Result<()> {
        self.stop_reading.cancel();
        self.sources = None;
        self.end_of(Part::Detector).await?;
        while matches!(self.bus, Bus::Embedded(_)) && self.bus.status().lag > 0 {
            tokio::select! {
                error = self.failed() => return Err(error),
                () = tokio::time::sleep(SETTLE_INTERVAL) => {}
            }
        }
        Ok(())
    }

    /// Ends, within `grace`. What does not get done by then is done by the next process.
    pub(super) async fn stop(&mut self, grace: Duration, knowledge: Option<Knowledge>) -> anyhow::Result<()> {
        let deadline = Instant::now() + grace;
        self.health.set(Condition::Stopping, true);
        self.stop_working.cancel();
        let for_closing = (grace / 4).min(LONGEST_CLOSING);
        let settle = async {
            self.settle().await?;
            // One fixer among others gives back what it has.
            if matches!(self.bus, Bus::Kafka(_)) { self.end_of(Part::Intake).await } else { Ok(()) }
        };
        let settled = timeout_at(deadline - for_closing, settle).await;
        if settled.is_err() {
            tracing::warn!("the grace period is over; what is left is taken up at the next start");
        }
        let bus = self.bus.clone();
        let mut parts = std::mem::take(&mut self.parts);
        // Each of them waits for the disk, which may never answer. Then they are left behind: what they hold is
        // as safe as in a crash.
        let closing = async {
            bus.close().await;
            parts.shutdown().await;
            let Some(knowledge) = knowledge else { return Ok(()) };
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

impl Drop for Core {
    /// The tailer has a thread of its own, which nothing else would end.
    fn drop(&mut self) {
        self.stop_reading.cancel();
    }
}
