//! Whether the code asks for something already.

use tree_sitter::Node;

use super::syntax::{leaves, nodes_of, statements_above, within_function};
use crate::repository::go::File;

/// Whether an expression stands where one of two conditions is known: by a condition around it, or by one above it
/// that leaves when `bad` holds.
pub(crate) fn is_asked(file: &File, at: Node<'_>, bad: &str, good: &str) -> bool {
    let around = within_function(at)
        .skip(1)
        .filter_map(|node| match node.kind() {
            "binary_expression" => Some(node),
            "if_statement" => node.child_by_field_name("condition"),
            _ => None,
        })
        .flat_map(|condition| nodes_of(condition, |node| node.kind() == "binary_expression"))
        .any(|part| [bad, good].contains(&file.text_of(part)));
    let above = statements_above(at)
        .filter(|above| above.kind() == "if_statement")
        .filter(|above| above.child_by_field_name("consequence").is_some_and(|block| leaves(file, block)))
        .filter_map(|above| above.child_by_field_name("condition"))
        // One of several conditions is enough.
        .any(|condition| file.text_of(condition).split("||").any(|part| part.trim() == bad));
    around || above
}
