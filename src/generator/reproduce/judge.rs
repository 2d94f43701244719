//! Whether the output of a run shows the crash of the log.

use crate::analyzer::go::{ParsedCrash, fault_facts, parse_trace};
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
