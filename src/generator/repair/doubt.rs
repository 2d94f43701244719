//! What stays open about a check though the crash is gone: that the program asks later, or that nothing tells the
//! answer. Such a fix is never called proven.

use tree_sitter::Node;

use super::case::Case;
use super::draft::{Draft, Tier};
use super::naming::words;
use super::suspect::suspects;
use super::syntax::{called_name, last_child, lines, nodes_in, nodes_of, statement_of, value_at};
use crate::domain::{Class, FaultFacts};
use crate::repository::go::{Binding, File};

/// How functions begin their names that say whether a value is as it should be.
const CHECKS: &[&str] = &["check", "validate", "verify", "ensure"];
/// How functions begin their names that hold one value against another.
const COMPARISONS: &[&str] = &["equal", "equals", "eq", "compare", "cmp", "less", "same"];

/// What is open about a draft, in words that go on after "but".
pub(crate) fn open_about(case: &Case<'_>, draft: &Draft) -> Option<String> {
    let class = case.fault.class;
    if class == Class::TypeAssertion
        && let Some(ty) = worked_on_elsewhere(case, draft)
    {
        return Some(format!("the function works on {ty} elsewhere, and may be meant to do so here, too"));
    }
    if let Some(open) = of_several(&case.fault.facts) {
        return Some(open);
    }
    if class == Class::ExplicitPanic && is_own_bug(case, draft.depth) {
        return Some(
            "the program calls this a bug of its own, and what led to it may be what is to mend".to_owned(),
        );
    }
    if draft.tier == Tier::Cause {
        return None;
    }
    if class == Class::NilDereference && is_comparison(case) {
        let open = "whether a value that is not there equals another one, nothing here tells";
        return Some(open.to_owned());
    }
    if let Some(code) = code_of(case, draft) {
        return Some(format!("whether {code} is what is wrong with such a value, nothing here tells"));
    }
    if let Some(function) = handed_in(case, draft) {
        return Some(format!(
            "whether an empty text is to be refused, or handled by {function}, nothing here tells"
        ));
    }
    if let Some(check) = checked_later(case, draft) {
        return Some(format!(
            "`{check}` looks at what comes of it afterwards, and may be meant to refuse it with an error of its own"
        ));
    }
    if class == Class::NilDereference
        && suspects(case).iter().any(|suspect| is_received(suspect.file, suspect.node))
    {
        let open =
            "it was received where nothing came any more, and nothing here tells that this is an error";
        return Some(open.to_owned());
    }
    let field = left_out(case).filter(|_| class == Class::NilDereference && draft.tier == Tier::Check)?;
    Some(format!("`{field}` may be left out of what is read, and nothing here tells that this is an error"))
}

/// Whether a panic says that the program itself is wrong, and not what it was given: by its message, or, where a logger
/// hides that, by the text on its line.
pub(crate) fn is_own_bug(case: &Case<'_>, depth: usize) -> bool {
    let line = case.frames.get(depth).and_then(|frame| {
        let row = usize::try_from(frame.line).ok()?.checked_sub(1)?;
        frame.file.text.lines().nth(row)?.split('"').nth(1)
    });
    [Some(case.fault.message.as_str()), line].into_iter().flatten().any(|text| {
        let text = text.to_lowercase();
        let begins = text.split(|c: char| !c.is_alphanumeric()).find(|word| !word.is_empty());
        begins == Some("bug")
            || ["internal error", "invariant", "assertion"].iter().any(|words| text.contains(words))
            || is_never_met(&text)
    })
}

/// Whether a text says that its place is never come to.
pub(crate) fn is_never_met(text: &str) -> bool {
    let text = text.to_lowercase();
    ["unreachable", "unreached", "not reached", "notreached", "impossible"]
        .iter()
        .any(|words| text.contains(words))
        || ["can't", "cannot", "should not", "shouldn't", "should never", "must not", "never"]
            .iter()
            .any(|words| text.contains(&format!("{words} happen")))
}

/// The type that a value had, where the function that is changed has a case for it.
fn worked_on_elsewhere(case: &Case<'_>, draft: &Draft) -> Option<String> {
    let frame = case.frames.get(draft.depth)?;
    // The runtime writes each type with its package, and `any` in full.
    let own = format!("{}.", frame.file.package);
    let plain =
        |text: &str| text.replace("interface {}", "any").replace("interface{}", "any").replace(&own, "");
    let actual = plain(case.fault.facts.actual_type.as_deref()?);
    let cases = nodes_in(&frame.file, &frame.range, |node| {
        node.kind() == "type_case"
            && node
                .children_by_field_name("type", &mut node.walk())
                .any(|ty| plain(frame.file.text_of(ty)) == actual)
    });
    (!cases.is_empty()).then_some(actual)
}

