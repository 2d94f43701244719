//! A part cut out of something too short.
//!
//! Evidence: a slice expression on the failing line; the message tells which bound was beyond what. Edits,
//! in order: for a window of a list (a page), bounds held within the list, since the last page is short
//! and the next one empty (at the front too, where a negative bound cannot be reported); a check of the
//! lengths with an error; for text that is cut for display, the whole text where it is short enough. The last
//! hides too short a value where it must not be short.

use std::sync::Arc;

use tree_sitter::Node;

use crate::generator::repair::case::Case;
use crate::generator::repair::check::Check;
use crate::generator::repair::draft::{Draft, Tier};
use crate::generator::repair::edit::{Edits, is_repairable, spaced};
use crate::generator::repair::exit::{Blame, Failure};
use crate::generator::repair::flow::origin;
use crate::generator::repair::loops::changes;
use crate::generator::repair::naming::{phrase, words};
use crate::generator::repair::scope::{fresh, in_scope_before};
use crate::generator::repair::syntax::{
    called_name, converted, nodes_of, noun, only_measures, operator_of, results_of, returns_error,
    statement_of,
};
use crate::repository::go::{Binding, File, Shape, package_binding};

pub(super) fn drafts(case: &Case<'_>) -> Vec<Draft> {
    let Some(file) = case.file(0).filter(|file| is_repairable(file)) else { return Vec::new() };
    let mut drafts = Vec::new();
    for raiser in case.raisers(0, |_, node| node.kind() == "slice_expression") {
        let Some(cut) = Cut::of(file, raiser) else { continue };
        drafts.extend(window(case, file, &cut, Below::NotAsked));
        if !returns_error(file, raiser) && is_of_pages(file, raiser) {
            drafts.extend(window(case, file, &cut, Below::Held));
        }
        drafts.extend(display(case, file, &cut));
        drafts.extend(cut.check(case, file).iter().flat_map(|check| case.check(check)));
    }
    drafts
}

/// A slice expression, taken apart.
struct Cut<'t> {
    node: Node<'t>,
    operand: Node<'t>,
    list: &'t str,
    start: Option<Node<'t>>,
    end: Option<Node<'t>>,
}

impl<'t> Cut<'t> {
    /// The message of bounds that are not known before: it names the variable which was out of range, or
    /// the value that was too short for a constant.
    fn out_of_range(&self, case: &Case<'_>, file: &Arc<File>, name: &str) -> Failure {
        if let Some(need) = self.named_need(case, file) {
            let plain = format!("{} too short", phrase(name));
            let arguments = vec![need.to_owned(), format!("len({})", self.list)];
            return Failure::new(Blame::Malformed, plain.clone())
                .with(format!("{plain}: want at least %d, got %d"), arguments);
        }
        let subject = match (self.start, self.end) {
            (Some(bound), None) | (None, Some(bound)) if noun(file, bound).len() > 2 => {
                phrase(&noun(file, bound))
            }
            _ if name.chars().count() < 2 => "bounds".to_owned(),
            _ => format!("bounds of {}", phrase(name)),
        };
        Failure::new(Blame::Malformed, format!("{subject} out of range"))
    }

    fn of(file: &'t File, node: Node<'t>) -> Option<Self> {
        let operand = node.child_by_field_name("operand")?;
        let (start, end) = (node.child_by_field_name("start"), node.child_by_field_name("end"));
        let pure = |part: Node<'_>| only_measures(file, part);
        (pure(operand)
            && start.is_none_or(pure)
            && end.is_none_or(pure)
            && (start.is_some() || end.is_some()))
        .then(|| Self { node, operand, list: file.text_of(operand), start, end })
    }

