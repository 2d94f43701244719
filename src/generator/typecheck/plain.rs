//! The type checker as tests of rules run it: the real program of the real toolchain, without a sandbox.

use std::path::Path;
use std::process::Command;
use std::sync::OnceLock;

use tempfile::TempDir;

use super::{Answer, PROGRAM, take};
use crate::repository::Repository;

/// Lets a repository know what the type checker tells about packages of its only module.
pub(crate) fn type_check(repository: &Repository, folder: &Path, packages: &[String]) {
    static PLACE: OnceLock<TempDir> = OnceLock::new();
    let place = PLACE.get_or_init(|| {
        let place = tempfile::tempdir().unwrap();
        for (name, text) in PROGRAM {
            std::fs::write(place.path().join(name), text).unwrap();
        }
        let names = PROGRAM.map(|(name, _)| name);
        run(Command::new("go").args(["build", "-o", "typecheck"]).args(names).current_dir(&place));
        place
    });
    let answers = tempfile::tempdir().unwrap();
    let answer = answers.path().join("types.json");
    run(Command::new(place.path().join("typecheck")).arg(&answer).args(packages).current_dir(folder));
    let told: Answer = serde_json::from_slice(&std::fs::read(answer).unwrap()).unwrap();
    take(told, repository, folder);
}

fn run(command: &mut Command) {
    let output = command.env("GOTOOLCHAIN", "local").env("GO111MODULE", "auto").output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}
