//! Whether a function holds a mutex at a place, by the ways that lead there.
//!
//! A mutex is what an expression names: the same text is the same mutex within a function. What a function that is
//! called takes or gives back is not seen, nor what is deferred: until the function ends the lock is held.

use tree_sitter::Node;

use super::syntax::{children, ends_program, is_within, method_call, statements_in};
use crate::repository::go::File;

/// How a mutex is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Held {
    /// Not, or not on every way.
    No,
    /// On every way, on some as one of several (`RLock`).
    Read,
    /// Alone on every way.
    Write,
}

/// How the function around a node holds a mutex when it comes there. A function literal begins without: nobody tells
/// when it runs. What jumps by `goto` is not followed, and nothing held for certain there.
pub(crate) fn held_at(file: &File, node: Node<'_>, mutex: &str) -> Held {
    let body = file.enclosing_function(node).and_then(|around| around.child_by_field_name("body"));
    let Some(body) = body else { return Held::No };
    let mut walk = Walk {
        file,
        node,
        mutex,
        found: Ways::NOWHERE,
        around: Vec::new(),
        jumps: Vec::new(),
        unsure: false,
    };
    walk.list(statements_in(body), Ways::AS_BEFORE);
    if walk.unsure { Held::No } else { walk.found.behind(Ways::NOT_HELD).least() }
}

/// What a call does with a mutex: the mutex, and how it is held from then on.
pub(crate) fn locking<'t>(file: &File, call: Node<'t>) -> Option<(Node<'t>, Held)> {
    let (mutex, method) = method_call(call)?;
    let held = match file.text_of(method) {
        "Lock" => Held::Write,
        "RLock" => Held::Read,
        "Unlock" | "RUnlock" => Held::No,
        _ => return None,
    };
    (call.child_by_field_name("arguments")?.named_child_count() == 0).then_some((mutex, held))
}

/// How a mutex may be held at a place: a set of what the ways that lead there leave behind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Ways(u8);

impl Ways {
    /// No way leads there.
    const NOWHERE: Self = Self(0);
    const NOT_HELD: Self = Self(1);
    const READ: Self = Self(2);
    const WRITE: Self = Self(4);
    /// As it was where the walk through the function, or through the innermost loop, began.
    const AS_BEFORE: Self = Self(8);

    const fn or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// The same where it was so before.
    const fn behind(self, before: Self) -> Self {
        let as_before = self.0 & Self::AS_BEFORE.0;
        if as_before == 0 { self } else { Self(self.0 & !Self::AS_BEFORE.0 | before.0) }
    }

    const fn least(self) -> Held {
        match self {
            Self::WRITE => Held::Write,
            Self(ways) if ways & !(Self::READ.0 | Self::WRITE.0) == 0 && ways != 0 => Held::Read,
            _ => Held::No,
        }
    }
}

impl From<Held> for Ways {
    fn from(held: Held) -> Self {
        match held {
            Held::No => Self::NOT_HELD,
            Held::Read => Self::READ,
            Held::Write => Self::WRITE,
        }
    }
}

/// What `break` and `continue` lead out of.
struct Around<'t> {
    label: Option<&'t str>,
    is_loop: bool,
}

/// A way that leaves a statement around.
struct Jump {
    /// Which of those around, from the outermost.
    to: usize,
    breaks: bool,
    ways: Ways,
}

struct Walk<'t, 'm> {
    file: &'t File,
    /// The place that is asked for.
    node: Node<'t>,
    mutex: &'m str,
    found: Ways,
    around: Vec<Around<'t>>,
    jumps: Vec<Jump>,
    unsure: bool,
}

