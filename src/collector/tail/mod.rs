//! Follows growing files, and loses nothing that the file system lets it keep.
//!
//! ```text
//!   globs ── reconcile every interval ──┐
//!   notifications ── wake one path ─────┤→ Files: who is followed, where, how far
//!                                       │     one chunk a turn, round robin, each with a permit for its bytes
//!                                       └──→ SourceEvents on a bounded channel
//! ```
//!
//! `Files` is the whole logic: it takes the time as an argument, reads with positioned reads, and knows no
//! threads, timers or channels. [`Tailer::run`] is the shell around it, on one thread of its own. Notifications
//! only shorten the wait, of files for what is added to them and of folders for new files; whatever they miss,
//! the next reconcile finds.
//!
//! # What holds
//!
//! - A file is named by a random [`FileId`], durable in the registry before the file's first event. An empty
//!   file has none yet.
//! - The head by which a file is recognised covers, up to its limit, all that was delivered of it, and is
//!   durable before. So other content in the same inode is never taken for this file.
//! - Every read overlaps what was read before by some bytes, and compares them. So content that was replaced
//!   is noticed even where the file has grown beyond the old position again.
//! - A file that leaves its path (renamed, deleted) is read through its open handle until it has been quiet
//!   for a while. One that was renamed is looked at under its new name for longer, since its writer may have it
//!   open still, and is opened again where something was added. A file that was copied and then truncated goes on in its copy, under the same id and at the
//!   same offsets. So a copy in the same folder waits a little before it is taken for a file of its own.
//! - Within one file offsets are contiguous from the one in [`SourceEvent::Opened`] on.
//!
//! What cannot be kept is told as [`SourceEvent::Lost`], with its size where it is known.

mod arrivals;
mod discover;
mod files;
mod leave;
mod meet;
mod wake;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use rustix::process::{Resource, getrlimit};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::budget::{Budget, Chunk};
use super::registry::Registry;
use super::stats::{Loss, Rotation};
use crate::domain::{FileId, PodContainer};
use arrivals::Arrivals;
use discover::Discovery;
use files::Files;
use wake::Watcher;

/// The least time between two looks at all files.
const SCAN_SPACING: Duration = Duration::from_millis(100);

/// What else may be open at once, at the most.
const OTHER_OPEN_FILES: u64 = 256;

/// What a source tells, in order. [`SourceEvent::Opened`] comes before any bytes of a file, and nothing
/// comes after [`SourceEvent::Ended`].
#[derive(Debug)]
pub enum SourceEvent {
    /// Bytes of this file follow, from this offset on.
    Opened {
        /// Its identity.
        file: FileId,
        /// The path by which it was found; for a pipe, its name.
        path: PathBuf,
        /// The container whose log it is, where it is a pod's.
        container: Option<PodContainer>,
        /// Where reading begins: the last checkpoint.
        offset: u64,
        /// Bytes just before that, at most 4 KiB: what a parser needs to find its place in them.
        before: Vec<u8>,
    },
    /// The next bytes.
    Bytes {
        /// The file.
        file: FileId,
        /// Where they begin.
        offset: u64,
        /// The bytes, and the permit to hold them.
        bytes: Chunk,
    },
    /// Everything has been read, and nothing was added for a while.
    Quiet {
        /// The file.
        file: FileId,
    },
    /// Bytes could not be read. A pipe goes on behind them, at the beginning of a line; a file ends. It may
    /// concern a file that was not opened since the start.
    Lost {
        /// The file.
        file: FileId,
        /// How many, where that is known.
        bytes: Option<u64>,
        /// Why.
        reason: Loss,
    },
    /// Nothing more will come. The checkpoint can still be moved.
    Ended {
        /// The file.
        file: FileId,
        /// Why.
        why: End,
    },
}

/// Why a source ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// The file went away or was replaced, and what there was of it has been read.
    Rotated(Rotation),
    /// The pipe was closed.
    Closed,
}

/// Where reading begins in files that stand there at the very first start. Files that appear later are read
/// from their beginning.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum StartAt {
    /// At their beginning.
    #[default]
    Beginning,
    /// At their last line.
    End,
}

/// What to follow, and how.
#[derive(Debug, Clone)]
pub struct Config {
    /// Globs of the files to follow.
    pub paths: Vec<String>,
    /// Globs of files to leave alone; a name without `/` holds in every folder.
    pub exclude: Vec<String>,
    /// How often files are looked for and at where no notification came.
    pub polling_interval: Duration,
    /// Where reading begins at the very first start.
    pub start_at: StartAt,
    /// The most files open at once. Files that are deleted while they are not open cannot be read to their end.
    pub max_open_files: usize,
    /// The most files followed at once.
    pub max_files: usize,
    /// How long a file that was renamed is still listened to once it is quiet, where no glob leads to its new name.
    pub rotate_wait: Duration,
    /// How long a file that left its path is kept open once it is quiet, and how long a file that looks like a copy
    /// waits for its original to be truncated.
    pub grace: Duration,
    /// How long nothing must have been added to a file before it is told to be quiet.
    pub quiet_after: Duration,
    /// How long a file that ended is remembered.
    pub forget_after: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            paths: Vec::new(),
            exclude: Vec::new(),
            polling_interval: Duration::from_secs(5),
            start_at: StartAt::Beginning,
            max_open_files: 500,
            max_files: 10_000,
            rotate_wait: Duration::from_secs(300),
            grace: Duration::from_secs(10),
            quiet_after: Duration::from_secs(1),
            forget_after: Duration::from_secs(7 * 86_400),
        }
    }
}

