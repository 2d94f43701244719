//! One pass over a file or standard input, in large chunks on the calling thread.
//!
//! Blocking reads on a plain thread are many times as fast as reads through an async runtime, and one
//! buffer is all the memory they need. What is compressed by gzip is read as the text it holds: offsets
//! count in that text, and decompression needs its window of 32 KiB more, whatever the size.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use flate2::bufread::GzDecoder;

use super::contents::{is_gzip, may_become_gzip};
use super::identity::files_in;
use super::pod::container_of;
use crate::domain::PodContainer;

/// Bytes asked for at once.
const CHUNK_BYTES: usize = 512 << 10;
/// Bytes that tell gzip from something else.
const MAGIC_BYTES: usize = 8;
/// Compressed bytes that are at hand.
const COMPRESSED_BYTES: usize = 64 << 10;

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

    /// The container whose log it is, where it is a pod's.
    #[must_use]
    pub fn container(&self) -> Option<PodContainer> {
        let Self::File(path) = self else { return None };
        container_of(path, &path.canonicalize().unwrap_or_else(|_| path.clone()))
    }

    /// The number of bytes that reading it will give, where it is known beforehand.
    #[must_use]
    pub fn size_bytes(&self) -> Option<u64> {
        let Self::File(path) = self else { return None };
        // Nothing but a regular file is opened: a pipe would be waited for.
        let size = path.metadata().ok().filter(std::fs::Metadata::is_file)?.len();
        let beginning = beginning_of(&mut File::open(path).ok()?, MAGIC_BYTES).ok()?;
        (!is_gzip(&beginning)).then_some(size)
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
    #[error("{source_name}: is a directory; name the log files in it, for example {files}")]
    Directory {
        /// The source.
        source_name: Source,
        /// How the logs in it may be named.
        files: String,
    },
    /// Anything else.
    #[error("{source_name}: cannot be read after {read_bytes} bytes")]
    Io {
        /// The source.
        source_name: Source,
        /// Bytes read before; of a compressed source, bytes of its text.
        read_bytes: u64,
        /// What happened.
        #[source]
        error: io::Error,
    },
}

impl Error {
    /// How much was read before.
    #[must_use]
    pub const fn read_bytes(&self) -> u64 {
        match self {
            Self::Io { read_bytes, .. } => *read_bytes,
            Self::Missing { .. } | Self::Denied { .. } | Self::Directory { .. } => 0,
        }
    }

    fn new(source: &Source, read_bytes: u64, error: io::Error) -> Self {
        let source_name = source.clone();
        match (error.kind(), source) {
            (io::ErrorKind::NotFound, _) => Self::Missing { source_name },
            (io::ErrorKind::PermissionDenied, _) => Self::Denied { source_name },
            (io::ErrorKind::IsADirectory, Source::File(folder)) => {
                Self::Directory { source_name, files: files_in(folder) }
            }
            _ => Self::Io { source_name, read_bytes, error },
        }
    }
}

/// Reads a source to its end, or until `take` breaks off, and returns the number of bytes read. Of a
/// source compressed by gzip, both are the bytes of the text in it.
///
/// # Errors
/// When the source cannot be opened or read.
pub fn read(source: &Source, mut take: impl FnMut(&[u8]) -> ControlFlow<()>) -> Result<u64, Error> {
    let mut total = 0;
    let mut input = open(source).map_err(|error| Error::new(source, total, error))?;
    let mut buffer = vec![0; CHUNK_BYTES];
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

/// Opens a source for its text.
fn open(source: &Source) -> io::Result<Box<dyn Read>> {
    let mut raw: Box<dyn Read> = match source {
        Source::File(path) => Box::new(File::open(path)?),
        Source::Stdin => Box::new(io::stdin().lock()),
    };
    let beginning = beginning_of(&mut raw, CHUNK_BYTES)?;
    let compressed = is_gzip(&beginning);
    let whole = io::Cursor::new(beginning).chain(raw);
    Ok(if compressed { Box::new(Members::of(whole)) } else { Box::new(whole) })
}

/// The text of gzip. Of several members, as appending to a compressed file makes them, each is read; zeros
/// between and after them fill up blocks, and say nothing.
struct Members<R> {
    /// Of the member that is being read; none at the end.
    decoder: Option<GzDecoder<BufReader<R>>>,
}

impl<R: Read> Members<R> {
    fn of(compressed: R) -> Self {
        Self { decoder: Some(GzDecoder::new(BufReader::with_capacity(COMPRESSED_BYTES, compressed))) }
    }
}

impl<R: Read> Read for Members<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while let Some(decoder) = &mut self.decoder {
            let count = decoder.read(buffer)?;
            if count > 0 || buffer.is_empty() {
                return Ok(count);
            }
            let rest = decoder.get_mut();
            if is_padding_to_the_end(rest)? {
                self.decoder = None;
            } else {
                self.decoder = self.decoder.take().map(|ended| GzDecoder::new(ended.into_inner()));
            }
        }
        Ok(0)
    }
}

