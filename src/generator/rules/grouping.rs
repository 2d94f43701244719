//! A condition whose `&&` does not reach as far as it was meant to.
//!
//! Evidence: `A && B || C`, where `A` asks for what the failing expression needs (for the length of what is indexed or
//! cut, for nil of what is followed), and what fails stands in `C`, or in the branch that the whole leads to. `&&` binds
//! stronger than `||`: `A` guards `B` alone. Edit: parentheses around `B || C`.
//!
//! Risk: `C` may have been meant to lead there without `A`; then it is what follows that needs a check.

use std::sync::Arc;

use tree_sitter::Node;

use crate::generator::repair::case::Case;
use crate::generator::repair::draft::Draft;
use crate::generator::repair::edit::{Edits, is_repairable};
use crate::generator::repair::suspect::Needed;
use crate::generator::repair::syntax::{is_within, operands, operator_of, within_function};
use crate::repository::go::File;

pub(super) fn drafts(case: &Case<'_>) -> Vec<Draft> {
    let Some(file) = case.file(0).filter(|file| is_repairable(file)) else { return Vec::new() };
    let raisers = case.raisers(0, |file, node| Needed::by(case, file, node).is_some());
    raisers
        .into_iter()
        .filter_map(|raiser| {
            // What a condition speaks of that guards it.
            let needed = match Needed::by(case, file, raiser)? {
                Needed::Elements(list) => format!("len({list})"),
                Needed::Value(value) => format!("{value} != nil"),
            };
            let conditions = within_function(raiser).filter_map(|node| condition_over(file, node));
            conditions.into_iter().find_map(|condition| grouped(file, condition, raiser, &needed))
        })
        .collect()
}

/// The alternatives that a node is one of, or which lead to it.
fn condition_over<'t>(file: &File, node: Node<'t>) -> Option<Node<'t>> {
    let parent = node.parent()?;
    if operator_of(file, node) == Some("||") {
        return (operator_of(file, parent) != Some("||")).then_some(node);
    }
    let leads = parent.kind() == "if_statement" && parent.child_by_field_name("consequence") == Some(node);
    let condition = parent.child_by_field_name("condition").filter(|_| leads)?;
    (operator_of(file, condition) == Some("||")).then_some(condition)
}

/// The same condition with the guard before all that needs it.
fn grouped(file: &Arc<File>, condition: Node<'_>, raiser: Node<'_>, needed: &str) -> Option<Draft> {
    let alternatives = operands(file, condition, "||");
    let asks = |node: &Node<'_>| file.text_of(*node).contains(needed);
    let guarded = alternatives.iter().position(|alternative| {
        let parts = operands(file, *alternative, "&&");
        parts.len() > 1 && asks(&parts[0]) && !is_within(raiser, *alternative)
    })?;
    let later = alternatives.get(guarded + 1..).filter(|later| !later.is_empty())?;
    let is_before = alternatives[..guarded].iter().any(|alternative| is_within(raiser, *alternative));
    // One that asks on its own is meant to stand on its own.
    if is_before || later.iter().any(asks) {
        return None;
    }
    let parts = operands(file, alternatives[guarded], "&&");
    let group = parts[1].start_byte()..condition.end_byte();
    let text = format!("({})", file.text.get(group.clone())?);
    let mut edits = Edits::default();
    edits.replace(file, group, text);
    let explanation = format!(
        "`&&` binds stronger than `||`: `{}` did not guard `{}`. Parentheses make it guard both.",
        file.text_of(parts[0]),
        file.text_of(later[0]),
    );
    Some(Draft::cause(0, explanation, edits))
}
