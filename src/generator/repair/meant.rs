//! What nil means in a field where it is meant: that something may be left out, or that its owner was closed.

use std::sync::Arc;

use tree_sitter::Node;

use super::case::Case;
use super::syntax::{nodes_of, operator_of};
use crate::repository::go::{File, TypeDecl};

/// How functions are called after which a thing is not used any more.
const ENDS: &[&str] =
    &["close", "stop", "shutdown", "destroy", "dispose", "terminate", "quit", "release", "finish"];

/// Whether a field may be left out, as the package says by asking for it, or in words: beside the field, its
/// owner and its type.
pub(crate) fn is_optional(case: &Case<'_>, owner: &TypeDecl, field: &str) -> bool {
    let files = case.resolver.package_of(&owner.file);
    files.iter().any(|file| is_asked_for(case, file, owner, field)) || is_said(case, owner, field)
}

/// Whether the owner of a field sets it to nil when it is closed.
pub(crate) fn is_cleared_at_end(case: &Case<'_>, owner: &TypeDecl, field: &str) -> bool {
    case.resolver.package_of(&owner.file).iter().any(|file| {
        nodes_of(file.tree.root_node(), |node| node.kind() == "assignment_statement").into_iter().any(
            |node| {
                let ends = file.function_at(file.line_at(node.start_byte())).is_some_and(|function| {
                    let name = function.identifier.to_ascii_lowercase();
                    ENDS.iter().any(|end| name.starts_with(end))
                });
                ends && sets_to_nil(case, file, node, owner, field)
            },
        )
    })
}

fn sets_to_nil(
    case: &Case<'_>,
    file: &Arc<File>,
    assignment: Node<'_>,
    owner: &TypeDecl,
    field: &str,
) -> bool {
    let sides = assignment.child_by_field_name("left").zip(assignment.child_by_field_name("right"));
    sides.is_some_and(|(left, right)| {
        left.named_children(&mut left.walk())
            .zip(right.named_children(&mut right.walk()))
            .any(|(target, value)| file.text_of(value) == "nil" && is_field(case, file, target, owner, field))
    })
}

/// Whether an expression is the field of a value of its owner; where types do not tell, its name does.
fn is_field(case: &Case<'_>, file: &Arc<File>, node: Node<'_>, owner: &TypeDecl, field: &str) -> bool {
    let parts = node.child_by_field_name("operand").zip(node.child_by_field_name("field"));
    parts.filter(|(_, name)| file.text_of(*name) == field).is_some_and(|(operand, _)| {
        case.resolver
            .type_of(file, operand)
            .and_then(|ty| case.resolver.field(&ty, field))
            .is_none_or(|(known, _)| known.name == owner.name && known.file.path == owner.file.path)
    })
}

fn is_asked_for(case: &Case<'_>, file: &Arc<File>, owner: &TypeDecl, field: &str) -> bool {
    let asks = nodes_of(file.tree.root_node(), |node| {
        matches!(operator_of(file, node), Some("==" | "!="))
            && node.child_by_field_name("right").is_some_and(|right| file.text_of(right) == "nil")
    });
    asks.into_iter().any(|asks| {
        asks.child_by_field_name("left").is_some_and(|left| {
            is_field(case, file, left, owner, field) && !is_made_then(file, asks, file.text_of(left))
        })
    })
}

/// Whether what is asked for is made when it is not there: nil then means nothing but `not yet`.
fn is_made_then(file: &File, asks: Node<'_>, place: &str) -> bool {
    let check = std::iter::successors(asks.parent(), Node::parent)
        .take_while(|node| node.kind() != "statement_list")
        .find(|node| node.kind() == "if_statement");
    check.and_then(|check| check.child_by_field_name("consequence")).is_some_and(|block| {
        nodes_of(block, |node| node.kind() == "assignment_statement").into_iter().any(|assignment| {
            assignment.child_by_field_name("left").is_some_and(|left| file.text_of(left) == place)
        })
    })
}

/// Whether a comment says what is when the field is nil: `nil means no limit`, `a user without limit`.
fn is_said(case: &Case<'_>, owner: &TypeDecl, field: &str) -> bool {
    let name = field.to_lowercase();
    let own = |text: &str| {
        let text = text.to_lowercase();
        text.contains("optional") || text.split(|c: char| !c.is_alphanumeric()).any(|word| word == "nil")
    };
    let absent = |text: &str| {
        let text = text.to_lowercase();
        ["no", "without", "without a", "without an", "without any"].iter().any(|word| {
            let said = format!("{word} {name}");
            text.match_indices(&said).any(|(at, _)| {
                let before = text[..at].chars().next_back();
                let after = text[at + said.len()..].chars().next();
                [before, after].into_iter().flatten().all(|c| !c.is_alphanumeric())
            })
        })
    };
    let comments = |file: &File| -> Vec<(usize, String)> {
        nodes_of(file.tree.root_node(), |node| node.kind() == "comment")
            .into_iter()
            .map(|node| (node.start_position().row, file.text_of(node).to_owned()))
            .collect()
    };
    let Some(row) = field_row(owner, field) else { return false };
    let beside =
        comments(&owner.file).into_iter().any(|(at, text)| (at == row || at + 1 == row) && own(&text));
    beside
        || case
            .resolver
            .package_of(&owner.file)
            .iter()
            .flat_map(|file| comments(file))
            .any(|(_, text)| absent(&text))
}

/// The line of a field's declaration, from 0.
fn field_row(owner: &TypeDecl, field: &str) -> Option<usize> {
    let spec = owner.file.node_at(owner.range.clone())?;
    nodes_of(spec, |node| node.kind() == "field_declaration")
        .into_iter()
        .find(|declaration| {
            declaration
                .children_by_field_name("name", &mut declaration.walk())
                .any(|name| owner.file.text_of(name) == field)
        })
        .map(|declaration| declaration.start_position().row)
}
