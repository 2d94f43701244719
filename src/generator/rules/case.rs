//! One fault in its surroundings: the frames of its stack with their files, and the expressions that
//! can raise it.

use std::ops::Range;
use std::sync::Arc;

use tree_sitter::Node;

use super::edit::Edits;
use super::{Rule, Tier};
use crate::domain::{Fault, Location};
use crate::repository::Repository;
use crate::repository::go::{Callee, File, Function, Resolver};

/// How many frames are looked at: causes further away than that are not found by syntax.
const MAX_FRAMES: usize = 6;
/// How many expressions of a function are tried when the line does not tell which one failed.
const MAX_RAISERS: usize = 6;
/// How many nodes of a function are visited at most.
const MAX_NODES: usize = 200_000;

/// A frame of the stack, in the repository.
#[derive(Debug)]
pub(super) struct Frame {
    pub(super) file: Arc<File>,
    /// The line the trace tells.
    pub(super) line: u32,
    /// The function's declaration, in bytes; the whole file for code outside functions.
    pub(super) range: Range<usize>,
    /// The function, where the file declares it.
    pub(super) function: Option<Function>,
}

/// A fault, its frames, and what is known about the code.
#[derive(Debug)]
pub(super) struct Case<'a> {
    pub(super) fault: &'a Fault,
    pub(super) resolver: Resolver<'a>,
    pub(super) frames: Vec<Frame>,
}

/// A change which a rule proposes.
#[derive(Debug)]
pub(super) struct Draft {
    pub(super) rule: Rule,
    pub(super) tier: Tier,
    /// How far from the failing statement, in frames.
    pub(super) depth: usize,
    pub(super) explanation: String,
    pub(super) masks: bool,
    pub(super) edits: Edits,
}

impl<'a> Case<'a> {
    pub(super) fn new(fault: &'a Fault, repository: &'a Repository) -> Self {
        let frames = fault.stack.iter().take(MAX_FRAMES).map_while(|location| frame(repository, location));
        Self { fault, resolver: Resolver::new(repository), frames: frames.collect() }
    }

    /// The expressions of a frame's function that satisfy a condition, the likeliest first: those on
    /// the line of the trace, in order of evaluation; when there is none, since lines drift, those of
    /// the whole function, nearest first.
    pub(super) fn raisers(
        &self,
        depth: usize,
        wanted: impl Fn(&Arc<File>, Node<'_>) -> bool,
    ) -> Vec<Node<'_>> {
        let Some(frame) = self.frames.get(depth) else { return Vec::new() };
        let all = nodes_in(&frame.file, &frame.range, |node| wanted(&frame.file, node));
        let on_line: Vec<Node<'_>> =
            all.iter().copied().filter(|node| lines(*node).contains(&frame.line)).collect();
        let mut found = if on_line.is_empty() { all } else { on_line };
        found.sort_by_key(|node| {
            let lines = lines(*node);
            (
                frame.line.abs_diff(*lines.start()).min(frame.line.abs_diff(*lines.end())),
                lines.end() - lines.start(),
            )
        });
        found.truncate(MAX_RAISERS);
        found
    }

    /// The call in the caller of a frame that reached it, with the caller's depth.
    pub(super) fn call_into(&self, depth: usize) -> Option<(usize, Node<'_>, &Function)> {
        let function = self.frames.get(depth)?.function.as_ref()?;
        let outer = depth + 1;
        let frame = self.frames.get(outer)?;
        let calls = nodes_in(&frame.file, &frame.range, |node| {
            node.kind() == "call_expression" && called_name(&frame.file, node) == function.identifier
        });
        let call = calls.iter().copied().min_by_key(|node| {
            let lines = lines(*node);
            if lines.contains(&frame.line) { 0 } else { frame.line.abs_diff(*lines.start()) }
        })?;
        Some((outer, call, function))
    }

    /// The file of a frame.
    pub(super) fn file(&self, depth: usize) -> Option<&Arc<File>> {
        self.frames.get(depth).map(|frame| &frame.file)
    }

    /// The file of a frame which a callee was found from, or the callee's own.
    pub(super) fn same_package(&self, a: &File, b: &File) -> bool {
        a.path.folder() == b.path.folder()
    }

    /// The callee of a call in a frame's file, if the repository holds it.
    pub(super) fn callee(&self, file: &Arc<File>, call: Node<'_>) -> Option<Callee> {
        self.resolver.callee(file, call)
    }
}

