//! Giving a field its value wherever a struct is made without it.

use std::sync::Arc;

use tree_sitter::Node;

use super::case::Case;
use super::edit::{Edits, indent_of, is_repairable, rest_of_line};
use super::syntax::{nodes_of, results_of, statement_of};
use crate::repository::go::{Binding, File, Part, Shape, Type, TypeDecl};

/// The most places a field is added in one change.
const MAX_PLACES: usize = 8;

/// One place that makes a struct without a field.
#[derive(Debug, Clone)]
pub(crate) struct Maker {
    pub(crate) file: Arc<File>,
    /// The composite literal, the call of `new` or the `var_spec`, in bytes.
    range: std::ops::Range<usize>,
    /// Whether it stands in a function whose name says that it makes things, or at package level.
    pub(crate) constructor: bool,
}

impl Maker {
    pub(crate) fn node(&self) -> Option<Node<'_>> {
        self.file.node_at(self.range.clone())
    }

    /// Whether it gives a field a part of what its function was handed, as what restores or copies a struct does: what
    /// a new one is made of is handed over as it is.
    pub(crate) fn fills_with_what_it_is_given(&self) -> bool {
        let file = &self.file;
        let Some(body) = self.node().and_then(|literal| literal.child_by_field_name("body")) else {
            return false;
        };
        elements(body).into_iter().filter_map(|element| element.child_by_field_name("value")).any(|value| {
            let value = value.named_child(0).filter(|_| value.kind() == "literal_element").unwrap_or(value);
            let part = value.child_by_field_name("operand").filter(|_| value.kind() == "selector_expression");
            part.is_some_and(|of| {
                let binding = file.binding(of, file.text_of(of));
                matches!(binding, Some(Binding::Signature { part: Part::Parameter(_), .. }))
            })
        })
    }
}

/// The places of the repository's packages which make a struct and leave a field out.
pub(crate) fn makers_without(case: &Case<'_>, owner: &TypeDecl, field: &str, user: &Arc<File>) -> Vec<Maker> {
    let mut files = case.resolver.package_of(&owner.file);
    if user.path.folder() != owner.file.path.folder() {
        files.extend(case.resolver.package_of(user));
    }
    let mut makers = Vec::new();
    for file in files.iter().filter(|file| is_repairable(file)) {
        let found = nodes_of(file.tree.root_node(), |node| makes(case, file, node, owner));
        for node in found {
            if node.kind() == "composite_literal" && !lacks(file, node, field)
                || is_set_later(file, node, field)
            {
                continue;
            }
            // A struct that is made only to be compared with or thrown away is no owner.
            makers.push(Maker {
                file: Arc::clone(file),
                range: node.byte_range(),
                constructor: is_constructor(file, node, owner),
            });
        }
    }
    makers.truncate(MAX_PLACES);
    makers
}

/// Adds `field: value` to a place that makes a struct.
pub(crate) fn add_field(edits: &mut Edits, maker: &Maker, field: &str, value: &str) -> Option<()> {
    let file = &maker.file;
    let node = maker.node()?;
    match node.kind() {
        "call_expression" => {
            let ty = node.child_by_field_name("arguments")?.named_child(0)?;
            let text = format!("&{}{{{field}: {value}}}", file.text_of(ty));
            edits.replace(file, node.byte_range(), text);
            Some(())
        }
        "var_spec" => {
            let declaration = node.parent()?;
            let name = file.text_of(node.child_by_field_name("name")?);
            let ty = file.text_of(node.child_by_field_name("type")?);
            if file.enclosing_function(node).is_some() {
                edits.replace(file, declaration.byte_range(), format!("{name} := {ty}{{{field}: {value}}}"));
            } else {
                edits.replace(file, node.byte_range(), format!("{name} = {ty}{{{field}: {value}}}"));
            }
            Some(())
        }
        _ => add_to_literal(edits, file, node, field, value),
    }
}

fn add_to_literal(
    edits: &mut Edits,
    file: &Arc<File>,
    literal: Node<'_>,
    field: &str,
    value: &str,
) -> Option<()> {
    let body = literal.child_by_field_name("body")?;
    let elements = elements(body);
    if let Some(explicit) = elements.iter().find(|element| key_of(file, **element) == Some(field)) {
        let old = explicit.child_by_field_name("value")?;
        edits.replace(file, old.byte_range(), value);
        return Some(());
    }
    let Some(last) = elements.last().copied() else {
        edits.replace(file, body.byte_range(), format!("{{{field}: {value}}}"));
        return Some(());
    };
    let own_lines = body.end_position().row > last.end_position().row;
    if !own_lines {
        edits.replace(file, last.end_byte()..last.end_byte(), format!(", {field}: {value}"));
        return Some(());
    }
    let indent = indent_of(file, last)?;
    // The elements on single lines right above are one block: their values stand in one column.
    let mut block: Vec<Node<'_>> = Vec::new();
    for element in elements.iter().rev() {
        let single = element.start_position().row == element.end_position().row;
        let adjacent =
            block.last().is_none_or(|below| element.end_position().row + 1 == below.start_position().row);
        if !(single && adjacent && indent_of(file, *element).is_some()) {
            break;
        }
        block.push(*element);
    }
    let width = |element: &Node<'_>| key_of(file, *element).map_or(0, |key| key.chars().count());
    let widest = block.iter().map(width).max().unwrap_or(0);
    let new = field.chars().count();
    if !block.is_empty() && new > widest {
        for element in &block {
            let value = element.child_by_field_name("value")?.start_byte();
            let colon = element.child_by_field_name("key")?.end_byte() + 1;
            let pad = " ".repeat(new - width(element) + 1);
            edits.replace(file, colon..value, pad);
        }
    }
    let pad = if block.is_empty() { 1 } else { widest.max(new) - new + 1 };
    let rest = rest_of_line(file, last.end_byte())?;
    let at = last.end_byte() + rest.len();
    edits.replace(file, at..at, format!("\n{indent}{field}:{}{value},", " ".repeat(pad)));
    Some(())
}

