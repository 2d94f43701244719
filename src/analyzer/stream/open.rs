//! One failure whose end has not been seen, and the lines it is made of.

use std::borrow::Cow;

use jiff::Timestamp;

use crate::analyzer::Shared;
use crate::analyzer::event::{Parts, event};
use crate::analyzer::go::BAR;
use crate::analyzer::go::machine::Machine;
use crate::analyzer::judge::{Judged, last_words};
use crate::analyzer::parse::parse;
use crate::analyzer::parse::wrapper::{Stream, Unwrapped, strip};
use crate::domain::{ErrorEvent, Span};

/// Bytes of undecided lines; beyond, the failure has ended.
pub(super) const MAX_UNDECIDED_BYTES: usize = 256 << 10;

/// A failure whose end has not been seen.
pub(super) struct Open {
    /// Which of the source's streams it stands in, and who wrote it.
    stream: Stream,
    origin: Box<str>,
    /// Whether it is a line of an access log.
    pub(super) access: bool,
    /// Whether it is a structured record that tells of no panic: hardly anything more will come of it.
    pub(super) structured: bool,
    pub(super) machine: Machine,
    judged: Option<Judged>,
    before: Option<String>,
    pub(super) time: Option<Timestamp>,
    sample: Vec<u8>,
    span: Span,
    undecided: Vec<Held>,
    undecided_bytes: usize,
    /// Whether its event has been given.
    given: bool,
    /// Whether a line was added since the last tick.
    fresh: bool,
    /// Whether a tick found that no line had been added since the one before.
    silent: bool,
}

/// A line kept until the next one decides.
pub(super) struct Held {
    bytes: Vec<u8>,
    span: Span,
    candidate: bool,
}

/// A line to be read.
#[derive(Clone, Copy)]
pub(super) struct Raw<'a> {
    /// Without its terminator.
    pub(super) bytes: &'a [u8],
    /// Its place; that of all its parts, if the container runtime has split it.
    pub(super) span: Span,
    /// Whether the gate proposes it.
    pub(super) candidate: bool,
    /// The line before it, empty where it does not matter.
    before: &'a [u8],
    /// Whether the line before belongs to a failure that ended with it.
    pub(super) behind_failure: bool,
    /// Whether that failure was a line of an access log.
    pub(super) behind_access: bool,
}

impl<'a> Raw<'a> {
    pub(super) const fn new(bytes: &'a [u8], start: u64, candidate: bool, before: &'a [u8]) -> Self {
        Self {
            bytes,
            span: Span { start, end: start + bytes.len() as u64 },
            candidate,
            before,
            behind_failure: false,
            behind_access: false,
        }
    }

    /// The line before it, unless that is unknown or belongs to a failure.
    fn before(&self) -> Option<Unwrapped<'a>> {
        let told = !self.behind_failure && !self.before.is_empty();
        match std::str::from_utf8(trimmed(self.before)) {
            Ok(line) if told => Some(strip(line)),
            _ => None,
        }
    }

    /// Where the line before it begins.
    pub(super) const fn start_before(&self) -> u64 {
        self.span.start.saturating_sub(self.before.len() as u64 + 1)
    }

    /// The same line, with the line before it unknown.
    pub(super) const fn behind_nothing(self) -> Self {
        Self { before: &[], ..self }
    }

    /// A line put together from parts.
    pub(super) const fn joined(bytes: &'a [u8], span: Span, candidate: bool) -> Self {
        Self { bytes, span, candidate, before: &[], behind_failure: false, behind_access: false }
    }
}

impl Held {
    /// Nothing that is held can be the head of a stack, so what stood before it does not matter.
    pub(super) fn raw(&self) -> Raw<'_> {
        Raw::joined(&self.bytes, self.span, self.candidate)
    }

    fn size_bytes(&self) -> usize {
        size_of::<Self>() + self.bytes.capacity()
    }
}

