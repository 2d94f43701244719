//! What must survive a crash: which files are known, how far each is done, and what was promised.
//!
//! One versioned JSON file holds the identity of this state directory, the known files and the outbox. It is
//! written whole: to a temporary file, synced, renamed over the old one, and the folder synced. So at any
//! moment the old or the new one is there, never a part of one.
//!
//! Changes that must be durable (a file's identity before its first event, the outbox, checkpoints) return
//! once they are. What was merely observed (a file's name, its length) waits for the next write. A write that
//! fails changes nothing in memory either, and can be tried again.
//!
//! A registry that is damaged, or was written by a newer program, is refused and left as it is: to go on
//! without it would read every log again and count everything twice.

mod checkpoint;
mod file;
mod store;
mod trail;

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::stats::Counters;
use crate::domain::{EventId, FileId, Occurrences, ProducerId};

pub use checkpoint::Checkpoint;
pub(super) use file::KnownFile;
pub use store::Error;
use trail::Trail;

/// The name of the file under the state directory.
pub const FILE_NAME: &str = "registry.json";

/// Files that are gone are forgotten when they are more than this, the oldest first.
const MOST_GONE_FILES: usize = 10_000;

/// All that is durable.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct State {
    producer: ProducerId,
    /// Whether the files that stood there at the very first start have been taken in.
    settled_in: bool,
    files: BTreeMap<FileId, KnownFile>,
    outbox: Vec<Occurrences>,
}

#[derive(Debug)]
struct Memory {
    state: State,
    /// How often something was observed, and how much of that is on disk.
    observed: u64,
    durable: u64,
    /// Marks of what was read since the start, for checkpoints to come.
    trails: HashMap<FileId, Trail>,
    /// Why the last write failed.
    trouble: Option<Error>,
}

/// The registry of one state directory. Shared by the tailer and whoever commits.
#[derive(Debug)]
pub struct Registry {
    path: PathBuf,
    memory: Mutex<Memory>,
    /// Held while a write is under way; `memory` is not.
    writing: Mutex<()>,
    counters: Arc<Counters>,
    /// What makes this the only writer; let go with the last that could write.
    _lock: Option<File>,
}

impl Registry {
    /// Opens the registry at this path, or makes one with a new producer id if there is none.
    ///
    /// # Errors
    /// When it is damaged, was written by a newer program, or cannot be read or written.
    pub fn open(path: &Path) -> Result<Self, Error> {
        let state = match store::load(path)? {
            Some(state) => state,
            None => {
                let producer = ProducerId::from_bytes(random_bytes());
                let state = State { producer, settled_in: false, files: BTreeMap::new(), outbox: Vec::new() };
                store::save(path, &state)?;
                state
            }
        };
        Ok(Self {
            path: path.to_owned(),
            memory: Mutex::new(Memory {
                state,
                observed: 0,
                durable: 0,
                trails: HashMap::new(),
                trouble: None,
            }),
            writing: Mutex::new(()),
            counters: Arc::default(),
            _lock: None,
        })
    }

    /// Keeps an open file, and so the lock on it, for as long as anyone can write here: who waits for a slow
    /// disk may outlive all who wait for him.
    #[must_use]
    pub fn with_lock(self, lock: File) -> Self {
        Self { _lock: Some(lock), ..self }
    }

    /// The identity of this state directory.
    #[must_use]
    pub fn producer(&self) -> ProducerId {
        self.memory().state.producer
    }

    /// What the collector has seen: one set of numbers for all that share this registry.
    #[must_use]
    pub fn counters(&self) -> Arc<Counters> {
        Arc::clone(&self.counters)
    }

    /// Why the last write failed; none where it succeeded.
    #[must_use]
    pub fn trouble(&self) -> Option<Error> {
        self.memory().trouble.clone()
    }

    /// How far a file is done, with what is done behind the place where reading goes on; `None` for one that is
    /// not known.
    #[must_use]
    pub fn checkpoint(&self, file: FileId) -> Option<Checkpoint> {
        self.memory().state.files.get(&file).map(|known| Checkpoint {
            resume: known.committed,
            done_until: known.done_until,
            except: known.except.clone(),
        })
    }

    /// No occurrence in this file that starts from here on has gone out alone, by any process.
    #[must_use]
    pub fn alone_until(&self, file: FileId) -> u64 {
        self.memory().state.files.get(&file).map_or(0, |known| known.alone_until)
    }

    /// Occurrences that start before `offset` may go out alone. To be said before they do: it is durable when
    /// this returns. A file that is not known, as a pipe, is never read again and needs it not.
    ///
    /// # Errors
    /// When the registry cannot be written; then nothing has changed.
    pub fn allow_alone(&self, file: FileId, offset: u64) -> Result<(), Error> {
        let is_allowed = |known: &KnownFile| known.alone_until >= offset;
        if self.memory().state.files.get(&file).is_none_or(is_allowed) {
            return Ok(());
        }
        self.write(|state| {
            if let Some(known) = state.files.get_mut(&file) {
                known.alone_until = known.alone_until.max(offset);
            }
        })
    }

    /// What was promised and is not known to be kept: to be sent again, unchanged.
    #[must_use]
    pub fn outbox(&self) -> Vec<Occurrences> {
        self.memory().state.outbox.clone()
    }

    /// Adds promises; they are durable when this returns. One whose id is there already is replaced. What comes
    /// after all from within their ranges has to go out alone.
    ///
    /// # Errors
    /// When the registry cannot be written; then nothing has changed.
    pub fn add_to_outbox(&self, promises: &[Occurrences]) -> Result<(), Error> {
        self.write(|state| {
            state.outbox.retain(|old| promises.iter().all(|new| new.id != old.id));
            state.outbox.extend_from_slice(promises);
            for promise in promises {
                if let Some(known) = state.files.get_mut(&promise.id.file) {
                    known.alone_until = known.alone_until.max(promise.span.end);
                }
            }
        })
    }

