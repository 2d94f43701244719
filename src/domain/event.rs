//! One occurrence of a failure.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Class, FingerprintKeys, Language, Nature, Severity, Span, Trace};

/// One occurrence of a failure, as read from a log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
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

impl ErrorEvent {
    /// Whether it is a crash of which the log holds no stack: then nothing tells where it was.
    #[must_use]
    pub fn lost_its_stack(&self) -> bool {
        let has_stack = self.trace.as_ref().is_some_and(|trace| !trace.frames.is_empty());
        self.class.nature() == Nature::Code && self.class != Class::LoggedError && !has_stack
    }

    /// Bytes of memory that it takes on the heap, about.
    #[must_use]
    pub fn held_bytes(&self) -> usize {
        let attributes = self.attributes.iter().map(|(key, value)| key.len() + value.len() + 64);
        let texts = [&self.message, &self.title, &self.sample].map(String::len);
        let trace = self.trace.as_ref().map_or(0, Trace::held_bytes);
        trace + attributes.chain(texts).sum::<usize>()
    }
}
