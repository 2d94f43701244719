//! `hephaestus dlq` on the embedded bus: asked of an instance that runs, and of what it left.

use std::path::Path;
use std::time::{Duration, Instant};

use hephaestus::bus::{Bus, Config, Embedded, Message, Topic};
use hephaestus::domain::Pending;
use hephaestus::telemetry::metrics::Metrics;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::instance::{PATIENCE, Place};
use crate::harness::{errors_of, run, succeed};

/// Leaves a message in the bus of a state directory that no version of ours has written.
fn leave_unreadable(state: &Path) {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let embedded =
            Embedded::open(&state.join("bus"), &Config::default(), &Metrics::new().unwrap()).unwrap();
        let bus = Bus::Embedded(embedded);
        let message = Message {
            topic: Topic::Errors,
            id: "foreign-1".into(),
            key: "shop/x".into(),
            headers: Vec::new(),
            body: b"{\"never\": \"ours\"}".to_vec(),
            time: Timestamp::UNIX_EPOCH,
        };
        let (sender, settled) = tokio::sync::oneshot::channel();
        let pending = Pending::new(|settlement| sender.send(settlement).unwrap());
        bus.publish(&message, pending).await.unwrap();
        settled.await.unwrap();
        bus.close().await;
    });
}

fn dlq(place: &Place, arguments: &[&str]) -> Value {
    let output = succeed(place.command().arg("dlq").args(arguments).args(["--format", "json"]));
    serde_json::from_slice(&output.stdout).unwrap()
}

#[track_caller]
fn await_counts(place: &Place, expected: &Value) {
    let begun = Instant::now();
    loop {
        let list = dlq(place, &["list"]);
        if list["counts"] == *expected {
            return;
        }
        assert!(begun.elapsed() < PATIENCE, "{list:#}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn dead_letters_are_listed_and_put_back_whether_or_not_an_instance_runs() {
    let place = Place::new();
    let missing = run(place.command().args(["dlq", "list"]));
    assert_eq!(missing.status.code(), Some(2), "there is no bus, and none is made");
    assert!(!place.state().exists(), "{}", errors_of(&missing));

    std::fs::create_dir(place.state()).unwrap();
    leave_unreadable(&place.state());
    let mut instance = place.start();
    instance.await_start();
    await_counts(&place, &json!({"open": 1}));
    let list = dlq(&place, &["list"]);
    let letter = &list["letters"][0];
    assert_eq!((&letter["id"], &letter["event_id"]), (&json!("0/0"), &json!("foreign-1")));
    assert_eq!((&letter["topic"], &letter["offset"]), (&json!("hephaestus.errors.v1"), &json!(0)));
    let served: Value =
        serde_json::from_str(&instance.served("/api/v1/dead-letters?limit=5").unwrap()).unwrap();
    assert_eq!(served, list);

    assert_eq!(dlq(&place, &["replay", "foreign-1", "--dry-run"])["chosen"][0]["fate"], "put_back");
    await_counts(&place, &json!({"open": 1}));
    assert_eq!(dlq(&place, &["replay", "--all"])["topics"], json!({"hephaestus.errors.v1": 1}));
    // It still cannot be read.
    await_counts(&place, &json!({"open": 1, "replayed": 1}));
    let again = run(place.command().args(["dlq", "replay", "0/0"]));
    assert_eq!(again.status.code(), Some(1), "{}", errors_of(&again));
    assert!(String::from_utf8_lossy(&again.stdout).contains("it was put back before"));
    assert!(instance.terminate().success());

    await_counts(&place, &json!({"open": 1, "replayed": 1}));
    let before = list_of_files(&place.state());
    assert_eq!(dlq(&place, &["replay", "--all", "--dry-run"])["topics"], json!({"hephaestus.errors.v1": 1}));
    assert_eq!(list_of_files(&place.state()), before, "looking changes nothing");
    assert_eq!(dlq(&place, &["replay", "--all"])["topics"], json!({"hephaestus.errors.v1": 1}));
    await_counts(&place, &json!({"replayed": 2}));
    let mut next = place.start();
    next.await_start();
    await_counts(&place, &json!({"open": 1, "replayed": 2}));
    assert!(next.terminate().success());
}

fn list_of_files(state: &Path) -> Vec<(String, u64)> {
    let entries = std::fs::read_dir(state.join("bus")).unwrap().map(|entry| entry.unwrap());
    let mut files: Vec<_> = entries
        .map(|entry| (entry.file_name().into_string().unwrap(), entry.metadata().unwrap().len()))
        .collect();
    files.sort();
    files
}
