//! What a Go test binary printed with `-test.v=test2json`.

use std::collections::{BTreeMap, BTreeSet};

/// What the runner puts before each line of its own, asked for by `-test.v=test2json`.
pub(super) const MARK: char = '\u{16}';

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
            // The runner marks its own lines, since what a test prints need not end its line.
            let Some((_, told)) = line.rsplit_once(MARK) else { continue };
            let Some((word, rest)) = told.strip_prefix("--- ").and_then(|told| told.split_once(": ")) else {
                continue;
            };
            let result = match word {
                "PASS" => TestResult::Passed,
                "FAIL" => TestResult::Failed,
                "SKIP" => TestResult::Skipped,
                _ => continue,
            };
            if let Some(name) = rest.split_whitespace().next().filter(|name| !name.contains('/')) {
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
            "\u{16}=== RUN   TestA\nno line end \u{16}--- PASS: TestA (0.00s)\n\u{16}=== RUN   TestB\nno line end \u{16}--- FAIL: TestB/x (0.00s)\n\u{16}--- FAIL: TestB (0.00s)\n--- PASS: TestB (0.00s)\nsays \u{16} --- PASS: TestB\n\u{16}--- SKIP: TestC (0.00s)\n\u{16}--- PASS:\n\u{16}--- \nPASS\n",
        );
        assert_eq!(report.passed().into_iter().collect::<Vec<_>>(), ["TestA"]);
        assert!(!report.has_passed("TestB") && !report.has_passed("TestC"));
        assert_eq!(report.failed_count(), 1, "{report:?}");
        // What has no result is known by name, and counts as failed unless it passes alone.
        let listed = "TestA\nTestB\nTestC\nTestD\nTestE\nBenchmarkX\nok\n";
        assert_eq!(report.missing(listed), ["TestD", "TestE"]);
        report.add("TestD", &Report::read("\u{16}--- PASS: TestD (0.00s)\n"));
        report.add("TestE", &Report::read("panic: no\n"));
        assert!(report.has_passed("TestD"));
        assert_eq!((report.failed_count(), report.missing(listed).len()), (2, 0));
    }
}
