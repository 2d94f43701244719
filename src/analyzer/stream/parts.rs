//! Lines that the container runtime has split, put together again.
//!
//! containerd and CRI-O split long lines and mark every part but the last with a `P`; docker splits
//! them at 16 KiB and only the last part ends with a line break. Whichever did it, the joined line is
//! given CRI's form with the first part's time, so that it is read like any other.

use crate::analyzer::parse::wrapper::Unwrapped;
use crate::domain::Span;

/// The parts of one line, as far as they were seen.
pub(super) struct Parts {
    /// None once it was read before its end: what follows is passed over.
    line: Option<Vec<u8>>,
    span: Span,
    cut: bool,
    /// Whether a part was added since the last tick, and whether a tick found that none was.
    fresh: bool,
    silent: bool,
}

impl Parts {
    /// Begins a line; its first part is yet to be added.
    pub(super) fn new(first: &Unwrapped<'_>, span: Span) -> Self {
        Self { line: Some(first.prefix().into_bytes()), span, cut: false, fresh: true, silent: false }
    }

    /// Adds a part. What goes beyond the limit of a line is cut off.
    pub(super) fn add(&mut self, text: &str, span: Span, limit: usize) {
        self.span = self.span.cover(span);
        (self.fresh, self.silent) = (true, false);
        let Some(line) = &mut self.line else { return };
        let room = limit.saturating_sub(line.len());
        self.cut |= text.len() > room;
        line.extend_from_slice(&text.as_bytes()[..text.len().min(room)]);
    }

    /// Where an event may begin: at the first part of a line that was not read yet.
    pub(super) fn start(&self) -> Option<u64> {
        self.line.as_ref().map(|_| self.span.start)
    }

    /// The line as far as it was seen, to be read before its end.
    pub(super) const fn cut_short(&mut self) -> Option<Vec<u8>> {
        self.line.take()
    }

    /// A while has passed.
    pub(super) const fn tick(&mut self) {
        self.silent = !std::mem::replace(&mut self.fresh, false);
    }

    /// Whether nothing more came of it for a while.
    pub(super) const fn is_silent(&self) -> bool {
        self.silent
    }

    /// The place of all parts.
    pub(super) const fn span(&self) -> Span {
        self.span
    }

    /// Whether the line was longer than the limit.
    pub(super) const fn is_cut(&self) -> bool {
        self.cut
    }

    /// The joined line, unless it was read before its end.
    pub(super) fn into_line(self) -> Option<Vec<u8>> {
        self.line
    }

    pub(super) fn held_bytes(&self) -> usize {
        self.line.as_ref().map_or(0, Vec::capacity)
    }
}
