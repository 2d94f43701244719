//! Records written as `key=value` pairs: slog's text handler, logrus, logfmt.

use std::borrow::Cow;

use nom::branch::alt;
use nom::bytes::complete::{tag, take_till, take_while, take_while1};
use nom::character::complete::char;
use nom::combinator::{map, recognize};
use nom::multi::many0_count;
use nom::sequence::preceded;
use nom::{IResult, Parser};

use super::time::{self, Stamp};
use super::{ERROR_KEYS, Fields, Form, Parsed, is_nothing};
use crate::analyzer::level::Level;

/// Most pairs read from one line.
const MAX_PAIRS: usize = 64;
const LEVEL: &[&str] = &["level", "lvl", "severity"];
const MESSAGE: &[&str] = &["msg", "message"];
const TIME: &[&str] = &["time", "ts", "timestamp", "t"];

/// The pairs of a line in their order, their values as they are written.
#[derive(Debug)]
pub(crate) struct Pairs<'a> {
    pairs: Vec<(&'a str, Raw<'a>)>,
    level: Option<Level>,
}

/// A value as it is written.
#[derive(Debug, Clone, Copy)]
enum Raw<'a> {
    Bare(&'a str),
    /// What stands between the quotes, with Go's escapes.
    Quoted(&'a str),
}

impl<'a> Pairs<'a> {
    /// Reads a line of pairs: one that has a level among them, or an error and a message.
    pub(super) fn read(line: &'a str) -> Option<Self> {
        if !memchr::memchr_iter(b'=', line.as_bytes()).any(|at| is_needed(&line[..at])) {
            return None;
        }
        let mut pairs = read(line);
        if let Some(word) = take(&mut pairs, LEVEL) {
            let level = Some(Level::parse(&word.text())?);
            return Some(Self { pairs, level });
        }
        let error = pairs.iter().any(|(key, value)| ERROR_KEYS.contains(key) && !is_nothing(&value.text()));
        let message = pairs.iter().any(|(key, _)| is_one_of(key, MESSAGE));
        (error && message).then_some(Self { pairs, level: None })
    }

    /// The level it claims.
    pub(super) const fn level(&self) -> Option<Level> {
        self.level
    }

    /// Whether any text in it may span lines, as a stack does.
    pub(super) fn may_span_lines(&self) -> bool {
        self.pairs.iter().any(|(_, value)| {
            matches!(value, Raw::Quoted(text) if memchr::memchr(b'\\', text.as_bytes()).is_some())
        })
    }

    /// The record.
    pub(super) fn record(self) -> Parsed<'a> {
        let Self { mut pairs, level } = self;
        let body = take(&mut pairs, MESSAGE).map(Raw::text).unwrap_or_default();
        let time = take(&mut pairs, TIME).and_then(|text| time::parse(&text.text())).map(Stamp::Known);
        let fields = pairs.into_iter().map(|(key, value)| (Cow::Borrowed(key), value.text())).collect();
        Parsed { form: Form::Pairs, time, level, body, fields, go: false, masked: None }
    }
}

/// A quoted message and the pairs behind it, as klog prints them: `"message" key="value" other=<`. The
/// value that `<` opens stands on the lines behind.
pub(super) fn behind_quoted(text: &str) -> Option<(Cow<'_, str>, Fields<'_>)> {
    let (rest, message) = quoted(text).ok()?;
    let pairs = read(rest).into_iter().filter(|(_, value)| !matches!(value, Raw::Bare("<")));
    Some((message.text(), pairs.map(|(key, value)| (Cow::Borrowed(key), value.text())).collect()))
}

/// A message and the pairs behind it, to the end of the line: `message key="value" n=3`. None where
/// anything else stands among them.
pub(super) fn behind_text(text: &str) -> Option<(&str, Fields<'_>)> {
    let equals = memchr::memchr(b'=', text.as_bytes())?;
    let at = text[..equals].rfind(char::is_whitespace)?;
    let (message, mut rest) = (text[..at].trim_end(), text[at..].trim_start());
    if message.ends_with(':') {
        return None;
    }
    let mut fields = Vec::new();
    while !rest.is_empty() && fields.len() < MAX_PAIRS {
        let (after, (key, value)) = pair(rest).ok()?;
        if !after.is_empty() && !after.starts_with(char::is_whitespace) {
            return None;
        }
        fields.push((Cow::Borrowed(key), value.text()));
        rest = after.trim_start();
    }
    (!message.is_empty()).then_some((message, fields))
}

/// Whether a text ends with a key that a record of pairs cannot do without.
fn is_needed(text: &str) -> bool {
    LEVEL.iter().chain(MESSAGE).any(|name| {
        let end = text.len().checked_sub(name.len()).and_then(|at| text.get(at..));
        end.is_some_and(|end| end.eq_ignore_ascii_case(name))
    })
}

fn is_one_of(key: &str, names: &[&str]) -> bool {
    names.iter().any(|name| key.eq_ignore_ascii_case(name))
}

