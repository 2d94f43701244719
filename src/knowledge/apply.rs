//! Counting.

use std::collections::{BTreeMap, HashSet};

use jiff::Timestamp;

use super::index::{GroupBody, GroupHead};
use super::{Error, Knowledge, schema};
use crate::domain::{EventId, Fingerprint, Occurrences};

/// How far a consumer has come in one partition of a topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Position {
    /// The topic's name.
    pub topic: String,
    /// The partition.
    pub partition: i32,
    /// The offset of the next message.
    pub next: u64,
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
    /// # Errors
    /// The database cannot be written.
    pub fn apply(
        &self,
        position: &Position,
        batch: Vec<Occurrences>,
        now: Timestamp,
    ) -> Result<Applied, Error> {
        let mut writing = self.begin()?;
        let before = self.view().index().generations;
        let after = before.after(writing.last_now, now, self.config().dedup_retention);
        let total = batch.len();
        // Looked up by the generations of before: what the new ones forget is forgotten after this batch.
        let fresh = self.fresh(before, batch)?;
        let duplicates = (total - fresh.len()) as u64;
        let ids: Vec<EventId> = fresh.iter().map(|occurrences| occurrences.id).collect();
        let grown = self.grow(fresh, now)?;
        self.write(
            |access, batch| {
                let seen = access.family(schema::SEEN)?;
                schema::put_generations(access, batch, (before, after))?;
                ids.iter().for_each(|id| batch.put_cf(seen, after.key(id), []));
                for (fingerprint, growing) in &grown {
                    schema::put_group(access, batch, *fingerprint, &growing.head)?;
                    if let Some(body) = &growing.body {
                        schema::put_group_body(access, batch, *fingerprint, body)?;
                    }
                }
                schema::put_position(batch, &position.topic, position.partition, position.next);
                Ok(())
            },
            |index| {
                index.generations = after;
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

    /// Those that were not counted yet.
    fn fresh(
        &self,
        generations: super::generations::Generations,
        batch: Vec<Occurrences>,
    ) -> Result<Vec<Occurrences>, Error> {
        let mut in_batch = HashSet::with_capacity(batch.len());
        let mut fresh = Vec::with_capacity(batch.len());
        self.database().read(|access| {
            for occurrences in batch {
                let id = &occurrences.id;
                if in_batch.insert(*id) && !schema::is_seen(&access, generations.keys(id))? {
                    fresh.push(occurrences);
                }
            }
            Ok(())
        })?;
        Ok(fresh)
    }

    /// Adds them to their groups, in memory of our own.
    fn grow(&self, fresh: Vec<Occurrences>, now: Timestamp) -> Result<BTreeMap<Fingerprint, Growing>, Error> {
        let mut grown: BTreeMap<Fingerprint, Growing> = BTreeMap::new();
        for occurrences in fresh {
            let fingerprint = occurrences.fingerprint();
            if !grown.contains_key(&fingerprint)
                && let Some(head) = self.view().index().groups.get(&fingerprint).cloned()
            {
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
                    let head = GroupHead::of(&occurrences, now);
                    let Occurrences { service, event: first, context, .. } = occurrences;
                    let body = Some(GroupBody { service, first, context, remedy: None, undecided: None });
                    grown.insert(fingerprint, Growing { head, body, is_new: true, added: count });
                }
            }
        }
        Ok(grown)
    }
}
