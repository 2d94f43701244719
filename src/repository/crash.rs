//! Whether a crash that was seen is the one of a fault: the same class, in the same function, at the same
//! statement. Reproduction and proof both ask here, of what a process printed; the search's own oracle, in
//! Go, asks the same of a panic while it passes.

use std::path::PathBuf;
use std::sync::Arc;

use tree_sitter::Node;

use super::go::{File, Symbol};
use super::raisers::{Raiser, raisers};
use super::{Repository, read_regular};
use crate::domain::{Class, Fault, FaultFacts, Frame, Location, RepoPath, Trace};

/// How many statements of an endless recursion are looked at.
const MAX_CYCLE: usize = 4;

/// How much of a changed file is read.
const MAX_FILE_BYTES: u64 = 16 << 20;

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
        let has_drifted = |file: &Arc<File>| has_drifted(fault.class, &fault.facts, file, failing.line);
        let drifted = file.as_ref().is_none_or(has_drifted);
        // What stands on a line that is not to be trusted tells nothing of the crash.
        let raisers =
            file.filter(|_| !drifted).map(|file| raisers(fault.class, repository, &file, failing.line));
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
        if class == Class::StackOverflow {
            return self.recurs(&top).then_some(Likeness::Same);
        }
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

    /// Whether an endless recursion is the log's: in which of its functions, and where there, the room for the stack
    /// was used up is chance.
    fn recurs(&self, top: &Location) -> bool {
        self.fault.stack.iter().take(MAX_CYCLE).any(|place| same_function(top, place))
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

    /// Whether a race whose accesses are at these frames is this one: one of them is at the statement that failed, or
    /// at the other of a race that the log tells.
    #[must_use]
    pub fn is_race_at(&self, sites: &[Frame]) -> bool {
        let wanted = self.raced();
        sites.iter().filter_map(|frame| self.place(frame)).any(|site| {
            wanted.clone().any(|place| {
                let same_line = site.file == place.file && site.line == place.line;
                same_function(&site, place) && (same_line || self.drifted)
            })
        })
    }

    /// Whether it is so with a change in place, which may have moved the statements: they are known by their text.
    #[must_use]
    pub fn is_race_left_at(&self, repository: &Repository, sites: &[Frame]) -> bool {
        let line_of = |text: &str, line: u32| {
            let row = usize::try_from(line).ok()?.checked_sub(1)?;
            Some(text.lines().nth(row)?.trim().to_owned())
        };
        let wanted = self.raced();
        sites.iter().filter_map(|frame| self.place(frame)).any(|site| {
            let now = read_regular(&self.tree.join(site.file.as_str()), MAX_FILE_BYTES).ok();
            let now = now.and_then(|text| line_of(&String::from_utf8_lossy(&text), site.line));
            wanted.clone().any(|place| {
                let before = repository.read(&place.file).ok().and_then(|text| line_of(&text, place.line));
                same_function(&site, place) && (now.is_some() && now == before || self.drifted)
            })
        })
    }

    /// The statements of a race, as far as the log tells them.
    fn raced(&self) -> impl Iterator<Item = &Location> + Clone {
        let is_race = self.fault.class.is_race();
        // Where several goroutines are printed beside one that failed, nobody knows which of them met it.
        let other = self.fault.others.first().filter(|_| self.fault.class == Class::DataRace);
        let other = other.and_then(|stack| stack.first());
        std::iter::once(self.failing).filter(move |_| is_race).chain(other)
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

/// Whether two places are in one declared function, closures in it included.
#[must_use]
pub fn same_function(a: &Location, b: &Location) -> bool {
    Symbol::declared(&a.function) == Symbol::declared(&b.function)
}

/// Whether the line of the log cannot be the failing statement any more: nothing that could fail in this
/// way, with the values that the log tells, stands on it. Then the function alone has to do. Code of several lines is
/// named by any of them, but for the blocks in it, whose lines are their own.
#[must_use]
pub fn has_drifted(class: Class, facts: &FaultFacts, file: &File, line: u32) -> bool {
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
        drifted = drifted && (!may_fail(class, file, node) || has_other_values(facts, file, node));
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
        // What is deferred waits where the function ends.
        Class::Deadlock => {
            is(&[
                "call_expression",
                "send_statement",
                "select_statement",
                "range_clause",
                "return_statement",
                "}",
            ]) || operator(&["<-"])
        }
        Class::MakeLength => calls("make"),
        _ => true,
    }
}

/// Whether code says itself, by numbers alone, that it did not fail with the values that a log tells.
fn has_other_values(facts: &FaultFacts, file: &File, node: Node<'_>) -> bool {
    let (parts, told): (&[&str], _) = match node.kind() {
        "index_expression" => (&["index"], facts.index),
        "slice_expression" => (&["start", "end", "capacity"], facts.bounds.0.or(facts.bounds.1)),
        _ => return false,
    };
    let Some(told) = told.filter(|_| !facts.raised_elsewhere) else { return false };
    let parts = parts.iter().filter_map(|part| node.child_by_field_name(part));
    // A number that begins with a zero is not decimal.
    let decimal = |text: &str| text.parse::<i64>().ok().filter(|_| text == "0" || !text.starts_with('0'));
    parts.map(|part| decimal(file.text_of(part))).all(|number| number.is_some_and(|number| number != told))
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
mod tests;
