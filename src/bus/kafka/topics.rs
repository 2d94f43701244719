//! The topics: made, and checked.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rdkafka::admin::{
    AdminClient, AdminOptions, ConfigResource, NewTopic, ResourceSpecifier, TopicReplication,
};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use serde::Serialize;

use super::client::{self, Settings};
use super::config::KafkaConfig;
use super::trouble::{Quiet, Trouble};
use crate::bus::{Error, Topic};

const PATIENCE: Duration = Duration::from_secs(15);
/// How often it is looked whether new topics are known.
const LOOK_INTERVAL: Duration = Duration::from_millis(100);
const POLICY: &str = "cleanup.policy";
const RETENTION: &str = "retention.ms";
/// How long a compacted topic tells that a key is gone: a fixer that was away for longer begins anew.
const GONE_RETENTION: &str = "delete.retention.ms";
const GONE_RETENTION_MS: u64 = 7 * 86_400_000;
const MIN_IN_SYNC: &str = "min.insync.replicas";

/// How one topic stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TopicReport {
    /// Its name in the cluster.
    pub name: String,
    /// Whether it is there.
    pub state: TopicState,
    /// Its partitions: as they are, or as they are to be.
    pub partitions: u32,
    /// Copies of each.
    pub replication_factor: u32,
    /// `delete` or `compact`.
    pub cleanup_policy: String,
    /// How long messages are kept, where they are deleted by age; none is for ever.
    pub retention_ms: Option<u64>,
    /// What is wrong with it, and how to mend it.
    pub problems: Vec<TopicProblem>,
}

/// Whether a topic is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum TopicState {
    /// It was there before.
    Present,
    /// It was made.
    Created,
    /// It would be made.
    WouldCreate,
    /// It is not there.
    Missing,
}

/// Something wrong with a topic.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TopicProblem {
    /// What is wrong.
    pub message: String,
    /// How to mend it.
    pub remedy: String,
}

/// Makes what topics are missing, and reports on all. With `dry_run` the brokers only say whether they would.
///
/// # Errors
/// The brokers do not answer, or do not allow it.
pub async fn create(config: KafkaConfig, dry_run: bool) -> Result<Vec<TopicReport>, Error> {
    let desk = Desk::new(config)?;
    let mut reports = desk.look().await?;
    let wanted = &desk.settings.config.topics;
    let (partitions, factor) = (signed(wanted.partitions), signed(wanted.replication_factor));
    let (retention, gone) = (millis(wanted.retention_period).to_string(), GONE_RETENTION_MS.to_string());
    let missing: Vec<_> =
        reports.iter_mut().filter(|(_, report)| report.state == TopicState::Missing).collect();
    for (topic, report) in missing {
        let new = NewTopic::new(&report.name, partitions, TopicReplication::Fixed(factor));
        let new = match topic.is_compacted() {
            true => new.set(POLICY, "compact").set(GONE_RETENTION, &gone),
            false => new.set(POLICY, "delete").set(RETENTION, &retention),
        };
        let options = options().validate_only(dry_run);
        let made = desk.admin.create_topics([&new], &options).await;
        let made = made.map_err(|error| told(&error, "topics cannot be made"))?;
        match made.into_iter().next() {
            // Another may have been faster.
            None | Some(Ok(_) | Err((_, RDKafkaErrorCode::TopicAlreadyExists))) => {
                report.problems.clear();
                report.state = if dry_run { TopicState::WouldCreate } else { TopicState::Created };
            }
            Some(Err((name, RDKafkaErrorCode::InvalidReplicationFactor))) => {
                return Err(Error::Config {
                    key: "bus.kafka.replication_factor".to_owned(),
                    message: format!("{name} cannot have {factor} copies: there are not as many brokers"),
                    remedy: "lower it, or start more brokers".to_owned(),
                });
            }
            Some(Err((name, code))) => {
                return Err(told(&KafkaError::AdminOp(code), &format!("{name} cannot be made")));
            }
        }
    }
    if reports.iter().any(|(_, report)| report.state == TopicState::Created) {
        desk.wait_until_known().await?;
    }
    Ok(reports.into_iter().map(|(_, report)| report).collect())
}

/// Reports on the topics.
///
/// # Errors
/// The brokers do not answer, or do not allow it.
pub async fn check(config: KafkaConfig) -> Result<Vec<TopicReport>, Error> {
    let desk = Desk::new(config)?;
    Ok(desk.look().await?.into_iter().map(|(_, report)| report).collect())
}

/// Where topics are asked for.
struct Desk {
    settings: Arc<Settings>,
    admin: AdminClient<Quiet>,
}

fn options() -> AdminOptions {
    AdminOptions::new().request_timeout(Some(PATIENCE)).operation_timeout(Some(PATIENCE))
}

fn signed(count: u32) -> i32 {
    i32::try_from(count).unwrap_or(i32::MAX)
}

fn told(error: &KafkaError, doing: &str) -> Error {
    Trouble::of_error(error, doing).into()
}

impl Desk {
    fn new(config: KafkaConfig) -> Result<Self, Error> {
        let settings = Arc::new(Settings::new(config)?);
        let quiet = Quiet(Arc::clone(&settings.watch));
        let admin = settings.admin().create_with_context(quiet).map_err(|error| client::refused(&error))?;
        Ok(Self { settings, admin })
    }

    async fn look(&self) -> Result<Vec<(Topic, TopicReport)>, Error> {
        let present = self.present()?;
        let mut reports = Vec::new();
        for topic in Topic::ALL {
            let name = self.settings.name(topic);
            let report = match present.get(name) {
                None => self.missing(topic),
                Some(&shape) => self.found(topic, shape, &self.settings_of(name).await?),
            };
            reports.push((topic, report));
        }
        Ok(reports)
    }

