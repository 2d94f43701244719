//! A model of logs, of the tailer, and of whoever takes what it reads: random steps, then three promises.
//!
//! - Every complete line that survived long enough is settled in the end.
//! - A line that is delivered more than once has the same file and offset each time.
//! - Below a checkpoint everything is settled.
//!
//! A line may be missing only where the model knows why: it was destroyed before the tailer could have read
//! it, or after it was read and before it was settled, with a crash between.

use std::collections::{BTreeSet, HashMap};

use proptest::prelude::*;

use super::*;
use crate::collector::Prefix;

#[derive(Debug, Clone)]
enum Step {
    Append(u8),
    /// Half a line, or the other half.
    Half,
    Rename,
    CopyTruncate,
    Truncate,
    Delete,
    /// Of the rotated files, the one that was rotated first.
    DeleteOldest,
    Look,
    /// Looks, but reads only some chunks.
    Glance(u8),
    Wait,
    Settle(prop::sample::Index),
    Commit,
    Crash,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (1u8..6).prop_map(Step::Append),
        3 => Just(Step::Half),
        2 => Just(Step::Rename),
        2 => Just(Step::CopyTruncate),
        1 => Just(Step::Truncate),
        1 => Just(Step::Delete),
        1 => Just(Step::DeleteOldest),
        6 => Just(Step::Look),
        3 => (0u8..8).prop_map(Step::Glance),
        1 => Just(Step::Wait),
        6 => any::<prop::sample::Index>().prop_map(Step::Settle),
        3 => Just(Step::Commit),
        2 => Just(Step::Crash),
    ]
}

/// Content and where it lies. Lines are numbered.
#[derive(Debug, Default, Clone)]
struct Log {
    lines: Vec<u32>,
    /// A line of which half is written.
    half: Option<u32>,
    /// Whether it was looked at while it was long enough to be known by its content.
    is_known: bool,
    /// Whether it was looked at since the last crash, so that its handle is open.
    is_open: bool,
}

/// One file's consumer.
struct Stream {
    line_start: u64,
    partial: Vec<u8>,
    prefix: Prefix,
}

struct World {
    rig: Rig,
    /// Whether the glob finds rotated files too.
    wide: bool,
    current: Log,
    rotated: Vec<(String, Log)>,
    names: u32,
    lines: u32,
    streams: HashMap<FileId, Stream>,
    in_flight: Vec<(FileId, u64, u32)>,
    places: HashMap<u32, (FileId, u64)>,
    /// Lines that were written to their end.
    complete: BTreeSet<u32>,
    settled: BTreeSet<u32>,
    /// Lines that may be missing.
    excused: BTreeSet<u32>,
    /// Lines whose content is gone: they may be missing after a crash.
    volatile: BTreeSet<u32>,
}

/// Lines differ in their first bytes, as those of logs do that begin with a time: of two files with equal
/// first bytes, fewer than [`LEAST_HEAD_BYTES`] of them, one in the inode of the other cannot be told apart.
fn text_of(line: u32) -> String {
    format!("{line:08} line with some words behind it\n")
}

