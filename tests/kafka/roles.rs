//! `hephaestus agent` and `hephaestus fixer` over a real broker: processes that are killed and paused.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use serde_json::Value;

use super::*;
use crate::harness::{hephaestus, run, succeed};

/// The kinds of crashes that are written: each is a group of its own.
const KINDS: [&str; 5] = ["A", "B", "C", "D", "E"];

/// A process of one role, with a folder of its own.
struct Node {
    folder: tempfile::TempDir,
    arguments: Vec<String>,
    process: Option<Child>,
}

impl Node {
    fn fixer(config: &KafkaConfig) -> Self {
        Self::new(config, "unknown_service", &["fixer"])
    }

    /// What reads the log of a service.
    fn agent(config: &KafkaConfig, log: &Log) -> Self {
        Self::new(config, log.service, &["agent", log.path.to_str().unwrap()])
    }

    fn new(config: &KafkaConfig, service: &str, arguments: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let text = format!(
            "state_dir: {}\nservice_name: {service}\nserver: {{listen: '127.0.0.1:0'}}\n\
             collector: {{polling_interval: 100ms}}\nbus:\n  kind: kafka\n  kafka:\n    brokers: ['{}']\n    \
             topic_prefix: {}\n    group: {}\n    properties: {{session.timeout.ms: '6000', heartbeat.interval.ms: '1000'}}\n",
            folder.path().join("state").display(),
            config.brokers[0],
            config.topic_prefix,
            config.group,
        );
        std::fs::write(folder.path().join("hephaestus.yaml"), text).unwrap();
        let arguments = arguments.iter().map(|&argument| argument.to_owned()).collect();
        let mut node = Self { folder, arguments, process: None };
        node.start();
        node
    }

    fn command(&self) -> Command {
        let mut command = hephaestus();
        command.arg("--config").arg(self.folder.path().join("hephaestus.yaml"));
        command
    }

    fn start(&mut self) {
        let errors =
            OpenOptions::new().create(true).append(true).open(self.folder.path().join("errors")).unwrap();
        let mut command = self.command();
        command.arg("-v").args(&self.arguments).stdout(Stdio::null()).stderr(errors);
        self.process = Some(command.spawn().unwrap());
    }

    fn signal(&self, name: &str) {
        let id = self.process.as_ref().unwrap().id().to_string();
        succeed(Command::new("kill").args([name, &id]));
    }

    fn kill(&mut self) {
        let mut process = self.process.take().unwrap();
        process.kill().unwrap();
        process.wait().unwrap();
    }

    fn lose_disk(&self) {
        std::fs::remove_dir_all(self.folder.path().join("state")).unwrap();
    }

    fn errors(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("errors")).unwrap()
    }

    /// What it counts, by service and kind; nothing where it does not answer yet.
    fn counts(&self) -> BTreeMap<String, u64> {
        let output = run(self.command().args(["groups", "list", "--format", "json"]));
        let list: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
        let groups = list["groups"].as_array().cloned().unwrap_or_default();
        let mut counts = BTreeMap::new();
        for group in &groups {
            let (service, title) = (group["service"].as_str().unwrap(), group["title"].as_str().unwrap());
            let name = format!("{service} {}", title.chars().last().unwrap());
            assert_eq!(counts.insert(name, group["count"].as_u64().unwrap()), None, "{groups:?}");
        }
        counts
    }

    #[track_caller]
    fn await_counts(&self, expected: &BTreeMap<String, u64>) {
        let begun = Instant::now();
        while self.counts() != *expected {
            let counts = self.counts();
            assert!(begun.elapsed() < PATIENCE, "{counts:?}, not {expected:?}; it said {}", self.errors());
            std::thread::sleep(Duration::from_millis(200));
        }
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        if let Some(process) = &mut self.process {
            // One that has ended already cannot be killed.
            process.kill().ok();
            process.wait().ok();
        }
    }
}

/// Writes the crashes of a service, and keeps count.
struct Log {
    service: &'static str,
    path: PathBuf,
    written: BTreeMap<String, u64>,
}

impl Log {
    fn new(folder: &Path, service: &'static str) -> Self {
        Self { service, path: folder.join(service), written: BTreeMap::new() }
    }

    fn write(&mut self, rounds: usize) {
        let mut file = OpenOptions::new().create(true).append(true).open(&self.path).unwrap();
        for kind in KINDS.repeat(rounds) {
            let crash = format!(
                "panic: assignment to entry in nil map\n\ngoroutine 1 [running]:\nshop/store.put{kind}(0x1)\n\
                 \t/src/shop/store/store.go:7 +0x1d\nmain.main()\n\t/src/shop/main.go:9 +0x1d\nexit status 2\n"
            );
            file.write_all(crash.as_bytes()).unwrap();
            *self.written.entry(format!("{} {kind}", self.service)).or_default() += 1;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn counts_are_exact_whoever_dies() {
    let used = broker::shared().await;
    let config = used.broker.prepared("roles-kills").await;
    tokio::task::block_in_place(|| {
        let logs = tempfile::tempdir().unwrap();
        let mut log = Log::new(logs.path(), "shop");
        log.write(3);
        let mut agent = Node::agent(&config, &log);
        let mut fixers = [(); 2].map(|()| Node::fixer(&config));
        fixers[0].await_counts(&log.written);
        for round in 0..4 {
            log.write(2);
            if round % 2 == 0 {
                agent.kill();
                agent.start();
            }
            log.write(1);
            let fixer = &mut fixers[round % 2];
            fixer.kill();
            if round > 1 {
                fixer.lose_disk();
            }
            fixer.start();
            log.write(1);
        }
        fixers.iter().for_each(|fixer| fixer.await_counts(&log.written));
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_was_paused_is_fenced_and_knows_what_the_other_knows() {
    let used = broker::shared().await;
    let config = used.broker.prepared("roles-paused").await;
    tokio::task::block_in_place(|| {
        let logs = tempfile::tempdir().unwrap();
        let mut log = Log::new(logs.path(), "shop");
        log.write(2);
        let _agent = Node::agent(&config, &log);
        let paused = Node::fixer(&config);
        paused.await_counts(&log.written);
        paused.signal("-STOP");
        log.write(2);
        // It hears of nothing that comes in these partitions before they are taken from the other.
        let other = Node::fixer(&config);
        other.await_counts(&log.written);
        paused.signal("-CONT");
        log.write(1);
        for fixer in [&paused, &other] {
            fixer.await_counts(&log.written);
        }
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_crash_in_two_services_is_two_groups_with_exact_counts() {
    let used = broker::shared().await;
    let config = used.broker.prepared("roles-services").await;
    tokio::task::block_in_place(|| {
        let folder = tempfile::tempdir().unwrap();
        let mut logs = ["shop", "billing"].map(|service| Log::new(folder.path(), service));
        let written = |logs: &[Log; 2]| logs.iter().flat_map(|log| log.written.clone()).collect();
        logs[0].write(3);
        logs[1].write(2);
        let _agents = logs.each_ref().map(|log| Node::agent(&config, log));
        let mut fixers = [(); 2].map(|()| Node::fixer(&config));
        fixers[0].await_counts(&written(&logs));
        for (round, fixer) in fixers.iter_mut().enumerate() {
            logs[round].write(2);
            fixer.kill();
            logs.iter_mut().for_each(|log| log.write(1));
            if round == 1 {
                fixer.lose_disk();
            }
            fixer.start();
        }
        fixers.iter().for_each(|fixer| fixer.await_counts(&written(&logs)));
    });
}
