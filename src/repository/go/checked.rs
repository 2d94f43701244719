//! What the type checker of the Go toolchain told about a file.

use std::ops::Range;
use std::sync::Arc;

use super::File;
use crate::domain::RepoPath;

/// What is known of one file, for as long as it is the text that was checked.
#[derive(Debug)]
pub struct Checked {
    file: Arc<File>,
    expressions: Vec<Expression>,
    links: Vec<Link>,
}

/// An expression, and the types of its results as the file would write them.
#[derive(Debug, Clone)]
pub struct Expression {
    /// Where it stands, in bytes.
    pub range: Range<usize>,
    /// One for a value, none or several for some calls.
    pub results: Vec<Arc<str>>,
}

/// A pointer or an interface that is followed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// Where what is followed stands, in bytes.
    pub range: Range<usize>,
    /// What is accessed behind it, in bytes from its beginning: where it is nil, an access to these addresses fails.
    pub reach: Range<u64>,
    /// What is accessed, in words: `field Name`, `method Close`.
    pub name: Arc<str>,
}

impl Checked {
    /// What was told of a file.
    #[must_use]
    pub fn new(file: Arc<File>, mut expressions: Vec<Expression>, links: Vec<Link>) -> Self {
        expressions.sort_by_key(|one| (one.range.start, one.range.end));
        Self { file, expressions, links }
    }

    /// The file.
    #[must_use]
    pub fn path(&self) -> &RepoPath {
        &self.file.path
    }

    /// Whether it is about this very text.
    #[must_use]
    pub fn is_about(&self, file: &Arc<File>) -> bool {
        Arc::ptr_eq(&self.file, file)
    }

    /// The types of an expression's results; none where nothing is known of it.
    #[must_use]
    pub fn results(&self, range: &Range<usize>) -> Option<&[Arc<str>]> {
        let key = (range.start, range.end);
        let at = self.expressions.binary_search_by_key(&key, |one| (one.range.start, one.range.end)).ok()?;
        self.expressions.get(at).map(|one| one.results.as_slice())
    }

    /// The ways in which what stands at a place is followed.
    pub fn links(&self, range: Range<usize>) -> impl Iterator<Item = &Link> {
        self.links.iter().filter(move |link| link.range == range)
    }

    /// What is followed within a range of bytes.
    pub fn links_within(&self, range: Range<usize>) -> impl Iterator<Item = &Link> {
        self.links.iter().filter(move |link| range.start <= link.range.start && link.range.end <= range.end)
    }
}
