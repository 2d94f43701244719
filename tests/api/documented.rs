//! The forms that the documents tell are those that the commands print.

use std::collections::BTreeSet;

use hephaestus::domain::{GroupStatus, SuggestionStatus};
use serde_json::Value;

use super::instance::Instance;
use crate::harness::{hephaestus, project, succeed};

/// The part of the vocabulary that is about what is remembered.
fn section() -> String {
    let vocabulary = std::fs::read_to_string(project().join("docs/vocabulary.md")).unwrap();
    let (_, section) = vocabulary.split_once("## `groups`, `suggestions` and `explain`").unwrap();
    section.split("\n## ").next().unwrap().to_owned()
}

/// The names in the form that is told first behind some words.
fn names_told(section: &str, behind: &str) -> BTreeSet<String> {
    let (_, rest) = section.split_once(behind).unwrap_or_else(|| panic!("{behind} is not told"));
    let form = rest.split("```").nth(1).unwrap().trim_start_matches("text");
    let words = form.split(|c: char| !(c.is_ascii_lowercase() || c == '_'));
    words.filter(|word| !word.is_empty()).map(str::to_owned).collect()
}

/// The names of all fields of a value, and of the values in it.
fn names_in(value: &Value, names: &mut BTreeSet<String>) {
    match value {
        Value::Object(fields) => {
            names.extend(fields.keys().cloned());
            fields.values().for_each(|value| names_in(value, names));
        }
        Value::Array(items) => items.iter().for_each(|item| names_in(item, names)),
        _ => {}
    }
}

#[test]
fn every_field_is_told_and_every_told_field_is_there() {
    let instance = Instance::start();
    let group = instance.shelf.add_group("Put", 3);
    let id = instance.shelf.suggest_in_full(&group).id.to_string();
    let other = instance.shelf.add_group("Del", 3);
    instance.shelf.find_operational(&other, "Free some space.");
    let (fingerprint, other) = (group.group.fingerprint.to_string(), other.group.fingerprint.to_string());
    let json = |arguments: &[&str]| -> Value {
        let mut command = hephaestus();
        command.env("HEPHAESTUS_STATE_DIR", instance.state_dir()).args(arguments);
        serde_json::from_slice(&succeed(command.args(["--format", "json"])).stdout).unwrap()
    };
    json(&["suggestions", "approve", &id, "--note", "looks right"]);
    let section = section();
    for (behind, arguments) in [
        ("`groups list` gives", &["groups", "list"][..]),
        ("`groups show`, and", &["groups", "show", &other]),
        ("`suggestions list` gives", &["suggestions", "list"]),
        ("`suggestions show`, ", &["suggestions", "show", &id]),
    ] {
        let mut names = BTreeSet::new();
        names_in(&json(arguments), &mut names);
        assert_eq!(names_told(&section, behind), names, "{arguments:?}");
    }
    let explained = json(&["explain", &fingerprint]);
    let names: BTreeSet<_> = explained.as_object().unwrap().keys().cloned().collect();
    assert_eq!(names_told(&section, "`explain` gives"), names);
    assert_eq!(explained["group"], json(&["groups", "show", &fingerprint]));
    assert_eq!(explained["suggestion"], json(&["suggestions", "show", &id]));
}

#[test]
fn every_status_is_told() {
    let section = section();
    let statuses = GroupStatus::ALL.map(GroupStatus::as_str).into_iter();
    for status in statuses.chain(SuggestionStatus::ALL.map(SuggestionStatus::as_str)) {
        assert!(section.contains(&format!("\n| `{status}` |")), "{status}");
    }
}
