//! Processes of one role each over the broker.

use std::fs::OpenOptions;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Instant;

use serde_json::Value;

use super::roles::Log;
use super::*;
use crate::harness::{errors_of, hephaestus, run, succeed};

/// A process of one role, with a folder of its own.
pub(super) struct Node {
    folder: tempfile::TempDir,
    arguments: Vec<String>,
    process: Option<Child>,
}

/// The part of a configuration that says how Kafka is used.
fn bus(config: &KafkaConfig) -> String {
    format!(
        "bus:\n  kind: kafka\n  kafka:\n    brokers: ['{}']\n    topic_prefix: {}\n    group: {}\n    properties: \
         {{session.timeout.ms: '6000', heartbeat.interval.ms: '1000'}}\n",
        config.brokers[0], config.topic_prefix, config.group,
    )
}

impl Node {
    pub(super) fn new(config: &KafkaConfig, arguments: &[&str]) -> Self {
        Self::of("shop", &bus(config), arguments)
    }

    /// One whose services are not named.
    pub(super) fn unnamed(config: &KafkaConfig, arguments: &[&str]) -> Self {
        Self::of("unknown_service", &bus(config), arguments)
    }

    /// With further settings.
    pub(super) fn with(config: &KafkaConfig, arguments: &[&str], settings: &str) -> Self {
        Self::of("shop", &(bus(config) + settings), arguments)
    }

    pub(super) fn fixer(config: &KafkaConfig) -> Self {
        Self::new(config, &["fixer"])
    }

    /// What reads the log of a service.
    pub(super) fn agent(config: &KafkaConfig, log: &Log) -> Self {
        Self::of(log.service, &bus(config), &["agent", log.path.to_str().unwrap()])
    }

    /// One that needs no broker.
    pub(super) fn embedded(arguments: &[&str]) -> Self {
        Self::of("shop", "", arguments)
    }

    fn of(service: &str, settings: &str, arguments: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let text = format!(
            "state_dir: {}\nservice_name: {service}\nserver: {{listen: '127.0.0.1:0'}}\n\
             collector: {{polling_interval: 100ms}}\n{settings}",
            folder.path().join("state").display(),
        );
        std::fs::write(folder.path().join("hephaestus.yaml"), text).unwrap();
        let arguments = arguments.iter().map(|&argument| argument.to_owned()).collect();
        let mut node = Self { folder, arguments, process: None };
        node.start();
        node
    }

    pub(super) fn command(&self) -> Command {
        let mut command = hephaestus();
        command.arg("--config").arg(self.folder.path().join("hephaestus.yaml"));
        command
    }

    pub(super) fn start(&mut self) {
        let errors =
            OpenOptions::new().create(true).append(true).open(self.folder.path().join("errors")).unwrap();
        let mut command = self.command();
        command.arg("-v").args(&self.arguments).stdout(Stdio::null()).stderr(errors);
        self.process = Some(command.spawn().unwrap());
    }

    /// Where its server listens, once it says so.
    pub(super) fn address(&self) -> String {
        let begun = Instant::now();
        loop {
            if let Some((_, rest)) = self.errors().split_once("http://") {
                return rest.split(';').next().unwrap().to_owned();
            }
            assert!(begun.elapsed() < PATIENCE, "it does not start: {}", self.errors());
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// What a command of its answers, as JSON.
    pub(super) fn json(&self, arguments: &[&str]) -> Value {
        let output = succeed(self.command().args(arguments).args(["--format", "json"]));
        serde_json::from_slice(&output.stdout).unwrap()
    }

    /// Waits until something is so of what a command answers, and gives that.
    #[track_caller]
    pub(super) fn await_json(&self, arguments: &[&str], is_so: impl Fn(&Value) -> bool) -> Value {
        let begun = Instant::now();
        loop {
            let output = run(self.command().args(arguments).args(["--format", "json"]));
            let answer: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
            if is_so(&answer) {
                return answer;
            }
            let said = errors_of(&output);
            assert!(begun.elapsed() < PATIENCE, "{answer:#}; {said}; it said {}", self.errors());
            std::thread::sleep(Duration::from_millis(200));
        }
    }

    /// It has not ended by itself.
    #[track_caller]
    pub(super) fn assert_runs(&mut self) {
        let ended = self.process.as_mut().unwrap().try_wait().unwrap();
        assert!(ended.is_none(), "it ended: {}", self.errors());
    }

    /// Waits until something holds of it.
    #[track_caller]
    pub(super) fn await_that(&mut self, what: &str, holds: impl Fn(&Self) -> bool) {
        let begun = Instant::now();
        while !holds(self) {
            self.assert_runs();
            assert!(begun.elapsed() < PATIENCE * 2, "not {what}: {}", self.errors());
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    pub(super) fn signal(&self, name: &str) {
        let id = self.process.as_ref().unwrap().id().to_string();
        succeed(Command::new("kill").args([name, &id]));
    }

    pub(super) fn kill(&mut self) {
        let mut process = self.process.take().unwrap();
        process.kill().unwrap();
        process.wait().unwrap();
    }

    /// Asks it to end; gives how long it took, and how it ended.
    pub(super) fn terminate(&mut self) -> (Duration, ExitStatus) {
        let begun = Instant::now();
        self.signal("-TERM");
        let ended = self.process.take().unwrap().wait().unwrap();
        (begun.elapsed(), ended)
    }

    pub(super) fn lose_disk(&self) {
        std::fs::remove_dir_all(self.folder.path().join("state")).unwrap();
    }

    pub(super) fn errors(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("errors")).unwrap()
    }

    /// What it tells of `groups` or of `suggestions`; nothing where it does not answer yet.
    pub(super) fn list(&self, what: &str) -> Vec<Value> {
        let output = run(self.command().args([what, "list", "--format", "json"]));
        let list: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
        list[what].as_array().cloned().unwrap_or_default()
    }

    /// What it counts, by service and title.
    fn counts(&self) -> BTreeMap<String, u64> {
        let groups = self.list("groups");
        let mut counts = BTreeMap::new();
        for group in &groups {
            let (service, title) = (group["service"].as_str().unwrap(), group["title"].as_str().unwrap());
            let count = group["count"].as_u64().unwrap();
            assert_eq!(counts.insert(format!("{service} {title}"), count), None, "{groups:?}");
        }
        counts
    }

    #[track_caller]
    pub(super) fn await_counts(&self, expected: &BTreeMap<String, u64>) {
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