    /// Waits until the brokers know what was just made: they tell each other, and who asks one at once may be told
    /// that there is no such topic.
    async fn wait_until_known(&self) -> Result<(), Error> {
        let end = Instant::now() + PATIENCE;
        loop {
            let present = self.present()?;
            let is_known = |topic: &Topic| present.contains_key(self.settings.name(*topic));
            if Topic::ALL.iter().all(is_known) || Instant::now() >= end {
                return Ok(());
            }
            tokio::time::sleep(LOOK_INTERVAL).await;
        }
    }

    /// The topics that are there, with the number of their partitions and of copies of each.
    fn present(&self) -> Result<BTreeMap<String, (u32, u32)>, Error> {
        let metadata = self.settings.metadata()?;
        let count = |length: usize| u32::try_from(length).unwrap_or(u32::MAX);
        let shape = |topic: &rdkafka::metadata::MetadataTopic| {
            let copies = topic.partitions().iter().map(|partition| partition.replicas().len()).min();
            (topic.name().to_owned(), (count(topic.partitions().len()), count(copies.unwrap_or(0))))
        };
        Ok(metadata.topics().iter().map(shape).collect())
    }

    async fn settings_of(&self, name: &str) -> Result<ConfigResource, Error> {
        let what = format!("the settings of {name} cannot be read");
        let answers = self.admin.describe_configs([&ResourceSpecifier::Topic(name)], &options()).await;
        let answer = answers.map_err(|error| told(&error, &what))?.into_iter().next();
        let answer = answer.unwrap_or(Err(RDKafkaErrorCode::UnknownTopicOrPartition));
        answer.map_err(|code| told(&KafkaError::AdminOp(code), &what))
    }

    fn missing(&self, topic: Topic) -> TopicReport {
        let wanted = &self.settings.config.topics;
        let problem = TopicProblem {
            message: "it is missing".to_owned(),
            remedy: "hephaestus topics create".to_owned(),
        };
        TopicReport {
            name: self.settings.name(topic).to_owned(),
            state: TopicState::Missing,
            partitions: wanted.partitions,
            replication_factor: wanted.replication_factor,
            cleanup_policy: policy(topic).to_owned(),
            retention_ms: (!topic.is_compacted()).then(|| millis(wanted.retention_period)),
            problems: vec![problem],
        }
    }

    fn found(&self, topic: Topic, shape: (u32, u32), settings: &ConfigResource) -> TopicReport {
        let name = self.settings.name(topic).to_owned();
        let value = |key: &str| settings.get(key).and_then(|entry| entry.value.clone()).unwrap_or_default();
        let cleanup_policy = value(POLICY);
        let retention_ms = value(RETENTION).parse::<u64>().ok();
        let min_in_sync = value(MIN_IN_SYNC).parse().unwrap_or(1);
        let gone_for = value(GONE_RETENTION).parse().unwrap_or(GONE_RETENTION_MS);
        let mut report = TopicReport {
            name,
            state: TopicState::Present,
            partitions: shape.0,
            replication_factor: shape.1,
            retention_ms: retention_ms.filter(|_| cleanup_policy.contains("delete")),
            cleanup_policy,
            problems: Vec::new(),
        };
        report.problems = self.problems(topic, &report, min_in_sync, gone_for);
        report
    }

    fn problems(
        &self,
        topic: Topic,
        report: &TopicReport,
        min_in_sync: u32,
        gone_for: u64,
    ) -> Vec<TopicProblem> {
        let wanted = &self.settings.config.topics;
        let alter = |setting: &str| {
            let name = &report.name;
            format!(
                "kafka-configs.sh --alter --entity-type topics --entity-name {name} --add-config {setting}"
            )
        };
        let mut problems = Vec::new();
        let mut note = |is_wrong: bool, message: String, remedy: String| {
            if is_wrong {
                problems.push(TopicProblem { message, remedy });
            }
        };
        note(
            report.cleanup_policy != policy(topic),
            format!("cleanup.policy is {}, and what is needed would be deleted", report.cleanup_policy),
            alter(&format!("{POLICY}={}", policy(topic))),
        );
        let kept = millis(wanted.retention_period);
        note(
            !topic.is_compacted() && report.retention_ms.is_some_and(|retention| retention < kept),
            format!("messages are kept for less than {} hours", kept / 3_600_000),
            alter(&format!("{RETENTION}={kept}")),
        );
        note(
            topic.is_compacted() && gone_for < GONE_RETENTION_MS,
            format!("that a key is gone is told for {} hours only", gone_for / 3_600_000),
            alter(&format!("{GONE_RETENTION}={GONE_RETENTION_MS}")),
        );
        note(
            report.partitions < wanted.partitions,
            format!("it has {} partitions, fewer than the {} that are configured", report.partitions, wanted.partitions),
            "lower bus.kafka.partitions, or empty the topic and make it anew: adding some moves groups of errors to \
             other fixers"
                .to_owned(),
        );
        note(
            report.replication_factor < wanted.replication_factor,
            format!("it has {} copies, fewer than {}", report.replication_factor, wanted.replication_factor),
            "kafka-reassign-partitions.sh, or lower bus.kafka.replication_factor".to_owned(),
        );
        note(
            min_in_sync > report.replication_factor,
            format!("{MIN_IN_SYNC} is {min_in_sync}, more than its copies: nothing can be written"),
            alter(&format!("{MIN_IN_SYNC}=1")),
        );
        problems
    }
}

const fn policy(topic: Topic) -> &'static str {
    if topic.is_compacted() { "compact" } else { "delete" }
}

fn millis(length: Duration) -> u64 {
    u64::try_from(length.as_millis()).unwrap_or(u64::MAX)
}
