//! A `make` with a negative length.
//!
//! Evidence: `make` of a slice or channel on the failing line. Edit: a check of the length that reports.
//! How large is too large is not for a rule to say.

use crate::generator::repair::case::Case;
use crate::generator::repair::check::Check;
use crate::generator::repair::draft::Draft;
use crate::generator::repair::exit::{Blame, Failure};
use crate::generator::repair::naming::phrase;
use crate::generator::repair::syntax::{noun, only_measures};

pub(super) fn drafts(case: &Case<'_>) -> Vec<Draft> {
    let Some(file) = case.file(0) else { return Vec::new() };
    let mut drafts = Vec::new();
    for make in case.raisers(0, |file, node| {
        node.kind() == "call_expression"
            && node.child_by_field_name("function").is_some_and(|function| file.text_of(function) == "make")
    }) {
        let Some(arguments) = make.child_by_field_name("arguments") else { continue };
        for at in 1..arguments.named_child_count() {
            let Some(length) = u32::try_from(at).ok().and_then(|at| arguments.named_child(at)) else {
                continue;
            };
            if !only_measures(file, length)
                || length.kind() == "int_literal"
                || file.text_of(length).starts_with("len(") && length.kind() == "call_expression"
            {
                continue;
            }
            let text = file.text_of(length);
            let name = noun(file, length);
            let name = if name.chars().count() < 2 { "length".to_owned() } else { name };
            drafts.extend(
                case.check(&Check {
                    depth: 0,
                    at: make,
                    bad: format!("{text} < 0"),
                    good: String::new(),
                    subject: length,
                    failure: Failure::new(Blame::Malformed, format!("negative {}", phrase(&name)))
                        .with(format!("negative {} %d", phrase(&name)), vec![text.to_owned()])
                        .about(name),
                    explanation: format!(
                        "`{text}` may be negative: it is checked before something of that length is made."
                    ),
                }),
            );
        }
    }
    drafts
}
