//! A repository that wants to do harm: hooks, links, generators, and tests that reach outside.

use std::os::unix::fs::symlink;

use serde_json::Value;

use super::super::module::Till;
use crate::harness::{errors_of, hephaestus, run, succeed};

#[test]
fn a_hostile_repository_does_no_harm() {
    let till = Till::new();
    let log = till.crash_log();
    let outside = till.outside().join("harm");
    std::fs::create_dir(&outside).unwrap();
    let mark = |name: &str| outside.join(name).display().to_string();

    // git would run this at the least occasion.
    till.write(
        ".git/config",
        &format!("[core]\n\tfsmonitor = touch {}\n\thooksPath = hooks\n", mark("fsmonitor")),
    );
    till.write("hooks/pre-commit", &format!("#!/bin/sh\ntouch {}\n", mark("hook")));
    till.write("basket/gen.go", &format!("package basket\n\n//go:generate touch {}\n", mark("generate")));
    // Reached through a link, a write would land outside; a read would leak.
    symlink(&outside, till.repository().join("basket/out")).unwrap();
    symlink("/etc/passwd", till.repository().join("basket/secret.go")).unwrap();
    till.write(
        "basket/evil_test.go",
        &format!(
            "package basket\n\nimport (\n\t\"net\"\n\t\"os\"\n\t\"os/exec\"\n\t\"testing\"\n)\n\nfunc TestEvil(t *testing.T) {{\n\
             \tos.WriteFile({:?}, nil, 0o644)\n\
             \tos.WriteFile(\"out/linked\", nil, 0o644)\n\
             \tos.WriteFile(\"basket.go\", []byte(\"package basket\"), 0o644)\n\
             \texec.Command(\"touch\", {:?}).Run()\n\
             \tif c, err := net.Dial(\"tcp\", \"192.0.2.1:80\"); err == nil {{\n\t\tc.Close()\n\t\tt.Fatal(\"network\")\n\t}}\n}}\n\n\
             func init() {{ os.WriteFile({:?}, nil, 0o644) }}\n",
            mark("test"),
            mark("exec"),
            mark("init"),
        ),
    );
    let output = run(hephaestus()
        .args(["fix", "--apply", "--format", "json", "--repo"])
        .arg(till.repository())
        .arg("--log")
        .arg(&log));
    assert!(matches!(output.status.code(), Some(0 | 1)), "{}", errors_of(&output));
    let harm: Vec<_> = std::fs::read_dir(&outside).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert!(harm.is_empty(), "{harm:?}");
    let passwd = std::fs::read_to_string("/etc/passwd").unwrap();
    let printed = String::from_utf8_lossy(&output.stdout);
    assert!(!printed.contains(passwd.lines().next().unwrap()), "a linked file leaked");
}

/// What runs before the search begins puts links in the place of what is written and read there.
const LINKS: &str = r#"package basket

import (
	"os"
	"path/filepath"
	"syscall"
)

func init() {
	folder := os.TempDir()
	for _, name := range []string{"hephaestus-config.json", "hephaestus-mark", "hephaestus-result.json"} {
		path := filepath.Join(folder, name)
		os.Remove(path)
		os.Symlink("VICTIM", path)
	}
	// Only where no tests of a person run, so that these have nothing to do with it.
	if os.Getenv("HOME") == "" || len(os.Args) > 1 {
		return
	}
	result := filepath.Join(folder, "hephaestus-result.json")
	os.Remove(result)
	if PIPE {
		syscall.Mkfifo(result, 0o600)
	} else {
		mark := filepath.Join(folder, "hephaestus-mark")
		os.Remove(mark)
		os.WriteFile(mark, []byte("\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"), 0o600)
		os.WriteFile(result, []byte(`{"Tried": 18446744073709551615, "Ended": true}`), 0o600)
	}
	os.Exit(0)
}
"#;

#[test]
fn nothing_is_written_through_what_code_under_test_leaves() {
    for (tier, pipe) in [("landlock", "true"), ("auto", "true"), ("auto", "false")] {
        let till = Till::new();
        let log = till.crash_log();
        let victim = till.outside().join("victim");
        std::fs::write(&victim, "untouched").unwrap();
        let config = till.outside().join("hephaestus.yaml");
        std::fs::write(&config, format!("sandbox:\n  tier: {tier}\n")).unwrap();
        let source = LINKS.replace("VICTIM", &victim.display().to_string()).replace("PIPE", pipe);
        till.write("basket/init.go", &source);
        let output = run(hephaestus()
            .args(["fix", "--format", "json", "--config"])
            .arg(&config)
            .arg("--repo")
            .arg(till.repository())
            .arg("--log")
            .arg(&log));
        assert_eq!(output.status.code(), Some(1), "{tier}: {}", errors_of(&output));
        assert_eq!(std::fs::read_to_string(&victim).unwrap(), "untouched", "{tier}");
        let report: Value = serde_json::from_slice(&output.stdout).unwrap();
        let suggestion = &report["suggestions"][0];
        assert_eq!((&suggestion["verdict"], &suggestion["reproduced"]), (&"plausible".into(), &false.into()));
        assert!(suggestion["search"].as_str().unwrap().contains("no call of 0 "), "{suggestion:#}");
    }
}

/// A configuration may name programs to run, so the one of a repository must not be found by itself.
#[test]
fn the_configuration_of_a_repository_is_not_used() {
    let till = Till::new();
    let log = till.crash_log();
    let mark = till.outside().join("ran");
    let tool = till.repository().join("tool");
    std::fs::write(&tool, format!("#!/bin/sh\ntouch {}\n", mark.display())).unwrap();
    succeed(std::process::Command::new("chmod").arg("+x").arg(&tool));
    till.write("hephaestus.yaml", &format!("repository:\n  go: {}\n", tool.display()));
    for arguments in [vec!["doctor"], vec!["fix", "--repo", ".", "--log", log.to_str().unwrap()]] {
        run(hephaestus().args(arguments).current_dir(till.repository()));
    }
    assert!(!mark.exists(), "a program of the repository ran outside the sandbox");
}

#[test]
fn apply_writes_the_proven_fix_and_nothing_through_a_link() {
    let till = Till::new();
    let log = till.crash_log();
    let fix = |command: &mut std::process::Command| -> Value {
        let output = command
            .args(["fix", "--apply", "--format", "json", "--repo"])
            .arg(till.repository())
            .arg("--log")
            .arg(&log)
            .output()
            .unwrap();
        serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"))
    };
    let before = std::fs::read_to_string(till.repository().join("basket/basket.go")).unwrap();
    let report = fix(&mut hephaestus());
    assert_eq!(report["applied"][0]["error"], Value::Null, "{report}");
    let after = std::fs::read_to_string(till.repository().join("basket/basket.go")).unwrap();
    assert_ne!(before, after);
    succeed(crate::harness::go().args(["vet", "./..."]).current_dir(till.repository()));

    // The package's folder is now a link to somewhere else: it is no part of the repository.
    let elsewhere = till.outside().join("elsewhere");
    std::fs::rename(till.repository().join("basket"), &elsewhere).unwrap();
    std::fs::write(elsewhere.join("basket.go"), &before).unwrap();
    symlink(&elsewhere, till.repository().join("basket")).unwrap();
    let report = fix(&mut hephaestus());
    assert_eq!(report["applied"], serde_json::json!([]), "{report}");
    assert_eq!(std::fs::read_to_string(elsewhere.join("basket.go")).unwrap(), before);
}
