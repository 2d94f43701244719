//! Whether a crash that was seen is the one of a fault: the same class, in the same function, at the same
//! statement. Reproduction and proof both ask here, of what a process printed; the search's own oracle, in
//! Go, asks the same of a panic while it passes.

use std::path::PathBuf;

use super::Repository;
use super::go::Symbol;
use crate::domain::{Class, Fault, Frame, Location, RepoPath, Trace};

/// How much a crash is the fault's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Likeness {
    /// Class, function and statement are the same.
    Same,
    /// They are, but it is another nil of that statement: another field was accessed through it.
    OtherNil,
    /// They are, and so is the caller, but the value that was raised tells of something else.
    OtherWords,
}

impl Likeness {
    /// What is not the log's in it, for a sentence; none when everything is.
    #[must_use]
    pub const fn difference(self) -> Option<&'static str> {
        match self {
            Self::Same => None,
            Self::OtherNil => Some("it is another nil of the statement than the log's"),
            Self::OtherWords => Some("the panic says something else than the log's"),
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
}

impl<'a> KnownCrash<'a> {
    /// The crash of a fault in the copy at `tree`; none without a stack that touches the repository.
    #[must_use]
    pub fn new(fault: &'a Fault, repository: &Repository, tree: PathBuf) -> Option<Self> {
        let failing = fault.stack.first()?;
        let text = repository.read(&failing.file).unwrap_or_default();
        let line = usize::try_from(failing.line).unwrap_or(usize::MAX);
        let statement = text.lines().nth(line.saturating_sub(1)).unwrap_or_default();
        let drifted = has_drifted(fault.class, statement);
        let tree = tree.canonicalize().unwrap_or(tree);
        Some(Self { fault, failing, tree, drifted })
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

/// Whether the line of the log cannot be the failing statement any more: it holds nothing that could
/// fail in this way. Then the function alone has to do.
fn has_drifted(class: Class, statement: &str) -> bool {
    let statement = statement.split("//").next().unwrap_or_default();
    let any = |signs: &[&str]| signs.iter().any(|sign| statement.contains(sign));
    match class {
        Class::NilMapWrite => {
            !any(&["] =", "] +", "] -", "]++", "]--", "] |", "] &", "] *", "] <", "],", "].", "maps."])
        }
        Class::IndexOutOfRange => !any(&["["]),
        Class::SliceBounds => !any(&["["]),
        Class::DivideByZero => !any(&["/", "%"]),
        Class::TypeAssertion => !any(&[".(", "range", "("]),
        Class::NilDereference => !any(&[".", "*", "[", "("]),
        Class::CloseOfChannel => !any(&["close("]),
        Class::SendOnClosedChannel => !any(&["<-"]),
        Class::MakeLength => !any(&["make("]),
        _ => false,
    }
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
        assert!(has_drifted(Class::IndexOutOfRange, "\treturn nil"));
        assert!(has_drifted(Class::DivideByZero, "\t// Units first."));
        assert!(!has_drifted(Class::IndexOutOfRange, "\treturn parts[1]"));
        assert!(!has_drifted(Class::NilMapWrite, "\ts.m[k] = v"));
        assert!(has_drifted(Class::NilMapWrite, "func (s *S) Put(k string) {"));
    }
}
