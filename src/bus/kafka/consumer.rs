//! A member of a group.

use std::sync::{Arc, Mutex, PoisonError};

use rdkafka::consumer::Consumer as _;

use super::client::{self, Settings};
use super::desk::Desk;
use super::membership::{self, Client, Member};
use super::transaction::{Scope, Transactor};
use crate::bus::{CommitError, Error, Message, Position, Topic, Turn};
use crate::telemetry::metrics::Metrics;

/// A member of a group of consumers of a topic. It leaves the group when it is dropped.
pub struct KafkaConsumer {
    topic: Topic,
    desk: Arc<Desk>,
    client: Arc<Client>,
    transactor: Arc<Mutex<Transactor>>,
}

impl KafkaConsumer {
    pub(super) fn join(
        settings: &Arc<Settings>,
        topic: Topic,
        group: &str,
        metrics: &Metrics,
    ) -> Result<Self, Error> {
        let desk = Arc::new(Desk::default());
        let name = settings.name(topic).to_owned();
        let member = Member {
            desk: Arc::clone(&desk),
            watch: Arc::clone(&settings.watch),
            name: name.clone(),
            source: settings.config.source.clone(),
            metrics: metrics.clone(),
        };
        let mut config = settings.consumer(group);
        config.set("statistics.interval.ms", "5000");
        let client: Client = config.create_with_context(member).map_err(|error| client::refused(&error))?;
        client.subscribe(&[&name]).map_err(|error| client::refused(&error))?;
        let client = Arc::new(client);
        let of_thread = Arc::clone(&client);
        std::thread::Builder::new()
            .name("kafka-in".into())
            .spawn(move || membership::run(&of_thread, topic))
            .map_err(Error::Thread)?;
        let transactor = Transactor::new(Arc::clone(settings), topic, group, metrics.clone());
        Ok(Self { topic, desk, client, transactor: Arc::new(Mutex::new(transactor)) })
    }

    pub(super) fn desk(&self) -> &Arc<Desk> {
        &self.desk
    }

    pub(in crate::bus) async fn next(&self, max_count: usize, max_bytes: usize) -> Result<Turn, Error> {
        self.desk.next(max_count, max_bytes).await
    }

    pub(in crate::bus) fn start(&self, at: Position) -> Result<(), Error> {
        self.desk.order(at)
    }

    /// Where this is dropped before it is done, the transaction is carried out all the same.
    pub(in crate::bus) async fn commit(
        &self,
        positions: &[Position],
        messages: &[Message],
    ) -> Result<(), CommitError> {
        let (transactor, client) = (Arc::clone(&self.transactor), Arc::clone(&self.client));
        let (positions, messages) = (positions.to_vec(), messages.to_vec());
        let work = move || {
            let mut transactor = transactor.lock().unwrap_or_else(PoisonError::into_inner);
            transactor.commit(&Scope { client: &client, positions: &positions, messages: &messages })
        };
        tokio::task::spawn_blocking(work).await.map_err(|_| Error::Closed)?
    }
}

impl Drop for KafkaConsumer {
    /// The thread leaves the group and ends.
    fn drop(&mut self) {
        self.desk.close();
    }
}

impl std::fmt::Debug for KafkaConsumer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KafkaConsumer").field("topic", &self.topic).finish_non_exhaustive()
    }
}
