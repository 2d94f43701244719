//! One pass over a file or standard input, in large chunks on the calling thread.
//!
//! Blocking reads on a plain thread are many times as fast as reads through an async runtime, and one
//! buffer is all the memory they need.

use std::fs::File;
use std::io::{self, Read};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

/// Bytes asked for at once.
const CHUNK_BYTES: usize = 512 << 10;

/// Where bytes come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// A file, from its beginning to its end as it stands.
    File(PathBuf),
    /// Standard input, until it is closed.
    Stdin,
}

impl Source {
    /// The source an argument names: `-` is standard input.
    #[must_use]
    pub fn named(name: &Path) -> Self {
        if name == Path::new("-") { Self::Stdin } else { Self::File(name.to_owned()) }
    }

    /// Its size in bytes, where it is known beforehand.
    #[must_use]
    pub fn size_bytes(&self) -> Option<u64> {
        match self {
            Self::File(path) => {
                path.metadata().ok().filter(std::fs::Metadata::is_file).map(|meta| meta.len())
            }
            Self::Stdin => None,
        }
    }
}

impl std::fmt::Display for Source {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::File(path) => path.display().fmt(f),
            Self::Stdin => f.write_str("standard input"),
        }
    }
}

/// Why a source could not be read.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is no such file.
    #[error("{source_name}: no such file; check the path, or use - for standard input")]
    Missing {
        /// The source.
        source_name: Source,
    },
    /// Access is denied.
    #[error(
        "{source_name}: permission denied; run as a user who may read it, or pipe it in: sudo cat FILE | … -"
    )]
    Denied {
        /// The source.
        source_name: Source,
    },
    /// It is a directory.
    #[error("{source_name}: is a directory; name the log files in it, for example {source_name}/*.log")]
    Directory {
        /// The source.
        source_name: Source,
    },
    /// Anything else.
    #[error("{source_name}: cannot be read after {read_bytes} bytes")]
    Io {
        /// The source.
        source_name: Source,
        /// Bytes read before.
        read_bytes: u64,
        /// What happened.
        #[source]
        error: io::Error,
    },
}

impl Error {
    fn new(source: &Source, read_bytes: u64, error: io::Error) -> Self {
        let source_name = source.clone();
        match error.kind() {
            io::ErrorKind::NotFound => Self::Missing { source_name },
            io::ErrorKind::PermissionDenied => Self::Denied { source_name },
            io::ErrorKind::IsADirectory => Self::Directory { source_name },
            _ => Self::Io { source_name, read_bytes, error },
        }
    }
}

/// Reads a source to its end, or until `take` breaks off, and returns the number of bytes read.
///
/// # Errors
/// When the source cannot be opened or read.
pub fn read(source: &Source, mut take: impl FnMut(&[u8]) -> ControlFlow<()>) -> Result<u64, Error> {
    let mut input: Box<dyn Read> = match source {
        Source::File(path) => Box::new(File::open(path).map_err(|error| Error::new(source, 0, error))?),
        Source::Stdin => Box::new(io::stdin().lock()),
    };
    let mut buffer = vec![0; CHUNK_BYTES];
    let mut total = 0;
    loop {
        match input.read(&mut buffer) {
            Ok(0) => return Ok(total),
            Ok(count) => {
                total += count as u64;
                if take(&buffer[..count]).is_break() {
                    return Ok(total);
                }
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(Error::new(source, total, error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_say_what_to_do() {
        let folder = tempfile::tempdir().unwrap();
        let error =
            |path: &Path| read(&Source::named(path), |_| ControlFlow::Continue(())).unwrap_err().to_string();
        assert!(error(&folder.path().join("none.log")).contains("no such file; check the path"));
        assert!(error(folder.path()).contains("is a directory; name the log files in it"));
    }

    #[test]
    fn a_file_is_read_whole_and_can_be_left_early() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.log");
        std::fs::write(&path, vec![7u8; CHUNK_BYTES * 2 + 5]).unwrap();
        let source = Source::named(&path);
        assert_eq!(read(&source, |_| ControlFlow::Continue(())).unwrap(), CHUNK_BYTES as u64 * 2 + 5);
        assert_eq!(read(&source, |_| ControlFlow::Break(())).unwrap(), CHUNK_BYTES as u64);
        assert_eq!(source.size_bytes(), Some(CHUNK_BYTES as u64 * 2 + 5));
    }
}
