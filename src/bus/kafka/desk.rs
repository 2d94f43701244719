//! What passes between a consumer and the thread that polls for it.
//!
//! Turns line up here, messages within limits: over the upper one the thread pauses the partitions, and below the
//! lower one it lets them go on. So it polls at all times, whatever its consumer is busy with.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::ops::Range;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;

use super::record;
use crate::bus::{Assignment, Delivery, Error, Position, Revocation, Turn};

/// Above so many bytes nothing more is fetched.
const FULL_BYTES: usize = 4 << 20;
/// Below so many it is again.
const LOW_BYTES: usize = 1 << 20;
/// What a message costs beside its bytes.
const OVERHEAD: usize = 256;

/// Where both meet.
#[derive(Debug, Default)]
pub(super) struct Desk {
    inner: Mutex<Inner>,
    /// Wakes the consumer.
    news: Notify,
    /// Wakes the thread, while it waits for partitions to be released.
    released: Condvar,
}

#[derive(Debug, Default)]
struct Inner {
    turns: VecDeque<Entry>,
    bytes: usize,
    /// The partitions that are the consumer's own.
    owned: BTreeMap<i32, Partition>,
    /// Where to begin.
    orders: Vec<Position>,
    /// Partitions that are being given back.
    releasing: BTreeSet<i32>,
    is_full: bool,
    end: Option<End>,
}

#[derive(Debug)]
enum Entry {
    Assigned(Vec<Assignment>),
    Revoked(Revocation),
    Message(Delivery),
}

#[derive(Debug, Default)]
struct Partition {
    stage: Stage,
    /// The offset of the next message to commit, as far as is known.
    committed: u64,
    /// The offsets that it holds, as far as is known: what lies before was deleted.
    held: Range<u64>,
}

/// How far a partition has come.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Stage {
    /// It is not known yet where it stands.
    #[default]
    Fresh,
    /// The consumer will be told of it.
    Announced,
    /// The consumer knows of it.
    Known,
    /// It is being read.
    Started,
}

#[derive(Debug)]
enum End {
    Closed,
    Failed(String, String),
}

fn cost(delivery: &Delivery) -> usize {
    record::size(&delivery.message) + OVERHEAD
}

impl Desk {
    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    // --- the consumer's side ---

    /// Waits for the next turn. Dropping the future loses nothing.
    pub(super) async fn next(&self, max_count: usize, max_bytes: usize) -> Result<Turn, Error> {
        loop {
            let news = self.news.notified();
            if let Some(turn) = self.take(max_count, max_bytes)? {
                return Ok(turn);
            }
            news.await;
        }
    }

    fn take(&self, max_count: usize, max_bytes: usize) -> Result<Option<Turn>, Error> {
        let mut inner = self.inner();
        match &inner.end {
            Some(End::Closed) => return Err(Error::Closed),
            Some(End::Failed(message, remedy)) if inner.turns.is_empty() => {
                return Err(Error::Kafka { message: message.clone(), remedy: remedy.clone() });
            }
            _ => {}
        }
        let first = match inner.turns.pop_front() {
            None => return Ok(None),
            Some(Entry::Assigned(assignments)) => {
                inner.advance(&assignments, Stage::Known);
                return Ok(Some(Turn::Assigned(assignments)));
            }
            Some(Entry::Revoked(revocation)) => return Ok(Some(Turn::Revoked(revocation))),
            Some(Entry::Message(first)) => first,
        };
        let mut bytes = cost(&first);
        let mut batch = vec![first];
        while let Some(Entry::Message(next)) = inner.turns.front() {
            if batch.len() >= max_count || bytes + cost(next) > max_bytes {
                break;
            }
            bytes += cost(next);
            if let Some(Entry::Message(next)) = inner.turns.pop_front() {
                batch.push(next);
            }
        }
        inner.bytes = inner.bytes.saturating_sub(bytes);
        Ok(Some(Turn::Messages(batch)))
    }

