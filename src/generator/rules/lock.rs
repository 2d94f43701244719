//! A map that several goroutines use, or a mutex that is unlocked too often.
//!
//! Evidence for a map: a field on the failing line, and a mutex in the same struct which other methods
//! hold while they use the field. Edit: the methods that do not hold it take it for their whole length.
//! For an unlock of an unlocked mutex: the plain `Unlock` beside a deferred one of the same function
//! goes. Risk: a method that is called with the lock held deadlocks, so the former counts as a guess
//! that only the tests and the race detector can confirm.

use std::sync::Arc;

use tree_sitter::Node;

use crate::domain::Class;
use crate::generator::repair::case::Case;
use crate::generator::repair::draft::{Draft, Tier};
use crate::generator::repair::edit::{Edits, is_repairable};
use crate::generator::repair::syntax::{nodes_in, nodes_of};
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
            let plain = nodes_in(file, &frame.range, |node| {
                node.kind() == "expression_statement" && file.text_of(node) == call
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
    let mut names = Vec::new();
    for other in case.resolver.package_of(&owner.file) {
        for function in &other.functions {
            let Some(receiver) =
                function.receiver.as_ref().filter(|receiver| receiver.type_name == owner.name)
            else {
                continue;
            };
            let lock = format!("{}.{}", receiver.name, mutex.name);
            let used = format!("{}.{name}", receiver.name);
            let Some(body) = other.node_at(function.body.clone()) else { continue };
            let uses =
                nodes_of(body, |node| node.kind() == "selector_expression" && other.text_of(node) == used);
            if uses.is_empty() || other.text_of(body).contains(&lock) || expects_lock(function) {
                continue;
            }
            let shared = reads_shared && !uses.iter().any(|node| is_written(&other, *node));
            let kind = if shared { "R" } else { "" };
            let lines = [format!("{lock}.{kind}Lock()"), format!("defer {lock}.{kind}Unlock()")];
            edits.insert_first(&other, body, &lines)?;
            names.push(function.identifier.clone());
        }
    }
    (!names.is_empty()).then(|| Draft {
        tier: Tier::Cause,
        depth,
        explanation: format!(
            "`{name}` is used without `{}` in {}: the lock is taken there.",
            mutex.name,
            names.join(", ")
        ),
        masks: false,
        edits,
    })
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
