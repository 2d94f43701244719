//! An element of something too short.
//!
//! Evidence: an index expression on the failing line; the message tells the index and the length. What
//! must hold follows from the index: `x[0]`, `x[len(x)-1]` need an element, `x[2]` (with further
//! constant indexes of the same value behind it) so many, `x[i]` an `i` within the length, a slice made
//! with length 0 and filled by index its full length. Edits, in order: make the slice as long as it is
//! filled; ask in the condition that uses the element; leave early with an error that tells the lengths.
//! The result of a call (`strings.Split(s, " ")[1]`) gets a name first.
//!
//! Risk: an early error where a default would be meant.

use std::sync::Arc;

use tree_sitter::Node;

use crate::generator::repair::case::Case;
use crate::generator::repair::check::{Check, looks_ahead, names_in};
use crate::generator::repair::draft::{Draft, Tier};
use crate::generator::repair::edit::{Edits, is_repairable};
use crate::generator::repair::exit::{Blame, Failure};
use crate::generator::repair::flow::{from_request, origin};
use crate::generator::repair::naming::{is_telling, phrase, words};
use crate::generator::repair::scope::{fresh, in_scope_before};
use crate::generator::repair::syntax::{
    called_name, is_always_evaluated, may_be_called_before, may_leave, nodes_of, noun, only_measures,
    shifted, statement_of,
};
use crate::repository::go::{Binding, File, Shape};

pub(super) fn drafts(case: &Case<'_>) -> Vec<Draft> {
    let Some(file) = case.file(0).filter(|file| is_repairable(file)) else { return Vec::new() };
    let mut drafts = Vec::new();
    for raiser in case.raisers(0, |file, node| may_raise(case, file, node)) {
        drafts.extend(made_too_short(case, file, raiser));
        let own = check(case, file, raiser);
        let taken = raiser.parent().filter(|parent| {
            parent.child_by_field_name("operand") == Some(raiser) && may_raise(case, file, *parent)
        });
        let together = taken.and_then(|taken| check(case, file, taken));
        // A row is asked for together with what is taken from it, where that is done.
        if let Some(check) = own.filter(|own| together.is_none_or(|both| !both.bad.starts_with(&own.bad))) {
            drafts.extend(case.check(&check));
        }
        drafts.extend(named(case, file, raiser));
    }
    drafts
}

fn may_raise(case: &Case<'_>, file: &Arc<File>, node: Node<'_>) -> bool {
    if node.kind() != "index_expression" {
        return false;
    }
    let (Some(operand), Some(index)) =
        (node.child_by_field_name("operand"), node.child_by_field_name("index"))
    else {
        return false;
    };
    let list = case.resolver.type_of(file, operand).is_none_or(|ty| {
        let ty = case.resolver.underlying(&case.resolver.underlying(&ty).pointee());
        matches!(ty.shape(), Shape::Slice(_) | Shape::Array(_) | Shape::Text | Shape::Named(..))
    });
    // A constant index that is not the one of the message did not fail.
    let constant = file.text_of(index).parse::<i64>().ok();
    list && !is_bounded(file, operand, index)
        && constant.is_none_or(|constant| case.fault.facts.index.is_none_or(|index| index == constant))
}

/// Whether the loop around keeps a plain loop variable below the length of the very list.
fn is_bounded(file: &File, operand: Node<'_>, index: Node<'_>) -> bool {
    let (list, name) = (file.text_of(operand), file.text_of(index));
    match file.binding(index, name).filter(|_| index.kind() == "identifier") {
        Some(Binding::Range { clause, position: 0 }) => {
            clause.child_by_field_name("right").is_some_and(|over| file.text_of(over) == list)
        }
        Some(Binding::Short { statement, .. }) => statement
            .parent()
            .filter(|parent| parent.kind() == "for_clause")
            .and_then(|clause| clause.child_by_field_name("condition"))
            .is_some_and(|condition| file.text_of(condition) == format!("{name} < len({list})")),
        _ => false,
    }
}

