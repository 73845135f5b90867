//! `zt network`: networks hosted by this node's controller (05 §2).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use anyhow::{Context as _, Result, bail, ensure};
use clap::{Args, Subcommand};
use serde_json::{Map, Value, json};
use zt_wire::IpPrefix;

use super::consent::Consent;
use super::join::yes_no;
use super::rules::apply::{self, ApplyArgs};
use super::{Globals, Node, Report, named};
use crate::console::Console;
use crate::daemon::local_conf::read_range;
use crate::render::Screen;
use crate::render::json::pretty;
use crate::render::table::{Table, Tone, facts, harmless};

/// Arguments of `zt network`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  zt network create --name lab --pool 10.9.8.0/24
  zt network list
  zt network set 8056c2e21c000001 --private no --rfc4193 yes
  zt network set 8056c2e21c000001 --pool 10.9.9.0/24            instead of the pools there are
  zt network set 8056c2e21c000001 --add-route 10.2.0.0/16=10.9.8.1
  zt network set 8056c2e21c000001 --json-object '{\"mtu\": 1400}'
  zt network rules 8056c2e21c000001 lab.rules --dry-run         what these rules would change
  zt network show 8056c2e21c000001
  zt network delete 8056c2e21c000001                            asks first; scripts say --yes")]
pub struct NetworkArgs {
    #[command(subcommand)]
    command: NetworkCommand,
}

#[derive(Debug, Subcommand)]
enum NetworkCommand {
    /// List hosted networks
    List {
        /// Print just the network IDs, one per line
        #[arg(long)]
        ids: bool,
    },
    /// Make a network; private unless told otherwise
    Create {
        #[command(flatten)]
        changes: Changes,
    },
    /// Change a network
    Set {
        /// Network: its ID, or its name
        #[arg(value_parser = named::network)]
        network: String,
        #[command(flatten)]
        changes: Changes,
    },
    /// Show everything about a network
    Show {
        /// Network: its ID, or its name
        #[arg(value_parser = named::network)]
        network: String,
    },
    /// Show the rules of a network as text, or give it those of a file
    Rules(ApplyArgs),
    /// Delete a network with all its members, for good
    Delete {
        /// Network: its ID, or its name
        #[arg(value_parser = named::network)]
        network: String,
        #[command(flatten)]
        consent: Consent,
    },
}

/// What `create` and `set` may say.
#[derive(Debug, Args)]
struct Changes {
    /// Name shown to members
    #[arg(long)]
    name: Option<String>,
    /// Members must be authorised
    #[arg(long, value_name = "yes|no", value_parser = yes_no)]
    private: Option<bool>,
    /// Give members IPv4 or IPv6 addresses out of this range, and route it; instead of the present pools
    #[arg(long, value_name = "IP/BITS", value_parser = prefix)]
    pool: Vec<IpPrefix>,
    /// Route: TARGET, or TARGET=GATEWAY; instead of the present routes, but for those of the pools
    #[arg(long, value_name = "IP/BITS[=IP]", value_parser = route)]
    route: Vec<(IpPrefix, Option<IpAddr>)>,
    /// One more pool, routed
    #[arg(long, value_name = "IP/BITS", value_parser = prefix)]
    add_pool: Vec<IpPrefix>,
    /// One more route
    #[arg(long, value_name = "IP/BITS[=IP]", value_parser = route)]
    add_route: Vec<(IpPrefix, Option<IpAddr>)>,
    /// Take a pool away, with its route
    #[arg(long, value_name = "IP/BITS", value_parser = prefix)]
    remove_pool: Vec<IpPrefix>,
    /// Take a route away
    #[arg(long, value_name = "IP/BITS", value_parser = prefix)]
    remove_route: Vec<IpPrefix>,
    /// Give members RFC 4193 IPv6 addresses
    #[arg(long, value_name = "yes|no", value_parser = yes_no)]
    rfc4193: Option<bool>,
    /// Give members a 6PLANE IPv6 subnet each
    #[arg(long = "6plane", value_name = "yes|no", value_parser = yes_no)]
    sixplane: Option<bool>,
    /// Broadcast is on
    #[arg(long, value_name = "yes|no", value_parser = yes_no)]
    broadcast: Option<bool>,
    /// MTU in bytes
    #[arg(long, value_name = "BYTES", value_parser = clap::value_parser!(u16).range(zt_wire::packet::MIN_VIRTUAL_MTU as i64..=zt_wire::packet::MAX_VIRTUAL_MTU as i64))]
    mtu: Option<u16>,
    /// Any further fields of the controller's network object, as JSON
    #[arg(long = "json-object", value_name = "JSON", value_parser = object)]
    object: Option<Map<String, Value>>,
}

