//! An agent that reads the logs of a node's pods, as the DaemonSet of the chart does.

use std::path::Path;

use serde_json::{Value, json};

use super::node::Node;
use super::*;

/// Writes the log of a container as its runtime does: long lines in parts, both streams in one file.
fn write(pods: &Path, pod: &str, container: &str, function: &str) {
    let folder = pods.join(pod).join(container);
    std::fs::create_dir_all(&folder).unwrap();
    let line = |stream: &str, kind: char, text: &str| {
        format!("2026-05-01T12:00:00.000000001Z {stream} {kind} {text}\n")
    };
    let text = [
        line("stderr", 'P', "panic: assignment to en"),
        line("stdout", 'P', "GET /orders "),
        line("stderr", 'F', "try in nil map"),
        line("stderr", 'F', ""),
        line("stdout", 'F', "200"),
        line("stderr", 'F', "goroutine 1 [running]:"),
        line("stderr", 'P', "shop/store."),
        line("stdout", 'F', "GET /stock 200"),
        line("stderr", 'F', &format!("{function}(0x1)")),
        line("stderr", 'F', "\t/src/shop/store/store.go:7 +0x1d"),
        line("stderr", 'F', "exit status 2"),
    ];
    std::fs::write(folder.join("0.log"), text.concat()).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn events_tell_the_pod_whose_log_it_was() {
    let used = broker::shared().await;
    let config = used.broker.prepared("pods").await;
    let (bus, ..) = open(&config);
    let node = tempfile::tempdir().unwrap();
    let pods = node.path().join("pods");
    write(&pods, "web_shop-5d9c-x2_0d1b7c6e", "app", "put");
    write(&pods, "web_shop-5d9c-x2_0d1b7c6e", "proxy", "get");
    write(&pods, "batch_billing-0_77aa", "app", "put");
    let plain = node.path().join("plain.log");
    std::fs::write(&plain, "{\"level\":\"error\",\"msg\":\"order not saved\"}\n").unwrap();
    let logs = pods.join("*/*/*.log");
    let mut consumer = bus.consumer(Topic::Errors, "readers").await.unwrap();
    let _agent = Node::unnamed(&config, &["agent", logs.to_str().unwrap(), plain.to_str().unwrap()]);

    let told = ["k8s.namespace.name", "k8s.pod.name", "k8s.pod.uid", "k8s.container.name", "service.name"];
    let mut events: Vec<Vec<Value>> = take(&mut consumer, 4)
        .await
        .iter()
        .map(|delivery| {
            let body: Value = serde_json::from_slice(&delivery.message.body).unwrap();
            told.iter().map(|name| body[*name].clone()).chain([body["body"].clone()]).collect()
        })
        .collect();
    events.sort_by_key(|event| format!("{event:?}"));
    let mut expected = [
        json!(["web", "shop-5d9c-x2", "0d1b7c6e", "app", "app", "nil map write in store.put"]),
        json!(["web", "shop-5d9c-x2", "0d1b7c6e", "proxy", "proxy", "nil map write in store.get"]),
        json!(["batch", "billing-0", "77aa", "app", "app", "nil map write in store.put"]),
        json!([null, null, null, null, "unknown_service", "order not saved"]),
    ]
    .map(|event| event.as_array().unwrap().clone());
    expected.sort_by_key(|event| format!("{event:?}"));
    assert_eq!(events, expected);
}
