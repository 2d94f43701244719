//! Where a followed file stands, to read again what was read of it.

use std::fs::File;
use std::path::PathBuf;

use super::identity::{Inode, Mark, open_regular};
use super::registry::Registry;
use crate::domain::FileId;

/// Where a followed file stood at the last look, and how it is told from others.
#[derive(Debug)]
pub struct Origin {
    path: PathBuf,
    inode: Inode,
    head: Mark,
}

impl Origin {
    /// Opens it; none where another file stands in its place by now, or none at all. Never blocks.
    #[must_use]
    pub fn open(&self) -> Option<File> {
        let (file, meta) = open_regular(&self.path).ok()?;
        let is_it = Inode::of(&meta) == self.inode && self.head.holds(&file).unwrap_or(false);
        is_it.then_some(file)
    }
}

impl Registry {
    /// Where a file stands; none for a pipe, and for a file that is not known.
    #[must_use]
    pub fn origin(&self, file: FileId) -> Option<Origin> {
        self.file(file).map(|known| Origin { path: known.path, inode: known.inode, head: known.head })
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn only_the_file_that_was_read_is_opened_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("app.log");
        fs::write(&path, "first line\n").unwrap();
        let (file, meta) = open_regular(&path).unwrap();
        let head = Mark::head(&file, meta.len()).unwrap();
        let origin = Origin { path: path.clone(), inode: Inode::of(&meta), head };
        assert!(origin.open().is_some());

        // Rotation by renaming, and by truncating in place.
        let old = folder.path().join("app.log.1");
        fs::rename(&path, &old).unwrap();
        assert!(origin.open().is_none());
        fs::write(&path, "first line\n").unwrap();
        assert!(origin.open().is_none(), "the same content is not the same file");
        fs::remove_file(&path).unwrap();
        symlink("/etc/passwd", &path).unwrap();
        assert!(origin.open().is_none());
        fs::remove_file(&path).unwrap();
        symlink(&old, &path).unwrap();
        assert!(origin.open().is_some(), "a log may be reached by a link");
        fs::write(&old, "other line\n").unwrap();
        assert!(origin.open().is_none());
        fs::remove_file(&path).unwrap();
        rustix::fs::mkfifoat(rustix::fs::CWD, &path, rustix::fs::Mode::RWXU).unwrap();
        assert!(origin.open().is_none(), "and nobody waits for a writer");
    }
}
