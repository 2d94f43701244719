//! Records written as one JSON object: zap, zerolog, logrus, slog, bunyan, pino, ECS and their like.

use std::fmt;

use jiff::Timestamp;
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::Value;

use super::{Form, Parsed, time};
use crate::analyzer::level::Level;

const LEVEL: &[&str] =
    &["level", "severity", "lvl", "log.level", "levelname", "loglevel", "level_name", "log_level", "@level"];
const MESSAGE: &[&str] = &["msg", "message", "@message", "short_message", "event", "text"];
const TIME: &[&str] = &["time", "ts", "timestamp", "@timestamp", "t", "datetime", "asctime", "date"];

/// Most fields kept of one record, and how deep objects are looked into.
const MAX_FIELDS: usize = 64;
const MAX_DEPTH: usize = 3;

/// The members of an object in their order.
struct Members(Vec<(String, Value)>);

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Collect;
        impl<'de> Visitor<'de> for Collect {
            type Value = Members;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a log record")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(Collect)
    }
}

/// Reads a line that holds one JSON object.
pub(super) fn parse(line: &str) -> Option<Parsed> {
    let Members(members) = serde_json::from_str(line.trim()).ok()?;
    let slog = members.iter().take(3).map(|(key, _)| key.as_str()).eq(["time", "level", "msg"]);
    let mut flat = Vec::new();
    for (key, value) in members {
        flatten(key, value, MAX_DEPTH, &mut flat);
    }
    let level = take(&mut flat, LEVEL, level_of);
    let time = take(&mut flat, TIME, time_of);
    let body = take(&mut flat, MESSAGE, |value| value.as_str().map(str::to_owned)).unwrap_or_default();
    let fields: Vec<_> = flat.into_iter().map(|(key, value)| (key, as_text(value))).collect();
    let go = slog
        || fields.iter().any(|(key, value)| key.contains("caller") && value.contains(".go:"))
        || fields.iter().any(|(key, value)| key.ends_with("file") && value.ends_with(".go"));
    Some(Parsed { form: Form::Json, time, level, body, fields, go })
}

/// Objects become members with dotted names; everything else stays.
fn flatten(key: String, value: Value, depth: usize, out: &mut Vec<(String, Value)>) {
    match value {
        Value::Object(members) if depth > 0 => {
            for (name, value) in members {
                flatten(format!("{key}.{name}"), value, depth - 1, out);
            }
        }
        other if out.len() < MAX_FIELDS => out.push((key, other)),
        _ => {}
    }
}

/// Takes out the first member with one of these names that `read` understands.
fn take<T>(flat: &mut Vec<(String, Value)>, names: &[&str], read: impl Fn(&Value) -> Option<T>) -> Option<T> {
    names.iter().find_map(|name| {
        let at = flat.iter().position(|(key, _)| key.eq_ignore_ascii_case(name))?;
        let found = read(&flat[at].1)?;
        flat.remove(at);
        Some(found)
    })
}

fn level_of(value: &Value) -> Option<Level> {
    match value {
        Value::String(word) => Level::parse(word).or_else(|| word.parse().ok().and_then(Level::from_number)),
        Value::Number(number) => number.as_i64().and_then(Level::from_number),
        _ => None,
    }
}

fn time_of(value: &Value) -> Option<Timestamp> {
    match value {
        Value::String(text) => time::parse(text),
        Value::Number(number) => number.as_f64().and_then(time::from_number),
        _ => None,
    }
}

/// A value as text. A list of frames becomes the pairs of symbol and place that other loggers print,
/// so that one parser reads them all.
fn as_text(value: Value) -> String {
    match value {
        Value::String(text) => text,
        Value::Array(items) => frames(&items).unwrap_or_else(|| {
            let lines: Option<Vec<_>> = items.iter().map(Value::as_str).collect();
            lines.map_or_else(|| Value::Array(items.clone()).to_string(), |lines| lines.join("\n"))
        }),
        Value::Null => String::new(),
        other => other.to_string(),
    }
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
            assert_eq!((parsed.level, parsed.body.as_str()), (Some(level), body), "{line}");
        }
    }

    #[test]
    fn fields_keep_their_order_and_objects_are_flattened() {
        let parsed = parse(r#"{"msg":"m","z":1,"a":{"y":true,"b":null},"err":{"message":"boom"}}"#).unwrap();
        let keys: Vec<_> = parsed.fields.iter().map(|(key, _)| key.as_str()).collect();
        assert_eq!(keys, ["z", "a.b", "a.y", "err.message"]);
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
        assert!(parse(&format!("{}{}", "{\"a\":".repeat(10_000), "}".repeat(10_000))).is_none());
        assert!(parse("{\"level\":").is_none());
        let wide: Vec<_> = (0..1000).map(|n| format!("\"k{n}\":{n}")).collect();
        assert!(parse(&format!("{{{}}}", wide.join(","))).unwrap().fields.len() <= MAX_FIELDS);
    }
}
