//! What the roles that stay up have in common on the command line: they run until a signal, and print suggestions.
//!
//! Suggestions are printed on a thread of their own. Whoever reads them may be slow, stop reading or go away:
//! that holds up nothing else. There is no queue that could overflow, since what was not printed yet is
//! remembered anyway and taken from there.

use std::io::{self, ErrorKind, Write};
use std::time::Duration;

use anyhow::{Context as _, bail};
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;

use super::output::Output;
use super::signals::Signals;
use super::tame::json_line;
use super::{Exit, Format, render};
use crate::app::run::{Instance, Role};
use crate::app::service::Suggestions;
use crate::config::{BusKind, Config, PathGlob};
use crate::domain::SuggestionRecord;

/// How long the end may wait for a reader of suggestions.
const LAST_WORDS: Duration = Duration::from_secs(2);
/// How long to wait before suggestions that could not be read are read again.
const RETRY_INTERVAL: Duration = Duration::from_secs(2);

/// The files that the command line names win over those of the configuration; there must be some.
pub(super) fn name_logs(paths: &[String], config: &mut Config) -> anyhow::Result<()> {
    if paths.iter().any(|path| path == "-") {
        bail!(
            "only files are followed; read standard input with `scan -`, or wrap the program with `exec -- PROGRAM`"
        );
    }
    if !paths.is_empty() {
        let glob = |path: &String| PathGlob::named(path).with_context(|| format!("{path} names no files"));
        config.collector.log_paths = paths.iter().map(glob).collect::<Result<_, _>>()?;
    }
    if config.collector.log_paths.is_empty() {
        bail!("there is nothing to follow; name log files, or set collector.log_paths");
    }
    Ok(())
}

/// Runs a role until a signal.
pub(super) fn stay(config: &Config, role: Role, format: Format) -> anyhow::Result<Exit> {
    let runtime = super::service_runtime()?;
    let ended = runtime.block_on(run(config, role, format));
    // Everything that counts is durable: nothing that is still running needs to be waited for.
    runtime.shutdown_background();
    ended
}

async fn run(config: &Config, role: Role, format: Format) -> anyhow::Result<Exit> {
    // From here on, before anything is opened or started.
    let mut signals = Signals::listen()?;
    let mut instance = tokio::select! {
        started = Instance::start(config, role) => started?,
        signal = signals.next() => return Ok(Exit::BrokenOff(signal)),
    };
    greet(config, role, &instance);
    let stop_printing = CancellationToken::new();
    let (suggestions, stop) = (instance.new_suggestions(), stop_printing.clone());
    let printing = tokio::task::spawn_blocking(move || {
        if let Some(suggestions) = suggestions {
            Handle::current().block_on(print_all(suggestions, format, stop));
        }
    });
    let ended = tokio::select! {
        signal = signals.next() => Ok(signal),
        error = instance.failed() => Err(error),
    };
    if let Ok(signal) = &ended {
        let grace = config.grace_period.get();
        say(&format!("ending ({signal}), within {grace:?}; a second signal ends at once"));
    }
    stop_printing.cancel();
    let printed = tokio::time::timeout(config.grace_period.get().min(LAST_WORDS), printing);
    let ending = async { tokio::join!(instance.stop(), printed).0 };
    tokio::select! {
        stopped = ending => ended.and(stopped)?,
        signal = signals.next() => {
            say(&format!("ended at once by a second signal, {signal}; nothing is lost"));
            return Ok(Exit::BrokenOff(signal));
        }
    }
    Ok(Exit::Yes)
}

/// Says on standard error what is going on.
fn greet(config: &Config, role: Role, instance: &Instance) {
    let paths: Vec<_> = config.collector.log_paths.iter().map(PathGlob::as_str).collect();
    let following = format!("following {}", paths.join(" "));
    let mending = match &config.repository.path {
        Some(repository) => format!("mending {}", repository.display()),
        None => "mending nothing, since no repository is named".to_owned(),
    };
    let brokers = || format!("Kafka at {}", config.bus.kafka.brokers.join(", "));
    let doing = match (role, config.bus.kind) {
        (Role::Agent, _) => format!("{following}; publishing to {}", brokers()),
        (Role::Fixer, _) => format!("counting what {} brings; {mending}", brokers()),
        (Role::Whole, BusKind::Kafka) => format!("{following}; {}; {mending}", brokers()),
        (Role::Whole, BusKind::Embedded) => format!("{following}; {mending}"),
    };
    let state_dir = std::path::absolute(&config.state_dir);
    let state_dir = state_dir.as_deref().unwrap_or(&config.state_dir).display();
    say(&format!("{doing}; state in {state_dir}; http://{}; Ctrl-C ends", instance.address()));
}

fn say(text: &str) {
    // Whoever closed standard error does not want to hear it.
    writeln!(anstream::stderr(), "{text}").ok();
}

/// Prints suggestions as they come, and at the end those that there are. Blocks while nobody reads them.
async fn print_all(mut suggestions: Suggestions, format: Format, stop: CancellationToken) {
    let mut out = Output::ending_with_its_reader();
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
            json_line(out, record)?;
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
