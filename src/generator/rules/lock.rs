//! A field that is used without the mutex that guards it, or a mutex that is unlocked too often.
//!
//! Evidence: a field on the failing line, and a mutex in the same struct; of several the one that most uses of the
//! field are under. Edit: the methods that do not hold it take it for their whole length; those that write
//! the field while they hold an RWMutex as one of several (`RLock`) hold it alone.
//! A mutex that is unlocked too often stands in a file of its own.
//!
//! Risk: a method that is called with the lock held deadlocks: what only callers with the lock use is left alone, and
//! nothing is proposed where others use it too, where one that is to take the lock calls another, waits for
//! others, or uses the field in a goroutine that it starts.

use std::sync::Arc;

use tree_sitter::Node;

use super::unlocked_twice;
use crate::domain::Class;
use crate::generator::repair::case::Case;
use crate::generator::repair::draft::Draft;
use crate::generator::repair::edit::Edits;
use crate::generator::repair::guarding::{runs_beside, waits};
use crate::generator::repair::locked::{Held, locking};
use crate::generator::repair::methods::{Method, Mutex, is_called_held, methods_of, own_call};
use crate::generator::repair::syntax::{is_within, operator_of};
use crate::repository::go::{File, Function};

pub(super) fn drafts(case: &Case<'_>) -> Vec<Draft> {
    if case.fault.class == Class::MutexMisuse {
        return unlocked_twice::drafts(case);
    }
    (0..case.frames.len()).flat_map(|depth| unguarded(case, depth)).collect()
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
    let methods = methods_of(case, &owner);
    let mutex = guard_of(name, Mutex::among(&case.resolver.fields(&owner_type)), &methods)?;
    let mut edits = Edits::default();
    let mut bare: Vec<&Method> = Vec::new();
    for method in methods.iter().filter(|method| needs_lock(method, name, &mutex)) {
        match called_locked(case, method, &mutex, &methods, &mut Vec::new()) {
            Some(true) => {}
            Some(false) => bare.push(method),
            // It would lock twice, on one way or another.
            None => return None,
        }
    }
    let calls_bare = |method: &&Method| {
        method.calls().iter().any(|called| bare.iter().any(|other| other.function.identifier == *called))
    };
    if bare.iter().any(|method| calls_bare(method) || method.takes(&mutex, &methods)) {
        return None;
    }
    if !bare.iter().all(|method| is_covered(case, method, name)) {
        return None;
    }
    for method in &bare {
        let file = &method.file;
        let shared = mutex.shared && !method.uses(name).iter().any(|node| may_be_written(file, *node));
        let (lock, kind) = (mutex.of(&method.receiver), if shared { "R" } else { "" });
        let lines = [format!("{lock}.{kind}Lock()"), format!("defer {lock}.{kind}Unlock()")];
        edits.insert_first(file, method.body()?, &lines)?;
    }
    let writers: Vec<&Method> = methods.iter().filter(|method| writes_shared(method, name, &mutex)).collect();
    for method in &writers {
        if !is_outermost(case, method, &mutex, &methods) {
            return None;
        }
        hold_alone(&mut edits, method, &mutex);
    }
    let told =
        [(bare, "without", "the lock is taken there"), (writers, "with a shared", "it is held alone there")];
    let told = told.iter().filter(|(methods, ..)| !methods.is_empty()).map(|(methods, how, what)| {
        let names: Vec<&str> = methods.iter().map(|method| method.function.identifier.as_str()).collect();
        format!("`{name}` is used {how} `{}` in {}: {what}.", mutex.name, names.join(", "))
    });
    let told: Vec<String> = told.collect();
    let explanation = told.join(" ");
    (!told.is_empty()).then_some(Draft::cause(depth, explanation, edits))
}

/// Whether a lock that a method holds for its whole length covers its uses of a field, and keeps nobody waiting.
fn is_covered(case: &Case<'_>, method: &Method, field: &str) -> bool {
    let Some(body) = method.body() else { return false };
    let waiting = method.nodes(|node| waits(case, &method.file, node) && !runs_beside(node, body));
    waiting.is_empty() && !method.uses(field).into_iter().any(|node| runs_beside(node, body))
}

/// The mutex that guards a field: the one there is, or the one that most uses of the field are under.
fn guard_of(field: &str, mutexes: Vec<Mutex>, methods: &[Method]) -> Option<Mutex> {
    if mutexes.len() < 2 {
        return mutexes.into_iter().next();
    }
    let under = |mutex: &Mutex| -> usize {
        let held = |method: &Method| {
            let uses = method.uses(field).into_iter();
            uses.filter(|node| method.held_at(*node, mutex) != Held::No).count()
        };
        methods.iter().map(held).sum()
    };
    let counted = mutexes.into_iter().map(|mutex| (under(&mutex), mutex)).filter(|(count, _)| *count > 0);
    // Of two that are always held together the first will do.
    counted.rev().max_by_key(|(count, _)| *count).map(|(_, mutex)| mutex)
}

