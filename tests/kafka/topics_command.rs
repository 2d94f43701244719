//! `hephaestus topics`, as it is typed.

use std::process::Output;

use serde_json::Value;

use super::*;
use crate::harness::{errors_of, hephaestus, run};

struct Place {
    folder: tempfile::TempDir,
}

impl Place {
    fn new(config: &KafkaConfig, more: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let text = format!(
            "bus:\n  kind: kafka\n  kafka:\n    brokers: ['{}']\n    topic_prefix: {}\n{more}",
            config.brokers[0], config.topic_prefix
        );
        std::fs::write(folder.path().join("hephaestus.yaml"), text).unwrap();
        Self { folder }
    }

    fn topics(&self, arguments: &[&str]) -> Output {
        let file = self.folder.path().join("hephaestus.yaml");
        tokio::task::block_in_place(|| {
            run(hephaestus().arg("--config").arg(file).arg("topics").args(arguments))
        })
    }
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn topics_are_made_once_and_checked() {
    let used = broker::shared().await;
    let config = used.broker.config("command");
    let place = Place::new(&config, "    partitions: 2\n");
    let missing = place.topics(&["check"]);
    assert_eq!(missing.status.code(), Some(1), "{}", errors_of(&missing));
    assert!(text(&missing).contains("hephaestus topics create"), "{}", text(&missing));

    let dry = place.topics(&["create", "--dry-run"]);
    assert_eq!(dry.status.code(), Some(0), "{}", errors_of(&dry));
    assert_eq!(text(&dry).matches("would be created").count(), 5, "{}", text(&dry));
    assert_eq!(place.topics(&["check"]).status.code(), Some(1), "nothing was made");

    let made = place.topics(&["create", "--format", "json"]);
    assert_eq!(made.status.code(), Some(0), "{}", errors_of(&made));
    let made: Value = serde_json::from_slice(&made.stdout).unwrap();
    assert_eq!(made["ok"], true);
    let topics = made["topics"].as_array().unwrap();
    assert!(topics.iter().all(|topic| topic["state"] == "created" && topic["partitions"] == 2), "{made:#}");
    let policy = |kind: &str| {
        let name = format!("{}.{kind}", config.topic_prefix);
        topics.iter().find(|topic| topic["name"] == *name).unwrap()["cleanup_policy"].clone()
    };
    assert_eq!(
        [policy("errors.v1"), policy("knowledge.v1"), policy("fix-status.v1")],
        ["delete", "compact", "compact"]
    );

    let again = place.topics(&["create"]);
    assert_eq!(again.status.code(), Some(0), "{}", errors_of(&again));
    let checked = place.topics(&["check"]);
    assert_eq!(
        (checked.status.code(), text(&checked).matches("ok ").count()),
        (Some(0), 5),
        "{}",
        text(&checked)
    );

    // What was made otherwise is told with how to mend it.
    let stricter =
        Place::new(&config, "    partitions: 4\n    replication_factor: 3\n    retention_period: 30d\n");
    let wrong = stricter.topics(&["check", "--format", "json"]);
    assert_eq!(wrong.status.code(), Some(1));
    let wrong: Value = serde_json::from_slice(&wrong.stdout).unwrap();
    let errors = wrong["topics"]
        .as_array()
        .unwrap()
        .iter()
        .find(|topic| topic["name"].as_str().unwrap().ends_with("errors.v1"));
    let problems = errors.unwrap()["problems"].to_string();
    for part in ["720 hours", "--add-config retention.ms=2592000000", "2 partitions", "1 copies"] {
        assert!(problems.contains(part), "{problems}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_keeps_topics_from_being_made_is_told() {
    let used = broker::shared().await;
    let config = used.broker.config("command-bad");
    let many = Place::new(&config, "    replication_factor: 3\n").topics(&["create"]);
    assert_eq!(many.status.code(), Some(2));
    assert!(errors_of(&many).contains("bus.kafka.replication_factor"), "{}", errors_of(&many));
    let nobody = KafkaConfig { brokers: vec!["127.0.0.1:1".into()], ..config };
    let away = Place::new(&nobody, "").topics(&["check"]);
    assert_eq!(away.status.code(), Some(2));
    assert!(errors_of(&away).contains("bus.kafka.brokers"), "{}", errors_of(&away));
    let refused = Place::new(&nobody, "    properties: {acks: '1'}\n").topics(&["check"]);
    assert_eq!(refused.status.code(), Some(2));
    let told = errors_of(&refused);
    assert!(told.contains("bus.kafka.properties.acks") && told.contains("all replicas"), "{told}");
}
