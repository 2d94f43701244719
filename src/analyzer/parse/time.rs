//! Times as loggers write them. A time without a zone is taken as UTC, as containers run.

use jiff::Timestamp;
use jiff::fmt::temporal::DateTimeParser;
use jiff::tz::TimeZone;

/// Longest text that can be a time.
const MAX_BYTES: usize = 40;
/// Length of a date and what parts it from the time of day.
const DATE_BYTES: usize = 11;

/// The time of a record. It is read only when the record turns out to be an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stamp<'a> {
    /// As it is written in the line.
    Text(&'a str),
    /// Read already.
    Known(Timestamp),
}

impl Stamp<'_> {
    /// The time, if it is one.
    pub(crate) fn read(self) -> Option<Timestamp> {
        match self {
            Self::Text(text) => parse(text),
            Self::Known(time) => Some(time),
        }
    }
}

/// A time in text: RFC 3339, or a date and a time of day in one of the usual spellings: slashes in the
/// date as Go's log writes them, a comma before the fraction, a zone without a colon or behind a blank.
pub(crate) fn parse(text: &str) -> Option<Timestamp> {
    const PARSER: DateTimeParser = DateTimeParser::new();
    let text = text.trim().as_bytes();
    let mut plain = [0; MAX_BYTES];
    let plain = plain.get_mut(..text.len())?;
    let mut length = 0;
    for &byte in text {
        // The blank before a zone goes, the one between date and time stays.
        if byte != b' ' || length < DATE_BYTES {
            plain[length] = if byte == b'/' { b'-' } else { byte };
            length += 1;
        }
    }
    let plain = &plain[..length];
    if !plain.first().is_some_and(u8::is_ascii_digit) {
        return None;
    }
    let of_day = plain.get(DATE_BYTES..)?;
    if of_day.iter().any(|byte| matches!(byte, b'Z' | b'z' | b'+' | b'-')) {
        PARSER.parse_timestamp(plain).ok()
    } else {
        let time = PARSER.parse_datetime(plain).ok()?;
        time.to_zoned(TimeZone::UTC).ok().map(|zoned| zoned.timestamp())
    }
}

/// A time as a number since the epoch; the magnitude tells the unit.
pub(crate) fn from_number(number: f64) -> Option<Timestamp> {
    let size = number.abs();
    let micros_per_unit = match size {
        _ if !number.is_finite() || size < 1e8 => return None,
        _ if size < 1e11 => 1e6,
        _ if size < 1e14 => 1e3,
        _ if size < 1e17 => 1.0,
        _ => 1e-3,
    };
    // A double holds the microseconds of our time exactly, and no more.
    #[expect(clippy::cast_possible_truncation, reason = "the cast saturates, and out of range is refused")]
    Timestamp::from_microsecond((number * micros_per_unit).round() as i64).ok()
}

#[cfg(test)]
mod tests {
    use super::{from_number, parse};

    #[test]
    fn times_in_every_spelling() {
        for (text, expected) in [
            ("2009-11-10T23:00:00Z", "2009-11-10T23:00:00Z"),
            ("2009-11-10T23:00:00.123456789+01:00", "2009-11-10T22:00:00.123456789Z"),
            ("2009-11-10T23:00:00.123+0100", "2009-11-10T22:00:00.123Z"),
            ("2009/11/10 23:00:00", "2009-11-10T23:00:00Z"),
            ("2009/11/10 23:00:00.000123", "2009-11-10T23:00:00.000123Z"),
            ("2009-11-10 23:00:00,123", "2009-11-10T23:00:00.123Z"),
            ("2009-11-10 23:00:00.5 +0100", "2009-11-10T22:00:00.5Z"),
        ] {
            assert_eq!(parse(text).map(|time| time.to_string()).as_deref(), Some(expected), "{text}");
        }
        for text in ["", "soon", "2009-13-45", "99999999999999999999", "12", "1 Z", "2009-11-10 23:00:00é"] {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    #[test]
    fn numbers_tell_their_unit() {
        for number in
            [1_700_000_000.5, 1_700_000_000_500.0, 1_700_000_000_500_000.0, 1_700_000_000_500_000_000.0]
        {
            assert_eq!(
                from_number(number).map(|time| time.to_string()).as_deref(),
                Some("2023-11-14T22:13:20.5Z")
            );
        }
        for number in [0.0, 12.0, f64::NAN, f64::INFINITY, -1e300] {
            assert_eq!(from_number(number), None);
        }
    }
}
