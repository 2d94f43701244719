//! A scratch copy of the repository in which builds and tests run.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use super::offline::{self, ModuleCache};
use super::scratch::{BIN, Folder, RUN, Scratch, TMP, TREE};
use super::{Error, Module, Repository, modules};
use crate::domain::{FileChange, RepoPath};

/// A scratch copy: `tree/` holds the files, `tmp/` is for the programs that run, `bin/` for what
/// they build. Removed when dropped.
#[derive(Debug)]
pub struct Workspace {
    scratch: Scratch,
}

impl Workspace {
    /// Copies every regular file of the repository. Links and special files are left behind. A module that is not
    /// declared is given a `go.mod`, and what is not in Go's module cache is not required: so packages build
    /// that need none of it.
    ///
    /// # Errors
    /// When the disk is full, or the repository larger than configured.
    pub fn copy_of(repository: &Repository, module_cache: &Path) -> Result<Self, Error> {
        let parent = std::env::temp_dir();
        let failed = |source| Error::Scratch { path: parent.clone(), source };
        let scratch = Scratch::below(&parent).map_err(failed)?;
        let workspace = Self { scratch };
        for folder in [TREE, TMP, BIN] {
            std::fs::create_dir(workspace.scratch.path().join(folder)).map_err(failed)?;
        }
        let mut copied = 0_u64;
        for path in repository.files() {
            let room = repository.config.max_copy_bytes - copied;
            copied = copied
                .saturating_add(copy(repository, path, &workspace.path(path), room).map_err(|source| {
                    Error::Scratch { path: workspace.scratch.path().to_owned(), source }
                })?);
            if copied > repository.config.max_copy_bytes {
                return Err(Error::TooLarge {
                    path: repository.root().to_owned(),
                    limit: format!("{} bytes", repository.config.max_copy_bytes),
                });
            }
        }
        repository
            .modules()
            .iter()
            .try_for_each(|module| workspace.complete(module, repository, module_cache))
            .map_err(failed)?;
        Ok(workspace)
    }

    /// Makes a module build as far as it can without a network.
    fn complete(&self, module: &Module, repository: &Repository, module_cache: &Path) -> std::io::Result<()> {
        let folder = self.folder(&module.folder);
        let (go_mod, vendored) = (folder.join("go.mod"), folder.join("vendor/modules.txt"));
        if !module.declared {
            let (text, list) = modules::written_for(module, repository.files());
            std::fs::write(go_mod, text)?;
            return list.map_or(Ok(()), |list| std::fs::write(vendored, list));
        }
        // What a work file vendors must be required as it is listed.
        let joined =
            |above: &Path| above.join("go.work").is_file() && above.join("vendor/modules.txt").is_file();
        if let Ok(list) = std::fs::read_to_string(&vendored) {
            let text = std::fs::read_to_string(&go_mod)?;
            return match offline::vendored_as_today(&text, &list, module.language) {
                Some((text, list)) => {
                    std::fs::write(go_mod, text)?;
                    std::fs::write(vendored, list)
                }
                None => Ok(()),
            };
        }
        if folder.ancestors().take_while(|above| above.starts_with(self.tree())).any(joined) {
            return Ok(());
        }
        let text = std::fs::read_to_string(&go_mod)?;
        let cache = ModuleCache(module_cache.to_owned());
        // Beyond the copy nothing can be required.
        let go_mod_in = |path: &str| {
            let place = folder.join(path).join("go.mod").canonicalize().ok()?;
            let inside = self.tree().canonicalize().is_ok_and(|tree| place.starts_with(tree));
            inside.then(|| super::read_capped(&place, repository.config.max_file_bytes).ok())?
        };
        if let Some((text, absent)) = offline::without_absent(&text, &cache, go_mod_in) {
            tracing::info!(module = %module.path, ?absent, "modules are not in the module cache: what needs them is not built");
            std::fs::write(go_mod, text)?;
        }
        Ok(())
    }

    /// The root of the copied files.
    #[must_use]
    pub fn tree(&self) -> PathBuf {
        self.scratch.path().join(TREE)
    }

