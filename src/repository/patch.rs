//! Changes as text that people and `git apply` read.

use similar::{DiffTag, TextDiff};

use super::go::File;
use crate::domain::{FileChange, Location};

/// A unified diff with three lines of context, paths relative to the repository's root.
#[must_use]
pub fn unified_diff(changes: &[FileChange]) -> String {
    changes
        .iter()
        .filter(|change| change.before != change.after)
        .map(|change| {
            let path = change.path.as_str();
            let body = TextDiff::from_lines(&change.before, &change.after)
                .unified_diff()
                .context_radius(3)
                .header(&format!("a/{path}"), &format!("b/{path}"))
                .to_string();
            format!("diff --git a/{path} b/{path}\n{body}")
        })
        .collect()
}
/// The functions that changes touch, each at the line that they touch first.
#[must_use]
pub fn changed_functions(changes: &[FileChange]) -> Vec<Location> {
    let mut places: Vec<Location> = Vec::new();
    for change in changes {
        let file = File::parse(change.path.clone(), change.before.clone());
        let diff = TextDiff::from_lines(&change.before, &change.after);
        let touched = diff.ops().iter().filter(|op| op.tag() != DiffTag::Equal);
        for line in touched.filter_map(|op| u32::try_from(op.old_range().start + 1).ok()) {
            let Some(function) = file.function_at(line).map(|function| function.name.clone()) else {
                continue;
            };
            let is_known = places.iter().any(|known| known.file == change.path && known.function == function);
            if !is_known {
                places.push(Location { file: change.path.clone(), line, function });
            }
        }
    }
    places
}

#[cfg(test)]
mod tests {
    use super::changed_functions;
    use crate::domain::{FileChange, RepoPath};

    #[test]
    fn the_functions_that_are_touched_are_told() {
        let before =
            "package a\n\nimport \"fmt\"\n\nfunc F() {\n\tfmt.Println()\n}\n\nfunc G() {\n\tF()\n}\n";
        let change = |after: String| FileChange {
            path: RepoPath::new("a.go").unwrap(),
            before: before.to_owned(),
            after,
        };
        let imported = before.replace("import \"fmt\"", "import (\n\t\"errors\"\n\t\"fmt\"\n)");
        let told = |after: String| {
            let places = changed_functions(&[change(after)]).into_iter();
            places.map(|place| format!("{}:{}", place.function, place.line)).collect::<Vec<_>>()
        };
        assert_eq!(told(imported.replace("\tF()", "\tif true {\n\t\tF()\n\t}")), ["G:10"]);
        assert_eq!(told(before.replace("\tfmt.Println()\n", "")), ["F:6"]);
        assert_eq!(told(before.replace("()\n", "(1)\n")), ["F:6", "G:10"]);
        assert!(told(imported).is_empty());
    }
}
