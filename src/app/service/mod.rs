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

mod agent;
mod checkpoints;
mod context;
mod core;
mod counting;
mod detect;
mod fleet;
mod followed;
mod health;
mod in_flight;
mod intake;
mod outbox;
mod state_dir;
mod upkeep;
mod workshop;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::parts;
use crate::bus::{Bus, Kafka};
use crate::collector::Counters;
use crate::collector::pipe::Tap;
use crate::config::Config;
use crate::domain::SuggestionRecord;
use crate::knowledge::{self, Knowledge, Shared, View};
use crate::server::NotReady;
use crate::telemetry::metrics::Metrics;

pub use agent::Agent;
pub use state_dir::Error as StateDirError;

use core::{Core, Part};
use fleet::Fleet;
use health::Report;
use intake::Intake;
use workshop::{Limits, Workshop};

/// What a service does of the whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// All of it.
    Whole,
    /// Likewise, and nothing is kept once the program that is watched has ended.
    Passing,
    /// It counts what others have read, and works on it.
    Fixer,
}

/// A running service.
#[derive(Debug)]
pub struct Service {
    core: Core,
    knowledge: Knowledge,
    /// The last change at which every group that may be worked on had been.
    idle: watch::Receiver<u64>,
    /// No further suggestion comes.
    ended: CancellationToken,
    _ends: DropGuard,
}

impl Service {
    /// Takes the state directory, opens what is in it and starts every part. Files are followed where the
    /// role reads and the configuration names some; defects are worked on where it names a repository.
    ///
    /// # Errors
    /// When the state directory is taken, damaged, of a newer version or cannot be written; when there is a
    /// repository and no toolchain or sandbox to prove fixes with.
    pub async fn start(config: &Config, role: Role) -> anyhow::Result<Self> {
        let mut core = Core::open(config).await?;
        let memory = Memory::open(config, &core.bus, &core.metrics)?;
        let knowledge = memory.knowledge().clone();
        let workshop = match &config.repository.path {
            Some(repository) => {
                let health = core.health.clone();
                Some(workshop(config, role, repository.clone(), &knowledge, &core.metrics, health)?)
            }
            None => None,
        };
        let (is_idle, idle) = watch::channel(0);
        if role != Role::Fixer {
            core.read(config)?;
        }
        count(&mut core, config, memory);
        if let Some(workshop) = workshop {
            let stop = core.stop_working.clone();
            core.spawn(Part::Workshop, Arc::new(workshop).run(stop, is_idle));
        }
        core.keep_up(config, Some(knowledge.clone()));
        let ended = CancellationToken::new();
        Ok(Self { core, knowledge, idle, _ends: ended.clone().drop_guard(), ended })
    }

    /// A new source that bytes can be pushed into; none once the service is being stopped.
    #[must_use]
    pub fn tap(&self, name: impl Into<PathBuf>) -> Option<Tap> {
        self.core.tap(name)
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

    /// What carries events.
    #[must_use]
    pub const fn bus(&self) -> &Bus {
        &self.core.bus
    }

    /// What can be measured.
    #[must_use]
    pub const fn metrics(&self) -> &Metrics {
        &self.core.metrics
    }

    /// Why it cannot do its work just now; empty when it can.
    #[must_use]
    pub fn readiness(&self) -> watch::Receiver<Vec<NotReady>> {
        self.core.health.readiness()
    }

    /// What the sources have seen.
    #[must_use]
    pub fn counters(&self) -> Arc<Counters> {
        self.core.registry.counters()
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
        self.core.failed().await
    }

    /// Ends reading, and waits until everything that was read is counted and every group that may be worked
    /// on has been. Streams of suggestions end then, once they have given all. The service must still be
    /// [stopped](Self::stop).
    ///
    /// # Errors
    /// When a part failed.
    pub async fn finish(&mut self) -> anyhow::Result<()> {
        self.core.settle().await?;
        let counted = self.view().subscribe().borrow().changes;
        let mut idle = self.idle.clone();
        tokio::select! {
            error = self.core.failed() => Err(error),
            // The workshop holds the sender: where there is none there is nothing to wait for.
            _ = idle.wait_for(|seen| *seen >= counted) => {
                self.ended.cancel();
                Ok(())
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
        self.core.stop(grace, Some(self.knowledge.clone())).await
    }
}

/// Begins to count what the bus brings.
fn count(core: &mut Core, config: &Config, memory: Memory) {
    let health = core.health.clone();
    match memory {
        Memory::Alone(knowledge) => {
            let intake = Intake { bus: core.bus.clone(), knowledge, health };
            core.spawn(Part::Intake, intake.run());
        }
        Memory::Shared(kafka, shared) => {
            let (group, instance) = (config.bus.kafka.group.clone(), core.registry.producer().to_string());
            let fleet = Fleet { kafka, shared, group, instance, health };
            let stop = core.stop_working.clone();
            core.spawn(Part::Intake, fleet.run(stop));
        }
    }
}

/// What is remembered: by one that is alone, or by one among others.
enum Memory {
    Alone(Knowledge),
    Shared(Kafka, Shared),
}

impl Memory {
    fn open(config: &Config, bus: &Bus, metrics: &Metrics) -> Result<Self, knowledge::Error> {
        let (folder, settings) = (parts::knowledge_dir(config), parts::knowledge(config));
        Ok(match bus {
            Bus::Embedded(_) => Self::Alone(Knowledge::open(&folder, &settings, metrics)?),
            Bus::Kafka(kafka) => Self::Shared(kafka.clone(), Shared::open(&folder, &settings, metrics)?),
        })
    }

    const fn knowledge(&self) -> &Knowledge {
        match self {
            Self::Alone(knowledge) => knowledge,
            Self::Shared(_, shared) => shared.knowledge(),
        }
    }
}

/// A workshop for this repository.
fn workshop(
    config: &Config,
    role: Role,
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
        lasting: role != Role::Passing,
    };
    let (fixer, of) = (parts::fixer(config, metrics)?, (parts::absolute(&repository), reading));
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
