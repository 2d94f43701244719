//! The methods of a type, and what they do with its fields, channels and locks.

use std::sync::Arc;

use tree_sitter::Node;

use super::case::Case;
use super::locked::{Held, held_at, locking};
use super::syntax::{method_call, nodes_of};
use super::written::{guards_itself, is_changed};
use crate::repository::go::{Field, File, Function, How, Type, TypeDecl};

/// A method of a type.
#[derive(Debug, Clone)]
pub(crate) struct Method {
    pub(crate) file: Arc<File>,
    pub(crate) function: Function,
    /// What it calls its receiver; empty where that has no name.
    pub(crate) receiver: String,
}

impl Method {
    /// Its body with the braces.
    pub(crate) fn body(&self) -> Option<Node<'_>> {
        self.file.node_at(self.function.body.clone())
    }

    /// The text of its body.
    pub(crate) fn text(&self) -> &str {
        self.file.text.get(self.function.body.clone()).unwrap_or_default()
    }

    /// A field of its receiver as it writes it.
    pub(crate) fn own(&self, field: &str) -> String {
        format!("{}.{field}", self.receiver)
    }

    /// The places where it names a field of its receiver.
    pub(crate) fn uses(&self, field: &str) -> Vec<Node<'_>> {
        let text = self.own(field);
        self.nodes(|node| node.kind() == "selector_expression" && self.file.text_of(node) == text)
    }

    /// The places where it writes fields of its receiver that have no lock of their own: the names, and the nodes.
    pub(crate) fn writes(&self, case: &Case<'_>) -> Vec<(&str, Node<'_>)> {
        let own = |node: Node<'_>| {
            let operand =
                node.child_by_field_name("operand").filter(|_| node.kind() == "selector_expression");
            operand.is_some_and(|operand| self.file.text_of(operand) == self.receiver)
        };
        let is_open = |node: Node<'_>| {
            case.field_at(&self.file, node).is_some_and(|(_, field)| !guards_itself(case, &field.ty))
        };
        let writes =
            self.nodes(|node| own(node) && is_open(node) && is_changed(case, &self.file, node)).into_iter();
        writes
            .filter_map(|node| Some((self.file.text_of(node.child_by_field_name("field")?), node)))
            .collect()
    }

    /// The nodes of its body that satisfy a condition.
    pub(crate) fn nodes<'s>(&'s self, wanted: impl Fn(Node<'s>) -> bool) -> Vec<Node<'s>> {
        self.body().map(|body| nodes_of(body, wanted)).unwrap_or_default()
    }

    /// The names of the methods it calls on its receiver.
    pub(crate) fn calls(&self) -> Vec<&str> {
        let calls = self.nodes(|node| node.kind() == "call_expression");
        calls.into_iter().filter_map(|call| own_call(&self.file, call, &self.receiver)).collect()
    }

    /// Whether it takes a mutex of its receiver itself.
    pub(crate) fn locks(&self, mutex: &Mutex) -> bool {
        let own = mutex.of(&self.receiver);
        let calls = self.nodes(|node| node.kind() == "call_expression");
        calls
            .into_iter()
            .filter_map(|call| locking(&self.file, call))
            .any(|(taken, held)| held != Held::No && self.file.text_of(taken) == own)
    }

    /// Whether it names a mutex of its receiver.
    pub(crate) fn names(&self, mutex: &Mutex) -> bool {
        let own = mutex.of(&self.receiver);
        let named = self.nodes(|node| match mutex.embedded {
            true => method_call(node).is_some_and(|(operand, method)| {
                self.file.text_of(operand) == own && self.file.text_of(method).ends_with("ock")
            }),
            false => node.kind() == "selector_expression" && self.file.text_of(node) == own,
        });
        !named.is_empty()
    }

    /// How it holds a mutex of its receiver at a node of it.
    pub(crate) fn held_at(&self, node: Node<'_>, mutex: &Mutex) -> Held {
        held_at(&self.file, node, &mutex.of(&self.receiver))
    }

    /// Whether it takes a mutex of its receiver, itself or by another method that it calls.
    pub(crate) fn takes(&self, mutex: &Mutex, all: &[Self]) -> bool {
        self.reaches(all, |method| method.locks(mutex))
    }

    /// Whether it, or a method of its receiver that it leads to, is such.
    pub(crate) fn reaches(&self, all: &[Self], wanted: impl Fn(&Self) -> bool) -> bool {
        let mut known: Vec<&str> = vec![&self.function.identifier];
        let mut next = 0;
        while let Some(name) = known.get(next).copied() {
            next += 1;
            let Some(method) = all.iter().find(|method| method.function.identifier == name) else { continue };
            if wanted(method) {
                return true;
            }
            for called in method.calls() {
                if !known.contains(&called) {
                    known.push(called);
                }
            }
        }
        false
    }
}

