//! A field that several goroutines use, in a struct that has no lock.
//!
//! Evidence: a field of the receiver on the failing line, in a type that has no mutex. Edit: the struct gets one, and
//! every method that uses the field holds it from its first use to the end. What such a method writes is guarded as
//! well: whoever uses that holds the lock too. Where that cannot be, the fix says so, and is not proven.
//!
//! What the lock guards is a decision of the design, and that nothing is left out only the race detector can tell:
//! without a stress test under it the fix is plausible at most.
//!
//! A variable of a package gets one in the same way.
//!
//! Nothing is proposed where that would lock twice (a method that uses the field calls another one that does), where
//! the field is used outside the type's methods (but for where the struct is made), in a goroutine of a method, or
//! leaves a method as a reference; where a method that uses it waits for others or calls back; and where values of the
//! struct are copied.

use std::sync::Arc;

use tree_sitter::Node;

use super::shared_variable;
use crate::domain::Class;
use crate::generator::repair::case::Case;
use crate::generator::repair::draft::Draft;
use crate::generator::repair::edit::{Edits, is_repairable};
use crate::generator::repair::guarded::{Guarded, is_used_elsewhere};
use crate::generator::repair::guarding::{calls_back, escapes, waits};
use crate::generator::repair::methods::{Method, is_copied, methods_of, struct_of};
use crate::generator::repair::suspect::is_receiver;
use crate::generator::repair::syntax::outermost;
use crate::generator::repair::written::guards_itself;
use crate::repository::go::{Field, File, Shape, TypeDecl};

/// More methods than that are changed by a person.
const MOST_METHODS: usize = 12;

pub(super) fn drafts(case: &Case<'_>) -> Vec<Draft> {
    let mut drafts = Vec::new();
    for depth in 0..case.frames.len() {
        let Some(file) = case.file(depth) else { continue };
        let fields = case.raisers(depth, |file, node| {
            node.kind() == "selector_expression"
                && node.child_by_field_name("operand").is_some_and(|operand| is_receiver(file, operand))
                && case.field_at(file, node).is_some_and(|(_, field)| is_raced(case, &field))
        });
        let mut known: Vec<&str> = Vec::new();
        for node in fields {
            if !known.contains(&file.text_of(node)) {
                known.push(file.text_of(node));
                drafts.extend(add(case, depth, file, node));
            }
        }
        if drafts.is_empty() {
            drafts.extend(shared_variable::drafts(case, depth));
        }
        if !drafts.is_empty() {
            break;
        }
    }
    drafts
}

/// Whether a field can be what the failure is about.
fn is_raced(case: &Case<'_>, field: &Field) -> bool {
    let shape = case.resolver.underlying(&field.ty);
    match case.fault.class {
        Class::ConcurrentMapAccess => matches!(shape.shape(), Shape::Map(..)),
        _ => !guards_itself(case, &field.ty) && !field.embedded,
    }
}

fn add(case: &Case<'_>, depth: usize, file: &Arc<File>, node: Node<'_>) -> Option<Draft> {
    let (owner, field) = case.field_at(file, node)?;
    let ty = case.resolver.type_of(file, node.child_by_field_name("operand")?)?;
    let fields = case.resolver.fields(&ty);
    let has_lock = fields.iter().any(|field| field.ty.text.contains("Mutex"));
    let clash = fields.iter().any(|field| field.name == "mu");
    if has_lock || clash || !is_repairable(&owner.file) || is_copied(case, &owner) {
        return None;
    }
    let methods = methods_of(case, &owner);
    let guarded = guarded(case, &owner, &field.name, &fields, &methods)?;
    let users = users(&methods, &guarded.names);
    let names = guarded.listed(fields.iter().map(|field| field.name.as_str()));
    let mut edits = Edits::default();
    let home = &owner.file;
    let sync = edits.import(home, "sync");
    let close = struct_of(&owner)?.end_byte() - 1;
    edits.replace(home, close..close, format!("\n\tmu {sync}.Mutex // guards {names}\n"));
    for method in &users {
        let lock = method.own("mu");
        let lines = [format!("{lock}.Lock()"), format!("defer {lock}.Unlock()")];
        // What comes before the first use needs no lock.
        let first = uses(method, &guarded.names).into_iter().min_by_key(Node::start_byte)?;
        edits.insert_before(&method.file, outermost(method.body()?, first)?, &lines)?;
    }
    let holders: Vec<&str> = users.iter().map(|method| method.function.identifier.as_str()).collect();
    let explanation = format!(
        "`{}` is used by several goroutines, and `{}` has no lock: it gets one, which {} hold.{} A stress test under the race detector must tell whether that is all.",
        field.name,
        owner.name,
        holders.join(", "),
        guarded.others_told()
    );
    Some(Draft { open: guarded.open(), ..Draft::cause(depth, explanation, edits) })
}

