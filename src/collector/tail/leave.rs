//! Files that leave: renamed, deleted, truncated, replaced; and handles that are closed for a while.

use std::ffi::OsStr;
use std::fs::{File, Metadata};
use std::io;
use std::os::fd::AsRawFd as _;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::discover::siblings;
use super::files::{Files, Followed};
use super::{End, Now, SourceEvent};
use crate::collector::identity::{Inode, Mark, Refused, is_absence, is_exhaustion, open_regular};
use crate::collector::stats::{Loss, Rotation};
use crate::domain::FileId;

/// The most files of a folder that are compared with one that was truncated.
const MOST_COMPARED: usize = 512;

/// A head shorter than this tells too little to find a file by its content alone.
pub(super) const LEAST_HEAD_BYTES: usize = 32;

/// Content that is looked for: its head, the bytes before an offset, and at least so many bytes.
pub(super) struct Content {
    pub(super) head: Mark,
    pub(super) mark: Mark,
    pub(super) length: u64,
}

/// Where an open file lies now, if it lies anywhere.
fn place_of(file: &File) -> Option<PathBuf> {
    let path = std::fs::read_link(format!("/proc/self/fd/{}", file.as_raw_fd())).ok()?;
    let (there, meta) = (path.metadata().ok()?, file.metadata().ok()?);
    (Inode::of(&there) == Inode::of(&meta)).then_some(path)
}

impl Followed {
    /// What a file must have to be this one.
    fn content(&self) -> Content {
        Content { head: self.head, mark: self.expected, length: self.position.max(self.head.offset()) }
    }
}

impl Content {
    /// Whether this file has it.
    pub(super) fn is_in(&self, file: &File, length: u64) -> bool {
        length >= self.length
            && self.head.holds(file).unwrap_or(false)
            && self.mark.holds(file).unwrap_or(false)
    }
}

/// A file that was looked for and found.
pub(super) struct Hit {
    pub(super) path: PathBuf,
    pub(super) file: File,
    pub(super) inode: Inode,
    pub(super) length: u64,
}

impl Files {
    /// A followed file was not found at any path.
    pub(super) fn left(&mut self, file: FileId, now: Now) {
        let Some(followed) = self.followed.get_mut(&file) else { return };
        let stands = followed.leaving.is_none() || followed.handle.is_none();
        // A folder that could not be listed, for want of rights or handles, tells nothing.
        match followed.path.metadata() {
            Ok(meta) if Inode::of(&meta) == followed.inode && stands => {
                return self.measured(file, &meta, now);
            }
            Err(error) if !is_absence(&error) => return,
            _ => {}
        }
        let meta = followed.handle.as_ref().and_then(|handle| handle.metadata().ok());
        if let Some(meta) = meta {
            if followed.leaving.is_none() {
                let kind = if meta.nlink() == 0 { Rotation::Deleted } else { Rotation::Renamed };
                followed.leaving = Some(kind);
                followed.stirred = now.instant;
                self.counters.rotated(kind);
                self.by_path.remove(&followed.path);
            } else if meta.nlink() == 0 {
                followed.leaving = Some(Rotation::Deleted);
            }
            self.measured(file, &meta, now);
            return;
        }
        let (place, content, inode) = (followed.real_path.clone(), followed.content(), followed.inode);
        match self.sibling(file, &place, &content, Some(inode)) {
            Ok(Some(hit)) => self.goes_on_in(file, hit, Rotation::Renamed, now),
            Ok(None) => self.gone(file, Rotation::Deleted, Loss::Deleted, now),
            Err(error) => self.warn(&place, &error),
        }
    }

    /// The content of a followed file is no longer what was read. It may go on in a copy.
    pub(super) fn replaced(&mut self, file: FileId, now: Now) {
        let Some(followed) = self.followed.get(&file) else { return };
        let (place, content) = (followed.real_path.clone(), followed.content());
        match self.sibling(file, &place, &content, None) {
            Ok(Some(hit)) => self.goes_on_in(file, hit, Rotation::CopyTruncated, now),
            Ok(None) => self.gone(file, Rotation::Truncated, Loss::Truncated, now),
            // The next look finds it replaced again.
            Err(error) => return self.warn(&place, &error),
        }
        self.rescan = true;
    }

