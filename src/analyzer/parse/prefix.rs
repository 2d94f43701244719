//! What tools and daemons put before every line: `docker compose logs`, `kubectl logs --prefix`, stern,
//! syslog and journald.
//!
//! A prefix is known by its form, one line at a time, because most lines of a mixed log begin nothing
//! that could be remembered. Only stern's `pod container ` could be words of a sentence: there the text
//! behind it must look like a log's ([`is_telling`]), or continue what the same pod has begun
//! ([`continued`]).

use nom::branch::alt;
use nom::bytes::complete::{tag, take_while_m_n, take_while1};
use nom::character::complete::{char, digit1, one_of};
use nom::combinator::{opt, recognize, verify};
use nom::sequence::preceded;
use nom::{IResult, Parser};

use crate::analyzer::level::Level;

/// Longest prefix without a time.
const MAX_ORIGIN_BYTES: usize = 200;
/// What Kubernetes draws the last part of a pod's name from.
const DRAWN: &str = "bcdfghjklmnpqrstvwxz2456789";

/// A line with a prefix.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Prefixed<'a> {
    /// Who wrote the line, as the prefix names it.
    pub(super) origin: &'a str,
    /// The severity it gives the line.
    pub(super) level: Option<Level>,
    /// The time it tells, date and zone included.
    pub(super) time: Option<&'a str>,
    /// The program's own line.
    pub(super) text: &'a str,
}

/// Takes the prefix off, if there is one.
pub(super) fn prefixed(line: &str) -> Option<Prefixed<'_>> {
    let found = match line.as_bytes().first()? {
        b'[' => kubectl(line).ok(),
        b'<' => priority(line).ok(),
        b'0'..=b'9' => iso(line).ok(),
        b'A'..=b'Z' => compose(line).or_else(|| bsd(line).ok()),
        b'a'..=b'z' => compose(line).or_else(|| stern(line)),
        _ => None,
    };
    found
        .map(|(text, found)| Prefixed { text, ..found })
        .filter(|found| found.origin.len() <= MAX_ORIGIN_BYTES)
}

/// The text behind stern's prefix, if the line has the prefix of what was begun.
pub(crate) fn continued<'a>(line: &'a str, origin: &str) -> Option<&'a str> {
    let (pod, container) = origin.split_once(' ')?;
    if !is_pod(pod) || !is_name(container) {
        return None;
    }
    let text = line.strip_prefix(origin)?;
    if text.is_empty() { Some(text) } else { text.strip_prefix(' ') }
}

const fn by(origin: &str) -> Prefixed<'_> {
    Prefixed { origin, level: None, time: None, text: "" }
}

/// What stands behind a separator, which may have lost its blank at the end of the line.
fn behind(text: &str) -> Option<&str> {
    if text.is_empty() { Some(text) } else { text.strip_prefix(' ') }
}

/// `web-1  | TEXT`
fn compose(line: &str) -> Option<(&str, Prefixed<'_>)> {
    let end = line.bytes().position(|byte| !(byte.is_ascii_alphanumeric() || b"_.-".contains(&byte)))?;
    let (name, rest) = line.split_at(end);
    let text = rest.strip_prefix(' ')?.trim_start_matches(' ').strip_prefix('|')?;
    // `ERROR | text` is a level.
    Level::parse(name).is_none().then_some(())?;
    Some((behind(text)?, by(name)))
}

/// `[pod/web-7d4b9c-x2x4z/web] TEXT`
fn kubectl(line: &str) -> IResult<&str, Prefixed<'_>> {
    let name = || take_while1(|char: char| char.is_ascii_alphanumeric() || ".-".contains(char));
    let whole = recognize((tag("pod/"), name(), char('/'), name()));
    let (rest, (_, origin, _)) = (char('['), whole, char(']')).parse(line)?;
    let (rest, _) = opt(char(' ')).parse(rest)?;
    Ok((rest, by(origin)))
}

/// `web-7d4b9c-x2x4z web TEXT`
fn stern(line: &str) -> Option<(&str, Prefixed<'_>)> {
    let (pod, rest) = line.split_once(' ')?;
    if !is_pod(pod) {
        return None;
    }
    let (container, text) = rest.split_once(' ').unwrap_or((rest, ""));
    let named = is_name(container) && Level::parse(container).is_none();
    (named && is_telling(text)).then(|| (text, by(&line[..pod.len() + 1 + container.len()])))
}

/// A pod of a deployment, a daemon set or a job ends with five drawn characters, one of a stateful set
/// with its number.
fn is_pod(name: &str) -> bool {
    let Some((_, last)) = name.rsplit_once('-') else { return false };
    let digits = last.bytes().all(|byte| byte.is_ascii_digit());
    let drawn = last.len() == 5 && !digits && last.chars().all(|char| DRAWN.contains(char));
    is_name(name) && (drawn || (digits && matches!(last.len(), 1..=3)))
}

