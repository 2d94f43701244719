//! The file on disk: read with suspicion, written whole.

use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, ErrorKind};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::State;

/// The version of the format. A change that an older program would misread raises it.
const VERSION: u32 = 1;

/// Why a registry cannot be used.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    /// It is there, but cannot be read.
    #[error("{path}: the registry of read positions cannot be read; check its permissions")]
    Unreadable {
        /// The registry.
        path: PathBuf,
        /// What happened.
        #[source]
        error: Arc<io::Error>,
    },
    /// It is not what was written.
    #[error(
        "{path}: the registry of read positions is damaged and was left as it is; restore it from a backup, \
         or move it away to read all logs anew (what was counted before is then counted again)"
    )]
    Corrupt {
        /// The registry.
        path: PathBuf,
        /// What is wrong.
        #[source]
        error: Arc<serde_json::Error>,
    },
    /// A newer program wrote it.
    #[error(
        "{path}: the registry of read positions has version {found}, and this program knows versions up to \
         {VERSION}; start the newer program again, or move the file away to read all logs anew"
    )]
    Newer {
        /// The registry.
        path: PathBuf,
        /// Its version.
        found: u32,
    },
    /// It cannot be written. Nothing has changed; writing can be tried again.
    #[error(
        "{path}: the registry of read positions cannot be written; make room or make its folder writable \
         (nothing is lost: reading goes on from the last checkpoint)"
    )]
    Unwritable {
        /// The registry.
        path: PathBuf,
        /// What happened.
        #[source]
        error: Arc<io::Error>,
    },
}

impl Error {
    /// Whether the same may succeed later.
    #[must_use]
    pub const fn is_retryable(&self) -> bool {
        matches!(self, Self::Unwritable { .. })
    }
}

#[derive(Deserialize)]
struct Version {
    version: u32,
}

#[derive(Serialize)]
struct Outgoing<'a> {
    version: u32,
    #[serde(flatten)]
    state: &'a State,
}

/// The state at this path; `None` if there is no file.
pub(super) fn load(path: &Path) -> Result<Option<State>, Error> {
    let corrupt = |error| Error::Corrupt { path: path.to_owned(), error: Arc::new(error) };
    let bytes = match std::fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(Error::Unreadable { path: path.to_owned(), error: Arc::new(error) }),
    };
    let Version { version } = serde_json::from_slice(&bytes).map_err(corrupt)?;
    if version > VERSION {
        return Err(Error::Newer { path: path.to_owned(), found: version });
    }
    serde_json::from_slice(&bytes).map(Some).map_err(corrupt)
}

/// Writes the state to this path; it is durable when this returns.
pub(super) fn save(path: &Path, state: &State) -> Result<(), Error> {
    replace(path, |file| {
        serde_json::to_writer(file, &Outgoing { version: VERSION, state }).map_err(Into::into)
    })
    .map_err(|error| Error::Unwritable { path: path.to_owned(), error: Arc::new(error) })
}

fn replace(path: &Path, fill: impl FnOnce(&mut BufWriter<File>) -> io::Result<()>) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder)?;
    // One writer at a time, so one fixed name: what a crash leaves is written over by the next. The folder may
    // have come with a repository, whose links lead anywhere.
    let unfinished = path.with_extension("json.new");
    let file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .custom_flags(libc::O_NOFOLLOW)
        .open(&unfinished)?;
    let mut writer = BufWriter::new(file);
    fill(&mut writer)?;
    let file = writer.into_inner().map_err(io::IntoInnerError::into_error)?;
    file.sync_all()?;
    std::fs::rename(&unfinished, path)?;
    File::open(folder)?.sync_all()
}
