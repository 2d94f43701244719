//! What publishing to Kafka costs, from our bus to the acknowledgement, beside a bare loop around librdkafka with
//! the same messages and settings: events per second of CPU time, and peak memory.
//!
//! `cargo bench --bench kafka` starts a broker of its own (see `tests/kafka/broker.sh`) and takes about two minutes.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::print_stdout)]

use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use hephaestus::bus::kafka::{Kafka, KafkaConfig, TopicSettings, topics};
use hephaestus::bus::{Bus, Message, Topic};
use hephaestus::domain::Pending;
use hephaestus::telemetry::metrics::Metrics;
use jiff::Timestamp;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{DeliveryResult, Header, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _, ProducerContext};
use rdkafka::{ClientConfig, ClientContext};

const COUNT: usize = 400_000;
const ROUNDS: usize = 3;
/// Clock ticks of `/proc/PID/stat` in a second, which Linux shows to programs as this whatever its own are.
const TICKS: f64 = 100.0;
const QUEUE_BYTES: u64 = 8 << 20;

fn main() {
    // Each measurement is a process of its own, so that its peak memory is its own.
    if let Ok(what) = std::env::var("HEPHAESTUS_BENCH") {
        let (what, address) = what.split_once(' ').unwrap();
        return measure(what, address);
    }
    let broker = Broker::start();
    let mut rates = [Vec::new(), Vec::new()];
    println!(
        "| round | what | events per CPU second | events per second | peak memory |\n|---|---|---|---|---|"
    );
    for round in 1..=ROUNDS {
        for (rates, what) in rates.iter_mut().zip(["bare", "ours"]) {
            let mut child = Command::new(std::env::current_exe().unwrap());
            let output =
                child.env("HEPHAESTUS_BENCH", format!("{what} {}", broker.address)).output().unwrap();
            let text = String::from_utf8_lossy(&output.stdout).into_owned();
            assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
            let figures: Vec<f64> = text.split_whitespace().map(|figure| figure.parse().unwrap()).collect();
            println!("| {round} | {what} | {:.0} | {:.0} | {:.1} MiB |", figures[0], figures[1], figures[2]);
            rates.push(figures[0]);
        }
    }
    let [bare, ours] = rates.map(|mut rates| {
        rates.sort_by(f64::total_cmp);
        rates[rates.len() / 2]
    });
    println!("\nours / bare, by the medians: {:.2}", ours / bare);
}

fn measure(what: &str, address: &str) {
    let config = KafkaConfig {
        brokers: vec![address.to_owned()],
        topic_prefix: format!("{what}-{}", std::process::id()),
        max_queue_bytes: QUEUE_BYTES,
        topics: TopicSettings { partitions: 3, ..TopicSettings::default() },
        ..KafkaConfig::default()
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(topics::create(config.clone(), false)).unwrap();
    let messages: Vec<Message> = (0..1_000).map(message).collect();
    let (cpu, begun) = (cpu_seconds(), Instant::now());
    match what {
        "ours" => runtime.block_on(ours(config, &messages)),
        _ => bare(&config, &messages),
    }
    let (cpu, seconds) = (cpu_seconds() - cpu, begun.elapsed().as_secs_f64());
    println!("{} {} {}", COUNT as f64 / cpu, COUNT as f64 / seconds, peak_mib());
}

/// A kilobyte, much of which differs from message to message.
fn message(number: usize) -> Message {
    let mut state = number as u64 + 1;
    let mut word = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        format!("{:08x}", state >> 32)
    };
    let stack: Vec<String> = (0..12)
        .map(|line| format!("main.handle{}(0x{}) /src/{}.go:{line}", word(), word(), word()))
        .collect();
    Message {
        topic: Topic::Errors,
        id: format!("{:032x}", number),
        key: format!("shop/{}", number % 100),
        headers: vec![
            ("content-type".into(), "application/json".into()),
            ("ce_type".into(), "hephaestus.error.v1".into()),
        ],
        body: format!("{{\"service\":\"shop\",\"count\":1,\"stack\":{stack:?}}}").into_bytes(),
        time: Timestamp::from_second(1_700_000_000).unwrap(),
    }
}

