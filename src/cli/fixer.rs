//! `hephaestus fixer`: counts what agents have published, and works on it.

use std::path::PathBuf;

use anyhow::bail;
use clap::Args;

use super::staying::stay;
use super::{Exit, Format};
use crate::app::run::Role;
use crate::config::{BusKind, Config};

/// Count the errors that agents have published to Kafka, and suggest proven fixes
#[derive(Debug, Args)]
#[command(after_long_help = "\
The other half of `hephaestus run`: it reads the topic of errors as a member of the group bus.kafka.group, counts
every error exactly once, and works on each new code defect. Several fixers share the partitions; where one goes
away the others take over what it knew. Suggestions go to the topic of fixes, and are printed, kept under state_dir
and served as those of `run` are.

Exit code: 0 after a clean end, 2 when it could not start or go on, 128 + N when signal N ended it at once.

Examples:
  hephaestus --config fixer.yaml fixer --repo ~/src/shop
  hephaestus --config fixer.yaml fixer --format json | jq .patch")]
pub(super) struct FixerArgs {
    /// The repository the logs come from [else repository.path; without one nothing is mended].
    #[arg(long, value_name = "DIR")]
    repo: Option<PathBuf>,
    /// How suggestions are printed.
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT")]
    format: Format,
}

impl FixerArgs {
    pub(super) fn run(self, mut config: Config) -> anyhow::Result<Exit> {
        if config.bus.kind == BusKind::Embedded {
            bail!(
                "bus.kind is embedded, where no agent publishes anything: set it to kafka, or use `hephaestus run`, \
                 which does everything in one process"
            );
        }
        if let Some(repo) = self.repo {
            config.repository.path = Some(repo);
        }
        stay(&config, Role::Fixer, self.format)
    }
}
