//! `zt wait`.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use clap::{Args, Subcommand};
use serde_json::Value;
use zt_netconf::NetworkStatus;
use zt_wire::{Gate, Mono};

use super::next_step::next_step;
use super::{Globals, Report, named};
use crate::api;
use crate::console::Console;

/// Arguments of `zt wait`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  zt wait online                      until a root answers
  zt wait network 8056c2e21c000001    until this node is a member, its addresses set
  zt wait online --timeout 5")]
pub struct WaitArgs {
    #[command(subcommand)]
    what: What,
    /// Give up after this many seconds
    #[arg(long, global = true, value_name = "SECONDS", default_value_t = 60)]
    timeout: u64,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Until the node runs and a root answers
    Online,
    /// Until this node is a member of a network and its port is up
    Network {
        /// Network: its ID, or its name
        #[arg(value_parser = named::network)]
        network: String,
    },
}

/// How often the node is asked, and how often a person is told that it takes time.
const ASK: Duration = Duration::from_millis(50);
const TELL: Duration = Duration::from_secs(2);

/// Runs `zt wait`.
pub fn run(args: &WaitArgs, globals: &Globals, console: &mut Console<'_>) -> Result<Report> {
    let start = Instant::now();
    let mut told = Gate::passed(Mono::ZERO);
    loop {
        let state = match &args.what {
            What::Online => online(globals, console),
            What::Network { network } => member(globals, console, network),
        };
        let waiting_for = match state {
            Ok(State::Done(json, text)) => return Ok(Report::new(json, text)),
            Ok(State::Not(reason)) => reason,
            Err(error) => format!("{error:#}"),
        };
        if start.elapsed() >= Duration::from_secs(args.timeout) {
            bail!("not within {} s: {waiting_for}", args.timeout);
        }
        let waited = start.elapsed();
        if told.pass(Mono::ZERO + waited, TELL) {
            crate::complain!(console, "waiting since {} s: {waiting_for}\n", waited.as_secs());
        }
        std::thread::sleep(ASK);
    }
}

enum State {
    Done(Value, String),
    Not(String),
}

fn online(globals: &Globals, console: &Console<'_>) -> Result<State> {
    let status: api::Status = globals.node(console)?.get("/status")?;
    if !status.online {
        return Ok(State::Not("no root answers; `zt doctor` looks for the reason".to_owned()));
    }
    Ok(State::Done(serde_json::to_value(&status)?, format!("{} is online\n", status.address)))
}

fn member(globals: &Globals, console: &Console<'_>, network: &str) -> Result<State> {
    let node = globals.node(console)?;
    let id = named::joined(&node, network)?;
    let network: api::Network = node.get(&format!("/network/{id}")).with_context(|| not_joined(&id))?;
    if network.status != NetworkStatus::Ok || network.port_device_name.is_empty() {
        let step = next_step(&network).map_or(String::new(), |step| format!("; {step}"));
        return Ok(State::Not(format!("the network's status is {}{step}", network.status)));
    }
    let text = format!("{id} is up on {}: {}\n", network.port_device_name, network.assigned_addresses.join(", "));
    Ok(State::Done(serde_json::to_value(&network)?, text))
}

fn not_joined(id: &str) -> String {
    format!("this node has not joined the network; `zt join {id}` does")
}
