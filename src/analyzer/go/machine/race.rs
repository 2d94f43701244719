//! The lines of a report of the race detector.

use super::{Feed, MAX_FRAMES, Machine, State};
use crate::analyzer::go::frame::{frame, location, symbol};

/// What one line of a report is.
#[derive(Debug, PartialEq, Eq)]
enum RaceLine<'a> {
    /// `==================`
    Bar,
    /// `Write at 0x… by goroutine 7:`, `Goroutine 7 (running) created at:` and their kin.
    Access,
    /// A frame's symbol.
    Symbol(&'a str),
    /// A frame's place.
    Place(&'a str, u32),
    /// The blank line between two stacks, or a remark in place of a stack.
    Gap,
    /// Not part of a report.
    Other,
}

impl Machine {
    pub(super) fn race(&mut self, line: &str) -> Feed {
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
}

/// The line that ends a report, and that stands before its first.
pub(crate) const BAR: &str = "==================";

fn race_line(line: &str) -> RaceLine<'_> {
    if line == BAR {
        return RaceLine::Bar;
    }
    if line.is_empty() || line.starts_with("  [failed to restore the stack]") {
        return RaceLine::Gap;
    }
    if let Some((file, number)) = line.starts_with("      ").then(|| location(line)).flatten() {
        return RaceLine::Place(file, number);
    }
    if let Some(symbol) = line.strip_prefix("  ").and_then(symbol) {
        return RaceLine::Symbol(symbol);
    }
    const BEGINNINGS: [&str; 9] = [
        "Write at 0x",
        "Read at 0x",
        "Atomic write at 0x",
        "Atomic read at 0x",
        "Previous write at 0x",
        "Previous read at 0x",
        "Previous atomic write at 0x",
        "Previous atomic read at 0x",
        "Goroutine ",
    ];
    if line.ends_with(':') && BEGINNINGS.iter().any(|beginning| line.starts_with(beginning)) {
        return RaceLine::Access;
    }
    RaceLine::Other
}
