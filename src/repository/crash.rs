//! Whether a crash that was seen is the one of a fault: the same class, in the same function, at the same
//! statement. Reproduction and proof both ask here, of what a process printed; the search's own oracle, in
//! Go, asks the same of a panic while it passes.

use std::path::PathBuf;

use tree_sitter::Node;

use super::Repository;
use super::go::{File, Symbol};
use super::raisers::{Raiser, raisers};
use crate::domain::{Class, Fault, FaultFacts, Frame, Location, RepoPath, Trace};

/// How much a crash is the fault's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Likeness {
    /// Class, function and statement are the same.
    Same,
    /// They are, but it is another nil of that statement: another field was accessed through it.
    OtherNil,
    /// They are, and so is the caller, but the value that was raised tells of something else.
    OtherWords,
    /// They are, but what failed is another expression of the statement than the log's.
    OtherPart,
    /// They are, but several expressions of the statement can fail in this way, and the messages do not tell
    /// that it was the same one.
    Unclear,
}

impl Likeness {
    /// What is not the log's in it, for a sentence; none when everything is.
    #[must_use]
    pub const fn difference(self) -> Option<&'static str> {
        match self {
            Self::Same => None,
            Self::OtherNil => Some("it is another nil of the statement than the log's"),
            Self::OtherWords => Some("the panic says something else than the log's"),
            Self::OtherPart => Some("it is another part of the statement than the log's"),
            Self::Unclear => Some(
                "several expressions of the statement can fail in this way, and the log does not tell that it was this one",
            ),
        }
    }
}

/// The crash of a fault, as it would show in a copy of the repository.
#[derive(Debug)]
pub struct KnownCrash<'a> {
    fault: &'a Fault,
    failing: &'a Location,
    tree: PathBuf,
    drifted: bool,
    /// What of the statement can fail in this way.
    raisers: Vec<Raiser>,
}

impl<'a> KnownCrash<'a> {
    /// The crash of a fault in the copy at `tree`; none without a stack that touches the repository.
    #[must_use]
    pub fn new(fault: &'a Fault, repository: &Repository, tree: PathBuf) -> Option<Self> {
        let failing = fault.stack.first()?;
        let file = repository.go_file(&failing.file).ok();
        // A file that is gone holds no such statement either.
        let drifted = file.as_ref().is_none_or(|file| has_drifted(fault.class, file, failing.line));
        let raisers = file.map(|file| raisers(fault.class, repository, &file, failing.line));
        let tree = tree.canonicalize().unwrap_or(tree);
        Some(Self { fault, failing, tree, drifted, raisers: raisers.unwrap_or_default() })
    }

    /// Whether the line of the log is not to be trusted: then the function and the class decide.
    #[must_use]
    pub const fn has_drifted(&self) -> bool {
        self.drifted
    }

    /// Whether a crash is this one, and how surely; none when it is another.
    #[must_use]
    pub fn likeness(&self, class: Class, message: &str, trace: &Trace) -> Option<Likeness> {
        if class != self.fault.class {
            return None;
        }
        let mut seen = trace.frames.iter().filter_map(|frame| self.place(frame));
        let (top, caller) = (seen.next()?, seen.next());
        let same_line = top.file == self.failing.file && top.line == self.failing.line;
        if !same_function(&top, self.failing) || !(same_line || self.drifted) {
            return None;
        }
        let offset = self.fault.facts.nil_offset;
        let other_nil = offset.is_some_and(|offset| trace.fault_address.is_some_and(|seen| seen != offset));
        let words = match class {
            Class::ExplicitPanic => self.raise(message, caller.as_ref())?,
            _ => Likeness::Same,
        };
        Some(if other_nil { Likeness::OtherNil } else { words })
    }

    /// The same of a crash whose message tells these facts: a statement may have several ways to fail.
    #[must_use]
    pub fn likeness_by(
        &self,
        class: Class,
        message: &str,
        facts: &FaultFacts,
        trace: &Trace,
    ) -> Option<Likeness> {
        match self.likeness(class, message, trace)? {
            Likeness::Same => Some(self.part(facts, trace)),
            likeness => Some(likeness),
        }
    }

    /// Where in the tree a crash shows: its first statement there.
    #[must_use]
    pub fn place_of(&self, trace: &Trace) -> Option<Location> {
        trace.frames.iter().find_map(|frame| self.place(frame))
    }

