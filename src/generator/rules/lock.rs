//! A map that several goroutines use, or a mutex that is unlocked too often.
//!
//! Evidence for a map: a field on the failing line, and a mutex in the same struct which other methods
//! hold while they use the field. Edit: the methods that do not hold it take it for their whole length; those that write
//! the field while they hold an RWMutex as one of several (`RLock`) hold it alone.
//! For an unlock of an unlocked mutex: the plain `Unlock` beside a deferred one of the same function
//! goes; where it is there to give the lock back for a while, it is taken again before each way out.
//!
//! Risk: a method that is called with the lock held deadlocks: what only callers with the lock use is left alone, and
//! nothing is proposed where others use it too, or where one that is to take the lock calls another.

use std::sync::Arc;

use tree_sitter::Node;

use crate::domain::Class;
use crate::generator::repair::case::Case;
use crate::generator::repair::draft::{Draft, Tier};
use crate::generator::repair::edit::{Edits, is_repairable};
use crate::generator::repair::methods::{Method, methods_of};
use crate::generator::repair::paths::owed;
use crate::generator::repair::syntax::{is_within, nodes_in, nodes_of};
use crate::repository::go::{File, Function};

pub(super) fn drafts(case: &Case<'_>) -> Vec<Draft> {
    if case.fault.class == Class::MutexMisuse {
        return twice_unlocked(case);
    }
    (0..case.frames.len()).flat_map(|depth| unguarded(case, depth)).collect()
}

fn twice_unlocked(case: &Case<'_>) -> Vec<Draft> {
    let Some(frame) = case.frames.first().filter(|frame| is_repairable(&frame.file)) else {
        return Vec::new();
    };
    let file = &frame.file;
    let deferred = nodes_in(file, &frame.range, |node| {
        node.kind() == "defer_statement" && file.text_of(node).ends_with("nlock()")
    });
    deferred
        .into_iter()
        .filter_map(|deferred| {
            let call = file.text_of(deferred).strip_prefix("defer ")?;
            if let Some(again) = taken_again(file, deferred, call) {
                return again;
            }
            let plain = nodes_in(file, &frame.range, |node| {
                node.kind() == "expression_statement"
                    && file.text_of(node) == call
                    && file.enclosing_function(node) == file.enclosing_function(deferred)
            });
            let mut edits = Edits::default();
            for statement in plain {
                edits.remove_line(file, statement)?;
            }
            Some(Draft {
                tier: Tier::Cause,
                depth: 0,
                explanation: format!("`{call}` runs twice, once by `defer`: the plain call goes."),
                masks: false,
                edits,
            })
        })
        .collect()
}

/// A lock that is given back for a while, with the deferred unlock still to come, is taken again on every way; none
/// where it is never taken again.
#[expect(
    clippy::option_option,
    reason = "a lock that is taken again, nobody knows where, is none that is not"
)]
fn taken_again(file: &Arc<File>, deferred: Node<'_>, unlock: &str) -> Option<Option<Draft>> {
    let body = file.enclosing_function(deferred)?.child_by_field_name("body")?;
    let (mutex, kind) = match unlock.strip_suffix(".RUnlock()") {
        Some(mutex) => (mutex, "R"),
        None => (unlock.strip_suffix(".Unlock()")?, ""),
    };
    let lock = format!("{mutex}.{kind}Lock()");
    let takes = |node: Node<'_>| node.kind() == "expression_statement" && file.text_of(node) == lock;
    let gives = nodes_of(body, |node| node.kind() == "expression_statement" && file.text_of(node) == unlock);
    let first = gives.first()?;
    let again = nodes_of(body, |node| takes(node) && node.start_byte() > first.end_byte());
    again.first()?;
    let ([plain], [again]) = (gives.as_slice(), again.as_slice()) else { return Some(None) };
    let Some(owed) = owed(file, body, Some(*plain), &takes) else { return Some(None) };
    let mut edits = Edits::default();
    let placed = match read_between(file, *again, &owed.leaving, mutex) {
        Some(reads) => {
            edits.insert_before(file, reads, std::slice::from_ref(&lock)).and(edits.remove_line(file, *again))
        }
        None => owed
            .leaving
            .iter()
            .try_for_each(|leaving| edits.insert_before(file, *leaving, std::slice::from_ref(&lock))),
    };
    if placed.is_none() {
        return Some(None);
    }
    let explanation = format!(
        "`{mutex}` is given back for a while, and a way out leaves before it is taken again, where `defer` gives it back once more: it is taken first."
    );
    let mends = !owed.leaving.is_empty() && !owed.at_end;
    Some(mends.then_some(Draft { tier: Tier::Cause, depth: 0, explanation, masks: false, edits }))
}

