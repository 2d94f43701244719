//! A panic on purpose where the function could return an error.
//!
//! Evidence: `panic(…)`, a logger's `Panic…`, or a call of a `Must…` function, on the failing line or that of a
//! caller. Edits: in a function that can report, `panic(err)` becomes the return of that error and any other
//! panic one of an error with its message, or, where an outer function of the stack recovers panics of one
//! type as errors, a panic of that type; `Must…` becomes the function that returns the error, checked.

use std::sync::Arc;

use tree_sitter::Node;

use crate::generator::repair::case::Case;
use crate::generator::repair::doubt::is_never_met;
use crate::generator::repair::draft::{Draft, Tier};
use crate::generator::repair::edit::{Edits, is_repairable};
use crate::generator::repair::exit::{Blame, Failure, is_panic, is_raiser};
use crate::generator::repair::flow::from_request;
use crate::generator::repair::naming::phrase;
use crate::generator::repair::scope::{fresh, in_scope_before, soften_later};
use crate::generator::repair::syntax::{
    called_name, children, ends_program, last_child, noun, statement_of, unquoted,
};
use crate::repository::go::{File, imported_name};

pub(super) fn drafts(case: &Case<'_>) -> Vec<Draft> {
    let mut drafts = Vec::new();
    for depth in 0..case.frames.len() {
        let Some(file) = case.file(depth).filter(|file| is_repairable(file)) else { continue };
        for call in case.raisers(depth, |_, node| node.kind() == "call_expression") {
            let name = called_name(file, call);
            let found = if is_panic(file, call) {
                returned(case, depth, file, call)
            } else if name.starts_with("Must") {
                checked(case, file, call, name)
            } else {
                raised(case, depth, file, call)
            };
            if let Some((edits, reports, explanation)) = found {
                drafts.push(Draft::leaving(Tier::Cause, reports, depth, explanation, edits));
            }
        }
    }
    drafts
}

type Found = Option<(Edits, bool, String)>;

/// `panic(x)` becomes a return.
fn returned(case: &Case<'_>, depth: usize, file: &Arc<File>, call: Node<'_>) -> Found {
    // One that is called to panic does what it is for: whoever called it should not have.
    let function = case.frames.get(depth)?.function.as_ref()?;
    (depth + 1 == case.frames.len() || !is_raiser(file, function)).then_some(())?;
    let statement = statement_of(call).filter(|statement| statement.kind() == "expression_statement")?;
    let mut failure = told(case, file, call)?;
    failure.requested = from_request(file, statement);
    let mut edits = Edits::default();
    let exit = case.leave(&mut edits, file, call, &failure);
    // A program that ends by itself instead of by a panic is not mended.
    if !exit.reports || exit.ends {
        return None;
    }
    let mut lines = exit.lines;
    // A call that never comes back is no end of a function that has results.
    let ends = lines.last().is_some_and(|last| last.starts_with("return") || last.starts_with("panic("));
    if !ends && !function.results.is_empty() {
        lines.push("panic(\"unreachable\")".to_owned());
    }
    edits.replace_statement(file, statement, &lines)?;
    Some((edits, true, "The function can return an error: it does so instead of panicking.".to_owned()))
}

/// `p.bug(…)`, which nobody recovers, becomes `p.fail(…)`, which an outer function does.
fn raised(case: &Case<'_>, depth: usize, file: &Arc<File>, call: Node<'_>) -> Found {
    let inner = case.frames.get(depth.checked_sub(1)?)?;
    let other = inner.function.as_ref().filter(|function| is_raiser(&inner.file, function))?;
    (called_name(file, call) == other.identifier).then_some(())?;
    let raiser = case.raiser_like(file, other)?;
    let name = call.child_by_field_name("function")?;
    let name = name.child_by_field_name("field").unwrap_or(name);
    let mut edits = Edits::default();
    edits.replace(file, name.byte_range(), raiser.identifier.clone());
    Some((
        edits,
        true,
        format!(
            "What `{}` raises is recovered as an error further out, what `{}` raises is not.",
            raiser.identifier, other.identifier
        ),
    ))
}

/// What a panic tells: an error, a text, or a formatted text.
fn told(case: &Case<'_>, file: &Arc<File>, call: Node<'_>) -> Option<Failure> {
    let arguments = children(call.child_by_field_name("arguments")?);
    if called_name(file, call) == "Panicf" {
        return formatted(file, &arguments);
    }
    let is_error = |value: &Node<'_>| {
        case.resolver.type_of(file, *value).is_some_and(|ty| ty.text == "error")
            || matches!(file.text_of(*value), "err" | "e")
    };
    let value = *arguments.first()?;
    if is_error(&value) {
        return Some(Failure::new(Blame::Internal, String::new()).caused_by(file.text_of(value)));
    }
    if let Some(text) = literal(file, value) {
        if is_never_met(&text)
            && let Some(unexpected) = unexpected(file, call)
        {
            return Some(unexpected);
        }
        let text = text.trim_end_matches([':', ' ']).to_owned();
        let failure = Failure::new(Blame::Internal, text.clone()).with(text, Vec::new());
        // A logger takes more than the text.
        return Some(match arguments.iter().skip(1).find(|value| is_error(value)) {
            Some(error) => failure.caused_by(file.text_of(*error)),
            None => failure,
        });
    }
    let formats =
        value.kind() == "call_expression" && matches!(called_name(file, value), "Sprintf" | "Errorf");
    formatted(file, &children(value.child_by_field_name("arguments").filter(|_| formats)?))
}

