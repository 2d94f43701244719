//! A function closes a channel while goroutines that it started may still send on it.
//!
//! Evidence: the failing line sends on a channel that a function makes for goroutines which it starts, and the same
//! function closes it in one place. Edits:
//! - Where a WaitGroup counts the goroutines: the channel is closed behind its `Wait`, in a goroutine of its own, so
//!   that it can be received from meanwhile; `Done` and `Add` are put where they count what sends.
//! - Where nobody waits for the channel's end, as where the function returns after a time limit: the close goes, and
//!   the channel gets room for what the goroutines send, so that the late ones end too.
//!
//! Nothing is proposed where there is no WaitGroup and somebody waits for the end, where nobody can tell how much
//! is sent (in a loop, by goroutines that are started in nested loops, or as often as a variable says which changes),
//! or where others get the channel who may send on it.

use std::ops::Range;
use std::sync::Arc;

use tree_sitter::Node;

use super::local_channel::{Local, Start, argument_for};
use super::wait_group::late_add;
use crate::generator::repair::case::Case;
use crate::generator::repair::draft::Draft;
use crate::generator::repair::edit::{Edits, is_repairable};
use crate::generator::repair::loops::{changes, identifiers};
use crate::generator::repair::scope::in_scope_before;
use crate::generator::repair::syntax::{called_name, children, in_loop, nodes_of};
use crate::repository::go::{Binding, File, Shape, earlier, package_binding};

pub(super) fn drafts(case: &Case<'_>) -> Vec<Draft> {
    let Some(file) = case.file(0) else { return Vec::new() };
    let sends = case.raisers(0, |_, node| node.kind() == "send_statement");
    let channels = sends.into_iter().filter_map(|send| send.child_by_field_name("channel"));
    channels.filter_map(|channel| for_channel(case, file, channel)).take(1).flatten().collect()
}

fn for_channel(case: &Case<'_>, file: &Arc<File>, channel: Node<'_>) -> Option<Vec<Draft>> {
    if let Some(local) = Local::of(file, channel) {
        return mend(case, &local);
    }
    let (other, argument) = argument_for(case, file, channel)?;
    let local = Local::of(&other, other.node_at(argument)?)?;
    mend(case, &local)
}

fn mend(case: &Case<'_>, local: &Local<'_>) -> Option<Vec<Draft>> {
    let closes = local.closes();
    let [close] = closes.as_slice() else { return None };
    let starts = local.starts(case);
    if starts.is_empty() || !is_repairable(local.file) || local.is_sent_on_elsewhere(case, &starts) {
        return None;
    }
    if let Some(group) = local.wait_group(&starts) {
        return Some(vec![
            close_behind(local, *close, group).or_else(|| count_senders(local, &starts, group))?,
        ]);
    }
    make_room(case, local, *close, &starts).map(|draft| vec![draft])
}

/// The lines that close a channel once all senders are done.
pub(super) fn closing(group: &str, channel: &str) -> Vec<String> {
    vec![
        "go func() {".to_owned(),
        format!("\t{group}.Wait()"),
        format!("\tclose({channel})"),
        "}()".to_owned(),
    ]
}

/// `close(c)` waits for the WaitGroup: in a goroutine of its own, unless others receive than the function, which waits
/// itself.
fn close_behind(local: &Local<'_>, close: Node<'_>, group: &str) -> Option<Draft> {
    let (file, wait) = (local.file, format!("{group}.Wait()"));
    let around = file.enclosing_function(close)?;
    let waits = nodes_of(around, |node| file.text_of(node) == wait && node.kind() == "expression_statement");
    if waits.iter().any(|wait| wait.end_byte() <= close.start_byte())
        || close.kind() != "expression_statement"
    {
        return None;
    }
    let mut edits = Edits::default();
    if around == local.function {
        let own = local.own(&wait);
        match (local.first_received(), own.as_slice()) {
            (None, [wait]) if wait.parent() == close.parent() => {
                edits.remove_line(file, close)?;
                edits.insert_after(file, *wait, &[format!("close({})", local.name)])?;
            }
            (None, [_, ..]) => return None,
            (first, own) => {
                edits.replace_statement(file, close, &closing(group, local.name))?;
                // Who waits before receiving waits for ever.
                let first = first.map_or(0, |first| first.start_byte());
                for wait in own.iter().filter(|wait| wait.end_byte() <= first) {
                    edits.remove_line(file, *wait)?;
                }
            }
        }
    } else {
        edits.insert_before(file, close, &[wait])?;
    }
    let explanation = format!(
        "`{}` was closed while goroutines still sent on it: it is closed once `{group}` says that all are done.",
        local.name
    );
    Some(Draft::cause(0, explanation, edits))
}

/// The close waits already, but not for what sends: `Done` comes before the send, or `Add` too late.
fn count_senders(local: &Local<'_>, starts: &[Start<'_>], group: &str) -> Option<Draft> {
    let (file, done) = (local.file, format!("{group}.Done()"));
    let mut edits = Edits::default();
    let mut changed = false;
    for literal in starts.iter().filter_map(|start| start.literal) {
        if let Some(late) = late_add(file, literal) {
            edits.join(late.edits);
            changed = true;
        }
        let sends = local.sends_in(literal);
        let early = nodes_of(literal, |node| {
            node.kind() == "expression_statement"
                && file.text_of(node) == done
                && file.enclosing_function(node) == Some(literal)
                && sends.iter().any(|send| node.end_byte() <= send.start_byte())
        });
        let [early] = early.as_slice() else { continue };
        if earlier(*early).next().is_none() {
            edits.replace(file, early.start_byte()..early.start_byte(), "defer ");
        } else {
            edits.remove_line(file, *early)?;
            edits.insert_first(file, literal.child_by_field_name("body")?, &[format!("defer {done}")])?;
        }
        changed = true;
    }
    let explanation = format!(
        "`{}` was closed while goroutines still sent on it: `{group}` counts each from its start until it has sent.",
        local.name
    );
    changed.then(|| Draft::cause(0, explanation, edits))
}

