//! A field that several goroutines use, in a struct that has no lock.
//!
//! Evidence: a field of the receiver on the failing line, in a type that has no mutex. Edit: the struct gets one, and
//! every method that uses the field holds it from its first use to the end.
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
use crate::generator::repair::guarding::{calls_parameter, escapes, is_function, waits};
use crate::generator::repair::methods::{Method, is_copied, methods_of, struct_of};
use crate::generator::repair::suspect::is_receiver;
use crate::generator::repair::syntax::{nodes_of, outermost};
use crate::repository::go::{Field, File, Function, Shape, Type, TypeDecl};

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
    let guards_itself = ["sync.", "atomic.", "chan "]
        .iter()
        .any(|own| field.ty.text.trim_start_matches('*').starts_with(own));
    match case.fault.class {
        Class::ConcurrentMapAccess => matches!(shape.shape(), Shape::Map(..)),
        _ => !guards_itself && !field.embedded,
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
    let users: Vec<&Method> = methods.iter().filter(|method| !method.uses(&field.name).is_empty()).collect();
    let can_lock = |method: &&Method| {
        is_repairable(&method.file)
            && !calls_another(method, &users, &methods)
            && is_contained(case, method, &owner, &field.name)
    };
    if users.len() > MOST_METHODS
        || !users.iter().all(can_lock)
        || is_used_elsewhere(case, &owner, &field.name)
    {
        return None;
    }
    let mut edits = Edits::default();
    let home = &owner.file;
    let sync = edits.import(home, "sync");
    let close = struct_of(&owner)?.end_byte() - 1;
    edits.replace(home, close..close, format!("\n\tmu {sync}.Mutex // guards {}\n", field.name));
    for method in &users {
        let lock = method.own("mu");
        let lines = [format!("{lock}.Lock()"), format!("defer {lock}.Unlock()")];
        // What comes before the first use needs no lock.
        let first = method.uses(&field.name).into_iter().min_by_key(Node::start_byte)?;
        edits.insert_before(&method.file, outermost(method.body()?, first)?, &lines)?;
    }
    let names: Vec<&str> = users.iter().map(|method| method.function.identifier.as_str()).collect();
    let explanation = format!(
        "`{}` is used by several goroutines, and `{}` has no lock: it gets one, which {} hold. A stress test under the race detector must tell whether that is all.",
        field.name,
        owner.name,
        names.join(", ")
    );
    Some(Draft::cause(depth, explanation, edits))
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

/// Whether a method is done with the field when it returns, and waits for nobody meanwhile.
fn is_contained(case: &Case<'_>, method: &Method, owner: &TypeDecl, field: &str) -> bool {
    let file = &method.file;
    if method.receiver.is_empty() || !method.function.receiver.as_ref().is_some_and(|its| its.pointer) {
        return false;
    }
    let escape = method.uses(field).into_iter().any(|node| escapes(case, file, node));
    let waiting = method.nodes(|node| {
        node.kind() == "go_statement" || waits(case, file, node) || calls_back(case, method, owner, node)
    });
    !escape && waiting.is_empty()
}

/// Whether a call is of a function that the struct or the caller handed in.
fn calls_back(case: &Case<'_>, method: &Method, owner: &TypeDecl, call: Node<'_>) -> bool {
    let Some(function) = call.child_by_field_name("function") else { return false };
    let own = method
        .file
        .text_of(function)
        .strip_prefix(&format!("{}.", method.receiver))
        .and_then(|field| case.resolver.field(&Type::new(owner.name.clone(), &owner.file), field));
    calls_parameter(case, &method.file, &method.function, call)
        || own.is_some_and(|(_, field)| is_function(case, &field.ty))
}

/// Whether the field is used by other code than the type's methods and what makes the struct.
fn is_used_elsewhere(case: &Case<'_>, owner: &TypeDecl, field: &str) -> bool {
    case.resolver.users_of(&owner.file, field.starts_with(char::is_uppercase)).is_none_or(|files| {
        files.iter().filter(|file| !file.is_test()).any(|file| {
            let uses = nodes_of(file.tree.root_node(), |node| {
                node.kind() == "selector_expression"
                    && node.child_by_field_name("field").is_some_and(|name| file.text_of(name) == field)
                    && case.field_at(file, node).is_some_and(|(its, _)| its.name == owner.name)
            });
            uses.into_iter().any(|node| {
                let line = file.line_at(node.start_byte());
                !file.function_at(line).is_some_and(|function| may_use(file, function, node, owner))
            })
        })
    })
}

/// Whether a function may use the field: a method by its receiver, or one that gives back what it makes.
fn may_use(file: &File, function: &Function, node: Node<'_>, owner: &TypeDecl) -> bool {
    let operand = node.child_by_field_name("operand").map(|operand| file.text_of(operand));
    match &function.receiver {
        Some(receiver) => receiver.type_name == owner.name && operand == Some(&receiver.name),
        None => function.results.iter().any(|result| result.ty.trim_start_matches('*') == owner.name),
    }
}
