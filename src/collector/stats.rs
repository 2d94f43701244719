//! What the collector has seen, as plain numbers that the app turns into metrics.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// How a file came to lie elsewhere or to begin anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Rotation {
    /// It was renamed, and its path leads to another file or to none.
    Renamed,
    /// It was copied and then truncated.
    CopyTruncated,
    /// It was truncated, or written anew in place.
    Truncated,
    /// It was deleted.
    Deleted,
}

impl Rotation {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Renamed, Self::CopyTruncated, Self::Truncated, Self::Deleted];

    /// Its name in metrics and messages.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Renamed => "renamed",
            Self::CopyTruncated => "copy_truncated",
            Self::Truncated => "truncated",
            Self::Deleted => "deleted",
        }
    }
}

/// Why bytes could not be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Loss {
    /// The file was truncated before it was read to its end, and no copy of it was found.
    Truncated,
    /// The file was gone before it was read to its end.
    Deleted,
    /// The file vanished, or its content was replaced, while nobody was reading.
    GoneWhileDown,
    /// The reader of a pipe was slower than its writer, and the spool was full.
    SpoolFull,
}

impl Loss {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Truncated, Self::Deleted, Self::GoneWhileDown, Self::SpoolFull];

    /// Its name in metrics and messages.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Truncated => "truncated",
            Self::Deleted => "deleted",
            Self::GoneWhileDown => "gone_while_down",
            Self::SpoolFull => "spool_full",
        }
    }
}

/// How often something was lost for one reason, and how many bytes where that is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Lost {
    /// How often.
    pub times: u64,
    /// How many bytes, as far as they are known.
    pub bytes: u64,
}

/// What the collector has seen up to now.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Stats {
    /// Bytes read from all sources.
    pub read_bytes: u64,
    /// Bytes that stand in followed files and have not been read.
    pub unread_bytes: u64,
    /// Files that are followed.
    pub files_tracked: u64,
    /// Files of them that are open.
    pub files_open: u64,
    /// Rotations by their kind, in the order of [`Rotation::ALL`].
    pub rotations: [u64; Rotation::ALL.len()],
    /// Losses by their reason, in the order of [`Loss::ALL`].
    pub lost: [Lost; Loss::ALL.len()],
    /// Time that reading files stood still for want of room in what comes after it.
    pub held_back: Duration,
    /// Times that the registry was written.
    pub checkpoint_writes: u64,
    /// Times that this failed.
    pub checkpoint_failures: u64,
}

/// The living numbers behind [`Stats`].
#[derive(Debug, Default)]
pub struct Counters {
    pub(super) read_bytes: AtomicU64,
    pub(super) unread_bytes: AtomicU64,
    pub(super) files_tracked: AtomicU64,
    pub(super) files_open: AtomicU64,
    pub(super) checkpoint_writes: AtomicU64,
    pub(super) checkpoint_failures: AtomicU64,
    held_back_nanoseconds: AtomicU64,
    rotations: [AtomicU64; Rotation::ALL.len()],
    lost: Mutex<[Lost; Loss::ALL.len()]>,
}

impl Counters {
    /// The numbers as they stand.
    #[must_use]
    pub fn stats(&self) -> Stats {
        Stats {
            read_bytes: self.read_bytes.load(Relaxed),
            unread_bytes: self.unread_bytes.load(Relaxed),
            files_tracked: self.files_tracked.load(Relaxed),
            files_open: self.files_open.load(Relaxed),
            rotations: std::array::from_fn(|index| self.rotations[index].load(Relaxed)),
            lost: *self.lost.lock().unwrap_or_else(std::sync::PoisonError::into_inner),
            held_back: Duration::from_nanos(self.held_back_nanoseconds.load(Relaxed)),
            checkpoint_writes: self.checkpoint_writes.load(Relaxed),
            checkpoint_failures: self.checkpoint_failures.load(Relaxed),
        }
    }

    pub(super) fn read(&self, bytes: usize) {
        self.read_bytes.fetch_add(bytes as u64, Relaxed);
    }

    /// Reading stands still for as long as what this gives lives.
    pub(super) fn hold_back(self: &Arc<Self>) -> HeldBack {
        HeldBack { since: Instant::now(), counters: Arc::clone(self) }
    }

    pub(super) fn rotated(&self, rotation: Rotation) {
        self.rotations[rotation as usize].fetch_add(1, Relaxed);
    }

    pub(super) fn lost(&self, reason: Loss, bytes: Option<u64>) {
        let mut lost = self.lost.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        lost[reason as usize].times += 1;
        lost[reason as usize].bytes += bytes.unwrap_or(0);
    }
}

/// A time in which reading stands still.
#[derive(Debug)]
pub(super) struct HeldBack {
    since: Instant,
    counters: Arc<Counters>,
}

impl Drop for HeldBack {
    fn drop(&mut self) {
        let nanoseconds = u64::try_from(self.since.elapsed().as_nanos()).unwrap_or(u64::MAX);
        self.counters.held_back_nanoseconds.fetch_add(nanoseconds, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_stand_at_the_place_of_their_name() {
        let counters = Counters::default();
        Rotation::ALL.into_iter().enumerate().for_each(|(index, rotation)| {
            (0..=index).for_each(|_| counters.rotated(rotation));
        });
        Loss::ALL.into_iter().for_each(|reason| counters.lost(reason, Some(reason.as_str().len() as u64)));
        counters.lost(Loss::Deleted, None);
        let stats = counters.stats();
        assert_eq!(stats.rotations, [1, 2, 3, 4]);
        for (reason, lost) in Loss::ALL.into_iter().zip(stats.lost) {
            assert_eq!(lost.bytes, reason.as_str().len() as u64);
            assert_eq!(lost.times, 1 + u64::from(reason == Loss::Deleted));
        }
    }
}