    /// The conditions under which the bounds are wrong and right.
    fn conditions(&self, case: &Case<'_>, file: &Arc<File>) -> Option<(String, String)> {
        let length = format!("len({})", self.list);
        let text = |node: Option<Node<'_>>| node.map(|node| file.text_of(node).to_owned());
        let (start, end) = (text(self.start), text(self.end));
        if let Some(need) = self.constant_need(file) {
            return Some((format!("{length} < {need}"), format!("{length} >= {need}")));
        }
        if let Some(need) = self.named_need(case, file) {
            return Some((format!("{length} < {need}"), format!("{length} >= {need}")));
        }
        if let Some(count) = self.count_of_last(file) {
            let count = file.text_of(count);
            return Some((
                format!("{count} < 0 || {count} > {length}"),
                format!("{count} >= 0 && {count} <= {length}"),
            ));
        }
        let unsigned = |node: Option<Node<'_>>| {
            node.and_then(|node| case.resolver.type_of(file, node))
                .is_some_and(|ty| ty.text.starts_with("uint"))
        };
        let counts =
            |node: Option<Node<'_>>| node.is_some_and(|node| is_count(case, file, node, 3)) || unsigned(node);
        let (mut bad, mut good) = (Vec::new(), Vec::new());
        if let Some(start) = start.as_ref().filter(|_| !counts(self.start)) {
            bad.push(format!("{start} < 0"));
            good.push(format!("{start} >= 0"));
        }
        match (&start, &end) {
            (Some(start), Some(end)) if start != "0" && !self.adds_to_start(case, file) => {
                bad.push(format!("{end} < {start}"));
                good.push(format!("{start} <= {end}"));
            }
            (None, Some(end)) if !counts(self.end) => {
                bad.push(format!("{end} < 0"));
                good.push(format!("{end} >= 0"));
            }
            _ => {}
        }
        let last = end.as_ref().or(start.as_ref())?;
        if !last.replace(' ', "").starts_with(&length) {
            let last = case.as_int(file, self.end.or(self.start)?);
            bad.push(format!("{last} > {length}"));
            good.push(format!("{last} <= {length}"));
        }
        (!bad.is_empty()).then(|| (bad.join(" || "), good.join(" && ")))
    }

    /// Whether the end is the start and so many more: `s[i:i+n]`.
    fn adds_to_start(&self, case: &Case<'_>, file: &Arc<File>) -> bool {
        let (Some(start), Some(end)) = (self.start, self.end) else { return false };
        let plain = |node: Node<'_>| file.text_of(node).replace(' ', "");
        let more = plain(end).strip_prefix(&plain(start)).is_some_and(|more| more.starts_with('+'));
        let added = end.child_by_field_name("right");
        more && operator_of(file, end) == Some("+")
            && added.is_some_and(|added| is_count(case, file, added, 3))
    }

    /// `n` of `s[len(s)-n:]`, the last so many.
    fn count_of_last(&self, file: &File) -> Option<Node<'t>> {
        let start = self.start.filter(|start| self.end.is_none() && start.kind() == "binary_expression")?;
        let (left, right) = (start.child_by_field_name("left")?, start.child_by_field_name("right")?);
        let of_length = operator_of(file, start) == Some("-")
            && file.text_of(left).replace(' ', "") == format!("len({})", self.list);
        (of_length && right.kind() == "identifier").then_some(right)
    }

    /// How long the value must be, where constants alone decide: `s[:8]`, `s[1:len(s)-1]`.
    fn constant_need(&self, file: &File) -> Option<i64> {
        let length = format!("len({})", self.list);
        let number = |node: Node<'_>| file.text_of(node).parse::<i64>().ok();
        let from_end = |node: Node<'_>| {
            let text = file.text_of(node).replace(' ', "");
            text.strip_prefix(&length)?.strip_prefix('-')?.parse::<i64>().ok()
        };
        match (self.start, self.end) {
            (None, Some(end)) => number(end).or_else(|| from_end(end)),
            (Some(start), None) => number(start).or_else(|| from_end(start)),
            (Some(start), Some(end)) => match (number(start), number(end)) {
                (Some(_), Some(end)) => Some(end),
                (Some(start), None) => from_end(end).map(|back| start + back),
                _ => None,
            },
            (None, None) => None,
        }
        .filter(|need| *need > 0)
    }

    /// The same, where the only bound is a constant with a name.
    fn named_need<'f>(&self, case: &Case<'_>, file: &'f Arc<File>) -> Option<&'f str> {
        let bound = match (self.start, self.end) {
            (None, Some(bound)) | (Some(bound), None) => bound,
            _ => return None,
        };
        is_constant(case, file, bound).then(|| file.text_of(bound))
    }

    fn check(&self, case: &Case<'_>, file: &Arc<File>) -> Option<Check<'t>> {
        let (bad, good) = self.conditions(case, file)?;
        let name = noun(file, self.operand);
        let length = format!("len({})", self.list);
        let failure = match self.constant_need(file) {
            Some(need) => Failure::new(Blame::Malformed, format!("{} too short", phrase(&name)))
                .with(format!("{} too short: want at least {need}, got %d", phrase(&name)), vec![length]),
            None => self.out_of_range(case, file, &name),
        };
        Some(Check {
            depth: 0,
            at: self.node,
            bad,
            good,
            subject: self.node,
            failure: failure.about(name),
            explanation: format!(
                "`{}` may reach beyond the value: the bounds are checked first.",
                file.text_of(self.node)
            ),
        })
    }
}

