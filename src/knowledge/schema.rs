//! Knowledge on disk: keys, values, and reading all heads.

use std::collections::BTreeMap;
use std::ops::Range;

use jiff::Timestamp;
use rocksdb::{Direction, IteratorMode};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::changes::Changes;
use super::generations::Generations;
use super::index::{GroupBody, GroupHead, Index, SuggestionBody, SuggestionHead};
use super::owned::Position;
use super::place::{Place, Seen, Unreadable};
use super::record::{Mark, RecordKey};
use crate::domain::{EventId, Fingerprint, SuggestionId};
use crate::storage::{Access, Database, DatabaseError, Schema};

pub(super) const SCHEMA: Schema = Schema {
    name: "knowledge",
    version: 1,
    families: &[GROUPS, GROUP_BODIES, SUGGESTIONS, SUGGESTION_BODIES, SEEN],
    later_families: &[UNPUBLISHED, HALVES],
    loss: "the groups, their counts, and the suggestions",
};

/// By fingerprint.
const GROUPS: &str = "groups";
const GROUP_BODIES: &str = "group-bodies";
/// By sequence.
const SUGGESTIONS: &str = "suggestions";
const SUGGESTION_BODIES: &str = "suggestion-bodies";
/// By generation and event id: where it was seen. An earlier version left the values empty.
const SEEN: &str = "seen";
/// By the key of a record: that it is to be published.
const UNPUBLISHED: &str = "unpublished";
/// By the key of a record: the one half of a suggestion whose other half has not come yet.
const HALVES: &str = "halves";

const GENERATIONS_KEY: &[u8] = b"generations";
const SEQUENCE_KEY: &[u8] = b"sequence";
const POSITION_PREFIX: &str = "position/";
const KNOWN_PREFIX: &str = "known/";
/// There where the knowledge is shared with others.
const SHARED_KEY: &[u8] = b"shared";
/// When what others have published was last read.
const HEARD_KEY: &[u8] = b"heard";

/// The version of a value: its first byte. JSON follows. Earlier ones are read as well: version 1 did not know
/// when an attempt began, nor how many were broken off, and version 2 not why one was not decided.
const VALUE_VERSION: u8 = 3;
const OLDEST_VERSION: u8 = 1;

fn encode<T: Serialize>(value: &T) -> Vec<u8> {
    let mut bytes = vec![VALUE_VERSION];
    // A vector takes every byte, and no record has a map whose key is not a text.
    let written = serde_json::to_writer(&mut bytes, value);
    debug_assert!(written.is_ok(), "{written:?}");
    bytes
}

fn decode<T: DeserializeOwned>(database: &Database, what: &str, bytes: &[u8]) -> Result<T, DatabaseError> {
    match bytes {
        [OLDEST_VERSION..=VALUE_VERSION, json @ ..] => serde_json::from_slice(json)
            .map_err(|error| database.damaged(format!("a record of its {what} makes no sense: {error}"))),
        [version, ..] if *version > VALUE_VERSION => Err(database.newer(*version)),
        _ => Err(database.damaged(format!("a record of its {what} has no version"))),
    }
}

pub(super) fn put_group(
    access: &Access<'_>,
    batch: &mut Changes<'_>,
    fingerprint: Fingerprint,
    head: &GroupHead,
) -> Result<(), DatabaseError> {
    batch.touch(RecordKey::Group(fingerprint));
    batch.settle(fingerprint, head.home);
    batch.raw.put_cf(access.family(GROUPS)?, fingerprint.as_bytes(), encode(head));
    Ok(())
}

pub(super) fn put_group_body(
    access: &Access<'_>,
    batch: &mut Changes<'_>,
    fingerprint: Fingerprint,
    body: &GroupBody,
) -> Result<(), DatabaseError> {
    batch.touch(RecordKey::GroupBody(fingerprint));
    batch.raw.put_cf(access.family(GROUP_BODIES)?, fingerprint.as_bytes(), encode(body));
    Ok(())
}