fn frame(repository: &Repository, location: &Location) -> Option<Frame> {
    let file = repository.go_file(&location.file).ok()?;
    let name = location.function.as_str();
    let owns = |function: &&Function| {
        name == function.name
            || name.strip_prefix(function.name.as_str()).is_some_and(|rest| rest.starts_with(['.', '-']))
    };
    let function = file
        .functions
        .iter()
        .filter(owns)
        .min_by_key(|function| {
            (!function.lines.contains(&location.line), function.lines.start().abs_diff(location.line))
        })
        .or_else(|| file.function_at(location.line))
        .cloned();
    let range = function.as_ref().map_or(0..file.text.len(), |function| function.range.clone());
    Some(Frame { line: location.line, range, function, file })
}

/// The nodes in a range that satisfy a condition, children before their parents.
pub(super) fn nodes_in<'t>(
    file: &'t File,
    range: &Range<usize>,
    wanted: impl Fn(Node<'t>) -> bool,
) -> Vec<Node<'t>> {
    let Some(top) = file.node_at(range.clone()) else { return Vec::new() };
    nodes_of(top, wanted)
}

/// The nodes below and including one that satisfy a condition, children before their parents.
pub(super) fn nodes_of<'t>(top: Node<'t>, wanted: impl Fn(Node<'t>) -> bool) -> Vec<Node<'t>> {
    let mut found = Vec::new();
    let mut cursor = top.walk();
    let mut depth = 0_usize;
    for _ in 0..MAX_NODES {
        if cursor.goto_first_child() {
            depth += 1;
            continue;
        }
        loop {
            let node = cursor.node();
            if node.is_named() && wanted(node) {
                found.push(node);
            }
            if depth == 0 {
                return found;
            }
            if cursor.goto_next_sibling() {
                break;
            }
            cursor.goto_parent();
            depth -= 1;
        }
    }
    found
}

/// The lines a node covers, from 1.
pub(super) fn lines(node: Node<'_>) -> std::ops::RangeInclusive<u32> {
    let line = |row: usize| u32::try_from(row + 1).unwrap_or(u32::MAX);
    line(node.start_position().row)..=line(node.end_position().row)
}

/// The statement of a block (or of a case) that holds a node.
pub(super) fn statement_of(node: Node<'_>) -> Option<Node<'_>> {
    std::iter::successors(Some(node), Node::parent)
        .find(|node| node.parent().is_some_and(|parent| parent.kind() == "statement_list"))
}

/// The identifier that a call names: `f` of `f(x)`, `M` of `a.b.M(x)`; empty for anything else.
pub(super) fn called_name<'f>(file: &'f File, call: Node<'_>) -> &'f str {
    let Some(mut function) = call.child_by_field_name("function") else { return "" };
    if matches!(function.kind(), "index_expression" | "type_instantiation_expression")
        && let Some(inner) = function.named_child(0)
    {
        function = inner;
    }
    let name = function.child_by_field_name("field").unwrap_or(function);
    if matches!(name.kind(), "identifier" | "field_identifier") { file.text_of(name) } else { "" }
}

/// The variable at the root of a chain of selectors, indexes and calls on it: `a` of `a.b[i].c`.
pub(super) fn root_of(node: Node<'_>) -> Option<Node<'_>> {
    let mut node = node;
    loop {
        node = match node.kind() {
            "identifier" => return Some(node),
            "selector_expression"
            | "index_expression"
            | "slice_expression"
            | "type_assertion_expression"
            | "unary_expression" => node.child_by_field_name("operand")?,
            "parenthesized_expression" => node.named_child(0)?,
            _ => return None,
        };
    }
}

/// The value that a declaration gives to one of its names: the call for all of them, or its own.
pub(super) fn value_at(list: Node<'_>, position: usize) -> Option<Node<'_>> {
    if list.kind() != "expression_list" {
        return Some(list);
    }
    let at = if list.named_child_count() == 1 { 0 } else { position };
    list.named_child(u32::try_from(at).ok()?)
}

/// Whether a node lies inside another.
pub(super) fn is_within(node: Node<'_>, outer: Node<'_>) -> bool {
    outer.start_byte() <= node.start_byte() && node.end_byte() <= outer.end_byte()
}
