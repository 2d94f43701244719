//! The result of a look-up that found nothing.
//!
//! Evidence: the nil value on the failing line comes from a map (`m[k].f`, `v := m[k]`), from a call
//! with a discarded `bool`, or from a function of the repository that can return nil. Edits: `v, ok`
//! or a comparison with nil right after the look-up, and an early exit that says what is missing.

use std::sync::Arc;

use tree_sitter::Node;

use crate::generator::repair::case::Case;
use crate::generator::repair::draft::{Draft, Tier};
use crate::generator::repair::edit::{Edits, is_repairable};
use crate::generator::repair::exit::{Blame, Failure, is_sentinel};
use crate::generator::repair::flow::{Origin, origin};
use crate::generator::repair::held::is_release;
use crate::generator::repair::naming::{is_telling, phrase, singular, words};
use crate::generator::repair::order::{Reads, before_changes, changed_above};
use crate::generator::repair::scope::{found_name, fresh, in_scope_before};
use crate::generator::repair::suspect::{Suspect, suspects};
use crate::generator::repair::syntax::{called_name, last_child, nodes_of, noun, statement_of};
use crate::repository::go::{File, Shape, Type, earlier};

pub(super) fn drafts(case: &Case<'_>) -> Vec<Draft> {
    let mut drafts = Vec::new();
    for suspect in suspects(case) {
        if !is_repairable(suspect.file) {
            continue;
        }
        let found = match suspect.node.kind() {
            "index_expression" => inline(case, suspect),
            "identifier" => {
                origin(suspect.file, suspect.node).and_then(|origin| declared(case, suspect, origin))
            }
            "call_expression" => returned(case, suspect),
            _ => None,
        };
        if let Some(Found { edits, reports, explanation, changed }) = found {
            // What was handed over as nil was found missing here.
            let tier = if suspect.depth > 0 { Tier::Cause } else { Tier::Check };
            let draft = Draft::leaving(tier, reports, suspect.depth, explanation, edits);
            drafts.push(draft.with_work_half_done(changed));
        }
    }
    drafts
}

/// A look-up and its check.
struct Found<'f> {
    edits: Edits,
    reports: bool,
    explanation: String,
    /// What was changed above it.
    changed: Option<&'f str>,
}

fn failure(case: &Case<'_>, file: &Arc<File>, value: Node<'_>, name: &str) -> Failure {
    let noun = what(case, file, value, name);
    let plain = format!("{} not found", phrase(&singular(&noun)));
    let mut failure =
        Failure::new(Blame::Missing, plain.clone()).about(noun).about(self::noun_of_container(file, value));
    if let Some(key) = value.child_by_field_name("index").filter(|_| value.kind() == "index_expression")
        && matches!(key.kind(), "identifier" | "selector_expression")
    {
        failure = failure.with(format!("{plain}: %v"), vec![file.text_of(key).to_owned()]);
    }
    failure.said = said_elsewhere(case, file, value).or_else(|| said_above(file, value));
    failure
}

/// What was looked for, in a word: the name it gets, what its container holds, or its type.
fn what(case: &Case<'_>, file: &Arc<File>, value: Node<'_>, name: &str) -> String {
    let held =
        (value.kind() == "index_expression").then(|| noun(file, value)).filter(|noun| is_telling(noun));
    let ty = || {
        let results = case.resolver.results(file, value);
        let ty = results.and_then(|results| results.into_iter().next());
        ty.or_else(|| case.resolver.type_of(file, value))
            .and_then(|ty| Type::plain_name(&ty.text).map(str::to_owned))
    };
    Some(name.to_owned())
        .filter(|name| is_telling(name))
        .or(held)
        .or_else(ty)
        .unwrap_or_else(|| noun(file, value))
}

/// The sentinel that the package returns elsewhere when the same map holds no such key; none where it returns
/// several.
fn said_elsewhere(case: &Case<'_>, file: &Arc<File>, value: Node<'_>) -> Option<String> {
    let map = map_of(case, file, value)?;
    let package = case.resolver.package_of(file);
    let mut said: Vec<String> = package
        .iter()
        .flat_map(|other| {
            nodes_of(other.tree.root_node(), |node| {
                node.kind() == "short_var_declaration" && looks_up(case, other, node, &map)
            })
            .into_iter()
            .filter_map(|asked| sentinel_without(other, asked))
            .collect::<Vec<_>>()
        })
        .collect();
    said.dedup();
    (said.len() == 1).then(|| said.pop())?
}