/// A name as Kubernetes allows it.
fn is_name(name: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-.".contains(&byte);
    name.starts_with(|char: char| char.is_ascii_lowercase()) && name.bytes().all(inner)
}

/// Whether a text is a line of a Go crash, or begins as the records of loggers do.
fn is_telling(text: &str) -> bool {
    const BEGINNINGS: &[&str] = &[
        "\t",
        "{",
        "[",
        "panic: ",
        "fatal error: ",
        "runtime: ",
        "goroutine ",
        "created by ",
        "exit status ",
        "time=",
        "ts=",
        "level=",
        "==================",
        "WARNING: DATA RACE",
    ];
    let bytes = text.as_bytes();
    let clock = bytes.len() > 2
        && bytes[..2].iter().all(u8::is_ascii_digit)
        && (bytes[2].is_ascii_digit() || bytes[2] == b':');
    let klog = matches!(bytes, [b'I' | b'W' | b'E' | b'F', a, b, c, d, b' ', ..] if [a, b, c, d].iter().all(|byte| byte.is_ascii_digit()));
    let word = text.split([' ', ':', '[']).next().unwrap_or_default();
    let level = word.bytes().all(|byte| byte.is_ascii_uppercase()) && Level::parse(word).is_some();
    let frame = text.ends_with(')') && text.split('(').next().is_some_and(|name| !name.contains(' '));
    text.is_empty() || clock || klog || level || frame || BEGINNINGS.iter().any(|word| text.starts_with(word))
}

/// `<11>` and what follows it: a record of RFC 5424, one of RFC 3164, or the text alone, as systemd
/// takes it from the programs it runs.
fn priority(line: &str) -> IResult<&str, Prefixed<'_>> {
    let number = verify(digit1, |digits: &str| {
        (digits == "0" || !digits.starts_with('0')) && digits.parse().is_ok_and(|number: u32| number < 192)
    });
    let (rest, (_, number, _)) = (char('<'), number, char('>')).parse(line)?;
    let severity = number.parse().ok().and_then(|number: i64| Level::from_number(number % 8));
    let (rest, found) = alt((version_one, bsd)).parse(rest).unwrap_or((rest, by("")));
    Ok((rest, Prefixed { level: severity, ..found }))
}

/// `1 2009-11-10T23:00:00.003Z host app 123 ID47 [x@1 a="b"] TEXT`
fn version_one(line: &str) -> IResult<&str, Prefixed<'_>> {
    let word = || take_while1(|char: char| !char.is_whitespace());
    let value = || {
        let plain = take_while1(|char| char != '"' && char != '\\');
        nom::multi::many0_count(alt((
            recognize(preceded(char('\\'), nom::character::complete::anychar)),
            plain,
        )))
    };
    let name = || take_while1(|char: char| !char.is_whitespace() && !"=]\"".contains(char));
    let parameter = (char(' '), name(), tag("=\""), value(), char('"'));
    let element = (char('['), name(), nom::multi::many0_count(parameter), char(']'));
    let data = alt((recognize(char('-')), recognize(nom::multi::many1_count(element))));
    let origin = recognize((word(), char(' '), word(), char(' '), word()));
    let (rest, (_, time, _, origin, _, _, _, _)) =
        (tag("1 "), word(), char(' '), origin, char(' '), word(), char(' '), data).parse(line)?;
    let (rest, _) = (opt(char(' ')), opt(char('\u{feff}'))).parse(rest)?;
    Ok((rest, Prefixed { time: Some(time), ..by(origin) }))
}

/// `Nov 10 23:00:00 host shop[123]: TEXT`
fn bsd(line: &str) -> IResult<&str, Prefixed<'_>> {
    const MONTHS: &str = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec";
    let letters = take_while_m_n(3, 3, |char: char| char.is_ascii_alphabetic());
    let month = verify(letters, |name: &str| MONTHS.split(' ').any(|month| month == name));
    let day = (one_of(" 0123"), one_of("0123456789"));
    let (rest, _) = (month, char(' '), day, char(' '), clock, char(' ')).parse(line)?;
    sender(rest, false)
}

