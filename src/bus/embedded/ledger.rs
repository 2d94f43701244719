//! What the bus holds, without the messages: pure bookkeeping.
//!
//! A topic is a row of segments, of which the last one grows. Whole segments are deleted from the front:
//! one range, whose bytes are known, and nothing has to be walked. A topic starts where its first
//! segment starts, so readers never step over what was deleted.

use std::collections::{BTreeMap, VecDeque};

use crate::bus::Topic;

/// All topics.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Ledger {
    logs: BTreeMap<Topic, Log>,
}

/// One topic.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Log {
    /// The offset of the next message.
    pub(super) end: u64,
    /// Without gaps from the oldest message to the newest.
    pub(super) segments: VecDeque<Segment>,
    /// The groups of consumers, with the offset each reads next.
    pub(super) groups: BTreeMap<String, u64>,
}

/// A stretch of a topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Segment {
    /// Its first offset.
    pub(super) first: u64,
    /// The offset behind its last.
    pub(super) next: u64,
    /// The bytes of its messages.
    pub(super) bytes: u64,
    /// When its last message came, in seconds since 1970.
    pub(super) newest: u64,
}

/// How much is kept.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    /// The most bytes of messages.
    pub(super) bytes: u64,
    /// How long what every group is done with is kept, in seconds.
    pub(super) age: u64,
}

impl Bounds {
    /// Whether there is no room for another message. Reaching the bound is enough, so that who publishes and
    /// who deletes never wait for each other.
    pub(super) const fn are_full(self, bytes: u64) -> bool {
        bytes >= self.bytes
    }

    /// A segment is a small part of the whole, so that deleting one makes some room and not all.
    const fn segment_bytes(self) -> u64 {
        let part = self.bytes / 64;
        if part > 4 << 20 { 4 << 20 } else { part }
    }

    /// Likewise for its time.
    const fn segment_age(self) -> u64 {
        self.age / 8
    }
}

/// A stretch that was deleted: every offset of the topic below.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Trimmed {
    pub(super) topic: Topic,
    pub(super) below: u64,
}

impl Log {
    /// The offset of the oldest message.
    pub(super) fn head(&self) -> u64 {
        self.segments.front().map_or(self.end, |segment| segment.first)
    }

    /// The bytes of its messages.
    pub(super) fn bytes(&self) -> u64 {
        self.segments.iter().map(|segment| segment.bytes).sum()
    }

    /// Below this offset every group is done. Where there is no group, nobody waits for anything.
    fn consumed(&self) -> u64 {
        self.groups.values().copied().min().unwrap_or(self.end)
    }

    /// The first segment, where every group is done with it.
    fn spare(&self) -> Option<Segment> {
        self.segments.front().copied().filter(|segment| segment.next <= self.consumed())
    }
}

impl Ledger {
    /// One topic.
    pub(super) fn log(&self, topic: Topic) -> Option<&Log> {
        self.logs.get(&topic)
    }

    /// One topic, to change.
    pub(super) fn log_mut(&mut self, topic: Topic) -> &mut Log {
        self.logs.entry(topic).or_default()
    }

    /// The topics that were ever used.
    pub(super) fn logs(&self) -> impl Iterator<Item = (Topic, &Log)> {
        self.logs.iter().map(|(topic, log)| (*topic, log))
    }

    /// The bytes of all messages.
    pub(super) fn bytes(&self) -> u64 {
        self.logs.values().map(Log::bytes).sum()
    }

    /// How many messages the group that is furthest behind has not committed.
    pub(super) fn lag(&self) -> u64 {
        let of_log = |log: &Log| log.groups.values().map(|next| log.end - next).max();
        self.logs.values().filter_map(of_log).max().unwrap_or(0)
    }