/// The error for the key, where it was looked up itself: whoever has found it and now finds nothing under it says
/// the same.
fn said_above(file: &Arc<File>, value: Node<'_>) -> Option<String> {
    let key = value.child_by_field_name("index").filter(|key| key.kind() == "identifier")?;
    let statement = statement_of(value)?;
    let name = file.text_of(key);
    let mut above = earlier(statement);
    let asked = above.find(|above| file.declares(*above, name).is_some())?;
    let takes_two = asked.child_by_field_name("left").is_some_and(|left| left.named_child_count() == 2);
    let last = error_without(file, asked).filter(|_| takes_two)?;
    in_scope_before(file, last, statement).then(|| file.text_of(last).to_owned())
}

/// The map of a look-up: its name, and the type it is a field of.
fn map_of(case: &Case<'_>, file: &Arc<File>, value: Node<'_>) -> Option<(String, Option<String>)> {
    let container = value.child_by_field_name("operand").filter(|_| value.kind() == "index_expression")?;
    let owner = container.child_by_field_name("operand").and_then(|owner| case.resolver.type_of(file, owner));
    Some((noun(file, container), owner.and_then(|ty| Type::plain_name(&ty.text).map(str::to_owned))))
}

/// Whether a declaration is `v, ok := m[k]` of a map.
fn looks_up(
    case: &Case<'_>,
    file: &Arc<File>,
    declaration: Node<'_>,
    map: &(String, Option<String>),
) -> bool {
    let side = |name| declaration.child_by_field_name(name);
    side("left").is_some_and(|left| left.named_child_count() == 2)
        && side("right")
            .and_then(|right| right.named_child(0))
            .and_then(|value| map_of(case, file, value))
            .is_some_and(|other| other == *map)
}

/// The sentinel which is returned right after a look-up that found nothing.
fn sentinel_without(file: &File, asked: Node<'_>) -> Option<String> {
    let last = error_without(file, asked)?;
    let text = file.text_of(last);
    (last.kind() == "identifier" && is_sentinel(text)).then(|| text.to_owned())
}

/// The last value which is returned right after a look-up that found nothing.
fn error_without<'t>(file: &File, asked: Node<'t>) -> Option<Node<'t>> {
    let check = match asked.parent().filter(|parent| parent.kind() == "if_statement") {
        Some(check) => check,
        None => asked.next_named_sibling().filter(|next| next.kind() == "if_statement")?,
    };
    let negated = check.child_by_field_name("condition").is_some_and(|condition| {
        condition.kind() == "unary_expression" && file.text_of(condition).starts_with('!')
    });
    let block = check.child_by_field_name("consequence").filter(|_| negated)?;
    let leaving = nodes_of(block, |node| node.kind() == "return_statement").into_iter().next()?;
    last_child(leaving.named_child(0)?).filter(|last| file.text_of(*last) != "nil")
}

fn noun_of_container(file: &File, value: Node<'_>) -> String {
    value.child_by_field_name("operand").map(|operand| noun(file, operand)).unwrap_or_default()
}

fn is_map(case: &Case<'_>, file: &Arc<File>, index: Node<'_>) -> bool {
    let container =
        index.child_by_field_name("operand").and_then(|operand| case.resolver.type_of(file, operand));
    container.is_some_and(|ty| matches!(case.resolver.underlying(&ty).shape(), Shape::Map(..)))
}

