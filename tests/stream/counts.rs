//! Exact counts, whatever happens to the process and to the files.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use serde_json::Value;

use super::instance::{Chance, Instance, PATIENCE, Place};
use super::log_writer::{Kind, LogWriter};
use crate::harness::run;

/// Writes failures of several kinds with sequence numbers between healthy lines, and rotates its file.
pub(crate) struct Writer {
    log: LogWriter,
    chance: Chance,
    sequence: u64,
    pub(crate) written: BTreeMap<String, u64>,
}

impl Writer {
    pub(crate) fn new(path: PathBuf, is_container: bool, seed: u64) -> Self {
        let mut cuts = Chance(!seed);
        let log = LogWriter::new(path, is_container, move |bytes| cuts.below(bytes as u64) as usize);
        Self { log, chance: Chance(seed), sequence: 0, written: BTreeMap::new() }
    }

    /// How many failures it has written.
    fn total(&self) -> u64 {
        self.written.values().sum()
    }

    /// Writes until it is stopped, for so long nothing between twenty lines and the next. How many failures that are
    /// is told as it goes on.
    pub(crate) fn write_until(mut self, stop: &AtomicBool, pause: Duration, so_far: &AtomicU64) -> Self {
        while !stop.load(Relaxed) {
            let before = self.total();
            for _ in 0..20 {
                self.write();
            }
            so_far.fetch_add(self.total() - before, Relaxed);
            std::thread::sleep(pause);
        }
        self.log.finish();
        self
    }

    fn write(&mut self) {
        self.sequence += 1;
        let kind = match self.chance.below(6) {
            0 => Kind::Panic,
            1 => Kind::Order,
            2 => Kind::Cart,
            _ => Kind::Healthy,
        };
        let text = kind.text(self.sequence);
        if self.log.is_container && kind == Kind::Panic {
            self.log.begin(&text, self.chance.below(text.len() as u64) as usize);
        } else {
            // A record stands between the lines of a crash as often as not.
            while self.chance.below(2) == 0 && self.log.go_on() {}
            self.log.write(kind, &text);
        }
        if let Some(title) = title(kind) {
            *self.written.entry(title.to_owned()).or_default() += 1;
        }
        if self.chance.below(400) == 0 {
            self.log.rotate();
        }
    }
}

/// How the group of a failure is called; none for what is none.
const fn title(kind: Kind) -> Option<&'static str> {
    match kind {
        Kind::Healthy => None,
        Kind::Order => Some("order not saved"),
        Kind::Cart => Some("cart not found"),
        Kind::Panic => Some("nil map write in stock.Hold"),
    }
}

/// Waits until an instance has counted more than this.
fn await_progress(instance: &mut Instance, counted: u64) {
    instance.await_start();
    let begun = std::time::Instant::now();
    while instance.served_counts().is_none_or(|counts| counts.values().sum::<u64>() <= counted) {
        instance.assert_runs();
        assert!(begun.elapsed() < PATIENCE, "it counts no more: {}", instance.said());
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// How much is counted in what a killed instance has left; nothing where it died before it had anything.
fn counted_by_the_dead(place: &Place) -> u64 {
    let listed = run(place.command().args(["groups", "list", "--limit", "1000", "--format", "json"]));
    let list: Value =
        if listed.status.success() { serde_json::from_slice(&listed.stdout).unwrap() } else { Value::Null };
    list["groups"].as_array().into_iter().flatten().filter_map(|group| group["count"].as_u64()).sum()
}

/// Kills an instance again and again while somebody writes, and compares the counts.
fn survive_kills(kills: u32, seed: u64) {
    let place = Place::new();
    let (stop, written_so_far) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let write = |writer: Writer| {
        let (stop, so_far) = (Arc::clone(&stop), Arc::clone(&written_so_far));
        std::thread::spawn(move || writer.write_until(&stop, Duration::from_millis(2), &so_far))
    };
    let writing = [("app.log", false), ("pod.log", true)]
        .map(|(name, is_container)| write(Writer::new(place.log(name), is_container, seed)));
    let mut chance = Chance(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
    let (mut counted, mut met) = (0, 0);
    for _ in 0..kills {
        let mut instance = place.start();
        // One in four may die while it starts, the others while they count.
        if chance.below(4) > 0 {
            await_progress(&mut instance, counted);
        }
        std::thread::sleep(Duration::from_millis(50 + chance.below(500)));
        let written = written_so_far.load(Relaxed);
        instance.kill();
        // It had counted something, and had not come to the end of it.
        let before = std::mem::replace(&mut counted, counted_by_the_dead(&place));
        met += u32::from(before < counted && counted < written);
    }
    assert!(met * 2 >= kills, "{met} of {kills} kills met work that was under way");
    stop.store(true, Relaxed);
    let mut written = BTreeMap::new();
    for writer in writing.map(|writing| writing.join().unwrap()) {
        assert!(writer.log.rotations > 0 && writer.written.len() == 3, "the writer did what it should");
        for (title, count) in writer.written {
            *written.entry(title).or_default() += count;
        }
    }
    let mut last = place.start();
    last.await_start();
    place.await_counts(&written);
    assert!(last.terminate().success());
    assert_eq!(place.counts(), written, "and they stay so when nothing runs");
}

#[test]
fn twenty_kills_lose_and_double_nothing() {
    survive_kills(20, 0x1234_5678_9ABC_DEF1);
}

#[test]
#[ignore = "long: many kills with several seeds"]
fn many_kills_lose_and_double_nothing() {
    for seed in 1..=10 {
        survive_kills(30, seed * 0x0123_4567_89AB_CDEF);
    }
}

#[test]
fn a_storm_is_one_group_with_its_exact_count() {
    let place = Place::new();
    let line = "{\"level\":\"error\",\"msg\":\"order not saved\"}\n";
    let storm = line.repeat(1_000);
    let mut log = File::create(place.log("app.log")).unwrap();
    let mut instance = place.start();
    instance.await_start();
    for _ in 0..1_000 {
        log.write_all(storm.as_bytes()).unwrap();
    }
    place.await_counts(&BTreeMap::from([("order not saved".to_owned(), 1_000_000)]));
    assert!(instance.terminate().success());
}