/// Whether a node makes a struct of a declared type: a literal with keys or none, `new(T)`, `var x T`.
fn makes(case: &Case<'_>, file: &Arc<File>, node: Node<'_>, owner: &TypeDecl) -> bool {
    let ty = match node.kind() {
        "composite_literal" => node.child_by_field_name("type"),
        "call_expression" => node
            .child_by_field_name("function")
            .filter(|function| file.text_of(*function) == "new")
            .and_then(|_| node.child_by_field_name("arguments")?.named_child(0)),
        "var_spec" => {
            let one_name = {
                let mut cursor = node.walk();
                node.children_by_field_name("name", &mut cursor).count() == 1
            };
            let alone = node.parent().is_some_and(|parent| parent.kind() == "var_declaration");
            node.child_by_field_name("type")
                .filter(|_| one_name && alone && node.child_by_field_name("value").is_none())
        }
        _ => None,
    };
    let Some(ty) = ty else { return false };
    let text = file.text_of(ty);
    if text.split('[').next().and_then(|text| text.rsplit('.').next()) != Some(owner.name.as_str()) {
        return false;
    }
    let declared = Type::new(text, file);
    if matches!(declared.shape(), Shape::Pointer(_) | Shape::Slice(_) | Shape::Map(..) | Shape::Array(_)) {
        return false;
    }
    case.resolver
        .type_decl(&declared)
        .is_some_and(|found| found.name == owner.name && found.file.path == owner.file.path)
}

/// Whether a literal has keys (or nothing) and does not give the field a value other than `nil`.
fn lacks(file: &File, literal: Node<'_>, field: &str) -> bool {
    let Some(body) = literal.child_by_field_name("body") else { return false };
    elements(body).iter().all(|element| match key_of(file, *element) {
        Some(key) if key == field => {
            element.child_by_field_name("value").is_some_and(|value| file.text_of(value) == "nil")
        }
        Some(_) => true,
        None => false,
    })
}

fn elements(body: Node<'_>) -> Vec<Node<'_>> {
    let mut cursor = body.walk();
    body.named_children(&mut cursor).filter(|node| node.kind() != "comment").collect()
}

fn key_of<'f>(file: &'f File, element: Node<'_>) -> Option<&'f str> {
    (element.kind() == "keyed_element")
        .then(|| element.child_by_field_name("key").map(|key| file.text_of(key)))?
}

/// Whether the function around gives the field a value after making the struct.
fn is_set_later(file: &File, node: Node<'_>, field: &str) -> bool {
    let Some(function) = file.enclosing_function(node) else { return false };
    let suffix = format!(".{field}");
    nodes_of(function, |node| node.kind() == "assignment_statement").into_iter().any(|assignment| {
        assignment.start_byte() > node.start_byte()
            && assignment.child_by_field_name("left").is_some_and(|left| {
                let mut cursor = left.walk();
                left.named_children(&mut cursor).any(|target| file.text_of(target).ends_with(&suffix))
            })
    })
}

/// Whether a place stands outside functions, or in one that sets things up: that gives back the type, or
/// is called like it.
fn is_constructor(file: &File, node: Node<'_>, owner: &TypeDecl) -> bool {
    let Some(function) = file.enclosing_function(node) else { return statement_of(node).is_none() };
    let gives = results_of(file, function)
        .iter()
        .any(|ty| Type::plain_name(ty).is_some_and(|name| name == owner.name));
    let Some(name) = function.child_by_field_name("name") else { return gives };
    let name = file.text_of(name).to_ascii_lowercase();
    gives || ["main", "init", "setup", "run"].iter().any(|word| name.starts_with(word))
}

/// A type's text as another file writes it; none when the file could not name it.
pub(crate) fn text_in(ty: &Type, file: &File) -> Option<String> {
    if ty.home.path.folder() == file.path.folder() {
        return Some(ty.text.clone());
    }
    let builtin = ty
        .text
        .split(|c: char| !(c.is_alphanumeric() || c == '_' || c == '.'))
        .filter(|word| !word.is_empty())
        .all(|word| {
            matches!(
                word,
                "map" | "string" | "int" | "int64" | "bool" | "struct" | "float64" | "any" | "byte"
            )
        });
    builtin.then(|| ty.text.clone())
}
