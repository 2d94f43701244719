//! What a consumer is told, in the order in which it must act on it.

use std::fmt;

use super::{Delivery, Error};

/// What comes next for a consumer.
#[derive(Debug)]
pub enum Turn {
    /// Partitions have become its own. Nothing is read of them until it tells where to
    /// [start](super::Consumer::start).
    Assigned(Vec<Assignment>),
    /// Partitions cease to be its own.
    Revoked(Revocation),
    /// Messages, of one or more partitions, each partition's in order; at least one.
    Messages(Vec<Delivery>),
}

/// A partition that has become a consumer's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Assignment {
    /// Which.
    pub partition: i32,
    /// Where its group goes on: the offset of the next message. None where it never committed.
    pub committed: Option<u64>,
}

/// Partitions that cease to be a consumer's own. Until this value is dropped they still are, unless they are
/// lost: so what is not committed yet can be, and it should be soon, since the whole group waits.
pub struct Revocation {
    /// Which.
    pub partitions: Vec<i32>,
    /// Whether they belong to another already, so that nothing can be committed any more.
    pub lost: bool,
    release: Option<Box<dyn FnOnce() + Send>>,
}

impl Revocation {
    pub(super) fn new(partitions: Vec<i32>, lost: bool, release: impl FnOnce() + Send + 'static) -> Self {
        Self { partitions, lost, release: Some(Box::new(release)) }
    }

    /// The partitions may go.
    pub fn done(self) {
        drop(self);
    }
}

impl Drop for Revocation {
    fn drop(&mut self) {
        if let Some(release) = self.release.take() {
            release();
        }
    }
}

impl fmt::Debug for Revocation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Revocation")
            .field("partitions", &self.partitions)
            .field("lost", &self.lost)
            .finish_non_exhaustive()
    }
}

/// Why a commit did not happen.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CommitError {
    /// The partitions are another's by now, so nothing was written: whatever was derived from their messages
    /// and not committed must be forgotten.
    #[error("the partitions belong to another consumer by now: {0}")]
    Fenced(String),
    /// The bus cannot be used.
    #[error(transparent)]
    Bus(#[from] Error),
}

/// How a bus stands.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Status {
    /// The bytes that wait to be made durable.
    pub queued_bytes: u64,
    /// How often a write had to be repeated.
    pub retries: u64,
    /// How many messages its consumers have not committed yet, as far as this process knows.
    pub lag: u64,
    /// Whether publishing waits until consumers have made room.
    pub is_full: bool,
    /// Whether something that could not be written waits to be written again.
    pub is_retrying: bool,
    /// What keeps it from working, and what to do.
    pub trouble: Option<String>,
}
