//! A division by zero.
//!
//! Evidence: an integer division or remainder on the failing line whose divisor is no constant. Edits, in
//! order: ask in the condition that uses the result; leave early with an error where the function has
//! one; then zero for the result. Zero may hide the defect, whatever is divided: of `key % shards` it is a
//! shard, and of a mean of nothing it is taken for a mean. For the latter (what was added up, by a length) it
//! is at least what is usual, so it comes before the other ways to hide.

use std::sync::Arc;

use tree_sitter::Node;

use crate::generator::repair::case::Case;
use crate::generator::repair::check::Check;
use crate::generator::repair::draft::{Draft, Tier};
use crate::generator::repair::edit::{Edits, is_repairable, spaced};
use crate::generator::repair::exit::{Blame, Failure};
use crate::generator::repair::flow::{from_request, origin};
use crate::generator::repair::naming::phrase;
use crate::generator::repair::scope::{fresh, in_scope_before};
use crate::generator::repair::syntax::{converted, nodes_of, noun, operator_of, results_of, statement_of};
use crate::repository::go::{File, Shape};

/// A division that can fail.
struct Division<'c> {
    file: &'c Arc<File>,
    at: Node<'c>,
    divisor: Node<'c>,
    /// Whether it is the mean of some values.
    mean: bool,
    /// What must not be zero.
    subject: String,
    /// The condition under which it is not.
    holds: String,
}

impl<'c> Division<'c> {
    fn new(case: &Case<'_>, file: &'c Arc<File>, at: Node<'c>, divisor: Node<'c>) -> Self {
        let subject = subject(file, unconverted(case, file, divisor));
        let operator = if subject.starts_with("len(") { ">" } else { "!=" };
        let holds = format!("{subject} {operator} 0");
        Self { file, at, divisor, mean: is_mean(case, file, at, divisor), subject, holds }
    }

    /// What is done about it, in words.
    fn explained(&self, remedy: &str) -> String {
        format!("`{}` may be zero: {remedy}.", self.file.text_of(self.divisor))
    }
}

pub(super) fn drafts(case: &Case<'_>) -> Vec<Draft> {
    let Some(file) = case.file(0).filter(|file| is_repairable(file)) else { return Vec::new() };
    let mut drafts = Vec::new();
    for at in case.raisers(0, |file, node| divisor(case, file, node).is_some()) {
        let Some(divisor) = divisor(case, file, at) else { continue };
        let division = Division::new(case, file, at, divisor);
        if is_repeatable(file, divisor) {
            drafts.extend(empty_case(case, &division));
            drafts.extend(checks(case, &division));
        } else {
            drafts.extend(named(case, &division));
        }
    }
    drafts
}

/// Whether an expression may be written twice: it calls nothing but lengths and conversions.
fn is_repeatable(file: &File, node: Node<'_>) -> bool {
    nodes_of(node, |node| node.kind() == "call_expression")
        .iter()
        .all(|call| is_plain_call(file.text_of(*call)))
}

fn is_plain_call(text: &str) -> bool {
    ["len(", "int(", "int64(", "int32(", "uint(", "uint64(", "uint32(", "cap("]
        .iter()
        .any(|head| text.starts_with(head))
        || text.starts_with("time.Duration(")
}

/// The divisor of a division that can fail.
fn divisor<'t>(case: &Case<'_>, file: &Arc<File>, node: Node<'t>) -> Option<Node<'t>> {
    let right = match node.kind() {
        "binary_expression" if matches!(operator_of(file, node), Some("/" | "%")) => {
            node.child_by_field_name("right")?
        }
        "assignment_statement"
            if node
                .child_by_field_name("operator")
                .is_some_and(|operator| matches!(file.text_of(operator), "/=" | "%=")) =>
        {
            node.child_by_field_name("right")?.named_child(0)?
        }
        _ => return None,
    };
    let float = |node: Option<Node<'_>>| {
        node.is_some_and(|node| {
            node.kind() == "float_literal"
                || case
                    .resolver
                    .type_of(file, node)
                    .is_some_and(|ty| case.resolver.underlying(&ty).text.starts_with("float"))
        })
    };
    let left = node.child_by_field_name("left");
    (right.kind() != "int_literal" && !float(Some(right)) && !float(left)).then_some(right)
}

/// Whether a division is a mean: a sum that was added up, by a length.
fn is_mean(case: &Case<'_>, file: &Arc<File>, at: Node<'_>, divisor: Node<'_>) -> bool {
    let dividend = at.child_by_field_name("left").filter(|_| operator_of(file, at) == Some("/"));
    dividend.is_some_and(|dividend| is_sum(case, file, bare(file, dividend)) && is_length(file, divisor))
}

