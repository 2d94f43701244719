//! Lines of a log from before an error, which may tell how it came about.
//!
//! They are read from the file itself, once a kind of error, so a healthy log pays nothing for them.

use std::fs::File;
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::Path;

use rustix::fs::OFlags;

/// How far back is looked.
const WINDOW_BYTES: u64 = 32 << 10;
/// Longer lines are cut: what hints at a cause stands near their beginning.
const MAX_LINE_BYTES: usize = 2 << 10;

/// The last whole lines that end before `offset`, oldest first. Hints only: none where the file cannot be
/// read any more, as after a rotation, or is no file.
pub(super) fn lines_before(path: &Path, offset: u64, count: usize) -> Vec<String> {
    let start = offset.saturating_sub(WINDOW_BYTES);
    let Ok(length) = usize::try_from(offset - start) else { return Vec::new() };
    let mut window = vec![0; length];
    // What took the place of the file may be a pipe, which must not be waited for.
    let read = File::options()
        .read(true)
        .custom_flags(OFlags::NONBLOCK.bits().cast_signed())
        .open(path)
        .and_then(|file| file.read_exact_at(&mut window, start));
    if read.is_err() {
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