/// Takes out the first pair with one of these names.
fn take<'a>(pairs: &mut Vec<(&'a str, Raw<'a>)>, names: &[&str]) -> Option<Raw<'a>> {
    let at = pairs.iter().position(|(key, _)| is_one_of(key, names))?;
    Some(pairs.remove(at).1)
}

/// The pairs of a line; words that are none are passed over.
fn read(line: &str) -> Vec<(&str, Raw<'_>)> {
    let mut rest = line.trim_start();
    let mut pairs = Vec::with_capacity(8);
    while !rest.is_empty() && pairs.len() < MAX_PAIRS {
        rest = match pair(rest) {
            Ok((after, found)) => {
                pairs.push(found);
                after
            }
            Err(_) => word(rest).map_or("", |(after, _)| after),
        };
        rest = rest.trim_start();
    }
    pairs
}

fn word(input: &str) -> IResult<&str, &str> {
    take_till(char::is_whitespace).parse(input)
}

fn pair(input: &str) -> IResult<&str, (&str, Raw<'_>)> {
    let key = take_while1(|char: char| char.is_alphanumeric() || matches!(char, '_' | '.' | '-' | '@'));
    let bare = map(take_while(|char: char| !char.is_whitespace()), Raw::Bare);
    let (rest, (key, _, value)) = (key, tag("="), alt((quoted, bare))).parse(input)?;
    Ok((rest, (key, value)))
}

/// A quoted value.
fn quoted(input: &str) -> IResult<&str, Raw<'_>> {
    let plain = || take_till(|char| char == '"' || char == '\\');
    let escaped = preceded(char('\\'), nom::character::complete::anychar);
    let inside = recognize((plain(), many0_count((escaped, plain()))));
    let (rest, (_, text, _)) = (char('"'), inside, char('"')).parse(input)?;
    Ok((rest, Raw::Quoted(text)))
}

impl<'a> Raw<'a> {
    /// The value, its escapes resolved.
    fn text(self) -> Cow<'a, str> {
        let mut rest = match self {
            Self::Bare(text) => return Cow::Borrowed(text),
            Self::Quoted(text) => text,
        };
        let Some(first) = memchr::memchr(b'\\', rest.as_bytes()) else { return Cow::Borrowed(rest) };
        let mut text = String::with_capacity(rest.len());
        let mut next = Some(first);
        while let Some(at) = next {
            text.push_str(&rest[..at]);
            rest = escape(&rest[at + 1..], &mut text);
            next = memchr::memchr(b'\\', rest.as_bytes());
        }
        text.push_str(rest);
        Cow::Owned(text)
    }
}

/// What follows a backslash.
fn escape<'a>(input: &'a str, text: &mut String) -> &'a str {
    let mut chars = input.chars();
    let Some(kind) = chars.next() else { return input };
    let digits = match kind {
        'n' | 't' | 'r' => {
            text.push(match kind {
                'n' => '\n',
                't' => '\t',
                _ => '\r',
            });
            0
        }
        'x' => 2,
        'u' => 4,
        'U' => 8,
        other => {
            text.push(other);
            0
        }
    };
    let rest = chars.as_str();
    if digits == 0 {
        return rest;
    }
    let decoded =
        rest.get(..digits).and_then(|hex| u32::from_str_radix(hex, 16).ok()).and_then(char::from_u32);
    match decoded {
        Some(decoded) => {
            text.push(decoded);
            &rest[digits..]
        }
        None => {
            text.push(kind);
            rest
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Option<Parsed<'_>> {
        Pairs::read(line).map(Pairs::record)
    }

    #[test]
    fn pairs_with_a_level_are_a_record() {
        let line = r#"time=2009-11-10T23:00:00.000Z level=ERROR+4 msg="a \"b\"\nc" err="x: y" n=7"#;
        let parsed = parse(line).unwrap();
        assert_eq!(parsed.level, Some(Level::Error));
        assert_eq!(parsed.body, "a \"b\"\nc");
        assert_eq!(parsed.error(), Some("x: y"));
        assert_eq!(parsed.field(&["n"]), Some("7"));
        assert_eq!(parsed.time().map(|time| time.to_string()).as_deref(), Some("2009-11-10T23:00:00Z"));
    }

    #[test]
    fn other_lines_are_not() {
        for line in [
            "error_count=0",
            "a=b c=d",
            "GET /x?level=error 200",
            "err=nil msg=done",
            "plain words",
            "level=9x msg=a",
        ] {
            assert!(parse(line).is_none(), "{line}");
        }
    }

    #[test]
    fn broken_quotes_and_escapes_do_no_harm() {
        for line in [
            r#"level=error msg="open"#,
            r#"level=error msg="\"#,
            r#"level=error msg="\xZZ\u12\Uffffffff""#,
            "level=error msg=\"\\é\"",
        ] {
            assert!(parse(line).is_some(), "{line}");
        }
    }
}
