//! The ways through a function, and whether what it owes (an unlock, a `Done`, a close) is done on each of them.

use tree_sitter::Node;

use super::syntax::{children, ends_program, is_listed, statements_in};
use crate::repository::go::{File, later};

/// What the ways through a function show.
#[derive(Debug, Clone, Default)]
pub(crate) struct Owed<'t> {
    /// The statements that leave while it is still owed.
    pub(crate) leaving: Vec<Node<'t>>,
    /// Whether the end is reached while it is still owed.
    pub(crate) at_end: bool,
    /// The statements that do it.
    pub(crate) done: Vec<Node<'t>>,
}

/// Where a function leaves with something still owed, from the statement behind `after` on, or from the first one
/// of `body`. None where that depends on more than the way: on a condition that was asked before.
pub(crate) fn owed<'t>(
    file: &'t File,
    body: Node<'t>,
    after: Option<Node<'t>>,
    does: &dyn Fn(Node<'t>) -> bool,
) -> Option<Owed<'t>> {
    let mut walk = Walk { file, does, owed: Owed::default(), unsure: false, around: Vec::new(), depth: 0 };
    let end = match after {
        None => walk.list(statements_in(body), State::OWES),
        Some(after) => walk.onwards(body, after),
    };
    walk.unsure |= end.owes && end.done;
    walk.owed.at_end = end.owes;
    (!walk.unsure).then_some(walk.owed)
}

/// What may be at a place: that it is owed, that it is done; neither where no way leads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct State {
    owes: bool,
    done: bool,
}

impl State {
    const OWES: Self = Self { owes: true, done: false };
    const DONE: Self = Self { owes: false, done: true };
    const NOWHERE: Self = Self { owes: false, done: false };

    const fn or(self, other: Self) -> Self {
        Self { owes: self.owes || other.owes, done: self.done || other.done }
    }
}

struct Walk<'t, 'd> {
    file: &'t File,
    does: &'d dyn Fn(Node<'t>) -> bool,
    owed: Owed<'t>,
    unsure: bool,
    /// What `break` leads to, innermost last, and whether that is a loop.
    around: Vec<(State, bool)>,
    /// How many loops were entered since the walk began.
    depth: usize,
}

