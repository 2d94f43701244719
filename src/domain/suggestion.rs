//! What a person is shown: one defect, its cause, its fix and the evidence.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Class, Evidence, Fingerprint, Location, Reproducer, VerdictKind};

/// One code defect and the best fix found for it. Its JSON form is the contract of `hephaestus fix`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Suggestion {
    /// The group's identity.
    pub fingerprint: Fingerprint,
    /// What kind of failure it is.
    pub class: Class,
    /// One short line.
    pub title: String,
    /// Exact number of occurrences in the log.
    pub count: u64,
    /// What happened, where, why, and what a fix must do.
    pub diagnosis: String,
    /// Where a fix may belong, best first.
    pub locations: Vec<Location>,
    /// Whether the crash was reproduced.
    pub reproduced: bool,
    /// The test that reproduces it.
    pub reproducer: Option<Reproducer>,
    /// How the search for it went: which call, after how many executions, or why there is none.
    pub search: String,
    /// The verdict on the fix, or on the attempt to find one.
    pub verdict: VerdictKind,
    /// Why, in one sentence.
    pub reason: String,
    /// `rule`, `recalled` or `model`; none where no candidate was found.
    pub provenance: Option<String>,
    /// The rule's stable name, where a rule made it.
    pub rule: Option<String>,
    /// What the fix does and why.
    pub explanation: Option<String>,
    /// Whether the fix may hide the defect instead of mending it.
    pub masks: bool,
    /// A unified diff against the code as it stood, its paths from the repository's root.
    pub patch: Option<String>,
    /// What the verdict rests on.
    pub evidence: Evidence,
    /// Wall time of the whole attempt, in seconds.
    pub seconds: f64,
}

impl Suggestion {
    /// Where the fix comes from: `rule/check_length`, `recalled`, `model`. None where no candidate was found.
    #[must_use]
    pub fn source(&self) -> Option<String> {
        let provenance = self.provenance.as_deref()?;
        Some(self.rule.as_ref().map_or_else(|| provenance.to_owned(), |rule| format!("{provenance}/{rule}")))
    }

    /// Whether there is a patch that may hide the defect instead of mending it.
    #[must_use]
    pub const fn may_mask(&self) -> bool {
        self.masks && self.patch.is_some()
    }
}

/// A failure of the surroundings: diagnosed, not patched.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct OperationalFinding {
    /// The group's identity.
    pub fingerprint: Fingerprint,
    /// What kind of failure it is.
    pub class: Class,
    /// One short line.
    pub title: String,
    /// Exact number of occurrences in the log.
    pub count: u64,
    /// What happened.
    pub diagnosis: String,
    /// What to do about it.
    pub remedy: String,
    /// Where the repository reports it, where that could be found.
    pub locations: Vec<Location>,
}
