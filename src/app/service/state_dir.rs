//! The one directory that holds everything durable, and belongs to one process.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{Read as _, Seek as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::PathBuf;

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

use crate::collector::registry;

/// Why a state directory cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It cannot be made or written.
    #[error("cannot use the state directory {path}: {source}; set state_dir to a folder that can be written")]
    Unusable {
        /// The directory.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// Another process has it.
    #[error(
        "{path} belongs to a running Hephaestus{}: stop it, or set state_dir to another folder",
        process.as_deref().map(|process| format!(" (process {process})")).unwrap_or_default()
    )]
    Taken {
        /// The directory.
        path: PathBuf,
        /// The other's process id, where it left one.
        process: Option<String>,
    },
}

/// A state directory that is ours until this value is dropped.
#[derive(Debug)]
pub(super) struct StateDir {
    root: PathBuf,
    /// Its lock is released with it, also when the process dies.
    _lock: File,
}

impl StateDir {
    /// Takes the directory, and makes it where it is missing.
    ///
    /// # Errors
    /// When it cannot be written or another process has it.
    pub(super) fn take(root: PathBuf) -> Result<Self, Error> {
        let unusable = |source| Error::Unusable { path: root.clone(), source };
        DirBuilder::new().recursive(true).mode(0o700).create(&root).map_err(unusable)?;
        let mut lock = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(root.join("lock"))
            .map_err(unusable)?;
        match flock(&lock, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(Errno::WOULDBLOCK) => {
                let mut process = String::new();
                // The other's id is a help for people; without it the message still says enough.
                let read = (&lock).take(32).read_to_string(&mut process).is_ok();
                let process = Some(process.trim().to_owned()).filter(|id| read && !id.is_empty());
                return Err(Error::Taken { path: root, process });
            }
            Err(error) => return Err(unusable(error.into())),
        }
        let mark = |lock: &mut File| {
            lock.set_len(0)?;
            lock.rewind()?;
            writeln!(lock, "{}", std::process::id())
        };
        mark(&mut lock).map_err(unusable)?;
        Ok(Self { root, _lock: lock })
    }

    /// Which files are followed, how far each was read, and what waits to be published.
    pub(super) fn registry(&self) -> PathBuf {
        self.root.join(registry::FILE_NAME)
    }

    /// The embedded bus.
    pub(super) fn bus(&self) -> PathBuf {
        self.root.join("bus")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_belongs_to_one_at_a_time() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("deep/state");
        let first = StateDir::take(root.clone()).unwrap();
        let refused = StateDir::take(root.clone()).unwrap_err().to_string();
        assert!(refused.contains(&format!("process {}", std::process::id())), "{refused}");
        drop(first);
        StateDir::take(root).unwrap();
    }
}
