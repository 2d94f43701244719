use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::config::quantity::{ByteSize, Interval};
use crate::config::read::section;
use crate::config::scalar::names;
use crate::config::secret::Secret;

section! {
    /// How events travel from the analyzer to the fixer.
    pub struct BusSection {
        /// What carries them.
        kind: BusKind,
        /// The most that may wait to be written.
        max_queue: ByteSize [ByteSize::from_kib(64)..=ByteSize::from_mib(256)],
        /// The most that is kept on disk.
        retention_bytes: ByteSize [ByteSize::from_mib(16)..=ByteSize::from_gib(1_024)],
        /// How long what was worked on is kept.
        retention_period: Interval [Interval::from_secs(1)..=Interval::from_days(365)],
        /// How Kafka is used.
        kafka: KafkaSection,
    }
}

names! {
    /// What can carry them.
    pub enum BusKind {
        /// In the process itself, with its data under `state_dir`.
        Embedded = "embedded",
        /// A Kafka cluster.
        Kafka = "kafka",
    }
}

section! {
    /// How Kafka is reached and used.
    pub struct KafkaSection {
        /// Brokers to ask first.
        brokers: Vec<String>,
        /// What the names of topics begin with.
        topic_prefix: String,
        /// The group of consumers.
        group: String,
        /// Partitions of each topic that is made.
        partitions: u32 [1..=10_000],
        /// Copies of each partition.
        replication_factor: u32 [1..=100],
        /// How long messages are kept.
        retention_period: Interval [Interval::from_secs(60)..=Interval::from_days(3_650)],
        /// How long a message may wait for others to go with.
        linger: Interval [Interval::from_millis(1)..=Interval::from_secs(60)],
        /// The most that goes together to one partition.
        batch_bytes: ByteSize [ByteSize::from_kib(1)..=ByteSize::from_kib(900)],
        /// Encryption.
        tls: KafkaTls,
        /// How we say who we are.
        sasl: KafkaSasl,
        /// Further properties of librdkafka.
        properties: BTreeMap<String, String>,
    }
}

section! {
    /// What encryption needs.
    pub struct KafkaTls {
        /// Whether connections are encrypted.
        enabled: bool,
        /// Who vouches for brokers.
        ca_file: Option<PathBuf>,
        /// Who we are.
        certificate_file: Option<PathBuf>,
        /// The key to it.
        key_file: Option<PathBuf>,
    }
}

section! {
    /// A name and a password.
    pub struct KafkaSasl {
        /// How they are shown.
        mechanism: SaslMechanism,
        /// The name.
        username: Option<String>,
        /// The password.
        password: Option<Secret>,
    }
}

names! {
    /// How a name and a password are shown.
    pub enum SaslMechanism {
        /// Not at all.
        None = "none",
        /// As they are.
        Plain = "PLAIN",
        /// By a challenge.
        ScramSha256 = "SCRAM-SHA-256",
        /// By a challenge with a longer digest.
        ScramSha512 = "SCRAM-SHA-512",
    }
}
