//! `zt rules`: rules as text, before they reach anybody (04 §6A).

pub(super) mod apply;
pub(super) mod compile;
pub(super) mod diff;
pub(super) mod explain;
pub(super) mod hosted;
pub(super) mod source;
pub(super) mod test;

use anyhow::Result;
use clap::{Args, Subcommand};

use super::{Globals, Report};
use crate::console::Console;

/// Arguments of `zt rules`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  zt rules check lab.rules                     does it compile, and is anything in it hardly meant?
  zt rules compile lab.rules -o lab.json       what a network takes
  zt rules explain lab.json                    and back to text
  zt rules test lab.rules                      judge the cases of lab.cases, by both ends of each frame
  zt rules diff 8056c2e21c000001 lab.rules     what they would open and cut in a network of this node
  zt rules diff old.rules new.rules            the same without a node, for the members of new.cases

Rules look like this:
  drop not ethertype ipv4 and not ethertype arp and not ethertype ipv6;
  accept ipprotocol tcp and dport 22;
  break chr tcp_syn and not chr tcp_ack;
  accept;

Cases look like this:
  member anna department=sales
  member ben  department=lab capability admin
  accept anna > ben: tcp 443
  drop   anna <> ben: icmp echo-request

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
    /// Judge the cases beside a file of rules, by both ends of each frame
    Test(test::TestArgs),
    /// Show which members, protocols and ports a change of rules would open or cut
    Diff(diff::DiffArgs),
}

/// Runs `zt rules`.
pub fn run(args: RulesArgs, globals: &Globals, console: &mut Console<'_>) -> Result<Report> {
    match args.command {
        RulesCommand::Check(args) => compile::check(&args, console),
        RulesCommand::Compile(args) => compile::compile(&args, console),
        RulesCommand::Explain(args) => explain::run(&args, console),
        RulesCommand::Test(args) => test::run(&args, console),
        RulesCommand::Diff(args) => diff::run(&args, globals, console),
    }
}
