//! Who is followed, where, and how far: the logic of the tailer, without threads, timers or channels.

use std::collections::{BTreeSet, HashMap, HashSet, VecDeque};
use std::fs::{File, Metadata};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Instant, SystemTime};

use super::discover::{Discovery, Found, Walked, is_compressed};
use super::{Config, Now, SourceEvent};
use crate::collector::budget::{Chunk, Permit};
use crate::collector::identity::{HEAD_BYTES, Inode, MARK_BYTES, Mark, Refused, read_at};
use crate::collector::pod::container_of;
use crate::collector::registry::{self, KnownFile, Registry};
use crate::collector::stats::{Counters, Rotation};
use crate::domain::FileId;

/// Bytes read of one file in one turn.
const CHUNK_BYTES: u64 = 128 << 10;

/// Bytes before the first offset that go with [`SourceEvent::Opened`].
pub(super) const BEFORE_BYTES: u64 = 4 << 10;

/// Paths that were warned about are remembered up to this number.
const MOST_WARNED: usize = 1_000;

/// All files and what is to be told about them.
#[derive(Debug)]
pub(super) struct Files {
    pub(super) config: Config,
    pub(super) discovery: Discovery,
    pub(super) registry: Arc<Registry>,
    pub(super) counters: Arc<Counters>,
    pub(super) followed: HashMap<FileId, Followed>,
    pub(super) by_inode: HashMap<Inode, FileId>,
    pub(super) by_path: HashMap<PathBuf, FileId>,
    /// Known files that are not followed.
    pub(super) dormant: HashMap<FileId, KnownFile>,
    /// Those of them that were followed before the start and have not been found yet.
    pub(super) missing: BTreeSet<FileId>,
    /// Files that look like a copy of a followed one.
    pub(super) held: HashMap<Inode, Held>,
    /// Paths of files in which there is nothing yet.
    empty: HashSet<PathBuf>,
    /// Folders to which the globs led.
    folders: HashSet<PathBuf>,
    /// Files with something to read, in the order of their turns.
    ready: VecDeque<FileId>,
    /// Files that may become quiet, by when.
    quieting: VecDeque<(Instant, FileId)>,
    pub(super) news: VecDeque<SourceEvent>,
    pub(super) rescan: bool,
    warned: HashSet<PathBuf>,
    /// Whether it has looked for files before.
    has_looked: bool,
}

/// A file that looks like a copy of a followed one.
#[derive(Debug)]
pub(super) struct Held {
    pub(super) path: PathBuf,
    pub(super) length: u64,
    /// Since when it has had this length.
    pub(super) since: Instant,
    /// How many bytes it has more than the longest of those that it looks like.
    pub(super) surplus: u64,
}

/// One file that is followed.
#[derive(Debug)]
pub(super) struct Followed {
    pub(super) inode: Inode,
    pub(super) path: PathBuf,
    pub(super) real_path: PathBuf,
    /// Closed while too many are open.
    pub(super) handle: Option<File>,
    /// The next byte to read.
    pub(super) position: u64,
    /// The bytes just before it.
    pub(super) expected: Mark,
    /// The head as the registry has it.
    pub(super) head: Mark,
    /// How long it was at the last look.
    pub(super) length: u64,
    /// When something was last read of it, or it left its path.
    pub(super) stirred: Instant,
    /// How it left its path.
    pub(super) leaving: Option<Rotation>,
    pub(super) opened: bool,
    /// When it was last written to, as of the last read.
    modified: Option<SystemTime>,
    /// Whether what was read must be compared again.
    is_doubtful: bool,
    is_ready: bool,
    is_quieting: bool,
}

impl Followed {
    /// A file at its checkpoint.
    pub(super) fn resumed(known: &KnownFile, file: File, length: u64, now: Now) -> io::Result<Self> {
        Ok(Self {
            inode: known.inode,
            path: known.path.clone(),
            real_path: known.real_path.clone(),
            expected: Mark::before(&file, known.committed, MARK_BYTES)?,
            handle: Some(file),
            position: known.committed,
            head: known.head,
            length,
            stirred: now.instant,
            leaving: None,
            opened: false,
            modified: None,
            is_doubtful: false,
            is_ready: false,
            is_quieting: false,
        })
    }

    /// Whether it was known at this time or later that its content stands.
    pub(super) fn is_sound_at(&self, time: Instant) -> bool {
        (self.unread() == 0 && !self.is_doubtful) || self.stirred >= time
    }

    /// How long it is, at this moment if it is open.
    pub(super) fn length_now(&self) -> u64 {
        let meta = self.handle.as_ref().and_then(|handle| handle.metadata().ok());
        meta.map_or(self.length, |meta| self.length.max(meta.len()))
    }