fn check<'c>(case: &Case<'_>, file: &'c Arc<File>, raiser: Node<'c>) -> Option<Check<'c>> {
    let operand = raiser.child_by_field_name("operand")?;
    let index = raiser.child_by_field_name("index")?;
    if !only_measures(file, operand) {
        return None;
    }
    let (list, position) = (file.text_of(operand), file.text_of(index));
    let name = noun(file, operand);
    let explanation = format!("`{list}[{position}]` may not exist: the length of `{list}` is checked first.");
    let length = format!("len({list})");
    let new = |bad: String, good: String, failure: Failure| Check {
        depth: 0,
        at: raiser,
        bad,
        good,
        subject: operand,
        failure: failure.about(name.clone()),
        explanation: explanation.clone(),
    };
    if position == "0" && needed(file, raiser, operand) == 1
        || position.replace(' ', "") == format!("{length}-1")
    {
        let failure = Failure::new(Blame::Empty, empty_message(file, operand, &name));
        return Some(new(format!("{length} == 0"), format!("{length} > 0"), failure));
    }
    if position.parse::<usize>().is_ok() || position.starts_with("len(") {
        return constant(file, raiser, operand, index, &new);
    }
    if !only_measures(file, index) {
        return None;
    }
    let (mut bad, mut good) = range(case, file, index, &length);
    // Of a row that may not exist either, the row is asked for first.
    if operand.kind() == "index_expression"
        && may_raise(case, file, operand)
        && let Some(row) = check(case, file, operand)
    {
        (bad, good) = (format!("{} || {bad}", row.bad), format!("{} && {good}", row.good));
    }
    let failure = Failure::new(
        Blame::Malformed,
        format!("{} out of range", phrase(&noun_of_index(file, index))),
    )
    .with(format!("{} %d out of range", phrase(&noun_of_index(file, index))), vec![position.to_owned()]);
    Some(Check { subject: raiser, ..new(bad, good, failure) })
}

fn noun_of_index(file: &File, index: Node<'_>) -> String {
    let name = shifted(file, index)
        .map_or_else(|| noun(file, index), |(variable, _)| file.text_of(variable).to_owned());
    if is_telling(&name) { name } else { "index".to_owned() }
}

/// `x[2]`, `x[len(x)-2]`: so many elements are needed.
fn constant<'c>(
    file: &File,
    raiser: Node<'c>,
    operand: Node<'c>,
    index: Node<'c>,
    new: &impl Fn(String, String, Failure) -> Check<'c>,
) -> Option<Check<'c>> {
    let list = file.text_of(operand);
    let need = match file.text_of(index).replace(' ', "").strip_prefix(&format!("len({list})-")) {
        Some(back) => back.parse::<usize>().ok()?,
        None => needed(file, raiser, operand),
    };
    if need == 0 {
        return None;
    }
    let own = file.text_of(index).parse::<usize>().map_or(need, |index| index + 1);
    Some(new(
        format!("len({list}) < {need}"),
        format!("len({list}) >= {own}"),
        too_short(file, list, &noun(file, operand), split_source(file, operand), need),
    ))
}

/// `f(x)[1]`: what is called for is given a name, so that its length can be asked for.
fn named(case: &Case<'_>, file: &Arc<File>, raiser: Node<'_>) -> Option<Draft> {
    let operand =
        raiser.child_by_field_name("operand").filter(|operand| operand.kind() == "call_expression")?;
    let index = raiser.child_by_field_name("index")?;
    let statement = statement_of(raiser)?;
    let once = may_be_called_before(file, operand, statement) && in_scope_before(file, raiser, statement);
    if !once || !only_measures(file, index) {
        return None;
    }
    let plural = words(called_name(file, operand)).pop().filter(|word| word.ends_with('s'));
    let source = split_argument(file, operand);
    let wishes = [if source.is_some() { Some("parts") } else { plural.as_deref() }, Some("elements")];
    let wishes: Vec<&str> = wishes.into_iter().flatten().chain(["values", "list"]).collect();
    let name = fresh(file, statement, &wishes)?;
    let (bad, mut failure) = match file.text_of(index).parse::<usize>() {
        Ok(0) => (format!("len({name}) == 0"), Failure::new(Blame::Empty, format!("no {name}"))),
        Ok(at) => (format!("len({name}) < {}", at + 1), too_short(file, &name, &name, source, at + 1)),
        Err(_) => {
            let position = phrase(&noun_of_index(file, index));
            let failure = Failure::new(Blame::Malformed, format!("{position} out of range"))
                .with(format!("{position} %d out of range"), vec![file.text_of(index).to_owned()]);
            (range(case, file, index, &format!("len({name})")).0, failure)
        }
    };
    failure.requested = from_request(file, operand);
    let mut edits = Edits::default();
    let exit = case.leave(&mut edits, file, raiser, &failure);
    let mut lines = vec![format!("{name} := {}", file.text_of(operand))];
    lines.extend(exit.guarded(&bad));
    edits.insert_before(file, statement, &lines)?;
    edits.replace(file, operand.byte_range(), name);
    let explanation = format!(
        "`{}` may not exist: what is called for gets a name, and its length is checked first.",
        file.text_of(raiser)
    );
    Some(Draft::leaving(Tier::Check, exit.reports, 0, explanation, edits))
}

