//! A check as a part of a condition: of the one that holds the failing expression, or of the branch that begins
//! with it.

use std::sync::Arc;

use tree_sitter::Node;

use super::Check;
use crate::generator::repair::edit::Edits;
use crate::generator::repair::loops::{past_condition, would_not_end};
use crate::generator::repair::scope::in_scope_before;
use crate::generator::repair::syntax::{
    is_error_return, is_listed, is_within, last_child, nodes_of, operator_of, shifted, statement_of,
    within_function,
};
use crate::repository::go::File;

/// What a condition does that was joined, once the failing value comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Joined {
    /// It passes over what it guards.
    GoesOn,
    /// It ends a loop.
    EndsLoop,
    /// It takes the way that leaves with an error.
    Reports,
    /// It gives an answer that nobody asked for: it is what is returned, or it passes over the way that
    /// leaves with an error. The crash becomes a wrong answer.
    Decides,
}

/// What becomes of a value that is asked for at a node, when the whole is true for the failing value or
/// false.
fn joined(file: &File, node: Node<'_>, holds: bool) -> Joined {
    let around = std::iter::successors(Some(node), Node::parent)
        .take_while(|node| !matches!(node.kind(), "statement_list" | "block" | "func_literal"))
        .find(|node| {
            matches!(node.kind(), "if_statement" | "for_statement" | "return_statement" | "expression_case")
        });
    let Some(around) = around else { return Joined::GoesOn };
    match around.kind() {
        "for_statement" => Joined::EndsLoop,
        "return_statement" => Joined::Decides,
        "if_statement" => {
            let (body, otherwise) =
                (around.child_by_field_name("consequence"), around.child_by_field_name("alternative"));
            let otherwise = otherwise.or_else(|| around.next_named_sibling());
            let (skipped, taken) = if holds { (otherwise, body) } else { (body, otherwise) };
            let answers = |way: Option<Node<'_>>| way.is_some_and(|way| answer(way).is_some());
            if taken.and_then(last_statement).is_some_and(|last| is_error_return(file, last)) {
                Joined::Reports
            } else if body.filter(|_| !holds).is_some_and(|body| leaves_with_error(file, body))
                || answers(taken) && (holds || answers(skipped))
            {
                Joined::Decides
            } else {
                Joined::GoesOn
            }
        }
        _ => Joined::GoesOn,
    }
}

/// The last statement of a block; a statement is its own.
fn last_statement(way: Node<'_>) -> Option<Node<'_>> {
    if way.kind() != "block" {
        return Some(way);
    }
    last_child(way.named_child(0).filter(|list| list.kind() == "statement_list")?)
}

/// The values that a way gives back, when it does nothing else: the condition before it chooses between
/// answers.
fn answer(way: Node<'_>) -> Option<Node<'_>> {
    let alone = way.kind() != "block" || way.named_child(0)?.named_child_count() == 1;
    let last = last_statement(way).filter(|last| alone && last.kind() == "return_statement")?;
    last.named_child(0)
}

/// Whether a way through a block leaves its function with an error.
fn leaves_with_error(file: &File, block: Node<'_>) -> bool {
    let function = file.enclosing_function(block);
    nodes_of(block, |node| node.kind() == "return_statement")
        .into_iter()
        .any(|leaving| file.enclosing_function(leaving) == function && is_error_return(file, leaving))
}

/// Whether what is joined makes the condition of an `if` hold which leads to nothing but an error: a value that is not
/// there takes that way, too.
fn leads_to_error(file: &File, joined: Node<'_>) -> bool {
    let mut node = joined;
    while let Some(parent) = node.parent() {
        let goes_up = parent.kind() == "parenthesized_expression"
            || matches!(operator_of(file, parent), Some("&&" | "||"));
        if !goes_up {
            let is_condition =
                parent.kind() == "if_statement" && parent.child_by_field_name("condition") == Some(node);
            let body = parent.child_by_field_name("consequence").filter(|_| is_condition);
            return body.and_then(only_statement).is_some_and(|only| is_error_return(file, only));
        }
        node = parent;
    }
    false
}

/// Whether an element is looked at because of what stands before it: `s[i] == '\\r' && s[i+1] == '\n'`.
pub(crate) fn looks_ahead(file: &File, at: Node<'_>) -> bool {
    let position = |node: Node<'_>| {
        let index = node.child_by_field_name("index").filter(|_| node.kind() == "index_expression")?;
        let (variable, shift) = match file.text_of(index).parse::<i64>() {
            Ok(constant) => ("", constant),
            Err(_) => shifted(file, index).map(|(variable, shift)| (file.text_of(variable), shift))?,
        };
        Some((file.text_of(node.child_by_field_name("operand")?), variable, shift))
    };
    let Some((list, variable, shift)) = position(at) else { return false };
    let is_before = |node: Node<'_>| {
        position(node).is_some_and(|(other, of, before)| (other, of) == (list, variable) && before < shift)
    };
    let conjunctions = within_function(at)
        .take_while(|node| !is_listed(*node))
        .filter(|node| operator_of(file, *node) == Some("&&"))
        .filter_map(|node| node.child_by_field_name("left"))
        .filter(|left| !is_within(at, *left));
    conjunctions.into_iter().any(|left| !nodes_of(left, is_before).is_empty())
}

