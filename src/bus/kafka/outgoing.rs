//! A message on its way, and what becomes of it.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use prometheus::IntCounter;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{BorrowedMessage, DeliveryResult, Header, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, ProducerContext};
use rdkafka::{ClientContext, Message as _};
use tokio::sync::{OwnedSemaphorePermit, oneshot};

use super::record;
use super::trouble::{self, Trouble, Watch};
use crate::bus::message::KEPT_BYTES;
use crate::domain::Pending;
use crate::telemetry::metrics::Metrics;

/// Why what is too large is counted as lost, and as a dead letter.
pub(super) const TOO_LARGE: &str = "message_too_large";

/// Whom to tell.
pub(super) enum Outcome {
    Settle(Pending),
    Place(oneshot::Sender<(i32, u64)>),
}

/// What comes back with a delivery report.
pub(super) struct Ticket {
    /// Its place in the order of publishing.
    pub(super) number: u64,
    /// The partition it must go to, where that matters.
    pub(super) partition: Option<i32>,
    pub(super) outcome: Outcome,
    pub(super) since: Instant,
    /// Its part of the queue.
    pub(super) room: Option<OwnedSemaphorePermit>,
}

impl Ticket {
    /// It is durable there; or it is lost, which was told.
    fn settle(self, place: Option<(i32, u64)>) {
        drop(self.room);
        match (self.outcome, place) {
            (Outcome::Settle(pending), _) => pending.durable(),
            // Nobody may wait for it any more.
            (Outcome::Place(sender), Some(place)) => drop(sender.send(place)),
            (Outcome::Place(_), None) => {}
        }
    }
}

/// A record that librdkafka may take. It gives tickets to other threads, one at a time.
pub(super) type Record<'a> = BaseRecord<'a, [u8], [u8], Box<Mutex<Ticket>>>;

/// A message that librdkafka does not have.
pub(super) struct Outgoing {
    topic: String,
    key: Vec<u8>,
    body: Option<Vec<u8>>,
    headers: Option<OwnedHeaders>,
    ticket: Ticket,
    /// Why it was refused.
    code: Option<RDKafkaErrorCode>,
}

impl Outgoing {
    pub(super) fn new(record: Record<'_>, code: Option<RDKafkaErrorCode>) -> Self {
        Self {
            topic: record.topic.to_owned(),
            key: record.key.map(<[u8]>::to_vec).unwrap_or_default(),
            body: record.payload.map(<[u8]>::to_vec),
            headers: record.headers,
            ticket: record.delivery_opaque.into_inner().unwrap_or_else(PoisonError::into_inner),
            code,
        }
    }

    /// What came back with a report.
    fn returned(message: &BorrowedMessage<'_>, ticket: Ticket, code: Option<RDKafkaErrorCode>) -> Self {
        Self {
            topic: message.topic().to_owned(),
            key: message.key().unwrap_or_default().to_vec(),
            body: message.payload().map(<[u8]>::to_vec),
            headers: message.headers().map(rdkafka::message::BorrowedHeaders::detach),
            ticket,
            code,
        }
    }

    /// Its place in the order of publishing.
    pub(super) const fn number(&self) -> u64 {
        self.ticket.number
    }

    /// Whether a limit of size was why it, or a batch with it, was refused.
    pub(super) fn is_oversized(&self) -> bool {
        self.code == Some(RDKafkaErrorCode::MessageSizeTooLarge)
    }

    /// Hands it to a client. What that does not take comes back.
    pub(super) fn send(self, client: &BaseProducer<Reports>) -> Option<Self> {
        let record = Record {
            topic: &self.topic,
            partition: self.ticket.partition,
            payload: self.body.as_deref(),
            key: Some(&self.key),
            // Anew: a clock that was wrong may be right by now.
            timestamp: None,
            headers: self.headers,
            delivery_opaque: Box::new(Mutex::new(self.ticket)),
        };
        let (error, record) = client.send(record).err()?;
        Some(Self::new(record, error.rdkafka_error_code()))
    }

    /// What is kept of it as a dead letter. One that is a dead letter already is lost.
    pub(super) fn cut(mut self, letters: &str, metrics: &Metrics) -> Option<Self> {
        let size = self.body.as_ref().map_or(0, Vec::len);
        tracing::error!(
            topic = self.topic,
            size,
            "a message is larger than its topic takes; its beginning goes to the dead letters \
             (max.message.bytes of the topic, or analyzer.max_event_bytes)"
        );
        metrics.events_lost.with_label_values(&[TOO_LARGE]).inc();
        if self.topic == letters {
            self.ticket.settle(None);
            return None;
        }
        metrics.bus_dead_letters.with_label_values(&[TOO_LARGE]).inc();
        if let Some(body) = &mut self.body {
            body.truncate(KEPT_BYTES);
        }
        let (size, topic) = (size.to_string(), std::mem::replace(&mut self.topic, letters.to_owned()));
        let notes = [("dlq_topic", topic.as_str()), ("dlq_reason", TOO_LARGE), ("dlq_bytes", &size)];
        let headers = self.headers.take().unwrap_or_default();
        let headers = notes
            .into_iter()
            .fold(headers, |headers, (key, value)| headers.insert(Header { key, value: Some(value) }));
        self.ticket.partition = None;
        Some(Self { headers: Some(headers), code: None, ..self })
    }
}

/// What a client is told of messages. Clones share what came back.
#[derive(Clone)]
pub(super) struct Reports {
    watch: Arc<Watch>,
    delivered: Arc<AtomicUsize>,
    back: Arc<Mutex<Vec<Outgoing>>>,
    published: IntCounter,
    metrics: Metrics,
}

impl Reports {
    pub(super) fn new(watch: Arc<Watch>, metrics: Metrics) -> Self {
        Self {
            watch,
            delivered: Arc::default(),
            back: Arc::default(),
            published: metrics.bus_published.with_label_values(&["kafka"]),
            metrics,
        }
    }

    fn back(&self) -> MutexGuard<'_, Vec<Outgoing>> {
        self.back.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many messages have become durable.
    pub(super) fn delivered(&self) -> usize {
        self.delivered.load(Ordering::Relaxed)
    }

    /// Whether messages have come back.
    pub(super) fn has_failures(&self) -> bool {
        !self.back().is_empty()
    }

    /// Those that have come back.
    pub(super) fn take_failures(&self) -> Vec<Outgoing> {
        std::mem::take(&mut *self.back())
    }
}

impl ClientContext for Reports {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, line: &str) {
        trouble::note(&self.watch, level, facility, line);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        trouble::hear(&self.watch, &error, reason);
    }
}

impl ProducerContext for Reports {
    type DeliveryOpaque = Box<Mutex<Ticket>>;

    fn delivery(&self, result: &DeliveryResult<'_>, ticket: Self::DeliveryOpaque) {
        let ticket = ticket.into_inner().unwrap_or_else(PoisonError::into_inner);
        match result {
            Ok(message) => {
                self.watch.settle();
                self.delivered.fetch_add(1, Ordering::Relaxed);
                self.published.inc();
                self.metrics.bus_delivery_seconds.observe(ticket.since.elapsed().as_secs_f64());
                ticket.settle(Some(record::place(message)));
            }
            Err((error, message)) => {
                let code = error.rdkafka_error_code();
                if !code.is_some_and(trouble::says_nothing) {
                    let doing = format!("{} cannot be written", message.topic());
                    self.watch.raise(Trouble::of_error(error, &doing));
                }
                self.back().push(Outgoing::returned(message, ticket, code));
            }
        }
    }
}
