//! Plain lines: Go's `log`, klog, and text behind a time and a level in the usual spellings.

use std::borrow::Cow;

use nom::branch::alt;
use nom::bytes::complete::{tag, take, take_while, take_while_m_n, take_while1};
use nom::character::complete::{char, digit1, one_of, space0, space1};
use nom::combinator::{opt, recognize, verify};
use nom::{IResult, Parser};

use super::time::Stamp;
use super::{Form, Parsed, pairs};
use crate::analyzer::level::Level;

/// Words looked at for a level before the message must have begun.
const MAX_WORDS: usize = 6;

/// Reads a plain line; every line is one.
pub(super) fn parse(line: &str) -> Parsed<'_> {
    if let Ok((body, (level, place))) = klog(line) {
        let (body, mut fields) = pairs::behind_message(body).unwrap_or((Cow::Borrowed(body), Vec::new()));
        fields.push((Cow::Borrowed("caller"), Cow::Borrowed(place)));
        return Parsed { form: Form::Plain, time: None, level: Some(level), body, fields, go: true };
    }
    let line = uncoloured(line);
    let (rest, time, go) = match stamp(line) {
        Ok((rest, text)) => (rest, Some(Stamp::Text(text)), text.as_bytes().get(4) == Some(&b'/')),
        Err(_) => (line, None, false),
    };
    let (rest, before) = optional(caller(rest), rest);
    let (level, rest) = level(rest);
    // zap on a terminal prints the place behind the level.
    let (body, behind) = if level.is_some() { optional(caller(rest), rest) } else { (rest, None) };
    let place = before.or(behind);
    let go = go || place.is_some();
    let fields = place.map(|place| (Cow::Borrowed("caller"), Cow::Borrowed(place))).into_iter().collect();
    Parsed { form: Form::Plain, time, level, body: Cow::Borrowed(body.trim()), fields, go }
}

/// The line without a colour at its beginning.
fn uncoloured(line: &str) -> &str {
    let rest = line
        .strip_prefix("\u{1b}[")
        .map(|rest| rest.trim_start_matches(|char: char| char.is_ascii_digit() || char == ';'));
    rest.and_then(|rest| rest.strip_prefix('m')).unwrap_or(line)
}

fn digits(count: usize) -> impl Fn(&str) -> IResult<&str, &str> {
    move |input| take_while_m_n(count, count, |char: char| char.is_ascii_digit()).parse(input)
}

/// A date and a time of day at the beginning, with fraction and zone where there are any.
fn stamp(input: &str) -> IResult<&str, &str> {
    let fraction = (one_of(".,"), digit1);
    let zone = alt((tag("Z"), recognize((one_of("+-"), digits(2), opt(char(':')), digits(2)))));
    let date = (digits(4), one_of("-/"), digits(2), one_of("-/"), digits(2));
    let day = (digits(2), char(':'), digits(2), char(':'), digits(2));
    let (rest, _) = opt(one_of("[(")).parse(input)?;
    let (rest, text) = recognize((date, one_of("T "), day, opt(fraction), opt(zone))).parse(rest)?;
    let (rest, _) = (opt(one_of(")]")), space0).parse(rest)?;
    Ok((rest, text))
}

/// What was parsed, or the input as it was.
fn optional<'a>(result: IResult<&'a str, &'a str>, input: &'a str) -> (&'a str, Option<&'a str>) {
    result.map_or((input, None), |(rest, found)| (rest, Some(found)))
}

/// `file.go:12: ` as Go's `log` prints it, `file.go:12\t` as zap does.
fn caller(input: &str) -> IResult<&str, &str> {
    let file = verify(take_while1(|char: char| !char.is_whitespace() && char != ':'), |file: &str| {
        file.ends_with(".go")
    });
    let (rest, (caller, _, _)) =
        (recognize((file, char(':'), digit1)), opt(char(':')), space1).parse(input)?;
    Ok((rest, caller))
}

/// `E0102 15:04:05.000000       1 file.go:12] message`
fn klog(input: &str) -> IResult<&str, (Level, &str)> {
    let (rest, letter) = one_of("IWEF").parse(input)?;
    let mut clock = (
        digits(4),
        space1,
        digits(2),
        char(':'),
        digits(2),
        char(':'),
        digits(2),
        char('.'),
        digit1,
        space1,
        digit1,
        space1,
    );
    let (rest, _) = clock.parse(rest)?;
    let (rest, place) = recognize((
        take_while1(|char: char| !char.is_whitespace() && char != ':' && char != ']'),
        char(':'),
        digit1,
    ))
    .parse(rest)?;
    let (rest, _) = (char(']'), space0).parse(rest)?;
    let level = match letter {
        'I' => Level::Info,
        'W' => Level::Warn,
        'E' => Level::Error,
        _ => Level::Fatal,
    };
    Ok((rest, (level, place)))
}

