//! The line machine: reads one failure, line by line.
//!
//! It says of each line whether it belongs. Some lines only the next one can decide: a blank line may
//! end a trace or part two goroutines, and a symbol is a frame only if a place follows. Such a line is
//! answered with [`Feed::Perhaps`]; when a line is answered with [`Feed::Ended`], neither it nor the
//! undecided lines before it belong, and the driver reads them afresh.
//!
//! Forms that have states of their own stand in files of their own: reports of the race detector, gin's
//! recovery. Only the first goroutine's frames are kept. The others are passed over, so memory does not grow with
//! the length of a dump.

mod gin;
mod race;

use crate::analyzer::clipped;
use crate::domain::Frame;

use super::chain::root;
use super::failure::{Failure, Head, is_machinery, is_panic};
use super::frame::{frame, frame_bytes, location, symbol};
use super::line::{hex_after, is_exit_status, is_header, is_register, served, signal_head, unmarked};

pub(crate) use race::BAR;
pub use race::{race_sites, race_stacks, races};

/// Frames kept of one goroutine; the runtime itself prints at most 100.
const MAX_FRAMES: usize = 256;
/// Bytes kept of a message.
const MAX_MESSAGE_BYTES: usize = 8 << 10;
/// Panics kept of one chain.
const MAX_LATER: usize = 16;
/// Lines of one failure, and lines of a value that is not indented.
const MAX_LINES: u32 = 1 << 20;
const MAX_VALUE_LINES: u32 = 64;

/// The answer to one line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Feed {
    /// The line belongs, and so do the undecided lines before it.
    Belongs,
    /// The next line decides.
    Perhaps,
    /// The failure has ended before this line and before the undecided ones.
    Ended,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// `runtime: …` lines that may lead to a fatal error.
    Prelude,
    /// Behind a head: indented value, nested panics, signal, stack.
    Head,
    /// Behind a head whose value is not indented: anything, until a stack begins.
    Value(u32),
    /// Behind gin's head: the request, the value, then the stack.
    Request(u32),
    /// In gin's stack, where a place must follow.
    GinPlace,
    /// Behind a place of gin's stack: its function must follow.
    GinFunction(u32),
    /// Behind a record: a stack or nothing.
    Record,
    /// In a stack, where a frame may begin.
    Stack,
    /// Behind a symbol: its place must follow.
    Place,
    /// Behind `created by`: its place must follow.
    CreatorPlace,
    /// Behind a blank line.
    Gap,
    /// In a report of the race detector.
    Race,
    /// Nothing may follow.
    Done,
}

/// Reads one failure.
#[derive(Debug, Clone)]
pub(crate) struct Machine {
    head: Head,
    state: State,
    message: String,
    /// The values of the panics that were raised while an earlier one was handled.
    later: Vec<String>,
    lines: u32,
    /// Whether the frames being read are the ones to keep.
    keeping: bool,
    /// Whether the kept frames are a goroutine's, not the runtime's own stack's.
    settled: bool,
    pending: String,
    frames: Vec<Frame>,
    created_by: Option<Frame>,
    fault_address: Option<u64>,
    fatal: bool,
    /// Whether all lines are indented, as klog indents the lines of a value.
    indented: bool,
    /// Whether the value being read is the message.
    told: bool,
    /// Whether the process ended with an error right behind a record.
    exited: bool,
}

impl Machine {
    /// Begins a failure if the line is the head of one.
    pub(crate) fn open(line: &str) -> Option<Self> {
        if let Some(value) = line.strip_prefix("panic: ") {
            return Some(Self::new(Head::Panic, State::Head, unmarked(value)));
        }
        if let Some(message) = line.strip_prefix("fatal error: ") {
            return Some(Self { fatal: true, ..Self::new(Head::Fatal, State::Head, message) });
        }
        if line.starts_with("runtime: ") || line.starts_with("unexpected fault address 0x") {
            return Some(Self::new(Head::Fatal, State::Prelude, ""));
        }
        if let Some(message) = signal_head(line) {
            return Some(Self { fatal: true, ..Self::new(Head::Fatal, State::Head, message) });
        }
        if line == "WARNING: DATA RACE" {
            return Some(Self::new(Head::Race, State::Race, "DATA RACE"));
        }
        if let Some(value) = served(line) {
            return Some(Self::new(Head::Served, State::Value(0), value));
        }
        if gin::is_head(line) {
            return Some(Self::new(Head::Served, State::Request(0), ""));
        }
        is_header(line).then(|| {
            let mut machine = Self::new(Head::Bare, State::Stack, "");
            machine.begin_stack(true);
            machine
        })
    }

    /// Begins behind a record, to read the stack that may follow it. With `value`, the record's message
    /// may go on for some lines first.
    pub(crate) fn behind_record(value: bool) -> Self {
        Self::new(Head::Record, if value { State::Value(0) } else { State::Record }, "")
    }

