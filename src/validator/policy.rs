//! What an unattended fix may change at all.

use crate::domain::FileChange;
use crate::repository::Repository;

/// Why a change is out of bounds; none when it is allowed.
///
/// Tests judge the fix, so it may not touch them; build files, generated and vendored code are not
/// where a defect is mended.
pub(super) fn objection(repository: &Repository, changes: &[FileChange], max_lines: usize) -> Option<String> {
    if changes.iter().all(|change| change.before == change.after) {
        return Some("it changes nothing".to_owned());
    }
    let lines: usize = changes.iter().map(changed_lines).sum();
    if lines > max_lines {
        return Some(format!("it changes {lines} lines, more than the {max_lines} allowed"));
    }
    changes.iter().find_map(|change| file_objection(repository, change))
}

fn file_objection(repository: &Repository, change: &FileChange) -> Option<String> {
    let path = change.path.as_str();
    let inside = |folder: &str| path.split('/').any(|part| part == folder);
    if !path.ends_with(".go") {
        return Some(format!("{path} is not Go source"));
    }
    if path.ends_with("_test.go") || inside("testdata") {
        return Some(format!("{path} belongs to the tests, which judge the fix"));
    }
    if inside("vendor") || inside("third_party") {
        return Some(format!("{path} is a dependency's"));
    }
    match repository.go_file(&change.path) {
        Err(error) => Some(error.to_string()),
        Ok(file) if file.is_generated() => Some(format!("{path} is generated: its generator must change")),
        Ok(file) if file.text != change.before => Some(format!("{path} is not what the fix was made for")),
        Ok(_) => None,
    }
}

fn changed_lines(change: &FileChange) -> usize {
    similar::TextDiff::from_lines(&change.before, &change.after)
        .iter_all_changes()
        .filter(|line| line.tag() != similar::ChangeTag::Equal)
        .count()
}
