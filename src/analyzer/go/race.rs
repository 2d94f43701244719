//! The lines of a report of the race detector.

use super::frame::{frame, location, symbol};
use crate::domain::Frame;

/// What one line of a report is.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum RaceLine<'a> {
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

/// The line that ends a report, and that stands before its first.
pub(crate) const BAR: &str = "==================";

pub(super) fn race_line(line: &str) -> RaceLine<'_> {
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

/// The two accesses of a race, each with what was done (`write`, `previous read`) and the first frame of
/// the application's own code.
#[must_use]
pub fn race_sites(report: &str) -> Vec<(String, Frame)> {
    let mut sites: Vec<(String, Frame)> = Vec::new();
    let (mut access, mut pending) = (None, "");
    for line in report.lines() {
        match race_line(line) {
            RaceLine::Access if line.starts_with("Goroutine ") => break,
            RaceLine::Access => access = line.split_once(" at 0x").map(|(what, _)| what.to_ascii_lowercase()),
            RaceLine::Symbol(symbol) => pending = symbol,
            RaceLine::Place(file, number) => {
                let frame = frame(pending, file, number);
                if frame.in_app
                    && let Some(access) = access.take()
                {
                    sites.push((access, frame));
                }
            }
            RaceLine::Bar | RaceLine::Gap | RaceLine::Other => {}
        }
        if sites.len() == 2 {
            break;
        }
    }
    sites
}