/// `2009-11-10T23:00:00.123456+00:00 host shop[123]: TEXT`, as rsyslog and journalctl can print it. The
/// process id must be there: a level and a name may stand in the same places.
fn iso(line: &str) -> IResult<&str, Prefixed<'_>> {
    let digits = |count| take_while_m_n(count, count, |char: char| char.is_ascii_digit());
    let zone = alt((tag("Z"), recognize((one_of("+-"), digits(2), opt(char(':')), digits(2)))));
    let fraction = opt((char('.'), digit1));
    let stamp = (digits(4), char('-'), digits(2), char('-'), digits(2), char('T'), clock, fraction, zone);
    let (rest, (time, _)) = (recognize(stamp), char(' ')).parse(line)?;
    let (rest, found) = sender(rest, true)?;
    Ok((rest, Prefixed { time: Some(time), ..found }))
}

fn clock(line: &str) -> IResult<&str, &str> {
    let two = || take_while_m_n(2, 2, |char: char| char.is_ascii_digit());
    recognize((two(), char(':'), two(), char(':'), two())).parse(line)
}

/// `host shop[123]: `
fn sender(line: &str, with_process: bool) -> IResult<&str, Prefixed<'_>> {
    let host =
        verify(take_while1(|char: char| !char.is_whitespace()), |word: &str| Level::parse(word).is_none());
    let name = take_while1(|char: char| !char.is_whitespace() && !"[]:".contains(char));
    let process = (char('['), digit1, char(']'));
    let process = verify(opt(recognize(process)), |id: &Option<&str>| id.is_some() || !with_process);
    let (rest, (origin, _)) = (recognize((host, char(' '), name, process)), char(':')).parse(line)?;
    let (rest, _) = opt(char(' ')).parse(rest)?;
    Ok((rest, by(origin)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefixes_come_off() {
        for (line, origin, text) in [
            ("web-1  | panic: x", "web-1", "panic: x"),
            ("web-1  |", "web-1", ""),
            ("shop_web_1 | \tindented", "shop_web_1", "\tindented"),
            ("[pod/web-7d4b9c-x2x4z/web] panic: x", "pod/web-7d4b9c-x2x4z/web", "panic: x"),
            ("web-7d4b9c-x2x4z web panic: x", "web-7d4b9c-x2x4z web", "panic: x"),
            ("db-0 postgres main.main()", "db-0 postgres", "main.main()"),
            ("db-0 postgres ", "db-0 postgres", ""),
            ("Nov 10 23:00:00 host shop[123]: panic: x", "host shop[123]", "panic: x"),
            ("Nov  1 23:00:00 host kernel: x", "host kernel", "x"),
            ("Nov  1 23:00:00 host shop[1]: \t/a.go:1 +0x1", "host shop[1]", "\t/a.go:1 +0x1"),
            ("2009-11-10T23:00:00.123456+00:00 host shop[123]: x", "host shop[123]", "x"),
            ("2009-11-10T23:00:00+0000 host shop[123]: x", "host shop[123]", "x"),
            ("<11>Nov 10 23:00:00 host shop: x", "host shop", "x"),
            ("<11>1 2009-11-10T23:00:00.003Z host shop 123 ID47 - \u{feff}x", "host shop 123", "x"),
            (r#"<11>1 2009-11-10T23:00:00Z host shop - - [a@1 b="c\"] d"][e@2] x"#, "host shop -", "x"),
            ("<3>x", "", "x"),
        ] {
            let found = prefixed(line).unwrap_or_else(|| panic!("{line}"));
            assert_eq!((found.origin, found.text), (origin, text), "{line}");
        }
    }

    #[test]
    fn what_is_no_prefix_stays() {
        for line in [
            "ERROR | cannot save",
            "12 | let x = 1;",
            "2009-11-10 23:00:00 | ERROR | x",
            "[pod] x",
            "[error] x",
            "shard-3 cannot reach its leader: EOF",
            "job-x2x4z failed to start: EOF",
            "2009-11-10T23:00:00Z ERROR store: boom",
            "2009-11-10T23:00:00Z ERROR store[1]: boom",
            "Now 10 23:00:00 host shop: x",
            "<999>x",
            "<b>x",
            "",
        ] {
            assert_eq!(prefixed(line), None, "{line}");
        }
    }

    #[test]
    fn a_priority_is_a_level() {
        for (line, level) in [
            ("<11>x", Some(Level::Error)),
            ("<14>x", Some(Level::Info)),
            ("<0>x", Some(Level::Fatal)),
            ("x", None),
        ] {
            assert_eq!(prefixed(line).and_then(|found| found.level), level, "{line}");
        }
    }

    #[test]
    fn stern_continues_what_it_has_begun() {
        assert_eq!(continued("db-0 postgres any words", "db-0 postgres"), Some("any words"));
        assert_eq!(continued("db-0 postgresql any words", "db-0 postgres"), None);
        assert_eq!(continued("host shop[1] x", "host shop[1]"), None);
    }
}
