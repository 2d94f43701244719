//! What an attempt is at.

use std::sync::{Mutex, PoisonError};

/// What an attempt is at, in short phrases: heard as it changes, and known when the attempt is broken off.
pub struct Doing {
    last: Mutex<Option<String>>,
    hear: Box<dyn Fn(&str) + Send + Sync>,
}

impl Doing {
    /// Of an attempt that has not begun. `hear` is called with each phrase.
    #[must_use]
    pub fn new(hear: impl Fn(&str) + Send + Sync + 'static) -> Self {
        Self { last: Mutex::default(), hear: Box::new(hear) }
    }

    /// What is being done, or was last; none where nothing was begun.
    #[must_use]
    pub fn last(&self) -> Option<String> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn begin(&self, what: &str) {
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Some(what.to_owned());
        (self.hear)(what);
    }
}
