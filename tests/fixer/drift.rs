//! Logs that an earlier version of the code has written.

use super::soundness::Trial;

const KV: &str = "package kv

import \"strings\"

// Parse splits a line at its first equals sign.
func Parse(line string) (string, string) {
\tparts := strings.SplitN(line, \"=\", 2)

\tkey := strings.TrimSpace(parts[0])
\tkey = strings.ToLower(key)

\treturn key, strings.TrimSpace(parts[1])
}
";

const MAIN: &str = "package main

import \"example.com/split/kv\"

func main() {
\tprintln(kv.Parse(\"no sign\"))
}
";

/// Below three new lines stands, where the log says that index 1 failed, a statement that has index 0 alone.
#[test]
fn a_line_that_now_holds_another_index_is_not_taken_for_the_one_that_failed() {
    let trial = Trial::new(&[("kv/kv.go", KV), ("cmd/run/main.go", MAIN)]);
    let log = trial.crash();
    assert!(log.contains("index out of range [1] with length 1") && log.contains("kv.go:12"), "{log}");
    let drifted = format!("// Words.\n// More words.\n// Still more.\n{KV}");
    assert!(drifted.lines().nth(11).unwrap().contains("parts[0]"), "{drifted}");
    std::fs::write(trial.repository().join("kv/kv.go"), drifted).unwrap();
    let suggestion = &trial.fix_log(&log)[0];
    assert_eq!(suggestion["reproduced"], true, "{suggestion}");
    assert!(suggestion["search"].as_str().unwrap().contains("is of another version"), "{suggestion}");
    let diagnosis = suggestion["diagnosis"].as_str().unwrap();
    assert!(diagnosis.contains("It was in Parse (kv/kv.go). It was called from"), "{diagnosis}");
    assert!(diagnosis.contains("The log says line 12") && !diagnosis.contains("parts[0]"), "{diagnosis}");
}
