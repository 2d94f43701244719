//! The expressions which can be the nil one on a failing line, followed outwards: a parameter is what
//! the caller passed, a receiver what the method was called on.

use std::sync::Arc;

use tree_sitter::Node;

use super::asked::is_asked;
use super::case::Case;
use super::made::was_made;
use super::syntax::value_at;
use crate::repository::go::{Binding, File, Part, Shape};

/// An expression that may be nil.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Suspect<'c> {
    /// The frame it stands in.
    pub(crate) depth: usize,
    pub(crate) file: &'c Arc<File>,
    pub(crate) node: Node<'c>,
    /// Whether it is, or was followed from, the receiver of the method that failed: who called that on nil is
    /// rather to blame.
    pub(crate) receiver: bool,
    /// Whether it holds what was just made, and so is hardly nil.
    pub(crate) made: bool,
}

/// The suspects, likeliest first.
pub(crate) fn suspects<'c>(case: &'c Case<'_>) -> Vec<Suspect<'c>> {
    let mut suspects: Vec<Suspect<'c>> = Vec::new();
    let Some(file) = case.file(0) else { return suspects };
    for user in case.raisers(0, |file, node| dereferenced(case, file, node).is_some()) {
        let Some(node) = dereferenced(case, file, user) else { continue };
        if is_given(case, file, node) {
            continue;
        }
        let text = file.text_of(node);
        if is_asked(file, node, &format!("{text} == nil"), &format!("{text} != nil")) {
            case.note_asked_already();
            continue;
        }
        if !suspects.iter().any(|known| known.node == node) {
            let made = was_made(case, file, node);
            let receiver = is_receiver(file, node);
            suspects.push(Suspect { depth: 0, file, node, receiver, made });
        }
    }
    // The address tells how far behind nil the access was.
    if let Some(address) = case.fault.facts.nil_offset.filter(|address| *address > 0) {
        let reaches = |suspect: &Suspect<'c>| case.resolver.reaches(suspect.file, suspect.node, address);
        if suspects.iter().any(|suspect| reaches(suspect) == Some(true)) {
            suspects.retain(|suspect| reaches(suspect) == Some(true));
        }
    }
    // What was just made is suspected last, whatever else there is.
    let (made, mut suspects): (Vec<_>, Vec<_>) = suspects.into_iter().partition(|suspect| suspect.made);
    // What is known to be a pointer, an interface or a function comes before what is not known.
    let known = |suspect: &Suspect<'c>| case.resolver.type_of(suspect.file, suspect.node).is_some();
    if suspects.iter().any(known) {
        suspects.retain(known);
    }
    // Methods are rarely called on nil: a receiver is suspected when nothing else can be nil.
    if !suspects.iter().all(|suspect| suspect.receiver) {
        suspects.retain(|suspect| !suspect.receiver);
    }
    let mut at = 0;
    while let Some(suspect) = suspects.get(at).copied() {
        if let Some(outer) = followed(case, suspect)
            && !suspects.iter().any(|known| known.node == outer.node && known.depth == outer.depth)
        {
            suspects.push(outer);
        }
        at += 1;
    }
    suspects.extend(made);
    suspects
}

/// Whether a node is the receiver of the method it stands in.
pub(crate) fn is_receiver(file: &File, node: Node<'_>) -> bool {
    node.kind() == "identifier"
        && matches!(
            file.binding(node, file.text_of(node)),
            Some(Binding::Signature { part: Part::Receiver, .. })
        )
}

/// Whether a value is never nil by the contract of who passes it.
fn is_given(case: &Case<'_>, file: &Arc<File>, node: Node<'_>) -> bool {
    case.resolver.type_of(file, node).is_some_and(|ty| {
        matches!(
            ty.text.as_str(),
            "http.ResponseWriter"
                | "*http.Request"
                | "context.Context"
                | "*gin.Context"
                | "echo.Context"
                | "*testing.T"
        )
    })
}

