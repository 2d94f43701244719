//! Giving a function an error result, so that it can report what it could only hide.
//!
//! Only where that stays small: a function or method of the repository without an error result, whose
//! results have no names, which no interface asks for, no test calls and nothing takes as a value, and
//! whose few callers can all report. Its returns get `nil`, its callers a check. Nor may anybody outside the
//! repository call it, for they would no longer build: what is exported is changed only where nobody can
//! import it.

use std::sync::Arc;

use tree_sitter::Node;

use super::failure::Failure;
use super::plain::Exit;
use crate::generator::repair::case::Case;
use crate::generator::repair::edit::{Edits, is_repairable};
use crate::generator::repair::flow::from_request;
use crate::generator::repair::naming::words;
use crate::generator::repair::scope::{fresh, in_scope_before, soften_later};
use crate::generator::repair::syntax::{called_name, last_child, nodes_of, results_of, statement_of};
use crate::repository::go::{File, Function, How, Use};

/// The most calls that are changed with the function.
const MAX_CALLS: usize = 6;

/// Methods that interfaces of the standard library ask for by these names.
const KNOWN: &[&str] = &[
    "String",
    "Error",
    "Len",
    "Less",
    "Swap",
    "ServeHTTP",
    "Close",
    "Read",
    "Write",
    "Unwrap",
    "Is",
    "As",
    "Push",
    "Pop",
    "Format",
    "GoString",
    "main",
    "init",
];

/// Leaves the function around a node with an error that it did not have before.
pub(crate) fn leave(
    case: &Case<'_>,
    edits: &mut Edits,
    file: &Arc<File>,
    at: Node<'_>,
    failure: &Failure,
) -> Option<Exit> {
    let node = file.enclosing_function(at)?;
    let function = file.functions.iter().find(|function| function.range == node.byte_range())?;
    let unnamed = function.results.iter().all(|result| result.name.is_empty());
    let known = KNOWN.contains(&function.identifier.as_str());
    if !unnamed || known || is_importable(file, function) || case.resolver.is_asked_for(file, function) {
        return None;
    }
    let mut trial = edits.clone();
    change_signature(&mut trial, file, node)?;
    change_returns(&mut trial, file, node)?;
    let calls = calls(case, file, function)?;
    for call in &calls {
        change_call(case, &mut trial, &call.file, call.node()?, function, failure)?;
    }
    let error = case.error(&mut trial, file, node, failure);
    let lines = case.give_back(file, node, &results_of(file, node), &error);
    *edits = trial;
    Some(Exit::reporting(lines))
}

/// Whether a module that is not seen here may call a function.
fn is_importable(file: &File, function: &Function) -> bool {
    let contained = file.package == "main" || file.path.folder().split('/').any(|name| name == "internal");
    function.is_exported() && !contained
}

fn change_signature(edits: &mut Edits, file: &Arc<File>, node: Node<'_>) -> Option<()> {
    match node.child_by_field_name("result") {
        None => {
            let end = node.child_by_field_name("parameters")?.end_byte();
            edits.replace(file, end..end, " error");
        }
        Some(list) if list.kind() == "parameter_list" => {
            let end = list.end_byte() - 1;
            edits.replace(file, end..end, ", error");
        }
        Some(result) => {
            edits.replace(file, result.byte_range(), format!("({}, error)", file.text_of(result)))
        }
    }
    Some(())
}

fn change_returns(edits: &mut Edits, file: &Arc<File>, node: Node<'_>) -> Option<()> {
    let count = results_of(file, node).len();
    let returns = nodes_of(node, |inner| inner.kind() == "return_statement");
    for statement in returns.into_iter().filter(|inner| file.enclosing_function(*inner) == Some(node)) {
        match statement.named_child(0) {
            None => edits.replace(file, statement.byte_range(), "return nil"),
            Some(list) if list.named_child_count() == count => {
                edits.replace(file, list.end_byte()..list.end_byte(), ", nil");
            }
            Some(_) => return None,
        }
    }
    if count == 0 {
        let body = node.child_by_field_name("body")?;
        let list = body.named_child(0)?;
        let last = last_child(list)?;
        if last.kind() != "return_statement" {
            edits.insert_after(file, last, &["return nil".to_owned()])?;
        }
    }
    Some(())
}

/// Every call of a function; none when it is used in any other way, or by a test.
fn calls(case: &Case<'_>, file: &Arc<File>, function: &Function) -> Option<Vec<Use>> {
    let calls = case.resolver.uses_of(file, function, function.is_exported())?;
    let few = (1..=MAX_CALLS).contains(&calls.len());
    let plain = calls.iter().all(|call| call.how == How::Called && is_repairable(&call.file));
    (few && plain).then_some(calls)
}

/// A call takes the error and leaves with it; none when its function cannot report.
fn change_call(
    case: &Case<'_>,
    edits: &mut Edits,
    file: &Arc<File>,
    call: Node<'_>,
    function: &Function,
    failure: &Failure,
) -> Option<()> {
    let statement = statement_of(call)?;
    let name = called_name(file, call);
    // An answer says what failed inside; an error passed on says what was tried.
    let mut failure = Failure { format: words(name).join(" "), ..failure.clone() }.caused_by("err");
    failure.arguments.clear();
    failure.requested = from_request(file, call);
    let exit = case.leave_as_it_is(edits, file, call, &failure);
    if !exit.reports {
        return None;
    }
    let text = file.text_of(call);
    if statement.kind() == "expression_statement" && statement.named_child(0) == Some(call) {
        if !function.results.is_empty() {
            return None;
        }
        let lines = exit.guarded(&format!("err := {text}; err != nil"));
        return edits.replace_statement(file, statement, &lines);
    }
    soften_later(edits, file, statement, "err")?;
    let right = statement.child_by_field_name("right").and_then(|right| right.named_child(0));
    if statement.kind() == "short_var_declaration" && right == Some(call) {
        let left = statement.child_by_field_name("left")?;
        edits.replace(file, left.end_byte()..left.end_byte(), ", err");
        return edits.insert_after(file, statement, &exit.guarded("err != nil"));
    }
    if function.results.len() != 1 || !in_scope_before(file, call, statement) {
        return None;
    }
    let last = words(name).pop().unwrap_or_default();
    let value = fresh(file, statement, &[last.as_str(), "value", "result"])?;
    let mut lines = vec![format!("{value}, err := {text}")];
    lines.extend(exit.guarded("err != nil"));
    edits.insert_before(file, statement, &lines)?;
    edits.replace(file, call.byte_range(), value);
    Some(())
}
