//! The bus → knowledge: occurrences are counted, each once.

use std::time::Duration;

use anyhow::Context as _;
use jiff::Timestamp;

use super::health::{Condition, Report};
use super::wire;
use crate::bus::{self, Bus, Delivery, Topic};
use crate::knowledge::{self, Arrival, Knowledge, Position};

/// The name under which positions are committed.
const GROUP: &str = "hephaestus-fixer";
/// Messages and bytes that are counted in one synced write.
const BATCH_MESSAGES: usize = 512;
const BATCH_BYTES: usize = 2 << 20;
/// How long to wait before a write is tried again.
const RETRY_INTERVAL: Duration = Duration::from_millis(500);

/// Why counting cannot go on.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error("the bus cannot be written")]
    Bus(#[from] bus::Error),
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
        let view = self.knowledge.clone();
        // Knowledge wrote its position together with the counts, so that is what holds.
        let remembered =
            move |partition| view.view().position(Topic::Errors.name(), partition).ok().flatten();
        let mut consumer = match self.bus.consumer(Topic::Errors, GROUP, remembered).await {
            Err(bus::Error::Closed) => return Ok(()),
            joined => joined.context("the bus cannot be read")?,
        };
        self.health.set(Condition::Starting, false);
        loop {
            let batch = match consumer.next_batch(BATCH_MESSAGES, BATCH_BYTES).await {
                Ok(batch) => batch,
                Err(bus::Error::Closed) => return Ok(()),
                Err(error) => return Err(error).context("the bus cannot be read"),
            };
            for part in batch.chunk_by(|one, next| one.partition == next.partition) {
                let Some(last) = part.last() else { continue };
                let counted = async {
                    self.count(part).await?;
                    Ok(consumer.commit(last.position()).await?)
                };
                match counted.await {
                    // What was not committed is recognised when it comes again.
                    Err(Failure::Bus(bus::Error::Closed)) => return Ok(()),
                    counted => counted?,
                }
            }
        }
    }

    /// Counts messages of one partition. What cannot be read is set aside first, so that it is never lost.
    async fn count(&self, part: &[Delivery]) -> Result<(), Failure> {
        let Some(last) = part.last() else { return Ok(()) };
        let mut arrivals = Vec::with_capacity(part.len());
        for delivery in part {
            match wire::decode(&delivery.message) {
                Ok(occurrences) => arrivals.push(Arrival { offset: delivery.offset, occurrences }),
                Err(error) => {
                    tracing::error!(offset = delivery.offset, %error, "a message cannot be read; it is set aside");
                    let reason = error.to_string();
                    self.bus.dead_letter(delivery.clone(), &reason, Timestamp::now()).await?;
                }
            }
        }
        let position = last.position();
        let position = Position {
            topic: Topic::Errors.name().to_owned(),
            partition: position.partition,
            next: position.next,
        };
        self.apply(&position, arrivals).await
    }

    /// Counts, and tries again for as long as the disk is full or away: meanwhile the bus keeps everything.
    async fn apply(&self, position: &Position, arrivals: Vec<Arrival>) -> Result<(), Failure> {
        loop {
            let batch = arrivals.clone();
            let applied =
                tokio::task::block_in_place(|| self.knowledge.apply(position, batch, Timestamp::now()));
            match applied {
                Err(error) if error.is_retryable() => {
                    self.health.failing(Condition::CountsUnwritable, &error);
                    tokio::time::sleep(RETRY_INTERVAL).await;
                }
                applied => {
                    self.health.fine(Condition::CountsUnwritable);
                    return Ok(applied.map(drop)?);
                }
            }
        }
    }
}
