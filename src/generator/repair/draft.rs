//! What a rule proposes, and what such a change does.

use super::edit::Edits;

/// What a draft does, best first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Tier {
    /// It mends the cause.
    Cause,
    /// It asks in the condition that uses the value.
    Condition,
    /// It asks first and reports.
    Check,
    /// It asks first and goes on without.
    Guard,
    /// It hides the failure.
    Mask,
    /// It asks for what is hardly nil.
    Unlikely,
}

/// A change which a rule proposes.
#[derive(Debug)]
pub(crate) struct Draft {
    pub(crate) tier: Tier,
    /// How far from the failing statement, in frames.
    pub(crate) depth: usize,
    pub(crate) explanation: String,
    pub(crate) masks: bool,
    /// What stays open though the crash is gone, in words that go on after "but": then it is never proven.
    pub(crate) open: Option<String>,
    pub(crate) edits: Edits,
}

impl Draft {
    /// A change that mends the cause and hides nothing.
    pub(crate) const fn cause(depth: usize, explanation: String, edits: Edits) -> Self {
        Self { tier: Tier::Cause, depth, explanation, masks: false, open: None, edits }
    }

    /// All of several drafts in one, where only all of them together mend the fault.
    pub(crate) fn joined(drafts: Vec<Self>) -> Option<Self> {
        drafts.into_iter().reduce(|mut all, more| {
            if !all.explanation.contains(&more.explanation) {
                all.explanation = format!("{} {}", all.explanation, more.explanation);
            }
            all.masks |= more.masks;
            all.open = all.open.or(more.open);
            all.edits.join(more.edits);
            all
        })
    }

    /// Leaves early where something was changed already: half of the work is done then, and nobody sees it.
    pub(crate) fn with_work_half_done(mut self, changed: Option<&str>) -> Self {
        if let Some(changed) = changed {
            self.masks = true;
            self.explanation.push_str(&format!(" What `{changed}` changed by then stays changed."));
        }
        self
    }

    /// A change that leaves early: where nobody learns of that, it hides the failure.
    pub(crate) fn leaving(
        tier: Tier,
        reports: bool,
        depth: usize,
        explanation: String,
        edits: Edits,
    ) -> Self {
        let tier = if reports { tier } else { Tier::Mask };
        Self { tier, depth, explanation, masks: !reports, open: None, edits }
    }
}
