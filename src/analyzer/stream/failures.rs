//! The failures that are open at a place of the source, and the lines read while any is.
//!
//! Lines that the line machine could not decide are kept and read afresh, so nothing is glued on and
//! nothing is lost. Standard output and standard error of a container, where the log tells them apart,
//! each have their own open failure and their own split line, because their lines may alternate. So do
//! the programs whose lines stand in one log, where a prefix tells them apart; of those there may be any
//! number, so at most [`MAX_OPEN`] failures are open: beyond, one ends early.
//!
//! While anything is open, the place where nothing was is remembered: the anchor. It depends on the
//! bytes alone, and so does the limit of its age, at which everything open ends.

use std::collections::VecDeque;

use crate::analyzer::Shared;
use crate::analyzer::gate::Scratch;
use crate::analyzer::go::is_exit_status;
use crate::analyzer::go::machine::{Feed, Machine};
use crate::analyzer::judge::{judge, says_panic};
use crate::analyzer::level::Level;
use crate::analyzer::parse::prefix::continued;
use crate::analyzer::parse::wrapper::{Stream, Unwrapped, strip};
use crate::analyzer::parse::{Form, Outline, parse};
use crate::domain::{ErrorEvent, Severity, Span};

use super::Sink;
use super::open::{Held, Open, Raw, text};
use super::parts::Parts;

/// Most failures open at once.
pub(super) const MAX_OPEN: usize = 16;
/// After so many bytes of other lines a failure gives way to another one.
const PATIENCE_BYTES: u64 = 64 << 10;
/// How far behind the anchor may lie.
const MAX_BEHIND_BYTES: u64 = 16 << 20;

/// The failures that are open.
pub(super) struct Failures {
    /// Whose they are.
    service: Box<str>,
    /// The one whose last line came last stands last.
    open: Vec<Open>,
    /// Lines that the container runtime has split, as far as they were seen.
    parts: [Option<Parts>; 2],
    /// The start of the last line at which nothing was open.
    anchor: u64,
    /// The start of the last line read, if a failure took it: it announces nothing that follows.
    taken: Option<u64>,
    events: u64,
    cut_lines: u64,
}

/// What became of a line.
enum Read {
    /// A failure took it.
    Taken,
    /// It belongs to no failure.
    Passed,
    /// A failure has ended before it: the undecided lines have to be read again, and this one after them.
    Again {
        undecided: Vec<Held>,
        /// Whether it was a line of an access log.
        access: bool,
    },
}

impl Failures {
    /// None yet, of the service of this name.
    pub(super) fn of(service: &str) -> Self {
        Self {
            service: service.into(),
            open: Vec::new(),
            parts: [const { None }; 2],
            anchor: 0,
            taken: None,
            events: 0,
            cut_lines: 0,
        }
    }

    /// Whose they are.
    pub(super) const fn service(&self) -> &str {
        &self.service
    }

    /// Whether nothing is open: only proposed lines need to be read.
    pub(super) fn is_quiet(&self) -> bool {
        self.open.is_empty() && self.parts.iter().all(Option::is_none)
    }

    /// Where nothing was open, if anything is now.
    pub(super) fn anchor(&self) -> Option<u64> {
        (!self.is_quiet()).then_some(self.anchor)
    }

    /// No event of anything open begins before, but for what is [doubtful](Self::doubtful).
    pub(super) fn settled(&self) -> Option<u64> {
        self.starts(false).min()
    }

    /// Where events of what has been silent for a while may begin: it may stay open for ever.
    pub(super) fn doubtful(&self) -> Vec<u64> {
        let mut starts: Vec<_> = self.starts(true).collect();
        starts.sort_unstable();
        starts
    }

    fn starts(&self, silent: bool) -> impl Iterator<Item = u64> {
        let open = self.open.iter().filter(move |open| open.is_silent() == silent).flat_map(Open::starts);
        let parts = self.parts.iter().flatten().filter(move |parts| parts.is_silent() == silent);
        open.chain(parts.filter_map(Parts::start))
    }

    /// The start of the last line read, if a failure took it.
    pub(super) const fn taken(&self) -> Option<u64> {
        self.taken
    }

    /// Events given.
    pub(super) const fn events(&self) -> u64 {
        self.events
    }

    /// Split lines that were longer than the limit.
    pub(super) const fn cut_lines(&self) -> u64 {
        self.cut_lines
    }

    pub(super) fn held_bytes(&self) -> usize {
        let parts = self.parts.iter().flatten().map(Parts::held_bytes);
        self.service.len()
            + self.open.capacity() * size_of::<Open>()
            + self.open.iter().map(|open| open.held_bytes()).sum::<usize>()
            + parts.sum::<usize>()
    }

    /// Bytes of memory that what is open has read.
    pub(super) fn waiting_bytes(&self) -> usize {
        let parts = self.parts.iter().flatten().map(Parts::held_bytes);
        self.open.iter().map(Open::waiting_bytes).sum::<usize>() + parts.sum::<usize>()
    }

