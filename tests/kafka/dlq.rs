//! `hephaestus dlq` over a real broker.

use std::process::Output;

use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::message::{Header, Headers as _, Message as _, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _};
use serde_json::{Value, json};

use super::node::Node;
use super::*;
use crate::harness::{errors_of, run};

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Key, body and headers.
type Record = (Vec<u8>, Vec<u8>, BTreeMap<String, Vec<u8>>);

/// What stands in the topic of errors.
fn errors_of_topic(config: &KafkaConfig) -> Vec<Record> {
    let client: BaseConsumer = rdkafka::ClientConfig::new()
        .set("bootstrap.servers", &config.brokers[0])
        .set("group.id", "raw")
        .set("isolation.level", "read_committed")
        .set("enable.partition.eof", "true")
        .create()
        .unwrap();
    let mut all = rdkafka::TopicPartitionList::new();
    let topic = format!("{}.errors.v1", config.topic_prefix);
    for partition in 0..3 {
        all.add_partition_offset(&topic, partition, rdkafka::Offset::Beginning).unwrap();
    }
    client.assign(&all).unwrap();
    let (mut records, mut ended) = (Vec::new(), 0);
    while ended < 3 {
        match client.poll(PATIENCE).expect("it ends") {
            Err(rdkafka::error::KafkaError::PartitionEOF(_)) => ended += 1,
            record => {
                let record = record.unwrap();
                let headers = record.headers().into_iter().flat_map(|headers| headers.iter());
                let headers = headers.map(|it| (it.key.to_owned(), it.value.unwrap_or_default().to_vec()));
                let bytes = |bytes: Option<&[u8]>| bytes.unwrap_or_default().to_vec();
                records.push((bytes(record.key()), bytes(record.payload()), headers.collect()));
            }
        }
    }
    records
}

/// A message that nobody here has written.
fn send_foreign(config: &KafkaConfig, topic: &str) {
    let foreign: BaseProducer =
        rdkafka::ClientConfig::new().set("bootstrap.servers", &config.brokers[0]).create().unwrap();
    let header = |key, value| Header { key, value: Some(value) };
    let headers =
        OwnedHeaders::new().insert(header("ce_id", "foreign-1")).insert(header("ce_source", "/elsewhere"));
    let headers = headers.insert(header("x-trace", "7")).insert(header("dlq_replayed", "0-9"));
    let record =
        BaseRecord::to(topic).partition(1).key("shop/x").payload("not \u{1b}[31mours").headers(headers);
    foreign.send(record).unwrap();
    foreign.flush(PATIENCE).unwrap();
}

