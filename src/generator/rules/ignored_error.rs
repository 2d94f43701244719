//! A value that is used although the call which made it failed.
//!
//! Evidence: a variable on the failing line (or passed into the failing function by a caller) which is
//! declared with a call whose last result is an error that is thrown away (`v, _ := f()`), never asked
//! for, asked for only after the use, or asked for without leaving. Edits, in order: give the error a
//! name and leave when it is set; move the check that exists up to the call; leave at the end of a
//! check that only logs.
//!
//! Risk: the call's last result may be no error (`bool`); where types do not tell, the build does.

use std::sync::Arc;

use tree_sitter::Node;

use crate::generator::repair::case::Case;
use crate::generator::repair::draft::{Draft, Tier};
use crate::generator::repair::edit::{Edits, indent_of, is_repairable};
use crate::generator::repair::exit::{Blame, Failure, neighbours_status};
use crate::generator::repair::flow::from_request;
use crate::generator::repair::naming::{phrase, words};
use crate::generator::repair::scope::soften_later;
use crate::generator::repair::syntax::{
    asks_for, called_name, last_child, leaves, nodes_of, results_of, statement_of,
};
use crate::repository::go::{Binding, File, earlier, imported_name};

pub(super) fn drafts(case: &Case<'_>) -> Vec<Draft> {
    let mut drafts = Vec::new();
    for depth in 0..case.frames.len() {
        let Some(file) = case.file(depth).filter(|file| is_repairable(file)) else { continue };
        // A caller never gets behind the call that failed: only what it passed in counts.
        let passed_in = match depth.checked_sub(1).map(|inner| case.call_into(inner)) {
            None => None,
            Some(Some((_, call, _))) => Some(call.byte_range()),
            Some(None) => continue,
        };
        let mut seen = Vec::new();
        let used = case.raisers(depth, |file, node| {
            node.kind() == "identifier" && defining_call(case, file, node).is_some()
        });
        for variable in used {
            if passed_in.as_ref().is_some_and(|call| !call.contains(&variable.start_byte())) {
                continue;
            }
            let Some(definition) = defining_call(case, file, variable) else { continue };
            if !seen.contains(&definition.statement) && definition.statement != variable {
                let mended = mend(case, depth, file, variable, &definition);
                // What is asked for before one use need not be before another.
                if !mended.is_empty() {
                    seen.push(definition.statement);
                }
                drafts.extend(mended);
            }
        }
    }
    drafts
}

/// A statement that gives a variable and an error their values by one call.
struct Definition<'t> {
    statement: Node<'t>,
    call: Node<'t>,
    /// The last name on the left: the error, or `_`.
    error: Node<'t>,
    names: usize,
}

fn defining_call<'t>(case: &Case<'_>, file: &'t Arc<File>, variable: Node<'t>) -> Option<Definition<'t>> {
    let name = file.text_of(variable);
    let Binding::Short { statement, .. } = file.binding(variable, name).map(|binding| {
        last_assignment(file, variable, name)
            .map_or(binding, |statement| Binding::Short { statement, position: 0 })
    })?
    else {
        return None;
    };
    let left = statement.child_by_field_name("left")?;
    let call = statement.child_by_field_name("right")?.named_child(0)?;
    let names = left.named_child_count();
    let last = u32::try_from(names.checked_sub(1)?).ok()?;
    let error = left.named_child(last)?;
    if call.kind() != "call_expression" || names < 2 || error == variable || file.text_of(error) == name {
        return None;
    }
    if statement.start_byte() <= variable.start_byte() && variable.start_byte() < statement.end_byte() {
        return None;
    }
    let returns_error = match case.resolver.results(file, call) {
        Some(results) => results.last().is_some_and(|ty| ty.text == "error") && results.len() == names,
        // Of an unknown call only the name of its last result tells whether that is an error.
        None if file.text_of(error) != "_" => file.text_of(error).to_ascii_lowercase().contains("err"),
        None => !matches!(
            called_name(file, call),
            "Cut" | "CutPrefix" | "CutSuffix" | "LookupEnv" | "Load" | "Value" | "Caller"
        ),
    };
    returns_error.then_some(Definition { statement, call, error, names })
}

