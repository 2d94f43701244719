//! A disk that is full, a repository that is away: what waits for it is told, nothing is lost, and an end is
//! still an end.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::depot::{Depot, append, await_suggestions};
use super::instance::{Instance, PATIENCE, Place};
use crate::harness::small_disk::SmallDisk;

/// How large the disk is.
const MEBIBYTES: u64 = 32;

/// The answer of a probe: whether it is ready, and why not, each reason behind its part.
fn readiness(instance: &Instance) -> (u16, Vec<String>) {
    let mut stream = TcpStream::connect(instance.address()).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(b"GET /readyz HTTP/1.0\r\nHost: localhost\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let body: Value = serde_json::from_str(body).unwrap();
    let text = |reason: &Value, key: &str| reason[key].as_str().unwrap().to_owned();
    let reasons = body["reasons"].as_array().unwrap().iter();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    (status, reasons.map(|it| format!("{}: {}", text(it, "part"), text(it, "reason"))).collect())
}

/// Does something again and again until the probe is answered as wanted.
fn await_status(instance: &Instance, place: &Place, wanted: u16, mut act: impl FnMut()) {
    let begun = Instant::now();
    loop {
        let (status, reasons) = readiness(instance);
        if status == wanted {
            assert_eq!(reasons.is_empty(), wanted == 200);
            return;
        }
        assert!(begun.elapsed() < PATIENCE, "it answers {status} {reasons:?}; {}", place.errors());
        act();
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Writes one error after the other, and keeps count.
struct Writer {
    log: File,
    sizes: Sizes,
    written: u64,
    counts: BTreeMap<String, u64>,
}

/// How much the errors take, and where.
struct Sizes {
    /// How many errors are of one kind: what is kept of a kind is kept once.
    of_a_kind: u64,
    line_bytes: u64,
    /// How many are written at once.
    batch: u64,
}

impl Writer {
    fn new(place: &Place, sizes: Sizes) -> Self {
        let log = OpenOptions::new().create(true).append(true).open(place.log("app.log")).unwrap();
        Self { log, sizes, written: 0, counts: BTreeMap::new() }
    }

    fn write(&mut self) {
        for _ in 0..self.sizes.batch {
            self.written += 1;
            // Words without a digit, or what may be taken for one.
            let kind = (self.written / self.sizes.of_a_kind).to_string();
            let kind: String = kind.bytes().map(|digit| char::from(digit - b'0' + b'j')).collect();
            let title = format!("order {kind} not saved");
            let noise: String = (0..self.sizes.line_bytes)
                .map(|i| char::from(b'a' + ((i * i * (self.written + 7)) >> 5) as u8 % 26))
                .collect();
            let line = format!("{{\"level\":\"error\",\"msg\":\"{title}\",\"noise\":\"{noise}\"}}\n");
            self.log.write_all(line.as_bytes()).unwrap();
            *self.counts.entry(title).or_default() += 1;
        }
    }
}

/// Does something again and again until this is among the reasons.
fn await_reason(instance: &Instance, place: &Place, wanted: &str, mut act: impl FnMut()) {
    let begun = Instant::now();
    loop {
        let (_, reasons) = readiness(instance);
        if reasons.iter().any(|reason| reason.contains(wanted)) {
            return;
        }
        assert!(begun.elapsed() < PATIENCE, "only {reasons:?}; {}", place.errors());
        act();
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// Lets an instance run against a full disk twice: once until there is space again, once until it is to end.
/// The part that needs the space is to be told as not ready.
fn survive_a_full_disk(disk: &SmallDisk, place: &Place, part: &str, sizes: Sizes) {
    let mut writer = Writer::new(place, sizes);
    let mut instance = place.start();
    instance.await_start();
    writer.write();
    place.await_counts(&writer.counts);
    await_status(&instance, place, 200, || ());

    disk.fill();
    await_status(&instance, place, 503, || writer.write());
    await_reason(&instance, place, part, || writer.write());
    for _ in 0..30 {
        writer.write();
        std::thread::sleep(Duration::from_millis(100));
    }
    disk.clear();
    await_status(&instance, place, 200, || ());
    place.await_counts(&writer.counts);

    disk.fill();
    await_status(&instance, place, 503, || writer.write());
    let asked = Instant::now();
    assert!(instance.terminate().success(), "{}", place.errors());
    assert!(asked.elapsed() < PATIENCE, "it ended after {:?}", asked.elapsed());
    let errors = place.errors();
    for line in ["errors cannot be counted", "errors are counted again"] {
        assert!(errors.matches(line).count() <= 1, "told more often than once: {errors}");
    }
    disk.clear();
    let mut instance = place.start();
    instance.await_start();
    place.await_counts(&writer.counts);
    assert!(instance.terminate().success());
}

#[test]
fn a_full_disk_is_told_and_waited_for() {
    let disk = SmallDisk::new(MEBIBYTES);
    let place = Place::with_state_dir(&disk.path().join("state"), "grace_period: 3s");
    survive_a_full_disk(
        &disk,
        &place,
        "collector",
        Sizes { of_a_kind: u64::MAX, line_bytes: 200, batch: 20 },
    );
}

/// A place whose knowledge lies on the disk, and nothing else.
fn place_of_knowledge(disk: &SmallDisk) -> (tempfile::TempDir, Place) {
    let settings = format!(
        "grace_period: 3s\nanalyzer: {{summary_interval: 100ms}}\nknowledge: {{storage_path: {}}}",
        disk.path().join("knowledge").display()
    );
    let elsewhere = tempfile::tempdir().unwrap();
    let place = Place::with_state_dir(elsewhere.path(), &settings);
    (elsewhere, place)
}

#[test]
fn knowledge_without_space_keeps_errors_in_the_bus() {
    let disk = SmallDisk::new(MEBIBYTES);
    let (_elsewhere, place) = place_of_knowledge(&disk);
    let sizes = Sizes { of_a_kind: 1, line_bytes: 30_000, batch: 2 };
    survive_a_full_disk(&disk, &place, "knowledge: errors cannot be counted", sizes);
    let errors = place.errors();
    assert!(!errors.contains("ERROR"), "with space again there is nothing to tell: {errors}");
}

#[test]
fn what_an_attempt_brings_is_held_until_there_is_space() {
    let disk = SmallDisk::new(MEBIBYTES);
    let (_elsewhere, place) = place_of_knowledge(&disk);
    let depot = Depot::new();
    let mut instance = depot.mended_by(&place);
    instance.await_start();
    // Each is worked on too, and its attempt begins and ends. So many come at once that they are counted sooner
    // than worked on: else the disk could be full for the next count while no attempt is under way, and none
    // would begin.
    let mut writer = Writer::new(&place, Sizes { of_a_kind: 1, line_bytes: 30_000, batch: 100 });
    writer.write();
    place.await_counts(&writer.counts);
    disk.fill();
    await_reason(&instance, &place, "knowledge: what attempts bring", || writer.write());
    append(&place.log("app.log"), &depot.index());
    disk.clear();
    await_status(&instance, &place, 200, || ());
    let suggestions = await_suggestions(&place, "index out of range in basket.Last");
    assert_eq!(suggestions, 1);
    assert!(instance.terminate().success(), "{}", place.errors());
    assert_eq!(await_suggestions(&place, "index out of range in basket.Last"), 1);
}

#[test]
fn a_repository_that_is_away_is_waited_for_and_costs_no_attempt() {
    let state = tempfile::tempdir().unwrap();
    let place = Place::with_state_dir(&state.path().join("state"), "fixer: {max_attempts: 1}");
    let depot = Depot::new();
    let crashes = [depot.index(), depot.nil_map()];
    let mut instance = depot.mended_by(&place);
    instance.await_start();
    let elsewhere = depot.repository().with_extension("away");
    std::fs::rename(depot.repository(), &elsewhere).unwrap();
    for crash in crashes {
        append(&place.log("app.log"), &crash);
    }
    await_reason(&instance, &place, "repository: the repository cannot be read", || ());
    std::fs::rename(&elsewhere, depot.repository()).unwrap();
    await_status(&instance, &place, 200, || ());
    for title in ["index out of range in basket.Last", "nil map write in store.(*Store).Tag"] {
        assert_eq!(await_suggestions(&place, title), 1);
    }
    assert!(instance.terminate().success(), "{}", place.errors());
    let errors = place.errors();
    assert_eq!(errors.matches("the repository cannot be read").count(), 1, "{errors}");
}
