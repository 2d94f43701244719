//! The command line: one file a command.
//!
//! Data goes to standard output, everything else to standard error. What a command answers becomes an
//! exit code in one place, `exit`.

mod agent;
mod attempts;
mod completions;
mod config;
mod dlq;
mod doctor;
mod exec;
mod exit;
mod explain;
mod fix;
mod fixer;
mod groups;
mod man;
mod output;
mod passing;
mod progress;
mod render;
mod run;
mod scan;
mod signals;
mod staying;
mod suggestions;
mod tame;
mod topics;
mod version;

use std::cmp::Ordering;
use std::path::PathBuf;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{ArgAction, Args, Parser, Subcommand, ValueEnum};

pub use exit::Exit;
pub use signals::Signal;

use output::Output;
use render::Detail;

use crate::app::review::Limit;
use crate::config::{Environment, Loaded, process_environment};
use crate::telemetry::{self, LogFormat, LogLevel, LogOptions};

const EXAMPLES: &str = "\
Examples:
  hephaestus scan app.log                  which errors are in my log?
  hephaestus fix --repo . --log app.log    what mends them, and does it hold?
  hephaestus run --repo . '/var/log/*.log' the same, while the service runs
  hephaestus doctor                        can this machine prove fixes?
  hephaestus groups list                   which errors were seen while it ran?
  hephaestus explain FINGERPRINT           what is this one, and what do I do?
  hephaestus suggestions approve ID        I want this patch
  hephaestus topics check                  are the topics on Kafka as they should be?
  hephaestus dlq list                      which messages could not be read, and why?
  hephaestus config check                  is my configuration right?
  hephaestus config show --format json     what holds in the end, secrets left out

Exit codes:
  0  it worked, and the answer is yes
  1  it worked, and the answer is no
  2  it could not be done: wrong usage, bad input, broken configuration
  128 + n  signal n ended it early (130: Ctrl-C); what was done by then is printed

Environment:
  HEPHAESTUS_CONFIG  the configuration file, where --config does not name one
  HEPHAESTUS_LOG     what to log, over -v and -q: info, or warn,hephaestus::fixer=debug
  NO_COLOR           no colours

Try `hephaestus COMMAND --help` for the examples of a command.";

/// Crash log in, proven fix out.
///
/// Hephaestus reads the logs of a service, groups the errors it finds, and looks in the service's
/// repository for a patch that it can prove in a sandbox.
#[derive(Debug, Parser)]
#[command(name = "hephaestus", version, propagate_version = true, max_term_width = 100)]
#[command(after_help = EXAMPLES, arg_required_else_help = true, subcommand_required = true)]
pub struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

/// What every command understands.
#[derive(Debug, Args)]
struct Global {
    /// Read the configuration from this file [else $HEPHAESTUS_CONFIG,
    /// /etc/hephaestus/hephaestus.yaml]
    #[arg(long, value_name = "FILE", global = true, help_heading = "Global options")]
    config: Option<PathBuf>,
    /// Colour the output
    #[arg(
        long,
        value_enum,
        default_value_t,
        value_name = "WHEN",
        global = true,
        help_heading = "Global options"
    )]
    color: Color,
    /// Tell more: log more to standard error, twice for still more; `fix` shows its tests
    #[arg(short, long, action = ArgAction::Count, global = true, help_heading = "Global options")]
    verbose: u8,
    /// Log less to standard error, and show no progress
    #[arg(short, long, action = ArgAction::Count, global = true, help_heading = "Global options")]
    quiet: u8,
    /// Write log records for people or for machines
    #[arg(long, value_enum, value_name = "FORMAT", global = true, help_heading = "Global options")]
    log_format: Option<LogFormat>,
}

/// When to colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
enum Color {
    /// On a terminal, unless NO_COLOR is set
    #[default]
    Auto,
    /// Also into a file or pipe
    Always,
    /// Nowhere
    Never,
}

#[derive(Debug, Subcommand)]
enum Command {
    Scan(scan::ScanArgs),
    Fix(fix::FixArgs),
    Run(run::RunArgs),
    Agent(agent::AgentArgs),
    Fixer(fixer::FixerArgs),
    Exec(exec::ExecArgs),
    Doctor(doctor::DoctorArgs),
    #[command(subcommand)]
    Groups(groups::GroupsCommand),
    #[command(subcommand)]
    Suggestions(suggestions::SuggestionsCommand),
    Explain(explain::ExplainArgs),
    #[command(subcommand)]
    Topics(topics::TopicsCommand),
    #[command(subcommand)]
    Dlq(dlq::DlqCommand),
    #[command(subcommand)]
    Config(config::ConfigCommand),
    Completions(completions::CompletionsArgs),
    Man(man::ManArgs),
    Version(version::VersionArgs),
}

/// How an answer is printed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people
    #[default]
    Text,
    /// For programs
    Json,
}

/// The whole program: reads the arguments of this process, runs, and says with which code to exit.
#[must_use]
pub fn main() -> u8 {
    exit::code_of(Cli::parse().run(&process_environment))
}

