//! The embedded engine: a RocksDB of its own and one thread that writes to it.
//!
//! # One write after the other
//!
//! What is published waits in a queue of limited bytes. The writer takes what is there, up to a
//! mebibyte, and commits it in one batch that is synced; what comes meanwhile is the next batch. So the
//! cost of syncing is shared when there is much to do, and one message waits for one sync only. Promises
//! are settled and consumers woken after the sync, never before.
//!
//! A batch that cannot be written is written again, the same bytes under the same offsets, after the
//! database was opened anew, with growing pauses, until it succeeds or the bus is closed. Meanwhile the
//! queue fills and publishing waits.
//!
//! # What is kept
//!
//! See [`Config`] and `ledger`. At the limit of bytes the writer leaves what is published in the queue;
//! commits and dead letters have a way of their own, since they are what makes room again.
//!
//! The disk may be smaller than that limit, or others may fill it. Where it has hardly more space than the
//! database needs to work, and before a batch that did not fit is written again, half of what there is goes, as
//! far as groups are done with it. What they are not done with stays, and publishing waits for space.
//!
//! A topic that no group has ever joined is bounded by its age and size alone, so the consumers of a
//! topic join before anything is published to it.

mod config;
mod consumer;
mod ledger;
mod shelf;
mod store;
mod writer;

use std::collections::VecDeque;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot, watch};

pub use config::Config;
pub use consumer::EmbeddedConsumer;
pub(super) use shelf::Shelf;

use super::{Error, Message, Status, Topic};
use crate::domain::{Pending, Settlement};
use crate::storage::Database;
use crate::telemetry::metrics::Metrics;
use ledger::{Bounds, Ledger};

/// The one partition.
const PARTITION: i32 = 0;
/// What a queued message costs beside its bytes.
const OVERHEAD: usize = 128;

/// The embedded bus. Clones are the same bus; it is closed when the last is dropped.
#[derive(Debug, Clone)]
pub struct Embedded {
    inner: Arc<Inner>,
}

struct Inner {
    shared: Arc<Shared>,
    writer: Mutex<Option<JoinHandle<()>>>,
}

/// What the writer, publishers and consumers have in common.
struct Shared {
    database: Database,
    bounds: Bounds,
    /// How many bytes the queue takes.
    capacity: u32,
    room: Arc<Semaphore>,
    inbox: Mutex<Inbox>,
    wake: Condvar,
    /// What is durable. Only the writer changes it.
    ledger: Mutex<Arc<Ledger>>,
    /// Tells consumers that the ledger has changed.
    news: watch::Sender<News>,
    is_full: AtomicBool,
    is_retrying: AtomicBool,
    metrics: Metrics,
}

/// What waits for the writer.
#[derive(Default)]
struct Inbox {
    published: VecDeque<Publication>,
    orders: VecDeque<Order>,
    closing: bool,
}

/// A message on its way, with its place in the queue.
struct Publication {
    topic: Topic,
    value: Vec<u8>,
    pending: Pending,
    since: Instant,
    _room: Option<OwnedSemaphorePermit>,
}

/// What is done at once, whether or not there is room for messages.
enum Order {
    Write(Publication),
    Commit { topic: Topic, group: String, at: Commit, done: oneshot::Sender<u64> },
}

impl Inbox {
    /// Takes nothing more, and gives what waits: it is refused when it is dropped.
    fn refuse(&mut self) -> Self {
        std::mem::replace(self, Self { closing: true, ..Self::default() })
    }

    /// Takes the commits and leaves the rest.
    fn take_commits(&mut self) -> Vec<(Topic, String, Commit, oneshot::Sender<u64>)> {
        let mut commits = Vec::new();
        for order in std::mem::take(&mut self.orders) {
            match order {
                Order::Commit { topic, group, at, done } => commits.push((topic, group, at, done)),
                other @ Order::Write(_) => self.orders.push_back(other),
            }
        }
        commits
    }
}