/// Why nothing can be followed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A glob is none.
    #[error("{glob}: not a path or glob; write it like /var/log/app/*.log", glob = .0.glob().unwrap_or_default())]
    Glob(#[source] globset::Error),
    /// The thread could not be set up.
    #[error("following files cannot begin; check the limits on threads and open files")]
    Setup(#[source] std::io::Error),
}

/// The time, on both clocks: one that only goes forward, and the one on the wall.
#[derive(Debug, Clone, Copy)]
struct Now {
    instant: Instant,
    time: Timestamp,
}

impl Now {
    fn read() -> Self {
        Self { instant: Instant::now(), time: Timestamp::now() }
    }
}

/// How many logs may be open at once, of the open files that this process may have. Where these are few, the
/// databases, connections and the registry get three of four: without them nothing is counted.
fn most_open_files() -> usize {
    let limit = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    let logs = (limit / 4).max(limit.saturating_sub(OTHER_OPEN_FILES)).max(1);
    usize::try_from(logs).unwrap_or(usize::MAX)
}

/// Follows files until it is told to stop.
#[derive(Debug)]
pub struct Tailer {
    files: Files,
    budget: Budget,
    polling_interval: Duration,
}

impl Tailer {
    /// A tailer that has not begun.
    ///
    /// # Errors
    /// When a glob cannot be compiled.
    pub fn new(mut config: Config, registry: Arc<Registry>, budget: Budget) -> Result<Self, Error> {
        let most = most_open_files();
        if config.max_open_files > most {
            tracing::warn!(
                "{most} logs at the most are kept open, since this process may have few open files; raise that \
                 limit (ulimit -n) to read deleted logs to their end"
            );
            config.max_open_files = most;
        }
        let discovery = Discovery::new(&config.paths, &config.exclude).map_err(Error::Glob)?;
        let polling_interval = config.polling_interval;
        Ok(Self { files: Files::new(config, discovery, registry), budget, polling_interval })
    }

    /// Follows the files until `stop`, or until nobody listens any more. Blocks: give it a thread of its own
    /// and join that, for example by `spawn_blocking`.
    ///
    /// # Errors
    /// When it cannot begin.
    pub fn run(mut self, events: &mpsc::Sender<SourceEvent>, stop: &CancellationToken) -> Result<(), Error> {
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_time().build().map_err(Error::Setup)?;
        runtime.block_on(self.follow(events, stop));
        if let Err(error) = self.files.write_down() {
            // Names and lengths, which the next start observes again.
            tracing::warn!(%error, "what was last observed of files could not be written down; nothing is lost");
        }
        Ok(())
    }

    async fn follow(&mut self, events: &mpsc::Sender<SourceEvent>, stop: &CancellationToken) {
        let mut watcher = Watcher::new();
        let mut arrivals = Arrivals::new(self.files.discovery.clone());
        let mut last_scan = None;
        loop {
            let now = Now::read();
            let scan_due = self.scan_due(last_scan);
            if scan_due.is_none_or(|due| due <= now.instant) {
                self.files.reconcile(now);
                watcher.watch(&self.files.watched_paths()).await;
                arrivals.watch(&self.files.watched_folders());
                last_scan = Some(now.instant);
                continue;
            }
            self.files.tick(now);
            let due = scan_due.into_iter().chain(self.files.next_tick()).min().unwrap_or(now.instant);
            let (telling, wanted) = (self.files.has_news(), self.files.wanted_bytes());
            // With something to tell or to read, nothing but a want of room keeps it waiting.
            let waiting = (telling || wanted.is_some()).then(|| self.files.counters.hold_back());
            tokio::select! {
                () = stop.cancelled() => return,
                slot = events.reserve(), if telling => match slot {
                    Ok(slot) => if let Some(event) = self.files.next_news() {
                        slot.send(event);
                    },
                    Err(_) => return,
                },
                permit = self.budget.take(wanted.unwrap_or(0)), if !telling && wanted.is_some() => {
                    drop(waiting);
                    self.files.read(permit, Now::read());
                }
                paths = watcher.changed() => {
                    let now = Now::read();
                    paths.iter().for_each(|path| self.files.wake(path.as_deref(), now));
                }
                () = arrivals.next() => self.files.wake(None, Now::read()),
                () = tokio::time::sleep_until(due.into()) => {}
            }
        }
    }

    /// When all files are to be looked at again; `None`: at once.
    fn scan_due(&self, last_scan: Option<Instant>) -> Option<Instant> {
        let after = if self.files.wants_scan() { SCAN_SPACING } else { self.polling_interval };
        last_scan.map(|last| last + after.min(self.polling_interval))
    }
}

#[cfg(test)]
mod tests;
