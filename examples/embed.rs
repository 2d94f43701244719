//! Hephaestus inside another program: a log goes in, groups come out.
//!
//! `cargo run --example embed -- LOG [REPOSITORY]`

#![allow(clippy::print_stdout)]

use std::path::PathBuf;

use anyhow::Context as _;
use futures_util::{Stream, StreamExt as _};
use hephaestus::Hephaestus;
use hephaestus::domain::SuggestionRecord;
use tokio::task::JoinSet;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    // The sandbox starts this very program inside its walls: that must come before anything else.
    hephaestus::sandbox::launch_if_requested();
    let mut arguments = std::env::args_os().skip(1).map(PathBuf::from);
    let log = arguments.next().context("which log?")?;
    let state = tempfile::tempdir()?;
    let mut builder = Hephaestus::builder()?.state_dir(state.path()).service_name("embedded");
    if let Some(repository) = arguments.next() {
        builder = builder.repository(repository);
    }
    let mut hephaestus = builder.start().await?;
    // Suggestions come while it works, until it has finished.
    let mut printing = JoinSet::new();
    printing.spawn(print(hephaestus.suggestions()));
    hephaestus.monitor_reader(&log, tokio::fs::File::open(&log).await?);
    hephaestus.read_to_end().await;
    hephaestus.finish().await?;
    while let Some(printed) = printing.join_next().await {
        printed??;
    }
    for record in hephaestus.groups(100)? {
        println!("{:>6}  {}  {}", record.group.count, record.status.as_str(), record.group.first.title);
    }
    hephaestus.stop().await
}

async fn print(suggestions: impl Stream<Item = anyhow::Result<SuggestionRecord>>) -> anyhow::Result<()> {
    let mut suggestions = std::pin::pin!(suggestions);
    while let Some(record) = suggestions.next().await {
        let suggestion = record?.suggestion;
        println!("{}: {}", suggestion.verdict.as_str(), suggestion.title);
    }
    Ok(())
}
