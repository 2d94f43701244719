//! The levels loggers print, whatever they call them.

use crate::domain::Severity;

/// Length of the longest word that names a level.
const LONGEST: usize = "informational".len();

/// A level, in the order of badness.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Level {
    /// Trace and debug.
    Debug,
    /// Info and notice.
    Info,
    /// Warning.
    Warn,
    /// Error, and what some loggers call critical or alert.
    Error,
    /// The process ends with this record.
    Fatal,
}

impl Level {
    /// The level a word names: `ERROR`, `err`, `ERROR+4`.
    pub(crate) fn parse(word: &str) -> Option<Self> {
        let word = word.trim();
        let shift = word.trim_end_matches(|char: char| char.is_ascii_digit());
        let word =
            if shift.len() < word.len() { shift.strip_suffix(['+', '-']).unwrap_or(word) } else { word };
        let mut lower = [0; LONGEST];
        let lower = lower.get_mut(..word.len())?;
        lower.copy_from_slice(word.as_bytes());
        lower.make_ascii_lowercase();
        Some(match std::str::from_utf8(lower).ok()? {
            "trace" | "trac" | "trc" | "debug" | "debu" | "dbg" | "verbose" => Self::Debug,
            "info" | "inf" | "information" | "informational" | "notice" | "default" => Self::Info,
            "warn" | "warning" | "wrn" => Self::Warn,
            "error" | "erro" | "err" | "eror" | "severe" | "critical" | "crit" | "alert" | "dpanic" => {
                Self::Error
            }
            "fatal" | "fata" | "ftl" | "panic" | "pani" | "pnc" | "emerg" | "emergency" => Self::Fatal,
            _ => return None,
        })
    }

    /// The level a number names: of syslog (0 to 7) or of bunyan and pino (10 to 60).
    pub(crate) const fn from_number(number: i64) -> Option<Self> {
        Some(match number {
            0 | 60 => Self::Fatal,
            1..=3 | 50..=59 => Self::Error,
            4 | 40..=49 => Self::Warn,
            5 | 6 | 30..=39 => Self::Info,
            7 | 10..=29 => Self::Debug,
            _ => return None,
        })
    }

    /// What it means for an event; none below a warning.
    pub(crate) const fn severity(self) -> Option<Severity> {
        match self {
            Self::Debug | Self::Info => None,
            Self::Warn => Some(Severity::Low),
            Self::Error => Some(Severity::Medium),
            Self::Fatal => Some(Severity::Critical),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Level;

    #[test]
    fn levels_by_word_and_number() {
        for (word, level) in [
            ("ERROR+4", Some(Level::Error)),
            ("INFO-2", Some(Level::Info)),
            ("Informational", Some(Level::Info)),
            ("ERRO", Some(Level::Error)),
            ("fatal", Some(Level::Fatal)),
            ("Warning", Some(Level::Warn)),
            ("errors", None),
            ("error-handler", None),
            ("error4", None),
            ("", None),
        ] {
            assert_eq!(Level::parse(word), level, "{word}");
        }
        assert_eq!(Level::from_number(50), Some(Level::Error));
        assert_eq!(Level::from_number(6), Some(Level::Info));
        assert_eq!(Level::from_number(200), None);
    }
}
