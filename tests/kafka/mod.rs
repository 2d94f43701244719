//! The bus on a real Kafka broker, and what both engines of the bus promise.

mod broker;
mod consumers;
mod demo;
mod dlq;
mod faults;
mod groups;
mod kills;
mod node;
mod oversize;
mod pods;
mod promises;
mod reading;
mod roles;
pub(crate) mod scraped;
mod suggestions;
mod surroundings;
mod topics_command;
mod transactions;

use std::collections::BTreeMap;
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::Duration;

use hephaestus::bus::kafka::{Kafka, KafkaConfig};
use hephaestus::bus::{Assignment, Bus, Consumer, Delivery, Message, Position, Topic, Turn};
use hephaestus::domain::{Pending, Settlement};
use hephaestus::telemetry::metrics::Metrics;
use hephaestus::telemetry::{LogFormat, LogLevel, LogOptions};
use jiff::Timestamp;

/// A group of somebody who only looks.
fn person(config: &KafkaConfig) -> String {
    format!("{}-person", config.group)
}

/// So long that only a hang reaches it.
const PATIENCE: Duration = Duration::from_secs(90);

/// One of several keys, in turn.
fn message(number: usize) -> Message {
    Message {
        topic: Topic::Errors,
        id: format!("id-{number}"),
        key: format!("shop/{}", number % 7),
        headers: vec![
            ("content-type".into(), "application/json".into()),
            ("ce_type".into(), "hephaestus.error.v1".into()),
        ],
        body: number.to_string().into_bytes(),
        time: Timestamp::from_second(1_700_000_000).unwrap(),
    }
}

fn number(delivery: &Delivery) -> usize {
    std::str::from_utf8(&delivery.message.body).unwrap().parse().unwrap()
}

/// A bus. What it logs is shown where `HEPHAESTUS_LOG` asks for it.
fn open(config: &KafkaConfig) -> (Bus, Kafka, Metrics) {
    let directives = std::env::var("HEPHAESTUS_LOG").ok();
    let options = LogOptions { level: LogLevel::Off, format: LogFormat::Text, directives, color: false };
    hephaestus::telemetry::init(&options).unwrap();
    let metrics = Metrics::new().unwrap();
    let kafka = Kafka::open(config.clone(), &metrics).unwrap();
    (Bus::Kafka(kafka.clone()), kafka, metrics)
}

/// Publishes; the receiver hears how each promise ends.
async fn publish(bus: &Bus, messages: impl IntoIterator<Item = Message>) -> Receiver<Settlement> {
    let (sender, settled) = sync_channel(1_000_000);
    for message in messages {
        let sender = sender.clone();
        // Some tests end before their messages.
        let pending = Pending::new(move |settlement| sender.send(settlement).unwrap_or_default());
        bus.publish(&message, pending).await.unwrap();
    }
    settled
}

/// Waits until every promise has ended well.
fn await_durable(settled: &Receiver<Settlement>) {
    tokio::task::block_in_place(|| {
        while let Ok(settlement) = settled.recv_timeout(PATIENCE) {
            assert_eq!(settlement, Settlement::Durable);
        }
    });
}

async fn publish_durably(bus: &Bus, messages: impl IntoIterator<Item = Message>) {
    await_durable(&publish(bus, messages).await);
}

async fn next(consumer: &mut Consumer) -> Turn {
    tokio::time::timeout(PATIENCE, consumer.next(10_000, 8 << 20)).await.unwrap().unwrap()
}

/// Begins where the group has come to, or where that is not known at the beginning.
async fn begin(consumer: &mut Consumer, assignments: Vec<Assignment>) {
    for Assignment { partition, committed } in assignments {
        consumer.start(Position { partition, next: committed.unwrap_or_default() }).await.unwrap();
    }
}

/// The next messages, whatever else happens meanwhile.
async fn take(consumer: &mut Consumer, count: usize) -> Vec<Delivery> {
    let mut all = Vec::new();
    while all.len() < count {
        match next(consumer).await {
            Turn::Messages(batch) => all.extend(batch),
            Turn::Assigned(assignments) => begin(consumer, assignments).await,
            Turn::Revoked(revocation) => revocation.done(),
        }
    }
    all
}

/// How far each partition was read.
fn positions(deliveries: &[Delivery]) -> Vec<Position> {
    let mut last = BTreeMap::new();
    for delivery in deliveries {
        last.insert(delivery.partition, delivery.position());
    }
    last.into_values().collect()
}

/// The numbers of each key, in the order in which they came.
fn by_key(deliveries: &[Delivery]) -> BTreeMap<String, Vec<usize>> {
    let mut keys = BTreeMap::<_, Vec<_>>::new();
    for delivery in deliveries {
        keys.entry(delivery.message.key.clone()).or_default().push(number(delivery));
    }
    keys
}

/// What [`by_key`] gives where every message came once.
fn all_of(numbers: std::ops::Range<usize>) -> BTreeMap<String, Vec<usize>> {
    let mut keys = BTreeMap::<_, Vec<_>>::new();
    for number in numbers {
        keys.entry(message(number).key).or_default().push(number);
    }
    keys
}

/// The same without what came again: every first time, in order.
fn firsts(keys: &BTreeMap<String, Vec<usize>>) -> BTreeMap<String, Vec<usize>> {
    let first = |numbers: &Vec<usize>| {
        let mut seen = std::collections::BTreeSet::new();
        numbers.iter().copied().filter(|number| seen.insert(*number)).collect()
    };
    keys.iter().map(|(key, numbers)| (key.clone(), first(numbers))).collect()
}
