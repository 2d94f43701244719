//! What carries events: messages in topics, kept until every group of consumers is done with them.
//!
//! # The promise
//!
//! A message is published with a [`Pending`]. The bus settles it as durable once the message would
//! survive a power cut, and not before; where that never happens, the promise is dropped and so refused.
//! A consumer may see a message again (after a crash, or where a failed write turns out to have worked),
//! in order and with the same id; it never misses one.
//!
//! # The shape
//!
//! [`Bus`] is an enum over the engines and says what they have in common:
//!
//! - A [`Topic`] has partitions, a partition has offsets. The embedded engine has one partition, 0.
//! - A group of consumers has a [`Position`] in each partition: the offset of the next message to read.
//!   The bus keeps what was committed. A consumer that keeps its position with its own state, so that
//!   both change at once, tells it when it starts, and that is what counts.
//! - [`Bus::publish`] waits for room in a queue of limited bytes: that is the back-pressure.
//! - What a consumer cannot read goes to [`Topic::DeadLetters`], with where it came from and why.
//!
//! Only the embedded engine is here: see [`Embedded`].

mod embedded;
mod error;
mod message;
mod topic;

use jiff::Timestamp;

pub use embedded::{Config, Embedded, EmbeddedConsumer, GroupStatus, Status, TopicStatus};
pub use error::Error;
pub use message::{Delivery, Message, Position};
pub use topic::Topic;

use crate::domain::Pending;
pub use crate::storage::DatabaseError;

/// What carries events.
#[derive(Debug, Clone)]
pub enum Bus {
    /// In this process, on a RocksDB of its own.
    Embedded(Embedded),
}

impl Bus {
    /// Publishes a message: waits until the queue has room for it and leaves it there. Messages
    /// published one after the other keep their order. `pending` is settled when the message is durable;
    /// a failed write is repeated for as long as the bus lives.
    ///
    /// # Errors
    /// [`Error::Closed`]: nothing was published, and `pending` is refused.
    pub async fn publish(&self, message: &Message, pending: Pending) -> Result<(), Error> {
        match self {
            Self::Embedded(bus) => bus.publish(message, pending).await,
        }
    }

    /// Joins a group of consumers of a topic. `remembered` tells the position a partition was read up to,
    /// by the consumer's own record; where it tells none, the group goes on where it committed last, and
    /// a new group starts with the oldest message.
    ///
    /// # Errors
    /// [`Error::Closed`].
    pub async fn consumer(
        &self,
        topic: Topic,
        group: &str,
        remembered: impl Fn(i32) -> Option<u64> + Send + Sync + 'static,
    ) -> Result<Consumer, Error> {
        match self {
            Self::Embedded(bus) => bus.consumer(topic, group, remembered(0)).await.map(Consumer::Embedded),
        }
    }

    /// Sets a message aside that its consumer cannot read, and returns once that is durable: then its
    /// position may be committed. This works also where the bus has no room for anything else.
    ///
    /// # Errors
    /// [`Error::Closed`].
    pub async fn dead_letter(&self, delivery: Delivery, reason: &str, now: Timestamp) -> Result<(), Error> {
        match self {
            Self::Embedded(bus) => bus.dead_letter(&delivery.into_dead_letter(reason, now)).await,
        }
    }

    /// Writes what is queued, once and without repeating a failure, and ends. What cannot be written is
    /// refused. Consumers end too.
    pub async fn close(&self) {
        match self {
            Self::Embedded(bus) => bus.close().await,
        }
    }

    /// Ends as if the power had been cut: what is queued is refused.
    #[cfg(test)]
    pub(crate) async fn cut(&self) {
        match self {
            Self::Embedded(bus) => bus.cut().await,
        }
    }
}

/// A member of a group of consumers. It reads on from its own position; what it commits is for its
/// successors, and lets the bus delete what nobody needs any more.
#[derive(Debug)]
pub enum Consumer {
    /// Of the embedded engine.
    Embedded(EmbeddedConsumer),
}

impl Consumer {
    /// The next messages: waits for the first, and takes what is there up to a number and a number of
    /// bytes, but at least one. Dropping the future loses nothing.
    ///
    /// # Errors
    /// [`Error::Closed`], or a damaged database.
    pub async fn next_batch(&mut self, max_count: usize, max_bytes: usize) -> Result<Vec<Delivery>, Error> {
        match self {
            Self::Embedded(consumer) => consumer.next_batch(max_count, max_bytes).await,
        }
    }

    /// Remembers how far the group has come, and returns once that is durable.
    ///
    /// # Errors
    /// [`Error::Closed`].
    pub async fn commit(&self, position: Position) -> Result<(), Error> {
        match self {
            Self::Embedded(consumer) => consumer.commit(position).await,
        }
    }
}

#[cfg(test)]
mod tests;
