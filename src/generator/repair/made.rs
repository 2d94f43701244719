//! What was made is hardly nil: a literal, its address, what `new` and `make` give, and what a function gives
//! back that never returns anything else.

use std::sync::Arc;

use tree_sitter::Node;

use super::case::Case;
use super::flow::origin;
use super::syntax::{called_name, leaves, nodes_of, operator_of};
use crate::repository::go::{Callee, File};

/// How many variables and calls are followed.
const MAX_STEPS: usize = 4;

/// Whether an expression is a variable of its function which holds what was made for it, as far as syntax
/// tells: when its line meets nil, that is rather something in it.
pub(crate) fn was_made(case: &Case<'_>, file: &Arc<File>, node: Node<'_>) -> bool {
    node.kind() == "identifier" && is_made(case, file, node, MAX_STEPS)
}

/// Whether an expression gives what was made for it.
fn is_made(case: &Case<'_>, file: &Arc<File>, value: Node<'_>, steps: usize) -> bool {
    let Some(steps) = steps.checked_sub(1) else { return false };
    match value.kind() {
        "composite_literal" | "func_literal" => true,
        "unary_expression" => operator_of(file, value) == Some("&"),
        "call_expression" => is_made_by_call(case, file, value, 0, steps),
        "identifier" => origin(file, value).is_some_and(|origin| {
            let made = if origin.value.kind() == "call_expression" {
                is_heeded(file, origin.statement, value)
                    && is_made_by_call(case, file, origin.value, origin.position, steps)
            } else {
                is_made(case, file, origin.value, steps)
            };
            made && !is_set_again(file, origin.statement, file.text_of(value))
        }),
        _ => false,
    }
}

/// Whether a call whose error is heeded gives what it made, as its result of a position.
fn is_made_by_call(case: &Case<'_>, file: &Arc<File>, call: Node<'_>, position: usize, steps: usize) -> bool {
    if let Some(callee) = case.callee(file, call) {
        return gives_made(case, &callee, position, steps);
    }
    let Some(function) = call.child_by_field_name("function") else { return false };
    match function.child_by_field_name("operand") {
        // Of other modules only the name tells.
        Some(package) => {
            position == 0
                && called_name(file, call).starts_with("New")
                && case.resolver.is_package(file, package)
                && case.resolver.imported(file, file.text_of(package)).is_empty()
        }
        None => matches!(file.text_of(function), "new" | "make"),
    }
}

/// Whether a function returns at a position what it made, or nil with an error. One that recovers from a
/// panic may return without a `return`.
fn gives_made(case: &Case<'_>, callee: &Callee, position: usize, steps: usize) -> bool {
    let Callee { file, function } = callee;
    let Some(declaration) = file.node_at(function.range.clone()) else { return false };
    let is_own = |node: Node<'_>| file.enclosing_function(node) == Some(declaration);
    let returns = nodes_of(declaration, |node| node.kind() == "return_statement" && is_own(node));
    let recovers = nodes_of(declaration, |node| {
        node.kind() == "call_expression" && called_name(file, node) == "recover"
    });
    let gives = |statement: &Node<'_>| {
        let list = statement.named_child(0).filter(|list| list.named_child_count() == function.results.len());
        let result = |at| list.and_then(|list| list.named_child(u32::try_from(at).ok()?));
        let is_nil = |node| file.text_of(node) == "nil";
        result(position).is_some_and(|value| {
            let fails = || {
                is_nil(value)
                    && function.returns_error()
                    && result(function.results.len() - 1).is_some_and(|error| !is_nil(error))
            };
            is_made(case, file, value, steps) || fails()
        })
    };
    recovers.is_empty() && !returns.is_empty() && returns.iter().all(gives)
}

/// Whether a variable may get another value than it was declared with.
fn is_set_again(file: &File, declaration: Node<'_>, name: &str) -> bool {
    let is_it = |target: Node<'_>| file.text_of(target) == name;
    let is_one = |targets: Node<'_>| targets.named_children(&mut targets.walk()).any(is_it);
    let Some(function) = file.enclosing_function(declaration) else { return true };
    let sets = nodes_of(function, |node| match node.kind() {
        "assignment_statement" | "range_clause" | "receive_statement" => {
            node.child_by_field_name("left").is_some_and(is_one)
        }
        "unary_expression" => {
            operator_of(file, node) == Some("&") && node.child_by_field_name("operand").is_some_and(is_it)
        }
        _ => false,
    });
    !sets.is_empty()
}

/// Whether a call gives no error, as one of several results, or some statement between it and a use of its
/// result leaves whenever the error is set.
fn is_heeded(file: &File, declaration: Node<'_>, used: Node<'_>) -> bool {
    let Some(names) = declaration.child_by_field_name("left") else { return false };
    let Some(error) = names.named_children(&mut names.walk()).skip(1).last() else { return true };
    let asked = format!("{} != nil", file.text_of(error));
    std::iter::successors(declaration.next_named_sibling(), Node::next_named_sibling)
        .take_while(|next| next.end_byte() <= used.start_byte())
        .filter(|next| next.child_by_field_name("initializer").is_none())
        .filter(|next| {
            next.child_by_field_name("condition").is_some_and(|condition| file.text_of(condition) == asked)
        })
        .any(|check| check.child_by_field_name("consequence").is_some_and(|block| leaves(file, block)))
}
