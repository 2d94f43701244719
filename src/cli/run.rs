//! `hephaestus run`: the whole of it in one process, for as long as it is wanted.
//!
//! Suggestions are printed on a thread of their own. Whoever reads them may be slow, stop reading or go away:
//! that holds up nothing else. There is no queue that could overflow, since what was not printed yet is
//! remembered anyway and taken from there.

use std::io::{self, ErrorKind, Write};
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, bail};
use clap::Args;
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;

use super::output::Output;
use super::signals::Signals;
use super::{Exit, Format, render};
use crate::app::run::Instance;
use crate::app::service::Suggestions;
use crate::config::{Config, PathGlob};
use crate::domain::SuggestionRecord;

/// How long the end may wait for a reader of suggestions.
const LAST_WORDS: Duration = Duration::from_secs(2);
/// How long to wait before suggestions that could not be read are read again.
const RETRY_INTERVAL: Duration = Duration::from_secs(2);

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

Exit code: 0 after a clean end, 2 when it could not start or go on.

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
        self.overrule(&mut config)?;
        let runtime = super::service_runtime()?;
        let ended = runtime.block_on(self.follow(&config));
        // Everything that counts is durable: nothing that is still running needs to be waited for.
        runtime.shutdown_background();
        ended
    }

    /// What the command line says wins over the configuration.
    fn overrule(&self, config: &mut Config) -> anyhow::Result<()> {
        if self.paths.iter().any(|path| path == "-") {
            bail!(
                "`run` follows files; read standard input with `scan -`, or wrap the program with `exec -- PROGRAM`"
            );
        }
        if !self.paths.is_empty() {
            let glob =
                |path: &String| PathGlob::named(path).with_context(|| format!("{path} names no files"));
            config.collector.log_paths = self.paths.iter().map(glob).collect::<Result<_, _>>()?;
        }
        if config.collector.log_paths.is_empty() {
            bail!("there is nothing to follow; name log files, or set collector.log_paths");
        }
        if let Some(repo) = &self.repo {
            config.repository.path = Some(repo.clone());
        }
        Ok(())
    }

    async fn follow(&self, config: &Config) -> anyhow::Result<Exit> {
        // From here on, before anything is opened or started.
        let mut signals = Signals::listen()?;
        let mut instance = Instance::start(config).await?;
        self.greet(config, &instance);
        let stop_printing = CancellationToken::new();
        let (suggestions, stop, format) = (instance.new_suggestions(), stop_printing.clone(), self.format);
        let printing = tokio::task::spawn_blocking(move || {
            Handle::current().block_on(print_all(suggestions, format, stop))
        });
        let ended = tokio::select! {
            signal = signals.next() => Ok(signal),
            error = instance.failed() => Err(error),
        };
        if let Ok(signal) = &ended {
            let grace = config.grace_period.get();
            let said = format!("ending ({signal}), within {grace:?}; a second signal ends at once");
            writeln!(anstream::stderr(), "{said}").ok();
        }
        stop_printing.cancel();
        let printed = tokio::time::timeout(config.grace_period.get().min(LAST_WORDS), printing);
        let ending = async { tokio::join!(instance.stop(), printed).0 };
        tokio::select! {
            stopped = ending => ended.and(stopped)?,
            signal = signals.next() => bail!("ended at once by a second signal, {signal}; nothing is lost"),
        }
        Ok(Exit::Yes)
    }

    /// Says on standard error what is going on.
    fn greet(&self, config: &Config, instance: &Instance) {
        let paths: Vec<_> = config.collector.log_paths.iter().map(PathGlob::as_str).collect();
        let mended = match &config.repository.path {
            Some(repository) => format!("mending {}", repository.display()),
            None => "mending nothing, since no repository is named".to_owned(),
        };
        // Whoever closed standard error does not want to hear it.
        writeln!(
            anstream::stderr(),
            "following {}; {mended}; state in {}; http://{}; Ctrl-C ends",
            paths.join(" "),
            std::path::absolute(&config.state_dir).as_deref().unwrap_or(&config.state_dir).display(),
            instance.address()
        )
        .ok();
    }
}

/// Prints suggestions as they come, and at the end those that there are. Blocks while nobody reads them.
async fn print_all(mut suggestions: Suggestions, format: Format, stop: CancellationToken) {
    let mut out = Output::new();
    let mut number = 0;
    loop {
        let next = tokio::select! {
            biased;
            next = suggestions.next() => next,
            () = stop.cancelled() => return,
        };
        match next {
            Ok(Some(record)) => {
                number += 1;
                if let Err(error) = print(&mut out, format, number, &record) {
                    return tell_unprinted(&error);
                }
            }
            Ok(None) => return,
            Err(_) if stop.is_cancelled() => return,
            Err(error) => {
                tracing::debug!("suggestions cannot be read, and are read again later: {error:#}");
                tokio::time::sleep(RETRY_INTERVAL).await;
            }
        }
    }
}

fn print(out: &mut impl Write, format: Format, number: usize, record: &SuggestionRecord) -> io::Result<()> {
    match format {
        Format::Text => render::suggestion(out, number, &record.suggestion)?,
        Format::Json => {
            serde_json::to_writer(&mut *out, record)?;
            writeln!(out)?;
        }
    }
    out.flush()
}

fn tell_unprinted(error: &io::Error) {
    const ELSEWHERE: &str = "suggestions are not printed any more; `hephaestus suggestions list` shows them";
    if error.kind() == ErrorKind::BrokenPipe {
        tracing::info!("{ELSEWHERE}");
    } else {
        tracing::warn!(%error, "{ELSEWHERE}");
    }
}
