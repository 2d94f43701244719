//! Commands of git that a person can paste, wherever they stand.

use std::path::{Path, PathBuf};

use crate::repository::work_tree_of;

/// Applies a patch that is read from standard input, in the folder of its repository, wherever that lies in a git work
/// tree; -R takes it back.
pub const APPLY_HERE: &str = r#"git apply --directory="$(git rev-parse --show-prefix)""#;

/// The path of a folder from the top of the git work tree in which it lies; none where it lies in none.
fn place_in_work_tree(folder: &Path) -> Option<PathBuf> {
    let folder = folder.canonicalize().ok()?;
    Some(folder.strip_prefix(work_tree_of(&folder)?).ok()?.to_owned())
}

/// A word as a shell reads it.
pub(super) fn quoted(word: &str) -> String {
    format!("'{}'", word.replace('\'', r"'\''"))
}

/// Applies a patch of a repository: what comes next are options, and the patch unless it is read from
/// standard input. None where the repository's path is not text.
#[must_use]
pub fn apply(repository: &Path) -> Option<String> {
    // Git takes the paths of a patch from the top of the work tree, and passes over what is not below the folder.
    let place = place_in_work_tree(repository).unwrap_or_default();
    let directory = match place.to_str()? {
        "" => String::new(),
        place => format!(" --directory={}", quoted(place)),
    };
    Some(format!("git -C {} apply{directory}", quoted(repository.to_str()?)))
}
