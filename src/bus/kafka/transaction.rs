//! Messages and positions that become visible together, or not at all.
//!
//! A transaction fails in one of three ways. It was refused because the group has moved on: the consumer is fenced,
//! and nothing was written. It can be aborted: then nothing was written either, and it is tried again for as long
//! as the partitions are ours. Or it is not known how it ended, because the brokers went away while it was being
//! committed: then a new client of the same id first has the brokers finish whatever its predecessor left, and the
//! committed offsets, which bear the mark of the transaction that committed them, tell whether it was this one. So
//! nothing is ever published twice.

use std::borrow::Cow;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::Consumer as _;
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::message::DeliveryResult;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _, ProducerContext, PurgeConfig};
use rdkafka::{ClientContext, Offset, TopicPartitionList};

use super::client::{self, Settings};
use super::membership::{self, Client};
use super::outgoing::TOO_LARGE;
use super::record;
use super::trouble::{self, Trouble, Watch};
use crate::bus::{CommitError, Error, Message, Position, Topic};
use crate::telemetry::metrics::Metrics;

/// How long one step may take before it is asked again whether it is still worth it.
const STEP_PATIENCE: Duration = Duration::from_secs(5);
/// How long one is waited for before it is looked whether anybody still cares.
const LOOK_INTERVAL: Duration = Duration::from_millis(500);
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// Carries out transactions, one after the other.
pub(super) struct Transactor {
    settings: Arc<Settings>,
    topic: Topic,
    id: String,
    metrics: Metrics,
    client: Option<BaseProducer<Fate>>,
    /// How many there were: with when this began, what marks one.
    count: u64,
    begun: i64,
}

/// What is to be committed, and who may.
pub(super) struct Scope<'a> {
    pub(super) client: &'a Client,
    pub(super) positions: &'a [Position],
    pub(super) messages: &'a [Message],
}

impl Scope<'_> {
    fn is_over(&self) -> bool {
        self.client.context().desk.is_closed()
    }
}

/// Takes a step that goes on where it was when it is taken again, until it has ended: for so long, and no longer than
/// somebody waits for it.
fn wait(
    patience: Duration,
    is_over: &dyn Fn() -> bool,
    step: impl Fn(Duration) -> KafkaResult<()>,
) -> KafkaResult<()> {
    let begun = Instant::now();
    loop {
        let asked = Instant::now();
        match step(LOOK_INTERVAL) {
            Err(error) if is_retriable(&error) && begun.elapsed() < patience && !is_over() => {
                // Not every answer takes its time.
                std::thread::sleep(FIRST_PAUSE.saturating_sub(asked.elapsed()));
            }
            ended => return ended,
        }
    }
}

/// How an attempt ended that did not succeed.
pub(super) enum Failure {
    /// The group has moved on. Nothing was written.
    Fenced(String),
    /// It cannot succeed, however often it is tried.
    Refused(Error),
    /// Nor as long as one of its messages is so large.
    TooLarge(Error),
    /// Nothing was written.
    Aborted(Trouble),
    /// It is not known. The client is of no use any more.
    Unknown(Trouble),
    /// Nor here, since another client has taken our id.
    Outdone(Trouble),
}

impl Transactor {
    pub(super) fn new(settings: Arc<Settings>, topic: Topic, group: &str, metrics: Metrics) -> Self {
        let id = format!("{group}-{}", settings.config.instance);
        let begun = jiff::Timestamp::now().as_microsecond();
        Self { settings, topic, id, metrics, client: None, count: 0, begun }
    }

