//! A channel that a function makes for the goroutines it starts: who sends, who closes, who receives, and the
//! WaitGroup that counts them.

use std::sync::Arc;

use tree_sitter::Node;

use crate::generator::repair::case::Case;
use crate::generator::repair::channels::{Use, every_use_of_passed, is_only_received, use_of};
use crate::generator::repair::syntax::{
    called_name, children, in_loop, is_within, nodes_of, statement_of, value_at,
};
use crate::repository::go::{Binding, File, Part, later};

/// More channels of one function than that are not told apart.
const MOST_CHANNELS: usize = 32;

/// A channel that a function makes.
pub(super) struct Local<'t> {
    pub(super) file: &'t Arc<File>,
    pub(super) name: &'t str,
    /// The function that makes it.
    pub(super) function: Node<'t>,
    pub(super) declaration: Node<'t>,
    /// `make(chan T)`.
    pub(super) made: Node<'t>,
    /// The places that name it, and what is done with it there.
    uses: Vec<(Node<'t>, Use<'t>)>,
}

/// A goroutine that sends on the channel.
pub(super) struct Start<'t> {
    pub(super) statement: Node<'t>,
    /// The function literal that it runs; none where it calls a declared function.
    pub(super) literal: Option<Node<'t>>,
    /// How often it sends; none where that is in a loop.
    pub(super) sends: Option<usize>,
}

impl Start<'_> {
    /// Whether a node is the channel that the goroutine's function is called with.
    fn is_told(&self, node: Node<'_>) -> bool {
        let list = self.statement.named_child(0).and_then(|call| call.child_by_field_name("arguments"));
        list.is_some_and(|list| node.parent() == Some(list))
    }

    /// Whether a node stands in the goroutine.
    fn holds(&self, node: Node<'_>) -> bool {
        is_within(node, self.statement)
    }
}

impl<'t> Local<'t> {
    /// The channel that a variable of a function, or of a closure in it, holds.
    pub(super) fn of(file: &'t Arc<File>, variable: Node<'t>) -> Option<Self> {
        let name = file.text_of(variable);
        let binding = file.binding(variable, name).filter(|_| variable.kind() == "identifier")?;
        let Binding::Short { statement, position } = binding else { return None };
        Self::declared(file, statement, position)
    }

    /// The channels that a function makes in its own body, as far as they are looked at.
    pub(super) fn all_of(file: &'t Arc<File>, function: Node<'t>) -> Vec<Self> {
        nodes_of(function, |node| node.kind() == "short_var_declaration")
            .into_iter()
            .filter(|node| file.enclosing_function(*node) == Some(function))
            .flat_map(|statement| {
                let names = statement.child_by_field_name("left").map_or(0, |left| left.named_child_count());
                (0..names).filter_map(move |position| Self::declared(file, statement, position))
            })
            .take(MOST_CHANNELS)
            .collect()
    }

