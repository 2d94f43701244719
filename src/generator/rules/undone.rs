//! A WaitGroup whose count never comes to zero.
//!
//! Evidence: the failing line waits for a WaitGroup, and a goroutine that it counts leaves without `Done` on some
//! way: by a return above the plain `Done`, or because there is none though `Add` stands right before its start.
//! Edit: `defer wg.Done()` first in the goroutine. Where the group is handed to it as a copy, it gets a pointer.
//!
//! Nothing is proposed where the goroutine waits for the group itself, counts down in a loop, or calls or tells others
//! who count down.

use std::sync::Arc;

use tree_sitter::Node;

use crate::generator::repair::calls::led_to;
use crate::generator::repair::case::Case;
use crate::generator::repair::draft::Draft;
use crate::generator::repair::edit::{Edits, is_repairable};
use crate::generator::repair::methods::methods_of;
use crate::generator::repair::paths::owed;
use crate::generator::repair::syntax::{in_loop, lines, method_call, nodes_in, nodes_of};
use crate::repository::go::{Callee, File, How, earlier, later};
pub(super) fn drafts(case: &Case<'_>) -> Vec<Draft> {
    let Some(frame) = case.frames.first() else { return Vec::new() };
    let file = &frame.file;
    let waits = nodes_in(file, &frame.range, |node| {
        lines(node).contains(&frame.line)
            && method_call(node).is_some_and(|(_, method)| file.text_of(method) == "Wait")
    });
    let Some((group, wait)) = waits.first().and_then(|wait| Some((method_call(*wait)?.0, *wait))) else {
        return Vec::new();
    };
    let ty = case.resolver.type_of(file, group);
    if ty.is_none_or(|ty| ty.text.trim_start_matches('*') != "sync.WaitGroup") {
        return Vec::new();
    }
    if group.kind() == "selector_expression" {
        return Draft::joined(in_methods(case, file, group)).into_iter().collect();
    }
    let Some(function) = file.enclosing_function(wait) else { return Vec::new() };
    let starts = nodes_of(function, |node| node.kind() == "go_statement");
    let drafts = starts.into_iter().filter_map(|start| for_start(case, file, start, file.text_of(group)));
    Draft::joined(drafts.collect()).into_iter().collect()
}

/// A goroutine of the function that waits.
fn for_start(case: &Case<'_>, file: &Arc<File>, start: Node<'_>, group: &str) -> Option<Draft> {
    let call = start.named_child(0)?;
    let called = call.child_by_field_name("function")?;
    if called.kind() == "func_literal" {
        let counted =
            earlier(start).next().is_some_and(|above| file.text_of(above) == format!("{group}.Add(1)"));
        return always_done(case, file, called, group, counted);
    }
    let list = call.child_by_field_name("arguments")?;
    let arguments: Vec<Node<'_>> = list.named_children(&mut list.walk()).collect();
    let at =
        arguments.iter().position(|argument| file.text_of(*argument).trim_start_matches('&') == group)?;
    let callee = case.callee(file, call)?;
    let param = callee.function.params.get(at)?;
    let function = callee.file.node_at(callee.function.range.clone())?;
    if param.ty == "sync.WaitGroup" && file.text_of(arguments[at]) == group {
        return by_pointer(case, file, arguments[at], &callee, at);
    }
    always_done(case, &callee.file, function, &param.name, false)
}

/// The methods that count down the group of a struct.
fn in_methods(case: &Case<'_>, file: &Arc<File>, group: Node<'_>) -> Vec<Draft> {
    let Some((owner, field)) = case.field_at(file, group) else { return Vec::new() };
    let methods = methods_of(case, &owner);
    let mut drafts = Vec::new();
    for method in methods {
        let own = method.own(&field.name);
        let done_in = |function: Node<'_>| always_done(case, &method.file, function, &own, false);
        drafts.extend(method.file.node_at(method.function.range.clone()).and_then(done_in));
        let started = method.nodes(|node| {
            node.kind() == "func_literal"
                && node
                    .parent()
                    .and_then(|call| call.parent())
                    .is_some_and(|start| start.kind() == "go_statement")
        });
        drafts.extend(started.into_iter().filter_map(done_in));
    }
    drafts
}

