//! The verdict, which only this room can mint.

use crate::domain::{Evidence, Reach, Reproducer, Step, StepResult, VerdictKind, VerdictRecord};

/// A judgement on one candidate. It cannot be made or changed outside the validator.
#[derive(Debug, Clone, PartialEq)]
pub struct Verdict {
    record: VerdictRecord,
}

impl Verdict {
    /// Which of the four.
    #[must_use]
    pub const fn kind(&self) -> VerdictKind {
        self.record.kind
    }

    /// Why, in one sentence.
    #[must_use]
    pub fn reason(&self) -> &str {
        &self.record.reason
    }

    /// What it rests on.
    #[must_use]
    pub const fn evidence(&self) -> &Evidence {
        &self.record.evidence
    }

    /// The plain record, for storing and showing.
    #[must_use]
    pub fn into_record(self) -> VerdictRecord {
        self.record
    }

    /// The same judgement with one more step taken. It can only become weaker.
    #[must_use]
    pub fn challenged(mut self, step: Step) -> Self {
        let kind = match step.result {
            StepResult::Passed | StepResult::Skipped => None,
            StepResult::Failed => Some(VerdictKind::Rejected),
            StepResult::Inconclusive => Some(VerdictKind::Inconclusive),
        };
        if let Some(kind) = kind.filter(|_| self.record.kind >= VerdictKind::Plausible) {
            self.record.kind = kind;
            self.record.reason = because(&step);
        }
        self.record.evidence.steps.push(step);
        self
    }

    /// The same judgement where the reproducer need not show the defect of the log: then nothing is proven.
    #[must_use]
    pub fn doubted(mut self, why: &str) -> Self {
        if self.record.kind == VerdictKind::Proven {
            self.record.kind = VerdictKind::Plausible;
            self.record.reason = format!("every step holds, but {why}");
        }
        self
    }

    /// What one step makes of a candidate whose reproducer comes in at an entry, for tests.
    #[cfg(test)]
    pub(crate) fn after(step: Step) -> Self {
        let reproducer = Reproducer {
            file: crate::domain::RepoPath::new("a_test.go").unwrap(),
            test: "TestA".to_owned(),
            source: String::new(),
            reach: Reach::EntryPoint,
        };
        Self::judge(vec![step], String::new(), Some(&reproducer))
    }

    /// Judges the steps that were taken. This is the one place where a fix becomes proven.
    pub(super) fn judge(steps: Vec<Step>, sandbox: String, reproducer: Option<&Reproducer>) -> Self {
        let first = |result: StepResult| steps.iter().find(|step| step.result == result);
        let (kind, reason) = if let Some(step) = first(StepResult::Failed) {
            (VerdictKind::Rejected, because(step))
        } else if let Some(step) = first(StepResult::Inconclusive) {
            (VerdictKind::Inconclusive, because(step))
        } else {
            match reproducer.map(|reproducer| reproducer.reach) {
                Some(Reach::EntryPoint) => (
                    VerdictKind::Proven,
                    "the reproducer fails before and passes after, and every other step holds".to_owned(),
                ),
                Some(Reach::InternalCall) => (
                    VerdictKind::Plausible,
                    "every step holds, but the crash was reached by calling an inner function".to_owned(),
                ),
                Some(Reach::ForcedState) => (
                    VerdictKind::Plausible,
                    "every step holds, but the crash was reached with forced state".to_owned(),
                ),
                None => (
                    VerdictKind::Plausible,
                    "every step that could be run holds, but the failure was not reproduced".to_owned(),
                ),
            }
        };
        Self { record: VerdictRecord { kind, reason, evidence: Evidence { steps, sandbox } } }
    }
}

fn because(step: &Step) -> String {
    let name = serde_json::to_value(step.name).ok();
    let name = name.as_ref().and_then(|name| name.as_str()).unwrap_or_default().replace('_', " ");
    let first_line = step.detail.lines().next().unwrap_or_default();
    format!("{name}: {first_line}")
}