/// The message of a value with too few parts; it shows the text the parts were taken from.
fn too_short(file: &File, list: &str, name: &str, source: Option<Node<'_>>, need: usize) -> Failure {
    if list == "os.Args" {
        let arguments = if need == 2 { "argument" } else { "arguments" };
        let plain = format!("missing {arguments}: want at least {}", need.saturating_sub(1));
        return Failure::new(Blame::Malformed, plain.clone())
            .with(format!("{plain}, got %d"), vec!["len(os.Args)-1".to_owned()]);
    }
    let parts = if name.ends_with('s') && name.len() > 2 { phrase(name) } else { "elements".to_owned() };
    let wanted = format!("want at least {need} {parts}, got %d");
    let length = format!("len({list})");
    let variable = source.filter(|node| node.kind() == "identifier");
    let key = source.and_then(|source| key_asked_for(file, source));
    let plain = match (variable, key) {
        (Some(node), _) => format!("malformed {}", phrase(file.text_of(node))),
        (None, Some(key)) => format!("malformed {key}"),
        (None, None) => format!("too few {parts}"),
    };
    let failure = Failure::new(Blame::Malformed, plain.clone());
    match variable {
        Some(node) => failure
            .about(file.text_of(node))
            .with(format!("{plain} %q: {wanted}"), vec![file.text_of(node).to_owned(), length]),
        None if key.is_some() => failure.with(format!("{plain}: {wanted}"), vec![length]),
        None => failure.with(wanted, vec![length]),
    }
}

/// `Authorization` of `header.Get("Authorization")`: the name under which a text was looked up.
fn key_asked_for<'f>(file: &'f File, call: Node<'_>) -> Option<&'f str> {
    let list = call.child_by_field_name("arguments").filter(|list| list.named_child_count() == 1)?;
    let key = file.text_of(list.named_child(0)?).strip_prefix('"')?.strip_suffix('"')?;
    let plain = key.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'));
    (plain && !key.is_empty()).then_some(key)
}

fn empty_message(file: &File, operand: Node<'_>, name: &str) -> String {
    match split_source(file, operand).filter(|node| node.kind() == "identifier") {
        Some(source) => format!("empty {}", phrase(file.text_of(source))),
        None if name.ends_with('s') && name.len() > 2 => format!("no {}", phrase(name)),
        None => format!("empty {}", phrase(name)),
    }
}

/// The text that a list of parts was split from.
fn split_source<'t>(file: &'t File, operand: Node<'t>) -> Option<Node<'t>> {
    if operand.kind() != "identifier" {
        return None;
    }
    split_argument(file, origin(file, operand)?.value)
}

/// The text that a call splits.
fn split_argument<'t>(file: &'t File, call: Node<'t>) -> Option<Node<'t>> {
    let name = called_name(file, call);
    let splits =
        name.starts_with("Split") || name.starts_with("Fields") || name.starts_with("FindStringSubmatch");
    let argument = call.child_by_field_name("arguments").filter(|_| splits)?.named_child(0)?;
    let text = file.text_of(argument);
    // `[]byte` and readers would need another verb.
    (!text.is_empty()).then_some(argument)
}

/// How many elements the code from here on takes for granted, by constant indexes of the same value that
/// are sure to be used.
fn needed(file: &File, raiser: Node<'_>, operand: Node<'_>) -> usize {
    let list = file.text_of(operand);
    let own = |node: Node<'_>| {
        node.child_by_field_name("index")
            .and_then(|index| file.text_of(index).parse::<usize>().ok())
            .map_or(0, |at| at + 1)
    };
    let Some(statement) = statement_of(raiser) else { return own(raiser) };
    let mut most = own(raiser);
    for next in std::iter::successors(Some(statement), Node::next_named_sibling) {
        // A question for the length between here and there means that the rest is optional.
        if next != statement && file.text_of(next).contains(&format!("len({list})")) {
            break;
        }
        // What is used in a branch only is no condition for what comes before it.
        let used = nodes_of(next, |node| {
            node.kind() == "index_expression"
                && node.child_by_field_name("operand").is_some_and(|operand| file.text_of(operand) == list)
                && is_always_evaluated(file, node, next)
        });
        most = used.into_iter().map(own).fold(most, usize::max);
        if may_leave(file, next) {
            break;
        }
    }
    most
}