    /// Begins behind a line of klog that ends with `key=<`: the lines of the value are indented by a
    /// tab, and ` >` ends it. `told`: the value is what went wrong, and is kept as the message.
    pub(crate) fn in_klog_value(told: bool) -> Self {
        Self { indented: true, told, ..Self::new(Head::Record, State::Value(0), "") }
    }

    /// Whether it has read all it waits for, or waits for no more than a stack that a logger may attach.
    pub(crate) fn is_mere_record(&self) -> bool {
        self.head == Head::Record && matches!(self.state, State::Record | State::Done)
    }

    /// Stands at the line that tells how the process ended, behind the record of the reason.
    pub(crate) fn behind_exit() -> Self {
        Self { exited: true, ..Self::new(Head::Record, State::Done, "") }
    }

    fn new(head: Head, state: State, message: &str) -> Self {
        let mut machine = Self {
            head,
            state,
            message: String::new(),
            later: Vec::new(),
            lines: 1,
            keeping: false,
            settled: false,
            pending: String::new(),
            frames: Vec::new(),
            created_by: None,
            fault_address: None,
            fatal: false,
            indented: false,
            told: false,
            exited: false,
        };
        machine.extend_message(message);
        machine
    }

    /// Bytes of memory in use.
    pub(crate) fn held_bytes(&self) -> usize {
        let frames = self.frames.iter().chain(&self.created_by);
        let texts = self.later.iter().chain([&self.message, &self.pending]);
        texts.map(String::capacity).sum::<usize>() + frames.map(frame_bytes).sum::<usize>()
    }

    /// Forgets what it has read of the failure. From now on it only tells which lines belong.
    pub(crate) fn shed(&mut self) {
        (self.message, self.later, self.pending) = (String::new(), Vec::new(), String::new());
        (self.frames, self.created_by) = (Vec::new(), None);
        (self.settled, self.keeping) = (true, false);
    }

    /// Whether it began with a stack that had no head.
    pub(crate) fn is_bare(&self) -> bool {
        self.head == Head::Bare
    }

    /// Whether the line before its head may belong to it.
    pub(crate) fn looks_back(&self) -> bool {
        self.is_bare() || self.is_race()
    }

    /// Whether it is a report of the race detector.
    pub(crate) fn is_race(&self) -> bool {
        self.head == Head::Race
    }

    /// Takes the next line.
    pub(crate) fn feed(&mut self, line: &str) -> Feed {
        self.lines += 1;
        if self.lines > MAX_LINES {
            return Feed::Ended;
        }
        if !self.indented {
            return self.read(line);
        }
        match line.strip_prefix('\t') {
            Some(line) => self.read(line),
            None if line.starts_with(" >") => {
                if std::mem::take(&mut self.told) {
                    let value = std::mem::take(&mut self.pending);
                    self.extend_message(value.trim_start());
                }
                self.state = if line.ends_with("=<") { State::Value(0) } else { State::Done };
                Feed::Belongs
            }
            None => Feed::Ended,
        }
    }

    fn read(&mut self, line: &str) -> Feed {
        match self.state {
            State::Prelude => self.prelude(line),
            State::Head => self.behind_head(line),
            State::Value(lines) => self.value(line, lines),
            State::Request(lines) => self.request(line, lines),
            State::GinPlace if line.is_empty() || line == gin::END => {
                self.state = State::Done;
                Feed::Belongs
            }
            State::GinPlace => self.gin_place(line),
            State::GinFunction(number) => self.gin_function(line, number),
            State::Record if is_exit_status(line) => {
                (self.state, self.exited) = (State::Done, true);
                Feed::Belongs
            }
            State::Record => self.stack_begins(line, Feed::Ended),
            State::Stack => self.in_stack(line),
            State::Place | State::CreatorPlace => self.place(line),
            State::Gap => self.behind_gap(line),
            State::Race => self.race(line),
            State::Done => Feed::Ended,
        }
    }

    fn prelude(&mut self, line: &str) -> Feed {
        if let Some(message) = line.strip_prefix("fatal error: ") {
            self.fatal = true;
            self.state = State::Head;
            self.extend_message(message);
            return Feed::Belongs;
        }
        let more = line.starts_with("runtime: ")
            || line.starts_with('\t')
            || line.starts_with("unexpected fault address 0x");
        if more { Feed::Belongs } else { Feed::Ended }
    }

    fn behind_head(&mut self, line: &str) -> Feed {
        if let Some(rest) = line.strip_prefix('\t') {
            if let Some(value) = rest.strip_prefix("panic: ") {
                if self.later.len() < MAX_LATER {
                    self.later.push(clipped(unmarked(value), MAX_MESSAGE_BYTES / MAX_LATER).to_owned());
                }
            } else if self.later.is_empty() {
                self.message_line(unmarked(rest));
            }
            return Feed::Belongs;
        }
        if line.starts_with("[signal ") {
            self.fault_address = hex_after(line, "addr=0x");
            return Feed::Belongs;
        }
        if line.is_empty() {
            self.state = State::Gap;
            return Feed::Perhaps;
        }
        if line.starts_with("PC=0x")
            || line.starts_with("signal arrived during ")
            || line.starts_with("[recovered")
        {
            return Feed::Belongs;
        }
        self.stack_begins(line, Feed::Ended)
    }

