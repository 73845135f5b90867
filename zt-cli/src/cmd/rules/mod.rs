//! `zt rules`: rules as text, before they reach anybody (04 §6A).

pub(super) mod compile;
pub(super) mod explain;
pub(super) mod source;

use anyhow::Result;
use clap::{Args, Subcommand};

use super::Report;
use crate::console::Console;

/// Arguments of `zt rules`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  zt rules check lab.rules                     does it compile, and is anything in it hardly meant?
  zt rules compile lab.rules -o lab.json       what a network takes
  zt rules explain lab.json                    and back to text

Rules look like this:
  drop not ethertype ipv4 and not ethertype arp and not ethertype ipv6;
  accept ipprotocol tcp and dport 22;
  break chr tcp_syn and not chr tcp_ack;
  accept;

The language: docs/rules.md.")]
pub struct RulesArgs {
    #[command(subcommand)]
    pub(super) command: RulesCommand,
}

#[derive(Debug, Subcommand)]
pub(super) enum RulesCommand {
    /// Compile rules and show what is wrong with them, without any output
    Check(compile::CheckArgs),
    /// Compile rules to the JSON that a network takes
    Compile(compile::CompileArgs),
    /// Bring the rules of a network back to text
    Explain(explain::ExplainArgs),
}

/// Runs `zt rules`.
pub fn run(args: RulesArgs, console: &mut Console<'_>) -> Result<Report> {
    match args.command {
        RulesCommand::Check(args) => compile::check(&args, console),
        RulesCommand::Compile(args) => compile::compile(&args, console),
        RulesCommand::Explain(args) => explain::run(&args, console),
    }
}
