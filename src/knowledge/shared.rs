//! Knowledge that several fixers share.

use std::collections::BTreeMap;
use std::hash::{BuildHasher as _, RandomState};
use std::ops::Range;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;

use super::owned::{Owned, Position};
use super::place::{Place, Seen, joined};
use super::{Config, Error, Knowledge, schema};
use crate::domain::EventId;
use crate::storage::Database;
use crate::telemetry::metrics::Metrics;

/// Knowledge that is shared with other fixers: a working copy of a changelog that all of them write and read.
/// Clones are the same memory.
///
/// Each partition of the log of errors is owned by one fixer at a time, who alone counts what it brings and works
/// on the groups that have their home there. What others own can be read.
///
/// # The protocol
///
/// 1. *Taking over* a partition: ask the broker how far it was committed, and wait for that answer to be stable;
///    only then write a barrier to every partition of the changelog, and [`restore`](Self::restore) all that comes
///    before it; [learn](Self::learn_ids) the ids below the committed offset that are not
///    [known](Self::known_ids); then [own](Self::own) it from that offset on.
/// 2. *Counting*: [`Knowledge::apply`]; then, in one transaction, the records *and the positions* of
///    [`unpublished`](Self::unpublished); when it is committed, [`published`](Self::published). A suggestion goes
///    out in the same way.
/// 3. *Giving back*: [`release`](Self::release), which ends what goes on there; publish; [`disown`](Self::disown);
///    then give it back.
/// 4. *Losing it* without having been asked: [`disown`](Self::disown). Where anything is unpublished then, or where
///    the broker refuses a transaction since somebody else has the partition: [`rebuild`](Self::rebuild), and take
///    over anew whatever is still assigned.
///
/// All messages of a group must come to one partition. Where that changes, since partitions were added, the group
/// moves its home with its next occurrence; that its counts are exact then needs the old partition to be counted
/// up.
#[derive(Debug, Clone)]
pub struct Shared {
    knowledge: Knowledge,
    writer: Arc<Mutex<String>>,
}

impl Shared {
    /// Opens the working copy of a folder; begins anew where there is nothing. Nothing is owned yet. Where it
    /// holds changes that nobody else was told of, as after a crash, it is [rebuilt](Self::rebuild).
    ///
    /// # Errors
    /// The database is in use, damaged, of a newer version, cannot be written, or was gathered alone.
    pub fn open(folder: &Path, config: &Config, metrics: &Metrics) -> Result<Self, Error> {
        let database = Database::open(folder, &schema::SCHEMA)?;
        let is_shared = schema::is_shared(&database)?;
        // What it has counted up to, and which events it has seen, are those of another log.
        if !is_shared && schema::has_positions(&database)? {
            return Err(Error::Alone(folder.into()));
        }
        let marks = schema::marks(&database)?;
        let knowledge = Knowledge::new(database, config, metrics, true)?;
        let shared = Self { knowledge, writer: Arc::new(Mutex::new(random_writer())) };
        if !is_shared {
            shared.knowledge.write(
                |_, batch| {
                    schema::put_shared(batch);
                    Ok(())
                },
                |_| {},
            )?;
        }
        if marks.is_empty() {
            shared.knowledge.view().change(|index| index.owned = Owned::These(BTreeMap::new()));
        } else {
            tracing::info!(records = marks.len(), "changes were not published; knowledge is restored anew");
            shared.rebuild()?;
        }
        Ok(shared)
    }

    /// How far a partition of a topic was applied.
    ///
    /// # Errors
    /// The database cannot be read, nor opened again.
    pub fn position(&self, topic: &str, partition: i32) -> Result<Option<u64>, Error> {
        let _writing = self.knowledge.begin()?;
        self.knowledge.view().position(topic, partition)
    }

    /// What is remembered, and how it changes.
    #[must_use]
    pub const fn knowledge(&self) -> &Knowledge {
        &self.knowledge
    }

    /// When what others have published was last read to its end, as far as is known.
    ///
    /// # Errors
    /// The database cannot be read.
    pub fn heard(&self) -> Result<Option<Timestamp>, Error> {
        let _writing = self.knowledge.begin()?;
        Ok(schema::heard(self.knowledge.database())?)
    }

    /// What others have published by now was read.
    ///
    /// # Errors
    /// The database cannot be written.
    pub fn has_heard(&self, now: Timestamp) -> Result<(), Error> {
        let _writing = self.knowledge.begin()?;
        self.knowledge.write_unmarked(
            |_, batch| {
                schema::put_heard(batch, now);
                Ok(())
            },
            |_| {},
        )
    }

    /// Takes a partition over, from the committed offset on. Everything that others have committed for it was
    /// restored, and the ids before that offset are known.
    ///
    /// # Errors
    /// Changes to its groups were made here and never published, or the database cannot be written.
    pub fn own(&self, committed: &Position) -> Result<(), Error> {
        let _writing = self.knowledge.begin()?;
        let partition = committed.partition;
        let is_marked = {
            let index = self.knowledge.view().index();
            index.unpublished.values().any(|mark| mark.home == partition)
        };
        if is_marked {
            return Err(Error::Unpublished(partition));
        }
        self.knowledge.write(
            |_, batch| {
                schema::put_position(batch, committed);
                Ok(())
            },
            |index| index.owned.add(committed.clone()),
        )
    }

