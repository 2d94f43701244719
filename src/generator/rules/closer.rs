//! Who sends on a channel that a struct holds, who closes it, and who receives.

use std::sync::Arc;

use tree_sitter::Node;

use crate::generator::repair::case::Case;
use crate::generator::repair::channels::{Use, is_only_received, use_of};
use crate::generator::repair::edit::is_repairable;
use crate::generator::repair::locked::{Held, locking};
use crate::generator::repair::methods::{Method, Mutex, is_called_held, methods_of};
use crate::generator::repair::syntax::{
    called_name, children, in_loop, last_child, nodes_of, outermost, statement_of,
};
use crate::repository::go::{Field, File, TypeDecl, later};

/// A struct that holds a channel.
pub(super) struct Owner {
    pub(super) declaration: TypeDecl,
    /// The field that holds the channel.
    pub(super) field: String,
    fields: Vec<Field>,
    methods: Vec<Method>,
    files: Vec<Arc<File>>,
}

impl Owner {
    /// The struct whose field a selector names.
    pub(super) fn of(case: &Case<'_>, file: &Arc<File>, channel: Node<'_>) -> Option<Self> {
        let operand = channel.child_by_field_name("operand")?;
        let (declaration, Field { name: field, .. }) = case.field_at(file, channel)?;
        let fields = case.resolver.fields(&case.resolver.type_of(file, operand)?);
        let methods = methods_of(case, &declaration);
        let files = case.resolver.package_of(&declaration.file);
        Some(Self { declaration, field, fields, methods, files })
    }

    /// Whether other packages see the channel.
    pub(super) fn is_exported(&self) -> bool {
        self.field.starts_with(char::is_uppercase)
    }

    pub(super) fn name(&self) -> String {
        self.declaration.name.clone()
    }

    /// The fields that are mutexes.
    pub(super) fn mutexes(&self) -> Vec<Mutex> {
        Mutex::among(&self.fields).into_iter().filter(|mutex| !mutex.embedded).collect()
    }

    /// The fields that are plain marks.
    pub(super) fn marks(&self) -> Vec<String> {
        self.fields.iter().filter(|field| field.ty.text == "bool").map(|field| field.name.clone()).collect()
    }

    /// A name that no field and no method has.
    pub(super) fn fresh(&self, names: &[&str]) -> Option<String> {
        let taken = |name: &str| {
            self.fields.iter().any(|field| field.name == name)
                || self.methods.iter().any(|method| method.function.identifier == name)
        };
        names.iter().find(|name| !taken(name)).map(|name| (*name).to_owned())
    }

