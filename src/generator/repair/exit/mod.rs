//! Leaving a function early in the way that fits it: an error in the package's style, an HTTP answer,
//! a zero value with `false`, the end of the program from its `main`, or, where a function has no way to
//! report, a silent return or `continue`.
//!
//! From the ground up: [`failure`] says why, [`manner`] how the errors around do; [`error`], [`zero`],
//! [`answer`], [`process`] and [`log`] each know one way to say it in Go, [`raise`] by a panic that is
//! recovered as an error, [`maker`] and [`block`] as the function itself does; [`plain`] chooses among them,
//! [`signature`] gives a function an error result first. [`foreign`] asks afterwards whether the error is of the
//! kind of those around it.

mod answer;
mod block;
mod error;
mod failure;
mod foreign;
mod log;
mod maker;
mod manner;
mod plain;
mod process;
mod raise;
mod signature;
mod zero;

use std::sync::Arc;

use tree_sitter::Node;

use crate::generator::repair::case::{Case, Signatures};
use crate::generator::repair::edit::Edits;
use crate::repository::go::File;

pub(crate) use answer::neighbours_status;
pub(crate) use failure::{Blame, Failure};
pub(crate) use foreign::foreign_error;
pub(crate) use manner::is_sentinel;
pub(crate) use plain::Exit;
pub(crate) use raise::{is_panic, is_raiser};

impl Case<'_> {
    /// The way to leave the function around a node. Where the case allows it, a function that cannot
    /// report is given an error result.
    pub(crate) fn leave(&self, edits: &mut Edits, file: &Arc<File>, at: Node<'_>, failure: &Failure) -> Exit {
        let mut trial = edits.clone();
        let exit = self.leave_as_it_is(&mut trial, file, at, failure);
        if !exit.reports
            && self.signatures == Signatures::MayChange
            && let Some(exit) = signature::leave(self, edits, file, at, failure)
        {
            return exit;
        }
        *edits = trial;
        exit
    }
}
