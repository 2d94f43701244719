//! Places that meet the same nil in the same way: who mends one of them alone leaves the next crash.
//!
//! - What a method's receiver holds in a field is used by other methods of the type: `*n.raw`, in each of them.
//! - What one loop of a function finds in a list, its other loops find in the lists beside it:
//!   `range p.Sample`, `range p.Mapping`.

use std::sync::Arc;

use tree_sitter::Node;

use super::case::Case;
use super::made::was_made;
use super::suspect::{dereferenced, is_receiver};
use super::syntax::{nodes_in, nodes_of};
use crate::repository::go::{Binding, File, Shape};

/// So many at most: what is nil for more of them is to be mended where it is made.
const MAX_TWINS: usize = 6;

/// The first use of such a value in each place, where it is not the value itself; none where there are too many.
pub(crate) fn twins<'c>(case: &Case<'_>, file: &'c Arc<File>, node: Node<'c>) -> Vec<Node<'c>> {
    let mut found = match node.kind() {
        "selector_expression" => in_methods(case, file, node),
        "identifier" => in_loops(case, file, node),
        _ => None,
    }
    .unwrap_or_default();
    if found.len() > MAX_TWINS {
        found.clear();
    }
    found
}

/// The same field in other methods of the type.
fn in_methods<'c>(case: &Case<'_>, file: &'c Arc<File>, node: Node<'c>) -> Option<Vec<Node<'c>>> {
    let (operand, field) = (node.child_by_field_name("operand")?, node.child_by_field_name("field")?);
    let of = file.functions.iter().find(|function| function.range.contains(&node.start_byte()))?;
    let owner = of.receiver.as_ref().filter(|_| is_receiver(file, operand))?;
    let others = file.functions.iter().filter(|other| {
        other.range != of.range
            && other.receiver.as_ref().is_some_and(|receiver| receiver.type_name == owner.type_name)
    });
    let uses = others.filter_map(|other| {
        let same = format!("{}.{}", other.receiver.as_ref()?.name, file.text_of(field));
        let all = nodes_in(file, &other.range, |user| {
            dereferenced(case, file, user).is_some_and(|value| file.text_of(value) == same)
        });
        let first = dereferenced(case, file, all.into_iter().min_by_key(Node::start_byte)?)?;
        // What is set above, or by a method that is called above, may be there.
        let before = file.text.get(other.body.start..first.start_byte())?;
        let is_called = calls_method(before, &other.receiver.as_ref()?.name);
        (!is_called && !before.contains(&format!("{same} ="))).then_some(first)
    });
    Some(uses.collect())
}

/// Whether a text calls a method of a variable.
fn calls_method(text: &str, variable: &str) -> bool {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    text.match_indices(&format!("{variable}.")).any(|(at, found)| {
        let rest = text[at + found.len()..].trim_start_matches(is_word);
        !text[..at].ends_with(is_word) && rest.starts_with('(')
    })
}

/// What other loops of the function find in lists of the same owner.
fn in_loops<'c>(case: &Case<'_>, file: &'c Arc<File>, node: Node<'c>) -> Option<Vec<Node<'c>>> {
    let clause = element_of(file, node)?;
    let owner = owner_of(clause)?;
    let function = file.enclosing_function(node)?;
    let clauses = nodes_of(function, |other| {
        other.kind() == "range_clause"
            && other != clause
            && owner_of(other).is_some_and(|its| file.text_of(its) == file.text_of(owner))
    });
    let uses = clauses.into_iter().filter_map(|clause| {
        let body = clause.parent()?.child_by_field_name("body")?;
        let users = nodes_of(body, |user| {
            dereferenced(case, file, user).is_some_and(|value| element_of(file, value) == Some(clause))
        });
        let first = users.into_iter().min_by_key(Node::start_byte)?;
        dereferenced(case, file, first).filter(|value| {
            let ty = case.resolver.type_of(file, *value);
            ty.is_some_and(|ty| matches!(ty.shape(), Shape::Pointer(_))) && !was_made(case, file, *value)
        })
    });
    Some(uses.collect())
}

/// The clause whose second variable, the element, an expression is.
fn element_of<'c>(file: &'c File, node: Node<'c>) -> Option<Node<'c>> {
    match file.binding(node, file.text_of(node)).filter(|_| node.kind() == "identifier")? {
        Binding::Range { clause, position: 1 } => Some(clause),
        _ => None,
    }
}

/// `p` of `range p.Sample`.
fn owner_of(clause: Node<'_>) -> Option<Node<'_>> {
    let over = clause.child_by_field_name("right").filter(|over| over.kind() == "selector_expression")?;
    over.child_by_field_name("operand").filter(|owner| owner.kind() == "identifier")
}
