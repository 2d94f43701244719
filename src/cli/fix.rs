//! `hephaestus fix`: every code defect in a log, worked out to a fix and its proof.

use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::{Args, ValueEnum};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::Exit;
use super::output::Output;
use super::progress::FixProgress;
use super::render::{self, Detail, counted, plain};
use super::signals::{Signal, Signals};
use crate::app::fix::{Listener, Report, Request, Stage, fix};
use crate::config::Config;
use crate::domain::{Suggestion, VerdictKind};

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
Every code defect in the log is placed in the repository, reproduced by a generated test, repaired by a \
rule and judged in a sandbox, each on its own against the work tree as it stands. Each is printed as soon \
as it is done. Nothing in the repository changes without --apply.

Verdicts:
  proven        the crash was reproduced through an entry point, the reproducer fails before and \
passes after, and everything else holds
  plausible     all holds that could be run
  rejected      every patch that was tried fell
  inconclusive  there was no patch to try, or it could not be judged to the end

Exit codes:
  0        the log holds no code defect, or at least one fix is proven
  1        there are defects and none is proven, or --apply could not write a fix
  2        wrong usage, or something that is needed is missing, or a log could not be read to its end: \
what was read is worked out
  130 143  Ctrl-C or SIGTERM broke it off; what was done by then is printed, nothing is applied

Examples:
  hephaestus fix --repo . --log /var/log/shop/stderr.log
  hephaestus fix --repo . --log app.log --log app.err --format json > findings.json
  kubectl logs deploy/shop --previous | hephaestus fix --repo ~/src/shop --log -
  jq -r '.suggestions[] | select(.verdict == \"proven\" and (.masks | not)) | .patch' findings.json | git apply")]
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
    /// Write every proven fix that does not merely mask its defect into the repository, and say how to take
    /// it back.
    #[arg(long)]
    apply: bool,
}

impl FixArgs {
    pub(super) fn run(self, config: &Config, detail: Detail) -> anyhow::Result<Exit> {
        let out = &mut Output::new();
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        let progress = FixProgress::new(detail);
        // There is room for every defect that is worked on, so that showing one never holds up the next.
        let room = usize::try_from(config.fixer.max_defects).unwrap_or(usize::MAX >> 4).max(1);
        let (give, done) = mpsc::channel(room);
        let mut shown = Shown { out, progress: &progress, format: self.format, detail };
        let listener = tell(progress.listener(), give);
        let request = Request { repo: self.repo, logs: self.logs, apply: self.apply };
        let ended = runtime.block_on(work(config, request, listener, done, &mut shown));
        // Nothing is left to do by now but reading a log, which may wait for ever for whoever writes it.
        runtime.shutdown_timeout(GRACE);
        let told = match &ended {
            Ok(Ended { report, untold, .. }) => shown.rest(untold, report),
            Err(_) => Ok(()),
        };
        progress.finish();
        let Ended { report, signal, .. } = ended?;
        if let Err(error) = told {
            // What has become of the repository is told wherever it can be.
            applied(&mut anstream::stderr(), &report).ok();
            return Err(error.into());
        }
        if let Some(signal) = signal {
            tracing::warn!("broken off by {signal}: {}; nothing was applied", what_is_missing(&report));
            return Ok(Exit::BrokenOff(signal));
        }
        if !report.unread.is_empty() {
            return Ok(Exit::Refused);
        }
        let proven = report.suggestions.iter().any(|suggestion| suggestion.verdict == VerdictKind::Proven);
        let applied = report.applied.iter().all(|application| application.error.is_none());
        Ok(if (proven || report.suggestions.is_empty()) && applied { Exit::Yes } else { Exit::No })
    }
}

/// The time that a blocked read is given to come back when all else is done.
const GRACE: Duration = Duration::from_millis(500);

/// Hears everything for the progress, and hands on what is done.
fn tell(progress: Listener, give: mpsc::Sender<Numbered>) -> Listener {
    Arc::new(move |stage| {
        let done = match &stage {
            Stage::Done { number, suggestion, .. } => Some((*number, Suggestion::clone(suggestion))),
            _ => None,
        };
        progress(stage);
        if let Some(done) = done {
            // Nobody listens any more only when the work is being broken off.
            give.try_send(done).ok();
        }
    })
}

