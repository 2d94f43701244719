//! A fixer that keeps to the protocol.

use std::path::PathBuf;

use super::super::*;
use super::broker::{Broker, CHANGELOG, CHANGELOG_TOPIC, ERRORS_TOPIC, occurrences, partition_of};

/// How far it has come with a partition that is assigned to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Assigned,
    Restoring { committed: Option<u64>, ends: [u64; CHANGELOG as usize] },
    Counting,
}

/// A transaction, and how far it has come.
struct Ongoing {
    transaction: usize,
    publication: Publication,
    has_records: bool,
    has_offsets: bool,
}

/// What a fixer may do wrong: each of them has to be seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// It writes the barrier before it asks how far others have committed.
    BarrierFirst,
    /// It commits how far it has come by now, not how far when the records were gathered.
    LaterOffsets,
    /// It goes on with what it knows after it was fenced.
    NoRebuild,
    /// It takes over without learning ids.
    NoLearning,
    /// It takes over without waiting for what is committed in the changelog.
    NoBarrier,
    /// It passes over the records of groups that it believes are its own, whoever wrote them.
    TrustsOwnership,
}

pub(super) struct Fixer {
    number: usize,
    folder: PathBuf,
    pub(super) shared: Option<Shared>,
    pub(super) is_paused: bool,
    generation: Option<u64>,
    partitions: BTreeMap<i32, Phase>,
    ongoing: Option<Ongoing>,
    working: Option<SuggestionId>,
    /// Whether the records of a transaction leave after its offsets, as a client does that sends them when it
    /// commits.
    flushes_late: bool,
    fault: Option<Fault>,
}

fn open_shared(folder: &Path) -> Shared {
    Shared::open(folder, &Config::default(), &Metrics::new().unwrap()).unwrap()
}

fn place(topic: &str, partition: i32, next: u64) -> Position {
    Position { topic: topic.into(), partition, next }
}

impl Fixer {
    pub(super) fn new(number: usize, folder: PathBuf, flushes_late: bool, fault: Option<Fault>) -> Self {
        let shared = Some(open_shared(&folder));
        Self {
            number,
            folder,
            shared,
            is_paused: false,
            generation: None,
            partitions: BTreeMap::new(),
            ongoing: None,
            working: None,
            flushes_late,
            fault,
        }
    }

    pub(super) fn is_responsive(&self) -> bool {
        self.shared.is_some() && !self.is_paused
    }

    fn shared(&self) -> &Shared {
        self.shared.as_ref().unwrap()
    }

    fn view(&self) -> &View {
        self.shared().knowledge().view()
    }

    pub(super) fn crash(&mut self) {
        self.shared = None;
        self.is_paused = false;
        self.leave();
        self.ongoing = None;
    }

    /// Starts again, on its old disk or on an empty one.
    pub(super) fn start(&mut self, broker: &mut Broker, on_empty_disk: bool) {
        if self.shared.is_some() {
            return;
        }
        if on_empty_disk {
            fs::remove_dir_all(&self.folder).unwrap();
        }
        broker.abort(self.number);
        self.shared = Some(open_shared(&self.folder));
    }

    fn leave(&mut self) {
        self.generation = None;
        self.partitions.clear();
        self.working = None;
    }

    fn rebuild(&mut self) {
        if self.fault == Some(Fault::NoRebuild) {
            let partitions: Vec<i32> = self.partitions.keys().copied().collect();
            partitions.into_iter().for_each(|partition| self.shared().disown(partition));
            let unpublished = self.shared().unpublished().unwrap();
            self.shared().published(&unpublished).unwrap();
        } else {
            self.shared().rebuild().unwrap();
        }
        self.leave();
    }

    /// Finds out whether it is still a member.
    pub(super) fn notice(&mut self, broker: &mut Broker) {
        if self.generation.is_none() || self.generation == Some(broker.generation) {
            return;
        }
        broker.abort(self.number);
        self.ongoing = None;
        let partitions: Vec<i32> = self.partitions.keys().copied().collect();
        partitions.into_iter().for_each(|partition| self.shared().disown(partition));
        if !self.shared().unpublished().unwrap().records.is_empty() {
            self.rebuild();
        }
        self.leave();
    }

    /// Gives back what somebody else is to have.
    pub(super) fn give_back(&mut self, keeps: &HashSet<i32>, broker: &mut Broker) {
        let given: Vec<i32> = self.partitions.keys().copied().filter(|it| !keeps.contains(it)).collect();
        for partition in &given {
            self.shared().release(*partition).unwrap();
        }
        self.working = self.working.filter(|id| !given.contains(&partition_of(id.fingerprint)));
        while self.publish(broker) {}
        given.iter().for_each(|partition| self.shared().disown(*partition));
        self.partitions.retain(|partition, _| keeps.contains(partition));
    }

