//! Returning what the other ways out of a function give back, or zero values.

use std::sync::Arc;

use tree_sitter::Node;

use crate::generator::repair::case::Case;
use crate::generator::repair::syntax::{last_child, nodes_of, statements_in};
use crate::repository::go::{Binding, File, Shape, Type};

impl Case<'_> {
    /// `return` with what the other ways out that fail give back, or zero values, and the last result as given.
    pub(crate) fn give_back(
        &self,
        file: &Arc<File>,
        function: Node<'_>,
        others: &[String],
        last: &str,
    ) -> Vec<String> {
        let mut lines = Vec::new();
        let mut values: Vec<String> = Vec::new();
        for (at, ty) in others.iter().enumerate() {
            if let Some(name) = given_back(file, function, at) {
                values.push(name);
                continue;
            }
            values.push(self.zero(file, function, ty).unwrap_or_else(|| {
                let name = if at == 0 { "zero".to_owned() } else { format!("zero{at}") };
                lines.push(format!("var {name} {ty}"));
                name
            }));
        }
        values.push(last.to_owned());
        lines.push(format!("return {}", values.join(", ")));
        lines
    }

    /// The zero value of a type as an expression; none when only a declaration can tell it.
    pub(crate) fn zero(&self, file: &Arc<File>, function: Node<'_>, text: &str) -> Option<String> {
        if type_parameters(file, function).iter().any(|name| name == text) {
            return None;
        }
        let ty = Type::new(text, file);
        let underlying = self.resolver.underlying(&ty);
        Some(match underlying.shape() {
            Shape::Struct | Shape::Array(_) => format!("{text}{{}}"),
            shape if shape.is_nilable() => "nil".to_owned(),
            Shape::Number => "0".to_owned(),
            Shape::Text => "\"\"".to_owned(),
            Shape::Bool => "false".to_owned(),
            Shape::Named(Some("time"), "Duration" | "Month" | "Weekday") => "0".to_owned(),
            Shape::Named(Some("time"), "Time") => format!("{text}{{}}"),
            Shape::Named(Some("context"), "Context")
            | Shape::Named(Some("http"), "Handler" | "HandlerFunc")
            | Shape::Named(Some("io"), "Reader" | "Writer" | "ReadCloser" | "Closer") => "nil".to_owned(),
            _ => return None,
        })
    }
}

/// What the other ways out that fail give back at a position: the name of a result, where one of them gives what it
/// holds so far; a number, a word of the language or a parameter, where all do.
fn given_back(file: &File, function: Node<'_>, at: usize) -> Option<String> {
    let names = |list: &str| -> Vec<&str> {
        let list = function.child_by_field_name(list).filter(|list| list.kind() == "parameter_list");
        list.into_iter()
            .flat_map(|list| list.named_children(&mut list.walk()).collect::<Vec<_>>())
            .flat_map(|part| part.children_by_field_name("name", &mut part.walk()).collect::<Vec<_>>())
            .filter(Node::is_named)
            .map(|name| file.text_of(name))
            .collect()
    };
    let leaving = nodes_of(function, |node| node.kind() == "return_statement");
    let failing: Vec<Node<'_>> = leaving
        .into_iter()
        .filter(|leaving| file.enclosing_function(*leaving) == Some(function) && is_conditional(*leaving))
        .filter_map(|leaving| {
            let values = leaving.named_child(0).filter(|values| values.named_child_count() > 1)?;
            let fails = last_child(values).is_some_and(|last| !matches!(file.text_of(last), "nil" | "true"));
            values.named_child(u32::try_from(at).ok()?).filter(|_| fails)
        })
        .collect();
    let name = names("result").get(at).copied();
    if let Some(name) = name.filter(|name| failing.iter().any(|value| file.text_of(*value) == *name)) {
        return Some(name.to_owned());
    }
    let first = file.text_of(*failing.first()?);
    // A name that is declared anew is another's value.
    let declares =
        |node: Node<'_>| matches!(node.kind(), "short_var_declaration" | "var_spec" | "range_clause");
    let anew = nodes_of(function, declares).into_iter().any(|declaration| {
        let left =
            declaration.child_by_field_name("left").or_else(|| declaration.child_by_field_name("name"));
        left.is_some_and(|left| {
            !nodes_of(left, |node| node.kind() == "identifier" && file.text_of(node) == first).is_empty()
        })
    });
    let parameters = if anew { Vec::new() } else { names("parameters") };
    let lasting = first.trim_start_matches('-').bytes().all(|byte| byte.is_ascii_digit())
        || matches!(first, "nil" | "true" | "false" | "\"\"")
        || parameters.contains(&first);
    (lasting && failing.iter().all(|value| file.text_of(*value) == first)).then(|| first.to_owned())
}

