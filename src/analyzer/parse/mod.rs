//! One line → one record: JSON, `key=value` pairs, plain text with a prefix.
//!
//! Most lines proposed are no events, and their level tells so. So a line is read in two steps: its
//! [`Outline`] borrows everything and finds the level; only a line that may be an event becomes a record.
//! All formats end in the same [`Parsed`] record, so what is an error is decided in one place
//! (`judge`), whatever wrote the line.

mod access;
mod json;
mod pairs;
mod plain;
pub(crate) mod prefix;
mod time;
pub(crate) mod wrapper;

use std::borrow::Cow;

use jiff::Timestamp;

use super::level::Level;
use json::Members;
use pairs::Pairs;
use time::Stamp;

/// What wrote a line, as far as its form tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// A JSON object.
    Json,
    /// `key=value` pairs.
    Pairs,
    /// Text.
    Plain,
    /// A line of an access log.
    Access,
}

/// Names and values.
type Fields<'a> = Vec<(Cow<'a, str>, Cow<'a, str>)>;

/// A record and what its line tells about it.
#[derive(Debug)]
pub(crate) struct Parsed<'a> {
    /// The form of the line.
    pub(crate) form: Form,
    /// When it was written.
    time: Option<Stamp<'a>>,
    /// The level it claims.
    pub(crate) level: Option<Level>,
    /// The message.
    pub(crate) body: Cow<'a, str>,
    /// All other fields in the order of the line.
    pub(crate) fields: Fields<'a>,
    /// Whether the form is one that only Go programs write.
    pub(crate) go: bool,
    /// The message with what varies replaced, where the form tells it better than the words do.
    pub(crate) masked: Option<String>,
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

impl Parsed<'_> {
    /// Becomes a line of an access log where that is all that it says: gin also writes through a logger, whose level
    /// is no word on the request.
    pub(crate) fn be_access(&mut self) {
        let Some(Parsed { form, level, body, masked, .. }) = access::parse(self.body.trim()) else { return };
        let body = body.into_owned();
        self.level = [self.level, level].into_iter().flatten().min();
        (self.form, self.masked, self.body) = (form, masked, body.into());
    }

    /// When it was written.
    pub(crate) fn time(&self) -> Option<Timestamp> {
        self.time.and_then(Stamp::read)
    }

    /// The first field with one of these names, in the order of the names.
    pub(crate) fn field(&self, names: &[&str]) -> Option<&str> {
        names
            .iter()
            .find_map(|name| self.fields.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)))
            .map(|(_, value)| value.as_ref())
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

/// A line of which as much is read as tells its level.
#[derive(Debug)]
pub(crate) enum Outline<'a> {
    /// A JSON object.
    Json(Members<'a>),
    /// `key=value` pairs.
    Pairs(Pairs<'a>),
    /// Text: reading it whole costs no more.
    Plain(Parsed<'a>),
}

impl<'a> Outline<'a> {
    /// Reads as much of a line as tells its level.
    pub(crate) fn of(line: &'a str) -> Self {
        let trimmed = line.trim();
        if trimmed.starts_with('{')
            && let Some(members) = Members::read(trimmed)
        {
            return Self::Json(members);
        }
        match Pairs::read(line) {
            Some(pairs) => Self::Pairs(pairs),
            None => Self::Plain(plain::parse(line)),
        }
    }

    /// The level it claims, where the outline tells.
    pub(crate) fn level(&self) -> Option<Level> {
        match self {
            Self::Json(members) => members.level(),
            Self::Pairs(pairs) => pairs.level(),
            Self::Plain(parsed) => parsed.level,
        }
    }

    /// Whether any text in it may span lines. Without one it holds no stack.
    pub(crate) fn may_span_lines(&self) -> bool {
        match self {
            Self::Json(members) => members.may_span_lines(),
            Self::Pairs(pairs) => pairs.may_span_lines(),
            Self::Plain(_) => false,
        }
    }

    /// The record.
    pub(crate) fn record(self) -> Parsed<'a> {
        match self {
            Self::Json(members) => members.record(),
            Self::Pairs(pairs) => pairs.record(),
            Self::Plain(parsed) => parsed,
        }
    }
}

/// Reads one line.
pub(crate) fn parse(line: &str) -> Parsed<'_> {
    Outline::of(line).record()
}
