//! `zt leave`.

use anyhow::{Result, ensure};
use clap::Args;
use serde_json::Value;

use super::{Globals, Report, network_id};
use crate::console::Console;

/// Arguments of `zt leave`.
#[derive(Debug, Args)]
#[command(after_help = "Example:
  zt leave 8056c2e21c000001")]
pub struct LeaveArgs {
    /// Network ID
    #[arg(value_parser = network_id)]
    network: String,
}

/// Runs `zt leave`.
pub fn run(args: &LeaveArgs, globals: &Globals, console: &mut Console<'_>) -> Result<Report> {
    let id = &args.network;
    let answer: Value = globals.node(console)?.delete(&format!("/network/{id}"))?;
    ensure!(answer.get("result") == Some(&Value::Bool(true)), "network {id} is not joined");
    Ok(Report::new(answer, format!("left {id}\n")))
}
