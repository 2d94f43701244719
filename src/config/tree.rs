//! A YAML document as a tree in which every node knows its place.
//!
//! The typed reading happens on this tree and not straight from the parser, for three reasons: a user's
//! file is merged over the defaults first, every mistake is to be reported (a derived `Deserialize`
//! stops at the first), and `${VARIABLE}` is resolved only where a value is used. Scalars keep the text
//! of the file, so that `1.10` can still become a version and `90d` a duration.

use std::fmt;
use std::sync::Arc;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_saphyr::{Location, Spanned};

use super::problem::{Place, Problem};

/// How deep values may lie in each other; the deepest key has a few levels. Reading one takes a part of the stack.
const DEEPEST: usize = 16;

/// One value and where it was written.
#[derive(Debug, Clone)]
pub(super) struct Node {
    pub(super) value: Value,
    pub(super) place: Place,
}

/// What a node holds.
#[derive(Debug, Clone)]
pub(super) enum Value {
    Null,
    Scalar(String),
    List(Vec<Node>),
    Map(Vec<Entry>),
}

/// One key of a map and its value.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub(super) key: String,
    pub(super) key_place: Place,
    pub(super) value: Node,
}

impl Node {
    /// Parses one YAML document; `file` is the name shown in problems.
    pub(super) fn parse(file: &Arc<str>, text: &str) -> Result<Self, Problem> {
        let options = serde_saphyr::options! {
            with_snippet: false,
            budget: serde_saphyr::budget! { max_depth: DEEPEST },
            alias_limits: serde_saphyr::alias_limits! {
                max_total_replayed_events: 10_000,
                max_replay_stack_depth: DEEPEST,
            },
        };
        let raw: Option<Spanned<Raw>> = serde_saphyr::from_str_with_options(text, options)
            .map_err(|error| syntax_problem(file, text, &error))?;
        Ok(match raw {
            Some(raw) => build(raw, file, text),
            None => Self { value: Value::Null, place: Place { file: Arc::clone(file), line: 1, column: 1 } },
        })
    }

    /// This tree with `over` laid on top: maps are merged key by key, everything else is replaced. A
    /// section left empty (`collector:`) changes nothing.
    pub(super) fn merged(self, over: Self) -> Self {
        match (self.value, over.value) {
            (Value::Map(base), Value::Map(entries)) => {
                Self { value: Value::Map(merge_entries(base, entries)), place: over.place }
            }
            (value @ Value::Map(_), Value::Null) => Self { value, place: self.place },
            (_, value) => Self { value, place: over.place },
        }
    }

    /// The place of a dotted key, or of the deepest part of it that exists.
    pub(super) fn place_of(&self, key: &str) -> &Place {
        let (mut node, mut rest) = (self, key);
        while let Value::Map(entries) = &node.value {
            // The name of a property may itself have dots. How much of the key is left behind an entry:
            let left = |entry: &Entry| {
                let more = rest.strip_prefix(entry.key.as_str())?;
                if more.is_empty() { Some(0) } else { Some(more.strip_prefix('.')?.len()) }
            };
            let named = entries.iter().filter_map(|entry| Some((entry, left(entry)?)));
            let Some((entry, left)) = named.min_by_key(|(_, left)| *left) else { break };
            (node, rest) = (&entry.value, &rest[rest.len() - left..]);
        }
        &node.place
    }
}

fn merge_entries(mut base: Vec<Entry>, over: Vec<Entry>) -> Vec<Entry> {
    for entry in over {
        match base.iter().position(|known| known.key == entry.key) {
            Some(index) => {
                let known = base.remove(index);
                let value = known.value.merged(entry.value);
                base.insert(index, Entry { value, ..entry });
            }
            None => base.push(entry),
        }
    }
    base
}

/// A value as the parser hands it over. Numbers and booleans are read back from the text by their span.
enum Raw {
    Null,
    AsWritten,
    Text(String),
    List(Vec<Spanned<Raw>>),
    Map(Vec<(Spanned<String>, Spanned<Raw>)>),
}

impl<'de> Deserialize<'de> for Raw {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(RawVisitor)
    }
}

struct RawVisitor;

impl<'de> Visitor<'de> for RawVisitor {
    type Value = Raw;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a YAML value")
    }

    fn visit_unit<E>(self) -> Result<Raw, E> {
        Ok(Raw::Null)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Raw, E> {
        Ok(Raw::AsWritten)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Raw, E> {
        Ok(Raw::AsWritten)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Raw, E> {
        Ok(Raw::AsWritten)
    }

    fn visit_i128<E>(self, _: i128) -> Result<Raw, E> {
        Ok(Raw::AsWritten)
    }

    fn visit_u128<E>(self, _: u128) -> Result<Raw, E> {
        Ok(Raw::AsWritten)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Raw, E> {
        Ok(Raw::AsWritten)
    }

    fn visit_str<E>(self, text: &str) -> Result<Raw, E> {
        Ok(Raw::Text(text.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Raw, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(Raw::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Raw, A::Error> {
        let mut map = Vec::new();
        while let Some(entry) = entries.next_entry()? {
            map.push(entry);
        }
        Ok(Raw::Map(map))
    }
}

fn build(raw: Spanned<Raw>, file: &Arc<str>, text: &str) -> Node {
    let value = match raw.value {
        Raw::Null => Value::Null,
        Raw::AsWritten => Value::Scalar(as_written(raw.defined, text).to_owned()),
        Raw::Text(text) => Value::Scalar(text),
        Raw::List(items) => Value::List(items.into_iter().map(|item| build(item, file, text)).collect()),
        Raw::Map(entries) => Value::Map(
            entries
                .into_iter()
                .map(|(key, value)| Entry {
                    key: key.value,
                    key_place: place(key.referenced, file),
                    value: build(value, file, text),
                })
                .collect(),
        ),
    };
    Node { value, place: place(raw.referenced, file) }
}

fn as_written(location: Location, text: &str) -> &str {
    let span = location.span();
    let bytes = || {
        let start = usize::try_from(span.byte_offset()?).ok()?;
        let length = usize::try_from(span.byte_len()?).ok()?;
        text.get(start..start.checked_add(length)?)
    };
    bytes().unwrap_or_default().trim()
}

fn place(location: Location, file: &Arc<str>) -> Place {
    Place { file: Arc::clone(file), line: location.line(), column: location.column() }
}

fn syntax_problem(file: &Arc<str>, text: &str, error: &serde_saphyr::Error) -> Problem {
    let location = error.without_snippet().location();
    let (line, column) = location.map_or((0, 0), |at| (at.line(), at.column()));
    let place = Place { file: Arc::clone(file), line, column };
    // The position is ours to print; the parser appends its own.
    let message = error.without_snippet().to_string();
    let message = match message.rfind(" at line ") {
        Some(end) => &message[..end],
        None => message.as_str(),
    };
    let index = usize::try_from(line).unwrap_or(usize::MAX).saturating_sub(1);
    let remedy = match text.lines().nth(index) {
        Some(written) if written.contains("${") => {
            "put quotes around a value with ${…} inside { } or [ ]: \"${NAME}\""
        }
        _ => "correct the YAML: indent with spaces, one `key: value` a line, each key once",
    };
    Problem::at(&place, "", format!("not valid YAML: {message}"), remedy)
}