/// Where a group stands.
enum Commit {
    /// It joins, and this is what it remembers.
    Join(Option<u64>),
    /// It is done with everything below.
    Below(u64),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum News {
    /// So many times something has changed.
    Changed(u64),
    Closed,
}

impl Embedded {
    /// Opens the bus in a folder; creates it where there is none.
    ///
    /// # Errors
    /// The database is in use, damaged, of a newer version, or cannot be written.
    pub fn open(folder: &Path, config: &Config, metrics: &Metrics) -> Result<Self, Error> {
        let database = Database::open(folder, &store::SCHEMA)?;
        let ledger = store::load(&database)?;
        let capacity = u32::try_from(config.max_queue_bytes).unwrap_or(u32::MAX).clamp(1, 1 << 28);
        let shared = Arc::new(Shared {
            database,
            bounds: Bounds { bytes: config.retention_bytes, age: config.retention_period.as_secs() },
            capacity,
            room: Arc::new(Semaphore::new(capacity as usize)),
            inbox: Mutex::default(),
            wake: Condvar::new(),
            ledger: Mutex::new(Arc::new(ledger)),
            news: watch::Sender::new(News::Changed(0)),
            is_full: false.into(),
            is_retrying: false.into(),
            metrics: metrics.clone(),
        });
        let of_writer = Arc::clone(&shared);
        let writer = std::thread::Builder::new()
            .name("bus".into())
            .spawn(move || writer::run(&of_writer))
            .map_err(Error::Thread)?;
        Ok(Self { inner: Arc::new(Inner { shared, writer: Mutex::new(Some(writer)) }) })
    }

    pub(super) async fn publish(&self, message: &Message, pending: Pending) -> Result<(), Error> {
        let shared = &self.inner.shared;
        let since = Instant::now();
        let value = message.encode();
        let cost = u32::try_from(value.len() + OVERHEAD).unwrap_or(u32::MAX).min(shared.capacity);
        let room = Arc::clone(&shared.room).acquire_many_owned(cost).await.map_err(|_| Error::Closed)?;
        let publication = Publication { topic: message.topic, value, pending, since, _room: Some(room) };
        shared.hand_over(|inbox| inbox.published.push_back(publication))?;
        shared.gauge();
        Ok(())
    }

    pub(super) async fn dead_letter(&self, message: &Message) -> Result<(), Error> {
        self.inner.shared.write(message).await
    }

    pub(super) async fn consumer(&self, topic: Topic, group: &str) -> Result<EmbeddedConsumer, Error> {
        let shared = &self.inner.shared;
        // From now on nothing is deleted that the group needs.
        let committed = shared.commit(topic, group, Commit::Join(None)).await?;
        Ok(EmbeddedConsumer::new(Arc::clone(shared), topic, group.to_owned(), committed))
    }

    pub(super) async fn close(&self) {
        let inner = Arc::clone(&self.inner);
        // Joining waits for the disk. Where the runtime is shutting down, dropping does the same.
        drop(tokio::task::spawn_blocking(move || inner.stop()).await);
    }

    #[cfg(test)]
    pub(super) async fn cut(&self) {
        let left = self.inner.shared.inbox().refuse();
        drop(left);
        self.close().await;
    }

    /// How it stands.
    #[must_use]
    pub fn status(&self) -> EmbeddedStatus {
        let shared = &self.inner.shared;
        let ledger = shared.ledger();
        let topics = ledger.logs().map(|(topic, log)| TopicStatus {
            topic,
            head: log.head(),
            end: log.end,
            groups: log
                .groups
                .iter()
                .map(|(name, next)| GroupStatus { name: name.clone(), lag: log.end - next })
                .collect(),
        });
        EmbeddedStatus {
            queued_bytes: shared.queued_bytes(),
            stored_bytes: ledger.bytes(),
            retries: shared.metrics.bus_retried.get(),
            is_full: shared.is_full.load(Ordering::Relaxed),
            is_retrying: shared.is_retrying.load(Ordering::Relaxed),
            topics: topics.collect(),
        }
    }
}

/// How the embedded bus stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EmbeddedStatus {
    /// The bytes that wait to be written.
    pub queued_bytes: u64,
    /// The bytes of the messages on disk.
    pub stored_bytes: u64,
    /// How often a batch had to be written again.
    pub retries: u64,
    /// Whether publishing waits until consumers have made room on disk.
    pub is_full: bool,
    /// Whether a batch that could not be written waits to be written again.
    pub is_retrying: bool,
    /// Every topic that was ever used.
    pub topics: Vec<TopicStatus>,
}

impl From<EmbeddedStatus> for Status {
    fn from(status: EmbeddedStatus) -> Self {
        Self {
            queued_bytes: status.queued_bytes,
            retries: status.retries,
            lag: status.topics.iter().flat_map(|topic| &topic.groups).map(|group| group.lag).sum(),
            is_full: status.is_full,
            is_retrying: status.is_retrying,
            trouble: None,
        }
    }
}

