//! `hephaestus fix`: every code defect in a log, worked out to a fix and its proof.

use std::io::Write;
use std::path::PathBuf;

use clap::{Args, ValueEnum};
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::Exit;
use super::progress::FixProgress;
use super::render;
use crate::app::fix::{Report, Request, fix};
use crate::config::Config;
use crate::domain::VerdictKind;

/// How the findings are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    /// For people: each defect with its diagnosis, patch and evidence.
    Text,
    /// One JSON object with `suggestions` and `operational`.
    Json,
}

/// Work out a proven fix for every code defect in a log
#[derive(Debug, Args)]
#[command(after_long_help = "\
Every code defect in the log is placed in the repository, reproduced by a generated test, repaired by a
rule and judged in a sandbox, each on its own against the work tree as it stands. Nothing in the
repository changes without --apply.

Verdicts: proven (the crash was reproduced through an entry point, the reproducer fails before and passes
after, and everything else holds), plausible (all holds that could be run), rejected, inconclusive.

Exit code: 0 when the log holds no code defect or at least one fix is proven, 1 when there are defects and
none is proven or --apply could not write one, 2 for usage and input errors.

Examples:
  hephaestus fix --repo . --log /var/log/shop/stderr.log
  hephaestus fix --repo . --log app.log --log app.err --format json > findings.json
  kubectl logs deploy/shop --previous | hephaestus fix --repo ~/src/shop --log -
  jq -r '.suggestions[] | select(.verdict == \"proven\") | .patch' findings.json | git apply")]
pub(super) struct FixArgs {
    /// The repository the log comes from, at the version that was running.
    #[arg(long, value_name = "DIR")]
    repo: PathBuf,
    /// A log file, or - for standard input; may be given several times.
    #[arg(long = "log", value_name = "FILE", required = true)]
    logs: Vec<PathBuf>,
    /// How the findings are printed.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    /// Write every proven fix that does not merely mask its defect into the repository.
    #[arg(long)]
    apply: bool,
}

impl FixArgs {
    pub(super) fn run(self, config: &Config, out: &mut impl Write) -> anyhow::Result<Exit> {
        let progress = FixProgress::new();
        let request = Request { repo: self.repo, logs: self.logs, apply: self.apply };
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        let fixed = runtime.block_on(async {
            // From here on, before anything is copied or started.
            let mut signals = Signals::listen()?;
            // Broken off, the work is dropped, which ends what runs in the sandbox and removes the copies.
            tokio::select! {
                fixed = fix(config, request, progress.listener()) => fixed,
                signal = signals.next() => Err(anyhow::anyhow!("broken off by {signal}; nothing was changed")),
            }
        });
        drop(runtime);
        progress.finish();
        let report = fixed?;
        match self.format {
            Format::Json => {
                serde_json::to_writer_pretty(&mut *out, &report)?;
                writeln!(out)?;
            }
            Format::Text => text(out, &report)?,
        }
        let proven = report.suggestions.iter().any(|suggestion| suggestion.verdict == VerdictKind::Proven);
        let applied = report.applied.iter().all(|application| application.error.is_none());
        Ok(if (proven || report.suggestions.is_empty()) && applied { Exit::Yes } else { Exit::No })
    }
}

/// The signals that ask the program to end.
struct Signals {
    interrupt: Signal,
    terminate: Signal,
    hang_up: Signal,
}

impl Signals {
    /// From now on these signals no longer end the process by themselves.
    fn listen() -> std::io::Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hang_up: signal(SignalKind::hangup())?,
        })
    }

    /// Waits for one and names it.
    async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.interrupt.recv() => "SIGINT",
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.hang_up.recv() => "SIGHUP",
        }
    }
}

fn text(out: &mut impl Write, report: &Report) -> std::io::Result<()> {
    for (index, suggestion) in report.suggestions.iter().enumerate() {
        render::suggestion(out, index + 1, suggestion)?;
    }
    for finding in &report.operational {
        render::operational(out, finding)?;
    }
    render::totals(out, &report.suggestions, report.operational.len())?;
    if report.left_out > 0 {
        writeln!(out, "{} more were left out: raise fixer.max_defects", report.left_out)?;
    }
    for application in &report.applied {
        match &application.error {
            None => writeln!(out, "applied {}", application.fingerprint)?,
            Some(error) => writeln!(out, "not applied {}: {error}", application.fingerprint)?,
        }
    }
    Ok(())
}
