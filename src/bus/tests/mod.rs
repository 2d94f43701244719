//! The real bus on a real disk.

mod faults;
mod model;

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Duration;

use jiff::Timestamp;

use super::*;
use crate::domain::Settlement;
use crate::storage::crash::crash_copy;
use crate::telemetry::metrics::Metrics;

const GROUP: &str = "fixer";
/// So long that only a hang reaches it.
const PATIENCE: Duration = Duration::from_secs(30);

fn open(folder: &Path, config: &Config) -> Bus {
    Bus::Embedded(Embedded::open(folder, config, &Metrics::new().unwrap()).unwrap())
}

fn status(bus: &Bus) -> EmbeddedStatus {
    let Bus::Embedded(bus) = bus else { panic!("these tests are of the embedded bus") };
    bus.status()
}

/// Joins a group and begins where it remembers to have been, else where the group is.
async fn join(bus: &Bus, topic: Topic, group: &str, remembered: Option<u64>) -> Consumer {
    let mut consumer = bus.consumer(topic, group).await.unwrap();
    let Turn::Assigned(assignments) = consumer.next(1, 1).await.unwrap() else { panic!("no assignment") };
    let [Assignment { partition: 0, committed }] = assignments[..] else { panic!("{assignments:?}") };
    let next = remembered.or(committed).unwrap();
    consumer.start(Position { partition: 0, next }).await.unwrap();
    consumer
}

async fn next_batch(
    consumer: &mut Consumer,
    max_count: usize,
    max_bytes: usize,
) -> Result<Vec<Delivery>, Error> {
    match consumer.next(max_count, max_bytes).await? {
        Turn::Messages(batch) => Ok(batch),
        turn => panic!("{turn:?}"),
    }
}

fn message(number: usize) -> Message {
    Message {
        topic: Topic::Errors,
        id: format!("id-{number}"),
        key: "shop".into(),
        headers: vec![("ce_type".into(), "error".into())],
        body: number.to_string().into_bytes(),
        time: Timestamp::UNIX_EPOCH,
    }
}

fn number(delivery: &Delivery) -> usize {
    std::str::from_utf8(&delivery.message.body).unwrap().parse().unwrap()
}

type Settled = (usize, Settlement);

fn settlements() -> (SyncSender<Settled>, Receiver<Settled>) {
    sync_channel(100_000)
}

fn pending(number: usize, sender: &SyncSender<Settled>) -> Pending {
    let sender = sender.clone();
    Pending::new(move |settlement| sender.send((number, settlement)).unwrap())
}

/// Publishes and waits until all is settled.
async fn publish(bus: &Bus, numbers: impl IntoIterator<Item = usize>) {
    let (sender, settled) = settlements();
    let mut count = 0;
    for number in numbers {
        bus.publish(&message(number), pending(number, &sender)).await.unwrap();
        count += 1;
    }
    tokio::task::spawn_blocking(move || {
        for _ in 0..count {
            assert_eq!(settled.recv_timeout(PATIENCE).unwrap().1, Settlement::Durable);
        }
    })
    .await
    .unwrap();
}

