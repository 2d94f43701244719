//! The library's face: everything `hephaestus run` does, inside another program.

use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use anyhow::Context as _;
use futures_util::Stream;
use futures_util::stream::try_unfold;
use tokio::io::AsyncRead;
use tokio::process::Command;
use tokio::sync::Mutex as AsyncMutex;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout_at};

use super::service::Service;
use crate::collector::pipe::{self, Tap};
use crate::config::{Config, ConfigError, PathGlob};
use crate::domain::{GroupRecord, SuggestionRecord};
use crate::knowledge::{GroupFilter, GroupOrder};

/// How long nothing must have come before what came last is taken for complete.
const QUIET_AFTER: Duration = Duration::from_secs(1);

/// What an instance is to be like; [`start`](Self::start) makes it so.
#[derive(Debug, Clone)]
pub struct Builder {
    config: Config,
}

impl Builder {
    /// The repository the logs come from. Without one errors are found and counted, and nothing is mended.
    #[must_use]
    pub fn repository(mut self, folder: impl Into<PathBuf>) -> Self {
        self.config.repository.path = Some(folder.into());
        self
    }

    /// Where everything durable lives. It belongs to one instance at a time.
    #[must_use]
    pub fn state_dir(mut self, folder: impl Into<PathBuf>) -> Self {
        self.config.state_dir = folder.into();
        self
    }

    /// The name of the service that writes the logs.
    #[must_use]
    pub fn service_name(mut self, name: impl Into<String>) -> Self {
        self.config.service_name = name.into();
        self
    }

    /// Follows the files that a path or glob names, in addition to others.
    ///
    /// # Errors
    /// When it is no glob.
    pub fn follow(mut self, path: &str) -> anyhow::Result<Self> {
        let glob = PathGlob::named(path).with_context(|| format!("{path} names no files"))?;
        self.config.collector.log_paths.push(glob);
        Ok(self)
    }

    /// Starts it, on the current tokio runtime, which must have several threads.
    ///
    /// # Errors
    /// When the state directory is taken, damaged or cannot be written; when there is a repository and no
    /// toolchain or sandbox to prove fixes with.
    pub async fn start(self) -> anyhow::Result<Hephaestus> {
        let service = Service::start(&self.config).await?;
        let ingested = service.tap("ingest").context("the service has ended")?;
        Ok(Hephaestus {
            service,
            ingested: AsyncMutex::new(Some(ingested)),
            monitors: Mutex::default(),
            grace: self.config.grace_period.get(),
        })
    }
}

/// A running instance.
///
/// ```no_run
/// use futures_util::StreamExt as _;
/// use hephaestus::Hephaestus;
///
/// # async fn watch() -> anyhow::Result<()> {
/// let hephaestus = Hephaestus::builder()?.repository("/src/shop").follow("/var/log/shop/*.log")?.start().await?;
/// let mut suggestions = std::pin::pin!(hephaestus.suggestions());
/// while let Some(suggestion) = suggestions.next().await {
///     println!("{}", suggestion?.suggestion.title);
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Hephaestus {
    service: Service,
    /// Where [`ingest`](Self::ingest) pushes; gone once the instance ends.
    ingested: AsyncMutex<Option<Tap>>,
    /// Readers and commands that are being watched.
    monitors: Mutex<JoinSet<()>>,
    grace: Duration,
}

impl Hephaestus {
    /// A builder with the built-in defaults, which read no environment.
    ///
    /// # Errors
    /// Never for a build that passes its tests.
    pub fn builder() -> Result<Builder, ConfigError> {
        Ok(Self::configured(Config::built_in()?))
    }

    /// A builder with a configuration.
    #[must_use]
    pub const fn configured(config: Config) -> Builder {
        Builder { config }
    }

    /// Every suggestion, those that are remembered first, then as they come. The stream ends with the
    /// instance, and fails where what is stored cannot be read.
    pub fn suggestions(&self) -> impl Stream<Item = anyhow::Result<SuggestionRecord>> + Send + use<> {
        try_unfold(self.service.suggestions(0), |mut suggestions| async move {
            Ok(suggestions.next().await?.map(|record| (record, suggestions)))
        })
    }

    /// The groups that are remembered, worst and most frequent first, at most `limit`.
    ///
    /// # Errors
    /// When what is stored cannot be read.
    pub fn groups(&self, limit: usize) -> anyhow::Result<Vec<GroupRecord>> {
        Ok(self.service.view().groups(GroupFilter::default(), GroupOrder::Worst, limit)?)
    }

    /// Takes bytes of a log, in pieces of any size. It never waits: what finds no room within
    /// `collector.memory` is dropped, counted and warned about, since the program that logs must go on.
    pub async fn ingest(&self, bytes: &[u8]) {
        if let Some(tap) = self.ingested.lock().await.as_mut() {
            tap.push(bytes);
        }
    }

    /// Watches what a reader gives, until it ends.
    pub fn monitor_reader(&self, name: impl Into<PathBuf>, reader: impl AsyncRead + Unpin + Send + 'static) {
        let Some(mut tap) = self.service.tap(name) else { return };
        self.monitors.lock().unwrap_or_else(PoisonError::into_inner).spawn(async move {
            if let Err(error) = pipe::pass(reader, tokio::io::sink(), &mut tap, QUIET_AFTER).await {
                tracing::warn!(%error, "a reader is not watched any more");
            }
            tap.end().await;
        });
    }

    /// Runs a command and watches both of its outputs, which go nowhere else; tells how it ended.
    ///
    /// # Errors
    /// When it cannot be started or waited for.
    pub async fn monitor_command(&self, mut command: Command) -> anyhow::Result<ExitStatus> {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true).spawn()?;
        if let Some(output) = child.stdout.take() {
            self.monitor_reader("stdout", output);
        }
        if let Some(output) = child.stderr.take() {
            self.monitor_reader("stderr", output);
        }
        Ok(child.wait().await?)
    }

    /// Waits until every reader that is watched has ended.
    pub async fn read_to_end(&mut self) {
        let monitors = self.monitors.get_mut().unwrap_or_else(PoisonError::into_inner);
        while monitors.join_next().await.is_some() {}
    }

    /// Waits until everything that was taken in so far is counted and every group that may be worked on has
    /// been. Nothing more is taken in from here on.
    ///
    /// # Errors
    /// When a part of it failed.
    pub async fn finish(&mut self) -> anyhow::Result<()> {
        self.end_sources().await;
        self.service.finish().await
    }

    /// Ends within the configured grace period: what was taken in is made durable and counted.
    ///
    /// # Errors
    /// When a part of it failed while it ended.
    pub async fn stop(mut self) -> anyhow::Result<()> {
        let deadline = Instant::now() + self.grace;
        if timeout_at(deadline, self.end_sources()).await.is_err() {
            tracing::warn!("what was ingested last finds no room; it is dropped");
        }
        self.service.stop(deadline.saturating_duration_since(Instant::now())).await
    }

    /// Ends what was ingested, and every reader that has not ended by itself.
    async fn end_sources(&mut self) {
        if let Some(tap) = self.ingested.get_mut().take() {
            tap.end().await;
        }
        let mut monitors = std::mem::take(self.monitors.get_mut().unwrap_or_else(PoisonError::into_inner));
        while monitors.try_join_next().is_some() {}
        monitors.shutdown().await;
    }
}
