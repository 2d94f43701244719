//! A WaitGroup whose count goes below zero.
//!
//! Evidence: `Done` or `Add` on the failing line, in the function that the trace names. Edits: a plain
//! `Done` beside a deferred one goes; an `Add` inside the goroutine it counts moves before its start.

use std::sync::Arc;

use tree_sitter::Node;

use crate::generator::repair::case::Case;
use crate::generator::repair::draft::Draft;
use crate::generator::repair::edit::{Edits, is_repairable};
use crate::generator::repair::syntax::{nodes_in, nodes_of, statement_of};
use crate::repository::go::File;

pub(super) fn drafts(case: &Case<'_>) -> Vec<Draft> {
    let Some(frame) = case.frames.first().filter(|frame| is_repairable(&frame.file)) else {
        return Vec::new();
    };
    let file = &frame.file;
    let mut drafts = Vec::new();
    for function in nodes_in(file, &frame.range, |node| {
        matches!(node.kind(), "func_literal" | "function_declaration" | "method_declaration")
    }) {
        drafts.extend(twice_done(file, function));
        drafts.extend(late_add(file, function));
    }
    drafts
}

/// The statements of a function's own body, its closures left out, with a given text.
fn own<'t>(file: &File, function: Node<'t>, kind: &str, wanted: impl Fn(&str) -> bool) -> Vec<Node<'t>> {
    nodes_of(function, |node| node.kind() == kind && wanted(file.text_of(node)))
        .into_iter()
        .filter(|node| file.enclosing_function(*node) == Some(function))
        .collect()
}

fn twice_done(file: &Arc<File>, function: Node<'_>) -> Option<Draft> {
    let deferred =
        own(file, function, "defer_statement", |text| text.ends_with(".Done()")).into_iter().next()?;
    let call = file.text_of(deferred).strip_prefix("defer ")?;
    let plain = own(file, function, "expression_statement", |text| text == call).into_iter().next()?;
    let mut edits = Edits::default();
    edits.remove_line(file, plain)?;
    Some(Draft::cause(0, format!("`{call}` is called twice, once by `defer`: the plain call goes."), edits))
}

pub(super) fn late_add(file: &Arc<File>, function: Node<'_>) -> Option<Draft> {
    let start = std::iter::successors(function.parent(), Node::parent)
        .take_while(|node| node.kind() != "statement_list")
        .find(|node| node.kind() == "go_statement")?;
    // Others count too: a number that is added to has no `Done`.
    let body = file.text_of(function);
    let counts = |text: &str| {
        text.strip_suffix(".Add(1)").is_some_and(|group| body.contains(&format!("{group}.Done()")))
    };
    let add = own(file, function, "expression_statement", counts).into_iter().next()?;
    let text = file.text_of(add).to_owned();
    let mut edits = Edits::default();
    edits.remove_line(file, add)?;
    edits.insert_before(file, statement_of(start)?, &[text])?;
    Some(Draft::cause(
        0,
        "The goroutine counted itself, which can be too late: it is counted before it starts.".to_owned(),
        edits,
    ))
}