/// The close goes, and the channel gets room for all that is sent.
fn make_room(case: &Case<'_>, local: &Local<'_>, close: Node<'_>, starts: &[Start<'_>]) -> Option<Draft> {
    let file = local.file;
    let own_sends = local.sends().iter().any(|send| local.is_own(*send));
    if local.is_waited_for(starts)
        || !local.is_own(close)
        || own_sends
        || starts.iter().any(|start| start.sends.is_none())
    {
        return None;
    }
    let room = room(case, local, starts)?;
    let mut edits = Edits::default();
    edits.remove_line(file, close)?;
    let arguments = local.made.child_by_field_name("arguments")?;
    match arguments.named_child(1) {
        None => {
            let end = arguments.end_byte() - 1;
            edits.replace(file, end..end, format!(", {room}"));
        }
        Some(given) if file.text_of(given) == room => {}
        Some(_) => return None,
    }
    let explanation = format!(
        "`{}` was closed while goroutines may still send on it, and nobody waits for its end: it is not closed any more, and has room for what comes late.",
        local.name
    );
    Some(Draft::cause(0, explanation, edits))
}

/// How many values the goroutines send, each one, as an expression.
fn room(case: &Case<'_>, local: &Local<'_>, starts: &[Start<'_>]) -> Option<String> {
    let file = local.file;
    if !starts.iter().any(|start| in_loop(start.statement, local.function)) {
        return Some(starts.len().to_string());
    }
    let [start] = starts else { return None };
    let around = loops_around(start.statement, local.function);
    let [around] = around.as_slice() else { return None };
    let body = around.child_by_field_name("body");
    let head = children(*around).into_iter().find(|child| Some(*child) != body)?;
    let stays = |expression: Node<'_>| {
        in_scope_before(file, expression, local.declaration)
            && !is_changed(
                local,
                local.declaration.end_byte()..around.end_byte(),
                &identifiers(file, expression),
            )
    };
    match head.kind() {
        "range_clause" => {
            let over = head.child_by_field_name("right")?;
            let calls = nodes_of(over, |node| node.kind() == "call_expression");
            if !calls.is_empty() || !stays(over) {
                return None;
            }
            let ty = case.resolver.type_of(file, over)?;
            match case.resolver.underlying(&ty).shape() {
                Shape::Slice(_) | Shape::Array(_) | Shape::Map(..) => {
                    Some(format!("len({})", file.text_of(over)))
                }
                Shape::Number => no_less_than_nothing(case, file, over),
                _ => None,
            }
        }
        "for_clause" => {
            let (variable, limit) = counted(file, head)?;
            let steps = is_changed(local, body?.byte_range(), &[variable]);
            (!steps && stays(limit)).then(|| no_less_than_nothing(case, file, limit))?
        }
        _ => None,
    }
}

/// Whether one of some variables may get another value in a part of the function.
fn is_changed(local: &Local<'_>, part: Range<usize>, names: &[&str]) -> bool {
    let sets = nodes_of(local.function, |node| {
        part.start <= node.start_byte() && node.end_byte() <= part.end && changes(local.file, node, names)
    });
    !sets.is_empty()
}

/// A count as the room of a channel, which must not be negative.
fn no_less_than_nothing(case: &Case<'_>, file: &Arc<File>, count: Node<'_>) -> Option<String> {
    let text = file.text_of(count);
    let is_constant = || {
        let binding = file.binding(count, text).or_else(|| package_binding(file, text));
        matches!(binding, Some(Binding::Var { spec, .. }) if spec.kind() == "const_spec")
    };
    let is_length = count.kind() == "call_expression" && matches!(called_name(file, count), "len" | "cap");
    let is_unsigned = || case.resolver.type_of(file, count).is_some_and(|ty| ty.text.starts_with("uint"));
    if count.kind() == "int_literal" || is_length || is_constant() || is_unsigned() {
        return Some(text.to_owned());
    }
    let has_max = case.resolver.language(file) >= Some((1, 21))
        && file.binding(count, "max").is_none()
        && case.resolver.package_of(file).iter().all(|other| other.function("max").is_none());
    has_max.then(|| format!("max({text}, 0)"))
}

/// `i` and `n` of `i := 0; i < n; i++`.
fn counted<'t>(file: &'t File, clause: Node<'t>) -> Option<(&'t str, Node<'t>)> {
    let text = |name: &str| clause.child_by_field_name(name).map(|part| file.text_of(part));
    let variable = text("initializer")?.strip_suffix(":= 0")?.trim();
    let condition = clause.child_by_field_name("condition")?;
    let limit = condition.child_by_field_name("right")?;
    let counts = text("update")? == format!("{variable}++")
        && file.text_of(condition) == format!("{variable} < {}", file.text_of(limit));
    counts.then_some((variable, limit))
}

fn loops_around<'t>(node: Node<'t>, function: Node<'_>) -> Vec<Node<'t>> {
    std::iter::successors(node.parent(), Node::parent)
        .take_while(|parent| *parent != function)
        .filter(|parent| parent.kind() == "for_statement")
        .collect()
}