    /// Commits, and tries again for as long as the partitions are the consumer's.
    pub(super) fn commit(&mut self, scope: &Scope<'_>) -> Result<(), CommitError> {
        let (desk, since) = (&scope.client.context().desk, Instant::now());
        self.count += 1;
        let mark = format!("{}/{}/{}", self.id, self.begun, self.count);
        let (mut pause, mut is_unknown, mut outdone) = (FIRST_PAUSE, false, 0);
        let mut messages = Cow::Borrowed(scope.messages);
        loop {
            if scope.is_over() {
                return Err(Error::Closed.into());
            }
            if !desk.owns(scope.positions) {
                return Err(CommitError::Fenced("they were given to another".to_owned()));
            }
            let tried = self.attempt(&Scope { messages: &messages, ..*scope }, &mark, is_unknown);
            let trouble = match tried {
                Ok(()) => {
                    self.settings.watch.settle();
                    desk.committed(scope.positions);
                    self.count_durable(&messages, since.elapsed());
                    return Ok(());
                }
                Err(Failure::Fenced(reason)) => return Err(CommitError::Fenced(reason)),
                Err(Failure::Refused(error)) => return Err(error.into()),
                // What nobody can read must not keep what others can from being counted.
                Err(Failure::TooLarge(error)) => match self.shortened(&messages) {
                    Some(shorter) => {
                        messages = Cow::Owned(shorter);
                        continue;
                    }
                    None => return Err(error.into()),
                },
                Err(Failure::Aborted(trouble)) => trouble,
                Err(Failure::Unknown(trouble)) => {
                    (self.client, is_unknown) = (None, true);
                    trouble
                }
                // The brokers do so by themselves with a transaction that takes too long. Twice is another.
                Err(Failure::Outdone(trouble)) => {
                    (self.client, is_unknown) = (None, true);
                    outdone += 1;
                    if outdone > 2 {
                        let reason = "another instance works with a copy of this state directory";
                        return Err(CommitError::Fenced(format!("{reason}: {}", trouble.message)));
                    }
                    trouble
                }
            };
            tracing::info!(reason = trouble.message, "a transaction is repeated");
            self.settings.watch.raise(trouble);
            self.metrics.bus_retried.inc();
            std::thread::sleep(pause);
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    /// The messages with dead letters shortened; none where that was done already.
    fn shortened(&self, messages: &[Message]) -> Option<Vec<Message>> {
        let lost = self.metrics.events_lost.with_label_values(&[TOO_LARGE]);
        let mut any = false;
        let shorten = |message: &Message| match message.shortened() {
            Some(shorter) => {
                any = true;
                if shorter.body.len() < message.body.len() {
                    lost.inc();
                }
                shorter
            }
            None => message.clone(),
        };
        let shorter: Vec<Message> = messages.iter().map(shorten).collect();
        any.then_some(shorter)
    }

    fn count_durable(&self, messages: &[Message], took: Duration) {
        let metrics = &self.metrics;
        metrics.bus_published.with_label_values(&["kafka"]).inc_by(messages.len() as u64);
        messages.iter().for_each(|_| metrics.bus_delivery_seconds.observe(took.as_secs_f64()));
        let letters = messages.iter().filter(|message| message.topic == Topic::DeadLetters).count();
        metrics.bus_dead_letters.with_label_values(&["unreadable"]).inc_by(letters as u64);
    }

    fn attempt(&mut self, scope: &Scope<'_>, mark: &str, is_unknown: bool) -> Result<(), Failure> {
        self.connect(scope)?;
        let Some(client) = &self.client else {
            return Err(Failure::Unknown(unknown("no client")));
        };
        // The brokers have finished what the last client left. So this is certain.
        if is_unknown && self.is_committed(scope, mark)? {
            return Ok(());
        }
        client.begin_transaction().map_err(|error| lost(&error, "a transaction cannot be begun"))?;
        match self.fill(client, scope, mark) {
            Ok(()) => finish(client, &|| scope.is_over()),
            Err(failure) => {
                let (failure, is_usable) = abort(client, failure, &|| scope.is_over());
                if !is_usable {
                    self.client = None;
                }
                Err(failure)
            }
        }
    }

    fn connect(&mut self, scope: &Scope<'_>) -> Result<(), Failure> {
        if self.client.is_none() {
            self.client = Some(begin_client(&self.settings, &self.id, &|| scope.is_over())?);
        }
        Ok(())
    }

    /// Puts messages and positions into the transaction.
    fn fill(&self, client: &BaseProducer<Fate>, scope: &Scope<'_>, mark: &str) -> Result<(), Failure> {
        let is_over = || scope.is_over();
        client.context().take();
        for message in scope.messages {
            send(&self.settings, client, (message, None), &is_over)?;
        }
        if !scope.positions.is_empty() {
            self.send_positions(client, scope, mark)?;
        }
        await_sent(client, &is_over)
    }

    fn send_positions(
        &self,
        client: &BaseProducer<Fate>,
        scope: &Scope<'_>,
        mark: &str,
    ) -> Result<(), Failure> {
        let what = "positions cannot be committed";
        let list = self.list(scope, mark).map_err(|error| failure_of(client, &error, what))?;
        let Some(group) = scope.client.group_metadata() else {
            return Err(Failure::Aborted(unknown("the consumer is in no group")));
        };
        // That is the group as it stands now, and the brokers ask for no more. What was given to another before must
        // not be committed as a member of it.
        if !scope.client.context().desk.owns(scope.positions) {
            return Err(Failure::Fenced("they were given to another".to_owned()));
        }
        let begun = Instant::now();
        // This begins anew each time.
        loop {
            match client.send_offsets_to_transaction(&list, &group, STEP_PATIENCE) {
                Ok(()) => return Ok(()),
                Err(error)
                    if is_retriable(&error) && begun.elapsed() < STEP_PATIENCE * 2 && !scope.is_over() =>
                {
                    std::thread::sleep(FIRST_PAUSE);
                }
                Err(error) => return Err(failure_of(client, &error, what)),
            }
        }
    }

    fn list(&self, scope: &Scope<'_>, mark: &str) -> KafkaResult<TopicPartitionList> {
        let name = self.settings.name(self.topic);
        let mut list = TopicPartitionList::with_capacity(scope.positions.len());
        for position in scope.positions {
            let mut element = list.add_partition(name, position.partition);
            element.set_offset(Offset::Offset(position.next.cast_signed()))?;
            element.set_metadata(mark);
        }
        Ok(list)
    }

    /// Whether the transaction of this mark was committed.
    fn is_committed(&self, scope: &Scope<'_>, mark: &str) -> Result<bool, Failure> {
        let asked = |error| Failure::Unknown(Trouble::of_error(&error, "committed offsets cannot be read"));
        let partitions: Vec<i32> = scope.positions.iter().map(|position| position.partition).collect();
        let list = membership::list(self.settings.name(self.topic), &partitions);
        let committed = scope.client.committed_offsets(list, STEP_PATIENCE).map_err(asked)?;
        let elements = committed.elements();
        for element in &elements {
            element.error().map_err(asked)?;
        }
        Ok(elements.first().is_some_and(|element| element.metadata() == mark))
    }
}

/// A client that has fenced its predecessors and had the brokers finish what they left.
pub(super) fn begin_client(
    settings: &Settings,
    id: &str,
    is_over: &dyn Fn() -> bool,
) -> Result<BaseProducer<Fate>, Failure> {
    let fate = Fate { watch: Arc::clone(&settings.watch), refused: Arc::default() };
    let created = settings.transactor(id).create_with_context(fate);
    let client: BaseProducer<Fate> = created.map_err(|error| Failure::Refused(client::refused(&error)))?;
    wait(STEP_PATIENCE * 3, is_over, |patience| client.init_transactions(patience))
        .map_err(|error| lost(&error, "transactions cannot be begun"))?;
    Ok(client)
}

/// Writes messages in one transaction, some of them into a partition that is named. It is tried once.
pub(super) fn write<'m>(
    settings: &Settings,
    client: &BaseProducer<Fate>,
    mut messages: impl Iterator<Item = (&'m Message, Option<i32>)>,
) -> Result<(), Failure> {
    let is_over = || false;
    client.context().take();
    client.begin_transaction().map_err(|error| lost(&error, "a transaction cannot be begun"))?;
    let sent = messages.try_for_each(|placed| send(settings, client, placed, &is_over));
    match sent.and_then(|()| await_sent(client, &is_over)) {
        Ok(()) => finish(client, &is_over),
        Err(failure) => Err(abort(client, failure, &is_over).0),
    }
}

/// Hands a message to a client, for a partition where one is named.
fn send(
    settings: &Settings,
    client: &BaseProducer<Fate>,
    (message, partition): (&Message, Option<i32>),
    is_over: &dyn Fn() -> bool,
) -> Result<(), Failure> {
    let mut record = BaseRecord::<[u8], [u8]> {
        topic: settings.name(message.topic),
        partition,
        payload: (!message.body.is_empty()).then_some(&message.body),
        key: Some(message.key.as_bytes()),
        timestamp: None,
        headers: Some(record::headers(message, &settings.config.source)),
        delivery_opaque: (),
    };
    loop {
        match client.send(record) {
            Ok(()) => return Ok(()),
            Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), back)) if !is_over() => {
                record = back;
                client.poll(Duration::from_millis(20));
            }
            Err((error, _)) => {
                let what = format!("a message of {} bytes cannot be sent", message.body.len());
                return Err(failure_of(client, &error, &what));
            }
        }
    }
}

