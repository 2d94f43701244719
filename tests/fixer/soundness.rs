//! What is called proven must mend the very run that made the log, and cost nothing that held before.

use serde_json::Value;
use tempfile::TempDir;

use crate::harness::{go, hephaestus, run, succeed};

/// A module with a program that crashes without arguments, and what `fix` makes of its log.
pub(super) struct Trial {
    folder: TempDir,
}

const GO_MOD: &str = "module example.com/split\n\ngo 1.21\n";

impl Trial {
    pub(super) fn new(files: &[(&str, &str)]) -> Self {
        let trial = Self { folder: TempDir::new().unwrap() };
        for (path, text) in [("go.mod", GO_MOD)].iter().chain(files) {
            let path = trial.repository().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        trial
    }

    pub(super) fn repository(&self) -> std::path::PathBuf {
        self.folder.path().join("split")
    }

    /// Runs the program; what it prints as it crashes.
    pub(super) fn crash(&self) -> String {
        let output = run(go().args(["run", "./cmd/run"]).current_dir(self.repository()));
        String::from_utf8(output.stderr).unwrap()
    }

    fn fix(&self) -> Value {
        self.fix_all()[0].clone()
    }

    fn fix_all(&self) -> Vec<Value> {
        self.fix_log(&self.crash())
    }

    pub(super) fn fix_log(&self, text: &str) -> Vec<Value> {
        self.fix_log_with(text, |command| command)
    }

    pub(super) fn fix_log_with(
        &self,
        text: &str,
        set_up: impl FnOnce(&mut std::process::Command) -> &mut std::process::Command,
    ) -> Vec<Value> {
        let log = self.folder.path().join("crash.log");
        std::fs::write(&log, text).unwrap();
        let mut command = hephaestus();
        command.args(["fix", "--format", "json", "--repo"]).arg(self.repository()).arg("--log").arg(&log);
        let output = run(set_up(&mut command));
        let report: Value =
            serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"));
        report["suggestions"].as_array().unwrap().clone()
    }

    pub(super) fn take(&self, patch: &Value) {
        let file = self.folder.path().join("fix.patch");
        std::fs::write(&file, patch.as_str().unwrap()).unwrap();
        succeed(std::process::Command::new("git").arg("apply").arg(&file).current_dir(self.repository()));
    }
}

pub(super) fn step<'a>(suggestion: &'a Value, name: &str) -> Option<&'a Value> {
    suggestion["evidence"]["steps"].as_array().unwrap().iter().find(|step| step["name"] == name)
}

/// The verdict, and the step that did not hold.
pub(super) fn judged(suggestion: &Value) -> (&str, Option<&str>) {
    let steps = suggestion["evidence"]["steps"].as_array().unwrap();
    let decided = steps.iter().find(|step| step["result"] == "failed" || step["result"] == "inconclusive");
    (suggestion["verdict"].as_str().unwrap(), decided.map(|step| step["name"].as_str().unwrap()))
}

/// A share of nobody.
const SHARE: &str = "package split\n\n// Share is the part of one of n in total.\nfunc Share(total, n int) (share int, err error) {\n\treturn total / n, nil\n}\n";

/// A program that asks for it.
const ASKS: &str = "package main\n\nimport (\n\t\"fmt\"\n\n\t\"example.com/split\"\n)\n\nfunc main() {\n\tfmt.Println(split.Share(10, 0))\n}\n";

/// Two divisors, of which the log does not tell which was zero: what the reproducer shows is one of them.
#[test]
fn what_fails_for_one_of_two_reasons_is_guarded_against_both_and_not_proven() {
    let trial = Trial::new(&[
        (
            "split.go",
            "package split\n\nimport \"errors\"\n\n// ErrNegative is told for negative totals.\nvar ErrNegative = errors.New(\"negative total\")\n\n\
             // Share is the part of one of n in total, in units.\nfunc Share(total, unit, n int) (int, error) {\n\
             \tif total < 0 {\n\t\treturn 0, ErrNegative\n\t}\n\treturn total / unit / n, nil\n}\n",
        ),
        (
            "cmd/run/main.go",
            "package main\n\nimport (\n\t\"fmt\"\n\n\t\"example.com/split\"\n)\n\nfunc main() {\n\tfmt.Println(split.Share(10, 5, 0))\n}\n",
        ),
    ]);
    let suggestion = trial.fix();
    assert_eq!(judged(&suggestion), ("plausible", None), "{suggestion:#}");
    assert!(suggestion["reason"].as_str().unwrap().contains("the log does not tell"), "{suggestion:#}");
    let patch = suggestion["patch"].as_str().unwrap();
    assert!(patch.contains("+\tif unit == 0 {") && patch.contains("+\tif n == 0 {"), "{patch}");
}