    /// A function that the log's crash came by, between what a test has called and what failed, and this one did not.
    #[must_use]
    pub fn missed_by(&self, trace: &Trace) -> Option<&str> {
        let is_code = |place: &Location| !place.file.as_str().ends_with("_test.go");
        let seen: Vec<Location> =
            trace.frames.iter().filter_map(|frame| self.place(frame)).filter(is_code).collect();
        let called = seen.last()?;
        let until = self.fault.stack.iter().rposition(|place| same_function(place, called))?;
        let missed = |place: &&Location| !seen.iter().any(|seen| same_function(seen, place));
        let missed = self.fault.stack[..until].iter().find(missed)?;
        Some(Symbol::declared(&missed.function))
    }

    /// Where several expressions of the statement can have failed: whether both messages tell the same one.
    /// The same address other than nil's own is told by the same field.
    fn part(&self, seen: &FaultFacts, trace: &Trace) -> Likeness {
        let log = &self.fault.facts;
        let same_field = log.nil_offset.is_some_and(|at| at > 0 && trace.fault_address == Some(at));
        if self.raisers.len() < 2 || same_field {
            return Likeness::Same;
        }
        let only = |facts: &FaultFacts| {
            let mut telling = self.raisers.iter().filter(|raiser| raiser.may_tell(facts));
            telling.next().filter(|_| telling.next().is_none())
        };
        match (only(log), only(seen)) {
            (Some(wanted), Some(seen)) if wanted == seen => Likeness::Same,
            (Some(wanted), _) if !wanted.may_tell(seen) => Likeness::OtherPart,
            _ => Likeness::Unclear,
        }
    }

    /// Tells panics apart that one helper raises for many callers: the calling line must be the log's, and
    /// the words too, else it may be another defect. Without a caller, as where the test itself calls the
    /// helper, the words must do.
    fn raise(&self, message: &str, caller: Option<&Location>) -> Option<Likeness> {
        let same_words = skeleton(message) == skeleton(&self.fault.message);
        let caller = caller.filter(|caller| !caller.file.as_str().ends_with("_test.go"));
        match (self.fault.stack.get(1), caller) {
            (Some(wanted), Some(caller)) => {
                let same_call = same_function(caller, wanted) && caller.line == wanted.line;
                same_call.then_some(if same_words { Likeness::Same } else { Likeness::OtherWords })
            }
            _ => same_words.then_some(Likeness::Same),
        }
    }

    /// The frame's place in the tree.
    fn place(&self, frame: &Frame) -> Option<Location> {
        let file = std::path::Path::new(&frame.file).strip_prefix(&self.tree).ok()?;
        let symbol = Symbol::parse(&frame.function)?;
        let file = RepoPath::new(file).ok()?;
        Some(Location { file, line: frame.line, function: symbol.local() })
    }
}

fn same_function(a: &Location, b: &Location) -> bool {
    Symbol::declared(&a.function) == Symbol::declared(&b.function)
}

/// Whether the line of the log cannot be the failing statement any more: nothing that could fail in this
/// way stands on it. Then the function alone has to do. Code of several lines is named by any of them,
/// but for the blocks in it, whose lines are their own.
fn has_drifted(class: Class, file: &File, line: u32) -> bool {
    let Some(row) = line.checked_sub(1).and_then(|row| usize::try_from(row).ok()) else { return true };
    let mut pending = vec![file.tree.root_node()];
    let mut drifted = true;
    while let Some(node) = pending.pop() {
        let (begin, end) = (node.start_position().row, node.end_position().row);
        if row < begin || end < row {
            continue;
        }
        if node.kind() == "block" && begin < row && row < end {
            drifted = true; // what reaches around this block is not on the line
            pending.clear();
        }
        drifted = drifted && !may_fail(class, file, node);
        pending.extend(node.children(&mut node.walk()));
    }
    drifted
}

