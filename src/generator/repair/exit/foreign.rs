//! An error that is of another kind than those around it: whoever asks for theirs does not get it.

use similar::{ChangeTag, TextDiff};
use tree_sitter::Node;

use super::manner::returned_errors;
use crate::domain::FileChange;
use crate::generator::repair::syntax::{last_child, nodes_of};
use crate::repository::Repository;
use crate::repository::go::File;

/// What a change returns as a plain error in a function all of whose own errors are of a type of the program:
/// what that type tells besides (a code, a place, a kind) is not for a rule to say. In words that go on after
/// "but".
pub(crate) fn foreign_error(changes: &[FileChange], repository: &Repository) -> Option<String> {
    changes.iter().find_map(|change| {
        let file = repository.go_file(&change.path).ok()?;
        let ty = places_of_plain_errors(change).into_iter().find_map(|line| {
            let function = file.function_at(line)?;
            own_type(&file, file.node_at(function.range.clone())?).map(|ty| (function.name.clone(), ty))
        });
        let (function, ty) = ty?;
        Some(format!(
            "the errors of {function} are of its own type {ty}, and the one that is returned now is not"
        ))
    })
}

/// The lines of the old text behind which a plain error is returned now.
fn places_of_plain_errors(change: &FileChange) -> Vec<u32> {
    let diff = TextDiff::from_lines(&change.before, &change.after);
    let mut line = 0_u32;
    let mut places = Vec::new();
    for part in diff.iter_all_changes() {
        let text = part.value().trim_start();
        let is_plain = ["errors.New(", "fmt.Errorf("].iter().any(|made| text.contains(made));
        match part.tag() {
            ChangeTag::Insert if is_plain && text.starts_with("return ") => places.push(line.max(1)),
            ChangeTag::Insert => {}
            ChangeTag::Equal | ChangeTag::Delete => line += 1,
        }
    }
    places
}

/// The type of the errors that a function makes, where they are all literals of types of the program.
fn own_type(file: &File, function: Node<'_>) -> Option<String> {
    if !returned_errors(file, function).is_empty() {
        return None;
    }
    let returns = nodes_of(function, |node| node.kind() == "return_statement");
    returns.into_iter().find_map(|statement| {
        let results = statement.named_child(0).filter(|list| list.kind() == "expression_list")?;
        let last = last_child(results)?;
        let literal = match last.kind() {
            "unary_expression" => last.child_by_field_name("operand")?,
            _ => last,
        };
        let ty = (literal.kind() == "composite_literal").then(|| literal.child_by_field_name("type"))??;
        let name = file.text_of(ty);
        name.to_lowercase().contains("err").then(|| name.to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::RepoPath;

    const SOURCE: &str = "package m

type labelError struct{ label, code string }

func (e *labelError) Error() string { return e.label }

func check(s string) error {
\tif len(s) > 4 {
\t\treturn &labelError{s, \"V2\"}
\t}
\tif s[0] == '-' {
\t\treturn &labelError{s, \"V3\"}
\t}
\treturn nil
}

func plain(s string) error {
\tif s[0] == '-' {
\t\treturn nil
\t}
\treturn other(s)
}
";

    #[test]
    fn only_where_a_functions_errors_are_of_a_type_of_its_own() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("go.mod"), "module m\n").unwrap();
        std::fs::write(folder.path().join("m.go"), SOURCE).unwrap();
        let repository = Repository::open(folder.path()).unwrap();
        let with = |function: &str, check: &str| {
            let (head, rest) = SOURCE.split_once(&format!("func {function}(s string) error {{\n")).unwrap();
            let after = format!(
                "{head}func {function}(s string) error {{\n\tif s == \"\" {{\n\t\t{check}\n\t}}\n{rest}"
            );
            let path = RepoPath::new("m.go").unwrap();
            foreign_error(&[FileChange { path, before: SOURCE.to_owned(), after }], &repository)
        };
        let plain = "return errors.New(\"empty s\")";
        assert_eq!(
            with("check", plain).unwrap(),
            "the errors of check are of its own type labelError, and the one that is returned now is not"
        );
        assert_eq!(with("check", "return &labelError{s, \"V1\"}"), None);
        assert_eq!(with("plain", plain), None);
    }
}
