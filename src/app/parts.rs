//! The rooms, built from the configuration.

use std::path::{Path, PathBuf};

use crate::analyzer::Pace;
use crate::bus::kafka::{KafkaConfig, Sasl, Tls, TopicSettings};
use crate::bus::{Bus, Embedded, Kafka};
use crate::collector::tail;
use crate::config::{BusKind, ByteSize, Config, FixStrategy, Interval, SandboxTier, StartAt, StrategyType};
use crate::domain::{PodContainer, UNKNOWN_SERVICE};
use crate::fixer::{self, Fixer};
use crate::sandbox::{self, GoError, GoToolchain, Sandbox};
use crate::telemetry::metrics::Metrics;
use crate::telemetry::{Advise as _, Advised};
use crate::{analyzer, bus, knowledge, repository, server, validator};

/// How errors are found in logs.
pub(super) fn analyzer(config: &Config) -> analyzer::Config {
    let section = &config.analyzer;
    analyzer::Config {
        error_patterns: section
            .error_patterns
            .iter()
            .map(|entry| analyzer::ErrorPattern {
                pattern: entry.pattern.to_string(),
                severity: entry.severity,
            })
            .collect(),
        max_stack_depth: as_usize(section.max_stack_depth),
        max_line_bytes: in_memory(section.max_line_bytes),
        max_event_bytes: in_memory(section.max_event_bytes),
        severity_threshold: section.severity_threshold,
        max_groups: as_usize(section.max_groups),
    }
}

/// The service that wrote a log: the one that is named; where none is, the container whose log it is.
pub(super) fn service_of(named: &str, container: Option<&PodContainer>) -> String {
    let container = container.filter(|_| named == UNKNOWN_SERVICE).map(|found| found.container.as_str());
    container.unwrap_or(named).to_owned()
}

/// How occurrences are counted before they go out.
pub(super) fn pace(config: &Config) -> Pace {
    let section = &config.analyzer;
    Pace { interval: section.summary_interval.get(), room: as_usize(section.max_groups), ..Pace::default() }
}

/// Which files are followed.
pub(super) fn tail(config: &Config) -> tail::Config {
    let section = &config.collector;
    tail::Config {
        paths: section.log_paths.iter().map(ToString::to_string).collect(),
        exclude: section.exclude.iter().map(ToString::to_string).collect(),
        polling_interval: section.polling_interval.get(),
        start_at: match section.start_at {
            StartAt::Beginning => tail::StartAt::Beginning,
            StartAt::End => tail::StartAt::End,
        },
        max_files: as_usize(section.max_files),
        max_open_files: as_usize(section.max_open_files),
        rotate_wait: section.rotate_wait.get(),
        forget_after: section.forget_after.get(),
        ..tail::Config::default()
    }
}

/// The bytes that may wait between reading and analysis.
pub(super) fn read_budget(config: &Config) -> u32 {
    u32::try_from(config.collector.memory.bytes()).unwrap_or(u32::MAX)
}

/// How events are carried.
pub(super) fn bus(config: &Config) -> bus::Config {
    bus::Config {
        max_queue_bytes: config.bus.max_queue.bytes(),
        retention_bytes: config.bus.retention_bytes.bytes(),
        retention_period: config.bus.retention_period.get(),
    }
}

/// How Kafka is reached. `instance` tells this instance from others of its group.
pub(super) fn kafka(config: &Config, instance: String) -> KafkaConfig {
    let section = &config.bus.kafka;
    let (tls, sasl) = (&section.tls, &section.sasl);
    let credentials = sasl.username.as_ref().zip(sasl.password.as_ref());
    KafkaConfig {
        brokers: section.brokers.clone(),
        topic_prefix: section.topic_prefix.clone(),
        group: section.group.clone(),
        source: format!("/hephaestus/{}", config.service_name),
        instance,
        max_queue_bytes: config.bus.max_queue.bytes(),
        linger: section.linger.get(),
        batch_bytes: section.batch_bytes.bytes(),
        topics: TopicSettings {
            partitions: section.partitions,
            replication_factor: section.replication_factor,
            retention_period: section.retention_period.get(),
        },
        tls: tls.enabled.then(|| Tls {
            ca_file: tls.ca_file.clone(),
            certificate_file: tls.certificate_file.clone(),
            key_file: tls.key_file.clone(),
        }),
        sasl: credentials.map(|(username, password)| Sasl {
            mechanism: sasl.mechanism.as_str().to_owned(),
            username: username.clone(),
            password: password.expose().to_owned(),
        }),
        properties: section.properties.clone(),
    }
}