    /// Counts a message in and tells its offset.
    pub(super) fn append(&mut self, topic: Topic, bytes: u64, now: u64, bounds: Bounds) -> u64 {
        let log = self.log_mut(topic);
        let offset = log.end;
        log.end += 1;
        let open = log.segments.back_mut().filter(|segment| {
            segment.bytes < bounds.segment_bytes().max(1)
                && now.saturating_sub(segment.newest) <= bounds.segment_age()
        });
        match open {
            Some(segment) => {
                segment.next = log.end;
                segment.bytes += bytes;
                segment.newest = segment.newest.max(now);
            }
            None => log.segments.push_back(Segment { first: offset, next: log.end, bytes, newest: now }),
        }
        offset
    }

    /// Moves a group on, never back. Nobody can be done with what was not published yet.
    pub(super) fn commit(&mut self, topic: Topic, group: &str, next: u64) {
        let log = self.log_mut(topic);
        let next = next.min(log.end);
        match log.groups.get_mut(group) {
            Some(committed) => *committed = next.max(*committed),
            None => drop(log.groups.insert(group.to_owned(), next)),
        }
    }

    /// Lets groups stand where they stand in another ledger, as far as there are messages here.
    pub(super) fn follow(&mut self, other: &Self) {
        for (topic, log) in other.logs() {
            log.groups.iter().for_each(|(group, next)| self.commit(topic, group, *next));
        }
    }

    /// Deletes what every group is done with: what is older than the bounds say, and, as long as there is no
    /// room for another message, the oldest.
    pub(super) fn trim(&mut self, now: u64, bounds: Bounds) -> Vec<Trimmed> {
        let is_due = |newest, bytes| now.saturating_sub(newest) > bounds.age || bounds.are_full(bytes);
        self.trim_while(Log::spare, is_due)
    }

    /// Deletes what groups are done with, the oldest first, until half of all is left: the disk may be smaller
    /// than the bounds. What no group reads is not deleted for that.
    ///
    /// The last segment of each topic stays. A batch that failed may have reached the disk and lengthened it,
    /// and the same batch is yet to come.
    pub(super) fn relieve(&mut self) -> Vec<Trimmed> {
        let half = self.bytes() / 2;
        let spare = |log: &Log| log.spare().filter(|_| log.segments.len() > 1 && !log.groups.is_empty());
        self.trim_while(spare, |_, bytes| bytes > half)
    }

    /// Deletes spare segments, the oldest first, as long as one as old as the next is due while there are so
    /// many bytes.
    fn trim_while(
        &mut self,
        spare: impl Fn(&Log) -> Option<Segment>,
        is_due: impl Fn(u64, u64) -> bool,
    ) -> Vec<Trimmed> {
        let mut bytes = self.bytes();
        let mut below = BTreeMap::new();
        loop {
            let oldest = self
                .logs
                .iter()
                .filter_map(|(topic, log)| spare(log).map(|segment| (segment.newest, *topic)))
                .min();
            let Some((newest, topic)) = oldest else { break };
            if !is_due(newest, bytes) {
                break;
            }
            let log = self.log_mut(topic);
            bytes -= log.segments.pop_front().map_or(0, |segment| segment.bytes);
            below.insert(topic, log.head());
        }
        below.into_iter().map(|(topic, below)| Trimmed { topic, below }).collect()
    }

    /// All that was ever deleted.
    pub(super) fn gone(&self) -> Vec<Trimmed> {
        let heads = self.logs().map(|(topic, log)| Trimmed { topic, below: log.head() });
        heads.filter(|trimmed| trimmed.below > 0).collect()
    }

    /// Whether there is something that age alone will make deletable.
    pub(super) fn will_age(&self) -> bool {
        self.logs.values().any(|log| log.spare().is_some())
    }

