//! `zt forward`: ports that a node without a device hands on (docs/userspace.md).

use std::net::SocketAddr;

use anyhow::{Result, anyhow};
use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::{Globals, Report, network_id};
use crate::console::Console;
use crate::daemon::proxy::Forward;
use crate::render::table::{Table, Tone, harmless};

/// Arguments of `zt forward`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  zt forward add --local 127.0.0.1:8080 --to 10.9.8.2:80
                            a port of this host leads to a member
  zt forward add --network 8056c2e21c000001 --port 80 --to 127.0.0.1:8000
                            members reach a port of this host
  zt forward list
  zt forward remove tcp/127.0.0.1:8080

For nodes that run as `zt service --userspace`. Forwards are kept in local.conf (settings.userspace.forwards).")]
pub struct ForwardArgs {
    #[command(subcommand)]
    pub(super) command: ForwardCommand,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum ForwardCommand {
    /// Hand a port on, from now on and after each start
    #[command(after_help = "Examples:
  zt forward add --local 127.0.0.1:8080 --to 10.9.8.2:80
  zt forward add --network 8056c2e21c000001 --port 53 --to 127.0.0.1:53 --udp")]
    Add(AddArgs),
    /// List forwards, and how each does
    List,
    /// Hand a port on no longer
    #[command(after_help = "Example:
  zt forward remove tcp/127.0.0.1:8080")]
    Remove {
        /// The forward, as `zt forward list` names it
        #[arg(value_name = "ID")]
        id: String,
    },
}

/// Arguments of `zt forward add`.
#[derive(Debug, Args)]
pub struct AddArgs {
    /// Address and port of this host that lead to a member
    #[arg(long, value_name = "ADDR", conflicts_with_all = ["network", "port"], required_unless_present = "network")]
    local: Option<SocketAddr>,
    /// Network whose members reach a port of this host
    #[arg(long, value_name = "NET", value_parser = network_id, requires = "port")]
    network: Option<String>,
    /// Port of this node in that network
    #[arg(long, value_name = "PORT", requires = "network", value_parser = clap::value_parser!(u16).range(1..))]
    port: Option<u16>,
    /// Where to: address and port of a member, or of this host
    #[arg(long, value_name = "ADDR")]
    to: String,
    /// Datagrams in place of connections
    #[arg(long)]
    udp: bool,
}

impl AddArgs {
    fn to_json(&self) -> Value {
        let protocol = if self.udp { "udp" } else { "tcp" };
        match (&self.local, &self.network, self.port) {
            (Some(local), ..) => json!({"protocol": protocol, "local": local.to_string(), "to": self.to}),
            (None, network, port) => json!({"protocol": protocol, "network": network, "port": port, "to": self.to}),
        }
    }
}

/// Runs `zt forward`.
pub fn run(args: &ForwardArgs, globals: &Globals, console: &mut Console<'_>) -> Result<Report> {
    match &args.command {
        ForwardCommand::Add(add) => {
            let wanted = add.to_json();
            let forward = Forward::read(&wanted).map_err(|why| anyhow!("--{why}"))?;
            let answer: Value = globals.node(console)?.post("/forward", &wanted)?;
            let state = answer["state"].as_str().unwrap_or("ready");
            let not_yet = match state {
                "ready" => String::new(),
                why => format!("; not yet: {}; it is tried again and again", harmless(why)),
            };
            let text = format!("{} leads to {}{not_yet}\n", forward.id(), forward.to);
            Ok(Report::new(answer, text))
        }
        ForwardCommand::List => {
            let list: Vec<Value> = globals.node(console)?.get("/forward")?;
            let text = |value: &Value, key: &str| value[key].as_str().unwrap_or_default().to_owned();
            let mut table = Table::new(&["forward", "to", "state"]);
            for value in &list {
                let tone = if text(value, "state") == "ready" { Tone::Good } else { Tone::Bad };
                table.row([
                    (text(value, "id"), Tone::Plain),
                    (text(value, "to"), Tone::Plain),
                    (text(value, "state"), tone),
                ]);
            }
            let told =
                if table.is_empty() { "nothing is handed on\n".to_owned() } else { table.render(console.screen()) };
            Ok(Report::new(Value::Array(list), told))
        }
        ForwardCommand::Remove { id } => {
            let gone = |error: anyhow::Error| match error.to_string().as_str() {
                "not found" => anyhow!("there is no forward {id}; `zt forward list` shows them"),
                _ => error,
            };
            let answer: Value = globals.node(console)?.delete(&format!("/forward/{id}")).map_err(gone)?;
            Ok(Report::new(answer, format!("{id} is no longer handed on\n")))
        }
    }
}
