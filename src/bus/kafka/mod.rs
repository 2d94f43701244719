//! Kafka: the bus of many machines.
//!
//! # What is promised, and how
//!
//! - *Publishing* (`publisher`): a message counts as durable when all replicas in sync have it. It is tried until it
//!   is, in the order of its key.
//! - *Consuming* (`consumer`, `membership`, `desk`): partitions are shared out among the members of a group, and
//!   handed over one by one. Each is read from where its consumer says.
//! - *Committing* (`transaction`): messages and positions become visible together, and only from a consumer whose
//!   partitions are still its own.
//! - *Reading* (`reader`): a whole topic without a group, up to a [`Barrier`]; the identities of a stretch.
//! - *Putting back* (`replay`): what was set aside and that it was put back become visible together.
//! - *Topics* (`topics`): made and checked.
//!
//! What goes wrong is told once a kind, with what to do about it (`trouble`).

mod client;
mod config;
mod consumer;
mod desk;
mod membership;
mod outgoing;
mod publisher;
mod reader;
mod record;
mod replay;
pub mod topics;
mod transaction;
mod trouble;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use jiff::Timestamp;

pub use client::check_property;
pub use config::{KafkaConfig, Sasl, Tls, TopicSettings};
pub use consumer::KafkaConsumer;
pub use reader::{Barrier, KafkaReader, KeyedRecord, RangeReader};
pub(super) use replay::Replayer;

use super::{Error, Message, Status, Topic};
use crate::domain::Pending;
use crate::telemetry::metrics::Metrics;
use client::Settings;
use desk::Desk;
use publisher::Publisher;

/// What the key of a mark in a topic begins with; see [`Kafka::barrier`].
pub const BARRIER_PREFIX: &str = "barrier/";
/// What such a mark is.
const BARRIER_TYPE: &str = "hephaestus.barrier.v1";
/// How often brokers are asked that do not answer.
const ASKING_INTERVAL: Duration = Duration::from_secs(1);

/// The bus on Kafka. Clones are the same bus; it is closed when the last is dropped.
#[derive(Clone)]
pub struct Kafka {
    inner: Arc<Inner>,
}

struct Inner {
    settings: Arc<Settings>,
    metrics: Metrics,
    state: Mutex<State>,
}

/// What has been started. A role that only reads has no publisher.
#[derive(Default)]
struct State {
    publisher: Option<Arc<Publisher>>,
    desks: Vec<Weak<Desk>>,
    is_closed: bool,
}

impl Kafka {
    /// A bus on these brokers. Nothing is asked of them yet: they may be away.
    ///
    /// # Errors
    /// [`Error::Config`]: a setting that cannot work.
    pub fn open(config: KafkaConfig, metrics: &Metrics) -> Result<Self, Error> {
        let settings = Arc::new(Settings::new(config)?);
        Ok(Self { inner: Arc::new(Inner { settings, metrics: metrics.clone(), state: Mutex::default() }) })
    }

    pub(super) async fn publish(&self, message: &Message, pending: Pending) -> Result<(), Error> {
        self.inner.publisher()?.publish(message, pending).await
    }

    pub(super) fn consumer(&self, topic: Topic, group: &str) -> Result<KafkaConsumer, Error> {
        let inner = &self.inner;
        let mut state = inner.state();
        if state.is_closed {
            return Err(Error::Closed);
        }
        let consumer = KafkaConsumer::join(&inner.settings, topic, group, &inner.metrics)?;
        state.desks.retain(|desk| desk.strong_count() > 0);
        state.desks.push(Arc::downgrade(consumer.desk()));
        Ok(consumer)
    }

    pub(super) async fn dead_letter(&self, letter: &Message) -> Result<(), Error> {
        self.inner.publisher()?.place(letter, None).await?;
        self.inner.metrics.bus_dead_letters.with_label_values(&["unreadable"]).inc();
        Ok(())
    }

    /// Reads all partitions of a topic, each from an offset, or from its beginning where none is named.
    ///
    /// # Errors
    /// The reader cannot be started.
    pub fn reader(&self, topic: Topic, from: BTreeMap<i32, u64>) -> Result<KafkaReader, Error> {
        KafkaReader::start(&self.inner.settings, topic, from)
    }

