//! How the errors around say what is wrong: the sentinel they wrap, and how their messages begin.

use std::sync::Arc;

use tree_sitter::Node;

use super::failure::Failure;
use crate::generator::repair::edit::Edits;
use crate::generator::repair::syntax::{called_name, nodes_of};
use crate::repository::go::File;

/// A sentinel that errors wrap, and where its `%w` stands in their messages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Manner {
    sentinel: String,
    at_the_end: bool,
    /// What the message begins with, where the sentinel stands at its end: `decode: `.
    beginning: String,
}

impl Manner {
    /// The manner of a function's errors; of its file's, where several other functions agree in it.
    pub(super) fn of(file: &File, function: Node<'_>) -> Option<Self> {
        agreed(wrapped(file, function), 1).or_else(|| agreed(wrapped(file, file.tree.root_node()), 2))
    }

    /// An error of this manner.
    pub(super) fn error(&self, edits: &mut Edits, file: &Arc<File>, failure: &Failure) -> String {
        let fmt = edits.import(file, "fmt");
        let mut format = failure.format.clone();
        let mut arguments = failure.arguments.clone();
        if let Some(cause) = &failure.cause {
            format = if format.is_empty() { "%v".to_owned() } else { format!("{format}: %v") };
            arguments.push(cause.clone());
        }
        let format = match self.at_the_end {
            true => format!("{}{format}: %w", self.beginning),
            false => format!("%w: {format}"),
        };
        let place = if self.at_the_end { arguments.len() } else { 0 };
        arguments.insert(place, self.sentinel.clone());
        format!("{fmt}.Errorf(\"{format}\", {})", arguments.join(", "))
    }
}

/// The one manner that all share, if there are enough of them.
fn agreed(manners: Vec<Manner>, enough: usize) -> Option<Manner> {
    let first = manners.first()?;
    (manners.len() >= enough && manners.iter().all(|manner| manner == first)).then(|| first.clone())
}

/// The manners of what is returned below a node with a wrapped sentinel.
fn wrapped(file: &File, top: Node<'_>) -> Vec<Manner> {
    returned_errors(file, top)
        .into_iter()
        .filter_map(|call| {
            let arguments = call.child_by_field_name("arguments")?;
            let format = message(file, call)?;
            let at_the_end = format.ends_with(": %w");
            let place = if at_the_end { arguments.named_child_count().checked_sub(1)? } else { 1 };
            let sentinel = file.text_of(arguments.named_child(u32::try_from(place).ok()?)?);
            let known = is_sentinel(sentinel) && (at_the_end || format.starts_with("%w: "));
            let beginning = begun(format.trim_end_matches(": %w")).filter(|_| at_the_end).unwrap_or_default();
            known.then(|| Manner { sentinel: sentinel.to_owned(), at_the_end, beginning })
        })
        .collect()
}

/// How the messages of a function's errors begin, where there are several and they agree: `decode: `.
pub(super) fn beginning(file: &File, function: Node<'_>) -> Option<String> {
    let beginnings: Vec<Option<String>> =
        returned_errors(file, function).into_iter().map(|call| begun(message(file, call)?)).collect();
    let first = beginnings.first()?.clone()?;
    (beginnings.len() > 1 && beginnings.iter().all(|other| other.as_ref() == Some(&first))).then_some(first)
}

/// What a message begins with, up to its first colon.
fn begun(message: &str) -> Option<String> {
    let (first, _) = message.split_once(": ")?;
    (!first.contains('%')).then(|| format!("{first}: "))
}

/// The calls of `fmt.Errorf` and `errors.New` that are returned below a node.
fn returned_errors<'t>(file: &File, top: Node<'t>) -> Vec<Node<'t>> {
    nodes_of(top, |node| {
        node.kind() == "call_expression"
            && matches!(called_name(file, node), "Errorf" | "New")
            && node
                .parent()
                .and_then(|list| list.parent())
                .is_some_and(|statement| statement.kind() == "return_statement")
    })
}

/// The literal that a call's message is made of.
fn message<'f>(file: &'f File, call: Node<'_>) -> Option<&'f str> {
    let first = call.child_by_field_name("arguments")?.named_child(0)?;
    (first.kind() == "interpreted_string_literal").then(|| file.text_of(first).trim_matches('"'))
}

/// Whether an expression is a variable that is called as sentinels are: `ErrX`, `errX`, `pkg.ErrX`.
pub(crate) fn is_sentinel(text: &str) -> bool {
    let name = text.rsplit('.').next().unwrap_or(text);
    let rest = name.strip_prefix("Err").or_else(|| name.strip_prefix("err"));
    rest.is_some_and(|rest| rest.starts_with(char::is_uppercase))
        && text.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '.'))
}
