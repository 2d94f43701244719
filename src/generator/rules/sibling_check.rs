//! A part of a buffer is taken without the question that the type's other methods ask first.
//!
//! Evidence: the failing method takes an element, or so many of them, of a list in a field of its receiver; other
//! methods of the type begin with `if !c.need(n) { return … }` before they use that field, where `need` is a method
//! of the type that answers with a bool. Edit: the failing method asks so, too, for as many as it takes, and leaves
//! as it can. Where the others leave without an error, the question itself keeps one, and nothing is hidden.
//!
//! Nothing is proposed where the method asks already, or takes what no number can be told of.
//!
//! Risk: the question may count something else than elements.

use std::sync::Arc;

use tree_sitter::Node;

use crate::generator::repair::case::Case;
use crate::generator::repair::draft::{Draft, Tier};
use crate::generator::repair::edit::{Edits, is_repairable};
use crate::generator::repair::exit::{Blame, Failure};
use crate::generator::repair::scope::in_scope_before;
use crate::generator::repair::syntax::{nodes_in, nodes_of, statement_of};
use crate::repository::go::{File, Function};

pub(super) fn drafts(case: &Case<'_>) -> Vec<Draft> {
    let Some(file) = case.file(0).filter(|file| is_repairable(file)) else { return Vec::new() };
    let Some(function) = case.frames.first().and_then(|frame| frame.function.as_ref()) else {
        return Vec::new();
    };
    let Some(receiver) = function.receiver.as_ref().filter(|receiver| !receiver.name.is_empty()) else {
        return Vec::new();
    };
    let raisers = case.raisers(0, |file, node| taken(file, node, &receiver.name).is_some());
    let draft = |node: Node<'_>| {
        let taken = taken(file, node, &receiver.name)?;
        let question = question(case, file, function, &receiver.type_name, taken.field)?;
        asked_first(case, file, node, &receiver.name, &taken, &question)
    };
    raisers.into_iter().filter_map(draft).collect()
}

/// What is taken of a list.
struct Taken<'f> {
    /// The field of the receiver that holds the list.
    field: &'f str,
    /// How many elements, as an expression.
    count: String,
}

/// What an expression takes of a list in a field of the receiver: one element, or those from a place so many on.
fn taken<'f>(file: &'f File, node: Node<'_>, receiver: &str) -> Option<Taken<'f>> {
    let operand = node.child_by_field_name("operand")?;
    let field = file.text_of(operand).strip_prefix(receiver)?.strip_prefix('.')?;
    let text = |name| node.child_by_field_name(name).map(|part| file.text_of(part));
    let count = match node.kind() {
        "index_expression" => "1".to_owned(),
        "slice_expression" => {
            let (start, end) = (text("start")?, text("end")?);
            end.strip_prefix(start)?.trim_start().strip_prefix('+')?.trim().to_owned()
        }
        _ => return None,
    };
    let is_plain = count.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '.'));
    (is_plain && !field.contains(['.', '['])).then_some(Taken { field, count })
}

/// The question that methods of a type ask first.
struct Question {
    name: String,
    /// Whether it is told how many.
    counts: bool,
    /// A method that asks it, and whether that leaves without an error.
    example: String,
    is_silent: bool,
}

/// The question which most of the type's other methods ask before they use a field.
fn question(case: &Case<'_>, file: &Arc<File>, own: &Function, owner: &str, field: &str) -> Option<Question> {
    let mut found: Vec<(usize, Question)> = Vec::new();
    for other in case.resolver.package_of(file) {
        let is_its = |function: &&Function| {
            function.name != own.name && function.receiver.as_ref().is_some_and(|its| its.type_name == owner)
        };
        for method in other.functions.iter().filter(is_its) {
            let Some((name, counts)) = asked(&other, method, field) else { continue };
            if let Some((times, _)) = found.iter_mut().find(|(_, known)| known.name == name) {
                *times += 1;
                continue;
            }
            let (example, is_silent) = (method.identifier.clone(), !method.returns_error());
            found.push((1, Question { name, counts, example, is_silent }));
        }
    }
    let (_, question) = found.into_iter().max_by_key(|(times, _)| *times)?;
    let called = format!(".{}(", question.name);
    let asks_already = file.text.get(own.body.clone()).is_none_or(|body| body.contains(&called));
    (!asks_already && question.name != own.identifier).then_some(question)
}

/// The question that a method begins with, and whether it is told a number: `if !c.need(n) { return … }`, and behind
/// it the field.
fn asked(file: &File, method: &Function, field: &str) -> Option<(String, bool)> {
    let receiver = &method.receiver.as_ref()?.name;
    let checks = nodes_in(file, &method.range, |node| node.kind() == "if_statement");
    checks.into_iter().find_map(|check| {
        let condition = check.child_by_field_name("condition")?;
        let call =
            condition.child_by_field_name("operand").filter(|call| call.kind() == "call_expression")?;
        let function = call.child_by_field_name("function")?;
        let name = file.text_of(function).strip_prefix(receiver.as_str())?.strip_prefix('.')?;
        let count = call.child_by_field_name("arguments")?.named_child_count();
        let leaves =
            !nodes_of(check.child_by_field_name("consequence")?, |node| node.kind() == "return_statement")
                .is_empty();
        let behind = file.text.get(check.end_byte()..method.range.end)?;
        let uses = behind.contains(&format!("{receiver}.{field}"));
        let is_question = file.text_of(condition).starts_with('!') && !name.contains('.') && count < 2;
        (is_question && leaves && uses).then(|| (name.to_owned(), count == 1))
    })
}

fn asked_first(
    case: &Case<'_>,
    file: &Arc<File>,
    node: Node<'_>,
    receiver: &str,
    taken: &Taken<'_>,
    question: &Question,
) -> Option<Draft> {
    let statement = statement_of(node)?;
    if !question.counts && taken.count != "1" || !in_scope_before(file, node, statement) {
        return None;
    }
    let argument = if question.counts { taken.count.as_str() } else { "" };
    let mut edits = Edits::default();
    let failure = Failure::new(Blame::Malformed, format!("{} too short", taken.field));
    let exit = case.leave(&mut edits, file, node, &failure);
    let condition = format!("!{receiver}.{}({argument})", question.name);
    edits.insert_before(file, statement, &exit.guarded(&condition))?;
    let reports = exit.reports || question.is_silent;
    let explanation = format!(
        "`{receiver}.{}` may hold less than is taken: that is asked first, as `{}` does.",
        taken.field, question.example
    );
    Some(Draft::leaving(Tier::Cause, reports, 0, explanation, edits))
}
