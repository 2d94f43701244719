//! Where in the repository a failure comes from.
//!
//! A crash names its statements: its frames are looked up by function. A logged error names none, but
//! its text was put together from literals of the source: the statements that hold the most telling
//! ones are where it was made and where it was logged.

use std::sync::Arc;

use tree_sitter::Node;

use crate::domain::{Class, ErrorEvent, Location, RepoPath};
use crate::repository::Repository;
use crate::repository::go::File;

/// The most locations that are kept.
const MAX_LOCATIONS: usize = 10;
/// A literal shorter than this tells nothing.
const SHORTEST_LITERAL: usize = 4;

/// The statements of the repository behind an event, from the failing one outwards. Empty when the
/// event is of another program.
#[must_use]
pub fn localize(event: &ErrorEvent, repository: &Repository) -> Vec<Location> {
    match event.trace.as_ref().filter(|trace| !trace.frames.is_empty()) {
        // A stack without a frame of this repository is another program's, whatever words it shares.
        Some(trace) => unique(trace.frames.iter().filter_map(|frame| repository.locate(frame))),
        // Its text is the client's, put together by the framework.
        None if event.class == Class::FailedRequest => Vec::new(),
        None => by_text(event, repository),
    }
}

/// The statements whose string literals make up the event's text, the most telling first.
fn by_text(event: &ErrorEvent, repository: &Repository) -> Vec<Location> {
    let texts: Vec<&str> = std::iter::once(event.message.as_str())
        .chain(event.attributes.iter().map(|(_, value)| value.as_str()))
        .collect();
    let mut found: Vec<(usize, Location)> = Vec::new();
    for path in repository.files().iter().filter(|path| is_source(path)) {
        let Ok(text) = repository.read(path) else { continue };
        if !may_hold_a_part(&text, &texts) {
            continue;
        }
        if let Ok(file) = repository.go_file(path) {
            collect(&file, &texts, &mut found);
        }
    }
    found.sort_by_key(|(weight, _)| std::cmp::Reverse(*weight));
    unique(found.into_iter().map(|(_, location)| location))
}

fn is_source(path: &RepoPath) -> bool {
    let text = path.as_str();
    text.ends_with(".go") && !text.ends_with("_test.go") && !text.split('/').any(|part| part == "vendor")
}

/// A quick look before parsing: does any literal of the file stand in one of the texts?
fn may_hold_a_part(source: &str, texts: &[&str]) -> bool {
    source.split('"').skip(1).step_by(2).any(|literal| weight(literal, texts) > 0) || source.contains('`')
}

/// Every literal inside a call that stands in one of the texts.
fn collect(file: &Arc<File>, texts: &[&str], found: &mut Vec<(usize, Location)>) {
    for function in &file.functions {
        let Some(body) = file.node_at(function.body.clone()) else { continue };
        let mut pending = vec![body];
        while let Some(node) = pending.pop() {
            if matches!(node.kind(), "interpreted_string_literal" | "raw_string_literal") {
                let literal = file.text_of(node).trim_matches(['"', '`']);
                let weight = weight(literal, texts);
                if weight > 0 && is_argument(node) {
                    let line = file.line_at(node.start_byte());
                    let function = function.name.clone();
                    found.push((weight, Location { file: file.path.clone(), line, function }));
                }
                continue;
            }
            let mut cursor = node.walk();
            pending.extend(node.named_children(&mut cursor));
        }
    }
}

fn is_argument(node: Node<'_>) -> bool {
    std::iter::successors(node.parent(), Node::parent).take(4).any(|node| node.kind() == "argument_list")
}

/// How much of the texts a literal explains: the bytes of its fixed parts, if all stand in one text in
/// order. Format verbs split a literal into its fixed parts.
fn weight(literal: &str, texts: &[&str]) -> usize {
    let parts: Vec<&str> = fixed_parts(literal);
    let bytes: usize = parts.iter().map(|part| part.len()).sum();
    if bytes < SHORTEST_LITERAL {
        return 0;
    }
    let stands_in = |text: &&str| {
        let mut rest = *text;
        parts.iter().all(|part| match rest.find(part) {
            Some(at) => {
                rest = &rest[at + part.len()..];
                true
            }
            None => false,
        })
    };
    if texts.iter().any(stands_in) { bytes } else { 0 }
}

/// `reserve %q: %w` has the fixed parts `reserve ` and `: `.
fn fixed_parts(literal: &str) -> Vec<&str> {
    let mut parts = Vec::new();
    let mut rest = literal;
    while let Some(at) = rest.find('%') {
        parts.push(&rest[..at]);
        let verb = rest[at + 1..].find(|c: char| c.is_ascii_alphabetic() || c == '%');
        rest = verb.map_or("", |verb| &rest[at + verb + 2..]);
    }
    parts.push(rest);
    parts.retain(|part| !part.is_empty());
    parts
}

fn unique(locations: impl Iterator<Item = Location>) -> Vec<Location> {
    let mut kept: Vec<Location> = Vec::new();
    for location in locations {
        if !kept.contains(&location) {
            kept.push(location);
        }
        if kept.len() == MAX_LOCATIONS {
            break;
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::{fixed_parts, weight};

    #[test]
    fn literals_explain_texts_by_their_fixed_parts() {
        assert_eq!(fixed_parts("reserve %q: %w"), ["reserve ", ": "]);
        assert_eq!(fixed_parts("100%% of %+5.2f"), ["100", " of "]);
        assert_eq!(weight("reserve %q: %w", &["reserve \"a\": out of stock"]), 10);
        assert_eq!(weight("reserve %q: %w", &["released \"a\": out"]), 0);
        assert_eq!(weight("%v", &["anything"]), 0);
        assert_eq!(weight("err", &["err"]), 0, "too short to tell anything");
    }
}
