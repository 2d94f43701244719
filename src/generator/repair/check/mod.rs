//! A check before an expression that can fail: as a condition beside it, as an early exit before its
//! statement, or, where its function cannot report, in the caller that can.

mod condition;
mod kept;

use std::sync::Arc;

use tree_sitter::Node;

pub(crate) use condition::looks_ahead;
use condition::{Joined, condition, other_branch};
use kept::{shortened, strengthened};

use crate::generator::repair::asked::is_asked;
use crate::generator::repair::case::Case;
use crate::generator::repair::draft::{Draft, Tier};
use crate::generator::repair::edit::{Edits, is_repairable};
use crate::generator::repair::exit::Failure;
use crate::generator::repair::flow::from_request;
use crate::generator::repair::loops::{changes, identifiers};
use crate::generator::repair::order::{Reads, before_changes, changed_above};
use crate::generator::repair::scope::in_scope_before;
use crate::generator::repair::syntax::{
    nodes_in, nodes_of, operator_of, returns_error, root_of, statement_of,
};
use crate::repository::go::{File, Function, package_binding};

/// A check to put before an expression.
#[derive(Debug, Clone)]
pub(crate) struct Check<'c> {
    /// The frame the expression stands in.
    pub(crate) depth: usize,
    /// The expression that fails.
    pub(crate) at: Node<'c>,
    /// The condition under which it fails.
    pub(crate) bad: String,
    /// The condition under which it holds; empty where it makes no sense beside the expression.
    pub(crate) good: String,
    /// The value that the condition is about.
    pub(crate) subject: Node<'c>,
    pub(crate) failure: Failure,
    /// What the check does and why.
    pub(crate) explanation: String,
}

impl Check<'_> {
    fn draft(&self, tier: Tier, depth: usize, masks: bool, edits: Edits) -> Draft {
        Draft { tier, depth, explanation: self.explanation.clone(), masks, open: None, edits }
    }

    /// All that the condition and the message read.
    fn reads(&self) -> Reads<'_> {
        Reads::of(std::iter::once(self.bad.as_str()).chain(self.failure.arguments.iter().map(String::as_str)))
    }
}