fn literal(file: &File, node: Node<'_>) -> Option<String> {
    (node.kind() == "interpreted_string_literal").then(|| unquoted(file.text_of(node)).to_owned())
}

/// A format with its arguments.
fn formatted(file: &File, arguments: &[Node<'_>]) -> Option<Failure> {
    let (format, arguments) = arguments.split_first()?;
    let format = literal(file, *format)?;
    let arguments = arguments.iter().map(|node| file.text_of(*node).to_owned()).collect();
    Some(Failure::new(Blame::Internal, "internal error").with(format, arguments))
}

/// What a panic in or behind a switch means: the value was none of those that the switch knows.
fn unexpected(file: &File, call: Node<'_>) -> Option<Failure> {
    let statement = statement_of(call)?;
    let is_switch =
        |node: &Node<'_>| matches!(node.kind(), "expression_switch_statement" | "type_switch_statement");
    // What falls out of a switch may be a value that it knows.
    let is_last =
        |node: &Node<'_>| node.child_by_field_name("initializer").is_none() && all_leave(file, *node);
    let behind = statement.prev_named_sibling().filter(|node| is_switch(node) && is_last(node));
    let switch = behind.or_else(|| {
        let case = statement.parent()?.parent().filter(|case| case.kind() == "default_case")?;
        case.parent().filter(is_switch)
    })?;
    let value = switch.child_by_field_name("value")?;
    // What a call gives may be another thing the next time.
    matches!(value.kind(), "identifier" | "selector_expression").then_some(())?;
    let (of, verb) = if switch.kind() == "type_switch_statement" { (" of type", "%T") } else { ("", "%v") };
    let noun = phrase(&noun(file, value));
    let plain = format!("unexpected {noun}");
    Some(
        Failure::new(Blame::Internal, plain)
            .with(format!("unexpected {noun}{of} {verb}"), vec![file.text_of(value).to_owned()]),
    )
}

/// Whether every case of a switch leaves.
fn all_leave(file: &File, switch: Node<'_>) -> bool {
    let leaves = |case: Node<'_>| {
        let last = last_child(case).map(|last| match last.kind() {
            "statement_list" => last_child(last).unwrap_or(last),
            _ => last,
        });
        last.is_some_and(|last| {
            let call = last.named_child(0).filter(|_| last.kind() == "expression_statement");
            last.kind() == "return_statement" || call.is_some_and(|call| ends_program(file, call))
        })
    };
    let is_case = |node: &Node<'_>| matches!(node.kind(), "expression_case" | "type_case" | "default_case");
    children(switch).into_iter().filter(is_case).all(leaves)
}

/// `x := p.MustF(a)` becomes `x, err := p.F(a)` and a check.
fn checked(case: &Case<'_>, file: &Arc<File>, call: Node<'_>, name: &str) -> Found {
    let plain = name.strip_prefix("Must").filter(|rest| !rest.is_empty())?;
    let function = call.child_by_field_name("function")?;
    let known = match imported_name(file, function) {
        // `template.Must(f())` has no function of another name behind it.
        Some(_) => true,
        None => case.resolver.package_of(file).iter().any(|file| file.function(plain).is_some()),
    };
    let statement = statement_of(call)?;
    if !known || !in_scope_before(file, call, statement) || file.enclosing_function(call).is_none() {
        return None;
    }
    let target = file.text_of(function);
    let target = format!("{}{plain}", target.strip_suffix(name)?);
    let arguments = file.text_of(call.child_by_field_name("arguments")?);
    let given = call.child_by_field_name("arguments").and_then(|list| list.named_child(0));
    let noun = given.map(|given| noun(file, given)).unwrap_or_default();
    let mut failure = Failure::new(Blame::Malformed, format!("invalid {}", phrase(&noun))).caused_by("err");
    failure.requested = from_request(file, call);
    let mut edits = Edits::default();
    let whole = statement.kind() == "short_var_declaration"
        && statement.child_by_field_name("right").and_then(|right| right.named_child(0)) == Some(call);
    let left = statement.child_by_field_name("left").filter(|_| whole);
    let value = match left {
        Some(left) if left.named_child_count() == 1 => file.text_of(left).to_owned(),
        _ => fresh(file, statement, &["value", "result", "parsed"])?,
    };
    soften_later(&mut edits, file, statement, "err")?;
    let exit = case.leave(&mut edits, file, call, &failure);
    if !exit.reports {
        return None;
    }
    let mut lines = vec![format!("{value}, err := {target}{arguments}")];
    lines.extend(exit.guarded("err != nil"));
    if left.is_some() {
        edits.replace_statement(file, statement, &lines)?;
    } else {
        edits.insert_before(file, statement, &lines)?;
        edits.replace(file, call.byte_range(), value);
    }
    Some((
        edits,
        true,
        format!("`{name}` panics on bad input: `{plain}` returns the error, which is passed on."),
    ))
}
