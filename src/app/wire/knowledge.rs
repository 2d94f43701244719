//! What fixers tell each other: the records of `hephaestus.knowledge.v1`. Others need not understand them.

use jiff::Timestamp;

use super::headers;
use crate::bus::kafka::KeyedRecord;
use crate::bus::{Message, Topic};
use crate::knowledge::{Incoming, Record};

const RECORD_TYPE: &str = "hephaestus.knowledge.v1";
/// Who wrote it: a fixer passes over what it wrote itself.
const WRITER: &str = "hephaestus_writer";

/// The message that carries a record. Without a body it says that what it is about is gone.
#[must_use]
pub fn encode(record: &Record, writer: &str, now: Timestamp) -> Message {
    let mut headers = headers(RECORD_TYPE);
    headers.push((WRITER.to_owned(), writer.to_owned()));
    let key = record.key.to_string();
    Message {
        topic: Topic::Knowledge,
        id: format!("{writer}/{key}/{}", now.as_microsecond()),
        key,
        headers,
        body: record.value.clone().unwrap_or_default(),
        time: now,
    }
}

/// What a record of the topic says.
#[must_use]
pub fn decode(record: KeyedRecord) -> Incoming {
    let KeyedRecord { key, body, mut headers, .. } = record;
    let writer = headers.iter().position(|(name, _)| name == WRITER);
    Incoming { key, value: body, writer: writer.map(|at| headers.swap_remove(at).1) }
}
