//! `groups`, `suggestions` and `explain`, against a running instance and against its state directory.

use std::path::Path;
use std::process::Output;

use hephaestus::domain::GroupRecord;
use hephaestus::telemetry::metrics::Metrics;
use jiff::ToSpan as _;
use serde_json::{Value, json};

use super::instance::Instance;
use super::shelf::Shelf;
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
            "title": "nil map write in store.Put", "service": "shop", "count": 3,
            "first_seen": "2026-05-01T12:00:00Z", "last_seen": "2026-05-01T13:00:00Z", "status": "new",
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
    assert!(
        shown.contains("    +\tnew\n") && shown.contains("status       open, made 2026-05-01T12:00:00Z"),
        "{shown}"
    );

    let uid = rustix::process::getuid().as_raw();
    let approved = json_of(&instance, &["suggestions", "approve", &id, "--note", "looks right"]);
    assert_eq!(approved["status"], "approved");
    assert_eq!(approved["decision"]["by"], format!("ada (uid {uid})"));
    assert_eq!(approved["decision"]["note"], "looks right");
    let told = refused(&instance, &["suggestions", "reject", &id]);
    assert!(told.contains("was approved by ada"), "{told}");
    let other = instance.shelf.suggest(&instance.shelf.add_group("Del", 1), 0).id;
    assert_eq!(
        text(&instance, &["suggestions", "reject", &other.to_string()[..12]]),
        format!("rejected {other}: nil map write in store.Del\n")
    );
    assert_eq!(json_of(&instance, &["suggestions", "list", "--status", "open"]), json!({"suggestions": []}));
}

#[test]
fn a_suggestion_that_may_mask_is_told_as_one() {
    let instance = Instance::start();
    let suggestion = instance.shelf.suggest_masking(&instance.shelf.add_group("Put", 3));
    let id = suggestion.id.to_string();
    let listed = text(&instance, &["suggestions", "list"]);
    assert!(listed.starts_with("plausible, may mask nil map write in store.Put\n"), "{listed}");
    assert_eq!(json_of(&instance, &["suggestions", "list"])["suggestions"][0]["masks"], true);
    for arguments in [["suggestions", "show", &id], ["explain", &id[..32], "-v"]] {
        let told = text(&instance, &arguments);
        for words in
            ["  verdict      plausible, may mask in 1.5 s", "  may mask     With this patch the crash goes"]
        {
            assert!(told.contains(words), "{words:?} is not in {told}");
        }
    }
    let next = &json_of(&instance, &["explain", &id[..32]])["next"];
    assert!(next[0].as_str().unwrap().contains("not proven: every step holds, but it may hide"), "{next}");
}

#[test]
fn a_suggestion_counts_what_has_occurred_since() {
    let instance = Instance::start();
    let group = instance.shelf.add_group("Put", 1);
    let id = instance.shelf.suggest(&group, 0).id.to_string();
    let other = instance.shelf.add_group("Del", 1);
    instance.shelf.find_operational(&other, "Free some space.");
    let fingerprint = other.group.fingerprint.to_string();
    for function in ["Put", "Del"] {
        instance.shelf.grow(function, 41);
    }
    for arguments in [
        &["suggestions", "list"][..],
        &["suggestions", "show", &id],
        &["explain", &id[..32]],
        &["explain", &fingerprint],
    ] {
        let told = text(&instance, arguments);
        assert!(told.contains("seen 42 times") && !told.contains("seen once"), "{arguments:?}: {told}");
    }
    assert_eq!(json_of(&instance, &["suggestions", "show", &id])["count"], 42);
    assert_eq!(json_of(&instance, &["suggestions", "list"])["suggestions"][0]["count"], 42);
    assert_eq!(json_of(&instance, &["groups", "show", &fingerprint])["remedy"]["count"], 42);
    let decided = json_of(&instance, &["suggestions", "approve", &id]);
    assert_eq!(decided["count"], 42);
}