impl Case<'_> {
    /// Every way to make a check, best first.
    pub(crate) fn check(&self, check: &Check<'_>) -> Vec<Draft> {
        let mut drafts = Vec::new();
        let Some(file) = self.file(check.depth).filter(|file| is_repairable(file)) else { return drafts };
        if is_asked(file, check.at, &check.bad, &check.good) {
            self.note_asked_already();
            return drafts;
        }
        if let Some((edits, joined)) = condition(file, check) {
            let told = self.to_the_terminator(file, check, &edits, joined);
            let ahead = looks_ahead(file, check.at);
            let hides = joined == Joined::Decides && !ahead
                || joined == Joined::EndsLoop && is_never_there(file, check);
            let tier = match joined {
                _ if hides => Tier::Mask,
                // What is followed by nothing is not followed by what is asked for.
                Joined::GoesOn | Joined::Decides if ahead => Tier::Condition,
                // An error says more than a condition that goes on without.
                Joined::GoesOn if returns_error(file, check.at) => Tier::Guard,
                Joined::EndsLoop if told.is_some() => Tier::Guard,
                Joined::GoesOn | Joined::EndsLoop | Joined::Reports | Joined::Decides => Tier::Condition,
            };
            drafts.push(check.draft(tier, check.depth, hides, edits));
            drafts.extend(told);
        }
        if let Some((edits, answers)) = other_branch(file, check) {
            let tier = if answers { Tier::Mask } else { Tier::Condition };
            let open = (!answers).then(|| OTHERWISE.to_owned());
            drafts.push(Draft { open, ..check.draft(tier, check.depth, answers, edits) });
        }
        if let Some(edits) = strengthened(file, check) {
            drafts.push(check.draft(Tier::Condition, check.depth, false, edits));
        }
        if let Some(edits) = shortened(file, check) {
            // Who can report would do that.
            let reports = returns_error(file, check.at);
            let tier = if reports { Tier::Guard } else { Tier::Condition };
            let open = (!reports).then(|| KEPT.to_owned());
            drafts.push(Draft { open, ..check.draft(tier, check.depth, reports, edits) });
        }
        let mut reports = false;
        if let Some((edits, reported, changed)) = self.guard(file, check) {
            reports = reported;
            let tier = if reported { Tier::Check } else { Tier::Mask };
            drafts.push(check.draft(tier, check.depth, !reported, edits).with_work_half_done(changed));
        }
        if !reports {
            drafts.extend(self.check_in_callers(check, file));
        }
        drafts
    }

    /// A loop that looks for what ends something, as a closing quote: it ends with the input too, and that what it
    /// looked for is not there is told behind it.
    fn to_the_terminator(
        &self,
        file: &Arc<File>,
        check: &Check<'_>,
        joins: &Edits,
        joined: Joined,
    ) -> Option<Draft> {
        let comparison = check.at.parent().filter(|node| operator_of(file, *node) == Some("!="))?;
        comparison.child_by_field_name("right").filter(|end| closes(file.text_of(*end)))?;
        let around = comparison.parent()?;
        let around = if around.kind() == "for_clause" { around.parent()? } else { around };
        if joined != Joined::EndsLoop
            || around.kind() != "for_statement"
            || !returns_error(file, check.at)
            || !in_scope_before(file, check.subject, around)
        {
            return None;
        }
        let mut edits = joins.clone();
        let exit = self.leave(&mut edits, file, around, &check.failure);
        edits.insert_after(file, around, &exit.guarded(&check.bad))?;
        exit.reports.then(|| check.draft(Tier::Condition, check.depth, false, edits))
    }

    /// Leaving before the statement that fails, better still before anything was changed; whether that is
    /// told, and which change above stays.
    fn guard<'f>(&self, file: &'f Arc<File>, check: &Check<'f>) -> Option<(Edits, bool, Option<&'f str>)> {
        let statement = statement_of(check.at)?;
        if !in_scope_before(file, check.subject, statement) {
            return None;
        }
        let mut edits = Edits::default();
        let mut failure = check.failure.clone();
        failure.requested = from_request(file, check.subject);
        let above = before_changes(file, statement, &check.reads());
        let at = above.and_then(|above| above.named_child(0)).unwrap_or(check.at);
        let exit = self.leave(&mut edits, file, at, &failure);
        let place = above.unwrap_or(statement);
        edits.insert_before(file, place, &exit.guarded(&check.bad))?;
        Some((edits, exit.reports, changed_above(file, place)))
    }

    /// The same check before the calls that lead to the expression, in the words of the callers.
    fn check_in_callers(&self, check: &Check<'_>, file: &Arc<File>) -> Vec<Draft> {
        let mut drafts = Vec::new();
        // A closure's parameters are not those of the function which the trace calls.
        if file.enclosing_function(check.at).is_none_or(|function| function.kind() == "func_literal") {
            return drafts;
        }
        let (mut bad, mut arguments) = (check.bad.clone(), check.failure.arguments.clone());
        let mut good = check.good.clone();
        let mut depth = check.depth;
        while let Some((outer, call, function)) = self.call_into(depth) {
            let Some(caller) = self.file(outer).filter(|caller| is_repairable(caller)) else { break };
            let Some(inner) = self.file(depth) else { break };
            let Some(mut names) = Substitution::of(caller, call, function) else { break };
            let requested = names.come_from_request(caller, &bad);
            if is_changed_before(inner, function, &bad, check, depth) {
                break;
            }
            names.keep_globals(self, inner, caller, call, &bad);
            let own_package = self.same_package(caller, inner);
            let Some(outer_bad) = names.apply(&bad, own_package) else { break };
            let Some(outer_arguments) =
                arguments.iter().map(|text| names.apply(text, own_package)).collect::<Option<Vec<_>>>()
            else {
                break;
            };
            good = names.apply(&good, own_package).unwrap_or_default();
            (bad, arguments) = (outer_bad, outer_arguments);
            // Where a condition that calls it leads to an error, what fails leads there too.
            let (bad_there, good_there) = (bad.clone(), good.clone());
            let there = Check {
                depth: outer,
                at: call,
                subject: call,
                bad: bad_there,
                good: good_there,
                ..check.clone()
            };
            if let Some((edits, Joined::Reports)) = condition(caller, &there) {
                drafts.push(check.draft(Tier::Condition, outer, false, edits));
            }
            let mut failure = check.failure.clone();
            failure.arguments.clone_from(&arguments);
            failure.requested = requested;
            let mut edits = Edits::default();
            let exit = self.leave(&mut edits, caller, call, &failure);
            if exit.reports {
                let placed = statement_of(call)
                    .and_then(|statement| edits.insert_before(caller, statement, &exit.guarded(&bad)));
                if placed.is_some() {
                    drafts.push(check.draft(Tier::Check, outer, false, edits));
                }
                break;
            }
            depth = outer;
        }
        drafts
    }
}

/// What nothing tells of the branch that is taken instead.
const OTHERWISE: &str = "whether the other branch is right for such a value, nothing here tells";
/// What nothing tells of a value that is not cut.
const KEPT: &str = "whether what is too short to be cut is right as it is, nothing here tells";

/// Whether what is looked for closes something that was opened: input that ends before it is malformed. A line, a
/// word or a text that ends with zero may well end with the input.
fn closes(end: &str) -> bool {
    let literal = end.trim_matches('\'').trim_start_matches('\\');
    let is_name = end.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '.'));
    matches!(literal, "\"" | "" | "`" | ")" | "]" | "}" | ">")
        || is_name && ["quote", "delim", "close"].iter().any(|word| end.to_lowercase().contains(word))
}

/// The names in the text of an expression.
pub(crate) fn names_in(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !(c.is_alphanumeric() || c == '_')).filter(|word| !word.is_empty())
}

