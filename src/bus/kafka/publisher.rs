//! Publishing.
//!
//! # One way a message goes
//!
//! What is published goes to librdkafka at once, which is the queue; ours is the limit of bytes. A message rides
//! with a [`Ticket`], which comes back with its delivery report. The client is idempotent and never gives up on a
//! message by itself, so while brokers are away nothing needs to be done: the queue fills, and publishing waits.
//!
//! # Mending
//!
//! A report of failure means that a broker refused a message (no such topic, no permission, too large) or that
//! the client has failed for good. Whichever it is, the client goes, all that it had comes back with reports,
//! and a new one sends it again in the order in which it was published, after a pause that grows. What is
//! published meanwhile lines up behind. So there is one path for every failure, and none reorders a group.
//!
//! A message that is over a limit goes alone, and if it is refused even so, its beginning goes to the dead letters:
//! it is counted as lost, told, and settled, since no repetition would help.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rdkafka::producer::{BaseProducer, Producer as _, PurgeConfig};
use tokio::sync::{Semaphore, oneshot};

use super::client::{self, OVERHEAD, Settings};
use super::outgoing::{Outcome, Outgoing, Record, Reports, Ticket};
use super::record;
use super::trouble::{Kind, Trouble};
use crate::bus::{Error, Message, Topic};
use crate::domain::Pending;
use crate::telemetry::metrics::Metrics;

type Client = BaseProducer<Reports>;

/// How often the thread looks up from the reports.
const POLL_INTERVAL: Duration = Duration::from_millis(200);
/// How long closing waits for brokers that answer.
const CLOSING_PATIENCE: Duration = Duration::from_secs(10);
/// How long it waits for brokers that did not answer before.
const CLOSING_IMPATIENCE: Duration = Duration::from_secs(1);
/// How long messages that are on their way may take before the client goes.
const DRAINING_PATIENCE: Duration = Duration::from_secs(5);
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// What publishes. Its thread ends with it.
pub(super) struct Publisher {
    shared: Arc<Shared>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

struct Shared {
    settings: Arc<Settings>,
    capacity: u32,
    room: Arc<Semaphore>,
    line: Mutex<Line>,
    wake: Condvar,
    reports: Reports,
    retries: AtomicU64,
    metrics: Metrics,
}

/// What there is to send, and whether it may be sent just now.
#[derive(Default)]
struct Line {
    /// None while it is mended.
    client: Option<Arc<Client>>,
    /// What stands before what is published.
    waiting: VecDeque<Outgoing>,
    /// How many were published.
    count: u64,
    closing: bool,
}

impl Publisher {
    pub(super) fn start(settings: Arc<Settings>, metrics: &Metrics) -> Result<Self, Error> {
        let capacity = u32::try_from(settings.config.max_queue_bytes).unwrap_or(u32::MAX).clamp(1, 1 << 28);
        let shared = Arc::new(Shared {
            capacity,
            room: Arc::new(Semaphore::new(capacity as usize)),
            line: Mutex::default(),
            wake: Condvar::new(),
            reports: Reports::new(Arc::clone(&settings.watch), metrics.clone()),
            retries: AtomicU64::new(0),
            metrics: metrics.clone(),
            settings,
        });
        let client = shared.connect()?;
        shared.line().client = Some(client);
        let of_thread = Arc::clone(&shared);
        let thread = std::thread::Builder::new()
            .name("kafka-out".into())
            .spawn(move || of_thread.run())
            .map_err(Error::Thread)?;
        Ok(Self { shared, thread: Mutex::new(Some(thread)) })
    }

    /// Publishes once there is room.
    pub(super) async fn publish(&self, message: &Message, pending: Pending) -> Result<(), Error> {
        let shared = &self.shared;
        let since = Instant::now();
        let cost = u32::try_from(record::size(message) + OVERHEAD).unwrap_or(u32::MAX).min(shared.capacity);
        let room = Arc::clone(&shared.room).acquire_many_owned(cost).await.map_err(|_| Error::Closed)?;
        let outcome = Outcome::Settle(pending);
        shared.send(message, Ticket { number: 0, partition: None, outcome, since, room: Some(room) })
    }

    /// Publishes whether or not there is room, to a partition where one is named, and tells where it has come to
    /// stand.
    pub(super) async fn place(&self, message: &Message, partition: Option<i32>) -> Result<(i32, u64), Error> {
        let (sender, receiver) = oneshot::channel();
        let outcome = Outcome::Place(sender);
        self.shared
            .send(message, Ticket { number: 0, partition, outcome, since: Instant::now(), room: None })?;
        receiver.await.map_err(|_| Error::Closed)
    }

    pub(super) fn queued_bytes(&self) -> u64 {
        self.shared.queued_bytes()
    }

    pub(super) fn retries(&self) -> u64 {
        self.shared.retries.load(Ordering::Relaxed)
    }

    /// Whether something waits to be sent again.
    pub(super) fn is_mending(&self) -> bool {
        let line = self.shared.line();
        !line.closing && (line.client.is_none() || !line.waiting.is_empty())
    }

    /// Sends what is queued, for as long as brokers answer, and ends.
    pub(super) fn stop(&self) {
        self.shared.room.close();
        self.shared.line().closing = true;
        self.shared.wake.notify_all();
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if thread.is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("the thread that hears of deliveries has panicked: what was queued is refused");
        }
    }
}

impl Drop for Publisher {
    fn drop(&mut self) {
        self.stop();
    }
}

impl Shared {
    fn line(&self) -> MutexGuard<'_, Line> {
        self.line.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn queued_bytes(&self) -> u64 {
        u64::from(self.capacity) - self.room.available_permits() as u64
    }

