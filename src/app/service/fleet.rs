//! Kafka → knowledge → Kafka: one fixer among others.
//!
//! The partitions of the log of errors are shared out among the fixers. Each counts what its own bring, and tells
//! the others through a changelog, so that whoever takes a partition over goes on where its predecessor was. The
//! protocol is that of [`Shared`]; here it meets with the broker:
//!
//! - *Taking over*: a mark is set behind everything that others have written. Once the changelog was read up to it,
//!   what they committed is known here. Then the ids of what they have counted are learnt, and counting begins.
//! - *Counting*: what a batch has changed goes out in one transaction with the positions. So does what the workshop
//!   changes.
//! - *Giving back*: what has changed is told first.
//! - *Losing*: where others have a partition already, what was counted here and not told is void. All that is
//!   remembered is forgotten then and read anew, in a new membership of the group. That is the way of a fixer that
//!   starts with an empty disk.

use std::collections::BTreeMap;

use anyhow::Context as _;
use jiff::{SignedDuration, Timestamp};
use tokio::task;
use tokio_util::sync::CancellationToken;

use super::counting;
use super::health::{Condition, Report};
use crate::app::wire;
use crate::bus::kafka::{Barrier, KafkaReader, KeyedRecord};
use crate::bus::{
    self, Assignment, Bus, CommitError, Consumer, Delivery, Kafka, Message, Revocation, Topic, Turn,
};
use crate::domain::EventId;
use crate::knowledge::{self, Incoming, Position, RecordKey, Shared};

/// Messages and bytes that are counted in one synced write and one transaction.
const BATCH_MESSAGES: usize = 2_000;
const BATCH_BYTES: usize = 4 << 20;

/// How often it is noted that the changelog was read.
const NOTING_INTERVAL: SignedDuration = SignedDuration::from_hours(1);
/// After so long without it a fixer begins anew: what was forgotten meanwhile is not told for ever. A day less than
/// topics keep it.
const LONGEST_ABSENCE: SignedDuration = SignedDuration::from_hours(6 * 24);

/// Why a membership has ended.
#[derive(Debug, thiserror::Error)]
enum Failure {
    /// The bus was closed.
    #[error("the bus is closed")]
    Closed,
    /// What is remembered here does not hold any more.
    #[error("partitions belong to another fixer by now ({0})")]
    Lost(String),
    #[error("Kafka cannot be used")]
    Bus(#[source] bus::Error),
    #[error("knowledge cannot be used")]
    Knowledge(#[from] knowledge::Error),
}

impl From<bus::Error> for Failure {
    fn from(error: bus::Error) -> Self {
        match error {
            bus::Error::Closed => Self::Closed,
            error => Self::Bus(error),
        }
    }
}

impl From<CommitError> for Failure {
    fn from(error: CommitError) -> Self {
        match error {
            CommitError::Fenced(reason) => Self::Lost(reason),
            CommitError::Bus(error) => error.into(),
        }
    }
}

/// A fixer among others.
pub(super) struct Fleet {
    pub(super) kafka: Kafka,
    pub(super) shared: Shared,
    /// The group of fixers.
    pub(super) group: String,
    /// What tells this instance from others.
    pub(super) instance: String,
    pub(super) health: Report,
}

/// A partition that is being taken over.
struct TakeOver {
    assignment: Assignment,
    barrier: Barrier,
}

/// A stay in the group.
struct Membership<'f> {
    fleet: &'f Fleet,
    consumer: Consumer,
    changelog: KafkaReader,
    coming: BTreeMap<i32, TakeOver>,
    /// How far the partitions that are ours were committed.
    committed: BTreeMap<i32, u64>,
    /// What could not be read, until it is set aside together with the position behind it.
    dead: Vec<Message>,
    /// When it was last noted that the changelog was read.
    noted: Option<Timestamp>,
}

impl Fleet {
    /// Works until told to stop, or until the bus ends.
    ///
    /// # Errors
    /// When the bus or knowledge cannot be used.
    pub(super) async fn run(self, stop: CancellationToken) -> anyhow::Result<()> {
        self.forget_if_away_for_long().await.context("knowledge cannot be used")?;
        loop {
            let joined = tokio::select! {
                joined = Membership::join(&self) => joined,
                // Brokers are waited for.
                () = stop.cancelled() => return Ok(()),
            };
            let ended = async { joined?.stay(&stop).await };
            match ended.await {
                Err(Failure::Closed) | Ok(()) => return Ok(()),
                Err(Failure::Lost(reason)) => {
                    tracing::warn!(reason, "other fixers have taken over; what they know is read anew");
                    self.insist(|| self.shared.rebuild()).await.context("knowledge cannot be used")?;
                }
                Err(error) => return Err(error.into()),
            }
        }
    }

    async fn forget_if_away_for_long(&self) -> Result<(), knowledge::Error> {
        let heard = self.insist(|| self.shared.heard()).await?;
        if heard.is_none_or(|heard| Timestamp::now().duration_since(heard) < LONGEST_ABSENCE) {
            return Ok(());
        }
        tracing::info!("this one was away for long; what other fixers know is read anew");
        self.insist(|| self.shared.rebuild()).await
    }

