//! `hephaestus man`: the manual pages.

use std::io::Write;
use std::path::PathBuf;

use anyhow::Context as _;
use clap::{Args, CommandFactory as _};
use clap_mangen::Man;

use super::{Cli, Exit};

/// Print the manual page, or write one file a command
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    hephaestus man | man -l -\n  \
    hephaestus man --out /usr/local/share/man/man1")]
pub(super) struct ManArgs {
    /// Write a page for every command into this folder instead
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

impl ManArgs {
    pub(super) fn run(self, out: &mut impl Write) -> anyhow::Result<Exit> {
        match self.out {
            Some(folder) => {
                let told = || format!("{}: the manual pages cannot be written", folder.display());
                std::fs::create_dir_all(&folder).with_context(told)?;
                clap_mangen::generate_to(Cli::command(), &folder).with_context(told)?;
            }
            None => {
                let mut page = Vec::new();
                Man::new(Cli::command()).render(&mut page)?;
                out.write_all(&page)?;
            }
        }
        Ok(Exit::Yes)
    }
}
