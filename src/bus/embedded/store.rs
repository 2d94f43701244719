//! The bus on disk.
//!
//! Messages have a column family of their own, in the order of topic and offset: files of it never
//! overlap, so compaction moves them without rewriting. The ledger is in the default family.

use rocksdb::{DB, IteratorMode, ReadOptions, WriteBatch};

use super::ledger::{Ledger, Log, Segment, Trimmed};
use crate::bus::message::Unreadable;
use crate::bus::{Delivery, Message, Topic};
use crate::storage::{Access, Database, DatabaseError, Schema};

pub(super) const SCHEMA: Schema = Schema {
    name: "the bus",
    version: 1,
    families: &[MESSAGES],
    later_families: &[],
    loss: "the events that were not worked on yet",
};

const MESSAGES: &str = "messages";

/// What a key of the default family says, by its first byte.
const END: u8 = b'e';
const GROUP: u8 = b'g';
const SEGMENT: u8 = b's';

/// The byte that stands for a topic in keys.
const fn tag(topic: Topic) -> u8 {
    match topic {
        Topic::Errors => 1,
        Topic::Fixes => 2,
        Topic::FixStatus => 3,
        Topic::Knowledge => 4,
        Topic::DeadLetters => 5,
    }
}

fn topic_of(tag_read: u8) -> Option<Topic> {
    Topic::ALL.into_iter().find(|topic| tag(*topic) == tag_read)
}

fn message_key(topic: Topic, offset: u64) -> [u8; 9] {
    let mut key = [tag(topic); 9];
    key[1..].copy_from_slice(&offset.to_be_bytes());
    key
}

fn meta_key(kind: u8, topic: Topic, rest: &[u8]) -> Vec<u8> {
    [&[kind, tag(topic)], rest].concat()
}

/// Adds a message.
pub(super) fn put_message(
    access: &Access<'_>,
    batch: &mut WriteBatch,
    (topic, offset): (Topic, u64),
    value: &[u8],
) -> Result<(), DatabaseError> {
    batch.put_cf(access.family(MESSAGES)?, message_key(topic, offset), value);
    Ok(())
}

/// Writes how the ledger has changed, and deletes the messages that it no longer lists.
pub(super) fn put_ledger(
    access: &Access<'_>,
    batch: &mut WriteBatch,
    (before, after): (&Ledger, &Ledger),
    trimmed: &[Trimmed],
) -> Result<(), DatabaseError> {
    let none = Log::default();
    for (topic, log) in after.logs() {
        let old = before.log(topic).unwrap_or(&none);
        if log.end != old.end {
            batch.put(meta_key(END, topic, &[]), log.end.to_be_bytes());
        }
        for (group, next) in log.groups.iter().filter(|(group, next)| old.groups.get(*group) != Some(*next)) {
            batch.put(meta_key(GROUP, topic, group.as_bytes()), next.to_be_bytes());
        }
        let changed = |segment: &&Segment| old.segments.back().is_none_or(|last| last.next < segment.next);
        for segment in log.segments.iter().rev().take_while(changed) {
            let key = meta_key(SEGMENT, topic, &segment.first.to_be_bytes());
            let fields = [segment.next, segment.bytes, segment.newest];
            batch.put(key, fields.map(u64::to_be_bytes).concat());
        }
    }
    let messages = access.family(MESSAGES)?;
    for Trimmed { topic, below } in trimmed {
        batch.delete_range_cf(messages, message_key(*topic, 0), message_key(*topic, *below));
        let key = |offset: u64| meta_key(SEGMENT, *topic, &offset.to_be_bytes());
        batch.delete_range(key(0), key(*below));
    }
    Ok(())
}

/// Gives the disk back whole files that hold nothing but deleted messages.
pub(super) fn reclaim(database: &Database, trimmed: &[Trimmed]) -> Result<(), DatabaseError> {
    database.read(|access| {
        let messages = access.family(MESSAGES)?;
        trimmed.iter().filter(|trimmed| trimmed.below > 0).try_for_each(|Trimmed { topic, below }| {
            let (from, to) = (message_key(*topic, 0), message_key(*topic, below - 1));
            access.db.delete_file_in_range_cf(messages, from, to).map_err(|error| access.failed(error))
        })
    })
}

