//! A real Kafka broker on loopback, one for all tests of a run.

use std::fs::File;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, mpsc};
use std::time::{Duration, Instant};

use hephaestus::bus::kafka::{KafkaConfig, Sasl, Tls, TopicSettings, topics};
use tokio::sync::{OnceCell, RwLock, RwLockReadGuard, RwLockWriteGuard};

use crate::harness::{project, succeed};

/// A first start fetches and formats; a busy machine takes its time.
const START_PATIENCE: Duration = Duration::from_secs(180);

static SHARED: OnceCell<Broker> = OnceCell::const_new();
/// Whoever only uses the broker reads; whoever lets it fail writes.
static USE: RwLock<()> = RwLock::const_new(());

/// The broker, for as long as the value lives.
pub(crate) struct Used<'a> {
    pub(crate) broker: &'static Broker,
    _guard: Guard<'a>,
}

enum Guard<'a> {
    Shared { _guard: RwLockReadGuard<'a, ()> },
    Alone { _guard: RwLockWriteGuard<'a, ()> },
}

/// The broker, together with other tests.
pub(crate) async fn shared() -> Used<'static> {
    let guard = Guard::Shared { _guard: USE.read().await };
    Used { broker: broker().await, _guard: guard }
}

/// The broker, with no other test on it: it may be stopped.
pub(crate) async fn alone() -> Used<'static> {
    let guard = Guard::Alone { _guard: USE.write().await };
    let broker = broker().await;
    if broker.process.lock().unwrap().is_none() {
        // A test that failed has left it so.
        broker.start();
    }
    Used { broker, _guard: guard }
}

async fn broker() -> &'static Broker {
    SHARED.get_or_init(|| async { tokio::task::spawn_blocking(Broker::new).await.unwrap() }).await
}

/// A broker that can be stopped and started again.
pub(crate) struct Broker {
    folder: PathBuf,
    /// Of everybody, of those with a password, of those with encryption, of the quorum.
    ports: [u16; 4],
    process: Mutex<Option<Process>>,
    names: AtomicUsize,
}

struct Process {
    id: u32,
    ended: std::thread::JoinHandle<()>,
}

impl Broker {
    fn new() -> Self {
        let all = Path::new(env!("CARGO_TARGET_TMPDIR")).join("kafka");
        std::fs::create_dir_all(&all).unwrap();
        // What runs before have left behind.
        for entry in std::fs::read_dir(&all).unwrap().flatten() {
            if !Path::new("/proc").join(entry.file_name()).exists() {
                std::fs::remove_dir_all(entry.path()).ok();
            }
        }
        let folder = all.join(std::process::id().to_string());
        std::fs::create_dir_all(&folder).unwrap();
        // Held at once, so that they differ.
        let held = [(); 4].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
        let ports = held.each_ref().map(|listener| listener.local_addr().unwrap().port());
        drop(held);
        let broker = Self { folder, ports, process: Mutex::default(), names: AtomicUsize::new(0) };
        broker.start();
        broker
    }

    /// Starts it on the data it has, and waits until it answers.
    pub(crate) fn start(&self) {
        let mut process = self.process.lock().unwrap();
        assert!(process.is_none(), "it runs");
        let log = File::options().create(true).append(true).open(self.folder.join("log")).unwrap();
        let mut command = Command::new("setpriv");
        // However the tests end, it does.
        command
            .args(["--pdeathsig", "KILL", "--"])
            .arg(project().join("tests/kafka/broker.sh"))
            .arg(&self.folder);
        command.args(self.ports.map(|port| port.to_string()));
        command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
        // It ends with the thread that started it, so that thread stays.
        let (sender, started) = mpsc::sync_channel(1);
        let ended = std::thread::spawn(move || {
            let mut child = command.spawn().expect("the tests need util-linux");
            sender.send(child.id()).unwrap();
            child.wait().unwrap();
        });
        *process = Some(Process { id: started.recv().unwrap(), ended });
        let is_up = || {
            let client: rdkafka::consumer::BaseConsumer =
                rdkafka::ClientConfig::new().set("bootstrap.servers", self.address()).create().unwrap();
            rdkafka::consumer::Consumer::fetch_metadata(&client, None, Duration::from_secs(1)).is_ok()
        };
        let begun = Instant::now();
        while !is_up() {
            let has_ended = process.as_ref().is_some_and(|process| process.ended.is_finished());
            assert!(
                !has_ended && begun.elapsed() < START_PATIENCE,
                "the broker does not start:\n{}",
                self.log()
            );
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.folder.join("log")).unwrap_or_default()
    }

    /// Kills it. It has time for nothing.
    pub(crate) fn kill(&self) {
        let process = self.process.lock().unwrap().take().expect("it runs");
        let id = rustix::process::Pid::from_raw(process.id.cast_signed()).unwrap();
        rustix::process::kill_process(id, rustix::process::Signal::KILL).unwrap();
        process.ended.join().unwrap();
    }

    /// Where everybody may come.
    pub(crate) fn address(&self) -> String {
        format!("127.0.0.1:{}", self.ports[0])
    }

    /// How to use it under a prefix of names of its own.
    pub(crate) fn config(&self, test: &str) -> KafkaConfig {
        let number = self.names.fetch_add(1, Ordering::Relaxed);
        KafkaConfig {
            brokers: vec![self.address()],
            topic_prefix: format!("{test}-{number}"),
            group: format!("{test}-{number}"),
            instance: "first".to_owned(),
            linger: Duration::from_millis(5),
            topics: TopicSettings { partitions: 3, ..TopicSettings::default() },
            ..KafkaConfig::default()
        }
    }

    /// The same, for somebody with a password.
    pub(crate) fn with_password(
        &self,
        config: KafkaConfig,
        mechanism: &str,
        name: &str,
        password: &str,
    ) -> KafkaConfig {
        let sasl = Sasl { mechanism: mechanism.into(), username: name.into(), password: password.into() };
        KafkaConfig { brokers: vec![format!("127.0.0.1:{}", self.ports[1])], sasl: Some(sasl), ..config }
    }

    /// The same, encrypted.
    pub(crate) fn encrypted(&self, config: KafkaConfig) -> KafkaConfig {
        let tls = Tls { ca_file: Some(self.folder.join("certificate.pem")), ..Tls::default() };
        KafkaConfig { brokers: vec![format!("localhost:{}", self.ports[2])], tls: Some(tls), ..config }
    }

    /// A configuration whose topics are there.
    pub(crate) async fn prepared(&self, test: &str) -> KafkaConfig {
        let config = self.config(test);
        topics::create(config.clone(), false).await.unwrap();
        config
    }

    /// Allows a user everything with what begins so: of `topic`, `group` and `transactional-id` those that are named.
    pub(crate) fn allow(&self, user: &str, prefix: &str, resources: &[&str]) {
        let jars = succeed(&mut Command::new(project().join(".ci/kafka")));
        let jars = format!("{}/*", String::from_utf8(jars.stdout).unwrap().trim());
        let mut command = Command::new("java");
        command.args([
            "-Xmx128m",
            "-XX:TieredStopAtLevel=1",
            "-cp",
            &jars,
            "org.apache.kafka.tools.AclCommand",
        ]);
        command.args(["--bootstrap-server", &self.address(), "--add", "--resource-pattern-type", "prefixed"]);
        command.args(["--allow-principal", &format!("User:{user}"), "--operation", "All"]);
        for resource in resources {
            command.args([&format!("--{resource}"), prefix]);
        }
        succeed(&mut command);
    }
}
