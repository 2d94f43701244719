//! One log record after the OpenTelemetry log model, and the severities.

use std::str::FromStr;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How bad an event is. Ordered: `Low < Medium < High < Critical`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// A warning worth grouping.
    Low,
    /// A logged error.
    Medium,
    /// A panic that was recovered: one request failed, the process lives.
    High,
    /// The process died, or will.
    Critical,
}

impl Severity {
    /// Every severity, worst last.
    pub const ALL: [Self; 4] = [Self::Low, Self::Medium, Self::High, Self::Critical];

    /// The stable name used in JSON, on the command line and in configuration.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Critical => "critical",
        }
    }

    /// The OpenTelemetry severity number (1 to 24).
    #[must_use]
    pub const fn otel_number(self) -> u8 {
        match self {
            Self::Low => 13,
            Self::Medium => 17,
            Self::High => 18,
            Self::Critical => 21,
        }
    }
}

impl std::fmt::Display for Severity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for Severity {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|severity| severity.as_str() == text)
            .ok_or_else(|| format!("unknown severity {text:?}: use low, medium, high or critical"))
    }
}

/// One log record: what a line says, whatever its format.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Record {
    /// When it was written, where the line tells.
    pub time: Option<Timestamp>,
    /// The level the line claims, where it claims one that matters (warning and worse).
    pub severity: Option<Severity>,
    /// The message.
    pub body: String,
    /// Structured attributes in the order of the line, values as text.
    pub attributes: Vec<(String, String)>,
}

impl Record {
    /// The value of an attribute.
    #[must_use]
    pub fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}
