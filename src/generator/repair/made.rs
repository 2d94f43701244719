//! What was made is not nil: a literal, its address, what `new` and `make` give, and what a function gives
//! back that never returns anything else.

use std::sync::Arc;

use tree_sitter::Node;

use super::case::Case;
use super::flow::origin;
use super::syntax::{asks_for, called_name, leaves, nodes_of, operator_of};
use crate::repository::go::{Callee, File};

/// How many variables and calls are followed.
const MAX_STEPS: usize = 4;

/// Whether an expression is a variable of its function which holds what was made for it, and nothing else:
/// when its line meets nil, that is something in it.
pub(crate) fn was_made(case: &Case<'_>, file: &Arc<File>, node: Node<'_>) -> bool {
    node.kind() == "identifier" && is_made(case, file, node, MAX_STEPS)
}

/// Whether an expression can only be what was made for it.
fn is_made(case: &Case<'_>, file: &Arc<File>, value: Node<'_>, steps: usize) -> bool {
    let Some(steps) = steps.checked_sub(1) else { return false };
    match value.kind() {
        "composite_literal" | "func_literal" => true,
        "unary_expression" => operator_of(file, value) == Some("&"),
        "call_expression" => is_made_by_call(case, file, value, 0, false, steps),
        "identifier" => {
            let Some(origin) = origin(file, value).filter(|_| !is_set_again(file, value)) else {
                return false;
            };
            if origin.value.kind() != "call_expression" {
                return is_made(case, file, origin.value, steps);
            }
            let failed = origin.statement.child_by_field_name("left").and_then(|names| {
                let last = u32::try_from(names.named_child_count().checked_sub(1)?).ok()?;
                names.named_child(last).filter(|_| last > 0)
            });
            let heeded = failed.is_none_or(|error| is_heeded(file, origin.statement, error, value));
            heeded && is_made_by_call(case, file, origin.value, origin.position, failed.is_some(), steps)
        }
        _ => false,
    }
}

/// Whether a call can only give what it made, as its result of a position. `heeded` tells that it has an
/// error which the caller does not pass over.
fn is_made_by_call(
    case: &Case<'_>,
    file: &Arc<File>,
    call: Node<'_>,
    position: usize,
    heeded: bool,
    steps: usize,
) -> bool {
    let name = called_name(file, call);
    match case.callee(file, call) {
        Some(callee) => gives_made(case, &callee, position, heeded && callee.function.returns_error(), steps),
        None => {
            let function = call.child_by_field_name("function");
            let built_in = function.is_some_and(|function| function.kind() == "identifier");
            // Of other modules only the name tells.
            (built_in && matches!(name, "new" | "make"))
                || (!built_in && position == 0 && name.starts_with("New"))
        }
    }
}

/// Whether a function returns at a position nothing but what it made; `with_error` leaves out where it fails.
fn gives_made(case: &Case<'_>, callee: &Callee, position: usize, with_error: bool, steps: usize) -> bool {
    let Callee { file, function } = callee;
    let Some(declaration) = file.node_at(function.range.clone()) else { return false };
    let is_own = |node: Node<'_>| file.enclosing_function(node) == Some(declaration);
    let returns = nodes_of(declaration, |node| node.kind() == "return_statement" && is_own(node));
    let gives = |statement: &Node<'_>| {
        let list = statement.named_child(0).filter(|list| list.named_child_count() == function.results.len());
        list.is_some_and(|list| {
            let error = child(list, function.results.len() - 1);
            let fails = with_error && error.is_some_and(|error| file.text_of(error) != "nil");
            fails || child(list, position).is_some_and(|value| is_made(case, file, value, steps))
        })
    };
    !returns.is_empty() && returns.iter().all(gives)
}

fn child(list: Node<'_>, position: usize) -> Option<Node<'_>> {
    list.named_child(u32::try_from(position).ok()?)
}

/// Whether a variable may get another value than it was declared with.
fn is_set_again(file: &File, variable: Node<'_>) -> bool {
    let name = file.text_of(variable);
    let is_it = |target: Option<Node<'_>>| target.is_some_and(|target| file.text_of(target) == name);
    let is_one = |targets: Node<'_>| {
        let mut cursor = targets.walk();
        targets.named_children(&mut cursor).any(|target| is_it(Some(target)))
    };
    let Some(function) = file.enclosing_function(variable) else { return true };
    let sets = nodes_of(function, |node| match node.kind() {
        "assignment_statement" | "range_clause" => node.child_by_field_name("left").is_some_and(is_one),
        "unary_expression" => {
            operator_of(file, node) == Some("&") && is_it(node.child_by_field_name("operand"))
        }
        _ => false,
    });
    !sets.is_empty()
}

/// Whether some statement between a call and a use of its result leaves when the call's error is set.
fn is_heeded(file: &File, declaration: Node<'_>, error: Node<'_>, used: Node<'_>) -> bool {
    std::iter::successors(declaration.next_named_sibling(), Node::next_named_sibling)
        .take_while(|next| next.end_byte() <= used.start_byte())
        .filter(|next| asks_for(file, *next, file.text_of(error)))
        .any(|check| check.child_by_field_name("consequence").is_some_and(|block| leaves(file, block)))
}
