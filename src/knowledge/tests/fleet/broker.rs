//! A broker in a few lines: logs, transactions that stay open for a while, and a group of consumers.

use std::sync::LazyLock;

use super::super::*;

/// Partitions of the log of errors, and of the changelog.
pub(super) const ERRORS: i32 = 2;
pub(super) const CHANGELOG: i32 = 2;
pub(super) const ERRORS_TOPIC: &str = "errors";
pub(super) const CHANGELOG_TOPIC: &str = "knowledge";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Open,
    Committed,
    Aborted,
}

struct Entry {
    record: Incoming,
    transaction: usize,
    /// Another record of its key came later, and compaction has passed.
    is_gone: bool,
}

struct Transaction {
    fixer: usize,
    state: State,
    /// Offsets that were accepted.
    positions: Vec<Position>,
}

/// The broker refuses.
#[derive(Debug)]
pub(super) struct Refused;

#[derive(Default)]
pub(super) struct Broker {
    /// What places of the log of an application the messages are about.
    errors: [Vec<u64>; ERRORS as usize],
    changelog: [Vec<Entry>; CHANGELOG as usize],
    committed: [u64; ERRORS as usize],
    transactions: Vec<Transaction>,
    /// Of the group of consumers.
    pub(super) generation: u64,
}

/// Failures that are written, and the services that have every one of them.
const FAILURES: u64 = 4;
const SERVICES: [&str; 2] = ["shop", "billing"];

/// What stands at a place of the log of an application.
pub(super) fn occurrences(start: u64) -> Occurrences {
    let service = SERVICES[usize::try_from(start / FAILURES).unwrap() % SERVICES.len()];
    let mut occurrences = seen(u8::try_from(start % FAILURES).unwrap(), start, start % 5 + 1);
    occurrences.event.keys = occurrences.event.keys.of_service(service);
    Occurrences { service: service.into(), ..occurrences }
}

/// Where a message goes, by its key. For one fingerprint it depends on the service.
fn partition_for(occurrences: &Occurrences) -> i32 {
    let key = format!("{}/{}", occurrences.service, occurrences.fingerprint());
    key.bytes().map(i32::from).sum::<i32>() % ERRORS
}

/// Where the messages of a group go.
pub(super) fn partition_of(fingerprint: Fingerprint) -> i32 {
    static PARTITIONS: LazyLock<HashMap<Fingerprint, i32>> = LazyLock::new(|| {
        let kinds = (0..FAILURES * SERVICES.len() as u64).map(occurrences);
        kinds.map(|kind| (kind.fingerprint(), partition_for(&kind))).collect()
    });
    PARTITIONS[&fingerprint]
}

impl Broker {
    pub(super) fn produce(&mut self, start: u64) {
        let partition = partition_for(&occurrences(start));
        self.errors[partition as usize].push(start);
    }

    pub(super) fn errors(&self, partition: i32) -> &[u64] {
        &self.errors[partition as usize]
    }

    /// How far a partition is committed; none while that is not stable.
    pub(super) fn committed(&self, partition: i32) -> Option<u64> {
        let is_pending = |transaction: &Transaction| {
            let positions = &transaction.positions;
            transaction.state == State::Open && positions.iter().any(|it| it.partition == partition)
        };
        (!self.transactions.iter().any(is_pending)).then_some(self.committed[partition as usize])
    }

    pub(super) fn begin(&mut self, fixer: usize) -> usize {
        self.transactions.push(Transaction { fixer, state: State::Open, positions: Vec::new() });
        self.transactions.len() - 1
    }

    pub(super) fn append(&mut self, transaction: usize, publication: &Publication) -> Result<(), Refused> {
        self.check_open(transaction)?;
        for record in &publication.records {
            let key = record.key.to_string();
            let to = key.bytes().map(usize::from).sum::<usize>() % CHANGELOG as usize;
            let record =
                Incoming { key, value: record.value.clone(), writer: Some(publication.writer.clone()) };
            self.changelog[to].push(Entry { record, transaction, is_gone: false });
        }
        Ok(())
    }

    pub(super) fn send_offsets(
        &mut self,
        transaction: usize,
        generation: Option<u64>,
        positions: &[Position],
    ) -> Result<(), Refused> {
        self.check_open(transaction)?;
        if generation != Some(self.generation) {
            return Err(Refused);
        }
        self.transactions[transaction].positions = positions.to_vec();
        Ok(())
    }

    pub(super) fn commit(&mut self, transaction: usize) -> Result<(), Refused> {
        self.check_open(transaction)?;
        let transaction = &mut self.transactions[transaction];
        transaction.state = State::Committed;
        for position in &transaction.positions {
            self.committed[position.partition as usize] = position.next;
        }
        Ok(())
    }

    /// Aborts what a fixer has left open: it began anew, or its time is over.
    pub(super) fn abort(&mut self, fixer: usize) {
        for transaction in self.transactions.iter_mut().filter(|it| it.fixer == fixer) {
            if transaction.state == State::Open {
                transaction.state = State::Aborted;
            }
        }
    }

    fn check_open(&self, transaction: usize) -> Result<(), Refused> {
        if self.transactions[transaction].state == State::Open { Ok(()) } else { Err(Refused) }
    }

    /// Where the partitions of the changelog end.
    pub(super) fn ends(&self) -> [u64; CHANGELOG as usize] {
        self.changelog.each_ref().map(|entries| entries.len() as u64)
    }

    /// What is committed from an offset on, and the offset after it: nothing behind an open transaction.
    pub(super) fn read(&self, partition: i32, from: u64, most: usize) -> (Vec<Incoming>, u64) {
        let entries = self.changelog[partition as usize].iter().skip(usize::try_from(from).unwrap());
        let state = |entry: &Entry| self.transactions[entry.transaction].state;
        let stable: Vec<_> = entries.take_while(|entry| state(entry) != State::Open).take(most).collect();
        let next = from + stable.len() as u64;
        let readable = stable.into_iter().filter(|it| state(it) == State::Committed && !it.is_gone);
        (readable.map(|entry| entry.record.clone()).collect(), next)
    }

    /// Only the last record of a key stays.
    pub(super) fn compact(&mut self) {
        for entries in &mut self.changelog {
            let mut later = HashSet::new();
            for entry in entries.iter_mut().rev() {
                let is_committed = self.transactions[entry.transaction].state == State::Committed;
                if is_committed && !later.insert(entry.record.key.clone()) {
                    entry.is_gone = true;
                }
            }
        }
    }

    /// How often each suggestion was published.
    pub(super) fn suggestions(&self) -> HashMap<String, usize> {
        let mut times = HashMap::new();
        for entry in self.changelog.iter().flatten() {
            let is_committed = self.transactions[entry.transaction].state == State::Committed;
            if is_committed && entry.record.key.starts_with("suggestion-body/") {
                *times.entry(entry.record.key.clone()).or_default() += 1;
            }
        }
        times
    }

    /// What the groups of a partition should count.
    pub(super) fn counts(&self, partition: i32) -> BTreeMap<Fingerprint, u64> {
        let mut counts = BTreeMap::new();
        let distinct: HashSet<u64> = self.errors(partition).iter().copied().collect();
        for occurrences in distinct.into_iter().map(occurrences) {
            *counts.entry(occurrences.fingerprint()).or_default() += occurrences.count.get();
        }
        counts
    }
}