/// The conditions for a computed index.
fn range(case: &Case<'_>, file: &Arc<File>, index: Node<'_>, length: &str) -> (String, String) {
    let (text, plain) = (file.text_of(index), case.as_int(file, index));
    let facts = &case.fault.facts;
    let counted = shifted(file, index).is_some_and(|(variable, shift)| {
        shift >= 0
            && match file.binding(variable, file.text_of(variable)) {
                Some(Binding::Range { position: 0, .. }) => true,
                Some(Binding::Short { statement, .. }) => {
                    statement.parent().is_some_and(|parent| parent.kind() == "for_clause")
                }
                _ => false,
            }
    });
    let unsigned =
        case.resolver.type_of(file, index).is_some_and(|ty| ty.text.starts_with("uint") || ty.text == "byte");
    let above = facts.index.is_none_or(|index| index >= 0);
    // At a position that only goes forward, or ahead of it.
    let position =
        shifted(file, index).filter(|(_, shift)| *shift >= 0).map_or(index, |(variable, _)| variable);
    let ahead = facts.index.is_some_and(|index| index > 0) && goes_forward(file, position);
    let read_before = above && index.parent().is_some_and(|raiser| looks_ahead(file, raiser));
    if counted || unsigned || ahead || read_before {
        if !above {
            return (format!("{text} < 0"), format!("{text} >= 0"));
        }
        return (format!("{plain} >= {length}"), format!("{plain} < {length}"));
    }
    if let (false, Some((variable, shift @ ..=-1))) = (above, shifted(file, index)) {
        // `i-1` fails at the front only.
        let name = file.text_of(variable);
        return (format!("{name} < {}", -shift), format!("{name} >= {}", -shift));
    }
    (format!("{text} < 0 || {plain} >= {length}"), format!("{text} >= 0 && {plain} < {length}"))
}

/// Whether a variable begins at a number of its function, and only ever goes forward by one.
fn goes_forward(file: &File, position: Node<'_>) -> bool {
    let name = file.text_of(position);
    let is_number =
        |node: Option<Node<'_>>| node.is_some_and(|node| file.text_of(node).parse::<u64>().is_ok());
    let Some(Binding::Short { statement, .. }) = file.binding(position, name) else { return false };
    let begins = statement.child_by_field_name("right").and_then(|right| right.named_child(0));
    let Some(function) = file.enclosing_function(position) else { return false };
    let writes = nodes_of(function, |node| {
        let written = match node.kind() {
            "assignment_statement" => node.child_by_field_name("left"),
            "dec_statement" => node.named_child(0),
            "unary_expression" if file.text_of(node).starts_with('&') => node.child_by_field_name("operand"),
            _ => None,
        };
        written.is_some_and(|written| names_in(file.text_of(written)).any(|word| word == name))
    });
    let goes_on = |node: &Node<'_>| {
        node.child_by_field_name("operator").is_some_and(|operator| file.text_of(operator) == "+=")
            && is_number(node.child_by_field_name("right"))
    };
    is_number(begins) && writes.iter().all(goes_on)
}

/// `x := make([]T, 0, n)` that is then filled by index: its length is what was meant.
fn made_too_short(case: &Case<'_>, file: &Arc<File>, raiser: Node<'_>) -> Option<Draft> {
    if case.fault.facts.length.is_some_and(|length| length != 0) {
        return None;
    }
    let operand = raiser.child_by_field_name("operand").filter(|node| node.kind() == "identifier")?;
    let is_target = raiser.parent().and_then(|list| list.parent()).is_some_and(|statement| {
        statement.kind() == "assignment_statement" && statement.child_by_field_name("left") == raiser.parent()
    });
    let make = origin(file, operand)?.value;
    if !is_target || make.child_by_field_name("function").map(|node| file.text_of(node)) != Some("make") {
        return None;
    }
    let arguments = make.child_by_field_name("arguments")?;
    let (ty, length) = (arguments.named_child(0)?, arguments.named_child(1)?);
    let capacity = arguments.named_child(2)?;
    if file.text_of(length) != "0" || ty.kind() != "slice_type" {
        return None;
    }
    let mut edits = Edits::default();
    edits.replace(file, length.start_byte()..capacity.start_byte(), "");
    Some(Draft {
        open: None,
        tier: Tier::Cause,
        depth: 0,
        explanation: format!(
            "`{}` is filled by index but was made with length 0: it is made as long as it is filled.",
            file.text_of(operand)
        ),
        masks: false,
        edits,
    })
}
