//! The incremental analysis of one source.
//!
//! Chunks are cut at line breaks: whole lines go through the gate as one block, and what is left of
//! the last line is carried over. So every line is seen exactly once and whole, wherever the chunks
//! end, and any way of cutting the input gives the same events. A line beyond the limit is cut there,
//! its rest is passed over and it is counted.
//!
//! Lines that the gate proposes may open a failure; from then on lines are read one by one until none
//! is open any more ([`failures`]).
//!
//! **Beginning again.** Whoever tails a source remembers one number, [`StreamAnalyzer::resume_offset`]:
//! a stream begun there gives every event that this one has not given yet, and some that it has, with
//! the same start and the same keys. Nothing else is remembered, so everything an event depends on lies
//! behind that offset, but for the line just before it.
//!
//! **Time** is the caller's. A failure ends when a line follows that does not belong to it; where none
//! follows, [`StreamAnalyzer::tick`] gives it early.
//!
//! **Truncation, lost bytes**: finish the stream and start a new one. A stream never looks for a gap.

mod failures;
mod open;
mod parts;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use memchr::{memchr, memchr_iter, memrchr};

use crate::domain::{ErrorEvent, UNKNOWN_SERVICE};

use super::gate::{Scratch, automaton};
use super::{Config, Shared};
use failures::Failures;
use open::{Raw, trimmed};

/// Longest line that is kept because it may announce the stack behind it.
const MAX_BEFORE_BYTES: usize = 4096;
/// Memory kept for the next block of lines.
const KEPT_CARRY_BYTES: usize = 64 << 10;
const KEPT_CANDIDATES: usize = 4096;

/// What a stream has seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Stats {
    /// Bytes.
    pub bytes: u64,
    /// Lines.
    pub lines: u64,
    /// Lines cut at the limit.
    pub truncated_lines: u64,
    /// Lines the gate proposed.
    pub candidates: u64,
    /// Events found.
    pub events: u64,
}

/// Analyzes one source, chunk by chunk.
///
/// An event's span runs from the first byte of its first line to the end of its last line, that line's
/// terminator excluded. Events are given when they end, so one may be given after another that starts
/// behind it: lines of standard output and standard error of a container alternate.
pub struct StreamAnalyzer {
    shared: Arc<Shared>,
    scratch: Scratch,
    candidates: Vec<usize>,
    /// The line that no chunk has ended yet.
    carry: Vec<u8>,
    /// Where the line began whose rest is being passed over.
    passing: Option<u64>,
    /// Where the carried line, or the next one, begins; while passing, the next byte.
    offset: u64,
    /// The last line before the block at hand.
    last: Vec<u8>,
    failures: Failures,
    stats: Stats,
}

/// Most bytes of memory that one stream holds.
pub(super) fn limit_bytes(config: &Config) -> usize {
    // Vectors grow by doubling, so they take up to twice what is in them.
    let line = 2 * (config.max_line_bytes + 1);
    let lazy_automaton = 2 * automaton::TABLE_LIMIT_BYTES;
    let own = KEPT_CANDIDATES * size_of::<usize>() + 2 * MAX_BEFORE_BYTES + line;
    // A record and the error in it, a value that has not ended, a split line.
    let failure = 4 * line + 2 * config.max_event_bytes + 2 * open::MAX_UNDECIDED_BYTES;
    let stacks = 4 << 20;
    lazy_automaton + own + failures::MAX_OPEN * (failure + stacks)
}

type Sink<'a> = &'a mut dyn FnMut(ErrorEvent);

impl StreamAnalyzer {
    /// As many bytes before an offset tell all that matters about what stands there.
    pub const BEFORE_BYTES: usize = MAX_BEFORE_BYTES + 2;

