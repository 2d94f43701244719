//! What was approved once helps again: in another repository under other names, and in another service at once.

use serde_json::Value;

use super::depot::{Depot, append, await_suggestions, list};
use super::instance::Place;
use crate::harness::{go, run, succeed};

const QUEUE: &str = "// Package queue keeps jobs in the order in which they came.
package queue

import \"strings\"

// Job is something to do.
type Job struct{ Name string }

// Newest returns the most recent job.
func Newest(jobs []Job) (*Job, error) {
\tnewest := jobs[len(jobs)-1]
\tnewest.Name = strings.TrimSpace(newest.Name)
\treturn &newest, nil
}
";

const MAIN: &str = "package main

import (
\t\"fmt\"

\t\"example.com/printer/queue\"
)

func main() {
\tfmt.Println(queue.Newest(nil))
}
";

/// Adds to the settings of a place.
fn set(place: &Place, settings: &str) {
    append(&place.logs().join("../hephaestus.yaml"), settings.as_bytes());
}

fn approve_only(place: &Place) -> String {
    let suggestions = list(place, "suggestions");
    assert_eq!(suggestions.len(), 1, "{suggestions:?}");
    assert_eq!(suggestions[0]["verdict"], "proven", "{suggestions:?}");
    let id = suggestions[0]["id"].as_str().unwrap().to_owned();
    succeed(place.command().args(["suggestions", "approve", &id, "--note", "looks right"]));
    id
}

/// Everything about the one suggestion beside a known one.
fn other(place: &Place, known: &str) -> Value {
    let suggestions = list(place, "suggestions");
    let ids: Vec<_> =
        suggestions.iter().map(|it| it["id"].as_str().unwrap()).filter(|id| *id != known).collect();
    assert_eq!(ids.len(), 1, "{suggestions:?}");
    let shown = succeed(place.command().args(["suggestions", "show", ids[0], "--format", "json"]));
    serde_json::from_slice(&shown.stdout).unwrap()
}

#[test]
fn an_approved_fix_is_made_anew_in_another_repository() {
    let (place, depot) = (Place::new(), Depot::new());
    append(&place.log("depot.log"), &depot.index());
    let mut first = depot.mended_by(&place);
    first.await_start();
    await_suggestions(&place, "basket.Last");
    let id = approve_only(&place);
    assert!(first.terminate().success());

    let printer = tempfile::tempdir().unwrap();
    for (path, text) in
        [("go.mod", "module example.com/printer\n\ngo 1.21\n"), ("queue/queue.go", QUEUE), ("main.go", MAIN)]
    {
        let path = printer.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    let crash = run(go().args(["run", "."]).current_dir(printer.path())).stderr;
    append(&place.log("printer.log"), &crash);
    set(&place, "generator: {fix_strategies: [{type: recalled, priority: 1}]}\n");
    let mut command = place.run_command();
    command.arg("--repo").arg(printer.path());
    let mut second = place.launch(command);
    second.await_start();
    await_suggestions(&place, "queue.Newest");
    assert!(second.terminate().success());
    let recalled = other(&place, &id);
    assert_eq!(
        (&recalled["provenance"], &recalled["verdict"]),
        (&"recalled".into(), &"proven".into()),
        "{recalled:#}"
    );
    assert!(recalled["explanation"].as_str().unwrap().contains(&id), "{recalled:#}");
    let patch = recalled["patch"].as_str().unwrap();
    assert!(patch.contains("+\tif len(jobs) == 0 {\n+\t\treturn nil, errors.New("), "{patch}");
}

#[test]
fn what_is_known_of_a_defect_is_told_at_once_for_another_service() {
    let (place, depot) = (Place::new(), Depot::new());
    let crash = depot.index();
    let service = |name: &str| {
        let mut command = place.run_command();
        command.arg("--repo").arg(depot.repository()).env("OTEL_SERVICE_NAME", name);
        let mut instance = place.launch(command);
        instance.await_start();
        instance
    };
    append(&place.log("till.log"), &crash);
    let till = service("till");
    await_suggestions(&place, "basket.Last");
    let id = approve_only(&place);
    assert!(till.terminate().success());

    append(&place.log("kiosk.log"), &crash);
    let mut kiosk = service("kiosk");
    while list(&place, "suggestions").len() < 2 {
        kiosk.assert_runs();
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
    let known = other(&place, &id);
    assert_eq!(
        (&known["rule"], &known["verdict"], &known["copy_of"]),
        (&"check_length".into(), &"proven".into(), &id.as_str().into()),
        "{known:#}"
    );
    let reason = known["reason"].as_str().unwrap();
    assert!(
        reason.starts_with(&format!("proven as {id} for the same failure, which is approved by ")),
        "{reason}"
    );
    assert!(reason.contains(": looks right; the code is the same"), "{reason}");
    // Nothing was run for it.
    assert_eq!((&known["seconds"], &known["count"]), (&0.0.into(), &1.into()));
    assert!(kiosk.terminate().success());
}
