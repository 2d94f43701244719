//! Leaving a function early in the way that fits it: an error in the package's style, an HTTP answer,
//! a zero value with `false`, or, where a function has no way to report, a silent return or `continue`.

use std::sync::Arc;

use tree_sitter::Node;

use super::case::Case;
use super::edit::Edits;
use super::{http, logger};
use crate::repository::go::{File, Shape, Type};

/// What kind of bad state makes the function leave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Blame {
    /// A value that does not have the form it must have.
    Malformed,
    /// There is nothing to work on.
    Empty,
    /// Something that was looked up does not exist.
    Missing,
    /// Anything else.
    Internal,
}

/// Why a function leaves, in the words of an error message.
#[derive(Debug, Clone)]
pub(super) struct Failure {
    /// The message without values: what an HTTP client may see.
    pub(super) plain: String,
    /// The message as a format, and its arguments.
    pub(super) format: String,
    pub(super) arguments: Vec<String>,
    /// The error variable to pass on.
    pub(super) cause: Option<String>,
    pub(super) blame: Blame,
    /// Names that the failure is about: they choose a sentinel error that the package has.
    pub(super) nouns: Vec<String>,
    /// Whether the value that failed came from the request, in an HTTP handler.
    pub(super) requested: bool,
}

impl Failure {
    pub(super) fn new(blame: Blame, plain: impl Into<String>) -> Self {
        let plain = plain.into();
        Self {
            format: plain.clone(),
            plain,
            arguments: Vec::new(),
            cause: None,
            blame,
            nouns: Vec::new(),
            requested: false,
        }
    }

    pub(super) fn with(mut self, format: impl Into<String>, arguments: Vec<String>) -> Self {
        self.format = format.into();
        self.arguments = arguments;
        self
    }

    pub(super) fn caused_by(mut self, error: impl Into<String>) -> Self {
        self.cause = Some(error.into());
        self
    }

    pub(super) fn about(mut self, noun: impl Into<String>) -> Self {
        self.nouns.push(noun.into());
        self
    }
}

/// The statements that leave a function.
#[derive(Debug, Clone)]
pub(super) struct Exit {
    pub(super) lines: Vec<String>,
    /// Whether the caller learns of it. An exit that does not report may hide the defect.
    pub(super) reports: bool,
}

impl Exit {
    /// `if condition {` … `}` around the statements.
    pub(super) fn guarded(&self, condition: &str) -> Vec<String> {
        let body = self.lines.iter().map(|line| format!("\t{line}"));
        std::iter::once(format!("if {condition} {{")).chain(body).chain(["}".to_owned()]).collect()
    }
}

