//! Whether a repository has changed since it was opened.

use std::ffi::OsStr;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use super::walk;
use crate::domain::Stamp;

/// The stamp of all files in a folder: of names, sizes and times of change. Reading none of them, it costs a
/// walk. Of a folder that cannot be read, it is that of an empty one.
#[must_use]
pub fn stamp(folder: &Path) -> Stamp {
    of_files(folder, |_| true).0
}

/// The stamp of what decides how a folder builds: its Go files, and those that name its modules. What else is
/// written there, as the log of a service, does not change it. None where there is no such file.
#[must_use]
pub fn code_stamp(folder: &Path) -> Option<Stamp> {
    let is_code = |path: &Path| {
        let names_modules =
            path.file_name().and_then(OsStr::to_str).is_some_and(|name| MODULE_FILES.contains(&name));
        names_modules || path.extension().is_some_and(|extension| extension == "go")
    };
    let (stamp, count) = of_files(folder, is_code);
    (count > 0).then_some(stamp)
}

/// The files that name modules and what they need.
const MODULE_FILES: [&str; 4] = ["go.mod", "go.sum", "go.work", "go.work.sum"];

/// The stamp of the files that are meant, and how many there are.
fn of_files(folder: &Path, is_meant: impl Fn(&Path) -> bool) -> (Stamp, usize) {
    let mut entries: Vec<_> = walk(folder)
        .filter(|entry| is_meant(entry.path()))
        .filter_map(|entry| {
            let metadata = entry.metadata().ok()?;
            let changed = (metadata.ctime(), metadata.ctime_nsec());
            Some((entry.into_path(), metadata.len(), changed))
        })
        .collect();
    entries.sort();
    let mut hasher = blake3::Hasher::new();
    for (path, length, (seconds, nanoseconds)) in &entries {
        hasher.update(path.as_os_str().as_encoded_bytes());
        // No path has a zero byte: where it ends is certain.
        hasher.update(&[0]);
        hasher.update(&length.to_le_bytes());
        hasher.update(&seconds.to_le_bytes());
        hasher.update(&nanoseconds.to_le_bytes());
    }
    let mut bytes = [0; 16];
    hasher.finalize_xof().fill(&mut bytes);
    (Stamp::from_bytes(bytes), entries.len())
}

#[cfg(test)]
mod tests {
    use super::{code_stamp, stamp};

    #[test]
    fn it_tells_every_change() {
        let folder = tempfile::tempdir().unwrap();
        let (file, other) = (folder.path().join("a.go"), folder.path().join("b.go"));
        std::fs::write(&file, "package a").unwrap();
        let first = stamp(folder.path());
        assert_eq!(stamp(folder.path()), first);
        std::fs::write(&file, "package b").unwrap();
        let written = stamp(folder.path());
        assert_ne!(written, first);
        std::fs::rename(&file, &other).unwrap();
        assert_ne!(stamp(folder.path()), written);
    }

    #[test]
    fn that_of_the_code_tells_of_code_alone() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(code_stamp(folder.path()), None);
        assert_eq!(code_stamp(&folder.path().join("none")), None);
        std::fs::write(folder.path().join("a.go"), "package a").unwrap();
        let first = code_stamp(folder.path());
        std::fs::write(folder.path().join("app.log"), "panic: out of order").unwrap();
        assert_eq!(code_stamp(folder.path()), first);
        std::fs::write(folder.path().join("go.mod"), "module a").unwrap();
        assert_ne!(code_stamp(folder.path()), first);
    }
}
