//! A type assertion that takes a type for granted.
//!
//! Evidence: an assertion without `ok` on the failing line, of the type that the message says was wanted.
//! Edits, in order: for a number of JSON (`is float64, not int`) the type that comes, converted; for an
//! error, `errors.As`, which also sees wrapped ones; else `v, ok` and an early exit. Where a library asserts the type of
//! what it was given, and that was nil: a check of what was given.
//!
//! Risk: a conversion drops a fraction.

use std::sync::Arc;

use tree_sitter::Node;

use super::nil_guard;
use crate::generator::repair::case::Case;
use crate::generator::repair::draft::{Draft, Tier};
use crate::generator::repair::edit::{Edits, is_repairable};
use crate::generator::repair::exit::{Blame, Failure};
use crate::generator::repair::flow::from_request;
use crate::generator::repair::handler::request_name;
use crate::generator::repair::naming::{phrase, words};
use crate::generator::repair::scope::{found_name, fresh, in_scope_before};
use crate::generator::repair::syntax::{is_listed, nodes_of, noun, statement_of, within_function};
use crate::repository::go::{File, Shape};

pub(super) fn drafts(case: &Case<'_>) -> Vec<Draft> {
    let Some(file) = case.file(0).filter(|file| is_repairable(file)) else { return Vec::new() };
    let unchecked = case.raisers(0, |file, node| {
        node.kind() == "type_assertion_expression" && !is_checked(node) && is_wanted(case, file, node)
    });
    if unchecked.is_empty() {
        return given_nil(case, file);
    }
    unchecked
        .into_iter()
        .flat_map(|assertion| {
            [
                converted(case, file, assertion),
                unwrapped(case, file, assertion),
                checked(case, file, assertion, None),
            ]
        })
        .flatten()
        .collect()
}

/// A library took for granted that there is something in the interface it was given: what has that type in the call is
/// asked for nil.
fn given_nil(case: &Case<'_>, file: &Arc<File>) -> Vec<Draft> {
    let Some((ty, _)) = case.fault.message.split_once(" is nil, not ") else { return Vec::new() };
    let ty = ty.rsplit(": ").next().unwrap_or(ty);
    let is_given = |node: Node<'_>| {
        within_function(node).take_while(|node| !is_listed(*node)).any(|node| node.kind() == "argument_list")
    };
    let given = case.raisers(0, |file, node| {
        node.kind() == "identifier"
            && is_given(node)
            && case.resolver.type_of(file, node).is_some_and(|known| known.text == ty)
    });
    given.into_iter().flat_map(|node| case.check(&nil_guard::check(case, file, 0, node, None))).collect()
}

/// Whether an assertion is asked for its success already: two names take its value.
fn is_checked(assertion: Node<'_>) -> bool {
    let Some(list) = assertion.parent().filter(|list| list.kind() == "expression_list") else {
        return assertion
            .parent()
            .is_some_and(|spec| spec.kind() == "var_spec" && spec.named_child_count() > 2);
    };
    list.named_child_count() == 1
        && list
            .parent()
            .and_then(|statement| statement.child_by_field_name("left"))
            .is_some_and(|left| left.named_child_count() == 2)
}

/// Whether the message speaks of the type that is asserted.
fn is_wanted(case: &Case<'_>, file: &File, assertion: Node<'_>) -> bool {
    let Some(wanted) = &case.fault.facts.wanted_type else { return true };
    let Some(ty) = assertion.child_by_field_name("type") else { return false };
    plain(file.text_of(ty)) == plain(wanted)
}

/// A type's text without package names and spaces.
fn plain(text: &str) -> String {
    let text = text.replace("interface {}", "any").replace("interface{}", "any").replace(' ', "");
    let mut out = String::with_capacity(text.len());
    let mut word = String::new();
    for c in text.chars() {
        if c.is_alphanumeric() || matches!(c, '_' | '/' | '-') {
            word.push(c);
        } else if c == '.' {
            word.clear();
        } else {
            out.push_str(&word);
            word.clear();
            out.push(c);
        }
    }
    out.push_str(&word);
    out
}

