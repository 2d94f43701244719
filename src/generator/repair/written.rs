//! Where a value is written: a field or variable itself, or what it holds.

use std::sync::Arc;

use tree_sitter::Node;

use super::case::Case;
use super::syntax::{method_call, nodes_of, operator_of};
use crate::repository::go::{File, Shape, Type};

/// Functions that change what their first argument holds.
const CHANGING: &[&str] =
    &["delete", "clear", "copy", "maps.Copy", "maps.DeleteFunc", "maps.Insert", "sort.Slice", "slices.Sort"];

/// Types of the standard library that their methods change, and that have no lock.
const UNGUARDED: &[&str] = &[
    "bytes.Buffer",
    "strings.Builder",
    "list.List",
    "ring.Ring",
    "rand.Rand",
    "bufio.Reader",
    "bufio.Writer",
    "bufio.Scanner",
    "big.Int",
    "big.Float",
    "big.Rat",
    "csv.Writer",
    "json.Encoder",
    "json.Decoder",
];

/// Their methods that only read.
const READING: &[&str] = &[
    "Len",
    "Cap",
    "String",
    "Bytes",
    "Front",
    "Back",
    "Available",
    "Buffered",
    "Size",
    "Text",
    "Err",
    "Cmp",
    "Sign",
    "Int64",
    "Uint64",
    "Float64",
];

/// Whether a field or variable, or what it holds, is written where it is named: assigned, counted, ranged into, or
/// changed by a function of the library.
pub(crate) fn is_written(file: &File, node: Node<'_>) -> bool {
    let whole = whole(file, node);
    let Some(parent) = whole.parent() else { return false };
    match parent.kind() {
        "inc_statement" | "dec_statement" => true,
        "expression_list" => parent.parent().is_some_and(|statement| {
            matches!(statement.kind(), "assignment_statement" | "range_clause" | "receive_statement")
                && statement.child_by_field_name("left") == Some(parent)
        }),
        "argument_list" => {
            let called = parent.parent().and_then(|call| call.child_by_field_name("function"));
            called.is_some_and(|called| CHANGING.contains(&file.text_of(called)))
                && parent.named_child(0) == Some(whole)
        }
        _ => false,
    }
}

/// Whether a field or variable may be written where it is named: there, by a method of it, or by who gets its address.
pub(crate) fn may_be_written(file: &File, node: Node<'_>) -> bool {
    is_written(file, node) || has_address_taken(file, node) || method_on(whole(file, node)).is_some()
}

/// Whether it is written there as far as the types tell: as [`may_be_written`], of the methods those alone that change
/// what they are called on. What atomic functions write is not.
pub(crate) fn is_changed(case: &Case<'_>, file: &Arc<File>, node: Node<'_>) -> bool {
    is_written(file, node)
        || has_address_taken(file, node) && !is_atomic(file, node)
        || method_on(whole(file, node)).is_some_and(|(value, name)| {
            case.resolver
                .type_of(file, value)
                .is_some_and(|ty| is_changing_method(case, &ty, file.text_of(name)))
        })
}

/// Whether values of a type need no lock around them: they have one, or are made to be used by several at once.
pub(crate) fn guards_itself(case: &Case<'_>, ty: &Type) -> bool {
    let text = ty.text.trim_start_matches('*');
    ["sync.", "atomic."].iter().any(|own| text.starts_with(own))
        || matches!(case.resolver.underlying(ty).shape(), Shape::Channel(_))
}

/// The longest expression that leads into a value: `s.items[key].count` of `s.items`.
fn whole<'t>(file: &File, node: Node<'t>) -> Node<'t> {
    let mut whole = node;
    while let Some(parent) = whole.parent() {
        let leads_on = match parent.kind() {
            "parenthesized_expression" => true,
            "unary_expression" => operator_of(file, parent) == Some("*"),
            _ => parent.child_by_field_name("operand") == Some(whole),
        };
        if !leads_on {
            break;
        }
        whole = parent;
    }
    whole
}

fn has_address_taken(file: &File, node: Node<'_>) -> bool {
    let parent = whole(file, node).parent();
    parent.is_some_and(|parent| parent.kind() == "unary_expression" && operator_of(file, parent) == Some("&"))
}

/// Whether the address of a value goes to a function that reads or writes it atomically.
fn is_atomic(file: &File, node: Node<'_>) -> bool {
    let call = whole(file, node).parent().and_then(|address| address.parent()).and_then(|list| list.parent());
    let called = call.and_then(|call| call.child_by_field_name("function"));
    called.is_some_and(|called| file.text_of(called).starts_with("atomic."))
}

/// The value that a method is called on, and the method's name, where an expression is what a call names.
fn method_on(whole: Node<'_>) -> Option<(Node<'_>, Node<'_>)> {
    let call = whole.parent().filter(|call| call.child_by_field_name("function") == Some(whole))?;
    method_call(call)
}

/// Whether a method changes what it is called on, and nothing there keeps others away meanwhile.
fn is_changing_method(case: &Case<'_>, ty: &Type, name: &str) -> bool {
    if UNGUARDED.contains(&ty.text.trim_start_matches('*')) {
        return !READING.contains(&name);
    }
    let Some(callee) = case.resolver.method(ty, name) else { return false };
    let (file, Some(receiver)) = (&callee.file, &callee.function.receiver) else { return false };
    let is_shared =
        receiver.pointer || matches!(case.resolver.underlying(ty).shape(), Shape::Map(..) | Shape::Slice(_));
    let has_lock = case.resolver.fields(ty).iter().any(|field| field.ty.text.contains("Mutex"));
    let Some(body) = file.node_at(callee.function.body.clone()).filter(|_| is_shared && !has_lock) else {
        return false;
    };
    let own = nodes_of(body, |node| node.kind() == "identifier" && file.text_of(node) == receiver.name);
    own.into_iter().any(|node| whole(file, node) != node && is_written(file, node))
}
