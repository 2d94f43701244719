//! `hephaestus config`: what is wrong with the configuration, and what holds in the end.

use std::io::Write;
use std::path::PathBuf;

use clap::{Subcommand, ValueEnum};
use serde_json::json;

use super::Exit;
use super::output::Output;
use super::render;
use crate::config::{Config, ConfigError, DEFAULTS, Environment, Loaded};

/// Check, show or start a configuration
#[derive(Debug, Subcommand)]
pub(super) enum ConfigCommand {
    /// Find every mistake in the configuration
    ///
    /// Each is told with file, line, column, key and what to do. Exits 0 if there is none, else 2.
    #[command(after_help = "Examples:\n  \
        hephaestus config check\n  \
        hephaestus config check deploy/hephaestus.yaml\n  \
        hephaestus config check --format json | jq '.problems[].key'")]
    Check {
        /// The file to check [default: the one that would be used]
        file: Option<PathBuf>,
        /// How to print the answer
        #[arg(long, value_enum, default_value_t, value_name = "FORMAT")]
        format: CheckFormat,
    },
    /// Print the configuration that holds: the defaults with your file over them, secrets left out
    #[command(after_help = "Examples:\n  \
        hephaestus config show\n  \
        hephaestus config show --format json | jq .sandbox")]
    Show {
        /// How to print it
        #[arg(long, value_enum, default_value_t, value_name = "FORMAT")]
        format: ShowFormat,
    },
    /// Print the defaults with a comment on every key, as a file to start from
    #[command(after_help = "Example:\n  hephaestus config defaults > hephaestus.yaml")]
    Defaults,
}

#[derive(Debug, Clone, Copy, Default, ValueEnum)]
pub(super) enum CheckFormat {
    /// For people
    #[default]
    Text,
    /// {"ok", "origin", "problems": [{"file", "line", "column", "key", "message", "remedy"}]}
    Json,
}

#[derive(Debug, Clone, Copy, Default, ValueEnum)]
pub(super) enum ShowFormat {
    /// As a configuration file has it
    #[default]
    Yaml,
    /// The same as JSON
    Json,
}

impl ConfigCommand {
    pub(super) fn run(
        self,
        loaded: Result<Loaded, ConfigError>,
        environment: Environment<'_>,
    ) -> anyhow::Result<Exit> {
        let mut out = Output::new();
        match self {
            Self::Check { file, format } => {
                let loaded = match file {
                    Some(file) => Loaded::load(Some(&file), environment),
                    None => loaded,
                };
                check(&mut out, loaded, format)
            }
            Self::Show { format } => show(&mut out, &loaded?.config, format),
            Self::Defaults => {
                out.write_all(DEFAULTS.as_bytes())?;
                Ok(Exit::Yes)
            }
        }
    }
}

fn check(
    out: &mut impl Write,
    loaded: Result<Loaded, ConfigError>,
    format: CheckFormat,
) -> anyhow::Result<Exit> {
    match format {
        CheckFormat::Text => writeln!(out, "ok: {}", loaded?.origin)?,
        CheckFormat::Json => {
            let problems = loaded.as_ref().map_or_else(ConfigError::problems, |_| &[]);
            let origin = loaded.as_ref().ok().map(|loaded| loaded.origin.to_string());
            let answer = json!({"ok": loaded.is_ok(), "origin": origin, "problems": problems});
            render::json(out, &answer)?;
            if loaded.is_err() {
                return Ok(Exit::Refused);
            }
        }
    }
    Ok(Exit::Yes)
}

fn show(out: &mut impl Write, config: &Config, format: ShowFormat) -> anyhow::Result<Exit> {
    match format {
        ShowFormat::Yaml => out.write_all(serde_saphyr::to_string(config)?.as_bytes())?,
        ShowFormat::Json => render::json(out, config)?,
    }
    Ok(Exit::Yes)
}
