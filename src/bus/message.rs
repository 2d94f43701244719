//! Messages, where they stand, and how they are stored.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::Topic;

/// What is kept of the body of a message that is too large, as a dead letter.
pub(super) const KEPT_BYTES: usize = 16 << 10;
/// So many headers are kept of it.
const MOST_HEADERS: usize = 64;
/// What is kept of its key and of each of its headers.
const KEPT_NAME_BYTES: usize = 1 << 10;

/// What is published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Where it goes.
    pub topic: Topic,
    /// Its identity: the same event, published again, bears the same.
    pub id: String,
    /// Messages of one key keep their order, on whatever partition.
    pub key: String,
    /// What a reader may want to know before it reads the body.
    pub headers: Vec<(String, String)>,
    /// What it says. In a compacted topic nothing means that the key is gone.
    pub body: Vec<u8>,
    /// When what it says happened.
    pub time: Timestamp,
}

/// A message and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// Which partition of its topic.
    pub partition: i32,
    /// Its number there. Numbers rise, and may leave gaps.
    pub offset: u64,
    /// The message.
    pub message: Message,
}

/// How far a group of consumers has come in one partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position {
    /// The partition.
    pub partition: i32,
    /// The offset of the next message to read.
    pub next: u64,
}

impl Delivery {
    /// The position of a group that is done with this message and all before it.
    #[must_use]
    pub const fn position(&self) -> Position {
        Position { partition: self.partition, next: self.offset + 1 }
    }

    /// The message as a dead letter: unchanged, with its origin and the reason among its headers. Headers that would
    /// tell of another origin go.
    #[must_use]
    pub fn into_dead_letter(self, reason: &str, now: Timestamp) -> Message {
        let Self { partition, offset, mut message } = self;
        message.headers.retain(|(name, _)| !name.starts_with("dlq_"));
        let mut note = |name: &str, value: String| message.headers.push((format!("dlq_{name}"), value));
        note("topic", message.topic.name().to_owned());
        note("partition", partition.to_string());
        note("offset", offset.to_string());
        note("reason", reason.to_owned());
        note("time", message.time.to_string());
        Message { topic: Topic::DeadLetters, time: now, ..message }
    }
}

impl Message {
    /// A dead letter with the beginning only of what is too long in it, and how large its body was; none where it
    /// is no dead letter, or was shortened already.
    pub(super) fn shortened(&self) -> Option<Self> {
        const BYTES: &str = "dlq_bytes";
        if self.topic != Topic::DeadLetters || self.headers.iter().any(|(name, _)| name == BYTES) {
            return None;
        }
        let name = |text: &str| {
            let end = text
                .char_indices()
                .map(|(at, c)| at + c.len_utf8())
                .take_while(|end| *end <= KEPT_NAME_BYTES);
            text[..end.last().unwrap_or_default()].to_owned()
        };
        let (notes, others): (Vec<_>, Vec<_>) =
            self.headers.iter().partition(|(name, _)| name.starts_with("dlq_"));
        let others = others.into_iter().filter(|(name, _)| name.len() <= KEPT_NAME_BYTES).take(MOST_HEADERS);
        let headers = others.chain(notes).map(|(key, value)| (key.clone(), name(value)));
        let bytes = (BYTES.to_owned(), self.body.len().to_string());
        Some(Self {
            key: name(&self.key),
            headers: headers.chain([bytes]).collect(),
            body: self.body[..self.body.len().min(KEPT_BYTES)].to_vec(),
            ..self.clone()
        })
    }
}

/// What is stored of a message before its body.
#[derive(Serialize, Deserialize)]
struct Head<'a> {
    id: std::borrow::Cow<'a, str>,
    key: std::borrow::Cow<'a, str>,
    headers: std::borrow::Cow<'a, [(String, String)]>,
    time: Timestamp,
}

/// The version of the stored form: one byte for it, four for the length of the head, the head as JSON,
/// the body as it is.
const VERSION: u8 = 1;

/// A stored value that cannot be read.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Unreadable {
    Newer(u8),
    Damaged(&'static str),
}

