//! What people said to fixes, by where the fixes came from.

use std::collections::BTreeMap;

/// How often fixes were approved and rejected, by their source: `rule/check_length`, `recalled`, `model`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Outcomes {
    by_source: BTreeMap<String, Tally>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Tally {
    approved: u32,
    rejected: u32,
}

impl Outcomes {
    /// Counts a decision.
    pub fn add(&mut self, source: &str, is_approved: bool) {
        let tally = self.by_source.entry(source.to_owned()).or_default();
        let count = if is_approved { &mut tally.approved } else { &mut tally.rejected };
        *count = count.saturating_add(1);
    }

    /// The share of fixes from a source, or from all sources below it (`rule`), that are approved, from 0 to 1. By
    /// Laplace's rule of succession: half where nothing is known, and one word moves it little.
    #[must_use]
    pub fn approval(&self, source: &str) -> f64 {
        let is_below = |name: &str| {
            name.strip_prefix(source).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        let (mut approved, mut all) = (1.0, 2.0);
        for (_, tally) in self.by_source.iter().filter(|(name, _)| is_below(name)) {
            approved += f64::from(tally.approved);
            all += f64::from(tally.approved) + f64::from(tally.rejected);
        }
        approved / all
    }
}

#[cfg(test)]
mod tests {
    use super::Outcomes;

    #[test]
    fn a_source_is_trusted_as_far_as_its_fixes_were_approved() {
        let mut outcomes = Outcomes::default();
        let is = |outcomes: &Outcomes, source, share: f64| (outcomes.approval(source) - share).abs() < 1e-9;
        assert!(is(&outcomes, "rule", 0.5));
        for (source, is_approved) in
            [("rule/a", true), ("rule/a", true), ("rule/b", false), ("recalled", true)]
        {
            outcomes.add(source, is_approved);
        }
        assert!(is(&outcomes, "rule/a", 0.75) && is(&outcomes, "rule/b", 1.0 / 3.0));
        assert!(is(&outcomes, "rule", 0.6) && is(&outcomes, "recalled", 2.0 / 3.0));
        // `ru` is no source that others are below.
        assert!(is(&outcomes, "ru", 0.5));
    }
}
