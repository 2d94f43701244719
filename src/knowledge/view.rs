//! Reading what is remembered.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};

use tokio::sync::watch;

use super::index::{GroupFilter, GroupOrder, Index, Revision};
use super::{Error, schema};
use crate::domain::{
    Fingerprint, GroupRecord, GroupStatus, SuggestionId, SuggestionRecord, SuggestionStatus,
};
use crate::storage::Database;

/// What everybody may see. Clones see the same.
#[derive(Debug, Clone)]
pub struct View {
    shared: Arc<Shared>,
}

struct Shared {
    database: Database,
    index: RwLock<Index>,
    revision: watch::Sender<Revision>,
}

impl View {
    /// Opens what is remembered in a folder, for reading, while no Hephaestus runs on it.
    ///
    /// # Errors
    /// There is nothing, one is running, or the database is damaged or of a newer version.
    pub fn open(folder: &Path) -> Result<Self, Error> {
        Self::new(Database::read_only(folder, &schema::SCHEMA)?)
    }

    pub(super) fn new(database: Database) -> Result<Self, Error> {
        let index = schema::load(&database)?;
        let revision = Revision { changes: 0, last_sequence: index.last_sequence };
        let shared = Shared { database, index: RwLock::new(index), revision: watch::Sender::new(revision) };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// Tells whenever something has changed.
    #[must_use]
    pub fn subscribe(&self) -> watch::Receiver<Revision> {
        self.shared.revision.subscribe()
    }

    /// How far the messages of a topic's partition were applied: the offset of the next one.
    ///
    /// # Errors
    /// The database cannot be read.
    pub fn position(&self, topic: &str, partition: i32) -> Result<Option<u64>, Error> {
        Ok(schema::position(self.database(), topic, partition)?)
    }

    /// How many groups there are of each status.
    #[must_use]
    pub fn group_counts(&self) -> BTreeMap<GroupStatus, usize> {
        let mut counts: BTreeMap<_, _> = GroupStatus::ALL.into_iter().map(|status| (status, 0)).collect();
        for head in self.index().groups.values() {
            *counts.entry(head.status).or_default() += 1;
        }
        counts
    }

    /// A group.
    ///
    /// # Errors
    /// The database cannot be read.
    pub fn group(&self, fingerprint: Fingerprint) -> Result<Option<GroupRecord>, Error> {
        let head = self.index().groups.get(&fingerprint).cloned();
        let Some(head) = head else { return Ok(None) };
        // A body that is gone meanwhile belonged to a group that was just removed.
        let body = schema::group_body(self.database(), fingerprint)?;
        Ok(body.map(|body| head.record(fingerprint, body)))
    }

    /// The first groups that pass a filter.
    ///
    /// # Errors
    /// The database cannot be read.
    pub fn groups(
        &self,
        filter: GroupFilter,
        order: GroupOrder,
        limit: usize,
    ) -> Result<Vec<GroupRecord>, Error> {
        let listed = self.index().listed(|_, head| filter.passes(head), order, limit);
        listed.into_iter().filter_map(|fingerprint| self.group(fingerprint).transpose()).collect()
    }

    /// A suggestion.
    ///
    /// # Errors
    /// The database cannot be read.
    pub fn suggestion(&self, id: SuggestionId) -> Result<Option<SuggestionRecord>, Error> {
        let sequence = self.index().sequences.get(&id).copied();
        sequence.map_or(Ok(None), |sequence| self.suggestion_at(sequence))
    }

    /// The latest suggestions, of one status or of all, the newest first.
    ///
    /// # Errors
    /// The database cannot be read.
    pub fn suggestions(
        &self,
        status: Option<SuggestionStatus>,
        limit: usize,
    ) -> Result<Vec<SuggestionRecord>, Error> {
        let sequences: Vec<u64> = {
            let index = self.index();
            let passing =
                index.suggestions.iter().rev().filter(|(_, head)| status.is_none_or(|it| head.status == it));
            passing.map(|(sequence, _)| *sequence).take(limit).collect()
        };
        self.suggestions_at(sequences)
    }

    /// The suggestions that came after one, in the order in which they came.
    ///
    /// # Errors
    /// The database cannot be read.
    pub fn suggestions_after(&self, sequence: u64, limit: usize) -> Result<Vec<SuggestionRecord>, Error> {
        let sequences: Vec<u64> = match sequence.checked_add(1) {
            Some(from) => self.index().suggestions.range(from..).map(|(it, _)| *it).take(limit).collect(),
            None => Vec::new(),
        };
        self.suggestions_at(sequences)
    }

    fn suggestions_at(&self, sequences: Vec<u64>) -> Result<Vec<SuggestionRecord>, Error> {
        sequences.into_iter().filter_map(|sequence| self.suggestion_at(sequence).transpose()).collect()
    }

    pub(super) fn suggestion_at(&self, sequence: u64) -> Result<Option<SuggestionRecord>, Error> {
        let (head, count) = {
            let index = self.index();
            let Some(head) = index.suggestions.get(&sequence).cloned() else { return Ok(None) };
            let count = index.groups.get(&head.id.fingerprint).map(|group| group.count);
            (head, count)
        };
        let body = schema::suggestion_body(self.database(), sequence)?;
        Ok(body.map(|body| head.record(sequence, body, count)))
    }

    pub(super) fn database(&self) -> &Database {
        &self.shared.database
    }

    pub(super) fn index(&self) -> RwLockReadGuard<'_, Index> {
        self.shared.index.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes what is in memory, once it is on disk, and tells everybody.
    pub(super) fn change(&self, change: impl FnOnce(&mut Index)) {
        let last_sequence = {
            let mut index = self.shared.index.write().unwrap_or_else(PoisonError::into_inner);
            change(&mut index);
            index.last_sequence
        };
        self.shared.revision.send_modify(|revision| {
            *revision = Revision { changes: revision.changes.wrapping_add(1), last_sequence };
        });
    }
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("View").finish_non_exhaustive()
    }
}
