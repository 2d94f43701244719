//! `hephaestus agent`: reads the logs of one machine or pod, and publishes what it finds.

use clap::Args;

use super::staying::{name_logs, stay};
use super::{Exit, Format};
use crate::app::run::Role;
use crate::config::Config;

/// Follow logs, and publish the errors in them to Kafka
#[derive(Debug, Args)]
#[command(after_long_help = "\
The light half of `hephaestus run`, beside each service: it follows logs as `run` does, and publishes every
error that it finds to the topic of errors. A file's checkpoint moves only over what Kafka has acknowledged, so
what happens while the brokers are away is published when they are back. `hephaestus fixer` counts it and works
on it. The topics must be there: `hephaestus topics create` makes them.

/livez, /readyz and /metrics are served on server.listen.

Exit code: 0 after a clean end, 2 when it could not start or go on, 128 + N when signal N ended it at once.

Examples:
  hephaestus --config agent.yaml agent '/var/log/shop/*.log'
  hephaestus --config agent.yaml agent          follow what collector.log_paths names")]
pub(super) struct AgentArgs {
    /// The files to follow: paths with *, ?, [...], ** or {a,b} [else collector.log_paths].
    #[arg(value_name = "PATH")]
    paths: Vec<String>,
}

impl AgentArgs {
    pub(super) fn run(self, mut config: Config) -> anyhow::Result<Exit> {
        name_logs(&self.paths, &mut config)?;
        stay(&config, Role::Agent, Format::Text)
    }
}