    /// Moves the checkpoints of these files and takes kept promises out of the outbox, in one write. A
    /// checkpoint never goes back; a file that was forgotten meanwhile is passed over. With nothing to
    /// change, nothing is written.
    ///
    /// # Errors
    /// When the registry cannot be written; then nothing has changed.
    pub fn commit(&self, checkpoints: &[(FileId, Checkpoint)], kept: &[EventId]) -> Result<(), Error> {
        let moves: Vec<_> = {
            let memory = self.memory();
            let moves: Vec<_> = checkpoints
                .iter()
                .filter(|(file, checkpoint)| {
                    memory.state.files.get(file).is_some_and(|known| known.is_moved_by(checkpoint))
                })
                .map(|(file, checkpoint)| {
                    let trail = memory.trails.get(file);
                    (file, checkpoint, trail.and_then(|trail| trail.before(checkpoint.resume)))
                })
                .collect();
            if moves.is_empty() && kept.is_empty() && memory.observed == memory.durable {
                return Ok(());
            }
            moves
        };
        self.write(|state| {
            for &(file, checkpoint, mark) in &moves {
                if let Some(known) = state.files.get_mut(file) {
                    known.commit(checkpoint, mark);
                }
            }
            state.outbox.retain(|promise| !kept.contains(&promise.id));
        })?;
        let mut memory = self.memory();
        for (file, checkpoint, _) in moves {
            if let Some(trail) = memory.trails.get_mut(file) {
                trail.forget_before(checkpoint.resume);
            }
        }
        Ok(())
    }

    /// Whether this is the first time that files are looked for.
    pub(super) fn is_first_start(&self) -> bool {
        !self.memory().state.settled_in
    }

    /// Every file that is known.
    pub(super) fn files(&self) -> Vec<KnownFile> {
        self.memory().state.files.values().cloned().collect()
    }

    /// What is known of one file.
    pub(super) fn file(&self, file: FileId) -> Option<KnownFile> {
        self.memory().state.files.get(&file).cloned()
    }

    /// The files that stood there at the very first start have been taken in.
    pub(super) fn settle_in(&self) -> Result<(), Error> {
        self.write(|state| state.settled_in = true)
    }

    /// Makes new files known; they are durable when this returns.
    pub(super) fn register(&self, files: &[KnownFile]) -> Result<(), Error> {
        self.write(|state| {
            state.files.extend(files.iter().map(|known| (known.id, known.clone())));
        })
    }

    /// Notes something about a file; it becomes durable with the next write.
    pub(super) fn observe(&self, file: FileId, change: impl FnOnce(&mut KnownFile)) {
        let mut memory = self.memory();
        let Memory { state, observed, .. } = &mut *memory;
        if let Some(known) = state.files.get_mut(&file) {
            let before = known.clone();
            change(known);
            *observed += u64::from(*known != before);
        }
    }

    /// Notes the mark of what has been read of a file.
    pub(super) fn leave_mark(&self, file: FileId, mark: super::identity::Mark) {
        self.memory().trails.entry(file).or_default().leave(mark);
    }

    /// Forgets files that ended before `then`, and the oldest of those that ended beyond a number.
    pub(super) fn forget_ended(&self, then: Timestamp) -> Vec<FileId> {
        let mut memory = self.memory();
        let Memory { state, observed, trails, .. } = &mut *memory;
        let mut ended: Vec<_> = state
            .files
            .values()
            .filter(|known| known.ended)
            .map(|known| (known.last_seen, known.id))
            .collect();
        ended.sort_unstable();
        let surplus = ended.len().saturating_sub(MOST_GONE_FILES);
        let is_over = |(index, (seen, _)): &(usize, (Timestamp, FileId))| *index < surplus || *seen < then;
        let over: Vec<_> = ended.into_iter().enumerate().filter(is_over).map(|(_, (_, file))| file).collect();
        for file in &over {
            state.files.remove(file);
            trails.remove(file);
            *observed += 1;
        }
        over
    }

    fn memory(&self) -> MutexGuard<'_, Memory> {
        // Nothing is left half done under this lock, so what a panicking thread held is sound.
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the state on disk, and then in memory. `change` sees the state twice: it may only set, remove
    /// and add, so that the result is the same.
    fn write(&self, change: impl Fn(&mut State)) -> Result<(), Error> {
        let _writing = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let (mut next, observed) = {
            let memory = self.memory();
            (memory.state.clone(), memory.observed)
        };
        change(&mut next);
        let saved = store::save(&self.path, &next);
        let mut memory = self.memory();
        match saved {
            Ok(()) => {
                self.counters.checkpoint_writes.fetch_add(1, Relaxed);
                change(&mut memory.state);
                memory.durable = observed;
                memory.trouble = None;
                Ok(())
            }
            Err(error) => {
                self.counters.checkpoint_failures.fetch_add(1, Relaxed);
                memory.trouble = Some(error.clone());
                Err(error)
            }
        }
    }
}

/// Random bytes for an identity.
pub(super) fn random_bytes() -> [u8; 16] {
    let mut bytes = [0; 16];
    if getrandom::fill(&mut bytes).is_err() {
        // A kernel without randomness: the time and the address of a local tell two starts apart.
        let seed = format!("{:?} {:p} {}", Timestamp::now(), &raw const bytes, std::process::id());
        bytes.copy_from_slice(&blake3::hash(seed.as_bytes()).as_bytes()[..16]);
    }
    bytes
}

#[cfg(test)]
mod tests;
