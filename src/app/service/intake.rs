//! The bus → knowledge: occurrences are counted, each once.

use anyhow::Context as _;
use jiff::Timestamp;

use super::counting;
use super::health::{Condition, Report};
use crate::bus::{self, Assignment, Bus, CommitError, Consumer, Delivery, Topic, Turn};
use crate::knowledge::{self, Knowledge, Position};

/// The name under which positions are committed.
const GROUP: &str = "hephaestus-fixer";
/// Messages and bytes that are counted in one synced write.
const BATCH_MESSAGES: usize = 512;
const BATCH_BYTES: usize = 2 << 20;

/// Why counting cannot go on.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error("the bus cannot be written")]
    Bus(#[from] bus::Error),
    #[error("positions cannot be committed")]
    Commit(#[from] CommitError),
    #[error("knowledge cannot be used")]
    Knowledge(#[from] knowledge::Error),
}

/// Counts what the bus brings.
#[derive(Debug)]
pub(super) struct Intake {
    pub(super) bus: Bus,
    pub(super) knowledge: Knowledge,
    pub(super) health: Report,
}

impl Intake {
    /// Works until the bus ends.
    ///
    /// # Errors
    /// When the bus or knowledge is damaged.
    pub(super) async fn run(self) -> anyhow::Result<()> {
        let mut consumer = match self.bus.consumer(Topic::Errors, GROUP).await {
            Err(bus::Error::Closed) => return Ok(()),
            joined => joined.context("the bus cannot be read")?,
        };
        self.health.set(Condition::Starting, false);
        loop {
            let batch = match consumer.next(BATCH_MESSAGES, BATCH_BYTES).await {
                Ok(Turn::Messages(batch)) => batch,
                Ok(Turn::Assigned(assignments)) => match self.start(&mut consumer, assignments).await {
                    Err(Failure::Bus(bus::Error::Closed)) => return Ok(()),
                    started => {
                        started?;
                        continue;
                    }
                },
                Ok(Turn::Revoked(_)) => continue,
                Err(bus::Error::Closed) => return Ok(()),
                Err(error) => return Err(error).context("the bus cannot be read"),
            };
            for part in batch.chunk_by(|one, next| one.partition == next.partition) {
                let Some(last) = part.last() else { continue };
                let counted = async {
                    self.count(part).await?;
                    Ok(consumer.commit(&[last.position()], &[]).await?)
                };
                match counted.await {
                    // What was not committed is recognised when it comes again.
                    Err(
                        Failure::Bus(bus::Error::Closed)
                        | Failure::Commit(CommitError::Bus(bus::Error::Closed)),
                    ) => {
                        return Ok(());
                    }
                    counted => counted?,
                }
            }
        }
    }

    /// Begins to read. Knowledge wrote its position together with the counts, so that is what holds.
    async fn start(&self, consumer: &mut Consumer, assignments: Vec<Assignment>) -> Result<(), Failure> {
        for Assignment { partition, committed } in assignments {
            let remembered = self.knowledge.view().position(Topic::Errors.name(), partition).ok().flatten();
            let next = remembered.or(committed).unwrap_or_default();
            consumer.start(bus::Position { partition, next }).await?;
        }
        Ok(())
    }

    /// Counts messages of one partition. What cannot be read is set aside first, so that it is never lost.
    async fn count(&self, part: &[Delivery]) -> Result<(), Failure> {
        let Some(last) = part.last() else { return Ok(()) };
        let (arrivals, unreadable) = counting::read(part);
        for (delivery, reason) in unreadable {
            self.bus.dead_letter(delivery.clone(), &reason, Timestamp::now()).await?;
        }
        let position = last.position();
        let position = Position {
            topic: Topic::Errors.name().to_owned(),
            partition: position.partition,
            next: position.next,
        };
        let apply = || self.knowledge.apply(&position, arrivals.clone(), Timestamp::now());
        counting::insist(&self.health, apply).await?;
        Ok(())
    }
}
