//! Functions and methods of a Go file.

use std::ops::{Range, RangeInclusive};

use tree_sitter::Node;

/// One parameter or result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Param {
    /// Its name; empty where it has none.
    pub name: String,
    /// Its type as written; `...T` for a variadic one.
    pub ty: String,
}

/// A method's receiver.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receiver {
    /// Its name; empty where it has none.
    pub name: String,
    /// The type's name without `*` and type parameters.
    pub type_name: String,
    /// Whether it is a pointer receiver.
    pub pointer: bool,
}

/// A function or method declaration with a body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Function {
    /// As a trace prints it without the package: `F`, `T.M`, `(*T).M`.
    pub name: String,
    /// The identifier alone: `F`, `M`.
    pub identifier: String,
    /// The receiver, for a method.
    pub receiver: Option<Receiver>,
    /// The parameters, one entry a name.
    pub params: Vec<Param>,
    /// The results, one entry a name.
    pub results: Vec<Param>,
    /// Whether it, or its receiver's type, has type parameters.
    pub generic: bool,
    /// The whole declaration, in bytes.
    pub range: Range<usize>,
    /// The body with its braces, in bytes.
    pub body: Range<usize>,
    /// The whole declaration, in lines from 1.
    pub lines: RangeInclusive<u32>,
}

impl Function {
    /// Whether other packages can call it by name.
    #[must_use]
    pub fn is_exported(&self) -> bool {
        let upper = |name: &str| name.chars().next().is_some_and(char::is_uppercase);
        upper(&self.identifier) && self.receiver.as_ref().is_none_or(|receiver| upper(&receiver.type_name))
    }

    /// Whether the last result is `error`.
    #[must_use]
    pub fn returns_error(&self) -> bool {
        self.results.last().is_some_and(|result| result.ty == "error")
    }

    /// Reads a `function_declaration` or `method_declaration`; none without a name or a body.
    pub(super) fn read(node: Node<'_>, text: &str) -> Option<Self> {
        let identifier = text_of(node.child_by_field_name("name")?, text).to_owned();
        let body = node.child_by_field_name("body")?.byte_range();
        let receiver = node.child_by_field_name("receiver").and_then(|list| read_receiver(list, text));
        let generic_receiver = receiver.as_ref().is_some_and(|(_, generic)| *generic);
        let receiver = receiver.map(|(receiver, _)| receiver);
        let name = match &receiver {
            Some(Receiver { type_name, pointer: true, .. }) => format!("(*{type_name}).{identifier}"),
            Some(Receiver { type_name, .. }) => format!("{type_name}.{identifier}"),
            None => identifier.clone(),
        };
        Some(Self {
            name,
            identifier,
            receiver,
            params: node
                .child_by_field_name("parameters")
                .map(|list| read_params(list, text))
                .unwrap_or_default(),
            results: node
                .child_by_field_name("result")
                .map(|result| read_results(result, text))
                .unwrap_or_default(),
            generic: generic_receiver || node.child_by_field_name("type_parameters").is_some(),
            range: node.byte_range(),
            body,
            lines: line_of(node.start_position().row)..=line_of(node.end_position().row),
        })
    }
}

/// The source text of a node.
pub(super) fn text_of<'t>(node: Node<'_>, text: &'t str) -> &'t str {
    text.get(node.byte_range()).unwrap_or_default()
}

/// tree-sitter counts rows from 0, Go lines from 1.
pub(super) fn line_of(row: usize) -> u32 {
    u32::try_from(row + 1).unwrap_or(u32::MAX)
}

fn read_receiver(list: Node<'_>, text: &str) -> Option<(Receiver, bool)> {
    let declaration = list.named_child(0)?;
    let name = declaration.child_by_field_name("name").map(|node| text_of(node, text).to_owned());
    let mut ty = declaration.child_by_field_name("type")?;
    let pointer = ty.kind() == "pointer_type";
    if pointer {
        ty = ty.named_child(0)?;
    }
    let generic = ty.kind() == "generic_type";
    if generic {
        ty = ty.child_by_field_name("type")?;
    }
    let receiver =
        Receiver { name: name.unwrap_or_default(), type_name: text_of(ty, text).to_owned(), pointer };
    Some((receiver, generic))
}

pub(super) fn read_results(result: Node<'_>, text: &str) -> Vec<Param> {
    if result.kind() == "parameter_list" {
        read_params(result, text)
    } else {
        vec![Param { name: String::new(), ty: text_of(result, text).to_owned() }]
    }
}

fn read_params(list: Node<'_>, text: &str) -> Vec<Param> {
    let mut params = Vec::new();
    let mut cursor = list.walk();
    for declaration in list.named_children(&mut cursor) {
        let Some(ty) = declaration.child_by_field_name("type") else { continue };
        let variadic = declaration.kind() == "variadic_parameter_declaration";
        let ty = format!("{}{}", if variadic { "..." } else { "" }, text_of(ty, text));
        let mut names = declaration.walk();
        let before = params.len();
        for name in declaration.children_by_field_name("name", &mut names) {
            params.push(Param { name: text_of(name, text).to_owned(), ty: ty.clone() });
        }
        if params.len() == before {
            params.push(Param { name: String::new(), ty });
        }
    }
    params
}
