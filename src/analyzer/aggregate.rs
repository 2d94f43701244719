//! Occurrences one by one → the first at once, the further ones counted.
//!
//! The first occurrence of a failure is passed on as it comes; further ones in the same file are merged
//! for a while into one value with their count. What comes out is of the same kind as what went in, and
//! **every occurrence is counted by exactly one value that comes out**.
//!
//! **Ranges.** A merged value claims the range of its file from the start of its first occurrence to the
//! end of its last: whoever reads the file again knows by its [claim](Occurrences::claim) what was counted. So no occurrence
//! of the same failure may go out alone from within, though the two streams of a container may end their
//! failures out of order. Therefore
//!
//! - a value is merged in the order of starts only, and what comes late goes out alone;
//! - no range begins before an occurrence that went out alone, and one that goes out alone within a range
//!   is excepted from it. One that was given before its end was certain is excepted from the ranges of all
//!   failures of its file: read again, it may be another;
//! - a merged value waits until its source says that nothing before its end is still to come
//!   ([`StreamAnalyzer::settled_offset`](super::StreamAnalyzer::settled_offset)), and what is doubtful is
//!   excepted; should it come after all, it goes out alone.
//!
//! **Beginning again.** Which occurrences go out alone depends on what is remembered here, and that does
//! not survive. One that went out alone must never be counted by a value too, so whoever begins again
//! tells with [`Aggregator::resume`] up to where that may have happened: all of it goes out alone again.
//!
//! Pure: the clock is an argument.

use std::collections::{BTreeSet, HashMap};
use std::time::{Duration, Instant};

use crate::domain::{EventId, FileId, Fingerprint, Occurrences, Span};

/// With so many exceptions a range goes on no more.
const MAX_EXCEPTIONS: usize = 64;

/// What is still to come of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outlook {
    /// Nothing that starts before this offset will come any more,
    pub settled: u64,
    /// but for what may start here.
    pub doubtful: Vec<u64>,
}

/// Limits of an [`Aggregator`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    /// How long further occurrences are counted before their count goes out.
    pub interval: Duration,
    /// After so long a silence an occurrence is a first one again.
    pub silence: Duration,
    /// Most failures remembered at once. Beyond, the one unseen for longest is forgotten.
    pub room: usize,
    /// Most bytes of counts kept at once, about. What finds no room goes out alone.
    pub room_bytes: usize,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            interval: Duration::from_secs(1),
            silence: Duration::from_secs(300),
            room: 10_000,
            room_bytes: 2 << 20,
        }
    }
}

/// Merges occurrences.
#[derive(Debug)]
pub struct Aggregator {
    pace: Pace,
    /// When a failure was last seen, and the same in order of time.
    seen: HashMap<Fingerprint, Instant>,
    order: BTreeSet<(Instant, Fingerprint)>,
    counts: HashMap<(FileId, Fingerprint), Count>,
    /// What `counts` take, in bytes.
    held_bytes: usize,
    /// Where in every file the next range may begin: behind all that went out alone.
    ranges_from: HashMap<FileId, u64>,
}

/// Occurrences that are being counted.
#[derive(Debug)]
struct Count {
    merged: Occurrences,
    until: Instant,
}

impl Count {
    /// Whether an occurrence can be counted here.
    fn takes(&self, start: u64) -> bool {
        let Occurrences { id, except, .. } = &self.merged;
        start >= id.start && except.len() < MAX_EXCEPTIONS && !except.contains(&start)
    }

    /// An occurrence that starts here is not counted here.
    fn except(&mut self, start: u64) {
        let Occurrences { id, except, .. } = &mut self.merged;
        if start >= id.start && !except.contains(&start) {
            except.push(start);
        }
    }
}

impl Aggregator {
    /// An aggregator that has seen nothing.
    #[must_use]
    pub fn new(pace: Pace) -> Self {
        Self {
            pace,
            seen: HashMap::new(),
            order: BTreeSet::new(),
            counts: HashMap::new(),
            held_bytes: 0,
            ranges_from: HashMap::new(),
        }
    }