    /// The nodes of the package that satisfy a condition, with their files.
    fn nodes<'s>(&'s self, wanted: impl Fn(&'s File, Node<'s>) -> bool) -> Vec<(&'s Arc<File>, Node<'s>)> {
        let of = |file: &'s Arc<File>| {
            nodes_of(file.tree.root_node(), |node| wanted(file, node))
                .into_iter()
                .map(move |node| (file, node))
        };
        self.files.iter().flat_map(of).collect()
    }

    fn is_channel(&self, file: &File, node: Node<'_>) -> bool {
        node.child_by_field_name("field").is_some_and(|field| file.text_of(field) == self.field)
    }

    /// The method around a node, where the node names the channel by the method's receiver.
    fn method_at(&self, file: &File, channel: Node<'_>) -> Option<&Method> {
        self.methods.iter().find(|method| {
            method.file.path == file.path
                && method.function.range.contains(&channel.start_byte())
                && file.text_of(channel) == method.own(&self.field)
        })
    }

    /// The places that name the channel, and what is done with it there.
    fn uses(&self) -> Vec<(&Arc<File>, Node<'_>, Use<'_>)> {
        let named =
            self.nodes(|file, node| node.kind() == "selector_expression" && self.is_channel(file, node));
        named.into_iter().map(|(file, node)| (file, node, use_of(file, node))).collect()
    }

    /// The method that closes the channel, where there is exactly one place that does.
    pub(super) fn closer(&self) -> Option<Closer<'_>> {
        let mut closes = self.uses();
        closes.retain(|(_, _, used)| matches!(used, Use::Close(_)));
        let [(file, channel, Use::Close(call))] = closes.as_slice() else { return None };
        Some(Closer { method: self.method_at(file, *channel)?, statement: statement_of(*call)? })
    }

    /// Every sender; none where one is no method of the type, or sends at several places, or where others get the
    /// channel who may send on it.
    pub(super) fn senders(&self, case: &Case<'_>) -> Option<Vec<Sender<'_>>> {
        let mut senders: Vec<Sender<'_>> = Vec::new();
        for (file, channel, used) in self.uses() {
            let method = self.method_at(file, channel);
            // Another type may have a field of that name.
            let owner = case.field_at(file, channel).filter(|_| method.is_none());
            if owner.is_some_and(|(owner, _)| owner.name != self.declaration.name) {
                continue;
            }
            if used == Use::Hand && !is_only_received(case, file, channel) {
                return None;
            }
            let Use::Send(send) = used else { continue };
            let method = method?;
            if !is_repairable(file) || senders.iter().any(|known| known.method.function == method.function) {
                return None;
            }
            senders.push(Sender { method, send });
        }
        (!senders.is_empty()).then_some(senders)
    }

    /// Whether another method that takes a mutex, or whoever else holds it, calls this one.
    pub(super) fn is_called_with(&self, case: &Case<'_>, method: &Method, mutex: &Mutex) -> bool {
        let name = method.function.identifier.as_str();
        is_called_held(case, method, mutex)
            || self
                .methods
                .iter()
                .filter(|other| other.locks(mutex))
                .any(|other| other.calls().contains(&name))
    }

    /// What the closing method ends too and others can wait for: a channel without values, a context.
    pub(super) fn signal(&self, closer: &Closer<'_>) -> Option<String> {
        let text = closer.method.text();
        let of_type = |ty: &'static str| self.fields.iter().filter(move |field| field.ty.text == ty);
        let closed = of_type("chan struct{}")
            .filter(|field| field.name != self.field)
            .find(|field| text.contains(&format!("close({})", closer.method.own(&field.name))));
        if let Some(closed) = closed {
            return Some(closed.name.clone());
        }
        let cancels = of_type("context.CancelFunc").chain(of_type("func()"));
        let mut cancels = cancels.filter(|field| field.name.to_lowercase().contains("cancel"));
        let context = of_type("context.Context").next()?;
        cancels
            .any(|field| text.contains(&format!("{}()", closer.method.own(&field.name))))
            .then(|| format!("{}.Done()", context.name))
    }

    /// Whether the channel may have room: what is sent then need not be received.
    pub(super) fn may_have_room(&self) -> bool {
        let made = self.nodes(|file, node| {
            let target = match node.kind() {
                "keyed_element" => node.child_by_field_name("key"),
                "assignment_statement" => node.child_by_field_name("left"),
                _ => None,
            };
            target.is_some_and(|target| {
                let text = file.text_of(target);
                text == self.field || text.rsplit_once('.').is_some_and(|(_, field)| field == self.field)
            })
        });
        let has_room = |(file, node): &(&Arc<File>, Node<'_>)| {
            let calls =
                nodes_of(*node, |call| call.kind() == "call_expression" && called_name(file, call) == "make");
            let list = calls.first().and_then(|call| call.child_by_field_name("arguments"));
            list.is_none_or(|list| list.named_child_count() > 1)
        };
        made.is_empty() || made.iter().any(has_room)
    }

    /// Whether somebody waits until the channel is closed.
    pub(super) fn is_waited_for(&self) -> bool {
        self.uses().into_iter().any(|(_, _, used)| used.may_wait_for_end())
    }

    /// Whether the package receives up to the end of the channel whatever happens: in a loop that is not left early,
    /// takes no such lock, and calls no sender and not the closer.
    pub(super) fn drains(&self, mutex: Option<&Mutex>, closer: &Closer<'_>, senders: &[Sender<'_>]) -> bool {
        let mut receives = self.uses();
        receives.retain(|(_, _, used)| used.may_receive());
        let in_loop = |(file, node, used): &(&Arc<File>, Node<'_>, Use<'_>)| {
            let Use::Range(around) = *used else { return false };
            let leaves = nodes_of(around, |inner| {
                matches!(inner.kind(), "return_statement" | "break_statement" | "goto_statement")
            });
            let Some(method) = self.method_at(file, *node) else { return false };
            let calls = method.calls();
            let calls_back = calls.iter().any(|called| {
                *called == closer.method.function.identifier
                    || senders.iter().any(|sender| sender.method.function.identifier == *called)
            });
            leaves.is_empty() && !calls_back && mutex.is_none_or(|mutex| !method.takes(mutex, &self.methods))
        };
        !receives.is_empty() && receives.iter().all(in_loop)
    }
}

/// The method that closes the channel.
pub(super) struct Closer<'o> {
    pub(super) method: &'o Method,
    /// The statement that closes.
    pub(super) statement: Node<'o>,
}

