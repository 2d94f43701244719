//! How a file is recognised: by its inode, and by hashes of some of its bytes.

use std::fs::{DirEntry, File, Metadata, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::Path;

use rustix::buffer::spare_capacity;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The head of a file that is remembered: bytes at its beginning.
pub(super) const HEAD_BYTES: usize = 1024;

/// Entries of a folder that are looked at to name the logs in it.
const MOST_LOOKED_AT: usize = 1_000;

/// Bytes before an offset that are remembered.
pub(super) const MARK_BYTES: usize = 256;

/// A file system's name for a file. It may be given to another file once the first is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(super) struct Inode {
    device: u64,
    inode: u64,
}

impl Inode {
    pub(super) fn of(meta: &Metadata) -> Self {
        Self { device: meta.dev(), inode: meta.ino() }
    }
}

/// A hash of 128 bits, written as hex.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Digest(u128);

impl Serialize for Digest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("{:032x}", self.0))
    }
}

impl<'de> Deserialize<'de> for Digest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        u128::from_str_radix(&text, 16).map(Self).map_err(serde::de::Error::custom)
    }
}

/// Some bytes of a file that end at an offset, remembered as a hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Mark {
    /// Where the bytes end.
    offset: u64,
    /// How many they are.
    bytes: usize,
    hash: Digest,
}

impl Mark {
    /// The mark of these bytes, which end at `offset`.
    pub(super) fn of(bytes: &[u8], offset: u64) -> Self {
        let mut hash = [0; 16];
        blake3::Hasher::new().update(bytes).finalize_xof().fill(&mut hash);
        Self { offset, bytes: bytes.len(), hash: Digest(u128::from_be_bytes(hash)) }
    }

    /// The mark of the bytes just before `offset`, at most `most` of them.
    pub(super) fn before(file: &File, offset: u64, most: usize) -> io::Result<Self> {
        let length = usize::try_from(offset).unwrap_or(usize::MAX).min(most);
        let mut bytes = vec![0; length];
        file.read_exact_at(&mut bytes, offset - length as u64)?;
        Ok(Self::of(&bytes, offset))
    }

    /// The mark of the file's first bytes, as many as it has and a head takes.
    pub(super) fn head(file: &File, length: u64) -> io::Result<Self> {
        Self::before(file, length.min(HEAD_BYTES as u64), HEAD_BYTES)
    }

    pub(super) const fn offset(&self) -> u64 {
        self.offset
    }

    /// How many bytes it covers.
    pub(super) const fn len(&self) -> usize {
        self.bytes
    }

    /// Whether the file still has these bytes at this place. One that is too short has not.
    pub(super) fn holds(&self, file: &File) -> io::Result<bool> {
        match Self::before(file, self.offset, self.bytes) {
            Ok(found) => Ok(found == *self),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
            Err(error) => Err(error),
        }
    }
}

/// Why a path is not read.
#[derive(Debug, thiserror::Error)]
pub(super) enum Refused {
    #[error("it is a directory; name the log files in it, for example {0}")]
    Folder(String),
    #[error("it is not a regular file; name log files only")]
    NotRegular,
    #[error("{0}")]
    Io(#[from] io::Error),
}

/// How the logs in a folder may be named: a glob that leads to something, where there is anything.
pub(super) fn files_in(folder: &Path) -> String {
    let is_log = |entry: io::Result<DirEntry>| {
        entry.is_ok_and(|entry| Path::new(&entry.file_name()).extension().is_some_and(|it| it == "log"))
    };
    let has_logs = std::fs::read_dir(folder).is_ok_and(|entries| entries.take(MOST_LOOKED_AT).any(is_log));
    folder.join(if has_logs { "*.log" } else { "*" }).display().to_string()
}

/// Whether an error says that a path leads to nothing.
pub(super) fn is_absence(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

/// Whether an error says that there are too many open files.
pub(super) fn is_exhaustion(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EMFILE | libc::ENFILE))
}

impl Refused {
    /// Why this, which is no regular file, is not read.
    pub(super) fn of(path: &Path, meta: &Metadata) -> Self {
        if meta.is_dir() { Self::Folder(files_in(path)) } else { Self::NotRegular }
    }

    /// Whether the path leads to nothing.
    pub(super) fn is_absence(&self) -> bool {
        matches!(self, Self::Io(error) if is_absence(error))
    }

    /// Whether what lies there may be readable another time.
    pub(super) fn is_passing(&self) -> bool {
        matches!(self, Self::Io(error) if !is_absence(error))
    }
}

/// Opens a regular file for reading. Never blocks, whatever the path leads to.
pub(super) fn open_regular(path: &Path) -> Result<(File, Metadata), Refused> {
    // Opening a device may act on it, so it is asked first what this is.
    let meta = path.metadata()?;
    if !meta.is_file() {
        return Err(Refused::of(path, &meta));
    }
    let file = OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY).open(path)?;
    let meta = file.metadata()?;
    if meta.is_file() { Ok((file, meta)) } else { Err(Refused::of(path, &meta)) }
}

/// Reads up to `most` bytes at an offset; fewer where the file ends.
pub(super) fn read_at(file: &File, offset: u64, most: usize) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::with_capacity(most);
    while bytes.len() < most {
        let at = offset + bytes.len() as u64;
        match rustix::io::pread(file, spare_capacity(&mut bytes), at) {
            Ok(0) => break,
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(bytes)
}

/// Where the file's data begins: behind the hole that a writer leaves which goes on at its old offset after
/// the file was truncated.
pub(super) fn first_data(file: &File) -> u64 {
    rustix::fs::seek(file, rustix::fs::SeekFrom::Data(0)).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn a_mark_holds_as_long_as_its_bytes_stand() {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(b"one two three").unwrap();
        let mark = Mark::before(&file, 7, 3).unwrap();
        assert_eq!(mark, Mark::of(b"two", 7));
        assert!(mark.holds(&file).unwrap());
        file.write_all_at(b"TWO", 4).unwrap();
        assert!(!mark.holds(&file).unwrap());
        file.set_len(6).unwrap();
        assert!(!mark.holds(&file).unwrap());
        assert!(Mark::of(b"", 0).holds(&file).unwrap());
        assert_eq!(Mark::head(&file, 6).unwrap(), Mark::of(b"one TW", 6));
    }

    #[test]
    fn a_mark_survives_being_written_down() {
        let mark = Mark::of(b"bytes", 99);
        let text = serde_json::to_string(&mark).unwrap();
        assert_eq!(serde_json::from_str::<Mark>(&text).unwrap(), mark);
    }

    #[test]
    fn a_pipe_or_a_folder_is_refused_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let pipe = folder.path().join("pipe.log");
        rustix::fs::mkfifoat(rustix::fs::CWD, &pipe, rustix::fs::Mode::RWXU).unwrap();
        for path in [pipe.as_path(), folder.path(), Path::new("/dev/null")] {
            assert!(open_regular(path).is_err(), "{}", path.display());
        }
        let told = || open_regular(folder.path()).unwrap_err().to_string();
        assert!(told().ends_with(&format!("for example {}/*.log", folder.path().display())), "{}", told());
        std::fs::rename(pipe, folder.path().join("pipe.txt")).unwrap();
        assert!(told().ends_with(&format!("for example {}/*", folder.path().display())), "{}", told());
    }
}
