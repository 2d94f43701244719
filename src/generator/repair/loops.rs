//! Whether loops still end once a check sends a value past a part of them.

use std::ops::Range;

use tree_sitter::Node;

use super::syntax::{called_name, ends_program, nodes_of, within_function};
use crate::repository::go::File;

/// Whether one of the loops around a node has no way to its end left, once all that stands in the ranges is
/// passed over. A loop that had none before is meant to go on for ever.
pub(crate) fn would_not_end(file: &File, at: Node<'_>, passed: &[Range<usize>]) -> bool {
    let is_passed = |node: &Node<'_>| {
        passed.iter().any(|range| range.start <= node.start_byte() && node.end_byte() <= range.end)
    };
    loops_around(at).any(|around| {
        let ways = ways_out(file, around).unwrap_or_default();
        !ways.is_empty() && ways.iter().all(is_passed)
    })
}

/// What `continue` passes over when it is put before the statement: all that is left of the loop's body.
pub(crate) fn rest_of_body(statement: Node<'_>) -> Vec<Range<usize>> {
    loops_around(statement)
        .next()
        .map(|around| statement.start_byte()..around.end_byte())
        .into_iter()
        .collect()
}

/// What is passed over when a condition at a node always holds, or never does.
pub(crate) fn past_condition(file: &File, node: Node<'_>, holds: bool) -> Vec<Range<usize>> {
    let decides = std::iter::successors(Some(node), Node::parent).find(|node| {
        matches!(
            node.kind(),
            "if_statement"
                | "for_statement"
                | "expression_case"
                | "assignment_statement"
                | "short_var_declaration"
                | "statement_list"
        )
    });
    let Some(decides) = decides else { return Vec::new() };
    match decides.kind() {
        "if_statement" => past_if(decides, holds),
        "for_statement" => {
            decides.child_by_field_name("body").map(|body| body.byte_range()).into_iter().collect()
        }
        "expression_case" if !holds => vec![decides.byte_range()],
        "assignment_statement" | "short_var_declaration" => past_value(file, decides),
        _ => Vec::new(),
    }
}

fn past_if(statement: Node<'_>, holds: bool) -> Vec<Range<usize>> {
    let (body, otherwise) =
        (statement.child_by_field_name("consequence"), statement.child_by_field_name("alternative"));
    let (passed, taken) = if holds { (otherwise, body) } else { (body, otherwise) };
    let goes_on = taken.is_some_and(|taken| {
        nodes_of(taken, |node| node.kind() == "continue_statement")
            .last()
            .is_some_and(|last| last.parent().and_then(|list| list.parent()) == Some(taken))
    });
    let rest = loops_around(statement).next().filter(|_| goes_on);
    let rest = rest.map(|around| statement.end_byte()..around.end_byte());
    passed.map(|way| way.byte_range()).into_iter().chain(rest).collect()
}

/// A value that is kept decides where it is asked for.
fn past_value(file: &File, statement: Node<'_>) -> Vec<Range<usize>> {
    let (Some(around), Some(left)) = (loops_around(statement).next(), statement.child_by_field_name("left"))
    else {
        return Vec::new();
    };
    let names = identifiers(file, left);
    let asks = nodes_of(around, |node| {
        node.kind() == "if_statement"
            && node
                .child_by_field_name("condition")
                .is_some_and(|condition| identifiers(file, condition).iter().any(|name| names.contains(name)))
    });
    asks.into_iter().chain([statement]).map(|node| node.byte_range()).collect()
}