    pub(super) fn new(shared: Arc<Shared>, offset: u64, before: &[u8]) -> Self {
        let limit = shared.config.max_line_bytes;
        let last = before.strip_suffix(b"\n").map_or(&[][..], |lines| match memrchr(b'\n', lines) {
            Some(end) => &lines[end + 1..],
            None if before.len() as u64 == offset => lines,
            None => &[],
        });
        let last = if last.len() > MAX_BEFORE_BYTES.min(limit) { &[] } else { last };
        Self {
            shared,
            scratch: Scratch::default(),
            candidates: Vec::new(),
            carry: Vec::new(),
            passing: (!before.is_empty() && !before.ends_with(b"\n")).then_some(offset),
            offset,
            last: last.to_vec(),
            failures: Failures::of(UNKNOWN_SERVICE),
            stats: Stats::default(),
        }
    }

    /// The same stream, of nothing read yet, where the service of this name writes the source: its groups are its
    /// own. Whoever names none reads a source of an [unknown](UNKNOWN_SERVICE) service.
    #[must_use]
    pub fn of_service(self, service: &str) -> Self {
        Self { failures: Failures::of(service), ..self }
    }

    /// The service that writes the source.
    #[must_use]
    pub const fn service(&self) -> &str {
        self.failures.service()
    }

    /// What the stream has seen so far.
    #[must_use]
    pub const fn stats(&self) -> Stats {
        let Stats { bytes, lines, truncated_lines, candidates, .. } = self.stats;
        let truncated_lines = truncated_lines + self.failures.cut_lines();
        Stats { bytes, lines, truncated_lines, candidates, events: self.failures.events() }
    }

    /// The last offset from which analysis can begin again with nothing remembered but the line before
    /// it: the start of a line at which no failure was open, at or before the start of everything that
    /// is still open, carried over or being passed over. It is at most 16 MiB and one line behind.
    #[must_use]
    pub fn resume_offset(&self) -> u64 {
        let next = self.passing.unwrap_or(self.offset);
        self.failures.anchor().map_or(next, |anchor| anchor.min(next))
    }

    /// No event that starts before this offset will be given any more, but for those that start where it is
    /// [doubtful](Self::doubtful_offsets).
    #[must_use]
    pub fn settled_offset(&self) -> u64 {
        // The line before the next one may turn out to announce what begins there, unless it is taken.
        let next = self.passing.unwrap_or(self.offset);
        let next = if self.is_last_taken() { next } else { self.last_start() };
        self.failures.settled().map_or(next, |settled| settled.min(next))
    }

    /// Where the last line begins; where none is remembered, the next byte.
    fn last_start(&self) -> u64 {
        let last = if self.last.is_empty() { 0 } else { self.last.len() as u64 + 1 };
        self.passing.unwrap_or(self.offset).saturating_sub(last)
    }

    /// Whether a failure took the last line: it announces nothing that follows.
    fn is_last_taken(&self) -> bool {
        self.failures.taken() == Some(self.last_start())
    }

    /// Where an event may begin that nothing more came of between two [ticks](Self::tick), in order: a line
    /// that may announce a stack, a part of a split line, lines that the next one would decide about.
    #[must_use]
    pub fn doubtful_offsets(&self) -> Vec<u64> {
        self.failures.doubtful()
    }

    /// Takes the next bytes of the source and gives the events that ended in them.
    pub fn push(&mut self, chunk: &[u8], sink: Sink<'_>) {
        self.stats.bytes += chunk.len() as u64;
        let mut chunk = chunk;
        if self.passing.is_some() {
            let Some(end) = memchr(b'\n', chunk) else {
                self.offset += chunk.len() as u64;
                return;
            };
            self.passing = None;
            self.offset += end as u64 + 1;
            chunk = &chunk[end + 1..];
        }
        if !self.carry.is_empty() {
            let Some(end) = memchr(b'\n', chunk) else {
                self.keep(chunk, sink);
                return;
            };
            let line = std::mem::take(&mut self.carry);
            self.line_in_parts(line, &chunk[..end], sink);
            chunk = &chunk[end + 1..];
        }
        let whole = memrchr(b'\n', chunk).map_or(0, |end| end + 1);
        self.lines(&chunk[..whole], sink);
        self.keep(&chunk[whole..], sink);
    }

    /// Says that a while has passed; how long, is the caller's choice. Gives every failure early that
    /// no line was added to since the last call: further lines of it belong to it still, and make no
    /// second event. A last line without a terminator is no line yet. Memory that is not in use is
    /// given back.
    pub fn tick(&mut self, sink: Sink<'_>) {
        self.failures.tick(&self.shared, sink);
        self.last.shrink_to_fit();
        self.spare();
    }

