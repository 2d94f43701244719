//! What must survive a crash: which files are known, how far each is done, and what was promised.
//!
//! One versioned file holds the identity of this state directory, the known files and the outbox. What changes is
//! added to it as a line of JSON and synced. Once that is more than all the rest, the file is written whole: to a
//! temporary file, synced, renamed over the old one, and the folder synced. So at any moment the old or the new one
//! is there, never a part of one.
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

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fs::File;
use std::path::Path;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::stats::Counters;
use crate::domain::{EventId, FileId, Occurrences, ProducerId};

pub use checkpoint::Checkpoint;
pub(super) use file::KnownFile;
pub use store::Error;
use store::{Change, Store};
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

impl State {
    /// Adds promises. One whose id is there already is replaced.
    fn promise(&mut self, promises: &[Occurrences]) {
        self.drop_promises(&promises.iter().map(|promise| promise.id).collect::<Vec<_>>());
        self.outbox.extend_from_slice(promises);
    }

    fn drop_promises(&mut self, kept: &[EventId]) {
        if !kept.is_empty() {
            let kept: HashSet<_> = kept.iter().collect();
            self.outbox.retain(|promise| !kept.contains(&promise.id));
        }
    }
}

#[derive(Debug)]
struct Memory {
    state: State,
    /// Files of which something was observed that is not on disk, or which were forgotten.
    unwritten: HashSet<FileId>,
    /// Marks of what was read since the start, for checkpoints to come.
    trails: HashMap<FileId, Trail>,
    /// Why the last write failed.
    trouble: Option<Error>,
}

/// The registry of one state directory. Shared by the tailer and whoever commits.
#[derive(Debug)]
pub struct Registry {
    memory: Mutex<Memory>,
    /// Held while a write is under way; `memory` is not.
    store: Mutex<Store>,
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
        let (mut store, found) = Store::open(path)?;
        let state = match found {
            Some(state) => state,
            None => {
                let producer = ProducerId::from_bytes(random_bytes());
                let state = State { producer, settled_in: false, files: BTreeMap::new(), outbox: Vec::new() };
                store.write(&state)?;
                state
            }
        };
        Ok(Self {
            memory: Mutex::new(Memory {
                state,
                unwritten: HashSet::new(),
                trails: HashMap::new(),
                trouble: None,
            }),
            store: Mutex::new(store),
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
        self.write(&mut self.store(), &[file], &[], |state| {
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
        let files: Vec<_> = promises.iter().map(|promise| promise.id.file).collect();
        self.write(&mut self.store(), &files, &[], |state| {
            state.promise(promises);
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
        // What is only being written is not on disk yet.
        let mut store = self.store();
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
            if moves.is_empty() && kept.is_empty() && memory.unwritten.is_empty() {
                return Ok(());
            }
            moves
        };
        let moved: Vec<_> = moves.iter().map(|(file, ..)| **file).collect();
        self.write(&mut store, &moved, kept, |state| {
            for &(file, checkpoint, mark) in &moves {
                if let Some(known) = state.files.get_mut(file) {
                    known.commit(checkpoint, mark);
                }
            }
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
        self.write(&mut self.store(), &[], &[], |state| state.settled_in = true)
    }

    /// Makes new files known; they are durable when this returns.
    pub(super) fn register(&self, files: &[KnownFile]) -> Result<(), Error> {
        let new: Vec<_> = files.iter().map(|known| known.id).collect();
        self.write(&mut self.store(), &new, &[], |state| {
            state.files.extend(files.iter().map(|known| (known.id, known.clone())));
        })
    }

    /// Notes something about a file; it becomes durable with the next write.
    pub(super) fn observe(&self, file: FileId, change: impl FnOnce(&mut KnownFile)) {
        let mut memory = self.memory();
        let Memory { state, unwritten, .. } = &mut *memory;
        if let Some(known) = state.files.get_mut(&file) {
            let before = known.clone();
            change(known);
            if *known != before {
                unwritten.insert(file);
            }
        }
    }

    /// Notes the mark of what has been read of a file.
    pub(super) fn leave_mark(&self, file: FileId, mark: super::identity::Mark) {
        self.memory().trails.entry(file).or_default().leave(mark);
    }

    /// Forgets files that ended before `then`, and the oldest of those that ended beyond a number.
    pub(super) fn forget_ended(&self, then: Timestamp) -> Vec<FileId> {
        let mut memory = self.memory();
        let Memory { state, unwritten, trails, .. } = &mut *memory;
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
            unwritten.insert(*file);
        }
        over
    }

    fn memory(&self) -> MutexGuard<'_, Memory> {
        // Nothing is left half done under this lock, so what a panicking thread held is sound.
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn store(&self) -> MutexGuard<'_, Store> {
        self.store.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the state on disk, and then in memory, and takes kept promises out of the outbox. `change` sees the
    /// state twice, on its way to the disk no more of it than these files: it may only set and add, so that the result
    /// is the same.
    fn write(
        &self,
        store: &mut Store,
        files: &[FileId],
        kept: &[EventId],
        change: impl Fn(&mut State),
    ) -> Result<(), Error> {
        let mut memory = self.memory();
        let observed = std::mem::take(&mut memory.unwritten);
        let saved = if store.is_long() {
            let mut next = memory.state.clone();
            drop(memory);
            change(&mut next);
            next.drop_promises(kept);
            store.write(&next)
        } else {
            let State { producer, settled_in, files: all, .. } = &memory.state;
            let changed =
                files.iter().chain(&observed).filter_map(|file| Some((*file, all.get(file)?.clone())));
            let (producer, settled_in, files) = (*producer, *settled_in, changed.collect());
            let mut next = State { producer, settled_in, files, outbox: Vec::new() };
            drop(memory);
            change(&mut next);
            let gone = observed.iter().filter(|file| !next.files.contains_key(file)).copied().collect();
            let files = next.files.into_values().collect();
            let (settled_in, promised) = (next.settled_in, next.outbox);
            store.add(&Change { settled_in, files, gone, promised, kept: kept.to_vec() })
        };
        let mut memory = self.memory();
        match saved {
            Ok(()) => {
                self.counters.checkpoint_writes.fetch_add(1, Relaxed);
                change(&mut memory.state);
                memory.state.drop_promises(kept);
                memory.trouble = None;
                Ok(())
            }
            Err(error) => {
                self.counters.checkpoint_failures.fetch_add(1, Relaxed);
                memory.unwritten.extend(observed);
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
