//! A fix taken apart: what failed, and what was changed around it.

use std::collections::BTreeSet;
use std::ops::Range;

use tree_sitter::Node;

use super::Precedent;
use crate::domain::Class;
use crate::generator::repair::syntax::{called_name, is_listed, lines, nodes_in, nodes_of, operator_of};
use crate::repository::go::{File, Function, Symbol};

/// What was changed.
#[derive(Debug)]
pub(super) enum Region<'t> {
    /// New statements stand before one that was there.
    Insertion {
        /// In how many blocks the failing operation stands below that statement.
        levels: usize,
        new: Vec<Node<'t>>,
    },
    /// Others stand in the place of these, which are siblings.
    Replacement { old: Vec<Node<'t>>, new: Vec<Node<'t>> },
}

/// A fix of one function.
#[derive(Debug)]
pub(super) struct Template<'t> {
    pub(super) before: &'t File,
    pub(super) after: &'t File,
    /// What failed: the smallest part of the statement that has every name the change uses.
    pub(super) operation: Node<'t>,
    pub(super) region: Region<'t>,
    /// Whether the function itself failed, rather than something it called.
    fails_itself: bool,
}

impl<'t> Template<'t> {
    /// None where the fix is none of one function, or does not stand in one that failed.
    pub(super) fn new(before: &'t File, after: &'t File, precedent: &Precedent) -> Option<Self> {
        let (function, old_body, new_body) = changed_function(before, after)?;
        let is_here =
            |file: &str, name: &str| file == before.path.as_str() && Symbol::declared(name) == function.name;
        let location = precedent
            .locations
            .iter()
            .find(|location| is_here(location.file.as_str(), &location.function))?;
        let operations =
            |depth| failing_operations(before, &function.range, location.line, precedent.class, depth);
        let (fails_itself, operations) = match operations(0) {
            none if none.is_empty() => (false, operations(1)),
            some => (true, some),
        };
        let changed = narrowed(before, after, old_body, new_body)?;
        let needed = changed.needed(before, after);
        // A check does not do itself what fails, but asks about a part of it.
        let unfit = |node: &Node<'t>| {
            let is_repeated = changed.has(after, before.text_of(*node));
            (is_repeated, !changed.is_near(after, before, *node), node.byte_range().len())
        };
        let wider = operations.iter().flat_map(|operation| up_to_statement(*operation));
        let covering = wider.filter(|node| covers(before, *node, &needed)).min_by_key(unfit);
        let operation = covering.or_else(|| operations.into_iter().min_by_key(unfit))?;
        let region = changed.around(operation)?;
        Some(Self { before, after, operation, region, fails_itself })
    }

    /// How many frames of a stack it may be laid over.
    pub(super) const fn depths(&self) -> usize {
        if self.fails_itself { 1 } else { 2 }
    }

    /// The nodes that were written.
    pub(super) fn new_nodes(&self) -> &[Node<'t>] {
        match &self.region {
            Region::Insertion { new, .. } | Region::Replacement { new, .. } => new,
        }
    }
}

/// What can have failed on a line of a function, the smallest first: at the failing frame the operations that raise
/// such a failure, further out the calls.
pub(super) fn failing_operations<'t>(
    file: &'t File,
    function: &Range<usize>,
    line: u32,
    class: Class,
    depth: usize,
) -> Vec<Node<'t>> {
    let raises = |node: Node<'t>| {
        lines(node).contains(&line)
            && match depth {
                0 => raises(file, node, class),
                _ => node.kind() == "call_expression",
            }
    };
    let mut found = nodes_in(file, function, raises);
    found.sort_by_key(|node| (node.byte_range().len(), node.start_byte()));
    found
}

fn raises(file: &File, node: Node<'_>, class: Class) -> bool {
    let calls = |name: &str| node.kind() == "call_expression" && called_name(file, node) == name;
    match class {
        Class::NilDereference => {
            let is_package = |operand: Node<'_>| {
                let name = file.text_of(operand);
                file.imports.iter().any(|import| import.identifier() == name)
                    && file.binding(operand, name).is_none()
            };
            match node.kind() {
                "selector_expression" => {
                    node.child_by_field_name("operand").is_some_and(|operand| !is_package(operand))
                }
                "unary_expression" => operator_of(file, node) == Some("*"),
                kind => matches!(kind, "index_expression" | "call_expression"),
            }
        }
        Class::NilMapWrite | Class::IndexOutOfRange => node.kind() == "index_expression",
        Class::SliceBounds => node.kind() == "slice_expression",
        Class::DivideByZero => matches!(operator_of(file, node), Some("/" | "%")),
        Class::TypeAssertion => node.kind() == "type_assertion_expression",
        Class::MakeLength => calls("make"),
        Class::CloseOfChannel => calls("close"),
        Class::SendOnClosedChannel => node.kind() == "send_statement",
        _ => node.kind() == "call_expression",
    }
}