#[test]
fn what_is_unknown_or_ambiguous_is_told() {
    let instance = Instance::start();
    let twins = ["Put", "Del"].map(|function| {
        let print = format!("ab{}{}", "0".repeat(29), function.len() + usize::from(function == "Del"));
        instance.shelf.add_group_as(&print, function)
    });
    let ids = twins.each_ref().map(|group| instance.shelf.suggest(group, 0).id.to_string());
    let fingerprint = twins[0].group.fingerprint.to_string();
    assert!(refused(&instance, &["groups", "show", "cd"]).contains("no group begins with cd"));
    assert!(refused(&instance, &["explain", &"0".repeat(32)]).contains("no group begins with 0000"));
    assert!(
        refused(&instance, &["groups", "show", "pear"]).contains("\"pear\" does not begin a fingerprint")
    );
    assert!(
        refused(&instance, &["suggestions", "show", &format!("{fingerprint}-9")]).contains("no suggestion")
    );
    let told = refused(&instance, &["suggestions", "approve", "AB0"]);
    assert!(told.contains("several suggestions begin with AB0:"), "{told}");
    assert!(ids.iter().all(|id| told.contains(id)), "{told}");
    assert!(refused(&instance, &["explain", "ab"]).contains("several groups begin with ab:"));
    assert!(refused(&instance, &["groups", "list", "--status", "old"]).contains("operational"));
    assert!(refused(&instance, &["groups", "list", "--limit", "0"]).contains("not between 1 and 1000"));
}

