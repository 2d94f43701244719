//! Durations (`5s`, `1h30m`, `90d`) and sizes (`64MiB`, `10MB`).

use std::cmp::Ordering;
use std::fmt;
use std::time::Duration;

use serde::{Serialize, Serializer};

use super::read::{Refusal, Scalar};

/// A length of time above zero. A day has 24 hours. It is shown in the units it was written in: `24h` and
/// `1d` are equal, and each stays as it is.
#[derive(Debug, Clone, Copy)]
pub struct Interval {
    length: Duration,
    /// The largest unit it is shown in.
    largest: Unit,
}

/// What a duration is written in, largest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Unit {
    Week,
    Day,
    Hour,
    Minute,
    Second,
    Millisecond,
    Nanosecond,
}

impl Unit {
    /// Every unit, its name and its nanoseconds, largest first.
    const ALL: [(Self, &str, u128); 7] = [
        (Self::Week, "w", 7 * 86_400 * 1_000_000_000),
        (Self::Day, "d", 86_400 * 1_000_000_000),
        (Self::Hour, "h", 3_600 * 1_000_000_000),
        (Self::Minute, "m", 60 * 1_000_000_000),
        (Self::Second, "s", 1_000_000_000),
        (Self::Millisecond, "ms", 1_000_000),
        (Self::Nanosecond, "ns", 1),
    ];

    /// The largest that was written.
    fn largest_of(span: &jiff::Span) -> Self {
        let written = [
            (span.get_weeks() != 0, Self::Week),
            (span.get_days() != 0, Self::Day),
            (span.get_hours() != 0, Self::Hour),
            (span.get_minutes() != 0, Self::Minute),
            (span.get_seconds() != 0, Self::Second),
        ];
        written.into_iter().find_map(|(is, unit)| is.then_some(unit)).unwrap_or(Self::Millisecond)
    }
}

impl Interval {
    pub(super) const fn from_millis(millis: u64) -> Self {
        Self { length: Duration::from_millis(millis), largest: Unit::Millisecond }
    }

    pub(crate) const fn from_secs(seconds: u64) -> Self {
        Self { length: Duration::from_secs(seconds), largest: Unit::Second }
    }

    pub(super) const fn from_days(days: u64) -> Self {
        Self { length: Duration::from_secs(days * 86_400), largest: Unit::Day }
    }

    /// The duration.
    #[must_use]
    pub const fn get(self) -> Duration {
        self.length
    }
}

impl PartialEq for Interval {
    fn eq(&self, other: &Self) -> bool {
        self.length == other.length
    }
}

impl Eq for Interval {}

impl PartialOrd for Interval {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Interval {
    fn cmp(&self, other: &Self) -> Ordering {
        self.length.cmp(&other.length)
    }
}

impl Scalar for Interval {
    fn parse(text: &str) -> Result<Self, Refusal> {
        let refusal =
            |message: &str| Refusal::new(message, "write a number and a unit: 500ms, 5s, 1h30m, 90d");
        let span: jiff::Span = text.parse().map_err(|_| refusal("not a duration"))?;
        if span.get_years() != 0 || span.get_months() != 0 {
            return Err(refusal("months and years differ in length"));
        }
        let length = span
            .to_duration(jiff::SpanRelativeTo::days_are_24_hours())
            .ok()
            .and_then(|signed| Duration::try_from(signed).ok())
            .ok_or_else(|| refusal("not a duration from now on"))?;
        if length.is_zero() {
            return Err(refusal("must be longer than nothing"));
        }
        Ok(Self { length, largest: Unit::largest_of(&span) })
    }
}

impl fmt::Display for Interval {
    /// Writes what [`Scalar::parse`] reads, without units that are zero.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rest = self.length.as_nanos();
        for (_, name, nanos) in Unit::ALL.iter().filter(|(unit, ..)| *unit >= self.largest) {
            if rest >= *nanos {
                write!(f, "{}{name}", rest / nanos)?;
                rest %= nanos;
            }
        }
        Ok(())
    }
}

/// A number of bytes above zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct ByteSize(u64);

/// Units in the order in which they are tried for printing.
const SIZE_UNITS: [(&str, u64); 9] = [
    ("TiB", 1 << 40),
    ("GiB", 1 << 30),
    ("MiB", 1 << 20),
    ("KiB", 1 << 10),
    ("TB", 1_000_000_000_000),
    ("GB", 1_000_000_000),
    ("MB", 1_000_000),
    ("KB", 1_000),
    ("B", 1),
];

