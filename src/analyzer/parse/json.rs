//! Records written as one JSON object: zap, zerolog, logrus, slog, bunyan, pino, ECS and their like.

use std::borrow::Cow;
use std::fmt;

use jiff::Timestamp;
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::Value;
use serde_json::value::RawValue;

use super::time::{self, Stamp};
use super::{Form, Parsed};
use crate::analyzer::level::Level;

const LEVEL: &[&str] =
    &["level", "severity", "lvl", "log.level", "levelname", "loglevel", "level_name", "log_level", "@level"];
const MESSAGE: &[&str] = &["msg", "message", "@message", "short_message", "event", "text"];
const TIME: &[&str] = &["time", "ts", "timestamp", "@timestamp", "t", "datetime", "asctime", "date"];

/// Most fields kept of one record, and how deep objects are looked into.
const MAX_FIELDS: usize = 64;
const MAX_DEPTH: usize = 3;

/// The members of an object in their order, their values not looked into yet.
#[derive(Debug)]
pub(crate) struct Members<'a>(Vec<Member<'a>>);

type Member<'a> = (Cow<'a, str>, &'a RawValue);

/// A text that is borrowed where it holds no escapes.
#[derive(serde::Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Collect;
        impl<'de> Visitor<'de> for Collect {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a log record")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members<'de>, A::Error> {
                let mut members = Vec::with_capacity(16);
                while let Some((Text(key), value)) = map.next_entry()? {
                    members.push((key, value));
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(Collect)
    }
}

impl<'a> Members<'a> {
    /// Reads a line that holds one JSON object.
    pub(super) fn read(line: &'a str) -> Option<Self> {
        serde_json::from_str(line).ok()
    }

    /// The level, where it stands among the outermost members.
    pub(super) fn level(&self) -> Option<Level> {
        LEVEL.iter().find_map(|name| level_of(self.0.iter().find(|member| is_named(member, name))?.1))
    }

    /// Whether any text in it may span lines, as a stack does.
    pub(super) fn may_span_lines(&self) -> bool {
        self.0.iter().any(|(_, value)| {
            let raw = value.get().as_bytes();
            match raw.first() {
                Some(b'"') => memchr::memchr(b'\\', raw).is_some(),
                Some(b'[' | b'{') => memchr::memchr2(b'\\', b'[', raw).is_some(),
                _ => false,
            }
        })
    }

    /// The record.
    pub(super) fn record(self) -> Parsed<'a> {
        let Self(members) = self;
        let slog = members.iter().take(3).map(|(key, _)| key.as_ref()).eq(["time", "level", "msg"]);
        let mut flat = Vec::with_capacity(members.len());
        for (key, value) in members {
            flatten(key, value, MAX_DEPTH, &mut flat);
        }
        let level = take(&mut flat, LEVEL, level_of);
        let time = take(&mut flat, TIME, time_of).map(Stamp::Known);
        let body = take(&mut flat, MESSAGE, string).unwrap_or_default();
        let fields: Vec<_> = flat.into_iter().map(|(key, value)| (key, as_text(value))).collect();
        let go = slog
            || fields.iter().any(|(key, value)| key.contains("caller") && value.contains(".go:"))
            || fields.iter().any(|(key, value)| key.ends_with("file") && value.ends_with(".go"));
        Parsed { form: Form::Json, time, level, body, fields, go, masked: None }
    }
}

/// Objects become members with dotted names; everything else stays.
fn flatten<'a>(key: Cow<'a, str>, value: &'a RawValue, depth: usize, out: &mut Vec<Member<'a>>) {
    let inner = (depth > 0 && value.get().starts_with('{')).then(|| Members::read(value.get())).flatten();
    match inner {
        Some(Members(members)) => {
            for (name, value) in members {
                flatten(Cow::Owned(format!("{key}.{name}")), value, depth - 1, out);
            }
        }
        None if out.len() < MAX_FIELDS => out.push((key, value)),
        None => {}
    }
}

fn is_named((key, _): &Member<'_>, name: &str) -> bool {
    key.eq_ignore_ascii_case(name)
}

/// Takes out the first member with one of these names that `read` understands.
fn take<'a, T>(
    flat: &mut Vec<Member<'a>>,
    names: &[&str],
    read: impl Fn(&'a RawValue) -> Option<T>,
) -> Option<T> {
    names.iter().find_map(|name| {
        let at = flat.iter().position(|member| is_named(member, name))?;
        let found = read(flat[at].1)?;
        flat.remove(at);
        Some(found)
    })
}

fn string(value: &RawValue) -> Option<Cow<'_, str>> {
    let raw = value.get();
    match raw.strip_prefix('"')?.strip_suffix('"') {
        Some(plain) if memchr::memchr(b'\\', plain.as_bytes()).is_none() => Some(Cow::Borrowed(plain)),
        _ => serde_json::from_str::<String>(raw).ok().map(Cow::Owned),
    }
}

