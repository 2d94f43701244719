//! The topics on Kafka: made, and checked.

use super::parts;
use crate::bus;
use crate::bus::kafka::topics;
use crate::config::Config;

pub use crate::bus::kafka::topics::{TopicReport, TopicState};

/// Makes the topics that are missing; with `dry_run` only asks whether they could be made.
///
/// # Errors
/// The brokers do not answer, or do not allow it.
pub async fn create(config: &Config, dry_run: bool) -> Result<Vec<TopicReport>, bus::Error> {
    topics::create(parts::kafka(config, "topics".to_owned()), dry_run).await
}

/// What is wrong with the topics.
///
/// # Errors
/// The brokers do not answer, or do not allow it.
pub async fn check(config: &Config) -> Result<Vec<TopicReport>, bus::Error> {
    topics::check(parts::kafka(config, "topics".to_owned())).await
}
