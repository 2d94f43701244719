//! The incremental analysis of one source.
//!
//! Chunks are cut at line breaks: whole lines go through the gate as one block, and what is left of
//! the last line is carried over. So every line is seen exactly once and whole, wherever the chunks
//! end, and any way of cutting the input gives the same events. A line beyond the limit is cut there,
//! its rest is passed over and it is counted.
//!
//! Lines that the gate proposes may open a failure; from then on lines are read one by one until the
//! line machine says that it has ended. Lines it could not decide are kept and read afresh, so nothing
//! is glued on and nothing is lost. Standard output and standard error of a container, where the log
//! tells them apart, each have their own open failure, because their lines may alternate.

use std::borrow::Cow;
use std::collections::VecDeque;
use std::sync::Arc;

use jiff::Timestamp;
use memchr::{memchr, memchr_iter, memrchr};

use crate::domain::{ErrorEvent, Severity, Span};

use super::Shared;
use super::event::{Parts, event};
use super::gate::Scratch;
use super::go::BAR;
use super::go::machine::{Feed, Machine};
use super::judge::{Judged, judge, says_panic};
use super::level::Level;
use super::parse::wrapper::{Stream, Unwrapped, strip};
use super::parse::{Outline, parse};

/// Bytes kept of the line before, which may announce a stack.
const MAX_BEFORE_BYTES: usize = 4096;
/// Bytes of undecided lines; beyond, the failure has ended.
const MAX_UNDECIDED_BYTES: usize = 256 << 10;

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
/// terminator excluded.
pub struct StreamAnalyzer {
    shared: Arc<Shared>,
    scratch: Scratch,
    candidates: Vec<usize>,
    /// The line that no chunk has ended yet.
    carry: Vec<u8>,
    /// Whether the rest of an overlong line is being passed over.
    passing: bool,
    /// Where the carried line, or the next one, begins.
    offset: u64,
    /// The last line before the block at hand.
    last: Vec<u8>,
    open: [Option<Open>; 2],
    stats: Stats,
}

/// A failure whose end has not been seen.
struct Open {
    machine: Machine,
    judged: Option<Judged>,
    before: Option<String>,
    time: Option<Timestamp>,
    sample: Vec<u8>,
    span: Span,
    undecided: Vec<Held>,
    undecided_bytes: usize,
}

/// A line kept until the next one decides.
struct Held {
    bytes: Vec<u8>,
    start: u64,
    candidate: bool,
}

/// A line to be read.
#[derive(Clone, Copy)]
struct Raw<'a> {
    bytes: &'a [u8],
    start: u64,
    candidate: bool,
    before: Option<&'a [u8]>,
}

impl Held {
    /// Nothing that is held can be the head of a stack, so what stood before it does not matter.
    fn raw(&self) -> Raw<'_> {
        Raw { bytes: &self.bytes, start: self.start, candidate: self.candidate, before: None }
    }
}

impl Raw<'_> {
    const fn span(&self) -> Span {
        Span { start: self.start, end: self.start + self.bytes.len() as u64 }
    }
}

type Sink<'a> = &'a mut dyn FnMut(ErrorEvent);