/// The last plain assignment of a variable by a call, in the statements before its use.
fn last_assignment<'t>(file: &'t File, variable: Node<'t>, name: &str) -> Option<Node<'t>> {
    let mut node = statement_of(variable)?;
    loop {
        let found = earlier(node).find(|earlier| {
            earlier.kind() == "assignment_statement"
                && earlier.child_by_field_name("left").is_some_and(|left| {
                    let mut cursor = left.walk();
                    left.named_children(&mut cursor).any(|target| file.text_of(target) == name)
                })
        });
        if found.is_some() {
            return found;
        }
        if file.binding(node, name).is_some_and(|binding| {
            matches!(binding, Binding::Short { statement, .. } if statement.parent() == node.parent())
        }) {
            return None;
        }
        node = statement_of(node.parent()?)?;
    }
}

fn mend(
    case: &Case<'_>,
    depth: usize,
    file: &Arc<File>,
    used: Node<'_>,
    definition: &Definition<'_>,
) -> Vec<Draft> {
    let call = called_name(file, definition.call);
    let name = file.text_of(definition.error);
    let found = if name == "_" {
        give_name(case, file, definition).map(|(edits, reports)| {
            (
                edits,
                reports,
                format!("The error of `{call}` was thrown away: it is checked before its value is used."),
            )
        })
    } else {
        check_named(case, file, used, definition, name).map(|(edits, reports)| {
            (
                edits,
                reports,
                format!("The value of `{call}` was used without heeding its error: it is checked first."),
            )
        })
    };
    found
        .map(|(edits, reports, explanation)| Draft::leaving(Tier::Cause, reports, depth, explanation, edits))
        .into_iter()
        .collect()
}

/// What leaving because of a call's error says.
fn failure(case: &Case<'_>, file: &Arc<File>, call: Node<'_>, subject: &str, error: &str) -> Failure {
    let name = called_name(file, call);
    let parses = call
        .child_by_field_name("function")
        .and_then(|function| imported_name(file, function))
        .is_some_and(|(path, _)| matches!(path, "strconv" | "time" | "net/url" | "encoding/json"))
        || ["parse", "decode", "unmarshal", "atoi"]
            .iter()
            .any(|word| name.to_ascii_lowercase().starts_with(word));
    let subject = phrase(subject);
    let mut verb = words(name);
    if verb.len() == 1 && subject != "value" && !verb.contains(&subject) {
        verb.push(subject.clone());
    }
    let (blame, plain) = if parses {
        (Blame::Malformed, format!("invalid {subject}"))
    } else if finds_nothing(case, file, call) {
        (Blame::Missing, format!("{subject} not found"))
    } else {
        (Blame::Internal, format!("cannot {}", verb.join(" ")))
    };
    let mut failure = Failure::new(blame, plain).caused_by(error);
    if blame != Blame::Malformed {
        // The error says itself what went wrong; only an HTTP answer needs the words.
        failure.format = verb.join(" ");
    }
    failure.requested = from_request(file, call);
    failure.status = neighbours_status(case, file, call);
    failure
}

/// Whether a call of the repository can fail because there is no such thing.
fn finds_nothing(case: &Case<'_>, file: &Arc<File>, call: Node<'_>) -> bool {
    case.resolver.callees(file, call).iter().any(|callee| {
        let body =
            callee.file.text.get(callee.function.body.clone()).unwrap_or_default().to_ascii_lowercase();
        ["notfound", "not found", "unknown", "no such", "does not exist"]
            .iter()
            .any(|word| body.contains(word))
    })
}

fn subject<'f>(file: &'f File, definition: &Definition<'_>) -> &'f str {
    definition
        .statement
        .child_by_field_name("left")
        .and_then(|left| left.named_child(0))
        .map(|node| file.text_of(node))
        .unwrap_or_default()
}

