//! Log lines in the way a file writes them already.

use std::sync::Arc;

use tree_sitter::Node;

use super::failure::Failure;
use crate::generator::repair::naming::is_logger;
use crate::generator::repair::syntax::{method_call, nodes_of, root_of};
use crate::repository::go::File;

/// A statement that logs a failure through a logger which the file uses and which is in scope.
pub(crate) fn report(file: &Arc<File>, at: Node<'_>, failure: &Failure) -> Option<String> {
    let calls = nodes_of(file.tree.root_node(), |node| node.kind() == "call_expression");
    calls.into_iter().find_map(|call| {
        let (operand, method) = method_call(call)?;
        let logger = file.text_of(operand);
        let name = logger.rsplit('.').next()?.to_ascii_lowercase();
        let method = file.text_of(method);
        let root = root_of(operand)?;
        let root_name = file.text_of(root);
        let package = file.imports.iter().find(|import| import.identifier() == root_name);
        let in_scope = package.is_some() || file.binding(at, root_name).is_some();
        if !is_logger(&name) || !in_scope {
            return None;
        }
        let structured = package.is_some_and(|import| import.path == "log/slog")
            || (package.is_none() && file.imports.iter().any(|import| import.path == "log/slog"));
        let message = &failure.plain;
        match (method, structured, &failure.cause) {
            ("Error" | "Warn" | "Info" | "Debug", true, Some(cause)) => {
                Some(format!("{logger}.Error(\"{message}\", \"error\", {cause})"))
            }
            ("Error" | "Warn" | "Info" | "Debug", true, None) => {
                Some(format!("{logger}.Error(\"{message}\")"))
            }
            ("Printf" | "Println" | "Print", false, Some(cause)) => {
                Some(format!("{logger}.Printf(\"{message}: %v\", {cause})"))
            }
            ("Printf" | "Println" | "Print", false, None) => Some(format!("{logger}.Print(\"{message}\")")),
            _ => None,
        }
    })
}
