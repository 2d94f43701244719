//! What goes wrong with a database, and what it means to a person.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rocksdb::ErrorKind;

use super::Schema;

/// Why a database cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DatabaseError {
    /// Another process has it, or another part of this one.
    #[error(
        "a Hephaestus is running on this state directory{}: {name} in {folder} is in use; stop it first, or \
         use another state_dir",
        process.map(|id| format!(" (process {id})")).unwrap_or_default()
    )]
    InUse {
        /// Which database.
        name: &'static str,
        /// Where.
        folder: PathBuf,
        /// Who has it, where the system tells.
        process: Option<u32>,
    },
    /// A newer program wrote it.
    #[error(
        "{name} in {folder} has format {found}, and this program knows up to {known}: run the newer \
         program, or move the folder away to start anew without {loss}"
    )]
    Newer {
        /// Which database.
        name: &'static str,
        /// Where.
        folder: PathBuf,
        /// The version found.
        found: u8,
        /// The version known.
        known: u8,
        /// What would be lost.
        loss: &'static str,
    },
    /// It is damaged.
    #[error(
        "{name} in {folder} is damaged ({reason}): put back a copy of the folder, or move it away to start \
         anew without {loss}"
    )]
    Damaged {
        /// Which database.
        name: &'static str,
        /// Where.
        folder: PathBuf,
        /// What was found.
        reason: String,
        /// What would be lost.
        loss: &'static str,
    },
    /// Something else is in the folder.
    #[error("{folder} holds something else than {name}: name another folder, or move away what is in it")]
    Foreign {
        /// Which database.
        name: &'static str,
        /// Where.
        folder: PathBuf,
    },
    /// There is none.
    #[error(
        "there is no {name} in {folder}: nothing has run on this state directory yet; by default it is .hephaestus in \
         the folder where `hephaestus run` was started, elsewhere set state_dir"
    )]
    Missing {
        /// Which database.
        name: &'static str,
        /// Where.
        folder: PathBuf,
    },
    /// The file system refused.
    #[error("{name} in {folder} cannot be used: the folder must be writable, with space left ({reason})")]
    Io {
        /// Which database.
        name: &'static str,
        /// Where.
        folder: PathBuf,
        /// What the system said.
        reason: String,
    },
}

/// What an error of RocksDB means to a person. Its kinds are the first words of its text.
pub(super) fn classify(schema: &'static Schema, folder: &Path, error: rocksdb::Error) -> DatabaseError {
    let kind = error.kind();
    let reason = error.into_string();
    let lock = reason.contains("While lock file") || reason.contains("lock hold by current process");
    let missing_file = reason.contains("No such file or directory");
    match kind {
        ErrorKind::IOError if lock => {
            let process = lock_holder(folder);
            DatabaseError::InUse { name: schema.name, folder: folder.into(), process }
        }
        ErrorKind::Incomplete | ErrorKind::Aborted | ErrorKind::TimedOut | ErrorKind::Busy => {
            DatabaseError::Io { name: schema.name, folder: folder.into(), reason }
        }
        ErrorKind::IOError if !missing_file => {
            DatabaseError::Io { name: schema.name, folder: folder.into(), reason }
        }
        _ => damaged(schema, folder, reason),
    }
}

pub(super) fn damaged(schema: &'static Schema, folder: &Path, reason: String) -> DatabaseError {
    DatabaseError::Damaged { name: schema.name, folder: folder.into(), reason, loss: schema.loss }
}

pub(super) fn newer(schema: &'static Schema, folder: &Path, found: u8) -> DatabaseError {
    let (known, loss) = (schema.version, schema.loss);
    DatabaseError::Newer { name: schema.name, folder: folder.into(), found, known, loss }
}

pub(super) fn io_error(schema: &'static Schema, folder: &Path, error: &io::Error) -> DatabaseError {
    DatabaseError::Io { name: schema.name, folder: folder.into(), reason: error.to_string() }
}

/// Which process holds the lock of a database. The kernel's list is read, since opening and closing the
/// lock file would drop this process's own lock.
pub(super) fn lock_holder(folder: &Path) -> Option<u32> {
    let lock = fs::metadata(folder.join("LOCK")).ok()?;
    let (major, minor) = (rustix::fs::major(lock.dev()), rustix::fs::minor(lock.dev()));
    let file = format!("{major:02x}:{minor:02x}:{}", lock.ino());
    let locks = fs::read_to_string("/proc/locks").ok()?;
    // `1: POSIX  ADVISORY  WRITE 4711 fe:00:123456 0 EOF`
    locks.lines().find_map(|line| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let holds = fields.get(3) == Some(&"WRITE") && fields.get(5) == Some(&file.as_str());
        fields.get(4).filter(|_| holds)?.parse().ok()
    })
}