    async fn insist<T>(&self, act: impl Fn() -> Result<T, knowledge::Error>) -> Result<T, knowledge::Error> {
        counting::insist(&self.health, act).await
    }
}

impl<'f> Membership<'f> {
    async fn join(fleet: &'f Fleet) -> Result<Self, Failure> {
        let bus = Bus::Kafka(fleet.kafka.clone());
        let mut from = BTreeMap::new();
        for partition in 0..fleet.kafka.partitions(Topic::Knowledge).await? {
            let known = || fleet.shared.position(Topic::Knowledge.name(), partition);
            let known = fleet.insist(known).await?;
            from.extend(known.map(|next| (partition, next)));
        }
        let changelog = fleet.kafka.reader(Topic::Knowledge, from)?;
        let consumer = bus.consumer(Topic::Errors, &fleet.group).await?;
        Ok(Self {
            fleet,
            consumer,
            changelog,
            coming: BTreeMap::new(),
            committed: BTreeMap::new(),
            dead: Vec::new(),
            noted: None,
        })
    }

    /// Counts and tells until the membership ends.
    async fn stay(mut self, stop: &CancellationToken) -> Result<(), Failure> {
        let mut changes = self.fleet.shared.knowledge().view().subscribe();
        loop {
            tokio::select! {
                () = stop.cancelled() => {
                    let ours: Vec<_> = self.committed.keys().copied().collect();
                    self.part_with(&ours).await?;
                    self.drop_out_of(&ours);
                    return Ok(());
                }
                turn = self.consumer.next(BATCH_MESSAGES, BATCH_BYTES) => self.take(turn?).await?,
                records = self.changelog.next() => {
                    let Some(records) = records else { return Err(Failure::Closed) };
                    self.hear(records).await?;
                }
                changed = changes.changed() => {
                    if changed.is_err() {
                        return Err(Failure::Closed);
                    }
                    changes.borrow_and_update();
                    self.tell().await?;
                }
            }
        }
    }

    async fn take(&mut self, turn: Turn) -> Result<(), Failure> {
        match turn {
            Turn::Assigned(assignments) => {
                let barrier = self.fleet.kafka.barrier(Topic::Knowledge, &self.fleet.instance).await?;
                self.coming.extend(assignments.into_iter().map(|assignment| {
                    (assignment.partition, TakeOver { assignment, barrier: barrier.clone() })
                }));
                self.fleet.health.set(Condition::Starting, false);
                Ok(())
            }
            Turn::Revoked(revocation) => self.give_back(revocation).await,
            Turn::Messages(batch) => {
                for part in batch.chunk_by(|one, next| one.partition == next.partition) {
                    self.count(part).await?;
                }
                self.tell().await
            }
        }
    }

    /// Counts messages of one partition. What cannot be read is set aside in the same transaction.
    async fn count(&mut self, part: &[Delivery]) -> Result<(), Failure> {
        let Some(last) = part.last() else { return Ok(()) };
        let (arrivals, unreadable) = counting::read(part);
        let set_aside = |(delivery, reason): (&Delivery, String)| {
            delivery.clone().into_dead_letter(&reason, Timestamp::now())
        };
        self.dead.extend(unreadable.into_iter().map(set_aside));
        let position = place(Topic::Errors, last.partition, last.position().next);
        let knowledge = self.fleet.shared.knowledge();
        self.fleet.insist(|| knowledge.apply(&position, arrivals.clone(), Timestamp::now())).await?;
        Ok(())
    }

    /// Tells the others what has changed, and commits the positions with it.
    async fn tell(&mut self) -> Result<(), Failure> {
        let shared = &self.fleet.shared;
        let publication = self.fleet.insist(|| shared.unpublished()).await?;
        let positions = publication.positions.iter();
        let positions: Vec<_> =
            positions.map(|it| bus::Position { partition: it.partition, next: it.next }).collect();
        let is_committed = |it: &bus::Position| self.committed.get(&it.partition) == Some(&it.next);
        if publication.records.is_empty() && self.dead.is_empty() && positions.iter().all(is_committed) {
            return Ok(());
        }
        let now = Timestamp::now();
        let mut messages = std::mem::take(&mut self.dead);
        for record in &publication.records {
            messages.push(wire::knowledge::encode(record, &publication.writer, now));
            match (record.key, &record.value) {
                (key, Some(_)) => messages.extend(self.announced(key)?),
                (RecordKey::Suggestion(id), None) => messages.push(wire::fix::encode_gone(id, now)),
                _ => {}
            }
        }
        self.consumer.commit(&positions, &messages).await?;
        self.committed.extend(positions.iter().map(|it| (it.partition, it.next)));
        self.fleet.insist(|| shared.published(&publication)).await?;
        Ok(())
    }

