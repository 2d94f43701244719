//! Walks through syntax trees.

use tree_sitter::Node;

/// How many nodes are visited at most.
const MAX_NODES: usize = 200_000;

/// The nodes below and including one that satisfy a condition, children before their parents.
#[must_use]
pub fn nodes_of<'t>(top: Node<'t>, wanted: impl Fn(Node<'t>) -> bool) -> Vec<Node<'t>> {
    let mut found = Vec::new();
    let mut cursor = top.walk();
    let mut depth = 0_usize;
    for _ in 0..MAX_NODES {
        if cursor.goto_first_child() {
            depth += 1;
            continue;
        }
        loop {
            let node = cursor.node();
            if node.is_named() && wanted(node) {
                found.push(node);
            }
            if depth == 0 {
                return found;
            }
            if cursor.goto_next_sibling() {
                break;
            }
            cursor.goto_parent();
            depth -= 1;
        }
    }
    found
}
