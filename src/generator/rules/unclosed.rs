//! A channel that somebody receives from until it is closed, and that nobody closes.
//!
//! Evidence: the failing line goes over a channel with `range` (or waits for goroutines that do), and
//! - the one goroutine that sends on it, in the function that makes it, closes it on no way, or not on all of them:
//!   `defer close(c)` first in that goroutine. The function is the failing one, or one that a function of the stack
//!   calls and that gives back a channel;
//! - the failing function sends on the channel itself, and its goroutines go over it: it is closed before they are
//!   waited for;
//! - the failing function waits for its senders before it receives: it waits, and closes, in a goroutine of its own.
//!
//! A close that is there, but not on all ways, is evidence by itself; one that is nowhere only where the failing line
//! goes over that very channel.
//!
//! Nothing is proposed where several goroutines send and no WaitGroup counts them, or where others get the channel who
//! may send on it or close it.

use std::sync::Arc;

use tree_sitter::Node;

use super::late_send::closing;
use super::local_channel::{Local, Start};
use crate::generator::repair::case::Case;
use crate::generator::repair::channels::{Use, every_use_of_passed};
use crate::generator::repair::draft::Draft;
use crate::generator::repair::edit::{Edits, is_repairable};
use crate::generator::repair::paths::owed;
use crate::generator::repair::syntax::{children, in_loop, is_within, lines, nodes_in, nodes_of};
use crate::repository::go::{Callee, File, Shape, later};

pub(super) fn drafts(case: &Case<'_>) -> Vec<Draft> {
    let mut drafts = Vec::new();
    let Some((file, at)) = failing(case) else { return drafts };
    let Some(function) = file.enclosing_function(at) else { return drafts };
    if is_repairable(file) {
        for local in Local::all_of(file, function) {
            let ranged = local.ranges().iter().any(|range| is_head(*range, at));
            drafts.extend(wait_aside(case, &local, at));
            drafts.extend(close_before_wait(case, &local, at));
            drafts.extend(close_at_end(case, &local, ranged));
        }
    }
    if drafts.is_empty() && (at.kind() == "for_statement" || receives(file, at)) {
        drafts = in_producers(case, at);
    }
    drafts
}

/// The statement of the failing line that waits: a loop over a channel, a receive, a call.
fn failing<'c>(case: &'c Case<'_>) -> Option<(&'c Arc<File>, Node<'c>)> {
    let frame = case.frames.first()?;
    let (file, line) = (&frame.file, frame.line);
    let statements = nodes_in(file, &frame.range, |node| {
        *lines(node).start() == line
            && matches!(
                node.kind(),
                "for_statement"
                    | "expression_statement"
                    | "short_var_declaration"
                    | "assignment_statement"
                    | "return_statement"
            )
    });
    // An outer statement comes behind what it holds.
    let at = statements.into_iter().next_back()?;
    Some((file, at))
}

fn is_head(range: Node<'_>, at: Node<'_>) -> bool {
    range.start_byte() == at.start_byte()
}

fn receives(file: &File, statement: Node<'_>) -> bool {
    file.text_of(statement).contains("<-")
}

/// The functions that those of the stack call and that give back a channel; what they call in turn.
fn in_producers(case: &Case<'_>, at: Node<'_>) -> Vec<Draft> {
    let mut known: Vec<Callee> = Vec::new();
    for frame in &case.frames {
        known.extend(channels_of(case, &frame.file, &frame.range, &known));
    }
    let mut next = 0;
    while let Some(Callee { file, function }) = known.get(next).cloned() {
        next += 1;
        if known.len() < 20 {
            let more = channels_of(case, &file, &function.range, &known);
            known.extend(more);
        }
    }
    let mut drafts = Vec::new();
    for Callee { file, function } in known.iter().filter(|callee| is_repairable(&callee.file)) {
        let Some(node) = file.node_at(function.range.clone()) else { continue };
        for local in Local::all_of(file, node) {
            // What is received from once need not be closed.
            let only = known.len() == 1 && at.kind() == "for_statement";
            drafts.extend(close_at_end(case, &local, only));
        }
    }
    drafts
}

/// The functions of the repository called in a range that give back a channel.
fn channels_of(
    case: &Case<'_>,
    file: &Arc<File>,
    range: &std::ops::Range<usize>,
    known: &[Callee],
) -> Vec<Callee> {
    let gives = |callee: &Callee| {
        let mut results = callee.function.results.iter();
        results.any(|result| matches!(Shape::of(&result.ty), Shape::Channel(_)))
    };
    let calls = nodes_in(file, range, |node| node.kind() == "call_expression");
    let mut found: Vec<Callee> = Vec::new();
    for callee in calls.into_iter().filter_map(|call| case.callee(file, call)).filter(gives) {
        if !known.iter().chain(&found).any(|other| other.function == callee.function) {
            found.push(callee);
        }
    }
    found
}

