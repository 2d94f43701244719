//! What is remembered: groups with their exact counts, suggestions, what a person decided, and which
//! events were counted already. A RocksDB of its own.
//!
//! # Exact counts
//!
//! [`Knowledge::apply`] counts a batch of occurrences and writes, in one synced batch, the counts it
//! changed, the ids it counted and the position of the consumer. So either all of it happened or nothing,
//! and an id that comes again (from the bus, or read again from a log after a crash) changes nothing.
//!
//! Ids are forgotten by age. Age is time in which somebody was running: an event that is published again
//! after a week of standstill is still recognised, and a clock that jumps makes nothing forgotten at once.
//! See `generations`.
//!
//! # Heads and bodies
//!
//! What changes often or decides on order (counts, times, status) is the *head* of a group or suggestion:
//! a small record that is kept in memory as well. The first event, the patch and the evidence are the
//! *body*, which is written once and read when somebody asks. So a storm rewrites a few hundred bytes, and
//! lists are made without reading a disk. A group costs about 300 bytes of memory.
//!
//! # Alone or with others
//!
//! [`Knowledge::open`] is for a fixer that is alone. Several fixers share their knowledge through a changelog:
//! see [`Shared`].
//!
//! # Who may do what
//!
//! [`View`] reads: from a running instance, or from the folder while none runs. [`Knowledge`] also
//! writes; there is one in one process. All calls block for as long as the disk takes, so async code
//! calls them on a blocking thread. `now` is always an argument.
//!
//! # Failed writes
//!
//! After a failed write (no space left) nothing has changed for any reader, and the caller may repeat
//! the call: the database is opened anew and read again first, and whatever had reached the disk
//! after all is recognised as done.

mod apply;
mod attempts;
mod changes;
mod cleanup;
mod config;
mod error;
mod experience;
mod generations;
mod index;
mod lookup;
mod owned;
mod place;
mod publication;
mod record;
mod restore;
mod schema;
mod shared;
mod suggestions;
mod view;

use std::cell::Cell;
use std::collections::HashSet;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;

pub use apply::{Applied, Arrival, Change};
pub use attempts::{AttemptEnd, Due, Rest};
pub use cleanup::Removed;
pub use config::Config;
pub use error::Error;
pub use index::{GroupFilter, GroupOrder, Revision};
pub use owned::Position;
pub use publication::{Publication, Record, record_schema};
pub use record::{ParseRecordKeyError, RecordKey};
pub use restore::Incoming;
pub use shared::Shared;
pub use suggestions::{Choice, Circumstances};
pub use view::View;

use crate::domain::Fingerprint;
pub use crate::storage::DatabaseError;
use crate::storage::{Access, Database};
use crate::telemetry::metrics::Metrics;
use changes::Changes;
use index::Index;

/// What is remembered, and the one way to change it. Clones are the same memory.
#[derive(Debug, Clone)]
pub struct Knowledge {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    view: View,
    config: Config,
    metrics: Metrics,
    /// Whether others are told of changes.
    is_shared: bool,
    writing: Mutex<Writing>,
}

/// Whoever holds it is the one who writes.
#[derive(Debug, Default)]
struct Writing {
    /// The groups this process has begun to work on.
    begun: HashSet<Fingerprint>,
    /// When something was last applied or cleaned up by this process.
    last_now: Option<Timestamp>,
    /// Whether what is in memory may differ from what is on disk.
    is_stale: bool,
}

impl Knowledge {
    /// Opens what is remembered in a folder; begins anew where there is nothing.
    ///
    /// # Errors
    /// The database is in use, damaged, of a newer version, or cannot be written.
    pub fn open(folder: &Path, config: &Config, metrics: &Metrics) -> Result<Self, Error> {
        let database = Database::open(folder, &schema::SCHEMA)?;
        if schema::is_shared(&database)? {
            return Err(Error::Shared(folder.into()));
        }
        Self::new(database, config, metrics, false)
    }

