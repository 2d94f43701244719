//! The whole of it in one process, with its server, until a signal ends it.

use std::net::SocketAddr;

use anyhow::Context as _;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;

use super::parts;
use super::service::{Service, Suggestions};
use crate::config::Config;
use crate::server::{Handles, Server};

/// A running instance.
#[derive(Debug)]
pub struct Instance {
    service: Service,
    server: JoinSet<()>,
    address: SocketAddr,
    stop_server: CancellationToken,
    grace: std::time::Duration,
}

impl Instance {
    /// Starts everything.
    ///
    /// # Errors
    /// As [`Service::start`], and when the address of the server is taken.
    pub async fn start(config: &Config) -> anyhow::Result<Self> {
        let service = Service::start(config).await?;
        let handles = Handles {
            knowledge: Some(service.knowledge().clone()),
            readiness: service.readiness(),
            metrics: service.metrics().clone(),
            repository: config.repository.path.as_deref().map(parts::absolute),
        };
        let server = Server::bind(parts::server(config), handles).await?;
        let address = server.address().context("the server has no address")?;
        let stop_server = CancellationToken::new();
        let mut running = JoinSet::new();
        running.spawn(server.run(stop_server.clone()));
        Ok(Self { service, server: running, address, stop_server, grace: config.grace_period.get() })
    }

    /// Where the server listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// The suggestions that are still to come.
    #[must_use]
    pub fn new_suggestions(&self) -> Suggestions {
        self.service.new_suggestions()
    }

    /// Waits until a part of it fails; without a failure, for ever.
    pub async fn failed(&mut self) -> anyhow::Error {
        self.service.failed().await
    }

    /// Ends within the grace period.
    ///
    /// # Errors
    /// When a part failed while it ended.
    pub async fn stop(mut self) -> anyhow::Result<()> {
        let deadline = Instant::now() + self.grace;
        // Whoever asks meanwhile is told that it ends; what is remembered can be asked for until it is closed.
        let stopped = self.service.stop(self.grace).await;
        self.stop_server.cancel();
        // What is asked and not answered yet still is.
        let served = async { while self.server.join_next().await.is_some() {} };
        if timeout_at(deadline, served).await.is_err() {
            tracing::warn!("the server does not end; nothing is waited for any more");
        }
        stopped
    }
}
