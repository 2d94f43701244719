//! The functions of a package that a piece of code leads to.

use std::ops::Range;
use std::sync::Arc;

use tree_sitter::Node;

use super::case::Case;
use super::flow::origin;
use super::syntax::nodes_of;
use crate::repository::go::File;

/// How many functions are looked at.
const MOST: usize = 200;

/// The body of a function.
#[derive(Debug, Clone)]
pub(crate) struct Body {
    pub(crate) file: Arc<File>,
    /// The block, in bytes.
    pub(crate) range: Range<usize>,
}

impl Body {
    fn is(&self, other: &Self) -> bool {
        self.file.path == other.file.path && self.range == other.range
    }
}

/// The functions of the package that code calls, directly or by others: those that are declared, and literals that
/// variables were declared with. None where there are more than are looked at.
pub(crate) fn led_to(case: &Case<'_>, file: &Arc<File>, code: Node<'_>) -> Option<Vec<Body>> {
    let mut known: Vec<Body> = Vec::new();
    let add = |known: &mut Vec<Body>, file: &Arc<File>, code: Node<'_>| {
        for body in called(case, file, code) {
            if !known.iter().any(|other| other.is(&body)) {
                known.push(body);
            }
        }
    };
    add(&mut known, file, code);
    let mut next = 0;
    while let Some(Body { file, range }) = known.get(next).cloned() {
        next += 1;
        if next > MOST {
            return None;
        }
        if let Some(code) = file.node_at(range) {
            add(&mut known, &file, code);
        }
    }
    Some(known)
}

fn called(case: &Case<'_>, file: &Arc<File>, code: Node<'_>) -> Vec<Body> {
    let body_of = |call: Node<'_>| {
        if let Some(callee) = case.callee(file, call) {
            let own = case.same_package(&callee.file, file);
            return own.then_some(Body { file: callee.file, range: callee.function.body });
        }
        let function = call.child_by_field_name("function").filter(|name| name.kind() == "identifier")?;
        let literal = origin(file, function)?.value;
        let body = literal.child_by_field_name("body").filter(|_| literal.kind() == "func_literal")?;
        Some(Body { file: Arc::clone(file), range: body.byte_range() })
    };
    nodes_of(code, |node| node.kind() == "call_expression").into_iter().filter_map(body_of).collect()
}
