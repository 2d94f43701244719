//! Which dead letters were put back: marks in the topic of dead letters itself.
//!
//! A mark stands in the partition of the letters that it speaks of, behind them, and is written together with what
//! was put back: both are there or neither. Retention deletes from the front, so no mark goes before its letters.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use jiff::Timestamp;

use crate::bus::{Delivery, Message, Topic};

/// The header that makes a message a mark: offsets and stretches of them, as in `3,7-9`.
const REPLAYED: &str = "dlq_replayed";
const MARK_TYPE: &str = "hephaestus.dlq-replay.v1";
/// The most stretches that are kept in memory. Putting all letters back makes one of them.
pub(super) const MOST_STRETCHES: usize = 100_000;

/// A mark for these offsets of a partition.
pub(super) fn mark(partition: i32, offsets: &Offsets, now: Timestamp) -> Message {
    let stretch = |(first, last): (u64, u64)| {
        if first == last { first.to_string() } else { format!("{first}-{last}") }
    };
    let stretches = offsets.stretches().map(stretch).collect::<Vec<_>>().join(",");
    let header = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    Message {
        topic: Topic::DeadLetters,
        id: format!("replay/{partition}/{}", now.as_microsecond()),
        key: format!("replay/{partition}"),
        headers: vec![
            header("content-type", "application/json"),
            header("ce_type", MARK_TYPE),
            header(REPLAYED, &stretches),
        ],
        body: b"{}".to_vec(),
        time: now,
    }
}

/// What a mark speaks of; none where the message is none. A mark never speaks of what comes behind it.
pub(super) fn marked(delivery: &Delivery) -> Option<Vec<RangeInclusive<u64>>> {
    let header = |name: &str| delivery.message.headers.iter().find(|(header, _)| header == name);
    let (_, value) = header(REPLAYED)?;
    // A dead letter keeps the headers that it had, whoever wrote them.
    if header("dlq_topic").is_some() {
        return None;
    }
    let stretch = |text: &str| {
        let (first, last) = text.split_once('-').unwrap_or((text, text));
        let (first, last) = (first.parse().ok()?, last.parse::<u64>().ok()?);
        let last = last.min(delivery.offset.checked_sub(1)?);
        (first <= last).then_some(first..=last)
    };
    Some(value.split(',').filter_map(stretch).collect())
}

/// A set of offsets, in little memory where they lie together.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Offsets {
    /// The last of each stretch, by its first. Between two there is a gap.
    stretches: BTreeMap<u64, u64>,
}

impl Offsets {
    pub(super) fn insert(&mut self, range: RangeInclusive<u64>) {
        let (mut first, mut last) = range.into_inner();
        while let Some((&start, &end)) = self.stretches.range(..=last.saturating_add(1)).next_back() {
            if end.saturating_add(1) < first {
                break;
            }
            self.stretches.remove(&start);
            (first, last) = (first.min(start), last.max(end));
        }
        self.stretches.insert(first, last);
    }

    pub(super) fn contains(&self, offset: u64) -> bool {
        self.stretches.range(..=offset).next_back().is_some_and(|(_, last)| offset <= *last)
    }

    /// How many stretches there are.
    pub(super) fn len(&self) -> usize {
        self.stretches.len()
    }

    fn stretches(&self) -> impl Iterator<Item = (u64, u64)> {
        self.stretches.iter().map(|(first, last)| (*first, *last))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    fn delivery(offset: u64, message: Message) -> Delivery {
        Delivery { partition: 1, offset, message }
    }

    #[test]
    fn what_is_no_mark_or_speaks_of_what_is_to_come_says_nothing() {
        let mut offsets = Offsets::default();
        [3..=3, 7..=9].into_iter().for_each(|range| offsets.insert(range));
        let mut mark = mark(1, &offsets, Timestamp::UNIX_EPOCH);
        assert_eq!(marked(&delivery(12, mark.clone())), Some(vec![3..=3, 7..=9]));
        assert_eq!(marked(&delivery(8, mark.clone())), Some(vec![3..=3, 7..=7]));
        assert_eq!(marked(&delivery(0, mark.clone())), Some(vec![]));
        for value in ["", "x", "9-7", "-", "1-99999999999999999999", "7-"] {
            mark.headers[2].1 = value.to_owned();
            assert_eq!(marked(&delivery(12, mark.clone())), Some(vec![]), "{value}");
        }
        let letter = delivery(7, mark.clone()).into_dead_letter("not JSON", Timestamp::UNIX_EPOCH);
        assert_eq!(marked(&delivery(12, letter)), None, "a message that was set aside");
        mark.headers.pop();
        assert_eq!(marked(&delivery(12, mark)), None);
    }

    proptest! {
        #[test]
        fn offsets_are_a_set(ranges in prop::collection::vec((0_u64..60, 0_u64..8), 0..20)) {
            let (mut offsets, mut model) = (Offsets::default(), BTreeSet::new());
            for (first, length) in ranges {
                offsets.insert(first..=first + length);
                model.extend(first..=first + length);
            }
            for offset in 0..80 {
                prop_assert_eq!(offsets.contains(offset), model.contains(&offset), "{}", offset);
            }
            let gaps = offsets.stretches().zip(offsets.stretches().skip(1)).all(|((_, end), (start, _))| end + 1 < start);
            prop_assert!(gaps);
        }
    }
}
