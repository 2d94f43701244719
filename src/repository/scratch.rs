//! Folders for scratch copies, each with a lock that tells whether its process still lives.
//!
//! Dropped, a folder is removed. A process that is killed leaves its folders behind, but the kernel
//! releases its locks: whoever starts next removes every folder whose lock it can take. A lock is right
//! where a process id would not be: folders may be shared between containers, which count processes apart.
//!
//! What is removed must be ours beyond doubt, for it may lie beside anything: a state directory is locked
//! too, and rests unlocked while its service is stopped. So the names of the folder and of its lock are
//! used for nothing else, and a folder that holds anything but what is put there is left alone.

use std::fs::{File, Permissions};
use std::io;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::{FlockOperation, Mode, OFlags, flock};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use tempfile::TempDir;

/// How the names of folders begin, and of nothing else.
const PREFIX: &str = "hephaestus-scratch-";
/// The name of the lock in a folder.
const LOCK: &str = ".hephaestus-scratch.lock";
/// The folders that a scratch folder may hold, and how the names of those begin that each run gets.
pub(super) const TREE: &str = "tree";
pub(super) const TMP: &str = "tmp";
pub(super) const BIN: &str = "bin";
pub(super) const RUN: &str = "run-";
const STATE: &str = "state";
/// How often it is looked for processes that are left behind: what is killed may just have started another.
const LOOKS: usize = 20;
const BETWEEN_LOOKS: Duration = Duration::from_millis(10);
/// How often a folder is made anew, should somebody who sweeps be quicker than its lock.
const ATTEMPTS: usize = 8;

/// A folder that is removed when it is dropped, whatever programs did to what is in it.
#[derive(Debug)]
pub struct Folder {
    path: PathBuf,
}

impl Folder {
    /// Makes an empty one, of a name that nobody else has.
    pub(super) fn below(parent: &Path, prefix: &str) -> io::Result<Self> {
        Ok(Self { path: TempDir::with_prefix_in(prefix, parent)?.keep() })
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        remove(&self.path);
    }
}

/// Removes a folder and everything in it; whether it is gone. A program that ran in it may have left
/// folders that not even their owner may open.
fn remove(path: &Path) -> bool {
    let removed = std::fs::remove_dir_all(path).or_else(|error| match error.kind() {
        io::ErrorKind::NotFound => Ok(()),
        _ => {
            open_up(path);
            std::fs::remove_dir_all(path)
        }
    });
    if let Err(error) = &removed {
        tracing::warn!(path = %path.display(), %error, "a scratch folder could not be removed; remove it by hand");
    }
    removed.is_ok()
}

/// Lets us into every folder below. Links are not followed, and nothing runs there any more that could
/// put one in a folder's place.
fn open_up(path: &Path) {
    let mut folders = vec![path.to_owned()];
    while let Some(folder) = folders.pop() {
        // What cannot be changed cannot be removed either, and that is told.
        std::fs::set_permissions(&folder, Permissions::from_mode(0o700)).ok();
        let entries = std::fs::read_dir(&folder).into_iter().flatten().flatten();
        folders.extend(
            entries
                .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
                .map(|entry| entry.path()),
        );
    }
}

/// A folder that is ours until it is dropped.
#[derive(Debug)]
pub struct Scratch {
    folder: Folder,
    /// Released after the folder is gone: fields are dropped in order.
    _lock: File,
}

impl Scratch {
    /// Makes an empty folder. Its path leads through no links: tools tell where files really are, and
    /// what they tell is compared with it.
    pub(super) fn below(parent: &Path) -> io::Result<Self> {
        let parent = parent.canonicalize()?;
        for _ in 0..ATTEMPTS {
            let folder = Folder::below(&parent, PREFIX)?;
            let path = folder.path().join(LOCK);
            let lock = File::create(&path)?;
            // Somebody who sweeps may have been between: then the lock is theirs, or of a file that is gone.
            if take(&lock)? && is_still(&lock, &path) {
                return Ok(Self { folder, _lock: lock });
            }
        }
        Err(io::Error::other("another process removes every new folder"))
    }

    pub(super) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Makes one for what is to be kept no longer than this value.
    ///
    /// # Errors
    /// When the folder for temporary files cannot be written.
    pub fn temporary() -> io::Result<Self> {
        Self::below(&std::env::temp_dir())
    }

    /// Where a state directory may lie in it.
    #[must_use]
    pub fn state_dir(&self) -> PathBuf {
        self.path().join(STATE)
    }
}