/// Runs `zt network`.
pub fn run(args: NetworkArgs, globals: &Globals, console: &mut Console<'_>) -> Result<Report> {
    let node = globals.node(console)?;
    match args.command {
        NetworkCommand::List { ids: true } => {
            let ids: Vec<String> = node.get("/controller/network")?;
            let text = ids.iter().map(|id| format!("{id}\n")).collect::<String>();
            Ok(Report::new(serde_json::to_value(&ids)?, text))
        }
        NetworkCommand::List { ids: false } => list(&node, console),
        NetworkCommand::Create { changes } => {
            let network: Value = node.post("/controller/network", &changes.body(None)?)?;
            Ok(Report::new(network.clone(), summary(&network, console.screen())))
        }
        NetworkCommand::Set { network, changes } => {
            let network = named::hosted(&node, &network)?;
            let path = format!("/controller/network/{network}");
            let old: Value = known(&node, &path, &network)?;
            let network: Value = node.post(&path, &changes.body(Some(&old))?)?;
            Ok(Report::new(network.clone(), summary(&network, console.screen())))
        }
        NetworkCommand::Show { network } => {
            let network = named::hosted(&node, &network)?;
            let network: Value = known(&node, &format!("/controller/network/{network}"), &network)?;
            let text = pretty(&network, 2) + "\n";
            Ok(Report::new(network, text))
        }
        NetworkCommand::Rules(args) => apply::run(args, &node, console),
        NetworkCommand::Delete { network, consent } => {
            let network = named::hosted(&node, &network)?;
            let path = format!("/controller/network/{network}");
            let old = known(&node, &path, &network)?;
            let name = harmless(old.get("name").and_then(Value::as_str).unwrap_or_default());
            let name = if name.is_empty() { name } else { format!(" ({name})") };
            consent.to_lose(console, &format!("Network {network}{name} is deleted with all its members"))?;
            let last: Value = node.delete(&path)?;
            Ok(Report::new(last, format!("network {network} is deleted\n")))
        }
    }
}

fn known(node: &Node, path: &str, network: &str) -> Result<Value> {
    node.get(path).with_context(|| format!("network {network} on this controller"))
}

fn list(node: &Node, console: &Console<'_>) -> Result<Report> {
    let answer: Value = node.get("/unstable/controller/network")?;
    let networks = answer.get("data").and_then(Value::as_array).cloned().unwrap_or_default();
    let mut table = Table::new(&["network", "name", "type", "members", "waiting", "pools"]);
    for network in &networks {
        let count = |key: &str| network.pointer(&format!("/meta/{key}")).and_then(Value::as_u64).unwrap_or(0);
        let (total, authorized) = (count("totalMemberCount"), count("authorizedMemberCount"));
        let waiting = total.saturating_sub(authorized);
        let text = |key: &str| network.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
        table.row([
            (text("id"), Tone::Plain),
            (text("name"), Tone::Plain),
            (kind(network).to_owned(), Tone::Plain),
            (authorized.to_string(), Tone::Plain),
            (waiting.to_string(), if waiting > 0 { Tone::Fair } else { Tone::Plain }),
            (pools(network), Tone::Plain),
        ]);
    }
    let text = if table.is_empty() {
        "this node hosts no networks; make one with `zt network create`\n".to_owned()
    } else {
        table.render(console.screen())
    };
    Ok(Report::new(Value::Array(networks), text))
}

