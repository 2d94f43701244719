//! The thread that polls for a consumer: it takes part in the group, and fetches what its consumer has ordered.

use std::sync::Arc;
use std::time::Duration;

use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, Consumer as _, ConsumerContext, Rebalance};
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::statistics::Statistics;
use rdkafka::{ClientContext, Offset, TopicPartitionList};

use super::desk::Desk;
use super::record;
use super::trouble::{self, Kind, Trouble, Watch};
use crate::bus::{Assignment, Position, Topic};
use crate::telemetry::metrics::Metrics;

/// How long the thread waits for a message before it looks for orders.
const POLL_INTERVAL: Duration = Duration::from_millis(50);
/// How long it waits for an answer, so that it polls in between.
const ASKING_PATIENCE: Duration = Duration::from_secs(3);
/// How long partitions that others wait for may be held. Far below `max.poll.interval.ms`.
const RELEASE_PATIENCE: Duration = Duration::from_secs(30);

/// Why messages that were never read are counted as lost.
const EXPIRED: &str = "expired";

/// What the client of a consumer is told.
#[derive(Debug)]
pub(super) struct Member {
    pub(super) desk: Arc<Desk>,
    pub(super) watch: Arc<Watch>,
    pub(super) name: String,
    /// Who publishes here.
    pub(super) source: String,
    pub(super) metrics: Metrics,
}

pub(super) type Client = BaseConsumer<Member>;

impl ClientContext for Member {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, line: &str) {
        trouble::note(&self.watch, level, facility, line);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        trouble::hear(&self.watch, &error, reason);
    }

    fn stats(&self, statistics: Statistics) {
        let partitions = statistics.topics.get(&self.name).map(|topic| &topic.partitions);
        // What is not known yet is negative.
        let held = |(number, partition): (&i32, &rdkafka::statistics::Partition)| {
            let end = partition.ls_offset.max(partition.hi_offset);
            Some((*number, u64::try_from(partition.lo_offset).ok()?..u64::try_from(end).ok()?))
        };
        self.desk.hold(partitions.into_iter().flatten().filter_map(held));
        self.metrics.consumer_lag.set(self.desk.lag().cast_signed());
    }
}

impl ConsumerContext for Member {
    fn pre_rebalance(&self, client: &Client, rebalance: &Rebalance<'_>) {
        match rebalance {
            Rebalance::Revoke(list) => {
                let lost = client.assignment_lost();
                let partitions = numbers(list);
                tracing::info!(?partitions, lost, topic = self.name, "partitions go to another consumer");
                self.desk.revoke(&partitions, lost, RELEASE_PATIENCE);
            }
            Rebalance::Assign(_) => {}
            Rebalance::Error(error) => {
                self.watch.raise(Trouble::of_error(error, "the group cannot share out its partitions"));
            }
        }
    }

    fn post_rebalance(&self, client: &Client, rebalance: &Rebalance<'_>) {
        if let Rebalance::Assign(list) = rebalance {
            let partitions = numbers(list);
            if partitions.is_empty() {
                return;
            }
            // Nothing is fetched until it is known from where.
            if let Err(error) = client.pause(list) {
                self.watch.raise(Trouble::of_error(&error, "a partition cannot be paused"));
            }
            tracing::info!(?partitions, topic = self.name, "partitions are ours");
            self.desk.assigned(&partitions);
        }
    }
}

fn numbers(list: &TopicPartitionList) -> Vec<i32> {
    list.elements().iter().map(|element| element.partition()).collect()
}