/// How a topic stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicStatus {
    /// Which.
    pub topic: Topic,
    /// The offset of the oldest message that is kept.
    pub head: u64,
    /// The offset of the next message.
    pub end: u64,
    /// The groups that read it.
    pub groups: Vec<GroupStatus>,
}

/// How a group of consumers stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupStatus {
    /// Its name.
    pub name: String,
    /// How many messages it has not committed yet.
    pub lag: u64,
}

impl Shared {
    /// Puts something into the inbox, unless the bus is closing.
    fn hand_over(&self, put: impl FnOnce(&mut Inbox)) -> Result<(), Error> {
        let mut inbox = self.inbox();
        if inbox.closing {
            return Err(Error::Closed);
        }
        put(&mut inbox);
        drop(inbox);
        self.wake.notify_one();
        Ok(())
    }

    /// Writes a message, whether or not there is room for it, and returns once it is durable.
    async fn write(&self, message: &Message) -> Result<(), Error> {
        self.write_together(std::slice::from_ref(message)).await?;
        if message.topic == Topic::DeadLetters {
            self.metrics.bus_dead_letters.with_label_values(&["unreadable"]).inc();
        }
        Ok(())
    }

    /// Likewise for several, in one batch: all become durable or none.
    async fn write_together(&self, messages: &[Message]) -> Result<(), Error> {
        let mut orders = VecDeque::with_capacity(messages.len());
        let mut settled = Vec::with_capacity(messages.len());
        for message in messages {
            let (sender, receiver) = oneshot::channel();
            let pending = Pending::new(move |settlement| {
                // Where nobody waits for it any more, nobody needs to know.
                sender.send(settlement).ok();
            });
            let (topic, value) = (message.topic, message.encode());
            orders.push_back(Order::Write(Publication {
                topic,
                value,
                pending,
                since: Instant::now(),
                _room: None,
            }));
            settled.push(receiver);
        }
        // The writer takes all orders that are there.
        self.hand_over(|inbox| inbox.orders.append(&mut orders))?;
        for receiver in settled {
            match receiver.await {
                Ok(Settlement::Durable) => {}
                Ok(Settlement::Refused) | Err(_) => return Err(Error::Closed),
            }
        }
        Ok(())
    }

    /// Changes where a group stands and tells where that is, once it is durable.
    async fn commit(&self, topic: Topic, group: &str, at: Commit) -> Result<u64, Error> {
        let (done, committed) = oneshot::channel();
        let order = Order::Commit { topic, group: group.to_owned(), at, done };
        self.hand_over(|inbox| inbox.orders.push_back(order))?;
        committed.await.map_err(|_| Error::Closed)
    }

    fn inbox(&self) -> MutexGuard<'_, Inbox> {
        self.inbox.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn ledger(&self) -> Arc<Ledger> {
        Arc::clone(&self.ledger.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn queued_bytes(&self) -> u64 {
        u64::from(self.capacity) - self.room.available_permits() as u64
    }

    /// Shows how much waits.
    fn gauge(&self) {
        self.metrics.bus_queue_bytes.set(self.queued_bytes().cast_signed());
        let lag = self.ledger().lag();
        self.metrics.consumer_lag.set(lag.cast_signed());
    }

    /// Tells consumers to look again.
    fn announce(&self) {
        self.news.send_modify(|news| {
            if let News::Changed(count) = news {
                *count = count.wrapping_add(1);
            }
        });
    }

    /// Waits for some time, or until the bus is to be closed.
    fn pause(&self, length: Duration) {
        let paused = self.wake.wait_timeout_while(self.inbox(), length, |inbox| !inbox.closing);
        drop(paused);
    }
}

impl Inner {
    /// Ends the writer and waits for it.
    fn stop(&self) {
        self.shared.room.close();
        self.shared.inbox().closing = true;
        self.shared.wake.notify_all();
        let writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner).take();
        if writer.is_some_and(|writer| writer.join().is_err()) {
            tracing::error!("the thread that writes the bus has panicked: what was queued is refused");
        }
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.stop();
    }
}

impl std::fmt::Debug for Inner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Embedded").finish_non_exhaustive()
    }
}
