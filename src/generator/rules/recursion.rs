//! A method that calls itself for ever.
//!
//! Evidence, and edits:
//! - A method that formats or encodes its own receiver (`fmt.Sprintf("%v", t)` in `t.String()`, `json.Marshal(t)` in
//!   `t.MarshalJSON()`): what it hands on is converted to the type behind it, or to a local type without methods.
//! - A method whose only statement is a call of itself with what it was given: an accessor returns the field of that
//!   name and type (and a setter sets it); one of a wrapper calls the same method of the one field that has it.
//!
//! Nothing is proposed for generic types, or where several fields fit.

use std::sync::Arc;

use tree_sitter::Node;

use crate::generator::repair::case::{Case, Frame};
use crate::generator::repair::draft::Draft;
use crate::generator::repair::edit::{Edits, is_repairable};
use crate::generator::repair::methods::own_call;
use crate::generator::repair::scope::fresh;
use crate::generator::repair::syntax::nodes_of;
use crate::repository::go::{Field, File, Function, Receiver, Shape, Type, imported_name};

/// Methods that formatting and encoding call, and the packages that do.
const CALLED_BY: &[(&str, &[&str])] = &[
    ("String", &["fmt"]),
    ("Error", &["fmt"]),
    ("GoString", &["fmt"]),
    ("Format", &["fmt"]),
    ("MarshalJSON", &["encoding/json"]),
    ("UnmarshalJSON", &["encoding/json"]),
    ("MarshalText", &["encoding/json", "fmt"]),
    ("MarshalXML", &["encoding/xml"]),
    ("MarshalYAML", &["gopkg.in/yaml.v2", "gopkg.in/yaml.v3"]),
    ("LogValue", &["log/slog"]),
];

/// Methods of interfaces of the standard library that wrappers hold.
const HELD: &[(&str, &[&str])] = &[
    (
        "Close",
        &[
            "io.Closer",
            "io.ReadCloser",
            "io.WriteCloser",
            "io.ReadWriteCloser",
            "net.Conn",
            "net.Listener",
            "*os.File",
        ],
    ),
    (
        "Read",
        &[
            "io.Reader",
            "io.ReadCloser",
            "io.ReadWriter",
            "io.ReadWriteCloser",
            "net.Conn",
            "*os.File",
            "*bufio.Reader",
        ],
    ),
    (
        "Write",
        &[
            "io.Writer",
            "io.WriteCloser",
            "io.ReadWriter",
            "io.ReadWriteCloser",
            "net.Conn",
            "*os.File",
            "http.ResponseWriter",
            "*bufio.Writer",
        ],
    ),
    ("WriteHeader", &["http.ResponseWriter"]),
    ("Header", &["http.ResponseWriter"]),
    ("ServeHTTP", &["http.Handler", "http.HandlerFunc", "*http.ServeMux"]),
    ("RoundTrip", &["http.RoundTripper", "*http.Transport"]),
    ("Flush", &["http.Flusher", "*bufio.Writer"]),
    ("Error", &["error"]),
    ("String", &["fmt.Stringer"]),
    ("Lock", &["sync.Locker", "sync.Mutex", "sync.RWMutex"]),
    ("Unlock", &["sync.Locker", "sync.Mutex", "sync.RWMutex"]),
    ("Len", &["sort.Interface"]),
    ("Less", &["sort.Interface"]),
    ("Swap", &["sort.Interface"]),
];

pub(super) fn drafts(case: &Case<'_>) -> Vec<Draft> {
    let frames = case.frames.iter().enumerate().filter(|(_, frame)| is_repairable(&frame.file));
    let found = frames.filter_map(|(depth, frame)| {
        let function = frame.function.as_ref().filter(|function| !function.generic)?;
        let receiver = function.receiver.as_ref().filter(|receiver| !receiver.name.is_empty())?;
        plain(case, depth, frame, function, receiver)
            .or_else(|| through_field(case, depth, frame, function, receiver))
    });
    found.take(1).collect()
}

