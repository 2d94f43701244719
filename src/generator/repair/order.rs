//! Where a check can stand so that nothing is half done when it fails: above the statements that change what
//! others see.

use tree_sitter::Node;

use super::syntax::{nodes_of, root_of};
use crate::repository::go::{Binding, File, Part};

/// What a check reads: variables, and the names of fields.
#[derive(Debug, Clone, Default)]
pub(crate) struct Reads<'a> {
    names: Vec<&'a str>,
    fields: Vec<&'a str>,
    calls: bool,
}

impl<'a> Reads<'a> {
    /// What some expressions read, by their texts.
    pub(crate) fn of(texts: impl IntoIterator<Item = &'a str>) -> Self {
        let mut reads = Self::default();
        for text in texts {
            let mut at = 0;
            while let Some(start) = text.get(at..).and_then(|rest| rest.find(is_name)).map(|skip| at + skip) {
                let rest = &text[start..];
                let word = &rest[..rest.find(|c| !is_name(c)).unwrap_or(rest.len())];
                at = start + word.len();
                let called = text[at..].starts_with('(') && !matches!(word, "len" | "cap" | "int");
                reads.calls |= called;
                let list = if text[..start].ends_with('.') { &mut reads.fields } else { &mut reads.names };
                list.push(word);
            }
        }
        reads
    }

    /// Whether a statement may give something of it another value.
    fn is_changed_by(&self, file: &File, statement: Node<'_>) -> bool {
        let calls = !nodes_of(statement, |node| node.kind() == "call_expression").is_empty();
        let target = match statement.kind() {
            "assignment_statement" | "short_var_declaration" => statement.child_by_field_name("left"),
            _ => statement.named_child(0),
        };
        let touches = |node: &Node<'_>| match node.kind() {
            "field_identifier" => self.fields.contains(&file.text_of(*node)),
            _ => self.names.contains(&file.text_of(*node)) && is_target(*node),
        };
        let touched = target.is_some_and(|target| {
            nodes_of(target, |node| matches!(node.kind(), "identifier" | "field_identifier"))
                .iter()
                .any(touches)
        });
        self.calls || touched || calls && !self.fields.is_empty()
    }
}

fn is_name(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// Whether an identifier is itself what gets a value: `a`, not `a` of `a.b`.
fn is_target(node: Node<'_>) -> bool {
    node.parent().is_some_and(|parent| {
        matches!(parent.kind(), "expression_list" | "inc_statement" | "dec_statement" | "unary_expression")
    })
}

/// The first of the plain statements right above one that change what others see, when a check may as well stand
/// above it.
pub(crate) fn before_changes<'t>(file: &File, statement: Node<'t>, reads: &Reads<'_>) -> Option<Node<'t>> {
    std::iter::successors(statement.prev_named_sibling(), Node::prev_named_sibling)
        .take_while(|above| is_plain(file, *above) && !reads.is_changed_by(file, *above))
        .filter(|above| changes(file, *above))
        .last()
}

/// The nearest statement above that changed what others see, in the blocks around.
pub(crate) fn changed_above<'f>(file: &'f File, statement: Node<'_>) -> Option<&'f str> {
    std::iter::successors(Some(statement), Node::parent)
        .take_while(|node| {
            !matches!(node.kind(), "func_literal" | "function_declaration" | "method_declaration")
        })
        .filter(|node| node.parent().is_some_and(|parent| parent.kind() == "statement_list"))
        .flat_map(|node| std::iter::successors(node.prev_named_sibling(), Node::prev_named_sibling))
        .find(|above| above.kind() == "assignment_statement" && changes(file, *above))
        .map(|above| file.text_of(above))
}

/// Whether a statement only does something: nothing leaves there, and nothing is taken or given back.
fn is_plain(file: &File, statement: Node<'_>) -> bool {
    match statement.kind() {
        "comment" | "assignment_statement" | "short_var_declaration" | "inc_statement" | "dec_statement" => {
            true
        }
        "expression_statement" => {
            let text = file.text_of(statement);
            !["ock()", "quire()", "lease()"].iter().any(|end| text.ends_with(end))
                && !text.starts_with("panic(")
        }
        _ => false,
    }
}

/// Whether a statement changes what others see: a place reached through a parameter, the receiver or a
/// variable of the package.
fn changes(file: &File, statement: Node<'_>) -> bool {
    let targets = match statement.kind() {
        "assignment_statement" => statement.child_by_field_name("left"),
        "inc_statement" | "dec_statement" => Some(statement),
        _ => None,
    };
    let Some(targets) = targets else { return false };
    targets
        .named_children(&mut targets.walk())
        .filter(|target| matches!(target.kind(), "selector_expression" | "index_expression"))
        .filter_map(root_of)
        .any(|root| is_shared(file, root))
}

/// Whether a variable leads to what others hold too: it was not made here.
fn is_shared(file: &File, root: Node<'_>) -> bool {
    match file.binding(root, file.text_of(root)) {
        None
        | Some(
            Binding::Signature { part: Part::Parameter(_) | Part::Receiver, .. } | Binding::Range { .. },
        ) => true,
        Some(Binding::Short { statement, .. }) => {
            let value = statement.child_by_field_name("right").and_then(|right| right.named_child(0));
            value.is_some_and(|value| {
                matches!(value.kind(), "index_expression" | "selector_expression" | "call_expression")
            })
        }
        Some(_) => false,
    }
}
