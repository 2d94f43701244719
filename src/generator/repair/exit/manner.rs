//! How the errors around say what is wrong: the sentinel they wrap, and how their messages begin.

use std::sync::Arc;

use tree_sitter::Node;

use super::failure::Failure;
use crate::generator::repair::edit::Edits;
use crate::generator::repair::naming::words;
use crate::generator::repair::syntax::{called_name, last_child, nodes_of, unquoted};
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
    /// The manner of a function's errors; where it has none, of the functions of its file that it calls; else of
    /// those that do the same by their names: of `parseHead` for `parsePoint`.
    pub(super) fn of(file: &File, function: Node<'_>) -> Option<Self> {
        let own = agreed(wrapped(file, function));
        own.or_else(|| agreed(called(file, function).flat_map(|node| wrapped(file, node)))).or_else(|| {
            let verb = verb(file.text_of(function.child_by_field_name("name")?))
                .filter(|verb| READS.contains(&verb.as_str()))?;
            let alike =
                file.functions.iter().filter(|other| self::verb(&other.identifier).as_ref() == Some(&verb));
            agreed(
                alike
                    .filter_map(|other| file.node_at(other.range.clone()))
                    .flat_map(|node| wrapped(file, node)),
            )
        })
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

/// The one manner that all share.
fn agreed(manners: impl IntoIterator<Item = Manner>) -> Option<Manner> {
    let mut manners = manners.into_iter();
    let first = manners.next()?;
    manners.all(|manner| manner == first).then_some(first)
}

/// The functions of a file that one of them calls and that can fail; methods, where it calls them on its own receiver
/// or on what it makes.
fn called<'f>(file: &'f File, function: Node<'_>) -> impl Iterator<Item = Node<'f>> {
    let own = function.byte_range();
    let receiver =
        file.functions.iter().find(|known| known.range == own).and_then(|known| known.receiver.as_ref());
    let is_near = |call: &Node<'_>| {
        let operand =
            call.child_by_field_name("function").and_then(|called| called.child_by_field_name("operand"));
        operand.is_none_or(|operand| {
            operand.kind() == "composite_literal"
                || receiver.is_some_and(|receiver| receiver.name == file.text_of(operand))
        })
    };
    let calls = nodes_of(function, |node| node.kind() == "call_expression");
    let names: Vec<(&str, bool)> = calls
        .iter()
        .filter(|call| is_near(call))
        .map(|call| {
            let is_method =
                call.child_by_field_name("function").is_some_and(|called| called.kind() != "identifier");
            (called_name(file, *call), is_method)
        })
        .collect();
    let others = file.functions.iter().filter(move |other| {
        let is_called = names.contains(&(other.identifier.as_str(), other.receiver.is_some()));
        is_called && other.returns_error() && other.range != own
    });
    others.filter_map(|other| file.node_at(other.range.clone()))
}

/// What functions do that fail because of what they are given.
const READS: &[&str] = &["parse", "decode", "read", "unmarshal", "scan", "lex", "load", "split"];
/// Words of sentinels that say something else than that a value is malformed.
const OTHERS: &[&str] = &[
    "not",
    "found",
    "forbidden",
    "denied",
    "unauthorized",
    "unauthenticated",
    "permission",
    "closed",
    "stopped",
    "timeout",
    "deadline",
    "exist",
    "exists",
    "exceeded",
    "conflict",
    "unknown",
    "missing",
    "no",
    "canceled",
    "cancelled",
    "full",
    "busy",
    "unavailable",
    "internal",
    "duplicate",
    "already",
    "eof",
    "limit",
    "quota",
];

fn means_another(sentinel: &str) -> bool {
    words(sentinel.rsplit('.').next().unwrap_or(sentinel)).iter().any(|word| OTHERS.contains(&word.as_str()))
}

/// What a function does, by its name.
fn verb(name: &str) -> Option<String> {
    words(name).into_iter().next()
}

/// The manners of what is returned below a node with a wrapped sentinel.
fn wrapped(file: &File, top: Node<'_>) -> Vec<Manner> {
    returned_errors(file, top)
        .into_iter()
        .filter_map(|call| {
            let arguments = call.child_by_field_name("arguments")?;
            let format = message(file, call)?;
            let at_the_end = format.ends_with(": %w");
            let sentinel = if at_the_end { last_child(arguments) } else { arguments.named_child(1) };
            let sentinel = file.text_of(sentinel?);
            let known = is_sentinel(sentinel)
                && !means_another(sentinel)
                && (at_the_end || format.starts_with("%w: "));
            let beginning = begun(format.trim_end_matches(": %w")).filter(|_| at_the_end).unwrap_or_default();
            known.then(|| Manner { sentinel: sentinel.to_owned(), at_the_end, beginning })
        })
        .collect()
}

/// The sentinel that a function returns as it is, where it returns no other error of its own; where it returns none,
/// the functions of its file that it calls.
pub(super) fn plain_sentinel(file: &File, function: Node<'_>) -> Option<String> {
    let of = |node: Node<'_>| {
        let sentinels = returned_sentinels(file, node);
        returned_errors(file, node).is_empty().then_some(sentinels)
    };
    let own = of(function)?;
    let all = match own.is_empty() {
        false => own,
        true => called(file, function).filter_map(of).flatten().collect(),
    };
    let first = all.first().copied().filter(|sentinel| is_of_form(sentinel))?;
    all.iter().all(|other| *other == first).then(|| first.to_owned())
}

/// Words of sentinels that say what the form of a value is.
const FORMS: &[&str] = &[
    "invalid",
    "malformed",
    "syntax",
    "format",
    "parse",
    "quote",
    "short",
    "truncated",
    "incomplete",
    "range",
    "bounds",
    "bad",
    "illegal",
    "corrupt",
    "corrupted",
    "unexpected",
    "length",
    "size",
    "index",
    "overflow",
    "payload",
    "header",
];

/// Whether a sentinel speaks of the form of a value.
fn is_of_form(sentinel: &str) -> bool {
    let name = sentinel.rsplit('.').next().unwrap_or(sentinel);
    words(name).iter().any(|word| FORMS.contains(&word.as_str()))
}

/// The sentinels that are returned as they are below a node.
fn returned_sentinels<'f>(file: &'f File, top: Node<'_>) -> Vec<&'f str> {
    nodes_of(top, |node| node.kind() == "return_statement")
        .into_iter()
        .filter_map(|statement| last_child(statement.named_child(0)?))
        .map(|last| file.text_of(last))
        .filter(|last| is_sentinel(last))
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
pub(super) fn begun(message: &str) -> Option<String> {
    let (first, _) = message.split_once(": ")?;
    (!first.contains('%')).then(|| format!("{first}: "))
}

/// The calls of `fmt.Errorf` and `errors.New` that are returned below a node.
pub(super) fn returned_errors<'t>(file: &File, top: Node<'t>) -> Vec<Node<'t>> {
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
    (first.kind() == "interpreted_string_literal").then(|| unquoted(file.text_of(first)))
}

/// Whether an expression is a variable that is called as sentinels are: `ErrX`, `errX`, `pkg.ErrX`.
pub(crate) fn is_sentinel(text: &str) -> bool {
    let name = text.rsplit('.').next().unwrap_or(text);
    let rest = name.strip_prefix("Err").or_else(|| name.strip_prefix("err"));
    rest.is_some_and(|rest| rest.starts_with(char::is_uppercase))
        && text.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '.'))
}