    /// What everybody is told of a record that has changed: a suggestion, and how far it has come.
    fn announced(&self, key: RecordKey) -> Result<Option<Message>, Failure> {
        let (RecordKey::Suggestion(id) | RecordKey::SuggestionBody(id)) = key else { return Ok(None) };
        let view = self.fleet.shared.knowledge().view();
        let record = task::block_in_place(|| view.suggestion(id))?;
        let group = task::block_in_place(|| view.group(id.fingerprint))?;
        let Some((record, group)) = record.zip(group) else { return Ok(None) };
        let message = match key {
            RecordKey::SuggestionBody(_) => wire::fix::encode(&record, &group.service),
            _ => wire::fix::encode_status(&record, &group.service),
        };
        // What was made here can be written.
        Ok(message.ok())
    }

    /// Gives partitions back, once the others know what has changed in them. Where they are lost already, what has
    /// changed and was not told is void.
    async fn give_back(&mut self, revocation: Revocation) -> Result<(), Failure> {
        if !revocation.lost {
            self.part_with(&revocation.partitions).await?;
        }
        self.drop_out_of(&revocation.partitions);
        if revocation.lost {
            let shared = &self.fleet.shared;
            let untold = self.fleet.insist(|| shared.unpublished()).await?;
            if !untold.records.is_empty() {
                return Err(Failure::Lost("this one was away for too long".to_owned()));
            }
        }
        revocation.done();
        Ok(())
    }

    /// Ends what goes on in partitions as far as they are ours, and tells the others how they stand.
    async fn part_with(&mut self, partitions: &[i32]) -> Result<(), Failure> {
        let shared = &self.fleet.shared;
        for partition in partitions.iter().filter(|partition| self.committed.contains_key(partition)) {
            // Attempts that could not be taken back count as broken off.
            if let Err(error) = task::block_in_place(|| shared.release(*partition)) {
                tracing::debug!(%error, "attempts could not be taken back");
            }
        }
        self.tell().await
    }

    /// Forgets that partitions are ours, or will be.
    fn drop_out_of(&mut self, partitions: &[i32]) {
        for partition in partitions {
            self.coming.remove(partition);
            self.committed.remove(partition);
            task::block_in_place(|| self.fleet.shared.disown(*partition));
        }
    }

    /// Takes over what other fixers have written, and partitions whose last word has been read.
    async fn hear(&mut self, records: Vec<KeyedRecord>) -> Result<(), Failure> {
        let mut by_partition: BTreeMap<i32, (u64, Vec<Incoming>)> = BTreeMap::new();
        for record in records {
            let (partition, offset) = (record.partition, record.offset);
            self.coming.values_mut().for_each(|coming| coming.barrier.pass(partition, offset));
            let (next, incoming) = by_partition.entry(partition).or_default();
            *next = offset + 1;
            incoming.push(wire::knowledge::decode(record));
        }
        let shared = &self.fleet.shared;
        for (partition, (next, incoming)) in by_partition {
            let position = place(Topic::Knowledge, partition, next);
            self.fleet.insist(|| shared.restore(&position, incoming.clone())).await?;
        }
        let now = Timestamp::now();
        if self.coming.is_empty() && self.noted.is_none_or(|at| now.duration_since(at) >= NOTING_INTERVAL) {
            self.fleet.insist(|| shared.has_heard(now)).await?;
            self.noted = Some(now);
        }
        while let Some(coming) = self.coming.values().find(|coming| coming.barrier.is_passed()) {
            let Assignment { partition, committed } = coming.assignment;
            self.coming.remove(&partition);
            self.take_over(partition, committed.unwrap_or_default()).await?;
        }
        Ok(())
    }

    async fn take_over(&mut self, partition: i32, committed: u64) -> Result<(), Failure> {
        self.learn(partition, committed).await?;
        let shared = &self.fleet.shared;
        let position = place(Topic::Errors, partition, committed);
        self.fleet.insist(|| shared.own(&position)).await?;
        self.committed.insert(partition, committed);
        self.consumer.start(bus::Position { partition, next: committed }).await?;
        tracing::info!(partition, offset = committed, "taken over");
        Ok(())
    }

    /// Learns which events were counted before an offset. Those that the log does not hold any more are as good as
    /// known: nobody can send them again in time.
    async fn learn(&self, partition: i32, committed: u64) -> Result<(), Failure> {
        let (shared, topic) = (&self.fleet.shared, Topic::Errors);
        let known = self.fleet.insist(|| shared.known_ids(topic.name(), partition)).await?;
        let mut next = known.filter(|known| known.start == 0).map_or(0, |known| known.end);
        if next >= committed {
            return Ok(());
        }
        let mut reader = self.fleet.kafka.read_range(topic, partition, next..committed)?;
        loop {
            let read = reader.next().await?;
            let (end, ids): (u64, Vec<(EventId, u64)>) = match &read {
                Some(ids) => {
                    let last = ids.last().map_or(next, |(_, offset)| offset + 1);
                    (last, ids.iter().filter_map(|(id, offset)| Some((id.parse().ok()?, *offset))).collect())
                }
                None => (committed, Vec::new()),
            };
            let learn = || shared.learn_ids(topic.name(), partition, next..end, &ids, Timestamp::now());
            self.fleet.insist(learn).await?;
            next = end;
            if read.is_none() {
                return Ok(());
            }
        }
    }
}

fn place(topic: Topic, partition: i32, next: u64) -> Position {
    Position { topic: topic.name().to_owned(), partition, next }
}
