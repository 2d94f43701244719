//! A channel that a function makes for the goroutines it starts: who sends, who closes, who receives, and the
//! WaitGroup that counts them.

use std::sync::Arc;

use tree_sitter::Node;

use crate::generator::repair::case::Case;
use crate::generator::repair::syntax::{called_name, in_loop, nodes_of, statement_of, value_at};
use crate::repository::go::{Binding, File, Part};

/// A channel that a function makes.
pub(super) struct Local<'t> {
    pub(super) file: &'t Arc<File>,
    pub(super) name: &'t str,
    /// The function that makes it.
    pub(super) function: Node<'t>,
    pub(super) declaration: Node<'t>,
    /// `make(chan T)`.
    pub(super) made: Node<'t>,
}

/// A goroutine that sends on the channel.
pub(super) struct Start<'t> {
    pub(super) statement: Node<'t>,
    /// The function literal that it runs; none where it calls a declared function.
    pub(super) literal: Option<Node<'t>>,
    /// How often it sends; none where that is in a loop.
    pub(super) sends: Option<usize>,
}

impl<'t> Local<'t> {
    /// The channel that a variable of a function, or of a closure in it, holds.
    pub(super) fn of(file: &'t Arc<File>, variable: Node<'t>) -> Option<Self> {
        let name = file.text_of(variable);
        let binding = file.binding(variable, name).filter(|_| variable.kind() == "identifier")?;
        let Binding::Short { statement, position } = binding else { return None };
        let made = value_at(statement.child_by_field_name("right")?, position)?;
        let is_made = made.kind() == "call_expression" && called_name(file, made) == "make";
        let ty = made.child_by_field_name("arguments")?.named_child(0)?;
        let function = file.enclosing_function(statement)?;
        (is_made && ty.kind() == "channel_type").then_some(Self {
            file,
            name,
            function,
            declaration: statement,
            made,
        })
    }

    /// The channels that a function makes in its own body.
    pub(super) fn all_of(file: &'t Arc<File>, function: Node<'t>) -> Vec<Self> {
        nodes_of(function, |node| node.kind() == "short_var_declaration")
            .into_iter()
            .filter(|node| file.enclosing_function(*node) == Some(function))
            .filter_map(|declaration| {
                let name = declaration.child_by_field_name("left")?.named_child(0)?;
                let next = nodes_of(function, |node| {
                    node.kind() == "identifier"
                        && node.start_byte() >= declaration.end_byte()
                        && file.text_of(node) == file.text_of(name)
                });
                Self::of(file, *next.first()?).filter(|local| local.declaration == declaration)
            })
            .collect()
    }

