//! The role beside a service: it reads, finds errors, and publishes them for others.

use std::time::Duration;

use anyhow::bail;
use tokio::sync::watch;

use super::core::Core;
use super::health::Condition;
use crate::config::{BusKind, Config};
use crate::server::NotReady;
use crate::telemetry::metrics::Metrics;

/// A running agent.
#[derive(Debug)]
pub struct Agent {
    core: Core,
}

impl Agent {
    /// Takes the state directory and begins to follow the files that the configuration names.
    ///
    /// # Errors
    /// When nobody could hear it, since the bus is embedded; when the state directory is taken, damaged, of a newer
    /// version or cannot be written.
    pub async fn start(config: &Config) -> anyhow::Result<Self> {
        if config.bus.kind == BusKind::Embedded {
            bail!(
                "bus.kind is embedded, and nobody would hear of what an agent finds: set it to kafka, or use \
                 `hephaestus run`, which does everything in one process"
            );
        }
        let mut core = Core::open(config).await?;
        core.read(config)?;
        core.keep_up(config, None);
        core.health.set(Condition::Starting, false);
        Ok(Self { core })
    }

    /// What can be measured.
    #[must_use]
    pub const fn metrics(&self) -> &Metrics {
        &self.core.metrics
    }

    /// Why it cannot do its work just now; empty when it can.
    #[must_use]
    pub fn readiness(&self) -> watch::Receiver<Vec<NotReady>> {
        self.core.health.readiness()
    }

    /// Waits until a part fails; without a failure, for ever.
    ///
    /// # Errors
    /// What failed.
    pub async fn failed(&mut self) -> anyhow::Error {
        self.core.failed().await
    }

    /// Ends, within `grace`. What was found is published by then, or read again by the next process.
    ///
    /// # Errors
    /// When a part failed while it ended.
    pub async fn stop(mut self, grace: Duration) -> anyhow::Result<()> {
        self.core.stop(grace, None).await
    }
}
