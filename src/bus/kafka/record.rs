//! Messages as records of Kafka, and back: CloudEvents 1.0 in binary mode.

use jiff::Timestamp;
use rdkafka::Message as _;
use rdkafka::message::{BorrowedMessage, Header, Headers as _, OwnedHeaders};

use crate::bus::{Delivery, Message, Topic};

const VERSION: (&str, &str) = ("ce_specversion", "1.0");
const ID: &str = "ce_id";
const SOURCE: &str = "ce_source";
const TIME: &str = "ce_time";
/// Headers that every message has.
const FIELDS: [&str; 4] = [VERSION.0, ID, SOURCE, TIME];

/// The headers of a record. `source` is who publishes, unless the message tells who did at first.
pub(super) fn headers(message: &Message, source: &str) -> OwnedHeaders {
    let time = message.time.to_string();
    let own = message.headers.iter().all(|(name, _)| name != SOURCE).then_some((SOURCE, source));
    let fields = [Some(VERSION), Some((ID, message.id.as_str())), own, Some((TIME, &time))];
    let others = message.headers.iter().map(|(key, value)| (key.as_str(), value.as_str()));
    let headers = OwnedHeaders::new_with_capacity(FIELDS.len() + message.headers.len());
    fields
        .into_iter()
        .flatten()
        .chain(others)
        .fold(headers, |headers, (key, value)| headers.insert(Header { key, value: Some(value.as_bytes()) }))
}

/// The headers of a record that not every message has.
pub(super) fn extra_headers(record: &BorrowedMessage<'_>) -> Vec<(String, String)> {
    headers_but(record, &FIELDS)
}

fn headers_but(record: &BorrowedMessage<'_>, names: &[&str]) -> Vec<(String, String)> {
    let headers = record.headers().into_iter().flat_map(|headers| headers.iter());
    headers
        .filter(|header| !names.contains(&header.key))
        .map(|header| (header.key.to_owned(), text(header.value)))
        .collect()
}

/// What is no text is replaced: whoever reads it will see whether it makes sense.
fn text(bytes: Option<&[u8]>) -> String {
    String::from_utf8_lossy(bytes.unwrap_or_default()).into_owned()
}

/// About what a record takes in a queue.
pub(super) fn size(message: &Message) -> usize {
    let headers: usize = message.headers.iter().map(|(key, value)| key.len() + value.len()).sum();
    message.body.len() + message.key.len() + message.id.len() + headers
}

/// What a record carries; who published it is among its headers, unless it is `we`. One that is not ours gets an
/// identity from where it stands; what of it is no text is replaced, and whoever reads the body will see whether it
/// makes sense.
pub(super) fn delivery(record: &BorrowedMessage<'_>, topic: Topic, we: &str) -> Delivery {
    let (mut id, mut time) = (None, None);
    for header in record.headers().into_iter().flat_map(|headers| headers.iter()) {
        match header.key {
            ID => id = Some(text(header.value)),
            TIME => time = text(header.value).parse::<Timestamp>().ok(),
            _ => {}
        }
    }
    let written =
        || record.timestamp().to_millis().and_then(|millis| Timestamp::from_millisecond(millis).ok());
    let (partition, offset) = place(record);
    let mut headers = headers_but(record, &[VERSION.0, ID, TIME]);
    headers.retain(|(name, value)| name != SOURCE || value != we);
    Delivery {
        partition,
        offset,
        message: Message {
            topic,
            id: id.unwrap_or_else(|| format!("{}/{partition}/{offset}", topic.name())),
            key: text(record.key()),
            headers,
            body: record.payload().unwrap_or_default().to_vec(),
            time: time.or_else(written).unwrap_or_default(),
        },
    }
}

/// The identity of what a record carries, and its offset, without a look at the rest.
pub(super) fn identity(record: &BorrowedMessage<'_>, _topic: Topic) -> Option<(String, u64)> {
    let headers = record.headers()?;
    let header = headers.iter().find(|header| header.key == ID)?;
    let id = std::str::from_utf8(header.value?).ok()?;
    Some((id.to_owned(), place(record).1))
}

/// Partition and offset. Kafka's offsets are never negative.
pub(super) fn place(record: &BorrowedMessage<'_>) -> (i32, u64) {
    (record.partition(), u64::try_from(record.offset()).unwrap_or_default())
}