    /// One line as it stands in the source.
    pub(super) fn line(&mut self, mut raw: Raw<'_>, shared: &Shared, sink: Sink<'_>) {
        if self.anchor().is_some_and(|anchor| raw.span.start - anchor > MAX_BEHIND_BYTES) {
            self.end_all(shared, sink);
            if self.taken == Some(raw.start_before()) {
                raw = raw.behind_nothing();
            }
        }
        let line = text(raw.bytes);
        let unwrapped = self.strip(&line);
        let slot = unwrapped.stream as usize;
        match self.parts[slot].take() {
            None if !unwrapped.partial => {
                let taken = self.read(raw, &unwrapped, shared, sink);
                self.taken = taken.then_some(raw.span.start);
            }
            begun => {
                let last = !unwrapped.partial;
                if begun.is_none() && self.is_quiet() {
                    self.anchor = raw.span.start;
                }
                let mut parts = begun.unwrap_or_else(|| Parts::new(&unwrapped, raw.span));
                parts.add(&unwrapped.text, raw.span, shared.config.max_line_bytes);
                if last {
                    let taken = self.joined(parts, shared, sink);
                    self.taken = taken.then_some(raw.span.start);
                } else {
                    self.parts[slot] = Some(parts);
                    self.taken = None;
                }
            }
        }
    }

    /// Takes off what stands around a line: what its own form tells, or what an open failure's lines have.
    fn strip<'a>(&self, line: &'a str) -> Unwrapped<'a> {
        let unwrapped = strip(line);
        if !unwrapped.origin.is_empty() || unwrapped.stream != Stream::Out {
            return unwrapped;
        }
        let found = self.open.iter().find_map(|open| {
            let origin = open.origin();
            Some((continued(line, origin)?.len(), origin.len()))
        });
        match found {
            None => unwrapped,
            Some((text, origin)) => unwrapped.with(&line[..origin], &line[line.len() - text..]),
        }
    }

    /// A split line whose last part has been seen. Tells whether a failure took it.
    fn joined(&mut self, parts: Parts, shared: &Shared, sink: Sink<'_>) -> bool {
        let (is_cut, span) = (parts.is_cut(), parts.span());
        let Some(line) = parts.into_line() else { return false };
        self.put_together(line, span, is_cut, shared, sink)
    }

    fn put_together(
        &mut self,
        mut line: Vec<u8>,
        span: Span,
        is_cut: bool,
        shared: &Shared,
        sink: Sink<'_>,
    ) -> bool {
        self.cut_lines += u64::from(is_cut);
        line.push(b'\n');
        let mut hits = Vec::new();
        shared.gate.hits(&line, &mut Scratch::default(), &mut hits);
        line.pop();
        let whole = text(&line);
        self.read(Raw::joined(&line, span, !hits.is_empty()), &strip(&whole), shared, sink)
    }

    /// One whole line, and before it the lines that turn out not to belong to an open failure. Tells
    /// whether a failure took the line.
    fn read(&mut self, mut raw: Raw<'_>, unwrapped: &Unwrapped<'_>, shared: &Shared, sink: Sink<'_>) -> bool {
        let mut again: VecDeque<Held> = VecDeque::new();
        loop {
            let next = again.pop_front();
            let read = match &next {
                Some(held) => {
                    let line = text(held.raw().bytes);
                    self.one(held.raw(), &self.strip(&line), shared, sink)
                }
                None => self.one(raw, unwrapped, shared, sink),
            };
            match (read, next) {
                (Read::Taken | Read::Passed, Some(_)) => {}
                (read @ (Read::Taken | Read::Passed), None) => return matches!(read, Read::Taken),
                (Read::Again { undecided, access }, next) => {
                    raw.behind_access |= access && next.is_none();
                    // The line before belongs to another failure: it announces nothing.
                    raw.behind_failure |= next.is_none() && undecided.is_empty();
                    for held in undecided.into_iter().chain(next).rev() {
                        again.push_front(held);
                    }
                }
            }
        }
    }

    /// One line.
    fn one(&mut self, raw: Raw<'_>, unwrapped: &Unwrapped<'_>, shared: &Shared, sink: Sink<'_>) -> Read {
        let Some(at) = self.open.iter().position(|open| open.shares(unwrapped)) else {
            let opened = if raw.candidate { fresh(shared, raw, unwrapped) } else { None };
            let Some(open) = opened else { return Read::Passed };
            if self.open.len() == MAX_OPEN {
                let Some(at) = self.least_needed(raw) else {
                    // There is no room to wait for its stack.
                    self.give(open.close(shared, &self.service).0, sink);
                    return Read::Taken;
                };
                let undecided = self.close(at, shared, sink);
                if !undecided.is_empty() {
                    return Read::Again { undecided, access: false };
                }
            }
            // Reading that begins at this line could not know that the line before announces nothing.
            let chained = raw.behind_failure && open.machine.looks_back();
            if self.is_quiet() && !chained {
                self.anchor = raw.span.start;
            }
            self.open.push(open);
            return Read::Taken;
        };
        let open = &mut self.open[at];
        let taken = match open.machine.feed(&unwrapped.text) {
            Feed::Belongs => {
                open.take(raw, shared.config.max_event_bytes);
                true
            }
            Feed::Perhaps => open.hold(raw),
            Feed::Ended => false,
        };
        if !taken {
            let access = open.access;
            return Read::Again { undecided: self.close(at, shared, sink), access };
        }
        self.open[at..].rotate_left(1);
        Read::Taken
    }

    /// Gives the event of a failure that has ended, and the lines that do not belong to it.
    fn close(&mut self, at: usize, shared: &Shared, sink: Sink<'_>) -> Vec<Held> {
        let (event, undecided) = self.open.remove(at).close(shared, &self.service);
        if self.open.is_empty() {
            self.open.shrink_to_fit();
        }
        self.give(event, sink);
        undecided
    }

    fn give(&mut self, event: Option<ErrorEvent>, sink: Sink<'_>) {
        if let Some(event) = event {
            self.events += 1;
            sink(event);
        }
    }

    /// The failure that gives way to another one: a record that waits for nothing certain, or one whose
    /// program has been silent for long. Those in the middle of their stacks stay.
    fn least_needed(&self, raw: Raw<'_>) -> Option<usize> {
        let mere = self.open.iter().position(|open| open.machine.is_mere_record());
        let silent = |open: &Open| raw.span.start.saturating_sub(open.end()) > PATIENCE_BYTES;
        mere.or_else(|| self.open.iter().position(silent))
    }

    /// Ends everything.
    pub(super) fn end_all(&mut self, shared: &Shared, sink: Sink<'_>) {
        for slot in Stream::ALL.map(|stream| stream as usize) {
            if let Some(parts) = self.parts[slot].take() {
                self.joined(parts, shared, sink);
            }
        }
        while !self.open.is_empty() {
            for held in self.close(0, shared, sink) {
                self.read(held.raw(), &strip(&text(held.raw().bytes)), shared, sink);
            }
        }
    }

    /// Gives every failure that no line was added to since the last tick.
    pub(super) fn tick(&mut self, shared: &Shared, sink: Sink<'_>) {
        self.parts.iter_mut().flatten().for_each(Parts::tick);
        for open in &mut self.open {
            if open.tick()
                && let Some(event) = open.give(shared, &self.service, |_| true)
            {
                self.events += 1;
                sink(event);
            }
        }
    }

    /// Gives everything as far as it was read, and keeps no more of it than tells which lines belong.
    pub(super) fn let_go(&mut self, shared: &Shared, sink: Sink<'_>) {
        for slot in Stream::ALL.map(|stream| stream as usize) {
            if let Some(parts) = &mut self.parts[slot]
                && let (span, Some(line)) = (parts.span(), parts.cut_short())
            {
                self.put_together(line, span, true, shared, sink);
            }
        }
        for open in &mut self.open {
            if let Some(event) = open.give(shared, &self.service, |_| true) {
                self.events += 1;
                sink(event);
            }
            open.let_go();
        }
    }

    /// Gives those structured records that are urgent.
    pub(super) fn pause(&mut self, shared: &Shared, is_urgent: &dyn Fn(&ErrorEvent) -> bool, sink: Sink<'_>) {
        for open in self.open.iter_mut().filter(|open| open.structured && open.machine.is_mere_record()) {
            if let Some(event) = open.give(shared, &self.service, is_urgent) {
                self.events += 1;
                sink(event);
            }
        }
    }
}

