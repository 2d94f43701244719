//! Races are reproduced by calls of several goroutines at once, under the race detector.

use serde_json::Value;

use super::soundness::{Trial, judged, step};
use crate::harness::{go, run};

/// A stock of items, one method of which forgets the lock.
const STOCK: &str = "// Package split counts what is in store.
package split

import \"sync\"

// Stock counts items. It may be used by several goroutines.
type Stock struct {
\tmu    sync.Mutex
\titems map[string]int
}

// NewStock returns an empty stock.
func NewStock() *Stock { return &Stock{items: map[string]int{}} }

// Add puts some of an item into store.
func (s *Stock) Add(item string, count int) {
\ts.items[item] += count
}

// Take takes all of an item.
func (s *Stock) Take(item string) int {
\ts.mu.Lock()
\tdefer s.mu.Unlock()
\tcount := s.items[item]
\tdelete(s.items, item)
\treturn count
}
";

/// A program in which several goroutines fill it.
const FILLS: &str = "package main

import (
\t\"fmt\"
\t\"sync\"

\t\"example.com/split\"
)

func main() {
\tstock := split.NewStock()
\tvar wg sync.WaitGroup
\tfor worker := 0; worker < 8; worker++ {
\t\twg.Add(1)
\t\tgo func() {
\t\t\tdefer wg.Done()
\t\t\tfor i := 0; i < 1000000; i++ {
\t\t\t\tstock.Add(fmt.Sprint(\"item\", i%10), 1)
\t\t\t}
\t\t}()
\t}
\twg.Wait()
}
";

/// A number that is read and written without a lock.
const GAUGE: &str = "package split

// Gauge is the level of something.
type Gauge struct {
\tlevel int
}

// Set changes the level.
func (g *Gauge) Set(level int) {
\tif level < 0 {
\t\tlevel = 0
\t}
\tg.level = level
}

// Level is what was set last.
func (g *Gauge) Level() int {
\treturn g.level
}
";

const SETS: &str = "package main

import (
\t\"fmt\"

\t\"example.com/split\"
)

func main() {
\tgauge := new(split.Gauge)
\tdone := make(chan bool)
\tgo func() {
\t\tgauge.Set(3)
\t\tclose(done)
\t}()
\tlevel := gauge.Level()
\t<-done
\tfmt.Println(level)
}
";

/// Counts by name and in all, without a lock.
const COUNTER: &str = "package split

// Counter counts by name.
type Counter struct {
\tbyName map[string]int
\ttotal  int
}

// NewCounter returns a counter that counted nothing.
func NewCounter() *Counter { return &Counter{byName: map[string]int{}} }

// Inc counts a name.
func (c *Counter) Inc(name string) {
\tc.byName[name]++
\tc.total++
}

// Get is how often a name was counted.
func (c *Counter) Get(name string) int { return c.byName[name] }

// Total is how much was counted.
func (c *Counter) Total() int { return c.total }
";

/// A program in which several goroutines count, one after the other by chance: the runtime sees no misuse of the map.
const COUNTS: &str = "package main

import (
\t\"fmt\"
\t\"time\"

\t\"example.com/split\"
)

func main() {
\tcounter := split.NewCounter()
\tfor worker := 0; worker < 4; worker++ {
\t\tgo counter.Inc(\"a\")
\t\ttime.Sleep(20 * time.Millisecond)
\t}
\tfmt.Println(counter.Get(\"a\"), counter.Total())
}
";

/// Whether a reproducer of the repository as it stands passes under the race detector; what is printed.
fn passes(trial: &Trial, reproducer: &Value) -> (bool, String) {
    let text = |key: &str| reproducer[key].as_str().unwrap();
    std::fs::write(trial.repository().join(text("file")), text("source")).unwrap();
    let pattern = format!("^{}$", text("test"));
    let output =
        run(go().args(["test", "-race", "-count=1", "-run", &pattern, "."]).current_dir(trial.repository()));
    let printed = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    (output.status.success(), printed)
}

fn detail<'a>(suggestion: &'a Value, name: &str) -> &'a str {
    step(suggestion, name).unwrap_or_else(|| panic!("no {name}: {suggestion:#}"))["detail"].as_str().unwrap()
}

#[test]
fn a_map_that_one_method_writes_without_the_lock_is_reproduced_and_the_fix_proven() {
    let trial = Trial::new(&[("stock.go", STOCK), ("cmd/run/main.go", FILLS)]);
    let log = trial.crash();
    assert!(log.contains("fatal error: concurrent map"), "{log}");
    let suggestion = trial.fix_log(&log)[0].clone();
    assert_eq!(judged(&suggestion), ("proven", None), "{suggestion:#}");
    assert_eq!(suggestion["rule"], "hold_lock", "{suggestion:#}");
    let reproducer = &suggestion["reproducer"];
    assert_eq!(
        (&reproducer["reach"], &reproducer["race"]),
        (&"entry_point".into(), &true.into()),
        "{suggestion:#}"
    );
    assert!(detail(&suggestion, "reproducer_before").contains("under the race detector"), "{suggestion:#}");
    assert_eq!(step(&suggestion, "reproducer_after").unwrap()["runs"], 3, "{suggestion:#}");
    // What people are given does what it says.
    let (passed, printed) = passes(&trial, reproducer);
    assert!(!passed && printed.contains("DATA RACE") && printed.contains("split.(*Stock).Add"), "{printed}");
    trial.take(&suggestion["patch"]);
    let (passed, printed) = passes(&trial, reproducer);
    assert!(passed, "{printed}");
}

#[test]
fn both_accesses_of_a_reported_race_are_made_at_once() {
    let trial = Trial::new(&[("gauge.go", GAUGE), ("cmd/run/main.go", SETS)]);
    let output = run(go().args(["run", "-race", "./cmd/run"]).current_dir(trial.repository()));
    let log = String::from_utf8(output.stderr).unwrap();
    assert!(log.contains("WARNING: DATA RACE"), "{log}");
    let suggestion = trial.fix_log(&log)[0].clone();
    assert_eq!(
        (judged(&suggestion), &suggestion["rule"]),
        (("proven", None), &"add_lock".into()),
        "{suggestion:#}"
    );
    let source = suggestion["reproducer"]["source"].as_str().unwrap();
    assert!(source.contains(".Set(") && source.contains(".Level()"), "{source}");
    let (passed, printed) = passes(&trial, &suggestion["reproducer"]);
    assert!(!passed && printed.contains("DATA RACE"), "{printed}");
}

/// What a method writes under a new lock, others must not use without it.
#[test]
fn the_type_does_not_race_any_more_where_the_log_names_one_method() {
    let trial = Trial::new(&[("counter.go", COUNTER), ("cmd/run/main.go", COUNTS)]);
    let race = |trial: &Trial| {
        let output = run(go().args(["run", "-race", "./cmd/run"]).current_dir(trial.repository()));
        String::from_utf8(output.stderr).unwrap()
    };
    let log = race(&trial);
    let statements = ["counter.go:14", "counter.go:15"];
    assert!(statements.iter().all(|statement| log.contains(statement)), "{log}");
    let suggestions = trial.fix_log(&log);
    // Whichever of its statements a report names: a function that races is one finding.
    let of_inc =
        suggestions.iter().filter(|suggestion| suggestion["title"].as_str().unwrap().contains("Inc"));
    assert_eq!(of_inc.count(), 1, "{suggestions:#?}");
    let suggestion = &suggestions[0];
    assert_eq!(
        (judged(suggestion), &suggestion["rule"]),
        (("proven", None), &"add_lock".into()),
        "{suggestion:#}"
    );
    trial.take(&suggestion["patch"]);
    let log = race(&trial);
    assert!(!log.contains("DATA RACE"), "{log}");
}

/// The log of a map that is read while it is written names who read it, and not who wrote.
#[test]
fn a_call_that_the_log_does_not_name_proves_nothing() {
    let count = "\n// Count tells how many there are.\nfunc (s *Stock) Count(item string) int {\n\treturn s.items[item]\n}\n";
    let (head, _) = STOCK.split_once("\n// Take").unwrap();
    let unlocked = format!("{head}{count}")
        .replace("import \"sync\"\n\n", "")
        .replace("\tmu    sync.Mutex\n\titems ", "\titems ");
    let reads = "package main\n\nimport \"example.com/split\"\n\nfunc main() {\n\tstock := split.NewStock()\n\tgo func() {\n\t\tfor {\n\t\t\tstock.Add(\"a\", 1)\n\t\t}\n\t}()\n\tfor {\n\t\tstock.Count(\"a\")\n\t}\n}\n";
    let trial = Trial::new(&[("stock.go", &unlocked), ("cmd/run/main.go", reads)]);
    let log = trial.crash();
    assert!(log.contains("concurrent map read and map write") && log.contains("(*Stock).Count"), "{log}");
    let suggestion = trial.fix_log(&log)[0].clone();
    assert_eq!(judged(&suggestion), ("plausible", None), "{suggestion:#}");
    assert_eq!(suggestion["reproducer"]["reach"], "internal_call", "{suggestion:#}");
    let told = "that other goroutines called (*Stock).Add meanwhile, the log does not tell";
    assert!(suggestion["reason"].as_str().unwrap().ends_with(told), "{suggestion:#}");
}

/// Every method holds the lock: the log is of another version, or the race is elsewhere.
#[test]
fn what_is_guarded_is_not_reproduced() {
    let add = "count int) {\n\ts.items";
    let guarded = STOCK.replace(add, "count int) {\n\ts.mu.Lock(); defer s.mu.Unlock(); s.items");
    assert_ne!(guarded, STOCK);
    let trial = Trial::new(&[("stock.go", STOCK), ("cmd/run/main.go", FILLS)]);
    let log = trial.crash();
    std::fs::write(trial.repository().join("stock.go"), guarded).unwrap();
    let suggestion = trial.fix_log(&log)[0].clone();
    assert_eq!(suggestion["reproduced"], false, "{suggestion:#}");
    let search = suggestion["search"].as_str().unwrap();
    assert!(search.starts_with("no stress test of "), "{search}");
}

#[test]
fn without_the_detector_nothing_is_proven() {
    let trial = Trial::new(&[("stock.go", STOCK), ("cmd/run/main.go", FILLS)]);
    let log = trial.crash();
    // A toolchain that names another machine has no detector for it.
    let program = go().get_program().to_owned();
    let script = format!(
        "#!/bin/sh\n{} \"$@\" | sed 's/\"GOARCH\": \".*\"/\"GOARCH\": \"none\"/'\n",
        std::path::Path::new(&program).display()
    );
    let (folder, config) = (trial.repository(), trial.repository().join("../hephaestus.yaml"));
    let path = folder.join("../go");
    std::fs::write(&path, script).unwrap();
    std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    std::fs::write(&config, format!("repository:\n  go: {}\n", path.canonicalize().unwrap().display()))
        .unwrap();
    let suggestion = trial.fix_log_with(&log, |command| command.arg("--config").arg(&config))[0].clone();
    assert_eq!(judged(&suggestion), ("plausible", None), "{suggestion:#}");
    let search = suggestion["search"].as_str().unwrap();
    assert!(search.contains("the race detector could not watch, since the Go toolchain has no"), "{search}");
}
