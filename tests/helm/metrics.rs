//! Alerts and dashboard: the metrics they name are there, and Prometheus understands and confirms them.

use std::collections::BTreeSet;
use std::path::Path;

use hephaestus::telemetry::metrics::Metrics;
use serde_json::Value;

use super::chart::our_chart;
use super::tools::promtool;
use crate::harness::{errors_of, project, run, succeed};

/// What Prometheus appends to the name of a histogram.
const HISTOGRAM_SUFFIXES: [&str; 3] = ["_bucket", "_count", "_sum"];

/// Our metrics that a text names: a query, a scrape, a whole file. Series of a histogram count as the histogram.
pub(crate) fn metrics_in(text: &str) -> BTreeSet<String> {
    let is_part = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    let words = text.split(|c: char| !is_part(c)).filter(|word| word.starts_with("hephaestus_"));
    let bare = |word: &str| {
        let suffix = HISTOGRAM_SUFFIXES.iter().find_map(|suffix| word.strip_suffix(suffix));
        suffix.unwrap_or(word).to_owned()
    };
    words.map(bare).collect()
}

/// The metrics that alerts and dashboard name.
pub(crate) fn metrics_of_the_chart() -> BTreeSet<String> {
    metrics_in(&(file("rules.yaml") + &file("dashboard.json")))
}

/// The metrics that the source declares, each on a line that ends with its name and its help.
fn declared() -> BTreeSet<String> {
    let source = std::fs::read_to_string(project().join("src/telemetry/metrics.rs")).unwrap();
    let declarations = source.lines().filter(|line| line.ends_with("\";"));
    let name = |line: &str| line.rsplit('"').nth(3).map(|name| format!("hephaestus_{name}"));
    declarations.filter_map(name).collect()
}

fn file(name: &str) -> String {
    std::fs::read_to_string(our_chart().join("files").join(name)).unwrap()
}

#[test]
fn alerts_and_dashboard_name_metrics_that_exist() {
    let declared = declared();
    let shown = metrics_in(&Metrics::new().unwrap().encode().unwrap());
    assert!(shown.len() > 10 && shown.is_subset(&declared), "the source is read wrongly: {shown:?}");
    let named = metrics_of_the_chart();
    assert!(named.len() > 10, "{named:?}");
    let missing: Vec<_> = named.difference(&declared).collect();
    assert!(missing.is_empty(), "these do not exist: {missing:?}");
}

#[test]
fn names_are_found_in_queries() {
    let query =
        "sum(rate(hephaestus_a_seconds_bucket{x=\"y\"}[5m])) / hephaestus_b_total > Hephaestus_no + up";
    let expected = ["hephaestus_a_seconds", "hephaestus_b_total"].map(str::to_owned);
    assert_eq!(metrics_in(query), BTreeSet::from(expected));
}

/// The alerts with their own tests beside them, where the tests look for them.
fn beside_their_tests(folder: &Path, rules: &str) -> bool {
    std::fs::write(folder.join("rules.yaml"), rules).unwrap();
    std::fs::copy(project().join("tests/helm/rules_test.yaml"), folder.join("rules_test.yaml")).unwrap();
    let output = run(promtool().args(["test", "rules", "rules_test.yaml"]).current_dir(folder));
    if !output.status.success() {
        println!("{}", errors_of(&output));
    }
    output.status.success()
}

#[test]
fn alerts_fire_when_they_should_and_only_then() {
    let folder = tempfile::tempdir().unwrap();
    let rules = file("rules.yaml");
    assert!(beside_their_tests(folder.path(), &rules));
    succeed(promtool().args(["check", "rules", "rules.yaml"]).current_dir(folder.path()));
    for alert in rules.lines().filter_map(|line| line.trim().strip_prefix("- alert: ")) {
        let tests = std::fs::read_to_string(folder.path().join("rules_test.yaml")).unwrap();
        assert!(tests.contains(alert), "{alert} has no test");
    }
    assert!(!beside_their_tests(folder.path(), &rules.replace("> 300", "> 3000")), "the tests cannot fail");
}

/// The dashboard's queries, as recording rules, are queries.
#[test]
fn prometheus_understands_the_dashboard() {
    let dashboard: Value = serde_json::from_str(&file("dashboard.json")).unwrap();
    let panels = dashboard["panels"].as_array().unwrap();
    let targets = panels.iter().flat_map(|panel| panel["targets"].as_array().unwrap());
    let rules: Vec<Value> = targets
        .map(|target| target["expr"].as_str().unwrap().replace("$__rate_interval", "5m"))
        .enumerate()
        .map(|(index, expr)| serde_json::json!({"record": format!("panel:{index}"), "expr": expr}))
        .collect();
    assert!(rules.len() >= panels.len() && panels.len() > 10);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rules.yaml");
    let rules = serde_json::json!({"groups": [{"name": "dashboard", "rules": rules}]});
    std::fs::write(&path, rules.to_string()).unwrap();
    succeed(promtool().args(["check", "rules"]).arg(path));
}