    pub(super) fn join(&mut self, generation: u64, assigned: &HashSet<i32>) {
        self.generation = Some(generation);
        for partition in assigned {
            self.partitions.entry(*partition).or_insert(Phase::Assigned);
        }
    }

    /// Goes one step further in publishing. Tells whether there was one.
    pub(super) fn publish(&mut self, broker: &mut Broker) -> bool {
        let Some(mut ongoing) = self.ongoing.take() else {
            let publication = self.shared().unpublished().unwrap();
            let is_committed = |it: &Position| broker.committed(it.partition) == Some(it.next);
            if publication.records.is_empty() && publication.positions.iter().all(is_committed) {
                return false;
            }
            let transaction = broker.begin(self.number);
            self.ongoing = Some(Ongoing { transaction, publication, has_records: false, has_offsets: false });
            return true;
        };
        let Ongoing { transaction, ref publication, has_records, has_offsets } = ongoing;
        if !has_records && (!self.flushes_late || has_offsets) {
            ongoing.has_records = broker.append(transaction, publication).is_ok();
            // Where its time was over, it is tried again.
            self.ongoing = ongoing.has_records.then_some(ongoing);
        } else if !has_offsets {
            let positions = match self.fault {
                Some(Fault::LaterOffsets) => self.shared().unpublished().unwrap().positions,
                _ => publication.positions.clone(),
            };
            if broker.send_offsets(transaction, self.generation, &positions).is_ok() {
                self.ongoing = Some(Ongoing { has_offsets: true, ..ongoing });
            } else {
                broker.abort(self.number);
                self.rebuild();
            }
        } else if broker.commit(transaction).is_ok() {
            self.shared().published(publication).unwrap();
        }
        true
    }

    /// Reads the changelog. Tells whether there was anything.
    pub(super) fn read(&mut self, broker: &Broker, most: usize) -> bool {
        let mut has_read = false;
        for partition in 0..CHANGELOG {
            let from = self.view().position(CHANGELOG_TOPIC, partition).unwrap().unwrap_or(0);
            let (mut records, next) = broker.read(partition, from, most);
            if self.fault == Some(Fault::TrustsOwnership) {
                records.retain(|record| {
                    let key: RecordKey = record.key.parse().unwrap();
                    !self.partitions.contains_key(&partition_of(key.fingerprint()))
                        || self.partitions[&partition_of(key.fingerprint())] != Phase::Counting
                });
            }
            has_read |= next > from;
            self.shared().restore(&place(CHANGELOG_TOPIC, partition, next), records).unwrap();
        }
        has_read
    }

    /// Goes one step further in taking over what is assigned to it. Tells whether there was one.
    pub(super) fn take_over(&mut self, broker: &Broker, now: Timestamp) -> bool {
        let next = self.partitions.iter().find(|(_, phase)| **phase != Phase::Counting);
        let Some((partition, phase)) = next.map(|(partition, phase)| (*partition, *phase)) else {
            return false;
        };
        let committed = match phase {
            Phase::Assigned => {
                let committed = broker.committed(partition);
                if committed.is_none() && self.fault != Some(Fault::BarrierFirst) {
                    return false;
                }
                self.partitions.insert(partition, Phase::Restoring { committed, ends: broker.ends() });
                return true;
            }
            Phase::Restoring { committed, ends } => {
                let position = |it| self.view().position(CHANGELOG_TOPIC, it).unwrap().unwrap_or(0);
                let is_waiting = (0..CHANGELOG).any(|it| position(it) < ends[it as usize]);
                if is_waiting && self.fault != Some(Fault::NoBarrier) {
                    return self.read(broker, 100) && self.take_over(broker, now);
                }
                let Some(committed) = committed.or_else(|| broker.committed(partition)) else { return false };
                committed
            }
            Phase::Counting => return false,
        };
        if self.fault != Some(Fault::NoLearning) {
            self.learn(broker, partition, committed, now);
        }
        self.shared().own(&place(ERRORS_TOPIC, partition, committed)).unwrap();
        self.partitions.insert(partition, Phase::Counting);
        true
    }

    fn learn(&self, broker: &Broker, partition: i32, committed: u64, now: Timestamp) {
        let known = self.shared().known_ids(ERRORS_TOPIC, partition).unwrap();
        let from = known.filter(|known| known.start == 0).map_or(0, |known| known.end);
        for offset in from..committed {
            let id = occurrences(broker.errors(partition)[usize::try_from(offset).unwrap()]).id;
            let range = offset..offset + 1;
            self.shared().learn_ids(ERRORS_TOPIC, partition, range, &[(id, offset)], now).unwrap();
        }
    }

