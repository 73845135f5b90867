//! `zt join`.

use anyhow::Result;
use clap::Args;
use serde_json::{Map, Value, json};
use zt_wire::IpPrefix;

use super::{Globals, Report, named, networks};
use crate::api;
use crate::console::Console;

/// Arguments of `zt join`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  zt join 8056c2e21c000001
  zt join 8056c2e21c000001 --allow-default yes
                           also let the network carry the default route
  zt join 8056c2e21c000001 --allow-managed 10.0.0.0/8,fd00::/8
                           only addresses and routes within these prefixes

Joining a joined network changes its settings only.")]
pub struct JoinArgs {
    /// Network ID; one that is joined, or hosted by this node, may be named
    #[arg(value_parser = named::network)]
    network: String,
    /// Addresses and routes of the controller may be installed; with a list of IP/BITS only those within it, and `yes`
    /// lifts such a list [new networks: yes]
    #[arg(long, value_name = "yes|no|LIST", value_parser = managed)]
    allow_managed: Option<Managed>,
    /// Also public addresses and routes [new networks: no]
    #[arg(long, value_name = "yes|no", value_parser = yes_no)]
    allow_global: Option<bool>,
    /// Also a default route [new networks: no]
    #[arg(long, value_name = "yes|no", value_parser = yes_no)]
    allow_default: Option<bool>,
    /// Also the network's name servers for its domain [new networks: no]
    #[arg(long, value_name = "yes|no", value_parser = yes_no)]
    allow_dns: Option<bool>,
    /// Make the segments of TCP through this network so small that each goes in one datagram, both ways; flows that begin after that
    /// [new networks: no]
    #[arg(long, value_name = "yes|no", value_parser = yes_no)]
    clamp_mss: Option<bool>,
}

/// Runs `zt join`.
pub fn run(args: &JoinArgs, globals: &Globals, console: &mut Console<'_>) -> Result<Report> {
    let mut settings = Map::new();
    match &args.allow_managed {
        None => {}
        Some(Managed::All) => settings.extend(managed_settings(true, Some(&[]))),
        Some(Managed::None) => settings.extend(managed_settings(false, None)),
        Some(Managed::Within(list)) => settings.extend(managed_settings(true, Some(list))),
    }
    let flags = [
        ("allowGlobal", args.allow_global),
        ("allowDefault", args.allow_default),
        ("allowDNS", args.allow_dns),
        ("clampMss", args.clamp_mss),
    ];
    for (name, value) in flags {
        if let Some(value) = value {
            settings.insert(name.to_owned(), json!(value));
        }
    }
    let node = globals.node(console)?;
    let path = format!("/network/{}", named::known(&node, &args.network)?);
    let network: api::Network = node.post(&path, &Value::Object(settings))?;
    let shown = std::slice::from_ref(&network);
    let text = networks::table(shown, console.screen()) + &networks::notes(shown, false);
    Ok(Report::new(serde_json::to_value(&network)?, text))
}

/// What of a network is let in.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Managed {
    All,
    None,
    Within(Vec<IpPrefix>),
}

fn managed(text: &str) -> Result<Managed, String> {
    if let Ok(all) = yes_no(text) {
        return Ok(if all { Managed::All } else { Managed::None });
    }
    let prefix = |item: &str| {
        item.trim()
            .parse()
            .map_err(|_| format!("write yes, no, or a list such as 10.0.0.0/8,fd00::/8: {item:?} is not IP/BITS"))
    };
    Ok(Managed::Within(text.split(',').map(prefix).collect::<Result<_, _>>()?))
}

/// The list goes with the switch: what is kept of an old one counts only where neither is said.
fn managed_settings(on: bool, list: Option<&[IpPrefix]>) -> impl Iterator<Item = (String, Value)> {
    let list = list.map(|list| json!(list.iter().map(ToString::to_string).collect::<Vec<_>>()));
    let list = list.map(|list| ("allowManagedList".to_owned(), list));
    [("allowManaged".to_owned(), json!(on))].into_iter().chain(list)
}

/// `yes` or `no`.
pub fn yes_no(text: &str) -> Result<bool, String> {
    match text {
        "yes" | "true" | "on" | "1" => Ok(true),
        "no" | "false" | "off" | "0" => Ok(false),
        _ => Err("write yes or no".to_owned()),
    }
}