impl Message {
    /// The stored form.
    pub(super) fn encode(&self) -> Vec<u8> {
        let head = Head {
            id: self.id.as_str().into(),
            key: self.key.as_str().into(),
            headers: self.headers.as_slice().into(),
            time: self.time,
        };
        let mut value = Vec::with_capacity(self.body.len() + 256);
        value.extend([VERSION, 0, 0, 0, 0]);
        // A vector takes every byte, and a head has no map whose key is not a text.
        let written = serde_json::to_writer(&mut value, &head);
        debug_assert!(written.is_ok(), "{written:?}");
        let length = u32::try_from(value.len() - 5).unwrap_or(u32::MAX);
        value[1..5].copy_from_slice(&length.to_be_bytes());
        value.extend_from_slice(&self.body);
        value
    }

    /// Reads the stored form.
    pub(super) fn decode(topic: Topic, value: &[u8]) -> Result<Self, Unreadable> {
        let (head, body) = match value {
            [VERSION, a, b, c, d, rest @ ..] => usize::try_from(u32::from_be_bytes([*a, *b, *c, *d]))
                .ok()
                .and_then(|length| rest.split_at_checked(length))
                .ok_or(Unreadable::Damaged("a message is shorter than it says"))?,
            [version, ..] if *version > VERSION => return Err(Unreadable::Newer(*version)),
            _ => return Err(Unreadable::Damaged("a message has no version")),
        };
        let head: Head<'_> =
            serde_json::from_slice(head).map_err(|_| Unreadable::Damaged("the head of a message"))?;
        Ok(Self {
            topic,
            id: head.id.into_owned(),
            key: head.key.into_owned(),
            headers: head.headers.into_owned(),
            body: body.to_vec(),
            time: head.time,
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn message() -> impl Strategy<Value = Message> {
        let headers = prop::collection::vec((any::<String>(), any::<String>()), 0..4);
        (
            any::<String>(),
            any::<String>(),
            headers,
            any::<Vec<u8>>(),
            -4_000_000_000_i64..9_000_000_000,
            0..999,
        )
            .prop_map(|(id, key, headers, body, seconds, millis)| Message {
                topic: Topic::Errors,
                id,
                key,
                headers,
                body,
                time: Timestamp::new(seconds, millis * 1_000_000).unwrap_or_default(),
            })
    }

    proptest! {
        #[test]
        fn what_is_stored_is_read_back(message in message()) {
            let value = message.encode();
            prop_assert_eq!(Message::decode(Topic::Errors, &value), Ok(message));
        }

        #[test]
        fn any_bytes_are_read_or_refused(mut value: Vec<u8>, message in message(), cut: prop::sample::Index) {
            drop(Message::decode(Topic::Errors, &value));
            value.insert(0, VERSION);
            drop(Message::decode(Topic::Errors, &value));
            let whole = message.encode();
            let head = 5 + usize::try_from(u32::from_be_bytes([whole[1], whole[2], whole[3], whole[4]])).unwrap();
            prop_assert!(Message::decode(Topic::Errors, &whole[..cut.index(head)]).is_err());
        }
    }

    #[test]
    fn a_dead_letter_is_shortened_once() {
        let long = "\u{fc}".repeat(1 << 20);
        let delivery = Delivery {
            partition: 3,
            offset: 7,
            message: Message {
                topic: Topic::Errors,
                id: "id".to_owned(),
                key: long.clone(),
                headers: (0..5_000).map(|number| (format!("h{number}"), long[..4_000].to_owned())).collect(),
                body: long.clone().into_bytes(),
                time: Timestamp::UNIX_EPOCH,
            },
        };
        assert_eq!(delivery.message.shortened(), None, "events are not shortened");
        let letter = delivery.into_dead_letter("not JSON", Timestamp::UNIX_EPOCH).shortened().unwrap();
        assert!(letter.encode().len() < 128 << 10, "{}", letter.encode().len());
        let noted =
            |name: &str| letter.headers.iter().find(|(key, _)| key == name).map(|(_, value)| &**value);
        assert_eq!(noted("dlq_bytes"), Some("2097152"));
        assert_eq!(noted("dlq_reason"), Some("not JSON"));
        assert_eq!(letter.shortened(), None);
    }

    #[test]
    fn a_newer_version_is_told_apart() {
        assert_eq!(Message::decode(Topic::Errors, &[VERSION + 1, 0]), Err(Unreadable::Newer(VERSION + 1)));
    }
}
