//! What is done from time to time: old entries are forgotten, and gauges are read.

use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use tokio_util::sync::CancellationToken;

use super::health::{Condition, Report};
use super::in_flight::InFlight;
use crate::bus::Bus;
use crate::collector::registry::Registry;
use crate::collector::{Loss, Rotation, Stats};
use crate::knowledge::Knowledge;
use crate::telemetry::metrics::Metrics;

/// How often it is looked how everything stands.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);

/// Keeps a service in order.
#[derive(Debug)]
pub(super) struct Upkeep {
    pub(super) bus: Bus,
    /// Nothing is remembered by an agent.
    pub(super) knowledge: Option<Knowledge>,
    pub(super) health: Report,
    pub(super) metrics: Metrics,
    pub(super) registry: Arc<Registry>,
    pub(super) in_flight: InFlight,
    pub(super) cleanup_interval: Duration,
}

impl Upkeep {
    /// Works until told to stop.
    ///
    /// # Errors
    /// Never: what fails is told and tried again.
    pub(super) async fn run(self, stop: CancellationToken) -> anyhow::Result<()> {
        let counters = self.registry.counters();
        let mut seen = Stats::default();
        let mut cleaned = Instant::now();
        loop {
            let before = std::mem::replace(&mut seen, counters.stats());
            self.measure(&before, &seen);
            self.judge();
            if let Some(knowledge) = &self.knowledge
                && cleaned.elapsed() >= self.cleanup_interval
            {
                cleaned = Instant::now();
                match tokio::task::block_in_place(|| knowledge.cleanup(Timestamp::now())) {
                    Ok(removed) => tracing::info!(?removed, "expired groups are forgotten"),
                    Err(error) => {
                        tracing::error!(%error, "expired groups cannot be removed; tried again later")
                    }
                }
            }
            tokio::select! {
                () = stop.cancelled() => return Ok(()),
                () = tokio::time::sleep(LOOK_INTERVAL) => {}
            }
        }
    }

    /// Turns what the parts count by themselves into metrics.
    fn measure(&self, before: &Stats, now: &Stats) {
        let metrics = &self.metrics;
        metrics.source_bytes_read.inc_by(now.read_bytes - before.read_bytes);
        metrics.backpressure_seconds.inc_by((now.held_back - before.held_back).as_secs_f64());
        metrics.source_oldest_unacknowledged_seconds.set(self.in_flight.oldest().as_secs_f64());
        metrics.checkpoint_writes.inc_by(now.checkpoint_writes - before.checkpoint_writes);
        metrics.checkpoint_failures.inc_by(now.checkpoint_failures - before.checkpoint_failures);
        metrics.source_unread_bytes.set(gauge(now.unread_bytes));
        metrics.files_tracked.set(gauge(now.files_tracked));
        metrics.files_open.set(gauge(now.files_open));
        for (kind, (now, before)) in Rotation::ALL.iter().zip(now.rotations.iter().zip(before.rotations)) {
            metrics.file_rotations.with_label_values(&[kind.as_str()]).inc_by(now - before);
        }
        for (reason, (now, before)) in Loss::ALL.iter().zip(now.lost.iter().zip(before.lost)) {
            metrics.events_lost.with_label_values(&[reason.as_str()]).inc_by(now.times - before.times);
        }
    }

    /// Reports how the parts stand that tell of it themselves. Nobody else does of these.
    fn judge(&self) {
        let status = self.bus.status();
        self.health.set(Condition::BusFull, status.is_full);
        let is_local = matches!(self.bus, Bus::Embedded(_));
        self.health.set(Condition::BusUnwritable, is_local && status.is_retrying);
        self.health.set(Condition::BrokersUnusable, status.trouble.is_some());
        // It is written when something moves: where nothing was tried, nothing has changed.
        match self.registry.trouble() {
            Some(error) => self.health.failing(Condition::CheckpointsUnwritable, &error),
            None => self.health.fine(Condition::CheckpointsUnwritable),
        }
    }
}

fn gauge(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::parts;
    use crate::bus::Embedded;
    use crate::config::Config;
    use crate::domain::{EventId, FileId, ProducerId};

    fn upkeep(folder: &std::path::Path) -> Upkeep {
        let config = Config::built_in().unwrap();
        let metrics = Metrics::new().unwrap();
        let bus = Embedded::open(&folder.join("bus"), &parts::bus(&config), &metrics).unwrap();
        let knowledge =
            Knowledge::open(&folder.join("knowledge"), &parts::knowledge(&config), &metrics).unwrap();
        Upkeep {
            bus: Bus::Embedded(bus),
            knowledge: Some(knowledge),
            health: Report::new(),
            metrics,
            registry: Arc::new(Registry::open(&folder.join("registry.json")).unwrap()),
            in_flight: InFlight::default(),
            cleanup_interval: Duration::MAX,
        }
    }

    #[test]
    fn what_is_on_its_way_is_measured_though_nobody_hears_of_it() {
        let folder = tempfile::tempdir().unwrap();
        let upkeep = upkeep(folder.path());
        let measured = || {
            upkeep.measure(&Stats::default(), &Stats::default());
            upkeep.metrics.source_oldest_unacknowledged_seconds.get()
        };
        let (producer, file) = (ProducerId::from_bytes([1; 16]), FileId::from_bytes([2; 16]));
        assert_eq!(measured(), 0.0);
        let [first, second] = [1, 2].map(|start| upkeep.in_flight.pending(EventId { producer, file, start }));
        while measured() == 0.0 {}
        first.durable();
        assert!(measured() > 0.0);
        second.durable();
        assert_eq!(measured(), 0.0);
        assert_eq!(upkeep.in_flight.take_durable().len(), 2);
    }

    #[test]
    fn checkpoints_are_counted_and_told_as_the_registry_has_it() {
        let folder = tempfile::tempdir().unwrap();
        let upkeep = upkeep(folder.path());
        let (registry, counters) = (&upkeep.registry, upkeep.registry.counters());
        let readiness = upkeep.health.readiness();
        let mut seen = Stats::default();
        let mut look = || {
            let before = std::mem::replace(&mut seen, counters.stats());
            upkeep.measure(&before, &seen);
            upkeep.judge();
            let is_told = readiness.borrow().iter().any(|reason| reason.part == "collector");
            let metrics = &upkeep.metrics;
            (metrics.checkpoint_writes.get(), metrics.checkpoint_failures.get(), is_told)
        };
        registry.commit(&[], &[]).unwrap();
        assert_eq!(look(), (0, 0, false), "nothing was written");
        let (path, aside) = (folder.path().join("registry.json"), folder.path().join("aside"));
        std::fs::rename(&path, &aside).unwrap();
        std::fs::create_dir(&path).unwrap();
        for _ in 0..2 {
            registry.add_to_outbox(&[]).unwrap_err();
        }
        assert_eq!(look(), (0, 2, true));
        assert_eq!(look(), (0, 2, true), "nothing was tried since");
        std::fs::remove_dir(&path).unwrap();
        std::fs::rename(&aside, &path).unwrap();
        registry.add_to_outbox(&[]).unwrap();
        assert_eq!(look(), (1, 2, false));
    }
}
