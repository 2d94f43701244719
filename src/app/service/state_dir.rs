//! The one directory that holds everything durable, and belongs to one process.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{Read as _, Seek as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

use crate::collector::registry::{self, Registry};

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

/// How long is waited for what a service of this process left behind when it ended.
const LEFT_BEHIND: Duration = Duration::from_secs(5);
const RETRY_INTERVAL: Duration = Duration::from_millis(20);

/// A state directory that is ours until this value is dropped, or the registry that was opened with it.
#[derive(Debug)]
pub(super) struct StateDir {
    root: PathBuf,
    /// The directory is given back with it, also when the process dies.
    lock: File,
}

impl Error {
    /// Whether this process has the directory itself.
    fn is_our_own(&self) -> bool {
        let own = std::process::id().to_string();
        matches!(self, Self::Taken { process: Some(process), .. } if *process == own)
    }
}

impl StateDir {
    /// Takes the directory, and makes it where it is missing. A service of this process that has ended may have
    /// left somebody behind who still writes.
    ///
    /// # Errors
    /// When it cannot be written, or another has it.
    pub(super) async fn take(root: PathBuf) -> Result<Self, Error> {
        let deadline = Instant::now() + LEFT_BEHIND;
        loop {
            match Self::take_now(root.clone()) {
                Err(error) if error.is_our_own() && Instant::now() < deadline => {
                    tokio::time::sleep(RETRY_INTERVAL).await;
                }
                taken => return taken,
            }
        }
    }

    fn take_now(root: PathBuf) -> Result<Self, Error> {
        let unusable = |source| Error::Unusable { path: root.clone(), source };
        let is_new = !root.exists();
        DirBuilder::new().recursive(true).mode(0o700).create(&root).map_err(unusable)?;
        if is_new {
            // By default it lies in the working folder, which may be a repository.
            std::fs::write(root.join(".gitignore"), "*\n").map_err(unusable)?;
        }
        // For the same reason it may have come with one: its links are not followed.
        let mut lock = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .custom_flags(libc::O_NOFOLLOW)
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
        Ok(Self { root, lock })
    }

    /// Opens the registry: which files are followed, how far each was read, and what waits to be published.
    /// From then on whoever can write it has the directory.
    ///
    /// # Errors
    /// When it is damaged, of a newer version, or cannot be read or written.
    pub(super) fn into_registry(self) -> Result<Registry, registry::Error> {
        Ok(Registry::open(&self.root.join(registry::FILE_NAME))?.with_lock(self.lock))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[tokio::test]
    async fn it_belongs_to_one_at_a_time() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("deep/state");
        let first = StateDir::take(root.clone()).await.unwrap();
        let refused = StateDir::take_now(root.clone()).unwrap_err().to_string();
        assert!(refused.contains(&format!("process {}", std::process::id())), "{refused}");
        drop(first);
        StateDir::take(root).await.unwrap();
    }

    #[tokio::test]
    async fn a_link_in_it_is_not_followed() {
        let folder = tempfile::tempdir().unwrap();
        let (root, precious) = (folder.path().join("state"), folder.path().join("precious"));
        std::fs::write(&precious, "mine").unwrap();
        std::fs::create_dir(&root).unwrap();
        std::os::unix::fs::symlink(&precious, root.join("lock")).unwrap();
        let refused = StateDir::take(root.clone()).await.unwrap_err().to_string();
        assert!(refused.starts_with("cannot use the state directory"), "{refused}");

        std::fs::remove_file(root.join("lock")).unwrap();
        std::os::unix::fs::symlink(&precious, root.join("registry.json.new")).unwrap();
        assert!(StateDir::take(root).await.unwrap().into_registry().is_err());
        assert_eq!(std::fs::read_to_string(precious).unwrap(), "mine");
    }

    #[tokio::test]
    async fn it_is_given_back_by_the_last_who_can_write() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("state");
        let registry = Arc::new(StateDir::take(root.clone()).await.unwrap().into_registry().unwrap());
        let left_behind = Arc::clone(&registry);
        drop(registry);
        assert!(StateDir::take_now(root.clone()).is_err_and(|error| error.is_our_own()));
        let (taken, ()) = tokio::join!(StateDir::take(root), async {
            left_behind.add_to_outbox(&[]).unwrap();
            drop(left_behind);
        });
        taken.unwrap();
    }
}