/// One test ends the program before the turn of another, which the obvious guard would break.
#[test]
fn a_test_behind_a_crashing_one_counts() {
    let share = "package split\n\n// Share is the part of one of n in total; nobody gets everything.\nfunc Share(total, n int) (share int, err error) {\n\
                 \tif n == -1 {\n\t\tpanic(\"broken\")\n\t}\n\treturn total / n, nil\n}\n";
    let tests = "package split\n\nimport \"testing\"\n\nfunc TestABroken(t *testing.T) { Share(1, -1) }\n\n\
                 func TestShareOfNobodyPanics(t *testing.T) {\n\tdefer func() {\n\t\tif recover() == nil {\n\t\t\tt.Fatal(\"no panic\")\n\t\t}\n\t}()\n\tShare(1, 0)\n}\n";
    let trial = Trial::new(&[("split.go", share), ("split_test.go", tests), ("cmd/run/main.go", ASKS)]);
    let suggestion = trial.fix();
    assert_eq!(judged(&suggestion), ("rejected", Some("package_tests")), "{suggestion:#}");
    let detail = step(&suggestion, "package_tests").unwrap()["detail"].as_str().unwrap();
    assert!(detail.contains("TestShareOfNobodyPanics"), "{detail}");
}

/// All tests pass, but the program that runs them ends with an error once the code is changed.
#[test]
fn the_exit_of_the_tests_as_a_whole_counts() {
    let tests = "package split\n\nimport (\n\t\"os\"\n\t\"testing\"\n)\n\nfunc TestShare(t *testing.T) {\n\tif got, _ := Share(6, 3); got != 2 {\n\t\tt.Fatal(got)\n\t}\n}\n\n\
                 func TestMain(m *testing.M) {\n\tcode := m.Run()\n\tdefer os.Exit(code)\n\tdefer func() { recover() }()\n\tShare(1, 0)\n\tcode = 3\n\tos.Exit(code)\n}\n";
    let trial = Trial::new(&[("split.go", SHARE), ("split_test.go", tests), ("cmd/run/main.go", ASKS)]);
    let suggestion = trial.fix();
    // The reproducer is run by the same program.
    assert_eq!(judged(&suggestion), ("rejected", Some("reproducer_after")), "{suggestion:#}");
}

/// A test that prints without a line break has passed all the same.
#[test]
fn what_a_test_prints_hides_no_result() {
    let tests = "package split\n\nimport (\n\t\"fmt\"\n\t\"testing\"\n)\n\nfunc TestShare(t *testing.T) {\n\tif got, _ := Share(6, 3); got != 2 {\n\t\tt.Fatal(got)\n\t}\n\tfmt.Print(\"done \")\n}\n";
    let trial = Trial::new(&[("split.go", SHARE), ("split_test.go", tests), ("cmd/run/main.go", ASKS)]);
    let suggestion = trial.fix();
    assert_eq!(judged(&suggestion), ("proven", None), "{suggestion:#}");
    assert_eq!(step(&suggestion, "package_tests").unwrap()["detail"], "1 pass");
}