fn kind(network: &Value) -> &'static str {
    if network.get("private").and_then(Value::as_bool).unwrap_or(true) { "PRIVATE" } else { "PUBLIC" }
}

fn pools(network: &Value) -> String {
    let pools = network.get("ipAssignmentPools").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let text = |pool: &Value, key: &str| pool.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    let pools: Vec<String> =
        pools.iter().map(|p| format!("{}-{}", text(p, "ipRangeStart"), text(p, "ipRangeEnd"))).collect();
    pools.join(" ")
}

fn summary(network: &Value, screen: Screen) -> String {
    let text = |key: &str| network.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    let rows = [("network", text("id")), ("name", text("name")), ("type", kind(network).to_owned())];
    let mut out = facts(&rows, screen);
    let pools = pools(network);
    if !pools.is_empty() {
        out += &facts(&[("pool", pools)], screen);
    }
    out
}

impl Changes {
    /// The fields to send, given the present network.
    fn body(&self, old: Option<&Value>) -> Result<Value> {
        let mut body = self.object.clone().unwrap_or_default();
        let mut set = |key: &str, value: Option<Value>| {
            if let Some(value) = value {
                body.insert(key.to_owned(), value);
            }
        };
        set("name", self.name.as_ref().map(|v| json!(v)));
        set("private", self.private.map(|v| json!(v)));
        set("enableBroadcast", self.broadcast.map(|v| json!(v)));
        set("mtu", self.mtu.map(|v| json!(v)));
        let (pools, routes) = self.ranges(old)?;
        set("ipAssignmentPools", pools.map(Value::Array));
        set("routes", routes.map(Value::Array));
        let mut v6 = Map::new();
        let new_pools = || self.pool.iter().chain(&self.add_pool);
        set("v4AssignMode", new_pools().any(|pool| pool.address().is_ipv4()).then(|| json!({"zt": true})));
        if new_pools().any(|pool| pool.address().is_ipv6()) {
            v6.insert("zt".to_owned(), json!(true));
        }
        for (key, flag) in [("rfc4193", self.rfc4193), ("6plane", self.sixplane)] {
            if let Some(flag) = flag {
                v6.insert(key.to_owned(), json!(flag));
            }
        }
        if !v6.is_empty() {
            // The object replaces the old one as a whole (05 §2), so what it said is said again.
            let mut mode = old.and_then(|o| o.get("v6AssignMode")?.as_object().cloned()).unwrap_or_default();
            mode.extend(v6);
            set("v6AssignMode", Some(Value::Object(mode)));
        }
        Ok(Value::Object(body))
    }
}

/// A list as it is to be, unless it stays as it is.
type Changed = Option<Vec<Value>>;

