//! Whether the output of a run shows the crash of the log.

use crate::analyzer::go::{ParsedCrash, fault_facts, parse_trace, races};
use crate::repository::{KnownCrash, Likeness};

/// How surely an output shows a crash; none when it shows another, or none.
pub(super) fn likeness(crash: &KnownCrash<'_>, output: &[u8]) -> Option<Likeness> {
    seen(crash, output).map(|(likeness, _)| likeness)
}

/// The same, with what was seen.
pub(super) fn seen(crash: &KnownCrash<'_>, output: &[u8]) -> Option<(Likeness, ParsedCrash)> {
    let seen = parse_trace(&String::from_utf8_lossy(output))?;
    let facts = fault_facts(&seen.message, seen.trace.fault_address);
    let likeness = crash.likeness_by(seen.class, &seen.message, &facts, &seen.trace)?;
    Some((likeness, seen))
}

/// How an output shows the race of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Race {
    /// It is all that was raced for.
    Alone,
    /// Other statements met as well.
    AmongOthers,
}

/// Whether an output shows the race of the log, by a report of the detector or by the runtime's own error.
pub(super) fn race(crash: &KnownCrash<'_>, output: &[u8]) -> Option<Race> {
    let reports = races(&String::from_utf8_lossy(output));
    let ours = reports.iter().filter(|sites| crash.is_race_at(sites)).count();
    if ours == 0 && likeness(crash, output).is_none() {
        return None;
    }
    Some(if ours == reports.len() { Race::Alone } else { Race::AmongOthers })
}
