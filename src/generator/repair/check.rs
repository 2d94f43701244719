//! A check before an expression that can fail: as a condition beside it, as an early exit before its
//! statement, or, where its function cannot report, in the caller that can.

use std::sync::Arc;

use tree_sitter::Node;

use super::asked::is_asked;
use super::case::Case;
use super::draft::{Draft, Tier};
use super::edit::{Edits, is_repairable};
use super::exit::Failure;
use super::flow::from_request;
use super::loops::{past_condition, would_not_end};
use super::order::{Reads, before_changes, changed_above};
use super::scope::in_scope_before;
use super::syntax::{is_error_return, last_child, nodes_of, operator_of, returns_error, statement_of};
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
        Draft { tier, depth, explanation: self.explanation.clone(), masks, edits }
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
            let tier = match joined {
                // An error says more than a condition that goes on without.
                Joined::GoesOn if returns_error(file, check.at) => Tier::Guard,
                Joined::Decides => Tier::Mask,
                Joined::GoesOn | Joined::EndsLoop | Joined::Reports => Tier::Condition,
            };
            drafts.push(check.draft(tier, check.depth, joined == Joined::Decides, edits));
        }
        if let Some(edits) = other_branch(file, check) {
            drafts.push(check.draft(Tier::Condition, check.depth, false, edits));
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
        let mut depth = check.depth;
        while let Some((outer, call, function)) = self.call_into(depth) {
            let Some(caller) = self.file(outer).filter(|caller| is_repairable(caller)) else { break };
            let Some(inner) = self.file(depth) else { break };
            let Some(mut names) = Substitution::of(caller, call, function) else { break };
            let requested = names.come_from_request(caller, &bad);
            names.keep_globals(self, inner, caller, call, &bad);
            let own_package = self.same_package(caller, inner);
            let Some(outer_bad) = names.apply(&bad, own_package) else { break };
            let Some(outer_arguments) =
                arguments.iter().map(|text| names.apply(text, own_package)).collect::<Option<Vec<_>>>()
            else {
                break;
            };
            (bad, arguments) = (outer_bad, outer_arguments);
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

/// What a condition does that was joined, once the failing value comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Joined {
    /// It passes over what it guards.
    GoesOn,
    /// It ends a loop.
    EndsLoop,
    /// It takes the way that leaves with an error.
    Reports,
    /// It gives an answer that nobody asked for: it is what is returned, or it passes over the way that
    /// leaves with an error. The crash becomes a wrong answer.
    Decides,
}

/// What becomes of a value that is asked for at a node, when the whole is true for the failing value or
/// false.
fn joined(file: &File, node: Node<'_>, holds: bool) -> Joined {
    let around = std::iter::successors(Some(node), Node::parent)
        .take_while(|node| !matches!(node.kind(), "statement_list" | "block" | "func_literal"))
        .find(|node| {
            matches!(node.kind(), "if_statement" | "for_statement" | "return_statement" | "expression_case")
        });
    let Some(around) = around else { return Joined::GoesOn };
    match around.kind() {
        "for_statement" => Joined::EndsLoop,
        "return_statement" => Joined::Decides,
        "if_statement" => {
            let (body, otherwise) =
                (around.child_by_field_name("consequence"), around.child_by_field_name("alternative"));
            let otherwise = otherwise.or_else(|| around.next_named_sibling());
            let (skipped, taken) = if holds { (otherwise, body) } else { (body, otherwise) };
            let answers = |way: Option<Node<'_>>| way.is_some_and(|way| answer(way).is_some());
            if taken.and_then(last_statement).is_some_and(|last| is_error_return(file, last)) {
                Joined::Reports
            } else if body.filter(|_| !holds).is_some_and(|body| leaves_with_error(file, body))
                || answers(taken) && (holds || answers(skipped))
            {
                Joined::Decides
            } else {
                Joined::GoesOn
            }
        }
        _ => Joined::GoesOn,
    }
}

/// The last statement of a block; a statement is its own.
fn last_statement(way: Node<'_>) -> Option<Node<'_>> {
    if way.kind() != "block" {
        return Some(way);
    }
    last_child(way.named_child(0).filter(|list| list.kind() == "statement_list")?)
}

/// The values that a way gives back, when it does nothing else: the condition before it chooses between
/// answers.
fn answer(way: Node<'_>) -> Option<Node<'_>> {
    let alone = way.kind() != "block" || way.named_child(0)?.named_child_count() == 1;
    let last = last_statement(way).filter(|last| alone && last.kind() == "return_statement")?;
    last.named_child(0)
}

/// Whether a way through a block leaves its function with an error.
fn leaves_with_error(file: &File, block: Node<'_>) -> bool {
    let function = file.enclosing_function(block);
    nodes_of(block, |node| node.kind() == "return_statement")
        .into_iter()
        .any(|leaving| file.enclosing_function(leaving) == function && is_error_return(file, leaving))
}

/// Joins the check to the boolean expression that holds the failing one, where there is such an
/// expression: the condition of an `if` or a loop, an operand of `&&`, a returned comparison. What is
/// asked to be *unequal* holds of a value that is not there: it is joined by `||`, but for loops, which
/// must end. Nothing is joined that would keep the failing value from the only way out of a loop.
fn condition(file: &Arc<File>, check: &Check<'_>) -> Option<(Edits, Joined)> {
    if check.good.is_empty() {
        return None;
    }
    let mut node = check.at;
    let mut negated = false;
    let parent = loop {
        let parent = node.parent()?;
        let is_operand = matches!(operator_of(file, parent), Some("&&" | "||"));
        let is_condition = matches!(parent.kind(), "if_statement" | "for_clause")
            && parent.child_by_field_name("condition") == Some(node);
        let is_while = parent.kind() == "for_statement"
            && parent.child_by_field_name("body") != Some(node)
            && !matches!(node.kind(), "for_clause" | "range_clause");
        let is_value = is_comparison(file, node) && is_value_place(parent);
        if is_operand || is_condition || is_while || is_value {
            negated |= operator_of(file, node) == Some("!=");
            break parent;
        }
        if matches!(parent.kind(), "statement_list" | "block" | "func_literal") {
            return None;
        }
        negated |= operator_of(file, parent) == Some("!") || operator_of(file, node) == Some("!=");
        node = parent;
    };
    let in_loop_header = std::iter::successors(Some(parent), Node::parent)
        .take_while(|node| node.kind() != "statement_list")
        .any(|node| matches!(node.kind(), "for_clause" | "for_statement"));
    let inner = file.text_of(node);
    let holds = negated && !in_loop_header;
    if holds && fails_within(file, check, parent) {
        return None;
    }
    if would_not_end(file, parent, &past_condition(file, parent, holds)) {
        return None;
    }
    let text = if holds {
        let joined = format!("{} || {inner}", check.bad);
        if operator_of(file, parent) == Some("&&") { format!("({joined})") } else { joined }
    } else if operator_of(file, node) == Some("||") {
        format!("{} && ({inner})", check.good)
    } else {
        format!("{} && {inner}", check.good)
    };
    let mut edits = Edits::default();
    edits.replace(file, node.byte_range(), text);
    Some((edits, joined(file, parent, holds)))
}

/// Where the failing statement is the first of a branch, and there is another one: the condition of the branch
/// asks for it too, so that the other is taken.
fn other_branch(file: &Arc<File>, check: &Check<'_>) -> Option<Edits> {
    if check.good.is_empty() {
        return None;
    }
    let statement = statement_of(check.at)?;
    let list = statement.parent().filter(|list| list.named_child(0) == Some(statement))?;
    let branch = list.parent().filter(|branch| branch.kind() == "block")?;
    let around = branch.parent().filter(|around| {
        around.kind() == "if_statement" && around.child_by_field_name("consequence") == Some(branch)
    })?;
    around.child_by_field_name("alternative")?;
    let condition = around.child_by_field_name("condition")?;
    in_scope_before(file, check.subject, around).then_some(())?;
    in_scope_before(file, check.at, around).then_some(())?;
    let asked = file.text_of(condition);
    let asked =
        if operator_of(file, condition) == Some("||") { format!("({asked})") } else { asked.to_owned() };
    let mut edits = Edits::default();
    edits.replace(file, condition.byte_range(), format!("{asked} && {}", check.good));
    Some(edits)
}

/// Whether the way that is taken once the check holds does what fails: it would be reached for the first time.
fn fails_within(file: &File, check: &Check<'_>, condition: Node<'_>) -> bool {
    let around =
        std::iter::successors(Some(condition), Node::parent).find(|node| node.kind() == "if_statement");
    let Some(taken) = around.and_then(|around| around.child_by_field_name("consequence")) else {
        return false;
    };
    let is_nil = check.bad.ends_with("== nil");
    let (failing, subject) = (file.text_of(check.at), file.text_of(check.subject));
    let fails = |node: Node<'_>| {
        let operand = node.child_by_field_name("operand").map(|operand| file.text_of(operand));
        file.text_of(node) == failing || is_nil && operand == Some(subject)
    };
    !nodes_of(taken, fails).is_empty()
}

fn is_comparison(file: &File, node: Node<'_>) -> bool {
    node.kind() == "binary_expression"
        && operator_of(file, node)
            .is_some_and(|operator| matches!(operator, "==" | "!=" | "<" | "<=" | ">" | ">="))
}

/// Whether a boolean that stands there is a value: returned, assigned.
fn is_value_place(parent: Node<'_>) -> bool {
    let statement = if parent.kind() == "expression_list" { parent.parent() } else { Some(parent) };
    statement.is_some_and(|statement| {
        matches!(statement.kind(), "return_statement" | "assignment_statement" | "short_var_declaration")
    })
}

/// The names in the text of an expression.
fn names_in(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !(c.is_alphanumeric() || c == '_')).filter(|word| !word.is_empty())
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
