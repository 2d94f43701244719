//! Where candidates come from, and in which order they are tried.

use std::cmp::Ordering;

use crate::domain::{FixCandidate, Outcomes, Provenance};
use crate::generator::recall::Precedent;

/// Below this share of approval a rule's candidates wait for those of the others. Three rejections and no approval
/// lie below it, two do not.
const LEAST_APPROVAL: f64 = 0.25;

/// A source of candidates.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// Fixes that a person approved before.
    Recalled,
    /// The repair rules.
    Rule,
}

impl Source {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Recalled => "recalled",
            Self::Rule => "rule",
        }
    }
}

/// A source, and how much it counts.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Strategy {
    /// The source.
    pub source: Source,
    /// Its rank; lower is earlier.
    pub priority: u32,
    /// How much it counts among those of its rank; multiplied with the share of its fixes that people approve.
    pub weight: f64,
}

/// What earlier work says about new work.
#[derive(Debug, Clone, Default)]
pub struct Experience {
    /// Fixes of the same class that were proven and approved, the newest first.
    pub precedents: Vec<Precedent>,
    /// What people said to fixes.
    pub outcomes: Outcomes,
}

impl Experience {
    /// The sources in the order in which they are to be tried.
    pub(super) fn order(&self, strategies: &[Strategy]) -> Vec<Source> {
        let worth = |strategy: &Strategy| strategy.weight * self.outcomes.approval(strategy.source.as_str());
        let rank = |a: &Strategy, b: &Strategy| -> Ordering {
            a.priority.cmp(&b.priority).then_with(|| worth(b).total_cmp(&worth(a)))
        };
        let mut strategies = strategies.to_vec();
        strategies.sort_by(rank);
        strategies.into_iter().map(|strategy| strategy.source).collect()
    }

    /// Candidates of rules that people keep rejecting go behind the others that hide as much or as little.
    pub(super) fn reorder(&self, candidates: &mut [FixCandidate]) {
        candidates.sort_by_key(|candidate| (candidate.masks, self.is_mistrusted(&candidate.provenance)));
    }

    fn is_mistrusted(&self, provenance: &Provenance) -> bool {
        match provenance {
            Provenance::Rule { rule } => self.outcomes.approval(&format!("rule/{rule}")) < LEAST_APPROVAL,
            Provenance::Recalled { .. } | Provenance::Model { .. } => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn strategy(source: Source, priority: u32, weight: f64) -> Strategy {
        Strategy { source, priority, weight }
    }

    #[test]
    fn rank_comes_before_weight_and_weight_is_learnt() {
        use Source::{Recalled, Rule};
        let mut experience = Experience::default();
        let order = |experience: &Experience, recalled: (u32, f64), rule: (u32, f64)| {
            experience.order(&[strategy(Recalled, recalled.0, recalled.1), strategy(Rule, rule.0, rule.1)])
        };
        assert_eq!(order(&experience, (1, 0.1), (2, 9.0)), [Recalled, Rule]);
        assert_eq!(order(&experience, (2, 1.0), (2, 2.0)), [Rule, Recalled]);
        assert_eq!(order(&experience, (2, 1.0), (2, 1.0)), [Recalled, Rule]);
        for _ in 0..3 {
            experience.outcomes.add("recalled", false);
            experience.outcomes.add("rule/check_length", true);
        }
        assert_eq!(order(&experience, (2, 1.0), (2, 1.0)), [Rule, Recalled]);
        // What a person has ranked stays so.
        assert_eq!(order(&experience, (1, 1.0), (2, 1.0)), [Recalled, Rule]);
    }

    #[test]
    fn what_is_rejected_again_and_again_waits_but_never_for_what_masks() {
        let candidate = |rule: &str, masks| FixCandidate {
            provenance: Provenance::Rule { rule: rule.to_owned() },
            explanation: String::new(),
            changes: Vec::new(),
            masks,
            unsettled: None,
        };
        let mut experience = Experience::default();
        let order = |experience: &Experience| {
            let mut candidates = vec![candidate("a", false), candidate("b", false), candidate("c", true)];
            experience.reorder(&mut candidates);
            candidates.into_iter().map(|it| it.provenance).collect::<Vec<_>>()
        };
        let rules = |names: [&str; 3]| names.map(|rule| Provenance::Rule { rule: rule.to_owned() });
        experience.outcomes.add("rule/a", false);
        experience.outcomes.add("rule/a", false);
        assert_eq!(order(&experience), rules(["a", "b", "c"]));
        experience.outcomes.add("rule/a", false);
        assert_eq!(order(&experience), rules(["b", "a", "c"]));
        // Approved often enough, it is trusted again.
        experience.outcomes.add("rule/a", true);
        assert_eq!(order(&experience), rules(["a", "b", "c"]));
    }
}
