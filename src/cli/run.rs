//! `hephaestus run`: the whole of it in one process, for as long as it is wanted.

use std::path::PathBuf;

use clap::Args;

use super::staying::{name_logs, stay};
use super::{Exit, Format};
use crate::app::run::Role;
use crate::config::Config;

/// Follow logs, and suggest proven fixes while the service runs
#[derive(Debug, Args)]
#[command(after_long_help = "\
Logs are followed from where the last run left off, through rotation and restarts; every error is counted
exactly once. Each new code defect is worked on as `hephaestus fix` does, and the suggestion is printed,
kept under state_dir, and served on the web address of server.listen:

  /livez /readyz /metrics          for Kubernetes and Prometheus
  /api/v1/groups                   what goes wrong, how often
  /api/v1/suggestions              what mends it
  /api/v1/suggestions/stream       the same as server-sent events, as they come

SIGTERM or Ctrl-C brings everything into a safe state within grace_period; a second one ends at once.

Exit code: 0 after a clean end, 2 when it could not start or go on, 128 + N when signal N ended it at once.

Examples:
  hephaestus run --repo . /var/log/shop/*.log
  hephaestus run --repo ~/src/shop --format json '/var/log/shop/**/*.log' | jq .patch
  hephaestus --config hephaestus.yaml run
  hephaestus groups list               in another terminal: what has been seen so far")]
pub(super) struct RunArgs {
    /// The files to follow: paths with *, ?, [...], ** or {a,b} [else collector.log_paths].
    #[arg(value_name = "PATH")]
    paths: Vec<String>,
    /// The repository the logs come from [else repository.path; without one nothing is mended].
    #[arg(long, value_name = "DIR")]
    repo: Option<PathBuf>,
    /// How suggestions are printed.
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT")]
    format: Format,
}

impl RunArgs {
    pub(super) fn run(self, mut config: Config) -> anyhow::Result<Exit> {
        name_logs(&self.paths, &mut config)?;
        if let Some(repo) = self.repo {
            config.repository.path = Some(repo);
        }
        stay(&config, Role::Whole, self.format)
    }
}
