//! What container runtimes put around every line: CRI's prefix, docker's JSON.

use std::borrow::Cow;

use jiff::Timestamp;
use nom::branch::alt;
use nom::bytes::complete::{tag, take_while1};
use nom::character::complete::char;
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
    /// When, as the wrapper tells.
    pub(crate) time: Option<Timestamp>,
}

/// Takes the wrapper off, if there is one.
pub(crate) fn strip(line: Cow<'_, str>) -> Unwrapped<'_> {
    if line.starts_with("{\"log\":")
        && let Some(unwrapped) = docker(&line)
    {
        return unwrapped;
    }
    let found =
        cri(&line).ok().map(|(text, (time, stream))| (line.len() - text.len(), time::parse(time), stream));
    match found {
        Some((at, Some(time), stream)) => {
            let text = match line {
                Cow::Borrowed(line) => Cow::Borrowed(&line[at..]),
                Cow::Owned(line) => Cow::Owned(line[at..].to_owned()),
            };
            Unwrapped { text, stream, time: Some(time) }
        }
        _ => Unwrapped { text: line, stream: Stream::Out, time: None },
    }
}

/// `TIME stdout|stderr P|F TEXT`
fn cri(input: &str) -> IResult<&str, (&str, Stream)> {
    let (rest, time) =
        take_while1(|char: char| char.is_ascii_digit() || "-:.TZ+".contains(char)).parse(input)?;
    let (rest, _) = char(' ').parse(rest)?;
    let (rest, stream) = alt((tag("stdout"), tag("stderr"))).parse(rest)?;
    let (rest, _) = (char(' '), alt((char('F'), char('P')))).parse(rest)?;
    // An empty line may have lost its last blank.
    let rest = rest.strip_prefix(' ').unwrap_or(rest);
    Ok((rest, (time, if stream == "stderr" { Stream::Err } else { Stream::Out })))
}

/// `{"log":"TEXT\n","stream":"stderr","time":"TIME"}`
fn docker(line: &str) -> Option<Unwrapped<'static>> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Entry {
        log: String,
        stream: String,
        #[serde(default)]
        time: String,
        #[serde(default, rename = "attrs")]
        _attrs: serde_json::Value,
    }
    let entry: Entry = serde_json::from_str(line).ok()?;
    let stream = if entry.stream == "stderr" { Stream::Err } else { Stream::Out };
    let text = entry.log.trim_end_matches(['\n', '\r']).to_owned();
    Some(Unwrapped { text: Cow::Owned(text), stream, time: time::parse(&entry.time) })
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
            let unwrapped = strip(Cow::Borrowed(line));
            assert_eq!((unwrapped.text.as_ref(), unwrapped.stream), (text, stream), "{line}");
        }
    }
}
