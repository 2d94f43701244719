//! Times as loggers write them. A time without a zone is taken as UTC, as containers run.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

/// A time in text: RFC 3339, or a date and a time of day in one of the usual spellings.
pub(crate) fn parse(text: &str) -> Option<Timestamp> {
    let text = text.trim();
    if !text.starts_with(|first: char| first.is_ascii_digit()) || text.len() > 40 {
        return None;
    }
    if let Ok(time) = text.parse::<Timestamp>() {
        return Some(time);
    }
    // zap writes zones without a colon (`+0100`); Go's log writes slashes; others a comma before millis.
    let zoned = ["%Y-%m-%dT%H:%M:%S%.f%z", "%Y-%m-%d %H:%M:%S%.f%z", "%Y-%m-%d %H:%M:%S%.f %z"];
    if let Some(time) = zoned.iter().find_map(|format| Timestamp::strptime(format, text).ok()) {
        return Some(time);
    }
    let text = text.replace(',', ".").replace('/', "-");
    let civil = ["%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%dT%H:%M:%S%.f"];
    let time = civil.iter().find_map(|format| DateTime::strptime(format, &text).ok())?;
    time.to_zoned(TimeZone::UTC).ok().map(|zoned| zoned.timestamp())
}

/// A time as a number since the epoch; the magnitude tells the unit.
pub(crate) fn from_number(number: f64) -> Option<Timestamp> {
    let size = number.abs();
    let nanos_per_unit = match size {
        _ if !number.is_finite() || size < 1e8 => return None,
        _ if size < 1e11 => 1e9,
        _ if size < 1e14 => 1e6,
        _ if size < 1e17 => 1e3,
        _ => 1.0,
    };
    #[expect(clippy::cast_possible_truncation, reason = "the cast saturates, and out of range is refused")]
    Timestamp::from_nanosecond((number * nanos_per_unit) as i128).ok()
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
        ] {
            assert_eq!(parse(text).map(|time| time.to_string()).as_deref(), Some(expected), "{text}");
        }
        for text in ["", "soon", "2009-13-45", "99999999999999999999", "12"] {
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
