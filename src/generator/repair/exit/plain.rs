//! Leaving a function with the results it has.

use std::sync::Arc;

use tree_sitter::Node;

use super::failure::Failure;
use super::{answer, log, process};
use crate::generator::repair::case::Case;
use crate::generator::repair::edit::Edits;
use crate::generator::repair::loops::{rest_of_body, would_not_end};
use crate::generator::repair::syntax::{in_loop, results_of, statement_of};
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
    /// The way to leave a function with the results it has.
    pub(crate) fn leave_as_it_is(
        &self,
        edits: &mut Edits,
        file: &Arc<File>,
        at: Node<'_>,
        failure: &Failure,
    ) -> Exit {
        let Some(function) = file.enclosing_function(at) else {
            return Exit { lines: vec!["return".to_owned()], reports: false, ends: false };
        };
        let results = results_of(file, function);
        if let Some((last, others)) = results.split_last() {
            if last == "error" {
                let error = self.error(edits, file, failure);
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
        // In a loop the rest goes on, unless that were for ever; else nothing is left to do but to say so and
        // end.
        let goes_on = in_loop(at, function)
            && !statement_of(at)
                .is_some_and(|statement| would_not_end(file, statement, &rest_of_body(statement)));
        if process::is_main(file, function) && !goes_on {
            return Exit { lines: process::end(edits, file, failure), reports: true, ends: true };
        }
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
