//! The texts that a repository's code says: the string literals among the arguments of its calls, by which an
//! event without a stack is placed.

use tree_sitter::Node;

use super::Repository;
use super::go::{File, Function};
use crate::domain::{Location, RepoPath};

/// A literal whose fixed parts are shorter than this tells nothing.
const SHORTEST: usize = 4;
/// The most literals that are kept of one repository.
const MAX_LITERALS: usize = 1 << 18;

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
        self.parts.iter().map(String::len).sum()
    }

    /// Whether all its parts stand in a text, in order.
    #[must_use]
    pub fn stands_in(&self, text: &str) -> bool {
        let mut rest = text;
        self.parts.iter().all(|part| match rest.find(part.as_str()) {
            Some(at) => {
                rest = &rest[at + part.len()..];
                true
            }
            None => false,
        })
    }
}

/// All literals of a repository that tell anything, tests and vendored code left out.
pub(super) fn literals(repository: &Repository) -> Vec<Literal> {
    let mut found = Vec::new();
    for path in repository.files().iter().filter(|path| is_source(path)) {
        // Not kept parsed: most files are looked at for nothing else.
        let Ok(text) = repository.read(path) else { continue };
        let file = File::parse(path.clone(), text);
        if !file.is_unwieldy() {
            collect(&file, &mut found);
        }
        if found.len() >= MAX_LITERALS {
            tracing::warn!(path = %path, "so many texts that those of further files place no event");
            break;
        }
    }
    found
}

fn is_source(path: &RepoPath) -> bool {
    let text = path.as_str();
    text.ends_with(".go") && !text.ends_with("_test.go") && !text.split('/').any(|part| part == "vendor")
}

fn collect(file: &File, found: &mut Vec<Literal>) {
    for function in &file.functions {
        let Some(body) = file.node_at(function.body.clone()) else { continue };
        let mut pending = vec![body];
        while let Some(node) = pending.pop() {
            if matches!(node.kind(), "interpreted_string_literal" | "raw_string_literal") {
                if is_argument(node) {
                    found.extend(literal(file, function, node));
                }
                continue;
            }
            let mut cursor = node.walk();
            pending.extend(node.named_children(&mut cursor));
        }
    }
}

/// The literal, if it tells anything.
fn literal(file: &File, function: &Function, node: Node<'_>) -> Option<Literal> {
    let parts = fixed_parts(file.text_of(node).trim_matches(['"', '`']));
    let line = u32::try_from(node.start_position().row + 1).ok()?;
    let location = Location { file: file.path.clone(), line, function: function.name.clone() };
    Some(Literal { parts, location }).filter(|literal| literal.weight() >= SHORTEST)
}

fn is_argument(node: Node<'_>) -> bool {
    std::iter::successors(node.parent(), Node::parent).take(4).any(|node| node.kind() == "argument_list")
}

/// `reserve %q: %w` has the fixed parts `reserve ` and `: `.
fn fixed_parts(literal: &str) -> Vec<String> {
    let mut parts = Vec::new();
    let mut rest = literal;
    while let Some(at) = rest.find('%') {
        parts.push(rest[..at].to_owned());
        let verb = rest[at + 1..].find(|c: char| c.is_ascii_alphabetic() || c == '%');
        rest = verb.map_or("", |verb| &rest[at + verb + 2..]);
    }
    parts.push(rest.to_owned());
    parts.retain(|part| !part.is_empty());
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    fn literals_of(body: &str) -> Vec<Literal> {
        let text = format!("package p\n\nfunc f() {{\n{body}\n}}\n");
        let mut found = Vec::new();
        collect(&File::parse(RepoPath::new("p.go").unwrap(), text), &mut found);
        found
    }

    #[test]
    fn literals_explain_texts_by_their_fixed_parts() {
        assert_eq!(fixed_parts("reserve %q: %w"), ["reserve ", ": "]);
        assert_eq!(fixed_parts("100%% of %+5.2f"), ["100", " of "]);
        let found = literals_of("\tfmt.Errorf(\"reserve %q: %w\", a, err)\n\tx := \"no argument\"");
        let [literal] = found.as_slice() else { panic!("{found:?}") };
        assert_eq!((literal.weight(), literal.location.line), (10, 4));
        assert!(literal.stands_in("reserve \"a\": out of stock"));
        assert!(!literal.stands_in("released \"a\": out"));
        assert_eq!(literals_of("\tlog(\"%v\", \"err\")"), [], "too short to tell anything");
    }

    #[test]
    fn a_repository_is_read_once() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("go.mod"), "module m\n").unwrap();
        let file = folder.path().join("p.go");
        std::fs::write(&file, "package p\n\nfunc f() { log(\"some words\") }\n").unwrap();
        let repository = Repository::open(folder.path()).unwrap();
        assert_eq!(repository.literals().len(), 1);
        std::fs::remove_file(file).unwrap();
        assert_eq!(repository.literals().len(), 1);
    }
}
