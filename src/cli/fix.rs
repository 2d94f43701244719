//! `hephaestus fix`: every code defect in a log, worked out to a fix and its proof.

use std::collections::BTreeMap;
use std::io::{IsTerminal as _, Write};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::{Args, ValueEnum};
use tokio::sync::{Notify, mpsc};
use tokio_util::sync::CancellationToken;

use super::Exit;
use super::output::{Output, reader_left};
use super::progress::FixProgress;
use super::render::{self, Detail, counted, prose};
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
as it and those before it are done. Nothing in the repository changes without --apply; what that wrote, and \
how it is taken back, is told on standard error too where standard output is no terminal. Where nobody reads \
standard output any more, the work ends early, and the exit code tells of what was done by then; with \
--apply it goes on.

Verdicts:
  proven        the crash was reproduced through an entry point, the reproducer fails before and \
passes after, and everything else holds
  plausible     all holds that could be run, but that is no proof; the reason says why
  rejected      every patch that was tried fell
  inconclusive  there was no patch to try, or it could not be judged to the end
With \"may mask\" the crash goes, but its cause may stay: such a patch is plausible at most.

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

Patches are made one by one, each against the code as it stands: one may not go on top of another, and what \
puts several together is --apply. To take one yourself, in the folder that --repo names, which may lie below \
the root of git's work tree:
  jq -r 'first(.suggestions[] | select(.verdict == \"proven\")).patch' findings.json |
    git apply --directory=\"$(git rev-parse --show-prefix)\"")]
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
    /// Write every proven fix into the repository, and say how to take it back.
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
        let (waiting, next) = (BTreeMap::new(), 1);
        let mut shown = Shown { out, progress: &progress, format: self.format, detail, waiting, next };
        let listener = tell(progress.listener(), give);
        let request = Request { repo: self.repo, logs: self.logs, apply: self.apply };
        let mut ended = runtime.block_on(work(config, request, listener, done, &mut shown));
        // Nothing is left to do by now but reading a log, which may wait for ever for whoever writes it.
        runtime.shutdown_timeout(GRACE);
        let told = match &mut ended {
            Ok(Ended { report, told, .. }) => {
                std::mem::replace(told, Ok(())).and_then(|()| shown.rest(report))
            }
            Err(_) => shown.all_waiting(),
        };
        progress.finish();
        let Ended { report, signal, .. } = ended?;
        let only_there = self.format == Format::Text && std::io::stdout().is_terminal();
        if told.is_err() || !(report.applied.is_empty() || only_there) {
            // What has become of the repository is told wherever it can be: nobody may read a pipe or file.
            applied(&mut anstream::stderr(), &report).ok();
        }
        told?;
        if let Some(signal) = signal {
            tracing::warn!("broken off by {signal}: {}; nothing was applied", what_is_missing(&report));
            return Ok(Exit::BrokenOff(signal));
        }
        if !report.unread.is_empty() {
            return Ok(Exit::Refused);
        }
        let no_defect = report.suggestions.is_empty() && report.unfinished.is_empty();
        let proven = report.suggestions.iter().any(|suggestion| suggestion.verdict == VerdictKind::Proven);
        let applied = report.applied.iter().all(|application| application.error.is_none());
        Ok(if (proven || no_defect) && applied { Exit::Yes } else { Exit::No })
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

/// Hands everything on, and says when the logs are read.
fn notify_read(listener: Listener, read: Arc<Notify>) -> Listener {
    Arc::new(move |stage| {
        if matches!(stage, Stage::Read { .. }) {
            read.notify_one();
        }
        listener(stage);
    })
}

/// A suggestion under the number that the progress tells.
type Numbered = (usize, Suggestion);

/// What there is when the work has ended.
struct Ended {
    report: Report,
    /// What broke it off; none also where it was a reader who left.
    signal: Option<Signal>,
    /// Whether what was done could be shown. What is to be applied is worked on to the end all the same.
    told: std::io::Result<()>,
}

