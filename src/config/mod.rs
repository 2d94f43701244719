//! Raw YAML to a checked [`Config`].
//!
//! `config/hephaestus.yaml` is compiled in and *is* the defaults: a user's file is merged over it, key by
//! key (lists are replaced). So what is documented there is what happens. The way of a file:
//!
//! 1. [`Origin::locate`] finds it,
//! 2. `tree` parses it into nodes that know their place, and lays it over the defaults,
//! 3. `read` turns nodes into the typed sections, resolving `${VARIABLE}` and checking every value,
//! 4. rules between keys are checked.
//!
//! Every mistake is told, with file, line, column, key and remedy. The text of an environment variable
//! never appears in a message, since it may be secret.

mod environment;
mod locate;
mod problem;
mod quantity;
mod read;
mod scalar;
mod secret;
mod sections;
mod tree;

use std::path::{Path, PathBuf};
use std::sync::Arc;

pub use environment::{Environment, process_environment};
pub use locate::{FILE_VARIABLE, Origin};
pub use problem::{ConfigError, Place, Problem};
pub use quantity::{ByteSize, Interval};
pub use scalar::{PathGlob, Pattern, Weight};
pub use secret::Secret;
pub use sections::{
    AiModelSection, AnalyzerSection, BusKind, BusSection, CollectorSection, DeploymentSection, ErrorPattern,
    FixMode, FixStrategy, FixerSection, GeneratorSection, KafkaSasl, KafkaSection, KafkaTls,
    KnowledgeSection, LogFormat, LogLevel, ModelProvider, RepositorySection, SandboxSection, SandboxTier,
    SaslMechanism, ServerSection, StartAt, StrategyType, TelemetrySection, ValidatorSection,
};

use read::{FromNode, Reader, section};
use tree::Node;

/// The defaults, with a comment on every key.
pub const DEFAULTS: &str = include_str!("../../config/hephaestus.yaml");

/// How the defaults are named in messages.
const DEFAULTS_NAME: &str = "built-in hephaestus.yaml";

section! {
    /// A configuration in which every value has been checked.
    pub struct Config {
        /// Where everything durable lives.
        state_dir: PathBuf,
        /// The name of the service that writes the logs.
        service_name: String,
        /// How long a stopped instance may take to bring its work into a safe state.
        grace_period: Interval [Interval::from_millis(100)..=Interval::from_secs(600)],
        /// Which logs are followed.
        collector: CollectorSection,
        /// How errors are found in logs.
        analyzer: AnalyzerSection,
        /// How events travel from the analyzer to the fixer.
        bus: BusSection,
        /// What is remembered of errors and fixes.
        knowledge: KnowledgeSection,
        /// Which repository is mended, and how much of it is read.
        repository: RepositorySection,
        /// What code under test may use.
        sandbox: SandboxSection,
        /// Where candidates for a fix come from.
        generator: GeneratorSection,
        /// What a fix must show.
        validator: ValidatorSection,
        /// How defects are worked through.
        fixer: FixerSection,
        /// How a proven fix is applied.
        deployment: DeploymentSection,
        /// What Hephaestus says about itself.
        telemetry: TelemetrySection,
        /// The HTTP server of the roles that stay up.
        server: ServerSection,
    }
}

/// A configuration and where it came from.
#[derive(Debug, Clone, PartialEq)]
pub struct Loaded {
    /// The configuration.
    pub config: Config,
    /// Where it came from.
    pub origin: Origin,
}

impl Loaded {
    /// Finds the file (`named`, then the environment, then the usual places) and reads it.
    ///
    /// # Errors
    /// Every mistake in the file, or that a named file is missing.
    pub fn load(named: Option<&Path>, environment: Environment<'_>) -> Result<Self, ConfigError> {
        let origin = Origin::locate(named, environment, Path::is_file);
        let config = match origin.path() {
            Some(path) => {
                Config::from_yaml(&path.display().to_string(), &locate::read_file(path)?, environment)?
            }
            None => Config::defaults(environment)?,
        };
        Ok(Self { config, origin })
    }
}

impl Config {
    /// The defaults, with variables in them resolved.
    ///
    /// # Errors
    /// Only where a variable that the defaults mention holds a bad value.
    pub fn defaults(environment: Environment<'_>) -> Result<Self, ConfigError> {
        Self::from_tree(&Self::default_tree()?, environment)
    }

