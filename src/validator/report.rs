//! What a Go test binary printed with `-test.v`.

use std::collections::{BTreeMap, BTreeSet};

/// How a test ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TestResult {
    /// It passed.
    Passed,
    /// It failed, or never came to its end.
    Failed,
    /// It was skipped.
    Skipped,
}

/// How every top-level test ended.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Report {
    results: BTreeMap<String, TestResult>,
    /// Whether the program as a whole ended with success.
    pub(super) succeeded: bool,
}

impl Report {
    /// Reads the output. Subtests count with their parent.
    pub(super) fn read(output: &str) -> Self {
        let mut results = BTreeMap::new();
        for line in output.lines() {
            let Some(at) = line.find("--- ") else { continue };
            if line[..at].ends_with(' ') {
                continue; // a subtest, indented under its parent
            }
            let Some((word, rest)) = line[at + 4..].split_once(": ") else { continue };
            let result = match word {
                "PASS" => TestResult::Passed,
                "FAIL" => TestResult::Failed,
                "SKIP" => TestResult::Skipped,
                _ => continue,
            };
            if let Some(name) = rest.split_whitespace().next() {
                results.insert(name.to_owned(), result);
            }
        }
        Self { results, succeeded: false }
    }

    /// The names of `-test.list` that have no result yet: the program ended before their turn.
    pub(super) fn missing(&self, listed: &str) -> Vec<String> {
        let is_test = |name: &&str| ["Test", "Example", "Fuzz"].iter().any(|kind| name.starts_with(kind));
        let names = listed.lines().map(str::trim).filter(is_test);
        names.filter(|name| !self.results.contains_key(*name)).map(str::to_owned).collect()
    }

    /// Notes how a test ended that was run alone.
    pub(super) fn add(&mut self, name: &str, alone: &Self) {
        let result = alone.results.get(name).copied().unwrap_or(TestResult::Failed);
        self.results.insert(name.to_owned(), result);
    }

    pub(super) fn passed(&self) -> BTreeSet<&str> {
        self.named(TestResult::Passed).collect()
    }

    pub(super) fn has_passed(&self, name: &str) -> bool {
        self.results.get(name) == Some(&TestResult::Passed)
    }

    pub(super) fn failed_count(&self) -> usize {
        self.named(TestResult::Failed).count()
    }

    fn named(&self, wanted: TestResult) -> impl Iterator<Item = &str> {
        self.results.iter().filter(move |(_, result)| **result == wanted).map(|(name, _)| name.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::Report;

    #[test]
    fn passes_failures_subtests_and_noise() {
        let mut report = Report::read(
            "=== RUN   TestA\nnoise--- PASS: TestA (0.00s)\n=== RUN   TestB\n    --- FAIL: TestB/x (0.00s)\n--- FAIL: TestB (0.00s)\n--- SKIP: TestC (0.00s)\n--- PASS:\n--- \nPASS\n",
        );
        assert_eq!(report.passed().into_iter().collect::<Vec<_>>(), ["TestA"]);
        assert!(!report.has_passed("TestB") && !report.has_passed("TestC"));
        assert_eq!(report.failed_count(), 1);
        // What has no result is known by name, and counts as failed unless it passes alone.
        let listed = "TestA\nTestB\nTestC\nTestD\nTestE\nBenchmarkX\nok\n";
        assert_eq!(report.missing(listed), ["TestD", "TestE"]);
        report.add("TestD", &Report::read("--- PASS: TestD (0.00s)\n"));
        report.add("TestE", &Report::read("panic: no\n"));
        assert!(report.has_passed("TestD"));
        assert_eq!((report.failed_count(), report.missing(listed).len()), (2, 0));
    }
}