/// What stays open of a deadlock in which several goroutines wait for locks: one call may show another one.
pub(crate) fn of_several(facts: &FaultFacts) -> Option<String> {
    (facts.lock_waiters > 1).then(|| {
        "several goroutines of the log wait for locks, and one call need not show what they did to each other".to_owned()
    })
}

/// The function that is handed an empty text and can refuse nothing, where that is refused for it, by its caller or by
/// an error that it gets for this: an empty text is a text.
fn handed_in(case: &Case<'_>, draft: &Draft) -> Option<String> {
    let refuses = draft.tier == Tier::Check && !draft.masks && case.fault.facts.length == Some(0);
    refuses.then_some(())?;
    let inner = draft.depth.saturating_sub(1);
    let function = case.frames.get(inner)?.function.as_ref()?;
    let takes_text = function.params.iter().any(|param| param.ty == "string");
    let cannot = draft.depth > inner || function.results.len() == 1 && !function.returns_error();
    (takes_text && cannot).then(|| function.name.clone())
}

/// The code by which a check that asks for more now tells in its error what is wrong: a text of one word.
fn code_of<'c>(case: &'c Case<'_>, draft: &Draft) -> Option<&'c str> {
    let frame = case.frames.get(draft.depth).filter(|_| draft.tier == Tier::Condition)?;
    let file = &frame.file;
    let checks = nodes_in(file, &frame.range, |node| {
        let condition = node.child_by_field_name("condition").filter(|_| node.kind() == "if_statement");
        condition.is_some_and(|condition| lines(condition).contains(&frame.line))
    });
    let leaving = last_child(last_child(checks.last()?.child_by_field_name("consequence")?)?)?;
    let made = last_child(leaving.named_child(0).filter(|_| leaving.kind() == "return_statement")?)?;
    let is_code = |node: &Node<'_>| !file.text_of(*node).contains(' ');
    let texts = nodes_of(made, |node| node.kind() == "interpreted_string_literal");
    texts.iter().find(|text| is_code(text)).map(|code| file.text_of(*code))
}

/// Whether a variable holds what was received from a channel.
fn is_received(file: &File, node: Node<'_>) -> bool {
    let receives = |node: Node<'_>| node.kind() == "unary_expression" && file.text_of(node).starts_with("<-");
    match file.binding(node, file.text_of(node)) {
        Some(Binding::Short { statement, position }) => {
            let right = statement.child_by_field_name("right");
            right.and_then(|right| value_at(right, position)).is_some_and(receives)
        }
        _ => false,
    }
}

/// A field that is filled from data, and may be what is nil.
fn left_out(case: &Case<'_>) -> Option<String> {
    let fields = suspects(case).into_iter().filter_map(|suspect| case.field_at(suspect.file, suspect.node));
    fields.map(|(_, field)| field).find(|field| field.tagged).map(|field| field.name)
}

/// Whether the function that failed holds one value against another.
fn is_comparison(case: &Case<'_>) -> bool {
    let function = case.frames.first().and_then(|frame| frame.function.as_ref());
    function.is_some_and(|function| begins_with(&function.identifier, COMPARISONS))
}

/// The first word of a name is one of these.
fn begins_with(name: &str, known: &[&str]) -> bool {
    words(name).first().is_some_and(|word| known.contains(&word.to_lowercase().as_str()))
}

/// A function that a caller asks about what the failing call, or one around it, returned.
fn checked_later(case: &Case<'_>, draft: &Draft) -> Option<String> {
    (draft.depth..case.frames.len()).find_map(|depth| {
        let (outer, call, _) = case.call_into(depth)?;
        let frame = case.frames.get(outer)?;
        let statement = statement_of(call)?;
        let left = statement.child_by_field_name("left")?;
        let results: Vec<&str> = left
            .named_children(&mut left.walk())
            .map(|name| frame.file.text_of(name))
            .filter(|name| !matches!(*name, "_" | "err" | "ok"))
            .collect();
        let checks = nodes_in(&frame.file, &frame.range, |node| {
            node.kind() == "call_expression"
                && node.start_byte() >= statement.end_byte()
                && begins_with(called_name(&frame.file, node), CHECKS)
                && is_about(&frame.file, node, &results)
        });
        checks.first().map(|check| called_name(&frame.file, *check).to_owned())
    })
}

/// Whether a call is made with, or on, one of some values.
fn is_about(file: &File, call: Node<'_>, values: &[&str]) -> bool {
    let operand =
        call.child_by_field_name("function").and_then(|function| function.child_by_field_name("operand"));
    let arguments = call.child_by_field_name("arguments");
    let arguments =
        arguments.into_iter().flat_map(|list| list.named_children(&mut list.walk()).collect::<Vec<_>>());
    arguments.chain(operand).any(|node| values.contains(&file.text_of(node)))
}