/// Polls until the desk is closed.
pub(super) fn run(client: &Client, topic: Topic) {
    let member = Arc::clone(client.context());
    let desk = &member.desk;
    while !desk.is_closed() {
        introduce(client, &member);
        carry_out(client, &member);
        if let Some((is_full, partitions)) = desk.flow() {
            let list = list(&member.name, &partitions);
            let turned = if is_full { client.pause(&list) } else { client.resume(&list) };
            if let Err(error) = turned {
                member.watch.raise(Trouble::of_error(&error, "partitions cannot be paused or resumed"));
            }
        }
        match client.poll(POLL_INTERVAL) {
            None | Some(Err(KafkaError::PartitionEOF(_))) => {}
            Some(Ok(message)) => {
                member.watch.settle();
                desk.put(record::delivery(&message, topic, &member.source));
            }
            Some(Err(KafkaError::MessageConsumptionFatal(code))) => {
                let trouble = Trouble::of_fatal(client.client());
                let trouble = trouble.unwrap_or_else(|| Trouble {
                    kind: Kind::Other,
                    message: format!("the consumer has failed: {code}"),
                });
                desk.fail(trouble.message, trouble.kind.remedy().to_owned());
                return;
            }
            // The client has told of it already, and goes on by itself. But for a topic it does not know there
            // is no such report.
            Some(Err(error)) => {
                let doing = format!("{} cannot be read", member.name);
                if error.rdkafka_error_code() != Some(RDKafkaErrorCode::AutoOffsetReset) {
                    member.watch.raise(Trouble::of_error(&error, &doing));
                }
            }
        }
    }
}

/// A list of partitions of one topic.
pub(super) fn list(name: &str, partitions: &[i32]) -> TopicPartitionList {
    let mut list = TopicPartitionList::with_capacity(partitions.len());
    for partition in partitions {
        list.add_partition(name, *partition);
    }
    list
}

/// Tells the consumer of partitions that it does not know of, with where its group has come to.
fn introduce(client: &Client, member: &Member) {
    let untold = member.desk.untold();
    if untold.is_empty() {
        return;
    }
    match committed(client, &member.name, &untold) {
        Ok(assignments) => {
            member.watch.settle();
            member.desk.tell(assignments);
        }
        Err(error) => member.watch.raise(Trouble::of_error(&error, "committed offsets cannot be read")),
    }
}

fn committed(client: &Client, name: &str, partitions: &[i32]) -> KafkaResult<Vec<Assignment>> {
    let committed = client.committed_offsets(list(name, partitions), ASKING_PATIENCE)?;
    let assignment = |element: &rdkafka::topic_partition_list::TopicPartitionListElem<'_>| {
        element.error()?;
        let committed = match element.offset() {
            Offset::Offset(next) => u64::try_from(next).ok(),
            _ => None,
        };
        Ok(Assignment { partition: element.partition(), committed })
    };
    committed.elements().iter().map(assignment).collect()
}

/// Begins to read where that was ordered.
fn carry_out(client: &Client, member: &Member) {
    let mut again = Vec::new();
    while let Some(order) = member.desk.take_order() {
        match begin(client, member, order) {
            Ok(()) => {}
            // A partition that was only just assigned may not be ready.
            Err(error) => {
                tracing::debug!(%error, partition = order.partition, "a partition cannot be started yet");
                again.push(order);
            }
        }
    }
    again.into_iter().for_each(|order| member.desk.put_back(order));
}

fn begin(client: &Client, member: &Member, order: Position) -> KafkaResult<()> {
    let mut list = list(&member.name, &[order.partition]);
    list.set_all_offsets(Offset::Offset(order.next.cast_signed()))?;
    let sought = client.seek_partitions(list, ASKING_PATIENCE)?;
    for element in sought.elements() {
        element.error()?;
    }
    member.desk.restart(order.partition);
    if !member.desk.is_full() {
        client.resume(&self::list(&member.name, &[order.partition]))?;
    }
    tell_of_gap(client, member, order);
    Ok(())
}

/// What was deleted before it was read is counted, as far as is known: offsets may leave gaps.
fn tell_of_gap(client: &Client, member: &Member, order: Position) {
    let earliest = match client.fetch_watermarks(&member.name, order.partition, ASKING_PATIENCE) {
        Ok((earliest, _)) => u64::try_from(earliest).unwrap_or_default(),
        Err(error) => return tracing::debug!(%error, "where a partition begins is not known"),
    };
    let missing = earliest.saturating_sub(order.next);
    if order.next > 0 && missing > 0 {
        tracing::error!(
            topic = member.name,
            partition = order.partition,
            missing,
            "messages were deleted before they were read: keep them longer (retention.ms of the topic)"
        );
        member.metrics.events_lost.with_label_values(&[EXPIRED]).inc_by(missing);
    }
}
