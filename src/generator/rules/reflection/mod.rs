//! A call of the reflect package on a value that does not allow it.
//!
//! Evidence: the message of the panic, which tells the method and what it was called on, and the call of that
//! method on the failing line. Edits, in order: what does the same for a value that does not allow the call ([`mend`]:
//! the accessor of the kind that came, a conversion to the type that is wanted, the value itself where it has no
//! address); passing over what is not exported; the question ([`question`]) that `reflect` offers (`IsValid`, `CanSet`,
//! `Kind`, …) beside the call, or before it with an early exit; and where what came in cannot be worked on at all, the question
//! that `encoding/json` asks of its argument, in the outermost function that takes it.
//!
//! Risk: a conversion of a type that cannot be converted panics as well; the ladder sees it only if the
//! reproducer does that.

mod mend;
mod misuse;
mod question;

use std::sync::Arc;

use tree_sitter::Node;

use mend::{as_it_is, assigned, never_nil, other_accessor, passed_over, set_converted};
use misuse::{Misuse, misuse};
use question::{Call, Question, question};

use crate::generator::repair::case::Case;
use crate::generator::repair::check::Check;
use crate::generator::repair::draft::{Draft, Tier};
use crate::generator::repair::edit::{Edits, is_repairable};
use crate::generator::repair::exit::{Blame, Failure};
use crate::generator::repair::naming::phrase;
use crate::generator::repair::scope::fresh;
use crate::generator::repair::syntax::{called_name, method_call, nodes_of, noun};
use crate::repository::go::{File, Function};

pub(super) fn drafts(case: &Case<'_>) -> Vec<Draft> {
    let Some((method, misuse)) = misuse(&case.fault.message) else { return Vec::new() };
    let Some(file) = case.file(0).filter(|file| is_repairable(file)) else { return Vec::new() };
    let Some(reflect) = package_name(file) else { return Vec::new() };
    let mut drafts = Vec::new();
    for call in case.raisers(0, |file, node| is_call_of(file, node, method)) {
        if let Some(draft) = never_nil(file, call, misuse, reflect) {
            drafts.push(draft);
            continue;
        }
        drafts.extend(other_accessor(file, call, misuse));
        drafts.extend(set_converted(file, call, misuse, reflect));
        drafts.extend(as_it_is(file, call, misuse));
        drafts.extend(assigned(file, call, misuse));
        drafts.extend(passed_over(file, call, misuse));
        if let Some(check) = check(file, call, method, misuse, reflect) {
            drafts.extend(case.check(&check));
        }
    }
    if matches!(misuse, Misuse::Nothing | Misuse::Copied) {
        drafts.extend(refused_at_entry(case, misuse));
    }
    drafts
}

/// What a file calls the package.
fn package_name(file: &File) -> Option<&str> {
    file.imports.iter().find(|import| import.path == "reflect").map(|import| import.identifier())
}

/// `value.Method(…)`.
fn is_call_of(file: &File, node: Node<'_>, method: &str) -> bool {
    method_call(node).is_some_and(|(_, field)| file.text_of(field) == method)
}

fn operand(call: Node<'_>) -> Option<Node<'_>> {
    method_call(call).map(|(operand, _)| operand)
}

fn arguments(call: Node<'_>) -> Vec<Node<'_>> {
    let Some(list) = call.child_by_field_name("arguments") else { return Vec::new() };
    let mut cursor = list.walk();
    list.named_children(&mut cursor).collect()
}

/// Whether an expression may be written twice: it calls nothing but what only looks.
fn only_looks(file: &File, expression: Node<'_>) -> bool {
    const LOOKING: [&str; 11] = [
        "ValueOf",
        "TypeOf",
        "Indirect",
        "Elem",
        "Field",
        "FieldByName",
        "Index",
        "MapIndex",
        "Type",
        "Key",
        "len",
    ];
    nodes_of(expression, |node| node.kind() == "call_expression")
        .into_iter()
        .all(|call| LOOKING.contains(&called_name(file, call)))
}

/// The question to ask before a call.
fn check<'c>(
    file: &Arc<File>,
    call: Node<'c>,
    method: &str,
    misuse: Misuse<'_>,
    reflect: &str,
) -> Option<Check<'c>> {
    let subject = match misuse {
        // Functions of the package: what is asked for is what they are given.
        Misuse::Key | Misuse::Different => arguments(call).first().copied(),
        Misuse::Negative => arguments(call).get(1).copied(),
        _ => operand(call),
    };
    let subject = subject.filter(|subject| only_looks(file, *subject))?;
    let name = noun(file, subject);
    let name = if name.chars().count() < 2 { "value".to_owned() } else { name };
    let call_of = Call { file, call, method, value: file.text_of(subject), what: &phrase(&name) };
    let Question { bad, good, says, with } = question(&call_of, misuse, reflect)?;
    let mut failure = Failure::new(Blame::Malformed, says).about(name);
    if let Some((format, argument)) = with {
        failure = failure.with(format, vec![argument]);
    }
    let value = call_of.value;
    let explanation = format!("`{value}` does not allow `{method}` of whatever comes: that is asked first.");
    Some(Check { depth: 0, at: call, bad, good, subject, failure, explanation })
}

/// The outermost function that takes something of any type, and can report, refuses what nothing can be done
/// with.
fn refused_at_entry(case: &Case<'_>, misuse: Misuse<'_>) -> Option<Draft> {
    let takes = |function: &Function| {
        let any = |ty: &str| matches!(ty.replace(' ', "").as_str(), "any" | "interface{}");
        function
            .params
            .iter()
            .find(|param| any(&param.ty) && !matches!(param.name.as_str(), "" | "_"))
            .cloned()
    };
    let taking = |(depth, frame): (usize, &crate::generator::repair::case::Frame)| {
        let function = frame.function.as_ref().filter(|_| is_repairable(&frame.file))?;
        Some((depth, Arc::clone(&frame.file), takes(function)?, function.body.clone()))
    };
    let (depth, file, param, body) = case.frames.iter().enumerate().rev().find_map(taking)?;
    let first = file.node_at(body)?.named_child(0).and_then(|list| list.named_child(0))?;
    let mut edits = Edits::default();
    let reflect = edits.import(&file, "reflect");
    let value = fresh(&file, first, &["value", "val", "rv"])?;
    let (no_pointer, is_nil) = (format!("{value}.Kind() != {reflect}.Ptr"), format!("{value}.IsNil()"));
    let (questions, tier) = match misuse {
        // Elsewhere a nil may be what is meant.
        Misuse::Nothing => {
            let nothing = format!("!{value}.IsValid() || {value}.Kind() == {reflect}.Ptr && {is_nil}");
            (vec![(nothing, "nil value of type %T")], Tier::Check)
        }
        _ => (vec![(no_pointer, "non-pointer type %T"), (is_nil, "nil %T")], Tier::Cause),
    };
    let mut lines = vec![format!("{value} := {reflect}.ValueOf({})", param.name)];
    for (bad, says) in questions {
        let failure = Failure::new(Blame::Malformed, "invalid value").with(says, vec![param.name.clone()]);
        let exit = case.leave(&mut edits, &file, first, &failure);
        exit.reports.then_some(())?;
        lines.extend(exit.guarded(&bad));
    }
    edits.insert_before(&file, first, &lines)?;
    let explanation =
        format!("Nothing can be done with such a `{}`: it is refused where it comes in.", param.name);
    Some(Draft { tier, depth, explanation, masks: false, open: None, edits })
}
