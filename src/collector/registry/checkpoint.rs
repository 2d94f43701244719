//! How far a file is done.

/// How far a file is done. Reading goes on at `resume`, behind which a failure may stay open for long, as the last
/// one of a quiet log. What is read again from there on is done all the same where `is_done` tells so.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Checkpoint {
    /// Where reading goes on: every event that starts from here on and is not done is found from here.
    pub resume: u64,
    /// Every event that starts before this offset is durable or promised,
    pub done_until: u64,
    /// but for those that start here. Only a few.
    pub except: Vec<u64>,
}

impl Checkpoint {
    /// Whether an event that starts here is done.
    #[must_use]
    pub fn is_done(&self, start: u64) -> bool {
        start < self.done_until && !self.except.contains(&start)
    }

    /// Before which offset nothing that is promised has to be remembered.
    #[must_use]
    pub fn passed(&self) -> u64 {
        self.resume.max(self.done_until)
    }
}

impl From<u64> for Checkpoint {
    /// With nothing open.
    fn from(offset: u64) -> Self {
        Self { resume: offset, ..Self::default() }
    }
}