/// Removes the scratch folders that processes of this user left behind when they were killed, and says
/// which. What still runs in them is ended: a job's first process dies with whoever watches it, those that it has
/// started do not everywhere. Folders of living ones stay, and so does whatever has no lock.
pub fn sweep_scratch() -> Vec<PathBuf> {
    sweep(&std::env::temp_dir())
}

fn sweep(parent: &Path) -> Vec<PathBuf> {
    // What cannot be listed or removed is left to whoever can.
    let Ok(entries) = std::fs::read_dir(parent) else { return Vec::new() };
    entries
        .filter_map(Result::ok)
        .filter(|entry| entry.file_name().to_string_lossy().starts_with(PREFIX))
        .map(|entry| entry.path())
        .filter(|path| {
            is_left_behind(path).is_ok_and(|lock| {
                lock.is_some_and(|_| {
                    end_orphans(path);
                    remove(path)
                })
            })
        })
        .collect()
}

/// Kills whatever runs in a folder: its program or its working folder lies there.
fn end_orphans(folder: &Path) {
    for _ in 0..LOOKS {
        let mut found = false;
        for process in std::fs::read_dir("/proc").into_iter().flatten().flatten() {
            let id = process.file_name().to_str().and_then(|name| name.parse().ok()).and_then(Pid::from_raw);
            // Taken before it is looked at: its number may be given to another.
            let Some(handle) = id.and_then(|id| pidfd_open(id, PidfdFlags::empty()).ok()) else { continue };
            let lies_there = |link: &str| {
                std::fs::read_link(process.path().join(link)).is_ok_and(|place| place.starts_with(folder))
            };
            if ["cwd", "exe"].into_iter().any(lies_there) {
                // One that has ended meanwhile needs no killing.
                found |= pidfd_send_signal(&handle, Signal::KILL).is_ok();
            }
        }
        if !found {
            return;
        }
        std::thread::sleep(BETWEEN_LOOKS);
    }
}

/// The lock of a folder of this user whose process is gone.
fn is_left_behind(path: &Path) -> io::Result<Option<File>> {
    let metadata = path.symlink_metadata()?;
    if !metadata.is_dir() || metadata.uid() != rustix::process::geteuid().as_raw() {
        return Ok(None);
    }
    if !holds_only_ours(path)? {
        return Ok(None);
    }
    let path = path.join(LOCK);
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let lock = File::from(rustix::fs::open(&path, flags, Mode::empty())?);
    Ok((take(&lock)? && is_still(&lock, &path)).then_some(lock))
}

/// Whether everything in a folder is what a scratch folder holds. Of one whose process was killed early,
/// that is not all of it.
fn holds_only_ours(path: &Path) -> io::Result<bool> {
    for entry in std::fs::read_dir(path)? {
        let entry = entry?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        let known = match &*name {
            LOCK => entry.file_type()?.is_file(),
            TREE | TMP | BIN | STATE => entry.file_type()?.is_dir(),
            name => name.starts_with(RUN) && entry.file_type()?.is_dir(),
        };
        if !known {
            return Ok(false);
        }
    }
    Ok(true)
}