/// Whether such code can fail in this way.
fn may_fail(class: Class, file: &File, node: Node<'_>) -> bool {
    let calls = |name: &str| {
        node.kind() == "call_expression"
            && node.child_by_field_name("function").is_some_and(|called| file.text_of(called) == name)
    };
    let operator = |signs: &[&str]| {
        let sign = node.child_by_field_name("operator").map(|sign| file.text_of(sign));
        sign.is_some_and(|sign| signs.contains(&sign))
    };
    let is = |kinds: &[&str]| kinds.contains(&node.kind());
    match class {
        Class::NilMapWrite => match node.kind() {
            "assignment_statement"
            | "inc_statement"
            | "dec_statement"
            | "range_clause"
            | "receive_statement" => {
                holds_index(node.child_by_field_name("left").or_else(|| node.named_child(0)))
            }
            "call_expression" => file.text_of(node).starts_with("maps."),
            _ => false,
        },
        Class::IndexOutOfRange => {
            is(&["index_expression", "type_instantiation_expression", "type_arguments"])
        }
        Class::SliceBounds => is(&["slice_expression", "type_conversion_expression"]),
        Class::DivideByZero => operator(&["/", "%", "/=", "%="]),
        Class::TypeAssertion => is(&["type_assertion_expression", "range_clause", "call_expression"]),
        Class::NilDereference => {
            is(&[
                "selector_expression",
                "index_expression",
                "slice_expression",
                "call_expression",
                "range_clause",
            ]) || node.kind() == "unary_expression" && operator(&["*"])
        }
        Class::CloseOfChannel => calls("close"),
        Class::SendOnClosedChannel => is(&["send_statement"]),
        Class::MakeLength => calls("make"),
        _ => true,
    }
}

/// Whether an element is written to.
fn holds_index(left: Option<Node<'_>>) -> bool {
    left.is_some_and(|left| {
        left.kind() == "index_expression"
            || (left.kind() == "parenthesized_expression" || left.kind() == "expression_list")
                && left.named_children(&mut left.walk()).any(|part| holds_index(Some(part)))
    })
}

