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
    /// By partition, how far we have come.
    These(BTreeMap<i32, Position>),
}

impl Owned {
    pub(super) fn contains(&self, partition: i32) -> bool {
        match self {
            Self::All => true,
            Self::These(positions) => positions.contains_key(&partition),
        }
    }

    /// Remembers how far we have come in a partition that is ours.
    pub(super) fn advance(&mut self, position: &Position) {
        if let Self::These(positions) = self
            && let Some(known) = positions.get_mut(&position.partition)
        {
            known.clone_from(position);
        }
    }

    /// How far we have come in those that are ours; nothing where everything is.
    pub(super) fn positions(&self) -> Vec<Position> {
        match self {
            Self::All => Vec::new(),
            Self::These(positions) => positions.values().cloned().collect(),
        }
    }
}
