//! What the server needs of knowledge.

use std::error::Error;

use tokio::sync::watch;

use super::view::{GroupQuery, Ruling, SuggestionQuery};
use crate::domain::{Decision, Fingerprint, GroupRecord, SuggestionId, SuggestionRecord};

/// Why knowledge could not answer.
pub type RecordsError = Box<dyn Error + Send + Sync>;

/// What is remembered of groups and suggestions. Calls may block.
pub trait Records: Send + Sync + 'static {
    /// The groups that a query selects, worst and most frequent first.
    ///
    /// # Errors
    /// When what is stored cannot be read.
    fn groups(&self, query: &GroupQuery) -> Result<Vec<GroupRecord>, RecordsError>;

    /// One group.
    ///
    /// # Errors
    /// When what is stored cannot be read.
    fn group(&self, fingerprint: Fingerprint) -> Result<Option<GroupRecord>, RecordsError>;

    /// The suggestions that a query selects, latest first.
    ///
    /// # Errors
    /// When what is stored cannot be read.
    fn suggestions(&self, query: &SuggestionQuery) -> Result<Vec<SuggestionRecord>, RecordsError>;

    /// One suggestion.
    ///
    /// # Errors
    /// When what is stored cannot be read.
    fn suggestion(&self, id: SuggestionId) -> Result<Option<SuggestionRecord>, RecordsError>;

    /// The first suggestions that came after one, in their order.
    ///
    /// # Errors
    /// When what is stored cannot be read.
    fn suggestions_after(&self, sequence: u64, limit: usize) -> Result<Vec<SuggestionRecord>, RecordsError>;

    /// Writes down a person's word; none where there is no such suggestion.
    ///
    /// # Errors
    /// When it could not be made durable.
    fn decide(
        &self,
        id: SuggestionId,
        ruling: Ruling,
        decision: Decision,
    ) -> Result<Option<SuggestionRecord>, RecordsError>;

    /// Tells of every change.
    fn changes(&self) -> watch::Receiver<u64>;
}
