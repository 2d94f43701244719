//! What takes back the fixes that were written: a patch of each run, of which the newest are kept.

use std::fs::{self, DirBuilder};
use std::io::{self, Write as _};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use jiff::Timestamp;

use super::git;
use crate::domain::FileChange;
use crate::repository::unified_diff;

/// How many patches are kept; beyond, the oldest goes.
const MOST: usize = 20;

const SUFFIX: &str = ".patch";

/// Keeps the patch of changes in a folder, which is made where it is missing.
///
/// # Errors
/// When it cannot be written there as a whole.
pub(super) fn keep(folder: &Path, changes: &[FileChange]) -> io::Result<PathBuf> {
    DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    // By their names the oldest comes first.
    let prefix = format!("{}-", Timestamp::now().strftime("%Y%m%dT%H%M%SZ"));
    let mut patch = tempfile::Builder::new().prefix(&prefix).suffix(SUFFIX).tempfile_in(folder)?;
    patch.write_all(unified_diff(changes).as_bytes())?;
    patch.as_file().sync_all()?;
    let (_, path) = patch.keep()?;
    if let Err(error) = forget_oldest(folder, &path) {
        tracing::warn!("cannot remove the oldest patches from {}: {error}", folder.display());
    }
    Ok(path)
}

fn forget_oldest(folder: &Path, newest: &Path) -> io::Result<()> {
    let mut earlier = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path != newest && path.to_str().is_some_and(|path| path.ends_with(SUFFIX)) {
            earlier.push(path);
        }
    }
    earlier.sort_unstable();
    let too_many = (earlier.len() + 1).saturating_sub(MOST);
    earlier[..too_many].iter().try_for_each(fs::remove_file)
}

/// The command that takes back what a patch has changed; none where a path cannot be written in one.
pub(super) fn command(root: &Path, patch: &Path) -> Option<String> {
    Some(format!("{} -R {}", git::apply(root)?, git::quoted(patch.to_str()?)))
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt as _;
    use std::process::Command;

    use super::*;
    use crate::domain::RepoPath;

    fn change(name: &str) -> FileChange {
        FileChange {
            path: RepoPath::new(name).unwrap(),
            before: "a\nb\n".to_owned(),
            after: "a\nB\n".to_owned(),
        }
    }

    fn git(folder: &Path, arguments: &[&str]) {
        let mut git = Command::new("git");
        git.args(["-c", "user.name=t", "-c", "user.email=t@example.com"]).args(arguments);
        assert!(git.current_dir(folder).status().unwrap().success());
    }

    /// In no work tree, at the top of one, in a folder of one, and in an ignored folder of one. The names are what
    /// a shell, or git where it looks for files, would take for something else.
    #[test]
    fn what_was_written_is_taken_back_and_nothing_else() {
        const NAMES: [&str; 3] = ["a/a[1].go", "b*.go", ":(top)c.go"];
        for (top, ignored) in [(None, ""), (Some("it's a shop"), ""), (Some(""), ""), (Some(""), "*shop/\n")]
        {
            let folder = tempfile::tempdir().unwrap();
            let root = folder.path().join("it's a shop");
            fs::create_dir_all(root.join("a")).unwrap();
            for name in NAMES {
                fs::write(root.join(name), "a\nb\n").unwrap();
            }
            if let Some(top) = top.map(|top| folder.path().join(top)) {
                fs::write(top.join(".gitignore"), ignored).unwrap();
                git(&top, &["init", "-q"]);
                git(&top, &["add", "."]);
                git(&top, &["commit", "-qm", "as it is"]);
            }
            let patch = keep(&folder.path().join("kept"), &NAMES.map(change)).unwrap();
            for name in NAMES {
                fs::write(root.join(name), "a\nB\n").unwrap();
            }
            let others = ["a/a1.go", "bb.go", "c.go"].map(|name| root.join(name));
            for other in &others {
                fs::write(other, "mine").unwrap();
            }
            let command = command(&root, &patch).unwrap();
            assert!(Command::new("sh").args(["-c", &command]).current_dir("/").status().unwrap().success());
            for name in NAMES {
                assert_eq!(fs::read_to_string(root.join(name)).unwrap(), "a\nb\n", "{name}: {command}");
            }
            for other in others {
                assert_eq!(fs::read_to_string(other).unwrap(), "mine");
            }
        }
    }

    #[test]
    fn a_path_that_is_not_text_is_in_no_command() {
        let odd = Path::new(OsStr::from_bytes(b"/nowhere/\xff"));
        assert_eq!(command(odd, Path::new("/a.patch")), None);
        assert_eq!(command(Path::new("/nowhere"), odd), None);
        // A path to it may be text, while git goes by the folder itself.
        let folder = tempfile::tempdir().unwrap();
        let odd = folder.path().join(OsStr::from_bytes(b"\xff"));
        fs::create_dir(&odd).unwrap();
        fs::create_dir(folder.path().join(".git")).unwrap();
        let link = folder.path().join("link");
        std::os::unix::fs::symlink(&odd, &link).unwrap();
        assert_eq!(command(&link, Path::new("/a.patch")), None);
    }

    #[test]
    fn the_newest_are_kept() {
        let folder = tempfile::tempdir().unwrap();
        let stranger = folder.path().join("0.txt");
        fs::write(&stranger, "").unwrap();
        let oldest = folder.path().join("20010101T000000Z-a.patch");
        fs::write(&oldest, "").unwrap();
        let later: Vec<_> = (1..MOST).map(|_| keep(folder.path(), &[change("a.go")]).unwrap()).collect();
        assert!(oldest.exists());
        let last = keep(folder.path(), &[change("a.go")]).unwrap();
        assert!(!oldest.exists() && stranger.exists());
        assert!(later.iter().chain([&last]).all(|path| path.exists()));
    }
}