    /// Lets go of something that waits for bytes to come, for want of room, if anything does; the gentlest way
    /// first. Memory that is not in use is given back. Failures are given early, as by [`tick`](Self::tick), though
    /// lines have just been added. A line that has not ended is cut, as at the limit. Where none of this frees
    /// anything, everything open ends here.
    pub fn let_go(&mut self, sink: Sink<'_>) {
        let held = self.waiting_bytes();
        self.spare();
        if self.waiting_bytes() < held {
            return;
        }
        if self.carry.len() > self.failures.waiting_bytes() {
            self.cut_carried(sink);
        }
        // What was cut may have opened a failure. It would look otherwise if it was read again.
        self.failures.let_go(&self.shared, sink);
        self.spare();
        if self.waiting_bytes() >= held {
            self.cut_carried(sink);
            self.failures.end_all(&self.shared, sink);
            if self.is_last_taken() {
                // Its failure is forgotten, and what follows would begin with it once more.
                self.last = Vec::new();
            }
            self.spare();
        }
    }

    /// Cuts the line that no chunk has ended yet.
    fn cut_carried(&mut self, sink: Sink<'_>) {
        let line = std::mem::take(&mut self.carry);
        if !line.is_empty() {
            let length = line.len() as u64;
            self.cut_off(line, length, sink);
        }
    }

    /// Gives back memory that is not in use.
    fn spare(&mut self) {
        self.carry.shrink_to_fit();
        self.candidates = Vec::new();
        self.scratch = Scratch::default();
    }

    /// Says that the source has paused. A structured record says all in its line, though a stack may still
    /// follow it: those that are urgent are given early, as by [`tick`](Self::tick).
    pub fn pause(&mut self, is_urgent: &dyn Fn(&ErrorEvent) -> bool, sink: Sink<'_>) {
        self.failures.pause(&self.shared, is_urgent, sink);
    }

    /// Ends the source: the last line needs no terminator, and open failures are closed. Then everything that
    /// was seen is done, and not a byte more: the source may turn out to go on.
    pub fn finish(&mut self, sink: Sink<'_>) {
        let end = self.offset + self.carry.len() as u64;
        if !self.carry.is_empty() {
            let line = std::mem::take(&mut self.carry);
            self.line_in_parts(line, b"", sink);
        }
        self.failures.end_all(&self.shared, sink);
        (self.offset, self.passing) = (end, None);
        self.last.clear();
    }

    /// Bytes of memory in use. At most [`Analyzer::stream_limit_bytes`](super::Analyzer::stream_limit_bytes);
    /// some hundred, and the last line, after [`tick`](Self::tick) on a quiet source.
    #[must_use]
    pub fn held_bytes(&self) -> usize {
        size_of::<Self>() + self.own_bytes() + self.last.capacity() + self.failures.held_bytes()
    }

    /// Bytes of memory beyond those that every stream has: a line that has not ended, what open failures are made
    /// of, the working memory for the next block. [`let_go`](Self::let_go) makes them fewer, down to none.
    #[must_use]
    pub fn waiting_bytes(&self) -> usize {
        self.own_bytes() + self.failures.waiting_bytes()
    }

    fn own_bytes(&self) -> usize {
        self.scratch.held_bytes() + self.candidates.capacity() * size_of::<usize>() + self.carry.capacity()
    }

    /// Carries over the beginning of a line.
    fn keep(&mut self, part: &[u8], sink: Sink<'_>) {
        let limit = self.shared.config.max_line_bytes;
        let room = limit - self.carry.len();
        if part.len() <= room {
            self.carry.extend_from_slice(part);
            return;
        }
        let mut line = std::mem::take(&mut self.carry);
        let total = line.len() + part.len();
        line.extend_from_slice(&part[..room]);
        self.cut_off(line, total as u64, sink);
    }

    /// A line is cut before its end, of which `length` bytes have been seen; its rest is passed over.
    fn cut_off(&mut self, line: Vec<u8>, length: u64, sink: Sink<'_>) {
        let start = self.offset;
        self.truncated(line, length, sink);
        self.passing = Some(start);
    }

