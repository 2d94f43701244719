//! Fixed words, all looked for in one pass over a text, whatever their number.

use aho_corasick::{AhoCorasick, AhoCorasickBuilder, MatchKind};

/// Finds the leftmost of some words.
pub(crate) fn leftmost(words: &[&str]) -> AhoCorasick {
    build(AhoCorasick::builder().match_kind(MatchKind::LeftmostFirst), words)
}

/// Finds the leftmost of some words, in upper or lower case.
pub(crate) fn leftmost_any_case(words: &[&str]) -> AhoCorasick {
    build(AhoCorasick::builder().match_kind(MatchKind::LeftmostFirst).ascii_case_insensitive(true), words)
}

/// Finds every occurrence of some words in upper or lower case, even of one within another.
pub(crate) fn all_any_case<'a>(words: impl IntoIterator<Item = &'a str>) -> AhoCorasick {
    build(AhoCorasick::builder().match_kind(MatchKind::Standard).ascii_case_insensitive(true), words)
}

#[expect(clippy::expect_used, reason = "the words are constants, and a few dozen never reach the limits")]
fn build<'a>(
    builder: &mut AhoCorasickBuilder,
    words: impl IntoIterator<Item = impl AsRef<str> + 'a>,
) -> AhoCorasick {
    builder.build(words.into_iter().map(|word| word.as_ref().to_owned())).expect("fixed words compile")
}