    /// A file in the same folder with this content that is not followed; in this inode, if one is named.
    pub(super) fn sibling(
        &self,
        id: FileId,
        real_path: &Path,
        content: &Content,
        inode: Option<Inode>,
    ) -> io::Result<Option<Hit>> {
        if inode.is_none() && content.head.len() < LEAST_HEAD_BYTES {
            return Ok(None);
        }
        let is_possible = |meta: &Metadata| {
            let found = Inode::of(meta);
            let is_it = inode.is_none_or(|inode| inode == found);
            is_it && meta.is_file() && meta.len() >= content.length && !self.is_followed_by_another(found, id)
        };
        let mut paths = siblings(real_path)?;
        paths.retain(|path| path.symlink_metadata().is_ok_and(|meta| is_possible(&meta)));
        // A rotated file bears the name of its original with something added.
        let stem = real_path.file_stem().map_or(&[][..], OsStr::as_bytes);
        paths.sort_by_key(|path| path.file_name().is_none_or(|name| !name.as_bytes().starts_with(stem)));
        for path in paths.into_iter().take(MOST_COMPARED) {
            match open_regular(&path) {
                Ok((file, meta)) => {
                    let hit = Hit { inode: Inode::of(&meta), length: meta.len(), path, file };
                    if is_possible(&meta)
                        && content.is_in(&hit.file, hit.length)
                        && !self.is_anothers(id, &hit)
                    {
                        return Ok(Some(hit));
                    }
                }
                // Without rights to read it, nobody can tell; without handles, it can be told later.
                Err(Refused::Io(error)) if is_exhaustion(&error) => return Err(error),
                Err(_) => {}
            }
        }
        Ok(None)
    }

    /// Whether an inode is surely that of another followed file. One whose handle is closed does not keep its inode:
    /// once it is deleted, another file may have it.
    fn is_followed_by_another(&self, inode: Inode, file: FileId) -> bool {
        let Some(follower) = self.by_inode.get(&inode).filter(|follower| **follower != file) else {
            return false;
        };
        self.followed.get(follower).is_some_and(|followed| {
            let lies_there = || followed.path.metadata().is_ok_and(|meta| Inode::of(&meta) == inode);
            followed.handle.is_some() || lies_there()
        })
    }

    /// Forgets whose an inode was, unless it is another's by now.
    fn give_up_inode(&mut self, inode: Inode, file: FileId) {
        if self.by_inode.get(&inode) == Some(&file) {
            self.by_inode.remove(&inode);
        }
    }

    /// Whether a file is known, and not as this one. An inode is given away again once its file is gone, so
    /// with a short head it says nothing against content that was found.
    fn is_anothers(&self, file: FileId, hit: &Hit) -> bool {
        self.dormant.values().any(|known| {
            known.id != file
                && known.inode == hit.inode
                && known.head.len() >= LEAST_HEAD_BYTES
                && known.content().is_in(&hit.file, hit.length)
        })
    }

    /// The content of a followed file goes on under another name, or in another inode.
    fn goes_on_in(&mut self, file: FileId, hit: Hit, kind: Rotation, now: Now) {
        let Some(followed) = self.followed.get_mut(&file) else { return };
        // One that had left before was only given another name.
        if followed.leaving.is_none() {
            self.counters.rotated(kind);
            followed.stirred = now.instant;
        }
        let inode = std::mem::replace(&mut followed.inode, hit.inode);
        if self.by_path.get(&followed.path) == Some(&file) {
            self.by_path.remove(&followed.path);
        }
        self.held.remove(&hit.inode);
        followed.path.clone_from(&hit.path);
        followed.real_path.clone_from(&hit.path);
        followed.handle = Some(hit.file);
        followed.length = hit.length;
        followed.leaving = Some(kind);
        self.give_up_inode(inode, file);
        self.by_inode.insert(hit.inode, file);
        self.registry.observe(file, |known| {
            known.inode = hit.inode;
            known.path.clone_from(&hit.path);
            known.real_path = hit.path;
        });
        self.enqueue(file);
        self.close_some();
    }

    /// A followed file cannot be read any further.
    fn gone(&mut self, file: FileId, kind: Rotation, reason: Loss, now: Now) {
        let Some(followed) = self.followed.get(&file) else { return };
        let unread = followed.unread();
        // Where other content has grown beyond the position, nobody knows how much there was before.
        let meta = followed.handle.as_ref().and_then(|handle| handle.metadata().ok());
        let is_known = meta.is_none_or(|meta| meta.len() < followed.position);
        if followed.leaving.is_none() || kind != Rotation::Deleted {
            self.counters.rotated(kind);
        }
        if unread > 0 {
            self.lost(file, is_known.then_some(unread), reason);
        }
        self.end(file, kind, now);
    }

    pub(super) fn lost(&mut self, file: FileId, bytes: Option<u64>, reason: Loss) {
        self.counters.lost(reason, bytes);
        self.news.push_back(SourceEvent::Lost { file, bytes, reason });
    }

