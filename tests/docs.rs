//! What the documents say is so.

use clap::{CommandFactory as _, Parser as _};
use hephaestus::app::wire;
use hephaestus::bus::Topic;
use hephaestus::cli::Cli;
use hephaestus::domain::{Class, Nature, Severity};
use hephaestus::generator::rules::Rule;

use crate::harness::project;

fn document(path: &str) -> String {
    std::fs::read_to_string(project().join(path)).unwrap()
}

#[test]
fn the_vocabulary_lists_every_class_and_severity() {
    let vocabulary = document("docs/vocabulary.md");
    for class in Class::ALL {
        let nature = match class.nature() {
            Nature::Code => "code",
            Nature::Operational => "operational",
        };
        let row = format!("| `{class}` | {nature} | {} |", class.explanation());
        assert!(vocabulary.contains(&row), "docs/vocabulary.md lacks: {row}");
    }
    for severity in Severity::ALL {
        let row = vocabulary.lines().find(|line| line.starts_with(&format!("| `{severity}` |")));
        let number = format!("| {} |", severity.otel_number());
        assert!(row.is_some_and(|row| row.ends_with(&number)), "docs/vocabulary.md lacks {severity}");
    }
}

#[test]
fn the_page_of_rules_lists_every_rule_and_class() {
    let page = document("docs/rules.md");
    for rule in Rule::ALL {
        let classes: Vec<String> = rule.classes().iter().map(|class| format!("`{class}`")).collect();
        let name = rule.as_str();
        let (explanation, declines) = (rule.explanation(), rule.declines());
        let row = format!("| `{name}` | {} | {explanation} | {declines} |", classes.join(", "));
        assert!(page.lines().any(|line| line == row), "docs/rules.md lacks: {row}");
    }
    let rows = page.lines().filter(|line| line.starts_with("| `")).count();
    assert_eq!(rows, Rule::ALL.len(), "docs/rules.md lists a rule that there is not");
}

/// Every command that a document shows is one that the program understands.
#[test]
fn the_commands_in_the_documents_are_understood() {
    let mut seen = 0;
    for path in ["README.md", "docs/vocabulary.md", "docs/performance.md", "docs/rules.md", "docs/kafka.md"] {
        for line in document(path).lines() {
            let Some((_, command)) = line.split_once("$ hephaestus ") else { continue };
            let arguments = command.split([' ', '|', '>']).take_while(|word| !word.is_empty());
            let parsed = Cli::try_parse_from(std::iter::once("hephaestus").chain(arguments));
            assert!(parsed.is_ok(), "{path}: {line}: {}", parsed.err().unwrap());
            seen += 1;
        }
    }
    assert!(seen >= 3, "the documents show commands");
}

#[test]
fn the_readme_names_every_command_and_every_room() {
    let readme = document("README.md");
    for command in Cli::command().get_subcommands().filter(|command| command.get_name() != "help") {
        let row = format!("| `hephaestus {} ", command.get_name());
        let alone = format!("| `hephaestus {}`", command.get_name());
        assert!(readme.contains(&row) || readme.contains(&alone), "README.md lacks the command {row}");
    }
    for entry in std::fs::read_dir(project().join("src")).unwrap() {
        let entry = entry.unwrap();
        if entry.file_type().unwrap().is_dir() {
            let room = entry.file_name().into_string().unwrap();
            let row = format!("| [`{room}`](src/{room}) |");
            assert!(readme.contains(&row), "README.md lacks the room {room}");
        }
    }
}

/// The schemas of what travels on the bus are the types' own. `HEPHAESTUS_BLESS=1` writes them anew.
#[test]
fn the_schemas_are_made_from_the_types() {
    let folder = project().join("docs/schemas");
    for topic in Topic::ALL {
        let path = folder.join(format!("{topic}.json"));
        let Some(schema) = wire::schema(topic) else {
            assert!(!path.exists(), "{topic} has no schema");
            continue;
        };
        let text = serde_json::to_string_pretty(&schema).unwrap() + "\n";
        if std::env::var_os("HEPHAESTUS_BLESS").is_some() {
            std::fs::create_dir_all(&folder).unwrap();
            std::fs::write(&path, &text).unwrap();
        }
        let written = std::fs::read_to_string(&path).unwrap_or_default();
        // All of both would be told by `assert_eq`.
        assert!(
            written == text,
            "{} is not what the types say: HEPHAESTUS_BLESS=1 writes it anew",
            path.display()
        );
    }
}

/// The page of metrics lists what the source declares, each with its help.
#[test]
fn the_page_of_metrics_lists_every_metric() {
    let (page, source) = (document("docs/metrics.md"), document("src/telemetry/metrics.rs"));
    let declarations = source.lines().filter(|line| line.ends_with("\";"));
    let mut count = 0;
    for line in declarations {
        let parts: Vec<&str> = line.rsplit('"').collect();
        let (name, help) = (parts[3], parts[1]);
        let row = page.lines().find(|row| row.starts_with(&format!("| `hephaestus_{name}` |")));
        assert!(
            row.is_some_and(|row| row.ends_with(&format!("| {help} |"))),
            "docs/metrics.md lacks {name}: {help}"
        );
        count += 1;
    }
    let rows = page.lines().filter(|row| row.starts_with("| `hephaestus_")).count();
    assert_eq!(rows, count, "docs/metrics.md lists a metric that there is not");
}