/// The only statement of a block.
pub(super) fn only_statement(body: Node<'_>) -> Option<Node<'_>> {
    let list = body.named_child(0).filter(|list| list.kind() == "statement_list")?;
    last_statement(body).filter(|_| list.named_child_count() == 1)
}

/// Joins the check to the boolean expression that holds the failing one, where there is such an
/// expression: the condition of an `if` or a loop, an operand of `&&`, a returned comparison. What is
/// asked to be *unequal* holds of a value that is not there: it is joined by `||`, but for loops, which
/// must end; and so it is where the condition leads to nothing but an error, unless it looks ahead. Nothing is joined
/// that would keep the failing value from the only way out of a loop.
pub(super) fn condition(file: &Arc<File>, check: &Check<'_>) -> Option<(Edits, Joined)> {
    if check.good.is_empty() {
        return None;
    }
    let mut node = check.at;
    let mut negated = false;
    let parent = loop {
        let parent = node.parent()?;
        let is_operand = matches!(operator_of(file, parent), Some("&&" | "||"));
        let is_condition = matches!(parent.kind(), "if_statement" | "for_clause")
            && parent.child_by_field_name("condition") == Some(node);
        let is_while = parent.kind() == "for_statement"
            && parent.child_by_field_name("body") != Some(node)
            && !matches!(node.kind(), "for_clause" | "range_clause");
        let is_value = is_comparison(file, node) && is_value_place(parent);
        if is_operand || is_condition || is_while || is_value {
            negated |= operator_of(file, node) == Some("!=");
            break parent;
        }
        if matches!(parent.kind(), "statement_list" | "block" | "func_literal") {
            return None;
        }
        negated |= operator_of(file, parent) == Some("!") || operator_of(file, node) == Some("!=");
        node = parent;
    };
    let in_loop_header = std::iter::successors(Some(parent), Node::parent)
        .take_while(|node| node.kind() != "statement_list")
        .any(|node| matches!(node.kind(), "for_clause" | "for_statement"));
    let inner = file.text_of(node);
    let fails = leads_to_error(file, node) && !looks_ahead(file, check.at);
    let holds = (negated || fails) && !in_loop_header;
    if holds && fails_within(file, check, parent) {
        return None;
    }
    if would_not_end(file, parent, &past_condition(file, parent, holds)) {
        return None;
    }
    let text = if holds {
        let joined = format!("{} || {inner}", check.bad);
        if operator_of(file, parent) == Some("&&") { format!("({joined})") } else { joined }
    } else if operator_of(file, node) == Some("||") {
        format!("{} && ({inner})", check.good)
    } else {
        format!("{} && {inner}", check.good)
    };
    let mut edits = Edits::default();
    edits.replace(file, node.byte_range(), text);
    Some((edits, joined(file, parent, holds)))
}

/// Where the failing statement is the first of a branch, and there is another one: the condition of the branch
/// asks for it too, so that the other is taken; whether that one gives an answer.
pub(super) fn other_branch(file: &Arc<File>, check: &Check<'_>) -> Option<(Edits, bool)> {
    if check.good.is_empty() {
        return None;
    }
    let statement = statement_of(check.at)?;
    let list = statement.parent().filter(|list| list.named_child(0) == Some(statement))?;
    let branch = list.parent().filter(|branch| branch.kind() == "block")?;
    let around = branch.parent().filter(|around| {
        around.kind() == "if_statement" && around.child_by_field_name("consequence") == Some(branch)
    })?;
    let other = around.child_by_field_name("alternative")?;
    let condition = around.child_by_field_name("condition")?;
    in_scope_before(file, check.subject, around).then_some(())?;
    in_scope_before(file, check.at, around).then_some(())?;
    let mut edits = Edits::default();
    edits.replace(file, condition.byte_range(), conjoined(file, condition, &check.good));
    // One that answers would answer in the place of the failing one.
    let answers = !nodes_of(other, |node| node.kind() == "return_statement").is_empty();
    Some((edits, answers))
}

/// A condition that asks for something more.
pub(super) fn conjoined(file: &File, condition: Node<'_>, good: &str) -> String {
    let asked = file.text_of(condition);
    match operator_of(file, condition) {
        Some("||") => format!("({asked}) && {good}"),
        _ => format!("{asked} && {good}"),
    }
}

/// Whether the way that is taken once the check holds does what fails: it would be reached for the first time.
fn fails_within(file: &File, check: &Check<'_>, condition: Node<'_>) -> bool {
    let around = std::iter::successors(Some(condition), Node::parent)
        .take_while(|node| !matches!(node.kind(), "statement_list" | "block" | "func_literal"))
        .find(|node| node.kind() == "if_statement");
    let Some(taken) = around.and_then(|around| around.child_by_field_name("consequence")) else {
        return false;
    };
    let is_nil = check.bad.ends_with("== nil");
    let (failing, subject) = (file.text_of(check.at), file.text_of(check.subject));
    let fails = |node: Node<'_>| {
        let operand = node.child_by_field_name("operand").map(|operand| file.text_of(operand));
        file.text_of(node) == failing || is_nil && operand == Some(subject)
    };
    !nodes_of(taken, fails).is_empty()
}

fn is_comparison(file: &File, node: Node<'_>) -> bool {
    node.kind() == "binary_expression"
        && operator_of(file, node)
            .is_some_and(|operator| matches!(operator, "==" | "!=" | "<" | "<=" | ">" | ">="))
}

/// Whether a boolean that stands there is a value: returned, assigned.
fn is_value_place(parent: Node<'_>) -> bool {
    let statement = if parent.kind() == "expression_list" { parent.parent() } else { Some(parent) };
    statement.is_some_and(|statement| {
        matches!(statement.kind(), "return_statement" | "assignment_statement" | "short_var_declaration")
    })
}
