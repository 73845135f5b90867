//! `zt bond`.

use std::net::IpAddr;

use anyhow::{Result, bail};
use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::{Globals, Node, Report, node_address};
use crate::api;
use crate::console::Console;
use crate::render::table::{Table, Tone, facts};

/// Arguments of `zt bond`.
#[derive(Debug, Args)]
#[command(after_help = "A bond uses several uplinks to a peer together. Policies are set in local.conf:
  {\"settings\": {\"defaultBondingPolicy\": \"active-backup\"}}
with one of active-backup, broadcast, balance-rr, balance-xor, balance-aware, adaptive.

Examples:
  zt bond list
  zt bond show fe39e980ad
  zt bond rotate fe39e980ad           use the next path (active-backup)
  zt bond setmtu 1400 eth1 192.0.2.7")]
pub struct BondArgs {
    #[command(subcommand)]
    command: BondCommand,
}

#[derive(Debug, Subcommand)]
enum BondCommand {
    /// List bonded peers
    List,
    /// Show the paths of a bond, with what is measured on them
    Show {
        /// Address of the peer
        #[arg(value_parser = node_address)]
        peer: String,
    },
    /// Make the next path of an active-backup bond the active one
    Rotate {
        /// Address of the peer
        #[arg(value_parser = node_address)]
        peer: String,
    },
    /// Set the largest datagram for paths of bonds, until the node ends
    Setmtu {
        /// Bytes of UDP payload, 68 to 65535; paths take 548 at least
        mtu: u32,
        /// Name of the interface
        interface: String,
        /// Address of this node on it, or of the peer
        ip: IpAddr,
    },
}

/// Runs `zt bond`.
pub fn run(args: BondArgs, globals: &Globals, console: &mut Console<'_>) -> Result<Report> {
    let node = globals.node(console)?;
    match args.command {
        BondCommand::List => list(&node, console),
        BondCommand::Show { peer } => show(&node, &peer, console),
        BondCommand::Rotate { peer } => {
            bonded(&node, &peer)?;
            let answer = node.client.post(&format!("/bond/rotate/{peer}"), "{}");
            if answer.status == 400 {
                bail!("the bond with {peer} has no other path to take, or is not active-backup");
            }
            let _: Value = node.read("/bond/rotate", &answer, super::CHANGES)?;
            Ok(Report::new(json!({}), format!("the next path to {peer} is the active one\n")))
        }
        BondCommand::Setmtu { mtu, interface, ip } => {
            let answer = node.client.post(&format!("/bond/setmtu/{mtu}/{interface}/{ip}"), "{}");
            if answer.status == 400 {
                bail!("{}: nothing was changed", answer.body);
            }
            let _: Value = node.read("/bond/setmtu", &answer, super::CHANGES)?;
            Ok(Report::new(json!({}), format!("datagrams by {interface} and {ip} have {mtu} bytes at most\n")))
        }
    }
}

fn bonded(node: &Node, peer: &str) -> Result<api::Peer> {
    let known: Value = node.get(&format!("/peer/{peer}"))?;
    match serde_json::from_value::<api::Peer>(known) {
        Ok(peer) if peer.is_bonded => Ok(peer),
        Ok(_) => bail!("there is no bond with {peer}: no policy holds for it, it has no direct path, or it is a root"),
        Err(_) => bail!("no peer {peer} is known; see `zt peers`"),
    }
}

fn list(node: &Node, console: &Console<'_>) -> Result<Report> {
    let peers: Vec<api::Peer> = node.get("/peer")?;
    let bonded: Vec<&api::Peer> = peers.iter().filter(|peer| peer.is_bonded).collect();
    let mut table = Table::new(&["peer", "policy", "ways"]);
    for peer in &bonded {
        let (alive, total) = (peer.num_alive_links.unwrap_or(0), peer.num_total_links.unwrap_or(0));
        let tone = if alive == total { Tone::Good } else { Tone::Fair };
        table.row([
            (peer.address.clone(), Tone::Plain),
            (peer.bonding_policy_str.clone().unwrap_or_default(), Tone::Plain),
            (format!("{alive} of {total}"), tone),
        ]);
    }
    let text = if table.is_empty() { "no bonds\n".to_owned() } else { table.render(console.screen()) };
    Ok(Report::new(serde_json::to_value(&bonded)?, text))
}

fn show(node: &Node, peer: &str, console: &Console<'_>) -> Result<Report> {
    let peer = bonded(node, peer)?;
    let ms = |value: Option<u64>| format!("{} ms", value.unwrap_or(0));
    let known = [
        ("peer", peer.address.clone()),
        ("policy", peer.bonding_policy_str.clone().unwrap_or_default()),
        ("ways", format!("{} of {} work", peer.num_alive_links.unwrap_or(0), peer.num_total_links.unwrap_or(0))),
        ("failover interval", ms(peer.failover_interval)),
        ("up delay", ms(peer.up_delay)),
        ("down delay", ms(peer.down_delay)),
    ];
    let mut table =
        Table::new(&["interface", "path", "use", "flows", "latency", "jitter", "loss", "quality", "capacity"]);
    for path in &peer.paths {
        let part = match (path.bonded, path.eligible) {
            (Some(1), _) => ("carries", Tone::Good),
            (_, Some(1)) => ("waits", Tone::Plain),
            _ => ("not usable", Tone::Bad),
        };
        let number = |value: Option<f64>, digits: usize| format!("{:.digits$}", value.unwrap_or(0.0));
        table.row([
            (path.ifname.clone().unwrap_or_else(|| "-".to_owned()), Tone::Plain),
            (path.address.clone(), Tone::Plain),
            (part.0.to_owned(), part.1),
            (path.assigned_flow_count.unwrap_or(0).to_string(), Tone::Plain),
            (format!("{} ms", number(path.latency_mean, 1)), Tone::Plain),
            (format!("{} ms", number(path.latency_variance, 1)), Tone::Plain),
            (format!("{} %", number(path.packet_loss_ratio.map(|loss| loss * 100.0), 0)), Tone::Plain),
            (number(path.relative_quality, 2), Tone::Plain),
            (path.given_link_speed.filter(|c| *c > 0).map_or("-".to_owned(), |c| format!("{c} Mbit/s")), Tone::Plain),
        ]);
    }
    let text = format!("{}\n{}", facts(&known, console.screen()), table.render(console.screen()));
    Ok(Report::new(serde_json::to_value(&peer)?, text))
}