/// Whether something is added to a variable, or to a field anywhere in the package.
fn is_sum(case: &Case<'_>, file: &Arc<File>, dividend: Node<'_>) -> bool {
    let grows = |file: &File, root: Node<'_>, is_it: &dyn Fn(Node<'_>) -> bool| {
        nodes_of(root, |node| node.kind() == "assignment_statement").into_iter().any(|node| {
            let operator = node.child_by_field_name("operator");
            operator.is_some_and(|operator| file.text_of(operator) == "+=")
                && node.child_by_field_name("left").and_then(|left| left.named_child(0)).is_some_and(is_it)
        })
    };
    match dividend.kind() {
        "identifier" => file.enclosing_function(dividend).is_some_and(|function| {
            grows(file, function, &|left| file.text_of(left) == file.text_of(dividend))
        }),
        "selector_expression" => {
            let Some(field) = dividend.child_by_field_name("field") else { return false };
            let name = file.text_of(field);
            case.resolver.package_of(file).iter().any(|file| {
                let is_field = |left: Node<'_>| {
                    left.child_by_field_name("field").is_some_and(|field| file.text_of(field) == name)
                };
                grows(file, file.tree.root_node(), &is_field)
            })
        }
        _ => false,
    }
}

/// Whether it is a length, or a variable that was set to one.
fn is_length(file: &File, divisor: Node<'_>) -> bool {
    let is_len = |node: Node<'_>| {
        let function = node.child_by_field_name("function").filter(|_| node.kind() == "call_expression");
        function.is_some_and(|function| file.text_of(function) == "len")
    };
    let divisor = bare(file, divisor);
    let value = (divisor.kind() == "identifier").then(|| origin(file, divisor)).flatten();
    is_len(divisor) || value.is_some_and(|origin| is_len(bare(file, origin.value)))
}

/// What stands inside parentheses and conversions.
fn bare<'t>(file: &File, node: Node<'t>) -> Node<'t> {
    let inner = |node: &Node<'t>| match node.kind() {
        "parenthesized_expression" => node.named_child(0),
        _ => converted(file, *node),
    };
    std::iter::successors(Some(node), inner).last().unwrap_or(node)
}

/// The value inside conversions that keep zero apart from the rest: of an integer to a wider one.
fn unconverted<'t>(case: &Case<'_>, file: &Arc<File>, divisor: Node<'t>) -> Node<'t> {
    let width = |ty: &str| match ty {
        "int8" | "uint8" | "byte" => Some(8),
        "int16" | "uint16" => Some(16),
        "int32" | "uint32" | "rune" => Some(32),
        "int" | "uint" | "uintptr" | "int64" | "uint64" => Some(64),
        _ => None,
    };
    let keeps = |node: Node<'t>| {
        let inner = converted(file, node)?;
        let ty = case.resolver.type_of(file, inner)?;
        let from = width(&case.resolver.underlying(&ty).text)?;
        let to = match file.text_of(node.child_by_field_name("function")?) {
            "int64" | "uint64" | "time.Duration" => 64,
            // As narrow as the smallest machine makes it, unless nothing is converted at all.
            "int" | "uint" if from < 64 || ty.text == "int" || ty.text == "uint" => 64,
            "int32" | "uint32" => 32,
            _ => 0,
        };
        (from <= to).then_some(inner)
    };
    std::iter::successors(Some(divisor), |node| keeps(*node)).last().unwrap_or(divisor)
}

/// What must not be zero: the length itself rather than its conversion.
fn subject(file: &File, divisor: Node<'_>) -> String {
    let text = file.text_of(divisor);
    if let Some(inner) = divisor.named_child(0).filter(|_| divisor.kind() == "parenthesized_expression") {
        // Beside a comparison gofmt writes no spaces inside.
        return file.text_of(inner).replace(' ', "");
    }
    if divisor.kind() == "binary_expression" {
        return text.replace(' ', "");
    }
    subject_of_call(text, divisor).to_owned()
}

fn subject_of_call<'f>(text: &'f str, divisor: Node<'_>) -> &'f str {
    let inner =
        text.find("len(").and_then(|at| text.get(at..)).filter(|_| divisor.kind() == "call_expression");
    match inner {
        Some(inner) if text.starts_with("len(") => inner,
        Some(inner) => inner.strip_suffix(')').unwrap_or(inner),
        None => text,
    }
}