    fn value(&mut self, line: &str, lines: u32) -> Feed {
        if is_header(line) {
            if !self.pending.is_empty() {
                let value = std::mem::take(&mut self.pending);
                self.extend_message(&value);
            }
            self.begin_stack(true);
            return Feed::Belongs;
        }
        if lines >= MAX_VALUE_LINES || self.pending.len() > MAX_MESSAGE_BYTES || Self::open(line).is_some() {
            return Feed::Ended;
        }
        self.pending.push('\n');
        self.pending.push_str(line);
        self.state = State::Value(lines + 1);
        Feed::Perhaps
    }

    /// A line on which a stack may begin.
    fn stack_begins(&mut self, line: &str, otherwise: Feed) -> Feed {
        if is_header(line) {
            self.begin_stack(true);
            return Feed::Belongs;
        }
        if line == "runtime stack:" {
            self.begin_stack(false);
            return Feed::Belongs;
        }
        if self.head == Head::Record
            && let Some(symbol) = symbol(line)
        {
            self.begin_stack(true);
            symbol.clone_into(&mut self.pending);
            self.state = State::Place;
            return Feed::Perhaps;
        }
        otherwise
    }

    /// The first goroutine's frames are kept; the runtime's own only until one comes.
    fn begin_stack(&mut self, goroutine: bool) {
        self.keeping = !self.settled && (goroutine || self.frames.is_empty());
        if self.keeping && goroutine {
            self.frames.clear();
            self.settled = true;
        }
        self.state = State::Stack;
    }

    fn in_stack(&mut self, line: &str) -> Feed {
        if line.is_empty() {
            self.state = State::Gap;
            return Feed::Perhaps;
        }
        if let Some(creator) = line.strip_prefix("created by ") {
            let creator = creator.split_once(" in goroutine ").map_or(creator, |(symbol, _)| symbol);
            creator.clone_into(&mut self.pending);
            self.state = State::CreatorPlace;
            return Feed::Perhaps;
        }
        let remark = (line.starts_with("...") && line.ends_with("frames elided..."))
            || line.starts_with("[originating from goroutine ")
            || line.trim_start().starts_with("goroutine running on other thread");
        if remark {
            return Feed::Belongs;
        }
        if is_header(line) || line == "runtime stack:" {
            return self.stack_begins(line, Feed::Ended);
        }
        if is_exit_status(line) {
            self.state = State::Done;
            return Feed::Belongs;
        }
        match symbol(line) {
            Some(symbol) => {
                symbol.clone_into(&mut self.pending);
                self.state = State::Place;
                Feed::Perhaps
            }
            None => Feed::Ended,
        }
    }

    fn place(&mut self, line: &str) -> Feed {
        let Some((file, number)) = location(line) else { return Feed::Ended };
        let frame = frame(&self.pending, file, number);
        if self.state == State::CreatorPlace {
            if self.keeping && self.created_by.is_none() {
                self.created_by = Some(frame);
            }
        } else if self.keeping && self.frames.len() < MAX_FRAMES {
            self.frames.push(frame);
        }
        self.state = State::Stack;
        Feed::Belongs
    }

    fn behind_gap(&mut self, line: &str) -> Feed {
        if is_exit_status(line) {
            self.state = State::Done;
            return Feed::Belongs;
        }
        if line.starts_with("[signal ") {
            self.fault_address = hex_after(line, "addr=0x");
            return Feed::Belongs;
        }
        if is_register(line) || line == "-----" || (self.fatal && line.is_empty()) {
            return Feed::Belongs;
        }
        self.stack_begins(line, Feed::Ended)
    }

    /// The failure as far as it was read. None when it never became one.
    pub(crate) fn close(mut self) -> Option<Failure> {
        let never = self.head == Head::Fatal && !self.fatal;
        if never || (matches!(self.state, State::Request(_)) && self.frames.is_empty()) {
            return None;
        }
        let panicking = self.frames.iter().any(|frame| is_panic(&frame.function));
        (self.message, self.frames) = root(self.message, std::mem::take(&mut self.later), self.frames);
        Some(self.failure(panicking))
    }

    fn failure(mut self, panicking: bool) -> Failure {
        let own = self.frames.iter().take_while(|frame| is_machinery(&frame.function)).count();
        if own < self.frames.len() {
            self.frames.drain(..own);
        }
        Failure {
            head: self.head,
            message: self.message,
            frames: self.frames,
            panicking,
            exited: self.exited,
            created_by: self.created_by,
            fault_address: self.fault_address,
        }
    }

    fn message_line(&mut self, line: &str) {
        self.extend_message("\n");
        self.extend_message(line);
    }

    fn extend_message(&mut self, text: &str) {
        let room = MAX_MESSAGE_BYTES.saturating_sub(self.message.len());
        self.message.push_str(clipped(text, room));
    }
}
