//! Suggestions of several fixers, as whoever reads their topic sees them.

use rdkafka::Message as _;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::message::Headers as _;

use super::node::Node;
use super::*;
use crate::fixer::module::Till;

/// What stands in a topic, by a consumer that knows only Kafka: identities, keys, and whether there is a body.
fn published(config: &KafkaConfig, kind: &str) -> Vec<(String, String, bool)> {
    let client: BaseConsumer = rdkafka::ClientConfig::new()
        .set("bootstrap.servers", config.brokers.join(","))
        .set("group.id", person(config))
        .set("isolation.level", "read_committed")
        .set("enable.partition.eof", "true")
        .create()
        .unwrap();
    let mut all = rdkafka::TopicPartitionList::new();
    for partition in 0..3 {
        let topic = format!("{}.{kind}", config.topic_prefix);
        all.add_partition_offset(&topic, partition, rdkafka::Offset::Beginning).unwrap();
    }
    client.assign(&all).unwrap();
    let (mut records, mut ends) = (Vec::new(), 0);
    while ends < 3 {
        match client.poll(PATIENCE).expect("it answers") {
            Ok(message) => {
                let header = message.headers().unwrap().iter().find(|header| header.key == "ce_id").unwrap();
                let text = |bytes: Option<&[u8]>| String::from_utf8(bytes.unwrap().to_vec()).unwrap();
                records.push((text(header.value), text(message.key()), message.payload().is_some()));
            }
            Err(rdkafka::error::KafkaError::PartitionEOF(_)) => ends += 1,
            Err(error) => panic!("{error}"),
        }
    }
    records
}

fn is_at_work(fixer: &Node) -> bool {
    fixer.list("groups").iter().any(|group| group["status"] == "working")
}

fn has_suggestion(fixer: &Node) -> bool {
    !fixer.list("suggestions").is_empty()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_attempt_brings_one_suggestion_though_a_fixer_was_paused_amid_it() {
    let used = broker::shared().await;
    let config = used.broker.prepared("paused-attempt").await;
    tokio::task::block_in_place(|| {
        let till = Till::new();
        let (crash, repository) = (till.crash_log(), till.repository());
        let fixer = ["fixer", "--repo", repository.to_str().unwrap()];
        let mut paused = Node::new(&config, &fixer);
        let _agent = Node::new(&config, &["agent", crash.to_str().unwrap()]);
        paused.await_that("at work", is_at_work);
        paused.signal("-STOP");
        let mut other = Node::new(&config, &fixer);
        other.await_that("done", has_suggestion);
        let ids: Vec<_> =
            other.list("suggestions").iter().map(|it| it["id"].as_str().unwrap().to_owned()).collect();
        assert_eq!(ids.len(), 1);
        assert!(ids[0].ends_with("-1"), "it is the attempt that the other had begun: {ids:?}");

        paused.signal("-CONT");
        paused.await_that("told", has_suggestion);
        // Whatever it had found by then has had its chance.
        paused.await_that("a member again", |paused| {
            paused.errors().matches("partitions are ours").count() > 1
        });
        std::thread::sleep(Duration::from_secs(3));
        let told: Vec<String> = published(&config, "fixes.v1").into_iter().map(|(id, ..)| id).collect();
        assert_eq!(told, ids, "{}", paused.errors());
        for fixer in [&paused, &other] {
            assert_eq!(fixer.list("groups")[0]["status"], "suggested");
        }
    });
}

/// Whoever keeps the last word on each suggestion learns that one is forgotten.
#[tokio::test(flavor = "multi_thread")]
async fn a_suggestion_that_is_forgotten_has_no_status_any_more() {
    let used = broker::shared().await;
    let config = used.broker.prepared("forgotten").await;
    tokio::task::block_in_place(|| {
        let till = Till::new();
        let (crash, repository) = (till.crash_log(), till.repository());
        let fixer = ["fixer", "--repo", repository.to_str().unwrap()];
        let mut fixer = Node::with(
            &config,
            &fixer,
            "knowledge: {max_entries: 1, cleanup_interval: 1s, storage_path: null}\n",
        );
        let _agent = Node::new(&config, &["agent", crash.to_str().unwrap()]);
        fixer.await_that("done", has_suggestion);
        let id = fixer.list("suggestions")[0]["id"].as_str().unwrap().to_owned();
        fixer.json(&["suggestions", "reject", &id, "--note", "meant so"]);
        let other = till.repository().with_file_name("other.log");
        std::fs::write(&other, "{\"level\":\"error\",\"msg\":\"order not saved\"}\n").unwrap();
        let _second = Node::new(&config, &["agent", other.to_str().unwrap()]);
        fixer.await_that("forgotten", |fixer| !has_suggestion(fixer) && fixer.list("groups").len() == 1);

        let begun = std::time::Instant::now();
        let last_word = || published(&config, "fix-status.v1").into_iter().rfind(|(_, key, _)| *key == id);
        while last_word().is_none_or(|(.., has_body)| has_body) {
            assert!(begun.elapsed() < PATIENCE, "{:?}; {}", last_word(), fixer.errors());
            std::thread::sleep(Duration::from_millis(200));
        }
    });
}