    pub(super) const fn unread(&self) -> u64 {
        self.length.saturating_sub(self.position)
    }
}

/// What a turn found.
enum Turn {
    Read(Vec<u8>),
    Nothing,
    /// What was read before is no longer there.
    Replaced,
}

impl Files {
    pub(super) fn new(config: Config, discovery: Discovery, registry: Arc<Registry>) -> Self {
        let dormant: HashMap<_, _> = registry.files().into_iter().map(|known| (known.id, known)).collect();
        let missing = dormant.values().filter(|known| known.is_wanted()).map(|known| known.id).collect();
        Self {
            config,
            discovery,
            counters: registry.counters(),
            registry,
            followed: HashMap::new(),
            by_inode: HashMap::new(),
            by_path: HashMap::new(),
            dormant,
            missing,
            held: HashMap::new(),
            empty: HashSet::new(),
            folders: HashSet::new(),
            ready: VecDeque::new(),
            quieting: VecDeque::new(),
            news: VecDeque::new(),
            rescan: false,
            warned: HashSet::new(),
            has_looked: false,
        }
    }

    /// Looks for files and at every one of them.
    pub(super) fn reconcile(&mut self, now: Now) {
        self.rescan = false;
        let mut candidates = Vec::new();
        let mut present: HashMap<FileId, Found> = HashMap::new();
        let (mut odd, mut seen, mut empty) = (Vec::new(), HashSet::new(), HashSet::new());
        let mut compressed = Vec::new();
        let Walked { folders, is_whole } = self.discovery.walk(|Found { path, meta }| {
            let inode = Inode::of(&meta);
            if !meta.is_file() {
                odd.push((path, meta));
            } else if let Some(file) = self.by_inode.get(&inode) {
                let is_its_own = self.followed.get(file).is_some_and(|followed| followed.path == path);
                if is_its_own || !present.contains_key(file) {
                    present.insert(*file, Found { path, meta });
                }
            } else if is_compressed(&path) {
                compressed.push(path);
            } else if meta.len() == 0 {
                empty.insert(path);
            } else if seen.insert(inode) {
                candidates.push((path, inode, meta.len()));
            }
        });
        if self.followed.is_empty() && candidates.is_empty() && empty.is_empty() && odd.is_empty() {
            self.tell_that_nothing_matches();
        }
        self.tell_of_compressed(&compressed);
        for (path, meta) in odd {
            // What to say of a folder takes a look into it.
            if !self.warned.contains(&path) {
                self.warn(&path, &Refused::of(&path, &meta));
            }
        }
        // Between this look and the watch that follows from it something may come there.
        self.rescan = !empty.is_subset(&self.empty) || !folders.is_subset(&self.folders);
        (self.empty, self.folders) = (empty, folders);
        if is_whole {
            self.drop_held(&seen);
        }
        let mut missing: Vec<_> =
            self.followed.keys().filter(|file| !present.contains_key(file)).copied().collect();
        missing.sort_unstable();
        for (file, Found { path, meta }) in present {
            self.stands(file, path);
            self.measured(file, &meta, now);
        }
        missing.into_iter().for_each(|file| self.left(file, now));
        self.meet(candidates, now);
        self.let_go(is_whole, now);
        let then = now
            .time
            .checked_sub(jiff::SignedDuration::try_from(self.config.forget_after).unwrap_or_default());
        if let Ok(then) = then {
            for file in self.registry.forget_ended(then) {
                self.dormant.remove(&file);
            }
        }
        self.count();
    }

    /// Looks at one path, because something happened there; without a path, at all of them soon.
    pub(super) fn wake(&mut self, path: Option<&Path>, now: Now) {
        let file = path.and_then(|path| self.by_path.get(path)).copied();
        let meta = path.and_then(|path| path.metadata().ok());
        match (file, meta) {
            (Some(file), Some(meta)) if self.by_inode.get(&Inode::of(&meta)) == Some(&file) => {
                self.measured(file, &meta, now);
            }
            _ => self.rescan = true,
        }
    }

    /// Tells which files have become quiet.
    pub(super) fn tick(&mut self, now: Now) {
        while let Some((due, file)) = self.quieting.front().copied().filter(|(due, _)| *due <= now.instant) {
            self.quieting.pop_front();
            let Some(followed) = self.followed.get_mut(&file) else { continue };
            // Perhaps it was written to, and nobody has had the time to look.
            followed.length = followed.length_now();
            let quiet_at = followed.stirred + self.config.quiet_after;
            if quiet_at > now.instant || followed.unread() > 0 {
                self.quieting.push_back((quiet_at.max(due + self.config.quiet_after / 2), file));
                self.enqueue(file);
            } else {
                followed.is_quieting = false;
                self.news.push_back(SourceEvent::Quiet { file });
            }
        }
    }

