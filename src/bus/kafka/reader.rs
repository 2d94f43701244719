//! Reading without a group: a whole topic, or a stretch of a partition.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::{KafkaError, KafkaResult};
use rdkafka::message::BorrowedMessage;
use rdkafka::{Message as _, Offset, TopicPartitionList};
use tokio::sync::mpsc;

use super::client::{self, Settings};
use super::record;
use super::trouble::{Quiet, Trouble};
use crate::bus::{Error, Topic};

/// Records, and bytes, that are handed over together.
const BATCH_RECORDS: usize = 1_000;
const BATCH_BYTES: usize = 256 << 10;
/// How many of these may wait.
const BATCHES: usize = 4;
/// How long the thread waits for a record before it looks whether anybody reads.
const POLL_INTERVAL: Duration = Duration::from_millis(100);
const ASKING_PATIENCE: Duration = Duration::from_secs(5);
/// How often is looked for partitions that were added.
const LOOK_INTERVAL: Duration = Duration::from_secs(60);

/// A record of a compacted topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyedRecord {
    /// Where it stands.
    pub partition: i32,
    /// Its number there.
    pub offset: u64,
    /// What it is about.
    pub key: String,
    /// What there is to say; none where the key is gone.
    pub body: Option<Vec<u8>>,
    /// Its headers, but for those of every message.
    pub headers: Vec<(String, String)>,
}

/// Reads all partitions of a topic, and goes on for as long as it is kept. Of transactions it sees those that were
/// committed, in their order, and nothing behind one that is still open.
#[derive(Debug)]
pub struct KafkaReader {
    records: mpsc::Receiver<Vec<KeyedRecord>>,
}

impl KafkaReader {
    pub(super) fn start(
        settings: &Arc<Settings>,
        topic: Topic,
        from: BTreeMap<i32, u64>,
    ) -> Result<Self, Error> {
        let reading = Reading::new(settings, topic)?;
        let (sender, records) = mpsc::channel(BATCHES);
        std::thread::Builder::new()
            .name("kafka-reader".into())
            .spawn(move || reading.follow(from, &sender))
            .map_err(Error::Thread)?;
        Ok(Self { records })
    }

    /// The next records, in the order of each partition; at least one. None once the reader has failed for good,
    /// which was told. Dropping the future loses nothing.
    pub async fn next(&mut self) -> Option<Vec<KeyedRecord>> {
        self.records.recv().await
    }
}

/// Where a mark stands in every partition of a topic. A reader that has seen them all has seen everything that was
/// committed before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Barrier {
    ahead: BTreeMap<i32, u64>,
}

impl Barrier {
    pub(super) fn new(ahead: BTreeMap<i32, u64>) -> Self {
        Self { ahead }
    }

    /// Notes that a partition was read up to and with an offset.
    pub fn pass(&mut self, partition: i32, offset: u64) {
        if self.ahead.get(&partition).is_some_and(|ahead| *ahead <= offset) {
            self.ahead.remove(&partition);
        }
    }

    /// Whether all of it was passed.
    #[must_use]
    pub fn is_passed(&self) -> bool {
        self.ahead.is_empty()
    }
}

/// What there is of the messages of a stretch of one partition.
#[derive(Debug)]
pub struct RangeReader<T> {
    batches: mpsc::Receiver<Result<Vec<T>, Error>>,
}

/// What is taken of a record; none where it is passed over.
type Take<T> = fn(&BorrowedMessage<'_>, Topic) -> Option<T>;

impl<T: Send + 'static> RangeReader<T> {
    pub(super) fn start(
        settings: &Arc<Settings>,
        topic: Topic,
        partition: i32,
        range: std::ops::Range<u64>,
        take: Take<T>,
    ) -> Result<Self, Error> {
        let reading = Reading::new(settings, topic)?;
        let (sender, batches) = mpsc::channel(BATCHES);
        std::thread::Builder::new()
            .name("kafka-range".into())
            .spawn(move || reading.scan(partition, range, take, &sender))
            .map_err(Error::Thread)?;
        Ok(Self { batches })
    }

    /// The next, in order; none at the end. Those that were deleted by now are left out.
    ///
    /// # Errors
    /// The stretch cannot be read to its end.
    pub async fn next(&mut self) -> Result<Option<Vec<T>>, Error> {
        self.batches.recv().await.transpose()
    }
}

/// A client that reads one topic.
struct Reading {
    settings: Arc<Settings>,
    topic: Topic,
    client: BaseConsumer<Quiet>,
}

impl Reading {
    fn new(settings: &Arc<Settings>, topic: Topic) -> Result<Self, Error> {
        let mut config = settings.consumer(&settings.config.group);
        config.set("enable.partition.eof", "true");
        let created = config.create_with_context(Quiet(Arc::clone(&settings.watch)));
        let client = created.map_err(|error| client::refused(&error))?;
        Ok(Self { settings: Arc::clone(settings), topic, client })
    }

