//! What a function holds at a place: locks, slots, counts and open things that it took on the way there and
//! gives back further down by a plain statement. Who leaves in between has to give them back too, as the
//! branches around do.

use tree_sitter::Node;

use super::handler::handler;
use super::naming::is_logger;
use super::scope::in_scope_before;
use super::syntax::{
    called_name, is_error_return, is_listed, is_within, leaves, method_call, nodes_of, returns_error,
    statement_of, statements_above, within_function,
};
use crate::repository::go::File;

/// What takes something, and what gives it back, by the names of the methods.
const PAIRS: &[(&str, &str)] = &[
    ("Lock", "Unlock"),
    ("RLock", "RUnlock"),
    ("Acquire", "Release"),
    ("Inc", "Dec"),
    ("Enter", "Leave"),
    ("Begin", "End"),
    ("Open", "Close"),
    ("Start", "Finish"),
];
/// What ends something as done, and so is no way to leave it: who leaves in between leaves it open.
const COMPLETES: &[(&str, &str)] = &[("Begin", "Commit"), ("Start", "Commit"), ("Begin", "Finish")];
/// How functions are called that make what their caller has to end.
const MAKERS: &[&str] = &[
    "Open", "open", "New", "new", "Create", "create", "Dial", "dial", "Listen", "Begin", "begin", "Start",
    "start", "Acquire", "acquire", "With", "Query", "Prepare", "lock", "Lock",
];
/// Channels that count who may go on.
const COUNTERS: &[&str] = &["slots", "sem", "semaphore", "tokens", "permits", "limit", "limiter", "places"];
/// What gives back a variable that a call made.
const CLOSERS: &[&str] = &["Close", "Stop", "Release", "End", "Unlock", "Rollback"];
/// Functions that are made in order to be called at the end: `ctx, cancel := …`.
const CANCELS: &[&str] = &["cancel", "release", "unlock", "done", "stop", "cleanup", "free"];

/// What is held at a node.
#[derive(Debug, Clone, Default)]
pub(crate) struct Held {
    /// The statements which give it back, the last taken first.
    pub(crate) releases: Vec<String>,
    /// What was begun and can only be completed: who leaves leaves it open.
    pub(crate) open: Option<String>,
}

/// What is held at a node. `in_loop` where only the body of the innermost loop is left: what was taken before it
/// is given back after it.
pub(crate) fn held(file: &File, at: Node<'_>, in_loop: bool) -> Held {
    let Some(function) = file.enclosing_function(at) else { return Held::default() };
    let givers = givers(file, function);
    // What is deferred further down is not deferred yet.
    let (deferred, later): (Vec<_>, Vec<_>) = givers
        .into_iter()
        .filter(|giver| giver.deferred || giver.statement.start_byte() >= at.start_byte())
        .partition(|giver| giver.deferred && giver.statement.end_byte() <= at.start_byte());
    let mut held: Vec<String> = Vec::new();
    let mut open = None;
    for statement in passed(at, in_loop) {
        held.retain(|release| file.text_of(statement) != release);
        if let Some(release) = given_back_elsewhere(file, function, statement) {
            held.push(release);
            continue;
        }
        // Given back on every way: what only a branch gives back may be kept by intent.
        let release = later
            .iter()
            .filter(|giver| !is_within(statement, giver.statement) && is_straight(statement, giver.statement))
            .filter(|giver| gives_back(file, statement, giver.call, at))
            .map(|giver| file.text_of(giver.call))
            .find(|release| !deferred.iter().any(|giver| file.text_of(giver.statement).contains(release)));
        if release.is_some_and(|release| may_be_given_back(file, statement, at, release)) {
            open = release.map(str::to_owned);
            continue;
        }
        let unsure = |giver: &&Giver<'_>| {
            completes(file, statement, giver.call)
                || gives_back(file, statement, giver.call, at) && !is_on_a_way_out(file, giver.statement)
        };
        if release.is_none() && later.iter().any(|giver| unsure(&giver)) {
            open = Some(file.text_of(statement).to_owned());
        }
        held.extend(release.map(str::to_owned));
    }
    held.reverse();
    if !in_loop {
        let alike = given_back_alike(file, function, at);
        held.extend(alike.into_iter().filter(|release| !held.contains(release)).collect::<Vec<_>>());
    }
    if held.iter().any(|release| open.as_ref().is_some_and(|taken| same_operand(taken, release))) {
        open = None;
    }
    Held { releases: held, open }
}

