//! The lines of a report of the race detector.

use super::{Feed, MAX_FRAMES, Machine, State};
use crate::analyzer::go::frame::{frame, location, symbol};
use crate::domain::Frame;

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

/// The most reports of one output that are looked at.
const MAX_REPORTS: usize = 64;

/// The stacks of the two accesses of a race, each with what was done (`write`, `previous read`), from the access
/// outwards.
#[must_use]
pub fn race_stacks(report: &str) -> Vec<(String, Vec<Frame>)> {
    let mut stacks: Vec<(String, Vec<Frame>)> = Vec::new();
    let mut pending = "";
    for line in report.lines() {
        match race_line(line) {
            RaceLine::Access if line.starts_with("Goroutine ") || stacks.len() == 2 => break,
            RaceLine::Access => {
                let access = line.split_once(" at 0x").map(|(what, _)| what.to_ascii_lowercase());
                stacks.push((access.unwrap_or_default(), Vec::new()));
            }
            RaceLine::Symbol(symbol) => pending = symbol,
            RaceLine::Place(file, number) => {
                if let Some((_, frames)) = stacks.last_mut().filter(|(_, frames)| frames.len() < MAX_FRAMES) {
                    frames.push(frame(pending, file, number));
                }
            }
            RaceLine::Bar | RaceLine::Gap | RaceLine::Other => {}
        }
    }
    stacks
}

/// The two accesses of a race, each with what was done (`write`, `previous read`) and the first frame of
/// the application's own code.
#[must_use]
pub fn race_sites(report: &str) -> Vec<(String, Frame)> {
    let own = |frames: Vec<Frame>| frames.into_iter().find(|frame| frame.in_app);
    race_stacks(report).into_iter().filter_map(|(access, frames)| Some((access, own(frames)?))).collect()
}

/// The sites of every race that an output tells of: see [`race_sites`].
#[must_use]
pub fn races(output: &str) -> Vec<Vec<Frame>> {
    let reports = output.split("WARNING: DATA RACE\n").skip(1).take(MAX_REPORTS);
    reports.map(|report| race_sites(report).into_iter().map(|(_, frame)| frame).collect()).collect()
}

#[cfg(test)]
mod tests {
    use super::{race_sites, race_stacks, races};

    #[test]
    fn a_report_names_both_sites() {
        let report = "==================\nWARNING: DATA RACE\nWrite at 0x00c000014098 by goroutine 8:\n  runtime.mapassign()\n      /usr/local/go/src/runtime/map.go:5 +0x0\n  shop/store.(*Store).Put()\n      /app/store/store.go:12 +0x44\n\nPrevious read at 0x00c000014098 by main goroutine:\n  shop/store.(*Store).Len()\n      /app/store/store.go:20 +0x64\n  main.main()\n      /app/main.go:9 +0x1\n\nGoroutine 8 (running) created at:\n  main.main()\n      /app/main.go:7 +0x58\n==================\n";
        let sites = race_sites(report);
        let shown: Vec<_> = sites.iter().map(|(access, frame)| (access.as_str(), frame.line)).collect();
        assert_eq!(shown, [("write", 12), ("previous read", 20)]);
        assert!(race_sites("").is_empty());
        let stacks: Vec<_> = race_stacks(report).into_iter().map(|(_, frames)| frames.len()).collect();
        assert_eq!(stacks, [2, 2]);
        let two = races(&format!("{report}--- FAIL\n{report}"));
        assert_eq!(two.iter().map(Vec::len).collect::<Vec<_>>(), [2, 2]);
    }
}