fn level_of(value: &RawValue) -> Option<Level> {
    match string(value) {
        Some(word) => Level::parse(&word).or_else(|| word.parse().ok().and_then(Level::from_number)),
        None => value.get().parse().ok().and_then(Level::from_number),
    }
}

fn time_of(value: &RawValue) -> Option<Timestamp> {
    match string(value) {
        Some(text) => time::parse(&text),
        None => value.get().parse().ok().and_then(time::from_number),
    }
}

/// A value as text. A list of frames becomes the pairs of symbol and place that other loggers print,
/// so that one parser reads them all.
fn as_text(value: &RawValue) -> Cow<'_, str> {
    if let Some(text) = string(value) {
        return text;
    }
    match value.get() {
        "null" => Cow::Borrowed(""),
        raw if raw.starts_with('[') => lines(raw).map_or(Cow::Borrowed(raw), Cow::Owned),
        raw => Cow::Borrowed(raw),
    }
}

/// A list of frames, or of texts, as lines.
fn lines(raw: &str) -> Option<String> {
    let items: Vec<Value> = serde_json::from_str(raw).ok()?;
    frames(&items).or_else(|| {
        let lines: Option<Vec<_>> = items.iter().map(Value::as_str).collect();
        lines.map(|lines| lines.join("\n"))
    })
}

fn frames(items: &[Value]) -> Option<String> {
    let text_of = |item: &Value, names: &[&str]| {
        names.iter().find_map(|name| match item.get(name)? {
            Value::String(text) => Some(text.clone()),
            Value::Number(number) => Some(number.to_string()),
            _ => None,
        })
    };
    let mut text = String::new();
    for item in items {
        let function = text_of(item, &["func", "function"])?;
        let file = text_of(item, &["file", "source", "filename"])?;
        let line = text_of(item, &["line", "lineno"])?;
        text.push_str(&format!("{function}\n\t{file}:{line}\n"));
    }
    (!text.is_empty()).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Option<Parsed<'_>> {
        Members::read(line).map(Members::record)
    }

    #[test]
    fn loggers_of_every_kind() {
        for (line, level, body) in [
            (r#"{"time":"2009-11-10T23:00:00Z","level":"ERROR+4","msg":"a"}"#, Level::Error, "a"),
            (r#"{"level":"error","ts":1700000000.5,"caller":"x/y.go:3","msg":"b"}"#, Level::Error, "b"),
            (
                r#"{"level":50,"time":1700000000500,"pid":1,"msg":"c","err":{"message":"d"}}"#,
                Level::Error,
                "c",
            ),
            (r#"{"severity":"CRITICAL","message":"e"}"#, Level::Error, "e"),
            (r#"{"log.level":"warn","message":"f"}"#, Level::Warn, "f"),
            (r#"{"log":{"level":"fatal"},"message":"g"}"#, Level::Fatal, "g"),
        ] {
            let parsed = parse(line).unwrap();
            assert_eq!((parsed.level, parsed.body.as_ref()), (Some(level), body), "{line}");
        }
    }

    #[test]
    fn fields_keep_their_order_and_objects_are_flattened() {
        let parsed = parse(r#"{"msg":"m","z":1,"a":{"y":true,"b":null},"err":{"message":"boom"}}"#).unwrap();
        let keys: Vec<_> = parsed.fields.iter().map(|(key, _)| key.as_ref()).collect();
        assert_eq!(keys, ["z", "a.y", "a.b", "err.message"]);
        assert_eq!(parsed.error(), Some("boom"));
    }

    #[test]
    fn lists_of_frames_become_a_stack() {
        let parsed =
            parse(r#"{"level":"error","stack":[{"func":"m.f","line":"12","source":"a.go"}]}"#).unwrap();
        assert_eq!(parsed.field(&["stack"]), Some("m.f\n\ta.go:12\n"));
    }

    #[test]
    fn hostile_objects_are_refused_or_bounded() {
        let deep = format!("{}1{}", "{\"a\":".repeat(10_000), "}".repeat(10_000));
        assert_eq!(parse(&deep).map(|parsed| parsed.fields[0].0.to_string()).as_deref(), Some("a.a.a.a"));
        let list = format!("{{\"a\":{}{}}}", "[".repeat(10_000), "]".repeat(10_000));
        assert_eq!(parse(&list).unwrap().field(&["a"]).map(str::len), Some(20_000));
        assert!(parse("{\"level\":").is_none());
        let wide: Vec<_> = (0..1000).map(|n| format!("\"k{n}\":{n}")).collect();
        assert!(parse(&format!("{{{}}}", wide.join(","))).unwrap().fields.len() <= MAX_FIELDS);
    }
}
