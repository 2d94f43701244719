//! `hephaestus config` as a person or a script runs it.

use std::path::Path;
use std::process::{Command, Output};

fn run(directory: &Path, arguments: &[&str]) -> Output {
    run_with(directory, arguments, &[])
}

fn run_with(directory: &Path, arguments: &[&str], variables: &[(&str, &str)]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_hephaestus"))
        .args(arguments)
        .current_dir(directory)
        .env_clear()
        .envs(variables.iter().copied())
        .output()
        .unwrap()
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

fn json(output: &Output) -> serde_json::Value {
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn a_good_file_is_told_from_where() {
    let directory = tempfile::tempdir().unwrap();
    let output = run(directory.path(), &["config", "check"]);
    assert_eq!((output.status.code(), text(&output.stdout)), (Some(0), "ok: built-in defaults\n"));

    std::fs::write(directory.path().join("hephaestus.yaml"), "fixer: {parallel: 2}\n").unwrap();
    let output = run(directory.path(), &["config", "check", "hephaestus.yaml"]);
    let named = "ok: hephaestus.yaml (named on the command line)\n";
    assert_eq!((output.status.code(), text(&output.stdout)), (Some(0), named));
    // The working folder may be a repository that nobody trusts: nothing is read there unasked.
    let output = run(directory.path(), &["config", "check"]);
    assert_eq!((output.status.code(), text(&output.stdout)), (Some(0), "ok: built-in defaults\n"));

    let original = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/config/original.yaml");
    let output = run_with(directory.path(), &["config", "check"], &[("HEPHAESTUS_CONFIG", original)]);
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(text(&output.stdout), format!("ok: {original} (named by $HEPHAESTUS_CONFIG)\n"));
}

#[test]
fn mistakes_go_to_standard_error_and_end_with_two() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("bad.yaml"), "fixer:\n  paralel: 2\nserver: {listen: here}\n")
        .unwrap();
    for arguments in [&["config", "check", "bad.yaml"][..], &["--config", "bad.yaml", "config", "show"]] {
        let output = run(directory.path(), arguments);
        assert_eq!((output.status.code(), text(&output.stdout)), (Some(2), ""), "{arguments:?}");
        assert_eq!(
            text(&output.stderr),
            "error: the configuration cannot be used\n  \
             bad.yaml:2:3: fixer.paralel: unknown key\n    \
             try: did you mean `parallel`?\n  \
             bad.yaml:3:18: server.listen: `here`: not an address with a port\n    \
             try: write it like 127.0.0.1:8080 or [::1]:8080\n"
        );
    }
    let output = run(directory.path(), &["config", "check", "bad.yaml", "--format", "json"]);
    assert_eq!(output.status.code(), Some(2));
    let answer = json(&output);
    assert_eq!(answer["ok"], false);
    assert_eq!(answer["problems"][0]["key"], "fixer.paralel");
    assert_eq!(answer["problems"][1]["line"], 3);
}

#[test]
fn a_rule_between_keys_blames_the_line_of_the_user() {
    let directory = tempfile::tempdir().unwrap();
    let yaml = "generator:\n  ai_model:\n    provider: openai\nknowledge: {retention_period: 48h}\n";
    std::fs::write(directory.path().join("mine.yaml"), yaml).unwrap();
    let output = run(directory.path(), &["config", "check", "mine.yaml"]);
    assert!(
        text(&output.stderr).starts_with(
            "error: the configuration cannot be used\n  mine.yaml:3:15: generator.ai_model.model: a provider is chosen"
        ),
        "{output:?}"
    );
}

#[test]
fn durations_are_shown_as_they_were_written() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("mine.yaml"), "knowledge: {retention_period: 48h}\n").unwrap();
    let output = run(directory.path(), &["config", "show", "--config", "mine.yaml", "--format", "json"]);
    assert_eq!(json(&output)["knowledge"]["retention_period"], "48h");
    assert_eq!(json(&output)["knowledge"]["cleanup_interval"], "24h");
}

#[test]
fn missing_files_and_wrong_usage_end_with_two() {
    let directory = tempfile::tempdir().unwrap();
    let output = run(directory.path(), &["config", "check", "none.yaml"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("none.yaml: cannot be read: No such file"), "{output:?}");
    assert_eq!(run(directory.path(), &["config", "chek"]).status.code(), Some(2));
    let output = run_with(directory.path(), &["config", "check"], &[("HEPHAESTUS_LOG", "a=loud")]);
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("HEPHAESTUS_LOG cannot be understood"), "{output:?}");
}

#[test]
fn what_holds_is_shown_without_secrets() {
    let directory = tempfile::tempdir().unwrap();
    let original = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/config/original.yaml");
    let key = [("HEPHAESTUS_AI_KEY", "sk-very-secret")];
    let arguments = ["config", "show", "--config", original];
    let yaml = run_with(directory.path(), &arguments, &key);
    let as_json = run_with(directory.path(), &[&arguments[..], &["--format", "json"]].concat(), &key);
    for output in [&yaml, &as_json] {
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        let shown = text(&output.stdout);
        assert!(shown.contains("[redacted]") && !shown.contains("sk-very-secret"), "{shown}");
    }
    assert_eq!(json(&as_json)["knowledge"]["retention_period"], "90d");
    std::fs::write(directory.path().join("shown.yaml"), &yaml.stdout).unwrap();
    assert_eq!(run(directory.path(), &["config", "check", "shown.yaml"]).status.code(), Some(0));
}

#[test]
fn the_printed_defaults_are_a_file_to_start_from() {
    let directory = tempfile::tempdir().unwrap();
    let output = run(directory.path(), &["config", "defaults"]);
    std::fs::write(directory.path().join("hephaestus.yaml"), &output.stdout).unwrap();
    let output = run(directory.path(), &["config", "check", "hephaestus.yaml"]);
    assert_eq!(text(&output.stdout), "ok: hephaestus.yaml (named on the command line)\n");
}

#[test]
fn help_teaches_with_examples() {
    let directory = tempfile::tempdir().unwrap();
    for arguments in [&["--help"][..], &["config", "check", "--help"], &["config", "show", "--help"]] {
        let output = run(directory.path(), arguments);
        assert_eq!(output.status.code(), Some(0), "{arguments:?}");
        assert!(text(&output.stdout).contains("Example"), "{arguments:?}");
    }
}
