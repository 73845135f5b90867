//! `zt peers`.

use anyhow::Result;

use super::{Globals, Report};
use crate::api;
use crate::console::Console;
use crate::render::table::{Table, Tone};

/// Runs `zt peers`.
pub fn run(globals: &Globals, console: &mut Console<'_>) -> Result<Report> {
    let node = globals.node(console)?;
    let peers: Vec<api::Peer> = node.get("/peer")?;
    // Ages by the node's clock, not by ours: one of the two may have been set meanwhile.
    let now = node.get::<api::Status>("/status")?.clock;
    let mut table = Table::new(&["peer", "role", "version", "latency", "link", "last heard", "size", "path"]);
    for peer in &peers {
        let path = peer.paths.iter().find(|p| p.preferred).or_else(|| peer.paths.first());
        let version = if peer.version_major < 0 { "-".to_owned() } else { peer.version.clone() };
        let latency = if peer.latency < 0 { "-".to_owned() } else { format!("{} ms", peer.latency) };
        let link = match path {
            None => ("RELAY", Tone::Fair),
            Some(path) => match path.link.as_deref() {
                None => ("DIRECT", Tone::Good),
                Some("ethernet") => ("ETHERNET", Tone::Good),
                // It works, and costs more than UDP.
                Some("websocket") => ("WEBSOCKET", Tone::Fair),
                Some("relay") => ("TCP RELAY", Tone::Fair),
                Some(_) => ("TCP", Tone::Fair),
            },
        };
        table.row([
            (peer.address.clone(), Tone::Plain),
            (peer.role.to_string(), Tone::Plain),
            (version, Tone::Plain),
            (latency, Tone::Plain),
            (link.0.to_owned(), link.1),
            (path.map_or("-".to_owned(), |p| age(now, p.last_receive)), Tone::Plain),
            (path.and_then(|p| p.datagram_size).map_or("-".to_owned(), |size| size.to_string()), Tone::Plain),
            (path.map_or(String::new(), place), Tone::Plain),
        ]);
    }
    let text = if table.is_empty() { "no peers\n".to_owned() } else { table.render(console.screen()) };
    Ok(Report::new(serde_json::to_value(&peers)?, text))
}

/// Where a path leads; a MAC address says nothing without the interface.
fn place(path: &api::Path) -> String {
    match (&path.ifname, path.link.as_deref()) {
        (Some(interface), Some("ethernet")) => format!("{} on {interface}", path.address),
        _ => path.address.clone(),
    }
}

/// Time since a moment, in words.
fn age(now: i64, then: i64) -> String {
    match now.saturating_sub(then) {
        _ if then == 0 => "never".to_owned(),
        ms @ ..1_000 => format!("{} ms ago", ms.max(0)),
        ms @ ..120_000 => format!("{} s ago", ms / 1_000),
        ms => format!("{} min ago", ms / 60_000),
    }
}
