//! What a lock comes to guard: the field or variable that a failure is about, and all that is written by who takes the
//! lock for its sake. What is written under a lock and used without it still races.

use tree_sitter::Node;

use super::case::Case;
use super::syntax::nodes_of;
use crate::repository::go::{File, Function, TypeDecl};

/// The fields of a struct, or variables of a package, that a lock guards.
#[derive(Debug)]
pub(crate) struct Guarded {
    /// Their names; that which the failure is about is the first.
    pub(crate) names: Vec<String>,
    /// Names of others that are written under the lock, and cannot have it everywhere.
    open: Vec<String>,
}

impl Guarded {
    /// What a lock guards that is taken for the sake of one: `written` tells what is written by who takes a lock that
    /// guards such names, and `can_guard` whether all who use these can take it. None where even the one cannot be
    /// guarded.
    pub(crate) fn beginning_with(
        name: &str,
        written: impl Fn(&[String]) -> Vec<String>,
        can_guard: impl Fn(&[String]) -> bool,
    ) -> Option<Self> {
        let mut guarded = Self { names: vec![name.to_owned()], open: Vec::new() };
        if !can_guard(&guarded.names) {
            return None;
        }
        loop {
            let mut next = written(&guarded.names).into_iter();
            let Some(next) = next.find(|name| !guarded.names.contains(name) && !guarded.open.contains(name))
            else {
                return Some(guarded);
            };
            guarded.names.push(next);
            if !can_guard(&guarded.names) {
                guarded.open.extend(guarded.names.pop());
            }
        }
    }

    /// The names in the order of their declaration, where that is known.
    pub(crate) fn listed<'n>(&self, declared: impl Iterator<Item = &'n str>) -> String {
        let mut names: Vec<&str> = self.names.iter().map(String::as_str).collect();
        let order: Vec<&str> = declared.collect();
        names.sort_by_key(|name| order.iter().position(|known| known == name));
        names.join(", ")
    }

    /// A sentence about those that the failure does not name; empty where there are none.
    pub(crate) fn others_told(&self) -> String {
        match self.names.get(1..) {
            Some(others @ [_, ..]) => {
                format!(" It guards {} as well, written under it.", quoted(others))
            }
            _ => String::new(),
        }
    }

    /// What stays open, in words that go on after "but".
    pub(crate) fn open(&self) -> Option<String> {
        (!self.open.is_empty()).then(|| {
            format!(
                "{} is written under the lock now, and cannot be guarded by it wherever it is used: it may race still",
                quoted(&self.open)
            )
        })
    }
}

/// Names as a sentence holds them.
pub(crate) fn quoted(names: &[String]) -> String {
    let quoted: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    quoted.join(", ")
}

/// Whether a field is used by other code than the type's methods and what makes the struct, but for where `is_held`
/// says that it may be.
pub(crate) fn is_used_elsewhere(
    case: &Case<'_>,
    owner: &TypeDecl,
    field: &str,
    is_held: impl Fn(&File, Node<'_>) -> bool,
) -> bool {
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
                    && !is_held(file, node)
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
