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
    functions: Option<Functions>,
}

/// An expression, and the types of its results as the file would write them.
#[derive(Debug, Clone)]
pub struct Expression {
    /// Where it stands, in bytes.
    pub range: Range<usize>,
    /// One for a value, none or several for some calls; none also for a value whose type another of its name would be
    /// taken for.
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

/// The functions that a file declares, and every use that it makes of any: of those that the modules worked on
/// declare, and of the methods of interfaces behind which one of them may be.
///
/// A function goes by the path of its package and its name as traces print it: `a/b F`, `a/b (*T).M`; the method of
/// an interface as `a/b Reader.Read`.
#[derive(Debug)]
pub struct Functions {
    declared: Vec<Declared>,
    mentions: Vec<Mention>,
}

/// A function or method that a file declares.
#[derive(Debug)]
pub struct Declared {
    /// Where the declaration begins, in bytes.
    pub start: usize,
    /// Who it is.
    pub name: Arc<str>,
    /// The methods of interfaces that values of its type, or of one that embeds it, can be taken for: whoever calls
    /// one of these may call this.
    pub interfaces: Vec<Arc<str>>,
}

/// A place that names a function.
#[derive(Debug)]
pub struct Mention {
    /// Where the name stands, in bytes.
    pub range: Range<usize>,
    /// The call, where it is called there.
    pub call: Option<Range<usize>>,
    /// Who it is.
    pub function: Arc<str>,
}

impl Checked {
    /// What was told of a file. Without `functions` nobody knows all the uses that it makes of any.
    #[must_use]
    pub fn new(
        file: Arc<File>,
        mut expressions: Vec<Expression>,
        links: Vec<Link>,
        functions: Option<Functions>,
    ) -> Self {
        expressions.sort_by_key(|one| (one.range.start, one.range.end));
        Self { file, expressions, links, functions }
    }

    /// The file.
    #[must_use]
    pub fn path(&self) -> &RepoPath {
        &self.file.path
    }

    /// The file that was checked.
    #[must_use]
    pub const fn file(&self) -> &Arc<File> {
        &self.file
    }

    /// Whether it is about this very text.
    #[must_use]
    pub fn is_about(&self, file: &Arc<File>) -> bool {
        Arc::ptr_eq(&self.file, file)
    }

    /// The functions that it declares and names; none where not all of them are known.
    #[must_use]
    pub const fn functions(&self) -> Option<&Functions> {
        self.functions.as_ref()
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

impl Functions {
    /// Those that a file declares, and the places where it names any.
    #[must_use]
    pub fn new(declared: Vec<Declared>, mut mentions: Vec<Mention>) -> Self {
        mentions.sort_by_key(Mention::key);
        Self { declared, mentions }
    }

    /// Who is called by a call.
    #[must_use]
    pub fn called(&self, call: &Range<usize>) -> Option<&Arc<str>> {
        let key = Some((call.start, call.end));
        let at = self.mentions.binary_search_by_key(&key, Mention::key).ok()?;
        self.mentions.get(at).map(|one| &one.function)
    }

    /// The places that name a function.
    #[must_use]
    pub fn mentions(&self) -> &[Mention] {
        &self.mentions
    }

    /// What is known of a function that is declared there.
    #[must_use]
    pub fn declared_at(&self, start: usize) -> Option<&Declared> {
        self.declared.iter().find(|one| one.start == start)
    }
}

impl Mention {
    fn key(&self) -> Option<(usize, usize)> {
        self.call.as_ref().map(|call| (call.start, call.end))
    }
}
