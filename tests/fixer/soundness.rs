//! What is called proven must mend the very run that made the log, and cost nothing that held before.

use std::path::Path;

use serde_json::Value;
use tempfile::TempDir;

use crate::harness::{go, hephaestus, run, succeed};

/// A module with a program that crashes without arguments, and what `fix` makes of its log.
struct Trial {
    folder: TempDir,
}

const GO_MOD: &str = "module example.com/split\n\ngo 1.21\n";

impl Trial {
    fn new(files: &[(&str, &str)]) -> Self {
        let trial = Self { folder: TempDir::new().unwrap() };
        for (path, text) in [("go.mod", GO_MOD)].iter().chain(files) {
            let path = trial.repository().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        trial
    }

    fn repository(&self) -> std::path::PathBuf {
        self.folder.path().join("split")
    }

    /// Runs the program; what it prints as it crashes.
    fn crash(&self) -> String {
        let output = run(go().args(["run", "./cmd/run"]).current_dir(self.repository()));
        String::from_utf8(output.stderr).unwrap()
    }

    fn fix(&self) -> Value {
        self.fix_all()[0].clone()
    }

    fn fix_all(&self) -> Vec<Value> {
        let log = self.folder.path().join("crash.log");
        std::fs::write(&log, self.crash()).unwrap();
        let output = run(hephaestus()
            .args(["fix", "--format", "json", "--repo"])
            .arg(self.repository())
            .arg("--log")
            .arg(&log));
        let report: Value =
            serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"));
        report["suggestions"].as_array().unwrap().clone()
    }

    fn take(&self, patch: &Value) {
        let file = self.folder.path().join("fix.patch");
        std::fs::write(&file, patch.as_str().unwrap()).unwrap();
        succeed(std::process::Command::new("git").arg("apply").arg(&file).current_dir(self.repository()));
    }
}

fn step<'a>(suggestion: &'a Value, name: &str) -> Option<&'a Value> {
    suggestion["evidence"]["steps"].as_array().unwrap().iter().find(|step| step["name"] == name)
}

/// The statement can fail for two reasons, and the log tells the second.
#[test]
fn a_guard_against_another_reason_is_not_proven() {
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
    if suggestion["verdict"] == "proven" {
        trial.take(&suggestion["patch"]);
        let after = trial.crash();
        assert!(!after.contains("panic:"), "proven, but it crashes still: {suggestion}\n{after}");
    }
}

/// One test ends the program before the turn of another, which the obvious guard would break.
#[test]
fn a_test_behind_a_crashing_one_counts() {
    let share = "package split\n\n// Share is the part of one of n in total; nobody gets everything.\nfunc Share(total, n int) (share int, err error) {\n\
                 \tif n == -1 {\n\t\tpanic(\"broken\")\n\t}\n\treturn total / n, nil\n}\n";
    let tests = "package split\n\nimport \"testing\"\n\nfunc TestABroken(t *testing.T) { Share(1, -1) }\n\n\
                 func TestShareOfNobodyPanics(t *testing.T) {\n\tdefer func() {\n\t\tif recover() == nil {\n\t\t\tt.Fatal(\"no panic\")\n\t\t}\n\t}()\n\tShare(1, 0)\n}\n";
    let main = "package main\n\nimport (\n\t\"fmt\"\n\n\t\"example.com/split\"\n)\n\nfunc main() {\n\tfmt.Println(split.Share(10, 0))\n}\n";
    let trial = Trial::new(&[("split.go", share), ("split_test.go", tests), ("cmd/run/main.go", main)]);
    let suggestion = trial.fix();
    assert_eq!(suggestion["verdict"], "rejected", "{suggestion}");
    let detail = step(&suggestion, "package_tests").unwrap()["detail"].as_str().unwrap();
    assert!(detail.contains("TestShareOfNobodyPanics"), "{detail}");
}

/// All tests pass, but the program that runs them ends with an error once the code is changed.
#[test]
fn the_exit_of_the_tests_as_a_whole_counts() {
    let share = "package split\n\n// Share is the part of one of n in total.\nfunc Share(total, n int) (share int, err error) {\n\treturn total / n, nil\n}\n";
    let tests = "package split\n\nimport (\n\t\"os\"\n\t\"testing\"\n)\n\nfunc TestShare(t *testing.T) {\n\tif got, _ := Share(6, 3); got != 2 {\n\t\tt.Fatal(got)\n\t}\n}\n\n\
                 func TestMain(m *testing.M) {\n\tcode := m.Run()\n\tdefer os.Exit(code)\n\tdefer func() { recover() }()\n\tShare(1, 0)\n\tcode = 3\n\tos.Exit(code)\n}\n";
    let main = "package main\n\nimport (\n\t\"fmt\"\n\n\t\"example.com/split\"\n)\n\nfunc main() {\n\tfmt.Println(split.Share(10, 0))\n}\n";
    let trial = Trial::new(&[("split.go", share), ("split_test.go", tests), ("cmd/run/main.go", main)]);
    let suggestion = trial.fix();
    assert_ne!(suggestion["verdict"], "proven", "{suggestion}");
}

/// The log names a line of another version: nobody can say that the same statement was mended.
#[test]
fn a_log_of_another_version_proves_nothing() {
    let share = "package split\n\nimport \"errors\"\n\n// Share is the part of one of n in total, in units.\nfunc Share(total, unit, n int) (int, error) {\n\
                 \tif total < 0 {\n\t\treturn 0, errors.New(\"negative\")\n\t}\n\tunits := total / unit\n\treturn units / n, nil\n}\n";
    let main = "package main\n\nimport (\n\t\"fmt\"\n\n\t\"example.com/split\"\n)\n\nfunc main() {\n\tfmt.Println(split.Share(10, 5, 0))\n}\n";
    let trial = Trial::new(&[("split.go", share), ("cmd/run/main.go", main)]);
    let log = trial.folder.path().join("drifted.log");
    std::fs::write(&log, trial.crash().replace("split.go:11", "split.go:7")).unwrap();
    let output = run(hephaestus()
        .args(["fix", "--format", "json", "--repo"])
        .arg(trial.repository())
        .arg("--log")
        .arg::<&Path>(&log));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_ne!(report["suggestions"][0]["verdict"], "proven", "{report}");
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
    let source = "package split\r\n\r\nimport \"strings\"\r\n\r\n// Value is the value of the pair behind the first word.\r\nfunc Value(line string) (string, error) {\r\n\
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
    // The one fix mends its own statement: the other fault is still there.
    let after = trial.crash();
    assert!(after.contains("split.go:8") && after.matches("goroutine ").count() == 1, "{after}");
}