    /// Reads the identities of the messages of a partition from one offset up to another, each with its offset.
    /// Messages without one are left out.
    ///
    /// # Errors
    /// The reader cannot be started.
    pub fn read_range(
        &self,
        topic: Topic,
        partition: i32,
        range: std::ops::Range<u64>,
    ) -> Result<RangeReader<(String, u64)>, Error> {
        RangeReader::start(&self.inner.settings, topic, partition, range, record::identity)
    }

    /// How many partitions a topic has. Brokers that do not answer are waited for, and so is a topic that is
    /// missing, which is told.
    ///
    /// # Errors
    /// The bus is closed, or the configuration cannot work.
    pub async fn partitions(&self, topic: Topic) -> Result<i32, Error> {
        loop {
            let settings = Arc::clone(&self.inner.settings);
            let asked = tokio::task::spawn_blocking(move || settings.partitions(topic)).await;
            match asked.map_err(|_| Error::Closed)? {
                // It was told.
                Err(Error::Kafka { .. }) if !self.inner.state().is_closed => {
                    tokio::time::sleep(ASKING_INTERVAL).await;
                }
                Err(Error::Kafka { .. }) => return Err(Error::Closed),
                answer => return answer,
            }
        }
    }

    /// Sets a mark in every partition of a topic, under the key `barrier/NAME`, and tells where they stand. A reader
    /// of the topic meets them as records of that key.
    ///
    /// # Errors
    /// The bus is closed, or the configuration cannot work.
    pub async fn barrier(&self, topic: Topic, name: &str) -> Result<Barrier, Error> {
        let publisher = self.inner.publisher()?;
        let mark = Message {
            topic,
            id: format!("{BARRIER_PREFIX}{name}"),
            key: format!("{BARRIER_PREFIX}{name}"),
            headers: vec![
                ("content-type".to_owned(), "application/json".to_owned()),
                ("ce_type".to_owned(), BARRIER_TYPE.to_owned()),
            ],
            body: br#"{"barrier":true}"#.to_vec(),
            time: Timestamp::now(),
        };
        let marks =
            (0..self.partitions(topic).await?).map(|partition| publisher.place(&mark, Some(partition)));
        let places = futures_util::future::try_join_all(marks).await?;
        Ok(Barrier::new(places.into_iter().collect()))
    }

    pub(super) fn status(&self) -> Status {
        let state = self.inner.state();
        let trouble = self.inner.settings.watch.trouble();
        let publisher = state.publisher.as_ref();
        Status {
            queued_bytes: publisher.map_or(0, |publisher| publisher.queued_bytes()),
            retries: publisher.map_or(0, |publisher| publisher.retries()),
            lag: state.desks.iter().filter_map(Weak::upgrade).map(|desk| desk.lag()).sum(),
            is_full: false,
            is_retrying: trouble.is_some() || publisher.is_some_and(|publisher| publisher.is_mending()),
            trouble: trouble.map(|trouble| trouble.to_string()),
        }
    }

    pub(super) async fn close(&self) {
        let publisher = self.inner.shut();
        // Stopping waits for the brokers. Where the runtime is shutting down, dropping does the same.
        let stop = move || publisher.map(|publisher| publisher.stop());
        drop(tokio::task::spawn_blocking(stop).await);
    }
}

impl Inner {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What publishes, started where it was not.
    fn publisher(&self) -> Result<Arc<Publisher>, Error> {
        let mut state = self.state();
        if state.is_closed {
            return Err(Error::Closed);
        }
        if let Some(publisher) = &state.publisher {
            return Ok(Arc::clone(publisher));
        }
        let publisher = Arc::new(Publisher::start(Arc::clone(&self.settings), &self.metrics)?);
        state.publisher = Some(Arc::clone(&publisher));
        Ok(publisher)
    }

    /// Ends consumers, and takes no more; gives what is to be stopped.
    fn shut(&self) -> Option<Arc<Publisher>> {
        let mut state = self.state();
        state.is_closed = true;
        state.desks.drain(..).filter_map(|desk| desk.upgrade()).for_each(|desk| desk.close());
        state.publisher.take()
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.shut();
    }
}

impl std::fmt::Debug for Kafka {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Kafka").field("brokers", &self.inner.settings.config.brokers).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
