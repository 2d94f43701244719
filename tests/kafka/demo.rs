//! The demo over a broker of its own.

use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Output;

use crate::harness::{errors_of, project, run};

/// Runs the demo with a binary, in a folder.
fn demo(folder: &Path, hephaestus: &Path) -> Output {
    let script = project().join("examples/demo/kafka.sh");
    run(std::process::Command::new(script).arg(folder).arg(hephaestus).env_remove("HEPHAESTUS_CONFIG"))
}

/// Nothing that the demo has started is left.
fn assert_over(output: &Output) {
    let said = errors_of(output);
    let address = said.split_once("broker on ").expect("it says where").1.split(';').next().unwrap();
    assert!(TcpStream::connect(address).is_err(), "the broker still runs: {said}");
}

#[test]
fn a_demo_that_does_not_get_there_says_so_and_leaves_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    let broken = folder.path().join("hephaestus");
    std::fs::write(&broken, "#!/bin/sh\necho broken >&2\nexit 2\n").unwrap();
    std::fs::set_permissions(&broken, std::fs::Permissions::from_mode(0o755)).unwrap();
    let output = demo(&folder.path().join("out"), &broken);
    assert!(!output.status.success());
    assert!(errors_of(&output).contains("broken"), "{}", errors_of(&output));
    assert_over(&output);
}

#[test]
#[ignore = "works on every defect of the shop: a few minutes"]
fn the_demo_over_kafka_gets_there() {
    let folder = tempfile::tempdir().unwrap();
    let output = demo(folder.path(), Path::new(env!("CARGO_BIN_EXE_hephaestus")));
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}\n{}", errors_of(&output));
    for part in ["proven", "errors are counted", "No dead letters", "hephaestus.errors.v1"] {
        assert!(said.contains(part), "{part}: {said}");
    }
    assert_over(&output);
}
