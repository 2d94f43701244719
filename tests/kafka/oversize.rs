//! Messages of others that are too large to be kept whole.

use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _};
use serde_json::json;

use super::node::Node;
use super::roles::Log;
use super::*;

/// It fits, compressed, into a topic whose limit it is far above when it is not.
const BYTES: usize = 3 << 20;

#[tokio::test(flavor = "multi_thread")]
async fn a_large_message_of_others_keeps_nobody_from_counting() {
    let used = broker::shared().await;
    let config = used.broker.prepared("oversize").await;
    tokio::task::block_in_place(|| {
        let foreign: BaseProducer = rdkafka::ClientConfig::new()
            .set("bootstrap.servers", &config.brokers[0])
            .set("compression.codec", "zstd")
            .set("message.max.bytes", "8000000")
            .create()
            .unwrap();
        let (topic, body) = (format!("{}.errors.v1", config.topic_prefix), "x".repeat(BYTES));
        for partition in 0..3 {
            let record = BaseRecord::to(&topic).partition(partition).key("shop/x").payload(&body);
            foreign.send(record).unwrap();
        }
        foreign.flush(PATIENCE).unwrap();

        let folder = tempfile::tempdir().unwrap();
        let mut log = Log::new(folder.path(), "shop");
        log.write(3);
        let _agent = Node::agent(&config, &log);
        let mut fixer = Node::fixer(&config);
        fixer.await_counts(&log.written);
        let list = fixer.await_json(&["dlq", "list"], |list| list["counts"]["cut"] == 3);
        let letter = &list["letters"][0];
        assert_eq!((&letter["bytes"], &letter["status"]), (&json!(BYTES), &json!("cut")), "{letter:#}");
        assert!(letter["reason"].as_str().unwrap().contains("expected"), "{letter:#}");
        fixer.assert_runs();
    });
}