async fn ours(config: KafkaConfig, messages: &[Message]) {
    let bus = Bus::Kafka(Kafka::open(config, &Metrics::new().unwrap()).unwrap());
    let durable = Arc::new(AtomicUsize::new(0));
    for message in messages.iter().cycle().take(COUNT) {
        let durable = Arc::clone(&durable);
        let pending = Pending::new(move |_| {
            durable.fetch_add(1, Ordering::Relaxed);
        });
        bus.publish(message, pending).await.unwrap();
    }
    while durable.load(Ordering::Relaxed) < COUNT {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    bus.close().await;
}

/// Counts what has arrived.
struct Reports(Arc<AtomicUsize>);

impl ClientContext for Reports {}

impl ProducerContext for Reports {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        assert!(result.is_ok());
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

fn bare(config: &KafkaConfig, messages: &[Message]) {
    let durable = Arc::new(AtomicUsize::new(0));
    let settings = [
        ("bootstrap.servers", config.brokers[0].as_str()),
        ("enable.idempotence", "true"),
        ("acks", "all"),
        ("enable.gapless.guarantee", "true"),
        ("message.timeout.ms", "0"),
        ("compression.codec", "zstd"),
        ("linger.ms", "20"),
        ("batch.size", "262144"),
        ("partitioner", "murmur2_random"),
        ("queue.buffering.max.messages", "0"),
        ("queue.buffering.max.kbytes", "8192"),
    ];
    let mut client = ClientConfig::new();
    for (name, value) in settings {
        client.set(name, value);
    }
    let producer: BaseProducer<Reports> = client.create_with_context(Reports(Arc::clone(&durable))).unwrap();
    let topic = format!("{}.errors.v1", config.topic_prefix);
    for message in messages.iter().cycle().take(COUNT) {
        let time = message.time.to_string();
        let mut headers = OwnedHeaders::new_with_capacity(6);
        let fields = [
            ("ce_specversion", "1.0"),
            ("ce_id", &message.id),
            ("ce_source", "/hephaestus"),
            ("ce_time", &time),
        ];
        let others = message.headers.iter().map(|(key, value)| (key.as_str(), value.as_str()));
        for (key, value) in fields.into_iter().chain(others) {
            headers = headers.insert(Header { key, value: Some(value) });
        }
        let mut record = BaseRecord::to(&topic).key(&message.key).payload(&message.body).headers(headers);
        while let Err((error, back)) = producer.send(record) {
            assert_eq!(error, KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull));
            record = back;
            producer.poll(Duration::from_millis(10));
        }
    }
    producer.flush(Duration::from_secs(60)).unwrap();
    assert_eq!(durable.load(Ordering::Relaxed), COUNT);
}

fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    // The name before may hold anything but ends with the last parenthesis; user and system time follow.
    let fields: Vec<_> = stat.rsplit_once(") ").unwrap().1.split(' ').collect();
    fields[11..13].iter().map(|ticks| ticks.parse::<f64>().unwrap()).sum::<f64>() / TICKS
}

fn peak_mib() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").trim().parse::<f64>().unwrap() / 1024.0
}

/// A broker that ends with the value.
struct Broker {
    child: Child,
    address: String,
    _folder: tempfile::TempDir,
}

impl Broker {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let held = [(); 4].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
        let ports = held.each_ref().map(|listener| listener.local_addr().unwrap().port());
        drop(held);
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/kafka/broker.sh");
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL", "--", script]).arg(folder.path());
        command.args(ports.map(|port| port.to_string())).stdin(Stdio::null());
        let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let address = format!("127.0.0.1:{}", ports[0]);
        while TcpStream::connect(&address).is_err() {
            std::thread::sleep(Duration::from_millis(100));
        }
        // It listens a little before it works.
        std::thread::sleep(Duration::from_secs(3));
        Self { child, address, _folder: folder }
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}
