//! Whose a group is: every command says the same.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::depot::{append, list};
use super::instance::{PATIENCE, Place};
use crate::harness::{errors_of, succeed};

const TITLE: &str = "load prices: connection refused";

fn error() -> Vec<u8> {
    format!("{{\"level\":\"error\",\"msg\":\"{TITLE}\"}}\n").into_bytes()
}

/// The same for a service of this name.
fn named(mut command: Command, service: &str) -> Command {
    command.env("OTEL_SERVICE_NAME", service);
    command
}

/// The fingerprints in a list that a command prints.
fn prints(command: &mut Command, list: &str) -> Vec<String> {
    let answer: Value = serde_json::from_slice(&succeed(command.args(["--format", "json"])).stdout).unwrap();
    answer[list].as_array().unwrap().iter().map(print).collect()
}

fn print(group: &Value) -> String {
    group["fingerprint"].as_str().unwrap().to_owned()
}

/// The fingerprints of the groups in these logs.
fn scanned(command: Command, logs: &[&Path]) -> Vec<String> {
    let mut command = command;
    prints(command.arg("scan").args(logs), "groups")
}

/// The groups that are remembered, by service.
fn remembered(place: &Place) -> BTreeMap<String, (String, u64)> {
    let service = |group: &Value| group["service"].as_str().unwrap().to_owned();
    let groups = list(place, "groups");
    let by_service: BTreeMap<_, _> = groups
        .iter()
        .map(|group| (service(group), (print(group), group["count"].as_u64().unwrap())))
        .collect();
    assert_eq!(by_service.len(), groups.len(), "{groups:?}");
    by_service
}

/// Waits until these are remembered.
#[track_caller]
fn await_remembered(place: &Place, expected: &BTreeMap<String, (String, u64)>) {
    let begun = Instant::now();
    while remembered(place) != *expected {
        assert!(begun.elapsed() < PATIENCE, "{:?}, not {expected:?}", remembered(place));
        std::thread::sleep(Duration::from_millis(100));
    }
}

#[test]
fn every_command_shows_the_same_fingerprint() {
    let (place, repository) = (Place::new(), tempfile::tempdir().unwrap());
    fs::write(repository.path().join("go.mod"), "module shop\n").unwrap();
    let log = place.log("app.log");
    append(&log, &error());
    let shop = scanned(named(place.command(), "shop"), &[&log]);
    let unnamed = scanned(place.command(), &[&log]);
    assert_eq!((shop.len(), unnamed.len()), (1, 1));
    assert_eq!(scanned(named(place.command(), "unknown_service"), &[&log]), unnamed);
    for other in [&unnamed, &scanned(named(place.command(), "billing"), &[&log])] {
        assert_ne!(other, &shop);
    }

    let mut fix = named(place.command(), "shop");
    fix.arg("fix").arg("--repo").arg(repository.path()).arg("--log").arg(&log);
    assert_eq!(prints(&mut fix, "operational"), shop);

    let mut instance = place.launch(named(place.run_command(), "shop"));
    instance.await_start();
    instance.await_served(&[(TITLE.to_owned(), 1)].into());
    assert!(instance.terminate().success());
    assert_eq!(remembered(&place), [("shop".to_owned(), (shop[0].clone(), 1))].into());
    let shown = succeed(place.command().args(["groups", "list"]));
    assert!(String::from_utf8_lossy(&shown.stdout).contains("connection_refused in shop  "), "{shown:?}");

    let told = succeed(named(place.command(), "shop").args(["exec", "--", "cat"]).arg(&log));
    assert!(errors_of(&told).contains(&shop[0]), "{told:?}");
}

#[test]
fn the_log_of_a_pod_is_its_containers() {
    let place = Place::new();
    let pod = place.log("pods").join("shop_shop-5d9c-x2_0d1b7c6e");
    let logs = ["billing", "orders"].map(|container| pod.join(container).join("0.log"));
    let line = [b"2026-05-01T12:00:00.000000000Z stderr F ", &*error()].concat();
    for log in &logs {
        fs::create_dir_all(log.parent().unwrap()).unwrap();
        append(log, &line);
    }
    let [billing, orders] = logs.each_ref().map(|log| scanned(place.command(), &[log])[0].clone());
    let plain = place.log("app.log");
    append(&plain, &error());
    assert_eq!(scanned(named(place.command(), "billing"), &[&plain])[0], billing);
    let both = logs.each_ref().map(|log| &**log);
    assert_eq!(scanned(place.command(), &both).len(), 2);
    assert_eq!(scanned(named(place.command(), "shop"), &both).len(), 1, "what is named counts");

    let follow = || {
        let mut command = place.command();
        command.arg("run").arg(place.log("pods").join("*/*/*.log"));
        place.launch(command)
    };
    let counted = |billed: u64| {
        let groups = [("billing", &billing, billed), ("orders", &orders, 1)];
        groups.map(|(service, print, count)| (service.to_owned(), (print.clone(), count))).into()
    };
    let mut instance = follow();
    instance.await_start();
    await_remembered(&place, &counted(1));
    assert!(instance.terminate().success());
    // The kubelet rotates it while nobody reads.
    append(&logs[0], &line);
    fs::rename(&logs[0], logs[0].with_file_name("0.log.20260501-120000")).unwrap();
    append(&logs[0], &[b"2026-05-01T12:00:01.000000000Z stdout F begun anew\n", &line[..]].concat());
    let mut instance = follow();
    instance.await_start();
    await_remembered(&place, &counted(3));
    assert!(instance.terminate().success());
}