fn take(lock: &File) -> io::Result<bool> {
    match flock(lock, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(true),
        Err(rustix::io::Errno::WOULDBLOCK) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// Whether the file at a path is the one that was opened.
fn is_still(file: &File, path: &Path) -> bool {
    let same = |a: &std::fs::Metadata, b: &std::fs::Metadata| (a.dev(), a.ino()) == (b.dev(), b.ino());
    matches!((file.metadata(), path.symlink_metadata()), (Ok(a), Ok(b)) if same(&a, &b))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A folder as a killed process leaves it.
    fn killed(parent: &Path) -> PathBuf {
        let Scratch { folder, _lock } = Scratch::below(parent).unwrap();
        let path = folder.path().to_owned();
        std::mem::forget(folder);
        path
    }

    /// What root may do in spite of permissions is given up, on this thread alone.
    fn as_nobody_special(test: impl FnOnce() + Send) {
        use rustix::thread::{CapabilitySet, CapabilitySets, set_capabilities};
        let none = CapabilitySet::empty();
        let nothing = CapabilitySets { effective: none, permitted: none, inheritable: none };
        std::thread::scope(|scope| {
            scope.spawn(|| set_capabilities(None, nothing).map(|()| test()).unwrap());
        });
    }

    #[test]
    fn what_programs_close_is_removed_all_the_same() {
        let (parent, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        std::fs::set_permissions(elsewhere.path(), Permissions::from_mode(0o500)).unwrap();
        let close = |folder: &Path| {
            std::fs::create_dir_all(folder.join("closed/within")).unwrap();
            std::fs::write(folder.join("closed/within/file"), "").unwrap();
            std::os::unix::fs::symlink(elsewhere.path(), folder.join("closed/link")).unwrap();
            for closed in ["closed/within", "closed"] {
                std::fs::set_permissions(folder.join(closed), Permissions::from_mode(0o000)).unwrap();
            }
        };
        as_nobody_special(|| {
            let dead = killed(parent.path());
            std::fs::create_dir(dead.join(TMP)).unwrap();
            close(&dead.join(TMP));
            assert!(std::fs::remove_dir_all(&dead).is_err(), "nothing stands in the way");
            assert_eq!(sweep(parent.path()), std::slice::from_ref(&dead));
            assert!(!dead.exists());

            let living = Scratch::below(parent.path()).unwrap();
            close(living.path());
            let path = living.path().to_owned();
            drop(living);
            assert!(!path.exists());
        });
        let mode = std::fs::metadata(elsewhere.path()).unwrap().mode();
        assert_eq!(mode & 0o777, 0o500, "a link was followed");
    }

    /// What tools tell of files is compared with the path.
    #[test]
    fn the_path_leads_through_no_link() {
        let folder = tempfile::tempdir().unwrap();
        let real = folder.path().canonicalize().unwrap().join("real");
        std::fs::create_dir(&real).unwrap();
        std::os::unix::fs::symlink(&real, folder.path().join("link")).unwrap();
        let scratch = Scratch::below(&folder.path().join("link")).unwrap();
        assert!(scratch.path().starts_with(&real), "{}", scratch.path().display());
    }

    #[test]
    fn the_dead_are_swept_and_the_living_are_not() {
        let parent = tempfile::tempdir().unwrap();
        let living = Scratch::below(parent.path()).unwrap();
        // As a killed process leaves it: the folder is there, the lock is released.
        let dead = killed(parent.path());
        std::fs::create_dir(dead.join("tree")).unwrap();
        std::fs::write(dead.join("tree/a.go"), "package a\n").unwrap();

        assert_eq!(sweep(parent.path()), std::slice::from_ref(&dead));
        assert!(living.path().exists() && !dead.exists());
        let path = living.path().to_owned();
        drop(living);
        assert!(!path.exists());
    }

    #[test]
    fn what_still_runs_in_a_folder_that_is_left_behind_is_ended() {
        let parent = tempfile::tempdir().unwrap();
        let (dead, living) = (killed(parent.path()), Scratch::below(parent.path()).unwrap());
        let start = |folder: &Path| {
            let cwd = folder.join("run-1");
            std::fs::create_dir(&cwd).unwrap();
            std::process::Command::new("sleep").arg("60").current_dir(cwd).spawn().unwrap()
        };
        let (mut orphan, mut busy) = (start(&dead), start(living.path()));
        assert_eq!(sweep(parent.path()), [dead]);
        assert!(!orphan.wait().unwrap().success());
        assert!(busy.try_wait().unwrap().is_none(), "its folder is in use");
        busy.kill().unwrap();
        busy.wait().unwrap();
    }

    #[test]
    fn what_is_not_ours_beyond_doubt_stays() {
        let parent = tempfile::tempdir().unwrap();
        // The state of a stopped service: a lock that nobody holds, and what must not be lost.
        for name in ["hephaestus-state", "hephaestus-scratch-state"] {
            let state = parent.path().join(name);
            std::fs::create_dir_all(state.join("knowledge")).unwrap();
            std::fs::write(state.join("lock"), "4711\n").unwrap();
            std::fs::write(state.join("registry.json"), "{}").unwrap();
        }
        // Ours by its name and its lock, but somebody put something there.
        let used = killed(parent.path());
        std::fs::create_dir(used.join("tree")).unwrap();
        std::fs::write(used.join("notes.txt"), "keep me\n").unwrap();
        // Nothing but a name.
        std::fs::create_dir(parent.path().join("hephaestus-scratch-notes")).unwrap();

        assert_eq!(sweep(parent.path()), Vec::<PathBuf>::new());
        assert!(parent.path().join("hephaestus-state/registry.json").exists() && used.exists());
    }

    #[test]
    fn nothing_is_swept_through_a_link() {
        let (parent, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        std::fs::write(elsewhere.path().join(LOCK), "").unwrap();
        std::os::unix::fs::symlink(elsewhere.path(), parent.path().join("hephaestus-scratch-link")).unwrap();
        assert_eq!(sweep(parent.path()), Vec::<PathBuf>::new());
        assert!(elsewhere.path().join(LOCK).exists());
    }
}