/// Whether an expression counts something, and so is never negative: a length, a number, a sum of those, or a variable
/// that was given one.
fn is_count(case: &Case<'_>, file: &Arc<File>, node: Node<'_>, depth: usize) -> bool {
    match node.kind() {
        "int_literal" => true,
        "call_expression" => {
            // What fits into an int.
            let small = |ty: &str| matches!(ty, "byte" | "uint8" | "uint16" | "uint32");
            let ty = converted(file, node).and_then(|inner| case.resolver.type_of(file, inner));
            matches!(called_name(file, node), "len" | "cap") || ty.is_some_and(|ty| small(&ty.text))
        }
        "parenthesized_expression" => {
            node.named_child(0).is_some_and(|inner| is_count(case, file, inner, depth))
        }
        "binary_expression" if operator_of(file, node) == Some("+") => {
            let part =
                |side| node.child_by_field_name(side).is_some_and(|part| is_count(case, file, part, depth));
            part("left") && part("right")
        }
        "identifier" => {
            let given = origin(file, node).filter(|_| depth > 0 && is_kept(file, node));
            given.is_some_and(|given| is_count(case, file, given.value, depth - 1))
        }
        _ => false,
    }
}

/// Whether nothing in its function changes a variable once it is declared.
fn is_kept(file: &File, variable: Node<'_>) -> bool {
    let names = [file.text_of(variable)];
    let function = file.enclosing_function(variable);
    function.is_some_and(|function| nodes_of(function, |node| changes(file, node, &names)).is_empty())
}

/// Whether a name is a constant of the package or the function: it is what the programmer took for right.
fn is_constant(case: &Case<'_>, file: &Arc<File>, node: Node<'_>) -> bool {
    let name = file.text_of(node);
    if node.kind() != "identifier" {
        return false;
    }
    match file.binding(node, name) {
        Some(Binding::Var { spec, .. }) => spec.kind() == "const_spec",
        Some(_) => false,
        None => case.resolver.package_of(file).iter().any(|other| {
            matches!(package_binding(other, name), Some(Binding::Var { spec, .. }) if spec.kind() == "const_spec")
        }),
    }
}

/// Words of names that speak of a window on a list.
const WINDOW: &[&str] = &[
    "page", "offset", "limit", "skip", "take", "per", "window", "batch", "chunk", "cursor", "first", "size",
    "start", "end", "from", "to", "lo", "hi",
];

/// Whether a window is held within its list at the front too: where a negative bound cannot be reported.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Below {
    NotAsked,
    Held,
}

/// Whether a function speaks of pages: there a bound before the first is taken for the first.
fn is_of_pages(file: &File, node: Node<'_>) -> bool {
    let parameters =
        file.enclosing_function(node).and_then(|function| function.child_by_field_name("parameters"));
    parameters.is_some_and(|parameters| {
        nodes_of(parameters, |node| node.kind() == "identifier").into_iter().any(|name| {
            words(file.text_of(name))
                .iter()
                .any(|word| matches!(word.as_str(), "page" | "offset" | "limit" | "skip" | "size" | "per"))
        })
    })
}

