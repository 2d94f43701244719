//! Occurrences one by one → the first at once, the further ones counted.
//!
//! The first occurrence of a failure is passed on as it comes; further ones in the same file are merged
//! for a while into one value with their count. What comes out is of the same kind as what went in, and
//! **every occurrence is counted by exactly one value that comes out**.
//!
//! **Ranges.** A merged value claims the range of its file from the start of its first occurrence to the
//! end of its last: whoever reads the file again knows by [`covers`] what was counted. So nothing else
//! may be counted that starts within, though the two streams of a container may end their failures out
//! of order. Therefore a value is merged in the order of starts only, what comes late goes out alone,
//! and a merged value waits until its source says that nothing before its end is still to come
//! ([`StreamAnalyzer::settled_offset`](super::StreamAnalyzer::settled_offset)).
//!
//! Pure: the clock is an argument, and one that jumps back is taken as standing still. Nothing is kept
//! across a restart: what has come out is the caller's to keep.

use std::collections::{BTreeSet, HashMap};
use std::num::NonZeroU64;
use std::time::Duration;

use jiff::Timestamp;

use crate::domain::{FileId, Fingerprint, Occurrences};

/// Limits of an [`Aggregator`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    /// How long further occurrences are counted before their count goes out.
    pub interval: Duration,
    /// After so long a silence an occurrence is a first one again.
    pub silence: Duration,
    /// Most failures remembered, and most counts kept, at once. Beyond, the failure unseen for longest
    /// is forgotten, and what finds no room goes out alone.
    pub room: usize,
}

impl Default for Pace {
    fn default() -> Self {
        Self { interval: Duration::from_secs(1), silence: Duration::from_secs(300), room: 10_000 }
    }
}

/// Merges occurrences.
#[derive(Debug)]
pub struct Aggregator {
    pace: Pace,
    now: Timestamp,
    /// When a failure was last seen, and the same in order of time.
    seen: HashMap<Fingerprint, Timestamp>,
    order: BTreeSet<(Timestamp, Fingerprint)>,
    counts: HashMap<(FileId, Fingerprint), Count>,
    /// The furthest start in every file of an occurrence that went out alone: no range may begin before.
    alone: HashMap<FileId, u64>,
}

/// Occurrences that are being counted.
#[derive(Debug)]
struct Count {
    merged: Occurrences,
    until: Timestamp,
}

impl Aggregator {
    /// An aggregator that has seen nothing.
    #[must_use]
    pub fn new(pace: Pace) -> Self {
        Self {
            pace,
            now: Timestamp::MIN,
            seen: HashMap::new(),
            order: BTreeSet::new(),
            counts: HashMap::new(),
            alone: HashMap::new(),
        }
    }

    /// Takes an occurrence. It comes back if it is to go out at once, alone; otherwise it was counted.
    #[must_use = "what comes back is counted nowhere else"]
    pub fn observe(&mut self, occurrence: Occurrences, now: Timestamp) -> Option<Occurrences> {
        self.now = self.now.max(now);
        let (fingerprint, file, start) = (occurrence.fingerprint(), occurrence.id.file, occurrence.id.start);
        let countable = !self.is_first(fingerprint)
            && self.counts.len() < self.pace.room
            && self.alone.get(&file).is_none_or(|furthest| start > *furthest);
        match self.counts.get_mut(&(file, fingerprint)) {
            Some(count) if start >= count.merged.id.start => {
                merge(&mut count.merged, &occurrence);
                return None;
            }
            None if countable => {
                let until = later(self.now, self.pace.interval);
                self.counts.insert((file, fingerprint), Count { merged: occurrence, until });
                return None;
            }
            _ => {}
        }
        let furthest = self.alone.entry(file).or_default();
        *furthest = start.max(*furthest);
        Some(occurrence)
    }

    /// The counts whose time is over. `settled` tells of a file before which offset nothing will come
    /// any more; a count that ends behind it waits.
    #[must_use = "what comes out is counted nowhere else"]
    pub fn due(&mut self, now: Timestamp, settled: impl Fn(FileId) -> u64) -> Vec<Occurrences> {
        self.now = self.now.max(now);
        let now = self.now;
        self.take(|file, count| count.until <= now && settled(file) >= count.merged.span.end)
    }

