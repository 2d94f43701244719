//! `hephaestus version`: what this binary is, for reports of problems.

use std::io::Write;

use clap::Args;

use super::render::{self, BOLD, field};
use super::{Exit, Format};
use crate::app::about::about;

/// Tell what this binary is: version, commit, compiler, target, parts
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    hephaestus version\n  \
    hephaestus version --format json | jq -r .version\n\n\
    JSON:\n  \
    {\"version\", \"commit\", \"rustc\", \"target\", \"features\": [], \"built_in_patterns\"}")]
pub(super) struct VersionArgs {
    /// How to print it
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT")]
    format: Format,
}

impl VersionArgs {
    pub(super) fn run(&self, out: &mut impl Write) -> anyhow::Result<Exit> {
        let about = about();
        match self.format {
            Format::Json => render::json(out, &about)?,
            Format::Text => {
                writeln!(out, "{BOLD}hephaestus {}{BOLD:#}", about.version)?;
                field(out, "commit", about.commit.unwrap_or("not told at build"))?;
                field(out, "compiler", about.rustc)?;
                field(out, "target", about.target)?;
                if !about.features.is_empty() {
                    field(out, "features", &about.features.join(", "))?;
                }
                field(out, "patterns", &format!("{} built in", about.built_in_patterns))?;
            }
        }
        Ok(Exit::Yes)
    }
}
