//! `hephaestus completions`: what a shell needs to complete our commands.

use std::io::Write;

use clap::{Args, CommandFactory as _};
use clap_complete::Shell;

use super::{Cli, Exit};

/// Print the completions for a shell
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    hephaestus completions bash > /etc/bash_completion.d/hephaestus\n  \
    hephaestus completions zsh > \"${fpath[1]}/_hephaestus\"\n  \
    hephaestus completions fish > ~/.config/fish/completions/hephaestus.fish")]
pub(super) struct CompletionsArgs {
    /// The shell
    #[arg(value_enum)]
    shell: Shell,
}

impl CompletionsArgs {
    pub(super) fn run(&self, out: &mut impl Write) -> anyhow::Result<Exit> {
        // Written in one piece: the generator cannot tell of a reader that went away.
        let mut text = Vec::new();
        clap_complete::generate(self.shell, &mut Cli::command(), "hephaestus", &mut text);
        out.write_all(&text)?;
        Ok(Exit::Yes)
    }
}
