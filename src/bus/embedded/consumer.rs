//! Reading.

use std::sync::Arc;

use tokio::sync::watch;

use super::{Commit, News, Shared, store};
use crate::bus::{Assignment, CommitError, DatabaseError, Delivery, Error, Message, Position, Topic, Turn};

/// A member of a group of consumers.
pub struct EmbeddedConsumer {
    shared: Arc<Shared>,
    topic: Topic,
    group: String,
    committed: u64,
    progress: Progress,
    news: watch::Receiver<News>,
}

/// How far a consumer has come with its one partition.
#[derive(Debug, Clone, Copy)]
enum Progress {
    /// It does not know of it.
    Joined,
    /// It was told of it, and has not said where to begin.
    Assigned,
    /// The offset of the next message.
    Reading(u64),
}

impl EmbeddedConsumer {
    pub(super) fn new(shared: Arc<Shared>, topic: Topic, group: String, committed: u64) -> Self {
        let news = shared.news.subscribe();
        Self { shared, topic, group, committed, progress: Progress::Joined, news }
    }

    pub(in crate::bus) async fn next(&mut self, max_count: usize, max_bytes: usize) -> Result<Turn, Error> {
        loop {
            if *self.news.borrow_and_update() == News::Closed {
                return Err(Error::Closed);
            }
            match self.progress {
                Progress::Joined => {
                    self.progress = Progress::Assigned;
                    let partition = super::PARTITION;
                    return Ok(Turn::Assigned(vec![Assignment {
                        partition,
                        committed: Some(self.committed),
                    }]));
                }
                Progress::Assigned => {}
                Progress::Reading(next) => {
                    let batch = self.read(next, (max_count, max_bytes)).await?;
                    if let Some(last) = batch.last() {
                        self.progress = Progress::Reading(last.position().next);
                        return Ok(Turn::Messages(batch));
                    }
                }
            }
            if self.news.changed().await.is_err() {
                return Err(Error::Closed);
            }
        }
    }

    /// What there is from an offset on.
    async fn read(&self, next: u64, limits: (usize, usize)) -> Result<Vec<Delivery>, Error> {
        let end = self.shared.ledger().log(self.topic).map_or(0, |log| log.end);
        if next >= end {
            return Ok(Vec::new());
        }
        let (shared, topic) = (Arc::clone(&self.shared), self.topic);
        let read = move || store::read(&shared.database, topic, next..end, limits);
        match tokio::task::spawn_blocking(read).await.map_err(|_| Error::Closed)? {
            Ok(batch) => Ok(batch),
            // The writer is about to open the database again, and says so when it has.
            Err(DatabaseError::Io { .. }) if self.shared.database.is_broken() => Ok(Vec::new()),
            Err(error) => Err(error.into()),
        }
    }

    pub(in crate::bus) async fn start(&mut self, at: Position) -> Result<(), Error> {
        let next = self.shared.commit(self.topic, &self.group, Commit::Join(Some(at.next))).await?;
        self.progress = Progress::Reading(next);
        Ok(())
    }

    pub(in crate::bus) async fn commit(
        &self,
        positions: &[Position],
        messages: &[Message],
    ) -> Result<(), CommitError> {
        for message in messages {
            self.shared.write(message).await?;
        }
        for position in positions {
            self.shared.commit(self.topic, &self.group, Commit::Below(position.next)).await?;
        }
        Ok(())
    }
}

impl std::fmt::Debug for EmbeddedConsumer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EmbeddedConsumer")
            .field("topic", &self.topic)
            .field("group", &self.group)
            .field("progress", &self.progress)
            .finish_non_exhaustive()
    }
}
