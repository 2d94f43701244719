//! Where a value comes from, by following declarations backwards inside a function.

use std::sync::Arc;

use tree_sitter::Node;

use super::handler::request_name;
use super::syntax::{nodes_of, value_at};
use crate::repository::go::{Binding, File, Part};

/// How many declarations are followed backwards.
const MAX_STEPS: usize = 6;

/// Whether a value in an HTTP handler was made from the request.
pub(crate) fn from_request(file: &Arc<File>, node: Node<'_>) -> bool {
    let Some(request) = request_name(file, node) else { return false };
    flows_from(file, node, &request, MAX_STEPS)
}

fn flows_from(file: &File, node: Node<'_>, source: &str, steps: usize) -> bool {
    let Some(steps) = steps.checked_sub(1) else { return false };
    nodes_of(node, |node| node.kind() == "identifier").into_iter().any(|identifier| {
        let name = file.text_of(identifier);
        if name == source {
            return true;
        }
        if set_before(file, identifier, name)
            .into_iter()
            .any(|value| value != node && flows_from(file, value, source, steps))
        {
            return true;
        }
        match file.binding(identifier, name) {
            Some(Binding::Short { statement, position }) => statement
                .child_by_field_name("right")
                .and_then(|right| value_at(right, position))
                .is_some_and(|value| flows_from(file, value, source, steps)),
            Some(Binding::Range { clause, .. }) => clause
                .child_by_field_name("right")
                .is_some_and(|value| flows_from(file, value, source, steps)),
            Some(Binding::Var { spec, position }) => match spec.child_by_field_name("value") {
                Some(values) => {
                    value_at(values, position).is_some_and(|value| flows_from(file, value, source, steps))
                }
                None => filled_from(file, identifier, name, source),
            },
            Some(Binding::TypeSwitch { statement, .. }) => statement
                .child_by_field_name("value")
                .is_some_and(|value| flows_from(file, value, source, steps)),
            Some(Binding::Signature { part: Part::Parameter(_), .. }) | Some(_) | None => false,
        }
    })
}

/// The values that plain assignments above give a variable of the function.
fn set_before<'t>(file: &'t File, at: Node<'t>, name: &str) -> Vec<Node<'t>> {
    let Some(function) = file.enclosing_function(at) else { return Vec::new() };
    if file.binding(at, name).is_none() {
        return Vec::new();
    }
    nodes_of(function, |node| node.kind() == "assignment_statement" && node.end_byte() <= at.start_byte())
        .into_iter()
        .filter_map(|assignment| {
            let left = assignment.child_by_field_name("left")?;
            let position =
                left.named_children(&mut left.walk()).position(|target| file.text_of(target) == name)?;
            value_at(assignment.child_by_field_name("right")?, position)
        })
        .collect()
}

/// Whether some statement hands `&name` to a call that also knows the source, as decoders do.
fn filled_from(file: &File, at: Node<'_>, name: &str, source: &str) -> bool {
    let Some(function) = file.enclosing_function(at) else { return false };
    let address = format!("&{name}");
    nodes_of(function, |node| node.kind() == "call_expression").into_iter().any(|call| {
        let takes = call.child_by_field_name("arguments").is_some_and(|arguments| {
            let mut cursor = arguments.walk();
            arguments.named_children(&mut cursor).any(|argument| file.text_of(argument) == address)
        });
        takes
            && nodes_of(call, |node| node.kind() == "identifier")
                .into_iter()
                .any(|node| file.text_of(node) == source || declared_from(file, node, source))
    })
}

fn declared_from(file: &File, node: Node<'_>, source: &str) -> bool {
    let Some(Binding::Short { statement, position }) = file.binding(node, file.text_of(node)) else {
        return false;
    };
    statement
        .child_by_field_name("right")
        .and_then(|right| value_at(right, position))
        .is_some_and(|value| !nodes_of(value, |node| file.text_of(node) == source).is_empty())
}

/// The value that a variable was declared with, and which of several results it is.
pub(crate) fn origin<'t>(file: &'t File, node: Node<'t>) -> Option<Origin<'t>> {
    let (holder, list, position) = match file.binding(node, file.text_of(node))? {
        Binding::Short { statement, position } => {
            (statement, statement.child_by_field_name("right")?, position)
        }
        Binding::Var { spec, position } => (spec, spec.child_by_field_name("value")?, position),
        _ => return None,
    };
    Some(Origin { statement: holder, value: value_at(list, position)?, position })
}

/// The declaration of a variable, taken apart.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Origin<'t> {
    /// The statement or spec that declares it.
    pub(crate) statement: Node<'t>,
    /// The expression it gets its value from.
    pub(crate) value: Node<'t>,
    /// Which of the declared names it is.
    pub(crate) position: usize,
}
