//! `hephaestus exec`: a program, watched while it runs.

use std::ffi::OsString;
use std::io::Write;
use std::os::unix::process::ExitStatusExt as _;
use std::path::PathBuf;
use std::process::ExitStatus;
use std::time::Duration;

use clap::Args;

use super::passing::PassingSignals;
use super::render::{Detail, counted};
use super::{Exit, render, scan};
use crate::app::exec::{Watched, WorkLeft};
use crate::app::service::Suggestions;
use crate::config::Config;

/// How often it is looked how much is left to be worked on.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);

/// Run a program, and find what mends its errors
#[derive(Debug, Args)]
#[command(after_long_help = "\
The program runs as it would without hephaestus: its input is its own, what it writes passes through byte
for byte and never waits for us, signals reach it (HUP, INT, QUIT, TERM, USR1, USR2, WINCH), and its exit
code is ours, whatever befalls what we do beside. Its errors are told on
standard error when it has ended; with --repo each code defect is worked on as `hephaestus fix` does, and
how many are left is told meanwhile (not with -q), and the tests that were found with -v. Nothing of it is
kept: `hephaestus run` remembers.

Exit code: the program's own (128 + N when signal N ended it), or 2 when it could not be started.

Examples:
  hephaestus exec -- ./server --port 8080
  hephaestus exec --repo . -- go run ./cmd/shop
  hephaestus exec --repo . --follow -- ./worker 2> worker.err")]
pub(super) struct ExecArgs {
    /// The repository the program is built from [else repository.path; without one nothing is mended].
    #[arg(long, value_name = "DIR")]
    repo: Option<PathBuf>,
    /// Tell each suggestion as soon as there is one, between what the program writes.
    #[arg(long)]
    follow: bool,
    /// The program and its arguments.
    #[arg(last = true, required = true, value_name = "PROGRAM")]
    program: Vec<OsString>,
}

impl ExecArgs {
    pub(super) fn run(self, mut config: Config, detail: Detail) -> anyhow::Result<Exit> {
        if let Some(repo) = &self.repo {
            config.repository.path = Some(repo.clone());
        }
        let runtime = super::service_runtime()?;
        let ended = runtime.block_on(self.watch(&config, detail));
        // Nothing that is still running is worth waiting for.
        runtime.shutdown_background();
        ended
    }

    async fn watch(&self, config: &Config, detail: Detail) -> anyhow::Result<Exit> {
        // From here on, before anything is opened or started.
        let mut signals = PassingSignals::listen()?;
        let mut program = Watched::start(config, &self.program).await?;
        let mut telling = Telling { suggestions: program.suggestions(), detail, told: 0 };
        let mut tells = self.follow;
        let status = loop {
            tokio::select! {
                status = program.ended() => break status?,
                signal = signals.next() => signal.pass_on(program.id()),
                told = telling.next(), if tells => tells = told.map_err(|error| unfinished(&error)).is_ok(),
            }
        };
        // How the program ended is what counts: that nobody reads what we say, or that we fail, is no end of its own.
        self.tell(program, telling, &mut signals, detail).await.unwrap_or_else(|error| unfinished(&error));
        Ok(Exit::Program(code_of(status)))
    }

    /// What is told once the program has ended.
    async fn tell(
        &self,
        mut program: Watched,
        mut telling: Telling,
        signals: &mut PassingSignals,
        detail: Detail,
    ) -> anyhow::Result<()> {
        let left = program.work_left();
        let broken_off = tokio::select! {
            finished = program.finish() => { finished?; false }
            () = signals.asked_to_end() => true,
            () = tell_left(&left), if detail != Detail::Little => false,
        };
        if broken_off {
            complain("broken off; what was not worked on yet is left out");
        }
        while !program.exhausted(&telling.suggestions) {
            telling.next().await?;
        }
        if telling.told == 0 {
            tell_groups(&program)?;
        }
        tokio::select! {
            stopped = program.stop() => stopped,
            () = signals.asked_to_end() => Ok(()),
        }
    }
}

/// Suggestions, told on standard error.
struct Telling {
    suggestions: Suggestions,
    detail: Detail,
    told: usize,
}

impl Telling {
    /// Waits for the next and tells it.
    async fn next(&mut self) -> anyhow::Result<()> {
        let Some(record) = self.suggestions.next().await? else { std::future::pending().await };
        let mut err = anstream::stderr().lock();
        render::suggestion(&mut err, self.told + 1, &record.suggestion)?;
        if self.detail == Detail::Much {
            render::reproducer(&mut err, &record.suggestion)?;
        }
        self.told += 1;
        Ok(())
    }
}

/// Says that no more is told, where anybody still listens.
fn unfinished(error: &anyhow::Error) {
    complain(&format!("what went wrong in the program cannot be told in full: {error:#}"));
}

/// Tells again and again how much is left to be worked on, and never ends.
async fn tell_left(left: &WorkLeft) {
    let mut told = 0;
    loop {
        tokio::time::sleep(LOOK_INTERVAL).await;
        let count = left.count();
        if count > 0 && count != told {
            let are = if count == 1 { "is" } else { "are" };
            complain(&format!("{} {are} being worked on; Ctrl-C ends", counted(count as u64, "defect")));
        }
        told = count;
    }
}

/// What went wrong, where nothing was worked on.
fn tell_groups(program: &Watched) -> anyhow::Result<()> {
    let mut err = anstream::stderr().lock();
    for record in program.groups()? {
        scan::write_group(&mut err, &record.group)?;
    }
    Ok(())
}

fn complain(text: &str) {
    // Whoever closed standard error does not want to hear it.
    writeln!(anstream::stderr(), "hephaestus: {text}").ok();
}

/// What a shell would make of it.
fn code_of(status: ExitStatus) -> u8 {
    let code = status.code().or_else(|| status.signal().map(|signal| 128 + signal));
    code.and_then(|code| u8::try_from(code).ok()).unwrap_or(1)
}
