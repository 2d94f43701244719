//! A field that was forgotten where its struct is made.
//!
//! Evidence: the nil value on the failing line is a field of a struct of the repository, and there are
//! literals of that struct which leave the field out. Edit: the field gets, in order, a parameter of
//! the constructor of the same type that is not used, the result of a constructor of its type that
//! needs nothing, the usual default of the standard library, or the address of a usable zero value.
//!
//! Risk: a field that is left out on purpose, as optional data is. So for tagged fields the checks of the
//! other rules come first; plain data counts as a change that hides (a limit of zero is a limit); and where the
//! package asks for nil or speaks of it, nothing is proposed.

use std::sync::Arc;

use super::nil_guard::is_callback;
use crate::generator::repair::case::Case;
use crate::generator::repair::draft::{Draft, Tier};
use crate::generator::repair::edit::Edits;
use crate::generator::repair::literal::{Maker, add_field, makers_without, text_in};
use crate::generator::repair::meant::{is_cleared_at_end, is_optional};
use crate::generator::repair::suspect::{Suspect, suspects};
use crate::generator::repair::syntax::nodes_of;
use crate::repository::go::{Field, File, Shape, Type, TypeDecl};

/// What the standard library offers for a field that was forgotten: type, import path, expression.
const DEFAULTS: &[(&str, &str, &str)] = &[
    ("*http.Client", "net/http", "http.DefaultClient"),
    ("*log.Logger", "log", "log.Default()"),
    ("*slog.Logger", "log/slog", "slog.Default()"),
    ("*time.Location", "time", "time.UTC"),
    ("*bytes.Buffer", "bytes", "&bytes.Buffer{}"),
    ("*strings.Builder", "strings", "&strings.Builder{}"),
    ("*sync.Mutex", "sync", "&sync.Mutex{}"),
    ("*sync.RWMutex", "sync", "&sync.RWMutex{}"),
    ("*sync.WaitGroup", "sync", "&sync.WaitGroup{}"),
    ("*sync.Once", "sync", "&sync.Once{}"),
    ("*sync.Map", "sync", "&sync.Map{}"),
    ("*list.List", "container/list", "list.New()"),
    ("io.Writer", "io", "io.Discard"),
    ("context.Context", "context", "context.Background()"),
    ("http.RoundTripper", "net/http", "http.DefaultTransport"),
    ("http.Handler", "net/http", "http.NotFoundHandler()"),
    ("func() time.Time", "time", "time.Now"),
];

pub(super) fn drafts(case: &Case<'_>) -> Vec<Draft> {
    suspects(case)
        .into_iter()
        .filter(|suspect| suspect.node.kind() == "selector_expression")
        .flat_map(|suspect| for_field(case, suspect))
        .collect()
}

fn for_field(case: &Case<'_>, suspect: Suspect<'_>) -> Vec<Draft> {
    let Suspect { file, node, depth, .. } = suspect;
    let Some((owner, field)) = case.field_at(file, node) else { return Vec::new() };
    let name = field.name.as_str();
    // Where nil is meant nothing is missing.
    if is_optional(case, &owner, name) || is_cleared_at_end(case, &owner, name) {
        return Vec::new();
    }
    let makers = makers_without(case, &owner, name, file);
    let constructed = makers.iter().any(|maker| maker.constructor);
    let mut edits = Edits::default();
    let mut values: Vec<Value> = Vec::new();
    for maker in &makers {
        let Some(value) = value_for(case, &mut edits, maker, &owner, &field) else { continue };
        if add_field(&mut edits, maker, name, &value.text).is_some() {
            values.push(value);
        }
    }
    let Some(value) = values.first() else { return Vec::new() };
    // Data says something of its own: a limit of zero is a limit.
    let masks = values.iter().any(|value| value.says_something);
    let explanation = format!(
        "The field `{name}` of `{}` is left nil where the struct is made: it is set to `{}`.",
        owner.name, value.text
    );
    // A callback may come to be nil in other ways, too: the question where it is called sees them all.
    let tier = match (masks, constructed && !field.tagged) {
        (true, _) => Tier::Mask,
        _ if is_callback(case, file, node) => Tier::Guard,
        (false, true) => Tier::Cause,
        (false, false) => Tier::Guard,
    };
    let restores = makers.iter().any(|maker| maker.fills_with_what_it_is_given());
    let open = (restores && values.iter().any(|value| value.is_empty_struct)).then(|| {
        format!("whether an empty `{name}` fits what the struct is filled with where it is made, nothing here tells")
    });
    vec![Draft { tier, depth, explanation, masks, open, edits }]
}