impl<'t> Walk<'t, '_> {
    fn list(&mut self, statements: impl IntoIterator<Item = Node<'t>>, mut state: State) -> State {
        for statement in statements {
            if state == State::NOWHERE {
                break;
            }
            state = self.statement(statement, state);
        }
        state
    }

    /// From behind a statement to the end of the function.
    fn onwards(&mut self, body: Node<'t>, after: Node<'t>) -> State {
        let mut state = State::OWES;
        let mut at = after;
        loop {
            // What stands around is left by `break`.
            let around = std::iter::successors(at.parent(), Node::parent)
                .find(|node| is_listed(*node) || *node == body);
            let Some(around) = around else { return state };
            let loops = around.kind() == "for_statement";
            self.around.push((State::NOWHERE, loops));
            state = self.list(later(at), state);
            let (broken, _) = self.around.pop().unwrap_or((State::NOWHERE, false));
            // The next round would begin with it still owed.
            self.unsure |= loops && state.owes;
            state = state.or(broken);
            if around == body {
                return state;
            }
            at = around;
        }
    }

    fn statement(&mut self, node: Node<'t>, state: State) -> State {
        if (self.does)(node) {
            self.unsure |= state.done;
            self.owed.done.push(node);
            return State::DONE;
        }
        match node.kind() {
            "return_statement" => {
                self.leave(node, state);
                State::NOWHERE
            }
            "expression_statement" => {
                let call = node.named_child(0).filter(|call| call.kind() == "call_expression");
                if call.is_some_and(|call| ends_program(self.file, call)) { State::NOWHERE } else { state }
            }
            "block" => self.list(statements_in(node), state),
            "if_statement" => {
                let way = node
                    .child_by_field_name("consequence")
                    .map_or(state, |way| self.list(statements_in(way), state));
                let other = match node.child_by_field_name("alternative") {
                    Some(other) => self.statement(other, state),
                    None => state,
                };
                way.or(other)
            }
            "for_statement" => self.repeats(node, state),
            "expression_switch_statement" | "type_switch_statement" | "select_statement" => {
                self.cases(node, state)
            }
            "break_statement" | "continue_statement" => self.jump(node, state),
            "goto_statement" | "fallthrough_statement" | "labeled_statement" => {
                self.unsure = true;
                state
            }
            _ => state,
        }
    }

    fn leave(&mut self, node: Node<'t>, state: State) {
        self.unsure |= state.owes && state.done;
        if state.owes {
            self.owed.leaving.push(node);
        }
    }

    fn repeats(&mut self, node: Node<'t>, state: State) -> State {
        let Some(body) = node.child_by_field_name("body") else { return state };
        let for_ever = children(node).into_iter().all(|child| child == body || child.kind() == "comment");
        self.around.push((State::NOWHERE, true));
        self.depth += 1;
        let round = self.list(statements_in(body), state);
        self.depth -= 1;
        let (broken, _) = self.around.pop().unwrap_or((State::NOWHERE, true));
        if for_ever { broken } else { state.or(round).or(broken) }
    }

    fn cases(&mut self, node: Node<'t>, state: State) -> State {
        self.around.push((State::NOWHERE, false));
        let mut out = State::NOWHERE;
        let mut is_complete = node.kind() == "select_statement";
        for case in children(node).into_iter().filter(|child| child.kind().ends_with("_case")) {
            is_complete |= case.kind() == "default_case";
            out = out.or(self.list(statements_in(case), state));
        }
        let (broken, _) = self.around.pop().unwrap_or((State::NOWHERE, false));
        let out = out.or(broken);
        if is_complete { out } else { out.or(state) }
    }

    fn jump(&mut self, node: Node<'t>, state: State) -> State {
        let breaks = node.kind() == "break_statement";
        self.unsure |= node.named_child_count() > 0;
        let target = self.around.iter_mut().rev().find(|(_, loops)| breaks || *loops);
        // The next round of a loop that was entered on the way begins as this one ends.
        match target.filter(|_| breaks || self.depth > 0) {
            Some((target, _)) => *target = target.or(state),
            None => self.leave(node, state),
        }
        State::NOWHERE
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::RepoPath;
    use crate::generator::repair::syntax::nodes_of;

    /// The lines at which a function leaves without `u()`, `end` for its end, `unsure` where nobody knows.
    fn leaving(body: &str) -> String {
        let text = format!("package p\n\nfunc f() {{\n{body}\n}}\n");
        let file = File::parse(RepoPath::new("a.go").unwrap(), text);
        let block = file.node_at(file.functions[0].body.clone()).unwrap();
        let lock =
            nodes_of(block, |node| file.text_of(node) == "l()" && node.kind() == "expression_statement");
        let does = |node: Node<'_>| file.text_of(node) == "u()" && node.kind() == "expression_statement";
        let Some(owed) = owed(&file, block, lock.first().copied(), &does) else { return "unsure".to_owned() };
        let mut places: Vec<String> =
            owed.leaving.iter().map(|node| (node.start_position().row - 2).to_string()).collect();
        places.extend(owed.at_end.then(|| "end".to_owned()));
        places.join(" ")
    }

    #[test]
    fn every_way_is_followed() {
        for (body, expected) in [
            ("l()\nu()", ""),
            ("l()\nif a {\nreturn\n}\nu()", "3"),
            ("l()\nif a {\nu()\nreturn\n}\nu()", ""),
            ("l()\nif a {\nu()\nreturn\n} else if b {\nreturn\n}\nu()", "6"),
            ("l()\nif a {\nu()\n}\ng()", "unsure"),
            ("l()\nif a {\npanic(1)\n}\nu()", ""),
            ("l()\nfor {\nif a {\nbreak\n}\n}\nu()", ""),
            ("l()\nfor _, x := range xs {\nif x {\nreturn\n}\n}\nu()", "4"),
            ("for {\nl()\nif a {\ncontinue\n}\nu()\n}", "4"),
            ("for {\nl()\nif a {\nbreak\n}\nu()\n}", "unsure"),
            ("l()\nswitch a {\ncase 1:\nu()\nreturn\ncase 2:\nreturn\ndefault:\nu()\n}", "7"),
            ("l()\nselect {\ncase <-a:\nu()\ncase <-b:\nreturn\n}", "6"),
            ("if a {\nl()\nif b {\nreturn\n}\nu()\n}\ng()", "4"),
            ("l()\ng()", "end"),
            ("l()\ngo func() {\nreturn\n}()\nu()", ""),
        ] {
            assert_eq!(leaving(body), expected, "{body}");
        }
    }
}
