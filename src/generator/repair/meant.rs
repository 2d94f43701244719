//! What nil means in a field where it is meant: that something may be left out, or that its owner was closed.

use std::sync::Arc;

use tree_sitter::Node;

use super::case::Case;
use super::syntax::{ends_program, nodes_of, operator_of, returns_error};
use crate::repository::go::{File, Function, TypeDecl};

/// How functions are called after which a thing is not used any more.
const ENDS: &[&str] =
    &["close", "stop", "shutdown", "destroy", "dispose", "terminate", "quit", "release", "finish"];

/// Whether a field may be left out, as the package says by asking for it, or in words: beside the field, its
/// owner and its type.
pub(crate) fn is_optional(case: &Case<'_>, owner: &TypeDecl, field: &str) -> bool {
    let files = case.resolver.package_of(&owner.file);
    files.iter().any(|file| is_asked_for(case, file, owner, field)) || is_said(case, owner, field)
}

/// Whether the owner of a field sets it to nil when it is closed, and nothing sets it anew.
pub(crate) fn is_cleared_at_end(case: &Case<'_>, owner: &TypeDecl, field: &str) -> bool {
    let set = |to_nil: bool, by: &dyn Fn(&Function) -> bool| {
        case.resolver.package_of(&owner.file).iter().any(|file| {
            nodes_of(file.tree.root_node(), |node| node.kind() == "assignment_statement").into_iter().any(
                |node| {
                    file.function_at(file.line_at(node.start_byte())).is_some_and(by)
                        && sets(case, file, node, owner, field, to_nil)
                },
            )
        })
    };
    let ends = |function: &Function| ENDS.contains(&function.identifier.to_ascii_lowercase().as_str());
    let own = |function: &Function| {
        function.receiver.as_ref().is_some_and(|receiver| receiver.type_name == owner.name)
    };
    set(true, &ends) && !set(false, &own)
}

/// Whether an assignment sets the field: to nil, or to anything else.
fn sets(
    case: &Case<'_>,
    file: &Arc<File>,
    assignment: Node<'_>,
    owner: &TypeDecl,
    field: &str,
    to_nil: bool,
) -> bool {
    let sides = assignment.child_by_field_name("left").zip(assignment.child_by_field_name("right"));
    sides.is_some_and(|(left, right)| {
        left.named_children(&mut left.walk()).zip(right.named_children(&mut right.walk())).any(
            |(target, value)| {
                (file.text_of(value) == "nil") == to_nil && is_field(case, file, target, owner, field)
            },
        )
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
            is_field(case, file, left, owner, field) && goes_on_without(file, asks, file.text_of(left))
        })
    })
}

/// Whether the code goes on in another way when nothing is there: an `if` that neither makes it, nor leaves with an
/// error or a panic.
fn goes_on_without(file: &File, asks: Node<'_>, place: &str) -> bool {
    let check = std::iter::successors(asks.parent(), Node::parent)
        .take_while(|node| node.kind() != "statement_list")
        .find(|node| node.kind() == "if_statement");
    let Some(block) = check.and_then(|check| check.child_by_field_name("consequence")) else { return false };
    let refuses = nodes_of(block, |node| match node.kind() {
        "assignment_statement" => {
            node.child_by_field_name("left").is_some_and(|left| file.text_of(left) == place)
        }
        "return_statement" => returns_error(file, node) && !file.text_of(node).ends_with("nil"),
        "call_expression" => ends_program(file, node),
        _ => false,
    });
    refuses.is_empty()
}

/// Whether a comment says what is when the field is nil: `nil means no limit`, `a user without limit`.
fn is_said(case: &Case<'_>, owner: &TypeDecl, field: &str) -> bool {
    let name = field.to_lowercase();
    let own = |text: &str| {
        let text = text.to_lowercase();
        let never = ["never nil", "not nil", "not be nil", "non-nil", "cannot be nil"];
        let nil = text.split(|c: char| !c.is_alphanumeric()).any(|word| word == "nil");
        (text.contains("optional") || nil) && !never.iter().any(|words| text.contains(words))
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
    // Each with its line, and whether it stands alone on it.
    let comments = |file: &File| -> Vec<(usize, bool, String)> {
        nodes_of(file.tree.root_node(), |node| node.kind() == "comment")
            .into_iter()
            .map(|node| {
                let alone = node
                    .prev_sibling()
                    .is_none_or(|before| before.end_position().row < node.start_position().row);
                (node.start_position().row, alone, file.text_of(node).to_owned())
            })
            .collect()
    };
    let Some(row) = field_row(owner, field) else { return false };
    let beside = comments(&owner.file)
        .into_iter()
        .any(|(at, alone, text)| (at == row || at + 1 == row && alone) && own(&text));
    beside
        || case
            .resolver
            .package_of(&owner.file)
            .iter()
            .flat_map(|file| comments(file))
            .any(|(.., text)| absent(&text))
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