async fn take(consumer: &mut Consumer, count: usize) -> Vec<Delivery> {
    let mut all = Vec::new();
    while all.len() < count {
        let batch = tokio::time::timeout(PATIENCE, next_batch(consumer, count - all.len(), 1 << 20)).await;
        all.extend(batch.unwrap().unwrap());
    }
    all
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_arrive_in_order_once_and_again_after_a_restart_where_not_committed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("bus");
    let bus = open(&path, &Config::default());
    let mut consumer = join(&bus, Topic::Errors, GROUP, None).await;
    publish(&bus, 0..100).await;
    let got = take(&mut consumer, 60).await;
    assert_eq!(got.iter().map(number).collect::<Vec<_>>(), (0..60).collect::<Vec<_>>());
    assert_eq!(got[7].message, message(7));
    consumer.commit(&[got[39].position()], &[]).await.unwrap();
    bus.close().await;
    assert!(matches!(next_batch(&mut consumer, 1, 1).await, Err(Error::Closed)));

    let bus = open(&path, &Config::default());
    let mut consumer = join(&bus, Topic::Errors, GROUP, None).await;
    assert_eq!(
        take(&mut consumer, 60).await.iter().map(number).collect::<Vec<_>>(),
        (40..100).collect::<Vec<_>>()
    );
    let mut other = join(&bus, Topic::Errors, "other", None).await;
    assert_eq!(number(&take(&mut other, 1).await[0]), 0, "a new group starts with the oldest");
    let mut remembering = join(&bus, Topic::Errors, GROUP, Some(90)).await;
    assert_eq!(number(&take(&mut remembering, 1).await[0]), 90, "what the consumer remembers counts");
    let mut confused = join(&bus, Topic::Errors, GROUP, Some(1_000)).await;
    assert_eq!(number(&take(&mut confused, 1).await[0]), 0, "the memory of another bus counts for nothing");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_waiting_consumer_is_woken() {
    let folder = tempfile::tempdir().unwrap();
    let bus = open(folder.path(), &Config::default());
    let mut consumer = join(&bus, Topic::Errors, GROUP, None).await;
    let waiting = next_batch(&mut consumer, 10, 1_000);
    let publishing = async {
        tokio::time::sleep(Duration::from_millis(50)).await;
        publish(&bus, [7]).await;
    };
    let (batch, ()) = tokio::join!(waiting, publishing);
    assert_eq!(number(&batch.unwrap()[0]), 7);
    let (batch, ()) = tokio::join!(next_batch(&mut consumer, 10, 1_000), bus.close());
    assert!(matches!(batch, Err(Error::Closed)));
    assert!(matches!(bus.publish(&message(1), Pending::new(|_| {})).await, Err(Error::Closed)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_is_limited_by_count_and_bytes_but_never_empty() {
    let folder = tempfile::tempdir().unwrap();
    let bus = open(folder.path(), &Config::default());
    publish(&bus, 0..10).await;
    let mut consumer = join(&bus, Topic::Errors, GROUP, None).await;
    assert_eq!(next_batch(&mut consumer, 3, usize::MAX).await.unwrap().len(), 3);
    assert_eq!(next_batch(&mut consumer, 100, 0).await.unwrap().len(), 1);
    assert_eq!(next_batch(&mut consumer, 100, usize::MAX).await.unwrap().len(), 6);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_poisonous_message_is_set_aside_with_its_origin_and_reason() {
    let folder = tempfile::tempdir().unwrap();
    let bus = open(folder.path(), &Config::default());
    publish(&bus, [0, 1]).await;
    let mut consumer = join(&bus, Topic::Errors, GROUP, None).await;
    let poison = take(&mut consumer, 2).await.remove(1);
    bus.dead_letter(poison.clone(), "not JSON", Timestamp::UNIX_EPOCH).await.unwrap();
    let mut reader = join(&bus, Topic::DeadLetters, "person", None).await;
    let letter = take(&mut reader, 1).await.remove(0).message;
    assert_eq!(
        (letter.topic, &letter.id, &letter.body),
        (Topic::DeadLetters, &poison.message.id, &poison.message.body)
    );
    let header = |name: &str| letter.headers.iter().find(|(key, _)| key == name).unwrap().1.as_str();
    assert_eq!(
        (
            header("dlq_topic"),
            header("dlq_partition"),
            header("dlq_offset"),
            header("dlq_reason"),
            header("ce_type")
        ),
        ("hephaestus.errors.v1", "0", "1", "not JSON", "error")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_bus_holds_publishing_back_drops_nothing_and_goes_on() {
    const COUNT: usize = 400;
    let folder = tempfile::tempdir().unwrap();
    let config = Config { max_queue_bytes: 64 << 10, retention_bytes: 256 << 10, ..Config::default() };
    let bus = open(folder.path(), &config);
    let mut consumer = join(&bus, Topic::Errors, GROUP, None).await;
    let (sender, settled) = settlements();
    let publishing = async {
        for index in 0..COUNT {
            let mut message = message(index);
            message.headers.push(("ballast".into(), "x".repeat(4_000)));
            bus.publish(&message, pending(index, &sender)).await.unwrap();
        }
    };
    let consuming = async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        let before = status(&bus);
        assert!(
            before.is_full && before.stored_bytes < 384 << 10 && before.queued_bytes > 32 << 10,
            "{before:?}"
        );
        assert!(settled.try_iter().count() < 100, "the rest waits");
        for expected in 0..COUNT {
            let delivery = take(&mut consumer, 1).await.remove(0);
            assert_eq!(number(&delivery), expected);
            if expected == 3 {
                // Even now there is a way out for a message that cannot be read.
                bus.dead_letter(delivery.clone(), "poison", Timestamp::UNIX_EPOCH).await.unwrap();
            }
            consumer.commit(&[delivery.position()], &[]).await.unwrap();
        }
    };
    tokio::join!(publishing, consuming);
    let durable = |(_, settlement): &Settled| *settlement == Settlement::Durable;
    assert!(settled.try_iter().filter(durable).count() > 300);
    let after = status(&bus);
    assert!(!after.is_full && after.stored_bytes <= 256 << 10, "{after:?}");
    assert_eq!(after.topics[0].groups, [GroupStatus { name: GROUP.into(), lag: 0 }]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bus_that_is_full_to_the_byte_goes_on_once_that_was_consumed() {
    let folder = tempfile::tempdir().unwrap();
    let of_one = open(&folder.path().join("one"), &Config::default());
    publish(&of_one, [0]).await;
    let config = Config { retention_bytes: 4 * status(&of_one).stored_bytes, ..Config::default() };
    let bus = open(&folder.path().join("bus"), &config);
    let mut consumer = join(&bus, Topic::Errors, GROUP, None).await;
    publish(&bus, 0..4).await;
    assert_eq!(status(&bus).stored_bytes, config.retention_bytes);
    let last = take(&mut consumer, 4).await.pop().unwrap();
    consumer.commit(&[last.position()], &[]).await.unwrap();
    publish(&bus, [4]).await;
    assert_eq!(number(&take(&mut consumer, 1).await[0]), 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_consumed_is_deleted_by_age_and_stays_deleted() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("bus");
    let config = Config { retention_period: Duration::ZERO, ..Config::default() };
    let bus = open(&path, &config);
    let mut consumer = join(&bus, Topic::Errors, GROUP, None).await;
    publish(&bus, 0..1_000).await;
    let last = take(&mut consumer, 1_000).await.pop().unwrap();
    consumer.commit(&[last.position()], &[]).await.unwrap();
    tokio::time::sleep(Duration::from_millis(1_100)).await;
    publish(&bus, [1_000]).await;
    consumer.commit(&[last.position()], &[]).await.unwrap();
    let topic = &status(&bus).topics[0];
    assert_eq!((topic.head, topic.end), (1_000, 1_001));
    drop((consumer, bus));
    let bus = open(&path, &config);
    let mut other = join(&bus, Topic::Errors, "other", None).await;
    assert_eq!(number(&take(&mut other, 1).await[0]), 1_000);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_settled_survives_a_crash() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("bus");
    let bus = open(&path, &Config::default());
    for round in 0..5 {
        publish(&bus, round * 50..(round + 1) * 50).await;
        let copy = folder.path().join(format!("copy-{round}"));
        crash_copy(&path, &copy);
        let after = open(&copy, &Config::default());
        let mut consumer = join(&after, Topic::Errors, GROUP, None).await;
        let numbers: Vec<_> = take(&mut consumer, (round + 1) * 50).await.iter().map(number).collect();
        assert_eq!(numbers, (0..(round + 1) * 50).collect::<Vec<_>>());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_future_that_waits_for_room_refuses_its_promise_when_dropped() {
    let folder = tempfile::tempdir().unwrap();
    let config = Config { max_queue_bytes: 1, retention_bytes: 1, ..Config::default() };
    let bus = open(folder.path(), &config);
    let _consumer = join(&bus, Topic::Errors, GROUP, None).await;
    publish(&bus, [0]).await;
    let (sender, settled) = settlements();
    bus.publish(&message(1), pending(1, &sender)).await.unwrap();
    let third = message(2);
    let waiting = bus.publish(&third, pending(2, &sender));
    assert!(tokio::time::timeout(Duration::from_millis(50), waiting).await.is_err());
    assert_eq!(settled.try_recv(), Ok((2, Settlement::Refused)));
    bus.close().await;
    assert_eq!(settled.recv_timeout(PATIENCE), Ok((1, Settlement::Refused)));
}

#[test]
fn it_can_be_shared() {
    fn shared<T: Send + Sync + Clone + 'static>() {}
    fn sent<T: Send + 'static>() {}
    shared::<Bus>();
    sent::<Arc<Consumer>>();
}