pub(super) fn delete_group(
    access: &Access<'_>,
    batch: &mut Changes<'_>,
    fingerprint: Fingerprint,
) -> Result<(), DatabaseError> {
    delete_group_head(access, batch, fingerprint)?;
    delete_group_body(access, batch, fingerprint)
}

pub(super) fn delete_group_head(
    access: &Access<'_>,
    batch: &mut Changes<'_>,
    fingerprint: Fingerprint,
) -> Result<(), DatabaseError> {
    batch.touch(RecordKey::Group(fingerprint));
    batch.raw.delete_cf(access.family(GROUPS)?, fingerprint.as_bytes());
    Ok(())
}

pub(super) fn delete_group_body(
    access: &Access<'_>,
    batch: &mut Changes<'_>,
    fingerprint: Fingerprint,
) -> Result<(), DatabaseError> {
    batch.touch(RecordKey::GroupBody(fingerprint));
    batch.raw.delete_cf(access.family(GROUP_BODIES)?, fingerprint.as_bytes());
    Ok(())
}

pub(super) fn put_suggestion(
    access: &Access<'_>,
    batch: &mut Changes<'_>,
    sequence: u64,
    head: &SuggestionHead,
) -> Result<(), DatabaseError> {
    batch.touch(RecordKey::Suggestion(head.id));
    batch.raw.put_cf(access.family(SUGGESTIONS)?, sequence.to_be_bytes(), encode(head));
    Ok(())
}

pub(super) fn put_suggestion_body(
    access: &Access<'_>,
    batch: &mut Changes<'_>,
    (sequence, id): (u64, SuggestionId),
    body: &SuggestionBody,
) -> Result<(), DatabaseError> {
    batch.touch(RecordKey::SuggestionBody(id));
    batch.raw.put_cf(access.family(SUGGESTION_BODIES)?, sequence.to_be_bytes(), encode(body));
    Ok(())
}

/// Writes which sequence was the last to be given away.
pub(super) fn put_last_sequence(batch: &mut Changes<'_>, sequence: u64) {
    batch.raw.put(SEQUENCE_KEY, encode(&sequence));
}

pub(super) fn delete_suggestion(
    access: &Access<'_>,
    batch: &mut Changes<'_>,
    (sequence, id): (u64, SuggestionId),
) -> Result<(), DatabaseError> {
    batch.touch(RecordKey::Suggestion(id));
    batch.touch(RecordKey::SuggestionBody(id));
    batch.raw.delete_cf(access.family(SUGGESTIONS)?, sequence.to_be_bytes());
    batch.raw.delete_cf(access.family(SUGGESTION_BODIES)?, sequence.to_be_bytes());
    Ok(())
}

/// Writes the generations, and deletes those that are forgotten.
pub(super) fn put_generations(
    access: &Access<'_>,
    batch: &mut Changes<'_>,
    (before, after): (Generations, Generations),
) -> Result<(), DatabaseError> {
    if before != after {
        batch.raw.put(GENERATIONS_KEY, encode(&after));
    }
    if before.forgotten() != after.forgotten() {
        let (from, to) = after.forgotten();
        batch.raw.delete_range_cf(access.family(SEEN)?, from, to);
    }
    Ok(())
}

fn position_key(topic: &str, partition: i32) -> String {
    format!("{POSITION_PREFIX}{topic}/{partition}")
}

pub(super) fn put_position(batch: &mut Changes<'_>, position: &Position) {
    batch.raw.put(position_key(&position.topic, position.partition), encode(&position.next));
}

pub(super) fn position(
    database: &Database,
    topic: &str,
    partition: i32,
) -> Result<Option<u64>, DatabaseError> {
    meta(database, position_key(topic, partition).as_bytes())
}

/// Whether anything was ever counted, whatever is left of it.
pub(super) fn has_positions(database: &Database) -> Result<bool, DatabaseError> {
    database.read(|access| {
        let from = IteratorMode::From(POSITION_PREFIX.as_bytes(), Direction::Forward);
        let first = access.db.iterator(from).next().transpose().map_err(|error| access.failed(error))?;
        Ok(first.is_some_and(|(key, _)| key.starts_with(POSITION_PREFIX.as_bytes())))
    })
}

