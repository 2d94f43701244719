//! Counting.

use std::collections::{BTreeMap, HashMap, HashSet};

use jiff::Timestamp;

use super::generations::Generations;
use super::index::{GroupBody, GroupHead};
use super::owned::Position;
use super::place::{Place, Seen, joined};
use super::{Error, Knowledge, schema};
use crate::domain::{EventId, Fingerprint, Occurrences};

/// Occurrences, and the message that brought them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Arrival {
    /// The offset of the message in its partition.
    pub offset: u64,
    /// What it says.
    pub occurrences: Occurrences,
}

/// What applying a batch has changed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Applied {
    /// The groups that have grown, by fingerprint.
    pub changes: Vec<Change>,
    /// How many of the batch had been counted before.
    pub duplicates: u64,
}

/// How one group has grown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Change {
    /// The group.
    pub fingerprint: Fingerprint,
    /// Whether it is new.
    pub is_new: bool,
    /// How many occurrences were added.
    pub added: u64,
}

/// One group while a batch is counted.
struct Growing {
    head: GroupHead,
    /// Where it has to be written.
    body: Option<GroupBody>,
    is_new: bool,
    added: u64,
}

impl Knowledge {
    /// Counts occurrences, each id once, and remembers how far the consumer has come. It is durable when
    /// this returns; after an error nothing has changed, and the same batch may be applied again.
    ///
    /// An id that another message has brought is a duplicate. One that this very message has brought was
    /// counted if the message is from before the position, and only then: a position that was set back makes
    /// it count again. (A position is only ever set back by [`Shared::own`](super::Shared::own).) All messages of the partition between the position and the new one are in the batch, but
    /// for those that could not be read.
    ///
    /// # Errors
    /// The partition is not ours, or the database cannot be written.
    pub fn apply(&self, position: &Position, batch: Vec<Arrival>, now: Timestamp) -> Result<Applied, Error> {
        let mut writing = self.begin()?;
        let Position { topic, partition, next } = position;
        if !self.view().index().owned.contains(*partition) {
            return Err(Error::NotOurs(*partition));
        }
        let before = self.view().index().generations;
        let after = before.after(writing.last_now, now, self.config().dedup_retention);
        let total = batch.len();
        let from = schema::position(self.database(), topic, *partition)?;
        let position = Position { next: from.map_or(*next, |from| from.max(*next)), ..position.clone() };
        let covered = from.or_else(|| batch.first().map(|first| first.offset)).unwrap_or(*next)..*next;
        let known = joined(schema::known(self.database(), topic, *partition)?, covered);
        // Looked up by the generations of before: what the new ones forget is forgotten after this batch.
        let fresh = self.fresh(before, (*partition, from.unwrap_or(0)), batch)?;
        let duplicates = (total - fresh.len()) as u64;
        let place = |offset| Place { partition: *partition, offset };
        let places: Vec<_> = fresh.iter().map(|it| (it.occurrences.id, place(it.offset))).collect();
        let grown = self.grow(fresh, *partition, now)?;
        self.write(
            |access, batch| {
                schema::put_generations(access, batch, (before, after))?;
                for (id, place) in &places {
                    schema::put_seen(access, batch, after, (id, *place))?;
                }
                for (fingerprint, growing) in &grown {
                    schema::put_group(access, batch, *fingerprint, &growing.head)?;
                    if let Some(body) = &growing.body {
                        schema::put_group_body(access, batch, *fingerprint, body)?;
                    }
                }
                schema::put_position(batch, &position);
                known.iter().for_each(|known| schema::put_known(batch, topic, *partition, known));
                Ok(())
            },
            |index| {
                index.generations = after;
                index.owned.advance(&position);
                index.groups.extend(grown.iter().map(|(fingerprint, it)| (*fingerprint, it.head.clone())));
            },
        )?;
        self.inner.metrics.events_deduplicated.inc_by(duplicates);
        writing.last_now = Some(now);
        self.keep_within_limit(&writing);
        let changes = grown
            .into_iter()
            .map(|(fingerprint, it)| Change { fingerprint, is_new: it.is_new, added: it.added })
            .collect();
        Ok(Applied { changes, duplicates })
    }

    /// Those that were not counted yet, of messages of a partition from an offset on.
    fn fresh(
        &self,
        generations: Generations,
        (partition, from): (i32, u64),
        mut batch: Vec<Arrival>,
    ) -> Result<Vec<Arrival>, Error> {
        let mut in_batch = HashSet::with_capacity(batch.len());
        batch.retain(|arrival| arrival.offset >= from && in_batch.insert(arrival.occurrences.id));
        let mut ids: Vec<EventId> = in_batch.into_iter().collect();
        ids.sort_unstable();
        let seen = schema::seen(self.database(), generations, &ids)?;
        let seen: HashMap<EventId, Seen> =
            ids.into_iter().zip(seen).filter_map(|(id, seen)| Some((id, seen?))).collect();
        batch.retain(|arrival| {
            let place = Place { partition, offset: arrival.offset };
            seen.get(&arrival.occurrences.id).is_none_or(|seen| !seen.is_elsewhere(place))
        });
        Ok(batch)
    }

    /// Adds them to their groups, in memory of our own.
    fn grow(
        &self,
        fresh: Vec<Arrival>,
        home: i32,
        now: Timestamp,
    ) -> Result<BTreeMap<Fingerprint, Growing>, Error> {
        let mut grown: BTreeMap<Fingerprint, Growing> = BTreeMap::new();
        for Arrival { occurrences, .. } in fresh {
            let fingerprint = occurrences.fingerprint();
            if !grown.contains_key(&fingerprint)
                && let Some(head) = self.view().index().groups.get(&fingerprint).cloned()
            {
                let head = GroupHead { home, ..head };
                grown.insert(fingerprint, Growing { head, body: None, is_new: false, added: 0 });
            }
            let count = occurrences.count.get();
            match grown.get_mut(&fingerprint) {
                Some(growing) => {
                    growing.added = growing.added.saturating_add(count);
                    if growing.head.extend(&occurrences, now) {
                        let body = match growing.body.take() {
                            Some(body) => Some(body),
                            None => schema::group_body(self.database(), fingerprint)?,
                        };
                        growing.body = body.map(|body| GroupBody {
                            first: occurrences.event,
                            context: occurrences.context,
                            ..body
                        });
                    }
                }
                None => {
                    let head = GroupHead::of(&occurrences, home, now);
                    let Occurrences { service, event: first, context, .. } = occurrences;
                    let body = Some(GroupBody { service, first, context, remedy: None, undecided: None });
                    grown.insert(fingerprint, Growing { head, body, is_new: true, added: count });
                }
            }
        }
        Ok(grown)
    }
}
