//! The promise that rides with an event from the collector to the bus.

/// How a [`Pending`] ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Settlement {
    /// The event is durable: the checkpoint may pass it.
    Durable,
    /// The event was refused or lost on the way: the checkpoint stays before it.
    Refused,
}

/// A promise to settle one event. It can be moved, never copied. The bus settles it once the event is
/// durable; dropped unsettled, it counts as refused, so an event that is forgotten on an error path
/// can never advance a checkpoint.
#[must_use = "dropping a Pending refuses its event"]
pub struct Pending {
    settle: Option<Box<dyn FnOnce(Settlement) + Send>>,
}

impl Pending {
    /// A promise that tells `settle` how it ended, exactly once.
    pub fn new(settle: impl FnOnce(Settlement) + Send + 'static) -> Self {
        Self { settle: Some(Box::new(settle)) }
    }

    /// The event is durable.
    pub fn durable(mut self) {
        self.end(Settlement::Durable);
    }

    fn end(&mut self, settlement: Settlement) {
        if let Some(settle) = self.settle.take() {
            settle(settlement);
        }
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        self.end(Settlement::Refused);
    }
}

impl std::fmt::Debug for Pending {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pending").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::sync_channel;

    use super::{Pending, Settlement};

    #[test]
    fn it_settles_exactly_once() {
        let (sender, receiver) = sync_channel(4);
        let other = sender.clone();
        Pending::new(move |settlement| sender.send(settlement).unwrap()).durable();
        drop(Pending::new(move |settlement| other.send(settlement).unwrap()));
        let all: Vec<_> = receiver.iter().collect();
        assert_eq!(all, [Settlement::Durable, Settlement::Refused]);
    }
}