impl World {
    fn new(wide: bool) -> Self {
        let mut rig = Rig::new(&[if wide { "app.log*" } else { "app.log" }]);
        rig.budget = Budget::new(100);
        Self {
            rig,
            wide,
            current: Log::default(),
            rotated: Vec::new(),
            names: 0,
            lines: 0,
            streams: HashMap::new(),
            in_flight: Vec::new(),
            places: HashMap::new(),
            complete: BTreeSet::new(),
            settled: BTreeSet::new(),
            excused: BTreeSet::new(),
            volatile: BTreeSet::new(),
        }
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::Append(count) => (0..count).for_each(|_| self.append()),
            Step::Half => self.half(),
            Step::Rename => self.rename(),
            Step::CopyTruncate => self.copy_truncate(),
            Step::Truncate if self.exists() => {
                self.rig.truncate("app.log", 0);
                let log = std::mem::take(&mut self.current);
                self.destroyed(&log, false);
            }
            Step::Delete if self.exists() => {
                self.rig.remove("app.log");
                let log = std::mem::take(&mut self.current);
                self.destroyed(&log, log.is_open);
            }
            Step::DeleteOldest if !self.rotated.is_empty() => {
                let (name, log) = self.rotated.remove(0);
                self.rig.remove(&name);
                self.destroyed(&log, log.is_open);
            }
            Step::Truncate | Step::Delete | Step::DeleteOldest => {}
            Step::Look => self.look(),
            Step::Glance(turns) => self.glance(turns),
            Step::Wait => {
                self.rig.pass(self.rig.config.grace);
                self.look();
            }
            Step::Settle(index) if !self.in_flight.is_empty() => {
                let index = index.index(self.in_flight.len());
                self.settle(index);
            }
            Step::Settle(_) => {}
            Step::Commit => self.commit(),
            Step::Crash => self.crash(),
        }
    }

    fn exists(&self) -> bool {
        self.rig.path("app.log").exists()
    }

    fn append(&mut self) {
        if self.current.half.is_some() {
            self.half();
        }
        self.rig.append("app.log", &text_of(self.lines));
        self.current.lines.push(self.lines);
        self.complete.insert(self.lines);
        self.lines += 1;
    }

    fn half(&mut self) {
        const CUT: usize = 11;
        if let Some(line) = self.current.half.take() {
            self.rig.append("app.log", &text_of(line)[CUT..]);
            self.current.lines.push(line);
            self.complete.insert(line);
        } else {
            self.rig.append("app.log", &text_of(self.lines)[..CUT]);
            self.current.half = Some(self.lines);
            self.lines += 1;
        }
    }

    fn next_name(&mut self) -> String {
        self.names += 1;
        format!("app.log.{}", self.names)
    }

    fn rename(&mut self) {
        if self.exists() {
            let name = self.next_name();
            self.rig.rename("app.log", &name);
            let log = std::mem::take(&mut self.current);
            self.moved(name, log);
        }
    }

    fn copy_truncate(&mut self) {
        if self.exists() {
            let name = self.next_name();
            self.rig.copy_truncate("app.log", &name);
            // What is open is the original.
            let log = Log { is_open: false, ..std::mem::take(&mut self.current) };
            self.moved(name, log);
        }
    }

    /// Content lies under another name now.
    fn moved(&mut self, name: String, log: Log) {
        if !self.wide && !log.is_known && !log.is_open {
            self.destroyed(&log, false);
        }
        self.rotated.push((name, log));
    }

    /// Content is gone, but for an open handle.
    fn destroyed(&mut self, log: &Log, is_readable: bool) {
        let delivered: BTreeSet<u32> = self.in_flight.iter().map(|(.., line)| *line).collect();
        for line in &log.lines {
            self.volatile.insert(*line);
            if !is_readable && !delivered.contains(line) {
                self.excused.insert(*line);
            }
        }
    }

    fn look(&mut self) {
        self.rig.pass(Duration::from_millis(100));
        self.rig.files.reconcile(self.rig.now);
        while self.turn() || self.rig.files.wants_scan() {
            if self.rig.files.wants_scan() {
                self.rig.files.reconcile(self.rig.now);
            }
        }
        let wide = self.wide;
        for (is_found, log) in
            self.rotated.iter_mut().map(|(_, log)| (wide, log)).chain([(true, &mut self.current)])
        {
            if is_found || log.is_known {
                log.is_open |= !log.lines.is_empty() || log.half.is_some();
                log.is_known |= !log.lines.is_empty();
            }
        }
    }

    fn glance(&mut self, turns: u8) {
        self.rig.files.reconcile(self.rig.now);
        for _ in 0..turns {
            self.turn();
        }
        self.hear();
    }

    fn turn(&mut self) -> bool {
        self.hear();
        let Some(wanted) = self.rig.files.wanted_bytes() else { return false };
        let permit = self.rig.budget.try_take(wanted).expect("nothing is held");
        self.rig.files.read(permit, self.rig.now);
        self.hear();
        true
    }

    fn hear(&mut self) {
        while let Some(event) = self.rig.files.next_news() {
            match event {
                SourceEvent::Opened { file, offset, before, .. } => {
                    assert!(
                        before.is_empty() || before.ends_with(b"\n"),
                        "a checkpoint stands between lines"
                    );
                    assert_eq!(before.is_empty(), offset == 0);
                    let stream =
                        Stream { line_start: offset, partial: Vec::new(), prefix: Prefix::new(offset) };
                    self.streams.insert(file, stream);
                }
                SourceEvent::Bytes { file, offset, bytes } => self.frame(file, offset, &bytes),
                SourceEvent::Quiet { .. } | SourceEvent::Lost { .. } | SourceEvent::Ended { .. } => {}
            }
        }
    }

    fn frame(&mut self, file: FileId, offset: u64, bytes: &[u8]) {
        let stream = self.streams.get_mut(&file).expect("opened before");
        assert_eq!(stream.line_start + stream.partial.len() as u64, offset, "contiguous");
        stream.partial.extend_from_slice(bytes);
        while let Some(end) = stream.partial.iter().position(|byte| *byte == b'\n') {
            let text = String::from_utf8(stream.partial.drain(..=end).collect()).unwrap();
            let line: u32 = text[..8].parse().unwrap();
            assert_eq!(text, text_of(line), "whole lines");
            let start = stream.line_start;
            assert_eq!(
                *self.places.entry(line).or_insert((file, start)),
                (file, start),
                "one identity: {line}"
            );
            stream.prefix.in_flight(start);
            self.in_flight.push((file, start, line));
            stream.line_start += text.len() as u64;
        }
        stream.prefix.scanned(stream.line_start);
    }

    fn settle(&mut self, index: usize) {
        let (file, start, line) = self.in_flight.swap_remove(index);
        self.settled.insert(line);
        self.streams.get_mut(&file).unwrap().prefix.settled(start);
    }

    fn commit(&mut self) {
        let checkpoints: Vec<_> =
            self.streams.iter().map(|(file, stream)| (*file, stream.prefix.committed().into())).collect();
        self.rig.registry.commit(&checkpoints, &[]).unwrap();
        for (line, (file, start)) in &self.places {
            let committed = self.rig.registry.checkpoint(*file).map_or(0, |at| at.resume);
            assert!(*start >= committed || self.settled.contains(line), "{line} is below the checkpoint");
        }
    }

    fn crash(&mut self) {
        self.rig.restart();
        self.streams.clear();
        self.in_flight.clear();
        self.excused.append(&mut self.volatile);
        self.current.is_open = false;
        self.rotated.iter_mut().for_each(|(_, log)| log.is_open = false);
    }

    /// Whatever happened: a quiet while later everything that is there has been settled.
    fn end(mut self) {
        // A file that was written anew at its old length shows it at the latest when it grows.
        self.append();
        for _ in 0..4 {
            self.step(Step::Wait);
        }
        while !self.in_flight.is_empty() {
            self.settle(0);
        }
        self.commit();
        let accounted = &self.settled | &self.excused;
        let missing: Vec<_> = self.complete.difference(&accounted).collect();
        assert!(missing.is_empty(), "missing: {missing:?}");
        assert_eq!(self.rig.budget.used_bytes(), 0);
        // What was committed is not delivered again.
        self.crash();
        self.look();
        let again: Vec<_> = self.in_flight.iter().filter(|(.., line)| self.settled.contains(line)).collect();
        assert!(again.is_empty(), "again: {again:?}");
    }
}