impl<'t> Walk<'t, '_> {
    fn list(&mut self, statements: impl IntoIterator<Item = Node<'t>>, ways: Ways) -> Ways {
        statements.into_iter().fold(ways, |ways, statement| self.statement(statement, None, ways))
    }

    fn statement(&mut self, node: Node<'t>, label: Option<&'t str>, ways: Ways) -> Ways {
        if is_within(self.node, node) {
            self.found = ways;
        }
        match node.kind() {
            "expression_statement" => self.call(node, ways),
            "return_statement" => Ways::NOWHERE,
            "block" => self.list(statements_in(node), ways),
            "if_statement" => {
                let then = node.child_by_field_name("consequence");
                let then = then.map_or(ways, |then| self.statement(then, None, ways));
                let other = node.child_by_field_name("alternative");
                then.or(other.map_or(ways, |other| self.statement(other, None, ways)))
            }
            "for_statement" => self.repeats(node, label, ways),
            "expression_switch_statement" | "type_switch_statement" | "select_statement" => {
                self.cases(node, label, ways)
            }
            "labeled_statement" => {
                let [name, inner @ ..] = &children(node)[..] else { return ways };
                let name = self.file.text_of(*name);
                inner.iter().fold(ways, |ways, inner| self.statement(*inner, Some(name), ways))
            }
            "break_statement" | "continue_statement" => self.jump(node, ways),
            "goto_statement" => {
                self.unsure = true;
                Ways::NOWHERE
            }
            _ => ways,
        }
    }

    fn call(&self, statement: Node<'t>, ways: Ways) -> Ways {
        let call = statement.named_child(0).filter(|call| call.kind() == "call_expression");
        let Some(call) = call.filter(|_| ways != Ways::NOWHERE) else { return ways };
        if ends_program(self.file, call) {
            return Ways::NOWHERE;
        }
        locking(self.file, call)
            .filter(|(mutex, _)| self.file.text_of(*mutex) == self.mutex)
            .map_or(ways, |(_, held)| held.into())
    }

    fn repeats(&mut self, node: Node<'t>, label: Option<&'t str>, ways: Ways) -> Ways {
        let Some(body) = node.child_by_field_name("body") else { return ways };
        let for_ever = children(node).into_iter().all(|child| child == body || child.kind() == "comment");
        let holds_node = is_within(self.node, node);
        if holds_node {
            self.found = Ways::AS_BEFORE;
        }
        let (at, first) = (self.around.len(), self.jumps.len());
        self.around.push(Around { label, is_loop: true });
        let mut round = self.list(statements_in(body), Ways::AS_BEFORE);
        self.around.pop();
        let jumps = self.jumps.split_off(first);
        for jump in jumps.iter().filter(|jump| jump.to == at && !jump.breaks) {
            round = round.or(jump.ways);
        }
        // The first round begins with what was before, the others with what a round leaves behind.
        let inside = ways.or(round.behind(ways));
        let mut out = if for_ever { Ways::NOWHERE } else { inside };
        for jump in jumps {
            let ways = jump.ways.behind(inside);
            match jump.to == at {
                true if jump.breaks => out = out.or(ways),
                true => {}
                false => self.jumps.push(Jump { ways, ..jump }),
            }
        }
        if holds_node {
            self.found = self.found.behind(inside);
        }
        out
    }

    fn cases(&mut self, node: Node<'t>, label: Option<&'t str>, ways: Ways) -> Ways {
        let at = self.around.len();
        self.around.push(Around { label, is_loop: false });
        let (mut out, mut fallen) = (Ways::NOWHERE, Ways::NOWHERE);
        let mut is_complete = node.kind() == "select_statement";
        for case in children(node).into_iter().filter(|child| child.kind().ends_with("_case")) {
            is_complete |= case.kind() == "default_case";
            if is_within(self.node, case) {
                self.found = ways;
            }
            let statements = statements_in(case);
            let falls = statements.last().is_some_and(|last| last.kind() == "fallthrough_statement");
            let end = self.list(statements, ways.or(fallen));
            fallen = if falls { end } else { Ways::NOWHERE };
            out = if falls { out } else { out.or(end) };
        }
        self.around.pop();
        for jump in self.jumps.extract_if(.., |jump| jump.to == at) {
            out = out.or(jump.ways);
        }
        if is_complete { out } else { out.or(ways) }
    }

    fn jump(&mut self, node: Node<'t>, ways: Ways) -> Ways {
        let breaks = node.kind() == "break_statement";
        let label = node.named_child(0).map(|label| self.file.text_of(label));
        let meant = |around: &Around<'_>| match label {
            Some(label) => around.label == Some(label),
            None => breaks || around.is_loop,
        };
        match self.around.iter().rposition(meant) {
            Some(to) => self.jumps.push(Jump { to, breaks, ways }),
            None => self.unsure = true,
        }
        Ways::NOWHERE
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::RepoPath;
    use crate::generator::repair::syntax::nodes_of;

    /// How `mu` is held where a function calls `here`.
    fn held(body: &str) -> Held {
        let text = format!("package p\n\nfunc f() {{\n{body}\n}}\n");
        let file = File::parse(RepoPath::new("a.go").unwrap(), text);
        assert!(file.parses(), "{body}");
        let here = nodes_of(file.tree.root_node(), |node| file.text_of(node) == "here()");
        held_at(&file, here[0], "mu")
    }

    #[test]
    fn a_lock_is_held_from_where_it_is_taken_to_where_it_is_given_back() {
        for (body, expected) in [
            ("here()\nmu.Lock()", Held::No),
            ("mu.Lock()\nhere()", Held::Write),
            ("mu.RLock()\nhere()", Held::Read),
            ("mu.Lock()\ndefer mu.Unlock()\nhere()", Held::Write),
            ("mu.Lock()\nmu.Unlock()\nhere()", Held::No),
            ("mu.Lock()\n\tmu.Unlock() // for a while\nmu.Lock()\nhere()", Held::Write),
            ("mu.RLock()\nmu.RUnlock()\nmu.Lock()\nhere()", Held::Write),
            ("other.mu.Lock()\nhere()", Held::No),
            ("s := \"mu.Lock()\"\n// mu.Lock()\nhere()", Held::No),
            ("mu.Lock()\nx := here()", Held::Write),
            ("mu.Lock()\nmu.Lock(1)\nhere()", Held::Write),
        ] {
            assert_eq!(held(body), expected, "{body}");
        }
    }

    #[test]
    fn every_way_there_counts() {
        for (body, expected) in [
            ("if a {\nmu.Lock()\n}\nhere()", Held::No),
            ("if a {\nmu.Lock()\n} else {\nmu.RLock()\n}\nhere()", Held::Read),
            ("if a {\nmu.Lock()\nhere()\n}", Held::Write),
            ("mu.Lock()\nif a {\nmu.Unlock()\n}\nhere()", Held::No),
            ("mu.Lock()\nif a {\nmu.Unlock()\nreturn\n}\nhere()", Held::Write),
            ("mu.Lock()\nif a {\nmu.Unlock()\npanic(1)\n}\nhere()", Held::Write),
            ("mu.Lock()\nif here() {\nmu.Unlock()\n}", Held::Write),
            ("mu.Lock()\nswitch a {\ncase 1:\nmu.Unlock()\nreturn\ncase 2:\nhere()\n}", Held::Write),
            ("switch a {\ncase 1:\nmu.Lock()\n}\nhere()", Held::No),
            ("switch a {\ncase 1:\nmu.Lock()\ndefault:\nmu.Lock()\n}\nhere()", Held::Write),
            ("switch a {\ncase 1:\nmu.Lock()\nfallthrough\ndefault:\nhere()\n}", Held::No),
            ("mu.Lock()\nselect {\ncase v := <-c:\nhere()\ncase <-d:\nmu.Unlock()\n}", Held::Write),
            ("mu.Lock()\nswitch a {\ncase 1:\nif b {\nmu.Unlock()\nbreak\n}\n}\nhere()", Held::No),
            ("mu.Lock()\ngoto out\nout:\nhere()", Held::No),
            ("return\nmu.Lock()\nhere()", Held::No),
        ] {
            assert_eq!(held(body), expected, "{body}");
        }
    }

    #[test]
    fn a_loop_begins_as_it_was_entered_and_as_it_ends() {
        for (body, expected) in [
            ("mu.Lock()\nfor a {\nhere()\n}", Held::Write),
            ("mu.Lock()\nfor a {\nhere()\nmu.Unlock()\n}", Held::No),
            ("mu.Lock()\nfor here() {\nmu.Unlock()\n}", Held::No),
            ("mu.Lock()\nfor a {\nhere()\nmu.Unlock()\ng()\nmu.Lock()\n}", Held::Write),
            ("mu.Lock()\nfor a {\nmu.Unlock()\nif b {\nbreak\n}\nmu.Lock()\n}\nhere()", Held::No),
            ("mu.Lock()\nfor {\nif b {\nbreak\n}\nmu.Unlock()\nmu.Lock()\n}\nhere()", Held::Write),
            ("mu.Lock()\nfor a {\nif b {\nmu.Unlock()\ncontinue\n}\nhere()\n}", Held::No),
            ("for a {\nmu.Lock()\nhere()\nmu.Unlock()\n}", Held::Write),
            ("for a {\nmu.Lock()\n}\nhere()", Held::No),
            ("for {\nmu.Lock()\nbreak\n}\nhere()", Held::Write),
            ("mu.Lock()\nout:\nfor a {\nfor b {\ncontinue out\n}\nhere()\n}", Held::Write),
            ("mu.Lock()\nout:\nfor a {\nfor b {\nmu.Unlock()\nbreak out\n}\n}\nhere()", Held::No),
            ("mu.Lock()\nout:\nfor {\nfor b {\nbreak out\n}\nmu.Unlock()\nmu.RLock()\n}\nhere()", Held::Read),
        ] {
            assert_eq!(held(body), expected, "{body}");
        }
    }

    #[test]
    fn a_function_literal_begins_without() {
        for (body, expected) in [
            ("mu.Lock()\ngo func() {\nhere()\n}()", Held::No),
            ("mu.Lock()\nf := func() {\nmu.RLock()\nhere()\n}", Held::Read),
            ("f := func() {\nmu.Lock()\n}\nhere()", Held::No),
            ("mu.Lock()\nf := func() {\nmu.Unlock()\n}\nhere()", Held::Write),
        ] {
            assert_eq!(held(body), expected, "{body}");
        }
    }
}
