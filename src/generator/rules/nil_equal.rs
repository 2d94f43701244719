//! Two values that are compared, of which one is not there.
//!
//! Evidence: a function whose name says that it tells whether two are equal, of two pointers of one type, of which one
//! can be what was nil. Edit: its first statement says that one which is nil equals nil alone.
//!
//! Risk: an empty value may have to equal nil, too.

use crate::generator::repair::case::{Case, Frame};
use crate::generator::repair::draft::Draft;
use crate::generator::repair::edit::{Edits, is_repairable};
use crate::generator::repair::suspect::suspects;
use crate::generator::repair::syntax::statements_in;
use crate::repository::go::Function;

pub(super) fn drafts(case: &Case<'_>) -> Vec<Draft> {
    let suspects = suspects(case);
    let compared = |(depth, frame): (usize, &Frame)| {
        let function = frame.function.as_ref().filter(|_| is_repairable(&frame.file))?;
        let (one, other) = both(function)?;
        let named = |name: &str| {
            let here = suspects.iter().filter(|suspect| suspect.depth == depth);
            here.into_iter().any(|suspect| suspect.file.text_of(suspect.node) == name)
        };
        (named(one) || named(other)).then_some(())?;
        let first = *statements_in(frame.file.node_at(function.body.clone())?).first()?;
        let mut edits = Edits::default();
        let lines = [
            format!("if {one} == nil || {other} == nil {{"),
            format!("\treturn {one} == {other}"),
            "}".to_owned(),
        ];
        edits.insert_before(&frame.file, first, &lines)?;
        let explanation = format!("`{one}` or `{other}` may be nil: nil equals nil alone.");
        let open = Some("whether an empty value equals nil as well, nothing here tells".to_owned());
        Some(Draft { open, ..Draft::cause(depth, explanation, edits) })
    };
    case.frames.iter().enumerate().find_map(compared).into_iter().collect()
}

/// The two pointers that a function compares.
fn both(function: &Function) -> Option<(&str, &str)> {
    let name = function.identifier.to_lowercase();
    let [result] = function.results.as_slice() else { return None };
    (name.starts_with("equal") || name.ends_with("equal") || name == "eq").then_some(())?;
    let (one, other) = match (&function.receiver, function.params.as_slice()) {
        (Some(receiver), [other]) => {
            let ty = other.ty.strip_prefix('*')?;
            (receiver.pointer && receiver.type_name == ty).then_some((&receiver.name, &other.name))?
        }
        (None, [one, other]) => {
            (one.ty == other.ty && one.ty.starts_with('*')).then_some((&one.name, &other.name))?
        }
        _ => return None,
    };
    let is_named = |name: &str| !matches!(name, "" | "_");
    (result.ty == "bool" && is_named(one) && is_named(other)).then_some((one, other))
}
