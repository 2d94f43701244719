//! Dead letters: those on Kafka; or those of the embedded bus, asked of the instance that runs in the state directory,
//! and read there directly when none does.

use std::sync::Arc;

use futures_util::FutureExt as _;

use super::parts;
use crate::bus::{self, Bus, DeadLetters, Embedded, Kafka};
use crate::config::{BusKind, Config};
use crate::domain::{LetterList, ReplayOrder, ReplayReport};
use crate::server::{Answer, Client, ClientError, Letters, Limit};
use crate::telemetry::metrics::{self, Metrics};

/// Why nothing could be done with dead letters.
#[derive(Debug, thiserror::Error)]
pub enum LettersError {
    /// The running instance did not answer.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// The bus cannot be read or written.
    #[error(transparent)]
    Bus(#[from] bus::Error),
    /// The metrics of this command cannot be set up.
    #[error(transparent)]
    Metrics(#[from] metrics::Error),
    /// It is of an earlier version.
    #[error("the running instance keeps no dead letters that it tells of: is it of an earlier version?")]
    Untold,
}

/// The latest dead letters, and how many there are.
///
/// # Errors
/// They cannot be read.
pub async fn list(config: &Config, limit: Limit) -> Result<LetterList, LettersError> {
    if let Some(kafka) = on_kafka(config)? {
        return Ok(kafka.list(limit.get()).await?);
    }
    match Client::reach(&config.state_dir).await? {
        Some(client) => client.dead_letters(limit).await?.ok_or(LettersError::Untold),
        None => Ok(DeadLetters::stored(&parts::bus_dir(config))?.list(limit.get()).await?),
    }
}

/// Puts dead letters back onto the topics that they were meant for.
///
/// # Errors
/// They cannot be read or put back. What was put back before is marked, and is not put back again.
pub async fn replay(config: &Config, order: ReplayOrder) -> Result<ReplayReport, LettersError> {
    if let Some(kafka) = on_kafka(config)? {
        return in_parts(order, async |order| Ok(kafka.replay(&order).await?)).await;
    }
    if let Some(client) = Client::reach(&config.state_dir).await? {
        let ask = async |order: ReplayOrder| client.replay(&order).await?.ok_or(LettersError::Untold);
        return in_parts(order, ask).await;
    }
    let folder = parts::bus_dir(config);
    // Where there is no bus, none is made.
    let stored = DeadLetters::stored(&folder)?;
    if order.dry_run {
        return Ok(stored.replay(&order).await?);
    }
    drop(stored);
    let bus = Bus::Embedded(Embedded::open(&folder, &parts::bus(config), &Metrics::new()?)?);
    let letters = DeadLetters::of(&bus);
    let report = in_parts(order, async |order| Ok(letters.replay(&order).await?)).await;
    bus.close().await;
    report
}

/// Gives an order again and again, until nothing is left to do of it.
async fn in_parts(
    order: ReplayOrder,
    carry_out: impl AsyncFn(ReplayOrder) -> Result<ReplayReport, LettersError>,
) -> Result<ReplayReport, LettersError> {
    let mut report = carry_out(order.clone()).await?;
    while let Some(within) = report.rest.take() {
        report.go_on(carry_out(ReplayOrder { within: Some(within), ..order.clone() }).await?);
    }
    Ok(report)
}

/// Those on Kafka, where that is the bus.
fn on_kafka(config: &Config) -> Result<Option<DeadLetters>, LettersError> {
    if config.bus.kind == BusKind::Embedded {
        return Ok(None);
    }
    let kafka = Kafka::open(parts::kafka(config, "dlq".to_owned()), &Metrics::new()?)?;
    Ok(Some(DeadLetters::of(&Bus::Kafka(kafka))))
}

/// The dead letters of the bus of this instance, for its server.
pub(super) fn kept(bus: &Bus) -> Arc<dyn Letters> {
    Arc::new(Kept(Arc::new(DeadLetters::of(bus))))
}

struct Kept(Arc<DeadLetters>);

impl Letters for Kept {
    fn list(&self, limit: Limit) -> Answer<LetterList> {
        let letters = Arc::clone(&self.0);
        async move { Ok(letters.list(limit.get()).await?) }.boxed()
    }

    fn replay(&self, order: ReplayOrder) -> Answer<ReplayReport> {
        let letters = Arc::clone(&self.0);
        async move { Ok(letters.replay(&order).await?) }.boxed()
    }
}