impl Case<'_> {
    /// The way to leave the function around a node.
    pub(super) fn leave(&self, edits: &mut Edits, file: &Arc<File>, at: Node<'_>, failure: &Failure) -> Exit {
        let Some(function) = file.enclosing_function(at) else {
            return Exit { lines: vec!["return".to_owned()], reports: false };
        };
        let results = results_of(file, function);
        if let Some((last, others)) = results.split_last() {
            if last == "error" {
                let error = self.error(edits, file, failure);
                return Exit { lines: self.give_back(file, function, others, &error), reports: true };
            }
            if last == "bool" && !others.is_empty() {
                return Exit { lines: self.give_back(file, function, others, "false"), reports: true };
            }
        }
        if results.is_empty() {
            if let Some(lines) = http::answer(self, edits, file, function, failure) {
                return Exit { lines, reports: true };
            }
        }
        let mut lines: Vec<String> = logger::report(file, at, failure).into_iter().collect();
        if in_loop(at, function) {
            lines.push("continue".to_owned());
        } else if let Some((last, others)) = results.split_last() {
            let last = self.zero(file, function, last);
            match last {
                Some(last) => lines.extend(self.give_back(file, function, others, &last)),
                None => {
                    let last = &results[results.len() - 1];
                    lines.push(format!("var zero {last}"));
                    lines.extend(self.give_back(file, function, others, "zero"));
                }
            }
        } else {
            lines.push("return".to_owned());
        }
        Exit { lines, reports: false }
    }

    /// `return` with the zero values of all results but the last, which is given.
    fn give_back(&self, file: &Arc<File>, function: Node<'_>, others: &[String], last: &str) -> Vec<String> {
        let mut lines = Vec::new();
        let mut values: Vec<String> = Vec::new();
        for (at, ty) in others.iter().enumerate() {
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
    pub(super) fn zero(&self, file: &Arc<File>, function: Node<'_>, text: &str) -> Option<String> {
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

    /// An error value in the style of the package.
    pub(super) fn error(&self, edits: &mut Edits, file: &Arc<File>, failure: &Failure) -> String {
        if let Some(cause) = &failure.cause {
            if failure.plain.is_empty() || !wraps(file) {
                return cause.clone();
            }
            let fmt = edits.import(file, "fmt");
            let prefix = self.prefix(file);
            return format!("{fmt}.Errorf(\"{prefix}{}: %w\", {cause})", failure.plain);
        }
        if let Some((code, status)) = grpc(file, failure.blame) {
            return format!("{status}.Error({code}, \"{}\")", failure.plain);
        }
        if let Some(sentinel) = self.sentinel(file, failure) {
            return sentinel;
        }
        let prefix = self.prefix(file);
        if failure.arguments.is_empty() {
            let formats = file.imports.iter().any(|i| i.path == "fmt") && !file.text.contains("errors.New(");
            if formats && file.text.contains("fmt.Errorf(") {
                return format!("fmt.Errorf(\"{prefix}{}\")", failure.format);
            }
            let errors = edits.import(file, "errors");
            return format!("{errors}.New(\"{prefix}{}\")", failure.format);
        }
        let fmt = edits.import(file, "fmt");
        format!("{fmt}.Errorf(\"{prefix}{}\", {})", failure.format, failure.arguments.join(", "))
    }

    /// `pkg: ` where most messages of the package's errors begin so.
    fn prefix(&self, file: &Arc<File>) -> String {
        let prefix = format!("{}: ", file.package);
        let (mut with, mut without) = (0_usize, 0_usize);
        for other in self.resolver.package_of(file) {
            for start in ["errors.New(\"", "fmt.Errorf(\""] {
                for message in other.text.split(start).skip(1) {
                    if message.starts_with(&prefix) { with += 1 } else { without += 1 }
                }
            }
        }
        if with > without { prefix } else { String::new() }
    }

    /// A sentinel error of the package whose name says what failed and nothing else.
    fn sentinel(&self, file: &Arc<File>, failure: &Failure) -> Option<String> {
        let kind: &[&str] = match failure.blame {
            Blame::Missing => &["not", "found", "missing", "unknown", "no", "such"],
            Blame::Empty => &["empty", "no"],
            Blame::Malformed => {
                &["invalid", "malformed", "bad", "input", "format", "request", "syntax", "argument"]
            }
            Blame::Internal => return None,
        };
        let nouns: Vec<String> =
            failure.nouns.iter().flat_map(|noun| words(noun)).map(|word| singular(&word)).collect();
        let mut found: Vec<(bool, String, bool)> = Vec::new();
        for other in self.resolver.package_of(file) {
            for name in sentinels(&other) {
                let rest: Vec<String> = words(&name[3..])
                    .into_iter()
                    .filter(|word| !kind.contains(&word.as_str()))
                    .map(|word| singular(&word))
                    .collect();
                let said = words(&name[3..]).len() > rest.len();
                if said && rest.iter().all(|word| nouns.contains(word)) {
                    found.push((rest.is_empty(), name, true));
                }
            }
        }
        // The one which names the thing beats the general one.
        found.sort();
        let (general, name, _) = found.first()?.clone();
        let rivals = found.iter().filter(|(other, ..)| *other == general).count();
        (rivals == 1).then_some(name)
    }
}

/// The names of the variables outside functions that are called `Err…`.
fn sentinels(file: &File) -> Vec<String> {
    let mut names = Vec::new();
    let root = file.tree.root_node();
    let mut cursor = root.walk();
    for declaration in root.named_children(&mut cursor).filter(|node| node.kind() == "var_declaration") {
        for spec in super::case::nodes_of(declaration, |node| node.kind() == "var_spec") {
            if let Some(name) = spec.child_by_field_name("name") {
                let name = file.text_of(name);
                let rest = name.strip_prefix("Err").or_else(|| name.strip_prefix("err"));
                if rest.is_some_and(|rest| rest.starts_with(char::is_uppercase)) {
                    names.push(name.to_owned());
                }
            }
        }
    }
    names
}

/// The words of a mixed-case name, in lower case.
pub(super) fn words(name: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    let mut previous_lower = false;
    for c in name.chars() {
        if !c.is_alphanumeric() {
            previous_lower = false;
            words.push(String::new());
            continue;
        }
        if words.is_empty() || (c.is_uppercase() && previous_lower) {
            words.push(String::new());
        }
        if let Some(word) = words.last_mut() {
            word.extend(c.to_lowercase());
        }
        previous_lower = c.is_lowercase() || c.is_numeric();
    }
    words.retain(|word| !word.is_empty());
    words
}

/// A word without the ending of its plural.
pub(super) fn singular(word: &str) -> String {
    if let Some(stem) = word.strip_suffix("ies").filter(|stem| stem.len() > 1) {
        return format!("{stem}y");
    }
    match word.strip_suffix('s') {
        Some(stem) if stem.len() > 1 && !stem.ends_with('s') => stem.to_owned(),
        _ => word.to_owned(),
    }
}

/// The result types of a function's declaration or literal, one a result.
pub(super) fn results_of(file: &File, function: Node<'_>) -> Vec<String> {
    let Some(result) = function.child_by_field_name("result") else { return Vec::new() };
    if result.kind() != "parameter_list" {
        return vec![file.text_of(result).to_owned()];
    }
    let mut types = Vec::new();
    let mut cursor = result.walk();
    for declaration in result.named_children(&mut cursor) {
        let Some(ty) = declaration.child_by_field_name("type") else { continue };
        let mut names = declaration.walk();
        let count = declaration.children_by_field_name("name", &mut names).filter(Node::is_named).count();
        for _ in 0..count.max(1) {
            types.push(file.text_of(ty).to_owned());
        }
    }
    types
}

/// The type parameters in scope of a function; those of a receiver count too.
fn type_parameters(file: &File, function: Node<'_>) -> Vec<String> {
    let declaration = std::iter::successors(Some(function), Node::parent).last().unwrap_or(function);
    let outer = std::iter::successors(Some(function), Node::parent)
        .find(|node| matches!(node.kind(), "function_declaration" | "method_declaration"))
        .unwrap_or(declaration);
    let mut names = Vec::new();
    if let Some(list) = outer.child_by_field_name("type_parameters") {
        for parameter in super::case::nodes_of(list, |node| node.kind() == "type_parameter_declaration") {
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
        for arguments in super::case::nodes_of(receiver, |node| node.kind() == "type_arguments") {
            let inner = super::case::nodes_of(arguments, |node| node.kind() == "type_identifier");
            names.extend(inner.into_iter().map(|node| file.text_of(node).to_owned()));
        }
    }
    names
}

/// Whether a node stands in a loop of a function's own body.
pub(super) fn in_loop(node: Node<'_>, function: Node<'_>) -> bool {
    let mut child = node;
    for parent in std::iter::successors(node.parent(), Node::parent).take_while(|node| *node != function) {
        if parent.kind() == "for_statement" && parent.child_by_field_name("body") == Some(child) {
            return true;
        }
        child = parent;
    }
    false
}

/// Whether a file wraps errors.
fn wraps(file: &File) -> bool {
    file.text.contains("%w") || file.imports.iter().any(|import| import.path == "fmt")
}

/// The status code and the package to make a gRPC status with, in files that do.
fn grpc(file: &File, blame: Blame) -> Option<(&'static str, &'static str)> {
    let imports = |path: &str| file.imports.iter().any(|import| import.path == path && import.name.is_none());
    let both = imports("google.golang.org/grpc/status") && imports("google.golang.org/grpc/codes");
    both.then_some((
        match blame {
            Blame::Malformed | Blame::Empty => "codes.InvalidArgument",
            Blame::Missing => "codes.NotFound",
            Blame::Internal => "codes.Internal",
        },
        "status",
    ))
}

#[cfg(test)]
mod tests {
    use super::{singular, words};

    #[test]
    fn names_come_apart_into_words() {
        assert_eq!(words("NotFound"), ["not", "found"]);
        assert_eq!(words("SKUs"), ["skus"]);
        assert_eq!(words("user_id2Name"), ["user", "id2", "name"]);
        assert_eq!(words("é_Ü"), ["é", "ü"]);
        assert_eq!(singular("products"), "product");
        assert_eq!(singular("entries"), "entry");
        assert_eq!(singular("address"), "address");
        assert_eq!(singular("s"), "s");
    }
}