fn what_failed(division: &Division<'_>) -> Failure {
    let list = division.subject.strip_prefix("len(").and_then(|rest| rest.strip_suffix(')'));
    match list {
        Some(list) => {
            let name = list.rsplit('.').next().unwrap_or(list);
            let plural = name.ends_with('s') && name.len() > 2;
            let message =
                if plural { format!("no {}", phrase(name)) } else { format!("empty {}", phrase(name)) };
            Failure::new(Blame::Empty, message).about(name)
        }
        None => {
            let name = noun(division.file, division.divisor);
            let name = if name.chars().count() < 2 { "divisor".to_owned() } else { name };
            Failure::new(Blame::Malformed, format!("{} must not be zero", phrase(&name))).about(name)
        }
    }
}

fn checks(case: &Case<'_>, division: &Division<'_>) -> Vec<Draft> {
    let file = division.file;
    let check = Check {
        depth: 0,
        at: division.at,
        bad: format!("{} == 0", division.subject),
        good: division.holds.clone(),
        subject: division.divisor,
        failure: what_failed(division),
        explanation: division.explained("it is checked before the division"),
    };
    let mut drafts = case.check(&check);
    let returns_number = file.enclosing_function(division.at).is_some_and(|function| {
        let results = results_of(file, function);
        results.len() == 1 && case.zero(file, function, &results[0]).as_deref() == Some("0")
    });
    for draft in drafts.iter_mut().filter(|draft| draft.masks && division.mean && returns_number) {
        draft.tier = Tier::Guard;
    }
    drafts
}

/// `x := a / b` becomes zero, and the quotient where there is one.
fn empty_case(case: &Case<'_>, division: &Division<'_>) -> Option<Draft> {
    let Division { file, at, divisor, mean, .. } = *division;
    let statement = statement_of(at)?;
    if at.kind() != "binary_expression" || !in_scope_before(file, at, statement) {
        return None;
    }
    let left = at.child_by_field_name("left")?;
    if !is_repeatable(file, left) {
        return None;
    }
    let (name, whole) = match declared_name(file, statement, at) {
        Some(name) => (name.to_owned(), true),
        None => {
            let names = ["quotient", "average", "ratio"];
            (fresh(file, statement, &names)?, false)
        }
    };
    let ty = [left, divisor]
        .into_iter()
        .filter(|node| node.kind() != "int_literal")
        .find_map(|node| case.resolver.type_of(file, node))?;
    if ty.home.path.folder() != file.path.folder() || case.resolver.underlying(&ty).shape() != Shape::Number {
        return None;
    }
    let mut edits = Edits::default();
    let declaration =
        if ty.text == "int" { format!("{name} := 0") } else { format!("var {name} {}", ty.text) };
    let lines = vec![
        declaration,
        format!("if {} {{", division.holds),
        format!("\t{name} = {}", spaced(file, at)),
        "}".to_owned(),
    ];
    if whole {
        edits.replace_statement(file, statement, &lines)?;
    } else {
        edits.insert_before(file, statement, &lines)?;
        edits.replace(file, at.byte_range(), name);
    }
    Some(Draft {
        open: None,
        tier: if mean { Tier::Guard } else { Tier::Mask },
        depth: 0,
        explanation: division.explained("the quotient is zero then"),
        masks: true,
        edits,
    })
}

/// The name in `name := division`, when the division is the whole value.
fn declared_name<'f>(file: &'f File, statement: Node<'_>, division: Node<'_>) -> Option<&'f str> {
    let right =
        statement.child_by_field_name("right").filter(|_| statement.kind() == "short_var_declaration")?;
    let left = statement.child_by_field_name("left")?;
    (right.named_child_count() == 1
        && right.named_child(0) == Some(division)
        && left.named_child_count() == 1)
        .then(|| file.text_of(left))
        .filter(|name| *name != "_")
}

/// A divisor that is called for gets a name before it is asked for.
fn named(case: &Case<'_>, division: &Division<'_>) -> Option<Draft> {
    let Division { file, at, divisor, .. } = *division;
    let statement = statement_of(at)?;
    if !in_scope_before(file, divisor, statement) {
        return None;
    }
    let name = fresh(file, statement, &["divisor", "by"])?;
    let mut edits = Edits::default();
    let mut failure = what_failed(division);
    failure.requested = from_request(file, divisor);
    let exit = case.leave(&mut edits, file, at, &failure);
    let mut lines = vec![format!("{name} := {}", file.text_of(divisor))];
    lines.extend(exit.guarded(&format!("{name} == 0")));
    edits.insert_before(file, statement, &lines)?;
    edits.replace(file, divisor.byte_range(), name);
    let explanation = division.explained("it is checked before the division");
    Some(Draft::leaving(Tier::Check, exit.reports, 0, explanation, edits))
}