impl Cli {
    /// Runs the command.
    ///
    /// # Errors
    /// Whatever kept it from being done.
    pub fn run(self, environment: Environment<'_>) -> anyhow::Result<Exit> {
        self.global.color.apply();
        // A broken configuration stops most commands, but not the one that explains what is wrong.
        let loaded = Loaded::load(self.global.config.as_deref(), environment);
        telemetry::init(&self.global.log_options(loaded.as_ref().ok(), environment))?;
        let detail = self.global.detail();
        match self.command {
            Command::Scan(command) => command.run(&loaded?.config, detail),
            Command::Config(command) => command.run(loaded, environment),
            Command::Fix(args) => args.run(&loaded?.config, detail),
            Command::Exec(args) => args.run(loaded?.config, detail),
            Command::Run(args) => args.run(loaded?.config),
            Command::Agent(args) => args.run(loaded?.config),
            Command::Fixer(args) => args.run(loaded?.config),
            Command::Doctor(args) => args.run(&loaded?.config, &mut Output::new()),
            Command::Groups(command) => command.run(&loaded?.config, &mut Output::new()),
            Command::Suggestions(command) => command.run(&loaded?.config, environment, &mut Output::new()),
            Command::Explain(args) => args.run(&loaded?.config, &mut Output::new()),
            Command::Topics(command) => command.run(&loaded?.config, &mut Output::new()),
            Command::Dlq(command) => command.run(&loaded?.config, &mut Output::new()),
            Command::Completions(args) => args.run(&mut Output::new()),
            Command::Man(args) => args.run(&mut Output::new()),
            Command::Version(args) => args.run(&mut Output::new()),
        }
    }
}

impl Global {
    fn detail(&self) -> Detail {
        match self.verbose.cmp(&self.quiet) {
            Ordering::Less => Detail::Little,
            Ordering::Equal => Detail::Usual,
            Ordering::Greater => Detail::Much,
        }
    }

    fn log_options(&self, loaded: Option<&Loaded>, environment: Environment<'_>) -> LogOptions {
        let configured = loaded.map(|loaded| &loaded.config.telemetry);
        let level = configured.map_or(LogLevel::Warn, |telemetry| telemetry.log_level);
        let format = configured.map_or(LogFormat::Text, |telemetry| telemetry.log_format);
        LogOptions {
            level: level.louder(i16::from(self.verbose) - i16::from(self.quiet)),
            format: self.log_format.unwrap_or(format),
            directives: environment("HEPHAESTUS_LOG").filter(|directives| !directives.is_empty()),
            color: anstream::AutoStream::choice(&std::io::stderr()) != anstream::ColorChoice::Never,
        }
    }
}

impl Color {
    /// Makes every stream of `anstream` follow the choice.
    fn apply(self) {
        match self {
            Self::Auto => anstream::ColorChoice::Auto,
            Self::Always => anstream::ColorChoice::Always,
            Self::Never => anstream::ColorChoice::Never,
        }
        .write_global();
    }
}

/// The runtime of a command that runs a service: reading and attempts have threads of their own.
fn service_runtime() -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()
}

/// Runs what a command has to wait for.
fn block_on<T>(work: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(work)
}

/// Reads a member of a closed set by its stable name, so that `--help` and errors list the set.
fn one_of<T>(names: impl IntoIterator<Item = &'static str>) -> impl TypedValueParser<Value = T>
where
    T: serde::de::DeserializeOwned + Clone + Send + Sync + 'static,
{
    PossibleValuesParser::new(names).try_map(|name| serde_json::from_value(serde_json::Value::String(name)))
}

/// Reads how many records an answer may have.
fn limit(text: &str) -> Result<Limit, String> {
    text.parse().map_err(|_| "not a whole number".to_owned()).and_then(|count: usize| count.try_into())
}

/// The stable name of a value that serialises to a word.
fn name_of(value: &impl serde::Serialize) -> String {
    serde_json::to_value(value).ok().and_then(|name| name.as_str().map(str::to_owned)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
    }

    #[test]
    fn flags_and_variables_change_the_log() {
        let options = |arguments: &[&str], directives: Option<&str>| {
            let cli = Cli::try_parse_from([&["hephaestus"], arguments].concat()).unwrap();
            cli.global.log_options(None, &|_| directives.map(str::to_owned))
        };
        assert_eq!(options(&["config", "check"], None).level, LogLevel::Warn);
        assert_eq!(options(&["config", "check", "-vv"], None).level, LogLevel::Debug);
        assert_eq!(options(&["-qq", "config", "check"], None).level, LogLevel::Off);
        assert_eq!(options(&["--log-format", "json", "config", "check"], None).format, LogFormat::Json);
        assert_eq!(options(&["config", "check"], Some("trace")).directives.as_deref(), Some("trace"));
        assert_eq!(options(&["config", "check"], Some("")).directives, None);
    }
}
