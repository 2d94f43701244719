//! Plain lines: Go's `log`, klog, and text behind a time and a level in the usual spellings.

use std::borrow::Cow;

use nom::branch::alt;
use nom::bytes::complete::{tag, take, take_while, take_while_m_n, take_while1};
use nom::character::complete::{char, digit1, one_of, space0, space1};
use nom::combinator::{opt, recognize, verify};
use nom::{IResult, Parser};

use super::time::Stamp;
use super::{Fields, Form, Parsed, access, pairs};
use crate::analyzer::level::Level;

/// Words looked at for a level before the message must have begun.
const MAX_WORDS: usize = 6;

/// Reads a plain line; every line is one.
pub(super) fn parse(line: &str) -> Parsed<'_> {
    if let Ok((body, (level, place))) = klog(line) {
        let (body, mut fields) = pairs::behind_quoted(body).unwrap_or((Cow::Borrowed(body), Vec::new()));
        fields.push((Cow::Borrowed("caller"), Cow::Borrowed(place)));
        return record(Some(level), body, fields, true);
    }
    if let Some(parsed) = access::parse(line) {
        return parsed;
    }
    if let Ok((body, (level, name))) = named(line) {
        return record(Some(level), Cow::Borrowed(body), logger(name), false);
    }
    let (rest, time) = optional(stamp(line), line);
    if time.is_some()
        && let Ok((body, (name, level))) = dashed(rest)
    {
        let time = time.map(Stamp::Text);
        return Parsed { time, ..record(Some(level), Cow::Borrowed(body), logger(name), false) };
    }
    let (rest, kitchen) = if time.is_none() { optional(kitchen(rest), rest) } else { (rest, None) };
    let (rest, before) = optional(caller(rest), rest);
    let (level, rest) = level(rest);
    // zap on a terminal prints the place behind the level, and so does zerolog.
    let (body, behind) = if level.is_some() { optional(caller(rest), rest) } else { (rest, None) };
    let place = before.or(behind);
    let slashed = time.is_some_and(|text| text.as_bytes().get(4) == Some(&b'/'));
    let go = (slashed && !is_nginx(body)) || place.is_some() || (kitchen.is_some() && level.is_some());
    let body = body.trim();
    let failed = level.is_some_and(|level| level >= Level::Warn);
    let apart = if failed { pairs::behind_text(body) } else { None };
    let (body, mut fields) = apart.unwrap_or((body, Vec::new()));
    fields.extend(place.map(|place| (Cow::Borrowed("caller"), Cow::Borrowed(place))));
    Parsed { time: time.map(Stamp::Text), ..record(level, Cow::Borrowed(body), fields, go) }
}

fn record<'a>(level: Option<Level>, body: Cow<'a, str>, fields: Fields<'a>, go: bool) -> Parsed<'a> {
    Parsed { form: Form::Plain, time: None, level, body, fields, go, masked: None }
}

fn logger(name: &str) -> Fields<'_> {
    vec![(Cow::Borrowed("logger"), Cow::Borrowed(name))]
}

/// `123#0: `: nginx writes its dates as Go's log does, and its process and thread behind the level.
fn is_nginx(body: &str) -> bool {
    let numbers: IResult<&str, _> = (digit1, char('#'), digit1, char(':')).parse(body);
    numbers.is_ok()
}

/// `ERROR:shop.orders:message`, as Python's logging prints without a format of its own.
fn named(line: &str) -> IResult<&str, (Level, &str)> {
    let (rest, level) = shouted(line)?;
    let (rest, (_, name, _)) = (char(':'), logger_name, char(':')).parse(rest)?;
    Ok((rest.trim_start(), (level, name)))
}

/// `- shop.orders - ERROR - message`, Python's usual format behind the time.
fn dashed(line: &str) -> IResult<&str, (&str, Level)> {
    let (rest, (_, name, _)) = (tag("- "), logger_name, tag(" - ")).parse(line)?;
    let (rest, level) = shouted(rest)?;
    let (rest, _) = tag(" - ").parse(rest)?;
    Ok((rest, (name, level)))
}

/// The name of a logger, not that of a file.
fn logger_name(input: &str) -> IResult<&str, &str> {
    let name = take_while1(|char: char| char.is_alphanumeric() || matches!(char, '_' | '.' | '-'));
    verify(name, |name: &str| {
        name.starts_with(|char: char| char.is_alphabetic() || char == '_') && !name.ends_with(".go")
    })
    .parse(input)
}

/// A level in capitals.
fn shouted(input: &str) -> IResult<&str, Level> {
    nom::combinator::map_opt(take_while1(|char: char| char.is_ascii_uppercase()), Level::parse).parse(input)
}

/// `10:00AM `, the time on zerolog's console.
fn kitchen(input: &str) -> IResult<&str, &str> {
    let hour = take_while_m_n(1, 2, |char: char| char.is_ascii_digit());
    let (rest, (time, _)) =
        (recognize((hour, char(':'), digits(2), one_of("AP"), char('M'))), space1).parse(input)?;
    Ok((rest, time))
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

/// `file.go:12: ` as Go's `log` prints it, `file.go:12\t` as zap does, `file.go:12 > ` as zerolog does.
fn caller(input: &str) -> IResult<&str, &str> {
    let file = verify(take_while1(|char: char| !char.is_whitespace() && char != ':'), |file: &str| {
        file.ends_with(".go")
    });
    let (rest, (caller, _, _, _)) =
        (recognize((file, char(':'), digit1)), opt(char(':')), space1, opt(tag("> "))).parse(input)?;
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
    let shouted =
        name.bytes().all(|byte| byte.is_ascii_uppercase() || matches!(byte, b'+' | b'-' | b'0'..=b'9'));
    let announced = word.ends_with(':') && !bare.eq_ignore_ascii_case("panic");
    let named = if shouted { name } else { bare };
    if (shouted || announced || tabbed)
        && let Some(level) = Level::parse(named)
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
            ("10:00AM ERR main.go:12 > boom error=\"odd\" n=1", Some(Level::Error), "boom"),
            ("2009/11/10 23:00:00 ERROR boom err=\"a b\" n=3", Some(Level::Error), "boom"),
            (
                "2009/11/10 23:00:00 ERROR boom n=3 in the middle",
                Some(Level::Error),
                "boom n=3 in the middle",
            ),
            ("2009-11-10 23:00:00,123 - shop.orders - ERROR - boom", Some(Level::Error), "boom"),
            ("ERROR:shop.orders:boom: x", Some(Level::Error), "boom: x"),
            ("ERROR: boom", Some(Level::Error), "boom"),
            ("10:00AM is early", None, "is early"),
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

    #[test]
    fn only_what_go_alone_prints_is_go() {
        for (line, go) in [
            ("2009/11/10 23:00:00 boom", true),
            ("10:00AM ERR boom", true),
            ("E0102 15:04:05.000000       1 file.go:12] boom", true),
            ("2009/11/10 23:00:00 [error] 123#0: *1 connect() failed", false),
            ("2009-11-10 23:00:00,123 - shop - ERROR - boom", false),
            ("[ERROR] boom", false),
        ] {
            assert_eq!(parse(line).go, go, "{line}");
        }
    }
}