/// `return` with what the function answers elsewhere where there is nothing to work on, if that can be said anywhere in it.
pub(super) fn absent_answer(file: &File, function: Node<'_>, at: Node<'_>) -> Option<String> {
    let asks = |node: Node<'_>| matches!(node.kind(), "if_statement" | "expression_case");
    nodes_of(function, |node| asks(node) && node.end_byte() <= at.start_byte())
        .into_iter()
        .filter(|node| file.enclosing_function(*node) == Some(function))
        .filter_map(|node| match statements_in(where_absent(file, node)?)[..] {
            [only] if only.kind() == "return_statement" => Some(only),
            _ => None,
        })
        .rfind(|leaving| {
            nodes_of(*leaving, |node| node.kind() == "identifier").into_iter().all(|name| {
                matches!(file.binding(name, file.text_of(name)), None | Some(Binding::Signature { .. }))
            })
        })
        .map(|leaving| file.text_of(leaving).to_owned())
}

/// What is done where a node says that there is nothing.
fn where_absent<'t>(file: &File, node: Node<'t>) -> Option<Node<'t>> {
    match node.kind() {
        "if_statement" => {
            let asked = file.text_of(node.child_by_field_name("condition")?);
            let is_none = asked.starts_with('!') && asked.ends_with(".IsValid()");
            let is_nil = asked.ends_with(" == nil") || asked.ends_with(".IsNil()");
            let is_empty =
                asked.starts_with("len(") && asked.ends_with(" == 0") || asked.ends_with(" == \"\"");
            let is_absence = !asked.contains("&&") && (is_none || is_nil || is_empty);
            node.child_by_field_name("consequence").filter(|_| is_absence)
        }
        "expression_case" => {
            let value = file.text_of(node.child_by_field_name("value")?);
            value.split(',').any(|value| value.trim() == "nil").then_some(node)
        }
        _ => None,
    }
}

/// Whether a way out is taken in a case only: the last one of a function may fail or not.
fn is_conditional(leaving: Node<'_>) -> bool {
    std::iter::successors(leaving.parent(), Node::parent)
        .take_while(|node| !node.kind().starts_with("func"))
        .any(|node| matches!(node.kind(), "if_statement" | "expression_case" | "type_case" | "default_case"))
}

/// The type parameters in scope of a function; those of a receiver count too.
fn type_parameters(file: &File, function: Node<'_>) -> Vec<String> {
    let declaration = std::iter::successors(Some(function), Node::parent).last().unwrap_or(function);
    let outer = std::iter::successors(Some(function), Node::parent)
        .find(|node| matches!(node.kind(), "function_declaration" | "method_declaration"))
        .unwrap_or(declaration);
    let mut names = Vec::new();
    if let Some(list) = outer.child_by_field_name("type_parameters") {
        for parameter in nodes_of(list, |node| node.kind() == "type_parameter_declaration") {
            let mut cursor = parameter.walk();
            names.extend(
                parameter
                    .children_by_field_name("name", &mut cursor)
                    .filter(Node::is_named)
                    .map(|node| file.text_of(node).to_owned()),
            );
        }
    }
    if let Some(receiver) = outer.child_by_field_name("receiver") {
        for arguments in nodes_of(receiver, |node| node.kind() == "type_arguments") {
            let inner = nodes_of(arguments, |node| node.kind() == "type_identifier");
            names.extend(inner.into_iter().map(|node| file.text_of(node).to_owned()));
        }
    }
    names
}