    /// Every place that names it.
    pub(super) fn uses(&self) -> Vec<Node<'t>> {
        let is_it = |node: Node<'t>| {
            node.kind() == "identifier"
                && self.file.text_of(node) == self.name
                && matches!(self.file.binding(node, self.name), Some(Binding::Short { statement, .. }) if statement == self.declaration)
                && node.start_byte() >= self.declaration.end_byte()
        };
        nodes_of(self.function, is_it)
    }

    /// The statements that close it.
    pub(super) fn closes(&self) -> Vec<Node<'t>> {
        let calls = self.uses().into_iter().filter_map(|node| node.parent()?.parent());
        calls
            .filter(|call| call.kind() == "call_expression" && called_name(self.file, *call) == "close")
            .filter_map(statement_of)
            .collect()
    }

    /// The loops that go on until it is closed.
    pub(super) fn ranges(&self) -> Vec<Node<'t>> {
        let clauses = self.uses().into_iter().filter_map(|node| {
            node.parent().filter(|clause| {
                clause.kind() == "range_clause" && clause.child_by_field_name("right") == Some(node)
            })
        });
        clauses.filter_map(|clause| clause.parent()).collect()
    }

    /// Whether something asks whether it is closed, or hands it to who may: anything but a plain receive, a send, a
    /// close, and the start of a goroutine that sends.
    pub(super) fn is_waited_for(&self, starts: &[Start<'_>]) -> bool {
        self.uses().into_iter().any(|node| {
            let Some(parent) = node.parent() else { return true };
            match parent.kind() {
                "send_statement" => parent.child_by_field_name("channel") != Some(node),
                "unary_expression" => {
                    let holder = parent.parent();
                    let list = holder
                        .filter(|holder| holder.kind() == "expression_list")
                        .and_then(|list| list.parent());
                    let names = list.or(holder).and_then(|holder| holder.child_by_field_name("left"));
                    names.is_some_and(|left| left.named_child_count() > 1)
                }
                "argument_list" => {
                    let started =
                        statement_of(node).is_some_and(|at| starts.iter().any(|start| start.statement == at));
                    let call = parent.parent();
                    let closes = call
                        .is_some_and(|call| matches!(called_name(self.file, call), "close" | "len" | "cap"));
                    !started && !closes
                }
                _ => true,
            }
        })
    }

    /// The goroutines of the function that send on it.
    pub(super) fn starts(&self, case: &Case<'_>) -> Vec<Start<'t>> {
        nodes_of(self.function, |node| node.kind() == "go_statement")
            .into_iter()
            .filter_map(|statement| self.start(case, statement))
            .collect()
    }

    fn start(&self, case: &Case<'_>, statement: Node<'t>) -> Option<Start<'t>> {
        let call = statement.named_child(0).filter(|call| call.kind() == "call_expression")?;
        let called = call.child_by_field_name("function")?;
        if called.kind() == "func_literal" {
            let own = self.uses();
            let parameter = self.passed(called, call);
            let sends = sends_of(self.file, called, |channel| {
                own.iter().any(|node| node.id() == channel.id())
                    || parameter.is_some_and(|name| self.file.text_of(channel) == name)
            })?;
            return Some(Start { statement, literal: Some(called), sends });
        }
        let arguments = call.child_by_field_name("arguments")?;
        let at = arguments
            .named_children(&mut arguments.walk())
            .position(|argument| self.file.text_of(argument) == self.name)?;
        let callee = case.callee(self.file, call)?;
        let name = callee.function.params.get(at)?.name.clone();
        let body = callee.file.node_at(callee.function.range.clone())?;
        let sends = sends_of(&callee.file, body, |channel| callee.file.text_of(channel) == name)?;
        Some(Start { statement, literal: None, sends })
    }

    /// What a function literal calls the channel that it is called with.
    fn passed(&self, literal: Node<'t>, call: Node<'t>) -> Option<&'t str> {
        let arguments = call.child_by_field_name("arguments")?;
        let at = arguments
            .named_children(&mut arguments.walk())
            .position(|argument| self.file.text_of(argument) == self.name)?;
        let list = literal.child_by_field_name("parameters")?;
        let names = nodes_of(list, |node| {
            node.kind() == "identifier"
                && node.parent().is_some_and(|parent| parent.kind() == "parameter_declaration")
        });
        names.get(at).map(|name| self.file.text_of(*name))
    }

    /// The WaitGroup of the function that each of the goroutines counts down, as it is written there.
    pub(super) fn wait_group(&self, starts: &[Start<'_>]) -> Option<&'t str> {
        let adds = nodes_of(self.function, |node| {
            node.kind() == "call_expression" && called_name(self.file, node) == "Add"
        });
        adds.into_iter()
            .filter_map(|call| call.child_by_field_name("function")?.child_by_field_name("operand"))
            .map(|operand| self.file.text_of(operand))
            .find(|group| {
                let counts = |start: &Start<'_>| {
                    let text = self.file.text_of(start.statement);
                    text.contains(&format!("{group}.Done()")) || text.contains(&format!("&{group}"))
                };
                !starts.is_empty() && starts.iter().all(counts)
            })
    }

    /// The statements of the function's own body that are written so.
    pub(super) fn own(&self, text: &str) -> Vec<Node<'t>> {
        nodes_of(self.function, |node| {
            node.kind() == "expression_statement" && self.file.text_of(node) == text
        })
        .into_iter()
        .filter(|node| self.file.enclosing_function(*node) == Some(self.function))
        .collect()
    }
}

/// How often a function sends on a channel, where it does; none within where that is in a loop, or the sends may
/// follow each other.
#[expect(
    clippy::option_option,
    reason = "a function that sends, nobody knows how often, is none that does not"
)]
fn sends_of(file: &File, function: Node<'_>, is_it: impl Fn(Node<'_>) -> bool) -> Option<Option<usize>> {
    let sends = nodes_of(function, |node| {
        node.kind() == "send_statement" && node.child_by_field_name("channel").is_some_and(&is_it)
    });
    let last = sends.last()?;
    let in_literal = sends.iter().any(|send| file.enclosing_function(*send) != Some(function));
    let looped = sends.iter().any(|send| in_loop(*send, function));
    let leaves = |send: &Node<'_>| {
        send == last || send.next_named_sibling().is_some_and(|next| next.kind() == "return_statement")
    };
    Some((!in_literal && !looped && sends.iter().all(leaves)).then_some(1))
}

/// The channel behind the parameter of a function that is started as a goroutine in exactly one place of its
/// package: the file, and the argument in bytes.
pub(super) fn argument_for(
    case: &Case<'_>,
    file: &Arc<File>,
    parameter: Node<'_>,
) -> Option<(Arc<File>, std::ops::Range<usize>)> {
    let binding = file.binding(parameter, file.text_of(parameter))?;
    let Binding::Signature { function, part: Part::Parameter(at), .. } = binding else { return None };
    let own = file.functions.iter().find(|own| own.range == function.byte_range())?;
    let mut found = Vec::new();
    for other in case.resolver.package_of(file) {
        for start in nodes_of(other.tree.root_node(), |node| node.kind() == "go_statement") {
            let call = start.named_child(0).filter(|call| called_name(&other, *call) == own.identifier);
            let Some(call) = call else { continue };
            if case.callee(&other, call).is_none_or(|callee| callee.function != *own) {
                continue;
            }
            let list = call.child_by_field_name("arguments")?;
            found.push((Arc::clone(&other), list.named_child(u32::try_from(at).ok()?)?.byte_range()));
        }
    }
    (found.len() == 1).then(|| found.pop()).flatten()
}