/// One helper raises what two lines find; the log's is beyond the search, the other is not.
#[test]
fn another_call_of_the_same_helper_is_another_crash() {
    let open = "package split\n\nimport \"hash/crc32\"\n\nfunc fail(message string) (int, error) {\n\tpanic(message)\n}\n\n// Open opens a store.\nfunc Open(name string) (int, error) {\n\
                \tif name == \"\" {\n\t\treturn fail(\"can't parse an empty name\")\n\t}\n\tif crc32.ChecksumIEEE([]byte(name))>>8 == crc32.ChecksumIEEE([]byte(\"a\"))>>8 && len(name) > 30 {\n\t\treturn fail(\"can't verify the peer\")\n\t}\n\treturn len(name), nil\n}\n";
    let main = "package main\n\nimport (\n\t\"fmt\"\n\n\t\"example.com/split\"\n)\n\nfunc main() {\n\tfmt.Println(split.Open(\"\"))\n}\n";
    let trial = Trial::new(&[("split.go", open), ("cmd/run/main.go", main)]);
    let printed = trial.crash();
    let log = printed
        .replace("can't parse an empty name", "can't verify the peer")
        .replace("split.go:12", "split.go:15");
    assert!(log.contains("split.go:15"), "{printed}");
    let suggestion = trial.fix_log(&log)[0].clone();
    assert_eq!(judged(&suggestion), ("inconclusive", None), "{suggestion:#}");
    // Only the helper itself says the words of the log.
    assert!(suggestion["search"].as_str().unwrap().starts_with("one call of fail,"), "{suggestion:#}");
}

/// The log names a line of another version: nobody can say that the same statement was mended.
#[test]
fn a_log_of_another_version_proves_nothing() {
    let share = "package split\n\nimport \"errors\"\n\n// Share is the part of one of n in total, in units.\nfunc Share(total, unit, n int) (int, error) {\n\
                 \tif total < 0 {\n\t\treturn 0, errors.New(\"negative\")\n\t}\n\tunits := total / unit\n\treturn units / n, nil\n}\n";
    let main = "package main\n\nimport (\n\t\"fmt\"\n\n\t\"example.com/split\"\n)\n\nfunc main() {\n\tfmt.Println(split.Share(10, 5, 0))\n}\n";
    let trial = Trial::new(&[("split.go", share), ("cmd/run/main.go", main)]);
    let suggestion = trial.fix_log(&trial.crash().replace("split.go:11", "split.go:7"))[0].clone();
    assert_eq!(judged(&suggestion), ("plausible", None), "{suggestion:#}");
    // And says so, instead of how the crash was reached.
    let told = "the log's line is of another version of the code";
    assert!(suggestion["reason"].as_str().unwrap().contains(told), "{suggestion:#}");
    assert_eq!(suggestion["reproducer"]["reach"], "internal_call");
    let search = suggestion["search"].as_str().unwrap();
    assert!(search.contains("it counts as an internal call only") && search.contains(told), "{search}");
}

/// Where temporary files lie must not decide: not by a link on the way there, nor by what lies beside.
#[test]
fn the_way_to_the_scratch_copy_changes_no_verdict() {
    let share = "package split\n\n// Share is the part of one of n in total; nobody gets everything.\nfunc Share(total, n int) (share int, err error) {\n\treturn total / n, nil\n}\n";
    let relies = "package report\n\nimport (\n\t\"testing\"\n\n\t\"example.com/split\"\n)\n\nfunc TestNobodyPanics(t *testing.T) {\n\tdefer func() {\n\t\tif recover() == nil {\n\t\t\tt.Fatal(\"no panic\")\n\t\t}\n\t}()\n\tsplit.Share(1, 0)\n}\n";
    let trial = Trial::new(&[
        ("split.go", share),
        ("cmd/run/main.go", ASKS),
        ("report/report.go", "package report\n"),
        ("report/report_test.go", relies),
    ]);
    let log = trial.crash();
    let (real, link) = (trial.folder.path().join("real"), trial.folder.path().join("link"));
    std::fs::create_dir(&real).unwrap();
    std::fs::write(real.join("go.work"), "go 1.21\n").unwrap();
    std::os::unix::fs::symlink(&real, &link).unwrap();
    for tier in ["landlock", "auto"] {
        let config = trial.folder.path().join("hephaestus.yaml");
        std::fs::write(&config, format!("sandbox:\n  tier: {tier}\n")).unwrap();
        for folder in [&real, &link] {
            let suggestions = trial
                .fix_log_with(&log, |command| command.env("TMPDIR", folder).arg("--config").arg(&config));
            let suggestion = &suggestions[0];
            assert_eq!(
                judged(suggestion),
                ("rejected", Some("dependent_tests")),
                "{tier} in {}: {suggestion:#}",
                folder.display()
            );
        }
    }
}

