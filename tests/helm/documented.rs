//! The commands and snippets of the documents about Kubernetes and Prometheus are run, as far as that goes without a
//! cluster.

use std::path::Path;
use std::process::Command;

use clap::Parser as _;
use hephaestus::cli::Cli;

use super::chart::{NEWEST, documents, our_chart, stage};
use super::tools::{helm, promtool};
use crate::harness::{blocks, commands, project, succeed};

/// The folder of a program, for PATH.
fn folder_of(command: &Command) -> String {
    let path = Path::new(command.get_program());
    path.parent().unwrap().to_str().unwrap().to_owned()
}

/// Runs a command line as a shell does, in a folder where the charts are; `install` becomes `template`.
fn render(line: &str, stage: &Path) -> String {
    let mut shell = Command::new("sh");
    let helm = helm();
    for (name, value) in helm.get_envs() {
        shell.env(name, value.unwrap());
    }
    let path = format!("{}:{}", folder_of(&helm), std::env::var("PATH").unwrap());
    let line = line.replace("helm install ", &format!("helm template --kube-version {NEWEST} "));
    let output = succeed(shell.args(["-ec", &line]).env("PATH", path).current_dir(stage));
    String::from_utf8(output.stdout).unwrap()
}

fn run_commands(document: &str, section: &str) -> usize {
    let (mut seen, stage) = (0, stage());
    for line in commands(document, section) {
        let arguments = line.split_once("-- hephaestus ").map(|(_, arguments)| arguments.split_whitespace());
        if let Some(arguments) = arguments {
            assert!(line.starts_with("kubectl exec hephaestus-fixer-0 -- "), "{line}");
            let parsed = Cli::try_parse_from(std::iter::once("hephaestus").chain(arguments));
            assert!(parsed.is_ok(), "{document}: {line}: {}", parsed.err().unwrap());
        } else if line.starts_with("helm install ") {
            let manifests = documents(&render(&line, stage.path()));
            assert!(manifests.len() >= 2, "{document}: {line}: {manifests:?}");
            // What the commands in it name is there.
            let is_fixer = |manifest: &serde_json::Value| manifest["kind"] == "StatefulSet";
            let fixer = manifests.iter().find(|manifest| is_fixer(manifest));
            assert!(fixer.is_none_or(|fixer| fixer["metadata"]["name"] == "hephaestus-fixer"), "{line}");
        } else if line.starts_with("helm ") {
            render(&line, stage.path());
        } else {
            let target = line.split_whitespace().skip_while(|word| *word != "--target").nth(1);
            let target = target.unwrap_or_else(|| panic!("{document}: nobody runs {line}"));
            let file = std::fs::read_to_string(project().join("Dockerfile")).unwrap();
            assert!(
                file.lines()
                    .any(|line| line.starts_with("FROM ") && line.ends_with(&format!(" AS {target}"))),
                "{line}"
            );
        }
        seen += 1;
    }
    seen
}

#[test]
fn the_commands_of_the_documents_do_what_they_say() {
    assert!(run_commands("README.md", "Kubernetes") >= 4);
    assert!(run_commands("helm/hephaestus/README.md", "Install") >= 6);
}

/// What the documents include, and the volume they make, is what the example does, which is rendered and checked.
#[test]
fn the_snippets_of_the_documents_are_those_of_the_example() {
    let template = project().join("examples/helm-sidecar/templates/deployment.yaml");
    let template = std::fs::read_to_string(template).unwrap();
    assert!(template.contains("with .Subcharts.hephaestus"), "where its includes are");
    let example = template.replace("\" . |", "\" .Subcharts.hephaestus |");
    let is_template = |line: &&str| line.starts_with("      ");
    for (document, section) in
        [("README.md", "Kubernetes"), ("helm/hephaestus/README.md", "The sidecar in your own chart")]
    {
        let yaml = blocks(document, section, "yaml").concat();
        let lines: Vec<&str> = yaml.lines().filter(is_template).collect();
        assert!(lines.len() >= 5, "{document}: {yaml}");
        for line in lines {
            assert!(example.contains(line), "{document}: not in the example: {line}");
        }
    }
}

#[test]
fn promtool_is_called_as_the_readme_says() {
    let commands = commands("README.md", "Prometheus");
    let path = format!("{}:{}", folder_of(&promtool()), std::env::var("PATH").unwrap());
    let rules = commands.iter().find(|line| line.contains("check rules")).expect("rules are checked");
    succeed(Command::new("sh").args(["-ec", rules]).env("PATH", path).current_dir(project()));
    // Of the other one, which needs an instance, see the test of what Prometheus scrapes.
    assert!(commands.iter().any(|line| line == crate::kafka::scraped::CHECK), "{commands:?}");
    assert!(our_chart().join("files/rules.yaml").exists());
}