impl Closer<'_> {
    /// Whether it sets a mark of its receiver.
    pub(super) fn sets(&self, mark: &str) -> bool {
        self.set(mark).is_some()
    }

    /// The statement that sets a mark of its receiver.
    fn set(&self, mark: &str) -> Option<Node<'_>> {
        let text = format!("{} = true", self.method.own(mark));
        let is_it =
            |node: Node<'_>| node.kind() == "assignment_statement" && self.method.file.text_of(node) == text;
        self.method.nodes(is_it).into_iter().next()
    }

    /// Whether it sets a mark behind the lock and not behind the unlock, and before it closes.
    pub(super) fn sets_under(&self, mark: &str, mutex: &Mutex) -> bool {
        self.set(mark).is_some_and(|set| {
            let before = set.start_byte() < self.statement.start_byte();
            self.method.held_at(set, mutex) == Held::Write && (before || self.closes_under(mutex))
        })
    }

    /// Whether it holds a mutex of its receiver where it closes.
    pub(super) fn closes_under(&self, mutex: &Mutex) -> bool {
        self.method.held_at(self.statement, mutex) == Held::Write
    }

    /// Whether it closes in a function of its own that does nothing else: `once.Do(func() { close(s.ch) })`.
    pub(super) fn is_alone(&self) -> bool {
        let in_literal = self.method.file.enclosing_function(self.statement);
        let in_literal = in_literal.is_some_and(|function| function.kind() == "func_literal");
        in_literal && self.statement.parent().is_some_and(|list| list.named_child_count() == 1)
    }
}

/// A method that sends on the channel.
pub(super) struct Sender<'o> {
    pub(super) method: &'o Method,
    pub(super) send: Node<'o>,
}

impl<'o> Sender<'o> {
    /// The `select` whose case the send is.
    pub(super) fn select(&self) -> Option<Node<'o>> {
        let case = self.send.parent().filter(|parent| parent.kind() == "communication_case")?;
        (case.child_by_field_name("communication") == Some(self.send)).then(|| case.parent())?
    }

    /// Whether it never waits for room.
    pub(super) fn is_immediate(&self) -> bool {
        self.select().is_some_and(|select| {
            select.named_children(&mut select.walk()).any(|case| case.kind() == "default_case")
        })
    }

    /// Whether a way to leave is that of what finds no room: it is dropped, and nobody is told, or told just so.
    pub(super) fn drops_by(&self, exit: &str) -> bool {
        let Some(select) = self.select().filter(|_| self.is_immediate()) else { return false };
        let other = select.named_children(&mut select.walk()).find(|case| case.kind() == "default_case");
        let list = other.and_then(|case| case.named_child(0));
        let answer = list.and_then(last_child).map(|answer| self.method.file.text_of(answer));
        self.method.function.results.is_empty() || answer == Some(exit)
    }

    /// The function's body in which it sends: the method's, or that of a function literal.
    fn body(&self) -> Option<Node<'o>> {
        self.method.file.enclosing_function(self.send)?.child_by_field_name("body")
    }

    /// Whether it sends in a loop.
    pub(super) fn is_in_loop(&self) -> bool {
        self.method.file.enclosing_function(self.send).is_some_and(|function| in_loop(self.send, function))
    }

    /// The statement of the function's outermost block which sends.
    pub(super) fn unit(&self) -> Option<Node<'o>> {
        outermost(self.body()?, self.send)
    }

    /// Whether behind a statement nothing is called and nobody waited for.
    pub(super) fn only_returns_behind(&self, unit: Node<'_>) -> bool {
        later(unit).all(|statement| {
            let acts = nodes_of(statement, |node| {
                node.kind() == "call_expression"
                    || node.kind() == "unary_expression" && self.method.file.text_of(node).starts_with("<-")
            });
            acts.is_empty()
        })
    }

    /// Whether it sends only where it cannot receive that.
    pub(super) fn chooses(&self, received: &str) -> bool {
        let text = self.select().map(|select| self.method.file.text_of(select));
        text.is_some_and(|text| text.contains(&format!("case {received}:")))
    }

    /// Whether it names something before it sends.
    pub(super) fn asks(&self, text: &str) -> bool {
        let from = self.method.function.body.start;
        let end = self.select().unwrap_or(self.send).end_byte();
        self.method.file.text.get(from..end).is_some_and(|before| before.contains(text))
    }

    /// The statement of its outermost block that takes a mutex, or defers to give it back right behind that.
    pub(super) fn taken(&self, mutex: &Mutex) -> Option<Node<'o>> {
        let file = &self.method.file;
        let own = mutex.of(&self.method.receiver);
        let does = |statement: &Node<'_>, gives: bool| {
            statement
                .named_child(0)
                .and_then(|call| locking(file, call))
                .is_some_and(|(taken, held)| file.text_of(taken) == own && (held == Held::No) == gives)
        };
        let mut beside = children(self.unit()?.parent()?).into_iter();
        let taken = beside.find(|node| does(node, false))?;
        let next = beside.next().filter(|next| next.kind() == "defer_statement");
        Some(next.filter(|next| does(next, true)).unwrap_or(taken))
    }

    /// Whether it holds a mutex where it sends.
    pub(super) fn holds(&self, mutex: &Mutex) -> bool {
        self.method.held_at(self.send, mutex) != Held::No
    }
}