/// The bus of this instance.
pub(super) fn open_bus(config: &Config, instance: String, metrics: &Metrics) -> Result<Bus, bus::Error> {
    match config.bus.kind {
        BusKind::Embedded => Ok(Bus::Embedded(Embedded::open(&bus_dir(config), &bus(config), metrics)?)),
        BusKind::Kafka => Ok(Bus::Kafka(Kafka::open(kafka(config, instance), metrics)?)),
    }
}

/// What is remembered, and how long.
pub(super) fn knowledge(config: &Config) -> knowledge::Config {
    knowledge::Config {
        max_entries: usize::try_from(config.knowledge.max_entries).unwrap_or(usize::MAX),
        retention_period: config.knowledge.retention_period.get(),
        dedup_retention: config.knowledge.dedup_retention.get(),
    }
}

/// Removes the scratch copies that killed processes left.
pub(super) fn sweep_scratch() {
    for folder in repository::sweep_scratch() {
        tracing::info!(folder = %folder.display(), "removed the scratch copy that a killed process left");
    }
}

/// What of a repository may be read.
pub(super) fn repository(config: &Config) -> repository::Config {
    repository::Config {
        max_files: as_usize(config.repository.max_files),
        max_file_bytes: config.repository.max_file_bytes.bytes(),
        max_copy_bytes: config.repository.max_copy.bytes(),
    }
}

/// A fixer with the toolchain and sandbox of this machine.
pub(super) fn fixer(config: &Config, metrics: &Metrics) -> anyhow::Result<Fixer> {
    let settings = fixer::Config {
        timeout: config.generator.timeout.get(),
        reproduce_timeout: config.generator.reproduction_timeout.get(),
        fuzz_timeout: config.generator.fuzz_timeout.map(Interval::get).unwrap_or_default(),
        max_fix_attempts: as_usize(config.generator.max_fix_attempts),
        strategies: strategies(config),
        seed: u64::from(config.fixer.seed),
    };
    let validator = validator::Config {
        reproducer_runs: config.validator.reproducer_runs,
        step_timeout: config.validator.step_timeout.map_or(settings.timeout, Interval::get),
        max_dependents: as_usize(config.validator.max_dependents),
        max_patch_lines: as_usize(config.validator.max_patch_lines),
    };
    Ok(Fixer::new(settings, validator, demand_go(config)?, Sandbox::detect(&sandbox(config))?, metrics))
}

/// Where candidates come from, in the order in which they are tried where nothing was learnt.
fn strategies(config: &Config) -> Vec<fixer::Strategy> {
    let strategy = |strategy: FixStrategy| {
        let source = match strategy.r#type {
            StrategyType::Recalled => fixer::Source::Recalled,
            StrategyType::Rule => fixer::Source::Rule,
            // It has no room yet.
            StrategyType::Model => return None,
        };
        Some(fixer::Strategy { source, priority: strategy.priority, weight: strategy.weight() })
    };
    config.generator.strategies().into_iter().filter_map(strategy).collect()
}

/// Why there is no Go toolchain to work with.
#[derive(Debug, thiserror::Error)]
pub(super) enum NoGo {
    /// There is none that works.
    #[error(transparent)]
    Toolchain(#[from] GoError),
    /// Nobody says where its cache may lie.
    #[error("there is no place for Go's build cache, since neither XDG_CACHE_HOME nor HOME is set")]
    NoPlace,
}

impl NoGo {
    pub(super) const fn remedy(&self) -> &'static str {
        match self {
            Self::Toolchain(error) => error.remedy(),
            Self::NoPlace => "set repository.go_cache to a folder that can be written",
        }
    }
}