fn draft(tier: Tier, masks: bool, explanation: String, edits: Edits) -> Draft {
    Draft { tier, depth: 0, explanation, masks, open: None, edits }
}

fn failure(file: &Arc<File>, assertion: Node<'_>) -> Option<Failure> {
    let operand = assertion.child_by_field_name("operand")?;
    let key =
        operand.child_by_field_name("index").map(|key| file.text_of(key)).filter(|key| key.starts_with('"'));
    let name = match key {
        Some(key) => key.trim_matches('"').to_owned(),
        None => noun(file, operand),
    };
    let subject = phrase(&name).replace(['%', '\\', '"'], "");
    let ty = file.text_of(assertion.child_by_field_name("type")?);
    let pure = nodes_of(operand, |node| node.kind() == "call_expression").is_empty();
    let mut failure = Failure::new(Blame::Malformed, format!("invalid {subject}")).about(name);
    if pure {
        failure = failure.with(format!("{subject} is %T, not {ty}"), vec![file.text_of(operand).to_owned()]);
    }
    failure.requested = from_request(file, operand) || request_name(file, assertion).is_some();
    Some(failure)
}

/// `v := x.(T)` becomes `v, ok := x.(T)`; inside an expression the value gets a name first. `as_type`
/// asserts another type and converts it to the wanted one.
fn checked(case: &Case<'_>, file: &Arc<File>, assertion: Node<'_>, as_type: Option<&str>) -> Option<Draft> {
    let statement = statement_of(assertion)?;
    let operand = assertion.child_by_field_name("operand")?;
    let wanted = file.text_of(assertion.child_by_field_name("type")?);
    let text = match as_type {
        Some(ty) => format!("{}.({ty})", file.text_of(operand)),
        None => file.text_of(assertion).to_owned(),
    };
    let failure = failure(file, assertion)?;
    let mut edits = Edits::default();
    let left = statement.child_by_field_name("left").filter(|left| {
        statement.kind() == "short_var_declaration"
            && left.named_child_count() == 1
            && statement.child_by_field_name("right").and_then(|right| right.named_child(0))
                == Some(assertion)
            && file.text_of(*left) != "_"
    });
    let reports = if let Some(left) = left.filter(|_| as_type.is_none()) {
        let ok = found_name(&mut edits, file, statement)?;
        let exit = case.leave(&mut edits, file, statement, &failure);
        edits.replace(file, left.byte_range(), format!("{}, {ok}", file.text_of(left)));
        edits.insert_after(file, statement, &exit.guarded(&format!("!{ok}")))?;
        exit.reports
    } else {
        if !in_scope_before(file, operand, statement) {
            return None;
        }
        let name = name_for(file, statement, assertion)?;
        let ok = found_name(&mut edits, file, statement)?;
        let exit = case.leave(&mut edits, file, assertion, &failure);
        let mut lines = vec![format!("{name}, {ok} := {text}")];
        lines.extend(exit.guarded(&format!("!{ok}")));
        edits.insert_before(file, statement, &lines)?;
        let value = if as_type.is_some() { format!("{wanted}({name})") } else { name };
        edits.replace(file, assertion.byte_range(), value);
        exit.reports
    };
    let explanation = match as_type {
        Some(ty) => format!("The value comes as {ty}, as numbers of JSON do: it is taken so and converted."),
        None => format!("`{}` takes the type for granted: it is checked first.", file.text_of(assertion)),
    };
    let tier = match (reports, as_type) {
        (false, _) => Tier::Mask,
        (true, Some(_)) => Tier::Condition,
        (true, None) => Tier::Check,
    };
    Some(draft(tier, !reports, explanation, edits))
}

