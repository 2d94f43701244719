//! One occurrence of a failure.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Class, FingerprintKeys, Language, Severity, Span, Trace};

/// One occurrence of a failure, as read from a log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorEvent {
    /// Its identity at three grains.
    pub keys: FingerprintKeys,
    /// What kind of failure it is.
    pub class: Class,
    /// How bad it is.
    pub severity: Severity,
    /// Who wrote it.
    pub language: Language,
    /// The message in full, unmasked: `runtime error: index out of range [5] with length 3`.
    pub message: String,
    /// One short line for people: class, place, masked message.
    pub title: String,
    /// The stack, where there was one.
    pub trace: Option<Trace>,
    /// When it happened, where the log tells.
    pub time: Option<Timestamp>,
    /// Structured attributes of the record that carried it.
    pub attributes: Vec<(String, String)>,
    /// The text it was read from, capped at the configured size.
    pub sample: String,
    /// Its place in the source, in bytes.
    pub span: Span,
}