fn run(wide: bool, steps: Vec<Step>) {
    let mut world = World::new(wide);
    for step in steps {
        world.step(step);
    }
    world.end();
}

/// Histories that once went wrong.
#[test]
fn what_went_wrong_once_does_not_again() {
    use Step::{Append, CopyTruncate, Crash, DeleteOldest, Glance, Half, Look, Rename, Wait};
    // A file written anew at its old length, and its copy, while nothing can be read for long.
    run(true, vec![Append(1), Rename, Append(1), Look, CopyTruncate, Append(1), Glance(0), Wait]);
    // A few bytes that two files share do not make one a copy of the other.
    run(false, vec![Half, Look, Rename, Append(1), Look, Rename]);
    // A second crash, before the new name of a renamed file led to anything.
    run(false, vec![Append(1), Wait, Rename, Append(1), Crash, Look, Crash]);
    run(false, vec![Half, Look, CopyTruncate, Look, Append(1), Rename]);
    // A copy in the inode of a file that was renamed, closed and deleted.
    let copy = [Append(4), Wait, Append(5), DeleteOldest, CopyTruncate];
    run(false, [vec![Half, Glance(0), Rename, Look], copy.to_vec()].concat());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn nothing_is_lost_and_nothing_has_two_names(
        wide in any::<bool>(),
        steps in prop::collection::vec(step(), 1..50),
    ) {
        run(wide, steps);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 10_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    #[ignore = "long: ten thousand histories of logs"]
    fn nothing_is_lost_in_many_histories(
        wide in any::<bool>(),
        steps in prop::collection::vec(step(), 1..80),
    ) {
        run(wide, steps);
    }
}
