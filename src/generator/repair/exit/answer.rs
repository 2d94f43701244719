//! Answering an HTTP request with an error, the way the package's other handlers do.

use std::sync::Arc;

use tree_sitter::Node;

use super::failure::{Blame, Failure};
use crate::generator::repair::case::Case;
use crate::generator::repair::edit::Edits;
use crate::generator::repair::handler::{Handler, handler, parameter};
use crate::generator::repair::syntax::{called_name, nodes_of, statement_of};
use crate::repository::go::{File, Function};

/// The statements that answer the request with a failure and leave; none outside handlers.
pub(crate) fn answer(
    case: &Case<'_>,
    edits: &mut Edits,
    file: &Arc<File>,
    function: Node<'_>,
    failure: &Failure,
) -> Option<Vec<String>> {
    if let Some(context) = parameter(file, function, |ty| ty == "*gin.Context") {
        let status = status(edits, file, failure);
        let message = &failure.plain;
        return Some(vec![
            format!("{context}.AbortWithStatusJSON({status}, gin.H{{\"error\": \"{message}\"}})"),
            "return".to_owned(),
        ]);
    }
    let handler = handler(file, function)?;
    let call = match helper(case, edits, file, function, &handler, failure) {
        Some(call) => call,
        None => {
            let status = status(edits, file, failure);
            let http = edits.import(file, "net/http");
            format!("{http}.Error({}, \"{}\", {status})", handler.writer, failure.plain)
        }
    };
    Some(vec![call, "return".to_owned()])
}

fn status(edits: &mut Edits, file: &Arc<File>, failure: &Failure) -> String {
    let http = edits.import(file, "net/http");
    format!("{http}.{}", status_name(failure))
}

fn status_name(failure: &Failure) -> &str {
    if let Some(status) = &failure.status {
        return status;
    }
    match (failure.blame, failure.requested) {
        (Blame::Missing, _) => "StatusNotFound",
        (Blame::Ended, _) => "StatusServiceUnavailable",
        (Blame::Malformed | Blame::Empty, true) => "StatusBadRequest",
        _ => "StatusInternalServerError",
    }
}

/// A helper of the package that writes an error, as the neighbouring handlers call it: the most used
/// one whose parameters can all be filled.
fn helper(
    case: &Case<'_>,
    edits: &mut Edits,
    file: &Arc<File>,
    function: Node<'_>,
    handler: &Handler,
    failure: &Failure,
) -> Option<String> {
    let mut counts: Vec<(usize, String, Arc<File>, Function)> = Vec::new();
    for other in case.resolver.package_of(file) {
        for (call, callee) in error_answers(case, &other) {
            let target = other.text_of(call).split('(').next().unwrap_or_default().to_owned();
            match counts.iter_mut().find(|(_, _, _, known)| *known == callee.function) {
                Some(known) => known.0 += 1,
                None => counts.push((1, target, callee.file, callee.function)),
            }
        }
    }
    counts.retain(|(_, _, _, function)| suits(function, failure));
    // A helper named for this status beats a general one, then the most used wins.
    counts.sort_by_key(|(count, _, _, function)| (!named_for(function, failure), std::cmp::Reverse(*count)));
    counts.into_iter().find_map(|(_, _, home, helper)| {
        let target = target(file, function, &home, &helper)?;
        let arguments = arguments(case, edits, file, function, handler, failure, &helper)?;
        Some(format!("{target}({})", arguments.join(", ")))
    })
}

/// Calls that come right before a bare `return` in an `if` and reach a function which takes the
/// response writer.
fn error_answers<'t>(case: &Case<'_>, file: &'t Arc<File>) -> Vec<(Node<'t>, crate::repository::go::Callee)> {
    nodes_of(file.tree.root_node(), |node| node.kind() == "return_statement" && node.named_child_count() == 0)
        .into_iter()
        .filter_map(|leave| {
            let list = leave.parent()?;
            let block = list.parent().filter(|block| block.kind() == "block")?;
            block.parent().filter(|parent| parent.kind() == "if_statement")?;
            let before = leave.prev_named_sibling().filter(|node| node.kind() == "expression_statement")?;
            let call = before.named_child(0).filter(|node| node.kind() == "call_expression")?;
            let callee = case.callee(file, call)?;
            let takes_writer =
                callee.function.params.first().is_some_and(|param| param.ty.ends_with("http.ResponseWriter"));
            takes_writer.then_some((call, callee))
        })
        .collect()
}