    /// Ends files that left and have been quiet for long enough. One that was renamed is closed before that, and
    /// looked at where it lies now: its writer may have it open for long. One that was deleted cannot be opened
    /// again, and takes space on its disk for as long as it is open.
    ///
    /// Where not all folders could be listed for want of handles, one that was renamed may still stand where
    /// the globs lead. It is kept then, but only the later half of them: the want may be their doing.
    pub(super) fn let_go(&mut self, is_whole: bool, now: Now) {
        let leaving = self
            .followed
            .iter()
            .filter_map(|(file, followed)| followed.leaving.map(|kind| (followed.stirred, *file, kind)));
        let mut leaving: Vec<_> = leaving.collect();
        leaving.sort_unstable_by_key(|(stirred, file, ..)| (*stirred, *file));
        let open = leaving.iter().filter(|(_, file, _)| self.followed[file].handle.is_some()).count();
        let mut surplus = open.saturating_sub(self.config.max_open_files / 2);
        let spare = leaving.len() / 2;
        for (index, (stirred, file, kind)) in leaving.into_iter().enumerate() {
            if self.followed.get(&file).is_none_or(|followed| followed.unread() > 0) {
                continue;
            }
            let quiet = now.instant.saturating_duration_since(stirred);
            let is_told = is_whole || kind == Rotation::Deleted || index < spare;
            let wait = if kind == Rotation::Renamed { self.config.rotate_wait } else { self.config.grace };
            if is_told && quiet >= wait {
                self.end(file, kind, now);
            } else if quiet >= self.config.grace || surplus > 0 {
                let is_held = !self.set_aside(file);
                if is_held && surplus > 0 {
                    self.end(file, kind, now);
                }
                surplus = surplus.saturating_sub(1);
            }
        }
    }

    /// Closes a file that was renamed, if it can be opened again where it lies now. Whether it is closed.
    fn set_aside(&mut self, file: FileId) -> bool {
        let Some(followed) = self.followed.get_mut(&file) else { return false };
        let Some(handle) = &followed.handle else { return true };
        let Some(path) = place_of(handle).filter(|_| followed.leaving == Some(Rotation::Renamed)) else {
            return false;
        };
        followed.handle = None;
        followed.path.clone_from(&path);
        followed.real_path.clone_from(&path);
        self.registry.observe(file, |known| known.real_path = path);
        true
    }

    /// Ends the file that left first, for another to be followed. Whether there was one.
    pub(super) fn give_way(&mut self, now: Now) -> bool {
        let over = self.followed.iter().filter(|(_, followed)| followed.unread() == 0);
        let leaving = over.filter_map(|(file, followed)| Some((followed.stirred, *file, followed.leaving?)));
        let first = leaving.min_by_key(|(stirred, file, _)| (*stirred, *file));
        if let Some((_, file, kind)) = first {
            self.end(file, kind, now);
        }
        first.is_some()
    }

    fn end(&mut self, file: FileId, kind: Rotation, now: Now) {
        let Some(followed) = self.followed.remove(&file) else { return };
        self.give_up_inode(followed.inode, file);
        if self.by_path.get(&followed.path) == Some(&file) {
            self.by_path.remove(&followed.path);
        }
        self.registry.observe(file, |known| {
            known.ended = true;
            known.length = followed.position;
            known.last_seen = now.time;
        });
        if let Some(known) = self.registry.file(file) {
            self.dormant.insert(file, known);
        }
        if followed.opened {
            self.news.push_back(SourceEvent::Ended { file, why: End::Rotated(kind) });
        }
    }

    /// Opens a file whose handle was closed. Whether it can be read now; if not, what follows from that has
    /// been done.
    pub(super) fn reopen(&mut self, file: FileId, now: Now) -> bool {
        let Some(followed) = self.followed.get_mut(&file) else { return false };
        let path = followed.path.clone();
        match open_regular(&path) {
            Ok((handle, meta)) if Inode::of(&meta) == followed.inode => {
                if !followed.content().is_in(&handle, meta.len()) {
                    self.replaced(file, now);
                    return false;
                }
                followed.handle = Some(handle);
                followed.stirred = now.instant;
                self.close_some();
                true
            }
            Ok(_) => {
                self.left(file, now);
                self.rescan = true;
                false
            }
            Err(error) if error.is_absence() => {
                self.left(file, now);
                self.rescan = true;
                false
            }
            Err(error) => {
                self.close_one();
                self.warn(&path, &error);
                false
            }
        }
    }

    /// Closes handles beyond the limit.
    pub(super) fn close_some(&mut self) {
        if self.followed.len() <= self.config.max_open_files {
            return;
        }
        let open = self.followed.values().filter(|followed| followed.handle.is_some()).count();
        (self.config.max_open_files..open).for_each(|_| self.close_one());
    }

    /// Closes one handle of a file that can be opened again by its path: one that has been read to its end
    /// rather than another, and the one that has been quiet for longest.
    pub(super) fn close_one(&mut self) {
        let can_close = |followed: &&mut Followed| followed.handle.is_some() && followed.leaving.is_none();
        let order = |followed: &&mut Followed| (followed.unread() > 0, followed.stirred);
        if let Some(followed) = self.followed.values_mut().filter(can_close).min_by_key(order) {
            followed.handle = None;
        }
    }
}