/// `m[k].f`: the value gets a name and is asked for before the statement.
fn inline<'c>(case: &Case<'_>, suspect: Suspect<'c>) -> Option<Found<'c>> {
    let Suspect { file, node, .. } = suspect;
    let statement = statement_of(node)?;
    let key = node.child_by_field_name("index")?;
    if !is_map(case, file, node) || !in_scope_before(file, node, statement) {
        return None;
    }
    let pure = nodes_of(key, |node| node.kind() == "call_expression").is_empty();
    let base = singular(&noun_of_container(file, node));
    let lower: String =
        base.chars().next().into_iter().flat_map(char::to_lowercase).chain(base.chars().skip(1)).collect();
    let name = fresh(file, statement, &[lower.as_str(), "value", "found", "entry"])?;
    let mut edits = Edits::default();
    let above = before_changes(file, statement, &Reads::of([file.text_of(node)]));
    let place = above.unwrap_or(statement);
    let ok = found_name(&mut edits, file, place)?;
    let at = above.and_then(|above| above.named_child(0)).unwrap_or(node);
    let exit = case.leave(&mut edits, file, at, &failure(case, file, node, &name));
    let mut lines = vec![format!("{name}, {ok} := {}", file.text_of(node))];
    lines.extend(exit.guarded(&format!("!{ok}")));
    edits.insert_before(file, place, &lines)?;
    let text = file.text_of(node);
    let same = nodes_of(statement, |other| other.kind() == "index_expression" && file.text_of(other) == text);
    let body = statement.child_by_field_name("body").or_else(|| statement.child_by_field_name("consequence"));
    for other in same.iter().filter(|other| pure || **other == node) {
        if body.is_none_or(|body| other.end_byte() <= body.start_byte() || *other == node) {
            edits.replace(file, other.byte_range(), name.clone());
        }
    }
    let explanation = format!("`{text}` may not exist: the look-up is checked before it is used.");
    Some(Found { edits, reports: exit.reports, explanation, changed: changed_above(file, place) })
}

/// `v := m[k]`, `v, _ := lookup(k)`, `v := find(k)`: asked for right after the declaration.
fn declared<'c>(case: &Case<'_>, suspect: Suspect<'c>, origin: Origin<'c>) -> Option<Found<'c>> {
    let Suspect { file, node, .. } = suspect;
    let Origin { statement, value, .. } = origin;
    if statement.kind() != "short_var_declaration" || statement_of(statement) != Some(statement) {
        return None;
    }
    let name = file.text_of(node);
    let mut edits = Edits::default();
    let place = above_changes(file, statement, value, name);
    let (left, condition) = asked(case, &mut edits, suspect, origin, place.unwrap_or(statement))?;
    let explanation = format!(
        "`{}` may find nothing: its result `{name}` is checked before it is used.",
        file.text_of(value)
    );
    if let Some(place) = place {
        edits.remove_line(file, statement)?;
        let at = place.named_child(0)?;
        let exit = case.leave(&mut edits, file, at, &failure(case, file, value, name));
        let mut lines = vec![format!("{left} := {}", file.text_of(value))];
        lines.extend(exit.guarded(&condition));
        edits.insert_before(file, place, &lines)?;
        return Some(Found {
            edits,
            reports: exit.reports,
            explanation,
            changed: changed_above(file, place),
        });
    }
    let old = statement.child_by_field_name("left")?;
    if file.text_of(old) != left {
        edits.replace(file, old.byte_range(), left);
    }
    let anchor = behind(file, statement, node);
    let exit = case.leave(&mut edits, file, anchor, &failure(case, file, value, name));
    edits.insert_after(file, anchor, &exit.guarded(&condition))?;
    Some(Found { edits, reports: exit.reports, explanation, changed: changed_above(file, statement) })
}

/// The statement above which a look-up and its check can stand, where something was changed before it.
fn above_changes<'t>(file: &File, statement: Node<'t>, value: Node<'_>, name: &str) -> Option<Node<'t>> {
    let place = before_changes(file, statement, &Reads::of([file.text_of(value)]))?;
    let between = earlier(statement).take_while(|above| above.start_byte() >= place.start_byte());
    let speaks = |node| nodes_of(node, |node| node.kind() == "identifier" && file.text_of(node) == name);
    between.into_iter().all(|above| speaks(above).is_empty()).then_some(place)
}