/// The Go toolchain of this machine.
pub(super) fn go(config: &Config) -> Result<GoToolchain, NoGo> {
    let default = || cache_folder().map(|cache| cache.join("go-build"));
    let cache = config.repository.go_cache.clone().or_else(default).ok_or(NoGo::NoPlace)?;
    Ok(GoToolchain::detect(config.repository.go.as_deref(), &cache)?)
}

/// The Go toolchain of this machine, the error with what to do about it.
pub(super) fn demand_go(config: &Config) -> Result<GoToolchain, Advised> {
    go(config).or_else(|error| {
        let remedy = error.remedy();
        Err(error).advise(remedy)
    })
}

/// What the sandbox allows.
pub(super) fn sandbox(config: &Config) -> sandbox::Config {
    sandbox::Config {
        tier: match config.sandbox.tier {
            SandboxTier::Auto => sandbox::TierChoice::Auto,
            SandboxTier::Landlock => sandbox::TierChoice::Landlock,
            SandboxTier::Bubblewrap => sandbox::TierChoice::Bubblewrap,
        },
        memory_bytes: config.sandbox.memory.bytes(),
        processes: config.sandbox.processes,
        output_bytes: config.sandbox.output.bytes(),
        file_bytes: config.sandbox.file_size.bytes(),
        disk_bytes: config.sandbox.disk.bytes(),
        ..sandbox::Config::default()
    }
}

/// Where it is remembered.
pub(super) fn knowledge_dir(config: &Config) -> PathBuf {
    config.knowledge.storage_path.clone().unwrap_or_else(|| config.state_dir.join("knowledge"))
}

/// Where the embedded bus lies.
pub(super) fn bus_dir(config: &Config) -> PathBuf {
    config.state_dir.join("bus")
}

/// How the server works.
#[must_use]
pub fn server(config: &Config) -> server::Config {
    server::Config {
        listen: config.server.listen,
        state_dir: config.state_dir.clone(),
        token: config.server.token.as_ref().map(|token| server::Token::new(token.expose())),
        max_connections: as_usize(config.server.max_connections),
        request_timeout: config.server.request_timeout.get(),
    }
}

/// Where the patches are kept that take back what `fix` has written; none where no cache folder is known. What
/// runs in the sandbox can write to the build cache, and not here.
pub(super) fn undo_folder() -> Option<PathBuf> {
    Some(cache_folder()?.join("undo"))
}

fn cache_folder() -> Option<PathBuf> {
    let absolute = |name| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let cache = absolute("XDG_CACHE_HOME").or_else(|| Some(absolute("HOME")?.join(".cache")))?;
    Some(cache.join("hephaestus"))
}

/// A path that means the same wherever it is read.
pub(super) fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}

/// Sizes of buffers are far below what memory can address.
fn in_memory(size: ByteSize) -> usize {
    usize::try_from(size.bytes()).unwrap_or(usize::MAX)
}

/// Counts in the configuration are 32 bits wide, as `usize` is at the least.
pub(super) fn as_usize(count: u32) -> usize {
    usize::try_from(count).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_container_is_the_service_where_none_is_named() {
        let unnamed = Config::built_in().unwrap().service_name;
        let billing = PodContainer {
            namespace: "default".into(),
            pod: "shop-0".into(),
            uid: "0d1b".into(),
            container: "billing".into(),
        };
        assert_eq!(service_of(&unnamed, Some(&billing)), "billing");
        assert_eq!(service_of("shop", Some(&billing)), "shop");
        assert_eq!(service_of(&unnamed, None), UNKNOWN_SERVICE);
    }

    /// Whoever uses a room by itself gets what the compiled-in configuration says.
    #[test]
    fn rooms_have_the_defaults_of_the_configuration() {
        let config = Config::built_in().unwrap();
        assert_eq!(analyzer(&config), analyzer::Config::default());
        assert_eq!(bus(&config), bus::Config::default());
        assert_eq!(knowledge(&config), knowledge::Config::default());
        assert_eq!(repository(&config), repository::Config::default());
        assert_eq!(sandbox(&config), sandbox::Config::default());
        assert_eq!(format!("{:?}", tail(&config)), format!("{:?}", tail::Config::default()));
    }
}
