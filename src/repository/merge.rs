//! Two changes of one file that were made apart, put together where they stay out of each other's way.

use std::ops::Range;

use similar::{DiffTag, TextDiff};

/// Lines of the text that both changes began from, and what one of them puts in their place.
#[derive(Debug, PartialEq, Eq)]
struct Hunk {
    old: Range<usize>,
    new: String,
}

/// The text with both changes; none where they change the same or neighbouring lines, unless they change
/// them in the same way. What holds of each change alone need not hold of both.
#[must_use]
pub fn merged(base: &str, one: &str, other: &str) -> Option<String> {
    let mut hunks = hunks(base, one);
    for hunk in self::hunks(base, other) {
        if !hunks.contains(&hunk) {
            hunks.push(hunk);
        }
    }
    hunks.sort_by_key(|hunk| (hunk.old.start, hunk.old.end));
    if hunks.windows(2).any(|pair| pair[0].old.end >= pair[1].old.start) {
        return None;
    }
    let lines: Vec<&str> = base.split_inclusive('\n').collect();
    let mut text = String::with_capacity(one.len().max(other.len()));
    let mut at = 0;
    for hunk in hunks {
        text.extend(lines.get(at..hunk.old.start)?.iter().copied());
        text.push_str(&hunk.new);
        at = hunk.old.end;
    }
    text.extend(lines.get(at..)?.iter().copied());
    Some(text)
}

fn hunks(base: &str, changed: &str) -> Vec<Hunk> {
    let new: Vec<&str> = changed.split_inclusive('\n').collect();
    let old: Vec<&str> = base.split_inclusive('\n').collect();
    let diff = TextDiff::from_slices(&old, &new);
    let hunk = |tag, old, lines: Range<usize>| {
        (tag != DiffTag::Equal).then(|| Hunk { old, new: new[lines].concat() })
    };
    let mut hunks: Vec<Hunk> = Vec::new();
    for op in diff.ops() {
        let Some(hunk) = hunk(op.tag(), op.old_range(), op.new_range()) else { continue };
        match hunks.last_mut() {
            // A deletion and an insertion side by side are one change.
            Some(last) if last.old.end == hunk.old.start => {
                last.old.end = hunk.old.end;
                last.new.push_str(&hunk.new);
            }
            _ => hunks.push(hunk),
        }
    }
    hunks
}

#[cfg(test)]
mod tests {
    use super::merged;

    const BASE: &str = "a\nb\nc\nd\ne\n";

    #[test]
    fn changes_apart_are_put_together() {
        assert_eq!(
            merged(BASE, "a\nB\nc\nd\ne\n", "a\nb\nc\nd\nnew\ne").as_deref(),
            Some("a\nB\nc\nd\nnew\ne")
        );
        assert_eq!(
            merged(BASE, "new\na\nb\nc\nd\ne\n", "a\nb\nd\ne\n").as_deref(),
            Some("new\na\nb\nd\ne\n")
        );
        assert_eq!(merged(BASE, BASE, "a\nx\n").as_deref(), Some("a\nx\n"));
    }

    #[test]
    fn the_same_change_is_made_once() {
        let both = "a\nB\nc\nd\ne\n";
        assert_eq!(merged(BASE, both, both).as_deref(), Some(both));
        assert_eq!(merged(BASE, both, "a\nB\nc\nd\nE\n").as_deref(), Some("a\nB\nc\nd\nE\n"));
    }

    #[test]
    fn changes_of_the_same_or_neighbouring_lines_are_not() {
        assert_eq!(merged(BASE, "a\nB\nc\nd\ne\n", "a\nX\nc\nd\ne\n"), None);
        assert_eq!(merged(BASE, "a\nB\nc\nd\ne\n", "a\nb\nC\nd\ne\n"), None);
        assert_eq!(merged(BASE, "a\nb\none\nc\nd\ne\n", "a\nb\nother\nc\nd\ne\n"), None);
    }
}
