//! Repair rules for Go: each knows one kind of defect, the evidence that shows it, and the edits of the
//! syntax tree that mend it.
//!
//! A rule looks at one [`case::Case`]: the fault, its stack as frames of the repository, and the expressions
//! on the failing line that can raise the class. It proposes drafts; all drafts together are ranked by
//! what they do (mend the cause, ask before the failing expression, leave early, hide), by how far from
//! the failing statement they act, and by size. Rules know types as far as syntax tells them and never
//! decide alone: a candidate that does not compile, does not help or breaks a test is rejected later by
//! the ladder of proof. So a rule may propose what is likely, but never what is only harmless.
//!
//! Deliberately absent: hints from names of a particular program, edits of tests, generated or vendored
//! code, and any fix that swallows a panic with `recover`.

mod assertion;
mod case;
mod check;
mod divide;
mod edit;
mod exit;
mod flow;
mod http;
mod ignored_error;
mod import;
mod length;
mod literal;
mod logger;
mod lookup;
mod loop_bound;
mod missing_field;
mod nil_guard;
mod nil_map;
mod not_found;
mod slice_bounds;
mod suspect;

#[cfg(test)]
mod tests;

use crate::domain::{Class, Fault, FixCandidate, Provenance};
use crate::repository::Repository;
use case::{Case, Draft};

/// How many candidates are proposed at most: each costs a build.
const MAX_CANDIDATES: usize = 12;

/// Declares [`Rule`] with each member's stable name and explanation.
macro_rules! rules {
    ($($(#[doc = $doc:literal])+ $variant:ident = $name:literal, $module:ident, [$($class:ident),+];)+) => {
        /// A repair rule. Names are stable: they are part of the output contract.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Rule {
            $($(#[doc = $doc])+ $variant,)+
        }

        impl Rule {
            /// Every rule.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The stable name.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $name),+ }
            }

            /// One line that explains the rule.
            #[must_use]
            pub const fn explanation(self) -> &'static str {
                match self { $(Self::$variant => concat!($($doc),+).trim_ascii()),+ }
            }

            /// The classes of failure it can mend.
            #[must_use]
            pub const fn classes(self) -> &'static [Class] {
                match self { $(Self::$variant => &[$(Class::$class),+]),+ }
            }

            fn drafts(self, case: &Case<'_>) -> Vec<Draft> {
                match self { $(Self::$variant => $module::drafts(case)),+ }
            }
        }
    };
}

rules! {
    /// Makes a map where its owner is made, or before the first write.
    InitialiseMap = "initialise_map", nil_map, [NilMapWrite];
    /// Checks an error that was ignored, or checks it before the value is used.
    CheckError = "check_error", ignored_error, [NilDereference, NilMapWrite, IndexOutOfRange, SliceBounds];
    /// Gives a forgotten field its value where the struct is made.
    InitialiseField = "initialise_field", missing_field, [NilDereference];
    /// Asks whether a look-up found something before the result is used.
    CheckLookup = "check_lookup", lookup, [NilDereference];
    /// Asks whether a value is nil before it is used.
    GuardNil = "guard_nil", nil_guard, [NilDereference];
    /// Corrects the bound of a loop that runs one element too far.
    CorrectLoopBound = "correct_loop_bound", loop_bound, [IndexOutOfRange];
    /// Asks whether a search found its target before the position is used.
    CheckFound = "check_found", not_found, [IndexOutOfRange, SliceBounds];
    /// Asks for the length before an element is used.
    CheckLength = "check_length", length, [IndexOutOfRange];
    /// Asks for the length before a part is cut out.
    CheckBounds = "check_bounds", slice_bounds, [SliceBounds];
    /// Asks whether a divisor is zero.
    GuardDivisor = "guard_divisor", divide, [DivideByZero];
    /// Asks for a value's type before it is taken for granted.
    CheckAssertion = "check_assertion", assertion, [TypeAssertion];
}

/// What a draft does, best first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Tier {
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
}

/// Candidates for a fault, best first: what mends the cause comes before what guards the failing
/// statement, small before large; those that may hide the defect come last and say so.
#[must_use]
pub fn propose(fault: &Fault, repository: &Repository) -> Vec<FixCandidate> {
    let case = Case::new(fault, repository);
    let mut drafts: Vec<Draft> = Rule::ALL
        .iter()
        .filter(|rule| rule.classes().contains(&fault.class))
        .flat_map(|rule| rule.drafts(&case))
        .collect();
    drafts.sort_by_cached_key(|draft| (draft.masks, draft.tier, draft.depth, draft.edits.size()));
    let mut candidates: Vec<FixCandidate> = Vec::new();
    for draft in drafts {
        let Some(changes) = draft.edits.finish() else { continue };
        if candidates.iter().any(|known| known.changes == changes) {
            continue;
        }
        candidates.push(FixCandidate {
            provenance: Provenance::Rule { rule: draft.rule.as_str().to_owned() },
            explanation: draft.explanation,
            changes,
            masks: draft.masks,
        });
        if candidates.len() == MAX_CANDIDATES {
            break;
        }
    }
    candidates
}