/// Whether a function changes a parameter that a condition speaks of before it comes to what fails, or to the call that
/// leads there: then the condition says nothing of what the caller gives.
fn is_changed_before(
    file: &File,
    function: &Function,
    condition: &str,
    check: &Check<'_>,
    depth: usize,
) -> bool {
    let until = if depth == check.depth { check.at.start_byte() } else { function.range.end };
    let changes = nodes_in(file, &function.range, |node| {
        matches!(
            node.kind(),
            "assignment_statement" | "inc_statement" | "dec_statement" | "short_var_declaration"
        ) && node.start_byte() < until
    });
    let targets = changes.into_iter().flat_map(|node| match node.child_by_field_name("left") {
        Some(left) => left.named_children(&mut left.walk()).collect::<Vec<_>>(),
        None => node.named_child(0).into_iter().collect(),
    });
    let changed: Vec<&str> = targets.filter_map(root_of).map(|root| file.text_of(root)).collect();
    let is_param = |word: &str| function.params.iter().any(|param| param.name == word);
    names_in(condition).any(|word| is_param(word) && changed.contains(&word))
}

/// What the parameters of a function are called where it is called.
struct Substitution<'t> {
    names: Vec<(String, String)>,
    /// The arguments, by the parameters' names.
    arguments: Vec<(String, Node<'t>)>,
}

impl<'t> Substitution<'t> {
    fn of(caller: &File, call: Node<'t>, function: &Function) -> Option<Self> {
        let mut names = Vec::new();
        let list = call.child_by_field_name("arguments")?;
        let mut cursor = list.walk();
        let arguments: Vec<Node<'t>> = list.named_children(&mut cursor).collect();
        for (param, argument) in function.params.iter().zip(&arguments) {
            if param.ty.starts_with("...") {
                break;
            }
            // What calls or makes something must not be done twice.
            let pure = nodes_of(*argument, |node| {
                matches!(node.kind(), "call_expression" | "func_literal" | "composite_literal")
            })
            .is_empty();
            if pure && !param.name.is_empty() {
                let text = caller.text_of(*argument);
                let simple = !matches!(argument.kind(), "binary_expression" | "unary_expression");
                names.push((param.name.clone(), if simple { text.to_owned() } else { format!("({text})") }));
            }
        }
        if let Some(receiver) = &function.receiver {
            let operand = call.child_by_field_name("function")?.child_by_field_name("operand")?;
            let pure = nodes_of(operand, |node| node.kind() == "call_expression").is_empty();
            if pure && !receiver.name.is_empty() {
                names.push((receiver.name.clone(), caller.text_of(operand).to_owned()));
            }
        }
        let named = function.params.iter().map(|param| param.name.clone());
        Some(Self { names, arguments: named.zip(arguments).collect() })
    }

    /// Whether any of the arguments that a condition on the parameters speaks of came with a request.
    fn come_from_request(&self, caller: &Arc<File>, condition: &str) -> bool {
        names_in(condition)
            .any(|word| self.arguments.iter().any(|(name, node)| name == word && from_request(caller, *node)))
    }

    /// Names declared outside functions mean the same in both, unless the caller has its own.
    fn keep_globals(
        &mut self,
        case: &Case<'_>,
        inner: &Arc<File>,
        caller: &File,
        call: Node<'_>,
        text: &str,
    ) {
        let package = case.resolver.package_of(inner);
        for word in names_in(text) {
            let known = self.names.iter().any(|(name, _)| name == word);
            let global = package.iter().any(|file| package_binding(file, word).is_some());
            if !known && global && case.same_package(inner, caller) && caller.binding(call, word).is_none() {
                self.names.push((word.to_owned(), word.to_owned()));
            }
        }
    }

    /// The text with every parameter replaced; none when it speaks of anything else that the caller
    /// cannot name.
    fn apply(&self, text: &str, own_package: bool) -> Option<String> {
        let mut out = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(c) = rest.chars().next() {
            if c == '"' {
                return None;
            }
            if !(c.is_alphabetic() || c == '_') {
                let digits = rest.find(|c: char| !c.is_alphanumeric()).unwrap_or(rest.len());
                let take = if c.is_ascii_digit() { digits } else { c.len_utf8() };
                out.push_str(&rest[..take]);
                rest = &rest[take..];
                continue;
            }
            let end = rest.find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(rest.len());
            let word = &rest[..end];
            let selected = out.ends_with('.');
            rest = &rest[end..];
            if selected {
                if !own_package && !word.starts_with(char::is_uppercase) {
                    return None;
                }
                out.push_str(word);
            } else if matches!(word, "len" | "cap" | "nil" | "int" | "string") {
                out.push_str(word);
            } else {
                let (_, replacement) = self.names.iter().find(|(name, _)| name == word)?;
                out.push_str(replacement);
            }
        }
        Some(out)
    }
}

/// Whether what a loop's condition asks for to be there does not change in the loop: where it is nil, nothing of the
/// loop's work is done at all, and nobody is told.
fn is_never_there(file: &File, check: &Check<'_>) -> bool {
    let around =
        std::iter::successors(Some(check.at), Node::parent).find(|node| node.kind() == "for_statement");
    let names = identifiers(file, check.subject);
    check.good.ends_with("!= nil")
        && around.is_some_and(|around| nodes_of(around, |node| changes(file, node, &names)).is_empty())
}
