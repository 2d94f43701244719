//! What a log or a repository says on its way to a terminal, as text or in JSON: nothing in it may drive that.

use std::io::{self, Write};

use serde::Serialize;
use serde_json::Serializer;
use serde_json::ser::{CompactFormatter, Formatter, PrettyFormatter};

use crate::telemetry::is_obeyed;
pub(super) use crate::telemetry::{plain, plain_line};

/// Writes a value as indented JSON, which says the same and drives nothing where it is looked at.
///
/// # Errors
/// Those of writing, as they are: wrapped into one of JSON, a reader who left would not be known for one.
pub(super) fn indented_json(out: &mut impl Write, value: &impl Serialize) -> io::Result<()> {
    value.serialize(&mut Serializer::with_formatter(out, Escaping(PrettyFormatter::new())))?;
    Ok(())
}

/// Writes a value as such JSON on one line, which it does not end.
///
/// # Errors
/// As [`indented_json`].
pub(super) fn json_line(out: &mut impl Write, value: &impl Serialize) -> io::Result<()> {
    value.serialize(&mut Serializer::with_formatter(out, Escaping(CompactFormatter)))?;
    Ok(())
}

/// Another way to write JSON, in whose texts everything is escaped that a terminal obeys. JSON asks for that only
/// up to U+001F.
struct Escaping<F>(F);

impl<F: Formatter> Formatter for Escaping<F> {
    fn write_string_fragment<W: ?Sized + Write>(&mut self, out: &mut W, fragment: &str) -> io::Result<()> {
        let mut rest = fragment;
        while let Some((at, c)) = rest.char_indices().find(|(_, c)| is_obeyed(*c)) {
            // All of them have four digits at most.
            write!(out, "{}\\u{:04x}", &rest[..at], u32::from(c))?;
            rest = &rest[at + c.len_utf8()..];
        }
        out.write_all(rest.as_bytes())
    }

    fn begin_array<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.0.begin_array(out)
    }

    fn end_array<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.0.end_array(out)
    }

    fn begin_array_value<W: ?Sized + Write>(&mut self, out: &mut W, first: bool) -> io::Result<()> {
        self.0.begin_array_value(out, first)
    }

    fn end_array_value<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.0.end_array_value(out)
    }

    fn begin_object<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.0.begin_object(out)
    }

    fn end_object<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.0.end_object(out)
    }

    fn begin_object_key<W: ?Sized + Write>(&mut self, out: &mut W, first: bool) -> io::Result<()> {
        self.0.begin_object_key(out, first)
    }

    fn begin_object_value<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.0.begin_object_value(out)
    }

    fn end_object_value<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.0.end_object_value(out)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    const HOSTILE: &str = "a\u{1b}[31mb\r\u{7f}\u{9b}c\u{202e}d\u{2066}e\u{200f}f\u{2028}\"\\g\n";

    #[test]
    fn json_says_the_same_and_is_tame() {
        let value = json!({"list": [HOSTILE, "plain ö €", 1], HOSTILE: {}, "none": [null]});
        let (mut pretty, mut line) = (Vec::new(), Vec::new());
        indented_json(&mut pretty, &value).unwrap();
        json_line(&mut line, &value).unwrap();
        for written in [pretty, line] {
            let text = String::from_utf8(written).unwrap();
            assert!(text.chars().all(|c| c == '\n' || !is_obeyed(c)), "{text:?}");
            assert!(text.contains("\\u202e") && text.contains("plain ö €"), "{text}");
            assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), value);
        }
        let mut pretty = Vec::new();
        indented_json(&mut pretty, &json!({"a": [1, "x"], "b": {}})).unwrap();
        assert_eq!(pretty, serde_json::to_vec_pretty(&json!({"a": [1, "x"], "b": {}})).unwrap());
    }
}
