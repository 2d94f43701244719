//! What was published and is not known to be durable yet.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Notify;

use crate::domain::{EventId, Pending, Settlement};

/// What was published and is not known to be durable yet. It holds no more than the bus' queue.
#[derive(Debug, Default)]
pub(super) struct InFlight {
    /// Since when, in the order of publishing, in which the bus makes it durable.
    since: VecDeque<Instant>,
    settled: Arc<Settled>,
}

/// What the bus has made durable and nobody has heard of yet.
#[derive(Debug, Default)]
struct Settled {
    ids: Mutex<Vec<EventId>>,
    news: Notify,
}

impl InFlight {
    /// A promise that tells of its keeping here. One that is refused stays in flight: its file's checkpoint
    /// stays before it.
    pub(super) fn pending(&mut self, id: EventId) -> Pending {
        self.since.push_back(Instant::now());
        let settled = Arc::clone(&self.settled);
        Pending::new(move |settlement| {
            if settlement == Settlement::Durable {
                settled.ids.lock().unwrap_or_else(PoisonError::into_inner).push(id);
                settled.news.notify_one();
            }
        })
    }

    /// Waits until something has become durable.
    pub(super) fn news(&self) -> impl Future<Output = ()> + use<> {
        let settled = Arc::clone(&self.settled);
        async move { settled.news.notified().await }
    }

    /// What has become durable since this was last asked.
    pub(super) fn take_durable(&mut self) -> Vec<EventId> {
        let durable = std::mem::take(&mut *self.settled.ids.lock().unwrap_or_else(PoisonError::into_inner));
        self.since.drain(..durable.len().min(self.since.len()));
        durable
    }

    /// For how long the oldest has been on its way.
    pub(super) fn oldest(&self) -> Duration {
        self.since.front().map_or(Duration::ZERO, Instant::elapsed)
    }
}