impl Open {
    pub(super) fn new(
        machine: Machine,
        judged: Option<Judged>,
        raw: Raw<'_>,
        unwrapped: &Unwrapped<'_>,
        limit: usize,
    ) -> Self {
        let mut open = Self {
            stream: unwrapped.stream,
            origin: unwrapped.origin.as_ref().into(),
            access: false,
            structured: false,
            machine,
            judged,
            before: None,
            time: None,
            sample: Vec::new(),
            span: raw.span,
            undecided: Vec::new(),
            undecided_bytes: 0,
            given: false,
            fresh: true,
            silent: false,
        };
        open.add(raw.bytes, raw.span, limit);
        open
    }

    /// The event as far as it was read, if it is one, was not given yet, and is wanted.
    pub(super) fn give(
        &mut self,
        shared: &Shared,
        service: &str,
        is_wanted: impl Fn(&ErrorEvent) -> bool,
    ) -> Option<ErrorEvent> {
        let so_far = Self {
            origin: Box::default(),
            machine: self.machine.clone(),
            judged: self.judged.clone(),
            before: self.before.clone(),
            sample: self.sample.clone(),
            undecided: Vec::new(),
            ..*self
        };
        let event = so_far.close(shared, service).0.filter(is_wanted)?;
        self.given = true;
        // From now on it only tells which lines belong.
        (self.judged, self.before, self.sample) = (None, None, Vec::new());
        self.machine.shed();
        Some(event)
    }

    /// Forgets what it can do without: all that was read of an event that was given, the text of one that was not,
    /// and lines that the next one would decide about, up to the first that may open a failure. The last stays: it
    /// tells that the failure did not end with the line before.
    pub(super) fn let_go(&mut self) {
        if self.given {
            self.machine.shed();
        }
        self.sample = Vec::new();
        let first = self.undecided.iter().position(|held| held.candidate).unwrap_or(self.undecided.len());
        self.undecided.drain(..first.min(self.undecided.len().saturating_sub(1)));
        self.undecided.shrink_to_fit();
        self.undecided_bytes = self.undecided.iter().map(Held::size_bytes).sum();
    }

    /// The event of a failure of this service that has ended, if it is one and was not given yet, and the lines that
    /// do not belong to it.
    pub(super) fn close(self, shared: &Shared, service: &str) -> (Option<ErrorEvent>, Vec<Held>) {
        let Self { machine, judged, before, time, sample, span, undecided, given, .. } = self;
        let event = machine.close().filter(|_| !given).and_then(|failure| {
            let sample = String::from_utf8_lossy(&sample).into_owned();
            let parts = Parts { failure, judged, before, time, sample, span };
            event(parts, service, shared.config.max_stack_depth)
        });
        let wanted = |event: &ErrorEvent| event.severity >= shared.config.severity_threshold;
        (event.filter(wanted), undecided)
    }

    /// Whether a line comes from where it does.
    pub(super) fn shares(&self, unwrapped: &Unwrapped<'_>) -> bool {
        self.stream == unwrapped.stream && *self.origin == *unwrapped.origin
    }

    /// Where its last line ends.
    pub(super) const fn end(&self) -> u64 {
        self.span.end
    }

    /// Who wrote it, as the prefixes of its lines name it.
    pub(super) const fn origin(&self) -> &str {
        &self.origin
    }

    /// Whether no line was added between two ticks.
    pub(super) const fn tick(&mut self) -> bool {
        self.silent = !std::mem::replace(&mut self.fresh, false);
        self.silent
    }

    /// Where events may still begin: its own, and those of its undecided lines.
    pub(super) fn starts(&self) -> impl Iterator<Item = u64> {
        let own = (!self.given).then_some(self.span.start);
        own.into_iter().chain(self.undecided.iter().map(|held| held.span.start))
    }

    /// Whether nothing more came of it for a while.
    pub(super) const fn is_silent(&self) -> bool {
        self.silent
    }

    pub(super) fn held_bytes(&self) -> usize {
        size_of::<Self>() + self.origin.len() + self.waiting_bytes()
    }

