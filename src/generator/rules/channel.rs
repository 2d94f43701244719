//! A channel that was never made, or is closed twice.
//!
//! Evidence: `close(c)` on the failing line, and whether the message says `nil` or `closed`. Edits for a
//! nil channel: `make` where it is declared or where its struct is made. For a closed one: a second
//! `close` of the same function goes when another is deferred; for a field, a `sync.Once` beside it
//! closes it once, whoever comes first.

use std::sync::Arc;

use tree_sitter::Node;

use crate::generator::repair::case::Case;
use crate::generator::repair::draft::Draft;
use crate::generator::repair::edit::{Edits, is_repairable};
use crate::generator::repair::literal::{add_field, makers_without, text_in};
use crate::generator::repair::syntax::{called_name, nodes_of, statement_of};
use crate::repository::go::{Binding, Field, File};

pub(super) fn drafts(case: &Case<'_>) -> Vec<Draft> {
    let Some(file) = case.file(0).filter(|file| is_repairable(file)) else { return Vec::new() };
    let closes =
        case.raisers(0, |file, node| node.kind() == "call_expression" && called_name(file, node) == "close");
    let never_made = case.fault.message.contains("nil channel");
    closes
        .into_iter()
        .filter_map(|call| {
            let channel = call.child_by_field_name("arguments")?.named_child(0)?;
            if never_made {
                make(case, file, channel)
            } else {
                drop_duplicate(file, call, channel).or_else(|| once(case, file, call, channel))
            }
        })
        .collect()
}

fn make(case: &Case<'_>, file: &Arc<File>, channel: Node<'_>) -> Option<Draft> {
    let text = file.text_of(channel);
    let ty = case.resolver.type_of(file, channel)?;
    let mut edits = Edits::default();
    if channel.kind() == "selector_expression" {
        let (owner, Field { name: field, .. }) = case.field_at(file, channel)?;
        let mut added = 0;
        for maker in makers_without(case, &owner, &field, file) {
            let value = format!("make({})", text_in(&ty, &maker.file)?);
            added += usize::from(add_field(&mut edits, &maker, &field, &value).is_some());
        }
        if added == 0 {
            return None;
        }
    } else {
        let Binding::Var { spec, .. } = file.binding(channel, text)? else { return None };
        let declaration = spec.parent().filter(|node| node.kind() == "var_declaration")?;
        edits.replace(file, declaration.byte_range(), format!("{text} := make({})", ty.text));
    }
    Some(Draft::cause(0, format!("The channel `{text}` is never made: it is made with its owner."), edits))
}

/// `defer close(c)` and `close(c)` in one function: the latter goes.
fn drop_duplicate(file: &Arc<File>, call: Node<'_>, channel: Node<'_>) -> Option<Draft> {
    let function = file.enclosing_function(call)?;
    let text = file.text_of(channel);
    let deferred = nodes_of(function, |node| node.kind() == "defer_statement")
        .into_iter()
        .any(|node| file.text_of(node) == format!("defer close({text})"));
    let plain = nodes_of(function, |node| node.kind() == "expression_statement")
        .into_iter()
        .find(|node| file.text_of(*node) == format!("close({text})"))?;
    if !deferred {
        return None;
    }
    let mut edits = Edits::default();
    edits.remove_line(file, plain)?;
    Some(Draft::cause(
        0,
        format!("`{text}` is closed by `defer` and once more: the second close goes."),
        edits,
    ))
}

/// A `sync.Once` beside the field closes it once.
fn once(case: &Case<'_>, file: &Arc<File>, call: Node<'_>, channel: Node<'_>) -> Option<Draft> {
    let (owner, field) = case.field_at(file, channel)?;
    let home = &owner.file;
    let name = format!("{}Once", field.name);
    let receiver = file.text_of(channel.child_by_field_name("operand")?);
    let declared = home.node_at(owner.range.clone())?.child_by_field_name("type")?;
    if statement_of(call)?.kind() != "expression_statement"
        || !is_repairable(home)
        || home.text.contains(&name)
    {
        return None;
    }
    let mut edits = Edits::default();
    let sync = edits.import(home, "sync");
    let close = declared.end_byte() - 1;
    edits.replace(home, close..close, format!("\n\t{name} {sync}.Once\n"));
    let body = format!("{receiver}.{name}.Do(func() {{ close({}) }})", file.text_of(channel));
    edits.replace(file, call.byte_range(), body);
    Some(Draft::cause(
        0,
        format!("`{}` can be closed more than once: a sync.Once closes it.", file.text_of(channel)),
        edits,
    ))
}