    fn connect(&self) -> Result<Arc<Client>, Error> {
        let created = self.settings.producer().create_with_context(self.reports.clone());
        created.map(Arc::new).map_err(|error| client::refused(&error))
    }

    /// Hands a message to the client, or lines it up where others wait.
    fn send(&self, message: &Message, mut ticket: Ticket) -> Result<(), Error> {
        let headers = record::headers(message, &self.settings.config.source);
        let mut line = self.line();
        if line.closing {
            return Err(Error::Closed);
        }
        line.count += 1;
        ticket.number = line.count;
        let record = Record {
            topic: self.settings.name(message.topic),
            partition: ticket.partition,
            payload: (!message.body.is_empty()).then_some(&message.body),
            key: Some(message.key.as_bytes()),
            // When it is sent: brokers delete by it, and refuse what is far from their time.
            timestamp: None,
            headers: Some(headers),
            delivery_opaque: Box::new(Mutex::new(ticket)),
        };
        let refused = match &line.client {
            Some(client) if line.waiting.is_empty() => match client.send(record) {
                Ok(()) => return Ok(()),
                Err((error, record)) => Outgoing::new(record, error.rdkafka_error_code()),
            },
            _ => Outgoing::new(record, None),
        };
        line.waiting.push_back(refused);
        Ok(())
    }

    /// Hears of deliveries, and mends what fails, until the bus is closed.
    fn run(&self) {
        let mut pause = FIRST_PAUSE;
        loop {
            self.metrics.bus_queue_bytes.set(self.queued_bytes().cast_signed());
            let client = self.line().client.clone();
            if let Some(client) = client {
                let delivered = self.reports.delivered();
                client.poll(POLL_INTERVAL);
                if self.reports.delivered() > delivered {
                    pause = FIRST_PAUSE;
                }
                let line = self.line();
                if line.closing {
                    drop(line);
                    return self.end(&client);
                }
                if line.waiting.is_empty() && !self.reports.has_failures() {
                    continue;
                }
            }
            self.recall();
            if !self.rest(pause) {
                return self.refuse();
            }
            pause = (pause * 2).min(LONGEST_PAUSE);
            self.resume();
        }
    }

    /// Takes the client out of service, and lines up again what it had, before all that was published since.
    fn recall(&self) {
        let client = self.line().client.take();
        if let Some(client) = client {
            Trouble::of_fatal(client.client())
                .into_iter()
                .for_each(|trouble| self.settings.watch.raise(trouble));
            // What is on its way may still arrive; the rest comes back with the client's end at the latest.
            client.purge(PurgeConfig::default().queue());
            client.flush(DRAINING_PATIENCE).ok();
        }
        let back = self.reports.take_failures();
        self.retries.fetch_add(back.len() as u64, Ordering::Relaxed);
        self.metrics.bus_retried.inc_by(back.len() as u64);
        let mut line = self.line();
        let mut waiting: Vec<_> = back.into_iter().chain(line.waiting.drain(..)).collect();
        waiting.sort_by_key(Outgoing::number);
        line.waiting = waiting.into();
    }

    /// Waits; false once the bus is closing.
    fn rest(&self, pause: Duration) -> bool {
        let rested = self.wake.wait_timeout_while(self.line(), pause, |line| !line.closing);
        !rested.unwrap_or_else(PoisonError::into_inner).0.closing
    }

    /// Sends what waits with a new client, and puts it into service once nothing waits any more. Where that
    /// fails, the client goes, and what it had comes back.
    fn resume(&self) {
        let client = match self.connect() {
            Ok(client) => client,
            // One could be made before. Files that it needs may be away.
            Err(error) => {
                self.settings.watch.raise(Trouble { kind: Kind::Other, message: error.to_string() });
                return;
            }
        };
        while !self.reports.has_failures() {
            let next = {
                let mut line = self.line();
                let next = line.waiting.pop_front();
                if next.is_none() {
                    line.client = Some(Arc::clone(&client));
                }
                next
            };
            let Some(next) = next else { return };
            let back = if next.is_oversized() { self.send_alone(next, &client) } else { next.send(&client) };
            if let Some(back) = back {
                self.line().waiting.push_front(back);
                return;
            }
            client.poll(Duration::ZERO);
        }
    }

    /// Sends a message that may be too large with no other in its batch. What is too large even so is cut. What the
    /// next client is to send comes back.
    fn send_alone(&self, suspect: Outgoing, client: &Client) -> Option<Outgoing> {
        // Others that are still on their way would share its batch, and its fate.
        if client.flush(DRAINING_PATIENCE).is_err() || self.reports.has_failures() {
            return Some(suspect);
        }
        let refused = match suspect.send(client) {
            Some(refused) => refused,
            None => {
                client.flush(DRAINING_PATIENCE).ok();
                self.reports.take_failures().pop()?
            }
        };
        if refused.is_oversized() {
            refused.cut(self.settings.name(Topic::DeadLetters), &self.metrics)
        } else {
            Some(refused)
        }
    }

    /// Waits for what is queued, and ends.
    fn end(&self, client: &Client) {
        let is_troubled = self.settings.watch.trouble().is_some();
        let patience = if is_troubled { CLOSING_IMPATIENCE } else { CLOSING_PATIENCE };
        if client.flush(patience).is_err() {
            tracing::warn!("brokers did not take everything in time; what is left is refused");
        }
        // With the client whatever it still has comes back.
        client.purge(PurgeConfig::default().queue().inflight());
        client.flush(DRAINING_PATIENCE).ok();
        self.line().client = None;
        self.refuse();
    }

    /// Refuses all that is left.
    fn refuse(&self) {
        drop(self.reports.take_failures());
        let left = std::mem::take(&mut self.line().waiting);
        drop(left);
    }
}
