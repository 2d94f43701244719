//! What a function may do while it holds a lock: nothing that waits for others, who may need the lock to go on, and
//! nothing that gives away what the lock guards.

use std::sync::Arc;

use tree_sitter::Node;

use super::case::Case;
use super::syntax::{called_name, method_call, operator_of};
use crate::repository::go::{File, Shape, Type};

/// Functions of packages that wait for others, by what their names begin with.
const WAITING: &[(&str, &[&str])] = &[
    ("time", &["Sleep"]),
    ("net", &["Dial", "Listen", "Lookup"]),
    ("net/http", &["Get", "Head", "Post", "ListenAndServe", "Serve"]),
    ("net/rpc", &["Dial"]),
    ("net/smtp", &["Dial", "SendMail"]),
];

/// Methods of types that wait for others.
const WAITING_METHODS: &[(&[&str], &[&str])] = &[
    (&["http.Client"], &["Do", "Get", "Head", "Post", "PostForm"]),
    (&["net.Conn", "net.TCPConn", "net.UDPConn", "tls.Conn"], &["Read", "Write", "ReadFrom", "WriteTo"]),
    (&["net.Dialer"], &["Dial", "DialContext"]),
    (&["sql.DB", "sql.Tx", "sql.Conn"], &["Query", "QueryContext", "QueryRow", "Exec", "ExecContext"]),
    (&["exec.Cmd"], &["Run", "Output", "CombinedOutput"]),
    (&["rpc.Client"], &["Call"]),
];

/// Whether a use of what a lock guards outlasts the function: it stands in a function literal, or gives back a
/// reference.
pub(crate) fn escapes(case: &Case<'_>, file: &Arc<File>, used: Node<'_>) -> bool {
    let in_literal = file.enclosing_function(used).is_some_and(|around| around.kind() == "func_literal");
    let returned =
        used.parent().and_then(|list| list.parent()).is_some_and(|at| at.kind() == "return_statement");
    let shares = || {
        case.resolver.type_of(file, used).is_none_or(|ty| {
            let ty = case.resolver.underlying(&ty);
            matches!(ty.shape(), Shape::Map(..) | Shape::Slice(_) | Shape::Pointer(_))
        })
    };
    in_literal || returned && shares()
}

/// Whether a node belongs to a goroutine that the function with this body starts: no lock of the function covers it.
pub(crate) fn runs_beside(node: Node<'_>, body: Node<'_>) -> bool {
    std::iter::successors(Some(node), Node::parent)
        .take_while(|around| *around != body)
        .any(|around| around.kind() == "go_statement")
}

/// Whether a node waits for others, as far as its names and types tell.
pub(crate) fn waits(case: &Case<'_>, file: &Arc<File>, node: Node<'_>) -> bool {
    match node.kind() {
        "send_statement" | "select_statement" => true,
        "unary_expression" => operator_of(file, node) == Some("<-"),
        "range_clause" => {
            let over = node.child_by_field_name("right").and_then(|over| case.resolver.type_of(file, over));
            over.is_some_and(|ty| matches!(case.resolver.underlying(&ty).shape(), Shape::Channel(_)))
        }
        "call_expression" => {
            matches!(
                called_name(file, node),
                "Wait" | "Sleep" | "Accept" | "RoundTrip" | "Serve" | "ListenAndServe"
            ) || is_waiting_call(case, file, node)
        }
        _ => false,
    }
}

fn is_waiting_call(case: &Case<'_>, file: &Arc<File>, call: Node<'_>) -> bool {
    let Some((operand, name)) = method_call(call) else { return false };
    let name = file.text_of(name);
    if case.resolver.is_package(file, operand) {
        let mut imports = file.imports.iter();
        let import = imports.find(|import| import.identifier() == file.text_of(operand));
        return import.is_some_and(|import| {
            let known = WAITING.iter().find(|(path, _)| *path == import.path);
            known.is_some_and(|(_, heads)| heads.iter().any(|head| name.starts_with(head)))
        });
    }
    let ty = case.resolver.type_of(file, operand);
    ty.is_some_and(|ty| {
        let ty = ty.text.trim_start_matches('*');
        WAITING_METHODS.iter().any(|(types, methods)| types.contains(&ty) && methods.contains(&name))
    })
}

/// Whether a call is of a function that somebody handed in: a value, or the method of an interface of the program's own.
/// What that does, nobody here knows: it may want the lock.
pub(crate) fn calls_back(case: &Case<'_>, file: &Arc<File>, call: Node<'_>) -> bool {
    let Some(function) = call.child_by_field_name("function").filter(|_| call.kind() == "call_expression")
    else {
        return false;
    };
    if case.callee(file, call).is_some() {
        return false;
    }
    let is_value = || case.resolver.type_of(file, function).is_some_and(|ty| is_function(case, &ty));
    match function.kind() {
        "identifier" => file.binding(function, file.text_of(function)).is_some() || is_value(),
        "selector_expression" => {
            let Some(operand) = function.child_by_field_name("operand") else { return false };
            let is_own_interface = || {
                case.resolver.type_of(file, operand).is_some_and(|ty| {
                    let is_own = ty.text != "error" && case.resolver.type_decl(&ty).is_some();
                    is_own && case.resolver.underlying(&ty).shape() == Shape::Interface
                })
            };
            !case.resolver.is_package(file, operand) && (is_value() || is_own_interface())
        }
        "index_expression" | "call_expression" => is_value(),
        _ => false,
    }
}

/// Whether a type is that of functions.
fn is_function(case: &Case<'_>, ty: &Type) -> bool {
    case.resolver.underlying(ty).shape() == Shape::Function
}