/// A program that meets two faults of one function, and lives on.
const TWICE: &str = r#"package main

import (
	"fmt"
	"os"
	"runtime/debug"

	"example.com/split"
)

func main() {
	for _, line := range []string{"x", "a b"} {
		func() {
			defer func() {
				if r := recover(); r != nil {
					fmt.Fprintf(os.Stderr, "panic: %v\n\n%s", r, debug.Stack())
				}
			}()
			fmt.Println(split.Value(line))
		}()
	}
}
"#;

/// One fingerprint, two failing statements: each is worked on, and told with its own count and place.
#[test]
fn two_faults_of_one_function_are_mended_each() {
    let source = "package split\r\n\r\nimport \"strings\"\r\n\r\n// Value reads a line.\r\nfunc Value(line string) (string, error) {\r\n\
         \twords := strings.Split(line, \" \")\r\n\tpair := words[1]\r\n\treturn strings.Split(pair, \"=\")[1], nil\r\n}\r\n";
    let trial = Trial::new(&[("split.go", source), ("cmd/run/main.go", TWICE)]);
    let suggestions = trial.fix_all();
    let lines: Vec<_> = suggestions.iter().map(|one| one["locations"][0]["line"].as_u64().unwrap()).collect();
    assert_eq!(lines, [8, 9], "{suggestions:#?}");
    assert_eq!(suggestions[0]["fingerprint"], suggestions[1]["fingerprint"]);
    for suggestion in &suggestions {
        assert_eq!(
            (&suggestion["count"], &suggestion["verdict"]),
            (&1.into(), &"proven".into()),
            "{suggestion:#}"
        );
    }
    // The file's line ends are kept, and told of.
    let format = step(&suggestions[1], "format").unwrap()["detail"].as_str().unwrap();
    assert!(format.contains("CR LF"), "{format}");
    trial.take(&suggestions[1]["patch"]);
    let mended = std::fs::read_to_string(trial.repository().join("split.go")).unwrap();
    assert_eq!(mended.matches('\n').count(), mended.matches("\r\n").count(), "{mended:?}");
    // A fix is extended to what fails in the same way: with either, both statements are mended.
    assert_eq!(mended.matches("if len(").count(), 2, "{mended}");
    assert!(!trial.crash().contains("goroutine "), "{mended}");
}

/// The package's own tests take longer than the whole attempt, though each of them, run alone since it ends the
/// program, stays well below the limit of a step: what was tried by then is shown.
#[test]
fn a_candidate_that_could_not_be_judged_in_time_is_shown() {
    let tests: String = std::iter::once(
        "package split\n\nimport (\n\t\"os\"\n\t\"testing\"\n\t\"time\"\n)\n".to_owned(),
    )
    .chain((0..5).map(|number| {
        format!(
            "\nfunc TestShare{number}(t *testing.T) {{\n\ttime.Sleep(9 * time.Second)\n\tos.Exit(1)\n}}\n"
        )
    }))
    .collect();
    let trial = Trial::new(&[("split.go", SHARE), ("split_test.go", &tests), ("cmd/run/main.go", ASKS)]);
    let config = trial.folder.path().join("hephaestus.yaml");
    std::fs::write(&config, "generator:\n  timeout: 30s\n").unwrap();
    let log = trial.crash();
    let suggestion = &trial.fix_log_with(&log, |command| command.arg("--config").arg(&config))[0];
    assert_eq!(suggestion["verdict"], "inconclusive", "{suggestion:#}");
    assert!(
        suggestion["patch"].as_str().is_some_and(|patch| patch.contains("+++ b/split.go")),
        "{suggestion:#}"
    );
    assert_eq!(step(suggestion, "apply").unwrap()["result"], "passed");
    let reason = suggestion["reason"].as_str().unwrap();
    assert!(reason.contains("broken off") && reason.contains("raise generator.timeout"), "{reason}");
}

