//! Occurrences as messages of the bus, and back.

use crate::bus::{Message, Topic};
use crate::domain::Occurrences;

/// The media type of a body.
const CONTENT_TYPE: &str = "application/json";
/// What a message is about.
const EVENT_TYPE: &str = "hephaestus.error.v1";

/// The message that carries occurrences. Those of one group of one service keep their order.
///
/// # Errors
/// Never, for occurrences that were made here.
pub(super) fn encode(occurrences: &Occurrences) -> serde_json::Result<Message> {
    Ok(Message {
        topic: Topic::Errors,
        id: occurrences.id.to_string(),
        key: format!("{}/{}", occurrences.service, occurrences.fingerprint()),
        headers: vec![
            ("content-type".to_owned(), CONTENT_TYPE.to_owned()),
            ("ce_type".to_owned(), EVENT_TYPE.to_owned()),
        ],
        body: serde_json::to_vec(occurrences)?,
        time: occurrences.first_seen,
    })
}

/// What a message carries.
///
/// # Errors
/// When it was not written by us, or is damaged.
pub(super) fn decode(message: &Message) -> serde_json::Result<Occurrences> {
    serde_json::from_slice(&message.body)
}