    fn name(&self) -> &str {
        self.settings.name(self.topic)
    }

    fn follow(&self, mut from: BTreeMap<i32, u64>, sender: &mpsc::Sender<Vec<KeyedRecord>>) {
        let mut looked = None;
        let mut known = 0;
        while !sender.is_closed() {
            if looked.is_none_or(|at: Instant| at.elapsed() >= LOOK_INTERVAL) {
                match self.take_partitions(known, &mut from) {
                    Ok(count) => (known, looked) = (count, Some(Instant::now())),
                    Err(error) => {
                        let doing = format!("{} cannot be read", self.name());
                        self.settings.watch.raise(Trouble::of_error(&error, &doing));
                    }
                }
            }
            let mut batch = Vec::new();
            let read = self.fill(|record| {
                let (partition, offset) = record::place(record);
                let key = String::from_utf8_lossy(record.key().unwrap_or_default()).into_owned();
                batch.push(KeyedRecord {
                    partition,
                    offset,
                    key,
                    body: record.payload().map(<[u8]>::to_vec),
                    headers: record::extra_headers(record),
                });
                true
            });
            match read {
                // More may come.
                Ok(()) | Err(KafkaError::PartitionEOF(_)) => {}
                Err(error) => {
                    let doing = format!("{} cannot be read", self.name());
                    self.settings.watch.raise(Trouble::of_error(&error, &doing));
                }
            }
            if !batch.is_empty() {
                self.settings.watch.settle();
                if sender.blocking_send(batch).is_err() {
                    return;
                }
            }
        }
    }

    /// Assigns the partitions from `known` on. Gives how many there are.
    fn take_partitions(&self, known: i32, from: &mut BTreeMap<i32, u64>) -> KafkaResult<i32> {
        let count = partitions(&self.client, self.name())?;
        let mut list = TopicPartitionList::new();
        for partition in known..count {
            let next =
                from.remove(&partition).map_or(Offset::Beginning, |next| Offset::Offset(next.cast_signed()));
            list.add_partition_offset(self.name(), partition, next)?;
        }
        if known == 0 {
            self.client.assign(&list)?;
        } else if list.count() > 0 {
            self.client.incremental_assign(&list)?;
        }
        Ok(count)
    }

    fn scan<T>(
        &self,
        partition: i32,
        range: std::ops::Range<u64>,
        take: Take<T>,
        sender: &mpsc::Sender<Result<Vec<T>, Error>>,
    ) {
        let mut list = TopicPartitionList::new();
        let from = Offset::Offset(range.start.cast_signed());
        let assigned =
            list.add_partition_offset(self.name(), partition, from).and_then(|()| self.client.assign(&list));
        let doing = format!("{} cannot be read", self.name());
        if let Err(error) = assigned {
            sender.blocking_send(Err(Trouble::of_error(&error, &doing).into())).ok();
            return;
        }
        let mut is_over = range.is_empty();
        while !is_over && !sender.is_closed() {
            let mut batch = Vec::new();
            let read = self.fill(|record| {
                let (_, offset) = record::place(record);
                is_over |= offset + 1 >= range.end;
                if offset < range.end {
                    batch.extend(take(record, self.topic));
                }
                !is_over
            });
            match read {
                // The end of the partition: what is missing up to the end of the range is not there any more.
                Err(KafkaError::PartitionEOF(_)) => is_over = true,
                Err(error) => self.settings.watch.raise(Trouble::of_error(&error, &doing)),
                Ok(()) => {}
            }
            if !batch.is_empty() && sender.blocking_send(Ok(batch)).is_err() {
                return;
            }
        }
    }

    /// Reads until the records are a batch or there are none just now. `take` tells whether to go on.
    fn fill(&self, mut take: impl FnMut(&BorrowedMessage<'_>) -> bool) -> KafkaResult<()> {
        let (mut records, mut bytes) = (0, 0);
        let mut patience = POLL_INTERVAL;
        while records < BATCH_RECORDS && bytes < BATCH_BYTES {
            match self.client.poll(patience) {
                None => return Ok(()),
                Some(Ok(record)) => {
                    records += 1;
                    bytes += record.payload_len() + record.key_len();
                    if !take(&record) {
                        return Ok(());
                    }
                }
                Some(Err(error)) => return Err(error),
            }
            patience = Duration::ZERO;
        }
        Ok(())
    }
}

/// How many partitions a topic has.
fn partitions(client: &BaseConsumer<Quiet>, name: &str) -> KafkaResult<i32> {
    // Asked for one by name, a broker might make it.
    let metadata = client.fetch_metadata(None, ASKING_PATIENCE)?;
    client::partitions_in(&metadata, name)
}
