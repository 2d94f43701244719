//! One source that is being read.

use std::collections::HashMap;
use std::path::PathBuf;

use crate::analyzer::{Outlook, Stats, StreamAnalyzer};
use crate::collector::registry::Checkpoint;
use crate::collector::{Held, Prefix};
use crate::domain::{FileId, PodContainer};

/// Most starts that a checkpoint excepts.
const MAX_EXCEPTIONS: usize = 64;

/// One source that is being read.
pub(super) struct Followed {
    /// The path by which it was found; for a pipe, its name.
    pub(super) path: PathBuf,
    /// The container that writes it, where it is a pod's.
    pub(super) container: Option<PodContainer>,
    pub(super) stream: StreamAnalyzer,
    /// What the stream keeps of what it was given.
    pub(super) held: Held,
    /// What the stream had seen when that was last measured.
    pub(super) stats: Stats,
    pub(super) prefix: Prefix,
    /// What was done of it when reading began.
    pub(super) done: Checkpoint,
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
    pub(super) fn new(
        path: PathBuf,
        container: Option<PodContainer>,
        stream: StreamAnalyzer,
        held: Held,
        offset: u64,
        done: Checkpoint,
    ) -> Self {
        Self {
            path,
            container,
            stream,
            held,
            stats: Stats::default(),
            prefix: Prefix::new(offset),
            done,
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

    /// What is still to come of it.
    fn outlook(&self) -> Outlook {
        match self.ended {
            true => Outlook { settled: self.next, doubtful: Vec::new() },
            false => {
                Outlook { settled: self.stream.settled_offset(), doubtful: self.stream.doubtful_offsets() }
            }
        }
    }

    /// Where its checkpoint may stand; `held_from` is the first occurrence that is counted and not promised.
    pub(super) fn checkpoint(&self, held_from: Option<u64>) -> Checkpoint {
        let Outlook { settled, doubtful } = self.outlook();
        let mut done_until = settled;
        let limits = [held_from, self.prefix.first_unsettled(), doubtful.get(MAX_EXCEPTIONS).copied()];
        for limit in limits.into_iter().flatten() {
            done_until = done_until.min(limit);
        }
        let except = doubtful.into_iter().filter(|start| *start < done_until).collect();
        Checkpoint { resume: self.prefix.committed(), done_until, except }
    }
}

/// What is still to come of each file.
pub(super) fn outlook_of(files: &HashMap<FileId, Followed>) -> impl Fn(FileId) -> Outlook {
    |file| {
        let over = Outlook { settled: u64::MAX, doubtful: Vec::new() };
        files.get(&file).map_or(over, Followed::outlook)
    }
}
