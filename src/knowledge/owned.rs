//! Which partitions of the log of errors are ours to work on: pure.

use std::collections::BTreeMap;

/// How far a consumer has come in one partition of a topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Position {
    /// The topic's name.
    pub topic: String,
    /// The partition.
    pub partition: i32,
    /// The offset of the next message.
    pub next: u64,
}

/// Which partitions are ours, and with them the groups that have their home there.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) enum Owned {
    /// There is nobody else.
    #[default]
    All,
    /// By partition.
    These(BTreeMap<i32, Held>),
}

/// A partition that is ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Held {
    /// How far we have come.
    position: Position,
    /// Whether it is about to be given back.
    is_released: bool,
}

impl Owned {
    /// Whether something may be counted in a partition, and begun at its groups.
    pub(super) fn contains(&self, partition: i32) -> bool {
        match self {
            Self::All => true,
            Self::These(held) => held.get(&partition).is_some_and(|held| !held.is_released),
        }
    }

    pub(super) fn add(&mut self, position: Position) {
        if let Self::These(held) = self {
            held.insert(position.partition, Held { position, is_released: false });
        }
    }

    /// Remembers how far we have come in a partition that is ours.
    pub(super) fn advance(&mut self, position: &Position) {
        if let Self::These(held) = self
            && let Some(held) = held.get_mut(&position.partition)
        {
            held.position.clone_from(position);
        }
    }

    /// A partition is about to be given back: how far we have come there is still to be told.
    pub(super) fn release(&mut self, partition: i32) {
        if let Self::These(held) = self
            && let Some(held) = held.get_mut(&partition)
        {
            held.is_released = true;
        }
    }

    pub(super) fn remove(&mut self, partition: i32) {
        if let Self::These(held) = self {
            held.remove(&partition);
        }
    }

    /// How far we have come in those that are ours; nothing where everything is.
    pub(super) fn positions(&self) -> Vec<Position> {
        match self {
            Self::All => Vec::new(),
            Self::These(held) => held.values().map(|held| held.position.clone()).collect(),
        }
    }
}
