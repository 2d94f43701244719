//! From our configuration to librdkafka's.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::metadata::Metadata;

use super::config::KafkaConfig;
use super::trouble::{Kind, Quiet, Trouble, Watch};
use crate::bus::{Error, Topic};

/// What every client of a bus is made from.
#[derive(Debug)]
pub(super) struct Settings {
    pub(super) config: KafkaConfig,
    pub(super) watch: Arc<Watch>,
    names: BTreeMap<Topic, String>,
}

/// Properties that are not an operator's to set, and what to do instead.
const OURS: &[(&str, &str)] = &[
    ("acks", "a message counts as durable only when all replicas in sync have it"),
    ("request.required.acks", "a message counts as durable only when all replicas in sync have it"),
    ("enable.idempotence", "without it messages are lost or change their order"),
    ("enable.gapless.guarantee", "without it messages change their order"),
    ("message.timeout.ms", "messages are tried until they are durable"),
    ("delivery.timeout.ms", "messages are tried until they are durable"),
    ("retries", "messages are tried until they are durable"),
    ("message.send.max.retries", "messages are tried until they are durable"),
    ("delivery.report.only.error", "each message's fate must be known"),
    ("partitioner", "a group of errors must stay on one partition"),
    ("queue.buffering.max.kbytes", "set bus.max_queue instead"),
    ("queue.buffering.max.messages", "set bus.max_queue instead"),
    ("linger.ms", "set bus.kafka.linger instead"),
    ("queue.buffering.max.ms", "set bus.kafka.linger instead"),
    ("batch.size", "set bus.kafka.batch_bytes instead"),
    ("isolation.level", "what was not committed must not be read"),
    ("enable.auto.commit", "offsets are committed with what was derived from the messages"),
    ("enable.auto.offset.store", "offsets are committed with what was derived from the messages"),
    ("auto.offset.reset", "nothing may be skipped"),
    ("enable.partition.eof", "readers need it as it is"),
    ("partition.assignment.strategy", "partitions are handed over one by one"),
    ("group.protocol", "partitions are handed over one by one"),
    ("group.id", "set bus.kafka.group instead"),
    ("transactional.id", "it is derived from bus.kafka.group and the state directory"),
    ("transaction.timeout.ms", "a successor waits this long for what was left open"),
    ("bootstrap.servers", "set bus.kafka.brokers instead"),
    ("metadata.broker.list", "set bus.kafka.brokers instead"),
    ("security.protocol", "set bus.kafka.tls and bus.kafka.sasl instead"),
    ("allow.auto.create.topics", "topics are made by `hephaestus topics create`"),
    ("enabled_events", "set telemetry.log_level instead"),
    ("statistics.interval.ms", "the figures are read at a fixed pace"),
];

/// Names that librdkafka has for one property. Which of two it heeds is not certain.
const ALIASES: &[[&str; 2]] = &[
    ["compression.codec", "compression.type"],
    ["fetch.message.max.bytes", "max.partition.fetch.bytes"],
    ["sasl.mechanism", "sasl.mechanisms"],
];

/// The other names of a property.
fn aliases(name: &str) -> impl Iterator<Item = &'static str> + '_ {
    let pair = ALIASES.iter().find(|pair| pair.contains(&name));
    pair.into_iter().flatten().copied().filter(move |alias| *alias != name)
}

/// The largest message we send; brokers and topics take a little more unless told otherwise.
pub(super) const MAX_MESSAGE_BYTES: usize = 1_000_000;
/// What is fetched at once: no less than one message.
const FETCHED_BYTES: u64 = 4 << 20;
/// How long brokers may take to tell of their topics.
const ASKING_PATIENCE: Duration = Duration::from_secs(10);
/// How long is listened for why they do not.
const HEARING_PATIENCE: Duration = Duration::from_millis(500);
/// What a queued message costs in librdkafka beside its bytes.
pub(super) const OVERHEAD: usize = 768;

impl Settings {
    /// Refuses what cannot work, before anything is connected.
    pub(super) fn new(config: KafkaConfig) -> Result<Self, Error> {
        if config.brokers.is_empty() {
            let message = "no broker is named".to_owned();
            let remedy = "list at least one `host:port`".to_owned();
            return Err(Error::Config { key: "bus.kafka.brokers".to_owned(), message, remedy });
        }
        for (name, value) in &config.properties {
            check_property(name, value).map_err(|message| Error::Config {
                key: format!("bus.kafka.properties.{name}"),
                message,
                remedy: "remove it, or see CONFIGURATION.md of librdkafka for names and values".to_owned(),
            })?;
        }
        let name = |topic: Topic| (topic, format!("{}.{}", config.topic_prefix, topic.kind()));
        let names = Topic::ALL.into_iter().map(name).collect();
        let settings = Self { config, watch: Arc::default(), names };
        for client in [settings.producer(), settings.consumer("check")] {
            client.create_native_config().map_err(|error| refused(&error))?;
        }
        Ok(settings)
    }