/// The expression that a node dereferences, when it can be nil as far as its type tells.
pub(crate) fn dereferenced<'t>(case: &Case<'_>, file: &Arc<File>, node: Node<'t>) -> Option<Node<'t>> {
    match node.kind() {
        "selector_expression" => {
            let operand = node.child_by_field_name("operand")?;
            if case.resolver.is_package(file, operand) {
                return None;
            }
            let called = node.parent().is_some_and(|parent| {
                parent.kind() == "call_expression" && parent.child_by_field_name("function") == Some(node)
            });
            let field = file.text_of(node.child_by_field_name("field")?);
            let Some(ty) = case.resolver.type_of(file, operand) else { return Some(operand) };
            match case.resolver.underlying(&ty).shape() {
                Shape::Pointer(_) => {
                    // A method with a pointer receiver is entered first: nil fails inside it.
                    let enters = called
                        && case.resolver.method(&ty, field).is_some_and(|method| {
                            method.function.receiver.as_ref().is_some_and(|receiver| receiver.pointer)
                        });
                    (!enters).then_some(operand)
                }
                Shape::Interface => called.then_some(operand),
                Shape::Named(Some(package), name) => {
                    (called && may_be_interface(file, package, name)).then_some(operand)
                }
                _ => None,
            }
        }
        "unary_expression" if file.text_of(node).starts_with('*') => node.child_by_field_name("operand"),
        "call_expression" => {
            let function = node.child_by_field_name("function")?;
            let ty = match function.kind() {
                "identifier" => {
                    file.binding(function, file.text_of(function))?;
                    case.resolver.type_of(file, function)?
                }
                "selector_expression" => case.resolver.type_of(file, function)?,
                _ => return None,
            };
            (case.resolver.underlying(&ty).shape() == Shape::Function).then_some(function)
        }
        _ => None,
    }
}

/// What an expression needs to be there.
pub(crate) enum Needed<'t> {
    /// A value that is not nil.
    Value(&'t str),
    /// A text or a list that is long enough.
    Elements(&'t str),
}

impl<'t> Needed<'t> {
    /// What is needed by what indexes, cuts or follows something.
    pub(crate) fn by(case: &Case<'_>, file: &'t Arc<File>, node: Node<'t>) -> Option<Self> {
        Some(match node.kind() {
            "index_expression" | "slice_expression" => {
                Self::Elements(file.text_of(node.child_by_field_name("operand")?))
            }
            _ => Self::Value(file.text_of(dereferenced(case, file, node)?)),
        })
    }
}

/// Interfaces of the standard library that programs keep in fields and parameters.
const INTERFACES: &[(&str, &[&str])] = &[
    ("io", &["Reader", "Writer", "Closer", "ReadCloser", "WriteCloser", "ReadWriter", "ReadWriteCloser"]),
    ("context", &["Context"]),
    ("http", &["Handler", "RoundTripper", "Flusher", "FileSystem"]),
    ("net", &["Conn", "Listener", "Addr", "Error"]),
    ("fmt", &["Stringer"]),
    ("sort", &["Interface"]),
    ("hash", &["Hash"]),
    ("fs", &["FS", "File", "FileInfo"]),
    ("slog", &["Handler"]),
    ("reflect", &["Type"]),
    ("sync", &["Locker"]),
];

/// Whether a type of another repository may be an interface: the standard library's are known, of the
/// others nothing is.
fn may_be_interface(file: &File, package: &str, name: &str) -> bool {
    let path =
        file.imports.iter().find(|import| import.identifier() == package).map(|import| import.path.as_str());
    let library = path.is_some_and(|path| !path.split('/').next().unwrap_or(path).contains('.'));
    !library || INTERFACES.iter().any(|(known, names)| *known == package && names.contains(&name))
}

/// The same value one step outwards.
fn followed<'c>(case: &'c Case<'_>, suspect: Suspect<'c>) -> Option<Suspect<'c>> {
    let Suspect { depth, file, node, .. } = suspect;
    if node.kind() != "identifier" {
        return None;
    }
    match file.binding(node, file.text_of(node))? {
        Binding::Signature { function, part, .. } if function.kind() != "func_literal" => {
            let (outer, call, _) = case.call_into(depth)?;
            let node = match part {
                Part::Parameter(position) => {
                    call.child_by_field_name("arguments")?.named_child(u32::try_from(position).ok()?)?
                }
                Part::Receiver => call.child_by_field_name("function")?.child_by_field_name("operand")?,
                Part::Result(_) => return None,
            };
            Some(Suspect { depth: outer, file: case.file(outer)?, node, ..suspect })
        }
        Binding::Short { statement, position } => {
            let right = statement.child_by_field_name("right")?;
            let single = right.named_child_count() == 1;
            let value = value_at(right, position)?;
            // `c := s.client`: the field is what is nil.
            (value.kind() == "selector_expression" && single).then_some(Suspect { node: value, ..suspect })
        }
        _ => None,
    }
}
