//! Typed reading of the tree. Everything that is wrong is noted, and reading goes on.
//!
//! A section is declared with [`section!`]: its fields are its keys, so that structure, known keys and
//! reading cannot drift apart. A range behind a type is part of the check.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::ops::RangeInclusive;

use super::environment::{Environment, Resolved, resolve};
use super::problem::{Place, Problem};
use super::tree::{Entry, Node, Value};

/// Collects what is wrong while values are read.
pub(super) struct Reader<'a> {
    environment: Environment<'a>,
    problems: Vec<Problem>,
}

/// A value that can be read from a node. `None` means that a problem was noted.
pub(super) trait FromNode: Sized {
    fn from_node(node: &Node, key: &str, reader: &mut Reader<'_>) -> Option<Self>;

    /// What stands in when the key is missing altogether.
    fn absent() -> Option<Self> {
        None
    }
}

/// A value written as one piece of text.
pub(super) trait Scalar: Sized {
    fn parse(text: &str) -> Result<Self, Refusal>;
}

/// Why a text is not a value of the wanted type. The text itself is not repeated here: it may have come
/// from the environment and be secret.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) message: String,
    pub(super) remedy: String,
}

impl Refusal {
    pub(super) fn new(message: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { message: message.into(), remedy: remedy.into() }
    }
}

impl<'a> Reader<'a> {
    pub(super) fn new(environment: Environment<'a>) -> Self {
        Self { environment, problems: Vec::new() }
    }

    pub(super) fn note(
        &mut self,
        place: &Place,
        key: &str,
        message: impl Into<String>,
        remedy: impl Into<String>,
    ) {
        self.problems.push(Problem::at(place, key, message, remedy));
    }

    /// What was noted, in the order of the file.
    pub(super) fn into_problems(mut self) -> Vec<Problem> {
        self.problems.sort_by_key(|problem| (problem.line, problem.column));
        self.problems
    }

    /// The entries of a map. Unknown keys are noted, which makes the whole reading fail in the end.
    pub(super) fn entries<'n>(&mut self, node: &'n Node, key: &str, known: &[&str]) -> Option<&'n [Entry]> {
        let entries = match &node.value {
            Value::Map(entries) => entries.as_slice(),
            Value::Null => &[],
            Value::Scalar(_) | Value::List(_) => {
                let known = known.join(", ");
                self.note(&node.place, key, "expected a section", format!("give it keys: {known}"));
                return None;
            }
        };
        for entry in entries.iter().filter(|entry| !known.contains(&entry.key.as_str())) {
            let remedy = match nearest(&entry.key, known) {
                Some(name) => format!("did you mean `{name}`?"),
                None => format!("remove it; known here: {}", known.join(", ")),
            };
            let name = entry.key.escape_debug().to_string();
            self.note(&entry.key_place, &join(key, &name), "unknown key", remedy);
        }
        Some(entries)
    }

    /// One field of a section.
    pub(super) fn field<T: FromNode>(
        &mut self,
        entries: &[Entry],
        section: (&Node, &str),
        name: &str,
    ) -> Option<T> {
        let (node, key) = section;
        let key = join(key, name);
        match entries.iter().find(|entry| entry.key == name) {
            Some(entry) => T::from_node(&entry.value, &key, self),
            None => T::absent().or_else(|| {
                self.note(&node.place, &key, "missing key", format!("add `{name}: …`"));
                None
            }),
        }
    }

    /// Keeps a value that lies in its range.
    pub(super) fn in_range<T: PartialOrd + Display>(
        &mut self,
        value: T,
        range: &RangeInclusive<T>,
        place: &Place,
        key: &str,
    ) -> Option<T> {
        if range.contains(&value) {
            return Some(value);
        }
        let (low, high) = (range.start(), range.end());
        self.note(place, key, "out of range", format!("use a value from {low} to {high}"));
        None
    }
}

/// The place of an entry's value, or of the section where there is no such entry.
pub(super) fn place_in<'n>(entries: &'n [Entry], node: &'n Node, name: &str) -> &'n Place {
    entries.iter().find(|entry| entry.key == name).map_or(&node.place, |entry| &entry.value.place)
}

pub(super) fn join(key: &str, name: &str) -> String {
    if key.is_empty() { name.to_owned() } else { format!("{key}.{name}") }
}

/// The known name that was probably meant.
pub(super) fn nearest<'n>(name: &str, known: &[&'n str]) -> Option<&'n str> {
    known
        .iter()
        .map(|candidate| (strsim::jaro_winkler(&name.to_lowercase(), candidate), *candidate))
        .filter(|(score, _)| *score >= 0.8)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, candidate)| candidate)
}

