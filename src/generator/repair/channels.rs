//! What is done with a channel at a place that names it, and what those may do who are handed it.

use std::sync::Arc;

use tree_sitter::Node;

use super::case::Case;
use super::syntax::{children, nodes_of, operator_of, results_of};
use crate::repository::go::{Binding, File, Part};

/// What is done with a channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Use<'t> {
    /// `ch <- v`: the statement.
    Send(Node<'t>),
    /// `close(ch)`: the call.
    Close(Node<'t>),
    /// `len(ch)`, `cap(ch)`.
    Measure,
    /// It becomes another one.
    Set,
    /// A value is received, be it to be dropped by a case of a `select`.
    Receive,
    /// A value is received, or the end: `v, ok := <-ch`, and `<-ch` as a statement.
    Wait,
    /// Values are received up to the end: the loop.
    Range(Node<'t>),
    /// It is handed to others: passed, given back, kept under another name.
    Hand,
}

impl Use<'_> {
    /// Whether something is received, or others get it who may do so.
    pub(crate) const fn may_receive(self) -> bool {
        matches!(self, Self::Receive | Self::Wait | Self::Range(_) | Self::Hand)
    }

    /// Whether something goes on once it is closed, or others get it who may wait for that.
    pub(crate) const fn may_wait_for_end(self) -> bool {
        matches!(self, Self::Wait | Self::Range(_) | Self::Hand)
    }
}

/// What is done with the channel that an expression names.
pub(crate) fn use_of<'t>(file: &File, channel: Node<'t>) -> Use<'t> {
    let Some(parent) = channel.parent() else { return Use::Hand };
    let is = |field: &str| parent.child_by_field_name(field) == Some(channel);
    match parent.kind() {
        "send_statement" if is("channel") => Use::Send(parent),
        "range_clause" if is("right") => parent.parent().map_or(Use::Hand, Use::Range),
        "unary_expression" if operator_of(file, parent) == Some("<-") => received(parent),
        "argument_list" => {
            let call = parent.parent().filter(|call| call.kind() == "call_expression");
            let called = call.and_then(|call| call.child_by_field_name("function"));
            match (called.map(|called| file.text_of(called)), call) {
                (Some("close"), Some(call)) => Use::Close(call),
                (Some("len" | "cap"), _) => Use::Measure,
                _ => Use::Hand,
            }
        }
        "expression_list" => {
            let statement = parent.parent().filter(|statement| statement.kind() == "assignment_statement");
            let left = statement.and_then(|statement| statement.child_by_field_name("left"));
            if left == Some(parent) { Use::Set } else { Use::Hand }
        }
        _ => Use::Hand,
    }
}

/// What a receive is for.
fn received<'t>(receive: Node<'t>) -> Use<'t> {
    let Some(parent) = receive.parent() else { return Use::Receive };
    let holder = if parent.kind() == "expression_list" { parent.parent() } else { Some(parent) };
    let names = holder.map_or(0, |holder| match holder.kind() {
        "var_spec" => {
            holder.children_by_field_name("name", &mut holder.walk()).filter(Node::is_named).count()
        }
        _ => holder.child_by_field_name("left").map_or(0, |left| left.named_child_count()),
    });
    if parent.kind() == "expression_statement" || names > 1 || names == 0 && leaves_by(receive) {
        return Use::Wait;
    }
    Use::Receive
}

/// Whether a case of a `select` leaves what is around once the channel gives: that it is closed does as well.
fn leaves_by(receive: Node<'_>) -> bool {
    let case = std::iter::successors(receive.parent(), Node::parent)
        .take_while(|node| !matches!(node.kind(), "statement_list" | "block"))
        .find(|node| node.kind() == "communication_case");
    let leaves = |node: Node<'_>| {
        matches!(node.kind(), "return_statement" | "break_statement" | "goto_statement" | "labeled_statement")
    };
    case.is_some_and(|case| !nodes_of(case, leaves).is_empty())
}

/// Whether those who are handed a channel can only receive from it: by the type that they get it as, or since a
/// function of the repository, or the function itself under another name, does nothing else with it.
pub(crate) fn is_only_received(case: &Case<'_>, file: &Arc<File>, channel: Node<'_>) -> bool {
    let Some(parent) = channel.parent() else { return false };
    let at = children(parent).iter().position(|part| *part == channel);
    let receives = |used: Use<'_>| !matches!(used, Use::Send(_) | Use::Close(_) | Use::Set | Use::Hand);
    match parent.kind() {
        "expression_list" => {
            let Some((statement, at)) = parent.parent().zip(at) else { return false };
            match statement.kind() {
                "return_statement" => {
                    let results = file.enclosing_function(channel).map(|around| results_of(file, around));
                    results.is_some_and(|all| all.get(at).is_some_and(|ty| ty.starts_with("<-")))
                }
                "short_var_declaration" => every_use_of_variable(file, statement, at, &receives),
                _ => false,
            }
        }
        "argument_list" => {
            let only = |call, at| every_use_of_passed(case, file, call, at, &receives);
            parent.parent().zip(at).and_then(|(call, at)| only(call, at)) == Some(true)
        }
        _ => false,
    }
}

