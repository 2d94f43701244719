//! A loop that runs one element too far.
//!
//! Evidence: the index is the variable of an enclosing loop. `i <= len(x)` becomes `i < len(x)`; a loop
//! downwards that starts at `len(x)` starts at `len(x)-1`; a loop that uses `x[i+1]` ends one earlier,
//! one that uses `x[i-1]` begins one later.
//!
//! Risk: the body may have to run for the last element too, with another meaning of its neighbour.

use std::sync::Arc;

use tree_sitter::Node;

use crate::generator::repair::case::Case;
use crate::generator::repair::draft::{Draft, Tier};
use crate::generator::repair::edit::{Edits, is_repairable};
use crate::generator::repair::flow::origin;
use crate::generator::repair::syntax::{is_within, operator_of, shifted};
use crate::repository::go::{Binding, File};

pub(super) fn drafts(case: &Case<'_>) -> Vec<Draft> {
    let Some(file) = case.file(0).filter(|file| is_repairable(file)) else { return Vec::new() };
    case.raisers(0, |_, node| node.kind() == "index_expression")
        .into_iter()
        .filter_map(|raiser| bound(file, raiser))
        .collect()
}

fn draft(tier: Tier, explanation: &str, edits: Edits) -> Draft {
    Draft { tier, depth: 0, explanation: explanation.to_owned(), masks: false, open: None, edits }
}

fn bound(file: &Arc<File>, raiser: Node<'_>) -> Option<Draft> {
    let operand = file.text_of(raiser.child_by_field_name("operand")?);
    let (variable, shift) = shifted(file, raiser.child_by_field_name("index")?)?;
    let name = file.text_of(variable);
    let Binding::Short { statement, .. } = file.binding(variable, name)? else { return None };
    let clause = statement.parent().filter(|parent| parent.kind() == "for_clause")?;
    if is_within(raiser, clause) {
        return None;
    }
    let condition = clause.child_by_field_name("condition")?;
    let length = format!("len({operand})");
    let mut edits = Edits::default();
    let (left, right) = (condition.child_by_field_name("left")?, condition.child_by_field_name("right")?);
    let operator = operator_of(file, condition)?;
    let counts_up = file.text_of(left) == name;
    if counts_up && operator == "<=" && shift == 0 {
        // `i <= len(x)-1` is right; any other bound is one too far when it is the length.
        let over = is_length(file, right, &length);
        let sign = condition.child_by_field_name("operator")?;
        edits.replace(file, sign.byte_range(), "<");
        let tier = if over { Tier::Cause } else { Tier::Guard };
        return (!file.text_of(right).ends_with("-1") && !file.text_of(right).ends_with("- 1")).then(|| {
            draft(tier, "The loop runs one element too far: its bound excludes the length.", edits)
        });
    }
    if counts_up && operator == "<" && shift > 0 && is_length(file, right, &length) {
        edits.replace(file, right.byte_range(), format!("{}-{shift}", file.text_of(right)));
        return Some(draft(
            Tier::Check,
            "The loop looks at the element after the current one: it ends before there is none.",
            edits,
        ));
    }
    let start = statement.child_by_field_name("right")?;
    if counts_up && shift < 0 && file.text_of(start) == "0" {
        edits.replace(file, start.byte_range(), (-shift).to_string());
        return Some(draft(
            Tier::Check,
            "The loop looks at the element before the current one: it begins where there is one.",
            edits,
        ));
    }
    if matches!(operator, ">=" | ">") && shift == 0 && file.text_of(start) == length {
        edits.replace(file, start.byte_range(), format!("{length} - 1"));
        return Some(draft(
            Tier::Cause,
            "The loop downwards began behind the last element: it begins at it.",
            edits,
        ));
    }
    None
}

/// Whether an expression is the length itself, or a variable that was given it.
fn is_length(file: &File, node: Node<'_>, length: &str) -> bool {
    if file.text_of(node) == length {
        return true;
    }
    node.kind() == "identifier"
        && origin(file, node).is_some_and(|origin| file.text_of(origin.value) == length)
}