/// What comes in cannot be made up, so the reproducer calls the inner method, on an object of the constructor.
/// The object of the log is made elsewhere.
#[test]
fn another_object_than_that_of_the_log_shows_nothing() {
    let source = r#"package split

// Peer gives what comes in.
type Peer interface {
	Next() (string, error)
}

// Box counts words.
type Box struct {
	name  string
	words map[string]int
}

// New makes a box.
func New(name string) *Box {
	return &Box{name: name}
}

// Serve counts what comes in.
func Serve(peer Peer) error {
	boxes := make([]Box, 1)
	for {
		word, err := peer.Next()
		if err != nil {
			return err
		}
		boxes[0].put(word)
	}
}

func (b *Box) put(word string) {
	b.words[word]++
}
"#;
    let main = r#"package main

import (
	"io"

	"example.com/split"
)

type peer []string

func (p *peer) Next() (string, error) {
	if len(*p) == 0 {
		return "", io.EOF
	}
	word := (*p)[0]
	*p = (*p)[1:]
	return word, nil
}

func main() {
	split.Serve(&peer{"a"})
}
"#;
    let trial = Trial::new(&[("split.go", source), ("cmd/run/main.go", main)]);
    let suggestion = trial.fix();
    if matches!(suggestion["verdict"].as_str(), Some("proven" | "plausible")) {
        trial.take(&suggestion["patch"]);
        let printed = trial.crash();
        assert!(!printed.contains("panic:"), "{printed} after {suggestion:#}");
    } else {
        assert_eq!(judged(&suggestion), ("inconclusive", Some("renewed_search")), "{suggestion:#}");
        let reason = suggestion["reason"].as_str().unwrap();
        assert!(reason.contains("Serve on the log's stack"), "{reason}");
    }
}

/// The obvious guard returns between the lock and its release: the next call would wait for ever.
#[test]
fn a_fix_that_keeps_a_lock_is_not_proven() {
    let source = r#"package split

import "sync"

// Till holds money.
type Till struct {
	mu    sync.Mutex
	total int
}

// New makes a till.
func New(total int) *Till {
	return &Till{total: total}
}

// Share is the part of one of n.
func (t *Till) Share(n int) (int, error) {
	t.mu.Lock()
	part := t.total / n
	t.mu.Unlock()
	return part, nil
}
"#;
    let main = "package main\n\nimport \"example.com/split\"\n\nfunc main() {\n\ttill := split.New(9)\n\ttill.Share(0)\n\ttill.Share(0)\n}\n";
    let trial = Trial::new(&[("split.go", source), ("cmd/run/main.go", main)]);
    let suggestion = trial.fix();
    if suggestion["verdict"] == "proven" {
        trial.take(&suggestion["patch"]);
        let printed = trial.crash();
        assert!(!printed.contains("goroutine"), "{printed} after {suggestion:#}");
    } else {
        assert_eq!(judged(&suggestion), ("rejected", Some("renewed_search")), "{suggestion:#}");
    }
}

/// The function of the log has a defect of another kind, which ends the process at half of all calls.
#[test]
fn a_search_whose_process_ends_again_and_again_proves_nothing() {
    let source = "package split\n\n// Share is the part of one of n in total.\nfunc Share(total, n int) (int, error) {\n\
                  \tif total%2 != 0 {\n\t\tdone := make(chan bool)\n\t\tgo func() { panic(\"odd\") }()\n\t\t<-done\n\t}\n\treturn total / n, nil\n}\n";
    let trial = Trial::new(&[("split.go", source), ("cmd/run/main.go", ASKS)]);
    let suggestion = trial.fix();
    assert_eq!(judged(&suggestion), ("inconclusive", Some("renewed_search")), "{suggestion:#}");
    let detail = step(&suggestion, "renewed_search").unwrap()["detail"].as_str().unwrap();
    assert!(detail.contains("the process ended"), "{detail}");
}
