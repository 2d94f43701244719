//! The plain types a key may have: numbers, booleans, paths, patterns, and names from a closed set.

use std::fmt;
use std::path::PathBuf;

use serde::Serialize;

use super::read::{Refusal, Scalar, nearest};
use crate::analyzer::{PatternError, check_pattern};
use crate::domain::Severity;

macro_rules! whole_numbers {
    ($($type:ty),+) => {$(
        impl Scalar for $type {
            fn parse(text: &str) -> Result<Self, Refusal> {
                text.parse().map_err(|_| {
                    Refusal::new("not a whole number that fits", format!("use digits only, at most {}", Self::MAX))
                })
            }
        }
    )+};
}
whole_numbers!(u32, u64);

impl Scalar for f64 {
    fn parse(text: &str) -> Result<Self, Refusal> {
        let number = text.parse().ok().filter(|number: &Self| number.is_finite());
        number.ok_or_else(|| Refusal::new("not a number", "write it like 0.2"))
    }
}

impl Scalar for bool {
    fn parse(text: &str) -> Result<Self, Refusal> {
        match text {
            "true" => Ok(true),
            "false" => Ok(false),
            _ => Err(Refusal::new("neither true nor false", "write true or false")),
        }
    }
}

impl Scalar for String {
    fn parse(text: &str) -> Result<Self, Refusal> {
        if text.trim().is_empty() {
            return Err(Refusal::new("empty", "give it a value, or remove the line"));
        }
        Ok(text.to_owned())
    }
}

impl Scalar for PathBuf {
    fn parse(text: &str) -> Result<Self, Refusal> {
        if text.is_empty() || text.contains('\0') {
            return Err(Refusal::new("not a path", "name a file or directory"));
        }
        Ok(Self::from(text))
    }
}

impl Scalar for std::net::SocketAddr {
    fn parse(text: &str) -> Result<Self, Refusal> {
        text.parse().map_err(|_| {
            Refusal::new("not an address with a port", "write it like 127.0.0.1:8080 or [::1]:8080")
        })
    }
}

impl Scalar for Severity {
    fn parse(text: &str) -> Result<Self, Refusal> {
        one_of(text, Self::ALL.into_iter().map(|severity| (severity.as_str(), severity)))
    }
}

