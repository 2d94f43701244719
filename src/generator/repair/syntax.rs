//! Reading the syntax tree: the nodes of a kind, what a node stands in, and what it names.

use std::ops::Range;

use tree_sitter::Node;

use super::naming::singular;
pub(crate) use crate::repository::go::nodes_of;
use crate::repository::go::{File, earlier};

/// The nodes in a range that satisfy a condition, children before their parents.
pub(crate) fn nodes_in<'t>(
    file: &'t File,
    range: &Range<usize>,
    wanted: impl Fn(Node<'t>) -> bool,
) -> Vec<Node<'t>> {
    let Some(top) = file.node_at(range.clone()) else { return Vec::new() };
    nodes_of(top, wanted)
}

/// The lines a node covers, from 1.
pub(crate) fn lines(node: Node<'_>) -> std::ops::RangeInclusive<u32> {
    let line = |row: usize| u32::try_from(row + 1).unwrap_or(u32::MAX);
    line(node.start_position().row)..=line(node.end_position().row)
}

/// The named children of a node.
pub(crate) fn children(node: Node<'_>) -> Vec<Node<'_>> {
    node.named_children(&mut node.walk()).collect()
}

/// The statements of a block or of a case.
pub(crate) fn statements_in(block: Node<'_>) -> Vec<Node<'_>> {
    let list = children(block).into_iter().find(|child| child.kind() == "statement_list");
    list.map(children).unwrap_or_default()
}

/// The statement of a block (or of a case) that holds a node.
pub(crate) fn statement_of(node: Node<'_>) -> Option<Node<'_>> {
    std::iter::successors(Some(node), Node::parent).find(|node| is_listed(*node))
}

/// The statement right in a function's body that holds a node.
pub(crate) fn outermost<'t>(body: Node<'t>, node: Node<'t>) -> Option<Node<'t>> {
    std::iter::successors(Some(node), Node::parent)
        .find(|node| node.parent().and_then(|list| list.parent()) == Some(body))
}

/// A node and what it stands in, within its function.
pub(crate) fn within_function(node: Node<'_>) -> impl Iterator<Item = Node<'_>> {
    std::iter::successors(Some(node), Node::parent).take_while(|node| {
        !matches!(node.kind(), "func_literal" | "function_declaration" | "method_declaration")
    })
}

/// Whether a node is a statement of a block or of a case.
pub(crate) fn is_listed(node: Node<'_>) -> bool {
    node.parent().is_some_and(|parent| parent.kind() == "statement_list")
}

/// The statements that were run on the way to a node, nearest first: those above it in its block, and above
/// the statements it stands in.
pub(crate) fn statements_above(node: Node<'_>) -> impl Iterator<Item = Node<'_>> {
    within_function(node).filter(|node| is_listed(*node)).flat_map(|node| earlier(node))
}

/// `x` and `M` of the call `x.M(…)`.
pub(crate) fn method_call(call: Node<'_>) -> Option<(Node<'_>, Node<'_>)> {
    let function = call.child_by_field_name("function").filter(|_| call.kind() == "call_expression")?;
    function.child_by_field_name("operand").zip(function.child_by_field_name("field"))
}

/// Whether an expression is evaluated each time its statement is: it stands in no branch, no loop's body,
/// no function literal, and behind no `&&` or `||`.
pub(crate) fn is_always_evaluated(file: &File, expression: Node<'_>, statement: Node<'_>) -> bool {
    let mut child = expression;
    while child != statement {
        let Some(parent) = child.parent() else { return false };
        let is = |field: &str| parent.child_by_field_name(field) == Some(child);
        let optional = match parent.kind() {
            "block" | "func_literal" | "expression_case" | "type_case" | "default_case"
            | "communication_case" => true,
            "binary_expression" => matches!(operator_of(file, parent), Some("&&" | "||")) && is("right"),
            "if_statement" => is("alternative"),
            "for_clause" => is("update"),
            _ => false,
        };
        if optional {
            return false;
        }
        child = parent;
    }
    true
}

/// Whether what an expression calls may be called for right before its statement: each time, once, and not for later.
pub(crate) fn may_be_called_before(file: &File, expression: Node<'_>, statement: Node<'_>) -> bool {
    is_always_evaluated(file, expression, statement)
        && !matches!(statement.kind(), "for_statement" | "go_statement" | "defer_statement")
}

/// Whether a statement may keep those behind it from running though nothing failed: it can return, break
/// off or end the program, and not only because of an error.
pub(crate) fn may_leave(file: &File, statement: Node<'_>) -> bool {
    let condition = statement
        .child_by_field_name("condition")
        .filter(|_| statement.child_by_field_name("alternative").is_none())
        .map(|condition| file.text_of(condition));
    if condition.is_some_and(|condition| condition.ends_with("!= nil") || condition.starts_with('!')) {
        return false;
    }
    let leaves = nodes_of(statement, |node| match node.kind() {
        "return_statement" | "break_statement" | "continue_statement" | "goto_statement" => true,
        "call_expression" => ends_program(file, node),
        _ => false,
    });
    !leaves.is_empty()
}

/// Whether a statement is an `if` that asks whether an error is set.
pub(crate) fn asks_for(file: &File, node: Node<'_>, name: &str) -> bool {
    node.kind() == "if_statement"
        && node.child_by_field_name("initializer").is_none()
        && node.child_by_field_name("condition").is_some_and(|condition| {
            file.text_of(condition).contains("nil")
                && nodes_of(condition, |node| node.kind() == "identifier")
                    .into_iter()
                    .any(|node| file.text_of(node) == name)
        })
}

/// Whether a block ends by leaving.
pub(crate) fn leaves(file: &File, block: Node<'_>) -> bool {
    let Some(list) = block.named_child(0).filter(|list| list.kind() == "statement_list") else {
        return false;
    };
    let mut cursor = list.walk();
    let last = list.named_children(&mut cursor).filter(|node| node.kind() != "comment").last();
    last.is_some_and(|last| {
        matches!(
            last.kind(),
            "return_statement" | "continue_statement" | "break_statement" | "goto_statement"
        ) || ["panic(", "os.Exit(", "log.Fatal", "t.Fatal"]
            .iter()
            .any(|head| file.text_of(last).starts_with(head))
    })
}

/// Whether a call ends the program or its goroutine.
pub(crate) fn ends_program(file: &File, call: Node<'_>) -> bool {
    let name = called_name(file, call);
    matches!(name, "panic" | "Exit" | "Goexit") || name.starts_with("Fatal")
}

/// The identifier that a call names: `f` of `f(x)`, `M` of `a.b.M(x)`; empty for anything else.
pub(crate) fn called_name<'f>(file: &'f File, call: Node<'_>) -> &'f str {
    let Some(mut function) = call.child_by_field_name("function") else { return "" };
    if matches!(function.kind(), "index_expression" | "type_instantiation_expression")
        && let Some(inner) = function.named_child(0)
    {
        function = inner;
    }
    let name = function.child_by_field_name("field").unwrap_or(function);
    if matches!(name.kind(), "identifier" | "field_identifier") { file.text_of(name) } else { "" }
}

/// The variable at the root of a chain of selectors, indexes and calls on it: `a` of `a.b[i].c`.
pub(crate) fn root_of(node: Node<'_>) -> Option<Node<'_>> {
    let mut node = node;
    loop {
        node = match node.kind() {
            "identifier" => return Some(node),
            "selector_expression"
            | "index_expression"
            | "slice_expression"
            | "type_assertion_expression"
            | "unary_expression" => node.child_by_field_name("operand")?,
            "parenthesized_expression" => node.named_child(0)?,
            _ => return None,
        };
    }
}

/// The value that a declaration gives to one of its names: the call for all of them, or its own.
pub(crate) fn value_at(list: Node<'_>, position: usize) -> Option<Node<'_>> {
    if list.kind() != "expression_list" {
        return Some(list);
    }
    let at = if list.named_child_count() == 1 { 0 } else { position };
    list.named_child(u32::try_from(at).ok()?)
}

/// Whether a node lies inside another.
pub(crate) fn is_within(node: Node<'_>, outer: Node<'_>) -> bool {
    outer.start_byte() <= node.start_byte() && node.end_byte() <= outer.end_byte()
}

/// The operator of a unary or binary expression.
pub(crate) fn operator_of<'f>(file: &'f File, node: Node<'_>) -> Option<&'f str> {
    matches!(node.kind(), "binary_expression" | "unary_expression")
        .then(|| node.child_by_field_name("operator").map(|operator| file.text_of(operator)))
        .flatten()
}

/// The operands of a chain of one operator, left to right.
pub(crate) fn operands<'t>(file: &File, node: Node<'t>, operator: &str) -> Vec<Node<'t>> {
    let mut operands = Vec::new();
    let mut left = Some(node);
    while let Some(node) = left {
        let is_chain = operator_of(file, node) == Some(operator);
        let operand = if is_chain { node.child_by_field_name("right") } else { Some(node) };
        operands.extend(operand);
        left = node.child_by_field_name("left").filter(|_| is_chain);
    }
    operands.reverse();
    operands
}

/// An index as a variable and a constant added to it.
pub(crate) fn shifted<'t>(file: &File, index: Node<'t>) -> Option<(Node<'t>, i64)> {
    if index.kind() == "identifier" {
        return Some((index, 0));
    }
    let (left, right) = (index.child_by_field_name("left")?, index.child_by_field_name("right")?);
    let amount: i64 = file.text_of(right).parse().ok()?;
    let sign = match operator_of(file, index)? {
        "+" => 1,
        "-" => -1,
        _ => return None,
    };
    (left.kind() == "identifier").then_some((left, sign * amount))
}

/// The result types of a function's declaration or literal, one a result.
pub(crate) fn results_of(file: &File, function: Node<'_>) -> Vec<String> {
    let Some(result) = function.child_by_field_name("result") else { return Vec::new() };
    if result.kind() != "parameter_list" {
        return vec![file.text_of(result).to_owned()];
    }
    let mut types = Vec::new();
    let mut cursor = result.walk();
    for declaration in result.named_children(&mut cursor) {
        let Some(ty) = declaration.child_by_field_name("type") else { continue };
        let mut names = declaration.walk();
        let count = declaration.children_by_field_name("name", &mut names).filter(Node::is_named).count();
        for _ in 0..count.max(1) {
            types.push(file.text_of(ty).to_owned());
        }
    }
    types
}

/// Whether the function around a node has an error as its last result.
pub(crate) fn returns_error(file: &File, node: Node<'_>) -> bool {
    let function = file.enclosing_function(node);
    function.is_some_and(|function| results_of(file, function).last().is_some_and(|last| last == "error"))
}

/// Whether a statement leaves a function with an error.
pub(crate) fn is_error_return(file: &File, statement: Node<'_>) -> bool {
    let last =
        statement.named_child(0).filter(|_| statement.kind() == "return_statement").and_then(last_child);
    last.is_some_and(|last| last.kind() != "nil") && returns_error(file, statement)
}

/// What stands between the quotes of a literal text.
pub(crate) fn unquoted(literal: &str) -> &str {
    literal.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or(literal)
}

/// The last named child of a node.
pub(crate) fn last_child(node: Node<'_>) -> Option<Node<'_>> {
    node.named_child(u32::try_from(node.named_child_count().checked_sub(1)?).ok()?)
}

/// Whether a node stands in a loop of a function's own body.
pub(crate) fn in_loop(node: Node<'_>, function: Node<'_>) -> bool {
    let mut child = node;
    for parent in std::iter::successors(node.parent(), Node::parent).take_while(|node| *node != function) {
        if parent.kind() == "for_statement" && parent.child_by_field_name("body") == Some(child) {
            return true;
        }
        child = parent;
    }
    false
}

/// The value inside a conversion to a built-in type, or to one that the file declares: `n` of `int64(n)`.
pub(crate) fn converted<'t>(file: &File, call: Node<'t>) -> Option<Node<'t>> {
    const BUILT_IN: &[&str] = &[
        "int",
        "int8",
        "int16",
        "int32",
        "int64",
        "uint",
        "uint8",
        "uint16",
        "uint32",
        "uint64",
        "uintptr",
        "float32",
        "float64",
        "byte",
        "rune",
        "string",
        "time.Duration",
    ];
    let name = file.text_of(call.child_by_field_name("function")?);
    let declared = || {
        name.chars().all(|c| c.is_alphanumeric() || c == '_')
            && file.text.contains(&format!("\ntype {name} "))
    };
    let arguments = call.child_by_field_name("arguments").filter(|list| list.named_child_count() == 1)?;
    arguments.named_child(0).filter(|_| BUILT_IN.contains(&name) || declared())
}

/// Whether an expression may be written twice: it calls nothing but `len` and `cap`, and converts.
pub(crate) fn only_measures(file: &File, expression: Node<'_>) -> bool {
    nodes_of(expression, |node| node.kind() == "call_expression")
        .into_iter()
        .all(|call| matches!(called_name(file, call), "len" | "cap") || converted(file, call).is_some())
}

/// A name for the thing an expression is, for messages: the last name in it.
pub(crate) fn noun(file: &File, node: Node<'_>) -> String {
    match node.kind() {
        "selector_expression" => {
            node.child_by_field_name("field").map(|field| file.text_of(field).to_owned()).unwrap_or_default()
        }
        "index_expression" => node
            .child_by_field_name("operand")
            .map(|operand| singular(&noun(file, operand)))
            .unwrap_or_default(),
        "call_expression" => converted(file, node)
            .map_or_else(|| called_name(file, node).to_owned(), |inner| noun(file, inner)),
        "type_conversion_expression" => {
            node.child_by_field_name("operand").map(|inner| noun(file, inner)).unwrap_or_default()
        }
        "unary_expression" | "parenthesized_expression" | "slice_expression" => {
            node.named_child(0).map(|inner| noun(file, inner)).unwrap_or_default()
        }
        "identifier" => file.text_of(node).to_owned(),
        _ => String::new(),
    }
}