/// `items[offset:offset+limit]`: both bounds are held within the list.
fn window(case: &Case<'_>, file: &Arc<File>, cut: &Cut<'_>, below: Below) -> Option<Draft> {
    let end = cut.end?;
    let statement = statement_of(cut.node)?;
    let is_list = case
        .resolver
        .type_of(file, cut.operand)
        .is_some_and(|ty| matches!(case.resolver.underlying(&ty).shape(), Shape::Slice(of) if of != "byte"));
    let variables: Vec<&str> = [cut.start, cut.end]
        .into_iter()
        .flatten()
        .flat_map(|bound| nodes_of(bound, |node| node.kind() == "identifier"))
        .map(|node| file.text_of(node))
        .filter(|name| *name != "len")
        .collect();
    let speaks = !variables.is_empty()
        && variables.iter().all(|name| words(name).iter().any(|word| WINDOW.contains(&word.as_str())));
    if !is_list || !speaks || !in_scope_before(file, cut.node, statement) {
        return None;
    }
    let length = format!("len({})", cut.list);
    let mut edits = Edits::default();
    let mut lines = Vec::new();
    let mut hold = |bound: Node<'_>, name: &str, least: &str| {
        let text = file.text_of(bound);
        let held = if bound.kind() == "identifier" {
            text.to_owned()
        } else {
            let name = fresh(file, statement, &[name, "bound", "stop"])?;
            lines.push(format!("{name} := {}", spaced(file, bound)));
            name
        };
        let mut clamp = |sign: char, limit: &str| {
            lines.extend([
                format!("if {held} {sign} {limit} {{"),
                format!("\t{held} = {limit}"),
                "}".to_owned(),
            ]);
        };
        if below == Below::Held {
            clamp('<', least);
        }
        clamp('>', &length);
        Some(held)
    };
    let start = match cut.start {
        Some(start) if start.kind() != "int_literal" => hold(start, "start", "0")?,
        Some(start) => file.text_of(start).to_owned(),
        None => String::new(),
    };
    let stop = hold(end, "end", if start.is_empty() { "0" } else { &start })?;
    let first = cut.start.unwrap_or(end).start_byte();
    let colon = if cut.start.is_some() { format!("{start}:") } else { String::new() };
    edits.replace(file, first..end.end_byte(), format!("{colon}{stop}"));
    edits.insert_before(file, statement, &lines)?;
    Some(Draft {
        open: None,
        tier: Tier::Condition,
        depth: 0,
        explanation: format!(
            "A page of `{}` may lie beyond its end: the bounds are held within it.",
            cut.list
        ),
        masks: false,
        edits,
    })
}

/// `return s[:n]` of a text: a text that is short enough is returned whole.
fn display(case: &Case<'_>, file: &Arc<File>, cut: &Cut<'_>) -> Option<Draft> {
    let last = cut.count_of_last(file);
    let end = last.or_else(|| cut.end.filter(|_| cut.start.is_none()))?;
    let statement = statement_of(cut.node)?;
    let function = file.enclosing_function(cut.node)?;
    let results = results_of(file, function);
    let mut edits = Edits::default();
    let lines = if statement.kind() == "return_statement"
        && results == ["string"]
        && cut.operand.kind() == "identifier"
        && last.is_none()
    {
        [
            format!("if len({}) <= {} {{", cut.list, file.text_of(end)),
            format!("\treturn {}", cut.list),
            "}".to_owned(),
        ]
    } else if end.kind() == "identifier"
        && !is_constant(case, file, end)
        && in_scope_before(file, end, statement)
    {
        let bound = file.text_of(end);
        [
            format!("if {bound} > len({}) {{", cut.list),
            format!("\t{bound} = len({})", cut.list),
            "}".to_owned(),
        ]
    } else {
        return None;
    };
    edits.insert_before(file, statement, &lines)?;
    Some(Draft {
        open: None,
        tier: Tier::Guard,
        depth: 0,
        explanation: format!(
            "`{}` may be shorter than what is cut from it: it is then taken whole.",
            cut.list
        ),
        masks: true,
        edits,
    })
}
