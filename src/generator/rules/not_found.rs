//! The position of something that was not found: -1 used as an index or as a bound.
//!
//! Evidence: the index, or a bound of the cut, is (or is made of) a variable whose value comes from
//! `strings.Index` and its kin, or from a function of the repository that returns -1. Edit: leave right
//! after the search when it found nothing; where nobody can be told, take the text whole; where the search stands inside the expression, it gets a
//! name first.

use std::sync::Arc;

use tree_sitter::Node;

use crate::generator::repair::case::Case;
use crate::generator::repair::draft::{Draft, Tier};
use crate::generator::repair::edit::{Edits, is_repairable};
use crate::generator::repair::exit::{Blame, Exit, Failure};
use crate::generator::repair::flow::{from_request, origin};
use crate::generator::repair::naming::phrase;
use crate::generator::repair::scope::{fresh, in_scope_before};
use crate::generator::repair::syntax::{called_name, nodes_of, noun, statement_of};
use crate::repository::go::{File, imported_name};

pub(super) fn drafts(case: &Case<'_>) -> Vec<Draft> {
    let Some(file) = case.file(0).filter(|file| is_repairable(file)) else { return Vec::new() };
    let mut drafts = Vec::new();
    let mut seen = Vec::new();
    for raiser in case.raisers(0, |_, node| matches!(node.kind(), "index_expression" | "slice_expression")) {
        for bound in ["index", "start", "end"].iter().filter_map(|field| raiser.child_by_field_name(field)) {
            for part in nodes_of(bound, |node| matches!(node.kind(), "identifier" | "call_expression")) {
                let found = match part.kind() {
                    "identifier" => after_search(case, file, part),
                    _ => inside(case, file, part),
                };
                let Some((key, edits, exit)) = found else { continue };
                if !seen.contains(&key) {
                    seen.push(key);
                    drafts.extend(whole(file, raiser, part).filter(|_| !exit.reports));
                    drafts.push(draft(edits, &exit));
                }
            }
        }
    }
    drafts
}

fn draft(edits: Edits, exit: &Exit) -> Draft {
    let explanation =
        "A search that finds nothing gives -1, which was used as a position: it is checked first.".to_owned();
    Draft::leaving(Tier::Cause, exit.reports, 0, explanation, edits)
}

/// `text[:i]`, `text[i:]` of a position that was not found, where nobody can be told: the text is taken whole.
fn whole(file: &Arc<File>, cut: Node<'_>, position: Node<'_>) -> Option<Draft> {
    let statement = statement_of(origin(file, position)?.statement)?;
    let bound = |field| cut.child_by_field_name(field);
    let text = file.text_of(bound("operand")?);
    let end = match (bound("start"), bound("end")) {
        (Some(start), None) if start == position => "0".to_owned(),
        (None, Some(end)) if end == position => format!("len({text})"),
        _ => return None,
    };
    let name = file.text_of(position);
    let mut edits = Edits::default();
    let lines = [format!("if {name} < 0 {{"), format!("\t{name} = {end}"), "}".to_owned()];
    edits.insert_after(file, statement, &lines)?;
    let explanation = format!(
        "A search that finds nothing gives -1, which was used as a position: `{text}` is taken whole then."
    );
    let open = Some("whether it may be taken whole, nothing here tells".to_owned());
    Some(Draft { tier: Tier::Condition, open, ..Draft::cause(0, explanation, edits) })
}

/// Whether a call looks for a position and gives -1 when there is none.
fn searches(case: &Case<'_>, file: &Arc<File>, call: Node<'_>) -> bool {
    let name = called_name(file, call);
    let library = call
        .child_by_field_name("function")
        .and_then(|function| imported_name(file, function))
        .is_some_and(|(path, _)| matches!(path, "strings" | "bytes" | "slices"));
    if library {
        return name.starts_with("Index") || name.starts_with("LastIndex");
    }
    case.callee(file, call).is_some_and(|callee| {
        callee.file.node_at(callee.function.body.clone()).is_some_and(|body| {
            nodes_of(body, |node| node.kind() == "return_statement")
                .iter()
                .any(|statement| callee.file.text_of(*statement).trim_start_matches("return").trim() == "-1")
        })
    })
}

fn failure(file: &Arc<File>, call: Node<'_>) -> Failure {
    let arguments: Vec<Node<'_>> = call
        .child_by_field_name("arguments")
        .map(|list| {
            let mut cursor = list.walk();
            list.named_children(&mut cursor).collect()
        })
        .unwrap_or_default();
    let value = arguments.first().copied();
    let name = value.map(|value| noun(file, value)).unwrap_or_default();
    let plain = format!("malformed {}", phrase(&name));
    let mut failure = Failure::new(Blame::Malformed, plain.clone()).about(name);
    if let Some(value) = value.filter(|value| matches!(value.kind(), "identifier" | "selector_expression")) {
        let verb = if arguments.len() > 1 { "%q" } else { "%v" };
        failure = failure.with(format!("{plain}: {verb}"), vec![file.text_of(value).to_owned()]);
    }
    failure.requested = from_request(file, call);
    failure
}

/// `i := strings.Index(…)`: asked for right after it.
fn after_search(case: &Case<'_>, file: &Arc<File>, variable: Node<'_>) -> Option<(usize, Edits, Exit)> {
    let origin = origin(file, variable)?;
    let statement = statement_of(origin.statement)?;
    if origin.value.kind() != "call_expression"
        || !searches(case, file, origin.value)
        || statement != origin.statement
        || is_asked(file, statement, variable)
    {
        return None;
    }
    let mut edits = Edits::default();
    let exit = case.leave(&mut edits, file, statement, &failure(file, origin.value));
    edits.insert_after(file, statement, &exit.guarded(&format!("{} < 0", file.text_of(variable))))?;
    Some((statement.start_byte(), edits, exit))
}

/// Whether the code asks for a negative position already, on the way to its use.
fn is_asked(file: &File, statement: Node<'_>, variable: Node<'_>) -> bool {
    let name = file.text_of(variable);
    std::iter::successors(statement.next_named_sibling(), Node::next_named_sibling)
        .take_while(|next| next.start_byte() < variable.start_byte())
        .filter(|next| next.kind() == "if_statement")
        .filter_map(|next| next.child_by_field_name("condition"))
        .any(|condition| {
            let text = file.text_of(condition);
            text.contains(&format!("{name} < 0")) || text.contains(&format!("{name} == -1"))
        })
}

/// `s[:strings.Index(s, x)]`: the position gets a name.
fn inside(case: &Case<'_>, file: &Arc<File>, call: Node<'_>) -> Option<(usize, Edits, Exit)> {
    let statement = statement_of(call)?;
    if !searches(case, file, call) || !in_scope_before(file, call, statement) {
        return None;
    }
    let name = fresh(file, statement, &["at", "position", "index", "found"])?;
    let mut edits = Edits::default();
    let exit = case.leave(&mut edits, file, call, &failure(file, call));
    let mut lines = vec![format!("{name} := {}", file.text_of(call))];
    lines.extend(exit.guarded(&format!("{name} < 0")));
    edits.insert_before(file, statement, &lines)?;
    edits.replace(file, call.byte_range(), name);
    Some((call.start_byte(), edits, exit))
}