    /// An empty folder for the temporary files of one run of the repository's code: what one run leaves
    /// must not decide another. Removed when dropped.
    ///
    /// # Errors
    /// When the disk is full.
    pub fn fresh_tmp(&self) -> Result<Folder, Error> {
        Folder::below(self.scratch.path(), RUN).map_err(|source| self.failed(source))
    }

    /// A folder for temporary files of the compiler, which runs none of the repository's code.
    #[must_use]
    pub fn tmp(&self) -> PathBuf {
        self.scratch.path().join(TMP)
    }

    /// A folder for what is built.
    #[must_use]
    pub fn bin(&self) -> PathBuf {
        self.scratch.path().join(BIN)
    }

    /// Where a file of the repository stands in the copy.
    #[must_use]
    pub fn path(&self, path: &RepoPath) -> PathBuf {
        self.tree().join(path)
    }

    /// Where a folder of the repository stands in the copy; empty for the root.
    #[must_use]
    pub fn folder(&self, folder: &str) -> PathBuf {
        if folder.is_empty() { self.tree() } else { self.tree().join(folder) }
    }

    /// Writes a file into the copy.
    ///
    /// # Errors
    /// When the disk is full.
    pub fn write(&self, path: &RepoPath, text: &str) -> Result<(), Error> {
        std::fs::write(self.path(path), text).map_err(|source| self.failed(source))
    }

    /// Removes a file from the copy; one that is not there is no error.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn remove(&self, path: &RepoPath) -> Result<(), Error> {
        match std::fs::remove_file(self.path(path)) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(self.failed(error)),
            _ => Ok(()),
        }
    }

    /// Puts the new text of every change into the copy.
    ///
    /// # Errors
    /// When the disk is full.
    pub fn change(&self, changes: &[FileChange]) -> Result<(), Error> {
        changes.iter().try_for_each(|change| self.write(&change.path, &change.after))
    }

    /// Takes the changes back.
    ///
    /// # Errors
    /// When the disk is full.
    pub fn restore(&self, changes: &[FileChange]) -> Result<(), Error> {
        changes.iter().try_for_each(|change| self.write(&change.path, &change.before))
    }

    fn failed(&self, source: std::io::Error) -> Error {
        Error::Scratch { path: self.scratch.path().to_owned(), source }
    }
}

/// Copies one file and makes it writable for us; a file that vanished meanwhile counts as empty.
fn copy(repository: &Repository, path: &RepoPath, target: &Path, room: u64) -> std::io::Result<u64> {
    if let Some(folder) = target.parent() {
        std::fs::create_dir_all(folder)?;
    }
    let source = repository.root().join(path);
    let reader = match super::open_regular(&source) {
        Ok(file) => file,
        Err(error) => {
            tracing::warn!(%path, %error, "a file of the repository is left out of the scratch copy");
            return Ok(0);
        }
    };
    // Of a file that says itself how large it is nothing need be copied to learn that there is no room for it.
    let says = reader.metadata()?.len();
    if says > room {
        return Ok(says);
    }
    // Contents alone: modes (setuid), owners and extended attributes stay behind.
    let mut writer = std::fs::File::create(target)?;
    std::io::copy(&mut reader.take(room.saturating_add(1)), &mut writer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_says_that_it_is_too_large_is_not_copied_to_learn_it() {
        let (folder, scratch) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        std::fs::write(folder.path().join("go.mod"), "module m\n").unwrap();
        let large = std::fs::File::create(folder.path().join("large.bin")).unwrap();
        large.set_len(1 << 40).unwrap();
        let repository = Repository::open(folder.path()).unwrap();
        let (path, target) = (RepoPath::new("large.bin").unwrap(), scratch.path().join("large.bin"));
        assert_eq!(copy(&repository, &path, &target, 1 << 20).unwrap(), 1 << 40);
        assert!(!target.exists());
        large.set_len(7).unwrap();
        assert_eq!(copy(&repository, &path, &target, 7).unwrap(), 7);
        assert_eq!(std::fs::read(&target).unwrap(), [0; 7]);
    }
}
