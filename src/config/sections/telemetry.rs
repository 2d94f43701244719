use crate::config::read::{Refusal, Scalar, section};
use crate::config::scalar::one_of;
pub use crate::telemetry::{LogFormat, LogLevel};

section! {
    /// What Hephaestus says about itself, on standard error.
    pub struct TelemetrySection {
        /// From which level on.
        log_level: LogLevel,
        /// For people or for machines.
        log_format: LogFormat,
    }
}

impl Scalar for LogLevel {
    fn parse(text: &str) -> Result<Self, Refusal> {
        one_of(text, Self::ALL.into_iter().map(|level| (level.as_str(), level)))
    }
}

impl Scalar for LogFormat {
    fn parse(text: &str) -> Result<Self, Refusal> {
        one_of(text, Self::ALL.into_iter().map(|format| (format.as_str(), format)))
    }
}
