//! A condition that goes on where it should have stopped.
//!
//! Evidence: `A && B` where `A` says that what `B` needs is not there (`x == nil && x.f`, `len(x) == 0 && x[0]`), or
//! `A || B` where `A` says that it is: `B` is looked at just where it cannot be. Edit: the other operator.
//!
//! Risk: the comparison may be what is wrong, and not the operator.

use std::sync::Arc;

use tree_sitter::Node;

use crate::generator::repair::case::Case;
use crate::generator::repair::draft::Draft;
use crate::generator::repair::edit::{Edits, is_repairable};
use crate::generator::repair::suspect::Needed;
use crate::generator::repair::syntax::{operator_of, within_function};
use crate::repository::go::File;

pub(super) fn drafts(case: &Case<'_>) -> Vec<Draft> {
    let Some(file) = case.file(0).filter(|file| is_repairable(file)) else { return Vec::new() };
    let raisers = case.raisers(0, |file, node| Needed::by(case, file, node).is_some());
    let corrected = |raiser| {
        let needed = Needed::by(case, file, raiser)?;
        within_function(raiser).find_map(|node| corrected(file, node, &needed))
    };
    raisers.into_iter().filter_map(corrected).collect()
}

/// The other operator, where a node is what is looked at behind the wrong one.
fn corrected(file: &Arc<File>, node: Node<'_>, needed: &Needed<'_>) -> Option<Draft> {
    let both = node.parent().filter(|both| both.child_by_field_name("right") == Some(node))?;
    let operator = operator_of(file, both)?;
    let left = both.child_by_field_name("left")?;
    let is_part = both.parent().is_some_and(|parent| matches!(operator_of(file, parent), Some("&&" | "||")));
    let other = match operator {
        "&&" if says(file, left, needed) == Some(false) => "||",
        "||" if says(file, left, needed) == Some(true) => "&&",
        _ => return None,
    };
    // In a longer chain the other operator would bind otherwise.
    if is_part || matches!(operator_of(file, node), Some("&&" | "||")) {
        return None;
    }
    let mut edits = Edits::default();
    edits.replace(file, both.child_by_field_name("operator")?.byte_range(), other);
    let explanation = format!(
        "Behind `{} {operator}`, `{}` is looked at only where it cannot be: `{other}` was meant.",
        file.text_of(left),
        file.text_of(node)
    );
    Some(Draft::cause(0, explanation, edits))
}

/// Whether a comparison says that what is needed is there, or that it is not.
fn says(file: &File, comparison: Node<'_>, needed: &Needed<'_>) -> Option<bool> {
    let operator = operator_of(file, comparison)?;
    let (left, right) = (comparison.child_by_field_name("left")?, comparison.child_by_field_name("right")?);
    let (left, right) = (file.text_of(left), file.text_of(right));
    match needed {
        Needed::Value(value) => (left == *value && right == "nil").then_some(())?,
        Needed::Elements(list) => (left == format!("len({list})")).then_some(())?,
    }
    match (needed, operator) {
        (Needed::Value(_), "!=") | (Needed::Elements(_), ">" | ">=") => Some(true),
        (Needed::Value(_), "==") | (Needed::Elements(_), "<" | "<=") => Some(false),
        (Needed::Elements(_), "!=") if right == "0" => Some(true),
        (Needed::Elements(_), "==") if right == "0" => Some(false),
        _ => None,
    }
}