/// Waits until a client's messages are with the brokers.
fn await_sent(client: &BaseProducer<Fate>, is_over: &dyn Fn() -> bool) -> Result<(), Failure> {
    if wait(STEP_PATIENCE, is_over, |patience| client.flush(patience)).is_err() {
        let message = "brokers do not take the messages of a transaction".to_owned();
        return Err(Failure::Aborted(Trouble { kind: trouble::Kind::Unreachable, message }));
    }
    match client.context().take() {
        None => Ok(()),
        Some(error) => Err(failure_of(client, &error, "a message of a transaction cannot be written")),
    }
}

/// Commits. As long as the answer is only late, it is asked for again.
fn finish(client: &BaseProducer<Fate>, is_over: &dyn Fn() -> bool) -> Result<(), Failure> {
    let committed = wait(STEP_PATIENCE * 4, is_over, |patience| client.commit_transaction(patience));
    committed.map_err(|error| {
        let what = "a transaction cannot be committed";
        let may_abort = matches!(&error, KafkaError::Transaction(it) if it.txn_requires_abort());
        if may_abort && try_abort(client, is_over).is_ok() {
            Failure::Aborted(Trouble::of_error(&error, what))
        } else {
            lost(&error, what)
        }
    })
}

/// Ends a transaction that has failed. Gives what that comes to, and whether the client is still of use.
fn abort(client: &BaseProducer<Fate>, failure: Failure, is_over: &dyn Fn() -> bool) -> (Failure, bool) {
    let Err(error) = try_abort(client, is_over) else { return (failure, true) };
    // Whatever is left open, the next client or the time limit aborts.
    let is_conclusive = matches!(failure, Failure::Fenced(_) | Failure::Refused(_) | Failure::TooLarge(_));
    let failure = if is_conclusive { failure } else { lost(&error, "a transaction cannot be aborted") };
    (failure, false)
}

