//! One line → one record: JSON, `key=value` pairs, plain text with a prefix.
//!
//! All formats end in the same [`Parsed`] record, so what is an error is decided in one place
//! (`judge`), whatever wrote the line.

mod json;
mod pairs;
mod plain;
mod time;
pub(crate) mod wrapper;

use jiff::Timestamp;

use super::level::Level;

/// What wrote a line, as far as its form tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// A JSON object.
    Json,
    /// `key=value` pairs.
    Pairs,
    /// Text.
    Plain,
}

/// A record and what its line tells about it.
#[derive(Debug)]
pub(crate) struct Parsed {
    /// The form of the line.
    pub(crate) form: Form,
    /// When it was written.
    pub(crate) time: Option<Timestamp>,
    /// The level it claims.
    pub(crate) level: Option<Level>,
    /// The message.
    pub(crate) body: String,
    /// All other fields in the order of the line.
    pub(crate) fields: Vec<(String, String)>,
    /// Whether the form is one that only Go programs write.
    pub(crate) go: bool,
}

/// Keys that hold what went wrong, beside the message.
pub(crate) const ERROR_KEYS: &[&str] = &[
    "error",
    "err",
    "error.message",
    "err.message",
    "error.msg",
    "err.msg",
    "exception",
    "exception.message",
    "cause",
];

impl Parsed {
    /// The first field with one of these names, in the order of the names.
    pub(crate) fn field(&self, names: &[&str]) -> Option<&str> {
        names
            .iter()
            .find_map(|name| self.fields.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)))
            .map(|(_, value)| value.as_str())
    }

    /// What went wrong, where a field of its own tells.
    pub(crate) fn error(&self) -> Option<&str> {
        self.field(ERROR_KEYS).filter(|text| !is_nothing(text))
    }

    /// Who logged it: the function, or the logger's name.
    pub(crate) fn place(&self) -> Option<&str> {
        self.field(&[
            "source.function",
            "caller.function",
            "function",
            "func",
            "logger",
            "logger_name",
            "log.logger",
        ])
    }
}

/// Whether a value says that there is no error.
pub(crate) fn is_nothing(value: &str) -> bool {
    let value = value.trim().trim_matches(['"', '\'', '.', ',', ';', ')']);
    value.is_empty()
        || value.bytes().all(|byte| byte == b'0' || byte == b'.' || byte == b'%')
        || [
            "nil",
            "<nil>",
            "null",
            "none",
            "false",
            "no",
            "ok",
            "-",
            "undefined",
            "success",
            "n/a",
            "{}",
            "[]",
        ]
        .iter()
        .any(|word| value.eq_ignore_ascii_case(word))
}

/// Reads one line.
pub(crate) fn parse(line: &str) -> Parsed {
    let trimmed = line.trim_start();
    if trimmed.starts_with('{')
        && let Some(parsed) = json::parse(trimmed)
    {
        return parsed;
    }
    pairs::parse(line).unwrap_or_else(|| plain::parse(line))
}
