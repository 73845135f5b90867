//! `zt demo`.

use anyhow::Result;
use clap::Args;
use serde_json::Value;

use super::Report;
use crate::console::Console;
use crate::demo::{self, Options};

/// Arguments of `zt demo`.
#[derive(Debug, Args)]
#[command(after_help = "Makes a root, a controller and two members in network namespaces of its own, with real UDP
and TAP devices, lets them talk, prints what it measured and removes everything again.
Needs no root where user namespaces are allowed.

Examples:
  zt demo
  zt demo --bytes 1000000000
  zt demo --memory                    without TAP devices: a userspace stack in this process")]
pub struct DemoArgs {
    /// Bytes to send over TCP
    #[arg(long, value_name = "N", default_value_t = 200_000_000)]
    bytes: u64,
    /// Carry the traffic over in-memory ports, without TAP devices
    #[arg(long)]
    memory: bool,
    /// This process is root of its own user namespace already
    #[arg(long, hide = true)]
    inside: bool,
}

/// Runs `zt demo`.
pub fn run(args: &DemoArgs, console: &mut Console<'_>) -> Result<Report> {
    let options = Options { bytes: args.bytes, memory: args.memory, color: console.color, inside: args.inside };
    demo::run(options, console.out)?;
    Ok(Report::new(Value::Null, ""))
}