    /// Bytes of memory that what it has read takes.
    pub(super) fn waiting_bytes(&self) -> usize {
        self.machine.held_bytes()
            + self.judged.as_ref().map_or(0, Judged::held_bytes)
            + self.before.as_ref().map_or(0, String::capacity)
            + self.sample.capacity()
            + self.undecided.iter().map(Held::size_bytes).sum::<usize>()
    }

    /// The line before, if the same program wrote it and no failure took it, may announce a stack that has
    /// no head, or open a report of the race detector.
    pub(super) fn look_back(&mut self, raw: Raw<'_>, limit: usize) {
        let Some(before) = raw.before().filter(|before| self.shares(before)) else { return };
        let said = before.text.as_ref();
        let announces = self.machine.is_bare() && !said.trim().is_empty();
        let reports = self.machine.is_race() && said == BAR;
        if !(announces || reports) {
            return;
        }
        if announces {
            let parsed = parse(said);
            self.time = self.time.or_else(|| parsed.time());
            self.before = Some(parsed.error().unwrap_or(&parsed.body).to_owned());
        }
        self.begin_before(raw, limit);
    }

    /// A line tells that the process ended with an error: the line before, if the same program wrote it
    /// and no failure took it, may be its last words.
    pub(super) fn ended(raw: Raw<'_>, unwrapped: &Unwrapped<'_>, limit: usize) -> Option<Self> {
        let before = raw.before()?;
        let mut judged = last_words(parse(&before.text))?;
        judged.time = judged.time.or_else(|| before.time());
        let mut open = Self::new(Machine::behind_exit(), Some(judged), raw, unwrapped, limit);
        open.shares(&before).then(|| {
            open.begin_before(raw, limit);
            open
        })
    }

    /// The failure begins with the line before.
    fn begin_before(&mut self, raw: Raw<'_>, limit: usize) {
        let trimmed = trimmed(raw.before);
        let before = raw.start_before();
        self.sample.clear();
        self.add(trimmed, Span { start: before, end: before + trimmed.len() as u64 }, limit);
        self.add(raw.bytes, raw.span, limit);
    }

    /// Takes a line and the undecided ones before it.
    pub(super) fn take(&mut self, raw: Raw<'_>, limit: usize) {
        (self.fresh, self.silent) = (true, false);
        self.undecided_bytes = 0;
        for held in std::mem::take(&mut self.undecided) {
            self.add(&held.bytes, held.span, limit);
        }
        self.add(raw.bytes, raw.span, limit);
    }

    /// Keeps a line until the next one decides. False: there is no room.
    pub(super) fn hold(&mut self, raw: Raw<'_>) -> bool {
        let held = Held { bytes: raw.bytes.to_vec(), span: raw.span, candidate: raw.candidate };
        let room = self.undecided_bytes + held.size_bytes() <= MAX_UNDECIDED_BYTES;
        if room {
            (self.fresh, self.silent) = (true, false);
            self.undecided_bytes += held.size_bytes();
            self.undecided.push(held);
        }
        room
    }

    fn add(&mut self, bytes: &[u8], span: Span, limit: usize) {
        self.span = self.span.cover(span);
        if self.given {
            return;
        }
        let room = limit.saturating_sub(self.sample.len());
        if room > 1 {
            if !self.sample.is_empty() {
                self.sample.push(b'\n');
            }
            self.sample.extend_from_slice(&bytes[..bytes.len().min(room - 1)]);
        }
    }
}

/// A line as text; what is no UTF-8 is replaced.
pub(super) fn text(line: &[u8]) -> Cow<'_, str> {
    // By far most lines are, and this way of asking is several times as fast as the other.
    std::str::from_utf8(line).map_or_else(|_| String::from_utf8_lossy(line), Cow::Borrowed)
}

/// A line without the `\r` of its terminator.
pub(super) fn trimmed(line: &[u8]) -> &[u8] {
    line.strip_suffix(b"\r").unwrap_or(line)
}
