//! `zt networks`.

use anyhow::{Result, bail};
use clap::Args;
use zt_netconf::NetworkStatus;

use super::next_step::next_step;
use super::{Globals, Report, named, why};
use crate::api::{self, Word};
use crate::console::Console;
use crate::render::Screen;
use crate::render::table::{Table, Tone, harmless};

/// Most withheld addresses and routes that are shown of each network unasked.
const SHOWN: usize = 4;

/// Arguments of `zt networks`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  zt networks
  zt networks --routes     with the managed routes, and which of them this host does not use and why
  zt networks --rules      with which rule decided how often
  zt networks --why \"tcp 22\" --to dfa68ae067
  zt networks 8056c2e21c000001 --why \"icmp echo-request 10.0.0.2 > 10.0.0.1\" --from dfa68ae067
  zt networks --json

A frame in words: `tcp 22`, `udp 10.0.0.1:5353 > 10.0.0.2:53`, `icmp echo-request`, `arp who-has 10.0.0.2 tell 10.0.0.1`,
`dhcp discover`, `ethertype 0x88cc 60 bytes`.")]
pub struct NetworksArgs {
    /// Show this network only: its ID, or its name
    #[arg(value_parser = named::network)]
    network: Option<String>,
    /// Show managed routes too
    #[arg(long)]
    routes: bool,
    /// Show which rule decided how often
    #[arg(long)]
    rules: bool,
    /// Say what would become of this frame, and which rule, capability and tag decide
    #[arg(long, value_name = "FRAME", conflicts_with_all = ["routes", "rules"])]
    why: Option<String>,
    /// The member that the frame goes to
    #[arg(long, value_name = "ADDRESS", value_parser = super::node_address, requires = "why")]
    to: Option<String>,
    /// The member that the frame comes from
    #[arg(long, value_name = "ADDRESS", value_parser = super::node_address, requires = "why", conflicts_with = "to")]
    from: Option<String>,
}

/// Runs `zt networks`.
pub fn run(args: &NetworksArgs, globals: &Globals, console: &mut Console<'_>) -> Result<Report> {
    let node = globals.node(console)?;
    let only = args.network.as_deref().map(|text| named::joined(&node, text)).transpose()?;
    if let Some(frame) = &args.why {
        if args.to.is_none() && args.from.is_none() {
            bail!("say which member the frame goes to (--to) or comes from (--from)");
        }
        let question = api::Question { frame: frame.clone(), from: args.from.clone(), to: args.to.clone() };
        return why::ask(&node, only.as_deref(), &question);
    }
    let mut networks: Vec<api::Network> = node.get("/network")?;
    if let Some(only) = &only {
        networks.retain(|network| network.id == *only);
        if networks.is_empty() {
            bail!("network {only} is not joined; join it with `zt join {only}`");
        }
    }
    let text = if networks.is_empty() {
        "no networks; join one with `zt join <network ID>`\n".to_owned()
    } else {
        let counters = networks.iter().filter(|_| args.rules).map(why::counters);
        table(&networks, console.screen()) + &notes(&networks, args.routes) + &counters.collect::<String>()
    };
    Ok(Report::new(serde_json::to_value(&networks)?, text))
}

/// The table of networks, as `zt join` shows it too.
pub fn table(networks: &[api::Network], screen: Screen) -> String {
    let mut table = Table::new(&["network", "name", "status", "type", "device", "addresses"]);
    for network in networks {
        let tone = match network.status {
            Word::Known(NetworkStatus::Ok) => Tone::Good,
            Word::Known(NetworkStatus::RequestingConfiguration) => Tone::Fair,
            _ => Tone::Bad,
        };
        let or_dash = |text: &str| if text.is_empty() { "-".to_owned() } else { text.to_owned() };
        table.row([
            (network.id.clone(), Tone::Plain),
            (or_dash(&network.name), Tone::Plain),
            (network.status.to_string(), tone),
            (network.kind.to_string(), Tone::Plain),
            (or_dash(&network.port_device_name), Tone::Plain),
            (or_dash(&network.assigned_addresses.join(" ")), Tone::Plain),
        ]);
    }
    table.render(screen)
}

/// What a table has no room for; `routes` shows all managed routes.
pub fn notes(networks: &[api::Network], routes: bool) -> String {
    let mut out = String::new();
    for network in networks {
        let id = &network.id;
        if let Some(step) = next_step(network) {
            out += &format!("{id}: {step}\n");
        }
        if let Some(why) = &network.port_device_problem {
            out += &format!("{id}: the device has another name: {}\n", harmless(why));
        }
        if network.passes_nothing {
            out += &format!("{id}: the rules of this network accept nothing: no frame passes\n");
        }
        if let Some(why) = &network.dns_problem {
            out += &format!("{id}: DNS of this network is not applied: {}\n", harmless(why));
        }
        if let Some(resolver) = &network.dns_resolver {
            let (domain, by) = (harmless(&network.dns.domain), harmless(resolver));
            out += &format!("{id}: names below {domain} are asked for at {} ({by})\n", servers(&network.dns));
        }
        // Where the network waits for it, the next step says so already.
        let waits = network.status == NetworkStatus::AuthenticationRequired;
        if let Some(url) = network.authentication_url.as_ref().filter(|url| !url.is_empty() && !waits) {
            out += &format!("{id}: sign on at {}\n", harmless(url));
        }
        if routes {
            for route in &network.routes {
                out += &format!("{id}: {}\n", place("route", &route.target, route.via.as_deref()));
            }
        }
        out += &withheld(network, routes);
    }
    out
}

/// What this host does not use of a network, and what would change that.
fn withheld(network: &api::Network, all: bool) -> String {
    let mut out = String::new();
    let shown = if all { network.withheld.len() } else { SHOWN };
    for item in network.withheld.iter().take(shown) {
        let place = place(&item.kind, &item.target, item.via.as_deref());
        let advice = match item.setting.as_deref() {
            Some("allowDefault") => format!("; `zt join {} --allow-default yes` allows it", network.id),
            Some("allowGlobal") => format!("; `zt join {} --allow-global yes` allows it", network.id),
            _ => String::new(),
        };
        out += &format!("{}: {place} is not used: {}{advice}\n", network.id, harmless(&item.why));
    }
    match network.withheld.len().saturating_sub(shown) {
        0 => {}
        more => out += &format!("{}: {more} more are not used; `zt networks --routes` shows all\n", network.id),
    }
    out
}

fn place(kind: &str, target: &str, via: Option<&str>) -> String {
    let via = via.map_or(String::new(), |via| format!(" via {}", harmless(via)));
    format!("{} {}{via}", harmless(kind), harmless(target))
}

/// Where names of a network are asked for.
fn servers(dns: &api::Dns) -> String {
    if dns.servers.is_empty() { "the host's servers".to_owned() } else { harmless(&dns.servers.join(" ")) }
}
