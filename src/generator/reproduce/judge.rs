//! Whether a crash in some output is the one of the log.

use std::path::PathBuf;

use super::target::{declared, has_drifted};
use crate::analyzer::go::parse_trace;
use crate::domain::{Fault, Location};
use crate::repository::Repository;
use crate::repository::go::Symbol;

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

    /// The statement at which an output shows the crash of the log; none when it shows another, or none.
    pub(super) fn is_the_crash(&self, output: &[u8]) -> Option<Location> {
        let text = String::from_utf8_lossy(output);
        let crash = parse_trace(&text)?;
        if crash.class != self.fault.class {
            return None;
        }
        let seen = crash.trace.frames.iter().find_map(|frame| {
            let file = std::path::Path::new(&frame.file).strip_prefix(&self.tree).ok()?;
            let symbol = Symbol::parse(&frame.function)?;
            let file = crate::domain::RepoPath::new(file).ok()?;
            Some(Location {
                file,
                line: frame.line,
                function: format!("{}{}", symbol.function, symbol.closure),
            })
        })?;
        let same_function = declared(&seen.function) == declared(&self.failing.function);
        let same_line = seen.file == self.failing.file && seen.line == self.failing.line;
        (same_function && (same_line || self.drifted)).then_some(seen)
    }
}
