//! What counting is on every bus: messages become arrivals, and knowledge takes them in the end.

use std::time::Duration;

use tokio::task;

use super::health::{Condition, Report};
use crate::app::wire;
use crate::bus::Delivery;
use crate::knowledge::{self, Arrival};

/// How long to wait before something is tried again.
const RETRY_INTERVAL: Duration = Duration::from_millis(500);

/// Does something with knowledge, again and again while its disk is full or away: meanwhile the bus keeps
/// everything.
pub(super) async fn insist<T>(
    health: &Report,
    act: impl Fn() -> Result<T, knowledge::Error>,
) -> Result<T, knowledge::Error> {
    loop {
        match task::block_in_place(&act) {
            Err(error) if error.is_retryable() => {
                health.failing(Condition::CountsUnwritable, &error);
                tokio::time::sleep(RETRY_INTERVAL).await;
            }
            done => {
                health.fine(Condition::CountsUnwritable);
                return done;
            }
        }
    }
}

/// What messages tell, and those that cannot be read, with the reason: they are to be set aside.
pub(super) fn read(part: &[Delivery]) -> (Vec<Arrival>, Vec<(&Delivery, String)>) {
    let (mut arrivals, mut unreadable) = (Vec::with_capacity(part.len()), Vec::new());
    for delivery in part {
        match wire::error::decode(&delivery.message) {
            Ok(occurrences) => arrivals.push(Arrival { offset: delivery.offset, occurrences }),
            Err(error) => {
                let (partition, offset) = (delivery.partition, delivery.offset);
                tracing::error!(partition, offset, %error, "a message cannot be read; it is set aside");
                unreadable.push((delivery, error.to_string()));
            }
        }
    }
    (arrivals, unreadable)
}