/// `defer wg.Done()` first in a function that leaves without it on some way. `counted` where it must be done though it
/// is not at all.
fn always_done(
    case: &Case<'_>,
    file: &Arc<File>,
    function: Node<'_>,
    group: &str,
    counted: bool,
) -> Option<Draft> {
    let body = function.child_by_field_name("body").filter(|_| is_repairable(file))?;
    let (text, done) = (file.text_of(body), format!("{group}.Done()"));
    if is_counted_down_elsewhere(case, file, body, group) {
        return None;
    }
    let mut edits = Edits::default();
    if text.contains(&done) {
        let does = |node: Node<'_>| node.kind() == "expression_statement" && file.text_of(node) == done;
        let owed = owed(file, body, None, &does)?;
        let elsewhere = text.matches(&done).count() != owed.done.len();
        let looped = owed.done.iter().any(|node| in_loop(*node, function));
        if elsewhere || looped || owed.done.is_empty() || owed.leaving.is_empty() && !owed.at_end {
            return None;
        }
        // Who goes on behind it may wait for the group.
        let goes_on = owed.done.iter().any(|node| {
            let next = later(*node).next();
            next.is_some_and(|next| next.kind() != "return_statement" || file.text_of(next).contains('('))
        });
        if goes_on {
            return None;
        }
        for plain in &owed.done {
            edits.remove_line(file, *plain)?;
        }
    } else if !counted || text.contains(".Done") || text.contains(&format!("{group}.Wait()")) {
        return None;
    }
    edits.insert_first(file, body, &[format!("defer {done}")])?;
    let explanation =
        format!("A goroutine could end without `{done}`, and who waits waited for ever: it is deferred.");
    Some(Draft::cause(0, explanation, edits))
}

/// Whether others may count a group down for a goroutine: those that it hands the group to, and those that it calls.
fn is_counted_down_elsewhere(case: &Case<'_>, file: &Arc<File>, body: Node<'_>, group: &str) -> bool {
    let handed = nodes_of(body, |node| {
        matches!(node.kind(), "identifier" | "selector_expression")
            && file.text_of(node) == group
            && node.parent().is_none_or(|user| user.kind() != "selector_expression")
    });
    let name = group.rsplit('.').next().unwrap_or(group);
    let counts_down = |file: &File, body: Node<'_>| {
        let done = nodes_of(body, |node| {
            method_call(node).is_some_and(|(operand, method)| {
                file.text_of(method) == "Done" && file.text_of(operand).rsplit('.').next() == Some(name)
            })
        });
        !done.is_empty()
    };
    let others = led_to(case, file, body);
    !handed.is_empty()
        || others.is_none_or(|others| {
            others.iter().any(|other| {
                other.file.node_at(other.range.clone()).is_some_and(|body| counts_down(&other.file, body))
            })
        })
}

/// A copy of a group counts for nobody: the goroutine, and whoever else calls its function, gives a pointer to it.
fn by_pointer(
    case: &Case<'_>,
    file: &Arc<File>,
    argument: Node<'_>,
    callee: &Callee,
    at: usize,
) -> Option<Draft> {
    let (home, function) = (&callee.file, &callee.function);
    let name = &function.params.get(at)?.name;
    let node = home.node_at(function.range.clone()).filter(|_| is_repairable(home))?;
    let list = node.child_by_field_name("parameters")?;
    let declaration = list.named_children(&mut list.walk()).find(|declaration| {
        let declared = declaration.child_by_field_name("name").map(|declared| home.text_of(declared));
        declared == Some(name)
    })?;
    let ty = declaration.child_by_field_name("type")?;
    let mut edits = Edits::default();
    edits.replace(home, ty.start_byte()..ty.start_byte(), "*");
    for place in case.resolver.uses_of(home, function, function.is_exported())? {
        match place.how {
            How::Called => {
                let list = place.node()?.child_by_field_name("arguments")?;
                let given = list.named_child(u32::try_from(at).ok()?)?;
                let named = matches!(given.kind(), "identifier" | "selector_expression");
                let given = (named && is_repairable(&place.file)).then(|| given.start_byte())?;
                edits.replace(&place.file, given..given, "&");
            }
            How::Taken | How::Through => return None,
            How::Unknown => {}
        }
    }
    let explanation = format!(
        "The goroutine counted down a copy of `{}`: it gets a pointer to it.",
        file.text_of(argument)
    );
    Some(Draft::cause(0, explanation, edits))
}
