//! Commands of git that a person can paste, wherever they stand.

use std::path::{Path, PathBuf};

use crate::domain::RepoPath;

/// The top of the git work tree in which a folder lies.
pub(super) fn work_tree_of(folder: &Path) -> Option<&Path> {
    folder.ancestors().find(|folder| folder.join(".git").exists())
}

/// The path of a folder from the top of the git work tree in which it lies; none where it lies in none.
fn place_in_work_tree(folder: &Path) -> Option<PathBuf> {
    let folder = folder.canonicalize().ok()?;
    Some(folder.strip_prefix(work_tree_of(&folder)?).ok()?.to_owned())
}

/// A word as a shell reads it.
#[must_use]
pub fn quoted(word: &str) -> String {
    format!("'{}'", word.replace('\'', r"'\''"))
}

/// Applies a patch of a repository: what comes next are options, and the patch unless it is read from
/// standard input.
#[must_use]
pub fn apply(repository: &Path) -> String {
    // Git takes the paths of a patch from the top of the work tree, and passes over what is not below the folder.
    let place = place_in_work_tree(repository);
    let directory = place.as_deref().and_then(Path::to_str).filter(|place| !place.is_empty());
    let directory = directory.map(|place| format!(" --directory={}", quoted(place))).unwrap_or_default();
    format!("{} apply{directory}", within(repository))
}

/// Brings files of a repository back to what was committed, or staged.
pub(super) fn checkout<'f>(repository: &Path, files: impl Iterator<Item = &'f RepoPath>) -> String {
    let files: Vec<_> = files.map(|file| quoted(file.as_str())).collect();
    format!("{} checkout -- {}", within(repository), files.join(" "))
}

fn within(repository: &Path) -> String {
    format!("git -C {}", quoted(&repository.display().to_string()))
}
