//! The consumers that the README shows, on messages of a real agent and a real fixer.

use std::collections::BTreeSet;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _};

use super::node::Node;
use super::*;
use crate::harness::{blocks, errors_of, hephaestus, project, run, succeed};
use crate::stream::depot::{Depot, append};

/// What the Python consumer needs.
const PACKAGES: [&str; 2] = ["confluent-kafka==2.8.0", "jsonschema==4.23.0"];

/// What the README shows in a language, talking to our broker.
fn program(language: &str, address: &str) -> String {
    let [program] = &blocks("README.md", "Kafka", language)[..] else { panic!("one in {language}") };
    assert!(program.contains("127.0.0.1:9092"), "{program}");
    program.replace("127.0.0.1:9092", address)
}

/// A consumer that runs.
struct Consumer {
    process: Child,
    out: PathBuf,
    errors: PathBuf,
}

impl Consumer {
    fn start(command: &mut Command, folder: &Path, name: &str) -> Self {
        let [out, errors] = ["out", "errors"].map(|kind| folder.join(format!("{name}.{kind}")));
        let [stdout, stderr] = [&out, &errors].map(|path| File::create(path).unwrap());
        let process = command.stdin(Stdio::null()).stdout(stdout).stderr(stderr).spawn().unwrap();
        Self { process, out, errors }
    }

    fn errors(&self) -> String {
        std::fs::read_to_string(&self.errors).unwrap()
    }

    /// Waits until it has printed a line with all of these.
    #[track_caller]
    fn await_line(&mut self, parts: &[&str]) {
        let begun = Instant::now();
        loop {
            let said = std::fs::read_to_string(&self.out).unwrap();
            if said.lines().any(|line| parts.iter().all(|part| line.contains(part))) {
                return;
            }
            let ended = self.process.try_wait().unwrap();
            assert!(ended.is_none(), "it ended: {ended:?}: {said}\n{}", self.errors());
            assert!(begun.elapsed() < 2 * PATIENCE, "no line with {parts:?} in {said:?}; {}", self.errors());
            std::thread::sleep(Duration::from_millis(100));
        }
    }
}

impl Drop for Consumer {
    fn drop(&mut self) {
        // One that has ended already cannot be killed.
        self.process.kill().ok();
        self.process.wait().ok();
    }
}

/// A Python script, as the consumer of a topic is, with its argument.
fn python(script: &Path, argument: &str) -> Command {
    let venv = succeed(Command::new(project().join(".ci/venv")).args(PACKAGES));
    let venv = String::from_utf8(venv.stdout).unwrap();
    let mut command = Command::new(Path::new(venv.trim()).join("bin/python"));
    // The schemas are found from the root of the project.
    command.arg(script).arg(argument).current_dir(project());
    command
}

/// The Go consumer, built by the Go that tests and sandbox use, as old as that may be.
fn go(source: &str, folder: &Path) -> Command {
    let module = folder.join("consumer");
    std::fs::create_dir(&module).unwrap();
    for name in ["go.mod", "go.sum"] {
        std::fs::copy(project().join("tests/kafka/consumer").join(name), module.join(name)).unwrap();
    }
    std::fs::write(module.join("main.go"), source).unwrap();
    let mut build = crate::harness::go();
    // Its modules come from a proxy, checked by their sums.
    build.env_remove("GOPROXY").env("GOFLAGS", "-mod=readonly");
    succeed(build.args(["build", "-o", "consume", "."]).current_dir(&module));
    Command::new(module.join("consume"))
}

/// Whether JSON texts are of the schema of a topic, one a line.
const VALIDATE: &str = "import json, sys
from jsonschema import Draft202012Validator
schema = Draft202012Validator(json.load(open(sys.argv[1])))
for line in open(sys.argv[2]):
    schema.validate(json.loads(line))
";

