//! What stands around every line: CRI's prefix, docker's JSON, the prefixes of tools and daemons
//! ([`prefix`](super::prefix)), colours.

use std::borrow::Cow;

use jiff::Timestamp;
use nom::branch::alt;
use nom::bytes::complete::{tag, take_while1};
use nom::character::complete::{char, one_of};
use nom::combinator::{value, verify};
use nom::{IResult, Parser};
use serde::Deserialize;

use super::prefix::prefixed;
use super::time;
use crate::analyzer::level::Level;

/// The two streams a program writes. Each has its own open failure: their lines may alternate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stream {
    /// Standard output, or a log that does not tell.
    Out,
    /// Standard error.
    Err,
}

impl Stream {
    /// Both.
    pub(crate) const ALL: [Self; 2] = [Self::Out, Self::Err];
}

/// A line without its wrapper.
#[derive(Debug)]
pub(crate) struct Unwrapped<'a> {
    /// The program's own line.
    pub(crate) text: Cow<'a, str>,
    /// Where it wrote it.
    pub(crate) stream: Stream,
    /// Who wrote it, where lines of several programs stand in one log; empty where the line does not
    /// tell. Each has its own open failure.
    pub(crate) origin: Cow<'a, str>,
    /// The level that the wrapper gives it.
    pub(crate) level: Option<Level>,
    /// Whether it is a part of a line and another part follows.
    pub(crate) partial: bool,
    time: Option<&'a str>,
}

impl<'a> Unwrapped<'a> {
    /// When, as the wrapper tells.
    pub(crate) fn time(&self) -> Option<Timestamp> {
        self.time.and_then(time::parse)
    }

    /// The same, as a line of `origin` that says `text`.
    pub(crate) fn with(self, origin: &'a str, text: &'a str) -> Self {
        Self { origin: Cow::Borrowed(origin), text: Cow::Borrowed(text), ..self }
    }

    /// What CRI puts before the last or only part of such a line.
    pub(crate) fn prefix(&self) -> String {
        let stream = match self.stream {
            Stream::Out => "stdout",
            Stream::Err => "stderr",
        };
        format!("{} {stream} F ", self.time.unwrap_or_default())
    }
}

/// Takes off what stands around a line.
pub(crate) fn strip(line: &str) -> Unwrapped<'_> {
    let docker = if line.starts_with("{\"log\":") { docker(line) } else { None };
    let mut unwrapped = match docker.or_else(|| cri(line).ok().map(|(_, unwrapped)| unwrapped)) {
        Some(unwrapped) => unwrapped,
        None => return unprefixed(line),
    };
    if let Some(plain) = uncoloured(&unwrapped.text) {
        unwrapped.text = Cow::Owned(plain);
    }
    unwrapped
}

/// Takes a prefix and colours off.
fn unprefixed(line: &str) -> Unwrapped<'_> {
    let plain = uncoloured(line);
    let own = Unwrapped {
        text: Cow::Borrowed(line),
        stream: Stream::Out,
        origin: Cow::Borrowed(""),
        level: None,
        partial: false,
        time: None,
    };
    match plain {
        None => match prefixed(line) {
            None => own,
            Some(found) => Unwrapped {
                text: Cow::Borrowed(found.text),
                origin: Cow::Borrowed(found.origin),
                level: found.level,
                time: found.time,
                ..own
            },
        },
        Some(plain) => match prefixed(&plain) {
            None => Unwrapped { text: Cow::Owned(plain), ..own },
            Some(found) => Unwrapped {
                text: Cow::Owned(found.text.to_owned()),
                origin: Cow::Owned(found.origin.to_owned()),
                level: found.level,
                ..own
            },
        },
    }
}

/// The text without its colours, if it has any.
fn uncoloured(text: &str) -> Option<String> {
    const BEGIN: &str = "\u{1b}[";
    memchr::memchr(0x1b, text.as_bytes())?;
    let mut parts = text.split(BEGIN);
    let mut plain = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let rest = part.trim_start_matches(|char: char| char.is_ascii_digit() || char == ';');
        match rest.strip_prefix('m') {
            Some(rest) => plain.push_str(rest),
            None => plain.extend([BEGIN, part]),
        }
    }
    Some(plain)
}

/// `TIME stdout|stderr P|F TEXT`
fn cri(input: &str) -> IResult<&str, Unwrapped<'_>> {
    let time = take_while1(|char: char| char.is_ascii_digit() || "-:.TZ+".contains(char));
    let stream = alt((value(Stream::Out, tag("stdout")), value(Stream::Err, tag("stderr"))));
    let (rest, (time, _, stream, _, tag)) =
        (verify(time, is_time), char(' '), stream, char(' '), one_of("PF")).parse(input)?;
    // An empty line may have lost its last blank.
    let text = Cow::Borrowed(rest.strip_prefix(' ').unwrap_or(rest));
    let origin = Cow::Borrowed("");
    Ok(("", Unwrapped { text, stream, origin, level: None, partial: tag == 'P', time: Some(time) }))
}

/// Whether a text has the shape of a runtime's time.
fn is_time(text: &str) -> bool {
    text.as_bytes().get(10) == Some(&b'T')
}

/// `{"log":"TEXT\n","stream":"stderr","time":"TIME"}`
fn docker(line: &str) -> Option<Unwrapped<'_>> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Entry<'a> {
        #[serde(borrow)]
        log: Cow<'a, str>,
        stream: &'a str,
        #[serde(default)]
        time: &'a str,
        #[serde(default, rename = "attrs")]
        _attrs: serde::de::IgnoredAny,
    }
    let entry: Entry<'_> = serde_json::from_str(line).ok()?;
    let stream = if entry.stream == "stderr" { Stream::Err } else { Stream::Out };
    let mut text = entry.log;
    let partial = !text.ends_with('\n') && is_time(entry.time);
    let end = text.trim_end_matches(['\n', '\r']).len();
    match &mut text {
        Cow::Borrowed(text) => *text = &text[..end],
        Cow::Owned(text) => text.truncate(end),
    }
    let origin = Cow::Borrowed("");
    Some(Unwrapped { text, stream, origin, level: None, partial, time: Some(entry.time) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wrappers_come_off() {
        for (line, text, stream) in [
            ("2024-05-01T10:00:00.123456789Z stderr F panic: x", "panic: x", Stream::Err),
            ("2024-05-01T10:00:00.123456789+02:00 stdout F ", "", Stream::Out),
            ("2024-05-01T10:00:00.123456789Z stdout F", "", Stream::Out),
            (
                r#"{"log":"panic: x\n","stream":"stderr","time":"2024-05-01T10:00:00Z"}"#,
                "panic: x",
                Stream::Err,
            ),
            (r#"{"log":{"level":"error"}}"#, r#"{"log":{"level":"error"}}"#, Stream::Out),
            ("12 stdout F x", "12 stdout F x", Stream::Out),
            ("panic: x", "panic: x", Stream::Out),
            ("\u{1b}[36mweb-1  | \u{1b}[0m\u{1b}[31mERR\u{1b}[0m x", "ERR x", Stream::Out),
            ("\u{1b}[1;31mx\u{1b}[2Ky\u{1b}", "x\u{1b}[2Ky\u{1b}", Stream::Out),
        ] {
            let unwrapped = strip(line);
            assert_eq!((unwrapped.text.as_ref(), unwrapped.stream), (text, stream), "{line}");
        }
    }
}