impl<T: Scalar> FromNode for T {
    fn from_node(node: &Node, key: &str, reader: &mut Reader<'_>) -> Option<Self> {
        let written = match &node.value {
            Value::Scalar(text) => text,
            Value::Null => {
                reader.note(&node.place, key, "has no value", "give it one, or remove the line");
                return None;
            }
            Value::List(_) | Value::Map(_) => {
                reader.note(&node.place, key, "expected one value", "write it as `key: value`");
                return None;
            }
        };
        match resolve(written, reader.environment) {
            Resolved::Text(text) => match T::parse(&text) {
                Ok(value) => Some(value),
                Err(refusal) => {
                    let from_variable = if text == *written { "" } else { " (after substitution)" };
                    let message = format!("`{}`{from_variable}: {}", shorten(written), refusal.message);
                    reader.note(&node.place, key, message, refusal.remedy);
                    None
                }
            },
            Resolved::Unset(name) => {
                let message = format!("environment variable `{name}` is not set");
                let remedy = format!("set it, or give a default: ${{{name}:-value}}");
                reader.note(&node.place, key, message, remedy);
                None
            }
            Resolved::Malformed => {
                let message = format!("`{}` is not a proper variable", shorten(written));
                let remedy = "write ${NAME} or ${NAME:-default}; $${ stands for a literal ${";
                reader.note(&node.place, key, message, remedy);
                None
            }
        }
    }
}

impl<T: FromNode> FromNode for Option<T> {
    fn from_node(node: &Node, key: &str, reader: &mut Reader<'_>) -> Option<Self> {
        let absent = match &node.value {
            Value::Null => true,
            Value::Scalar(text) => matches!(resolve(text, reader.environment), Resolved::Unset(_)),
            Value::List(_) | Value::Map(_) => false,
        };
        if absent { Some(None) } else { T::from_node(node, key, reader).map(Some) }
    }

    fn absent() -> Option<Self> {
        Some(None)
    }
}

impl<T: FromNode> FromNode for Vec<T> {
    fn from_node(node: &Node, key: &str, reader: &mut Reader<'_>) -> Option<Self> {
        let items = match &node.value {
            Value::List(items) => items.as_slice(),
            Value::Null => &[],
            Value::Scalar(_) | Value::Map(_) => {
                reader.note(&node.place, key, "expected a list", "write one `- item` a line, or [a, b]");
                return None;
            }
        };
        // Read every item before giving up, so that every mistake is told.
        let read: Vec<Option<T>> = items
            .iter()
            .enumerate()
            .map(|(index, item)| T::from_node(item, &format!("{key}[{index}]"), reader))
            .collect();
        read.into_iter().collect()
    }
}

impl<T: FromNode> FromNode for BTreeMap<String, T> {
    fn from_node(node: &Node, key: &str, reader: &mut Reader<'_>) -> Option<Self> {
        let entries = match &node.value {
            Value::Map(entries) => entries.as_slice(),
            Value::Null => &[],
            Value::Scalar(_) | Value::List(_) => {
                reader.note(&node.place, key, "expected a section", "write `name: value`, one a line");
                return None;
            }
        };
        let read: Vec<Option<(String, T)>> = entries
            .iter()
            .map(|entry| {
                let value = T::from_node(&entry.value, &join(key, &entry.key), reader)?;
                Some((entry.key.clone(), value))
            })
            .collect();
        read.into_iter().collect()
    }
}

fn shorten(text: &str) -> String {
    const LONGEST: usize = 60;
    if text.chars().count() <= LONGEST {
        return text.escape_debug().to_string();
    }
    let start: String = text.chars().take(LONGEST).collect();
    format!("{}…", start.escape_debug())
}

/// Declares a section: a struct whose fields are its keys. `name: Type [low..=high]` adds a range.
macro_rules! section {
    (
        $(#[$meta:meta])*
        pub struct $name:ident {
            $( $(#[$field_meta:meta])* $field:ident : $type:ty $([$range:expr])? ),+ $(,)?
        }
    ) => {
        $(#[$meta])*
        #[derive(Debug, Clone, PartialEq, serde::Serialize)]
        pub struct $name {
            $( $(#[$field_meta])* pub $field: $type, )+
        }

        impl $crate::config::read::FromNode for $name {
            fn from_node(
                node: &$crate::config::tree::Node,
                key: &str,
                reader: &mut $crate::config::read::Reader<'_>,
            ) -> Option<Self> {
                // `r#type` is a field for the key `type`.
                const KEYS: &[&str] = &[$( $crate::config::read::key_of(stringify!($field)) ),+];
                let entries = reader.entries(node, key, KEYS)?;
                $(
                    let name = $crate::config::read::key_of(stringify!($field));
                    let $field: Option<$type> = reader.field(entries, (node, key), name);
                    $(
                        let place = $crate::config::read::place_in(entries, node, name);
                        let $field = $field.and_then(|value| {
                            let key = $crate::config::read::join(key, name);
                            reader.in_range(value, &$range, place, &key)
                        });
                    )?
                )+
                Some(Self { $( $field: $field? ),+ })
            }
        }
    };
}
pub(super) use section;

/// The key of a field: raw identifiers without their mark.
pub(super) const fn key_of(field: &'static str) -> &'static str {
    match field.as_bytes() {
        [b'r', b'#', ..] => field.split_at(2).1,
        _ => field,
    }
}