/// The one goroutine that sends closes the channel however it ends. `waited` where the failing line goes over it.
fn close_at_end(case: &Case<'_>, local: &Local<'_>, waited: bool) -> Option<Draft> {
    let (file, starts) = (local.file, local.starts(case));
    if local.is_sent_on_elsewhere(case, &starts) {
        return None;
    }
    let [Start { statement, literal: Some(literal), .. }] = starts.as_slice() else { return None };
    let sends_itself = local.sends().iter().any(|send| local.is_own(*send));
    if in_loop(*statement, local.function) || sends_itself {
        return None;
    }
    let body = literal.child_by_field_name("body")?;
    let close = format!("close({})", local.name);
    let mut edits = Edits::default();
    let why = match local.closes().as_slice() {
        [] if waited => "nobody closed it",
        [plain]
            if file.enclosing_function(*plain) == Some(*literal)
                && plain.kind() == "expression_statement" =>
        {
            let does = |node: Node<'_>| node.kind() == "expression_statement" && file.text_of(node) == close;
            let owed = owed(file, body, None, &does)?;
            // What is closed before the end may be waited for by what follows.
            if owed.leaving.is_empty() && !owed.at_end || later(*plain).next().is_some() {
                return None;
            }
            edits.remove_line(file, *plain)?;
            "it was closed on some ways only"
        }
        _ => return None,
    };
    edits.insert_first(file, body, &[format!("defer {close}")])?;
    let explanation = format!(
        "`{}` is received from until it is closed, and {why}: the goroutine that sends closes it when it ends.",
        local.name
    );
    Some(Draft::cause(0, explanation, edits))
}

/// The goroutines that go over a channel: by literals, or by functions that are told it.
fn consumers(case: &Case<'_>, local: &Local<'_>) -> usize {
    let starts = nodes_of(local.function, |node| node.kind() == "go_statement");
    let goes_over = |start: &&Node<'_>| {
        let ranged = local.ranges().iter().any(|range| is_within(*range, **start));
        let by_call = || {
            let call = start.named_child(0)?;
            let list = children(call.child_by_field_name("arguments")?);
            let at = list.iter().position(|node| local.file.text_of(*node) == local.name)?;
            every_use_of_passed(case, local.file, call, at, &|used| !matches!(used, Use::Range(_)))
        };
        ranged || by_call() == Some(false)
    };
    starts.iter().filter(goes_over).count()
}

/// The function sends, and waits for goroutines that go over the channel: it closes it first.
fn close_before_wait(case: &Case<'_>, local: &Local<'_>, at: Node<'_>) -> Option<Draft> {
    let file = local.file;
    let sends = local.sends();
    let own: Vec<Node<'_>> = sends.iter().copied().filter(|send| local.is_own(*send)).collect();
    let all_before = own.iter().all(|send| send.end_byte() <= at.start_byte());
    let waits = at.kind() == "expression_statement" && file.text_of(at).ends_with(".Wait()");
    if own.is_empty()
        || own.len() != sends.len()
        || local.is_sent_on_elsewhere(case, &[])
        || !all_before
        || !waits
        || !local.closes().is_empty()
        || consumers(case, local) == 0
        || in_loop(at, local.function)
    {
        return None;
    }
    let mut edits = Edits::default();
    edits.insert_before(file, at, &[format!("close({})", local.name)])?;
    let explanation = format!(
        "The goroutines go over `{}` until it is closed, and nobody closed it: that is done once all is sent, before they are waited for.",
        local.name
    );
    Some(Draft::cause(0, explanation, edits))
}

/// The function waits for goroutines that send before it receives: it waits, and closes, in one of its own.
fn wait_aside(case: &Case<'_>, local: &Local<'_>, at: Node<'_>) -> Option<Draft> {
    let file = local.file;
    let starts = local.starts(case);
    let group = local.wait_group(&starts)?;
    let buffered = local.made.child_by_field_name("arguments")?.named_child_count() > 1;
    if file.text_of(at) != format!("{group}.Wait()")
        || buffered
        || local.ranges().is_empty()
        || local.is_sent_on_elsewhere(case, &starts)
    {
        return None;
    }
    let behind = |node: &Node<'_>| node.start_byte() > at.end_byte();
    let closes = local.closes();
    let [close] = closes.as_slice() else { return None };
    let is_plain = close.kind() == "expression_statement" && later(at).next() == Some(*close);
    if !is_plain || !local.ranges().iter().all(behind) {
        return None;
    }
    let mut edits = Edits::default();
    edits.replace_statement(file, at, &closing(group, local.name))?;
    edits.remove_line(file, *close)?;
    let explanation = format!(
        "The goroutines that `{group}` waits for send on `{}`, which nobody receives from until they are done: it is waited for, and closed, in a goroutine of its own.",
        local.name
    );
    Some(Draft::cause(0, explanation, edits))
}
