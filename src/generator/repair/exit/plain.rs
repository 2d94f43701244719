//! Leaving a function with the results it has.

use std::sync::Arc;

use tree_sitter::Node;

use super::failure::Failure;
use super::zero::absent_answer;
use super::{answer, log, process};
use crate::generator::repair::case::Case;
use crate::generator::repair::edit::Edits;
use crate::generator::repair::held::{Held, held};
use crate::generator::repair::loops::{rest_of_body, would_not_end};
use crate::generator::repair::scope::in_scope_before;
use crate::generator::repair::syntax::{in_loop, nodes_of, results_of, statement_of};
use crate::repository::go::File;

/// The statements that leave a function.
#[derive(Debug, Clone)]
pub(crate) struct Exit {
    pub(crate) lines: Vec<String>,
    /// Whether the caller learns of it. An exit that does not report may hide the defect.
    pub(crate) reports: bool,
    /// Whether it ends the program, which says so to who started it.
    pub(crate) ends: bool,
}

impl Exit {
    /// One of which the caller learns.
    pub(super) const fn reporting(lines: Vec<String>) -> Self {
        Self { lines, reports: true, ends: false }
    }

    /// `if condition {` … `}` around the statements.
    pub(crate) fn guarded(&self, condition: &str) -> Vec<String> {
        // What is nil has nothing to give back.
        let absent = |line: &&String| {
            let root = line.split(['.', '(']).next().unwrap_or_default();
            !(line.starts_with(&format!("{root}.")) && condition == format!("{root} == nil"))
        };
        let body = self.lines.iter().filter(absent).map(|line| format!("\t{line}"));
        std::iter::once(format!("if {condition} {{")).chain(body).chain(["}".to_owned()]).collect()
    }
}

impl Case<'_> {
    /// The way to leave a function with the results it has. What is held there is given back.
    pub(crate) fn leave_as_it_is(
        &self,
        edits: &mut Edits,
        file: &Arc<File>,
        at: Node<'_>,
        failure: &Failure,
    ) -> Exit {
        let Held { mut releases, open } = held(file, at, false);
        if releases.is_empty() && open.is_none() {
            return self.way_out(edits, file, at, failure);
        }
        let mut exit = self.way_out(edits, file, at, &failure.without_shared());
        if !exit.ends {
            releases.retain(|release| !exit.lines.contains(release));
            if exit.lines.last().is_some_and(|last| last == "continue") {
                let within = held(file, at, true).releases;
                releases.retain(|release| within.contains(release));
            }
            exit.lines.splice(0..0, releases);
            // What was begun and is left open is as bad as what is hidden.
            exit.reports &= open.is_none();
        }
        exit
    }

    fn way_out(&self, edits: &mut Edits, file: &Arc<File>, at: Node<'_>, failure: &Failure) -> Exit {
        let Some(function) = file.enclosing_function(at) else {
            return Exit { lines: vec!["return".to_owned()], reports: false, ends: false };
        };
        if let Some(lines) = skipped_alike(file, at) {
            return Exit::reporting(lines);
        }
        let results = results_of(file, function);
        if let Some((last, others)) = results.split_last() {
            if let Some(error) = self.own_error(file, function, at, failure) {
                return Exit::reporting(match error.is_all {
                    true => vec![format!("return {}", error.text)],
                    false => self.give_back(file, function, others, &error.text),
                });
            }
            if last == "error" {
                let error = self.error(edits, file, function, failure);
                return Exit::reporting(self.give_back(file, function, others, &error));
            }
            // One of many that cannot be used does not mean that there is none.
            if last == "bool" && !others.is_empty() && !is_in_range(at, function) {
                return Exit::reporting(self.give_back(file, function, others, "false"));
            }
        }
        if results.is_empty()
            && let Some(lines) = answer::answer(self, edits, file, function, failure)
        {
            return Exit::reporting(lines);
        }
        if let Some(lines) = self.own_block(file, function, at, failure) {
            return Exit::reporting(lines);
        }
        if let Some(raise) = self.raise(edits, file, function, failure) {
            return Exit::reporting(vec![raise]);
        }
        self.silent(edits, file, at, function, failure)
    }

    /// Leaving where nobody can be told but a log or, in `main`, who started the program.
    fn silent(
        &self,
        edits: &mut Edits,
        file: &Arc<File>,
        at: Node<'_>,
        function: Node<'_>,
        failure: &Failure,
    ) -> Exit {
        // In a loop the rest goes on, unless that were for ever; else nothing is left to do but to say so and
        // end.
        let goes_on = in_loop(at, function)
            && !statement_of(at)
                .is_some_and(|statement| would_not_end(file, statement, &rest_of_body(statement)));
        if process::is_main(file, function) && !goes_on {
            return Exit { lines: process::end(edits, file, failure), reports: true, ends: true };
        }
        let results = results_of(file, function);
        let mut lines: Vec<String> = log::report(file, at, failure).into_iter().collect();
        if goes_on {
            lines.push("continue".to_owned());
        } else if failure.is_absence()
            && let Some(answer) = absent_answer(file, function, at)
        {
            lines.push(answer);
        } else if let Some((last, others)) = results.split_last() {
            let last = self.zero(file, function, last);
            match last {
                Some(last) => lines.extend(self.give_back(file, function, others, &last)),
                None => {
                    let last = &results[results.len() - 1];
                    lines.push(format!("var zero {last}"));
                    lines.extend(self.give_back(file, function, others, "zero"));
                }
            }
        } else {
            lines.push("return".to_owned());
        }
        Exit { lines, reports: false, ends: false }
    }
}