impl ByteSize {
    pub(super) const fn from_kib(count: u64) -> Self {
        Self(count << 10)
    }

    pub(super) const fn from_mib(count: u64) -> Self {
        Self(count << 20)
    }

    pub(super) const fn from_gib(count: u64) -> Self {
        Self(count << 30)
    }

    /// The number of bytes.
    #[must_use]
    pub const fn bytes(self) -> u64 {
        self.0
    }
}

impl Scalar for ByteSize {
    fn parse(text: &str) -> Result<Self, Refusal> {
        let refusal =
            |message: &str| Refusal::new(message, "write a whole number and a unit: 64KiB, 512MiB, 10MB");
        let digits = text.bytes().take_while(u8::is_ascii_digit).count();
        let (number, unit) = text.split_at(digits);
        let number: u64 = number.parse().map_err(|_| refusal("not a size"))?;
        let factor = match unit.trim() {
            "" => 1,
            unit => SIZE_UNITS
                .iter()
                .find(|(name, _)| name.eq_ignore_ascii_case(unit))
                .map(|(_, factor)| *factor)
                .ok_or_else(|| refusal("not a unit of size"))?,
        };
        match number.checked_mul(factor) {
            Some(0) => Err(refusal("must be more than nothing")),
            Some(bytes) => Ok(Self(bytes)),
            None => Err(refusal("too large")),
        }
    }
}

impl fmt::Display for ByteSize {
    /// Writes what [`Scalar::parse`] reads, in the largest unit that is exact.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let exact = SIZE_UNITS.iter().find(|(_, factor)| self.0.is_multiple_of(*factor));
        let (unit, factor) = exact.copied().unwrap_or(("B", 1));
        write!(f, "{}{unit}", self.0 / factor)
    }
}

impl Serialize for Interval {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl Serialize for ByteSize {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn durations_are_read() {
        for (text, seconds) in
            [("5s", 5), ("90d", 7_776_000), ("1h30m", 5_400), ("24h", 86_400), ("5m", 300), ("1w", 604_800)]
        {
            assert_eq!(Interval::parse(text).map(Interval::get), Ok(Duration::from_secs(seconds)), "{text}");
        }
        assert_eq!(Interval::parse("250ms").map(Interval::get), Ok(Duration::from_millis(250)));
    }

    #[test]
    fn durations_are_shown_as_they_were_written() {
        for text in ["24h", "1d", "90d", "90m", "1h30m", "2w", "36h", "1500ms", "1d12h", "600s"] {
            assert_eq!(Interval::parse(text).unwrap().to_string(), text);
        }
        assert_eq!(Interval::parse("24h"), Interval::parse("1d"));
        assert!(Interval::parse("25h").unwrap() > Interval::parse("1d").unwrap());
    }

    #[test]
    fn other_durations_are_refused() {
        for text in ["", "5", "s", "5 parsecs", "0s", "-5s", "5s ago", "1mo", "1y", "99999999999999999999s"] {
            assert!(Interval::parse(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn sizes_are_read() {
        for (text, bytes) in
            [("1", 1), ("64KiB", 65_536), ("10MB", 10_000_000), ("2 GiB", 2 << 30), ("3kb", 3_000), ("7B", 7)]
        {
            assert_eq!(ByteSize::parse(text).map(ByteSize::bytes), Ok(bytes), "{text}");
        }
    }

    #[test]
    fn other_sizes_are_refused() {
        for text in ["", "MiB", "0", "0MiB", "-1", "1.5MiB", "5 elephants", "99999999999TiB", "٣MiB"] {
            assert!(ByteSize::parse(text).is_err(), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn printed_durations_are_read_back(millis in 1_u64..10_000_000_000_000) {
            let interval = Interval::from_millis(millis);
            prop_assert_eq!(Interval::parse(&interval.to_string()), Ok(interval));
            let hours = Interval { largest: Unit::Hour, ..interval };
            prop_assert_eq!(Interval::parse(&hours.to_string()), Ok(interval));
        }

        #[test]
        fn printed_sizes_are_read_back(bytes in 1_u64..) {
            prop_assert_eq!(ByteSize::parse(&ByteSize(bytes).to_string()), Ok(ByteSize(bytes)));
        }

        #[test]
        fn no_text_panics(text in any::<String>()) {
            drop((Interval::parse(&text), ByteSize::parse(&text)));
        }
    }
}
