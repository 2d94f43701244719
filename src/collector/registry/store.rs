//! The file on disk: read with suspicion, written whole or added to.
//!
//! Its first line is the whole state, each further one what has changed since. Written whole, it is put in the place
//! of the old one, so either is there at any moment. What is added is synced before anybody is told; a crash on the
//! way leaves a last line without an end, which is passed over.

use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, ErrorKind, Write as _};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{KnownFile, State};
use crate::domain::{EventId, FileId, Occurrences};

/// The version of the format. A change that an older program would misread raises it.
const VERSION: u32 = 2;

/// From how many bytes of changes on the file may be written whole again.
const LEAST_ADDED_BYTES: u64 = 64 << 10;

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

/// What has changed since the line before.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Change {
    pub(super) settled_in: bool,
    /// Files as they are now.
    pub(super) files: Vec<KnownFile>,
    /// Files that were forgotten.
    pub(super) gone: Vec<FileId>,
    /// What came into the outbox.
    pub(super) promised: Vec<Occurrences>,
    /// What has left it.
    pub(super) kept: Vec<EventId>,
}

impl Change {
    fn apply(self, state: &mut State) {
        state.settled_in = self.settled_in;
        state.files.extend(self.files.into_iter().map(|known| (known.id, known)));
        self.gone.iter().for_each(|file| drop(state.files.remove(file)));
        state.drop_promises(&self.kept);
        state.promise(&self.promised);
    }
}

/// The file, and how long it has become.
#[derive(Debug)]
pub(super) struct Store {
    path: PathBuf,
    /// Bytes of the whole state, and of what was added since; none where it must be written whole before.
    lengths: Option<(u64, u64)>,
}

impl Store {
    /// The file at this path, and what is in it; `None` if there is no file.
    pub(super) fn open(path: &Path) -> Result<(Self, Option<State>), Error> {
        // What another program has left is not added to.
        Ok((Self { path: path.to_owned(), lengths: None }, load(path)?))
    }

    /// Whether it is to be written whole: what was added is more than that.
    pub(super) fn is_long(&self) -> bool {
        self.lengths.is_none_or(|(whole, added)| added > whole.max(LEAST_ADDED_BYTES))
    }

    /// Writes the state; it is durable when this returns.
    pub(super) fn write(&mut self, state: &State) -> Result<(), Error> {
        self.lengths = None;
        let length = replace(&self.path, |file| {
            serde_json::to_writer(&mut *file, &Outgoing { version: VERSION, state })?;
            file.write_all(b"\n")
        });
        let length = length.map_err(|error| self.unwritable(error))?;
        self.lengths = Some((length, 0));
        Ok(())
    }

    /// Adds a change; it is durable when this returns.
    pub(super) fn add(&mut self, change: &Change) -> Result<(), Error> {
        let line = serde_json::to_vec(change).map_err(|error| self.unwritable(error.into()))?;
        let (whole, before) = self.lengths.take().unwrap_or_default();
        let appended = append(&self.path, &[&line[..], b"\n"].concat(), whole + before);
        // Where nobody knows what is there now, it is written whole next.
        self.lengths = match &appended {
            Ok(()) => Some((whole, before + line.len() as u64 + 1)),
            Err((_, is_taken_back)) => is_taken_back.then_some((whole, before)),
        };
        appended.map_err(|(error, _)| self.unwritable(error))
    }

    fn unwritable(&self, error: io::Error) -> Error {
        Error::Unwritable { path: self.path.clone(), error: Arc::new(error) }
    }
}

pub(super) fn load(path: &Path) -> Result<Option<State>, Error> {
    let corrupt = |error| Error::Corrupt { path: path.to_owned(), error: Arc::new(error) };
    let bytes = match std::fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(Error::Unreadable { path: path.to_owned(), error: Arc::new(error) }),
    };
    let end = memchr::memchr(b'\n', &bytes);
    let (whole, added) = bytes.split_at(end.map_or(bytes.len(), |end| end + 1));
    let Version { version } = serde_json::from_slice(whole).map_err(corrupt)?;
    if version > VERSION {
        return Err(Error::Newer { path: path.to_owned(), found: version });
    }
    let mut state: State = serde_json::from_slice(whole).map_err(corrupt)?;
    if version > 1 && end.is_none() {
        return Err(corrupt(serde::de::Error::custom("its first line has no end")));
    }
    for line in added.split_inclusive(|byte| *byte == b'\n').filter(|line| line.ends_with(b"\n")) {
        serde_json::from_slice::<Change>(line).map_err(corrupt)?.apply(&mut state);
    }
    Ok(Some(state))
}

/// Adds a line at the end of a file of this length. What fails is taken back, where that can be done.
fn append(path: &Path, line: &[u8], length: u64) -> Result<(), (io::Error, bool)> {
    let open = || {
        let file = OpenOptions::new().append(true).custom_flags(libc::O_NOFOLLOW).open(path)?;
        let is_ours = file.metadata()?.len() == length;
        if is_ours { Ok(file) } else { Err(io::Error::other("another program has changed it")) }
    };
    let mut file = open().map_err(|error| (error, false))?;
    file.write_all(line)
        .and_then(|()| file.sync_data())
        .map_err(|error| (error, file.set_len(length).is_ok()))
}

fn replace(path: &Path, fill: impl FnOnce(&mut BufWriter<File>) -> io::Result<()>) -> io::Result<u64> {
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
    let length = file.metadata()?.len();
    std::fs::rename(&unfinished, path)?;
    File::open(folder)?.sync_all()?;
    Ok(length)
}