/// The records of the topic of knowledge, of every kind that there is, are of its schema.
async fn assert_knowledge(kafka: &Kafka, folder: &Path) {
    let mut reader = kafka.reader(Topic::Knowledge, BTreeMap::new()).unwrap();
    let (mut bodies, mut kinds) = (Vec::new(), BTreeSet::new());
    while kinds.len() < 5 {
        let records = tokio::time::timeout(PATIENCE, reader.next()).await.unwrap().unwrap();
        for record in records {
            let header = |name: &str| record.headers.iter().find(|(key, _)| key == name).unwrap().1.clone();
            let is_mark = record.key.starts_with("barrier/");
            let kind = if is_mark { "hephaestus.barrier.v1" } else { "hephaestus.knowledge.v1" };
            assert_eq!(header("ce_type"), kind);
            assert_eq!(header("content-type"), "application/json");
            if let Some(body) = record.body {
                assert!(!body.contains(&b'\n'));
                bodies.push(body);
                kinds.insert(record.key.split('/').next().unwrap().to_owned());
            }
        }
    }
    let file = folder.join("knowledge.jsonl");
    let validated = |bodies: &[Vec<u8>]| {
        std::fs::write(&file, bodies.join(&b'\n')).unwrap();
        let mut command = python(Path::new("-c"), VALIDATE);
        run(command.arg("docs/schemas/hephaestus.knowledge.v1.json").arg(&file))
    };
    let output = validated(&bodies);
    assert!(output.status.success(), "{}", errors_of(&output));
    // Of a record that lacks something it is told.
    assert!(!validated(&[b"{\"version\": 1, \"record\": {\"count\": 1}}".to_vec()]).status.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_consumers_of_the_readme_understand_an_agent_and_a_fixer() {
    let used = broker::shared().await;
    // Under the names that the README has; other tests have prefixes of their own.
    let config =
        KafkaConfig { topic_prefix: KafkaConfig::default().topic_prefix, ..used.broker.config("consumers") };
    let (_, kafka, _) = open(&config);
    let folder = tempfile::tempdir().unwrap();
    tokio::task::block_in_place(|| {
        let (address, script) = (config.brokers[0].as_str(), folder.path().join("consumer.py"));
        std::fs::write(&script, program("python", address)).unwrap();
        let configuration = folder.path().join("hephaestus.yaml");
        std::fs::write(&configuration, program("yaml", address)).unwrap();
        succeed(hephaestus().arg("--config").arg(&configuration).args(["topics", "create"]));
        let listen = |kind: &str| {
            Consumer::start(&mut python(&script, &format!("hephaestus.{kind}")), folder.path(), kind)
        };
        let (mut errors, mut fixes, mut status) =
            (listen("errors.v1"), listen("fixes.v1"), listen("fix-status.v1"));
        let mut in_go = Consumer::start(&mut go(&program("go", address), folder.path()), folder.path(), "go");

        let (depot, log) = (Depot::new(), folder.path().join("app.log"));
        let repository = depot.repository();
        let _agent = Node::new(&config, &["agent", log.to_str().unwrap()]);
        let fixer = Node::new(&config, &["fixer", "--repo", repository.to_str().unwrap()]);
        append(&log, &depot.nil_map());
        append(&log, b"{\"level\":\"error\",\"msg\":\"order not saved\",\"order\":7}\n");

        errors.await_line(&["shop/", "shop nil map write in store.(*Store).Tag"]);
        errors.await_line(&["order not saved"]);
        in_go.await_line(&["critical", "shop", "nil map write in store.(*Store).Tag"]);
        fixes.await_line(&["shop/", "nil map write in store.(*Store).Tag"]);
        status.await_line(&["shop open"]);
        let list = fixer.json(&["suggestions", "list", "--verdict", "proven"]);
        let id = list["suggestions"][0]["id"].as_str().unwrap().to_owned();
        fixer.json(&["suggestions", "approve", &id, "--note", "looks right"]);
        status.await_line(&[&id, "shop approved"]);

        // That a message is not of the schema would be told.
        let foreign: BaseProducer =
            rdkafka::ClientConfig::new().set("bootstrap.servers", address).create().unwrap();
        foreign.send(BaseRecord::to("hephaestus.errors.v1").key("k").payload("{}")).unwrap();
        foreign.flush(PATIENCE).unwrap();
        assert_eq!(errors.process.wait().unwrap().code(), Some(1));
        assert!(
            errors.errors().contains("ValidationError: 'timestamp' is a required property"),
            "{}",
            errors.errors()
        );
    });
    assert_knowledge(&kafka, folder.path()).await;
}
