//! The contiguous settled prefix of one file: how far its checkpoint may go.
//!
//! Events are found in the order of the file and settled in any order. The checkpoint may pass an event only
//! once it is settled, and may never pass what has not been scanned. So it is the lower one of two offsets:
//! where scanning would resume, and where the first unsettled event starts.

use std::collections::BTreeMap;

/// Tracks the settled prefix of one file.
#[derive(Debug, Clone)]
pub struct Prefix {
    resume: u64,
    /// Unsettled events by their start; more than one may start at the same place.
    unsettled: BTreeMap<u64, usize>,
    committed: u64,
}

impl Prefix {
    /// The prefix of a file that is read from this offset on.
    #[must_use]
    pub const fn new(offset: u64) -> Self {
        Self { resume: offset, unsettled: BTreeMap::new(), committed: offset }
    }

    /// Everything before this offset has been scanned: no further event will start there.
    pub fn scanned(&mut self, resume_offset: u64) {
        self.resume = self.resume.max(resume_offset);
        self.advance();
    }

    /// An event that starts here is on its way. To be told before [`Prefix::scanned`] passes it.
    pub fn in_flight(&mut self, start: u64) {
        *self.unsettled.entry(start).or_default() += 1;
    }

    /// An event that starts here is durable. One that was never on its way changes nothing.
    pub fn settled(&mut self, start: u64) {
        if let Some(count) = self.unsettled.get_mut(&start) {
            *count -= 1;
            if *count == 0 {
                self.unsettled.remove(&start);
            }
        }
        self.advance();
    }

    /// Where the first event starts that is on its way.
    #[must_use]
    pub fn first_unsettled(&self) -> Option<u64> {
        self.unsettled.first_key_value().map(|(start, _)| *start)
    }

    /// How many events are on their way.
    #[must_use]
    pub fn unsettled(&self) -> usize {
        self.unsettled.values().sum()
    }

    /// Where the checkpoint may stand. It never goes back.
    #[must_use]
    pub const fn committed(&self) -> u64 {
        self.committed
    }

    fn advance(&mut self) {
        let first = self.first_unsettled().unwrap_or(u64::MAX);
        self.committed = self.committed.max(self.resume.min(first));
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_first_unsettled_event_holds_it() {
        let mut prefix = Prefix::new(100);
        prefix.in_flight(110);
        prefix.in_flight(110);
        prefix.in_flight(150);
        prefix.scanned(200);
        assert_eq!(prefix.committed(), 110);
        prefix.settled(150);
        prefix.settled(110);
        assert_eq!(prefix.committed(), 110);
        prefix.settled(110);
        assert_eq!((prefix.committed(), prefix.unsettled()), (200, 0));
        prefix.settled(110);
        assert_eq!((prefix.committed(), prefix.unsettled()), (200, 0));
    }

    #[derive(Debug, Clone)]
    enum Step {
        /// Scan so many bytes further, and find events at these places among them.
        Scan(u64, Vec<u64>),
        /// Settle one of those that are on their way.
        Settle(prop::sample::Index),
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let scan = (0u64..50, prop::collection::vec(0u64..50, 0..4))
            .prop_map(|(bytes, events)| Step::Scan(bytes, events));
        let settle = any::<prop::sample::Index>().prop_map(Step::Settle);
        prop::collection::vec(prop_oneof![scan, settle], 0..60)
    }

    proptest! {
        /// The naive model: a byte is settled if it was scanned and no unsettled event starts at or before it.
        #[test]
        fn it_is_the_longest_settled_prefix(steps in steps()) {
            let mut prefix = Prefix::new(0);
            let (mut scanned, mut open) = (0u64, Vec::<u64>::new());
            let mut before = 0;
            for step in steps {
                match step {
                    Step::Scan(bytes, events) => {
                        for event in events.into_iter().filter(|event| *event < bytes) {
                            prefix.in_flight(scanned + event);
                            open.push(scanned + event);
                        }
                        scanned += bytes;
                        prefix.scanned(scanned);
                    }
                    Step::Settle(index) if !open.is_empty() => {
                        let start = open.swap_remove(index.index(open.len()));
                        prefix.settled(start);
                    }
                    Step::Settle(_) => {}
                }
                let naive = (0..scanned).take_while(|byte| !open.contains(byte)).count() as u64;
                prop_assert_eq!(prefix.committed(), naive);
                prop_assert!(prefix.committed() >= before);
                prop_assert_eq!(prefix.unsettled(), open.len());
                before = prefix.committed();
            }
        }
    }
}
