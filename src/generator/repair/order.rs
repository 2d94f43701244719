//! Where a check can stand so that nothing is half done when it fails: above the statements that change what
//! others see.

use tree_sitter::Node;

use super::naming::words;
use super::syntax::{method_call, nodes_of, root_of, statements_above};
use crate::repository::go::{Binding, File, Part, earlier};

/// What a check reads: variables, and the names of fields.
#[derive(Debug, Clone, Default)]
pub(crate) struct Reads<'a> {
    names: Vec<&'a str>,
    fields: Vec<&'a str>,
    calls: bool,
    /// Whether it reads an entry of something.
    entries: bool,
}

impl<'a> Reads<'a> {
    /// What some expressions read, by their texts.
    pub(crate) fn of(texts: impl IntoIterator<Item = &'a str>) -> Self {
        let mut reads = Self::default();
        for text in texts {
            reads.entries |= text.contains('[');
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
        let targets: Vec<Node<'_>> = match statement.kind() {
            "assignment_statement" | "short_var_declaration" => statement
                .child_by_field_name("left")
                .map(|left| left.named_children(&mut left.walk()).collect())
                .unwrap_or_default(),
            _ => statement.named_child(0).into_iter().collect(),
        };
        let touched = targets.into_iter().any(|target| self.is_touched(file, target));
        self.calls || touched || calls && self.reads_state(file, statement)
    }

    /// Whether a target of an assignment is among what is read. A new entry changes neither a length nor whether
    /// there is anything.
    fn is_touched(&self, file: &File, target: Node<'_>) -> bool {
        match target.kind() {
            "identifier" => self.names.contains(&file.text_of(target)),
            "selector_expression" => target
                .child_by_field_name("field")
                .is_some_and(|field| self.fields.contains(&file.text_of(field))),
            "index_expression" => {
                let entered = target.child_by_field_name("operand");
                self.entries && entered.is_some_and(|entered| self.is_touched(file, entered))
            }
            "call_expression" => false,
            _ => true,
        }
    }

    /// Whether it reads more than variables of its function: what a call may change.
    fn reads_state(&self, file: &File, at: Node<'_>) -> bool {
        let own = |name: &str| {
            matches!(name, "len" | "cap" | "nil" | "int")
                || name.starts_with(|c: char| c.is_ascii_digit())
                || file.binding(at, name).is_some()
        };
        self.entries || !self.fields.is_empty() || !self.names.iter().all(|name| own(name))
    }
}

fn is_name(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// The first of the plain statements right above one that change what others see, when a check may as well stand
/// above it.
pub(crate) fn before_changes<'t>(file: &File, statement: Node<'t>, reads: &Reads<'_>) -> Option<Node<'t>> {
    earlier(statement)
        .take_while(|above| is_plain(file, *above) && !reads.is_changed_by(file, *above))
        .filter(|above| changes(file, *above))
        .last()
}

/// The nearest statement above that changed what others see, in the blocks around.
pub(crate) fn changed_above<'f>(file: &'f File, statement: Node<'_>) -> Option<&'f str> {
    statements_above(statement)
        .find(|above| {
            changes(file, *above) && !is_counted_back(file, *above) || changes_by_method(file, *above)
        })
        .map(|above| file.text_of(above).lines().next().unwrap_or_default())
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

/// Whether a count of the function is taken back further down.
fn is_counted_back(file: &File, statement: Node<'_>) -> bool {
    let text = file.text_of(statement);
    let back = match (text.strip_suffix("++"), text.strip_suffix("--")) {
        (Some(place), _) => format!("{place}--"),
        (_, Some(place)) => format!("{place}++"),
        _ => return false,
    };
    file.enclosing_function(statement).is_some_and(|function| file.text_of(function).contains(&back))
}

/// Words of methods that change what they are called on.
const CHANGING: &[&str] = &[
    "withdraw", "deposit", "remove", "delete", "pop", "push", "take", "put", "add", "set", "insert",
    "append", "move", "transfer", "charge", "reserve", "consume", "dequeue", "enqueue", "apply", "update",
    "write", "store", "spend",
];

/// Whether a statement calls a method that changes what others see, by its name: alone, or in an `if` that goes
/// on unless it fails.
fn changes_by_method(file: &File, statement: Node<'_>) -> bool {
    let call = match statement.kind() {
        "expression_statement" => statement.named_child(0),
        "if_statement" => statement
            .child_by_field_name("initializer")
            .and_then(|initializer| initializer.child_by_field_name("right")?.named_child(0)),
        _ => None,
    };
    let counts = file.text_of(statement).ends_with("Add(1)");
    call.filter(|_| !counts).and_then(method_call).is_some_and(|(operand, method)| {
        let first = words(file.text_of(method)).into_iter().next().unwrap_or_default();
        let root = root_of(operand);
        CHANGING.contains(&first.as_str())
            && root
                .is_some_and(|root| is_shared(file, root) && file.binding(root, file.text_of(root)).is_some())
    })
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
