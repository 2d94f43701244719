use crate::config::quantity::{ByteSize, Interval};
use crate::config::read::section;
use crate::config::scalar::Pattern;
use crate::domain::Severity;

section! {
    /// How errors are found in logs.
    pub struct AnalyzerSection {
        /// Patterns beside the built-in ones.
        error_patterns: Vec<ErrorPattern>,
        /// How many lines before a first error are taken as hints to what led to it.
        context_lines: u32 [0..=1_000],
        /// How many frames of a stack trace are kept, from the failing call outwards.
        max_stack_depth: u32 [1..=10_000],
        /// Longer lines are cut here, marked and counted.
        max_line_bytes: ByteSize [ByteSize::from_kib(1)..=ByteSize::from_mib(64)],
        /// The most text one event may gather.
        max_event_bytes: ByteSize [ByteSize::from_kib(4)..=ByteSize::from_mib(64)],
        /// Events below are dropped.
        severity_threshold: Severity,
        /// How long further occurrences of an error are counted before their count goes out.
        summary_interval: Interval [Interval::from_millis(100)..=Interval::from_days(1)],
        /// How many groups are kept in memory at once.
        max_groups: u32 [1..=10_000_000],
    }
}

section! {
    /// One pattern and what it means.
    pub struct ErrorPattern {
        /// A regular expression.
        pattern: Pattern,
        /// How bad a matching line is.
        severity: Severity,
    }
}
