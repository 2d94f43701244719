//! What a Go test binary printed with `-test.v`.

use std::collections::{BTreeMap, BTreeSet};

/// The outcome of every top-level test that ended.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Report {
    results: BTreeMap<String, bool>,
}

impl Report {
    /// Reads the output. Subtests count with their parent. A test that was skipped passed nothing and
    /// is left out. A program can print anything, but only its last word on a test counts, and names
    /// come from the binary's own `-test.list` elsewhere.
    pub(super) fn read(output: &str) -> Self {
        let mut results = BTreeMap::new();
        for line in output.lines() {
            let Some(at) = line.find("--- ") else { continue };
            if line[..at].ends_with(' ') {
                continue; // a subtest, indented under its parent
            }
            let rest = &line[at + 4..];
            let (passed, rest) = match (rest.strip_prefix("PASS: "), rest.strip_prefix("FAIL: ")) {
                (Some(rest), _) => (true, rest),
                (_, Some(rest)) => (false, rest),
                _ => continue,
            };
            if let Some(name) = rest.split_whitespace().next() {
                results.insert(name.to_owned(), passed);
            }
        }
        Self { results }
    }

    pub(super) fn passed(&self) -> BTreeSet<&str> {
        self.results.iter().filter(|(_, passed)| **passed).map(|(name, _)| name.as_str()).collect()
    }

    pub(super) fn has_passed(&self, name: &str) -> bool {
        self.results.get(name) == Some(&true)
    }

    pub(super) fn failed_count(&self) -> usize {
        self.results.values().filter(|passed| !**passed).count()
    }
}

#[cfg(test)]
mod tests {
    use super::Report;

    #[test]
    fn passes_failures_subtests_and_noise() {
        let report = Report::read(
            "=== RUN   TestA\nnoise--- PASS: TestA (0.00s)\n=== RUN   TestB\n    --- FAIL: TestB/x (0.00s)\n--- FAIL: TestB (0.00s)\n--- SKIP: TestC (0.00s)\n--- PASS:\n--- \nPASS\n",
        );
        assert_eq!(report.passed().into_iter().collect::<Vec<_>>(), ["TestA"]);
        assert!(!report.has_passed("TestB") && !report.has_passed("TestC"));
        assert_eq!(report.failed_count(), 1);
    }
}
