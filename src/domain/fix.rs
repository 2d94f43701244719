//! A change that may mend a fault.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::RepoPath;

/// Where a candidate comes from.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum Provenance {
    /// A repair rule.
    Rule {
        /// The rule's stable name.
        rule: String,
    },
    /// A fix that held before, for this or a similar failure.
    Recalled {
        /// Its id in knowledge.
        fix: String,
    },
    /// A language model.
    Model {
        /// The provider's name.
        provider: String,
        /// The model's name.
        model: String,
    },
}

impl Provenance {
    /// The stable name of the kind.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Rule { .. } => "rule",
            Self::Recalled { .. } => "recalled",
            Self::Model { .. } => "model",
        }
    }
}

/// The new text of one file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct FileChange {
    /// The file; it exists already.
    pub path: RepoPath,
    /// Its text as it stands.
    pub before: String,
    /// Its text with the fix.
    pub after: String,
}

/// A change that may mend a fault.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FixCandidate {
    /// Where it comes from.
    pub provenance: Provenance,
    /// What it does and why, in one or two sentences.
    pub explanation: String,
    /// The files it changes; never empty.
    pub changes: Vec<FileChange>,
    /// Whether it may hide the defect instead of mending it (a clamp, a silent return). Such a fix is
    /// labelled, and plausible at most.
    pub masks: bool,
    /// What no test of the crash can settle, as whether a value that is refused now should be handled; in words
    /// that go on after "but". Such a fix is plausible at most.
    pub unsettled: Option<String>,
}

impl FixCandidate {
    /// Why it is not proven though every step holds, in words that go on after "but"; none where it may be.
    #[must_use]
    pub fn doubt(&self) -> Option<&str> {
        match self.masks {
            true => Some("it may hide the defect instead of mending it"),
            false => self.unsettled.as_deref(),
        }
    }
}
