//! Space that is kept for the moment at which the disk is full.
//!
//! To open a database again takes space: what is in its log is written out, and its bookkeeping anew. On a full
//! disk there would be none, and what is in the database could neither be read nor deleted to make room. So a
//! file keeps that space, and goes when it is needed. While it is gone only what makes room is written, until
//! there is space to keep again: else the next failure would find none.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::fs::{FallocateFlags, StatVfs};
use rustix::io::Errno;

/// What a database may need at once to write its memtables out, to begin a new log and to compact: with less
/// space than this it is at the mercy of whoever else writes to the disk.
const WORKING_SPACE: u64 = 12 << 20;
/// No more of a small disk is kept than this part of it.
const LARGEST_PART: u64 = 4;
/// What must be left beside the file before it is made anew.
const MARGIN: u64 = 1 << 20;
const FILE: &str = "RESERVE";

/// The file that keeps the space, for a database that is written to.
pub(super) struct Reserve {
    folder: PathBuf,
    is_kept: AtomicBool,
}

impl Reserve {
    /// Of the database in a folder. It is kept as soon as that is asked for.
    pub(super) fn of(folder: &Path) -> Self {
        Self { folder: folder.into(), is_kept: false.into() }
    }

    /// Lets the space go; tells whether any was kept.
    pub(super) fn release(&self) -> bool {
        self.is_kept.store(false, Ordering::Relaxed);
        fs::remove_file(self.folder.join(FILE)).is_ok()
    }

    /// Whether space is kept, or can be from now on. Where the file system knows no such thing, none is.
    pub(super) fn keep(&self) -> bool {
        if self.is_kept.load(Ordering::Relaxed) {
            return true;
        }
        let kept = self.disk().is_none_or(|disk| self.allocate(&disk));
        self.is_kept.store(kept, Ordering::Relaxed);
        kept
    }

    /// Why nothing is written while no space is kept.
    pub(super) fn shortage(&self) -> String {
        let bytes = self.disk().map_or(WORKING_SPACE, |disk| wanted(&disk)) + MARGIN;
        format!("the disk is full: writing goes on once {} MiB are free", bytes.div_ceil(1 << 20))
    }

    /// Whether the disk has hardly more space than the database needs to work.
    pub(super) fn is_short(&self) -> bool {
        !self.is_kept.load(Ordering::Relaxed) || self.disk().is_some_and(|disk| free(&disk) < WORKING_SPACE)
    }

    fn disk(&self) -> Option<StatVfs> {
        rustix::fs::statvfs(&self.folder).ok()
    }

    fn allocate(&self, disk: &StatVfs) -> bool {
        let wanted = wanted(disk);
        let path = self.folder.join(FILE);
        let standing = fs::metadata(&path).map_or(0, |file| file.len());
        if standing < wanted && free(disk) < wanted - standing + MARGIN {
            return false;
        }
        let Ok(file) = fs::OpenOptions::new().create(true).truncate(false).write(true).open(&path) else {
            return false;
        };
        let allocate = || rustix::fs::fallocate(&file, FallocateFlags::empty(), 0, wanted);
        match rustix::io::retry_on_intr(allocate) {
            Err(Errno::NOSPC | Errno::DQUOT) => {
                // What was allocated in part helps nobody.
                fs::remove_file(&path).ok();
                false
            }
            _ => true,
        }
    }
}

fn wanted(disk: &StatVfs) -> u64 {
    WORKING_SPACE.min(disk.f_blocks.saturating_mul(disk.f_frsize) / LARGEST_PART)
}

fn free(disk: &StatVfs) -> u64 {
    disk.f_bavail.saturating_mul(disk.f_frsize)
}