    /// A file is read again from somewhere on: what starts before `offset` goes out alone.
    pub fn resume(&mut self, file: FileId, offset: u64) {
        let from = self.ranges_from.entry(file).or_default();
        *from = offset.max(*from);
    }

    /// Takes an occurrence. It comes back if it is to go out at once, alone; otherwise it was counted.
    #[must_use = "what comes back is counted nowhere else"]
    pub fn observe(&mut self, occurrence: Occurrences, now: Instant) -> Option<Occurrences> {
        let (fingerprint, file, start) = (occurrence.fingerprint(), occurrence.id.file, occurrence.id.start);
        let bytes = occurrence.held_bytes();
        let countable = !self.is_first(fingerprint, now)
            && self.held_bytes + bytes <= self.pace.room_bytes
            && self.ranges_from.get(&file).is_none_or(|from| start >= *from);
        match self.counts.get_mut(&(file, fingerprint)) {
            Some(count) if count.takes(start) => {
                merge(&mut count.merged, &occurrence);
                return None;
            }
            None if countable => {
                let count = Count { merged: occurrence, until: now + self.pace.interval };
                self.counts.insert((file, fingerprint), count);
                self.held_bytes += bytes;
                return None;
            }
            _ => {}
        }
        self.resume(file, start.saturating_add(1));
        if let Some(count) = self.counts.get_mut(&(file, fingerprint)) {
            count.except(start);
        }
        Some(occurrence)
    }

    /// Sees an occurrence that goes out alone whatever was seen before, and that may be one of another failure
    /// when it is read again.
    pub fn pass(&mut self, occurrence: &Occurrences, now: Instant) {
        let EventId { file, start, .. } = occurrence.id;
        self.is_first(occurrence.fingerprint(), now);
        self.resume(file, start.saturating_add(1));
        let counts = self.counts.iter_mut().filter(|((of, _), _)| *of == file);
        counts.for_each(|(_, count)| count.except(start));
    }

    /// The counts whose time is over. `outlook` tells what is still to come of a file; a count that ends
    /// behind what is settled waits.
    #[must_use = "what comes out is counted nowhere else"]
    pub fn due(&mut self, now: Instant, outlook: impl Fn(FileId) -> Outlook) -> Vec<Occurrences> {
        self.take_settled(|count| count.until <= now, outlook)
    }

    /// All counts that need not wait for their source, whatever their time. The others stay: who ends now
    /// has to read them again.
    #[must_use = "what comes out is counted nowhere else"]
    pub fn drain(&mut self, outlook: impl Fn(FileId) -> Outlook) -> Vec<Occurrences> {
        self.take_settled(|_| true, outlook)
    }

    fn take_settled(
        &mut self,
        which: impl Fn(&Count) -> bool,
        outlook: impl Fn(FileId) -> Outlook,
    ) -> Vec<Occurrences> {
        self.take(|file, count| {
            if !which(count) {
                return false;
            }
            let Outlook { settled, doubtful } = outlook(file);
            let Span { start, end } = count.merged.span;
            let within = doubtful.into_iter().filter(|doubtful| (start..end).contains(doubtful));
            let is_out = settled >= end && within.clone().count() <= MAX_EXCEPTIONS;
            if is_out {
                within.for_each(|doubtful| count.except(doubtful));
            }
            is_out
        })
    }

    /// When the next count's time is over.
    #[must_use]
    pub fn next_due(&self) -> Option<Instant> {
        self.counts.values().map(|count| count.until).min()
    }

    /// A file of which nothing will come any more: what was counted of it.
    #[must_use = "what comes out is counted nowhere else"]
    pub fn forget(&mut self, file: FileId) -> Vec<Occurrences> {
        let counted = self.take(|of, _| of == file);
        self.ranges_from.remove(&file);
        counted
    }

    /// The lowest start of an occurrence that is counted here and has not come out.
    #[must_use]
    pub fn held_from(&self, file: FileId) -> Option<u64> {
        self.counts.iter().filter(|((of, _), _)| *of == file).map(|(_, count)| count.merged.id.start).min()
    }

