//! A program that is watched while it runs: what it writes passes through byte for byte.
//!
//! Nothing of it is kept afterwards: the state directory lives as long as the program.

use std::ffi::OsString;
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use anyhow::Context as _;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::process::{Child, Command};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::parts;
use super::service::{Role, Service, Suggestions};
use crate::collector::pipe::{self, Tap};
use crate::config::{BusKind, Config};
use crate::domain::{GroupRecord, GroupStatus};
use crate::knowledge::{GroupFilter, GroupOrder, View};
use crate::repository::Scratch;

/// How long what the program left behind may go on writing after it has ended.
const AFTERMATH: Duration = Duration::from_secs(2);
/// How many groups are told of at the end.
const TOLD_GROUPS: usize = 100;

/// A program that is running and watched.
#[derive(Debug)]
pub struct Watched {
    service: Service,
    child: Child,
    /// Both of its outputs on their way.
    outputs: JoinSet<()>,
    /// Ends them though something holds them open.
    broken_off: CancellationToken,
    grace: Duration,
    /// Whether defects are worked on.
    mends: bool,
    /// Removed with this value.
    _state: Scratch,
}

impl Watched {
    /// Starts a program. Standard input is its own; its outputs pass through ours.
    ///
    /// # Errors
    /// When it cannot be started, or the service cannot.
    pub async fn start(config: &Config, program: &[OsString]) -> anyhow::Result<Self> {
        parts::sweep_scratch();
        let state = Scratch::temporary()?;
        let service = Service::start(&within(config, &state.state_dir()), Role::Passing).await?;
        let (name, arguments) = program.split_first().context("no program is named")?;
        let mut child = Command::new(name)
            .args(arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .with_context(|| format!("cannot start {}", name.display()))?;
        let (mut outputs, broken_off) = (JoinSet::new(), CancellationToken::new());
        if let (Some(output), Some(tap)) = (child.stdout.take(), service.tap("stdout")) {
            outputs.spawn(pass(output, tokio::io::stdout(), tap, broken_off.clone()));
        }
        if let (Some(output), Some(tap)) = (child.stderr.take(), service.tap("stderr")) {
            outputs.spawn(pass(output, tokio::io::stderr(), tap, broken_off.clone()));
        }
        let (grace, mends) = (config.grace_period.get(), config.repository.path.is_some());
        Ok(Self { service, child, outputs, broken_off, grace, mends, _state: state })
    }

    /// The program's process id, while it runs.
    #[must_use]
    pub fn id(&self) -> Option<u32> {
        self.child.id()
    }

    /// Waits until the program has ended. Dropping the future loses nothing.
    ///
    /// # Errors
    /// When it cannot be waited for.
    pub async fn ended(&mut self) -> anyhow::Result<ExitStatus> {
        Ok(self.child.wait().await?)
    }

    /// The suggestions from the beginning on.
    #[must_use]
    pub fn suggestions(&self) -> Suggestions {
        self.service.suggestions(0)
    }

    /// Whether every suggestion that there is so far has been had.
    #[must_use]
    pub fn exhausted(&self, suggestions: &Suggestions) -> bool {
        suggestions.place() >= self.service.view().subscribe().borrow().last_sequence
    }

    /// Waits until all that was written has been counted and worked on.
    ///
    /// # Errors
    /// When a part of the service failed.
    pub async fn finish(&mut self) -> anyhow::Result<()> {
        // What it left behind may hold the outputs open for ever.
        let outputs = &mut self.outputs;
        let mut passed = std::pin::pin!(async { while outputs.join_next().await.is_some() {} });
        if tokio::time::timeout(AFTERMATH, &mut passed).await.is_err() {
            self.broken_off.cancel();
            passed.await;
        }
        self.service.finish().await
    }

    /// How many defects are being worked on, or will be.
    #[must_use]
    pub fn work_left(&self) -> WorkLeft {
        let view = self.mends.then(|| self.service.view().clone());
        WorkLeft { view }
    }

    /// What went wrong in the program, the worst first.
    ///
    /// # Errors
    /// When what is remembered cannot be read.
    pub fn groups(&self) -> anyhow::Result<Vec<GroupRecord>> {
        Ok(self.service.view().groups(GroupFilter::default(), GroupOrder::Worst, TOLD_GROUPS)?)
    }

    /// Ends, and forgets everything.
    ///
    /// # Errors
    /// When a part of the service failed while it ended.
    pub async fn stop(self) -> anyhow::Result<()> {
        self.service.stop(self.grace).await
    }
}

/// How much is still to be worked on.
#[derive(Debug, Clone)]
pub struct WorkLeft {
    /// None where nothing is mended.
    view: Option<View>,
}

impl WorkLeft {
    /// The number of defects.
    #[must_use]
    pub fn count(&self) -> usize {
        let Some(view) = &self.view else { return 0 };
        let counts = view.group_counts();
        [GroupStatus::New, GroupStatus::Working].iter().filter_map(|status| counts.get(status)).sum()
    }
}

/// The configuration with a state directory of its own and nothing else to follow.
fn within(config: &Config, state_dir: &Path) -> Config {
    let mut config = config.clone();
    config.state_dir = state_dir.to_owned();
    config.bus.kind = BusKind::Embedded;
    config.knowledge.storage_path = None;
    config.collector.log_paths = Vec::new();
    config
}

/// Passes one output through. Where nobody reads ours any more, the program is told as it would be without us:
/// its pipe is closed.
async fn pass(
    input: impl AsyncRead + Unpin,
    output: impl AsyncWrite + Unpin,
    tap: Tap,
    broken_off: CancellationToken,
) {
    if let Err(error) = pipe::watch(input, output, tap, &broken_off).await {
        tracing::debug!(%error, "an output is not passed on any more");
    }
}