    fn new(database: Database, config: &Config, metrics: &Metrics, is_shared: bool) -> Result<Self, Error> {
        let view = View::new(database)?;
        let (config, metrics, writing) = (*config, metrics.clone(), Mutex::default());
        let knowledge = Self { inner: Arc::new(Inner { view, config, metrics, is_shared, writing }) };
        knowledge.gauge();
        Ok(knowledge)
    }

    /// What everybody may see.
    #[must_use]
    pub fn view(&self) -> &View {
        &self.inner.view
    }

    /// Closes the database, whoever still has a handle. Attempts that are going on are taken back; where that
    /// cannot be written, they count as if the process had died.
    pub fn close(&self) {
        let mut writing = self.lock();
        if let Err(error) = self.take_back_attempts(&mut writing, |_| true) {
            tracing::debug!(reason = %error, "attempts could not be taken back");
        }
        self.database().close();
    }

    fn database(&self) -> &Database {
        self.inner.view.database()
    }

    fn config(&self) -> &Config {
        &self.inner.config
    }

    fn lock(&self) -> MutexGuard<'_, Writing> {
        self.inner.writing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Becomes the one who writes. After a failed write the database is opened and read again first.
    fn begin(&self) -> Result<MutexGuard<'_, Writing>, Error> {
        let mut writing = self.lock();
        self.recover(&mut writing)?;
        Ok(writing)
    }

    /// Opens and reads the database again where a write has failed.
    fn recover(&self, writing: &mut Writing) -> Result<(), Error> {
        if self.database().is_broken() {
            // Until it was read again: reading may fail when opening did not.
            writing.is_stale = true;
            self.database().reopen()?;
        }
        if writing.is_stale {
            let mut index = schema::load(self.database())?;
            if self.inner.is_shared {
                index.mark(schema::marks(self.database())?);
            }
            self.view().change(|current| {
                index.owned = std::mem::take(&mut current.owned);
                index.last_revision = index.last_revision.max(current.last_revision);
                *current = index;
            });
            writing.is_stale = false;
            // Whether it can be written again, the next write will show.
            tracing::debug!("knowledge is opened anew after a failed write");
        }
        Ok(())
    }

    /// Writes a batch, with marks for what others have to be told, and then shows it to readers.
    fn write(
        &self,
        fill: impl Fn(&Access<'_>, &mut Changes<'_>) -> Result<(), DatabaseError>,
        show: impl FnOnce(&mut Index),
    ) -> Result<(), Error> {
        if !self.inner.is_shared {
            self.database().write(|access, batch| fill(access, &mut Changes::new(batch)))?;
            self.view().change(show);
            self.gauge();
            return Ok(());
        }
        let written = Cell::default();
        self.database().write(|access, batch| {
            let mut changes = Changes::new(batch);
            fill(access, &mut changes)?;
            let marks = changes.marks(&self.view().index());
            schema::put_marks(access, &mut changes, &marks)?;
            written.set(marks);
            Ok(())
        })?;
        self.view().change(|index| {
            show(index);
            index.mark(written.into_inner());
        });
        self.gauge();
        Ok(())
    }

    /// Writes what others know already, or what concerns nobody else. A power cut may undo it.
    fn write_unmarked(
        &self,
        fill: impl Fn(&Access<'_>, &mut Changes<'_>) -> Result<(), DatabaseError>,
        show: impl FnOnce(&mut Index),
    ) -> Result<(), Error> {
        self.database().write_unsynced(|access, batch| fill(access, &mut Changes::new(batch)))?;
        self.view().change(show);
        self.gauge();
        Ok(())
    }

    fn gauge(&self) {
        let groups = self.view().index().groups.len();
        self.inner.metrics.groups_active.set(i64::try_from(groups).unwrap_or(i64::MAX));
    }
}

#[cfg(test)]
mod tests;
