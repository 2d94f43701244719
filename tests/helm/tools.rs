//! The programs that check the chart. `.ci/helm` fetches each into the cache the first time.

use std::io::{Seek as _, Write as _};
use std::process::{Command, Output};
use std::sync::OnceLock;

use crate::harness::{project, run, succeed};

/// A program, by the name that `.ci/helm` knows.
fn program(name: &str, path: &OnceLock<String>) -> Command {
    let path = path.get_or_init(|| {
        let output = succeed(Command::new(project().join(".ci/helm")).arg(name));
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    });
    Command::new(path)
}

/// Helm, which keeps what it remembers away from the person's own.
pub(super) fn helm() -> Command {
    static PATH: OnceLock<String> = OnceLock::new();
    let mut helm = program("helm", &PATH);
    for variable in ["HELM_CACHE_HOME", "HELM_CONFIG_HOME", "HELM_DATA_HOME"] {
        helm.env(variable, concat!(env!("CARGO_TARGET_TMPDIR"), "/helm"));
    }
    helm
}

pub(crate) fn promtool() -> Command {
    static PATH: OnceLock<String> = OnceLock::new();
    program("promtool", &PATH)
}

pub(crate) fn prometheus() -> Command {
    static PATH: OnceLock<String> = OnceLock::new();
    program("prometheus", &PATH)
}

pub(super) fn kubernetes_validate() -> Command {
    static PATH: OnceLock<String> = OnceLock::new();
    program("kubernetes-validate", &PATH)
}

/// What `crd-check` says of manifests.
pub(super) fn crd_check(manifests: &str) -> Output {
    static PATH: OnceLock<String> = OnceLock::new();
    let mut input = tempfile::tempfile().unwrap();
    input.write_all(manifests.as_bytes()).unwrap();
    input.rewind().unwrap();
    run(program("crd-check", &PATH).stdin(input))
}