/// The level among the first words, and what follows it. Times, numbers, bracketed words and a name with
/// a colon may stand before it; anything else is the message, and the words in it are not levels.
fn level(text: &str) -> (Option<Level>, &str) {
    let mut rest = text.trim_start();
    for _ in 0..MAX_WORDS {
        let Ok((after, word)) = word(rest) else { break };
        let tabbed = after.starts_with('\t');
        match reading(word, tabbed) {
            Reading::Level(level) => {
                return (Some(level), after.trim_start_matches([' ', '\t', ':', '-', '|']));
            }
            Reading::Prefix => rest = after.trim_start(),
            Reading::Message => break,
        }
    }
    (None, text)
}

fn word(input: &str) -> IResult<&str, &str> {
    let bracketed = recognize((
        one_of("[<("),
        take_while(|char: char| !matches!(char, ']' | '>' | ')')),
        take(1usize),
        opt(char(':')),
    ));
    alt((verify(bracketed, |word: &str| word.len() <= 64), take_while1(|char: char| !char.is_whitespace())))
        .parse(input)
}

enum Reading {
    Level(Level),
    Prefix,
    Message,
}

fn reading(word: &str, tabbed: bool) -> Reading {
    let bare = word.trim_end_matches([':', ',', '|']);
    if bare.starts_with(['[', '<', '(']) {
        let inner = bare.trim_matches(['[', ']', '<', '>', '(', ')', ' ']);
        return Level::parse(inner).map_or(Reading::Prefix, Reading::Level);
    }
    // logrus on a terminal: `ERRO[0012]`.
    let name = bare.split_once('[').filter(|(_, rest)| rest.ends_with(']')).map_or(bare, |(name, _)| name);
    let shouted = name.bytes().all(|byte| byte.is_ascii_uppercase() || matches!(byte, b'+' | b'0'..=b'9'));
    let announced = word.ends_with(':') && !name.eq_ignore_ascii_case("panic");
    if (shouted || announced || tabbed)
        && let Some(level) = Level::parse(name)
    {
        return Reading::Level(level);
    }
    let numeric = bare.bytes().all(|byte| byte.is_ascii_digit() || b".,:-/+TZ#|".contains(&byte));
    if numeric || (word.ends_with(':') && bare.len() <= 32 && !bare.contains(['"', '\''])) {
        Reading::Prefix
    } else {
        Reading::Message
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_and_messages_of_plain_lines() {
        for (line, level, body) in [
            ("2009/11/10 23:00:00 cannot reach: x", None, "cannot reach: x"),
            ("2009/11/10 23:00:00.123456 main.go:12: ERROR: boom", Some(Level::Error), "boom"),
            ("2009-11-10T23:00:00Z ERROR store: boom", Some(Level::Error), "store: boom"),
            ("2009-11-10T23:00:00.000Z\terror\tstore/store.go:7\tboom", Some(Level::Error), "boom"),
            ("2009-11-10 23:00:00,123 [main] ERROR x - boom", Some(Level::Error), "x - boom"),
            ("[2009-11-10 23:00:00] [error] boom", Some(Level::Error), "boom"),
            ("E0102 15:04:05.000000       1 file.go:12] boom", Some(Level::Error), "boom"),
            (
                "E0102 15:04:05.000000       1 file.go:12] \"boom \\\"x\\\"\" err=\"odd\"",
                Some(Level::Error),
                "boom \"x\"",
            ),
            ("\u{1b}[1;31m2009/11/10 23:00:00 ERROR: boom", Some(Level::Error), "boom"),
            ("ERRO[0012] boom", Some(Level::Error), "boom"),
            ("app: INFO no ERROR here", Some(Level::Info), "no ERROR here"),
            ("the word ERROR in a sentence", None, "the word ERROR in a sentence"),
            ("GET /errors 200", None, "GET /errors 200"),
            ("0 errors", None, "0 errors"),
            ("", None, ""),
        ] {
            let parsed = parse(line);
            assert_eq!((parsed.level, parsed.body.as_ref()), (level, body), "{line}");
        }
    }

    #[test]
    fn gos_log_prefix_tells_time_and_place() {
        let parsed = parse("2009/11/10 23:00:00.123456 main.go:12: boom");
        assert_eq!(
            parsed.time().map(|time| time.to_string()).as_deref(),
            Some("2009-11-10T23:00:00.123456Z")
        );
        assert_eq!(parsed.field(&["caller"]), Some("main.go:12"));
        assert!(parsed.go);
    }
}
