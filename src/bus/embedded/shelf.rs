//! The dead letters of an embedded bus, whether or not it runs.

use std::ops::Range;
use std::sync::Arc;

use super::ledger::Log;
use super::{Embedded, PARTITION, store};
use crate::bus::{Delivery, Error, Message, Topic};
use crate::storage::Database;

/// Messages, and bytes of them, that are read together.
const PAGE: (usize, usize) = (1_000, 256 << 10);

/// Where the dead letters stand.
#[derive(Clone)]
pub(in crate::bus) enum Shelf {
    /// In a bus that runs.
    Running(Embedded),
    /// In a folder, to be looked at, up to an end.
    Stored(Arc<Database>, u64),
}

impl Embedded {
    /// The dead letters that a bus has left in a folder.
    pub(in crate::bus) fn stored(folder: &std::path::Path) -> Result<Shelf, Error> {
        let database = Database::read_only(folder, &store::SCHEMA)?;
        let end = store::load(&database)?.log(Topic::DeadLetters).map_or(0, |log| log.end);
        Ok(Shelf::Stored(Arc::new(database), end))
    }
}

impl Shelf {
    pub(in crate::bus) fn of(bus: &Embedded) -> Self {
        Self::Running(bus.clone())
    }

    /// The one partition, and the offset of its next letter.
    pub(in crate::bus) fn end(&self) -> (i32, u64) {
        let end_of = |log: Option<&Log>| log.map_or(0, |log| log.end);
        let end = match self {
            Self::Running(bus) => end_of(bus.inner.shared.ledger().log(Topic::DeadLetters)),
            Self::Stored(_, end) => *end,
        };
        (PARTITION, end)
    }

    /// The next letters of a range; none at its end.
    pub(in crate::bus) async fn read(&self, range: Range<u64>) -> Result<Vec<Delivery>, Error> {
        if range.is_empty() {
            return Ok(Vec::new());
        }
        let shelf = self.clone();
        let read = move || store::read(shelf.database(), Topic::DeadLetters, range, PAGE);
        Ok(tokio::task::spawn_blocking(read).await.map_err(|_| Error::Closed)??)
    }

    /// Writes messages, all of them or none, whether or not there is room.
    pub(in crate::bus) async fn put(&self, messages: &[Message]) -> Result<(), Error> {
        match self {
            Self::Running(bus) => bus.inner.shared.write_together(messages).await,
            Self::Stored(..) => Err(Error::Closed),
        }
    }

    /// All messages of a topic.
    #[cfg(test)]
    pub(in crate::bus) fn whole(&self, topic: Topic) -> Vec<Delivery> {
        store::read(self.database(), topic, 0..u64::MAX, (usize::MAX, usize::MAX)).unwrap_or_default()
    }

    fn database(&self) -> &Database {
        match self {
            Self::Running(bus) => &bus.inner.shared.database,
            Self::Stored(database, _) => database,
        }
    }
}

impl std::fmt::Debug for Shelf {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shelf").field("end", &self.end()).finish_non_exhaustive()
    }
}