/// What a field is set to.
struct Value {
    text: String,
    /// Whether it is plain data, which means something though nobody said it.
    says_something: bool,
    /// Whether it is a struct of which nothing is set.
    is_empty_struct: bool,
}

fn value_for(
    case: &Case<'_>,
    edits: &mut Edits,
    maker: &Maker,
    owner: &TypeDecl,
    field: &Field,
) -> Option<Value> {
    let plain = |text: String| Value { text, says_something: false, is_empty_struct: false };
    if let Some(parameter) = unused_parameter(maker, field) {
        return Some(plain(parameter));
    }
    let file = &maker.file;
    if let Some((_, path, text)) = DEFAULTS.iter().find(|(ty, ..)| *ty == field.ty.text) {
        edits.import(file, path);
        return Some(plain((*text).to_owned()));
    }
    let underlying = case.resolver.underlying(&field.ty);
    match underlying.shape() {
        Shape::Pointer(_) => {
            if let Some(made) = constructor(case, file, &field.ty) {
                return Some(plain(made));
            }
            let text = zero_address(case, file, &field.ty)?;
            return Some(Value { text, says_something: is_data(case, &field.ty), is_empty_struct: true });
        }
        Shape::Interface => implementer(case, file, &field.ty),
        Shape::Function => no_op(&underlying.text),
        Shape::Map(..) | Shape::Channel(_) => text_in(&field.ty, file).map(|text| format!("make({text})")),
        _ => None,
    }
    .filter(|_| !owner.name.is_empty())
    .map(plain)
}

/// Whether a struct holds values that its users set: a zero that nobody set says something then.
fn is_data(case: &Case<'_>, ty: &Type) -> bool {
    case.resolver.fields(ty).iter().any(|field| {
        let shape = case.resolver.underlying(&field.ty);
        let plain = matches!(shape.shape(), Shape::Number | Shape::Text | Shape::Bool);
        plain && field.name.starts_with(char::is_uppercase)
    })
}

/// A parameter of the function around, of the field's type, that its body does not use.
fn unused_parameter(maker: &Maker, field: &Field) -> Option<String> {
    let file = &maker.file;
    let node = maker.node()?;
    let function = file.enclosing_function(node)?;
    let list = function.child_by_field_name("parameters")?;
    let body = function.child_by_field_name("body")?;
    let used = nodes_of(body, |node| node.kind() == "identifier");
    let mut cursor = list.walk();
    list.named_children(&mut cursor).find_map(|declaration| {
        let ty = declaration.child_by_field_name("type")?;
        let name = file.text_of(declaration.child_by_field_name("name")?);
        let fits = file.text_of(ty) == field.ty.text && name != "_";
        (fits && !used.iter().any(|node| file.text_of(*node) == name)).then(|| name.to_owned())
    })
}

/// A name of the package of `home`, as `file` writes it.
fn qualified(file: &File, home: &File, name: &str) -> Option<String> {
    if home.path.folder() == file.path.folder() {
        return Some(name.to_owned());
    }
    let import = file.imports.iter().find(|import| {
        let folder = home.path.folder();
        !folder.is_empty() && (import.path == folder || import.path.ends_with(&format!("/{folder}")))
    })?;
    name.starts_with(char::is_uppercase).then(|| format!("{}.{name}", import.identifier()))
}

