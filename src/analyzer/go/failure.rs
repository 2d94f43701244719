//! A failure as the line machine read it.

use crate::domain::{Frame, TraceKind};

/// How the failure began.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Head {
    /// `panic: …`
    Panic,
    /// `fatal error: …`, or `runtime: …` lines before it.
    Fatal,
    /// `http: panic serving …`
    Served,
    /// A stack without a head.
    Bare,
    /// A record that a logger wrote.
    Record,
    /// A report of the race detector.
    Race,
}

/// What the machine read.
#[derive(Debug, Clone)]
pub(crate) struct Failure {
    /// How it began.
    pub(crate) head: Head,
    /// The value or message; empty for a bare stack.
    pub(crate) message: String,
    /// The frames from the failing call outwards, without the panic's own machinery.
    pub(crate) frames: Vec<Frame>,
    /// Whether a panic was under way when the stack was taken.
    pub(crate) panicking: bool,
    /// The call that started the goroutine.
    pub(crate) created_by: Option<Frame>,
    /// Whether the process ended with an error right behind a record.
    pub(crate) exited: bool,
    /// The address of the `[signal …]` line.
    pub(crate) fault_address: Option<u64>,
}

impl Failure {
    /// How the failure ended.
    pub(crate) const fn kind(&self) -> TraceKind {
        match self.head {
            Head::Panic => TraceKind::Panic,
            Head::Fatal => TraceKind::Fatal,
            Head::Served => TraceKind::Recovered,
            Head::Race => TraceKind::Race,
            Head::Bare | Head::Record if self.panicking => TraceKind::Recovered,
            Head::Bare | Head::Record => TraceKind::Logged,
        }
    }
}

pub(super) fn is_panic(function: &str) -> bool {
    matches!(function, "panic" | "runtime.gopanic")
}

/// The runtime's own functions at the top of a stack.
pub(super) fn is_machinery(function: &str) -> bool {
    let package = super::frame::package(function);
    package == "runtime"
        || package == "runtime/debug"
        || package.starts_with("internal/runtime/")
        || function == "panic"
}
