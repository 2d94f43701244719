//! Whether the output of a run shows the crash of the log.

use crate::analyzer::go::parse_trace;
use crate::repository::{KnownCrash, Likeness};

/// How surely an output shows a crash; none when it shows another, or none.
pub(super) fn likeness(crash: &KnownCrash<'_>, output: &[u8]) -> Option<Likeness> {
    let seen = parse_trace(&String::from_utf8_lossy(output))?;
    crash.likeness(seen.class, &seen.message, &seen.trace)
}
