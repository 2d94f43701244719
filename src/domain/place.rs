//! Places in a repository.

use std::path::{Component, Path};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A path relative to the repository's root, with `/` as separator. It cannot point outside: it has
/// no root, no `.` or `..`, no empty part, no control character and no part named `.git`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
pub struct RepoPath(String);

/// A path that may not stand in a repository.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a path inside the repository")]
pub struct RepoPathError(String);

impl RepoPath {
    /// Checks a relative path.
    ///
    /// # Errors
    /// When the path is absolute, empty, not UTF-8, or could leave the repository.
    pub fn new(path: impl AsRef<Path>) -> Result<Self, RepoPathError> {
        let path = path.as_ref();
        let error = || RepoPathError(path.to_string_lossy().into_owned());
        let text = path.to_str().ok_or_else(error)?;
        let mut parts = Vec::new();
        for component in path.components() {
            match component {
                Component::Normal(part) => parts.push(part.to_str().ok_or_else(error)?),
                _ => return Err(error()),
            }
        }
        let clean = parts.join("/");
        let inside = !clean.is_empty()
            && clean == text.trim_end_matches('/')
            && !clean.chars().any(|c| c.is_control() || c == '\\')
            && !parts.iter().any(|part| part.eq_ignore_ascii_case(".git"));
        if inside { Ok(Self(clean)) } else { Err(error()) }
    }

    /// The path as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The folder it stands in; empty for the root.
    #[must_use]
    pub fn folder(&self) -> &str {
        self.0.rsplit_once('/').map_or("", |(folder, _)| folder)
    }

    /// The last part.
    #[must_use]
    pub fn file_name(&self) -> &str {
        self.0.rsplit_once('/').map_or(self.0.as_str(), |(_, name)| name)
    }
}

impl TryFrom<String> for RepoPath {
    type Error = RepoPathError;

    fn try_from(path: String) -> Result<Self, Self::Error> {
        Self::new(path)
    }
}

impl From<RepoPath> for String {
    fn from(path: RepoPath) -> Self {
        path.0
    }
}

impl AsRef<Path> for RepoPath {
    fn as_ref(&self) -> &Path {
        Path::new(&self.0)
    }
}

impl std::fmt::Display for RepoPath {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(&self.0)
    }
}

/// A statement of the repository.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub struct Location {
    /// The file.
    pub file: RepoPath,
    /// The line, from 1.
    pub line: u32,
    /// The function that holds it, as the package names it: `(*Store).Put`, `parse`, `parse.func1`.
    pub function: String,
}

#[cfg(test)]
mod tests {
    use super::RepoPath;

    #[test]
    fn a_repo_path_cannot_leave_the_repository() {
        for good in ["a.go", "store/store.go", "a b/ü.go", ".github/x.yml"] {
            assert_eq!(RepoPath::new(good).map(|path| path.to_string()).as_deref(), Ok(good));
        }
        for bad in [
            "",
            "/etc/passwd",
            "../x",
            "a/../../x",
            "./a",
            "a//b",
            ".git/config",
            "a/.GIT/x",
            "a\0b",
            "a\nb",
            "a\\b",
        ] {
            assert!(RepoPath::new(bad).is_err(), "{bad:?}");
        }
    }
}