/// The statement beside that which takes a lock again and above it, from which on what the lock guards is read and
/// nothing else of the owner is called: it has to be taken before that.
fn read_between<'t>(file: &File, again: Node<'t>, leaving: &[Node<'t>], mutex: &str) -> Option<Node<'t>> {
    let owner = format!("{}.", mutex.split('.').next()?);
    let above = std::iter::successors(again.prev_named_sibling(), Node::prev_named_sibling);
    let first = above.filter(|above| leaving.iter().any(|node| is_within(*node, *above))).last()?;
    let of_owner = |node: Node<'_>| file.text_of(node).starts_with(&owner);
    let between =
        || std::iter::successors(Some(first), Node::next_named_sibling).take_while(|node| *node != again);
    let calls = between()
        .any(|node| !nodes_of(node, |inner| inner.kind() == "call_expression" && of_owner(inner)).is_empty());
    let reads = !nodes_of(first, |node| node.kind() == "selector_expression" && of_owner(node)).is_empty();
    let all = leaving.iter().all(|node| between().any(|statement| is_within(*node, statement)));
    (reads && !calls && all).then_some(first)
}

/// The methods of the struct that use the field of the failing line without its mutex take it.
fn unguarded(case: &Case<'_>, depth: usize) -> Vec<Draft> {
    let Some(file) = case.file(depth) else { return Vec::new() };
    let fields = case.raisers(depth, |file, node| {
        node.kind() == "selector_expression"
            && node.child_by_field_name("operand").is_some_and(|operand| operand.kind() == "identifier")
            && case.resolver.type_of(file, node).is_some()
    });
    fields.into_iter().filter_map(|field| hold(case, depth, file, field)).collect()
}

fn hold(case: &Case<'_>, depth: usize, file: &Arc<File>, field: Node<'_>) -> Option<Draft> {
    let operand = field.child_by_field_name("operand")?;
    let owner_type = case.resolver.type_of(file, operand)?;
    let name = file.text_of(field.child_by_field_name("field")?);
    let (owner, _) = case.resolver.field(&owner_type, name)?;
    let mutex = case
        .resolver
        .fields(&owner_type)
        .into_iter()
        .find(|field| matches!(field.ty.text.as_str(), "sync.Mutex" | "sync.RWMutex"))?;
    let reads_shared = mutex.ty.text == "sync.RWMutex";
    let mut edits = Edits::default();
    let methods = methods_of(case, &owner);
    let mut bare: Vec<&Method> = Vec::new();
    for method in methods.iter().filter(|method| needs_lock(method, name, &mutex.name)) {
        match called_locked(method, &mutex.name, &methods) {
            Some(true) => {}
            Some(false) => bare.push(method),
            // It would lock twice, on one way or another.
            None => return None,
        }
    }
    let calls_bare = |method: &&Method| {
        method.calls().iter().any(|called| bare.iter().any(|other| other.function.identifier == *called))
    };
    if bare.iter().any(|method| calls_bare(method) || method.takes(&mutex.name, &methods)) {
        return None;
    }
    for method in &bare {
        let file = &method.file;
        let shared = reads_shared && !method.uses(name).iter().any(|node| is_written(file, *node));
        let (lock, kind) = (method.own(&mutex.name), if shared { "R" } else { "" });
        let lines = [format!("{lock}.{kind}Lock()"), format!("defer {lock}.{kind}Unlock()")];
        edits.insert_first(file, method.body()?, &lines)?;
    }
    let writers: Vec<&Method> =
        methods.iter().filter(|method| writes_shared(method, name, &mutex.name)).collect();
    for method in &writers {
        if !is_outermost(method, &mutex.name, &methods) {
            return None;
        }
        hold_alone(&mut edits, method, &mutex.name);
    }
    let told =
        [(bare, "without", "the lock is taken there"), (writers, "with a shared", "it is held alone there")];
    let told = told.iter().filter(|(methods, ..)| !methods.is_empty()).map(|(methods, how, what)| {
        let names: Vec<&str> = methods.iter().map(|method| method.function.identifier.as_str()).collect();
        format!("`{name}` is used {how} `{}` in {}: {what}.", mutex.name, names.join(", "))
    });
    let told: Vec<String> = told.collect();
    let explanation = told.join(" ");
    (!told.is_empty()).then_some(Draft { tier: Tier::Cause, depth, explanation, masks: false, edits })
}

/// Whether a method writes a field while it holds a mutex that others hold as well, and that one alone.
fn writes_shared(method: &Method, field: &str, mutex: &str) -> bool {
    let lock = method.own(mutex);
    method.text().contains(&format!("{lock}.RLock()"))
        && !method.text().contains(&format!("{lock}.Lock()"))
        && method.uses(field).iter().any(|node| is_written(&method.file, *node))
}

/// Whether no method that takes a mutex calls a method, nor the other way round.
fn is_outermost(method: &Method, mutex: &str, all: &[Method]) -> bool {
    let takes = |name: &str| {
        all.iter().any(|other| {
            other.function.identifier == name
                && other.function.name != method.function.name
                && other.takes(mutex, all)
        })
    };
    let mut callers = all.iter().filter(|caller| caller.text().contains(&caller.own(mutex)));
    let called = callers.any(|caller| caller.calls().contains(&method.function.identifier.as_str()));
    !called && !method.calls().into_iter().any(takes)
}

/// A method holds a mutex alone that it held as one of several.
fn hold_alone(edits: &mut Edits, method: &Method, mutex: &str) {
    let (file, lock) = (&method.file, method.own(mutex));
    let shared = [("RLock", "Lock"), ("RUnlock", "Unlock")];
    for call in method.nodes(|node| node.kind() == "call_expression") {
        for (with_others, alone) in shared {
            if file.text_of(call) == format!("{lock}.{with_others}()") {
                edits.replace(file, call.byte_range(), format!("{lock}.{alone}()"));
            }
        }
    }
}

/// Whether a method uses a field and never names its mutex.
fn needs_lock(method: &Method, field: &str, mutex: &str) -> bool {
    !method.receiver.is_empty()
        && !method.uses(field).is_empty()
        && !method.text().contains(&method.own(mutex))
        && !expects_lock(&method.function)
}

/// Whether a method is called by others that take the mutex, and by no others; none where by both.
fn called_locked(method: &Method, mutex: &str, all: &[Method]) -> Option<bool> {
    let callers: Vec<bool> = all
        .iter()
        .filter(|caller| caller.calls().contains(&method.function.identifier.as_str()))
        .map(|caller| caller.text().contains(&caller.own(mutex)))
        .collect();
    match (callers.contains(&true), callers.contains(&false)) {
        (true, true) => None,
        (locked, _) => Some(locked),
    }
}

/// Methods that say they are called with the lock held.
fn expects_lock(function: &Function) -> bool {
    let name = function.identifier.to_ascii_lowercase();
    name.ends_with("locked") || name.ends_with("unsafe")
}

/// Whether a field is written where it is used: assigned, an entry of it assigned or deleted.
fn is_written(file: &File, node: Node<'_>) -> bool {
    let text = file.text_of(node);
    std::iter::successors(node.parent(), Node::parent).take_while(|node| node.kind() != "statement_list").any(
        |parent| {
            let left = parent.child_by_field_name("left").filter(|_| parent.kind() == "assignment_statement");
            left.is_some_and(|left| {
                left.start_byte() <= node.start_byte() && node.end_byte() <= left.end_byte()
            }) || matches!(parent.kind(), "inc_statement" | "dec_statement")
                || file.text_of(parent).starts_with(&format!("delete({text}"))
        },
    )
}
