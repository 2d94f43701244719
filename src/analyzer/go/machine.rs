//! The line machine: reads one failure, line by line.
//!
//! It says of each line whether it belongs. Some lines only the next one can decide: a blank line may
//! end a trace or part two goroutines, and a symbol is a frame only if a place follows. Such a line is
//! answered with [`Feed::Perhaps`]; when a line is answered with [`Feed::Ended`], neither it nor the
//! undecided lines before it belong, and the driver reads them afresh.
//!
//! Only the first goroutine's frames are kept. The others are passed over, so memory does not grow with
//! the length of a dump.

use crate::analyzer::clipped;
use crate::domain::{Frame, TraceKind};

use super::chain::{is_machinery, is_panic, root};
use super::frame::{frame, location, symbol};
use super::race::{RaceLine, race_line};

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

/// How the failure began.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Head {
    /// `panic: …`
    Panic,
    /// `fatal error: …`, or `runtime: …` lines before it.
    Fatal,
    /// `http: panic serving …`
    Served,
    /// A stack without a head.
    Bare,
    /// A record that a logger wrote.
    Record,
    /// A report of the race detector.
    Race,
}

/// Reads one failure.
#[derive(Debug)]
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
}

/// What the machine read.
#[derive(Debug, Clone)]
pub(crate) struct Failure {
    /// How it began.
    pub(crate) head: Head,
    /// The value or message; empty for a bare stack.
    pub(crate) message: String,
    /// The frames from the failing call outwards, without the panic's own machinery.
    pub(crate) frames: Vec<Frame>,
    /// Whether a panic was under way when the stack was taken.
    pub(crate) panicking: bool,
    /// The call that started the goroutine.
    pub(crate) created_by: Option<Frame>,
    /// The address of the `[signal …]` line.
    pub(crate) fault_address: Option<u64>,
}

impl Failure {
    /// How the failure ended.
    pub(crate) const fn kind(&self) -> TraceKind {
        match self.head {
            Head::Panic => TraceKind::Panic,
            Head::Fatal => TraceKind::Fatal,
            Head::Served => TraceKind::Recovered,
            Head::Race => TraceKind::Race,
            Head::Bare | Head::Record if self.panicking => TraceKind::Recovered,
            Head::Bare | Head::Record => TraceKind::Logged,
        }
    }
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
        };
        machine.extend_message(message);
        machine
    }

    /// Whether it began with a stack that had no head.
    pub(crate) fn is_bare(&self) -> bool {
        self.head == Head::Bare
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
        match self.state {
            State::Prelude => self.prelude(line),
            State::Head => self.behind_head(line),
            State::Value(lines) => self.value(line, lines),
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

    fn race(&mut self, line: &str) -> Feed {
        match race_line(line) {
            RaceLine::Bar => {
                self.state = State::Done;
                Feed::Belongs
            }
            RaceLine::Access => {
                if !self.settled {
                    self.extend_message(": ");
                    self.extend_message(line.trim_end_matches(':'));
                    self.begin_stack(true);
                    self.state = State::Race;
                }
                Feed::Belongs
            }
            RaceLine::Symbol(symbol) => {
                symbol.clone_into(&mut self.pending);
                Feed::Belongs
            }
            RaceLine::Place(file, number) => {
                if self.keeping && self.frames.len() < MAX_FRAMES && !self.pending.is_empty() {
                    self.frames.push(frame(&self.pending, file, number));
                }
                self.pending.clear();
                Feed::Belongs
            }
            RaceLine::Gap => {
                self.keeping = false;
                Feed::Belongs
            }
            RaceLine::Other => Feed::Ended,
        }
    }

    /// The failure as far as it was read. None when it never became one.
    pub(crate) fn close(mut self) -> Option<Failure> {
        if self.head == Head::Fatal && !self.fatal {
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

fn unmarked(value: &str) -> &str {
    [" [recovered]", " [recovered, repanicked]"]
        .iter()
        .find_map(|mark| value.strip_suffix(mark))
        .unwrap_or(value)
}

/// `goroutine N[ gp=…][ STATE…]:` in all its shapes.
pub(crate) fn is_header(line: &str) -> bool {
    let Some(rest) = line.strip_prefix("goroutine ") else { return false };
    let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
    digits > 0 && rest[digits..].starts_with(' ') && rest.contains('[') && rest.ends_with(':')
}

fn is_exit_status(line: &str) -> bool {
    line.strip_prefix("exit status ")
        .is_some_and(|code| !code.is_empty() && code.bytes().all(|byte| byte.is_ascii_digit()))
}

/// `rax    0x0`: the registers behind a dump.
fn is_register(line: &str) -> bool {
    let mut words = line.split_whitespace();
    let (Some(name), Some(value), None) = (words.next(), words.next(), words.next()) else { return false };
    name.len() <= 6 && name.bytes().all(|byte| byte.is_ascii_alphanumeric()) && value.starts_with("0x")
}

/// `SIGSEGV: segmentation violation`, printed for faults outside Go code.
fn signal_head(line: &str) -> Option<&str> {
    let (name, text) = line.split_once(": ")?;
    let fault = matches!(name, "SIGSEGV" | "SIGBUS" | "SIGFPE" | "SIGABRT" | "SIGILL" | "SIGTRAP");
    fault.then_some(text)
}

/// The value of `http: panic serving ADDR: VALUE`.
fn served(line: &str) -> Option<&str> {
    let at = ["http: panic serving ", "http2: panic serving "].iter().find_map(|words| {
        let at = line.find(words)?;
        let free = line[..at].chars().next_back().is_none_or(|before| before == ' ' || before == '\t');
        free.then_some(at + words.len())
    })?;
    line[at..].split_once(": ").map(|(_, value)| value)
}

fn hex_after(line: &str, mark: &str) -> Option<u64> {
    let rest = &line[line.find(mark)? + mark.len()..];
    let end = rest.find(|char: char| !char.is_ascii_hexdigit()).unwrap_or(rest.len());
    u64::from_str_radix(&rest[..end], 16).ok()
}
