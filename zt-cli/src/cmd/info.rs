//! `zt info`.

use anyhow::Result;
use clap::Args;

use super::{Globals, Report};
use crate::api;
use crate::console::Console;
use crate::render::table::{Table, Tone, facts, paint};

/// Arguments of `zt info`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  zt info
  zt info --drops          packets and frames dropped, by reason
  zt info --address        for scripts
  zt info --json")]
pub struct InfoArgs {
    /// Show what was dropped, by reason
    #[arg(long)]
    drops: bool,
    /// Print just the address of the node
    #[arg(long, conflicts_with = "drops")]
    address: bool,
}

/// Runs `zt info`.
pub fn run(args: &InfoArgs, globals: &Globals, console: &mut Console<'_>) -> Result<Report> {
    let node = globals.node(console)?;
    if args.drops {
        let mut drops: Vec<api::Drops> = node.get("/drops")?;
        drops.sort_by(|a, b| b.count.cmp(&a.count).then_with(|| a.reason.cmp(&b.reason)));
        let mut table = Table::new(&["dropped", "reason"]);
        for drop in &drops {
            table.row([(drop.count.to_string(), Tone::Plain), (drop.reason.clone(), Tone::Plain)]);
        }
        let text = if table.is_empty() { "nothing was dropped\n".to_owned() } else { table.render(console.screen()) };
        return Ok(Report::new(serde_json::to_value(&drops)?, text));
    }
    let status: api::Status = node.get("/status")?;
    if args.address {
        let text = format!("{}\n", status.address);
        return Ok(Report::new(serde_json::Value::String(status.address), text));
    }
    let list = |key: &str| -> String {
        let items = status.config.pointer(&format!("/settings/{key}")).and_then(|v| v.as_array());
        let items: Vec<&str> = items.into_iter().flatten().filter_map(|v| v.as_str()).collect();
        if items.is_empty() { "-".to_owned() } else { items.join(", ") }
    };
    let online = if status.online { ("ONLINE", Tone::Good) } else { ("OFFLINE", Tone::Bad) };
    let offload = status.zt_offload.as_ref();
    let mut text = facts(
        &[
            ("address", status.address.clone()),
            ("version", version(&status)),
            ("planet", format!("{:016x}, revision {}", status.planet_world_id, status.planet_world_timestamp)),
            ("listening on", list("listeningOn")),
            ("seen by others as", list("surfaceAddresses")),
            ("mapped port", status.zt_port_mapping.as_ref().map_or_else(|| "-".to_owned(), mapping)),
            (
                "UDP offload",
                offload.and_then(|offload| offload.udp.as_ref()).map_or_else(|| "-".to_owned(), udp_offload),
            ),
            ("runs as", status.zt_sandbox.as_ref().map_or_else(|| "-".to_owned(), sandbox)),
            ("TAP offload", offload.map_or_else(|| "-".to_owned(), |offload| tap_offload(&offload.tap))),
        ],
        console.screen(),
    );
    for port in &status.zt_ethernet {
        let api::EthernetPort { interface, mac, mtu, problem } = port;
        text += &match (mac, mtu, problem) {
            (Some(mac), Some(mtu), _) => format!("raw Ethernet on {interface}: {mac}, datagrams up to {mtu} bytes\n"),
            (.., problem) => {
                let problem = problem.as_deref().unwrap_or("it is not in use");
                paint(&format!("raw Ethernet on {interface}: {problem}\n"), Tone::Fair, console.color)
            }
        };
    }
    for trouble in &status.zt_trouble {
        text += &paint(&format!("{trouble}\n"), Tone::Bad, console.color);
    }
    let by = if status.tcp_fallback_active { ", by the TCP relay" } else { "" };
    text += &format!("{}{by}\n", paint(online.0, online.1, console.color));
    Ok(Report::new(serde_json::to_value(&status)?, text))
}

fn mapping(mapping: &api::PortMapping) -> String {
    let api::PortMapping { protocol, external, internal, offered } = mapping;
    let told = if *offered { "" } else { "; peers are not told, as the roots see another address" };
    format!("{external} to {internal} by {protocol}{told}")
}

fn udp_offload(udp: &api::UdpOffload) -> String {
    let api::UdpOffload { level, refusing, receive_buffer, send_buffer } = udp;
    let refused = match refusing {
        0 => String::new(),
        1 => "; to 1 destination datagrams leave one by one".to_owned(),
        count => format!("; to {count} destinations datagrams leave one by one"),
    };
    format!("{level}; buffers of {} KiB in, {} KiB out{refused}", receive_buffer / 1024, send_buffer / 1024)
}

/// User and rights, and what of the sandbox is not in force.
fn sandbox(sandbox: &api::Sandbox) -> String {
    let api::Sandbox { user, capabilities, no_new_privileges, files, system_calls } = sandbox;
    let rights = if capabilities.is_empty() { "no capabilities".to_owned() } else { capabilities.join(", ") };
    let mut text = format!("{user}, with {rights}");
    let all = *no_new_privileges && *files == api::Confined::On && *system_calls == api::Confined::On;
    let word = |confined: &api::Confined| match confined {
        api::Confined::On => "yes",
        api::Confined::Partly => "in part, the kernel is old",
        api::Confined::Unknown => "no, the kernel cannot",
        api::Confined::Off => "no",
    };
    text += &match (all, files, system_calls) {
        (true, ..) => "; sandboxed".to_owned(),
        (false, api::Confined::Off, api::Confined::Off) => "; not sandboxed".to_owned(),
        _ => format!("; sandboxed: files {}, system calls {}", word(files), word(system_calls)),
    };
    text
}

fn tap_offload(ports: &[api::TapOffload]) -> String {
    let port = |port: &api::TapOffload| {
        let api::TapOffload { device, from_kernel, to_kernel, .. } = port;
        let less = if from_kernel == to_kernel { String::new() } else { format!(" (to the kernel {to_kernel})") };
        format!("{device} {from_kernel}{less}")
    };
    if ports.is_empty() { "-".to_owned() } else { ports.iter().map(port).collect::<Vec<_>>().join(", ") }
}

/// Version of the node's program, which is not always this one.
fn version(status: &api::Status) -> String {
    match status.zt_version.as_deref() {
        Some(crate::VERSION) => format!("{} (speaks as {})", crate::VERSION, status.version),
        Some(other) => format!(
            "{other} (speaks as {}); this command is {}, start the service again to run that",
            status.version,
            crate::VERSION
        ),
        None => format!("{} (not of zt, or older than this command, {})", status.version, crate::VERSION),
    }
}