impl Changes {
    /// Pools and routes afterwards, as far as they change.
    fn ranges(&self, old: Option<&Value>) -> Result<(Changed, Changed)> {
        let list = |key: &str| old.and_then(|o| o.get(key)).and_then(Value::as_array).cloned().unwrap_or_default();
        let (old_pools, old_routes) = (list("ipAssignmentPools"), list("routes"));
        let of_pool = |pool: &Value, route: &Value| {
            let target = route.get("target").and_then(Value::as_str).and_then(|target| target.parse().ok());
            route.get("via").is_none_or(Value::is_null)
                && target.and_then(|target| pool_json(target).ok()).as_ref() == Some(pool)
        };
        let mut pools = if self.pool.is_empty() { old_pools.clone() } else { Vec::new() };
        let mut routes = old_routes.clone();
        // Routes of pools stay and go with them; the others are what --route means.
        routes.retain(|route| match old_pools.iter().any(|pool| of_pool(pool, route)) {
            true => self.pool.is_empty(),
            false => self.route.is_empty(),
        });
        for pool in self.pool.iter().chain(&self.add_pool) {
            push_new(&mut pools, pool_json(*pool)?);
            push_new(&mut routes, route_json(*pool, None));
        }
        for (target, via) in self.route.iter().chain(&self.add_route) {
            push_new(&mut routes, route_json(*target, *via));
        }
        for pool in &self.remove_pool {
            let gone = pool_json(*pool)?;
            ensure!(pools.contains(&gone), "--remove-pool {pool}: the network has no such pool");
            pools.retain(|pool| *pool != gone);
            routes.retain(|route| *route != route_json(*pool, None));
        }
        for target in &self.remove_route {
            let is_gone = |route: &Value| {
                route.get("target").and_then(Value::as_str).and_then(|target| target.parse().ok()) == Some(*target)
            };
            ensure!(routes.iter().any(is_gone), "--remove-route {target}: the network has no such route");
            routes.retain(|route| !is_gone(route));
        }
        Ok(((pools != old_pools).then_some(pools), (routes != old_routes).then_some(routes)))
    }
}

fn push_new(list: &mut Vec<Value>, value: Value) {
    if !list.contains(&value) {
        list.push(value);
    }
}

fn pool_json(pool: IpPrefix) -> Result<Value> {
    let (first, last) = range(pool)?;
    Ok(json!({"ipRangeStart": first.to_string(), "ipRangeEnd": last.to_string()}))
}

fn route_json(target: IpPrefix, via: Option<IpAddr>) -> Value {
    json!({"target": target.to_string(), "via": via.map(|v| v.to_string())})
}

/// First and last address of a range that members may have: neither the network's own nor the broadcast address.
fn range(pool: IpPrefix) -> Result<(IpAddr, IpAddr)> {
    match (pool.first(), pool.last()) {
        (IpAddr::V4(first), IpAddr::V4(last)) if pool.bits() <= 30 => {
            Ok((Ipv4Addr::from_bits(first.to_bits() + 1).into(), Ipv4Addr::from_bits(last.to_bits() - 1).into()))
        }
        (IpAddr::V6(first), last) if pool.bits() <= 126 => Ok((Ipv6Addr::from_bits(first.to_bits() + 1).into(), last)),
        _ => bail!("{pool} has no room for members; use a shorter prefix, such as /24"),
    }
}

fn prefix(text: &str) -> Result<IpPrefix, String> {
    let prefix = read_range(text).filter(|_| text.contains('/'));
    prefix.ok_or_else(|| "write a range such as 10.9.8.0/24".to_owned())
}

fn route(text: &str) -> Result<(IpPrefix, Option<IpAddr>), String> {
    let (target, via) = text.split_once('=').map_or((text, None), |(target, via)| (target, Some(via)));
    let via = via.map(|via| via.parse().map_err(|_| format!("{via} is no address"))).transpose()?;
    Ok((prefix(target)?, via))
}

fn object(text: &str) -> Result<Map<String, Value>, String> {
    match serde_json::from_str(text) {
        Ok(Value::Object(object)) => Ok(object),
        Ok(_) => Err("write an object: {\"field\": value}".to_owned()),
        Err(error) => Err(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pools_leave_out_what_no_member_may_have() {
        let range = |text: &str| range(text.parse().expect("range")).map(|(a, b)| format!("{a} {b}"));
        assert_eq!(range("10.9.8.0/24").expect("fits"), "10.9.8.1 10.9.8.254");
        assert_eq!(range("0.0.0.0/0").expect("fits"), "0.0.0.1 255.255.255.254");
        assert_eq!(range("fd00::/64").expect("fits"), "fd00::1 fd00::ffff:ffff:ffff:ffff");
        assert!(range("10.0.0.0/31").is_err());
    }
}
