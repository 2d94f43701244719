//! Which events were counted: their ids, forgotten by age.
//!
//! Ids are kept in generations. A new one begins after a seventh of the retention, and then all but the
//! last eight are deleted, each as one range: no index by age and no scanning. An id is looked for in
//! every generation that is left; the filters answer for nearly all of them.
//!
//! The age of a generation is running time: what passes between two calls in one process, and at most one
//! generation's length of that. While nothing runs, nothing grows old.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::domain::EventId;

/// How many generations are kept.
const KEPT: u32 = 8;

/// The current generation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Generations {
    current: u32,
    /// How long it has run, in milliseconds.
    age_ms: u64,
}

impl Default for Generations {
    fn default() -> Self {
        Self { current: KEPT, age_ms: 0 }
    }
}

impl Generations {
    /// The generations some time later.
    pub(super) fn after(mut self, last: Option<Timestamp>, now: Timestamp, retention: Duration) -> Self {
        let length =
            u64::try_from(retention.as_millis()).unwrap_or(u64::MAX).div_ceil(u64::from(KEPT - 1)).max(1);
        let elapsed = last.map_or(0, |last| now.as_millisecond().saturating_sub(last.as_millisecond()));
        self.age_ms = self.age_ms.saturating_add(u64::try_from(elapsed).unwrap_or(0).min(length));
        if self.age_ms >= length {
            self.age_ms = 0;
            self.current = self.current.saturating_add(1);
        }
        self
    }

    /// The first generation that is kept.
    const fn oldest(self) -> u32 {
        (self.current + 1).saturating_sub(KEPT)
    }

    /// The key under which an id is counted now.
    pub(super) fn key(self, id: &EventId) -> [u8; 44] {
        key(self.current, id)
    }

    /// Every generation in which an id may have been counted, as it was when it was the current one: the newest
    /// first.
    pub(super) fn kept(self) -> impl Iterator<Item = Self> {
        (self.oldest()..=self.current).rev().map(move |current| Self { current, ..self })
    }

    /// What is forgotten: all keys in between.
    pub(super) fn forgotten(self) -> ([u8; 4], [u8; 4]) {
        ([0; 4], self.oldest().to_be_bytes())
    }
}

fn key(generation: u32, id: &EventId) -> [u8; 44] {
    let mut key = [0; 44];
    key[..4].copy_from_slice(&generation.to_be_bytes());
    key[4..20].copy_from_slice(id.producer.as_bytes());
    key[20..36].copy_from_slice(id.file.as_bytes());
    key[36..].copy_from_slice(&id.start.to_be_bytes());
    key
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::domain::{FileId, ProducerId};

    const RETENTION: Duration = Duration::from_millis(700);

    fn id() -> EventId {
        EventId { producer: ProducerId::from_bytes([1; 16]), file: FileId::from_bytes([2; 16]), start: 3 }
    }

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_millisecond(millis).unwrap()
    }

    proptest! {
        /// However time passes in small steps: an id is kept for the retention, and for little longer.
        #[test]
        fn an_id_is_kept_for_the_retention(steps in prop::collection::vec(1..90_i64, 1..200)) {
            let (mut generations, mut now) = (Generations::default(), 0);
            let born = generations.key(&id());
            for step in steps {
                generations = generations.after(Some(at(now)), at(now + step), RETENTION);
                now += step;
                let kept = generations.kept().any(|kept| kept.key(&id()) == born);
                prop_assert!(kept || now >= 700, "forgotten after {now} ms");
                prop_assert!(!kept || now < 8 * 190, "still kept after {now} ms");
                prop_assert_eq!(kept, born[..4] >= generations.forgotten().1[..]);
            }
        }

        #[test]
        fn jumps_of_the_clock_make_little_forgotten(jumps in prop::collection::vec(any::<i32>(), 1..7)) {
            let mut generations = Generations::default();
            let born = generations.key(&id());
            let mut now = 0_i64;
            for jump in jumps {
                let next = now + i64::from(jump);
                generations = generations.after(Some(at(now)), at(next), RETENTION);
                now = next;
            }
            prop_assert!(generations.kept().any(|kept| kept.key(&id()) == born));
        }
    }

    #[test]
    fn standstill_is_no_age() {
        let generations = Generations::default().after(None, at(1_000_000_000), RETENTION);
        assert_eq!(generations, Generations::default());
    }
}
