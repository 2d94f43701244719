//! What dead letters need of Kafka: where they end, what they are, and a way to put them back.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::message::BorrowedMessage;
use rdkafka::producer::BaseProducer;

use super::client::{self, Settings};
use super::reader::RangeReader;
use super::transaction::{self, Failure, Fate};
use super::trouble::{Quiet, Trouble};
use super::{Kafka, record};
use crate::bus::{Delivery, Error, Message, Topic};

/// How long one question to the brokers may take.
const ASKING_PATIENCE: Duration = Duration::from_secs(10);
/// How long a transaction of somebody else may keep what is behind it from being read: brokers end it before.
const OTHERS_PATIENCE: Duration = Duration::from_secs(60);
const LOOK_INTERVAL: Duration = Duration::from_millis(100);
/// How long brokers may bring nothing of what is there.
const SILENCE: Duration = Duration::from_secs(30);

impl Kafka {
    /// Where the partitions of a topic end, as far as it can be read.
    pub(in crate::bus) async fn ends(&self, topic: Topic) -> Result<BTreeMap<i32, u64>, Error> {
        let settings = Arc::clone(&self.inner.settings);
        blocking(move || Gauge::new(&settings, topic, Sight::Committed)?.ends()).await
    }

    /// The messages of a stretch of a partition.
    pub(in crate::bus) fn messages_in(
        &self,
        topic: Topic,
        partition: i32,
        range: Range<u64>,
    ) -> Result<RangeReader<Delivery>, Error> {
        RangeReader::start(&self.inner.settings, topic, partition, range, whole)
    }

    /// The next of such messages, unless brokers bring nothing for too long.
    pub(in crate::bus) async fn next_of(
        &self,
        messages: &mut RangeReader<Delivery>,
    ) -> Result<Option<Vec<Delivery>>, Error> {
        let silent = |_| {
            let nothing = || Trouble::silence("the brokers bring nothing of what is there");
            Err(self.inner.settings.watch.trouble().unwrap_or_else(nothing).into())
        };
        tokio::time::timeout(SILENCE, messages.next()).await.unwrap_or_else(silent)
    }

    /// The topic of ours that a name means, which is the cluster's or the one without a prefix of its own; and what it
    /// is called in the cluster.
    pub(in crate::bus) fn topic_of(&self, name: &str) -> Option<(Topic, String)> {
        let settings = &self.inner.settings;
        let here = Topic::ALL.into_iter().find(|topic| settings.name(*topic) == name);
        let topic = here.or_else(|| Topic::named(name))?;
        Some((topic, settings.name(topic).to_owned()))
    }

    /// What puts dead letters back. There is one at a time: this one ends any other, finishes what that has left, and
    /// waits until all of it can be read.
    pub(in crate::bus) async fn replayer(&self) -> Result<Replayer, Error> {
        let settings = Arc::clone(&self.inner.settings);
        blocking(move || Replayer::new(settings)).await
    }
}

/// All of a message, whoever published it.
fn whole(record: &BorrowedMessage<'_>, topic: Topic) -> Option<Delivery> {
    Some(record::delivery(record, topic, ""))
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Error> + Send + 'static,
) -> Result<T, Error> {
    tokio::task::spawn_blocking(work).await.map_err(|_| Error::Closed)?
}

/// What a gauge sees of transactions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sight {
    /// What can be read: up to the first transaction that is still open.
    Committed,
    /// Whatever was written.
    Everything,
}

/// Asks where partitions of a topic end.
struct Gauge {
    client: BaseConsumer<Quiet>,
    name: String,
    settings: Arc<Settings>,
}

impl Gauge {
    fn new(settings: &Arc<Settings>, topic: Topic, sight: Sight) -> Result<Self, Error> {
        let mut config = settings.consumer(&settings.config.group);
        if sight == Sight::Everything {
            config.set("isolation.level", "read_uncommitted");
        }
        let created = config.create_with_context(Quiet(Arc::clone(&settings.watch)));
        let client = created.map_err(|error| client::refused(&error))?;
        Ok(Self { client, name: settings.name(topic).to_owned(), settings: Arc::clone(settings) })
    }