/// Whether a statement is run whenever the one before it was: it stands in the same block or one around.
fn is_straight(taker: Node<'_>, giver: Node<'_>) -> bool {
    giver.parent().is_some_and(|list| list.start_byte() <= taker.start_byte())
}

/// Whether a branch between a statement and a node gives back what it took, and goes on: then nobody knows whether it
/// is held.
fn may_be_given_back(file: &File, taker: Node<'_>, at: Node<'_>, release: &str) -> bool {
    std::iter::successors(taker.next_named_sibling(), Node::next_named_sibling)
        .take_while(|between| between.end_byte() <= at.start_byte())
        .flat_map(|between| nodes_of(between, is_statement))
        .filter(|node| file.text_of(*node) == release)
        .any(|node| !is_on_a_way_out(file, node))
}

/// Whether a statement stands in a block that leaves.
fn is_on_a_way_out(file: &File, statement: Node<'_>) -> bool {
    statement.parent().and_then(|list| list.parent()).is_some_and(|block| leaves(file, block))
}

/// `x` of `x.m(…)` as texts.
fn same_operand(one: &str, other: &str) -> bool {
    let operand =
        |text: &str| text.split('(').next().and_then(|head| head.rsplit_once('.')).map(|(x, _)| x.to_owned());
    operand(one).is_some() && operand(one) == operand(other)
}

/// A count that a goroutine of the function takes back (`wg.Add(1)`), and a place of a channel that counts who may
/// go on, which others give back.
fn given_back_elsewhere(file: &File, function: Node<'_>, taker: Node<'_>) -> Option<String> {
    if taker.kind() == "send_statement" {
        let channel = file.text_of(taker.child_by_field_name("channel")?);
        let name = channel.rsplit('.').next()?.to_ascii_lowercase();
        let own = format!("<-{channel}");
        let counts = file.text_of(taker).ends_with("struct{}{}") && COUNTERS.contains(&name.as_str());
        let here = nodes_of(function, |node| node.kind() == "unary_expression" && file.text_of(node) == own);
        return (counts && here.is_empty()).then_some(own);
    }
    let (counter, method) = named_call(file, taker.named_child(0)?)?;
    let done = format!("{counter}.Done()");
    let in_goroutine = nodes_of(function, |node| {
        node.kind() == "call_expression"
            && file.text_of(node) == done
            && node.start_byte() > taker.end_byte()
            && file.enclosing_function(node) != Some(function)
    });
    (method == "Add" && file.text_of(taker).ends_with("(1)") && !in_goroutine.is_empty()).then_some(done)
}

/// What the nearest ways out around do before they leave: those of the checks above; of those below what
/// nothing in between has to do with.
fn given_back_alike(file: &File, function: Node<'_>, at: Node<'_>) -> Vec<String> {
    let Some(statement) = statement_of(at) else { return Vec::new() };
    let way = |check| given_back_on_way_out(file, function, check, statement);
    let passed = passed(at, false);
    let above = passed.iter().enumerate().rev().find_map(|(index, check)| Some((index, way(*check)?)));
    if let Some((index, releases)) = above {
        let since = passed.get(index + 1..).unwrap_or_default();
        let again = |release: &String| since.iter().any(|node| file.text_of(*node) == release);
        let releases: Vec<String> = releases.into_iter().filter(|release| !again(release)).collect();
        if !releases.is_empty() {
            return releases;
        }
    }
    let below = within_function(at)
        .filter(|node| is_listed(*node))
        .flat_map(|node| std::iter::successors(node.next_named_sibling(), Node::next_named_sibling))
        .find_map(|check| Some((check, way(check)?)));
    let Some((check, releases)) = below else { return Vec::new() };
    let between = file.text.get(at.start_byte()..check.start_byte()).unwrap_or_default();
    let untouched = |release: &String| {
        release.split(['.', '(']).next().is_some_and(|root| !between.contains(&format!("{root}.")))
    };
    releases.into_iter().filter(untouched).collect()
}

