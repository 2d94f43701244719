//! `groups`, `suggestions` and `explain` against a running instance.

use std::process::Output;

use serde_json::{Value, json};

use super::instance::Instance;
use crate::harness::{errors_of, hephaestus, run};

fn command(instance: &Instance, arguments: &[&str]) -> Output {
    run(hephaestus().env("HEPHAESTUS_STATE_DIR", instance.state_dir()).env("USER", "ada").args(arguments))
}

#[track_caller]
fn text(instance: &Instance, arguments: &[&str]) -> String {
    let output = command(instance, arguments);
    assert!(output.status.success(), "{arguments:?}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

#[track_caller]
fn json_of(instance: &Instance, arguments: &[&str]) -> Value {
    serde_json::from_str(&text(instance, &[arguments, &["--format", "json"]].concat())).unwrap()
}

/// What is told of a command that must be refused.
#[track_caller]
fn refused(instance: &Instance, arguments: &[&str]) -> String {
    let output = command(instance, arguments);
    assert_eq!((output.status.code(), output.stdout.as_slice()), (Some(2), &b""[..]), "{output:?}");
    errors_of(&output)
}

#[test]
fn groups_are_listed_and_shown() {
    let instance = Instance::start();
    assert_eq!(json_of(&instance, &["groups", "list"]), json!({"groups": []}));
    assert_eq!(text(&instance, &["groups", "list"]), "No groups\n");
    let group = instance.shelf.add_group("Put", 3);
    let fingerprint = group.group.fingerprint.to_string();
    assert_eq!(
        json_of(&instance, &["groups", "list"]),
        json!({"groups": [{
            "fingerprint": fingerprint, "class": "nil_map_write", "severity": "critical",
            "title": "nil map write in store.Put", "count": 3, "first_seen": null, "last_seen": null,
            "status": "new",
        }]})
    );
    let listed = text(&instance, &["groups", "list", "--severity", "critical"]);
    assert!(listed.contains("nil map write in store.Put") && listed.contains(&fingerprint), "{listed}");
    assert_eq!(text(&instance, &["groups", "list", "--status", "approved"]), "No groups\n");

    let shown = text(&instance, &["groups", "show", &fingerprint[..6]]);
    for part in [
        "nil_map_write",
        "shop/store.Put",
        "goroutine 1 [running]:",
        "3 times in shop",
        "new, no attempt yet",
    ] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
    let shown = json_of(&instance, &["groups", "show", &fingerprint]);
    assert_eq!(shown, serde_json::to_value(&group).unwrap());
}

#[test]
fn suggestions_are_listed_shown_and_decided() {
    let instance = Instance::start();
    let group = instance.shelf.add_group("Put", 3);
    let suggestion = instance.shelf.suggest(&group, 0);
    let id = suggestion.id.to_string();
    let listed = json_of(&instance, &["suggestions", "list"]);
    assert_eq!(
        (&listed["suggestions"][0]["id"], &listed["suggestions"][0]["verdict"]),
        (&json!(id), &json!("proven"))
    );
    let listed = text(&instance, &["suggestions", "list"]);
    assert!(listed.contains(&id) && listed.contains("proven"), "{listed}");
    assert_eq!(
        json_of(&instance, &["suggestions", "show", &id[..5]]),
        serde_json::to_value(&suggestion).unwrap()
    );
    let shown = text(&instance, &["suggestions", "show", &id]);
    assert!(shown.contains("    +\tnew\n") && shown.contains("status        open"), "{shown}");

    let uid = rustix::process::getuid().as_raw();
    let approved = json_of(&instance, &["suggestions", "approve", &id, "--note", "looks right"]);
    assert_eq!(approved["status"], "approved");
    assert_eq!(approved["decision"]["by"], format!("ada (uid {uid})"));
    assert_eq!(approved["decision"]["note"], "looks right");
    assert_eq!(
        text(&instance, &["suggestions", "reject", &id[..8]]),
        format!("rejected {id}: nil map write in store.Put\n")
    );
    assert_eq!(json_of(&instance, &["suggestions", "list", "--status", "open"]), json!({"suggestions": []}));
}

#[test]
fn what_is_unknown_or_ambiguous_is_told() {
    let instance = Instance::start();
    let group = instance.shelf.add_group("Put", 3);
    let (first, second) = (instance.shelf.suggest(&group, 0), instance.shelf.suggest(&group, 0));
    let fingerprint = group.group.fingerprint.to_string();
    let other = if fingerprint.starts_with('0') { "1" } else { "0" };
    assert!(
        refused(&instance, &["groups", "show", other]).contains(&format!("no group begins with {other}"))
    );
    assert!(refused(&instance, &["explain", &"0".repeat(32)]).contains("no group begins with 0000"));
    assert!(
        refused(&instance, &["groups", "show", "pear"]).contains("\"pear\" does not begin a fingerprint")
    );
    assert!(
        refused(&instance, &["suggestions", "show", &format!("{fingerprint}-9")]).contains("no suggestion")
    );
    let told = refused(&instance, &["suggestions", "approve", &fingerprint]);
    assert!(told.contains("several suggestions begin with"), "{told}");
    assert!(told.contains(&first.id.to_string()) && told.contains(&second.id.to_string()), "{told}");
    assert!(refused(&instance, &["groups", "list", "--status", "old"]).contains("operational"));
    assert!(refused(&instance, &["groups", "list", "--limit", "0"]).contains("not between 1 and 1000"));
}

#[test]
fn a_group_is_explained_with_what_to_do_next() {
    let instance = Instance::start();
    let group = instance.shelf.add_group("Put", 3);
    let fingerprint = group.group.fingerprint.to_string();
    let told = text(&instance, &["explain", &fingerprint[..6]]);
    assert!(told.contains("no attempt was made yet"), "{told}");
    instance.shelf.suggest(&group, 0);
    let told = text(&instance, &["explain", &fingerprint]);
    for part in
        ["The map is written before it was made.", "every step holds", "suggestions approve", "git apply"]
    {
        assert!(told.contains(part), "{part}: {told}");
    }
    let told = json_of(&instance, &["explain", &fingerprint]);
    assert_eq!(told["suggestion"]["id"], format!("{fingerprint}-1"));
    assert_eq!(told["group"]["fingerprint"], fingerprint);
    assert!(told["next"].as_array().is_some_and(|steps| steps.len() > 2), "{told}");
}

#[test]
fn the_text_of_a_log_cannot_steer_the_terminal() {
    let instance = Instance::start();
    let group = instance.shelf.add_group("\u{1b}[2JPut", 3);
    instance.shelf.suggest(&group, 0);
    let fingerprint = group.group.fingerprint.to_string();
    for arguments in [
        &["groups", "list"][..],
        &["groups", "show", &fingerprint],
        &["suggestions", "list"],
        &["suggestions", "show", &fingerprint],
        &["explain", &fingerprint],
    ] {
        let shown = text(&instance, arguments);
        assert!(!shown.contains('\u{1b}'), "{shown:?}");
    }
}
