//! One file a section; the sections bear the names of the rooms they configure.

mod analyzer;
mod bus;
mod collector;
mod deployment;
mod fixer;
mod generator;
mod knowledge;
mod repository;
mod sandbox;
mod server;
mod telemetry;
mod validator;

pub use analyzer::{AnalyzerSection, ErrorPattern};
pub use bus::{BusKind, BusSection, KafkaSasl, KafkaSection, KafkaTls, SaslMechanism};
pub use collector::{CollectorSection, StartAt};
pub use deployment::DeploymentSection;
pub use fixer::FixerSection;
pub use generator::{AiModelSection, FixMode, FixStrategy, GeneratorSection, ModelProvider, StrategyType};
pub use knowledge::KnowledgeSection;
pub use repository::RepositorySection;
pub use sandbox::{SandboxSection, SandboxTier};
pub use server::ServerSection;
pub use telemetry::{LogFormat, LogLevel, TelemetrySection};
pub use validator::ValidatorSection;
