//! `zt join`.

use anyhow::Result;
use clap::Args;
use serde_json::{Map, Value, json};

use super::{Globals, Report, network_id, networks};
use crate::api;
use crate::console::Console;

/// Arguments of `zt join`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  zt join 8056c2e21c000001
  zt join 8056c2e21c000001 --allow-default yes
                           also let the network carry the default route

Joining a joined network changes its settings only.")]
pub struct JoinArgs {
    /// Network ID
    #[arg(value_parser = network_id)]
    network: String,
    /// Addresses and routes of the controller may be installed [new networks: yes]
    #[arg(long, value_name = "yes|no", value_parser = yes_no)]
    allow_managed: Option<bool>,
    /// Also public addresses and routes [new networks: no]
    #[arg(long, value_name = "yes|no", value_parser = yes_no)]
    allow_global: Option<bool>,
    /// Also a default route [new networks: no]
    #[arg(long, value_name = "yes|no", value_parser = yes_no)]
    allow_default: Option<bool>,
    /// Also name servers, which this version shows but does not set up [new networks: no]
    #[arg(long, value_name = "yes|no", value_parser = yes_no)]
    allow_dns: Option<bool>,
}

/// Runs `zt join`.
pub fn run(args: &JoinArgs, globals: &Globals, console: &mut Console<'_>) -> Result<Report> {
    let mut settings = Map::new();
    let flags = [
        ("allowManaged", args.allow_managed),
        ("allowGlobal", args.allow_global),
        ("allowDefault", args.allow_default),
        ("allowDNS", args.allow_dns),
    ];
    for (name, value) in flags {
        if let Some(value) = value {
            settings.insert(name.to_owned(), json!(value));
        }
    }
    let path = format!("/network/{}", args.network);
    let network: api::Network = globals.node(console)?.post(&path, &Value::Object(settings))?;
    let text = networks::table(std::slice::from_ref(&network), console.color);
    Ok(Report::new(serde_json::to_value(&network)?, text))
}

/// `yes` or `no`.
pub fn yes_no(text: &str) -> Result<bool, String> {
    match text {
        "yes" | "true" | "on" | "1" => Ok(true),
        "no" | "false" | "off" | "0" => Ok(false),
        _ => Err("write yes or no".to_owned()),
    }
}
