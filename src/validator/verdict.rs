//! The verdict, which only this room can mint.

use crate::domain::{Evidence, Location, Reach, Reproducer, Step, StepResult, VerdictKind, VerdictRecord};

/// A judgement on one candidate. It cannot be made or changed outside the validator.
#[derive(Debug, Clone, PartialEq)]
pub struct Verdict {
    record: VerdictRecord,
    failing_at: Option<Location>,
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

    /// Where the reproducer, with the change in place, fails in the same way as before.
    #[must_use]
    pub const fn still_failing_at(&self) -> Option<&Location> {
        self.failing_at.as_ref()
    }

    /// The same judgement, with the place where the reproducer still fails.
    pub(super) fn failing_at(self, place: Option<Location>) -> Self {
        Self { failing_at: place, ..self }
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
        if self.record.kind >= VerdictKind::Plausible {
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
            race: false,
        };
        Self::judge(vec![step], String::new(), Some(&reproducer), None)
    }

    /// Judges the steps that were taken. This is the one place where a fix becomes proven. A doubt goes on after
    /// "but": with one, it does not.
    pub(super) fn judge(
        steps: Vec<Step>,
        sandbox: String,
        reproducer: Option<&Reproducer>,
        doubt: Option<&str>,
    ) -> Self {
        let first = |result: StepResult| steps.iter().find(|step| step.result == result);
        let (kind, reason) = if let Some(step) = first(StepResult::Failed) {
            (VerdictKind::Rejected, because(step))
        } else if let Some(step) = first(StepResult::Inconclusive) {
            (VerdictKind::Inconclusive, because(step))
        } else {
            match reproducer.map(|reproducer| reproducer.reach) {
                Some(Reach::EntryPoint) if let Some(doubt) = doubt => {
                    (VerdictKind::Plausible, format!("every step holds, but {doubt}"))
                }
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
        Self {
            record: VerdictRecord { kind, reason, evidence: Evidence { steps, sandbox } },
            failing_at: None,
        }
    }
}

/// The most lines of an output that stand in a reason, and how much of each.
const QUOTED_LINES: usize = 2;
const QUOTED_CHARS: usize = 200;

fn because(step: &Step) -> String {
    let name = serde_json::to_value(step.name).ok();
    let name = name.as_ref().and_then(|name| name.as_str()).unwrap_or_default().replace('_', " ");
    let mut lines = step.detail.lines();
    let first_line = lines.next().unwrap_or_default();
    // What announces an output says nothing without it. The compiler heads its own with the package.
    let announces = first_line.ends_with(':');
    let said = lines.map(str::trim).filter(|line| announces && !line.is_empty() && !line.starts_with('#'));
    let said: Vec<String> =
        said.take(QUOTED_LINES).map(|line| line.chars().take(QUOTED_CHARS).collect()).collect();
    let gap = if said.is_empty() { "" } else { " " };
    format!("{name}: {first_line}{gap}{}", said.join("; "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::StepName;

    #[test]
    fn a_reason_quotes_what_it_announces() {
        let reason = |detail: &str| {
            let detail = detail.to_owned();
            let result = StepResult::Inconclusive;
            let step = Step { name: StepName::DependentTests, result, runs: 1, detail, seconds: 0.0 };
            Verdict::after(step).reason().to_owned()
        };
        assert_eq!(
            reason(
                "the tests in user do not compile before any change:\n# m/user\n./a.go:3:5: no\n./a.go:4:5: x\n./a.go:5:5: y"
            ),
            "dependent tests: the tests in user do not compile before any change: ./a.go:3:5: no; ./a.go:4:5: x"
        );
        assert_eq!(reason("no time left\nmore"), "dependent tests: no time left");
        assert_eq!(reason("it says:\n"), "dependent tests: it says:");
    }
}
