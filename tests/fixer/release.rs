//! A log that names the version which was running, and a repository that has gone on since.

use std::process::Command;

use serde_json::Value;

use super::module::{BASKET, Till};
use crate::harness::{hephaestus, run, succeed};

fn git(till: &Till, arguments: &[&str]) {
    let identity = ["-c", "user.name=t", "-c", "user.email=t@example.com"];
    succeed(Command::new("git").args(identity).args(arguments).current_dir(till.repository()));
}

fn suggestion(till: &Till, log: &std::path::Path) -> Value {
    let output = run(hephaestus()
        .args(["fix", "--format", "json", "--repo"])
        .arg(till.repository())
        .arg("--log")
        .arg(log));
    let report: Value =
        serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"));
    report["suggestions"][0].clone()
}

#[test]
fn lines_are_those_of_the_version_that_the_log_names() {
    let till = Till::new();
    let log = till.crash_log();
    git(&till, &["init", "-q"]);
    git(&till, &["add", "-A"]);
    git(&till, &["commit", "-qm", "release"]);
    git(&till, &["tag", "v1.4.2"]);
    // Two elements are taken now, in lines that were others before.
    let first = "// First returns the first of the items.\nfunc First(items []string) string {\n\tfirst := items[0]\n\tfirst += items[0]\n\treturn first\n}\n\n";
    let moved = BASKET
        .replace("// Last returns", &format!("{first}// Last returns"))
        .replace("\tlast := items", "\tprevious := \"\"\n\tif len(items) > 1 {\n\t\tprevious = items[1]\n\t}\n\tlast := previous\n\tlast = items");
    till.write("basket/basket.go", &moved);
    let line_of = |text: &str, needle: &str| text.lines().position(|line| line.contains(needle)).unwrap() + 1;
    let (then, now) = (line_of(BASKET, "items[len(items)-1]"), line_of(&moved, "items[len(items)-1]"));

    let crash = std::fs::read_to_string(&log).unwrap();
    let named = |name: &str| {
        let path = till.outside().join("named.log");
        std::fs::write(
            &path,
            format!("{{\"level\":\"info\",\"msg\":\"start\",\"version\":\"{name}\"}}\n{crash}"),
        )
        .unwrap();
        suggestion(&till, &path)
    };
    // The statement reads otherwise now, so the text of the release stands nowhere.
    let other = named("1.4.2");
    assert_eq!(other["locations"][0]["function"], "Last", "{other:#}");
    assert_ne!(other["locations"][0]["line"], now, "{other:#}");
    assert!(!other["diagnosis"].as_str().unwrap().contains("The log names"), "{other:#}");

    till.write("basket/basket.go", &BASKET.replace("// Last returns", &format!("{first}// Last returns")));
    let moved = std::fs::read_to_string(till.repository().join("basket/basket.go")).unwrap();
    let now = line_of(&moved, "items[len(items)-1]");
    let found = named("1.4.2");
    assert_eq!(found["locations"][0]["line"], now, "{found:#}");
    let told = format!(
        "The log names version 1.4.2, which the repository has: line {then} of it is line {now} now."
    );
    assert!(found["diagnosis"].as_str().unwrap().ends_with(&told), "{found:#}");
    assert_eq!(found["verdict"], "proven", "{found:#}");
    // Of a version that it does not have nothing is known.
    let unknown = named("9.9.9");
    assert!(!unknown["diagnosis"].as_str().unwrap().contains("9.9.9"), "{unknown:#}");
}
