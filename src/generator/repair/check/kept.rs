//! Checks that keep what is there: an earlier check that asks for more, and a value that is left uncut.

use std::sync::Arc;

use tree_sitter::Node;

use super::Check;
use super::condition::{conjoined, only_statement};
use crate::generator::repair::edit::{Edits, indent_of};
use crate::generator::repair::syntax::{
    called_name, leaves, nodes_of, operands, operator_of, statement_of, statements_above,
};
use crate::repository::go::{Binding, File};

/// An earlier check of the same value that leaves, and asks for too little: it asks for all that is needed.
pub(super) fn strengthened(file: &Arc<File>, check: &Check<'_>) -> Option<Edits> {
    let list = file.text_of(check.at.child_by_field_name("operand")?);
    let length = format!("len({list})");
    let need = match check.bad.strip_prefix(&length)? {
        " == 0" => 1,
        compared => compared.strip_prefix(" < ")?.parse::<u32>().ok()?.max(1),
    };
    let asks_too_little = |part: &Node<'_>| {
        let side = |side| part.child_by_field_name(side).map(|side| file.text_of(side));
        let (left, right) = (side("left").unwrap_or_default(), side("right").unwrap_or_default());
        let number = right.parse::<u32>().ok().filter(|_| left == length);
        match operator_of(file, *part) {
            Some("==") => left == list && right == "nil" || number == Some(0),
            Some("<") => number.is_some_and(|asked| asked < need),
            Some("<=") => number.is_some_and(|asked| asked + 1 < need),
            _ => false,
        }
    };
    let weak = statements_above(check.at)
        .filter(|above| above.kind() == "if_statement" && above.child_by_field_name("initializer").is_none())
        .filter(|above| above.child_by_field_name("consequence").is_some_and(|block| leaves(file, block)))
        .filter_map(|above| above.child_by_field_name("condition"))
        .find_map(|condition| operands(file, condition, "||").into_iter().find(asks_too_little))?;
    let mut edits = Edits::default();
    edits.replace(file, weak.byte_range(), check.bad.clone());
    for (twin, bad) in twins(file, check.at, list) {
        edits.replace(file, twin.byte_range(), bad);
    }
    Some(edits)
}

/// The same too weak question in other functions of the file, of what they got from the same call, and what each needs.
fn twins<'t>(file: &'t File, at: Node<'t>, list: &str) -> Vec<(Node<'t>, String)> {
    let maker = |at: Node<'t>, name: &str| match file.binding(at, name) {
        Some(Binding::Short { statement, .. }) => {
            let call = statement.child_by_field_name("right")?.named_child(0)?;
            Some(called_name(file, call)).filter(|name| !name.is_empty())
        }
        _ => None,
    };
    let Some(made_by) = maker(at, list) else { return Vec::new() };
    let own = file.enclosing_function(at);
    let functions = file.functions.iter().filter_map(|function| file.node_at(function.range.clone()));
    functions
        .filter(|function| Some(*function) != own)
        .flat_map(|function| nodes_of(function, |node| node.kind() == "if_statement"))
        .filter(|above| above.child_by_field_name("consequence").is_some_and(|block| leaves(file, block)))
        .filter_map(|above| {
            let condition = above.child_by_field_name("condition")?;
            let name = condition.child_by_field_name("left")?;
            let is_nil = file.text_of(condition) == format!("{} == nil", file.text_of(name));
            (is_nil && maker(condition, file.text_of(name)) == Some(made_by)).then_some(())?;
            let need = most_indexed(file, file.enclosing_function(condition)?, file.text_of(name))?;
            let length = format!("len({})", file.text_of(name));
            let bad = if need == 1 { format!("{length} == 0") } else { format!("{length} < {need}") };
            Some((condition, bad))
        })
        .collect()
}

/// How many elements the constant indexes of a list need in a function.
fn most_indexed(file: &File, function: Node<'_>, list: &str) -> Option<usize> {
    let indexes = nodes_of(function, |node| {
        node.kind() == "index_expression"
            && node.child_by_field_name("operand").is_some_and(|operand| file.text_of(operand) == list)
    });
    let index = |node: Node<'_>| file.text_of(node.child_by_field_name("index")?).parse::<usize>().ok();
    indexes.into_iter().filter_map(index).max().map(|most| most + 1)
}

/// A value that is cut off is kept as it is where it is too short: by the condition of an `if` that does nothing else,
/// or by one around the statement.
pub(super) fn shortened(file: &Arc<File>, check: &Check<'_>) -> Option<Edits> {
    let statement = statement_of(check.at).filter(|statement| {
        let is_alone =
            |list: Node<'_>| list.named_child_count() == 1 && list.named_child(0) == Some(check.at);
        let (kept, cut) = (statement.child_by_field_name("left"), check.at.child_by_field_name("operand"));
        statement.kind() == "assignment_statement"
            && check.at.kind() == "slice_expression"
            && statement.child_by_field_name("right").is_some_and(is_alone)
            && kept.zip(cut).is_some_and(|(kept, cut)| is_same(file, kept, cut))
    })?;
    if check.good.is_empty() {
        return None;
    }
    let mut edits = Edits::default();
    let branch = statement.parent().and_then(|list| list.parent());
    let around = branch.and_then(|branch| branch.parent()).filter(|around| {
        around.kind() == "if_statement"
            && around.child_by_field_name("alternative").is_none()
            && branch.is_some_and(|branch| only_statement(branch) == Some(statement))
    });
    if let Some(condition) = around.and_then(|around| around.child_by_field_name("condition")) {
        edits.replace(file, condition.byte_range(), conjoined(file, condition, &check.good));
    } else {
        let indent = indent_of(file, statement)?;
        let text = format!("if {} {{\n{indent}\t{}\n{indent}}}", check.good, file.text_of(statement));
        edits.replace(file, statement.byte_range(), text);
    }
    Some(edits)
}

/// Whether what is cut is put back where it was: `x = x[n:]`, or `lines[i] = line[n:]` of a loop over the lines.
fn is_same(file: &File, kept: Node<'_>, cut: Node<'_>) -> bool {
    let kept = kept.named_child(0).filter(|_| kept.named_child_count() == 1).unwrap_or(kept);
    if file.text_of(kept) == file.text_of(cut) {
        return true;
    }
    let Some(Binding::Range { clause, position: 1 }) = file.binding(cut, file.text_of(cut)) else {
        return false;
    };
    let part = |field| kept.child_by_field_name(field).map(|part| file.text_of(part));
    let index = clause.child_by_field_name("left").and_then(|names| names.named_child(0));
    kept.kind() == "index_expression"
        && part("operand") == clause.child_by_field_name("right").map(|list| file.text_of(list))
        && part("index") == index.map(|index| file.text_of(index))
}
