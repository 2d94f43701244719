//! What travels from the analyzer to the fixer: occurrences of one failure, each with an identity.

use std::num::NonZeroU64;
use std::str::FromStr;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::hex::hex_id;
use super::{ErrorEvent, Fingerprint, PodContainer, Span};

hex_id! {
    /// The identity of one state directory: random, made once, kept in it.
    ProducerId, "producer id"
}

hex_id! {
    /// The identity of one file: random, made when the file is first seen, and durable before the first
    /// event of the file is published. How the file is recognised again is a separate matter.
    FileId, "file id"
}

/// The identity of one occurrence: who read it, in which file, and where it begins there. Its end may
/// depend on timing, its start does not, so reading it again gives the same identity.
///
/// Written as `PRODUCER-FILE-START`, hex and decimal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, JsonSchema)]
#[schemars(with = "String", extend("pattern" = "^[0-9a-f]{32}-[0-9a-f]{32}-[0-9]+$"))]
pub struct EventId {
    /// Who read it.
    pub producer: ProducerId,
    /// In which file.
    pub file: FileId,
    /// Offset of its first byte.
    pub start: u64,
}

/// A text that is not an event id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not an event id: expected PRODUCER-FILE-START")]
pub struct ParseEventIdError(String);

impl std::fmt::Display for EventId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}-{}-{}", self.producer, self.file, self.start)
    }
}

impl FromStr for EventId {
    type Err = ParseEventIdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parse = || {
            let mut parts = text.splitn(3, '-');
            let producer = parts.next()?.parse().ok()?;
            let file = parts.next()?.parse().ok()?;
            let start = parts.next().filter(|start| start.bytes().all(|byte| byte.is_ascii_digit()))?;
            Some(Self { producer, file, start: start.parse().ok()? })
        };
        parse().ok_or_else(|| ParseEventIdError(text.to_owned()))
    }
}

impl Serialize for EventId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for EventId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// One or more occurrences of one failure in one file.
///
/// The first occurrence of a failure goes out alone and at once; further ones are counted for a while and
/// go out as one value. Every occurrence is counted by exactly one of them, so the sum of the counts is
/// the number of occurrences. A consumer applies each `id` once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Occurrences {
    /// The identity of the first occurrence that is counted here.
    pub id: EventId,
    /// The service that wrote the log.
    pub service: String,
    /// The container that wrote the log, where it is a pod's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pod: Option<PodContainer>,
    /// How many occurrences are counted here.
    pub count: NonZeroU64,
    /// From the start of the first to the end of the last. Every occurrence of this failure in this file
    /// that starts within is counted here, and nowhere else, but for those in `except`.
    pub span: Span,
    /// Where within the span occurrences start that went out alone.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub except: Vec<u64>,
    /// When the first happened: the log's own time, else when it was read.
    pub first_seen: Timestamp,
    /// When the last happened, likewise.
    pub last_seen: Timestamp,
    /// The first of them in full.
    pub event: ErrorEvent,
    /// Lines of the log from before it, which may tell how it came about; only hints, and often empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub context: Vec<String>,
}

impl Occurrences {
    /// The group they belong to.
    #[must_use]
    pub const fn fingerprint(&self) -> Fingerprint {
        self.event.keys.site
    }

    /// What is counted here and must be counted nowhere else.
    #[must_use]
    pub fn claim(&self) -> Claim {
        let start = self.id.start;
        let end = if self.count.get() == 1 { start.saturating_add(1) } else { self.span.end };
        Claim { file: self.id.file, fingerprint: self.fingerprint(), start, end, except: self.except.clone() }
    }

    /// Bytes of memory that it takes, about.
    #[must_use]
    pub fn held_bytes(&self) -> usize {
        let context = self.context.iter().map(String::len).sum::<usize>();
        let pod = self.pod.as_ref().map_or(0, PodContainer::held_bytes);
        size_of::<Self>() + self.service.len() + pod + context + self.event.held_bytes()
    }
}

/// Occurrences that are counted already: those of one failure that start in a range of one file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// The file.
    pub file: FileId,
    /// The failure.
    pub fingerprint: Fingerprint,
    /// Where the first of them starts.
    pub start: u64,
    /// No further one starts from here on.
    pub end: u64,
    /// But for those that start here.
    pub except: Vec<u64>,
}

impl Claim {
    /// Whether an occurrence is among them.
    #[must_use]
    pub fn covers(&self, file: FileId, fingerprint: Fingerprint, start: u64) -> bool {
        self.file == file
            && self.fingerprint == fingerprint
            && (self.start..self.end).contains(&start)
            && !self.except.contains(&start)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_id_is_its_text() {
        let id = EventId {
            producer: ProducerId::from_bytes([1; 16]),
            file: FileId::from_bytes([2; 16]),
            start: u64::MAX,
        };
        assert_eq!(id.to_string().parse(), Ok(id));
        let text = id.to_string();
        for bad in
            ["", "-", "--", &text[1..], &format!("{text}0"), &format!("{text}-"), &text.replace("-1", "-+1")]
        {
            assert!(bad.parse::<EventId>().is_err(), "{bad:?}");
        }
    }
}
