//! What a function holds at a place: locks, slots, counts and open things that it took on the way there and
//! gives back further down by a plain statement. Who leaves in between has to give them back too, as the
//! branches around do.

use tree_sitter::Node;

use super::syntax::{is_within, nodes_of};
use crate::repository::go::File;

/// What takes something, and what gives it back, by the names of the methods.
const PAIRS: &[(&str, &str)] = &[
    ("Lock", "Unlock"),
    ("RLock", "RUnlock"),
    ("Acquire", "Release"),
    ("Add", "Done"),
    ("Add", "Sub"),
    ("Inc", "Dec"),
    ("Enter", "Leave"),
    ("Begin", "End"),
];
/// What gives back a variable that a call made.
const CLOSERS: &[&str] = &["Close", "Stop", "Release", "End", "Unlock", "Rollback"];
/// Functions that are made in order to be called at the end: `ctx, cancel := …`.
const CANCELS: &[&str] = &["cancel", "release", "unlock", "done", "stop", "cleanup", "free"];

/// The statements which give back what is held at a node, the last taken first. `in_loop` where only the body
/// of the innermost loop is left: what was taken before it is given back after it.
pub(crate) fn releases(file: &File, at: Node<'_>, in_loop: bool) -> Vec<String> {
    let Some(function) = file.enclosing_function(at) else { return Vec::new() };
    let givers = givers(file, function);
    // What is deferred further down is not deferred yet.
    let (deferred, later): (Vec<_>, Vec<_>) = givers
        .into_iter()
        .filter(|giver| giver.deferred || giver.statement.start_byte() >= at.start_byte())
        .partition(|giver| giver.deferred && giver.statement.end_byte() <= at.start_byte());
    let mut held: Vec<String> = Vec::new();
    for statement in passed(at, in_loop) {
        held.retain(|release| file.text_of(statement) != release);
        let release = later
            .iter()
            .filter(|giver| !is_within(statement, giver.statement))
            .filter(|giver| gives_back(file, statement, giver.call, at))
            .map(|giver| file.text_of(giver.call))
            .find(|release| !deferred.iter().any(|giver| file.text_of(giver.statement).contains(release)));
        held.extend(release.map(str::to_owned));
    }
    held.reverse();
    held
}

/// A statement that may give something back.
#[derive(Clone, Copy)]
struct Giver<'t> {
    statement: Node<'t>,
    /// What is called, received from or counted.
    call: Node<'t>,
    deferred: bool,
}

/// The statements of a function's own body that may give something back.
fn givers<'t>(file: &File, function: Node<'t>) -> Vec<Giver<'t>> {
    nodes_of(function, |node| is_statement(node) || node.kind() == "defer_statement")
        .into_iter()
        .filter(|node| file.enclosing_function(*node) == Some(function))
        .filter_map(|statement| {
            let deferred = statement.kind() == "defer_statement";
            let counts = matches!(statement.kind(), "inc_statement" | "dec_statement");
            let call = if counts { statement } else { statement.named_child(0)? };
            Some(Giver { statement, call, deferred })
        })
        .collect()
}

/// A statement that gives back what is held at the statement before it: a check stands better behind it.
pub(crate) fn is_release(file: &File, statement: Node<'_>) -> bool {
    let Some(before) = statement.prev_named_sibling() else { return false };
    is_statement(statement)
        && releases(file, before, false).iter().any(|release| release == file.text_of(statement))
}

fn is_statement(node: Node<'_>) -> bool {
    matches!(node.kind(), "expression_statement" | "dec_statement" | "inc_statement")
}

/// The statements that were run on the way to a node, in order: those above it in its block, and above the
/// statements it stands in. One that is itself asked about has been run.
fn passed<'t>(at: Node<'t>, in_loop: bool) -> Vec<Node<'t>> {
    let mut found = Vec::new();
    let mut own = true;
    for node in std::iter::successors(Some(at), Node::parent) {
        if matches!(node.kind(), "func_literal" | "function_declaration" | "method_declaration")
            || in_loop && node.kind() == "for_statement"
        {
            break;
        }
        if node.parent().is_none_or(|parent| parent.kind() != "statement_list") {
            own = false;
            continue;
        }
        found.extend(Some(node).filter(|_| own));
        own = false;
        found.extend(std::iter::successors(node.prev_named_sibling(), Node::prev_named_sibling));
    }
    found.reverse();
    found
}

/// Whether a statement gives back what another one took.
fn gives_back(file: &File, taker: Node<'_>, giver: Node<'_>, at: Node<'_>) -> bool {
    match taker.kind() {
        "expression_statement" => {
            let taken = taker.named_child(0).and_then(|call| method_call(file, call));
            let (Some(take), Some(give)) = (taken, method_call(file, giver)) else { return false };
            take.0 == give.0 && PAIRS.contains(&(take.1, give.1))
        }
        "send_statement" => {
            let channel = taker.child_by_field_name("channel").map(|channel| file.text_of(channel));
            channel.is_some_and(|channel| file.text_of(giver) == format!("<-{channel}"))
        }
        "inc_statement" => counts(file, taker, giver, "dec_statement"),
        "dec_statement" => counts(file, taker, giver, "inc_statement"),
        // What a call just failed to make is not to be closed.
        "short_var_declaration" if taker != at => made(file, taker, giver),
        _ => false,
    }
}

/// `x` and `M` of `x.M(…)`.
fn method_call<'f>(file: &'f File, call: Node<'_>) -> Option<(&'f str, &'f str)> {
    let function = call.child_by_field_name("function").filter(|_| call.kind() == "call_expression")?;
    let (operand, method) =
        (function.child_by_field_name("operand")?, function.child_by_field_name("field")?);
    Some((file.text_of(operand), file.text_of(method)))
}

/// `x.n++` and `x.n--` of the same place; a plain variable is the function's own business.
fn counts(file: &File, taker: Node<'_>, giver: Node<'_>, back: &str) -> bool {
    let place = taker.named_child(0).filter(|place| place.kind() == "selector_expression");
    giver.kind() == back
        && place
            .zip(giver.named_child(0))
            .is_some_and(|(taken, given)| file.text_of(taken) == file.text_of(given))
}

/// `f, err := open()` and `f.Close()`, `ctx, cancel := …` and `cancel()`.
fn made(file: &File, taker: Node<'_>, giver: Node<'_>) -> bool {
    let (Some(names), Some(value)) = (
        taker.child_by_field_name("left"),
        taker.child_by_field_name("right").and_then(|right| right.named_child(0)),
    ) else {
        return false;
    };
    if value.kind() != "call_expression" {
        return false;
    }
    let mut cursor = names.walk();
    let mut names = names.named_children(&mut cursor).map(|name| file.text_of(name));
    match method_call(file, giver) {
        Some((operand, method)) => CLOSERS.contains(&method) && names.any(|name| name == operand),
        None => names.any(|name| {
            CANCELS.contains(&name.to_ascii_lowercase().as_str())
                && file.text_of(giver) == format!("{name}()")
        }),
    }
}
