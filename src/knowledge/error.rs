//! Why something cannot be remembered or recalled.

use jiff::Timestamp;

use crate::domain::{Fingerprint, SuggestionId, SuggestionStatus};
use crate::storage::DatabaseError;

/// Why something cannot be remembered or recalled.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The database cannot be used.
    #[error(transparent)]
    Database(#[from] DatabaseError),
    /// No such group is remembered.
    #[error("no group {0} is known: `hephaestus groups list` tells which are")]
    UnknownGroup(Fingerprint),
    /// No such suggestion is remembered.
    #[error("no suggestion {0} is known: `hephaestus suggestions list` tells which are")]
    UnknownSuggestion(SuggestionId),
    /// This attempt is not going on.
    #[error("attempt {} at group {} is not going on", .0.attempt, .0.fingerprint)]
    NotGoingOn(SuggestionId),
    /// The group needs no attempt now.
    #[error("group {0} is being worked on already, or needs no work")]
    NothingToDo(Fingerprint),
    /// There is no patch that could be approved.
    #[error("suggestion {0} has no patch: it can be rejected, not approved")]
    NoPatch(SuggestionId),
    /// Somebody has decided otherwise.
    #[error("suggestion {id} was {} by {by} at {at}; that cannot be changed", status.as_str())]
    Decided {
        /// The suggestion.
        id: SuggestionId,
        /// What was decided.
        status: SuggestionStatus,
        /// By whom.
        by: String,
        /// When.
        at: Timestamp,
    },
}

impl Error {
    /// Whether the same call may succeed later.
    #[must_use]
    pub const fn is_retryable(&self) -> bool {
        matches!(self, Self::Database(DatabaseError::Io { .. }))
    }
}