    /// Counts a few messages. Tells whether there was one.
    pub(super) fn count(&mut self, broker: &Broker, most: usize, now: Timestamp) -> bool {
        let mut has_counted = false;
        for (partition, _) in self.partitions.iter().filter(|(_, phase)| **phase == Phase::Counting) {
            let from = self.view().position(ERRORS_TOPIC, *partition).unwrap().unwrap();
            let messages = broker.errors(*partition).iter().zip(0..);
            let batch: Vec<Arrival> = messages
                .skip_while(|(_, offset)| *offset < from)
                .take(most)
                .map(|(start, offset)| Arrival { offset, occurrences: occurrences(*start) })
                .collect();
            let Some(last) = batch.last() else { continue };
            let next = place(ERRORS_TOPIC, *partition, last.offset + 1);
            self.shared().knowledge().apply(&next, batch, now).unwrap();
            has_counted = true;
        }
        has_counted
    }

    /// Begins an attempt, or ends the one that goes on.
    pub(super) fn work(&mut self, brings_a_suggestion: bool, now: Timestamp) {
        let working = self.working.take();
        let knowledge = self.shared().knowledge();
        let Some(id) = working else {
            let due = knowledge.next_to_work_on(1, &HashSet::new(), NO_PAUSE, now).groups;
            if let Some(fingerprint) = due.first() {
                self.working = knowledge.begin_attempt(*fingerprint, MOST, now).unwrap();
            }
            return;
        };
        if brings_a_suggestion {
            let patch = format!("by {} at {now}", self.number);
            knowledge
                .record_suggestion(id, suggestion(id, Some(&patch)), Vec::new(), anywhere(), now)
                .unwrap();
        } else {
            knowledge.end_attempt(id, AttemptEnd::Retry, now).unwrap();
        }
    }

    /// Somebody approves of the first suggestion that is open, where that is possible here.
    pub(super) fn decide(&self) {
        let open = self.view().suggestion_ids(Some(SuggestionStatus::Open));
        let Some(id) = open.last() else { return };
        match self.shared().knowledge().decide(*id, Choice::Approve, by("ada")) {
            Ok(_) => {}
            // Its record may have come before that of its group.
            Err(Error::Elsewhere(_) | Error::UnknownGroup(_)) => {}
            Err(error) => panic!("{error}"),
        }
    }

    /// Compares what it has counted up with what there is.
    pub(super) fn check(&self, broker: &Broker) -> Result<(), String> {
        if self.shared.is_none() || self.generation != Some(broker.generation) {
            return Ok(());
        }
        for (partition, _) in self.partitions.iter().filter(|(_, phase)| **phase == Phase::Counting) {
            let position = self.view().position(ERRORS_TOPIC, *partition).unwrap().unwrap();
            if position == broker.errors(*partition).len() as u64 {
                self.check_counts(broker, *partition)?;
            }
        }
        Ok(())
    }

    pub(super) fn check_counts(&self, broker: &Broker, partition: i32) -> Result<(), String> {
        let records = self.view().groups(GroupFilter::default(), GroupOrder::Worst, 100).unwrap();
        let groups = records.into_iter().map(|record| (record.group.fingerprint, record.group.count));
        let counts: BTreeMap<_, _> =
            groups.filter(|(fingerprint, _)| partition_of(*fingerprint) == partition).collect();
        let expected = broker.counts(partition);
        if counts == expected {
            return Ok(());
        }
        Err(format!("fixer {} has {counts:?} in partition {partition}, not {expected:?}", self.number))
    }

    /// What it shows of suggestions and of how groups stand.
    pub(super) fn shown(&self) -> (BTreeMap<Fingerprint, GroupStatus>, BTreeMap<SuggestionId, String>) {
        let groups = self.view().groups(GroupFilter::default(), GroupOrder::Worst, 100).unwrap();
        let groups = groups.into_iter().map(|it| (it.group.fingerprint, it.status)).collect();
        let suggestions = self.view().suggestions_after(0, 1_000).unwrap();
        let suggestions = suggestions
            .into_iter()
            .map(|it| (it.id, format!("{:?} {:?} {:?}", it.status, it.decision, it.suggestion.patch)));
        (groups, suggestions.collect())
    }

    pub(super) fn is_done(&self) -> bool {
        self.partitions.values().all(|phase| *phase == Phase::Counting)
    }
}