/// What the lock guards: the field, and all that is written by who takes the lock.
fn guarded(
    case: &Case<'_>,
    owner: &TypeDecl,
    field: &str,
    fields: &[Field],
    methods: &[Method],
) -> Option<Guarded> {
    let written = |names: &[String]| -> Vec<String> {
        let users = users(methods, names).into_iter();
        users.flat_map(|method| method.writes(case)).map(|(name, _)| name.to_owned()).collect()
    };
    let can_guard = |names: &[String]| {
        let users = users(methods, names);
        let is_own =
            |name: &String| name == field || fields.iter().any(|its| its.name == *name && !its.embedded);
        let can_lock = |method: &&Method| {
            is_repairable(&method.file)
                && !calls_another(method, &users, methods)
                && is_contained(case, method, names)
        };
        users.len() <= MOST_METHODS
            && !methods.iter().any(is_replaced)
            && users.iter().all(can_lock)
            && names.iter().all(|name| is_own(name) && !is_used_elsewhere(case, owner, name, |_, _| false))
    };
    Guarded::beginning_with(field, written, can_guard)
}

/// The methods that use one of the fields.
fn users<'m>(methods: &'m [Method], names: &[String]) -> Vec<&'m Method> {
    methods.iter().filter(|method| !uses(method, names).is_empty()).collect()
}

/// The places where a method names one of the fields.
fn uses<'m>(method: &'m Method, names: &[String]) -> Vec<Node<'m>> {
    names.iter().flat_map(|name| method.uses(name)).collect()
}

/// Whether a method calls another one that would take the lock too, directly or by others.
fn calls_another(method: &Method, users: &[&Method], all: &[Method]) -> bool {
    let uses =
        |other: &Method| users.iter().any(|user| user.function.identifier == other.function.identifier);
    let calls = method.calls();
    all.iter()
        .filter(|other| calls.contains(&other.function.identifier.as_str()))
        .any(|other| other.reaches(all, uses))
}

/// Whether a method is done with the fields when it returns, and waits for nobody meanwhile.
fn is_contained(case: &Case<'_>, method: &Method, names: &[String]) -> bool {
    let file = &method.file;
    if method.receiver.is_empty() || !method.function.receiver.as_ref().is_some_and(|its| its.pointer) {
        return false;
    }
    let escape = uses(method, names).into_iter().any(|node| escapes(case, file, node));
    let waiting = method.nodes(|node| {
        node.kind() == "go_statement" || waits(case, file, node) || calls_back(case, file, node)
    });
    !escape && waiting.is_empty()
}

/// Whether a method sets the whole struct, and with it the lock that somebody holds.
fn is_replaced(method: &Method) -> bool {
    let whole = format!("*{}", method.receiver);
    let sets = |node: Node<'_>| {
        node.kind() == "assignment_statement"
            && node.child_by_field_name("left").is_some_and(|left| {
                left.named_children(&mut left.walk()).any(|target| method.file.text_of(target) == whole)
            })
    };
    !method.nodes(sets).is_empty()
}
