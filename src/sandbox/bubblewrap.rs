//! The outer wall where namespaces are allowed: the command line for `bwrap`.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use super::launcher;
use super::policy::{Paths, system_paths};

/// Where the launcher is seen inside.
fn launcher_inside() -> PathBuf {
    Path::new("/run").join(launcher::NAME)
}

/// Where `bwrap` is installed.
pub(super) fn find() -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|directory| directory.join("bwrap")).find(|path| path.is_file())
}

/// The arguments for `bwrap`: no network but an own loopback, own processes, and no file but these.
pub(super) fn arguments(launcher: &Path, paths: &Paths) -> Vec<OsString> {
    let mut arguments: Vec<OsString> =
        ["--unshare-all", "--unshare-user", "--die-with-parent", "--clearenv", "--cap-drop", "ALL"]
            .map(OsString::from)
            .to_vec();
    let mut add = |words: [&std::ffi::OsStr; 3]| arguments.extend(words.map(OsString::from));
    for path in system_paths() {
        // A merged /usr shows as links; they stay links, so that both names are one file.
        match std::fs::read_link(path) {
            Ok(target) => add(["--symlink".as_ref(), target.as_os_str(), path.as_os_str()]),
            Err(_) => add(["--ro-bind".as_ref(), path.as_os_str(), path.as_os_str()]),
        }
    }
    for (inside, (real, option)) in mounts(paths) {
        add([option.as_ref(), real.as_os_str(), inside.as_os_str()]);
    }
    let inside = launcher_inside();
    add(["--ro-bind".as_ref(), launcher.as_os_str(), inside.as_os_str()]);
    arguments.extend(
        [
            "--proc",
            "/proc",
            "--dev",
            "/dev",
            "--remount-ro",
            "/dev",
            "--remount-ro",
            "/",
            "--chdir",
            "/",
            "--",
        ]
        .map(OsString::from),
    );
    arguments.extend([inside.into(), launcher::ARGUMENT.into()]);
    arguments
}

/// What to mount where, parents before children, and nothing that an earlier mount shows already.
fn mounts(paths: &Paths) -> BTreeMap<PathBuf, (PathBuf, &'static str)> {
    let mut wanted: BTreeMap<PathBuf, (PathBuf, &'static str)> = BTreeMap::new();
    // Real paths first: a name that leads through a link which a mount shows needs no mount of its own.
    for (list, option) in [(&paths.read, "--ro-bind"), (&paths.write, "--bind")] {
        for (_, real) in list {
            wanted.insert(real.clone(), (real.clone(), option));
        }
    }
    for (list, option) in [(&paths.read, "--ro-bind"), (&paths.write, "--bind")] {
        for (name, real) in list {
            let shown = name.ancestors().any(|above| wanted.contains_key(above))
                || system_paths().any(|system| name.starts_with(system));
            if !shown {
                wanted.insert(name.clone(), (real.clone(), option));
            }
        }
    }
    let shown_by_parent = |inside: &Path, option: &str| {
        let above = inside.ancestors().skip(1).find_map(|above| wanted.get(above));
        let writable =
            inside.ancestors().skip(1).filter_map(|above| wanted.get(above)).any(|(_, o)| *o == "--bind");
        writable
            || (option == "--ro-bind" && (above.is_some() || system_paths().any(|s| inside.starts_with(s))))
    };
    wanted
        .iter()
        .filter(|(inside, (_, option))| !shown_by_parent(inside, option))
        .map(|(inside, mount)| (inside.clone(), mount.clone()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mounted(read: &[(&str, &str)], write: &[(&str, &str)]) -> Vec<(String, String, &'static str)> {
        let pairs =
            |list: &[(&str, &str)]| list.iter().map(|(name, real)| (name.into(), real.into())).collect();
        mounts(&Paths { read: pairs(read), write: pairs(write) })
            .into_iter()
            .map(|(inside, (real, option))| {
                (inside.display().to_string(), real.display().to_string(), option)
            })
            .collect()
    }

    fn mount(inside: &str, real: &str, option: &'static str) -> (String, String, &'static str) {
        (inside.to_owned(), real.to_owned(), option)
    }

    #[test]
    fn parents_come_first_and_what_is_shown_already_is_not_mounted_again() {
        assert_eq!(
            mounted(
                &[("/a", "/a"), ("/a/b", "/a/b"), ("/usr/x", "/usr/x")],
                &[("/a/c", "/a/c"), ("/a/c/d", "/a/c/d")]
            ),
            [mount("/a", "/a", "--ro-bind"), mount("/a/c", "/a/c", "--bind")]
        );
    }

    #[test]
    fn writing_includes_reading_and_wins() {
        assert_eq!(
            mounted(&[("/a", "/a"), ("/a/b", "/a/b")], &[("/a", "/a")]),
            [mount("/a", "/a", "--bind")]
        );
    }

    #[test]
    fn a_name_that_is_a_link_leads_to_the_real_place() {
        assert_eq!(
            mounted(&[("/link", "/real")], &[]),
            [mount("/link", "/real", "--ro-bind"), mount("/real", "/real", "--ro-bind")]
        );
        // The link itself is to be seen in its directory.
        assert_eq!(
            mounted(&[("/dir", "/dir"), ("/dir/link", "/real")], &[]),
            [mount("/dir", "/dir", "--ro-bind"), mount("/real", "/real", "--ro-bind")]
        );
    }
}
