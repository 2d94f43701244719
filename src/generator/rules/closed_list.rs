//! A send on one of several channels that a struct holds, which was closed and stayed in the list.
//!
//! Evidence: the failing line sends on what a loop finds in a field of the receiver, and a method of the type closes
//! one entry of that field (`close(s.subs[id])`), or all of them in a loop, and does not take it out. Edit: what is
//! closed is taken out: `delete` behind the close of one, an empty list or map behind the loop.
//!
//! Nothing is proposed where the closing method changes the field already, where what is closed is no entry of it, or
//! where the struct has a mutex which who closes and who sends do not both hold.

use std::sync::Arc;

use tree_sitter::Node;

use crate::generator::repair::case::Case;
use crate::generator::repair::draft::Draft;
use crate::generator::repair::edit::{Edits, is_repairable};
use crate::generator::repair::locked::Held;
use crate::generator::repair::methods::{Method, Mutex, methods_of};
use crate::generator::repair::syntax::{called_name, statement_of};
use crate::repository::go::{Binding, Field, File, Shape};

/// What takes the closed entries out, for the channel that a send names.
pub(super) fn taken_out(case: &Case<'_>, file: &Arc<File>, channel: Node<'_>) -> Option<Draft> {
    let Binding::Range { clause, position: 1 } = file.binding(channel, file.text_of(channel))? else {
        return None;
    };
    let list = clause.child_by_field_name("right").filter(|list| list.kind() == "selector_expression")?;
    let (owner, field) = case.field_at(file, list)?;
    let mutexes = case.resolver.type_of(file, list.child_by_field_name("operand")?);
    let mutexes = mutexes.map(|ty| Mutex::among(&case.resolver.fields(&ty))).unwrap_or_default();
    let methods = methods_of(case, &owner);
    let held_by_sender = |mutex: &&Mutex| {
        let is_its = |method: &&Method| {
            method.file.path == file.path && method.function.body.contains(&channel.start_byte())
        };
        methods.iter().find(is_its).is_some_and(|sender| sender.held_at(channel, mutex) != Held::No)
    };
    let held: Vec<&Mutex> = mutexes.iter().filter(held_by_sender).collect();
    let mut edits = Edits::default();
    let mut names: Vec<&str> = Vec::new();
    for method in methods.iter().filter(|method| is_repairable(&method.file)) {
        let Some(close) = take_out(case, &mut edits, method, &field) else { continue };
        // Who sends meanwhile still has what is taken out.
        if !mutexes.is_empty() && !held.iter().any(|mutex| method.held_at(close, mutex) == Held::Write) {
            return None;
        }
        names.push(&method.function.identifier);
    }
    let alone =
        if mutexes.is_empty() { " Nothing locks here: that is so for one goroutine alone." } else { "" };
    let explanation = format!(
        "What `{}` holds is closed by `{}` and stays there, where others still send on it: it is taken out.{alone}",
        field.name,
        names.join("` and `")
    );
    (!names.is_empty()).then(|| Draft::cause(0, explanation, edits))
}

/// A method takes out what it closes: the statement that closes.
fn take_out<'m>(case: &Case<'_>, edits: &mut Edits, method: &'m Method, field: &Field) -> Option<Node<'m>> {
    let (file, own) = (&method.file, method.own(&field.name));
    let text = method.text();
    if text.contains(&format!("{own} ="))
        || text.contains(&format!("delete({own},"))
        || text.contains(&format!("clear({own})"))
    {
        return None;
    }
    let closes = method.nodes(|node| node.kind() == "call_expression" && called_name(file, node) == "close");
    let [call] = closes.as_slice() else { return None };
    let statement = statement_of(*call).filter(|statement| statement.kind() == "expression_statement")?;
    let closed = call.child_by_field_name("arguments")?.named_child(0)?;
    let ty = case.resolver.underlying(&field.ty);
    if closed.kind() == "index_expression" {
        let is_entry = closed.child_by_field_name("operand").is_some_and(|map| file.text_of(map) == own);
        let key = closed.child_by_field_name("index").map(|key| file.text_of(key))?;
        let is_map = matches!(ty.shape(), Shape::Map(..));
        if !is_entry || !is_map {
            return None;
        }
        edits.insert_after(file, statement, &[format!("delete({own}, {key})")])?;
        return Some(statement);
    }
    let Binding::Range { clause, position: 1 } = file.binding(closed, file.text_of(closed))? else {
        return None;
    };
    let over = clause.child_by_field_name("right").filter(|over| file.text_of(*over) == own)?;
    let around = over.parent()?.parent().filter(|around| around.kind() == "for_statement")?;
    let always = statement.parent().and_then(|list| list.parent()) == around.child_by_field_name("body");
    let empty = match ty.shape() {
        Shape::Slice(_) => "nil".to_owned(),
        Shape::Map(..) if field.ty.text.starts_with("map[") => format!("{}{{}}", field.ty.text),
        _ => return None,
    };
    if !always {
        return None;
    }
    edits.insert_after(file, around, &[format!("{own} = {empty}")])?;
    Some(statement)
}
