//! The result of a look-up that found nothing.
//!
//! Evidence: the nil value on the failing line comes from a map (`m[k].f`, `v := m[k]`), from a call
//! with a discarded `bool`, or from a function of the repository that can return nil. Edits: `v, ok`
//! or a comparison with nil right after the look-up, and an early exit that says what is missing.

use std::sync::Arc;

use tree_sitter::Node;

use crate::generator::repair::case::Case;
use crate::generator::repair::draft::{Draft, Tier};
use crate::generator::repair::edit::{Edits, is_repairable};
use crate::generator::repair::exit::{Blame, Failure};
use crate::generator::repair::flow::{Origin, origin};
use crate::generator::repair::naming::{phrase, singular, words};
use crate::generator::repair::scope::{found_name, fresh, in_scope_before};
use crate::generator::repair::suspect::{Suspect, suspects};
use crate::generator::repair::syntax::{called_name, nodes_of, noun, statement_of};
use crate::repository::go::{File, Shape};

pub(super) fn drafts(case: &Case<'_>) -> Vec<Draft> {
    let mut drafts = Vec::new();
    for suspect in suspects(case) {
        if !is_repairable(suspect.file) {
            continue;
        }
        let found = match suspect.node.kind() {
            "index_expression" => inline(case, suspect),
            "identifier" => {
                origin(suspect.file, suspect.node).and_then(|origin| declared(case, suspect, origin))
            }
            "call_expression" => returned(case, suspect),
            _ => None,
        };
        if let Some((edits, reports, explanation)) = found {
            drafts.push(Draft::leaving(Tier::Check, reports, suspect.depth, explanation, edits));
        }
    }
    drafts
}

type Found = Option<(Edits, bool, String)>;

fn failure(file: &File, value: Node<'_>, name: &str) -> Failure {
    let noun = if name.chars().count() > 1 { name.to_owned() } else { noun(file, value) };
    let plain = format!("{} not found", phrase(&singular(&noun)));
    let mut failure =
        Failure::new(Blame::Missing, plain.clone()).about(noun).about(self::noun_of_container(file, value));
    if let Some(key) = value.child_by_field_name("index").filter(|_| value.kind() == "index_expression")
        && matches!(key.kind(), "identifier" | "selector_expression")
    {
        failure = failure.with(format!("{plain}: %v"), vec![file.text_of(key).to_owned()]);
    }
    failure
}

fn noun_of_container(file: &File, value: Node<'_>) -> String {
    value.child_by_field_name("operand").map(|operand| noun(file, operand)).unwrap_or_default()
}

fn is_map(case: &Case<'_>, file: &Arc<File>, index: Node<'_>) -> bool {
    let container =
        index.child_by_field_name("operand").and_then(|operand| case.resolver.type_of(file, operand));
    container.is_some_and(|ty| matches!(case.resolver.underlying(&ty).shape(), Shape::Map(..)))
}

/// `m[k].f`: the value gets a name and is asked for before the statement.
fn inline(case: &Case<'_>, suspect: Suspect<'_>) -> Found {
    let Suspect { file, node, .. } = suspect;
    let statement = statement_of(node)?;
    let key = node.child_by_field_name("index")?;
    if !is_map(case, file, node) || !in_scope_before(file, node, statement) {
        return None;
    }
    let pure = nodes_of(key, |node| node.kind() == "call_expression").is_empty();
    let base = singular(&noun_of_container(file, node));
    let lower: String =
        base.chars().next().into_iter().flat_map(char::to_lowercase).chain(base.chars().skip(1)).collect();
    let name = fresh(file, statement, &[lower.as_str(), "value", "found", "entry"])?;
    let mut edits = Edits::default();
    let ok = found_name(&mut edits, file, statement)?;
    let exit = case.leave(&mut edits, file, node, &failure(file, node, &name));
    let mut lines = vec![format!("{name}, {ok} := {}", file.text_of(node))];
    lines.extend(exit.guarded(&format!("!{ok}")));
    edits.insert_before(file, statement, &lines)?;
    let text = file.text_of(node);
    let same = nodes_of(statement, |other| other.kind() == "index_expression" && file.text_of(other) == text);
    let body = statement.child_by_field_name("body").or_else(|| statement.child_by_field_name("consequence"));
    for other in same.iter().filter(|other| pure || **other == node) {
        if body.is_none_or(|body| other.end_byte() <= body.start_byte() || *other == node) {
            edits.replace(file, other.byte_range(), name.clone());
        }
    }
    Some((edits, exit.reports, format!("`{text}` may not exist: the look-up is checked before it is used.")))
}

