//! A framed line and its place in the source.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A range of bytes of one source: `start` inclusive, `end` exclusive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct Span {
    /// Offset of the first byte.
    pub start: u64,
    /// Offset just behind the last byte.
    pub end: u64,
}

impl Span {
    /// The smallest span that covers both.
    #[must_use]
    pub fn cover(self, other: Self) -> Self {
        Self { start: self.start.min(other.start), end: self.end.max(other.end) }
    }

    /// Length in bytes.
    #[must_use]
    pub const fn len(self) -> u64 {
        self.end - self.start
    }

    /// Whether the span covers no byte.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.start == self.end
    }
}

/// One framed line without its terminator. Bytes, not text: logs need not be UTF-8.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Line<'a> {
    /// The line without `\n` or `\r\n`, cut at the configured limit.
    pub bytes: &'a [u8],
    /// Its place in the source, terminator included.
    pub span: Span,
    /// Whether the line was longer than the limit and the rest was passed over.
    pub truncated: bool,
}
