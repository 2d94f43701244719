//! What the validator found, as a plain record. The verdict itself is minted in `validator`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The steps of the ladder of proof, in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum StepName {
    /// The patch applies, inside the allowed paths.
    Apply,
    /// Every changed file parses.
    Parse,
    /// Every changed file is formatted as gofmt would.
    Format,
    /// The packages that are touched, and those that import them, build.
    Build,
    /// `go vet` reports nothing new.
    Vet,
    /// The reproducer fails without the patch, with the crash of the log.
    ReproducerBefore,
    /// The reproducer passes with the patch.
    ReproducerAfter,
    /// The tests of the touched packages pass as they did before.
    PackageTests,
    /// The tests of the packages that import them pass as they did before.
    DependentTests,
    /// A renewed search finds no other call that ends in the crash, and none that does not come back any more.
    RenewedSearch,
}

/// How one step ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum StepResult {
    /// It held.
    Passed,
    /// It did not hold: the candidate is rejected.
    Failed,
    /// It could not be run; the detail says why.
    Skipped,
    /// The machinery could not decide; the detail says why.
    Inconclusive,
}

/// One step and what it showed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Step {
    /// Which step.
    pub name: StepName,
    /// How it ended.
    pub result: StepResult,
    /// How many times it was run, each with the same result.
    pub runs: u32,
    /// What it showed: counts, or the output that decided, capped.
    pub detail: String,
    /// Wall time, in seconds.
    pub seconds: f64,
}

/// What a verdict rests on.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct Evidence {
    /// The steps, in order.
    pub steps: Vec<Step>,
    /// The isolation under which code ran, as the sandbox names it.
    pub sandbox: String,
}

/// The four verdicts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum VerdictKind {
    /// A step failed.
    Rejected,
    /// The machinery could not decide.
    Inconclusive,
    /// Every step that could be run holds, but the crash was not reproduced through an entry point.
    Plausible,
    /// The crash was reproduced through an entry point, the reproducer fails before and passes after,
    /// and every other step holds.
    Proven,
}

impl VerdictKind {
    /// The stable name used in JSON.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Proven => "proven",
            Self::Plausible => "plausible",
            Self::Rejected => "rejected",
            Self::Inconclusive => "inconclusive",
        }
    }
}

/// A verdict as it is stored and shown.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct VerdictRecord {
    /// Which of the four.
    pub kind: VerdictKind,
    /// Why, in one sentence.
    pub reason: String,
    /// What it rests on.
    pub evidence: Evidence,
}