    /// The group that keeps the most bytes from being deleted.
    pub(super) fn slowest(&self) -> Option<(Topic, &str, u64)> {
        let (topic, log) = self.logs().max_by_key(|(_, log)| log.bytes())?;
        let (group, next) = log.groups.iter().min_by_key(|(_, next)| **next)?;
        Some((topic, group, *next))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const BOUNDS: Bounds = Bounds { bytes: 6_400, age: 80 };

    #[test]
    fn what_no_group_is_done_with_stays_whatever_its_age_and_size() {
        let mut ledger = Ledger::default();
        ledger.commit(Topic::Errors, "slow", 0);
        for now in 0..100 {
            ledger.append(Topic::Errors, 100, now, BOUNDS);
        }
        assert_eq!(ledger.trim(1_000_000, BOUNDS), []);
        ledger.commit(Topic::Errors, "slow", 50);
        let [trimmed] = ledger.trim(1_000_000, BOUNDS)[..] else { panic!("nothing was deleted") };
        assert!((45..=50).contains(&trimmed.below), "{trimmed:?}");
        assert_eq!(ledger.slowest(), Some((Topic::Errors, "slow", 50)));
    }

    #[test]
    fn a_clock_that_jumps_back_keeps_things_longer() {
        let mut ledger = Ledger::default();
        ledger.append(Topic::Fixes, 10, 1_000, BOUNDS);
        ledger.append(Topic::Fixes, 10, 10, BOUNDS);
        assert_eq!(ledger.trim(20, BOUNDS), []);
        assert_eq!(ledger.trim(1_081, BOUNDS), [Trimmed { topic: Topic::Fixes, below: 2 }]);
        assert_eq!((ledger.bytes(), ledger.append(Topic::Fixes, 1, 1_082, BOUNDS)), (0, 2));
    }

    #[test]
    fn relief_takes_what_groups_are_done_with_and_no_last_segment() {
        let mut ledger = Ledger::default();
        for _ in 0..8 {
            ledger.append(Topic::Errors, 100, 0, BOUNDS);
            ledger.append(Topic::DeadLetters, 100, 0, BOUNDS);
        }
        assert_eq!(ledger.relieve(), [], "nobody has read it");
        ledger.commit(Topic::Errors, "slow", 2);
        ledger.commit(Topic::Errors, "quick", 8);
        assert_eq!(ledger.relieve(), [Trimmed { topic: Topic::Errors, below: 2 }]);
        ledger.commit(Topic::Errors, "slow", 8);
        assert_eq!(ledger.relieve(), [Trimmed { topic: Topic::Errors, below: 7 }]);
        assert_eq!((ledger.relieve(), ledger.bytes()), (Vec::new(), 900));
    }

    proptest! {
        /// Segments are a gapless row up to the end; nothing that somebody still needs is ever deleted;
        /// what everybody is done with does not stay above the bounds.
        #[test]
        fn the_books_balance(steps in prop::collection::vec((0..4_u8, 0..3_usize, 0..500_u64), 1..200)) {
            let (mut ledger, mut sizes, mut now) = (Ledger::default(), BTreeMap::<Topic, Vec<u64>>::new(), 0);
            for (step, which, number) in steps {
                let topic = Topic::ALL[which];
                match step {
                    0 | 1 => {
                        let offset = ledger.append(topic, number, now, BOUNDS);
                        let of_topic = sizes.entry(topic).or_default();
                        prop_assert_eq!(offset, of_topic.len() as u64);
                        of_topic.push(number);
                    }
                    2 => ledger.commit(topic, if number % 2 == 0 { "a" } else { "b" }, number / 4),
                    _ => {
                        now += number / 10;
                        ledger.trim(now, BOUNDS);
                        prop_assert!(
                            !BOUNDS.are_full(ledger.bytes()) || ledger.logs().all(|(_, log)| log.spare().is_none())
                        );
                    }
                }
                for (topic, log) in ledger.logs() {
                    let mut at = log.head();
                    for segment in &log.segments {
                        prop_assert!(segment.first == at && segment.next > at);
                        at = segment.next;
                        let range = usize::try_from(segment.first).unwrap()..usize::try_from(at).unwrap();
                        prop_assert_eq!(sizes[&topic][range].iter().sum::<u64>(), segment.bytes);
                    }
                    prop_assert_eq!(at, log.end);
                    // A group that joins late may start behind what was deleted before it came.
                    prop_assert!(log.groups.values().all(|next| *next <= log.end));
                }
            }
        }
    }
}
