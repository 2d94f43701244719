//! The records of the changelog: their keys, and how a value is written.
//!
//! A key says what a record is about; a value is JSON with its version. Suggestions go by their identity:
//! their sequence is a matter of each fixer.

use std::str::FromStr;

use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::Error;
use crate::domain::{Fingerprint, SuggestionId};

/// The version of values.
const VERSION: u32 = 1;

/// What a record is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum RecordKey {
    /// What changes of a group.
    Group(Fingerprint),
    /// What hardly ever changes of it.
    GroupBody(Fingerprint),
    /// What changes of a suggestion.
    Suggestion(SuggestionId),
    /// The suggestion itself.
    SuggestionBody(SuggestionId),
}

/// A text that is not the key of a record.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not the key of a record: expected KIND/ID")]
pub struct ParseRecordKeyError(String);

impl RecordKey {
    /// The group that it is about.
    #[must_use]
    pub const fn fingerprint(&self) -> Fingerprint {
        match self {
            Self::Group(fingerprint) | Self::GroupBody(fingerprint) => *fingerprint,
            Self::Suggestion(id) | Self::SuggestionBody(id) => id.fingerprint,
        }
    }
}

impl std::fmt::Display for RecordKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Group(fingerprint) => write!(f, "group/{fingerprint}"),
            Self::GroupBody(fingerprint) => write!(f, "group-body/{fingerprint}"),
            Self::Suggestion(id) => write!(f, "suggestion/{id}"),
            Self::SuggestionBody(id) => write!(f, "suggestion-body/{id}"),
        }
    }
}

impl FromStr for RecordKey {
    type Err = ParseRecordKeyError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parse = || match text.split_once('/')? {
            ("group", id) => Some(Self::Group(id.parse().ok()?)),
            ("group-body", id) => Some(Self::GroupBody(id.parse().ok()?)),
            ("suggestion", id) => Some(Self::Suggestion(id.parse().ok()?)),
            ("suggestion-body", id) => Some(Self::SuggestionBody(id.parse().ok()?)),
            _ => None,
        };
        parse().ok_or_else(|| ParseRecordKeyError(text.to_owned()))
    }
}

/// That a record is to be published.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Mark {
    /// The home of its group.
    pub(super) home: i32,
    /// Rises with every change.
    pub(super) revision: u64,
}

#[derive(Serialize, JsonSchema)]
pub(super) struct Written<'a, T> {
    /// The version of the record's form.
    version: u32,
    record: &'a T,
}

#[derive(Deserialize)]
struct Read<'a> {
    version: u32,
    #[serde(borrow)]
    record: &'a RawValue,
}

/// The value of a record.
pub(super) fn encode<T: Serialize>(record: &T) -> Vec<u8> {
    let written = serde_json::to_vec(&Written { version: VERSION, record });
    // No record has a map whose key is not a text.
    debug_assert!(written.is_ok(), "{written:?}");
    written.unwrap_or_default()
}

/// The record of a value.
pub(super) fn decode<T: DeserializeOwned>(key: RecordKey, value: &[u8]) -> Result<T, Error> {
    let senseless = |error: serde_json::Error| Error::SenselessRecord { key, reason: error.to_string() };
    let read: Read<'_> = serde_json::from_slice(value).map_err(senseless)?;
    if read.version > VERSION {
        return Err(Error::NewerRecord { key, found: read.version, known: VERSION });
    }
    serde_json::from_str(read.record.get()).map_err(senseless)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_its_text() {
        let fingerprint = Fingerprint::from_bytes([7; 16]);
        let id = SuggestionId { fingerprint, attempt: 12 };
        for key in [
            RecordKey::Group(fingerprint),
            RecordKey::GroupBody(fingerprint),
            RecordKey::Suggestion(id),
            RecordKey::SuggestionBody(id),
        ] {
            assert_eq!(key.to_string().parse(), Ok(key));
            assert_eq!(key.fingerprint(), fingerprint);
            assert!(format!("{key}0-").parse::<RecordKey>().is_err());
        }
        for other in ["", "group", "barrier/7", "group/", "suggestion/7-1"] {
            assert!(other.parse::<RecordKey>().is_err(), "{other:?}");
        }
    }

    #[test]
    fn a_value_is_read_back_and_a_newer_one_refused() {
        let key = RecordKey::Group(Fingerprint::from_bytes([7; 16]));
        assert_eq!(decode::<(u32, String)>(key, &encode(&(1, "a"))).unwrap(), (1, "a".to_owned()));
        let newer = decode::<u32>(key, br#"{"version":2,"record":{"other":1}}"#).unwrap_err().to_string();
        assert!(newer.contains("has version 2, and this program knows up to 1"), "{newer}");
        for bad in [&b""[..], b"{}", b"7", br#"{"version":1,"record":"x"}"#] {
            assert!(matches!(decode::<u32>(key, bad), Err(Error::SenselessRecord { .. })));
        }
    }
}
