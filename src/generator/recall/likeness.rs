//! How alike two places are when names and literals are left out.

use tree_sitter::Node;

use crate::generator::repair::syntax::statement_of;
use crate::repository::go::File;

/// The most tokens that are compared.
const MAX_TOKENS: usize = 300;

/// How alike the statements around two nodes are, from 0 to 1: twice the longest common sequence of their tokens, by
/// the tokens of both. The statement of the node counts, and the one above and the one below it.
pub(super) fn likeness(a: &File, at_a: Node<'_>, b: &File, at_b: Node<'_>) -> f64 {
    let (a, b) = (tokens_around(a, at_a), tokens_around(b, at_b));
    let all = a.len() + b.len();
    if all == 0 {
        return 0.0;
    }
    let share = |count: usize| f64::from(u32::try_from(count).unwrap_or(u32::MAX));
    2.0 * share(longest_common(&a, &b)) / share(all)
}

fn tokens_around<'f>(file: &'f File, at: Node<'f>) -> Vec<&'f str> {
    let Some(statement) = statement_of(at) else { return Vec::new() };
    let around = [statement.prev_named_sibling(), Some(statement), statement.next_named_sibling()];
    let mut tokens = Vec::new();
    for statement in around.into_iter().flatten() {
        collect(file, statement, &mut tokens);
    }
    tokens.truncate(MAX_TOKENS);
    tokens
}

/// The leaves of the tree: a name or literal is the kind it is of, all else the text it has.
fn collect<'f>(file: &'f File, node: Node<'f>, tokens: &mut Vec<&'f str>) {
    let is_literal =
        node.kind().ends_with("_literal") && !matches!(node.kind(), "composite_literal" | "func_literal");
    if node.kind() == "comment" || tokens.len() > MAX_TOKENS {
        return;
    }
    if is_literal || node.kind().ends_with("identifier") {
        tokens.push(node.kind());
    } else if node.child_count() == 0 {
        tokens.push(file.text_of(node));
    } else {
        let mut cursor = node.walk();
        for child in node.children(&mut cursor) {
            collect(file, child, tokens);
        }
    }
}

fn longest_common(a: &[&str], b: &[&str]) -> usize {
    let mut row = vec![0; b.len() + 1];
    for token in a {
        let mut diagonal = 0;
        for (at, other) in b.iter().enumerate() {
            let above = row[at + 1];
            row[at + 1] = if token == other { diagonal + 1 } else { above.max(row[at]) };
            diagonal = above;
        }
    }
    row[b.len()]
}
