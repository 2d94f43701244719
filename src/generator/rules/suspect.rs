//! The expressions which can be the nil one on a failing line, followed outwards: a parameter is what
//! the caller passed, a receiver what the method was called on.

use std::sync::Arc;

use tree_sitter::Node;

use super::case::{Case, called_name};
use crate::repository::go::{Binding, File, Part, Shape};

/// An expression that may be nil.
#[derive(Debug, Clone, Copy)]
pub(super) struct Suspect<'c> {
    /// The frame it stands in.
    pub(super) depth: usize,
    pub(super) file: &'c Arc<File>,
    pub(super) node: Node<'c>,
    /// The expression it was followed from, in the failing function.
    pub(super) inner: Node<'c>,
}

/// The suspects, likeliest first.
pub(super) fn suspects<'c>(case: &'c Case<'_>) -> Vec<Suspect<'c>> {
    let mut suspects: Vec<Suspect<'c>> = Vec::new();
    let Some(file) = case.file(0) else { return suspects };
    for user in case.raisers(0, |file, node| dereferenced(case, file, node).is_some()) {
        let Some(node) = dereferenced(case, file, user) else { continue };
        if !suspects.iter().any(|known| known.node == node) {
            suspects.push(Suspect { depth: 0, file, node, inner: node });
        }
    }
    let mut at = 0;
    while let Some(suspect) = suspects.get(at).copied() {
        if let Some(outer) = followed(case, suspect)
            && !suspects.iter().any(|known| known.node == outer.node && known.depth == outer.depth)
        {
            suspects.push(outer);
        }
        at += 1;
    }
    suspects
}

/// The expression that a node dereferences, when it can be nil as far as its type tells.
fn dereferenced<'t>(case: &Case<'_>, file: &Arc<File>, node: Node<'t>) -> Option<Node<'t>> {
    match node.kind() {
        "selector_expression" => {
            let operand = node.child_by_field_name("operand")?;
            if case.resolver.is_package(file, operand) {
                return None;
            }
            let called = node.parent().is_some_and(|parent| {
                parent.kind() == "call_expression" && parent.child_by_field_name("function") == Some(node)
            });
            let field = file.text_of(node.child_by_field_name("field")?);
            let Some(ty) = case.resolver.type_of(file, operand) else { return Some(operand) };
            match case.resolver.underlying(&ty).shape() {
                Shape::Pointer(_) => {
                    // A method with a pointer receiver is entered first: nil fails inside it.
                    let enters = called
                        && case.resolver.method(&ty, field).is_some_and(|method| {
                            method.function.receiver.as_ref().is_some_and(|receiver| receiver.pointer)
                        });
                    (!enters).then_some(operand)
                }
                Shape::Interface => called.then_some(operand),
                Shape::Named(Some(_), _) => {
                    (called && operand.kind() != "call_expression").then_some(operand)
                }
                _ => None,
            }
        }
        "unary_expression" if file.text_of(node).starts_with('*') => node.child_by_field_name("operand"),
        "call_expression" => {
            let function = node.child_by_field_name("function")?;
            let ty = match function.kind() {
                "identifier" => {
                    file.binding(function, file.text_of(function))?;
                    case.resolver.type_of(file, function)?
                }
                "selector_expression" => case.resolver.type_of(file, function)?,
                _ => return None,
            };
            (case.resolver.underlying(&ty).shape() == Shape::Function).then_some(function)
        }
        _ => None,
    }
}

/// The same value one step outwards.
fn followed<'c>(case: &'c Case<'_>, suspect: Suspect<'c>) -> Option<Suspect<'c>> {
    let Suspect { depth, file, node, inner } = suspect;
    if node.kind() != "identifier" {
        return None;
    }
    match file.binding(node, file.text_of(node))? {
        Binding::Signature { function, part, .. } if function.kind() != "func_literal" => {
            let (outer, call, _) = case.call_into(depth)?;
            let node = match part {
                Part::Parameter(position) => {
                    call.child_by_field_name("arguments")?.named_child(u32::try_from(position).ok()?)?
                }
                Part::Receiver => call.child_by_field_name("function")?.child_by_field_name("operand")?,
                Part::Result(_) => return None,
            };
            Some(Suspect { depth: outer, file: case.file(outer)?, node, inner })
        }
        Binding::Short { statement, position } => {
            let right = statement.child_by_field_name("right")?;
            let single = right.named_child_count() == 1;
            let value = super::case::value_at(right, position)?;
            // `c := s.client`: the field is what is nil.
            (value.kind() == "selector_expression" && single).then_some(Suspect {
                depth,
                file,
                node: value,
                inner,
            })
        }
        _ => None,
    }
}

/// A name for the thing an expression is, for messages: the last name in it.
pub(super) fn noun(file: &File, node: Node<'_>) -> String {
    match node.kind() {
        "selector_expression" => {
            node.child_by_field_name("field").map(|field| file.text_of(field).to_owned()).unwrap_or_default()
        }
        "index_expression" => node
            .child_by_field_name("operand")
            .map(|operand| super::exit::singular(&noun(file, operand)))
            .unwrap_or_default(),
        "call_expression" => called_name(file, node).to_owned(),
        "unary_expression" | "parenthesized_expression" | "slice_expression" => {
            node.named_child(0).map(|inner| noun(file, inner)).unwrap_or_default()
        }
        "identifier" => file.text_of(node).to_owned(),
        _ => String::new(),
    }
}

/// The words of a name, as a message writes them; short names say nothing and become `value`.
pub(super) fn phrase(name: &str) -> String {
    let words = super::exit::words(name);
    if name.chars().count() < 2 || words.is_empty() { "value".to_owned() } else { words.join(" ") }
}
