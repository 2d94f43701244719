//! Functions that answer HTTP requests, by their parameters.

use tree_sitter::Node;

use crate::repository::go::File;

/// How a handler's parameters are named.
pub(crate) struct Handler {
    pub(crate) writer: String,
    pub(crate) request: String,
}

/// The parameters of a function that answers requests.
pub(crate) fn handler(file: &File, function: Node<'_>) -> Option<Handler> {
    let writer = parameter(file, function, |ty| ty.ends_with("http.ResponseWriter"))?;
    let request = parameter(file, function, |ty| ty.ends_with("*http.Request")).unwrap_or_default();
    Some(Handler { writer, request })
}

/// The name of a function's `*http.Request`, if it has one it uses.
pub(crate) fn request_name(file: &File, node: Node<'_>) -> Option<String> {
    let function = file.enclosing_function(node)?;
    parameter(file, function, |ty| ty.ends_with("*http.Request"))
        .or_else(|| parameter(file, function, |ty| ty == "*gin.Context"))
}

/// The name of the parameter whose type is wanted.
pub(crate) fn parameter(file: &File, function: Node<'_>, wanted: impl Fn(&str) -> bool) -> Option<String> {
    let list = function.child_by_field_name("parameters")?;
    let mut cursor = list.walk();
    list.named_children(&mut cursor).find_map(|declaration| {
        let ty = declaration.child_by_field_name("type")?;
        let name = declaration.child_by_field_name("name")?;
        let name = file.text_of(name);
        (wanted(file.text_of(ty)) && name != "_").then(|| name.to_owned())
    })
}