/// `v, _ := f()` becomes `v, err := f()` with a check after it.
fn give_name(case: &Case<'_>, file: &Arc<File>, definition: &Definition<'_>) -> Option<(Edits, bool)> {
    let statement = definition.statement;
    let mut edits = Edits::default();
    let error = "err";
    edits.replace(file, definition.error.byte_range(), error);
    let declares = statement.kind() == "short_var_declaration";
    let failure = failure(case, file, definition.call, subject(file, definition), error);
    if let Some(header) = statement.parent().filter(|parent| parent.kind() == "if_statement") {
        let condition = header.child_by_field_name("condition")?;
        edits.replace(file, condition.byte_range(), format!("{error} == nil && {}", file.text_of(condition)));
        return declares.then_some((edits, true));
    }
    if statement_of(statement) != Some(statement) {
        return None;
    }
    if !declares && file.binding(statement, error).is_none() {
        edits.insert_before(file, statement, &["var err error".to_owned()])?;
    }
    if declares {
        soften_later(&mut edits, file, statement, error)?;
    }
    let exit = case.leave(&mut edits, file, statement, &failure);
    edits.insert_after(file, statement, &exit.guarded(&format!("{error} != nil")))?;
    Some((edits, exit.reports))
}

/// The error has a name: its check is added, moved up, or made to leave.
fn check_named(
    case: &Case<'_>,
    file: &Arc<File>,
    used: Node<'_>,
    definition: &Definition<'_>,
    name: &str,
) -> Option<(Edits, bool)> {
    let statement = definition.statement;
    if statement_of(statement) != Some(statement) || definition.names < 2 {
        return None;
    }
    let mut edits = Edits::default();
    let following: Vec<Node<'_>> =
        std::iter::successors(statement.next_named_sibling(), Node::next_named_sibling).collect();
    let check = following.iter().copied().find(|node| asks_for(file, *node, name));
    let use_at = used.start_byte();
    match check {
        Some(check) if check.end_byte() <= use_at => {
            let block = check.child_by_field_name("consequence")?;
            if leaves(file, block) {
                return None;
            }
            let last = block.named_child(0)?;
            let last = last_child(last)?;
            let failure = failure(case, file, definition.call, subject(file, definition), name);
            let exit = case.leave(&mut edits, file, last, &failure);
            // What the block does already stands for the report; only the way out is missing.
            let silent = file.enclosing_function(last).is_none_or(|node| results_of(file, node).is_empty());
            let lines: Vec<String> =
                if silent { exit.lines.last().cloned().into_iter().collect() } else { exit.lines.clone() };
            edits.insert_after(file, last, &lines)?;
            Some((edits, exit.reports))
        }
        Some(check) if check.start_byte() > use_at => {
            let indent = indent_of(file, check)?;
            // The check moves up with its lines; what stood between comes after it.
            let from = check.start_byte() - indent.len();
            let rest = file.text.get(check.end_byte()..)?;
            let to = check.end_byte() + rest.find('\n')? + 1;
            let lines: Vec<String> = file
                .text_of(check)
                .split('\n')
                .map(|line| line.strip_prefix(indent.as_str()).unwrap_or(line).to_owned())
                .collect();
            edits.insert_after(file, statement, &lines)?;
            edits.replace(file, from..to, "");
            Some((edits, true))
        }
        Some(_) => None,
        // A loop or a switch may ask for it in its own way.
        None if is_asked_between(file, statement, used, name) => None,
        None => {
            let failure = failure(case, file, definition.call, subject(file, definition), name);
            let exit = case.leave(&mut edits, file, statement, &failure);
            edits.insert_after(file, statement, &exit.guarded(&format!("{name} != nil")))?;
            Some((edits, exit.reports))
        }
    }
}

/// Whether some condition between the call and the use of its value speaks of the error.
fn is_asked_between(file: &File, statement: Node<'_>, used: Node<'_>, name: &str) -> bool {
    let Some(function) = file.enclosing_function(statement) else { return false };
    nodes_of(function, |node| {
        node.kind() == "identifier"
            && node.start_byte() > statement.end_byte()
            && node.start_byte() < used.start_byte()
            && file.text_of(node) == name
    })
    .into_iter()
    .any(|node| {
        std::iter::successors(node.parent(), Node::parent)
            .take_while(|parent| parent.kind() != "statement_list")
            .any(|parent| matches!(parent.kind(), "binary_expression" | "expression_case" | "for_clause"))
    })
}
