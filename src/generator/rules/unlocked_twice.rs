//! A mutex that is unlocked and not locked: by a plain `Unlock`, and once more by a deferred one.
//!
//! Evidence: behind `defer mu.Unlock()` a plain `mu.Unlock()` of the same function. Edit: the plain one goes; where it
//! is there to give the lock back for a while, it is taken again before each way out.

use std::sync::Arc;

use tree_sitter::Node;

use crate::generator::repair::case::Case;
use crate::generator::repair::draft::Draft;
use crate::generator::repair::edit::{Edits, is_repairable};
use crate::generator::repair::locked::{Held, locking};
use crate::generator::repair::paths::owed;
use crate::generator::repair::syntax::{is_within, nodes_in, nodes_of};
use crate::repository::go::{File, earlier, later};

pub(super) fn drafts(case: &Case<'_>) -> Vec<Draft> {
    let Some(frame) = case.frames.first().filter(|frame| is_repairable(&frame.file)) else {
        return Vec::new();
    };
    let file = &frame.file;
    let deferred = nodes_in(file, &frame.range, |node| node.kind() == "defer_statement");
    deferred.into_iter().filter_map(|deferred| Twice::of(file, deferred)?.mend()).collect()
}

/// A deferred unlock, and the plain ones behind it.
struct Twice<'t> {
    file: &'t Arc<File>,
    /// The body of the function that both stand in.
    body: Node<'t>,
    mutex: &'t str,
    /// What takes the lock, and what gives it back.
    lock: String,
    unlock: &'t str,
    plain: Vec<Node<'t>>,
    /// The statements behind the first plain unlock that take the lock again.
    again: Vec<Node<'t>>,
}

impl<'t> Twice<'t> {
    fn of(file: &'t Arc<File>, deferred: Node<'t>) -> Option<Self> {
        let function = file.enclosing_function(deferred)?;
        let body = function.child_by_field_name("body")?;
        let call = deferred.named_child(0)?;
        let (mutex, _) = locking(file, call).filter(|(_, held)| *held == Held::No)?;
        let (mutex, unlock) = (file.text_of(mutex), file.text_of(call));
        let lock = format!("{mutex}.{}", if unlock.ends_with(".RUnlock()") { "RLock()" } else { "Lock()" });
        let behind = |text: &str, at: Node<'t>| {
            let mut found = nodes_of(body, |node| {
                node.kind() == "expression_statement"
                    && node.start_byte() >= at.end_byte()
                    && file.text_of(node) == text
            });
            found.retain(|node| file.enclosing_function(*node) == Some(function));
            found
        };
        let plain = behind(unlock, deferred);
        let again = behind(&lock, *plain.first()?);
        Some(Self { file, body, mutex, lock, unlock, plain, again })
    }

    fn mend(&self) -> Option<Draft> {
        if !self.again.is_empty() {
            return self.take_again();
        }
        let mut edits = Edits::default();
        for statement in &self.plain {
            edits.remove_line(self.file, *statement)?;
        }
        let explanation = format!("`{}` runs twice, once by `defer`: the plain call goes.", self.unlock);
        Some(Draft::cause(0, explanation, edits))
    }

    /// A lock that is given back for a while, with the deferred unlock still to come, is taken again on every way.
    fn take_again(&self) -> Option<Draft> {
        let ([plain], [again]) = (self.plain.as_slice(), self.again.as_slice()) else { return None };
        let file = self.file;
        let takes = |node: Node<'_>| node.kind() == "expression_statement" && file.text_of(node) == self.lock;
        let owed = owed(file, self.body, Some(*plain), &takes)?;
        if owed.leaving.is_empty() || owed.at_end {
            return None;
        }
        let mut edits = Edits::default();
        let lock = std::slice::from_ref(&self.lock);
        match self.read_between(*again, &owed.leaving) {
            Some(reads) => {
                edits.insert_before(file, reads, lock)?;
                edits.remove_line(file, *again)?;
            }
            None => {
                for leaving in &owed.leaving {
                    edits.insert_before(file, *leaving, lock)?;
                }
            }
        }
        let explanation = format!(
            "`{}` is given back for a while, and a way out leaves before it is taken again, where `defer` gives it back once more: it is taken first.",
            self.mutex
        );
        Some(Draft::cause(0, explanation, edits))
    }

    /// The statement beside that which takes the lock again and above it, from which on what the lock guards is read
    /// and nothing else of the owner is called: it has to be taken before that.
    fn read_between(&self, again: Node<'t>, leaving: &[Node<'t>]) -> Option<Node<'t>> {
        let file = self.file;
        let owner = format!("{}.", self.mutex.split('.').next()?);
        let holds = |above: &Node<'t>| leaving.iter().any(|node| is_within(*node, *above));
        let first = earlier(again).filter(holds).last()?;
        let mut between = vec![first];
        between.extend(later(first).take_while(|node| *node != again));
        let of_owner = |node: Node<'_>| file.text_of(node).starts_with(&owner);
        let calls = between.iter().any(|node| {
            !nodes_of(*node, |inner| inner.kind() == "call_expression" && of_owner(inner)).is_empty()
        });
        let reads =
            !nodes_of(first, |node| node.kind() == "selector_expression" && of_owner(node)).is_empty();
        let all = leaving.iter().all(|node| between.iter().any(|statement| is_within(*node, *statement)));
        (reads && !calls && all).then_some(first)
    }
}
