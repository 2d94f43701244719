//! A check that panics although nothing behind it depends on what it asks for.
//!
//! Evidence: the failing line panics in an `if` that does nothing else, in a function that can report nothing, and what
//! its condition reads (variables, fields, lengths) is read nowhere behind it, in part or as a whole. So what it asserts
//! is needed by none of that, as far as names tell. The program must call it its own bug: what refuses what it is given
//! is meant. Edit: the check is taken out.
//!
//! Risk: the panic may have been meant for who calls too early, and what follows then gives a wrong answer: the draft is
//! labelled as one that may hide the defect.

use std::sync::Arc;

use tree_sitter::Node;

use crate::generator::repair::case::{Case, Frame};
use crate::generator::repair::doubt::is_own_bug;
use crate::generator::repair::draft::{Draft, Tier};
use crate::generator::repair::edit::{Edits, is_repairable};
use crate::generator::repair::exit::{is_panic, is_raiser};
use crate::generator::repair::syntax::{
    called_name, in_loop, is_within, nodes_of, returns_error, root_of, statement_of, statements_in,
};
use crate::repository::go::{Binding, File};

pub(super) fn drafts(case: &Case<'_>) -> Vec<Draft> {
    // A function that is called to panic is no check; that of its caller is.
    let is_one =
        |frame: &Frame| frame.function.as_ref().is_some_and(|function| is_raiser(&frame.file, function));
    let Some(depth) = case.frames.iter().position(|frame| !is_one(frame)) else { return Vec::new() };
    let Some(file) = case.file(depth).filter(|file| is_repairable(file)) else { return Vec::new() };
    let raiser = depth.checked_sub(1).and_then(|inner| case.frames.get(inner)?.function.as_ref());
    let raises = |file: &Arc<File>, node: Node<'_>| {
        node.kind() == "call_expression"
            && match raiser {
                Some(raiser) => called_name(file, node) == raiser.identifier,
                None => is_panic(file, node),
            }
    };
    let call = case.raisers(depth, raises).into_iter().next();
    call.and_then(|call| taken_out(case, depth, file, call)).into_iter().collect()
}

/// The draft without the check around a panic.
fn taken_out(case: &Case<'_>, depth: usize, file: &Arc<File>, call: Node<'_>) -> Option<Draft> {
    is_own_bug(case, depth).then_some(())?;
    let check = plain_check(call)?;
    let function = file.enclosing_function(check)?;
    if returns_error(file, check) || in_loop(check, function) {
        return None;
    }
    let condition = check.child_by_field_name("condition")?;
    let asked = asked(file, condition)?;
    if is_missed(case, file, condition)
        || leaves_unused(file, function, check)
        || depends(file, function, check, &asked)
    {
        return None;
    }
    let mut edits = Edits::default();
    edits.remove_line(file, check)?;
    let explanation = format!(
        "Nothing behind the check reads {} by name: it is taken out, and the function goes on.",
        asked.iter().map(|asked| format!("`{asked}`")).collect::<Vec<_>>().join(" or ")
    );
    Some(Draft { tier: Tier::Mask, depth, explanation, masks: true, open: None, edits })
}

/// The `if` around a call that does nothing else.
fn plain_check(call: Node<'_>) -> Option<Node<'_>> {
    let block = statement_of(call)?.parent()?.parent().filter(|block| block.kind() == "block")?;
    let check = block.parent().filter(|check| check.kind() == "if_statement")?;
    let is_plain = check.child_by_field_name("initializer").is_none()
        && check.child_by_field_name("alternative").is_none()
        && check.child_by_field_name("consequence") == Some(block)
        && statements_in(block).len() == 1
        && check.parent().is_some_and(|list| list.kind() == "statement_list");
    is_plain.then_some(check)
}

/// Whether what a condition asks for is missed elsewhere: an error that nobody asks for is hidden, and what is read of
/// the package may be read by others.
fn is_missed(case: &Case<'_>, file: &Arc<File>, condition: Node<'_>) -> bool {
    let is_error = |node: Node<'_>| case.resolver.type_of(file, node).is_some_and(|ty| ty.text == "error");
    let is_shared = |node: Node<'_>| {
        root_of(node).is_none_or(|root| {
            let text = file.text_of(root);
            text.starts_with(char::is_lowercase) && text != "nil" && file.binding(root, text).is_none()
        })
    };
    let read = nodes_of(condition, is_outermost).into_iter();
    read.filter(|node| !is_word(file.text_of(*node))).any(|node| is_error(node) || is_shared(node))
}

