//! What was published and is not known to be durable yet.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Notify;

use crate::domain::{EventId, Pending, Settlement};

/// What was published and is not known to be durable yet. It holds no more than the bus' queue. Clones are
/// about the same: how long things take is asked by others than those who wait for them.
#[derive(Debug, Clone, Default)]
pub(super) struct InFlight {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    messages: Mutex<Messages>,
    news: Notify,
}

#[derive(Debug, Default)]
struct Messages {
    /// Since when, in the order of publishing, in which the bus makes it durable.
    since: VecDeque<Instant>,
    /// What the bus has made durable and nobody has heard of yet.
    durable: Vec<EventId>,
    /// Whether the bus has refused something: it has ended.
    refused: bool,
}

impl Shared {
    fn messages(&self) -> MutexGuard<'_, Messages> {
        self.messages.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl InFlight {
    /// A promise that tells of its keeping here. One that is refused stays in flight: its file's checkpoint
    /// stays before it.
    pub(super) fn pending(&self, id: EventId) -> Pending {
        self.shared.messages().since.push_back(Instant::now());
        let shared = Arc::clone(&self.shared);
        Pending::new(move |settlement| {
            let mut messages = shared.messages();
            match settlement {
                Settlement::Durable => {
                    messages.since.pop_front();
                    messages.durable.push(id);
                }
                Settlement::Refused => messages.refused = true,
            }
            shared.news.notify_one();
        })
    }

    /// Waits until something has become durable, or was refused.
    pub(super) fn news(&self) -> impl Future<Output = ()> + use<> {
        let shared = Arc::clone(&self.shared);
        async move { shared.news.notified().await }
    }

    /// What has become durable since this was last asked.
    pub(super) fn take_durable(&self) -> Vec<EventId> {
        std::mem::take(&mut self.shared.messages().durable)
    }

    /// Whether something was refused: it will never become durable.
    pub(super) fn is_refused(&self) -> bool {
        self.shared.messages().refused
    }

    /// For how long the oldest has been on its way.
    pub(super) fn oldest(&self) -> Duration {
        self.shared.messages().since.front().map_or(Duration::ZERO, Instant::elapsed)
    }
}
