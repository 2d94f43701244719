//! The analyzer's section of the configuration.

use serde::{Deserialize, Serialize};

use crate::domain::Severity;

/// A user's own pattern: a line that matches is an event of this severity.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ErrorPattern {
    /// A regular expression, matched against single lines.
    pub pattern: String,
    /// How bad such a line is.
    pub severity: Severity,
}

/// The analyzer's section of the configuration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Patterns beside the built-in ones.
    pub error_patterns: Vec<ErrorPattern>,
    /// Most frames kept of one stack.
    pub max_stack_depth: usize,
    /// Lines are cut at this length; the rest is passed over and counted.
    pub max_line_bytes: usize,
    /// Most bytes kept of an event's own text.
    pub max_event_bytes: usize,
    /// Events below are dropped.
    pub severity_threshold: Severity,
    /// Most groups kept in memory at once.
    pub max_groups: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            error_patterns: Vec::new(),
            max_stack_depth: 50,
            max_line_bytes: 1 << 20,
            max_event_bytes: 64 << 10,
            severity_threshold: Severity::Medium,
            max_groups: 10_000,
        }
    }
}
