//! The library's face: everything `hephaestus run` does, inside another program.

use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, bail};
use futures_util::Stream;
use futures_util::stream::try_unfold;
use tokio::io::AsyncRead;
use tokio::process::Command;
use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::sync::{Mutex as AsyncMutex, Notify, oneshot};
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_util::sync::CancellationToken;

use super::service::{Role, Service};
use crate::collector::pipe::{self, QUIET_AFTER, Tap};
use crate::config::{Config, ConfigError, PathGlob};
use crate::domain::{GroupRecord, SuggestionRecord};
use crate::knowledge::{GroupFilter, GroupOrder};

/// How long the outputs of a command that has ended are waited for: what it left behind may hold them open.
const AFTERMATH: Duration = Duration::from_secs(1);

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
    /// When the runtime has one thread only; when the state directory is taken, damaged or cannot be written;
    /// when there is a repository and no toolchain or sandbox to prove fixes with.
    pub async fn start(self) -> anyhow::Result<Hephaestus> {
        if Handle::current().runtime_flavor() == RuntimeFlavor::CurrentThread {
            bail!(
                "Hephaestus needs a tokio runtime with several threads, and this one has one: use \
                 tokio::runtime::Builder::new_multi_thread, or #[tokio::main] without a flavor"
            );
        }
        let service = Service::start(&self.config, Role::Whole).await?;
        let tap = service.tap("ingest").context("the service has ended")?;
        let ingested = Arc::new(Ingested { tap: AsyncMutex::new(Some(tap)), stirred: Notify::new() });
        let mut silence = JoinSet::new();
        silence.spawn(Arc::clone(&ingested).tell_silence());
        Ok(Hephaestus {
            service,
            ingested,
            _silence: silence,
            monitors: Mutex::default(),
            ending: CancellationToken::new(),
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
    ingested: Arc<Ingested>,
    _silence: JoinSet<()>,
    /// Readers and commands that are being watched.
    monitors: Mutex<JoinSet<()>>,
    /// Ends the readers that have not ended by themselves.
    ending: CancellationToken,
    grace: Duration,
}

/// Where [`ingest`](Hephaestus::ingest) pushes.
#[derive(Debug)]
struct Ingested {
    /// Gone once the instance ends.
    tap: AsyncMutex<Option<Tap>>,
    stirred: Notify,
}

impl Ingested {
    /// Tells whenever nothing has come for a while, for as long as it is polled.
    async fn tell_silence(self: Arc<Self>) {
        loop {
            self.stirred.notified().await;
            while timeout(QUIET_AFTER, self.stirred.notified()).await.is_ok() {}
            if let Some(tap) = self.tap.lock().await.as_mut() {
                tap.quiet();
            }
        }
    }
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

    /// Every suggestion, those that are remembered first, then as they come. The stream ends once the instance
    /// has [finished](Self::finish) and all were given, or when it is stopped: what was not given by then is
    /// given after the next start. It fails where what is stored cannot be read.
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
        if let Some(tap) = self.ingested.tap.lock().await.as_mut() {
            tap.push(bytes);
        }
        self.ingested.stirred.notify_one();
    }

    /// Watches what a reader gives, until it ends. It is read as fast as it gives; what finds no room is
    /// dropped and told, as with [`ingest`](Self::ingest). Files are better [followed](Builder::follow).
    pub fn monitor_reader(&self, name: impl Into<PathBuf>, reader: impl AsyncRead + Unpin + Send + 'static) {
        drop(self.watch(name, reader));
    }

    /// Watches a reader; gives what resolves once it has ended.
    fn watch(
        &self,
        name: impl Into<PathBuf>,
        reader: impl AsyncRead + Unpin + Send + 'static,
    ) -> oneshot::Receiver<()> {
        let (ended, has_ended) = oneshot::channel();
        let Some(tap) = self.service.tap(name) else { return has_ended };
        let ending = self.ending.clone();
        let mut monitors = self.monitors.lock().unwrap_or_else(PoisonError::into_inner);
        // A program may run for years and give a reader for each of its requests.
        while monitors.try_join_next().is_some() {}
        monitors.spawn(async move {
            if let Err(error) = pipe::watch(reader, tokio::io::sink(), tap, &ending).await {
                tracing::warn!(%error, "a reader is not watched any more");
            }
            drop(ended);
        });
        has_ended
    }

    /// Runs a command and watches both of its outputs, which go nowhere else; tells how it ended. What it
    /// wrote has been taken in by then; what it left behind is watched on.
    ///
    /// # Errors
    /// When it cannot be started or waited for.
    pub async fn monitor_command(&self, mut command: Command) -> anyhow::Result<ExitStatus> {
        let program = command.as_std().get_program().to_owned();
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn().with_context(|| format!("cannot start {}", program.display()))?;
        let output = child.stdout.take().map(|output| self.watch("stdout", output));
        let errors = child.stderr.take().map(|errors| self.watch("stderr", errors));
        let status = child.wait().await?;
        let heard = async {
            for ended in output.into_iter().chain(errors) {
                // It is dropped, not sent.
                ended.await.ok();
            }
        };
        timeout(AFTERMATH, heard).await.ok();
        Ok(status)
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
        if let Some(tap) = self.ingested.tap.lock().await.take() {
            tap.end().await;
        }
        self.ending.cancel();
        self.read_to_end().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(flavor = "multi_thread")]
    async fn readers_that_have_ended_are_forgotten() {
        let folder = tempfile::tempdir().unwrap();
        let builder = Hephaestus::builder().unwrap().state_dir(folder.path().join("state"));
        let hephaestus = builder.start().await.unwrap();
        for _ in 0..50 {
            hephaestus.watch("reader", &b"fine\n"[..]).await.ok();
        }
        let left = hephaestus.monitors.lock().unwrap().len();
        // The last ones may have told of their end, and not come to it.
        assert!(left < 10, "{left} readers that have ended are remembered");
        hephaestus.stop().await.unwrap();
    }
}