/// A name for the asserted value: its key, its type, or what it is.
fn name_for(file: &File, statement: Node<'_>, assertion: Node<'_>) -> Option<String> {
    let operand = assertion.child_by_field_name("operand")?;
    let ty = file.text_of(assertion.child_by_field_name("type")?).trim_start_matches('*');
    let ty = ty.rsplit('.').next().unwrap_or(ty);
    let key = operand
        .child_by_field_name("index")
        .map(|key| file.text_of(key).trim_matches('"'))
        .unwrap_or_default();
    let lower = |text: &str| {
        let mut words = words(text).into_iter();
        let first = words.next().unwrap_or_default();
        let rest: String = words
            .map(|word| {
                word.chars()
                    .next()
                    .into_iter()
                    .flat_map(char::to_uppercase)
                    .chain(word.chars().skip(1))
                    .collect::<String>()
            })
            .collect();
        first + &rest
    };
    let usable = |name: &str| {
        name.len() > 1
            && name.starts_with(|c: char| c.is_ascii_lowercase())
            && name.chars().all(char::is_alphanumeric)
            && !matches!(Shape::of(name), Shape::Number | Shape::Text | Shape::Bool | Shape::Interface)
            && !matches!(
                name,
                "map"
                    | "func"
                    | "type"
                    | "range"
                    | "chan"
                    | "interface"
                    | "struct"
                    | "package"
                    | "return"
                    | "default"
                    | "var"
                    | "const"
                    | "go"
                    | "select"
                    | "switch"
                    | "case"
                    | "len"
                    | "string"
                    | "for"
                    | "if"
                    | "else"
                    | "import"
                    | "defer"
                    | "break"
                    | "continue"
                    | "goto"
                    | "fallthrough"
            )
    };
    let candidates: Vec<String> =
        [lower(key), lower(ty), "value".to_owned(), "typed".to_owned(), "asserted".to_owned()]
            .into_iter()
            .filter(|name| usable(name))
            .collect();
    let names: Vec<&str> = candidates.iter().map(String::as_str).collect();
    fresh(file, statement, &names)
}

/// `is float64, not int`: what comes is converted to what is wanted.
fn converted(case: &Case<'_>, file: &Arc<File>, assertion: Node<'_>) -> Option<Draft> {
    let actual = case.fault.facts.actual_type.as_deref()?;
    let wanted = assertion.child_by_field_name("type").map(|ty| file.text_of(ty))?;
    (Shape::of(actual) == Shape::Number && Shape::of(wanted) == Shape::Number && actual != wanted)
        .then(|| checked(case, file, assertion, Some(actual)))?
}

/// `err.(*T)` in a statement becomes `errors.As`.
fn unwrapped(case: &Case<'_>, file: &Arc<File>, assertion: Node<'_>) -> Option<Draft> {
    let statement = statement_of(assertion)?;
    let operand = assertion.child_by_field_name("operand")?;
    let ty = file.text_of(assertion.child_by_field_name("type")?);
    let is_error = case.resolver.type_of(file, operand).is_some_and(|ty| ty.text == "error");
    if !is_error || operand.kind() != "identifier" || !in_scope_before(file, operand, statement) {
        return None;
    }
    let mut edits = Edits::default();
    let name = name_for(file, statement, assertion)?;
    let mut failure = Failure::new(Blame::Internal, String::new()).caused_by(file.text_of(operand));
    failure.plain = String::new();
    let exit = case.leave(&mut edits, file, assertion, &failure);
    let errors = edits.import(file, "errors");
    let mut lines = vec![format!("var {name} {ty}")];
    lines.extend(exit.guarded(&format!("!{errors}.As({}, &{name})", file.text_of(operand))));
    edits.insert_before(file, statement, &lines)?;
    edits.replace(file, assertion.byte_range(), name);
    let explanation = "The error may be of another type or be wrapped: `errors.As` looks for it.".to_owned();
    Some(draft(if exit.reports { Tier::Condition } else { Tier::Mask }, !exit.reports, explanation, edits))
}
