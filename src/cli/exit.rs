//! How a command ended, as an exit code.

use std::io::ErrorKind;

use super::signals::Signal;
use crate::telemetry;

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// It worked, and the answer is yes.
    Yes,
    /// It worked, and the answer is no.
    No,
    /// It could not be done: wrong usage, bad input, broken configuration. What was wrong has been told.
    Refused,
    /// A signal ended it early. What was done by then has been told.
    BrokenOff(Signal),
    /// As the program ended that was run.
    Program(u8),
}

impl From<Exit> for u8 {
    fn from(exit: Exit) -> Self {
        match exit {
            Exit::Yes => 0,
            Exit::No => 1,
            Exit::Refused => 2,
            Exit::BrokenOff(signal) => signal.exit_code(),
            Exit::Program(code) => code,
        }
    }
}

/// The exit code of the program; an error is told on standard error.
pub(super) fn code_of(result: anyhow::Result<Exit>) -> u8 {
    let exit = match result {
        Ok(exit) => exit,
        Err(error) if reader_left(&error) => Exit::Yes,
        Err(error) => {
            // Standard error is the last place to complain to: a failure here has nowhere to go.
            drop(telemetry::write_error(&mut anstream::stderr().lock(), error.as_ref()));
            Exit::Refused
        }
    };
    exit.into()
}

/// Whether whoever read our output went away, as `head` does.
fn reader_left(error: &anyhow::Error) -> bool {
    let broken = |cause: &std::io::Error| cause.kind() == ErrorKind::BrokenPipe;
    error.chain().any(|cause| cause.downcast_ref().is_some_and(broken))
}
