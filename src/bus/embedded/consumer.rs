//! Reading.

use std::sync::Arc;

use tokio::sync::watch;

use super::{Commit, News, Shared, store};
use crate::bus::{DatabaseError, Delivery, Error, Position, Topic};

/// A member of a group of consumers.
pub struct EmbeddedConsumer {
    shared: Arc<Shared>,
    topic: Topic,
    group: String,
    next: u64,
    news: watch::Receiver<News>,
}

impl EmbeddedConsumer {
    pub(super) fn new(shared: Arc<Shared>, topic: Topic, group: String, next: u64) -> Self {
        let news = shared.news.subscribe();
        Self { shared, topic, group, next, news }
    }

    pub(in crate::bus) async fn next_batch(
        &mut self,
        max_count: usize,
        max_bytes: usize,
    ) -> Result<Vec<Delivery>, Error> {
        loop {
            if *self.news.borrow_and_update() == News::Closed {
                return Err(Error::Closed);
            }
            let end = self.shared.ledger().log(self.topic).map_or(0, |log| log.end);
            if self.next < end {
                let (shared, topic, range) = (Arc::clone(&self.shared), self.topic, self.next..end);
                let read = move || store::read(&shared.database, topic, range, (max_count, max_bytes));
                match tokio::task::spawn_blocking(read).await.map_err(|_| Error::Closed)? {
                    Ok(batch) => {
                        if let Some(last) = batch.last() {
                            self.next = last.position().next;
                            return Ok(batch);
                        }
                    }
                    // The writer is about to open the database again, and says so when it has.
                    Err(DatabaseError::Io { .. }) if self.shared.database.is_broken() => {}
                    Err(error) => return Err(error.into()),
                }
            }
            if self.news.changed().await.is_err() {
                return Err(Error::Closed);
            }
        }
    }

    pub(in crate::bus) async fn commit(&self, position: Position) -> Result<(), Error> {
        self.shared.commit(self.topic, &self.group, Commit::Below(position.next)).await.map(drop)
    }
}

impl std::fmt::Debug for EmbeddedConsumer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EmbeddedConsumer")
            .field("topic", &self.topic)
            .field("group", &self.group)
            .field("next", &self.next)
            .finish_non_exhaustive()
    }
}
