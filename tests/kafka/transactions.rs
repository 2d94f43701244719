//! What is committed together, and who may.

use std::collections::{BTreeSet, VecDeque};
use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, Command, Stdio};

use hephaestus::bus::CommitError;
use rdkafka::ClientConfig;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _};

use tokio::task::JoinSet;

use super::*;

fn fix(number: usize) -> Message {
    Message { topic: Topic::Fixes, ..message(number) }
}

/// A producer of transactions beside ours.
pub(super) fn transactor(config: &KafkaConfig, id: &str) -> BaseProducer {
    let mut client = ClientConfig::new();
    client.set("bootstrap.servers", config.brokers.join(",")).set("transactional.id", id);
    client.set("transaction.timeout.ms", "60000");
    let producer: BaseProducer = client.create().unwrap();
    producer.init_transactions(PATIENCE).unwrap();
    producer
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_predecessor_left_open_is_aborted_and_blocks_nobody() {
    let used = broker::shared().await;
    let config = used.broker.prepared("left-open").await;
    let (bus, ..) = open(&config);
    publish_durably(&bus, (0..10).map(message)).await;
    let mut consumer = bus.consumer(Topic::Errors, &config.group).await.unwrap();
    let got = take(&mut consumer, 10).await;

    // Died in the middle of a transaction, under the id of this state directory.
    let topic = format!("{}.fixes.v1", config.topic_prefix);
    let dead = transactor(&config, &format!("{}-first", config.group));
    dead.begin_transaction().unwrap();
    for partition in 0..3 {
        dead.send(BaseRecord::to(&topic).partition(partition).key("dead").payload("never")).unwrap();
    }
    dead.flush(PATIENCE).unwrap();

    let mut person = bus.consumer(Topic::Fixes, &person(&config)).await.unwrap();
    consumer.commit(&positions(&got), &[fix(1), fix(2)]).await.unwrap();
    let seen = tokio::time::timeout(Duration::from_secs(10), take(&mut person, 2))
        .await
        .expect("it is not in the way");
    assert_eq!(seen.iter().map(number).collect::<std::collections::BTreeSet<_>>(), [1, 2].into());
    // It cannot go on.
    assert!(dead.commit_transaction(PATIENCE).is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn who_does_not_own_a_partition_commits_nothing() {
    let used = broker::shared().await;
    let config = used.broker.prepared("not-owned").await;
    let (bus, ..) = open(&config);
    let mut consumer = bus.consumer(Topic::Errors, &config.group).await.unwrap();
    publish_durably(&bus, [message(0)]).await;
    take(&mut consumer, 1).await;
    let refused = consumer.commit(&[Position { partition: 99, next: 1 }], &[fix(0)]).await;
    assert!(matches!(refused, Err(CommitError::Fenced(_))), "{refused:?}");
    let too_large = Message { body: vec![b'x'; 2 << 20], ..fix(0) };
    let owned = Position { partition: 0, next: 0 };
    let refused = consumer.commit(&[owned], &[too_large]).await.unwrap_err().to_string();
    assert!(refused.contains("2097152 bytes") && refused.contains("max.message.bytes"), "{refused}");
    // It can go on.
    consumer.commit(&[owned], &[fix(1)]).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transaction_that_is_given_up_ends_at_once() {
    let used = broker::shared().await;
    let config = used.broker.prepared("given-up").await;
    let (bus, _, metrics) = open(&config);
    let mut consumer = bus.consumer(Topic::Errors, &config.group).await.unwrap();
    publish_durably(&bus, [message(0)]).await;
    let got = take(&mut consumer, 1).await;
    consumer.commit(&positions(&got), &[fix(0)]).await.unwrap();
    let too_large = Message { body: vec![b'x'; 2 << 20], ..fix(0) };
    let begun = std::time::Instant::now();
    consumer.commit(&positions(&got), &[fix(1), too_large]).await.unwrap_err();
    assert!(begun.elapsed() < Duration::from_secs(4), "{:?}", begun.elapsed());
    consumer.commit(&positions(&got), &[fix(2)]).await.unwrap();
    let mut person = bus.consumer(Topic::Fixes, &person(&config)).await.unwrap();
    let mut seen: Vec<_> = take(&mut person, 2).await.iter().map(number).collect();
    seen.sort_unstable();
    assert_eq!(seen, [0, 2], "nothing of what was given up");
    assert_eq!(metrics.bus_published.with_label_values(&["kafka"]).get(), 3, "an error and two fixes");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bus_closes_soon_though_a_commit_waits_for_the_broker() {
    let used = broker::alone().await;
    let config = used.broker.prepared("closes").await;
    let (bus, ..) = open(&config);
    let mut consumer = bus.consumer(Topic::Errors, &config.group).await.unwrap();
    publish_durably(&bus, [message(0)]).await;
    let got = take(&mut consumer, 1).await;
    consumer.commit(&positions(&got), &[fix(0)]).await.unwrap();
    used.broker.kill();
    let mut committing = JoinSet::new();
    committing.spawn(async move { consumer.commit(&positions(&got), &[fix(1)]).await });
    // It is amid the transaction then.
    tokio::time::sleep(Duration::from_secs(1)).await;
    let begun = std::time::Instant::now();
    bus.close().await;
    let committed = committing.join_next().await.unwrap().unwrap();
    let took = begun.elapsed();
    tokio::task::block_in_place(|| used.broker.start());
    assert!(matches!(committed, Err(CommitError::Bus(hephaestus::bus::Error::Closed))), "{committed:?}");
    assert!(took < Duration::from_secs(6), "{took:?}");
}

/// A consumer in a process of its own: it says what it has, waits for a line, commits, and says how that ended.
#[test]
#[ignore = "a part of another test"]
fn consumer_that_is_stopped() {
    let Ok(told) = std::env::var("KAFKA_CONSUMER") else { return };
    let told: Vec<&str> = told.split(' ').collect();
    let mut config = KafkaConfig {
        brokers: vec![told[0].to_owned()],
        topic_prefix: told[1].to_owned(),
        group: told[1].to_owned(),
        instance: "stopped".to_owned(),
        ..KafkaConfig::default()
    };
    config.properties = short_session();
    tokio::runtime::Runtime::new().unwrap().block_on(async {
        let (bus, ..) = open(&config);
        let mut consumer = bus.consumer(Topic::Errors, &config.group).await.unwrap();
        let got = take(&mut consumer, 30).await;
        consumer.commit(&positions(&got[..10]), &[fix(0)]).await.unwrap();
        println!("CHILD has {}", got.len());
        std::io::stdout().flush().unwrap();
        std::io::stdin().read_line(&mut String::new()).unwrap();
        let committed = consumer.commit(&positions(&got), &[fix(666)]).await;
        println!("CHILD committed {committed:?}");
    });
}

fn short_session() -> BTreeMap<String, String> {
    [("session.timeout.ms", "3000"), ("heartbeat.interval.ms", "500")]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into()
}

fn spawn_consumer(config: &KafkaConfig) -> Child {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "kafka::transactions::consumer_that_is_stopped", "--ignored", "--nocapture"]);
    command.env("KAFKA_CONSUMER", format!("{} {}", config.brokers[0], config.topic_prefix));
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap()
}

/// The next line that the child says.
fn said(lines: &mut impl Iterator<Item = std::io::Result<String>>) -> String {
    lines.by_ref().map(Result::unwrap).find_map(|line| Some(line.split_once("CHILD ")?.1.to_owned())).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stopped_predecessor_is_fenced_when_it_wakes() {
    let used = broker::shared().await;
    let mut config = used.broker.prepared("stopped").await;
    config.properties = short_session();
    let (bus, ..) = open(&config);
    publish_durably(&bus, (0..30).map(message)).await;
    let mut child = spawn_consumer(&config);
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert_eq!(tokio::task::block_in_place(|| said(&mut lines)), "has 30");
    let id = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(id, rustix::process::Signal::STOP).unwrap();

    // Its successor takes over where it had committed, and commits.
    let mut successor = bus.consumer(Topic::Errors, &config.group).await.unwrap();
    let got = take(&mut successor, 20).await;
    successor.commit(&positions(&got), &[fix(1)]).await.unwrap();

    rustix::process::kill_process(id, rustix::process::Signal::CONT).unwrap();
    writeln!(child.stdin.take().unwrap()).unwrap();
    let committed = tokio::task::block_in_place(|| said(&mut lines));
    assert!(committed.starts_with("committed Err(Fenced("), "{committed}");
    child.wait().unwrap();
    let mut person = bus.consumer(Topic::Fixes, &person(&config)).await.unwrap();
    successor.commit(&positions(&got), &[fix(2)]).await.unwrap();
    let mut seen: Vec<_> = take(&mut person, 3).await.iter().map(number).collect();
    seen.sort_unstable();
    assert_eq!(seen, [0, 1, 2], "nothing of the stopped one");
}

#[tokio::test(flavor = "multi_thread")]
async fn commits_happen_once_while_the_broker_dies_again_and_again() {
    const COMMITS: usize = 60;
    let used = broker::alone().await;
    let config = used.broker.prepared("dies").await;
    let (bus, ..) = open(&config);
    publish_durably(&bus, (0..COMMITS).map(message)).await;
    let mut consumer = bus.consumer(Topic::Errors, &config.group).await.unwrap();
    let got = take(&mut consumer, COMMITS).await;
    let broker = used.broker;
    let (committed, commits) = sync_channel(0);
    let trouble = std::thread::spawn(move || {
        for pause in [300, 700, 1_100] {
            commits.recv().expect("it dies amid work");
            std::thread::sleep(Duration::from_millis(pause));
            broker.kill();
            broker.start();
        }
    });
    let mut left: VecDeque<_> = got.into();
    let mut owned: BTreeSet<i32> = (0..3).collect();
    while let Some(delivery) = left.front() {
        // A broker that has just begun may let the group form anew.
        let is_owned = owned.contains(&delivery.partition);
        let wait = if is_owned { Duration::from_millis(100) } else { PATIENCE };
        match tokio::time::timeout(wait, consumer.next(1_000, 1 << 20)).await.map(Result::unwrap) {
            Err(_) if is_owned => {
                match consumer.commit(&[delivery.position()], &[fix(number(delivery))]).await {
                    Ok(()) => {
                        left.pop_front();
                        // Only the first is waited for before each death.
                        committed.try_send(()).ok();
                    }
                    Err(CommitError::Fenced(_)) => {
                        owned.remove(&delivery.partition);
                    }
                    Err(error) => panic!("{error}"),
                }
            }
            Err(_) => panic!("partition {} does not come back", delivery.partition),
            Ok(Turn::Revoked(revocation)) => owned.retain(|number| !revocation.partitions.contains(number)),
            Ok(Turn::Messages(_)) => {}
            Ok(Turn::Assigned(assignments)) => {
                for assignment in &assignments {
                    let ours = left.iter().find(|it| it.partition == assignment.partition);
                    let committed = assignment.committed.unwrap_or_default();
                    assert!(ours.is_none_or(|ours| ours.offset == committed), "{assignment:?} {ours:?}");
                    owned.insert(assignment.partition);
                }
                begin(&mut consumer, assignments).await;
            }
        }
    }
    drop(committed);
    tokio::task::block_in_place(|| trouble.join().unwrap());
    let mut person = bus.consumer(Topic::Fixes, &person(&config)).await.unwrap();
    let mut seen: Vec<_> = take(&mut person, COMMITS).await.iter().map(number).collect();
    seen.sort_unstable();
    assert_eq!(seen, (0..COMMITS).collect::<Vec<_>>(), "each once");
    let more = tokio::time::timeout(Duration::from_secs(2), take(&mut person, 1)).await;
    assert!(more.is_err(), "{more:?}");
}
