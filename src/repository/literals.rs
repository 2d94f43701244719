//! The texts that a repository's code says: the string literals among the arguments of its calls, by which an
//! event without a stack is placed.
//!
//! All string literals of the code are found once, by a scan for quotes that parses nothing: it reads a million
//! lines in a fraction of a second. Only the files that hold those which stand in a text are parsed when somebody asks.

use std::collections::BTreeMap;

use memchr::{memchr, memchr2, memmem};
use tree_sitter::Node;

use super::Repository;
use super::go::File;
use crate::domain::{Location, RepoPath};

/// A literal whose fixed parts are shorter than this tells nothing.
const SHORTEST: usize = 4;
/// The most literals that are kept of one repository.
const MAX_LITERALS: usize = 1 << 19;
/// The most literals of a text that are looked at where they stand.
const MAX_STANDING: usize = 1_000;
/// The most files that are parsed for one text.
const MAX_FILES: usize = 40;

/// A string literal among the arguments of a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Literal {
    /// What it says as it stands, in order: format verbs split a literal into its fixed parts.
    pub parts: Vec<String>,
    /// Where it stands.
    pub location: Location,
}

impl Literal {
    /// Bytes of its fixed parts.
    #[must_use]
    pub fn weight(&self) -> usize {
        weight(&self.parts)
    }
}

/// A string literal wherever it stands.
#[derive(Debug)]
pub(super) struct Quoted {
    /// Which file of the repository.
    file: usize,
    /// Where in it, in bytes.
    at: usize,
    parts: Vec<String>,
}

/// All literals of a repository that tell anything, tests and vendored code left out.
pub(super) fn quoted(repository: &Repository) -> Vec<Quoted> {
    let mut found = Vec::new();
    for (file, path) in repository.files().iter().enumerate().filter(|(_, path)| is_source(path)) {
        let Ok(text) = repository.read(path) else { continue };
        collect(file, &text, &mut found);
        if found.len() >= MAX_LITERALS {
            tracing::warn!(path = %path, "so many texts that those of further files place no event");
            break;
        }
    }
    found
}

impl Repository {
    /// The arguments of calls that make up one of these texts, the most telling first. Every file is read for them
    /// the first time.
    #[must_use]
    pub fn literals_in(&self, texts: &[&str]) -> Vec<Literal> {
        let mut standing: Vec<&Quoted> = self
            .quoted()
            .iter()
            .filter(|quoted| texts.iter().any(|text| stand_in(&quoted.parts, text)))
            .collect();
        standing.sort_by_key(|quoted| std::cmp::Reverse(weight(&quoted.parts)));
        let mut parsed: BTreeMap<usize, Option<File>> = BTreeMap::new();
        let mut found = Vec::new();
        for quoted in standing.into_iter().take(MAX_STANDING) {
            if !parsed.contains_key(&quoted.file) && parsed.len() == MAX_FILES {
                continue;
            }
            // Not kept parsed: most files are looked at for nothing else.
            let file = parsed.entry(quoted.file).or_insert_with(|| {
                let path = self.files().get(quoted.file)?;
                Some(File::parse(path.clone(), self.read(path).ok()?)).filter(|file| !file.is_unwieldy())
            });
            found.extend(file.as_ref().and_then(|file| literal(file, quoted)));
        }
        found
    }
}

fn is_source(path: &RepoPath) -> bool {
    let text = path.as_str();
    text.ends_with(".go") && !text.ends_with("_test.go") && !text.split('/').any(|part| part == "vendor")
}

/// Finds string literals by their quotes, as the specification's sections "String literals", "Rune literals" and
/// "Comments" have them.
fn collect(file: usize, text: &str, found: &mut Vec<Quoted>) {
    let bytes = text.as_bytes();
    let mut at = 0;
    while let Some(step) = bytes.get(at..).and_then(next_mark) {
        at += step;
        let rest = bytes.get(at..).unwrap_or_default();
        let length = match rest {
            [b'/', b'/', ..] => memchr(b'\n', rest).unwrap_or(rest.len()),
            [b'/', b'*', ..] => {
                memmem::find(rest.get(2..).unwrap_or_default(), b"*/").map_or(rest.len(), |end| end + 4)
            }
            [b'/', ..] => 1,
            [b'`', inner @ ..] => memchr(b'`', inner).map_or(rest.len(), |end| end + 2),
            [quote, inner @ ..] => quoted_length(*quote, inner),
            [] => break,
        };
        let literal = text.get(at..at + length).filter(|literal| literal.len() > SHORTEST + 1);
        if let Some(literal) = literal.filter(|literal| literal.starts_with(['"', '`'])) {
            let parts = fixed_parts(literal);
            if weight(&parts) >= SHORTEST {
                found.push(Quoted { file, at, parts });
            }
        }
        at += length;
    }
}

/// How far the next quote or slash is.
fn next_mark(bytes: &[u8]) -> Option<usize> {
    bytes.iter().position(|byte| matches!(byte, b'"' | b'`' | b'\'' | b'/'))
}