/// Whether a variable is read by a check alone: without it, it does not compile.
fn leaves_unused(file: &File, function: Node<'_>, check: Node<'_>) -> bool {
    let names = nodes_of(check, |node| node.kind() == "identifier").into_iter();
    let mut locals = names.filter(|name| {
        let binding = file.binding(*name, file.text_of(*name));
        binding.is_some_and(|binding| !matches!(binding, Binding::Signature { .. }))
    });
    locals.any(|local| {
        let name = file.text_of(local);
        let named = nodes_of(function, |node| node.kind() == "identifier" && file.text_of(node) == name);
        named.iter().filter(|node| !is_within(**node, check)).count() < 2
    })
}

/// Whether what stands behind a check may read what it asks for; or nothing stands there.
fn depends(file: &File, function: Node<'_>, check: Node<'_>, asked: &[&str]) -> bool {
    let is_asked = |read: Node<'_>| asked.iter().any(|asked| overlap(asked, file.text_of(read)));
    let behind = nodes_of(function, |node| node.start_byte() >= check.end_byte() && is_outermost(node));
    // By another name it is read as well.
    let aliased = nodes_of(function, |node| {
        node.end_byte() <= check.start_byte()
            && matches!(node.kind(), "short_var_declaration" | "assignment_statement" | "var_spec")
            && nodes_of(node, is_outermost).into_iter().any(is_asked)
    });
    // What is deferred, or was started before, may read it too.
    let waits =
        nodes_of(function, |node| matches!(node.kind(), "func_literal" | "defer_statement" | "go_statement"));
    behind.is_empty()
        || behind.into_iter().map(read_by).any(is_asked)
        || !waits.is_empty()
        || !aliased.is_empty()
}

/// What a condition reads, where it does nothing else.
fn asked<'f>(file: &'f File, condition: Node<'_>) -> Option<Vec<&'f str>> {
    let does_more = nodes_of(condition, |node| match node.kind() {
        "index_expression" | "type_assertion_expression" | "func_literal" => true,
        "unary_expression" => file.text_of(node).starts_with("<-"),
        "call_expression" => node.child_by_field_name("function").is_none_or(|function| {
            function.kind() != "identifier" || !matches!(file.text_of(function), "len" | "cap")
        }),
        _ => false,
    });
    let read: Vec<&str> = nodes_of(condition, is_outermost)
        .into_iter()
        .map(|node| file.text_of(node))
        .filter(|text| !is_word(text))
        // Names of packages and constants are nothing that changes.
        .filter(|text| text.starts_with(|c: char| c.is_lowercase()))
        .collect();
    (does_more.is_empty() && !read.is_empty()).then_some(read)
}

/// Whether a name is the language's own.
fn is_word(text: &str) -> bool {
    matches!(text, "nil" | "true" | "false" | "len" | "cap")
}

/// Whether a node is a variable, or a chain of fields of one, as a whole.
fn is_outermost(node: Node<'_>) -> bool {
    matches!(node.kind(), "identifier" | "selector_expression")
        && node.parent().is_none_or(|parent| parent.kind() != "selector_expression")
}

/// What is read by a variable or a chain of fields: of a method that is called, what it is called on.
fn read_by(node: Node<'_>) -> Node<'_> {
    let is_called = node.parent().is_some_and(|parent| {
        parent.kind() == "call_expression" && parent.child_by_field_name("function") == Some(node)
    });
    match node.child_by_field_name("operand") {
        Some(operand) if is_called => operand,
        _ => node,
    }
}

/// Whether one of two chains of fields is the other, or a part of it.
fn overlap(one: &str, other: &str) -> bool {
    let is_part = |whole: &str, part: &str| {
        part.strip_prefix(whole).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    };
    is_part(one, other) || is_part(other, one)
}
