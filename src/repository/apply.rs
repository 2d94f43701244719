//! Writing an approved change into the repository itself.

use std::io::{Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::fs::{Mode, OFlags, ResolveFlags};

use super::Repository;
use crate::domain::{FileChange, RepoPath};

/// Why a change was not applied. Files are replaced one by one, each whole or not at all; what was
/// replaced before an error is put back.
#[derive(Debug, thiserror::Error)]
pub enum ApplyError {
    /// The file is not as it was when the fix was proven.
    #[error("{0} has changed since the fix was worked out; run the fix again on the repository as it stands")]
    Changed(RepoPath),
    /// The file could not be replaced, or its path leads through a symbolic link.
    #[error("cannot replace {path}: {source}")]
    Io {
        /// The file.
        path: RepoPath,
        /// What the system said.
        source: std::io::Error,
    },
}

impl Repository {
    /// Writes the new text of every change. Paths are resolved below the root without following any
    /// symbolic link, by the kernel.
    ///
    /// # Errors
    /// When a file has changed since, or cannot be replaced. The repository is then as it was.
    pub fn apply(&self, changes: &[FileChange]) -> Result<(), ApplyError> {
        self.demand_unchanged(changes)?;
        for (done, change) in changes.iter().enumerate() {
            if let Err(source) = replace_beneath(self.root(), &change.path, &change.after) {
                for earlier in &changes[..done] {
                    if let Err(error) = replace_beneath(self.root(), &earlier.path, &earlier.before) {
                        tracing::error!(path = %earlier.path, %error, "could not put a file back");
                    }
                }
                return Err(ApplyError::Io { path: change.path.clone(), source });
            }
        }
        Ok(())
    }

    /// Looks whether the files are still what every change was made for.
    ///
    /// # Errors
    /// When one is not, or cannot be read.
    pub fn demand_unchanged(&self, changes: &[FileChange]) -> Result<(), ApplyError> {
        for change in changes {
            let failed = |source| ApplyError::Io { path: change.path.clone(), source };
            if read_beneath(self.root(), &change.path).map_err(failed)? != change.before {
                return Err(ApplyError::Changed(change.path.clone()));
            }
        }
        Ok(())
    }
}

fn open_beneath(root: &Path, path: &str, flags: OFlags) -> std::io::Result<OwnedFd> {
    let base = rustix::fs::open(root, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
    Ok(rustix::fs::openat2(base, path, flags | OFlags::CLOEXEC, Mode::empty(), resolve)?)
}

fn read_beneath(root: &Path, path: &RepoPath) -> std::io::Result<String> {
    let mut text = String::new();
    std::fs::File::from(open_beneath(root, path.as_str(), OFlags::RDONLY)?).read_to_string(&mut text)?;
    Ok(text)
}

/// Writes a temporary file beside the old one, syncs it and renames it over.
fn replace_beneath(root: &Path, path: &RepoPath, text: &str) -> std::io::Result<()> {
    let folder = if path.folder().is_empty() { "." } else { path.folder() };
    let folder = open_beneath(root, folder, OFlags::RDONLY | OFlags::DIRECTORY)?;
    let mode = rustix::fs::statat(&folder, path.file_name(), rustix::fs::AtFlags::SYMLINK_NOFOLLOW)?.st_mode;
    let temporary = format!(".{}.hephaestus-{}", path.file_name(), std::process::id());
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let written = rustix::fs::openat(&folder, &temporary, flags, Mode::from_raw_mode(mode & 0o777))
        .map_err(std::io::Error::from)
        .and_then(|file| {
            let mut file = std::fs::File::from(file);
            file.write_all(text.as_bytes())?;
            file.sync_all()
        })
        .and_then(|()| Ok(rustix::fs::renameat(&folder, &temporary, &folder, path.file_name())?));
    if written.is_err() {
        // Best effort: the error that is reported is the first one.
        rustix::fs::unlinkat(&folder, &temporary, rustix::fs::AtFlags::empty()).ok();
    }
    written
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_files_or_none_and_never_over_another_change() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
        let read = |name: &str| std::fs::read_to_string(folder.path().join(name)).unwrap();
        write("go.mod", "module m\n");
        write("a.go", "package m // a\n");
        write("b.go", "package m // b\n");
        let repository = Repository::open(folder.path()).unwrap();
        let change = |name: &str, before: &str| FileChange {
            path: RepoPath::new(name).unwrap(),
            before: before.to_owned(),
            after: format!("{before}\n// mended\n"),
        };
        let both = [change("a.go", "package m // a\n"), change("b.go", "package m // other\n")];
        let refused = repository.apply(&both).unwrap_err();
        assert!(matches!(refused, ApplyError::Changed(ref path) if path.as_str() == "b.go"), "{refused}");
        assert_eq!(read("a.go"), "package m // a\n");

        repository.apply(&[change("a.go", "package m // a\n")]).unwrap();
        assert!(read("a.go").ends_with("// mended\n"));

        std::os::unix::fs::symlink("/etc/hostname", folder.path().join("link.go")).unwrap();
        let text = std::fs::read_to_string("/etc/hostname").unwrap_or_default();
        assert!(matches!(repository.apply(&[change("link.go", &text)]), Err(ApplyError::Io { .. })));
        let left = std::fs::read_dir(folder.path()).unwrap().count();
        assert_eq!(left, 4, "no temporary file is left");
    }
}