/// A line that no failure claims: it may open one.
fn fresh(shared: &Shared, raw: Raw<'_>, unwrapped: &Unwrapped<'_>) -> Option<Open> {
    let config = &shared.config;
    let text = unwrapped.text.as_ref();
    let json = text.trim_start().starts_with('{');
    if !json && let Some(machine) = Machine::open(text) {
        let mut open = Open::new(machine, None, raw, unwrapped, config.max_event_bytes);
        open.time = unwrapped.time().or_else(|| parse(text).time());
        open.look_back(raw, config.max_event_bytes);
        return Some(open);
    }
    if is_exit_status(text) {
        return Open::ended(raw, unwrapped, config.max_event_bytes);
    }
    let asked = shared.asked(text);
    let outline = Outline::of(text);
    let told = outline.level().or(unwrapped.level).map(Level::severity);
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
    // The request failed for the reason that was just told.
    let access = matches!(&outline, Outline::Plain(parsed) if parsed.form == Form::Access);
    if access && raw.behind_failure && !raw.behind_access {
        return None;
    }
    let structured = matches!(&outline, Outline::Json(_) | Outline::Pairs(_));
    let mut record = outline.record();
    record.level = record.level.or(unwrapped.level);
    let mut judged = judge(record, asked).filter(|judged| judged.severity >= least)?;
    judged.time = judged.time.or_else(|| unwrapped.time());
    let machine = if text.ends_with("=<") {
        Machine::in_klog_value(text.ends_with(" err=<"))
    } else {
        Machine::behind_record(announces)
    };
    let mut open = Open::new(machine, Some(judged), raw, unwrapped, config.max_event_bytes);
    open.access = access;
    open.structured = structured && !says_panic(text);
    Some(open)
}
