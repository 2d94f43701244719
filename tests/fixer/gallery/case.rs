//! A case of the gallery, as its file tells it.

use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use crate::harness::{go, project, run};

/// A service with one defect, the log of its crash, and what a person made of it.
pub(super) struct Case {
    pub(super) name: String,
    pub(super) class: String,
    /// The functions that a right fix may change: file and function. Methods are named without their receiver's
    /// star and parentheses.
    touches: Vec<(String, String)>,
    /// Whether a patch is wanted at all.
    pub(super) wants_fix: bool,
    log: String,
    files: Vec<(PathBuf, String)>,
}

/// A layer of files over the service as it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Layer {
    /// The service as it was.
    Repo,
    /// What a person changed.
    Fixed,
    /// The regression test that the fixer never sees.
    Hidden,
}

impl Layer {
    const fn folder(self) -> &'static str {
        match self {
            Self::Repo => "repo",
            Self::Fixed => "fixed",
            Self::Hidden => "hidden",
        }
    }
}

impl Case {
    pub(super) fn all() -> Vec<Self> {
        let folder = project().join("tests/fixer/gallery/cases");
        let mut paths: Vec<_> =
            std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
        paths.sort();
        paths.iter().map(|path| Self::read(path)).collect()
    }

    /// A case's file is a head, and behind it files, each after a line `-- name --`.
    fn read(path: &Path) -> Self {
        let text = std::fs::read_to_string(path).unwrap();
        let mut sections: Vec<(&str, String)> = vec![("", String::new())];
        for line in text.split_inclusive('\n') {
            let name = line.trim_end().strip_prefix("-- ").and_then(|line| line.strip_suffix(" --"));
            match name {
                Some(name) => sections.push((name, String::new())),
                None => sections.last_mut().unwrap().1.push_str(line),
            }
        }
        let head = sections.remove(0).1;
        let facts = |key: &str| {
            let prefix = format!("{key}: ");
            head.lines().filter_map(|line| line.strip_prefix(&prefix)).map(str::to_owned).collect::<Vec<_>>()
        };
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let fact = |key: &str| match &facts(key)[..] {
            [value] => value.clone(),
            other => panic!("{name}: `{key}` has {} values", other.len()),
        };
        let wants_fix = match &*fact("expect") {
            "fix" => true,
            "none" => false,
            other => panic!("{name}: `expect: {other}`"),
        };
        let touches = facts("touch").into_iter().map(|touch| {
            let (file, function) =
                touch.split_once(' ').unwrap_or_else(|| panic!("{name}: `touch: {touch}`"));
            (file.to_owned(), plain(function))
        });
        let (class, touches) = (fact("class"), touches.collect());
        let log = sections.iter().find(|(name, _)| *name == "log").map(|(_, log)| log.clone()).unwrap();
        let files = sections.into_iter().filter(|(name, _)| *name != "log");
        let files = files.map(|(name, text)| (PathBuf::from(name), text)).collect();
        Self { name, class, touches, wants_fix, log, files }
    }

    /// Lays layers over one another in a folder, the log of the crash beside them.
    pub(super) fn lay(&self, layers: &[Layer]) -> Laid {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("crash.log"), &self.log).unwrap();
        for layer in layers {
            for (path, text) in &self.files {
                if let Ok(path) = path.strip_prefix(layer.folder()) {
                    let target = folder.path().join("service").join(path);
                    std::fs::create_dir_all(target.parent().unwrap()).unwrap();
                    std::fs::write(target, text).unwrap();
                }
            }
        }
        Laid { folder }
    }

    /// Whether a right fix changes this function.
    pub(super) fn is_touched(&self, file: &str, function: &str) -> bool {
        // A closure is its function's.
        let function = plain(function);
        let outer = |wanted: &str| function == wanted || function.starts_with(&format!("{wanted}.func"));
        self.touches.iter().any(|(wanted, name)| file == wanted && outer(name))
    }
}

/// `(*Store).Get` and `Store.Get` name the same.
fn plain(function: &str) -> String {
    function.replace(['(', ')', '*'], "").split('[').next().unwrap_or_default().to_owned()
}

/// A copy of a service that goes when it is dropped.
pub(super) struct Laid {
    folder: TempDir,
}

impl Laid {
    pub(super) fn root(&self) -> PathBuf {
        self.folder.path().join("service")
    }

    pub(super) fn log(&self) -> PathBuf {
        self.folder.path().join("crash.log")
    }

    pub(super) fn write(&self, path: &str, text: &str) {
        let path = self.root().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    /// Applies a patch as a person would.
    pub(super) fn apply(&self, patch: &str) {
        let file = self.folder.path().join("fix.patch");
        std::fs::write(&file, patch).unwrap();
        let mut git = Command::new("git");
        // A folder that no repository holds.
        git.env("GIT_CEILING_DIRECTORIES", self.folder.path()).current_dir(self.root());
        let output = run(git.arg("apply").arg(file));
        assert!(output.status.success(), "{}\n{patch}", String::from_utf8_lossy(&output.stderr));
    }

    /// Whether a test of a package was run and passed; with `race`, under the race detector.
    pub(super) fn passes(&self, package: &str, test: &str, race: bool) -> bool {
        let pattern = format!("^{test}$");
        let race = if race { "-race=true" } else { "-race=false" };
        let arguments = ["test", race, "-count=1", "-timeout=60s", "-v", "-run", &pattern, package];
        let output = run(go().args(arguments).current_dir(self.root()));
        let printed = String::from_utf8_lossy(&output.stdout).into_owned();
        output.status.success() && printed.contains(&format!("--- PASS: {test} "))
    }

    /// Runs the tests of a package, or of all; what they print where one fails.
    pub(super) fn test(&self, package: &str, pattern: &str) -> Result<(), String> {
        let arguments = ["test", "-count=1", "-timeout=60s", "-run", pattern, package];
        let output = run(go().args(arguments).current_dir(self.root()));
        let printed = [output.stdout, output.stderr].concat();
        let printed = String::from_utf8_lossy(&printed).into_owned();
        if output.status.success() { Ok(()) } else { Err(printed) }
    }
}
