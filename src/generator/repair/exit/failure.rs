//! Why a function leaves.

use crate::generator::repair::naming::phrase;

/// What kind of bad state makes the function leave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Blame {
    /// A value that does not have the form it must have.
    Malformed,
    /// There is nothing to work on.
    Empty,
    /// Something that was looked up does not exist.
    Missing,
    /// What is asked was closed.
    Ended,
    /// Anything else.
    Internal,
}

/// Why a function leaves, in the words of an error message.
#[derive(Debug, Clone)]
pub(crate) struct Failure {
    /// The message without values: what an HTTP client may see.
    pub(crate) plain: String,
    /// The message as a format, and its arguments.
    pub(crate) format: String,
    pub(crate) arguments: Vec<String>,
    /// The error variable to pass on.
    pub(crate) cause: Option<String>,
    /// The error that the package returns elsewhere for the same, as an expression.
    pub(crate) said: Option<String>,
    pub(crate) blame: Blame,
    /// Names that the failure is about: they choose a sentinel error that the package has.
    pub(crate) nouns: Vec<String>,
    /// Whether the value that failed came from the request, in an HTTP handler.
    pub(crate) requested: bool,
    /// The status with which neighbouring handlers answer the same failure: `StatusNotFound`.
    pub(crate) status: Option<String>,
}

impl Failure {
    pub(crate) fn new(blame: Blame, plain: impl Into<String>) -> Self {
        let plain = plain.into();
        Self {
            format: plain.clone(),
            plain,
            arguments: Vec::new(),
            cause: None,
            said: None,
            blame,
            nouns: Vec::new(),
            requested: false,
            status: None,
        }
    }

    /// The owner of what is asked for was closed.
    pub(crate) fn closed(owner: &str) -> Self {
        Self::new(Blame::Ended, format!("{} is closed", phrase(owner))).about(owner)
    }

    pub(crate) fn with(mut self, format: impl Into<String>, arguments: Vec<String>) -> Self {
        self.format = format.into();
        self.arguments = arguments;
        self
    }

    pub(crate) fn caused_by(mut self, error: impl Into<String>) -> Self {
        self.cause = Some(error.into());
        self
    }

    /// Whether there is nothing, rather than something wrong.
    pub(super) fn is_absence(&self) -> bool {
        matches!(self.blame, Blame::Empty | Blame::Missing)
            || ["no ", "missing "].iter().any(|word| self.plain.starts_with(word))
    }

    /// The same without what must not be read once a lock is given back.
    pub(super) fn without_shared(&self) -> Self {
        let shared = |argument: &String| {
            let inner = argument.strip_prefix("len(").and_then(|rest| rest.strip_suffix(')'));
            inner.unwrap_or(argument).contains(['.', '[', '('])
        };
        if self.arguments.iter().any(shared) {
            self.clone().with(self.plain.clone(), Vec::new())
        } else {
            self.clone()
        }
    }

    pub(crate) fn about(mut self, noun: impl Into<String>) -> Self {
        self.nouns.push(noun.into());
        self
    }
}