    /// The channel that one name of a declaration gets.
    fn declared(file: &'t Arc<File>, declaration: Node<'t>, position: usize) -> Option<Self> {
        let made = value_at(declaration.child_by_field_name("right")?, position)?;
        let is_made = made.kind() == "call_expression" && called_name(file, made) == "make";
        let ty = made.child_by_field_name("arguments").filter(|_| is_made)?.named_child(0)?;
        let names = declaration.child_by_field_name("left").filter(|_| ty.kind() == "channel_type")?;
        let name = file.text_of(names.named_child(u32::try_from(position).ok()?)?);
        let function = file.enclosing_function(declaration)?;
        let is_it = |node: Node<'t>| {
            node.kind() == "identifier"
                && node.start_byte() >= declaration.end_byte()
                && file.text_of(node) == name
                && matches!(file.binding(node, name), Some(Binding::Short { statement, .. }) if statement == declaration)
        };
        let uses = nodes_of(function, is_it).into_iter().map(|node| (node, use_of(file, node))).collect();
        Some(Self { file, name, function, declaration, made, uses })
    }

    /// The statements that close it.
    pub(super) fn closes(&self) -> Vec<Node<'t>> {
        let calls = self.uses.iter().filter_map(|(_, used)| match used {
            Use::Close(call) => statement_of(*call),
            _ => None,
        });
        calls.collect()
    }

    /// The loops that go on until it is closed.
    pub(super) fn ranges(&self) -> Vec<Node<'t>> {
        let loops = self.uses.iter().filter_map(|(_, used)| match used {
            Use::Range(around) => Some(*around),
            _ => None,
        });
        loops.collect()
    }

    /// The statements that send on it by its name.
    pub(super) fn sends(&self) -> Vec<Node<'t>> {
        let sends = self.uses.iter().filter_map(|(_, used)| match used {
            Use::Send(send) => Some(*send),
            _ => None,
        });
        sends.collect()
    }

    /// Whether a node stands in the body of the function itself.
    pub(super) fn is_own(&self, node: Node<'t>) -> bool {
        self.file.enclosing_function(node) == Some(self.function)
    }

    /// The first place where the function itself may receive from it, or gives it to others who may and do not run
    /// beside it.
    pub(super) fn first_received(&self) -> Option<Node<'t>> {
        let own = self.uses.iter().filter(|(node, used)| {
            let beside = || statement_of(*node).is_some_and(|statement| statement.kind() == "go_statement");
            used.may_receive() && self.is_own(*node) && !beside()
        });
        own.map(|(node, _)| *node).min_by_key(Node::start_byte)
    }

    /// Whether something asks whether it is closed, or hands it to who may: anything but a plain receive, a send, a
    /// close, and the start of a goroutine that sends.
    pub(super) fn is_waited_for(&self, starts: &[Start<'_>]) -> bool {
        self.uses.iter().any(|(node, used)| {
            (used.may_wait_for_end() || *used == Use::Set) && !starts.iter().any(|start| start.is_told(*node))
        })
    }

    /// Whether others may send on it, or close it, than the function itself and the goroutines that it starts: another
    /// function literal, or who else gets it. Who gets it back from the function is taken to receive.
    pub(super) fn is_sent_on_elsewhere(&self, case: &Case<'_>, starts: &[Start<'_>]) -> bool {
        self.uses.iter().any(|(node, used)| match used {
            Use::Send(send) => !self.is_own(*send) && !starts.iter().any(|start| start.holds(*send)),
            Use::Hand => {
                let returned = statement_of(*node).is_some_and(|at| at.kind() == "return_statement")
                    && node.parent().is_some_and(|parent| parent.kind() == "expression_list");
                let told = starts
                    .iter()
                    .any(|start| start.is_told(*node) && self.is_only_sent(case, start.statement, *node));
                !returned && !told && !is_only_received(case, self.file, *node)
            }
            _ => false,
        })
    }

    /// Whether the goroutine that is called with it neither closes it nor hands it on.
    fn is_only_sent(&self, case: &Case<'_>, start: Node<'t>, argument: Node<'t>) -> bool {
        let only = || {
            let call = start.named_child(0)?;
            let arguments = children(call.child_by_field_name("arguments")?);
            let at = arguments.iter().position(|node| *node == argument)?;
            let keeps = |used: Use<'_>| !matches!(used, Use::Close(_) | Use::Hand | Use::Set);
            every_use_of_passed(case, self.file, call, at, &keeps)
        };
        only() == Some(true)
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
            let sends = often(self.file, called, &self.sends_in(called))?;
            return Some(Start { statement, literal: Some(called), sends });
        }
        let arguments = call.child_by_field_name("arguments")?;
        let at = arguments
            .named_children(&mut arguments.walk())
            .position(|argument| self.file.text_of(argument) == self.name)?;
        let callee = case.callee(self.file, call)?;
        let name = callee.function.params.get(at)?.name.clone();
        let body = callee.file.node_at(callee.function.range.clone())?;
        let sends = often(&callee.file, body, &sends_on(&callee.file, body, &name))?;
        Some(Start { statement, literal: None, sends })
    }

    /// The statements of a goroutine's function literal that send on it, by its name or by that of a parameter.
    pub(super) fn sends_in(&self, literal: Node<'t>) -> Vec<Node<'t>> {
        let mut sends = self.sends();
        sends.retain(|send| is_within(*send, literal));
        if let Some(name) = literal.parent().and_then(|call| self.passed(literal, call)) {
            let by_name = sends_on(self.file, literal, name);
            sends.extend(by_name.into_iter().filter(|send| !self.sends().contains(send)));
        }
        sends.sort_by_key(Node::start_byte);
        sends
    }

    /// What a function literal calls the channel that it is called with.
    fn passed(&self, literal: Node<'t>, call: Node<'t>) -> Option<&'t str> {
        let at = children(call.child_by_field_name("arguments")?)
            .iter()
            .position(|argument| self.file.text_of(*argument) == self.name)?;
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

/// The statements of a function that send on the channel of a name.
fn sends_on<'f>(file: &'f File, function: Node<'f>, name: &str) -> Vec<Node<'f>> {
    nodes_of(function, |node| {
        node.kind() == "send_statement"
            && node.child_by_field_name("channel").is_some_and(|channel| file.text_of(channel) == name)
    })
}

/// How often a function sends, where it does; none within where that is in a loop, or the sends may follow each other.
#[expect(
    clippy::option_option,
    reason = "a function that sends, nobody knows how often, is none that does not"
)]
fn often(file: &File, function: Node<'_>, sends: &[Node<'_>]) -> Option<Option<usize>> {
    let last = sends.last()?;
    let in_literal = sends.iter().any(|send| file.enclosing_function(*send) != Some(function));
    let looped = sends.iter().any(|send| in_loop(*send, function));
    let leaves = |send: &Node<'_>| {
        send == last || later(*send).next().is_some_and(|next| next.kind() == "return_statement")
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
            if case.resolver.calls(&other, call, file, own) != Some(true) {
                continue;
            }
            let list = call.child_by_field_name("arguments")?;
            found.push((Arc::clone(&other), list.named_child(u32::try_from(at).ok()?)?.byte_range()));
        }
    }
    (found.len() == 1).then(|| found.pop()).flatten()
}
