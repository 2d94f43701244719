//! A walk along links that go round.
//!
//! Evidence: a function of the stack calls itself and follows a link from one value to another of its kind: a field
//! that points to its own type (`n.parent`), or a map from keys to keys (`t.parentOf[id]`); and other code sets that
//! link between two values which were there before, and never asks whether that closes a circle. Edit: who sets the
//! link walks it first, and leaves as it can where it comes to what is to be linked; with the error that it gives for
//! a value which is linked to itself, where it asks for that.
//!
//! Nothing is proposed where the walk follows several links, where what is linked was made just before, or where who
//! sets the link walks it already.

use std::sync::Arc;

use tree_sitter::Node;

use crate::generator::repair::case::{Case, Frame};
use crate::generator::repair::draft::{Draft, Tier};
use crate::generator::repair::edit::{Edits, is_repairable};
use crate::generator::repair::exit::{Blame, Failure};
use crate::generator::repair::made::was_made;
use crate::generator::repair::naming::phrase;
use crate::generator::repair::scope::{fresh, in_scope_before};
use crate::generator::repair::syntax::{
    is_error_return, is_listed, last_child, nodes_in, nodes_of, operator_of,
};
use crate::repository::go::{File, Function, Shape};

pub(super) fn drafts(case: &Case<'_>) -> Vec<Draft> {
    let mut links = case.frames.iter().filter_map(|frame| Some((frame, link(case, frame)?)));
    let Some((frame, link)) = links.next() else { return Vec::new() };
    let files = case.resolver.package_of(&frame.file);
    let repairable = files.iter().filter(|file| is_repairable(file));
    let drafts = repairable.flat_map(|file| {
        let sets = nodes_of(file.tree.root_node(), |node| node.kind() == "assignment_statement");
        sets.into_iter().filter_map(|set| refuse(case, file, set, &link)).collect::<Vec<_>>()
    });
    Draft::joined(drafts.collect()).into_iter().collect()
}

/// A link from one value to another of its kind.
#[derive(Debug, PartialEq, Eq)]
struct Link {
    /// The type that declares the field.
    owner: String,
    field: String,
    /// Whether the field is a map from keys to keys.
    keyed: bool,
}

/// The one link that a function which calls itself follows.
fn link(case: &Case<'_>, frame: &Frame) -> Option<Link> {
    let (file, function) = (&frame.file, frame.function.as_ref()?);
    let again = case.calls_in(file, &function.body, file, function);
    let mut links: Vec<Link> = Vec::new();
    for node in nodes_in(file, &function.body, |node| node.kind() == "selector_expression") {
        if let Some(link) = followed(case, file, node).filter(|link| !links.contains(link)) {
            links.push(link);
        }
    }
    (!again.is_empty() && links.len() == 1).then(|| links.pop()).flatten()
}

/// The link that a selector names.
fn followed(case: &Case<'_>, file: &Arc<File>, selector: Node<'_>) -> Option<Link> {
    let (owner, field) = case.field_at(file, selector)?;
    let keyed = match field.ty.shape() {
        Shape::Pointer(to) if to == owner.name => false,
        Shape::Map(key, value) if key == value => true,
        _ => return None,
    };
    Some(Link { owner: owner.name, field: field.name, keyed })
}

/// Who sets a link asks first whether it closes a circle.
fn refuse(case: &Case<'_>, file: &Arc<File>, set: Node<'_>, link: &Link) -> Option<Draft> {
    let one = |name: &str| {
        let list = set.child_by_field_name(name).filter(|list| list.named_child_count() == 1)?;
        list.named_child(0)
    };
    let (target, to) = (one("left")?, one("right")?);
    let selector = if link.keyed { target.child_by_field_name("operand")? } else { target };
    if !is_listed(set) || followed(case, file, selector)? != *link {
        return None;
    }
    let from = target.child_by_field_name(if link.keyed { "index" } else { "operand" })?;
    let is_plain = |node: Node<'_>| matches!(node.kind(), "identifier" | "selector_expression");
    let made = [from, to].iter().any(|node| was_made(case, file, *node) || file.text_of(*node) == "nil");
    let around = file.enclosing_function(set)?;
    if !is_plain(from) || !is_plain(to) || made || walks(file, around, link) {
        return None;
    }
    let up = fresh(file, set, &["up", "above", "ancestor"])?;
    let (linked, value) = (file.text_of(from), file.text_of(to));
    let mut failure = Failure::new(Blame::Internal, format!("{} closes a circle", noun_of(&link.field)));
    failure.said = said_of_itself(file, around, set);
    let mut edits = Edits::default();
    let exit = case.leave(&mut edits, file, set, &failure);
    let head = if link.keyed {
        let map = file.text_of(selector);
        format!("for {up}, ok := {value}, true; ok; {up}, ok = {map}[{up}] {{")
    } else {
        format!("for {up} := {value}; {up} != nil; {up} = {up}.{} {{", link.field)
    };
    let mut lines = vec![head];
    lines.extend(exit.guarded(&format!("{up} == {linked}")).into_iter().map(|line| format!("\t{line}")));
    lines.push("}".to_owned());
    edits.insert_before(file, set, &lines)?;
    let explanation = format!(
        "The links `{}` went round, and whoever follows them never ends: where one is set, what would close a circle is refused.",
        link.field
    );
    Some(Draft::leaving(Tier::Cause, exit.reports, 0, explanation, edits))
}

/// What a link is called in a message: `boss` for `bossOf`.
fn noun_of(field: &str) -> String {
    let words = phrase(field);
    ["of", "by", "id", "for"]
        .iter()
        .find_map(|end| words.strip_suffix(&format!(" {end}")))
        .map_or_else(|| words.clone(), str::to_owned)
}

/// Whether a function walks the link in a loop.
fn walks(file: &File, function: Node<'_>, link: &Link) -> bool {
    let loops = nodes_of(function, |node| {
        node.kind() == "for_statement" && file.text_of(node).contains(&format!(".{}", link.field))
    });
    !loops.is_empty()
}

/// The error that a function gives for a value that would be linked to itself.
fn said_of_itself(file: &File, function: Node<'_>, set: Node<'_>) -> Option<String> {
    let parameters: Vec<String> = file
        .functions
        .iter()
        .find(|own: &&Function| own.range == function.byte_range())
        .map(|own| own.params.iter().map(|param| param.name.clone()).collect())?;
    let is_parameter = |node: Option<Node<'_>>| {
        node.is_some_and(|node| parameters.iter().any(|name| name == file.text_of(node)))
    };
    let checks =
        nodes_of(function, |node| node.kind() == "if_statement" && node.end_byte() < set.start_byte());
    checks.into_iter().find_map(|check| {
        let condition = check.child_by_field_name("condition")?;
        let same = operator_of(file, condition) == Some("==")
            && is_parameter(condition.child_by_field_name("left"))
            && is_parameter(condition.child_by_field_name("right"));
        let leave = last_child(check.child_by_field_name("consequence").filter(|_| same)?.named_child(0)?)?;
        let error = last_child(leave.named_child(0).filter(|_| is_error_return(file, leave))?)?;
        in_scope_before(file, error, set).then(|| file.text_of(error).to_owned())
    })
}