    fn ends(&self) -> Result<BTreeMap<i32, u64>, Error> {
        let told = |error| Error::from(Trouble::of_error(&error, &format!("{} cannot be read", self.name)));
        let metadata = self.settings.metadata()?;
        let count = client::partitions_in(&metadata, &self.name).map_err(told)?;
        let end = |partition| {
            let (_, high) = self.client.fetch_watermarks(&self.name, partition, ASKING_PATIENCE)?;
            Ok((partition, u64::try_from(high).unwrap_or_default()))
        };
        (0..count).map(end).collect::<Result<_, _>>().map_err(told)
    }
}

/// Puts dead letters back: messages and the mark that they were put back, all of it or nothing.
pub(in crate::bus) struct Replayer {
    settings: Arc<Settings>,
    client: Arc<BaseProducer<Fate>>,
}

impl Replayer {
    fn new(settings: Arc<Settings>) -> Result<Self, Error> {
        // Why brokers do not answer is told best where they are asked for something simple.
        settings.metadata()?;
        let id = format!("{}-dlq", settings.config.group);
        let client =
            transaction::begin_client(&settings, &id, &|| false).map_err(|failure| match failure {
                // Nothing was begun yet, so nothing is in doubt.
                Failure::Unknown(trouble) => trouble.into(),
                failure => told(failure),
            })?;
        let replayer = Self { settings, client: Arc::new(client) };
        replayer.await_others()?;
        Ok(replayer)
    }

    /// Waits until what was written before this one can be read: marks behind a transaction that is open cannot.
    fn await_others(&self) -> Result<(), Error> {
        let written = Gauge::new(&self.settings, Topic::DeadLetters, Sight::Everything)?.ends()?;
        let readable = Gauge::new(&self.settings, Topic::DeadLetters, Sight::Committed)?;
        let begun = Instant::now();
        loop {
            let ends = readable.ends()?;
            if written.iter().all(|(partition, end)| ends.get(partition).is_some_and(|seen| seen >= end)) {
                return Ok(());
            }
            if begun.elapsed() >= OTHERS_PATIENCE {
                return Err(Trouble::silence("a transaction stays open in the topic of dead letters").into());
            }
            std::thread::sleep(LOOK_INTERVAL);
        }
    }

    /// Puts messages back, and the mark into the partition of the letters.
    ///
    /// # Errors
    /// They are not put back or, where the brokers went away meanwhile, may be: then the mark tells.
    pub(in crate::bus) async fn put(
        &self,
        messages: Vec<Message>,
        mark: Message,
        partition: i32,
    ) -> Result<(), Error> {
        let (settings, client) = (Arc::clone(&self.settings), Arc::clone(&self.client));
        blocking(move || {
            let all = messages.iter().map(|message| (message, None)).chain([(&mark, Some(partition))]);
            transaction::write(&settings, &client, all).map_err(told)
        })
        .await
    }
}

/// How a transaction failed, for somebody who may call again.
fn told(failure: Failure) -> Error {
    match failure {
        Failure::Refused(error) | Failure::TooLarge(error) => error,
        Failure::Aborted(trouble) => trouble.into(),
        Failure::Fenced(message) => Error::Letters { message, remedy: "call it again".to_owned() },
        Failure::Outdone(_) => Error::Letters {
            message: "another replay has begun, and ended this one".to_owned(),
            remedy: "let it come to its end, and call again: nothing is put back twice".to_owned(),
        },
        Failure::Unknown(trouble) => Error::Letters {
            message: format!("it is not known whether the last of them were put back: {}", trouble.message),
            remedy: "call it again once the brokers answer: nothing is put back twice".to_owned(),
        },
    }
}