    /// All counts, whatever their time: no further occurrence will be taken.
    #[must_use = "what comes out is counted nowhere else"]
    pub fn drain(&mut self) -> Vec<Occurrences> {
        self.take(|_, _| true)
    }

    /// When the next count's time is over.
    #[must_use]
    pub fn next_due(&self) -> Option<Timestamp> {
        self.counts.values().map(|count| count.until).min()
    }

    /// A file of which nothing will come any more: what was counted of it.
    #[must_use = "what comes out is counted nowhere else"]
    pub fn forget(&mut self, file: FileId) -> Vec<Occurrences> {
        self.alone.remove(&file);
        self.take(|of, _| of == file)
    }

    /// The lowest start of an occurrence that is counted here and has not come out.
    #[must_use]
    pub fn held_from(&self, file: FileId) -> Option<u64> {
        self.counts.iter().filter(|((of, _), _)| *of == file).map(|(_, count)| count.merged.id.start).min()
    }

    fn take(&mut self, which: impl Fn(FileId, &Count) -> bool) -> Vec<Occurrences> {
        let taken = self.counts.extract_if(|(file, _), count| which(*file, count));
        let mut taken: Vec<_> = taken.map(|(_, count)| count.merged).collect();
        taken.sort_by_key(|merged| (merged.id.file, merged.id.start));
        taken
    }

    /// Whether a failure is seen for the first time, or the first time for long. It is seen now.
    fn is_first(&mut self, fingerprint: Fingerprint) -> bool {
        let before = self.seen.insert(fingerprint, self.now);
        if let Some(before) = before {
            self.order.remove(&(before, fingerprint));
        }
        self.order.insert((self.now, fingerprint));
        while self.order.len() > self.pace.room
            && let Some((_, oldest)) = self.order.pop_first()
        {
            self.seen.remove(&oldest);
        }
        before.is_none_or(|before| later(before, self.pace.silence) <= self.now)
    }
}

/// Whether an occurrence is among those that a value counts.
#[must_use]
pub fn covers(counted: &Occurrences, file: FileId, fingerprint: Fingerprint, start: u64) -> bool {
    let alone = counted.count == NonZeroU64::MIN;
    let within = counted.span.start <= start && start < counted.span.end;
    counted.id.file == file
        && counted.fingerprint() == fingerprint
        && (counted.id.start == start || (within && !alone))
}

/// The time so much later, or the end of all time.
fn later(time: Timestamp, by: Duration) -> Timestamp {
    time.checked_add(by).unwrap_or(Timestamp::MAX)
}

fn merge(merged: &mut Occurrences, more: &Occurrences) {
    merged.count = merged.count.saturating_add(more.count.get());
    merged.span = merged.span.cover(more.span);
    merged.first_seen = merged.first_seen.min(more.first_seen);
    merged.last_seen = merged.last_seen.max(more.last_seen);
}

#[cfg(test)]
mod tests {
    use std::sync::LazyLock;

    use proptest::prelude::*;

    use super::*;
    use crate::analyzer::{Analyzer, Config};
    use crate::domain::{ErrorEvent, EventId, ProducerId, Span};

