//! The one directory that holds everything durable, and belongs to one process.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{Read as _, Seek as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

use crate::config::Config;

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

/// Where in a state directory what lies. Looking at it does not take it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout {
    root: PathBuf,
    knowledge: PathBuf,
}

impl Layout {
    /// The layout that a configuration asks for.
    #[must_use]
    pub fn of(config: &Config) -> Self {
        let root = config.state_dir.clone();
        let knowledge = config.knowledge.storage_path.clone().unwrap_or_else(|| root.join("knowledge"));
        Self { root, knowledge }
    }

    /// The directory itself.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Which files are followed, how far each was read, and what waits to be published.
    #[must_use]
    pub fn registry(&self) -> PathBuf {
        self.root.join("registry.json")
    }

    /// The embedded bus.
    #[must_use]
    pub fn bus(&self) -> PathBuf {
        self.root.join("bus")
    }

    /// What is remembered.
    #[must_use]
    pub fn knowledge(&self) -> &Path {
        &self.knowledge
    }

    /// The socket of a running instance.
    #[must_use]
    pub fn socket(&self) -> PathBuf {
        self.root.join("hephaestus.sock")
    }
}

/// A state directory that is ours until this value is dropped.
#[derive(Debug)]
pub struct StateDir {
    layout: Layout,
    /// Its lock is released with it, also when the process dies.
    _lock: File,
}

impl StateDir {
    /// Takes the directory, and makes it where it is missing.
    ///
    /// # Errors
    /// When it cannot be written or another process has it.
    pub fn take(layout: Layout) -> Result<Self, Error> {
        let unusable = |source| Error::Unusable { path: layout.root.clone(), source };
        DirBuilder::new().recursive(true).mode(0o700).create(&layout.root).map_err(unusable)?;
        let mut lock = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(layout.root.join("lock"))
            .map_err(unusable)?;
        match flock(&lock, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(Errno::WOULDBLOCK) => {
                let mut process = String::new();
                // The other's id is a help for people; without it the message still says enough.
                let read = lock.by_ref().take(32).read_to_string(&mut process).is_ok();
                let process = Some(process.trim().to_owned()).filter(|id| read && !id.is_empty());
                return Err(Error::Taken { path: layout.root, process });
            }
            Err(error) => return Err(unusable(error.into())),
        }
        let mark = |lock: &mut File| {
            lock.set_len(0)?;
            lock.rewind()?;
            writeln!(lock, "{}", std::process::id())
        };
        mark(&mut lock).map_err(unusable)?;
        Ok(Self { layout, _lock: lock })
    }

    /// Where in it what lies.
    #[must_use]
    pub const fn layout(&self) -> &Layout {
        &self.layout
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_belongs_to_one_at_a_time() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("deep/state");
        let layout = Layout { knowledge: root.join("knowledge"), root };
        let first = StateDir::take(layout.clone()).unwrap();
        let refused = StateDir::take(layout.clone()).unwrap_err().to_string();
        assert!(refused.contains(&format!("process {}", std::process::id())), "{refused}");
        drop(first);
        StateDir::take(layout).unwrap();
    }
}
