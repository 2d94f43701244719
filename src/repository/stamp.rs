//! Whether a repository has changed since it was opened.

use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use super::walk;

/// What a folder's files looked like from outside: names, sizes and times of change. Reading none of them,
/// it costs a walk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp(blake3::Hash);

impl Stamp {
    /// The stamp of a folder as it stands; of one that cannot be read, that of an empty one.
    #[must_use]
    pub fn of(folder: &Path) -> Self {
        let mut entries: Vec<_> = walk(folder)
            .filter_map(|entry| {
                let metadata = entry.metadata().ok()?;
                let changed = (metadata.ctime(), metadata.ctime_nsec());
                Some((entry.into_path(), metadata.len(), changed))
            })
            .collect();
        entries.sort();
        let mut hasher = blake3::Hasher::new();
        for (path, length, (seconds, nanoseconds)) in entries {
            hasher.update(path.as_os_str().as_encoded_bytes());
            // No path has a zero byte: where it ends is certain.
            hasher.update(&[0]);
            hasher.update(&length.to_le_bytes());
            hasher.update(&seconds.to_le_bytes());
            hasher.update(&nanoseconds.to_le_bytes());
        }
        Self(hasher.finalize())
    }
}

#[cfg(test)]
mod tests {
    use super::Stamp;

    #[test]
    fn it_tells_every_change() {
        let folder = tempfile::tempdir().unwrap();
        let (file, other) = (folder.path().join("a.go"), folder.path().join("b.go"));
        std::fs::write(&file, "package a").unwrap();
        let first = Stamp::of(folder.path());
        assert_eq!(Stamp::of(folder.path()), first);
        std::fs::write(&file, "package b").unwrap();
        let written = Stamp::of(folder.path());
        assert_ne!(written, first);
        std::fs::rename(&file, &other).unwrap();
        assert_ne!(Stamp::of(folder.path()), written);
    }
}
