//! One source that is being read.

use std::collections::HashMap;
use std::path::PathBuf;

use crate::analyzer::{Stats, StreamAnalyzer};
use crate::collector::Prefix;
use crate::domain::FileId;

/// One source that is being read.
pub(super) struct Followed {
    /// The path by which it was found; for a pipe, its name.
    pub(super) path: PathBuf,
    pub(super) stream: StreamAnalyzer,
    /// What the stream had seen when that was last measured.
    pub(super) stats: Stats,
    pub(super) prefix: Prefix,
    /// Offset of the next byte, and what it was at the last tick.
    pub(super) next: u64,
    pub(super) ticked: u64,
    /// Nothing has come for a while.
    pub(super) quiet: bool,
    /// No byte of it will come any more.
    pub(super) ended: bool,
}

impl Followed {
    /// A source whose first byte will be at this offset.
    pub(super) fn new(path: PathBuf, stream: StreamAnalyzer, offset: u64) -> Self {
        Self {
            path,
            stream,
            stats: Stats::default(),
            prefix: Prefix::new(offset),
            next: offset,
            ticked: offset,
            quiet: false,
            ended: false,
        }
    }

    /// Whether it went on since this was last asked. Where nothing came, perhaps nobody had the time to read.
    pub(super) const fn went_on(&mut self) -> bool {
        let ticked = std::mem::replace(&mut self.ticked, self.next);
        ticked < self.next && !self.quiet && !self.ended
    }

    /// No event that starts before this offset is expected any more.
    fn settled_offset(&self) -> u64 {
        if self.ended { self.next } else { self.stream.settled_offset() }
    }
}

/// Where in each file nothing is still to come before.
pub(super) fn settled_in(files: &HashMap<FileId, Followed>) -> impl Fn(FileId) -> u64 {
    |file| files.get(&file).map_or(u64::MAX, Followed::settled_offset)
}