    /// What a topic is called in the cluster.
    pub(super) fn name(&self, topic: Topic) -> &str {
        self.names.get(&topic).map_or(topic.name(), String::as_str)
    }

    fn common(&self) -> ClientConfig {
        let mut client = ClientConfig::new();
        client.set("bootstrap.servers", self.config.brokers.join(","));
        client.set("client.id", "hephaestus");
        // After an outage we are back within a second or two, not ten.
        client.set("reconnect.backoff.ms", "100").set("reconnect.backoff.max.ms", "1000");
        client.set("socket.keepalive.enable", "true");
        // Why a connection was closed is told at this level only.
        client.set_log_level(RDKafkaLogLevel::Info);
        let protocol = match (&self.config.tls, &self.config.sasl) {
            (None, None) => "plaintext",
            (Some(_), None) => "ssl",
            (None, Some(_)) => "sasl_plaintext",
            (Some(_), Some(_)) => "sasl_ssl",
        };
        client.set("security.protocol", protocol);
        if let Some(tls) = &self.config.tls {
            let files = [
                ("ssl.ca.location", &tls.ca_file),
                ("ssl.certificate.location", &tls.certificate_file),
                ("ssl.key.location", &tls.key_file),
            ];
            for (name, file) in files {
                if let Some(file) = file {
                    client.set(name, file.to_string_lossy());
                }
            }
        }
        if let Some(sasl) = &self.config.sasl {
            client.set("sasl.mechanism", &sasl.mechanism);
            client.set("sasl.username", &sasl.username).set("sasl.password", &sasl.password);
        }
        for (name, value) in &self.config.properties {
            for alias in aliases(name) {
                client.remove(alias);
            }
            client.set(name, value);
        }
        client
    }

    /// A client that publishes: what it takes is durable or reported, in order, for as long as it takes.
    pub(super) fn producer(&self) -> ClientConfig {
        let mut client = self.common();
        client.set("enable.idempotence", "true").set("acks", "all");
        // A message that the broker refuses takes those behind it down with it, so that none overtakes it.
        client.set("enable.gapless.guarantee", "true");
        client.set("message.timeout.ms", "0");
        default(&mut client, "topic.metadata.propagation.max.ms", "5000");
        default(&mut client, "retry.backoff.max.ms", "1000");
        default(&mut client, "compression.codec", "zstd");
        client.set("linger.ms", millis(self.config.linger));
        client.set("batch.size", self.config.batch_bytes.to_string());
        default(&mut client, "message.max.bytes", &MAX_MESSAGE_BYTES.to_string());
        // Our own limit comes first.
        client.set("queue.buffering.max.messages", "0").set("queue.buffering.max.kbytes", "2097151");
        client.set("partitioner", "murmur2_random");
        client
    }

    /// A client that publishes all or nothing, and fences a predecessor of the same id.
    pub(super) fn transactor(&self, id: &str) -> ClientConfig {
        let mut client = self.producer();
        client.set("transactional.id", id).set("transaction.timeout.ms", "15000");
        client.set("message.timeout.ms", "15000").set("enable.gapless.guarantee", "false");
        client.set("linger.ms", "2");
        client
    }

    /// A client that reads what was committed, within bounded memory.
    pub(super) fn consumer(&self, group: &str) -> ClientConfig {
        let mut client = self.common();
        client.set("group.id", group);
        client.set("isolation.level", "read_committed");
        client.set("enable.auto.commit", "false").set("enable.auto.offset.store", "false");
        client.set("auto.offset.reset", "earliest");
        client.set("partition.assignment.strategy", "cooperative-sticky");
        client.set("allow.auto.create.topics", "false");
        default(&mut client, "queued.max.messages.kbytes", "2048");
        default(&mut client, "queued.min.messages", "2000");
        default(&mut client, "fetch.message.max.bytes", "1048576");
        let largest = client.get("message.max.bytes").and_then(|bytes| bytes.parse().ok()).unwrap_or(0);
        default(&mut client, "fetch.max.bytes", &FETCHED_BYTES.max(largest).to_string());
        default(&mut client, "fetch.wait.max.ms", "250");
        client
    }