/// Ends a transaction as if it had not been. That waits for the reports of all its messages, which nobody takes
/// meanwhile: so they come back before. What has been sent may be answered yet, or else is given up.
fn try_abort(client: &BaseProducer<Fate>, is_over: &dyn Fn() -> bool) -> KafkaResult<()> {
    client.purge(PurgeConfig::default().queue());
    if client.flush(LOOK_INTERVAL).is_err() {
        client.purge(PurgeConfig::default().inflight());
        client.flush(LOOK_INTERVAL)?;
    }
    wait(STEP_PATIENCE, is_over, |patience| client.abort_transaction(patience))
}

fn unknown(message: &str) -> Trouble {
    Trouble { kind: trouble::Kind::Other, message: message.to_owned() }
}

fn is_retriable(error: &KafkaError) -> bool {
    matches!(error, KafkaError::Transaction(error) if error.is_retriable())
        || error.rdkafka_error_code() == Some(RDKafkaErrorCode::OperationTimedOut)
}

/// What an error means after which the client is of no use.
fn lost(error: &KafkaError, what: &str) -> Failure {
    lost_for(error.rdkafka_error_code().unwrap_or(RDKafkaErrorCode::Fail), Trouble::of_error(error, what))
}

fn lost_for(code: RDKafkaErrorCode, trouble: Trouble) -> Failure {
    use RDKafkaErrorCode as Code;
    match code {
        Code::Fenced | Code::ProducerFenced | Code::InvalidProducerEpoch => Failure::Outdone(trouble),
        _ => Failure::Unknown(trouble),
    }
}

/// What an error means before the transaction was to be committed.
fn failure_of(client: &BaseProducer<Fate>, error: &KafkaError, what: &str) -> Failure {
    use RDKafkaErrorCode as Code;
    // Once a client has failed, its other errors tell only that.
    if let Some((code, cause)) = client.client().fatal_error() {
        return lost_for(
            code,
            Trouble::of(code, &format!("{what}: {cause}")).unwrap_or_else(|| unknown(what)),
        );
    }
    let trouble = Trouble::of_error(error, what);
    match error.rdkafka_error_code() {
        Some(Code::IllegalGeneration | Code::UnknownMemberId | Code::FencedInstanceId) => {
            Failure::Fenced(trouble.message)
        }
        Some(Code::MessageSizeTooLarge) => Failure::TooLarge(trouble.into()),
        Some(Code::InvalidTopic) => Failure::Refused(trouble.into()),
        _ => Failure::Aborted(trouble),
    }
}

/// What is told of the messages of a transaction.
#[derive(Clone)]
pub(super) struct Fate {
    watch: Arc<Watch>,
    refused: Arc<Mutex<Option<KafkaError>>>,
}

impl Fate {
    /// The first that was refused.
    fn take(&self) -> Option<KafkaError> {
        self.refused.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl ClientContext for Fate {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, line: &str) {
        trouble::note(&self.watch, level, facility, line);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        trouble::hear(&self.watch, &error, reason);
    }
}

impl ProducerContext for Fate {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        if let Err((error, _)) = result {
            let mut refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
            refused.get_or_insert_with(|| error.clone());
        }
    }
}