fn meta<T: DeserializeOwned>(database: &Database, key: &[u8]) -> Result<Option<T>, DatabaseError> {
    let value = database.read(|access| access.db.get(key).map_err(|error| access.failed(error)))?;
    value.map(|value| decode(database, "bookkeeping", &value)).transpose()
}

fn body<T: DeserializeOwned>(
    database: &Database,
    family: &str,
    key: &[u8],
) -> Result<Option<T>, DatabaseError> {
    let value = database
        .read(|access| access.db.get_cf(access.family(family)?, key).map_err(|error| access.failed(error)))?;
    value.map(|value| decode(database, family, &value)).transpose()
}

pub(super) fn group_body(
    database: &Database,
    fingerprint: Fingerprint,
) -> Result<Option<GroupBody>, DatabaseError> {
    body(database, GROUP_BODIES, fingerprint.as_bytes())
}

pub(super) fn suggestion_body(
    database: &Database,
    sequence: u64,
) -> Result<Option<SuggestionBody>, DatabaseError> {
    body(database, SUGGESTION_BODIES, &sequence.to_be_bytes())
}

/// What is known of each of these ids. They are in order and each is there once.
pub(super) fn seen(
    database: &Database,
    generations: Generations,
    ids: &[EventId],
) -> Result<Vec<Option<Seen>>, DatabaseError> {
    let mut found: Vec<Option<Seen>> = vec![None; ids.len()];
    database.read(|access| {
        let family = access.family(SEEN)?;
        for generation in generations.kept() {
            let open: Vec<usize> = (0..ids.len()).filter(|at| found[*at].is_none()).collect();
            let keys: Vec<_> = open.iter().map(|at| generation.key(&ids[*at])).collect();
            let values = access.db.batched_multi_get_cf(family, &keys, true);
            for (at, value) in open.into_iter().zip(values) {
                let Some(value) = value.map_err(|error| access.failed(error))? else { continue };
                found[at] = Some(Seen::decode(&value).map_err(|error| match error {
                    Unreadable::Newer(version) => database.newer(version),
                    Unreadable::Damaged => database.damaged("a place of its seen events makes no sense"),
                })?);
            }
        }
        Ok(())
    })?;
    Ok(found)
}

pub(super) fn put_seen(
    access: &Access<'_>,
    batch: &mut Changes<'_>,
    generations: Generations,
    (id, place): (&EventId, Place),
) -> Result<(), DatabaseError> {
    batch.raw.put_cf(access.family(SEEN)?, generations.key(id), place.encode());
    Ok(())
}

fn known_key(topic: &str, partition: i32) -> String {
    format!("{KNOWN_PREFIX}{topic}/{partition}")
}

pub(super) fn put_known(batch: &mut Changes<'_>, topic: &str, partition: i32, known: &Range<u64>) {
    batch.raw.put(known_key(topic, partition), encode(known));
}

/// The offsets whose ids are known.
pub(super) fn known(
    database: &Database,
    topic: &str,
    partition: i32,
) -> Result<Option<Range<u64>>, DatabaseError> {
    meta(database, known_key(topic, partition).as_bytes())
}

pub(super) fn put_marks(
    access: &Access<'_>,
    batch: &mut Changes<'_>,
    marks: &BTreeMap<RecordKey, Mark>,
) -> Result<(), DatabaseError> {
    let family = access.family(UNPUBLISHED)?;
    marks.iter().for_each(|(key, mark)| batch.raw.put_cf(family, key.to_string(), encode(mark)));
    Ok(())
}

pub(super) fn delete_marks<'k>(
    access: &Access<'_>,
    batch: &mut Changes<'_>,
    keys: impl IntoIterator<Item = &'k RecordKey>,
) -> Result<(), DatabaseError> {
    let family = access.family(UNPUBLISHED)?;
    keys.into_iter().for_each(|key| batch.raw.delete_cf(family, key.to_string()));
    Ok(())
}

