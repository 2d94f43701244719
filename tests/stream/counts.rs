//! Exact counts, whatever happens to the process and to the files.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use super::instance::{Chance, Place};
use super::log_writer::{Kind, LogWriter};

/// Writes failures of several kinds with sequence numbers between healthy lines, and rotates its file.
struct Writer {
    log: LogWriter,
    chance: Chance,
    sequence: u64,
    written: BTreeMap<String, u64>,
}

impl Writer {
    fn new(path: PathBuf, is_container: bool, seed: u64) -> Self {
        let mut cuts = Chance(!seed);
        let log = LogWriter::new(path, is_container, move |bytes| cuts.below(bytes as u64) as usize);
        Self { log, chance: Chance(seed), sequence: 0, written: BTreeMap::new() }
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

/// Kills an instance again and again while somebody writes, and compares the counts.
fn survive_kills(kills: u32, seed: u64) {
    let place = Place::new();
    let stop = Arc::new(AtomicBool::new(false));
    let write = |mut writer: Writer| {
        let stop = Arc::clone(&stop);
        std::thread::spawn(move || {
            while !stop.load(Relaxed) {
                for _ in 0..20 {
                    writer.write();
                }
                std::thread::sleep(Duration::from_millis(2));
            }
            writer.log.finish();
            writer
        })
    };
    let writing = [("app.log", false), ("pod.log", true)]
        .map(|(name, is_container)| write(Writer::new(place.log(name), is_container, seed)));
    let mut chance = Chance(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
    for _ in 0..kills {
        let instance = place.start();
        std::thread::sleep(Duration::from_millis(50 + chance.below(700)));
        instance.kill();
    }
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