/// Whether a node stands in a loop over what there is.
fn is_in_range(at: Node<'_>, function: Node<'_>) -> bool {
    std::iter::successors(at.parent(), Node::parent).take_while(|node| *node != function).any(|node| {
        node.kind() == "for_statement"
            && node.named_child(0).is_some_and(|clause| clause.kind() == "range_clause")
    })
}

/// In a loop that skips what is malformed, what one of its checks does to skip: those of its body which ask
/// for an error, a missing value or a length. No more than counting is taken over; nothing is, where the loop
/// ever leaves its function.
fn skipped_alike(file: &Arc<File>, at: Node<'_>) -> Option<Vec<String>> {
    let statement = statement_of(at)?;
    let body = loop_body(statement)?;
    let leaves = nodes_of(body, |node| node.kind() == "return_statement");
    if !leaves.is_empty() || would_not_end(file, statement, &rest_of_body(statement)) {
        return None;
    }
    body.named_children(&mut body.walk())
        .filter(|node| node.kind() == "if_statement" && *node != statement && asks_for_form(file, *node))
        .filter_map(|check| check.child_by_field_name("consequence")?.named_child(0))
        .find_map(|list| {
            let statements: Vec<Node<'_>> = list.named_children(&mut list.walk()).collect();
            let (last, before) = statements.split_last()?;
            let counts = before.iter().all(|node| {
                matches!(node.kind(), "inc_statement") && in_scope_before(file, *node, statement)
            });
            (counts && file.text_of(*last) == "continue")
                .then(|| statements.iter().map(|node| file.text_of(*node).to_owned()).collect())
        })
}

/// The statements of the innermost loop's body, when the statement stands right in it.
fn loop_body(statement: Node<'_>) -> Option<Node<'_>> {
    let list = statement.parent()?;
    let around = list.parent().filter(|block| block.kind() == "block")?.parent()?;
    (around.kind() == "for_statement").then_some(list)
}

/// Whether an `if` asks whether something has the form it must have: for an error, an `ok` or a length. An
/// empty line is not malformed.
fn asks_for_form(file: &File, check: Node<'_>) -> bool {
    let Some(condition) = check.child_by_field_name("condition") else { return false };
    let text = file.text_of(condition);
    let negated = text == "!ok";
    let short =
        text.starts_with("len(") && (text.contains(" < ") || text.contains(" != ")) && !text.ends_with(" 0");
    text.ends_with("err != nil") || negated || short
}