    /// When [`Files::tick`] has something to do.
    pub(super) fn next_tick(&self) -> Option<Instant> {
        self.quieting.front().map(|(due, _)| *due)
    }

    /// Whether all files should be looked at before the interval ends.
    pub(super) const fn wants_scan(&self) -> bool {
        self.rescan
    }

    pub(super) fn has_news(&self) -> bool {
        !self.news.is_empty()
    }

    pub(super) fn next_news(&mut self) -> Option<SourceEvent> {
        self.news.pop_front()
    }

    /// For how many bytes the file whose turn it is wants a permit.
    pub(super) fn wanted_bytes(&mut self) -> Option<u32> {
        while let Some(file) = self.ready.front() {
            if let Some(followed) = self.followed.get(file) {
                return Some(u32::try_from(followed.unread().clamp(1, CHUNK_BYTES)).unwrap_or(u32::MAX));
            }
            self.ready.pop_front();
        }
        None
    }

    /// Paths worth a notification.
    pub(super) fn watched_paths(&self) -> Vec<&Path> {
        let empty = self.empty.iter().take(self.config.max_files);
        let paths = self.by_path.keys().chain(empty).map(PathBuf::as_path);
        // Nothing is added to a folder that is named as a log.
        let literal = self.discovery.literal_paths().filter(|path| !path.is_dir());
        paths.chain(literal).collect()
    }

    /// Folders in which new files may come to lie.
    pub(super) fn watched_folders(&self) -> HashSet<&Path> {
        self.folders.iter().take(self.config.max_files).map(PathBuf::as_path).collect()
    }

    /// Writes down what was observed and has not been written yet.
    pub(super) fn write_down(&self) -> Result<(), registry::Error> {
        self.registry.commit(&[], &[])
    }

    /// One chunk of the file whose turn it is.
    pub(super) fn read(&mut self, permit: Permit, now: Now) {
        let Some(file) = self.ready.pop_front() else { return };
        let Some(followed) = self.followed.get_mut(&file) else { return };
        followed.is_ready = false;
        if followed.handle.is_none() && !self.reopen(file, now) {
            return;
        }
        let Some(followed) = self.followed.get_mut(&file) else { return };
        match followed.turn(file, permit.bytes(), &self.registry) {
            Ok(Turn::Nothing) => {}
            Ok(Turn::Replaced) => self.replaced(file, now),
            Ok(Turn::Read(bytes)) => self.took(file, bytes, permit, now),
            Err(error) => {
                let path = followed.path.clone();
                self.warn(&path, &error);
            }
        }
    }

    /// Passes on what was read of a file.
    fn took(&mut self, file: FileId, bytes: Vec<u8>, permit: Permit, now: Now) {
        let Some(followed) = self.followed.get_mut(&file) else { return };
        if !followed.opened {
            followed.opened = true;
            let event = SourceEvent::Opened {
                file,
                path: followed.path.clone(),
                container: container_of(&followed.path, &followed.real_path),
                offset: followed.position,
                before: followed.before(),
            };
            self.news.push_back(event);
        }
        let (offset, overlap) = (followed.position, followed.expected.len());
        let read = bytes.len() - overlap;
        followed.position += read as u64;
        followed.length = followed.length.max(followed.position);
        followed.expected = Mark::of(&bytes[bytes.len().saturating_sub(MARK_BYTES)..], followed.position);
        followed.stirred = now.instant;
        let length = followed.length;
        self.registry.observe(file, |known| known.length = length);
        self.registry.leave_mark(file, followed.expected);
        self.counters.read(read);
        self.warned.remove(&followed.path);
        if !std::mem::replace(&mut followed.is_quieting, true) {
            self.quieting.push_back((now.instant + self.config.quiet_after, file));
        }
        self.news.push_back(SourceEvent::Bytes { file, offset, bytes: Chunk::new(bytes, overlap, permit) });
        self.enqueue(file);
    }

    /// Gives a file a turn if there is something to read.
    pub(super) fn enqueue(&mut self, file: FileId) {
        if let Some(followed) = self.followed.get_mut(&file)
            && (followed.unread() > 0 || followed.is_doubtful)
            && !std::mem::replace(&mut followed.is_ready, true)
        {
            self.ready.push_back(file);
        }
    }

