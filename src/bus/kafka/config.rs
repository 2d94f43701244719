//! What an operator may set.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

/// How Kafka is reached and used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KafkaConfig {
    /// Brokers to ask first, each a host and a port.
    pub brokers: Vec<String>,
    /// What the names of topics begin with.
    pub topic_prefix: String,
    /// The group of consumers. Readers without a group bear its name too, so that one permission covers both.
    pub group: String,
    /// Who publishes, as `ce_source` tells it.
    pub source: String,
    /// What tells this instance from others of its group for as long as its state lives: of two that bear the
    /// same, the younger fences the elder.
    pub instance: String,
    /// The most bytes that may wait to be made durable. Publishing waits at this limit.
    pub max_queue_bytes: u64,
    /// How long a message may wait for others to go with.
    pub linger: Duration,
    /// The most bytes that go together to one partition.
    pub batch_bytes: u64,
    /// How topics are made.
    pub topics: TopicSettings,
    /// Whether and how connections are encrypted.
    pub tls: Option<Tls>,
    /// How we say who we are.
    pub sasl: Option<Sasl>,
    /// Further properties of librdkafka.
    pub properties: BTreeMap<String, String>,
}

/// How topics are made, and what is checked of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicSettings {
    /// Partitions of each.
    pub partitions: u32,
    /// Copies of each partition.
    pub replication_factor: u32,
    /// How long messages are kept.
    pub retention_period: Duration,
}

/// What encryption needs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tls {
    /// Who vouches for brokers; without it, whom the system trusts.
    pub ca_file: Option<PathBuf>,
    /// Who we are.
    pub certificate_file: Option<PathBuf>,
    /// The key to it.
    pub key_file: Option<PathBuf>,
}

/// A name and a password.
#[derive(Clone, PartialEq, Eq)]
pub struct Sasl {
    /// How they are shown: `PLAIN`, `SCRAM-SHA-256` or `SCRAM-SHA-512`.
    pub mechanism: String,
    /// The name.
    pub username: String,
    /// The password.
    pub password: String,
}

impl fmt::Debug for Sasl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sasl")
            .field("mechanism", &self.mechanism)
            .field("username", &self.username)
            .finish_non_exhaustive()
    }
}

impl Default for KafkaConfig {
    fn default() -> Self {
        Self {
            brokers: Vec::new(),
            topic_prefix: "hephaestus".to_owned(),
            group: "hephaestus-fixer".to_owned(),
            source: "/hephaestus".to_owned(),
            instance: "0".to_owned(),
            max_queue_bytes: 8 << 20,
            linger: Duration::from_millis(20),
            batch_bytes: 256 << 10,
            topics: TopicSettings::default(),
            tls: None,
            sasl: None,
            properties: BTreeMap::new(),
        }
    }
}

impl Default for TopicSettings {
    fn default() -> Self {
        Self { partitions: 6, replication_factor: 1, retention_period: Duration::from_secs(7 * 86_400) }
    }
}