    /// Ends what goes on in a partition, before it is given back: nothing more is counted or begun there, and
    /// attempts at its groups are taken back, as if they had never begun. What is to be published stays so,
    /// together with how far it was counted.
    ///
    /// # Errors
    /// The database cannot be written: then the attempts count as broken off. The partition is released all the
    /// same.
    pub fn release(&self, partition: i32) -> Result<(), Error> {
        let mut writing = self.knowledge.lock();
        let recovered = self.knowledge.recover(&mut writing);
        let taken_back = recovered
            .and_then(|()| self.knowledge.take_back_attempts(&mut writing, |head| head.home == partition));
        self.knowledge.view().change(|index| index.owned.release(partition));
        taken_back
    }

    /// A partition is somebody else's from now on. Attempts at its groups that go on here count as broken off.
    pub fn disown(&self, partition: i32) {
        let mut writing = self.knowledge.lock();
        self.knowledge.view().change(|index| {
            let is_there = |print: &_| index.groups.get(print).is_some_and(|head| head.home == partition);
            writing.begun.retain(|print| !is_there(print));
            index.owned.remove(partition);
        });
    }

    /// The offsets of a partition whose ids are known: what a message there brings again is recognised. Ids that
    /// were forgotten by age count as known.
    ///
    /// # Errors
    /// The database cannot be read.
    pub fn known_ids(&self, topic: &str, partition: i32) -> Result<Option<Range<u64>>, Error> {
        let _writing = self.knowledge.begin()?;
        Ok(schema::known(self.knowledge.database(), topic, partition)?)
    }

    /// Remembers the ids that the messages of a range brought, without counting anything. Ranges are learnt in
    /// their order.
    ///
    /// # Errors
    /// The database cannot be written.
    pub fn learn_ids(
        &self,
        topic: &str,
        partition: i32,
        range: Range<u64>,
        ids: &[(EventId, u64)],
        now: Timestamp,
    ) -> Result<(), Error> {
        let knowledge = &self.knowledge;
        let mut writing = knowledge.begin()?;
        let before = knowledge.view().index().generations;
        let after = before.after(writing.last_now, now, knowledge.config().dedup_retention);
        let known = joined(schema::known(knowledge.database(), topic, partition)?, range);
        let mut first: BTreeMap<EventId, u64> = BTreeMap::new();
        for (id, offset) in ids {
            first.entry(*id).and_modify(|first| *first = (*first).min(*offset)).or_insert(*offset);
        }
        let in_order: Vec<EventId> = first.keys().copied().collect();
        let seen = schema::seen(knowledge.database(), before, &in_order)?;
        // Of several messages that brought an id, the first is the one that counted.
        let is_news = |seen: Option<Seen>, offset| match seen {
            None => true,
            Some(Seen::At(place)) => place.partition == partition && offset < place.offset,
            Some(Seen::Somewhere) => false,
        };
        let news: Vec<_> = first
            .into_iter()
            .zip(seen)
            .filter(|((_, offset), seen)| is_news(*seen, *offset))
            .map(|((id, offset), _)| (id, Place { partition, offset }))
            .collect();
        knowledge.write_unmarked(
            |access, batch| {
                schema::put_generations(access, batch, (before, after))?;
                known.iter().for_each(|known| schema::put_known(batch, topic, partition, known));
                news.iter().try_for_each(|(id, place)| schema::put_seen(access, batch, after, (id, *place)))
            },
            |index| index.generations = after,
        )?;
        writing.last_now = Some(now);
        Ok(())
    }

    /// Forgets all groups and suggestions, what is to be published, and all positions, so that the changelog is
    /// restored from its beginning; not which events were seen. Nothing is owned any more. It happens as a whole
    /// or not at all.
    ///
    /// # Errors
    /// The database cannot be written.
    pub fn rebuild(&self) -> Result<(), Error> {
        let mut writing = self.knowledge.begin()?;
        self.knowledge
            .database()
            .write(|access, batch| schema::forget(access, &mut super::Changes::new(batch)))?;
        *self.writer.lock().unwrap_or_else(PoisonError::into_inner) = random_writer();
        writing.begun.clear();
        self.knowledge.view().change(|index| {
            index.groups.clear();
            index.suggestions.clear();
            index.sequences.clear();
            index.unpublished.clear();
            index.owned = Owned::These(BTreeMap::new());
        });
        self.knowledge.gauge();
        Ok(())
    }

    /// The name under which this working copy writes to the changelog. It changes whenever the copy begins anew,
    /// so that what it wrote before is restored like what others wrote.
    pub(super) fn writer(&self) -> String {
        self.writer.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

fn random_writer() -> String {
    // The keys of a hasher are random.
    format!("{:016x}", RandomState::new().hash_one(std::process::id()))
}