    fn take(&mut self, which: impl Fn(FileId, &mut Count) -> bool) -> Vec<Occurrences> {
        let taken = self.counts.extract_if(|(file, _), count| which(*file, count));
        let mut taken: Vec<_> = taken.map(|(_, count)| count.merged).collect();
        self.held_bytes -= taken.iter().map(Occurrences::held_bytes).sum::<usize>();
        taken.sort_by_key(|merged| (merged.id.file, merged.id.start));
        // What comes after all from within a range must not begin another one.
        for merged in &taken {
            self.resume(merged.id.file, merged.span.end);
        }
        taken
    }

    /// Whether a failure would be seen for the first time, or the first time for long.
    #[must_use]
    pub fn is_new(&self, fingerprint: Fingerprint, now: Instant) -> bool {
        let before = self.seen.get(&fingerprint);
        before.is_none_or(|before| now.saturating_duration_since(*before) >= self.pace.silence)
    }

    /// Whether a failure is seen for the first time, or the first time for long. It is seen now.
    fn is_first(&mut self, fingerprint: Fingerprint, now: Instant) -> bool {
        let is_new = self.is_new(fingerprint, now);
        let before = self.seen.insert(fingerprint, now);
        if let Some(before) = before {
            self.order.remove(&(before, fingerprint));
        }
        self.order.insert((now, fingerprint));
        while self.order.len() > self.pace.room
            && let Some((_, oldest)) = self.order.pop_first()
        {
            self.seen.remove(&oldest);
        }
        is_new
    }
}

