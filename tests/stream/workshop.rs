//! Suggestions of a running service: each once, however often the process is killed, and whoever reads them.

use std::collections::BTreeSet;
use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::instance::{Chance, Instance, PATIENCE, Place};
use crate::harness::{go, run, succeed};

const STORE: &str = "// Package store keeps items and their tags.
package store

type Store struct {
\titems map[string]int
\ttags  map[string][]string
}

func New() *Store {
\treturn &Store{items: make(map[string]int)}
}

func (s *Store) Put(key string, n int) {
\ts.items[key] += n
}

func (s *Store) Tag(key, tag string) {
\tif _, ok := s.items[key]; !ok {
\t\treturn
\t}
\ts.tags[key] = append(s.tags[key], tag)
}
";

const BASKET: &str = "package basket

import \"errors\"

// ErrUnknown is returned for an item that is not in the basket.
var ErrUnknown = errors.New(\"basket: unknown item\")

// Last returns the last of the items.
func Last(items []string) (string, error) {
\tlast := items[len(items)-1]
\tif last == \"\" {
\t\treturn \"\", ErrUnknown
\t}
\treturn last, nil
}
";

const MAIN: &str = "package main

import (
\t\"fmt\"
\t\"os\"

\t\"example.com/depot/basket\"
\t\"example.com/depot/store\"
)

func main() {
\tif len(os.Args) > 1 {
\t\ts := store.New()
\t\ts.Put(\"apple\", 1)
\t\ts.Tag(\"apple\", os.Args[1])
\t}
\tfmt.Println(basket.Last(nil))
}
";

/// A module with two defects, where it crashes and what it prints then.
struct Depot {
    folder: tempfile::TempDir,
}

impl Depot {
    fn new() -> Self {
        let depot = Self { folder: tempfile::tempdir().unwrap() };
        for (path, text) in [
            ("go.mod", "module example.com/depot\n\ngo 1.21\n"),
            ("store/store.go", STORE),
            ("basket/basket.go", BASKET),
            ("main.go", MAIN),
        ] {
            let path = depot.repository().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        depot
    }

    fn repository(&self) -> PathBuf {
        self.folder.path().join("depot")
    }

    /// What its crash prints, with these arguments.
    fn crash(&self, arguments: &[&str], expected: &str) -> Vec<u8> {
        let output = run(go().args(["run", "."]).args(arguments).current_dir(self.repository()));
        assert!(String::from_utf8_lossy(&output.stderr).contains(expected), "{output:?}");
        output.stderr
    }

    fn nil_map(&self) -> Vec<u8> {
        self.crash(&["green"], "assignment to entry in nil map")
    }

    fn index(&self) -> Vec<u8> {
        self.crash(&[], "index out of range [-1]")
    }
}

fn append(log: &Path, text: &[u8]) {
    OpenOptions::new().create(true).append(true).open(log).unwrap().write_all(text).unwrap();
}

/// The records of `groups list` or `suggestions list`.
fn list(place: &Place, what: &str) -> Vec<Value> {
    let output = succeed(place.command().args([what, "list", "--format", "json"]));
    let list: Value = serde_json::from_slice(&output.stdout).unwrap();
    list[what].as_array().unwrap().clone()
}

/// Waits until there are so many suggestions.
fn await_suggestions(place: &Place, count: usize) -> Vec<Value> {
    let begun = Instant::now();
    loop {
        let suggestions = list(place, "suggestions");
        if suggestions.len() >= count {
            return suggestions;
        }
        let groups = list(place, "groups");
        assert!(begun.elapsed() < 3 * PATIENCE, "{suggestions:?} of {groups:?}; {}", place.errors());
        std::thread::sleep(Duration::from_millis(200));
    }
}

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

fn start(place: &Place, depot: &Depot) -> Instance {
    let mut command = place.run_command();
    command.arg("--repo").arg(depot.repository());
    let mut instance = place.launch(command);
    instance.await_start();
    instance
}

/// Kills an instance again and again while it works, and then lets one come to its end.
fn survive_kills(kills: u32, seed: u64) {
    let (place, depot) = (Place::new(), Depot::new());
    append(&place.log("app.log"), &depot.nil_map());
    append(&place.log("app.log"), &depot.index());
    let mut chance = Chance(seed);
    let mut at_work = 0;
    for _ in 0..kills {
        let instance = start(&place, &depot);
        if await_work(&place) {
            at_work += 1;
            std::thread::sleep(Duration::from_millis(chance.below(1_500)));
        }
        instance.kill();
    }
    assert!(at_work >= 2, "the kills came while it worked");
    let last = start(&place, &depot);
    await_suggestions(&place, 2);
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
    await_suggestions(&place, 1);
    assert!(nobody_reads.terminate().success());

    let (reader, writer) = stalled_pipe();
    let stalled = with_output(writer);
    append(&place.log("app.log"), &depot.nil_map());
    await_suggestions(&place, 2);
    assert!(stalled.terminate().success());
    drop(reader);
}
