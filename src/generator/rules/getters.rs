//! A field of a message that is not there.
//!
//! Evidence: a field is read of what can be nil, and its type has a method `Get…` for each such field, as the types
//! have that `protoc-gen-go` writes: of a nil message they give back the zero value. Edit: the statement reads its
//! fields through them.
//!
//! Risk: an empty value where the message must be there.

use std::sync::Arc;

use tree_sitter::Node;

use crate::generator::repair::case::Case;
use crate::generator::repair::draft::Draft;
use crate::generator::repair::edit::{Edits, is_repairable};
use crate::generator::repair::suspect::{Suspect, suspects};
use crate::generator::repair::syntax::{nodes_of, statement_of};
use crate::repository::go::File;

pub(super) fn drafts(case: &Case<'_>) -> Vec<Draft> {
    let first = |suspect: &Suspect<'_>| suspect.depth == 0 && is_repairable(suspect.file);
    suspects(case).into_iter().filter(first).filter_map(|suspect| read_through(case, suspect)).collect()
}

fn read_through(case: &Case<'_>, suspect: Suspect<'_>) -> Option<Draft> {
    let Suspect { file, node, .. } = suspect;
    let message = file.text_of(node);
    let reads = nodes_of(statement_of(node)?, |read| {
        read.kind() == "selector_expression"
            && read.child_by_field_name("operand").is_some_and(|operand| file.text_of(operand) == message)
    });
    let mut edits = Edits::default();
    for read in &reads {
        let field = read.child_by_field_name("field")?;
        let getter = format!("Get{}", file.text_of(field));
        has_getter(case, file, node, &getter).then_some(())?;
        let is_whole = read.parent().is_some_and(|parent| {
            matches!(parent.kind(), "unary_expression") && file.text_of(parent).starts_with('&')
                || parent.kind() == "call_expression" && parent.child_by_field_name("function") == Some(*read)
        });
        (!is_whole && !is_written(*read)).then_some(())?;
        edits.replace(file, field.byte_range(), format!("{getter}()"));
    }
    let explanation =
        format!("`{message}` may be nil: its fields are read by the methods that give zero values then.");
    let open = Some("whether zero values are right where it is nil, nothing here tells".to_owned());
    (!reads.is_empty()).then(|| Draft { open, ..Draft::cause(0, explanation, edits) })
}

/// Whether the type of a value has a method to read a field by. Of types of other modules that is not known; those in a
/// package of messages have one.
fn has_getter(case: &Case<'_>, file: &Arc<File>, node: Node<'_>, getter: &str) -> bool {
    let Some(ty) = case.resolver.type_of(file, node) else { return false };
    if let Some(method) = case.resolver.method(&ty, getter) {
        return method.function.params.is_empty();
    }
    let package = ty.text.trim_start_matches('*').split_once('.').map(|(package, _)| package);
    case.resolver.type_decl(&ty).is_none() && package.is_some_and(|package| package.ends_with("pb"))
}

/// Whether a field is assigned to, or a part of it is.
fn is_written(read: Node<'_>) -> bool {
    std::iter::successors(Some(read), Node::parent)
        .take_while(|node| !matches!(node.kind(), "statement_list" | "block"))
        .any(|node| {
            node.parent().is_some_and(|parent| {
                matches!(parent.kind(), "inc_statement" | "dec_statement")
                    || parent.kind() == "assignment_statement"
                        && parent.child_by_field_name("left") == Some(node)
            })
        })
}