/// Does the work, shows what is done as it is done, and breaks off at a signal, or where it only shows and nobody
/// reads that any more.
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
    let only_shows = !request.apply;
    let logs_read = Arc::new(Notify::new());
    let listener = notify_read(listener, Arc::clone(&logs_read));
    let mut working = std::pin::pin!(fix(config, request, listener, stop.clone()));
    // Which defects there are is part of the answer, whoever hears it.
    let mut unread = std::pin::pin!(async {
        logs_read.notified().await;
        reader_left().await;
    });
    let (mut signal, mut told) = (None, Ok(()));
    let worked = loop {
        tokio::select! {
            biased;
            Some(one) = done.recv(), if told.is_ok() => {
                told = shown.take(one);
                if told.is_err() && only_shows {
                    stop.cancel();
                }
            }
            received = signals.next(), if signal.is_none() => {
                signal = Some(received);
                stop.cancel();
            }
            () = &mut unread, if only_shows && !stop.is_cancelled() => stop.cancel(),
            worked = &mut working => break worked,
        }
    };
    while let Some(one) = done.try_recv().ok().filter(|_| told.is_ok()) {
        told = shown.take(one);
    }
    let report = worked?;
    // A signal that came when all was done changes nothing.
    let signal = signal.filter(|_| report.broken_off);
    Ok(Ended { report, signal, told })
}

/// Where suggestions are shown as they are done, in the order of their numbers.
struct Shown<'a, W> {
    out: &'a mut W,
    progress: &'a FixProgress,
    format: Format,
    detail: Detail,
    /// What is done while one before it is not: no more than there are defects.
    waiting: BTreeMap<usize, Suggestion>,
    /// The number that has its turn.
    next: usize,
}

impl<W: Write> Shown<'_, W> {
    /// Takes what is done, and shows what has its turn by that.
    fn take(&mut self, (number, suggestion): Numbered) -> std::io::Result<()> {
        self.waiting.insert(number, suggestion);
        while let Some(suggestion) = self.waiting.remove(&self.next) {
            self.suggestion(self.next, &suggestion)?;
            self.next += 1;
        }
        Ok(())
    }

    /// Shows what waits for one that will not be done.
    fn all_waiting(&mut self) -> std::io::Result<()> {
        self.waiting_before(usize::MAX)
    }

    fn waiting_before(&mut self, number: usize) -> std::io::Result<()> {
        let later = self.waiting.split_off(&number);
        for (number, suggestion) in std::mem::replace(&mut self.waiting, later) {
            self.suggestion(number, &suggestion)?;
        }
        Ok(())
    }

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
    fn rest(&mut self, report: &Report) -> std::io::Result<()> {
        if self.format == Format::Text {
            for unfinished in &report.unfinished {
                self.waiting_before(unfinished.number)?;
                let Self { out, progress, .. } = self;
                progress.aside(|| render::unfinished(out, unfinished))?;
            }
        }
        self.all_waiting()?;
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
    if !report.other_languages.is_empty() {
        let counts = report.other_languages.iter();
        let counts: Vec<_> =
            counts.map(|(language, count)| format!("{count} of {}", language.as_str())).collect();
        prose(out, &format!("errors of other languages, seen and not worked on: {}", counts.join(", ")))?;
    }
    for unread in &report.unread {
        prose(out, &format!("{unread}: what was read before is all that was worked on"))?;
    }
    if report.left_out > 0 {
        prose(out, &format!("{} more left out: raise fixer.max_defects", report.left_out))?;
    }
    applied(out, report)
}

/// What has become of the repository.
fn applied(out: &mut impl Write, report: &Report) -> std::io::Result<()> {
    for application in &report.applied {
        render::application(out, application)?;
    }
    for skipped in &report.skipped {
        prose(out, &format!("not applied: {}: {}", skipped.title, skipped.why))?;
    }
    render::way_back(out, report)
}
