//! Knowledge on disk: keys, values, and reading all heads.

use rocksdb::{IteratorMode, WriteBatch};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::generations::Generations;
use super::index::{GroupBody, GroupHead, Index, SuggestionBody, SuggestionHead};
use crate::domain::Fingerprint;
use crate::storage::{Access, Database, DatabaseError, Schema};

pub(super) const SCHEMA: Schema = Schema {
    name: "knowledge",
    version: 1,
    families: &[GROUPS, GROUP_BODIES, SUGGESTIONS, SUGGESTION_BODIES, SEEN],
    loss: "the groups, their counts, and the suggestions",
};

/// By fingerprint.
const GROUPS: &str = "groups";
const GROUP_BODIES: &str = "group-bodies";
/// By sequence.
const SUGGESTIONS: &str = "suggestions";
const SUGGESTION_BODIES: &str = "suggestion-bodies";
/// By generation and event id; without values.
pub(super) const SEEN: &str = "seen";

const GENERATIONS_KEY: &[u8] = b"generations";
const SEQUENCE_KEY: &[u8] = b"sequence";
const POSITION_PREFIX: &str = "position/";

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
    batch: &mut WriteBatch,
    fingerprint: Fingerprint,
    head: &GroupHead,
) -> Result<(), DatabaseError> {
    batch.put_cf(access.family(GROUPS)?, fingerprint.as_bytes(), encode(head));
    Ok(())
}

pub(super) fn put_group_body(
    access: &Access<'_>,
    batch: &mut WriteBatch,
    fingerprint: Fingerprint,
    body: &GroupBody,
) -> Result<(), DatabaseError> {
    batch.put_cf(access.family(GROUP_BODIES)?, fingerprint.as_bytes(), encode(body));
    Ok(())
}

pub(super) fn delete_group(
    access: &Access<'_>,
    batch: &mut WriteBatch,
    fingerprint: Fingerprint,
) -> Result<(), DatabaseError> {
    batch.delete_cf(access.family(GROUPS)?, fingerprint.as_bytes());
    batch.delete_cf(access.family(GROUP_BODIES)?, fingerprint.as_bytes());
    Ok(())
}

pub(super) fn put_suggestion(
    access: &Access<'_>,
    batch: &mut WriteBatch,
    sequence: u64,
    head: &SuggestionHead,
) -> Result<(), DatabaseError> {
    batch.put_cf(access.family(SUGGESTIONS)?, sequence.to_be_bytes(), encode(head));
    Ok(())
}

/// Writes a new suggestion, and that its sequence is given away.
pub(super) fn put_suggestion_body(
    access: &Access<'_>,
    batch: &mut WriteBatch,
    sequence: u64,
    body: &SuggestionBody,
) -> Result<(), DatabaseError> {
    batch.put_cf(access.family(SUGGESTION_BODIES)?, sequence.to_be_bytes(), encode(body));
    batch.put(SEQUENCE_KEY, encode(&sequence));
    Ok(())
}

pub(super) fn delete_suggestion(
    access: &Access<'_>,
    batch: &mut WriteBatch,
    sequence: u64,
) -> Result<(), DatabaseError> {
    batch.delete_cf(access.family(SUGGESTIONS)?, sequence.to_be_bytes());
    batch.delete_cf(access.family(SUGGESTION_BODIES)?, sequence.to_be_bytes());
    Ok(())
}

/// Writes the generations, and deletes those that are forgotten.
pub(super) fn put_generations(
    access: &Access<'_>,
    batch: &mut WriteBatch,
    (before, after): (Generations, Generations),
) -> Result<(), DatabaseError> {
    if before != after {
        batch.put(GENERATIONS_KEY, encode(&after));
    }
    if before.forgotten() != after.forgotten() {
        let (from, to) = after.forgotten();
        batch.delete_range_cf(access.family(SEEN)?, from, to);
    }
    Ok(())
}

fn position_key(topic: &str, partition: i32) -> String {
    format!("{POSITION_PREFIX}{topic}/{partition}")
}

pub(super) fn put_position(batch: &mut WriteBatch, topic: &str, partition: i32, next: u64) {
    batch.put(position_key(topic, partition), encode(&next));
}

pub(super) fn position(
    database: &Database,
    topic: &str,
    partition: i32,
) -> Result<Option<u64>, DatabaseError> {
    meta(database, position_key(topic, partition).as_bytes())
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

/// Whether one of these keys is among the events that were counted.
pub(super) fn is_seen(
    access: &Access<'_>,
    mut keys: impl Iterator<Item = [u8; 44]>,
) -> Result<bool, DatabaseError> {
    let seen = access.family(SEEN)?;
    keys.try_fold(false, |found, key| {
        Ok(found || access.db.get_pinned_cf(seen, key).map_err(|error| access.failed(error))?.is_some())
    })
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
