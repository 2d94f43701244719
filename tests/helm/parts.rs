//! What the pods run: the real binary accepts their configuration, and the script that clones does so.

use std::path::Path;
use std::process::Command;

use clap::Parser as _;
use hephaestus::cli::Cli;
use serde_json::Value;

use super::chart::{our_chart, sets, title};
use crate::harness::{errors_of, hephaestus, project, run, succeed};

#[test]
fn the_binary_accepts_every_configuration() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("hephaestus.yaml");
    let mut seen = 0;
    for manifest in sets().iter().flat_map(|set| set.manifests()) {
        let Some(config) = manifest.pointer("/data/hephaestus.yaml").and_then(Value::as_str) else {
            continue;
        };
        std::fs::write(&path, config).unwrap();
        let mut check = hephaestus();
        for secret in ["SERVER_TOKEN", "KAFKA_USERNAME", "KAFKA_PASSWORD"] {
            check.env(format!("HEPHAESTUS_{secret}"), "secret");
        }
        let output = run(check.env("MODEL_KEY", "secret").args(["config", "check"]).arg(&path));
        assert!(output.status.success(), "{}: {}\n{config}", title(&manifest), errors_of(&output));
        seen += 1;
    }
    assert!(seen >= 2, "{seen} configurations");
}

#[test]
fn the_binary_understands_every_command() {
    let mut seen = 0;
    for manifest in sets().iter().flat_map(|set| set.manifests()) {
        let Some(pod) = manifest.pointer("/spec/template/spec") else { continue };
        let containers =
            ["initContainers", "containers"].iter().filter_map(|key| pod[key].as_array()).flatten();
        for container in containers.filter(|container| container["name"] == "hephaestus") {
            let arguments: Vec<&str> =
                container["args"].as_array().unwrap().iter().map(|word| word.as_str().unwrap()).collect();
            let parsed = Cli::try_parse_from([&["hephaestus"], arguments.as_slice()].concat());
            assert!(parsed.is_ok(), "{}: {arguments:?}: {}", title(&manifest), parsed.err().unwrap());
            seen += 1;
        }
    }
    assert!(seen >= 2, "{seen} commands");
}

/// What the chart's script makes of a repository.
fn clone(repository: &Path, into: &Path, credentials: &Path) -> Result<String, String> {
    let script = std::fs::read_to_string(our_chart().join("files/clone.sh")).unwrap();
    let output = run(Command::new("sh")
        .args(["-c", &script])
        .env("REPOSITORY_URL", format!("file://{}", repository.display()))
        .env("REPOSITORY_REF", "release")
        .env("REPOSITORY_DEPTH", "1")
        .env("REPOSITORY", into)
        .env("CREDENTIALS", credentials)
        .env("HOME", into.parent().unwrap()));
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    if output.status.success() { Ok(said) } else { Err(errors_of(&output)) }
}

#[test]
fn a_repository_is_cloned_again_and_again() {
    let folder = tempfile::tempdir().unwrap();
    let [origin, into, credentials] = ["origin", "into", "credentials"].map(|name| folder.path().join(name));
    for path in [&origin, &into, &credentials] {
        std::fs::create_dir(path).unwrap();
    }
    std::fs::write(origin.join("go.mod"), "module example.com/a\n\ngo 1.21\n").unwrap();
    let git = |arguments: &[&str]| {
        let identity = ["-c", "user.name=a", "-c", "user.email=a@example.com"];
        succeed(Command::new("git").arg("-C").arg(&origin).args(identity).args(arguments))
    };
    git(&["init", "--quiet", "--initial-branch=main"]);
    git(&["add", "."]);
    git(&["commit", "--quiet", "--message=first"]);
    git(&["branch", "release"]);
    // What an earlier start left goes, and credentials that the address does not ask for do no harm.
    std::fs::write(into.join(".left"), "").unwrap();
    for name in ["username", "password"] {
        std::fs::write(credentials.join(name), "secret").unwrap();
    }
    for _ in 0..2 {
        let said = clone(&origin, &into, &credentials).unwrap();
        assert!(said.starts_with("cloned "), "{said}");
        assert!(into.join("go.mod").exists() && !into.join(".left").exists());
    }
    git(&["branch", "--delete", "--force", "release"]);
    let said = clone(&origin, &into, &credentials).unwrap_err();
    assert!(said.contains("release"), "{said}");
}

/// The credentials reach git by the helper that the script names, and stand in no command line.
#[test]
fn git_is_given_the_credentials() {
    let script = std::fs::read_to_string(our_chart().join("files/clone.sh")).unwrap();
    let (before_clone, _) = script.split_once("# The pod may come up").unwrap();
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("username"), "robot").unwrap();
    std::fs::write(folder.path().join("password"), "s3 cret\n").unwrap();
    let ask = "printf 'protocol=https\\nhost=git.example\\n\\n' | git credential fill";
    let output = succeed(
        Command::new("sh")
            .args(["-c", &format!("{before_clone}\n{ask}")])
            .env("CREDENTIALS", folder.path())
            .env("HOME", folder.path())
            .current_dir(folder.path()),
    );
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(said.contains("username=robot\npassword=s3 cret\n"), "{said}");
}

#[test]
fn the_versions_agree() {
    let chart = std::fs::read_to_string(our_chart().join("Chart.yaml")).unwrap();
    let version = concat!("appVersion: ", env!("CARGO_PKG_VERSION"));
    assert!(chart.lines().any(|line| line == version), "helm/hephaestus/Chart.yaml lacks {version}");
    let number = chart.lines().find_map(|line| line.strip_prefix("version: ")).unwrap();
    let example = std::fs::read_to_string(project().join("examples/helm-sidecar/Chart.yaml")).unwrap();
    assert!(example.contains(&format!("    version: {number}\n")), "the example depends on another version");
}