/// The message above and what was put back of it.
fn assert_came_back_as_it_was(records: &[Record]) {
    // They are on two partitions, which come in any order. Only the foreign one has this header.
    let (first, second): (Vec<_>, Vec<_>) =
        records.iter().partition(|record| record.2.contains_key("dlq_replayed"));
    let ([first], [second]) = (&first[..], &second[..]) else { panic!("twice") };
    assert_eq!((&first.0, &first.1), (&second.0, &second.1));
    let value = |name: &str| second.2.get(name).map(|value| String::from_utf8_lossy(value).into_owned());
    assert_eq!(value("ce_id").as_deref(), Some("foreign-1"));
    assert_eq!(value("ce_source").as_deref(), Some("/elsewhere"));
    assert_eq!(value("x-trace").as_deref(), Some("7"));
    assert!(second.2.keys().all(|name| !name.starts_with("dlq_")), "{:?}", second.2.keys());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_read_is_listed_put_back_and_comes_again() {
    let used = broker::shared().await;
    let config = used.broker.prepared("dlq").await;
    tokio::task::block_in_place(|| {
        let fixer = Node::new(&config, &["fixer"]);
        let none = run(fixer.command().args(["dlq", "list"]));
        assert_eq!(
            (none.status.code(), text(&none).as_str()),
            (Some(0), "No dead letters\n"),
            "{}",
            errors_of(&none)
        );

        let topic = format!("{}.errors.v1", config.topic_prefix);
        send_foreign(&config, &topic);
        let list = fixer.await_json(&["dlq", "list"], |list| list["counts"]["open"] == 1);
        let letter = &list["letters"][0];
        let id = letter["id"].as_str().unwrap().to_owned();
        for (name, value) in [
            ("event_id", json!("foreign-1")),
            ("topic", json!(topic)),
            ("partition", json!(1)),
            ("offset", json!(0)),
            ("key", json!("shop/x")),
            ("bytes", json!(13)),
            ("preview", json!("not \u{fffd}[31mours")),
        ] {
            assert_eq!(letter[name], value, "{name}: {letter:#}");
        }
        assert!(letter["reason"].as_str().unwrap().contains("expected"), "{letter:#}");
        let shown = text(&run(fixer.command().args(["dlq", "list"])));
        for part in ["open", &id, &format!("{topic} 1/0"), "13 bytes", "key shop/x", "not \u{fffd}[31mours"] {
            assert!(shown.contains(part), "{part}: {shown}");
        }

        let dry = fixer.json(&["dlq", "replay", "--all", "--dry-run"]);
        assert_eq!(dry["topics"], json!({&topic: 1}), "{dry:#}");
        assert_eq!(errors_of_topic(&config).len(), 1, "nothing was put back");
        let done = run(fixer.command().args(["dlq", "replay", &id]));
        assert_eq!(done.status.code(), Some(0), "{}", errors_of(&done));
        for part in [
            "put back",
            &format!("1 dead letter put back: 1 onto {topic}"),
            "comes back as a new dead letter",
        ] {
            assert!(text(&done).contains(part), "{part}: {}", text(&done));
        }
        let list =
            fixer.await_json(&["dlq", "list"], |list| list["counts"] == json!({"open": 1, "replayed": 1}));
        let again =
            list["letters"].as_array().unwrap().iter().find(|letter| letter["status"] == "open").unwrap();
        assert_eq!(again["event_id"], "foreign-1");
        // Whoever wrote it chose the partition; now its key does.
        assert_ne!([&again["partition"], &again["offset"]], [&json!(1), &json!(0)]);

        assert_came_back_as_it_was(&errors_of_topic(&config));
        let once_more = run(fixer.command().args(["dlq", "replay", &id, "2/99999"]));
        assert_eq!(once_more.status.code(), Some(1), "{}", errors_of(&once_more));
        for part in ["it was put back before", "not there", "2/99999", "0 dead letters put back"] {
            assert!(text(&once_more).contains(part), "{part}: {}", text(&once_more));
        }
        assert_eq!(errors_of_topic(&config).len(), 2);
    });
}

/// A real message that another cluster's agent has published.
async fn real_messages(used: &broker::Used<'_>) -> Vec<Delivery> {
    let config = used.broker.prepared("dlq-origin").await;
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("app.log");
    let lines: String = (0..40)
        .map(|number| format!("{{\"level\":\"error\",\"msg\":\"{} failed\"}}\n", "x".repeat(number + 1)))
        .collect();
    std::fs::write(&log, lines).unwrap();
    let _agent = tokio::task::block_in_place(|| Node::new(&config, &["agent", log.to_str().unwrap()]));
    let (bus, ..) = open(&config);
    let mut consumer = bus.consumer(Topic::Errors, &person(&config)).await.unwrap();
    take(&mut consumer, 40).await
}

#[tokio::test(flavor = "multi_thread")]
async fn each_is_put_back_once_whoever_replays_and_is_counted() {
    let used = broker::shared().await;
    let messages = real_messages(&used).await;
    let config = used.broker.prepared("dlq-once").await;
    let (bus, ..) = open(&config);
    for message in &messages {
        bus.dead_letter(message.clone(), "an older version", Timestamp::now()).await.unwrap();
    }
    tokio::task::block_in_place(|| {
        // It is asked from here; its own process is of no use yet.
        let mut fixer = Node::new(&config, &["fixer"]);
        fixer.kill();
        let replay = || {
            let mut command = fixer.command();
            command.args(["dlq", "replay", "--all", "--format", "json"]);
            std::thread::spawn(move || run(&mut command))
        };
        let replays = [(); 3].map(|()| replay()).map(|replay| replay.join().unwrap());
        for output in &replays {
            let told = errors_of(output);
            assert!(output.status.success() || told.contains("another replay has begun"), "{told}");
        }
        let last = fixer.json(&["dlq", "replay", "--all"]);
        assert_eq!(fixer.json(&["dlq", "list"])["counts"], json!({"replayed": 40}), "{last:#}");
        let mut bodies: Vec<_> = errors_of_topic(&config).into_iter().map(|(_, body, _)| body).collect();
        bodies.sort();
        let mut expected: Vec<_> = messages.iter().map(|delivery| delivery.message.body.clone()).collect();
        expected.sort();
        assert!(bodies == expected, "{} of {} messages", bodies.len(), expected.len());
        fixer.start();
        let counted = |list: &Value| {
            let groups = list["groups"].as_array();
            groups.is_some_and(|groups| {
                groups.iter().filter_map(|group| group["count"].as_u64()).sum::<u64>() == 40
            })
        };
        fixer.await_json(&["groups", "list"], counted);
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn what_keeps_dead_letters_from_being_read_is_told() {
    let used = broker::shared().await;
    let missing = used.broker.config("dlq-missing");
    let away = KafkaConfig { brokers: vec!["127.0.0.1:1".into()], ..missing.clone() };
    tokio::task::block_in_place(|| {
        for (config, remedy) in [(missing, "hephaestus topics create"), (away, "bus.kafka.brokers")] {
            let mut node = Node::new(&config, &["version"]);
            node.kill();
            for arguments in [&["dlq", "list"][..], &["dlq", "replay", "--all"]] {
                let output = run(node.command().args(arguments));
                assert_eq!(output.status.code(), Some(2), "{}", text(&output));
                assert!(errors_of(&output).contains(remedy), "{}", errors_of(&output));
            }
            let unclear = run(node.command().args(["dlq", "replay"]));
            assert_eq!(unclear.status.code(), Some(2));
            assert!(errors_of(&unclear).contains("--all"), "{}", errors_of(&unclear));
        }
    });
}