    fn event(message: &str) -> ErrorEvent {
        let mut events = Vec::new();
        let mut stream = Analyzer::new(&Config::default()).unwrap().stream();
        stream.push(format!("level=error msg=\"{message}\"\n").as_bytes(), &mut |event| events.push(event));
        stream.finish(&mut |event| events.push(event));
        events.remove(0)
    }

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_700_000_000 + seconds).unwrap()
    }

    fn occurrence(event: &ErrorEvent, file: u8, start: u64, now: Timestamp) -> Occurrences {
        let id = EventId {
            producer: ProducerId::from_bytes([9; 16]),
            file: FileId::from_bytes([file; 16]),
            start,
        };
        Occurrences {
            id,
            service: String::new(),
            count: NonZeroU64::MIN,
            span: Span { start, end: start + 10 },
            first_seen: now,
            last_seen: now,
            event: event.clone(),
            context: Vec::new(),
        }
    }

    const PACE: Pace = Pace { interval: Duration::from_secs(1), silence: Duration::from_secs(60), room: 100 };

    #[test]
    fn the_first_goes_out_at_once_and_a_storm_as_one() {
        let (boom, other) = (event("boom"), event("other"));
        let mut aggregator = Aggregator::new(PACE);
        assert!(aggregator.observe(occurrence(&boom, 1, 0, at(0)), at(0)).is_some());
        assert!(aggregator.observe(occurrence(&other, 1, 20, at(0)), at(0)).is_some());
        for index in 1..=1000 {
            assert!(aggregator.observe(occurrence(&boom, 1, index * 100, at(0)), at(0)).is_none());
        }
        assert_eq!(aggregator.held_from(FileId::from_bytes([1; 16])), Some(100));
        assert_eq!(aggregator.due(at(0), |_| u64::MAX), []);
        assert_eq!(aggregator.due(at(1), |_| 100_009), [], "its last line may not be settled");
        let out = aggregator.due(at(1), |_| 100_010);
        assert_eq!(out.len(), 1);
        assert_eq!((out[0].count.get(), out[0].span), (1000, Span { start: 100, end: 100_010 }));
        assert!(covers(&out[0], out[0].id.file, boom.keys.site, 700));
        assert!(!covers(&out[0], out[0].id.file, boom.keys.site, 0));
        assert!(!covers(&out[0], out[0].id.file, other.keys.site, 700));
        assert!(!covers(&out[0], FileId::from_bytes([2; 16]), boom.keys.site, 700));
        assert_eq!(aggregator.drain(), []);
    }

    #[test]
    fn after_a_long_silence_it_is_a_first_one_again() {
        let boom = event("boom");
        let mut aggregator = Aggregator::new(PACE);
        assert!(aggregator.observe(occurrence(&boom, 1, 0, at(0)), at(0)).is_some());
        assert!(aggregator.observe(occurrence(&boom, 1, 20, at(59)), at(59)).is_none());
        assert!(aggregator.observe(occurrence(&boom, 1, 40, at(0)), at(0)).is_none(), "the clock jumped");
        assert_eq!(aggregator.next_due(), Some(at(60)));
        assert_eq!(aggregator.due(at(60), |_| u64::MAX).len(), 1);
        assert!(aggregator.observe(occurrence(&boom, 1, 60, at(119)), at(119)).is_some());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(500))]

        /// Occurrences of a few failures in two files, a little out of order, at any times.
        #[test]
        fn every_occurrence_is_counted_once_and_no_range_claims_anothers(
            steps in prop::collection::vec((0usize..4, 1u8..3, 0u64..4, 0i64..3, any::<bool>()), 0..120),
            room in prop::sample::select(vec![1usize, 2, 100]),
        ) {
            static EVENTS: LazyLock<[ErrorEvent; 4]> =
                LazyLock::new(|| ["one", "two", "three", "four"].map(event));
            let mut aggregator = Aggregator::new(Pace { silence: Duration::from_secs(5), room, ..PACE });
            let (mut now, mut out, mut all) = (0, Vec::new(), Vec::new());
            let mut next = [0u64; 2];
            // As much of a file's end may still come out of order.
            const LATE: u64 = 30;
            for (which, file, late, seconds, due) in steps {
                now += seconds;
                let place = &mut next[usize::from(file) - 1];
                *place += 8;
                let start = (LATE + *place * 4).saturating_sub(late * 9);
                if all.contains(&(file, start)) {
                    continue;
                }
                all.push((file, start));
                out.extend(aggregator.observe(occurrence(&EVENTS[which], file, start, at(now)), at(now)));
                if due {
                    let next = next;
                    let settled = |file: FileId| (next[usize::from(file.as_bytes()[0]) - 1] + 8) * 4;
                    out.extend(aggregator.due(at(now), settled));
                }
            }
            let merged = out.len();
            out.extend(aggregator.drain());
            prop_assert_eq!(out.iter().map(|out| out.count.get()).sum::<u64>(), all.len() as u64);
            for (index, counted) in out.iter().enumerate() {
                let file = counted.id.file;
                let owned = all.iter().filter(|(of, start)| {
                    *of == file.as_bytes()[0] && covers(counted, file, counted.fingerprint(), *start)
                });
                prop_assert!(owned.count() as u64 >= counted.count.get(), "{} of {}", index, merged);
                for other in out.iter().filter(|other| other.id != counted.id) {
                    prop_assert!(!covers(counted, other.id.file, other.fingerprint(), other.id.start));
                }
            }
        }
    }
}
