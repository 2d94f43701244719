//! Lines of a log from before an error, which may tell how it came about.
//!
//! They are read from the file itself, once a kind of error, so a healthy log pays nothing for them.

use std::fs::File;
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::PathBuf;

use rustix::fs::OFlags;

use crate::collector::Origin;

/// How far back is looked.
const WINDOW_BYTES: u64 = 32 << 10;
/// Longer lines are cut: what hints at a cause stands near their beginning.
const MAX_LINE_BYTES: usize = 2 << 10;

/// What leads to a log.
pub(super) trait Log {
    /// Opens it, without waiting; none where it is gone.
    fn open(&self) -> Option<File>;
}

impl Log for Origin {
    fn open(&self) -> Option<File> {
        self.open()
    }
}

/// Whatever stands there by now: after a rotation that is another file.
impl Log for PathBuf {
    fn open(&self) -> Option<File> {
        // What took the place of the file may be a pipe, which must not be waited for.
        File::options().read(true).custom_flags(OFlags::NONBLOCK.bits().cast_signed()).open(self).ok()
    }
}

/// The last whole lines that end before `offset`, oldest first. Hints only: none where the log cannot be
/// read any more.
pub(super) fn lines_before(log: &impl Log, offset: u64, count: usize) -> Vec<String> {
    let start = offset.saturating_sub(WINDOW_BYTES);
    let Ok(length) = usize::try_from(offset - start) else { return Vec::new() };
    if length == 0 || count == 0 {
        return Vec::new();
    }
    let mut window = vec![0; length];
    if log.open().and_then(|file| file.read_exact_at(&mut window, start).ok()).is_none() {
        return Vec::new();
    }
    let mut lines: Vec<_> = window
        .split(|byte| *byte == b'\n')
        // The first piece may have lost its beginning.
        .skip(usize::from(start > 0))
        .filter(|line| !line.is_empty())
        .map(|line| String::from_utf8_lossy(&line[..line.len().min(MAX_LINE_BYTES)]).into_owned())
        .collect();
    lines.drain(..lines.len().saturating_sub(count));
    lines
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn the_last_whole_lines_before_an_offset() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("app.log");
        fs::write(&path, "one\n\ntwo\nthree\npanic: x\n").unwrap();
        assert_eq!(lines_before(&path, 15, 2), ["two", "three"]);
        assert_eq!(lines_before(&path, 15, 9), ["one", "two", "three"]);
        assert_eq!((lines_before(&path, 0, 9), lines_before(&path, 15, 0)), (vec![], vec![]));
        assert_eq!(lines_before(&path, 99, 9), Vec::<String>::new(), "it is shorter by now");
        assert_eq!(lines_before(&folder.path().join("none"), 15, 9), Vec::<String>::new());

        let long = format!("{}\nlast\n", "x".repeat(100_000));
        fs::write(&path, &long).unwrap();
        assert_eq!(lines_before(&path, long.len() as u64, 9), ["last"], "one without a beginning is no line");
        let line = format!("{}\nlast\n", "x".repeat(5_000));
        fs::write(&path, &line).unwrap();
        let cut: Vec<_> = lines_before(&path, line.len() as u64, 9).iter().map(String::len).collect();
        assert_eq!(cut, [MAX_LINE_BYTES, 4]);
    }
}
