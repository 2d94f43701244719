//! Names at a place: which are free, which mean the same there, and how one is made room for.

use std::sync::Arc;

use tree_sitter::Node;

use super::edit::Edits;
use super::syntax::nodes_of;
use crate::repository::go::{Binding, File, earlier};

/// A name that nothing in scope at a statement, or later in its block, has.
pub(crate) fn fresh(file: &File, statement: Node<'_>, names: &[&str]) -> Option<String> {
    names
        .iter()
        .find(|name| {
            let taken_later = std::iter::successors(statement.next_named_sibling(), Node::next_named_sibling)
                .any(|later| file.declares(later, name).is_some());
            let imported = file.imports.iter().any(|import| import.identifier() == **name);
            let declared = file.functions.iter().any(|function| function.identifier == **name);
            file.binding(statement, name).is_none() && !taken_later && !imported && !declared
        })
        .map(|name| (*name).to_owned())
}

/// The name of the `bool` in `v, ok :=`, usable at a statement that declares `v` anew.
pub(crate) fn found_name(edits: &mut Edits, file: &Arc<File>, statement: Node<'_>) -> Option<&'static str> {
    soften_later(edits, file, statement, "ok").map(|()| "ok")
}

/// A later `err := g()` of the same block declares nothing new any more: it becomes `err = g()`.
pub(crate) fn soften_later(
    edits: &mut Edits,
    file: &Arc<File>,
    statement: Node<'_>,
    name: &str,
) -> Option<()> {
    if let Some(Binding::Short { statement: earlier, .. }) = file.binding(statement, name)
        && earlier.parent() == statement.parent()
    {
        return Some(());
    }
    for later in std::iter::successors(statement.next_named_sibling(), Node::next_named_sibling) {
        if later.kind() == "var_declaration" && file.declares(later, name).is_some() {
            return None;
        }
        if later.kind() != "short_var_declaration" {
            continue;
        }
        if file.declares(later, name).is_none() {
            continue;
        }
        let (left, right) = (later.child_by_field_name("left")?, later.child_by_field_name("right")?);
        let mut cursor = left.walk();
        let others_known = left.named_children(&mut cursor).map(|node| file.text_of(node)).all(|other| {
            other == "_"
                || other == name
                || earlier(later).any(|earlier| file.declares(earlier, other).is_some())
        });
        if others_known {
            edits.replace(file, left.end_byte()..right.start_byte(), " = ");
        }
        return Some(());
    }
    Some(())
}

/// Whether every variable of an expression is declared before a statement.
pub(crate) fn in_scope_before(file: &File, expression: Node<'_>, statement: Node<'_>) -> bool {
    nodes_of(expression, |node| node.kind() == "identifier").into_iter().all(|identifier| {
        let name = file.text_of(identifier);
        match (file.binding(identifier, name), file.binding(statement, name)) {
            (None, _) => true,
            (Some(inner), Some(outer)) => inner.start_byte() == outer.start_byte(),
            (Some(_), None) => false,
        }
    })
}