/// `v := m[k]`, `v, _ := lookup(k)`, `v := find(k)`: asked for right after the declaration.
fn declared(case: &Case<'_>, suspect: Suspect<'_>, origin: Origin<'_>) -> Found {
    let Suspect { file, node, .. } = suspect;
    let Origin { statement, value, position } = origin;
    if statement.kind() != "short_var_declaration" || statement_of(statement) != Some(statement) {
        return None;
    }
    let left = statement.child_by_field_name("left")?;
    let name = file.text_of(node);
    let mut edits = Edits::default();
    let names = left.named_child_count();
    let condition = match value.kind() {
        "index_expression" if names == 1 && is_map(case, file, value) => {
            let ok = found_name(&mut edits, file, statement)?;
            edits.replace(file, left.byte_range(), format!("{name}, {ok}"));
            format!("!{ok}")
        }
        "index_expression" | "type_assertion_expression" if names == 2 => {
            let ok = left.named_child(1).filter(|ok| file.text_of(*ok) == "_")?;
            let found = found_name(&mut edits, file, statement)?;
            edits.replace(file, ok.byte_range(), found);
            format!("!{found}")
        }
        "call_expression" => {
            let results = case.resolver.results(file, value);
            let last = left.named_child(u32::try_from(names.checked_sub(1)?).ok()?)?;
            let found = results.as_ref().is_some_and(|results| {
                results.len() == names && results.last().is_some_and(|ty| ty.text == "bool")
            });
            if found && names == 2 && file.text_of(last) == "_" {
                let ok = found_name(&mut edits, file, statement)?;
                edits.replace(file, last.byte_range(), ok);
                format!("!{ok}")
            } else if may_return_nil(case, file, value, position) {
                format!("{name} == nil")
            } else {
                return None;
            }
        }
        _ => return None,
    };
    // Where an error is asked for after the declaration, nil is asked for after that.
    let anchor = statement
        .next_named_sibling()
        .filter(|next| {
            next.kind() == "if_statement"
                && next.end_byte() < suspect.node.start_byte()
                && names > 1
                && next
                    .child_by_field_name("condition")
                    .is_some_and(|condition| file.text_of(condition).contains("nil"))
        })
        .unwrap_or(statement);
    let exit = case.leave(&mut edits, file, statement, &failure(file, value, name));
    edits.insert_after(file, anchor, &exit.guarded(&condition))?;
    Some((
        edits,
        exit.reports,
        format!(
            "`{}` may find nothing: its result `{name}` is checked before it is used.",
            file.text_of(value)
        ),
    ))
}

/// `find(k).f`: the result gets a name and is asked for before the statement.
fn returned(case: &Case<'_>, suspect: Suspect<'_>) -> Found {
    let Suspect { file, node, .. } = suspect;
    let statement = statement_of(node)?;
    if !may_return_nil(case, file, node, 0)
        || !in_scope_before(file, node, statement)
        || case.resolver.results(file, node).is_none_or(|results| results.len() != 1)
    {
        return None;
    }
    let called = called_name(file, node);
    let last = words(called).pop().unwrap_or_default();
    let name = fresh(file, statement, &[last.as_str(), "found", "result", "value"])?;
    let mut edits = Edits::default();
    let exit = case.leave(&mut edits, file, node, &failure(file, node, &name));
    let mut lines = vec![format!("{name} := {}", file.text_of(node))];
    lines.extend(exit.guarded(&format!("{name} == nil")));
    edits.insert_before(file, statement, &lines)?;
    edits.replace(file, node.byte_range(), name.clone());
    Some((
        edits,
        exit.reports,
        format!("`{called}` may return nil: its result is checked before it is used."),
    ))
}

/// Whether a function of the repository returns a literal nil at a position, without an error.
fn may_return_nil(case: &Case<'_>, file: &Arc<File>, call: Node<'_>, position: usize) -> bool {
    let Some(callee) = case.callee(file, call) else { return false };
    let Some(top) = callee.file.node_at(callee.function.body.clone()) else { return false };
    nodes_of(top, |node| node.kind() == "return_statement").into_iter().any(|statement| {
        let Some(list) = statement.named_child(0) else { return false };
        let value = u32::try_from(position).ok().and_then(|at| list.named_child(at));
        let last = u32::try_from(list.named_child_count().saturating_sub(1))
            .ok()
            .and_then(|at| list.named_child(at));
        let nil = |node: Option<Node<'_>>| node.is_some_and(|node| callee.file.text_of(node) == "nil");
        let looked_up = value
            .is_some_and(|value| value.kind() == "index_expression" && is_map(case, &callee.file, value));
        (nil(value) || looked_up) && (!callee.function.returns_error() || nil(last))
    })
}
