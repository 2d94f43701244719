//! Exact counts, whatever happens to the process and to the files.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use super::instance::{Chance, Place};

/// Writes failures of several kinds with sequence numbers between healthy lines, and rotates its file.
struct Writer {
    path: PathBuf,
    file: File,
    /// Whether the log is a container's: crashes stand on standard error, records on standard output.
    is_container: bool,
    /// The lines of a crash that are still to be written.
    rest: Vec<String>,
    chance: Chance,
    sequence: u64,
    rotations: u64,
    written: BTreeMap<String, u64>,
}

impl Writer {
    fn new(path: PathBuf, is_container: bool, seed: u64) -> Self {
        let file = OpenOptions::new().create(true).append(true).open(&path).unwrap();
        let (rest, written) = (Vec::new(), BTreeMap::new());
        Self { path, file, is_container, rest, chance: Chance(seed), sequence: 0, rotations: 0, written }
    }

    /// In two writes, so that a reader may see the half of it.
    fn put(&mut self, text: &str) {
        let middle = self.chance.below(text.len() as u64) as usize;
        self.file.write_all(&text.as_bytes()[..middle]).unwrap();
        self.file.write_all(&text.as_bytes()[middle..]).unwrap();
    }

    /// A line of one of a container's streams.
    fn put_line(&mut self, stream: &str, line: &str) {
        self.put(&format!("2024-05-01T10:00:00.000000001Z {stream} F {line}\n"));
    }

    /// A record stands between the lines of a crash as often as not.
    fn put_in_container(&mut self, text: &str, is_crash: bool) {
        while !self.rest.is_empty() && (is_crash || self.chance.below(2) == 0) {
            let line = self.rest.remove(0);
            self.put_line("stderr", &line);
        }
        if is_crash {
            self.rest = text.lines().map(str::to_owned).collect();
        } else {
            self.put_line("stdout", text.trim_end());
        }
    }

    fn finish(&mut self) {
        for line in std::mem::take(&mut self.rest) {
            self.put_line("stderr", &line);
        }
    }

    fn write(&mut self) {
        self.sequence += 1;
        let number = self.sequence;
        let (text, title) = match self.chance.below(6) {
            0 => (
                format!(
                    "panic: assignment to entry in nil map\n\ngoroutine {number} [running]:\nexample.com/shop/stock.Hold(...)\n\t/app/stock/hold.go:12\nmain.main()\n\t/app/main.go:7 +0x1d\nexit status 2\n"
                ),
                "nil map write in stock.Hold",
            ),
            1 => (
                format!("{{\"level\":\"error\",\"msg\":\"order not saved\",\"seq\":{number}}}\n"),
                "order not saved",
            ),
            2 => (
                format!("{{\"level\":\"error\",\"msg\":\"cart not found\",\"seq\":{number}}}\n"),
                "cart not found",
            ),
            _ => (format!("{{\"level\":\"info\",\"msg\":\"order saved\",\"seq\":{number}}}\n"), ""),
        };
        if self.is_container {
            self.put_in_container(&text, title.starts_with("nil map write"));
        } else {
            self.put(&text);
        }
        if !title.is_empty() {
            *self.written.entry(title.to_owned()).or_default() += 1;
        }
        if self.chance.below(400) == 0 {
            self.rotate();
        }
    }

    /// By renaming: nothing is deleted, so nothing may be lost.
    fn rotate(&mut self) {
        self.finish();
        self.rotations += 1;
        let old = self.path.with_extension(format!("log.{}", self.rotations));
        std::fs::rename(&self.path, old).unwrap();
        self.file = OpenOptions::new().create(true).append(true).open(&self.path).unwrap();
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
            writer.finish();
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
        assert!(writer.rotations > 0 && writer.written.len() == 3, "the writer did what it should");
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
