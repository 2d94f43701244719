//! The Go program of the examples, built and run against the real server.

use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::LazyLock;

use hephaestus::server::Token;
use tempfile::TempDir;

use super::instance::{Instance, TOKEN};
use crate::harness::{go, project, succeed};

/// The built program; built once for all tests.
fn program() -> &'static Path {
    static BUILT: LazyLock<(TempDir, PathBuf)> = LazyLock::new(|| {
        let folder = tempfile::tempdir().unwrap();
        let program = folder.path().join("go-suggestions");
        let source = project().join("examples/go-suggestions");
        succeed(go().current_dir(&source).args(["vet", "."]));
        succeed(go().current_dir(&source).args(["build", "-o"]).arg(&program).arg("."));
        (folder, program)
    });
    &BUILT.1
}

fn start(url: &str, arguments: &[&str]) -> Child {
    let mut command = Command::new(program());
    command.args(["-url", url]).args(arguments).env_remove("HEPHAESTUS_TOKEN");
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

#[test]
fn it_prints_what_was_and_what_comes() {
    let instance = Instance::start();
    let group = instance.shelf.add_group("Put", 3);
    let first = instance.shelf.suggest(&group, 0);
    let mut child = start(&format!("http://{}/", instance.address), &["-count", "3"]);
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
    let title = "nil map write in store.Put";
    assert_eq!(lines.next(), Some(format!("{}  {title}", first.id)));
    assert_eq!(lines.next().as_deref(), Some("  proven, nil_map_write, seen 3 times, open"));
    assert!(lines.by_ref().any(|line| line == "    +\tnew"));
    let later = [instance.shelf.suggest_next(0), instance.shelf.suggest_next(0)];
    let headings: Vec<_> = lines.filter(|line| line.ends_with(title)).collect();
    assert_eq!(headings, later.map(|s| format!("{}  {title}", s.id)));
    assert!(child.wait().unwrap().success());
}

#[test]
fn it_counts_as_people_do() {
    let instance = Instance::start();
    for (function, count) in [("Put", 1), ("Del", 2)] {
        instance.shelf.suggest(&instance.shelf.add_group(function, count), 0);
    }
    let output = start(&format!("http://{}", instance.address), &["-count", "2"]).wait_with_output().unwrap();
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(told.contains(", seen once, open") && told.contains(", seen twice, open"), "{told}");
}

#[test]
fn it_comes_back_and_resumes() {
    let instance = Instance::start();
    let first = instance.shelf.suggest_next(0);
    let address = instance.address.to_string();
    let mut child = start(&format!("http://{address}"), &["-count", "2"]);
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
    assert!(lines.next().is_some_and(|line| line.starts_with(&first.id.to_string())));
    let state_dir = instance.join();

    // The next instance at the same address knows the first suggestion too.
    let instance = Instance::restart(&address, state_dir);
    let second = instance.shelf.suggest_next(0);
    let headings: Vec<_> = lines.filter(|line| line.contains("  nil map write")).collect();
    assert_eq!(headings, [format!("{}  {}", second.id, second.suggestion.title)]);
    assert!(child.wait().unwrap().success());
    let mut told = String::new();
    child.stderr.take().unwrap().read_to_string(&mut told).unwrap();
    assert!(told.contains("the stream ended"), "{told}");
}

#[test]
fn a_refusal_ends_it_with_the_reason() {
    let instance = Instance::launch("0.0.0.0:0", Some(Token::new(TOKEN)));
    // A name that is not this machine's needs the token.
    let url = format!("http://0.0.0.0:{}", instance.address.port());
    let output = start(&url, &["-count", "1"]).wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(told.contains("403 Forbidden: the Host header must name this machine"), "{told}");

    instance.shelf.suggest(&instance.shelf.add_group("Put", 3), 0);
    let mut command = Command::new(program());
    command.args(["-url", &url, "-count", "1"]).env("HEPHAESTUS_TOKEN", TOKEN);
    succeed(&mut command);
}
