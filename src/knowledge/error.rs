//! Why something cannot be remembered or recalled.

use std::path::PathBuf;

use jiff::Timestamp;

use super::record::RecordKey;
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
    /// Another fixer works on this group.
    #[error(
        "group {0} is worked on by another fixer: ask the one whose groups it is among, or any once it has it"
    )]
    Elsewhere(Fingerprint),
    /// Another fixer counts what this partition brings.
    #[error("partition {0} of the log of errors is not ours now: what it brings is counted by another fixer")]
    NotOurs(i32),
    /// Others have not been told of what happened here to groups of this partition.
    #[error("changes to groups of partition {0} were not published: rebuild before it is taken over again")]
    Unpublished(i32),
    /// The knowledge is shared over a changelog.
    #[error("knowledge in {0} is shared with other fixers over Kafka: run it so, or use another state_dir")]
    Shared(PathBuf),
    /// The knowledge was gathered by a fixer that was alone.
    #[error(
        "knowledge in {0} was gathered with the embedded bus and cannot be shared with other fixers: use \
         another state_dir"
    )]
    Alone(PathBuf),
    /// A record of the changelog was written by a newer program.
    #[error(
        "record {key} of the changelog has version {found}, and this program knows up to {known}: run the \
         newer program"
    )]
    NewerRecord {
        /// What it is about.
        key: RecordKey,
        /// The version found.
        found: u32,
        /// The version known.
        known: u32,
    },
    /// A record of the changelog cannot be read.
    #[error("record {key} of the changelog makes no sense ({reason}): was it written by something else?")]
    SenselessRecord {
        /// What it is about.
        key: RecordKey,
        /// What was found.
        reason: String,
    },
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
