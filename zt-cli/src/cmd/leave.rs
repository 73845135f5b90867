//! `zt leave`.

use anyhow::{Result, ensure};
use clap::Args;
use serde_json::Value;

use super::consent::Assent;
use super::{Globals, Report, named};
use crate::console::Console;

/// Arguments of `zt leave`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  zt leave 8056c2e21c000001
  zt leave lab --yes       without a question

The settings of this node for the network are forgotten, and it keeps its place among the members: `zt join` brings it back.
On a terminal there is a question before; a script is not asked.")]
pub struct LeaveArgs {
    /// Network: its ID, or its name
    #[arg(value_parser = named::network)]
    network: String,
    #[command(flatten)]
    assent: Assent,
}

/// Runs `zt leave`.
pub fn run(args: &LeaveArgs, globals: &Globals, console: &mut Console<'_>) -> Result<Report> {
    let node = globals.node(console)?;
    let id = &named::joined(&node, &args.network)?;
    args.assent.to_change(console, &format!("This node leaves network {id}"))?;
    let answer: Value = node.delete(&format!("/network/{id}"))?;
    ensure!(answer.get("result") == Some(&Value::Bool(true)), "network {id} is not joined");
    Ok(Report::new(answer, format!("left {id}\n")))
}