    /// What the brokers tell of their topics.
    pub(super) fn metadata(&self) -> Result<Metadata, Error> {
        let quiet = Quiet(Arc::clone(&self.watch));
        let client: BaseConsumer<Quiet> =
            self.common().create_with_context(quiet).map_err(|error| refused(&error))?;
        client.fetch_metadata(None, ASKING_PATIENCE).map_err(|error| {
            // Why they do not answer is told apart from that they do not.
            client.poll(HEARING_PATIENCE);
            let doing = "the brokers do not tell of their topics";
            self.watch.trouble().unwrap_or_else(|| self.told(Trouble::of_error(&error, doing))).into()
        })
    }

    /// How many partitions a topic has. That it is missing, or brokers do not answer, is told.
    pub(super) fn partitions(&self, topic: Topic) -> Result<i32, Error> {
        let (metadata, name) = (self.metadata()?, self.name(topic));
        partitions_in(&metadata, name).map_err(|error| {
            let doing = format!("{name} cannot be found");
            self.told(Trouble::of_error(&error, &doing)).into()
        })
    }

    fn told(&self, trouble: Trouble) -> Trouble {
        self.watch.raise(trouble.clone());
        trouble
    }

    /// A client that asks and changes how the cluster is set up.
    pub(super) fn admin(&self) -> ClientConfig {
        self.common()
    }
}

/// Whether an operator may set a property of librdkafka to a value.
///
/// # Errors
/// Why not.
pub fn check_property(name: &str, value: &str) -> Result<(), String> {
    if let Some((_, why)) = OURS.iter().find(|(ours, _)| *ours == name) {
        return Err(format!("this property is not to be set: {why}"));
    }
    match ClientConfig::new().set(name, value).create_native_config() {
        Err(KafkaError::ClientConfig(_, description, _, _)) => {
            // It repeats the value, which may be a secret.
            let is_unknown = description.starts_with("No such configuration property");
            let what = if is_unknown { "there is no such property" } else { "librdkafka refuses the value" };
            Err(what.to_owned())
        }
        _ => Ok(()),
    }
}

/// How many partitions a topic has, by what brokers tell of all of them.
pub(super) fn partitions_in(metadata: &Metadata, name: &str) -> KafkaResult<i32> {
    let topic = metadata.topics().iter().find(|topic| topic.name() == name);
    let count = topic.map_or(0, |topic| topic.partitions().len());
    if count == 0 {
        return Err(KafkaError::MetadataFetch(RDKafkaErrorCode::UnknownTopicOrPartition));
    }
    Ok(i32::try_from(count).unwrap_or(i32::MAX))
}

/// Sets what the operator has not.
fn default(client: &mut ClientConfig, name: &str, value: &str) {
    if client.get(name).is_none() && aliases(name).all(|alias| client.get(alias).is_none()) {
        client.set(name, value);
    }
}

fn millis(length: Duration) -> String {
    length.as_millis().to_string()
}

/// Why a client cannot be made: the key is ours, and a secret is not repeated.
pub(super) fn refused(error: &KafkaError) -> Error {
    let KafkaError::ClientConfig(_, description, property, _) = error else {
        let message = format!("no client can be made: {error}");
        let kind = if message.contains("ssl") { Kind::Encryption } else { Kind::Other };
        return Trouble { kind, message }.into();
    };
    let key = match property.as_str() {
        "ssl.ca.location" => "bus.kafka.tls.ca_file",
        "ssl.certificate.location" => "bus.kafka.tls.certificate_file",
        "ssl.key.location" => "bus.kafka.tls.key_file",
        "sasl.mechanism" => "bus.kafka.sasl.mechanism",
        "sasl.username" => "bus.kafka.sasl.username",
        "sasl.password" => "bus.kafka.sasl.password",
        "bootstrap.servers" => "bus.kafka.brokers",
        "linger.ms" => "bus.kafka.linger",
        "batch.size" => "bus.kafka.batch_bytes",
        "group.id" => "bus.kafka.group",
        other => {
            let message = format!("librdkafka refuses it: {description}");
            let remedy = "see CONFIGURATION.md of librdkafka for names and values".to_owned();
            return Error::Config { key: format!("bus.kafka.properties.{other}"), message, remedy };
        }
    };
    let (message, remedy) = ("librdkafka refuses it".to_owned(), "correct it".to_owned());
    Error::Config { key: key.to_owned(), message, remedy }
}
