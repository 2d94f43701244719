//! An error in the style of the package.

use std::sync::Arc;

use tree_sitter::Node;

use super::failure::{Blame, Failure};
use super::manner::{Manner, beginning, is_sentinel, plain_sentinel};
use crate::domain::Class;
use crate::generator::repair::case::Case;
use crate::generator::repair::edit::Edits;
use crate::generator::repair::naming::{singular, words};
use crate::generator::repair::syntax::nodes_of;
use crate::repository::go::File;

impl Case<'_> {
    /// An error value in the style of a function and its package.
    pub(crate) fn error(
        &self,
        edits: &mut Edits,
        file: &Arc<File>,
        function: Node<'_>,
        failure: &Failure,
    ) -> String {
        if let Some(said) = &failure.said {
            return said.clone();
        }
        let malformed = matches!(failure.blame, Blame::Malformed | Blame::Empty);
        if let Some(manner) = Manner::of(file, function).filter(|_| malformed) {
            return manner.error(edits, file, failure);
        }
        if let Some(sentinel) = plain_sentinel(file, function).filter(|_| self.is_of_form(failure)) {
            return sentinel;
        }
        let prefix = beginning(file, function).unwrap_or_else(|| self.prefix(file));
        if let Some(cause) = &failure.cause {
            if failure.format.is_empty() || !wraps(file) {
                return cause.clone();
            }
            let fmt = edits.import(file, "fmt");
            return format!("{fmt}.Errorf(\"{prefix}{}: %w\", {cause})", failure.format);
        }
        if let Some((code, status)) = grpc(file, failure.blame) {
            return format!("{status}.Error({code}, \"{}\")", failure.plain);
        }
        if let Some(sentinel) = self.sentinel(file, failure) {
            return sentinel;
        }
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

    /// Whether what failed is the form of a value, and not that there is none.
    fn is_of_form(&self, failure: &Failure) -> bool {
        let class = self.fault.class;
        failure.blame == Blame::Malformed
            && matches!(
                class,
                Class::IndexOutOfRange | Class::SliceBounds | Class::MakeLength | Class::TypeAssertion
            )
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
            Blame::Ended => &["closed", "stopped", "shutdown", "shut", "down", "terminated", "done"],
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
        for spec in nodes_of(declaration, |node| node.kind() == "var_spec") {
            if let Some(name) = spec.child_by_field_name("name") {
                names.extend(Some(file.text_of(name).to_owned()).filter(|name| is_sentinel(name)));
            }
        }
    }
    names
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
            Blame::Ended => "codes.Unavailable",
            Blame::Internal => "codes.Internal",
        },
        "status",
    ))
}