    /// Orders a partition to be read. One that is not owned any more is left alone.
    pub(super) fn order(&self, at: Position) -> Result<(), Error> {
        let mut inner = self.inner();
        if matches!(inner.end, Some(End::Closed)) {
            return Err(Error::Closed);
        }
        if inner.owned.contains_key(&at.partition) {
            inner.orders.retain(|order| order.partition != at.partition);
            inner.orders.push(at);
        }
        Ok(())
    }

    /// Whether all of these partitions are the consumer's own.
    pub(super) fn owns(&self, positions: &[Position]) -> bool {
        let inner = self.inner();
        positions.iter().all(|position| inner.owned.contains_key(&position.partition))
    }

    /// Notes what was committed.
    pub(super) fn committed(&self, positions: &[Position]) {
        let mut inner = self.inner();
        for position in positions {
            if let Some(partition) = inner.owned.get_mut(&position.partition) {
                partition.committed = position.next;
            }
        }
    }

    /// Messages that are there and not committed, in the partitions that are owned.
    pub(super) fn lag(&self) -> u64 {
        let behind = |partition: &Partition| {
            partition.held.end.saturating_sub(partition.committed.max(partition.held.start))
        };
        self.inner().owned.values().map(behind).sum()
    }

    /// Nothing comes any more.
    pub(super) fn close(&self) {
        let mut inner = self.inner();
        inner.end = Some(End::Closed);
        // What waits for a release is released.
        let turns = std::mem::take(&mut inner.turns);
        drop(inner);
        drop(turns);
        self.released.notify_all();
        self.news.notify_one();
    }

    pub(super) fn is_closed(&self) -> bool {
        matches!(self.inner().end, Some(End::Closed))
    }

    // --- the thread's side ---

    /// Something that only a new consumer can mend.
    pub(super) fn fail(&self, message: String, remedy: String) {
        self.inner().end.get_or_insert(End::Failed(message, remedy));
        self.news.notify_one();
    }

    /// Partitions were assigned. Their consumer is told once it is known where they stand.
    pub(super) fn assigned(&self, partitions: &[i32]) {
        let mut inner = self.inner();
        for partition in partitions {
            inner.owned.insert(*partition, Partition::default());
        }
    }

    /// Partitions of which the consumer does not know yet.
    pub(super) fn untold(&self) -> Vec<i32> {
        let inner = self.inner();
        let fresh = inner.owned.iter().filter(|(_, partition)| partition.stage == Stage::Fresh);
        fresh.map(|(number, _)| *number).collect()
    }

    /// Tells the consumer of partitions.
    pub(super) fn tell(&self, assignments: Vec<Assignment>) {
        let mut inner = self.inner();
        inner.advance(&assignments, Stage::Announced);
        inner.turns.push_back(Entry::Assigned(assignments));
        drop(inner);
        self.news.notify_one();
    }

    /// The next partition to begin, if any.
    pub(super) fn take_order(&self) -> Option<Position> {
        self.inner().orders.pop()
    }

    /// It could not be carried out yet.
    pub(super) fn put_back(&self, order: Position) {
        let mut inner = self.inner();
        let is_newer = inner.orders.iter().any(|other| other.partition == order.partition);
        if !is_newer && inner.owned.contains_key(&order.partition) {
            inner.orders.push(order);
        }
    }

    /// A partition is about to be read from elsewhere: what was read of it before counts for nothing.
    pub(super) fn restart(&self, partition: i32) {
        let mut inner = self.inner();
        inner.forget(&[partition]);
        if let Some(partition) = inner.owned.get_mut(&partition) {
            partition.stage = Stage::Started;
        }
    }

    /// Adds a message.
    pub(super) fn put(&self, delivery: Delivery) {
        let mut inner = self.inner();
        let Some(partition) =
            inner.owned.get_mut(&delivery.partition).filter(|partition| partition.is_read())
        else {
            return;
        };
        partition.held.end = partition.held.end.max(delivery.position().next);
        inner.bytes += cost(&delivery);
        inner.turns.push_back(Entry::Message(delivery));
        drop(inner);
        self.news.notify_one();
    }

