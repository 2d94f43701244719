//! A nil value whose origin does not tell how it should have come to be.
//!
//! Evidence: an expression on the failing line that is dereferenced and can be nil. Edits, in order: a
//! comparison in the condition that uses it; an early exit which reports, at its twins too; for a callback that nobody
//! set, a call only when it is set; what may be left out of a sum is left out; what a call gives gets a name first. Any other plain statement
//! is at last wrapped in a comparison, which may hide the defect. What a method was called on is asked for where
//! it was called. What was just made is asked for last.

use std::sync::Arc;

use tree_sitter::Node;

use crate::generator::repair::case::Case;
use crate::generator::repair::check::Check;
use crate::generator::repair::draft::{Draft, Tier};
use crate::generator::repair::edit::{Edits, indent_of, is_repairable};
use crate::generator::repair::exit::{Blame, Failure};
use crate::generator::repair::flow::from_request;
use crate::generator::repair::meant::{is_cleared_at_end, is_optional};
use crate::generator::repair::naming::{is_telling, phrase, words};
use crate::generator::repair::scope::{fresh, in_scope_before};
use crate::generator::repair::suspect::{Suspect, suspects};
use crate::generator::repair::syntax::{
    called_name, lines, may_be_called_before, nodes_of, noun, statement_of,
};
use crate::generator::repair::twins::twins;
use crate::repository::go::{File, Shape};

pub(super) fn drafts(case: &Case<'_>) -> Vec<Draft> {
    let mut drafts = Vec::new();
    let suspects = suspects(case);
    let followed = suspects.iter().any(|suspect| suspect.depth == 1 && suspect.receiver);
    for suspect in suspects {
        let Suspect { depth, file, node, made, .. } = suspect;
        // What a method was called on is asked for where it was called.
        if depth > usize::from(suspect.receiver) {
            continue;
        }
        let unlikely = made || depth == 0 && followed && suspect.receiver;
        if !is_repairable(file) {
            continue;
        }
        if !nodes_of(node, |node| node.kind() == "call_expression").is_empty() {
            drafts.extend(named(case, suspect));
            continue;
        }
        let owned = case.field_at(file, node);
        let closed =
            owned.as_ref().filter(|(owner, field)| is_cleared_at_end(case, owner, &field.name)).is_some();
        let meant =
            !closed && owned.as_ref().is_some_and(|(owner, field)| is_optional(case, owner, &field.name));
        let first = drafts.len();
        drafts.extend(wrap(case, suspect));
        let failure = owned.filter(|_| closed).map(|(owner, _)| Failure::closed(&owner.name));
        let checks = case.check(&check(case, file, depth, node, failure));
        drafts.extend(with_twins(case, suspect, &checks));
        drafts.extend(checks);
        for draft in drafts.iter_mut().skip(first) {
            if unlikely {
                draft.tier = Tier::Unlikely;
            }
            // Where nil is meant, an error is not what is.
            draft.masks |= draft.tier == Tier::Check && meant;
        }
    }
    drafts
}

/// `f(x).M()`: what the call gives gets a name, so that it can be asked for.
fn named(case: &Case<'_>, suspect: Suspect<'_>) -> Option<Draft> {
    let Suspect { depth, file, node, .. } = suspect;
    let statement = statement_of(node).filter(|_| node.kind() == "call_expression" && depth == 0)?;
    (may_be_called_before(file, node, statement) && in_scope_before(file, node, statement)).then_some(())?;
    let called = called_name(file, node);
    let noun = words(called.strip_prefix("Get").unwrap_or(called)).pop().unwrap_or_default();
    let wishes = if is_telling(&noun) { vec![noun.as_str(), "value"] } else { vec!["value", "found"] };
    let name = fresh(file, statement, &wishes)?;
    let mut failure =
        Failure::new(Blame::Malformed, format!("missing {}", phrase(&name))).about(name.clone());
    failure.requested = from_request(file, node);
    let mut edits = Edits::default();
    let exit = case.leave(&mut edits, file, node, &failure);
    let mut lines = vec![format!("{name} := {}", file.text_of(node))];
    lines.extend(exit.guarded(&format!("{name} == nil")));
    edits.insert_before(file, statement, &lines)?;
    edits.replace(file, node.byte_range(), name);
    let explanation = format!(
        "`{}` may be nil: what is called for gets a name, and is checked before it is used.",
        file.text_of(node)
    );
    // Whoever reflects means to work on whatever comes.
    let open = (called == "TypeOf").then(|| {
        "whether nil is to be refused, or worked on like other values, nothing here tells".to_owned()
    });
    Some(Draft { open, ..Draft::leaving(Tier::Check, exit.reports, depth, explanation, edits) })
}