/// A node and what it stands in, up to its statement.
fn up_to_statement(node: Node<'_>) -> impl Iterator<Item = Node<'_>> {
    let mut ended = false;
    std::iter::successors(Some(node), Node::parent).take_while(move |node| {
        let goes_on = !ended;
        ended = is_listed(*node);
        goes_on
    })
}

fn covers(file: &File, node: Node<'_>, names: &BTreeSet<String>) -> bool {
    let own: BTreeSet<_> = names_in(file, node).collect();
    names.iter().all(|name| own.contains(name.as_str()))
}

/// The names of variables and functions below a node.
fn names_in<'t>(file: &'t File, node: Node<'t>) -> impl Iterator<Item = &'t str> {
    nodes_of(node, |node| node.kind() == "identifier").into_iter().map(|node| file.text_of(node))
}

/// The one function that a change changes, and its bodies before and after; none where it changes several or other
/// declarations than imports.
fn changed_function<'t>(before: &'t File, after: &'t File) -> Option<(&'t Function, Node<'t>, Node<'t>)> {
    let (old, new) = (declarations(before), declarations(after));
    if old.len() != new.len() {
        return None;
    }
    let mut differing =
        old.into_iter().zip(new).filter(|(old, new)| before.text_of(*old) != after.text_of(*new));
    let (old, new) = differing.next()?;
    let (old_body, new_body) = (old.child_by_field_name("body")?, new.child_by_field_name("body")?);
    let head =
        |file: &'t File, node: Node<'_>, body: Node<'_>| file.text.get(node.start_byte()..body.start_byte());
    if differing.next().is_some() || head(before, old, old_body) != head(after, new, new_body) {
        return None;
    }
    let function = before.functions.iter().find(|function| function.range == old.byte_range())?;
    Some((function, old_body, new_body))
}

fn declarations(file: &File) -> Vec<Node<'_>> {
    let root = file.tree.root_node();
    let mut cursor = root.walk();
    root.named_children(&mut cursor)
        .filter(|node| !matches!(node.kind(), "import_declaration" | "comment"))
        .collect()
}

/// What was changed, before it is known what failed.
enum Changed<'t> {
    /// Before this statement.
    Before(Node<'t>, Vec<Node<'t>>),
    Siblings(Vec<Node<'t>>, Vec<Node<'t>>),
}

impl<'t> Changed<'t> {
    /// The names which the new code takes from around it, and which the old code that it replaces does not have.
    fn needed(&self, before: &File, after: &File) -> BTreeSet<String> {
        let (old, new): (&[_], _) = match self {
            Self::Before(_, new) => (&[], new),
            Self::Siblings(old, new) => (old, new),
        };
        let known: BTreeSet<_> = old.iter().flat_map(|node| names_in(before, *node)).collect();
        let identifiers = new.iter().flat_map(|node| nodes_of(*node, |node| node.kind() == "identifier"));
        let outer = identifiers.filter(|identifier| {
            let name = after.text_of(*identifier);
            !known.contains(name)
                && after.binding(*identifier, name).is_some()
                && !is_own(after, new, *identifier)
        });
        outer.map(|identifier| after.text_of(identifier).to_owned()).collect()
    }

