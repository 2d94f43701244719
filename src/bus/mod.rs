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
//! Who reads, and where it begins: a [`Consumer`] is told in [turns](Turn) which partitions are its own and what
//! they hold. It begins to read one where it says, since it may remember more than it has committed.
//!
//! The engines are [`Embedded`], in this process, and [`Kafka`].

mod embedded;
mod error;
pub mod kafka;
mod letters;
mod message;
mod topic;
mod turn;

use jiff::Timestamp;

pub use embedded::{Config, Embedded, EmbeddedConsumer, EmbeddedStatus, GroupStatus, TopicStatus};
pub use error::Error;
pub use kafka::{Kafka, KafkaConsumer};
pub use letters::DeadLetters;
pub use message::{Delivery, Message, Position};
pub use topic::Topic;
pub use turn::{Assignment, CommitError, Revocation, Status, Turn};

use crate::domain::Pending;
pub use crate::storage::DatabaseError;

/// What carries events.
#[derive(Debug, Clone)]
pub enum Bus {
    /// In this process, on a RocksDB of its own.
    Embedded(Embedded),
    /// A Kafka cluster.
    Kafka(Kafka),
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
            Self::Kafka(bus) => bus.publish(message, pending).await,
        }
    }

    /// Joins a group of consumers of a topic.
    ///
    /// # Errors
    /// [`Error::Closed`], or a configuration that cannot work.
    pub async fn consumer(&self, topic: Topic, group: &str) -> Result<Consumer, Error> {
        match self {
            Self::Embedded(bus) => bus.consumer(topic, group).await.map(Consumer::Embedded),
            Self::Kafka(bus) => bus.consumer(topic, group).map(Consumer::Kafka),
        }
    }

    /// Sets a message aside that its consumer cannot read, and returns once that is durable: then its
    /// position may be committed. This works also where the bus has no room for anything else.
    ///
    /// # Errors
    /// [`Error::Closed`].
    pub async fn dead_letter(&self, delivery: Delivery, reason: &str, now: Timestamp) -> Result<(), Error> {
        let letter = delivery.into_dead_letter(reason, now);
        match self {
            Self::Embedded(bus) => bus.dead_letter(&letter).await,
            Self::Kafka(bus) => bus.dead_letter(&letter).await,
        }
    }

    /// How it stands.
    #[must_use]
    pub fn status(&self) -> Status {
        match self {
            Self::Embedded(bus) => bus.status().into(),
            Self::Kafka(bus) => bus.status(),
        }
    }

    /// Writes what is queued, once and without repeating a failure, and ends. What cannot be written is
    /// refused. Consumers end too.
    pub async fn close(&self) {
        match self {
            Self::Embedded(bus) => bus.close().await,
            Self::Kafka(bus) => bus.close().await,
        }
    }

    /// Ends as if the power had been cut: what is queued is refused.
    #[cfg(test)]
    pub(crate) async fn cut(&self) {
        match self {
            Self::Embedded(bus) => bus.cut().await,
            // What its brokers have not acknowledged is refused in any case.
            Self::Kafka(bus) => bus.close().await,
        }
    }
}

/// A member of a group of consumers. It reads on from its own position; what it commits is for its
/// successors, and lets the embedded bus delete what nobody needs any more.
#[derive(Debug)]
pub enum Consumer {
    /// Of the embedded engine.
    Embedded(EmbeddedConsumer),
    /// Of Kafka.
    Kafka(KafkaConsumer),
}

impl Consumer {
    /// Waits for what comes next. Messages are as many as there are, up to a number and a number of bytes, but at
    /// least one. Dropping the future loses nothing.
    ///
    /// # Errors
    /// [`Error::Closed`], a damaged database, or a failure of the consumer that only a new one can mend.
    pub async fn next(&mut self, max_count: usize, max_bytes: usize) -> Result<Turn, Error> {
        match self {
            Self::Embedded(consumer) => consumer.next(max_count, max_bytes).await,
            Self::Kafka(consumer) => consumer.next(max_count, max_bytes).await,
        }
    }

    /// Begins to read a partition of its own at an offset, or reads on from there. An offset that the partition
    /// does not hold, because it was deleted by now or never was, means the oldest message.
    ///
    /// # Errors
    /// [`Error::Closed`].
    pub async fn start(&mut self, at: Position) -> Result<(), Error> {
        match self {
            Self::Embedded(consumer) => consumer.start(at).await,
            Self::Kafka(consumer) => consumer.start(at),
        }
    }

    /// Remembers how far the group has come, and returns once that is durable. `messages` are published with
    /// it: on Kafka all of it happens or nothing, and only where the partitions are still this consumer's;
    /// on the embedded bus the messages are durable before the positions are.
    ///
    /// # Errors
    /// [`CommitError::Fenced`]: others own the partitions, nothing was written. Else that the bus is closed.
    pub async fn commit(&self, positions: &[Position], messages: &[Message]) -> Result<(), CommitError> {
        match self {
            Self::Embedded(consumer) => consumer.commit(positions, messages).await,
            Self::Kafka(consumer) => consumer.commit(positions, messages).await,
        }
    }
}

#[cfg(test)]
mod tests;