/// Asks whether a value is nil where it is used.
pub(super) fn check<'c>(
    case: &Case<'_>,
    file: &'c Arc<File>,
    depth: usize,
    node: Node<'c>,
    failure: Option<Failure>,
) -> Check<'c> {
    let text = file.text_of(node);
    let mut name = noun(file, node);
    if !is_telling(&name)
        && let Some(ty) = case.resolver.type_of(file, node)
        && let Some(declared) = case.resolver.type_decl(&ty)
    {
        name = declared.name;
    }
    let missing = || Failure::new(Blame::Malformed, format!("missing {}", phrase(&name))).about(name.clone());
    Check {
        depth,
        at: node,
        bad: format!("{text} == nil"),
        good: format!("{text} != nil"),
        subject: node,
        failure: failure.unwrap_or_else(missing),
        explanation: explanation(text),
    }
}

fn explanation(text: &str) -> String {
    format!("`{text}` may be nil: it is checked before it is used.")
}

/// The checks of a value, made as well where others use such a value in the same way. A place whose check may hide
/// the defect joins only those that may, too.
fn with_twins(case: &Case<'_>, suspect: Suspect<'_>, checks: &[Draft]) -> Vec<Draft> {
    let Suspect { file, node, depth, .. } = suspect;
    if depth > 0 {
        return Vec::new();
    }
    let twins = twins(case, file, node);
    let join = |draft: &Draft| {
        let mut joined = Draft {
            edits: draft.edits.clone(),
            explanation: draft.explanation.clone(),
            open: draft.open.clone(),
            ..*draft
        };
        let mut places = Vec::new();
        for twin in &twins {
            let there = case.elsewhere(file, *twin);
            let checks = there.check(&check(&there, file, 0, *twin, None)).into_iter();
            let best = checks.min_by_key(|other| (other.masks, other.tier));
            if let Some(best) = best.filter(|best| draft.masks || !best.masks) {
                joined.edits.join(best.edits);
                places.push(format!("`{}` (line {})", file.text_of(*twin), lines(*twin).start()));
            }
        }
        joined.explanation.push_str(&format!(" The same holds for {}.", places.join(", ")));
        (!places.is_empty()).then_some(joined)
    };
    checks.iter().filter(|draft| draft.depth == depth).filter_map(join).collect()
}

/// `if x != nil { statement }` around a statement that declares nothing.
fn wrap(case: &Case<'_>, suspect: Suspect<'_>) -> Option<Draft> {
    let Suspect { depth, file, node, .. } = suspect;
    let statement = statement_of(node)?;
    if !matches!(statement.kind(), "expression_statement" | "assignment_statement" | "inc_statement") {
        return None;
    }
    let indent = indent_of(file, statement).filter(|_| !file.text_of(statement).contains('`'))?;
    let body = file.text_of(statement).replace('\n', "\n\t");
    let mut edits = Edits::default();
    let text = format!("if {} != nil {{\n{indent}\t{body}\n{indent}}}", file.text_of(node));
    edits.replace(file, statement.byte_range(), text);
    // A callback that may be left out is meant to be called only when it is there.
    let callback = is_callback(case, file, node);
    // A part that may be left out adds nothing to a sum.
    let adds = statement.child_by_field_name("operator").is_some_and(|operator| {
        matches!(file.text_of(operator), "+=" | "-=") && node.kind() == "selector_expression"
    });
    Some(Draft {
        open: None,
        tier: if adds || callback { Tier::Condition } else { Tier::Guard },
        depth,
        explanation: explanation(file.text_of(node)),
        masks: !callback && !adds,
        edits,
    })
}

/// Whether a value is a function that is called for its own sake.
pub(super) fn is_callback(case: &Case<'_>, file: &Arc<File>, node: Node<'_>) -> bool {
    let ty = case.resolver.type_of(file, node);
    ty.is_some_and(|ty| case.resolver.underlying(&ty).shape() == Shape::Function)
        && statement_of(node).is_some_and(|statement| is_call_statement(statement, node))
}

fn is_call_statement(statement: Node<'_>, function: Node<'_>) -> bool {
    statement.kind() == "expression_statement"
        && statement.named_child(0).and_then(|call| call.child_by_field_name("function")) == Some(function)
}