/// A suggestion under the number that the progress tells.
type Numbered = (usize, Suggestion);

/// What there is when the work has ended.
struct Ended {
    report: Report,
    /// What was done last, and is not shown yet.
    untold: Vec<Numbered>,
    /// What broke it off.
    signal: Option<Signal>,
}

/// Does the work, shows what is done as it is done, and breaks off at a signal.
async fn work<W: Write>(
    config: &Config,
    request: Request,
    listener: Listener,
    mut done: mpsc::Receiver<Numbered>,
    shown: &mut Shown<'_, W>,
) -> anyhow::Result<Ended> {
    // From here on, before anything is copied or started.
    let mut signals = Signals::listen()?;
    let stop = CancellationToken::new();
    let mut working = std::pin::pin!(fix(config, request, listener, stop.clone()));
    let mut signal = None;
    let report = loop {
        tokio::select! {
            biased;
            Some((number, suggestion)) = done.recv() => shown.suggestion(number, &suggestion)?,
            received = signals.next(), if signal.is_none() => {
                signal = Some(received);
                stop.cancel();
            }
            report = &mut working => break report?,
        }
    };
    let untold = std::iter::from_fn(|| done.try_recv().ok()).collect();
    // A signal that came when all was done changes nothing.
    let signal = signal.filter(|_| report.broken_off);
    Ok(Ended { report, untold, signal })
}

/// Where suggestions are shown as they are done.
struct Shown<'a, W> {
    out: &'a mut W,
    progress: &'a FixProgress,
    format: Format,
    detail: Detail,
}

impl<W: Write> Shown<'_, W> {
    fn suggestion(&mut self, number: usize, suggestion: &Suggestion) -> std::io::Result<()> {
        if self.format == Format::Json {
            return Ok(());
        }
        self.progress.aside(|| {
            render::suggestion(self.out, number, suggestion)?;
            if self.detail == Detail::Much {
                render::reproducer(self.out, suggestion)?;
            }
            self.out.flush()
        })
    }

    /// Shows what is left to show when all is done.
    fn rest(&mut self, untold: &[Numbered], report: &Report) -> std::io::Result<()> {
        for (number, suggestion) in untold {
            self.suggestion(*number, suggestion)?;
        }
        self.progress.aside(|| {
            match self.format {
                Format::Json => render::json(self.out, report)?,
                Format::Text => summary(self.out, report)?,
            }
            self.out.flush()
        })
    }
}

fn what_is_missing(report: &Report) -> String {
    match report.unfinished.len() {
        0 if report.suggestions.is_empty() => "before the logs were read".to_owned(),
        0 => "every defect is worked out".to_owned(),
        count => format!("{} not worked out", counted(count as u64, "defect")),
    }
}

/// What is told once all suggestions are: the rest, and the totals.
fn summary(out: &mut impl Write, report: &Report) -> std::io::Result<()> {
    for finding in &report.operational {
        render::operational(out, finding)?;
    }
    let nothing_was_read = report.broken_off && report.suggestions.is_empty() && report.unfinished.is_empty();
    if !nothing_was_read {
        render::totals(out, report)?;
    }
    for unread in &report.unread {
        writeln!(out, "{}: what was read before is all that was worked on", plain(unread))?;
    }
    if report.left_out > 0 {
        writeln!(out, "{} more left out: raise fixer.max_defects", report.left_out)?;
    }
    for unfinished in &report.unfinished {
        render::unfinished(out, unfinished)?;
    }
    applied(out, report)
}

/// What has become of the repository.
fn applied(out: &mut impl Write, report: &Report) -> std::io::Result<()> {
    for application in &report.applied {
        render::application(out, application)?;
    }
    for skipped in &report.skipped {
        writeln!(out, "not applied: {}: {}", plain(&skipped.title), skipped.why)?;
    }
    render::way_back(out, report)
}
