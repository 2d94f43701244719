//! Whether a crash in some output is the one of the log.

use std::path::PathBuf;

use super::target::{declared, has_drifted};
use crate::analyzer::go::parse_trace;
use crate::domain::{Class, Fault, Frame, Location, RepoPath};
use crate::repository::Repository;
use crate::repository::go::Symbol;

/// How much a crash is the log's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Likeness {
    /// Class, function and statement are the same.
    Same,
    /// They are, but it is another nil of that statement: another field was accessed through it.
    OtherNil,
}

/// Knows the crash of the log: its class, function and statement.
#[derive(Debug)]
pub(super) struct Judge<'a> {
    fault: &'a Fault,
    failing: &'a Location,
    tree: PathBuf,
    /// The line of the log is not to be trusted: the function and class decide.
    pub(super) drifted: bool,
}

impl<'a> Judge<'a> {
    /// None without a stack that touches the repository.
    pub(super) fn new(fault: &'a Fault, repository: &Repository, tree: PathBuf) -> Option<Self> {
        let failing = fault.stack.first()?;
        let text = repository.read(&failing.file).unwrap_or_default();
        let line = usize::try_from(failing.line).unwrap_or(usize::MAX);
        let statement = text.lines().nth(line.saturating_sub(1)).unwrap_or_default();
        let drifted = has_drifted(fault.class, statement);
        let tree = tree.canonicalize().unwrap_or(tree);
        Some(Self { fault, failing, tree, drifted })
    }

    /// Whether an output shows the crash of the log, and how surely; none when it shows another, or none.
    pub(super) fn is_the_crash(&self, output: &[u8]) -> Option<Likeness> {
        let text = String::from_utf8_lossy(output);
        let crash = parse_trace(&text)?;
        if crash.class != self.fault.class {
            return None;
        }
        let mut seen = crash.trace.frames.iter().filter_map(|frame| self.place(frame));
        let (top, caller) = (seen.next()?, seen.next());
        let same_line = top.file == self.failing.file && top.line == self.failing.line;
        if !same_function(&top, self.failing) || !(same_line || self.drifted) {
            return None;
        }
        if crash.class == Class::ExplicitPanic && !self.same_raise(&crash.message, caller.as_ref()) {
            return None;
        }
        let offset = self.fault.facts.nil_offset;
        let other_nil =
            offset.is_some_and(|offset| crash.trace.fault_address.is_some_and(|seen| seen != offset));
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
        Some(Location { file, line: frame.line, function: format!("{}{}", symbol.function, symbol.closure) })
    }
}

fn same_function(a: &Location, b: &Location) -> bool {
    declared(&a.function) == declared(&b.function)
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
    use super::skeleton;

    #[test]
    fn a_skeleton_holds_no_values() {
        assert_eq!(skeleton("key \"a b\" at 17: 'x'"), skeleton("key \"\" at 3: ''"));
        assert_ne!(skeleton("no key"), skeleton("no value"));
        assert_eq!(skeleton("it's open 5"), "it");
    }
}