    /// The defaults in an empty environment.
    ///
    /// # Errors
    /// Never for a build that passes its tests.
    pub fn built_in() -> Result<Self, ConfigError> {
        Self::defaults(&|_| None)
    }

    /// Reads a user's file over the defaults; `file` is its name in messages.
    ///
    /// # Errors
    /// Every mistake found.
    pub fn from_yaml(file: &str, text: &str, environment: Environment<'_>) -> Result<Self, ConfigError> {
        let user = Node::parse(&Arc::from(file), text)?;
        Self::from_tree(&Self::default_tree()?.merged(user), environment)
    }

    fn default_tree() -> Result<Node, Problem> {
        Node::parse(&Arc::from(DEFAULTS_NAME), DEFAULTS)
    }

    fn from_tree(tree: &Node, environment: Environment<'_>) -> Result<Self, ConfigError> {
        let mut reader = Reader::new(environment);
        let config = Self::from_node(tree, "", &mut reader);
        if let Some(config) = &config {
            config.check_together(tree, &mut reader);
        }
        let problems = reader.into_problems();
        ConfigError::from_problems(problems)?;
        config.ok_or_else(|| {
            Problem::at(&tree.place, "", "could not be read", "report this with the file").into()
        })
    }

    /// Rules between keys. A broken one is blamed on the first of its keys that the user's file has, since
    /// nobody can correct a line of the defaults.
    fn check_together(&self, tree: &Node, reader: &mut Reader<'_>) {
        let mut rule = |holds: bool, keys: &[&str], message: &str, remedy: &str| {
            if !holds && let Some(key) = keys.first() {
                let places = || keys.iter().map(|key| tree.place_of(key));
                let written = places().find(|place| &*place.file != DEFAULTS_NAME);
                reader.note(written.unwrap_or_else(|| tree.place_of(key)), key, message, remedy);
            }
        };
        let model = &self.generator.ai_model;
        rule(
            model.provider == ModelProvider::None || model.model.is_some(),
            &["generator.ai_model.model", "generator.ai_model.provider"],
            "a provider is chosen, but no model",
            "name one of the provider's models, or set provider: none",
        );
        rule(
            !self.generator.fix_strategies.is_empty(),
            &["generator.fix_strategies"],
            "empty: no fix could ever be found",
            "list at least `{type: rule, priority: 1}`, or remove the key",
        );
        self.check_kafka(&mut rule);
    }

    /// Rules between the keys of `bus.kafka`.
    fn check_kafka(&self, rule: &mut impl FnMut(bool, &[&str], &str, &str)) {
        let kafka = &self.bus.kafka;
        rule(
            self.bus.kind != BusKind::Kafka || !kafka.brokers.is_empty(),
            &["bus.kafka.brokers", "bus.kind"],
            "kafka is chosen, but no broker is named",
            "list at least one `host:port`, or set kind: embedded",
        );
        let (tls, sasl) = (&kafka.tls, &kafka.sasl);
        rule(
            tls.certificate_file.is_some() == tls.key_file.is_some(),
            &["bus.kafka.tls.certificate_file", "bus.kafka.tls.key_file"],
            "a certificate and its key belong together, and one is missing",
            "name both, or neither",
        );
        rule(
            tls.enabled || (tls.ca_file.is_none() && tls.certificate_file.is_none()),
            &["bus.kafka.tls.enabled", "bus.kafka.tls.ca_file", "bus.kafka.tls.certificate_file"],
            "files are named for encryption, which is not enabled",
            "set bus.kafka.tls.enabled: true, or remove the files",
        );
        rule(
            (sasl.mechanism == SaslMechanism::None) == (sasl.username.is_none() && sasl.password.is_none())
                && sasl.username.is_some() == sasl.password.is_some(),
            &["bus.kafka.sasl.mechanism", "bus.kafka.sasl.username", "bus.kafka.sasl.password"],
            "mechanism, username and password belong together, and something is missing",
            "set all three, or remove them",
        );
        for (name, value) in &kafka.properties {
            let refused = crate::bus::kafka::check_property(name, value);
            let key = format!("bus.kafka.properties.{name}");
            let keys = [key.as_str()];
            let remedy = "remove it, or see CONFIGURATION.md of librdkafka for names and values";
            rule(refused.is_ok(), &keys, refused.as_ref().err().map_or("", String::as_str), remedy);
        }
    }
}

#[cfg(test)]
mod tests;