#[test]
fn the_state_directory_answers_when_no_instance_runs() {
    let nobody = tempfile::tempdir().unwrap();
    let asked = |state_dir: &Path, arguments: &[&str]| {
        run(hephaestus().env("HEPHAESTUS_STATE_DIR", state_dir).env("USER", "ada").args(arguments))
    };
    let output = asked(nobody.path(), &["groups", "list"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(errors_of(&output).contains("nothing has run on this state directory yet"), "{output:?}");
    assert_eq!(std::fs::read_dir(nobody.path()).unwrap().count(), 0, "looking leaves no trace");

    let instance = Instance::start();
    let group = instance.shelf.add_group("Put", 3);
    let id = instance.shelf.suggest(&group, 0).id.to_string();
    let commands: [&[&str]; 4] = [
        &["groups", "list", "--format", "json"],
        &["suggestions", "list", "--format", "json"],
        &["explain", &id[..8]],
        &["suggestions", "show", &id[..8]],
    ];
    let running = commands.map(|arguments| text(&instance, arguments));
    let state_dir = instance.join();
    for (arguments, running) in commands.iter().zip(running) {
        let output = asked(state_dir.path(), arguments);
        assert_eq!(String::from_utf8_lossy(&output.stdout), running, "{arguments:?}: {output:?}");
    }
    let approved = asked(state_dir.path(), &["suggestions", "approve", &id[..8], "--note", "yes"]);
    assert!(approved.status.success(), "{approved:?}");
    let shown = asked(state_dir.path(), &["suggestions", "show", &id, "--format", "json"]);
    let shown: Value = serde_json::from_slice(&shown.stdout).unwrap();
    let uid = rustix::process::getuid().as_raw();
    assert_eq!((&shown["status"], &shown["decision"]["note"]), (&json!("approved"), &json!("yes")));
    assert_eq!(shown["decision"]["by"], format!("ada (uid {uid})"));
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
    for part in [
        "The map is written before it was made.",
        "every step holds",
        "suggestions approve",
        "git -C '/src/the shop' apply",
    ] {
        assert!(told.contains(part), "{part}: {told}");
    }
    let apply = told.lines().find(|line| line.contains("git -C")).unwrap().trim_start();
    assert!(apply.starts_with("hephaestus suggestions show"), "not to be pasted into a shell: {apply}");
    let told = json_of(&instance, &["explain", &fingerprint]);
    assert_eq!(told["suggestion"]["id"], format!("{fingerprint}-1"));
    assert_eq!(told["group"]["fingerprint"], fingerprint);
    assert!(told["next"].as_array().is_some_and(|steps| steps.len() > 2), "{told}");

    let other = instance.shelf.add_group("Del", 1);
    instance.shelf.find_operational(&other, "Free some space.");
    let told = text(&instance, &["explain", &other.group.fingerprint.to_string()]);
    assert!(told.contains("The disk is full.") && told.ends_with("Free some space.\n"), "{told}");
}

#[test]
fn an_attempt_that_was_not_decided_is_told_with_its_reason_and_the_next() {
    let reason = "the package store does not build: undefined: tags";
    for instance in [Instance::start(), Instance::without_repository()] {
        let group = instance.shelf.add_group("Put", 3);
        let fingerprint = group.group.fingerprint.to_string();
        let ended = instance.shelf.leave_undecided(&group, reason);
        let next = format!("{:.0}", ended + 1.hour());
        let waits = match json_of_instance(&instance)["repository"].is_string() {
            true => {
                format!("Attempt 2 of 3 comes {next} (fixer.retry_after), or as soon as the code changes.")
            }
            false => "Attempt 2 of 3 waits for an instance with --repo: the one that runs has no".to_owned(),
        };
        for arguments in [&["explain", &fingerprint[..]][..], &["groups", "show", &fingerprint]] {
            let told = flowing(&text(&instance, arguments));
            for part in ["attempt 1 of 3 was not decided", reason, &waits, &next] {
                assert!(told.contains(part), "{arguments:?}: {part}: {told}");
            }
        }
        let told = json_of(&instance, &["explain", &fingerprint]);
        assert_eq!((&told["group"]["undecided"], &told["group"]["attempts"]), (&json!(reason), &json!(1)));
        assert!(told["next"][0].as_str().is_some_and(|step| step.contains(reason)), "{told}");
    }
}

fn json_of_instance(instance: &Instance) -> Value {
    instance.get("/api/v1/instance").json()
}

/// Text without the breaks of its lines.
fn flowing(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn what_nobody_works_on_is_not_said_to_be_worked_on() {
    let state_dir = tempfile::tempdir().unwrap();
    let shelf = Shelf::open(&state_dir.path().join("knowledge"), &Metrics::new().unwrap());
    let [begun, new] = ["Put", "Del"].map(|function| shelf.add_group(function, 3));
    shelf.begin(&begun);
    // As if the process had died.
    drop(shelf);
    let asked = |arguments: &[&str]| {
        let output = run(hephaestus().env("HEPHAESTUS_STATE_DIR", state_dir.path()).args(arguments));
        assert!(output.status.success(), "{arguments:?}: {output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    let listed = asked(&["groups", "list"]);
    assert!(listed.contains("broken off  nil_map_write") && !listed.contains("working"), "{listed}");
    let waiting = "2 groups\n2 of them wait for `hephaestus run --repo DIR`, since no instance runs\n";
    assert!(listed.ends_with(waiting), "{listed}");
    let list: Value = serde_json::from_str(&asked(&["groups", "list", "--format", "json"])).unwrap();
    for group in list["groups"].as_array().unwrap() {
        let keys: Vec<_> = group.as_object().unwrap().keys().map(String::as_str).collect();
        let mut expected = [
            "fingerprint",
            "class",
            "severity",
            "title",
            "service",
            "count",
            "first_seen",
            "last_seen",
            "status",
        ];
        expected.sort_unstable();
        assert_eq!(keys, expected);
    }
    let explained = |group: &GroupRecord| flowing(&asked(&["explain", &group.group.fingerprint.to_string()]));
    let told = explained(&begun);
    assert!(told.contains("broken off, attempt 1 of 3"), "{told}");
    assert!(told.contains("It was being worked on when the last instance ended"), "{told}");
    let told = explained(&new);
    assert!(
        told.contains("It waits for an instance with --repo: no attempt was made yet, and none"),
        "{told}"
    );

    let instance = Instance::without_repository();
    let group = instance.shelf.add_group("Put", 3);
    let told = flowing(&text(&instance, &["explain", &group.group.fingerprint.to_string()]));
    assert!(told.contains("the one that runs has no repository"), "{told}");
    let listed = text(&instance, &["groups", "list"]);
    assert!(listed.ends_with("DIR`, since the instance that runs has no repository\n"), "{listed}");
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

/// As `head` and `grep -q` do.
#[test]
fn a_reader_who_leaves_changes_nothing() {
    let instance = Instance::start();
    let group = instance.shelf.add_group("Put", 3);
    let fingerprint = group.group.fingerprint.to_string();
    let id = instance.shelf.suggest(&group, 0).id.to_string();
    let broken = instance.state_dir().join("broken.yaml");
    std::fs::write(&broken, "nonsense: 1\n").unwrap();
    let without_reader = |arguments: &[&str]| {
        let (reader, writer) = rustix::pipe::pipe().unwrap();
        drop(reader);
        let mut command = hephaestus();
        run(command.env("HEPHAESTUS_STATE_DIR", instance.state_dir()).args(arguments).stdout(writer))
    };
    for arguments in [
        &["groups", "list"][..],
        &["groups", "show", &fingerprint],
        &["suggestions", "list"],
        &["suggestions", "show", &id],
        &["explain", &fingerprint],
        &["config", "show"],
        &["config", "check", broken.to_str().unwrap()],
        &["doctor"],
        &["version"],
    ] {
        for arguments in [arguments.to_vec(), [arguments, &["--format", "json"]].concat()] {
            let (read, unread) = (command(&instance, &arguments), without_reader(&arguments));
            assert_eq!(
                (unread.status.code(), errors_of(&unread)),
                (read.status.code(), errors_of(&read)),
                "{arguments:?}"
            );
        }
    }
    let approved = without_reader(&["suggestions", "approve", &id, "--format", "json"]);
    assert_eq!((approved.status.code(), errors_of(&approved)), (Some(0), String::new()));
    assert_eq!(json_of(&instance, &["suggestions", "show", &id])["status"], "approved");
}
