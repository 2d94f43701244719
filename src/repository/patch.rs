//! Changes as text that people and `git apply` read.

use similar::TextDiff;

use crate::domain::FileChange;

/// A unified diff with three lines of context, paths relative to the repository's root, as
/// `git apply` takes it there.
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
