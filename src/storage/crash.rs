//! What a crash leaves of a database, for tests of the rooms that have one.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::SystemTime;

/// A copy that was broken into so often means that somebody writes without end.
const MOST_TRIES: usize = 1_000;

/// Copies the files as they are at one moment, while the database is in use.
///
/// Compaction in the background adds and deletes files meanwhile, and a copy of some files from before and
/// some from after is what no crash leaves. So it counts only if nothing has changed until it was complete.
pub(crate) fn crash_copy(from: &Path, to: &Path) {
    for _ in 0..MOST_TRIES {
        let before = state(from);
        let copied = copy(from, to);
        match (before, state(from)) {
            (Ok(before), Ok(after)) if before == after => return copied.unwrap(),
            _ => fs::remove_dir_all(to).unwrap(),
        }
    }
    panic!("{} never stands still", from.display());
}

fn copy(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        fs::copy(entry.path(), to.join(entry.file_name()))?;
    }
    Ok(())
}

/// By name: which file, how long, when written to.
fn state(folder: &Path) -> io::Result<BTreeMap<OsString, (u64, u64, SystemTime)>> {
    let of = |entry: fs::DirEntry| {
        let meta = entry.metadata()?;
        Ok((entry.file_name(), (meta.ino(), meta.len(), meta.modified()?)))
    };
    fs::read_dir(folder)?.map(|entry| entry.and_then(of)).collect()
}