/// A function of the type's package that makes one out of nothing.
fn constructor(case: &Case<'_>, file: &Arc<File>, ty: &Type) -> Option<String> {
    let declaration = case.resolver.type_decl(ty)?;
    let wanted = format!("*{}", declaration.name);
    case.resolver.package_of(&declaration.file).iter().find_map(|home| {
        let function = home.functions.iter().find(|function| {
            let makes = function.identifier.to_ascii_lowercase();
            (makes.starts_with("new") || makes.starts_with("default"))
                && function.receiver.is_none()
                && function.results.len() == 1
                && function.results[0].ty == wanted
                && function.params.iter().all(|param| param.ty.starts_with("..."))
                && !function.generic
        })?;
        Some(format!("{}()", qualified(file, home, &function.identifier)?))
    })
}

/// `&T{}`, with its maps made where they can be named from here.
fn zero_address(case: &Case<'_>, file: &Arc<File>, ty: &Type) -> Option<String> {
    let declaration = case.resolver.type_decl(ty)?;
    if declaration.underlying.shape() != Shape::Struct {
        return None;
    }
    let name = qualified(file, &declaration.file, &declaration.name)?;
    let mut made = Vec::new();
    for field in case.resolver.fields(ty) {
        match case.resolver.underlying(&field.ty).shape() {
            Shape::Map(..) => {
                let text = text_in(&field.ty, file)?;
                if declaration.file.path.folder() != file.path.folder() {
                    return None;
                }
                made.push(format!("{}: make({text})", field.name));
            }
            Shape::Pointer(_) | Shape::Interface | Shape::Channel(_) | Shape::Function if !field.tagged => {
                return None;
            }
            _ => {}
        }
    }
    Some(format!("&{name}{{{}}}", made.join(", ")))
}

/// The one type of the interface's package that has its methods and needs nothing: one that is called
/// no-op or default, else the only one.
fn implementer(case: &Case<'_>, file: &Arc<File>, ty: &Type) -> Option<String> {
    let declaration = case.resolver.type_decl(ty)?;
    let home = &declaration.file;
    let spec = home.node_at(declaration.range.clone())?;
    let methods: Vec<String> = nodes_of(spec, |node| node.kind() == "method_elem")
        .into_iter()
        .filter_map(|method| method.child_by_field_name("name"))
        .map(|name| home.text_of(name).to_owned())
        .collect();
    if methods.is_empty() {
        return None;
    }
    let mut found: Vec<(bool, String)> = Vec::new();
    for other in case.resolver.package_of(home) {
        for spec in nodes_of(other.tree.root_node(), |node| node.kind() == "type_spec") {
            let Some(name) = spec.child_by_field_name("name").map(|name| other.text_of(name)) else {
                continue;
            };
            let own = Type::new(name, &other);
            let of_struct = case.resolver.underlying(&own).shape() == Shape::Struct;
            let callees: Vec<_> = methods.iter().map(|method| case.resolver.method(&own, method)).collect();
            if !of_struct || callees.iter().any(Option::is_none) || !case.resolver.fields(&own).is_empty() {
                continue;
            }
            let pointer = callees
                .iter()
                .flatten()
                .any(|callee| callee.function.receiver.as_ref().is_some_and(|receiver| receiver.pointer));
            let lower = name.to_ascii_lowercase();
            let quiet = ["noop", "nop", "discard", "default", "null", "system", "real"]
                .iter()
                .any(|word| lower.contains(word));
            if let Some(name) = qualified(file, &other, name) {
                found.push((quiet, format!("{}{name}{{}}", if pointer { "&" } else { "" })));
            }
        }
    }
    let quiet: Vec<_> = found.iter().filter(|(quiet, _)| *quiet).collect();
    match (quiet.as_slice(), found.as_slice()) {
        ([one], _) => Some(one.1.clone()),
        ([], [one]) => Some(one.1.clone()),
        _ => None,
    }
}

/// A function that does nothing, for a callback without results.
fn no_op(ty: &str) -> Option<String> {
    (ty.ends_with(')') && ty.matches('(').count() == 1).then(|| format!("{ty} {{}}"))
}