    /// Notes which offsets partitions hold.
    pub(super) fn hold(&self, held: impl IntoIterator<Item = (i32, Range<u64>)>) {
        let mut inner = self.inner();
        for (number, Range { start, end }) in held {
            if let Some(partition) = inner.owned.get_mut(&number) {
                partition.held = start..partition.held.end.max(end);
            }
        }
    }

    /// The partitions to pause (true) or to let go on (false), where that changes.
    pub(super) fn flow(&self) -> Option<(bool, Vec<i32>)> {
        let mut inner = self.inner();
        let is_full = if inner.is_full { inner.bytes > LOW_BYTES } else { inner.bytes > FULL_BYTES };
        if is_full == inner.is_full {
            return None;
        }
        inner.is_full = is_full;
        let started = inner.owned.iter().filter(|(_, partition)| partition.is_read());
        Some((is_full, started.map(|(number, _)| *number).collect()))
    }

    /// Whether partitions are paused.
    pub(super) fn is_full(&self) -> bool {
        self.inner().is_full
    }

    /// Partitions go, with the messages of theirs that were not taken. Waits until the consumer releases them, for
    /// so long; those that are lost, or of which it does not know, go at once.
    pub(super) fn revoke(self: &std::sync::Arc<Self>, partitions: &[i32], lost: bool, patience: Duration) {
        let mut inner = self.inner();
        inner.forget(partitions);
        inner.unannounce(partitions);
        let is_known = |number: &&i32| inner.owned.get(*number).is_some_and(|it| it.stage >= Stage::Known);
        let told: Vec<i32> = partitions.iter().filter(is_known).copied().collect();
        if lost {
            inner.owned.retain(|number, _| !partitions.contains(number));
        }
        if !told.is_empty() {
            inner.releasing.extend(&told);
            let (desk, gone) = (std::sync::Arc::clone(self), told.clone());
            let release = move || desk.release(&gone);
            inner.turns.push_back(Entry::Revoked(Revocation::new(told.clone(), lost, release)));
            self.news.notify_one();
            let held = |inner: &mut Inner| {
                !lost && inner.end.is_none() && told.iter().any(|number| inner.releasing.contains(number))
            };
            let waited = self.released.wait_timeout_while(inner, patience, held);
            inner = waited.unwrap_or_else(PoisonError::into_inner).0;
            inner.releasing.retain(|number| !told.contains(number));
        }
        inner.owned.retain(|number, _| !partitions.contains(number));
    }

    fn release(&self, partitions: &[i32]) {
        self.inner().releasing.retain(|number| !partitions.contains(number));
        self.released.notify_all();
    }
}

impl Partition {
    fn is_read(&self) -> bool {
        self.stage == Stage::Started
    }
}

impl Inner {
    /// Drops the messages that line up of some partitions.
    fn forget(&mut self, partitions: &[i32]) {
        let bytes = &mut self.bytes;
        self.turns.retain(|entry| match entry {
            Entry::Message(delivery) if partitions.contains(&delivery.partition) => {
                *bytes = bytes.saturating_sub(cost(delivery));
                false
            }
            _ => true,
        });
    }

    /// Drops what else lines up of them.
    fn unannounce(&mut self, partitions: &[i32]) {
        self.orders.retain(|order| !partitions.contains(&order.partition));
        self.turns.retain_mut(|entry| match entry {
            Entry::Assigned(assignments) => {
                assignments.retain(|assignment| !partitions.contains(&assignment.partition));
                !assignments.is_empty()
            }
            _ => true,
        });
    }

    fn advance(&mut self, assignments: &[Assignment], stage: Stage) {
        for assignment in assignments {
            if let Some(partition) = self.owned.get_mut(&assignment.partition) {
                partition.stage = stage;
                partition.committed = assignment.committed.unwrap_or_default();
            }
        }
    }
}
