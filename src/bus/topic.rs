//! The streams of messages.

/// A stream of messages of one kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Topic {
    /// Occurrences of failures.
    Errors,
    /// Suggested fixes.
    Fixes,
    /// How far fixes have come.
    FixStatus,
    /// What was learnt.
    Knowledge,
    /// Messages that their consumer could not read.
    DeadLetters,
}

impl Topic {
    /// Every topic.
    pub const ALL: [Self; 5] =
        [Self::Errors, Self::Fixes, Self::FixStatus, Self::Knowledge, Self::DeadLetters];

    /// Its name, with the version of its format.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Errors => "hephaestus.errors.v1",
            Self::Fixes => "hephaestus.fixes.v1",
            Self::FixStatus => "hephaestus.fix-status.v1",
            Self::Knowledge => "hephaestus.knowledge.v1",
            Self::DeadLetters => "hephaestus.dlq.v1",
        }
    }

    /// The topic of a [name](Self::name).
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|topic| topic.name() == name)
    }

    /// Its name without what all have in common.
    #[must_use]
    pub const fn kind(self) -> &'static str {
        match self {
            Self::Errors => "errors.v1",
            Self::Fixes => "fixes.v1",
            Self::FixStatus => "fix-status.v1",
            Self::Knowledge => "knowledge.v1",
            Self::DeadLetters => "dlq.v1",
        }
    }

    /// Whether only the last message of each key is kept.
    #[must_use]
    pub const fn is_compacted(self) -> bool {
        matches!(self, Self::FixStatus | Self::Knowledge)
    }
}

impl std::fmt::Display for Topic {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.name())
    }
}