/// A mutex that the values of a type hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Mutex {
    pub(crate) name: String,
    /// Whether its methods are those of the type.
    pub(crate) embedded: bool,
    /// Whether several can hold it at once.
    pub(crate) shared: bool,
}

impl Mutex {
    /// Those among the fields of a type.
    pub(crate) fn among(fields: &[Field]) -> Vec<Self> {
        fields.iter().filter_map(Self::of_field).collect()
    }

    /// The mutex that a field is.
    pub(crate) fn of_field(field: &Field) -> Option<Self> {
        let shared = Self::is_shared(&field.ty)?;
        Some(Self { name: field.name.clone(), embedded: field.embedded, shared })
    }

    /// Whether several can hold a mutex of a type at once; none where it is no mutex.
    pub(crate) fn is_shared(ty: &Type) -> Option<bool> {
        match ty.text.trim_start_matches('*') {
            "sync.Mutex" => Some(false),
            "sync.RWMutex" => Some(true),
            _ => None,
        }
    }

    /// The mutex of a value as the value's user writes it.
    pub(crate) fn of(&self, value: &str) -> String {
        if self.embedded { value.to_owned() } else { format!("{value}.{}", self.name) }
    }
}

/// The method of the receiver that a call names: `f` of `s.f(…)`.
pub(crate) fn own_call<'f>(file: &'f File, call: Node<'_>, receiver: &str) -> Option<&'f str> {
    let function = call.child_by_field_name("function")?;
    let operand =
        function.child_by_field_name("operand").filter(|operand| file.text_of(*operand) == receiver);
    operand.and_then(|_| function.child_by_field_name("field")).map(|name| file.text_of(name))
}

/// Whether anybody calls a method of a value whose mutex is held there; or may do so, where there are too many uses to
/// look at.
pub(crate) fn is_called_held(case: &Case<'_>, method: &Method, mutex: &Mutex) -> bool {
    // Who cannot name the mutex does not hold it.
    let everywhere = mutex.name.starts_with(char::is_uppercase);
    let Some(uses) = case.resolver.uses_of(&method.file, &method.function, everywhere) else { return true };
    uses.iter().filter(|place| place.how == How::Called).any(|place| {
        let value = place.node().and_then(method_call).map(|(value, _)| value);
        value.is_some_and(|value| {
            held_at(&place.file, value, &mutex.of(place.file.text_of(value))) != Held::No
        })
    })
}

/// The methods of a type, tests left out.
pub(crate) fn methods_of(case: &Case<'_>, owner: &TypeDecl) -> Vec<Method> {
    let mut methods = Vec::new();
    for file in case.resolver.package_of(&owner.file) {
        for function in &file.functions {
            let Some(receiver) = function.receiver.as_ref().filter(|its| its.type_name == owner.name) else {
                continue;
            };
            let (function, receiver) = (function.clone(), receiver.name.clone());
            methods.push(Method { file: Arc::clone(&file), function, receiver });
        }
    }
    methods
}

/// Whether values of a type are copied: by a method with a receiver that is no pointer, a parameter or a result.
pub(crate) fn is_copied(case: &Case<'_>, owner: &TypeDecl) -> bool {
    case.resolver.package_of(&owner.file).iter().any(|file| {
        file.functions.iter().any(|function| {
            let by_value =
                function.receiver.as_ref().is_some_and(|its| its.type_name == owner.name && !its.pointer);
            let mut parts = function.params.iter().chain(&function.results);
            by_value
                || parts.any(|part| part.ty.trim_start_matches("...").trim_start_matches("[]") == owner.name)
        })
    })
}

/// The list of fields of a struct that is written over several lines: the type's node.
pub(crate) fn struct_of<'f>(owner: &'f TypeDecl) -> Option<Node<'f>> {
    let ty = owner.file.node_at(owner.range.clone())?.child_by_field_name("type")?;
    let is_open = ty.kind() == "struct_type" && ty.start_position().row < ty.end_position().row;
    is_open.then_some(ty)
}