impl StreamAnalyzer {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self {
            shared,
            scratch: Scratch::default(),
            candidates: Vec::new(),
            carry: Vec::new(),
            passing: false,
            offset: 0,
            last: Vec::new(),
            open: [None, None],
            stats: Stats::default(),
        }
    }

    /// What the stream has seen so far.
    #[must_use]
    pub const fn stats(&self) -> Stats {
        self.stats
    }

    /// Takes the next bytes of the source and gives the events that ended in them.
    pub fn push(&mut self, chunk: &[u8], sink: Sink<'_>) {
        self.stats.bytes += chunk.len() as u64;
        let mut chunk = chunk;
        if self.passing {
            let Some(end) = memchr(b'\n', chunk) else {
                self.offset += chunk.len() as u64;
                return;
            };
            self.passing = false;
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

    /// Ends the source: the last line needs no terminator, and open failures are closed.
    pub fn finish(&mut self, sink: Sink<'_>) {
        if !self.carry.is_empty() {
            let line = std::mem::take(&mut self.carry);
            self.line_in_parts(line, b"", sink);
        }
        for stream in Stream::ALL {
            while let Some(open) = self.open[stream as usize].take() {
                let held = self.close(open, sink);
                for line in held {
                    self.line(line.raw(), sink);
                }
            }
        }
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
        self.truncated(line, total as u64, sink);
        self.passing = true;
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
        line.shrink_to(self.shared.config.max_line_bytes.min(64 << 10));
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
        let mut candidates = std::mem::take(&mut self.candidates);
        candidates.clear();
        self.shared.gate.hits(block, &mut self.scratch, &mut candidates);
        self.stats.candidates += candidates.len() as u64;
        let last = std::mem::take(&mut self.last);
        let mut next = candidates.iter().copied().peekable();
        let mut at = 0;
        while at < block.len() {
            while next.next_if(|&start| start < at).is_some() {}
            if self.open.iter().all(Option::is_none) {
                let Some(&start) = next.peek() else { break };
                at = start;
            }
            let end = memchr(b'\n', &block[at..]).map_or(block.len(), |end| at + end);
            let before = if at == 0 { &last[..] } else { line_before(block, at) };
            let raw = Raw {
                bytes: trimmed(&block[at..end]),
                start: self.offset + at as u64,
                candidate: next.peek() == Some(&at),
                before: Some(before),
            };
            self.line(raw, sink);
            at = end + 1;
        }
        self.last = last;
        self.last.clear();
        self.last.extend_from_slice(line_before(block, block.len()));
        self.candidates = candidates;
    }

    /// One line, and before it the lines that turn out not to belong to an open failure.
    fn line(&mut self, raw: Raw<'_>, sink: Sink<'_>) {
        let mut again: VecDeque<Held> = VecDeque::new();
        loop {
            let next = again.pop_front();
            let line = next.as_ref().map_or(raw, Held::raw);
            let Some(undecided) = self.one(line, sink) else {
                match next {
                    Some(_) => continue,
                    None => return,
                }
            };
            for held in undecided.into_iter().chain(next).rev() {
                again.push_front(held);
            }
        }
    }

    /// One line. Where a failure has ended before it: the undecided lines, which have to be read again,
    /// and this line after them.
    fn one(&mut self, raw: Raw<'_>, sink: Sink<'_>) -> Option<Vec<Held>> {
        let line = text(raw.bytes);
        let unwrapped = strip(&line);
        let slot = unwrapped.stream as usize;
        let Some(mut open) = self.open[slot].take() else {
            if raw.candidate {
                self.open[slot] = self.fresh(raw, &unwrapped);
            }
            return None;
        };
        let limit = self.shared.config.max_event_bytes;
        match open.machine.feed(&unwrapped.text) {
            Feed::Belongs => open.take(raw, limit),
            Feed::Perhaps if open.undecided_bytes + raw.bytes.len() <= MAX_UNDECIDED_BYTES => open.hold(raw),
            Feed::Perhaps | Feed::Ended => return Some(self.close(open, sink)),
        }
        self.open[slot] = Some(open);
        None
    }

    /// A line that no failure claims: it may open one.
    fn fresh(&self, raw: Raw<'_>, unwrapped: &Unwrapped<'_>) -> Option<Open> {
        let config = &self.shared.config;
        let text = unwrapped.text.as_ref();
        let json = text.trim_start().starts_with('{');
        if !json && let Some(machine) = Machine::open(text) {
            let mut open = Open::new(machine, None, raw, config.max_event_bytes);
            open.time = unwrapped.time().or_else(|| parse(text).time());
            open.look_back(raw, unwrapped.stream, config.max_event_bytes);
            return Some(open);
        }
        let asked = self.shared.asked(text);
        let outline = Outline::of(text);
        let told = outline.level().map(Level::severity);
        let final_word = asked.is_none() && !outline.may_span_lines();
        if final_word && told == Some(None) {
            return None;
        }
        // A record that announces a panic below the threshold may have its stack on the lines behind it.
        let announces = !json && says_panic(text);
        let least = if announces { Severity::Low } else { config.severity_threshold };
        if final_word && told.is_some_and(|severity| severity < Some(least)) {
            return None;
        }
        let mut judged = judge(outline.record(), asked).filter(|judged| judged.severity >= least)?;
        judged.time = judged.time.or_else(|| unwrapped.time());
        let machine = Machine::behind_record(announces);
        Some(Open::new(machine, Some(judged), raw, config.max_event_bytes))
    }

    /// Gives the event of a failure that has ended, and the lines that do not belong to it.
    fn close(&mut self, open: Open, sink: Sink<'_>) -> Vec<Held> {
        let Open { machine, judged, before, time, sample, span, undecided, .. } = open;
        if let Some(failure) = machine.close() {
            let sample = String::from_utf8_lossy(&sample).into_owned();
            let parts = Parts { failure, judged, before, time, sample, span };
            let found = event(parts, self.shared.config.max_stack_depth)
                .filter(|event| event.severity >= self.shared.config.severity_threshold);
            if let Some(event) = found {
                self.stats.events += 1;
                sink(event);
            }
        }
        undecided
    }
}

impl Open {
    fn new(machine: Machine, judged: Option<Judged>, raw: Raw<'_>, limit: usize) -> Self {
        let mut open = Self {
            machine,
            judged,
            before: None,
            time: None,
            sample: Vec::new(),
            span: raw.span(),
            undecided: Vec::new(),
            undecided_bytes: 0,
        };
        open.add(raw.bytes, raw.span(), limit);
        open
    }

    /// The line before, if the same stream wrote it, may announce a stack that has no head, or open a
    /// report of the race detector. It is judged by its text alone, so that it counts the same wherever
    /// reading began; so the head of another failure announces nothing, though that failure be over.
    fn look_back(&mut self, raw: Raw<'_>, stream: Stream, limit: usize) {
        let Some(line) = raw.before.filter(|line| !line.is_empty()) else { return };
        let before = text(trimmed(line));
        let before = strip(&before);
        let said = before.text.as_ref();
        let announces = self.machine.is_bare() && !said.trim().is_empty() && Machine::open(said).is_none();
        let reports = self.machine.is_race() && said == BAR;
        if before.stream != stream || !(announces || reports) {
            return;
        }
        if announces {
            let parsed = parse(said);
            self.time = self.time.or_else(|| parsed.time());
            self.before = Some(parsed.error().unwrap_or(&parsed.body).to_owned());
        }
        self.sample.clear();
        let start = raw.start.saturating_sub(line.len() as u64 + 1);
        self.add(trimmed(line), Span { start, end: raw.start.saturating_sub(1) }, limit);
        self.add(raw.bytes, raw.span(), limit);
    }

    /// Takes a line and the undecided ones before it.
    fn take(&mut self, raw: Raw<'_>, limit: usize) {
        self.undecided_bytes = 0;
        for held in std::mem::take(&mut self.undecided) {
            let end = held.start + held.bytes.len() as u64;
            self.add(&held.bytes, Span { start: held.start, end }, limit);
        }
        self.add(raw.bytes, raw.span(), limit);
    }

    fn hold(&mut self, raw: Raw<'_>) {
        self.undecided_bytes += raw.bytes.len() + 1;
        self.undecided.push(Held { bytes: raw.bytes.to_vec(), start: raw.start, candidate: raw.candidate });
    }

    fn add(&mut self, bytes: &[u8], span: Span, limit: usize) {
        self.span = self.span.cover(span);
        let room = limit.saturating_sub(self.sample.len());
        if room > 1 {
            if !self.sample.is_empty() {
                self.sample.push(b'\n');
            }
            self.sample.extend_from_slice(&bytes[..bytes.len().min(room - 1)]);
        }
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

/// A line as text; what is no UTF-8 is replaced.
fn text(line: &[u8]) -> Cow<'_, str> {
    // By far most lines are, and this way of asking is several times as fast as the other.
    std::str::from_utf8(line).map_or_else(|_| String::from_utf8_lossy(line), Cow::Borrowed)
}

/// A line without the `\r` of its terminator.
fn trimmed(line: &[u8]) -> &[u8] {
    line.strip_suffix(b"\r").unwrap_or(line)
}