    /// A followed file was found at a path.
    fn stands(&mut self, file: FileId, path: PathBuf) {
        let Some(followed) = self.followed.get_mut(&file) else { return };
        let was_leaving = followed.leaving.take().is_some();
        if followed.path != path {
            if !was_leaving {
                self.counters.rotated(Rotation::Renamed);
            }
            self.by_path.remove(&followed.path);
            followed.real_path = path.canonicalize().unwrap_or_else(|_| path.clone());
            followed.path = path;
            let (path, real_path) = (followed.path.clone(), followed.real_path.clone());
            self.registry.observe(file, |known| (known.path, known.real_path) = (path, real_path));
        }
        self.by_path.insert(followed.path.clone(), file);
    }

    /// A followed file was found to be like this.
    pub(super) fn measured(&mut self, file: FileId, meta: &Metadata, now: Now) {
        let Some(followed) = self.followed.get_mut(&file) else { return };
        if meta.len() < followed.position {
            self.replaced(file, now);
        } else {
            // Written to, and yet no longer than what was read: perhaps written anew at the same length.
            followed.is_doubtful |= meta.modified().ok() != followed.modified;
            followed.length = meta.len();
            self.enqueue(file);
        }
    }

    /// Warns about a path, once.
    pub(super) fn warn(&mut self, path: &Path, problem: &dyn std::fmt::Display) {
        if self.warned.len() >= MOST_WARNED {
            self.warned.clear();
        }
        if self.warned.insert(path.to_owned()) {
            tracing::warn!("{} cannot be followed now: {problem}", path.display());
        }
    }

    /// A mistyped path would look like a healthy service.
    fn tell_that_nothing_matches(&mut self) {
        let paths = self.config.paths.join(" ");
        if self.warned.insert(PathBuf::from(&paths)) {
            tracing::warn!("no log matches {paths} yet; one that appears is followed");
        }
    }

    /// Tells of compressed files once, at the first look: one that comes later is a log that was followed.
    fn tell_of_compressed(&mut self, compressed: &[PathBuf]) {
        if std::mem::replace(&mut self.has_looked, true) {
            return;
        }
        if let Some(first) = compressed.first() {
            tracing::warn!(
                "compressed files are not followed: {} of them, as {}; `hephaestus scan` reads what gzip has \
                 compressed, and collector.exclude leaves them out without a word",
                compressed.len(),
                first.display()
            );
        }
    }

    fn count(&self) {
        let open = self.followed.values().filter(|followed| followed.handle.is_some()).count();
        self.counters.files_tracked.store(self.followed.len() as u64, Relaxed);
        self.counters.files_open.store(open as u64, Relaxed);
        self.counters.unread_bytes.store(self.followed.values().map(Followed::unread).sum(), Relaxed);
    }
}

impl Followed {
    /// Reads the next bytes, behind those that must still be there. The head is durable in the registry before
    /// what it covers is passed on.
    fn turn(
        &mut self,
        file: FileId,
        most: usize,
        registry: &Registry,
    ) -> Result<Turn, Box<dyn std::error::Error>> {
        let Some(handle) = &self.handle else { return Ok(Turn::Nothing) };
        let meta = handle.metadata()?;
        let length = meta.len();
        let Some(unread) = length.checked_sub(self.position) else { return Ok(Turn::Replaced) };
        let overlap = self.expected.len();
        let wanted = most.min(usize::try_from(unread).unwrap_or(usize::MAX));
        let bytes = read_at(handle, self.position - overlap as u64, overlap + wanted)?;
        let still_there =
            bytes.len() >= overlap && Mark::of(&bytes[..overlap], self.position) == self.expected;
        if !still_there || (self.position < HEAD_BYTES as u64 && !self.head.holds(handle)?) {
            return Ok(Turn::Replaced);
        }
        (self.length, self.modified, self.is_doubtful) = (length, meta.modified().ok(), false);
        if bytes.len() == overlap {
            return Ok(Turn::Nothing);
        }
        let end = self.position + (bytes.len() - overlap) as u64;
        if self.head.len() < HEAD_BYTES && end > self.head.offset() {
            let head = Mark::head(handle, end)?;
            registry.observe(file, |known| known.head = head);
            registry.commit(&[], &[])?;
            self.head = head;
        }
        Ok(Turn::Read(bytes))
    }

    /// The bytes just before the position, without a hole before them.
    fn before(&self) -> Vec<u8> {
        let length = self.position.min(BEFORE_BYTES);
        let read =
            |handle| read_at(handle, self.position - length, usize::try_from(length).unwrap_or(0)).ok();
        let bytes = self.handle.as_ref().filter(|_| length > 0).and_then(read).unwrap_or_default();
        if bytes.last() == Some(&0) { Vec::new() } else { bytes }
    }
}