/// Reads all marks.
pub(super) fn marks(database: &Database) -> Result<BTreeMap<RecordKey, Mark>, DatabaseError> {
    let mut marks = BTreeMap::new();
    let damaged = || database.damaged(format!("a key of its {UNPUBLISHED}"));
    database.read(|access| {
        for entry in access.db.iterator_cf(access.family(UNPUBLISHED)?, IteratorMode::Start) {
            let (key, value) = entry.map_err(|error| access.failed(error))?;
            let key = std::str::from_utf8(&key).ok().and_then(|key| key.parse().ok()).ok_or_else(damaged)?;
            marks.insert(key, decode(database, UNPUBLISHED, &value)?);
        }
        Ok(())
    })?;
    Ok(marks)
}

pub(super) fn put_half<T: Serialize>(
    access: &Access<'_>,
    batch: &mut Changes<'_>,
    key: RecordKey,
    half: &T,
) -> Result<(), DatabaseError> {
    batch.raw.put_cf(access.family(HALVES)?, key.to_string(), encode(half));
    Ok(())
}

pub(super) fn delete_half(
    access: &Access<'_>,
    batch: &mut Changes<'_>,
    key: RecordKey,
) -> Result<(), DatabaseError> {
    batch.raw.delete_cf(access.family(HALVES)?, key.to_string());
    Ok(())
}

pub(super) fn half<T: DeserializeOwned>(
    database: &Database,
    key: RecordKey,
) -> Result<Option<T>, DatabaseError> {
    body(database, HALVES, key.to_string().as_bytes())
}

/// Forgets all groups and suggestions, and all positions; not which events were seen.
pub(super) fn forget(access: &Access<'_>, batch: &mut Changes<'_>) -> Result<(), DatabaseError> {
    // Beyond every key: none is so long.
    const END: [u8; 128] = [u8::MAX; 128];
    for family in [GROUPS, GROUP_BODIES, SUGGESTIONS, SUGGESTION_BODIES, UNPUBLISHED, HALVES] {
        batch.raw.delete_range_cf(access.family(family)?, &[][..], &END[..]);
    }
    let end = POSITION_PREFIX.replace('/', "0");
    batch.raw.delete_range(POSITION_PREFIX.as_bytes(), end.as_bytes());
    Ok(())
}

pub(super) fn is_shared(database: &Database) -> Result<bool, DatabaseError> {
    Ok(meta(database, SHARED_KEY)?.unwrap_or(false))
}

pub(super) fn put_shared(batch: &mut Changes<'_>) {
    batch.raw.put(SHARED_KEY, encode(&true));
}

pub(super) fn heard(database: &Database) -> Result<Option<Timestamp>, DatabaseError> {
    meta(database, HEARD_KEY)
}

pub(super) fn put_heard(batch: &mut Changes<'_>, at: Timestamp) {
    batch.raw.put(HEARD_KEY, encode(&at));
}

/// Reads all heads.
pub(super) fn load(database: &Database) -> Result<Index, DatabaseError> {
    let mut index = Index {
        generations: meta(database, GENERATIONS_KEY)?.unwrap_or_default(),
        last_sequence: meta(database, SEQUENCE_KEY)?.unwrap_or_default(),
        ..Index::default()
    };
    each(database, GROUPS, |key: [u8; 16], head| {
        index.groups.insert(Fingerprint::from_bytes(key), head);
    })?;
    each(database, SUGGESTIONS, |key: [u8; 8], head| index.add_suggestion(u64::from_be_bytes(key), head))?;
    Ok(index)
}

fn each<const N: usize, T: DeserializeOwned>(
    database: &Database,
    family: &str,
    mut take: impl FnMut([u8; N], T),
) -> Result<(), DatabaseError> {
    database.read(|access| {
        for entry in access.db.iterator_cf(access.family(family)?, IteratorMode::Start) {
            let (key, value) = entry.map_err(|error| access.failed(error))?;
            let key = (*key).try_into().map_err(|_| database.damaged(format!("a key of its {family}")))?;
            take(key, decode(database, family, &value)?);
        }
        Ok(())
    })
}
