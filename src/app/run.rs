//! The roles that stay up, each with its server, until a signal ends them.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Context as _;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;

use super::service::{self, Agent, Service, Suggestions};
use super::{letters, parts};
use crate::config::Config;
use crate::server::{Handles, NotReady, Server};
use crate::telemetry::metrics::Metrics;

/// What an instance does of the whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// It reads, and publishes what it finds.
    Agent,
    /// It counts what agents have published, and works on it.
    Fixer,
    /// All of it.
    Whole,
}

/// A running instance.
#[derive(Debug)]
pub struct Instance {
    running: Running,
    server: JoinSet<()>,
    address: SocketAddr,
    stop_server: CancellationToken,
    grace: Duration,
}

/// What runs in it.
#[derive(Debug)]
enum Running {
    Agent(Box<Agent>),
    Service(Box<Service>),
}

impl Running {
    async fn start(config: &Config, role: Role) -> anyhow::Result<Self> {
        Ok(match role {
            Role::Agent => Self::Agent(Box::new(Agent::start(config).await?)),
            Role::Fixer => Self::Service(Box::new(Service::start(config, service::Role::Fixer).await?)),
            Role::Whole => Self::Service(Box::new(Service::start(config, service::Role::Whole).await?)),
        })
    }

    fn metrics(&self) -> Metrics {
        match self {
            Self::Agent(agent) => agent.metrics().clone(),
            Self::Service(service) => service.metrics().clone(),
        }
    }

    fn readiness(&self) -> watch::Receiver<Vec<NotReady>> {
        match self {
            Self::Agent(agent) => agent.readiness(),
            Self::Service(service) => service.readiness(),
        }
    }

    const fn service(&self) -> Option<&Service> {
        match self {
            Self::Agent(_) => None,
            Self::Service(service) => Some(service),
        }
    }

    async fn failed(&mut self) -> anyhow::Error {
        match self {
            Self::Agent(agent) => agent.failed().await,
            Self::Service(service) => service.failed().await,
        }
    }

    async fn stop(self, grace: Duration) -> anyhow::Result<()> {
        match self {
            Self::Agent(agent) => agent.stop(grace).await,
            Self::Service(service) => service.stop(grace).await,
        }
    }
}

impl Instance {
    /// Starts everything.
    ///
    /// # Errors
    /// As [`Service::start`] and [`Agent::start`], and when the address of the server is taken.
    pub async fn start(config: &Config, role: Role) -> anyhow::Result<Self> {
        let running = Running::start(config, role).await?;
        let handles = Handles {
            knowledge: running.service().map(|service| service.knowledge().clone()),
            letters: running.service().map(|service| letters::kept(service.bus())),
            readiness: running.readiness(),
            metrics: running.metrics(),
            repository: config.repository.path.as_deref().map(parts::absolute),
        };
        let server = Server::bind(parts::server(config), handles).await?;
        let address = server.address().context("the server has no address")?;
        let stop_server = CancellationToken::new();
        let mut serving = JoinSet::new();
        serving.spawn(server.run(stop_server.clone()));
        Ok(Self { running, server: serving, address, stop_server, grace: config.grace_period.get() })
    }

    /// Where the server listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// The suggestions that are still to come; none from an agent.
    #[must_use]
    pub fn new_suggestions(&self) -> Option<Suggestions> {
        self.running.service().map(Service::new_suggestions)
    }

    /// Waits until a part of it fails; without a failure, for ever.
    pub async fn failed(&mut self) -> anyhow::Error {
        self.running.failed().await
    }

    /// Ends within the grace period.
    ///
    /// # Errors
    /// When a part failed while it ended.
    pub async fn stop(mut self) -> anyhow::Result<()> {
        let deadline = Instant::now() + self.grace;
        // Whoever asks meanwhile is told that it ends; what is remembered can be asked for until it is closed.
        let stopped = self.running.stop(self.grace).await;
        self.stop_server.cancel();
        // What is asked and not answered yet still is.
        let served = async { while self.server.join_next().await.is_some() {} };
        if timeout_at(deadline, served).await.is_err() {
            tracing::warn!("the server does not end; nothing is waited for any more");
        }
        stopped
    }
}