/// A message without its values: numbers, addresses, and what stands in quotes. A quote opens only where no word
/// goes on, so that `can't` holds none, and only if it closes.
fn skeleton(message: &str) -> String {
    let mut words = String::new();
    let mut rest = message.trim();
    let mut before = None;
    while let Some(next) = rest.chars().next() {
        rest = &rest[next.len_utf8()..];
        let opens = matches!(next, '"' | '\'' | '`') && !before.is_some_and(char::is_alphanumeric);
        before = Some(next);
        if let Some(close) = opens.then(|| rest.find(next)).flatten() {
            rest = &rest[close + next.len_utf8()..];
            words.extend([next, next]);
        } else if let Some(address) = rest.strip_prefix('x').filter(|_| next == '0') {
            rest = address.trim_start_matches(|digit: char| digit.is_ascii_hexdigit());
        } else if !next.is_ascii_digit() {
            words.push(next);
        }
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{FaultFacts, TraceKind};

    /// A crash at `frames`, each a function and a line of `p.go` in the tree, inside the library.
    fn trace(tree: &std::path::Path, frames: &[(&str, u32)]) -> Trace {
        let frame = |(function, line): &(&str, u32)| Frame {
            function: format!("m.{function}"),
            file: tree.join("p.go").to_string_lossy().into_owned(),
            line: *line,
            in_app: true,
        };
        let library = Frame {
            function: "strings.Cut".to_owned(),
            file: "/usr/lib/go/src/strings/strings.go".to_owned(),
            line: 7,
            in_app: false,
        };
        Trace {
            kind: TraceKind::Panic,
            frames: std::iter::once(library).chain(frames.iter().map(frame)).collect(),
            created_by: None,
            fault_address: Some(8),
        }
    }

    fn fault(class: Class, message: &str, line: u32) -> Fault {
        let place = |function: &str, line| Location {
            file: RepoPath::new("p.go").unwrap(),
            line,
            function: function.to_owned(),
        };
        Fault {
            class,
            message: message.to_owned(),
            facts: FaultFacts::default(),
            stack: vec![place("(*T).At.func1", line), place("Run", 9)],
        }
    }

    #[test]
    fn every_function_of_the_way_is_met() {
        let folder = tempfile::tempdir().unwrap();
        let tree = folder.path().canonicalize().unwrap();
        std::fs::write(tree.join("go.mod"), "module m\n").unwrap();
        std::fs::write(tree.join("p.go"), "package p\n\n\treturn t.list[5]\n").unwrap();
        let repository = Repository::open(&tree).unwrap();
        let mut index = fault(Class::IndexOutOfRange, "", 3);
        let place = |function: &str| Location { function: function.to_owned(), ..index.stack[0].clone() };
        let stack = ["decodeMap", "decode", "decodeSlice.func1", "decode", "Decode", "main"].map(place);
        index.stack = stack.to_vec();
        let known = KnownCrash::new(&index, &repository, tree.clone()).unwrap();
        let missed = |functions: &[&str]| {
            let frames: Vec<_> = functions.iter().map(|function| (*function, 3)).collect();
            known.missed_by(&trace(&tree, &frames)).map(str::to_owned)
        };
        // Who called what was called by the test is no part of the way, nor how often one calls itself.
        assert_eq!(missed(&["decodeMap", "decode", "decodeSlice.func2", "Decode"]), None);
        assert_eq!(missed(&["decodeMap", "decode", "Decode"]).as_deref(), Some("decodeSlice"));
        assert_eq!(missed(&["decodeMap"]), None);
        assert_eq!(missed(&["decodeMap", "Other"]), None, "nobody knows the way from there");
        assert_eq!(missed(&[]), None);
    }

    #[test]
    fn class_function_and_statement_decide() {
        let folder = tempfile::tempdir().unwrap();
        let tree = folder.path().canonicalize().unwrap();
        std::fs::write(tree.join("go.mod"), "module m\n").unwrap();
        std::fs::write(tree.join("p.go"), "package p\n\n\treturn t.list[5]\n\treturn nil\n").unwrap();
        let repository = Repository::open(&tree).unwrap();
        let likeness = |fault: &Fault, class, message: &str, frames: &[(&str, u32)]| {
            let known = KnownCrash::new(fault, &repository, tree.clone()).unwrap();
            known.likeness(class, message, &trace(&tree, frames))
        };
        let index = fault(Class::IndexOutOfRange, "", 3);
        let see = |class, frames: &[(&str, u32)]| likeness(&index, class, "", frames);
        // Closures are numbered anew by every compiler.
        assert_eq!(see(Class::IndexOutOfRange, &[("(*T).At.func2", 3)]), Some(Likeness::Same));
        assert_eq!(see(Class::IndexOutOfRange, &[("(*T).At", 3), ("Other", 1)]), Some(Likeness::Same));
        for (class, frames) in [
            (Class::SliceBounds, [("(*T).At", 3)].as_slice()),
            (Class::IndexOutOfRange, &[("(*T).At", 4)]),
            (Class::IndexOutOfRange, &[("(*T).Atlas", 3)]),
            (Class::IndexOutOfRange, &[("Other", 1), ("(*T).At", 3)]),
            (Class::IndexOutOfRange, &[]),
        ] {
            assert_eq!(see(class, frames), None, "{class:?} {frames:?}");
        }
        // A line that holds no index is of another version: the function alone has to do.
        let drifted = fault(Class::IndexOutOfRange, "", 4);
        let seen = likeness(&drifted, Class::IndexOutOfRange, "", &[("(*T).At", 3)]);
        assert_eq!(seen, Some(Likeness::Same));
        // Another field of the nil value: perhaps another nil.
        let mut nil = fault(Class::NilDereference, "", 3);
        nil.facts.nil_offset = Some(16);
        let seen = likeness(&nil, Class::NilDereference, "", &[("(*T).At", 3)]);
        assert_eq!(seen, Some(Likeness::OtherNil));
        // One helper panics for many: the caller tells, then the words.
        let explicit = fault(Class::ExplicitPanic, "can't find 5", 3);
        let seen =
            |message, caller| likeness(&explicit, Class::ExplicitPanic, message, &[("(*T).At", 3), caller]);
        assert_eq!(seen("can't find 7", ("Run", 9)), Some(Likeness::Same));
        assert_eq!(seen("can't parse", ("Run", 9)), Some(Likeness::OtherWords));
        for (message, caller) in
            [("can't find 5", ("Run", 8)), ("can't find 5", ("Other", 9)), ("can't parse", ("Run", 8))]
        {
            assert_eq!(seen(message, caller), None, "{message} {caller:?}");
        }
        // A test that calls the helper itself is no caller of the log's.
        let alone = |message| likeness(&explicit, Class::ExplicitPanic, message, &[("(*T).At", 3)]);
        assert_eq!((alone("can't find 7"), alone("can't parse")), (Some(Likeness::Same), None));
    }

    #[test]
    fn what_the_log_does_not_tell_is_unclear() {
        let folder = tempfile::tempdir().unwrap();
        let tree = folder.path().canonicalize().unwrap();
        std::fs::write(tree.join("go.mod"), "module m\n").unwrap();
        let text = "package p\n\nfunc (t *T) At(o *O, i int) {\n\tuse(o.Customer.Name, t.list[i], t.list[5])\n\tuse(t.list[0], t.list[1])\n}\n";
        std::fs::write(tree.join("p.go"), text).unwrap();
        let repository = Repository::open(&tree).unwrap();
        let seen = |fault: &Fault, facts: &FaultFacts| {
            let known = KnownCrash::new(fault, &repository, tree.clone()).unwrap();
            let line = fault.stack[0].line;
            known.likeness_by(fault.class, "", facts, &trace(&tree, &[("(*T).At", line)])).unwrap()
        };
        // Most panics that were recovered tell no address.
        let mut nil = fault(Class::NilDereference, "", 4);
        assert_eq!(seen(&nil, &FaultFacts::default()), Likeness::Unclear);
        nil.facts.nil_offset = Some(8);
        assert_eq!(seen(&nil, &FaultFacts::default()), Likeness::Same);
        let index = |index| FaultFacts { index: Some(index), ..FaultFacts::default() };
        let mut list = fault(Class::IndexOutOfRange, "", 4);
        list.facts = index(7);
        assert_eq!(seen(&list, &index(9)), Likeness::Same);
        assert_eq!(seen(&list, &index(5)), Likeness::Unclear, "it may be the other one");
        list.facts = index(5);
        assert_eq!(seen(&list, &index(5)), Likeness::Unclear);
        let mut pair = fault(Class::IndexOutOfRange, "", 5);
        pair.facts = index(1);
        assert_eq!((seen(&pair, &index(1)), seen(&pair, &index(0))), (Likeness::Same, Likeness::OtherPart));
    }

    /// The same table is put to the search's own oracle.
    #[test]
    fn a_skeleton_holds_no_values() {
        for case in include_str!("words.txt").lines() {
            let parts: Vec<_> = case.split('\t').collect();
            let [verdict, a, b] = parts[..] else { panic!("{case}") };
            assert_eq!(skeleton(a) == skeleton(b), verdict == "same", "{case}");
        }
        assert_eq!(skeleton("can't find 17"), "can't find ");
    }

    #[test]
    fn a_line_that_cannot_fail_in_this_way_has_drifted() {
        let drifted = |class, body: &str, line| {
            let text = format!("package p\n\nfunc f() {{\n{body}\n}}\n");
            has_drifted(class, &File::parse(RepoPath::new("p.go").unwrap(), text), line + 3)
        };
        for (class, body) in [
            (Class::IndexOutOfRange, "return \"https://\" + strings.Split(u, \"/\")[3]"),
            (Class::IndexOutOfRange, "return handlers[i](x)"),
            (Class::SliceBounds, "return s[1:] // all but one"),
            (Class::DivideByZero, "n /= m"),
            (Class::DivideByZero, "return a % b"),
            (Class::NilMapWrite, "s.m[k] = v"),
            (Class::NilMapWrite, "s.m[k] /= v"),
            (Class::NilMapWrite, "s.m[k] %= v"),
            (Class::NilMapWrite, "s.m[k] ^= v"),
            (Class::NilMapWrite, "s.m[k] &^= v"),
            (Class::NilMapWrite, "ok, (s.m[k]) = true, v"),
            (Class::NilMapWrite, "s.m[k]++"),
            (Class::NilMapWrite, "for s.m[k] = range list {\n}"),
            (Class::NilMapWrite, "maps.Copy(a, b)"),
            (Class::TypeAssertion, "return x.(int)"),
            (Class::NilDereference, "v := *p"),
            (Class::CloseOfChannel, "close(c)"),
            (Class::SendOnClosedChannel, "c <- 1"),
            (Class::MakeLength, "b := make([]byte, n)"),
            (Class::ExplicitPanic, "panic(1)"),
        ] {
            assert!(!drifted(class, body, 1), "{class:?} {body}");
        }
        for (class, body) in [
            (Class::IndexOutOfRange, "return nil"),
            (Class::IndexOutOfRange, "return \"a[0]\""),
            (Class::IndexOutOfRange, "// list[0] comes first"),
            (Class::DivideByZero, "return \"a/b\" // Units first."),
            (Class::NilMapWrite, "v := s.m[k]"),
            (Class::NilMapWrite, "v = s.m[k]"),
            (Class::NilDereference, "n := a * b"),
            (Class::CloseOfChannel, "c.close()"),
        ] {
            assert!(drifted(class, body, 1), "{class:?} {body}");
        }
        // A statement of several lines is named by any of them, a block's lines are its own.
        let literal = "m[k] = T{\n\ta: 1,\n}";
        assert!(!drifted(Class::NilMapWrite, literal, 2) && drifted(Class::NilMapWrite, literal, 9));
        let closure = "run(func() {\n\tn := 1\n\tclose(c)\n})";
        assert!(drifted(Class::NilDereference, closure, 2) && !drifted(Class::CloseOfChannel, closure, 3));
        assert!(drifted(Class::NilDereference, "", u32::MAX - 3));
    }
}