/// Reads a name from a closed set.
pub(super) fn one_of<T>(
    text: &str,
    members: impl IntoIterator<Item = (&'static str, T)>,
) -> Result<T, Refusal> {
    let (names, mut values): (Vec<&'static str>, Vec<T>) = members.into_iter().unzip();
    match names.iter().position(|name| *name == text) {
        Some(index) => Ok(values.swap_remove(index)),
        None => {
            let guess = nearest(text, &names).map(|name| format!("did you mean `{name}`? "));
            let remedy = format!("{}use one of: {}", guess.unwrap_or_default(), names.join(", "));
            Err(Refusal::new("not a known name", remedy))
        }
    }
}

/// Declares a closed set of names as an enum that can be read and shown.
macro_rules! names {
    (
        $(#[$meta:meta])*
        pub enum $name:ident { $( $(#[$member_meta:meta])* $member:ident = $text:literal $(| $alias:literal)* ),+ $(,)? }
    ) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize)]
        pub enum $name {
            $( $(#[$member_meta])* #[serde(rename = $text)] $member, )+
        }

        impl $name {
            /// The name as it is written.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $( Self::$member => $text ),+ }
            }
        }

        impl $crate::config::read::Scalar for $name {
            fn parse(text: &str) -> Result<Self, $crate::config::read::Refusal> {
                $crate::config::scalar::one_of(text, [
                    $( ($text, Self::$member), $( ($alias, Self::$member), )* )+
                ])
            }
        }
    };
}
pub(super) use names;

/// How much something counts: from 0 to 100, where 1 is usual.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(transparent)]
pub struct Weight(f64);

impl Weight {
    /// None where it is out of range.
    #[must_use]
    pub fn new(weight: f64) -> Option<Self> {
        (0.0..=100.0).contains(&weight).then_some(Self(weight))
    }

    /// The number.
    #[must_use]
    pub const fn get(self) -> f64 {
        self.0
    }
}

impl Scalar for Weight {
    fn parse(text: &str) -> Result<Self, Refusal> {
        Self::new(f64::parse(text)?).ok_or_else(|| Refusal::new("out of range", "use a value from 0 to 100"))
    }
}

/// A regular expression that compiles within bounds and does not match everything.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
#[serde(transparent)]
pub struct Pattern(String);

impl Pattern {
    /// The expression.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Scalar for Pattern {
    fn parse(text: &str) -> Result<Self, Refusal> {
        const HINT: &str = "escape . * + ? ( ) [ ] { } | ^ $ \\ with a backslash to mean the character";
        // The analyzer decides, so that whatever is accepted here can be searched for.
        check_pattern(text).map_err(|error| match error {
            // The parser's own text shows the expression over several lines; its last line says what is wrong.
            PatternError::Syntax(reason) => {
                let reason = reason.to_string();
                let last = reason.lines().last().unwrap_or_default().trim_start_matches("error: ");
                // Such as `\p{L}` and `[äö]`: a set of characters is one of bytes.
                let hint = if last.contains("Unicode") {
                    "write letters beyond ASCII out, as in (ä|ö)"
                } else {
                    HINT
                };
                Refusal::new(format!("not a regular expression: {last}"), hint)
            }
            PatternError::TooLarge(reason) => {
                Refusal::new(format!("too large: {reason}"), "use smaller counted repeats")
            }
            PatternError::SpansLines => Refusal::new(
                "needs a line break, but patterns are matched line by line",
                "name the text of one line",
            ),
            PatternError::MatchesEverything => {
                Refusal::new("matches the empty text, and so every line", "name the text that marks an error")
            }
        })?;
        Ok(Self(text.to_owned()))
    }
}

/// A path with `*`, `?`, `[…]`, `**` or `{a,b}`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
#[serde(transparent)]
pub struct PathGlob(String);

impl PathGlob {
    /// The glob that a text stands for; one that names a file as it is stands for that file.
    ///
    /// # Errors
    /// When it is no glob.
    pub fn named(text: &str) -> Result<Self, globset::Error> {
        if std::path::Path::new(text).exists() {
            return Ok(Self(globset::escape(text)));
        }
        globset::Glob::new(text)?;
        Ok(Self(text.to_owned()))
    }

    /// The glob.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Scalar for PathGlob {
    fn parse(text: &str) -> Result<Self, Refusal> {
        let refusal = |message: String| Refusal::new(message, "write it like /var/log/app/*.log");
        if text.is_empty() {
            return Err(refusal("empty".into()));
        }
        globset::Glob::new(text).map_err(|error| refusal(format!("not a glob: {}", error.kind())))?;
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for PathGlob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_are_compiled() {
        assert_eq!(Pattern::parse("panic:").unwrap().as_str(), "panic:");
        for bad in [
            "(",
            "a{2,1}",
            "",
            "x*",
            r"\p{Nonsense}",
            "(?:a{1000}){1000}",
            // What the analyzer cannot search for: it matches bytes, line by line.
            r"\p{L}+",
            "[äö]",
            r"\b",
            r"foo\nbar",
        ] {
            assert!(Pattern::parse(bad).is_err(), "{bad}");
        }
        for good in ["größe: zu klein", r"\bfoo\b", r"foo\s+bar", "(?i)übergabe|abbruch"] {
            assert!(Pattern::parse(good).is_ok(), "{good}");
        }
    }

    #[test]
    fn a_refusal_of_a_pattern_is_one_line() {
        let refusal = Pattern::parse("(unclosed").unwrap_err();
        assert_eq!(refusal.message, "not a regular expression: unclosed group");
    }

    #[test]
    fn globs_are_compiled() {
        assert!(PathGlob::parse("/var/log/**/*.log").is_ok());
        assert!(PathGlob::parse("/var/log/[").is_err());
        assert!(PathGlob::parse("").is_err());
    }

    #[test]
    fn names_come_from_a_closed_set() {
        assert_eq!(Severity::parse("high"), Ok(Severity::High));
        let refusal = Severity::parse("hihg").unwrap_err();
        assert_eq!(refusal.remedy, "did you mean `high`? use one of: low, medium, high, critical");
    }

    #[test]
    fn numbers_and_booleans_are_strict() {
        assert!(u32::parse("-1").is_err() && u32::parse("4294967296").is_err() && u32::parse("1.0").is_err());
        assert!(f64::parse("NaN").is_err() && f64::parse("inf").is_err());
        assert!(bool::parse("yes").is_err());
    }
}