/// Passes over zeros; whether nothing comes after them.
fn is_padding_to_the_end(input: &mut impl BufRead) -> io::Result<bool> {
    loop {
        let ahead = input.fill_buf()?;
        if ahead.is_empty() {
            return Ok(true);
        }
        let length = ahead.len();
        let zeros = ahead.iter().take_while(|byte| **byte == 0).count();
        input.consume(zeros);
        if zeros < length {
            return Ok(false);
        }
    }
}

/// What the first read gives, at the most `most` bytes; more reads only where they are needed to tell gzip
/// from something else: who writes a log into a pipe is not made to wait.
fn beginning_of(input: &mut impl Read, most: usize) -> io::Result<Vec<u8>> {
    let mut beginning = vec![0; most];
    let mut length = 0;
    while may_become_gzip(&beginning[..length]) {
        match input.read(&mut beginning[length..]) {
            Ok(0) => break,
            Ok(count) => length += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    beginning.truncate(length);
    Ok(beginning)
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

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

    #[test]
    fn gzip_is_read_as_the_text_it_holds() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("app.log");
        let member = |text: &[u8]| {
            let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
            encoder.write_all(text).unwrap();
            encoder.finish().unwrap()
        };
        let source = Source::named(&path);
        let mut text = Vec::new();
        let mut read_all = |bytes: &[u8]| {
            std::fs::write(&path, bytes).unwrap();
            text.clear();
            let result = read(&source, |chunk| {
                text.extend_from_slice(chunk);
                ControlFlow::Continue(())
            });
            (result, text.clone())
        };
        let long = b"a line of a log\n".repeat(CHUNK_BYTES / 4);
        let (total, got) = read_all(&[member(&long), member(b"appended\n")].concat());
        assert_eq!(total.unwrap(), long.len() as u64 + 9);
        assert!(got.starts_with(&long) && got.ends_with(b"appended\n"));
        assert_eq!(source.size_bytes(), None, "how much text is in it is not known beforehand");

        let whole = member(&long);
        let (cut, got) = read_all(&whole[..whole.len() / 2]);
        assert!(matches!(cut, Err(Error::Io { read_bytes, .. }) if read_bytes == got.len() as u64));
        // Zeros fill the last block of a device, or stand between members.
        let (short, zeros) = (member(b"a line\n"), vec![0; COMPRESSED_BYTES + 512]);
        for padded in [&[&*short, &[0; 512]].concat(), &[&*short, &*zeros].concat()] {
            let (total, got) = read_all(padded);
            assert_eq!((total.unwrap(), got.as_slice()), (7, &b"a line\n"[..]));
        }
        let (total, got) = read_all(&[&*short, &*zeros, &*short].concat());
        assert_eq!((total.unwrap(), got.as_slice()), (14, &b"a line\na line\n"[..]));
        let (lost, got) = read_all(&[&*short, b"\0no gzip"].concat());
        assert_eq!((lost.unwrap_err().read_bytes(), got.len()), (7, 7));
        // Nearly the beginning of gzip.
        let (total, got) = read_all(b"\x1f\x8bno");
        assert_eq!((total.unwrap(), got.as_slice()), (4, &b"\x1f\x8bno"[..]));
    }
}
