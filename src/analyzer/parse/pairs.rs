//! Records written as `key=value` pairs: slog's text handler, logrus, logfmt.

use nom::branch::alt;
use nom::bytes::complete::{tag, take_till, take_while, take_while1};
use nom::character::complete::char;
use nom::combinator::map;
use nom::{IResult, Parser};

use super::{ERROR_KEYS, Form, Parsed, is_nothing, time};
use crate::analyzer::level::Level;

/// Most pairs read from one line.
const MAX_PAIRS: usize = 64;

/// Reads a line of pairs: one that has a level among them, or an error and a message.
pub(super) fn parse(line: &str) -> Option<Parsed> {
    if !line.contains('=') {
        return None;
    }
    let mut pairs = read(line);
    let mut take = |names: &[&str]| {
        let at = pairs.iter().position(|(key, _)| names.iter().any(|name| key.eq_ignore_ascii_case(name)))?;
        Some(pairs.remove(at).1)
    };
    let level = take(&["level", "lvl", "severity"]).map(|word| Level::parse(&word));
    let body = take(&["msg", "message"]);
    let time = take(&["time", "ts", "timestamp", "t"]).and_then(|text| time::parse(&text));
    let level = match level {
        Some(level) => level?.into(),
        None => {
            let error =
                pairs.iter().any(|(key, value)| ERROR_KEYS.contains(&key.as_str()) && !is_nothing(value));
            (error && body.is_some()).then_some(None)?
        }
    };
    Some(Parsed { form: Form::Pairs, time, level, body: body.unwrap_or_default(), fields: pairs, go: false })
}

/// The pairs of a line; words that are none are passed over.
fn read(line: &str) -> Vec<(String, String)> {
    let mut rest = line.trim_start();
    let mut pairs = Vec::new();
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

fn pair(input: &str) -> IResult<&str, (String, String)> {
    let key = take_while1(|char: char| char.is_alphanumeric() || matches!(char, '_' | '.' | '-' | '@'));
    let bare = map(take_while(|char: char| !char.is_whitespace()), str::to_owned);
    let (rest, (key, _, value)) = (key, tag("="), alt((quoted, bare))).parse(input)?;
    Ok((rest, (key.to_owned(), value)))
}

/// A quoted value with Go's escapes.
fn quoted(input: &str) -> IResult<&str, String> {
    let (mut rest, _) = char('"').parse(input)?;
    let mut text = String::new();
    loop {
        let (after, plain) = take_till(|char| char == '"' || char == '\\').parse(rest)?;
        text.push_str(plain);
        if let Ok((after, _)) = char::<_, nom::error::Error<&str>>('"').parse(after) {
            return Ok((after, text));
        }
        let (after, _) = char('\\').parse(after)?;
        rest = escape(after, &mut text)?;
    }
}

/// What follows a backslash.
fn escape<'a>(input: &'a str, text: &mut String) -> Result<&'a str, nom::Err<nom::error::Error<&'a str>>> {
    let mut chars = input.chars();
    let Some(kind) = chars.next() else {
        return Err(nom::Err::Error(nom::error::Error::new(input, nom::error::ErrorKind::Eof)));
    };
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
        return Ok(rest);
    }
    let decoded =
        rest.get(..digits).and_then(|hex| u32::from_str_radix(hex, 16).ok()).and_then(char::from_u32);
    match decoded {
        Some(decoded) => {
            text.push(decoded);
            Ok(&rest[digits..])
        }
        None => {
            text.push(kind);
            Ok(rest)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_with_a_level_are_a_record() {
        let line = r#"time=2009-11-10T23:00:00.000Z level=ERROR+4 msg="a \"b\"\nc" err="x: y" n=7"#;
        let parsed = parse(line).unwrap();
        assert_eq!(parsed.level, Some(Level::Error));
        assert_eq!(parsed.body, "a \"b\"\nc");
        assert_eq!(parsed.error(), Some("x: y"));
        assert_eq!(parsed.field(&["n"]), Some("7"));
        assert_eq!(parsed.time.map(|time| time.to_string()).as_deref(), Some("2009-11-10T23:00:00Z"));
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