fn merge(merged: &mut Occurrences, more: &Occurrences) {
    merged.count = merged.count.saturating_add(more.count.get());
    merged.span = merged.span.cover(more.span);
    merged.first_seen = merged.first_seen.min(more.first_seen);
    merged.last_seen = merged.last_seen.max(more.last_seen);
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU64;
    use std::sync::LazyLock;

    use jiff::Timestamp;
    use proptest::prelude::*;

    use super::*;
    use crate::analyzer::{Analyzer, Config};
    use crate::domain::{ErrorEvent, ProducerId};

    fn event(message: &str) -> ErrorEvent {
        let mut events = Vec::new();
        let mut stream = Analyzer::new(&Config::default()).unwrap().stream();
        stream.push(format!("level=error msg=\"{message}\"\n").as_bytes(), &mut |event| events.push(event));
        stream.finish(&mut |event| events.push(event));
        events.remove(0)
    }

    static START: LazyLock<Instant> = LazyLock::new(Instant::now);

    fn at(seconds: u64) -> Instant {
        *START + Duration::from_secs(seconds)
    }

    fn file(number: u8) -> FileId {
        FileId::from_bytes([number; 16])
    }

    fn occurrence(event: &ErrorEvent, of: u8, start: u64) -> Occurrences {
        Occurrences {
            id: EventId { producer: ProducerId::from_bytes([9; 16]), file: file(of), start },
            service: String::new(),
            pod: None,
            count: NonZeroU64::MIN,
            span: Span { start, end: start + 10 },
            except: Vec::new(),
            first_seen: Timestamp::UNIX_EPOCH,
            last_seen: Timestamp::UNIX_EPOCH,
            event: event.clone(),
            context: Vec::new(),
        }
    }

    fn settled(offset: u64) -> impl Fn(FileId) -> Outlook {
        move |_| Outlook { settled: offset, doubtful: Vec::new() }
    }

    const PACE: Pace = Pace {
        interval: Duration::from_secs(1),
        silence: Duration::from_secs(60),
        room: 100,
        room_bytes: 1 << 20,
    };

    #[test]
    fn the_first_goes_out_at_once_and_a_storm_as_one() {
        let (boom, other) = (event("boom"), event("other"));
        let mut aggregator = Aggregator::new(PACE);
        assert!(aggregator.observe(occurrence(&boom, 1, 0), at(0)).is_some());
        assert!(aggregator.observe(occurrence(&other, 1, 20), at(0)).is_some());
        for index in 1..=1000 {
            assert!(aggregator.observe(occurrence(&boom, 1, index * 100), at(0)).is_none());
        }
        assert_eq!(aggregator.held_from(file(1)), Some(100));
        assert_eq!(aggregator.due(at(0), settled(u64::MAX)), []);
        assert_eq!(aggregator.due(at(1), settled(100_009)), [], "its last line may not be settled");
        let out = aggregator.due(at(1), settled(100_010));
        assert_eq!(out.len(), 1);
        assert_eq!((out[0].count.get(), out[0].span), (1000, Span { start: 100, end: 100_010 }));
        let claim = out[0].claim();
        assert!(claim.covers(file(1), boom.keys.site, 700));
        assert!(!claim.covers(file(1), boom.keys.site, 0));
        assert!(!claim.covers(file(1), other.keys.site, 700));
        assert!(!claim.covers(file(2), boom.keys.site, 700));
        assert_eq!(aggregator.drain(settled(u64::MAX)), []);
    }

    #[test]
    fn after_a_long_silence_it_is_a_first_one_again() {
        let boom = event("boom");
        let mut aggregator = Aggregator::new(PACE);
        assert!(aggregator.observe(occurrence(&boom, 1, 0), at(0)).is_some());
        assert!(aggregator.observe(occurrence(&boom, 1, 20), at(59)).is_none());
        assert!(aggregator.observe(occurrence(&boom, 1, 40), at(59)).is_none());
        assert_eq!(aggregator.next_due(), Some(at(60)));
        assert_eq!(aggregator.due(at(60), settled(u64::MAX)).len(), 1);
        assert!(aggregator.observe(occurrence(&boom, 1, 60), at(119)).is_some());
    }

    #[test]
    fn what_may_have_gone_out_alone_goes_out_alone_again() {
        let boom = event("boom");
        let mut aggregator = Aggregator::new(PACE);
        aggregator.resume(file(1), 41);
        for start in [0, 20, 40] {
            assert!(aggregator.observe(occurrence(&boom, 1, start), at(0)).is_some());
        }
        assert!(aggregator.observe(occurrence(&boom, 1, 60), at(0)).is_none());
    }

    #[test]
    fn what_went_out_alone_is_excepted_from_the_range_it_stands_in() {
        let (boom, other) = (event("boom"), event("other"));
        let mut aggregator = Aggregator::new(PACE);
        assert!(aggregator.observe(occurrence(&boom, 1, 0), at(0)).is_some());
        assert!(aggregator.observe(occurrence(&boom, 1, 20), at(0)).is_none());
        // Read again, it may be one of the same failure.
        aggregator.pass(&occurrence(&other, 1, 40), at(0));
        assert!(aggregator.observe(occurrence(&boom, 1, 60), at(0)).is_none());
        let out = aggregator.drain(settled(u64::MAX));
        assert_eq!((out.len(), out[0].count.get(), out[0].except.as_slice()), (1, 2, &[40][..]));
        let claim = out[0].claim();
        assert!(claim.covers(file(1), boom.keys.site, 60) && !claim.covers(file(1), boom.keys.site, 40));
    }

    #[test]
    fn what_is_not_settled_stays_when_all_the_rest_goes_out() {
        let boom = event("boom");
        let mut aggregator = Aggregator::new(PACE);
        for (of, start) in [(1, 0), (1, 20), (2, 0)] {
            drop(aggregator.observe(occurrence(&boom, of, start), at(0)));
        }
        let outlook = |of| settled(if of == file(1) { 29 } else { 10 })(of);
        assert_eq!(aggregator.drain(outlook), [occurrence(&boom, 2, 0)]);
        assert_eq!(aggregator.held_from(file(1)), Some(20));
    }

    #[test]
    fn what_is_doubtful_holds_nothing_up_and_goes_out_alone_if_it_comes() {
        let boom = event("boom");
        let mut aggregator = Aggregator::new(PACE);
        for start in [0, 20, 60] {
            drop(aggregator.observe(occurrence(&boom, 1, start), at(0)));
        }
        let out = aggregator.drain(|_| Outlook { settled: 80, doubtful: vec![10, 40] });
        assert_eq!((out[0].count.get(), out[0].except.as_slice()), (2, &[40][..]));
        assert!(aggregator.observe(occurrence(&boom, 1, 40), at(0)).is_some());
        assert!(aggregator.observe(occurrence(&boom, 1, 80), at(0)).is_none());
    }

    #[test]
    fn counts_have_a_bound_in_bytes() {
        let events: Vec<_> = (0..50).map(|number| event(&format!("kind {}", "x".repeat(number)))).collect();
        let room_bytes = 10 * occurrence(&events[49], 1, 0).held_bytes();
        let mut aggregator = Aggregator::new(Pace { room_bytes, ..PACE });
        let mut alone = 0;
        for (start, event) in events.iter().chain(&events).enumerate() {
            alone +=
                usize::from(aggregator.observe(occurrence(event, 1, start as u64 * 20), at(0)).is_some());
        }
        let counted = aggregator.drain(settled(u64::MAX));
        assert!((1..=15).contains(&counted.len()), "{}", counted.len());
        assert_eq!(alone + counted.iter().map(|counted| counted.count.get() as usize).sum::<usize>(), 100);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(500))]

        /// Occurrences of a few failures in two files, a little out of order, at any times; some go out alone
        /// whatever was seen before, and some come long after what stands behind them.
        #[test]
        fn every_occurrence_is_counted_once_and_no_range_claims_anothers(
            steps in prop::collection::vec(
                (0usize..4, 1u8..3, 0u64..4, 0u64..3, any::<bool>(), 0u8..8), 0..120),
            room in prop::sample::select(vec![1usize, 2, 100]),
            room_bytes in prop::sample::select(vec![0usize, 3_000, 1 << 20]),
        ) {
            static EVENTS: LazyLock<[ErrorEvent; 4]> =
                LazyLock::new(|| ["one", "two", "three", "four"].map(event));
            let silence = Duration::from_secs(5);
            let mut aggregator = Aggregator::new(Pace { silence, room, room_bytes, ..PACE });
            let (mut now, mut out, mut all) = (0, Vec::new(), Vec::new());
            let mut open: Vec<Occurrences> = Vec::new();
            let mut next = [0u64; 2];
            // As much of a file's end may still come out of order.
            const LATE: u64 = 30;
            for (which, of, late, seconds, due, fate) in steps {
                now += seconds;
                let place = &mut next[usize::from(of) - 1];
                *place += 8;
                let start = (LATE + *place * 4).saturating_sub(late * 9);
                if all.contains(&(of, start)) {
                    continue;
                }
                all.push((of, start));
                let occurrence = occurrence(&EVENTS[which], of, start);
                match fate {
                    0 => {
                        aggregator.pass(&occurrence, at(now));
                        out.push(occurrence);
                    }
                    1 => open.push(occurrence),
                    _ => out.extend(aggregator.observe(occurrence, at(now))),
                }
                if fate == 2 && let Some(come) = open.pop() {
                    out.extend(aggregator.observe(come, at(now)));
                }
                if due {
                    out.extend(aggregator.due(at(now), |file: FileId| {
                        let of = file.as_bytes()[0];
                        let mine = open.iter().filter(|open| open.id.file == file);
                        let doubtful = mine.map(|open| open.id.start).collect();
                        Outlook { settled: (next[usize::from(of) - 1] + 8) * 4, doubtful }
                    }));
                }
            }
            for come in open {
                out.extend(aggregator.observe(come, at(now)));
            }
            out.extend(aggregator.drain(settled(u64::MAX)));
            prop_assert_eq!(out.iter().map(|out| out.count.get()).sum::<u64>(), all.len() as u64);
            for counted in &out {
                let claim = counted.claim();
                let owned = all.iter().filter(|(of, start)| claim.covers(file(*of), claim.fingerprint, *start));
                prop_assert!(owned.count() as u64 >= counted.count.get());
                for other in out.iter().filter(|other| other.id != counted.id) {
                    prop_assert!(!claim.covers(other.id.file, other.fingerprint(), other.id.start));
                }
            }
        }
    }
}