/// What a check does before it leaves the function because something failed, as far as it may be done at another
/// statement too; none where it does not leave so.
fn given_back_on_way_out(
    file: &File,
    function: Node<'_>,
    check: Node<'_>,
    statement: Node<'_>,
) -> Option<Vec<String>> {
    let block = check.child_by_field_name("consequence").filter(|_| check.kind() == "if_statement")?;
    let list = block.named_child(0)?;
    let statements: Vec<Node<'_>> = list.named_children(&mut list.walk()).collect();
    let (last, before) = statements.split_last()?;
    // One that leaves since all is done has other reasons.
    let fails = is_error_return(file, *last)
        || !returns_error(file, *last)
            && check.child_by_field_name("condition").is_some_and(|condition| {
                let text = file.text_of(condition);
                text.starts_with('!') || text.ends_with("!= nil") || text.ends_with("== nil")
            });
    if !fails || last.kind() != "return_statement" || file.enclosing_function(*last) != Some(function) {
        return None;
    }
    // What the way out takes itself it gives back itself.
    let calls = |node: &Node<'_>| named_call(file, node.named_child(0)?);
    let takes = |method: &str| PAIRS.iter().any(|(take, _)| take.eq_ignore_ascii_case(method));
    let taken: Vec<&str> = before
        .iter()
        .filter_map(calls)
        .filter(|(_, method)| takes(method))
        .map(|(operand, _)| operand)
        .collect();
    let gives = |node: &&Node<'_>| {
        is_statement(**node)
            && !tells(file, **node)
            && in_scope_before(file, **node, statement)
            && calls(node).is_none_or(|(operand, _)| !taken.contains(&operand))
    };
    Some(before.iter().filter(gives).map(|node| file.text_of(*node).to_owned()).collect())
}

/// Whether a statement only tells somebody: a log, standard output, who sent a request.
fn tells(file: &File, statement: Node<'_>) -> bool {
    let Some((operand, method)) = statement.named_child(0).and_then(|call| named_call(file, call)) else {
        return statement.kind() == "expression_statement" && !file.text_of(statement).ends_with("()");
    };
    let name = operand.rsplit('.').next().unwrap_or(operand).to_ascii_lowercase();
    let answers = handler(file, file.enclosing_function(statement).unwrap_or(statement))
        .is_some_and(|handler| file.text_of(statement).contains(&handler.writer));
    is_logger(&name)
        || matches!(name.as_str(), "fmt" | "http" | "os" | "t" | "b")
        || ["Print", "Error", "Warn", "Info", "Debug", "Fatal", "Write"]
            .iter()
            .any(|head| method.starts_with(head))
        || answers
}

/// Whether a call ends as done what another one began.
fn completes(file: &File, taker: Node<'_>, giver: Node<'_>) -> bool {
    let taken = taker.named_child(0).filter(|_| taker.kind() == "expression_statement");
    let pair = taken.and_then(|call| named_call(file, call)).zip(named_call(file, giver));
    pair.is_some_and(|(take, give)| take.0 == give.0 && is_pair(COMPLETES, take.1, give.1))
}

fn is_pair(pairs: &[(&str, &str)], take: &str, give: &str) -> bool {
    pairs.iter().any(|(taken, given)| taken.eq_ignore_ascii_case(take) && given.eq_ignore_ascii_case(give))
}

/// Whether what gives back is told nothing, or the same as what took.
fn asks_alike(file: &File, taker: Node<'_>, giver: Node<'_>) -> bool {
    let arguments = |text: &str| text.split_once('(').map(|(_, rest)| rest.to_owned()).unwrap_or_default();
    let given = arguments(file.text_of(giver));
    given == ")" || given == arguments(file.text_of(taker))
}

/// `x.Add(1)` and `x.Add(-1)`.
fn adds_back(file: &File, taker: Node<'_>, giver: Node<'_>) -> bool {
    let taken = file.text_of(taker).strip_suffix("Add(1)");
    taken.is_some_and(|counter| file.text_of(giver) == format!("{counter}Add(-1)"))
}

/// A statement that may give something back.
#[derive(Clone, Copy)]
struct Giver<'t> {
    statement: Node<'t>,
    /// What is called, received from or counted.
    call: Node<'t>,
    deferred: bool,
}