    /// A line whose beginning was carried over; `rest` ends it.
    fn line_in_parts(&mut self, mut line: Vec<u8>, rest: &[u8], sink: Sink<'_>) {
        let limit = self.shared.config.max_line_bytes;
        let total = line.len() + rest.len();
        if total > limit {
            line.extend_from_slice(&rest[..limit - line.len()]);
            self.truncated(line, total as u64 + 1, sink);
            return;
        }
        line.extend_from_slice(rest);
        line.push(b'\n');
        self.block(&line, sink);
        self.offset += line.len() as u64;
        self.reuse(line);
    }

    /// A line cut at the limit, of which `length` bytes have been seen.
    fn truncated(&mut self, mut cut: Vec<u8>, length: u64, sink: Sink<'_>) {
        self.stats.truncated_lines += 1;
        cut.push(b'\n');
        self.block(&cut, sink);
        self.offset += length;
        self.last.clear();
        self.reuse(cut);
    }

    /// The carry's memory is kept for the next line.
    fn reuse(&mut self, mut line: Vec<u8>) {
        line.clear();
        line.shrink_to(KEPT_CARRY_BYTES);
        self.carry = line;
    }

    /// Whole lines, of any length.
    fn lines(&mut self, mut block: &[u8], sink: Sink<'_>) {
        let limit = self.shared.config.max_line_bytes;
        while !block.is_empty() {
            let Some(start) = first_overlong(block, limit) else {
                self.block(block, sink);
                self.offset += block.len() as u64;
                return;
            };
            self.block(&block[..start], sink);
            self.offset += start as u64;
            let length = memchr(b'\n', &block[start..]).map_or(block.len() - start, |end| end + 1);
            self.truncated(block[start..start + limit].to_vec(), length as u64, sink);
            block = &block[start + length..];
        }
    }

    /// Whole lines within the limit, each with its `\n`. The block begins at `self.offset`.
    fn block(&mut self, block: &[u8], sink: Sink<'_>) {
        if block.is_empty() {
            return;
        }
        self.stats.lines += memchr_iter(b'\n', block).count() as u64;
        self.candidates.clear();
        self.shared.gate.hits(block, &mut self.scratch, &mut self.candidates);
        self.stats.candidates += self.candidates.len() as u64;
        let mut next = self.candidates.iter().copied().peekable();
        let mut at = 0;
        while at < block.len() {
            while next.next_if(|&start| start < at).is_some() {}
            if self.failures.is_quiet() {
                let Some(&start) = next.peek() else { break };
                at = start;
            }
            let end = memchr(b'\n', &block[at..]).map_or(block.len(), |end| at + end);
            let before = if at == 0 { &self.last[..] } else { line_before(block, at) };
            let candidate = next.peek() == Some(&at);
            let raw = Raw::new(trimmed(&block[at..end]), self.offset + at as u64, candidate, before);
            self.failures.line(raw, &self.shared, sink);
            at = end + 1;
        }
        self.candidates.shrink_to(KEPT_CANDIDATES);
        self.last.clear();
        self.last.extend_from_slice(line_before(block, block.len()));
    }
}

/// The start of the first line longer than the limit. It hops from limit to limit, so it costs next to
/// nothing where lines are short.
fn first_overlong(block: &[u8], limit: usize) -> Option<usize> {
    let mut at = 0;
    while block.len() - at > limit + 1 {
        match memrchr(b'\n', &block[at..=at + limit]) {
            Some(end) => at += end + 1,
            None => return Some(at),
        }
    }
    (at < block.len() && memchr(b'\n', &block[at..]).is_none_or(|end| end > limit)).then_some(at)
}

/// The line that ends just before `at`, cut.
fn line_before(block: &[u8], at: usize) -> &[u8] {
    let Some(end) = at.checked_sub(1) else { return &[] };
    let start = memrchr(b'\n', &block[..end]).map_or(0, |start| start + 1);
    let line = &block[start..end];
    if line.len() > MAX_BEFORE_BYTES { &[] } else { line }
}
