//! `zt completions`.

use anyhow::Result;
use clap::{Args, CommandFactory as _, ValueEnum};
use clap_complete::aot::{Bash, Fish, Zsh, generate};
use serde_json::Value;

use super::{Report, Zt, scope};

/// Arguments of `zt completions`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  source <(zt completions bash)       in this bash only
  zt completions bash > /usr/share/bash-completion/completions/zt
  zt completions zsh > /usr/share/zsh/site-functions/_zt
  zt completions fish > ~/.config/fish/completions/zt.fish

Packages of zt bring these files along.")]
pub struct CompletionsArgs {
    /// The shell
    #[arg(value_enum)]
    shell: Shell,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Shell {
    Bash,
    Zsh,
    Fish,
}

/// Runs `zt completions`.
pub fn run(args: &CompletionsArgs) -> Result<Report> {
    let mut command = scope::hide_useless(Zt::command());
    let mut script = Vec::new();
    match args.shell {
        Shell::Bash => generate(Bash, &mut command, "zt", &mut script),
        Shell::Zsh => generate(Zsh, &mut command, "zt", &mut script),
        Shell::Fish => generate(Fish, &mut command, "zt", &mut script),
    }
    Ok(Report::new(Value::Null, String::from_utf8(script)?))
}
