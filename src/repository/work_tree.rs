//! The git work tree that a folder lies in.

use std::path::Path;

/// The top of the git work tree in which a folder lies.
#[must_use]
pub fn work_tree_of(folder: &Path) -> Option<&Path> {
    folder.ancestors().find(|folder| folder.join(".git").exists())
}
