//! A loop over a list that it shortens.
//!
//! Evidence: in `for i, x := range list` the failing statement takes the element out (`list = append(list[:i],
//! list[i+1:]...)`, `slices.Delete(list, i, i+1)`), and goes on: `range` counts by the length from before. Edit: the loop
//! counts by the length as it is, and stays at the index from which an element was taken.
//!
//! Risk: a loop that appends to the list as well goes on over what it appended.

use std::sync::Arc;

use tree_sitter::Node;

use crate::generator::repair::case::Case;
use crate::generator::repair::draft::Draft;
use crate::generator::repair::edit::{Edits, indent_of, is_repairable};
use crate::generator::repair::loops::changes;
use crate::generator::repair::syntax::{children, nodes_of, statement_of, within_function};
use crate::repository::go::File;

pub(super) fn drafts(case: &Case<'_>) -> Vec<Draft> {
    let Some(file) = case.file(0).filter(|file| is_repairable(file)) else { return Vec::new() };
    let takes = |node: Node<'_>| matches!(node.kind(), "slice_expression" | "index_expression");
    let raisers = case.raisers(0, |_, node| takes(node));
    raisers.into_iter().find_map(|raiser| by_index(file, raiser)).into_iter().collect()
}

fn by_index(file: &Arc<File>, raiser: Node<'_>) -> Option<Draft> {
    let around = within_function(raiser).find(|node| node.kind() == "for_statement")?;
    let clause = children(around).into_iter().find(|node| node.kind() == "range_clause")?;
    // Variables of the function go on behind the loop.
    file.text_of(clause).contains(":=").then_some(())?;
    let list = file.text_of(clause.child_by_field_name("right")?);
    let names = children(clause.child_by_field_name("left")?);
    let index = names.first().map(|name| file.text_of(*name)).filter(|name| *name != "_")?;
    let body = around.child_by_field_name("body")?;
    let removals =
        nodes_of(body, |node| node.kind() == "assignment_statement" && removes(file, node, list, index));
    let stays = removals.iter().all(|removal| goes_on(*removal));
    // What changes the index otherwise knows what it does.
    if removals.is_empty() || !stays || !nodes_of(body, |node| changes(file, node, &[index])).is_empty() {
        return None;
    }
    let mut edits = Edits::default();
    for removal in &removals {
        edits.insert_after(file, *removal, &[format!("{index}--")])?;
    }
    edits.replace(file, clause.byte_range(), format!("{index} := 0; {index} < len({list}); {index}++"));
    if let Some(element) = names.get(1).map(|name| file.text_of(*name)).filter(|name| *name != "_") {
        let first = body.named_child(0)?.named_child(0)?;
        let indent = indent_of(file, first)?;
        let at = first.start_byte();
        edits.replace(file, at..at, format!("{element} := {list}[{index}]\n{indent}"));
    }
    let explanation = format!(
        "The loop takes elements out of `{list}` while `range` counts by its length from before: it counts by the length as it is."
    );
    Some(Draft::cause(0, explanation, edits))
}

/// Whether a statement takes the element at an index out of a list.
fn removes(file: &File, assignment: Node<'_>, list: &str, index: &str) -> bool {
    let side = |field| assignment.child_by_field_name(field).map(|side| file.text_of(side).replace(' ', ""));
    let (list, given) = (list.replace(' ', ""), side("right").unwrap_or_default());
    side("left").as_deref() == Some(&*list)
        && (given == format!("append({list}[:{index}],{list}[{index}+1:]...)")
            || given == format!("slices.Delete({list},{index},{index}+1)"))
}

/// Whether the loop goes on after a statement.
fn goes_on(removal: Node<'_>) -> bool {
    let next = statement_of(removal).and_then(|statement| statement.next_named_sibling());
    !next.is_some_and(|next| matches!(next.kind(), "break_statement" | "return_statement" | "goto_statement"))
}
