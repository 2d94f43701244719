//! The methods of a type, and what they do with its fields, channels and locks.

use std::sync::Arc;

use tree_sitter::Node;

use super::case::Case;
use super::syntax::nodes_of;
use crate::repository::go::{File, Function, TypeDecl};

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

    /// The nodes of its body that satisfy a condition.
    pub(crate) fn nodes<'s>(&'s self, wanted: impl Fn(Node<'s>) -> bool) -> Vec<Node<'s>> {
        self.body().map(|body| nodes_of(body, wanted)).unwrap_or_default()
    }

    /// The names of the methods it calls on its receiver.
    pub(crate) fn calls(&self) -> Vec<&str> {
        let calls = self.nodes(|node| node.kind() == "call_expression");
        calls.into_iter().filter_map(|call| own_call(&self.file, call, &self.receiver)).collect()
    }

    /// Whether it takes a mutex of its receiver, itself or by another method that it calls.
    pub(crate) fn takes(&self, mutex: &str, all: &[Self]) -> bool {
        let mut known: Vec<&str> = vec![&self.function.identifier];
        let mut next = 0;
        while let Some(name) = known.get(next).copied() {
            next += 1;
            let Some(method) = all.iter().find(|method| method.function.identifier == name) else { continue };
            let lock = method.own(mutex);
            if method.text().contains(&format!("{lock}.Lock()"))
                || method.text().contains(&format!("{lock}.RLock()"))
            {
                return true;
            }
            known.extend(
                method.calls().into_iter().filter(|called| !known.contains(called)).collect::<Vec<_>>(),
            );
        }
        false
    }
}

/// The method of the receiver that a call names: `f` of `s.f(…)`.
pub(crate) fn own_call<'f>(file: &'f File, call: Node<'_>, receiver: &str) -> Option<&'f str> {
    let function = call.child_by_field_name("function")?;
    let operand =
        function.child_by_field_name("operand").filter(|operand| file.text_of(*operand) == receiver);
    operand.and_then(|_| function.child_by_field_name("field")).map(|name| file.text_of(name))
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
