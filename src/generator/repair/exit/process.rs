//! Ending the program from its `main` function: a message on standard error and an exit code, since a
//! `main` that only returns tells everybody that all went well.

use std::sync::Arc;

use tree_sitter::Node;

use super::failure::{Blame, Failure};
use crate::generator::repair::edit::Edits;
use crate::repository::go::File;

/// Whether a function is where the program starts.
pub(crate) fn is_main(file: &File, function: Node<'_>) -> bool {
    file.package == "main"
        && function.kind() == "function_declaration"
        && function.child_by_field_name("name").is_some_and(|name| file.text_of(name) == "main")
}

/// The statements that end the program: `log.Fatal` where the file does so too, else a line on standard
/// error and the exit code 2 for wrong usage, 1 for anything else.
pub(crate) fn end(edits: &mut Edits, file: &Arc<File>, failure: &Failure) -> Vec<String> {
    let (format, arguments) = match &failure.cause {
        Some(cause) if failure.plain.is_empty() => ("%v".to_owned(), vec![cause.clone()]),
        Some(cause) => (format!("{}: %v", failure.plain.replace('%', "%%")), vec![cause.clone()]),
        None if failure.format.is_empty() => (failure.plain.clone(), Vec::new()),
        None => (failure.format.clone(), failure.arguments.clone()),
    };
    let fatal = file.imports.iter().find(|import| import.path == "log").map(|import| import.identifier());
    if let Some(log) = fatal.filter(|log| file.text.contains(&format!("{log}.Fatal"))) {
        return vec![match arguments.as_slice() {
            [] => format!("{log}.Fatal(\"{format}\")"),
            arguments => format!("{log}.Fatalf(\"{format}\", {})", arguments.join(", ")),
        }];
    }
    let (fmt, os) = (edits.import(file, "fmt"), edits.import(file, "os"));
    let print = match arguments.as_slice() {
        [] => format!("{fmt}.Fprintln({os}.Stderr, \"{format}\")"),
        arguments => format!("{fmt}.Fprintf({os}.Stderr, \"{format}\\n\", {})", arguments.join(", ")),
    };
    let wrong_usage = failure.cause.is_none() && matches!(failure.blame, Blame::Malformed | Blame::Empty);
    vec![print, format!("{os}.Exit({})", if wrong_usage { 2 } else { 1 })]
}