/// A method that hands its receiver to what calls it hands on the type behind it.
fn plain(
    case: &Case<'_>,
    depth: usize,
    frame: &Frame,
    function: &Function,
    receiver: &Receiver,
) -> Option<Draft> {
    let file = &frame.file;
    let (_, packages) = CALLED_BY.iter().find(|(name, _)| *name == function.identifier)?;
    let body = file.node_at(function.body.clone())?;
    let handed_on = nodes_of(body, |node| {
        let called = node
            .parent()
            .filter(|list| list.kind() == "argument_list")
            .and_then(|list| list.parent()?.child_by_field_name("function"));
        let by = called.and_then(|called| imported_name(file, called)).map(|(path, _)| path);
        let text = file.text_of(node).trim_start_matches(['*', '&']);
        text == receiver.name && by.is_some_and(|path| packages.contains(&path))
    });
    let handed_on: Vec<Node<'_>> = handed_on
        .into_iter()
        .filter(|node| matches!(node.kind(), "identifier" | "unary_expression"))
        .collect();
    let first = body.named_child(0).filter(|list| list.kind() == "statement_list")?.named_child(0)?;
    let ty = Type::new(receiver.type_name.clone(), file);
    let behind = case.resolver.type_decl(&ty)?.underlying;
    let written = matches!(
        behind.shape(),
        Shape::Number | Shape::Text | Shape::Bool | Shape::Slice(_) | Shape::Map(..)
    ) && behind.home.path == file.path;
    let mut edits = Edits::default();
    let name = if written && !receiver.pointer && !behind.text.contains('\n') {
        behind.text
    } else {
        let name = fresh(file, first, &["plain", "alias", "bare"])?;
        edits.insert_before(file, first, &[format!("type {name} {}", receiver.type_name)])?;
        name
    };
    for node in &handed_on {
        let text = file.text_of(*node);
        // A pointer, to the receiver or as the receiver.
        let points = receiver.pointer && !text.starts_with('*') || text.starts_with('&');
        let converted = if points { format!("(*{name})({text})") } else { format!("{name}({text})") };
        edits.replace(file, node.byte_range(), converted);
    }
    let explanation = format!(
        "`{}` handed its own receiver to what calls it again: it hands on `{name}`, which has no such method.",
        function.identifier
    );
    (!handed_on.is_empty()).then(|| Draft::cause(depth, explanation, edits))
}

/// A method that does nothing but call itself uses the field that was meant.
fn through_field(
    case: &Case<'_>,
    depth: usize,
    frame: &Frame,
    function: &Function,
    receiver: &Receiver,
) -> Option<Draft> {
    let file = &frame.file;
    let call = itself(file, function, receiver)?;
    let fields = case.resolver.fields(&Type::new(receiver.type_name.clone(), file));
    let mut edits = Edits::default();
    let explained = |field: &str| {
        format!(
            "`{}` called itself for ever: `{}.{field}` is what was meant.",
            function.identifier, receiver.name
        )
    };
    if let Some((field, text)) = of_its_name(&fields, function, receiver) {
        edits.replace(file, call.byte_range(), text);
        return Some(Draft::cause(depth, explained(&field), edits));
    }
    let has = |field: &&Field| has_method(case, &field.ty, &function.identifier);
    let [inner] = fields.iter().filter(has).collect::<Vec<_>>()[..] else { return None };
    let operand = call.child_by_field_name("function")?.child_by_field_name("operand")?;
    edits.replace(file, operand.byte_range(), format!("{}.{}", receiver.name, inner.name));
    Some(Draft::cause(depth, explained(&inner.name), edits))
}

/// The call of itself, with its own parameters, that is all a method does.
fn itself<'t>(file: &'t Arc<File>, function: &Function, receiver: &Receiver) -> Option<Node<'t>> {
    let body = file.node_at(function.body.clone())?;
    let list = body
        .named_child(0)
        .filter(|list| list.kind() == "statement_list" && list.named_child_count() == 1)?;
    let statement = list.named_child(0)?;
    let call = match statement.kind() {
        "return_statement" => statement.named_child(0)?.named_child(0)?,
        "expression_statement" => statement.named_child(0)?,
        _ => return None,
    };
    let given = call.child_by_field_name("arguments")?;
    let own: Vec<&str> = function.params.iter().map(|param| param.name.as_str()).collect();
    let given: Vec<&str> = given
        .named_children(&mut given.walk())
        .map(|node| file.text_of(node).trim_end_matches("..."))
        .collect();
    (own_call(file, call, &receiver.name) == Some(&function.identifier) && own == given).then_some(call)
}

/// The field that an accessor is named for, and what stands in the place of the call.
fn of_its_name(fields: &[Field], function: &Function, receiver: &Receiver) -> Option<(String, String)> {
    let named = |prefix: &str, ty: &str| {
        let name = function.identifier.strip_prefix(prefix)?;
        let fits =
            |field: &&Field| !field.embedded && field.name.eq_ignore_ascii_case(name) && field.ty.text == ty;
        fields.iter().find(fits).map(|field| field.name.clone())
    };
    match (&function.params[..], &function.results[..]) {
        ([], [result]) => {
            let field = named("", &result.ty).or_else(|| named("Get", &result.ty))?;
            let text = format!("{}.{field}", receiver.name);
            Some((field, text))
        }
        ([param], []) if receiver.pointer => {
            let field = named("Set", &param.ty)?;
            let text = format!("{}.{field} = {}", receiver.name, param.name);
            Some((field, text))
        }
        _ => None,
    }
}

/// Whether values of a type have a method, as far as the repository and a short table tell.
fn has_method(case: &Case<'_>, ty: &Type, name: &str) -> bool {
    let listed = HELD.iter().any(|(method, types)| *method == name && types.contains(&ty.text.as_str()));
    let asked_for = || {
        let declaration = case.resolver.type_decl(ty)?;
        let file = &declaration.file;
        let spec = file.node_at(declaration.range.clone())?;
        let methods = nodes_of(spec, |node| {
            node.kind() == "method_elem"
                && node.child_by_field_name("name").is_some_and(|method| file.text_of(method) == name)
        });
        (!methods.is_empty()).then_some(())
    };
    listed || case.resolver.method(ty, name).is_some() || asked_for().is_some()
}
