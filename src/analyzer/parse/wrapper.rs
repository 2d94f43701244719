//! What container runtimes put around every line: CRI's prefix, docker's JSON.

use std::borrow::Cow;

use jiff::Timestamp;
use nom::branch::alt;
use nom::bytes::complete::{tag, take_while1};
use nom::character::complete::{char, one_of};
use nom::combinator::{value, verify};
use nom::{IResult, Parser};
use serde::Deserialize;

use super::time;

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
    /// Whether it is a part of a line and another part follows.
    pub(crate) partial: bool,
    time: Option<&'a str>,
}

impl Unwrapped<'_> {
    /// When, as the wrapper tells.
    pub(crate) fn time(&self) -> Option<Timestamp> {
        self.time.and_then(time::parse)
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

/// Takes the wrapper off, if there is one.
pub(crate) fn strip(line: &str) -> Unwrapped<'_> {
    if line.starts_with("{\"log\":")
        && let Some(unwrapped) = docker(line)
    {
        return unwrapped;
    }
    cri(line).map_or(
        Unwrapped { text: Cow::Borrowed(line), stream: Stream::Out, partial: false, time: None },
        |(_, unwrapped)| unwrapped,
    )
}

/// `TIME stdout|stderr P|F TEXT`
fn cri(input: &str) -> IResult<&str, Unwrapped<'_>> {
    let time = take_while1(|char: char| char.is_ascii_digit() || "-:.TZ+".contains(char));
    let stream = alt((value(Stream::Out, tag("stdout")), value(Stream::Err, tag("stderr"))));
    let (rest, (time, _, stream, _, tag)) =
        (verify(time, is_time), char(' '), stream, char(' '), one_of("PF")).parse(input)?;
    // An empty line may have lost its last blank.
    let text = Cow::Borrowed(rest.strip_prefix(' ').unwrap_or(rest));
    Ok(("", Unwrapped { text, stream, partial: tag == 'P', time: Some(time) }))
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
    Some(Unwrapped { text, stream, partial, time: Some(entry.time) })
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
        ] {
            let unwrapped = strip(line);
            assert_eq!((unwrapped.text.as_ref(), unwrapped.stream), (text, stream), "{line}");
        }
    }
}
