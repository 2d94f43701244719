//! Where in the repository a failure comes from.
//!
//! A crash names its statements: its frames are looked up by function. A logged error names none, but
//! its text was put together from literals of the source: the statements that hold the most telling
//! ones are where it was made and where it was logged.

use crate::domain::{Class, ErrorEvent, Location};
use crate::repository::Repository;

/// The most locations that are kept.
const MAX_LOCATIONS: usize = 10;

/// The statements of the repository behind an event, from the failing one outwards. Empty when the
/// event is of another program.
#[must_use]
pub fn localize(event: &ErrorEvent, repository: &Repository) -> Vec<Location> {
    match event.trace.as_ref().filter(|trace| !trace.frames.is_empty()) {
        // A stack without a frame of this repository is another program's, whatever words it shares.
        Some(trace) => unique(trace.frames.iter().filter_map(|frame| repository.locate(frame))),
        // Its text is the client's, put together by the framework.
        None if event.class == Class::FailedRequest => Vec::new(),
        None => by_text(event, repository),
    }
}

/// The statements whose string literals make up the event's text, the most telling first.
fn by_text(event: &ErrorEvent, repository: &Repository) -> Vec<Location> {
    let texts: Vec<&str> = std::iter::once(event.message.as_str())
        .chain(event.attributes.iter().map(|(_, value)| value.as_str()))
        .collect();
    unique(repository.literals_in(&texts).into_iter().map(|literal| literal.location))
}

/// Each of them once, and not too many.
pub(super) fn unique(locations: impl Iterator<Item = Location>) -> Vec<Location> {
    let mut kept: Vec<Location> = Vec::new();
    for location in locations {
        if !kept.contains(&location) {
            kept.push(location);
        }
        if kept.len() == MAX_LOCATIONS {
            break;
        }
    }
    kept
}
