//! Marks left behind while a file is read, so that a checkpoint finds one near it later.
//!
//! The mark must be of the bytes that were delivered. To read them again when the checkpoint is written would
//! be too late: the file may have been truncated and written anew by then.

use std::collections::VecDeque;

use crate::collector::identity::Mark;

/// The most marks kept of one file, spread over what is read and not committed.
const MOST_MARKS: usize = 32;

/// The marks of one file, in the order of their offsets.
#[derive(Debug, Default)]
pub(super) struct Trail {
    marks: VecDeque<Mark>,
    /// The least distance between two marks, but for the last.
    spacing: u64,
}

impl Trail {
    /// Leaves a mark behind all others. Reading that went back leaves those beyond it behind.
    pub(super) fn leave(&mut self, mark: Mark) {
        while self.marks.back().is_some_and(|last| last.offset() >= mark.offset()) {
            self.marks.pop_back();
        }
        let before_last = self.marks.len().checked_sub(2).map(|index| self.marks[index].offset());
        if before_last.is_some_and(|before| mark.offset() - before < self.spacing) {
            self.marks.pop_back();
        }
        self.marks.push_back(mark);
        if self.marks.len() > MOST_MARKS {
            self.spread();
            let mut index = 0;
            self.marks.retain(|_| {
                index += 1;
                index % 2 == 1
            });
        }
    }

    /// Spreads marks to come evenly over the distance there is.
    fn spread(&mut self) {
        let ends = self.marks.front().zip(self.marks.back());
        self.spacing =
            ends.map_or(0, |(first, last)| (last.offset() - first.offset()) / (MOST_MARKS as u64 / 2));
    }

    /// The last mark at or before an offset.
    pub(super) fn before(&self, offset: u64) -> Option<Mark> {
        let beyond = self.marks.partition_point(|mark| mark.offset() <= offset);
        beyond.checked_sub(1).map(|index| self.marks[index])
    }

    /// Drops what no checkpoint from this offset on asks for.
    pub(super) fn forget_before(&mut self, offset: u64) {
        let beyond = self.marks.partition_point(|mark| mark.offset() <= offset);
        self.marks.drain(..beyond.saturating_sub(1));
        self.spread();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_checkpoint_finds_a_mark_near_it() {
        let mut trail = Trail::default();
        assert_eq!(trail.before(100), None);
        for offset in 1..=1000 {
            trail.leave(Mark::of(b"x", offset * 10));
        }
        assert!(trail.marks.len() <= MOST_MARKS);
        assert_eq!(trail.before(9), None);
        for offset in [10, 5_000, 9_999, 10_000, 20_000] {
            let found = trail.before(offset).unwrap().offset();
            assert!(found <= offset && found + 2_000 >= offset.min(10_000), "{offset}: {found}");
        }
        assert_eq!(trail.before(20_000).unwrap().offset(), 10_000);
        let kept = trail.before(5_000);
        trail.forget_before(5_000);
        assert_eq!((trail.before(5_000), trail.marks.front().copied()), (kept, kept));
        trail.forget_before(10_000);
        trail.leave(Mark::of(b"x", 10_001));
        trail.leave(Mark::of(b"x", 10_002));
        assert_eq!(trail.before(10_001), Some(Mark::of(b"x", 10_001)));
    }
}
