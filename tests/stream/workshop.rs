//! Suggestions of a running service: each once, however often the process is killed, and whoever reads them.

use std::collections::BTreeSet;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::depot::{Depot, append, await_suggestions, list};
use super::instance::{Chance, PATIENCE, Place};
use crate::harness::{run, succeed};

/// Waits until somebody works on a group; false once nothing is left to work on.
fn await_work(place: &Place) -> bool {
    let begun = Instant::now();
    loop {
        let groups = list(place, "groups");
        let of = |status: &str| groups.iter().filter(|group| group["status"] == status).count();
        if of("working") > 0 || groups.len() == 2 && of("new") == 0 {
            return of("working") > 0;
        }
        assert!(begun.elapsed() < PATIENCE, "nobody works on {groups:?}; {}", place.errors());
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Kills an instance again and again while it works, and then lets one come to its end.
fn survive_kills(kills: u32, seed: u64) {
    let (place, depot) = (Place::new(), Depot::new());
    append(&place.log("app.log"), &depot.nil_map());
    append(&place.log("app.log"), &depot.index());
    let mut chance = Chance(seed);
    let mut at_work = 0;
    for _ in 0..kills {
        let mut instance = depot.mended_by(&place);
        instance.await_start();
        if await_work(&place) {
            at_work += 1;
            std::thread::sleep(Duration::from_millis(chance.below(1_500)));
        }
        instance.kill();
    }
    assert!(at_work >= 2, "the kills came while it worked");
    let mut last = depot.mended_by(&place);
    last.await_start();
    await_suggestions(&place, "basket.Last");
    await_suggestions(&place, "store.(*Store).Tag");
    assert!(last.terminate().success());
    let (groups, suggestions) = (list(&place, "groups"), list(&place, "suggestions"));
    let prints = |records: &[Value]| -> BTreeSet<String> {
        records.iter().map(|record| record["fingerprint"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!((groups.len(), suggestions.len()), (2, 2), "{suggestions:?}");
    assert_eq!(prints(&groups), prints(&suggestions), "each group has one");
    for (group, suggestion) in groups.iter().zip(&suggestions) {
        assert_eq!((&group["status"], &group["count"]), (&"suggested".into(), &1.into()), "{group}");
        assert_eq!(suggestion["verdict"], "proven", "{suggestion}");
    }
}

#[test]
fn kills_during_attempts_cost_no_suggestion_and_double_none() {
    survive_kills(4, 0x1234_5678_9ABC_DEF1);
}

#[test]
#[ignore = "long: many kills, after each of which a group rests for longer"]
fn twenty_kills_during_attempts_cost_no_suggestion() {
    survive_kills(20, 0x0FED_CBA9_8765_4321);
}

#[test]
fn what_a_killed_process_left_in_the_temporary_folder_is_swept_at_the_next_start() {
    let (place, depot) = (Place::new(), Depot::new());
    let temporary = tempfile::tempdir().unwrap();
    let started = || {
        let mut command = place.run_command();
        command.arg("--repo").arg(depot.repository()).env("TMPDIR", temporary.path());
        let mut instance = place.launch(command);
        instance.await_start();
        instance
    };
    let left = || -> BTreeSet<_> {
        let entries = std::fs::read_dir(temporary.path()).unwrap().map(|entry| entry.unwrap().file_name());
        entries.filter(|name| name.to_str().unwrap().starts_with("hephaestus-scratch-")).collect()
    };
    append(&place.log("app.log"), &depot.index());
    let mut instance = started();
    let begun = Instant::now();
    while left().is_empty() {
        instance.assert_runs();
        assert!(begun.elapsed() < PATIENCE, "no scratch copy is made: {}", place.errors());
        std::thread::sleep(Duration::from_millis(10));
    }
    instance.kill();
    let scratch = left();
    assert!(!scratch.is_empty(), "it was killed at work");
    let instance = started();
    assert!(left().is_disjoint(&scratch), "{scratch:?} is still there");
    assert!(instance.terminate().success());
}

/// What is remembered of the only group.
fn only_group(place: &Place) -> Value {
    let groups = list(place, "groups");
    let fingerprint = groups.first().map_or("none yet", |group| group["fingerprint"].as_str().unwrap());
    let shown = run(place.command().args(["groups", "show", fingerprint, "--format", "json"]));
    serde_json::from_slice(&shown.stdout).unwrap_or_default()
}

#[test]
fn what_was_not_decided_is_told_and_tried_again_once_the_code_has_changed() {
    let (place, depot) = (Place::new(), Depot::new());
    append(&place.log("app.log"), &depot.index());
    let broken = depot.repository().join("basket/half.go");
    std::fs::write(&broken, "package basket\n\nfunc half() int {\n").unwrap();
    let mut instance = depot.mended_by(&place);
    instance.await_start();
    let begun = Instant::now();
    while only_group(&place)["undecided"].is_null() {
        instance.assert_runs();
        assert!(begun.elapsed() < 3 * PATIENCE, "{}; {}", only_group(&place), place.errors());
        std::thread::sleep(Duration::from_millis(100));
    }
    let group = only_group(&place);
    assert_eq!((&group["status"], &group["attempts"]), (&"new".into(), &1.into()), "{group}");
    assert!(group["undecided"].as_str().unwrap().contains("build"), "{group}");
    // What is no code changes nothing.
    std::fs::write(depot.repository().join("app.log"), "all is well").unwrap();
    std::thread::sleep(Duration::from_secs(12));
    assert_eq!(only_group(&place)["attempts"], 1);

    std::fs::remove_file(&broken).unwrap();
    await_suggestions(&place, "basket.Last");
    assert!(instance.terminate().success());
    assert_eq!(list(&place, "suggestions")[0]["verdict"], "proven");
    assert_eq!(
        (&only_group(&place)["undecided"], &only_group(&place)["attempts"]),
        (&Value::Null, &2.into())
    );
}

/// The command that `explain` names to apply a patch, run by a shell.
fn apply_as_explained(place: &Place, fingerprint: &str) {
    let output = succeed(place.command().args(["explain", fingerprint, "--format", "json"]));
    let explained: Value = serde_json::from_slice(&output.stdout).unwrap();
    let mut steps = explained["next"].as_array().unwrap().iter().map(|step| step.as_str().unwrap());
    let command = steps.find_map(|step| step.strip_prefix("Apply it: hephaestus ")).unwrap();
    let (ask, apply) = command.split_once(" | jq -r .patch | ").unwrap();
    let patch = succeed(place.command().args(ask.split(' ')));
    let patch: Value = serde_json::from_slice(&patch.stdout).unwrap();
    let file = place.log("the.patch");
    std::fs::write(&file, patch["patch"].as_str().unwrap()).unwrap();
    succeed(Command::new("sh").args(["-c", &format!("{apply} < {}", file.display())]).current_dir("/"));
}

#[test]
fn the_patch_applies_by_the_command_that_is_told_wherever_the_repository_lies() {
    let (place, depot) = (Place::new(), Depot::in_folder("it's a depot"));
    append(&place.log("app.log"), &depot.index());
    let mut instance = depot.mended_by(&place);
    instance.await_start();
    await_suggestions(&place, "basket.Last");
    assert!(instance.terminate().success());
    let group = only_group(&place);
    let fingerprint = group["fingerprint"].as_str().unwrap();
    let source = depot.repository().join("basket/basket.go");
    let before = std::fs::read_to_string(&source).unwrap();
    // The root of a work tree, and then a folder in one.
    for work_tree in [depot.repository(), depot.repository().parent().unwrap().to_owned()] {
        succeed(Command::new("git").args(["init", "-q"]).current_dir(&work_tree));
        apply_as_explained(&place, fingerprint);
        assert_ne!(std::fs::read_to_string(&source).unwrap(), before, "{}", work_tree.display());
        std::fs::write(&source, &before).unwrap();
        std::fs::remove_dir_all(work_tree.join(".git")).unwrap();
    }
}

/// A pipe in which there is no room.
fn stalled_pipe() -> (rustix::fd::OwnedFd, rustix::fd::OwnedFd) {
    let (reader, writer) = rustix::pipe::pipe().unwrap();
    let flags = rustix::fs::fcntl_getfl(&writer).unwrap();
    rustix::fs::fcntl_setfl(&writer, flags | rustix::fs::OFlags::NONBLOCK).unwrap();
    while rustix::io::write(&writer, &[b'x'; 512]).is_ok() {}
    rustix::fs::fcntl_setfl(&writer, flags).unwrap();
    (reader, writer)
}

#[test]
fn a_reader_that_stalls_or_leaves_holds_up_nothing() {
    let (place, depot) = (Place::new(), Depot::new());
    let with_output = |output: rustix::fd::OwnedFd| {
        let mut command = place.run_command();
        command.arg("--repo").arg(depot.repository()).stdout(Stdio::from(output));
        let mut instance = place.launch(command);
        instance.await_start();
        instance
    };
    let (reader, writer) = rustix::pipe::pipe().unwrap();
    drop(reader);
    let nobody_reads = with_output(writer);
    append(&place.log("app.log"), &depot.index());
    await_suggestions(&place, "basket.Last");
    assert!(nobody_reads.terminate().success());

    let (reader, writer) = stalled_pipe();
    let stalled = with_output(writer);
    append(&place.log("app.log"), &depot.nil_map());
    await_suggestions(&place, "store.(*Store).Tag");
    assert!(stalled.terminate().success());
    drop(reader);
}
