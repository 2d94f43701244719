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
/// The first function that changes touch, at the line that they touch first; none where they touch no function.
#[must_use]
pub fn first_changed(changes: &[FileChange]) -> Option<Location> {
    changes.iter().find_map(|change| {
        let file = File::parse(change.path.clone(), change.before.clone());
        let diff = TextDiff::from_lines(&change.before, &change.after);
        let touched = diff.ops().iter().filter(|op| op.tag() != DiffTag::Equal);
        touched.filter_map(|op| u32::try_from(op.old_range().start + 1).ok()).find_map(|line| {
            let function = file.function_at(line)?.name.clone();
            Some(Location { file: change.path.clone(), line, function })
        })
    })
}

#[cfg(test)]
mod tests {
    use super::first_changed;
    use crate::domain::{FileChange, RepoPath};

    #[test]
    fn the_first_function_that_is_touched_is_told() {
        let before =
            "package a\n\nimport \"fmt\"\n\nfunc F() {\n\tfmt.Println()\n}\n\nfunc G() {\n\tF()\n}\n";
        let change = |after: String| FileChange {
            path: RepoPath::new("a.go").unwrap(),
            before: before.to_owned(),
            after,
        };
        let imported = before.replace("import \"fmt\"", "import (\n\t\"errors\"\n\t\"fmt\"\n)");
        let told = |after: String| first_changed(&[change(after)]).map(|place| (place.function, place.line));
        assert_eq!(told(imported.replace("\tF()", "\tif true {\n\t\tF()\n\t}")), Some(("G".to_owned(), 10)));
        assert_eq!(told(before.replace("\tfmt.Println()\n", "")), Some(("F".to_owned(), 6)));
        assert_eq!(told(imported), None);
    }
}
