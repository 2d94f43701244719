//! A module with two defects, and what becomes of them.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::instance::{Instance, PATIENCE, Place};
use crate::fixer::module::BASKET;
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
pub(crate) struct Depot {
    folder: tempfile::TempDir,
    name: &'static str,
}

impl Depot {
    pub(crate) fn new() -> Self {
        Self::in_folder("depot")
    }

    /// In a folder of this name.
    pub(super) fn in_folder(name: &'static str) -> Self {
        let depot = Self { folder: tempfile::tempdir().unwrap(), name };
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

    pub(crate) fn repository(&self) -> PathBuf {
        self.folder.path().join(self.name)
    }

    /// Starts an instance that follows every log and mends this.
    pub(super) fn mended_by(&self, place: &Place) -> Instance {
        let mut command = place.run_command();
        command.arg("--repo").arg(self.repository());
        place.launch(command)
    }

    /// What its crash prints, with these arguments.
    fn crash(&self, arguments: &[&str], expected: &str) -> Vec<u8> {
        let output = run(go().args(["run", "."]).args(arguments).current_dir(self.repository()));
        assert!(String::from_utf8_lossy(&output.stderr).contains(expected), "{output:?}");
        output.stderr
    }

    pub(crate) fn nil_map(&self) -> Vec<u8> {
        self.crash(&["green"], "assignment to entry in nil map")
    }

    pub(super) fn index(&self) -> Vec<u8> {
        self.crash(&[], "index out of range [-1]")
    }
}

pub(crate) fn append(log: &Path, text: &[u8]) {
    OpenOptions::new().create(true).append(true).open(log).unwrap().write_all(text).unwrap();
}

/// The records of `groups list` or `suggestions list`.
pub(super) fn list(place: &Place, what: &str) -> Vec<Value> {
    let output = succeed(place.command().args([what, "list", "--limit", "1000", "--format", "json"]));
    let list: Value = serde_json::from_slice(&output.stdout).unwrap();
    list[what].as_array().unwrap().clone()
}

/// Waits until there are suggestions for groups with this in their title, and tells how many.
pub(super) fn await_suggestions(place: &Place, title: &str) -> usize {
    let begun = Instant::now();
    loop {
        let suggestions = list(place, "suggestions");
        let is_meant = |it: &&Value| it["title"].as_str().unwrap().contains(title);
        let count = suggestions.iter().filter(is_meant).count();
        if count > 0 {
            return count;
        }
        assert!(begun.elapsed() < 3 * PATIENCE, "{title} not in {suggestions:?}; {}", place.errors());
        std::thread::sleep(Duration::from_millis(200));
    }
}