    const fn new_nodes(&self) -> &Vec<Node<'t>> {
        match self {
            Self::Before(_, new) | Self::Siblings(_, new) => new,
        }
    }

    /// Whether the new code has a part of this text.
    fn has(&self, after: &File, text: &str) -> bool {
        let mut nodes = self.new_nodes().iter();
        nodes.any(|node| !nodes_of(*node, |node| after.text_of(node) == text).is_empty())
    }

    /// Whether an index that is a number is one that the new code speaks of: itself, or one beside it.
    fn is_near(&self, after: &File, before: &File, operation: Node<'_>) -> bool {
        let number = |file: &File, node| file.text_of(node).parse::<i64>().ok();
        let Some(index) = operation.child_by_field_name("index").and_then(|index| number(before, index))
        else {
            return true;
        };
        let literals =
            self.new_nodes().iter().flat_map(|node| nodes_of(*node, |node| node.kind() == "int_literal"));
        let mut numbers = literals.filter_map(|literal| number(after, literal));
        // `len(x) < n` asks for the index before n.
        numbers.any(|number| number == index + 1)
    }

    /// As seen from what failed; none where something new stands behind it, which cannot have mended it.
    fn around(self, operation: Node<'t>) -> Option<Region<'t>> {
        match self {
            Self::Siblings(old, new) => Some(Region::Replacement { old, new }),
            Self::Before(statement, new) => {
                let above =
                    std::iter::successors(Some(operation), Node::parent).filter(|node| is_listed(*node));
                let list = statement.parent()?;
                let levels = above.take_while(|node| node.parent() != Some(list)).count();
                let own = std::iter::successors(Some(operation), Node::parent)
                    .find(|node| node.parent() == Some(list))?;
                (own.start_byte() >= statement.start_byte()).then_some(Region::Insertion { levels, new })
            }
        }
    }
}

/// Whether what a name means is declared by the new nodes themselves.
pub(super) fn is_own(file: &File, new: &[Node<'_>], identifier: Node<'_>) -> bool {
    let (Some(first), Some(last)) = (new.first(), new.last()) else { return false };
    let range = first.start_byte()..last.end_byte();
    let binding = file.binding(identifier, file.text_of(identifier));
    binding.is_some_and(|binding| range.contains(&binding.start_byte())) || is_declared_here(identifier)
}

/// Whether it is by this identifier that a variable is declared.
fn is_declared_here(identifier: Node<'_>) -> bool {
    let outer = std::iter::successors(Some(identifier), Node::parent);
    let mut pairs = outer.clone().zip(outer.skip(1));
    pairs
        .find(|(_, outer)| {
            matches!(outer.kind(), "short_var_declaration" | "range_clause" | "var_spec" | "statement_list")
        })
        .is_some_and(|(inner, outer)| {
            ["left", "name"].iter().any(|field| outer.child_by_field_name(field) == Some(inner))
        })
}

/// The smallest change that makes one tree of the other.
fn narrowed<'t>(before: &'t File, after: &'t File, old: Node<'t>, new: Node<'t>) -> Option<Changed<'t>> {
    if old.kind() != new.kind() {
        return None;
    }
    if old.kind() == "statement_list" {
        return between(before, after, old, new);
    }
    let (old_children, new_children) = (children(old), children(new));
    if old_children.len() != new_children.len() {
        return None;
    }
    let mut differing = old_children
        .into_iter()
        .zip(new_children)
        .filter(|(old, new)| before.text_of(*old) != after.text_of(*new));
    let (inner_old, inner_new) = differing.next()?;
    if differing.next().is_some() {
        return None;
    }
    narrowed(before, after, inner_old, inner_new).or_else(|| Some(Changed::Siblings(vec![old], vec![new])))
}

/// What was changed in a list of statements.
fn between<'t>(before: &'t File, after: &'t File, old: Node<'t>, new: Node<'t>) -> Option<Changed<'t>> {
    let (old, new) = (named(old), named(new));
    let same = |(old, new): &(&Node<'_>, &Node<'_>)| before.text_of(**old) == after.text_of(**new);
    let head = old.iter().zip(&new).take_while(same).count();
    let (old_rest, new_rest) = (old.get(head..)?, new.get(head..)?);
    let tail = old_rest.iter().rev().zip(new_rest.iter().rev()).take_while(same).count();
    let next = old_rest.get(old_rest.len() - tail);
    let old_middle = old_rest.get(..old_rest.len() - tail)?;
    let new_middle = new_rest.get(..new_rest.len() - tail)?;
    match (old_middle, new_middle) {
        (_, []) => None,
        ([], new) => Some(Changed::Before(*next?, new.to_vec())),
        ([only], [other]) => narrowed(before, after, *only, *other)
            .or_else(|| Some(Changed::Siblings(vec![*only], vec![*other]))),
        (old, new) => Some(Changed::Siblings(old.to_vec(), new.to_vec())),
    }
}

fn children(node: Node<'_>) -> Vec<Node<'_>> {
    let mut cursor = node.walk();
    node.children(&mut cursor).collect()
}

fn named(node: Node<'_>) -> Vec<Node<'_>> {
    let mut cursor = node.walk();
    node.named_children(&mut cursor).collect()
}