/// Whether a method writes a field while it holds a mutex that others hold as well.
fn writes_shared(method: &Method, field: &str, mutex: &Mutex) -> bool {
    let mut uses = method.uses(field).into_iter();
    uses.any(|node| is_written(&method.file, node) && method.held_at(node, mutex) == Held::Read)
}

/// Whether nobody who takes a mutex calls a method, nor the other way round.
fn is_outermost(case: &Case<'_>, method: &Method, mutex: &Mutex, all: &[Method]) -> bool {
    let takes = |name: &str| {
        all.iter().any(|other| {
            other.function.identifier == name
                && other.function.name != method.function.name
                && other.takes(mutex, all)
        })
    };
    let mut callers = all.iter().filter(|caller| caller.names(mutex));
    let called = callers.any(|caller| caller.calls().contains(&method.function.identifier.as_str()));
    !called && !is_called_held(case, method, mutex) && !method.calls().into_iter().any(takes)
}

/// A method holds a mutex alone that it held as one of several.
fn hold_alone(edits: &mut Edits, method: &Method, mutex: &Mutex) {
    let (file, lock) = (&method.file, mutex.of(&method.receiver));
    let shared = [("RLock", "Lock"), ("RUnlock", "Unlock")];
    for call in method.nodes(|node| locking(file, node).is_some()) {
        for (with_others, alone) in shared {
            if file.text_of(call) == format!("{lock}.{with_others}()") {
                edits.replace(file, call.byte_range(), format!("{lock}.{alone}()"));
            }
        }
    }
}

/// Whether a method uses a field and never names its mutex.
fn needs_lock(method: &Method, field: &str, mutex: &Mutex) -> bool {
    !method.receiver.is_empty()
        && !method.uses(field).is_empty()
        && !method.names(mutex)
        && !expects_lock(&method.function)
}

/// Whether others call a method with the mutex held, and no others of the type do; none where some do and some do not.
/// `known` are the methods that are being looked at.
fn called_locked<'m>(
    case: &Case<'_>,
    method: &'m Method,
    mutex: &Mutex,
    all: &'m [Method],
    known: &mut Vec<&'m str>,
) -> Option<bool> {
    let name = method.function.identifier.as_str();
    known.push(name);
    let (mut with, mut without) = (is_called_held(case, method, mutex), false);
    for caller in all {
        if known.contains(&caller.function.identifier.as_str()) {
            continue;
        }
        let calls = caller.nodes(|node| own_call(&caller.file, node, &caller.receiver) == Some(name));
        if calls.is_empty() {
            continue;
        }
        let held = calls.iter().filter(|call| caller.held_at(**call, mutex) != Held::No).count();
        let handed_down = !caller.names(mutex)
            && (expects_lock(&caller.function) || called_locked(case, caller, mutex, all, known)?);
        with |= held > 0 || handed_down;
        without |= held < calls.len() && !handed_down;
    }
    if with && without { None } else { Some(with) }
}

/// Methods that say they are called with the lock held.
fn expects_lock(function: &Function) -> bool {
    let name = function.identifier.to_ascii_lowercase();
    name.ends_with("locked") || name.ends_with("unsafe")
}

/// Functions that change what their first argument holds.
const CHANGING: &[&str] =
    &["delete", "clear", "copy", "maps.Copy", "maps.DeleteFunc", "maps.Insert", "sort.Slice", "slices.Sort"];

/// Whether a field is written where it is used: assigned, an entry of it assigned or deleted.
fn is_written(file: &File, node: Node<'_>) -> bool {
    std::iter::successors(node.parent(), Node::parent).take_while(|node| node.kind() != "statement_list").any(
        |parent| match parent.kind() {
            "assignment_statement" => {
                parent.child_by_field_name("left").is_some_and(|left| is_within(node, left))
            }
            "inc_statement" | "dec_statement" => true,
            "call_expression" => {
                let changes = parent
                    .child_by_field_name("function")
                    .is_some_and(|called| CHANGING.contains(&file.text_of(called)));
                let first = parent.child_by_field_name("arguments").and_then(|list| list.named_child(0));
                changes && first.is_some_and(|first| is_within(node, first))
            }
            _ => false,
        },
    )
}

/// Whether a field may be written where it is used: there, by a method of it, or by who gets its address.
fn may_be_written(file: &File, node: Node<'_>) -> bool {
    let user = node.parent().filter(|user| user.child_by_field_name("operand") == Some(node));
    let by_others = user.is_some_and(|user| match user.kind() {
        "selector_expression" => user.parent().is_some_and(|call| {
            call.kind() == "call_expression" && call.child_by_field_name("function") == Some(user)
        }),
        _ => operator_of(file, user) == Some("&"),
    });
    by_others || is_written(file, node)
}