/// The status with which the package answers when a call fails, as its other handlers do.
pub(crate) fn neighbours_status(case: &Case<'_>, file: &Arc<File>, call: Node<'_>) -> Option<String> {
    let name = called_name(file, call);
    let callee = case.callee(file, call);
    let is_another = |other: &Arc<File>, node: Node<'_>| {
        let other = callee.as_ref().zip(case.callee(other, node));
        other.is_some_and(|(one, other)| one.function != other.function || one.file.path != other.file.path)
    };
    case.resolver.package_of(file).iter().find_map(|other| {
        nodes_of(other.tree.root_node(), |node| node.kind() == "call_expression")
            .into_iter()
            .filter(|node| called_name(other, *node) == name && !is_another(other, *node))
            .find_map(|node| {
                let statement = statement_of(node)?;
                let check = if statement.kind() == "if_statement" {
                    statement
                } else {
                    statement.next_named_sibling().filter(|next| next.kind() == "if_statement")?
                };
                let condition = check.child_by_field_name("condition")?;
                let block = check.child_by_field_name("consequence")?;
                if !other.text_of(condition).contains("!= nil") {
                    return None;
                }
                let statuses = nodes_of(block, |node| {
                    node.kind() == "selector_expression" && other.text_of(node).starts_with("http.Status")
                });
                let [status] = statuses.as_slice() else { return None };
                other.text_of(*status).strip_prefix("http.").map(str::to_owned)
            })
    })
}

/// The status that a helper's name stands for.
fn status_of_name(function: &Function) -> Option<&'static str> {
    let name = function.identifier.to_ascii_lowercase();
    [
        ("badrequest", "StatusBadRequest"),
        ("invalid", "StatusBadRequest"),
        ("clienterror", "StatusBadRequest"),
        ("notfound", "StatusNotFound"),
        ("internal", "StatusInternalServerError"),
        ("servererror", "StatusInternalServerError"),
        ("unauthorized", "StatusUnauthorized"),
        ("forbidden", "StatusForbidden"),
        ("conflict", "StatusConflict"),
    ]
    .into_iter()
    .find_map(|(word, status)| name.contains(word).then_some(status))
}

fn named_for(function: &Function, failure: &Failure) -> bool {
    status_of_name(function) == Some(status_name(failure))
}

fn suits(function: &Function, failure: &Failure) -> bool {
    status_of_name(function).is_none_or(|status| status == status_name(failure))
}

/// How a helper is called from a function: a plain function by its name, a method through the
/// receiver of the same type.
fn target(file: &File, function: Node<'_>, home: &File, helper: &Function) -> Option<String> {
    let Some(receiver) = &helper.receiver else {
        if home.path.folder() == file.path.folder() {
            return Some(helper.identifier.clone());
        }
        let import = file.imports.iter().find(|import| import.path.ends_with(home.path.folder()))?;
        return Some(format!("{}.{}", import.identifier(), helper.identifier));
    };
    let outer = std::iter::successors(Some(function), Node::parent)
        .find(|node| node.kind() == "method_declaration")?;
    let own = file.functions.iter().find(|own| own.range == outer.byte_range())?.receiver.clone()?;
    (own.type_name == receiver.type_name && !own.name.is_empty() && own.name != "_")
        .then(|| format!("{}.{}", own.name, helper.identifier))
}

fn arguments(
    case: &Case<'_>,
    edits: &mut Edits,
    file: &Arc<File>,
    function: Node<'_>,
    handler: &Handler,
    failure: &Failure,
    helper: &Function,
) -> Option<Vec<String>> {
    let mut arguments = Vec::new();
    for param in &helper.params {
        let argument = match param.ty.as_str() {
            ty if ty.ends_with("http.ResponseWriter") => handler.writer.clone(),
            ty if ty.ends_with("*http.Request") && !handler.request.is_empty() => handler.request.clone(),
            "context.Context" if !handler.request.is_empty() => format!("{}.Context()", handler.request),
            "int" => status(edits, file, failure),
            "string" => format!("\"{}\"", failure.plain),
            "error" => case.error(edits, file, function, failure),
            ty if ty.starts_with("...") => continue,
            _ => return None,
        };
        arguments.push(argument);
    }
    Some(arguments)
}
