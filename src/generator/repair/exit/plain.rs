//! Leaving a function with the results it has.

use std::sync::Arc;

use tree_sitter::Node;

use super::failure::Failure;
use super::{answer, log, process};
use crate::generator::repair::case::Case;
use crate::generator::repair::edit::{Edits, indent_of};
use crate::generator::repair::held::releases;
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
    /// `if condition {` … `}` around the statements.
    pub(crate) fn guarded(&self, condition: &str) -> Vec<String> {
        let body = self.lines.iter().map(|line| format!("\t{line}"));
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
        let held = releases(file, at, false);
        if held.is_empty() {
            return self.way_out(edits, file, at, failure);
        }
        let mut exit = self.way_out(edits, file, at, &failure.without_shared());
        if !exit.ends {
            let within = exit.lines.last().is_some_and(|last| last == "continue");
            let back = if within { releases(file, at, true) } else { held };
            exit.lines.splice(0..0, back);
        }
        exit
    }

    fn way_out(&self, edits: &mut Edits, file: &Arc<File>, at: Node<'_>, failure: &Failure) -> Exit {
        let Some(function) = file.enclosing_function(at) else {
            return Exit { lines: vec!["return".to_owned()], reports: false, ends: false };
        };
        if let Some(lines) = skipped_alike(file, at) {
            return Exit { lines, reports: true, ends: false };
        }
        let results = results_of(file, function);
        if let Some((last, others)) = results.split_last() {
            if last == "error" {
                let error = self.error(edits, file, function, failure);
                return Exit {
                    lines: self.give_back(file, function, others, &error),
                    reports: true,
                    ends: false,
                };
            }
            if last == "bool" && !others.is_empty() {
                return Exit {
                    lines: self.give_back(file, function, others, "false"),
                    reports: true,
                    ends: false,
                };
            }
        }
        if results.is_empty()
            && let Some(lines) = answer::answer(self, edits, file, function, failure)
        {
            return Exit { lines, reports: true, ends: false };
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

/// In a loop that skips what is malformed, what one of its checks does to skip: those of its body which ask
/// for an error, a missing value or a length. None where any of them leaves with an error, or where what
/// they do speaks of names that are not known yet.
fn skipped_alike(file: &Arc<File>, at: Node<'_>) -> Option<Vec<String>> {
    let statement = statement_of(at)?;
    let body = loop_body(statement)?;
    let checks: Vec<Node<'_>> = body
        .named_children(&mut body.walk())
        .filter(|node| node.kind() == "if_statement" && *node != statement && asks_for_form(file, *node))
        .filter_map(|check| check.child_by_field_name("consequence"))
        .collect();
    let leaves = |block: &Node<'_>| {
        nodes_of(*block, |node| node.kind() == "return_statement").into_iter().next().is_some()
    };
    if checks.iter().any(leaves) || would_not_end(file, statement, &rest_of_body(statement)) {
        return None;
    }
    checks.into_iter().find_map(|block| {
        let list = block.named_child(0).filter(|list| list.kind() == "statement_list")?;
        let last = list.named_child(u32::try_from(list.named_child_count().checked_sub(1)?).ok()?)?;
        let known = in_scope_before(file, list, statement);
        let plain = last.kind() == "continue_statement" && last.named_child_count() == 0;
        let indent = indent_of(file, list.named_child(0)?)?;
        let text = file.text_of(list);
        (known && plain && !text.contains('`')).then(|| {
            text.lines().map(|line| line.strip_prefix(indent.as_str()).unwrap_or(line).to_owned()).collect()
        })
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
    let negated = condition.kind() == "unary_expression" && text.starts_with('!');
    let short =
        text.starts_with("len(") && (text.contains(" < ") || text.contains(" != ")) && !text.ends_with(" 0");
    text.ends_with("err != nil") || negated || short
}
