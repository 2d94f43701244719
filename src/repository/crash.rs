//! Whether a crash that was seen is the one of a fault: the same class, in the same function, at the same
//! statement. Reproduction and proof both ask here.

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
        if class == Class::ExplicitPanic && !self.same_raise(message, caller.as_ref()) {
            return None;
        }
        let offset = self.fault.facts.nil_offset;
        let other_nil = offset.is_some_and(|offset| trace.fault_address.is_some_and(|seen| seen != offset));
        Some(if other_nil { Likeness::OtherNil } else { Likeness::Same })
    }

    /// Tells panics apart that one helper raises for many callers: the words are the same, or the caller.
    fn same_raise(&self, message: &str, caller: Option<&Location>) -> bool {
        let Some(wanted) = self.fault.stack.get(1) else { return true };
        skeleton(message) == skeleton(&self.fault.message)
            || caller.is_some_and(|caller| same_function(caller, wanted) && caller.line == wanted.line)
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

/// A message without its values: numbers, and what stands in quotes.
fn skeleton(message: &str) -> String {
    let mut quote = None;
    let keep = |c: &char| match quote {
        Some(open) => {
            if *c == open {
                quote = None;
            }
            false
        }
        None if matches!(c, '"' | '\'' | '`') => {
            quote = Some(*c);
            false
        }
        None => !c.is_ascii_digit(),
    };
    message.trim().chars().filter(keep).collect()
}

#[cfg(test)]
mod tests {
    use super::{has_drifted, skeleton};
    use crate::domain::Class;

    #[test]
    fn a_skeleton_holds_no_values() {
        assert_eq!(skeleton("key \"a b\" at 17: 'x'"), skeleton("key \"\" at 3: ''"));
        assert_ne!(skeleton("no key"), skeleton("no value"));
        assert_eq!(skeleton("it's open 5"), "it");
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