/// Whether each use is such that the variable is put to which a declaration gives a name.
fn every_use_of_variable(
    file: &File,
    declaration: Node<'_>,
    position: usize,
    wanted: &dyn Fn(Use<'_>) -> bool,
) -> bool {
    let Some(around) = file.enclosing_function(declaration) else { return false };
    let is_it = |node: Node<'_>| {
        let binding = file.binding(node, file.text_of(node)).filter(|_| node.kind() == "identifier");
        node.start_byte() >= declaration.end_byte()
            && matches!(binding, Some(Binding::Short { statement, position: its })
                if statement == declaration && its == position)
    };
    nodes_of(around, is_it).into_iter().all(|node| wanted(use_of(file, node)))
}

/// Whether each use is such that a function makes of the channel which a call passes it at a position; none where the
/// function is not at hand. What is passed only to be received from is used so.
pub(crate) fn every_use_of_passed(
    case: &Case<'_>,
    file: &Arc<File>,
    call: Node<'_>,
    at: usize,
    wanted: &dyn Fn(Use<'_>) -> bool,
) -> Option<bool> {
    let called = call.child_by_field_name("function").filter(|_| call.kind() == "call_expression")?;
    if called.kind() == "func_literal" {
        return every_use_of_parameter(file, called, at, wanted);
    }
    let callee = case.callee(file, call)?;
    every_use_of_parameter(&callee.file, callee.file.node_at(callee.function.range.clone())?, at, wanted)
}

fn every_use_of_parameter(
    file: &File,
    function: Node<'_>,
    at: usize,
    wanted: &dyn Fn(Use<'_>) -> bool,
) -> Option<bool> {
    let body = function.child_by_field_name("body")?;
    let is_it = |node: Node<'_>| {
        let binding = file.binding(node, file.text_of(node)).filter(|_| node.kind() == "identifier");
        matches!(binding, Some(Binding::Signature { function: of, part: Part::Parameter(position), .. })
            if of == function && position == at)
    };
    // Of a list that takes any number nobody knows which it is, and what is not used under that name is not known.
    let list = function.child_by_field_name("parameters")?;
    let variadic = !nodes_of(list, |node| node.kind() == "variadic_parameter_declaration").is_empty();
    let uses = nodes_of(body, is_it);
    (!variadic && !uses.is_empty()).then(|| uses.into_iter().all(|node| wanted(use_of(file, node))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::RepoPath;

    /// What is done with the last `ch` of a function's body.
    fn used(body: &str) -> String {
        let text = format!("package p\n\nfunc f(ch chan int) (chan int, error) {{\n{body}\n}}\n");
        let file = File::parse(RepoPath::new("a.go").unwrap(), text);
        assert!(file.parses(), "{body}");
        let block = file.node_at(file.functions[0].body.clone()).unwrap();
        let named = nodes_of(block, |node| node.kind() == "identifier" && file.text_of(node) == "ch");
        let used = format!("{:?}", use_of(&file, *named.last().unwrap()));
        used.split('(').next().unwrap().to_owned()
    }

    #[test]
    fn each_use_is_known() {
        for (body, expected) in [
            ("ch <- 1", "Send"),
            ("select {\ncase ch <- 1:\n}", "Send"),
            ("defer close(ch)", "Close"),
            ("s.close(ch)", "Hand"),
            ("n := len(ch)", "Measure"),
            ("ch = nil", "Set"),
            ("a, ch = b, c", "Set"),
            ("x := <-ch", "Receive"),
            ("g(<-ch)", "Receive"),
            ("select {\ncase <-ch:\n}", "Receive"),
            ("select {\ncase <-ch:\nreturn nil, nil\n}", "Wait"),
            ("select {\ncase x := <-ch:\n}", "Receive"),
            ("<-ch", "Wait"),
            ("x, ok := <-ch", "Wait"),
            ("var x, ok = <-ch", "Wait"),
            ("select {\ncase x, ok := <-ch:\n}", "Wait"),
            ("for x := range ch {\n}", "Range"),
            ("for range ch {\n}", "Range"),
            ("g(ch)", "Hand"),
            ("other <- ch", "Hand"),
            ("other := ch", "Hand"),
            ("return ch, nil", "Hand"),
            ("g(&ch)", "Hand"),
        ] {
            assert_eq!(used(body), expected, "{body}");
        }
    }
}