/// Likewise for files that hold other messages too, which are written anew, and for what is in the log of the
/// database.
pub(super) fn compact(database: &Database, trimmed: &[Trimmed]) -> Result<(), DatabaseError> {
    let range = |it: &Trimmed| (message_key(it.topic, 0), message_key(it.topic, it.below));
    database.read(|access| access.compact(MESSAGES, trimmed.iter().map(range)))
}

/// Reads the ledger.
pub(super) fn load(database: &Database) -> Result<Ledger, DatabaseError> {
    database.read(|access| {
        let mut ledger = Ledger::default();
        for entry in access.db.iterator(IteratorMode::Start) {
            let (key, value) = entry.map_err(|error| access.failed(error))?;
            let read = match &*key {
                [kind @ (END | GROUP | SEGMENT), topic, rest @ ..] => {
                    topic_of(*topic).and_then(|topic| note(ledger.log_mut(topic), *kind, rest, &value))
                }
                _ => Some(()), // the version
            };
            read.ok_or_else(|| database.damaged("its bookkeeping makes no sense"))?;
        }
        let whole = ledger.logs().all(|(_, log)| is_whole(log));
        if whole { Ok(ledger) } else { Err(database.damaged("its bookkeeping has gaps")) }
    })
}

fn note(log: &mut Log, kind: u8, rest: &[u8], value: &[u8]) -> Option<()> {
    let number = |bytes: &[u8]| bytes.try_into().ok().map(u64::from_be_bytes);
    match kind {
        END => log.end = number(value)?,
        GROUP => drop(log.groups.insert(String::from_utf8(rest.to_vec()).ok()?, number(value)?)),
        _ => {
            let fields = (value.len() == 24).then_some(value)?;
            log.segments.push_back(Segment {
                first: number(rest)?,
                next: number(&fields[..8])?,
                bytes: number(&fields[8..16])?,
                newest: number(&fields[16..])?,
            });
        }
    }
    Some(())
}

/// Whether the segments are a row without gaps up to the end.
fn is_whole(log: &Log) -> bool {
    let mut at = log.head();
    let gapless = log.segments.iter().all(|segment| {
        let follows = segment.first == at && segment.next > at;
        at = segment.next;
        follows
    });
    gapless && at == log.end && log.groups.values().all(|next| *next <= log.end)
}

/// Reads messages from an offset on, below `end`: at least one, where there is one.
pub(super) fn read(
    database: &Database,
    topic: Topic,
    range: std::ops::Range<u64>,
    (max_count, max_bytes): (usize, usize),
) -> Result<Vec<Delivery>, DatabaseError> {
    database.read(|access| {
        let mut options = ReadOptions::default();
        options.set_iterate_lower_bound(message_key(topic, range.start));
        options.set_iterate_upper_bound(message_key(topic, range.end));
        let (mut batch, mut bytes) = (Vec::new(), 0);
        let db: &DB = access.db;
        for entry in db.iterator_cf_opt(access.family(MESSAGES)?, options, IteratorMode::Start) {
            let (key, value) = entry.map_err(|error| access.failed(error))?;
            bytes += value.len();
            if !batch.is_empty() && (batch.len() >= max_count || bytes > max_bytes) {
                break;
            }
            let offset = key.get(1..).and_then(|offset| offset.try_into().ok()).map(u64::from_be_bytes);
            let offset = offset.ok_or_else(|| database.damaged("a message has no offset"))?;
            let message = Message::decode(topic, &value).map_err(|error| match error {
                Unreadable::Newer(version) => database.newer(version),
                Unreadable::Damaged(what) => database.damaged(what),
            })?;
            batch.push(Delivery { partition: super::PARTITION, offset, message });
        }
        Ok(batch)
    })
}
