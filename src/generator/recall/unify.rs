//! Laying one piece of code over another of the same form: what each name and part is called there.

use std::collections::BTreeMap;

use tree_sitter::Node;

use crate::repository::go::File;

/// What the names and parts of a pattern are called in the code it was laid over. Two names of the pattern are never
/// one there.
#[derive(Debug, Clone, Default)]
pub(super) struct Bindings {
    names: BTreeMap<(Space, String), String>,
    taken: BTreeMap<(Space, String), String>,
    /// Whole parts, literals among them, by their text.
    parts: BTreeMap<String, String>,
}

/// Names of different spaces have nothing to do with each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Space {
    /// Variables, functions, constants.
    Value,
    /// Fields and methods.
    Member,
    Type,
}

impl Space {
    pub(super) fn of(node: Node<'_>) -> Option<Self> {
        match node.kind() {
            "identifier" => Some(Self::Value),
            "field_identifier" => Some(Self::Member),
            "type_identifier" => Some(Self::Type),
            _ => None,
        }
    }
}

impl Bindings {
    /// What a name of the pattern is called.
    pub(super) fn name(&self, space: Space, name: &str) -> Option<&str> {
        self.names.get(&(space, name.to_owned())).map(String::as_str)
    }

    /// What stands where a part of the pattern stands.
    pub(super) fn part(&self, text: &str) -> Option<&str> {
        self.parts.get(text).map(String::as_str)
    }

    /// How many parts are other expressions there, not only other names or literals.
    pub(super) fn others(&self) -> usize {
        let is_plain =
            |text: &str| text.starts_with(|c: char| c.is_ascii_digit() || matches!(c, '"' | '`' | '\''));
        self.parts.iter().filter(|(from, to)| !(is_plain(from) && is_plain(to))).count()
    }

    /// The numbers of the pattern that are others there, each with what it is there.
    pub(super) fn numbers(&self) -> impl Iterator<Item = (i64, i64)> {
        self.parts.iter().filter_map(|(from, to)| Some((from.parse().ok()?, to.parse().ok()?)))
    }

    /// Every word with what it is called.
    pub(super) fn words(&self) -> Vec<(&str, &str)> {
        let names = self.names.iter().map(|((_, from), to)| (from.as_str(), to.as_str()));
        let parts = self.parts.iter().map(|(from, to)| (from.as_str(), to.as_str()));
        let is_word = |text: &str| text.chars().all(|c| c.is_alphanumeric() || c == '_');
        names.chain(parts).filter(|(from, to)| from != to && is_word(from) && is_word(to)).collect()
    }

    /// Takes in what two further nodes have in common, where they have one form.
    pub(super) fn learn(&mut self, pattern: (&File, Node<'_>), target: (&File, Node<'_>)) {
        let mut trial = self.clone();
        if unify(&mut trial, pattern, target) {
            *self = trial;
        }
    }

    fn bind(&mut self, space: Space, from: &str, to: &str) -> bool {
        let known = self.names.entry((space, from.to_owned())).or_insert_with(|| to.to_owned());
        let taken = self.taken.entry((space, to.to_owned())).or_insert_with(|| from.to_owned());
        known == to && taken == from
    }

    fn bind_part(&mut self, from: &str, to: &str) -> bool {
        self.parts.entry(from.to_owned()).or_insert_with(|| to.to_owned()) == to
    }
}

/// Lays a pattern's node over another; what they have in common is kept in the bindings, also where it fails. The
/// nodes themselves must be of one form; parts of them may be any expression each.
pub(super) fn unify(
    bindings: &mut Bindings,
    (pattern, node): (&File, Node<'_>),
    (target, other): (&File, Node<'_>),
) -> bool {
    if node.kind() != other.kind() {
        return false;
    }
    let (text, other_text) = (pattern.text_of(node), target.text_of(other));
    if is_literal(node) {
        return bindings.bind_part(text, other_text);
    }
    if let Some(space) = Space::of(node) {
        // What the language or another package declares is called the same everywhere.
        return match is_foreign(pattern, node) || is_foreign(target, other) {
            true => text == other_text,
            false => bindings.bind(space, text, other_text),
        };
    }
    let (children, others) = (parts(node), parts(other));
    if node.child_count() == 0 {
        return text == other_text;
    }
    children.len() == others.len()
        && children.into_iter().zip(others).all(|(child, other)| {
            let mut trial = bindings.clone();
            if unify(&mut trial, (pattern, child), (target, other)) {
                *bindings = trial;
                return true;
            }
            let of_one_kind =
                is_expression(child) && is_expression(other) || is_type(child) && is_type(other);
            of_one_kind && bindings.bind_part(pattern.text_of(child), target.text_of(other))
        })
}

fn parts(node: Node<'_>) -> Vec<Node<'_>> {
    let mut cursor = node.walk();
    node.children(&mut cursor).filter(|child| child.kind() != "comment").collect()
}

/// Whether a node is written out in the code, and has no names in it.
pub(super) fn is_literal(node: Node<'_>) -> bool {
    matches!(
        node.kind(),
        "interpreted_string_literal"
            | "raw_string_literal"
            | "int_literal"
            | "float_literal"
            | "imaginary_literal"
            | "rune_literal"
    )
}

pub(super) fn is_expression(node: Node<'_>) -> bool {
    is_literal(node)
        || node.kind().ends_with("_expression")
        || matches!(
            node.kind(),
            "identifier" | "composite_literal" | "func_literal" | "nil" | "true" | "false"
        )
}

/// Whether a node is a type, in a place where only a type can stand.
pub(super) fn is_type(node: Node<'_>) -> bool {
    node.kind() == "type_identifier" || node.kind().ends_with("_type")
}

/// Whether a name is declared by the language or by an imported package.
pub(super) fn is_foreign(file: &File, node: Node<'_>) -> bool {
    let name = file.text_of(node);
    match node.kind() {
        "identifier" => {
            let imported = file.imports.iter().any(|import| import.identifier() == name);
            (imported || is_predeclared(name)) && file.binding(node, name).is_none()
        }
        "field_identifier" => {
            let operand = node.parent().and_then(|parent| parent.child_by_field_name("operand"));
            operand.is_some_and(|operand| operand.kind() == "identifier" && is_foreign(file, operand))
        }
        "type_identifier" => {
            let is_qualified = node.parent().is_some_and(|parent| parent.kind() == "qualified_type");
            is_qualified || is_predeclared(name)
        }
        _ => false,
    }
}

/// The names that the language declares, by the specification's section "Predeclared identifiers".
fn is_predeclared(name: &str) -> bool {
    const NAMES: [&str; 40] = [
        "any",
        "bool",
        "byte",
        "comparable",
        "complex64",
        "complex128",
        "error",
        "float32",
        "float64",
        "int",
        "int8",
        "int16",
        "int32",
        "int64",
        "rune",
        "string",
        "uint",
        "uint8",
        "uint16",
        "uint32",
        "uint64",
        "uintptr",
        "iota",
        "append",
        "cap",
        "clear",
        "close",
        "complex",
        "copy",
        "delete",
        "imag",
        "len",
        "make",
        "max",
        "min",
        "new",
        "panic",
        "print",
        "println",
        "real",
    ];
    NAMES.contains(&name) || name == "recover" || name == "_"
}