/// The statement after which a look-up is asked for: itself, the question for its error, or what gives a lock
/// back right after it.
fn behind<'t>(file: &File, statement: Node<'t>, used: Node<'_>) -> Node<'t> {
    let names = statement.child_by_field_name("left").map_or(0, |left| left.named_child_count());
    let next = |node: Node<'t>| node.next_named_sibling().filter(|next| next.end_byte() < used.start_byte());
    let asks = next(statement).filter(|next| {
        next.kind() == "if_statement"
            && names > 1
            && next
                .child_by_field_name("condition")
                .is_some_and(|condition| file.text_of(condition).contains("nil"))
    });
    let anchor = asks.unwrap_or(statement);
    std::iter::successors(Some(anchor), |node| next(*node).filter(|next| is_release(file, *next)))
        .last()
        .unwrap_or(anchor)
}

/// The names that a look-up's values get, and the condition under which it found nothing.
fn asked(
    case: &Case<'_>,
    edits: &mut Edits,
    suspect: Suspect<'_>,
    origin: Origin<'_>,
    place: Node<'_>,
) -> Option<(String, String)> {
    let Suspect { file, node, .. } = suspect;
    let Origin { statement, value, position } = origin;
    let left = statement.child_by_field_name("left")?;
    let name = file.text_of(node);
    let names = left.named_child_count();
    let with_ok = |ok: &str| {
        let first = left.named_child(0).map(|first| file.text_of(first)).unwrap_or_default();
        (format!("{first}, {ok}"), format!("!{ok}"))
    };
    match value.kind() {
        "index_expression" if names == 1 && is_map(case, file, value) => {
            found_name(edits, file, place).map(with_ok)
        }
        "index_expression" | "type_assertion_expression" if names == 2 => {
            left.named_child(1).filter(|ok| file.text_of(*ok) == "_")?;
            found_name(edits, file, place).map(with_ok)
        }
        "call_expression" => {
            let results = case.resolver.results(file, value);
            let last = last_child(left)?;
            let found = results.as_ref().is_some_and(|results| {
                results.len() == names && results.last().is_some_and(|ty| ty.text == "bool")
            });
            if found && names == 2 && file.text_of(last) == "_" {
                return found_name(edits, file, place).map(with_ok);
            }
            may_return_nil(case, file, value, position)
                .then(|| (file.text_of(left).to_owned(), format!("{name} == nil")))
        }
        _ => None,
    }
}

/// `find(k).f`: the result gets a name and is asked for before the statement.
fn returned<'c>(case: &Case<'_>, suspect: Suspect<'c>) -> Option<Found<'c>> {
    let Suspect { file, node, .. } = suspect;
    let statement = statement_of(node)?;
    if !may_return_nil(case, file, node, 0)
        || !in_scope_before(file, node, statement)
        || case.resolver.results(file, node).is_none_or(|results| results.len() != 1)
    {
        return None;
    }
    let called = called_name(file, node);
    let last = words(called).pop().unwrap_or_default();
    let name = fresh(file, statement, &[last.as_str(), "found", "result", "value"])?;
    let mut edits = Edits::default();
    let exit = case.leave(&mut edits, file, node, &failure(case, file, node, &name));
    let mut lines = vec![format!("{name} := {}", file.text_of(node))];
    lines.extend(exit.guarded(&format!("{name} == nil")));
    edits.insert_before(file, statement, &lines)?;
    edits.replace(file, node.byte_range(), name.clone());
    let explanation = format!("`{called}` may return nil: its result is checked before it is used.");
    Some(Found { edits, reports: exit.reports, explanation, changed: changed_above(file, statement) })
}

/// Whether a function of the repository returns a literal nil at a position, without an error.
fn may_return_nil(case: &Case<'_>, file: &Arc<File>, call: Node<'_>, position: usize) -> bool {
    let Some(callee) = case.callee(file, call) else { return false };
    let Some(top) = callee.file.node_at(callee.function.body.clone()) else { return false };
    nodes_of(top, |node| node.kind() == "return_statement").into_iter().any(|statement| {
        let Some(list) = statement.named_child(0) else { return false };
        let value = u32::try_from(position).ok().and_then(|at| list.named_child(at));
        let last = last_child(list);
        let nil = |node: Option<Node<'_>>| node.is_some_and(|node| callee.file.text_of(node) == "nil");
        let looked_up = value
            .is_some_and(|value| value.kind() == "index_expression" && is_map(case, &callee.file, value));
        (nil(value) || looked_up) && (!callee.function.returns_error() || nil(last))
    })
}