/// The statements of a function's own body that may give something back.
fn givers<'t>(file: &File, function: Node<'t>) -> Vec<Giver<'t>> {
    nodes_of(function, |node| is_statement(node) || node.kind() == "defer_statement")
        .into_iter()
        .filter(|node| file.enclosing_function(*node) == Some(function))
        .filter_map(|statement| {
            let deferred = statement.kind() == "defer_statement";
            let counts = matches!(statement.kind(), "inc_statement" | "dec_statement");
            let call = if counts { statement } else { statement.named_child(0)? };
            Some(Giver { statement, call, deferred })
        })
        .collect()
}

/// A statement that gives back what is held at the statement before it: a check stands better behind it.
pub(crate) fn is_release(file: &File, statement: Node<'_>) -> bool {
    let Some(before) = statement.prev_named_sibling() else { return false };
    is_statement(statement)
        && held(file, before, false).releases.iter().any(|release| release == file.text_of(statement))
}

fn is_statement(node: Node<'_>) -> bool {
    matches!(node.kind(), "expression_statement" | "dec_statement" | "inc_statement")
}

/// The statements that were run on the way to a node, in order; one that is itself asked about has been run. In a
/// loop those of its body.
fn passed(at: Node<'_>, in_loop: bool) -> Vec<Node<'_>> {
    let body = within_function(at).find(|node| in_loop && node.kind() == "for_statement");
    let own = Some(at).filter(|at| is_listed(*at) && body != Some(*at));
    let above = statements_above(at).filter(|above| body.is_none_or(|body| is_within(*above, body)));
    let mut passed: Vec<Node<'_>> = own.into_iter().chain(above).collect();
    passed.reverse();
    passed
}

/// Whether a statement gives back what another one took.
fn gives_back(file: &File, taker: Node<'_>, giver: Node<'_>, at: Node<'_>) -> bool {
    match taker.kind() {
        "expression_statement" => {
            let taken = taker.named_child(0).and_then(|call| named_call(file, call));
            let (Some(take), Some(give)) = (taken, named_call(file, giver)) else { return false };
            let same = take.0 == give.0 && is_pair(PAIRS, take.1, give.1);
            same && asks_alike(file, taker, giver) || adds_back(file, taker, giver)
        }
        "send_statement" => {
            let channel = taker.child_by_field_name("channel").map(|channel| file.text_of(channel));
            channel.is_some_and(|channel| file.text_of(giver) == format!("<-{channel}"))
        }
        "inc_statement" => counts(file, taker, giver, "dec_statement"),
        "dec_statement" => counts(file, taker, giver, "inc_statement"),
        // What a call just failed to make is not to be closed.
        "short_var_declaration" if taker != at => made(file, taker, giver),
        _ => false,
    }
}

/// `x` and `M` of `x.M(…)`, as texts.
fn named_call<'f>(file: &'f File, call: Node<'_>) -> Option<(&'f str, &'f str)> {
    method_call(call).map(|(operand, method)| (file.text_of(operand), file.text_of(method)))
}

/// `x.n++` and `x.n--` of the same place; a plain variable is the function's own business.
fn counts(file: &File, taker: Node<'_>, giver: Node<'_>, back: &str) -> bool {
    let place = taker.named_child(0).filter(|place| place.kind() == "selector_expression");
    giver.kind() == back
        && place
            .zip(giver.named_child(0))
            .is_some_and(|(taken, given)| file.text_of(taken) == file.text_of(given))
}

/// `f, err := open()` and `f.Close()`, `ctx, cancel := …` and `cancel()`.
fn made(file: &File, taker: Node<'_>, giver: Node<'_>) -> bool {
    let (Some(names), Some(value)) = (
        taker.child_by_field_name("left"),
        taker.child_by_field_name("right").and_then(|right| right.named_child(0)),
    ) else {
        return false;
    };
    // What was looked up belongs to others.
    let makes = MAKERS.iter().any(|head| called_name(file, value).starts_with(head));
    if value.kind() != "call_expression" || !makes {
        return false;
    }
    let mut cursor = names.walk();
    let mut names = names.named_children(&mut cursor).map(|name| file.text_of(name));
    match named_call(file, giver) {
        Some((operand, method)) => CLOSERS.contains(&method) && names.any(|name| name == operand),
        None => names.any(|name| {
            CANCELS.contains(&name.to_ascii_lowercase().as_str())
                && file.text_of(giver) == format!("{name}()")
        }),
    }
}