/// The loops of its function in whose body a node stands, innermost first.
fn loops_around(at: Node<'_>) -> impl Iterator<Item = Node<'_>> {
    within_function(at).filter(move |node| {
        let body = node.child_by_field_name("body").filter(|_| node.kind() == "for_statement");
        body.is_some_and(|body| body.start_byte() <= at.start_byte() && at.end_byte() <= body.end_byte())
    })
}

/// Every statement that leaves a loop, or changes what its condition asks; none where it ends by itself:
/// over a range, or by a condition that more than the loop has a part in.
fn ways_out<'t>(file: &'t File, around: Node<'t>) -> Option<Vec<Node<'t>>> {
    let names = match header(around)? {
        Some(condition) if file.text_of(condition) != "true" => plain_names(file, condition)?,
        _ => Vec::new(),
    };
    Some(nodes_of(around, |node| leaves(file, node, around) || changes(file, node, &names)))
}

/// The condition of a loop, where it has one; no header where it goes over a range.
#[expect(clippy::option_option, reason = "a loop with no condition is not a loop over a range")]
fn header(around: Node<'_>) -> Option<Option<Node<'_>>> {
    let body = around.child_by_field_name("body");
    let mut cursor = around.walk();
    let head =
        around.named_children(&mut cursor).find(|child| Some(*child) != body && child.kind() != "comment");
    match head {
        Some(head) if head.kind() == "range_clause" => None,
        Some(head) if head.kind() == "for_clause" => Some(head.child_by_field_name("condition")),
        head => Some(head),
    }
}

/// The variables of a condition that nothing but assignments to them can change.
fn plain_names<'f>(file: &'f File, condition: Node<'_>) -> Option<Vec<&'f str>> {
    let others = nodes_of(condition, |node| match node.kind() {
        "call_expression" => !matches!(called_name(file, node), "len" | "cap"),
        "unary_expression" => file.text_of(node).starts_with(['<', '*']),
        "selector_expression" | "index_expression" | "func_literal" => true,
        _ => false,
    });
    others.is_empty().then(|| identifiers(file, condition))
}

/// The names of the variables in an expression.
pub(crate) fn identifiers<'f>(file: &'f File, node: Node<'_>) -> Vec<&'f str> {
    nodes_of(node, |node| node.kind() == "identifier").into_iter().map(|node| file.text_of(node)).collect()
}

/// Whether a statement changes one of the variables, or hands its address on.
pub(crate) fn changes(file: &File, node: Node<'_>, names: &[&str]) -> bool {
    let target = match node.kind() {
        "assignment_statement" | "range_clause" | "receive_statement" => node.child_by_field_name("left"),
        "inc_statement" | "dec_statement" => node.named_child(0),
        "unary_expression" if file.text_of(node).starts_with('&') => node.child_by_field_name("operand"),
        _ => None,
    };
    target.is_some_and(|target| identifiers(file, target).iter().any(|name| names.contains(name)))
}

/// Whether a statement leaves a loop, or ends the program.
fn leaves(file: &File, node: Node<'_>, around: Node<'_>) -> bool {
    let own = || file.enclosing_function(node) == file.enclosing_function(around);
    match node.kind() {
        "return_statement" | "goto_statement" => own(),
        "break_statement" => match label(file, node) {
            Some(label) => labels(file, around).any(|known| known == label),
            None => broken_off(node) == Some(around),
        },
        "continue_statement" => label(file, node).is_some_and(|label| {
            labels(file, around).any(|known| known == label) && own_label(file, around) != Some(label)
        }),
        "call_expression" => ends_program(file, node) && own(),
        _ => false,
    }
}

/// What a plain `break` breaks off.
fn broken_off(node: Node<'_>) -> Option<Node<'_>> {
    std::iter::successors(node.parent(), Node::parent).find(|node| {
        matches!(
            node.kind(),
            "for_statement" | "expression_switch_statement" | "type_switch_statement" | "select_statement"
        )
    })
}

fn label<'f>(file: &'f File, statement: Node<'_>) -> Option<&'f str> {
    statement.named_child(0).filter(|child| child.kind() == "label_name").map(|child| file.text_of(child))
}

/// The labels of a loop and of what it stands in.
fn labels<'f>(file: &'f File, around: Node<'_>) -> impl Iterator<Item = &'f str> {
    std::iter::successors(around.parent(), Node::parent)
        .filter(|node| node.kind() == "labeled_statement")
        .filter_map(|node| label(file, node))
}

fn own_label<'f>(file: &'f File, around: Node<'_>) -> Option<&'f str> {
    around.parent().filter(|node| node.kind() == "labeled_statement").and_then(|node| label(file, node))
}