/// The length of a literal that ends with its quote, or with its line: one that is never closed.
fn quoted_length(quote: u8, inner: &[u8]) -> usize {
    let mut at = 0;
    while let Some(step) = inner.get(at..).and_then(|rest| memchr::memchr3(quote, b'\\', b'\n', rest)) {
        at += step;
        match inner.get(at) {
            Some(b'\\') => at += 2,
            _ => return at + 2,
        }
    }
    inner.len() + 1
}

/// The literal at its place, if it is an argument of a call in a function.
fn literal(file: &File, quoted: &Quoted) -> Option<Literal> {
    let behind = file.functions.partition_point(|function| function.range.end <= quoted.at);
    let function = file.functions.get(behind).filter(|function| function.body.contains(&quoted.at))?;
    let node = file.tree.root_node().named_descendant_for_byte_range(quoted.at, quoted.at + 1)?;
    if !is_argument(node) {
        return None;
    }
    let location =
        Location { file: file.path.clone(), line: file.line_at(quoted.at), function: function.name.clone() };
    Some(Literal { parts: quoted.parts.clone(), location })
}

fn is_argument(node: Node<'_>) -> bool {
    std::iter::successors(Some(node), Node::parent).take(5).any(|node| node.kind() == "argument_list")
}

fn weight(parts: &[String]) -> usize {
    parts.iter().map(String::len).sum()
}

/// Whether all parts stand in a text, in order.
fn stand_in(parts: &[String], text: &str) -> bool {
    let mut rest = text;
    parts.iter().all(|part| match rest.find(part.as_str()) {
        Some(at) => {
            rest = rest.get(at + part.len()..).unwrap_or_default();
            true
        }
        None => false,
    })
}

/// `"reserve %q: %w"` has the fixed parts `reserve ` and `: `. What is written by an escape splits it too.
fn fixed_parts(literal: &str) -> Vec<String> {
    let is_raw = literal.starts_with('`');
    let mut rest = literal.trim_matches(if is_raw { '`' } else { '"' });
    let mut parts = Vec::new();
    while let Some(at) = next_split(rest, is_raw) {
        parts.extend(rest.get(..at).map(str::to_owned));
        let behind = rest.get(at + 1..).unwrap_or_default();
        let length = match rest.as_bytes().get(at) {
            Some(b'%') => behind.find(|c: char| c.is_ascii_alphabetic() || c == '%').map(|verb| verb + 1),
            _ => behind.chars().next().map(char::len_utf8),
        };
        rest = length.and_then(|length| behind.get(length..)).unwrap_or_default();
    }
    parts.push(rest.to_owned());
    parts.retain(|part| !part.is_empty());
    parts
}

fn next_split(text: &str, is_raw: bool) -> Option<usize> {
    match is_raw {
        true => memchr(b'%', text.as_bytes()),
        false => memchr2(b'%', b'\\', text.as_bytes()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(code: &str, text: &str) -> Vec<(usize, u32, String)> {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("go.mod"), "module m\n").unwrap();
        std::fs::write(folder.path().join("p.go"), format!("package p\n\n{code}\n")).unwrap();
        let found = Repository::open(folder.path()).unwrap().literals_in(&[text]);
        found.into_iter().map(|it| (it.weight(), it.location.line, it.location.function)).collect()
    }

    #[test]
    fn literals_explain_texts_by_their_fixed_parts() {
        assert_eq!(fixed_parts("\"reserve %q: %w\""), ["reserve ", ": "]);
        assert_eq!(fixed_parts("`100%% of \\ %+5.2f`"), ["100", " of \\ "]);
        assert_eq!(fixed_parts(r#""say \"%s\"\n now""#), ["say ", " now"]);
        let code = "func f() {\n\tfmt.Errorf(\"reserve %q: %w\", a, err)\n\tx := \"reserve \"\n\tlog(\"%v\", \"err\")\n}";
        assert_eq!(found(code, "reserve \"a\": out of stock"), [(10, 4, "f".to_owned())]);
        assert_eq!(found(code, "released \"a\": out"), []);
        assert_eq!(found(code, "err"), [], "too short to tell anything");
    }

    #[test]
    fn quotes_in_comments_runes_and_strings_are_no_quotes() {
        let code = "// It's \"some words\".\n/* \" */\nfunc f() {\n\tc := '\"'\n\tlog(`a \"b`, \"some \\\"words\\\\\", '\\'', \"some words\")\n}\n\nvar x = log(\"some words\")";
        assert_eq!(found(code, "some words"), [(10, 7, "f".to_owned()), (10, 7, "f".to_owned())]);
        // One that is never closed ends with its line.
        assert_eq!(
            found("func f() {\n\tlog(\"never\n\tlog(\"some words\")\n}", "some words"),
            [(10, 5, "f".to_owned())]
        );
    }

    #[test]
    fn a_repository_is_read_once() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("go.mod"), "module m\n").unwrap();
        let file = folder.path().join("p.go");
        std::fs::write(&file, "package p\n\nfunc f() { log(\"some words\") }\n").unwrap();
        let repository = Repository::open(folder.path()).unwrap();
        assert_eq!(repository.quoted().len(), 1);
        std::fs::remove_file(file).unwrap();
        assert_eq!(repository.quoted().len(), 1);
    }
}
