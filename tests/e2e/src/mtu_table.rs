//! Every MTU of a network over every MTU of the network below, both changed while the nodes run.

use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde_json::json;
use zt_tap::linux::netlink::LinkChange;

use crate::rig::{Rig, first};
use crate::{Daemon, Ping, Program, tcp, wait_for};

/// MTUs of the network, in an order with steps up and down.
pub const NETWORK: [u32; 5] = [1280, 9000, 1500, 10_000, 2800];
/// MTUs of the devices below, likewise.
pub const UNDERLAY: [u32; 5] = [1500, 1280, 9000, 1400, 1420];

/// The most that fits one packet of VL1 in every form of a frame: our devices have no more, so that nothing is lost.
const CARRIED: u32 = 9965;
/// Fragmented by the host, whatever the MTU.
const LONG: usize = 20_000;
const JOIN: Duration = Duration::from_secs(60);
/// For a new MTU of the network to reach the devices: stock nodes may ask for it only once a minute.
const CHANGE: Duration = Duration::from_secs(75);
const ANSWER: Duration = Duration::from_secs(5);

/// What came of one pair of MTUs.
#[derive(Debug)]
pub struct Cell {
    /// MTU of the network.
    pub network: u32,
    /// MTU of the devices below.
    pub underlay: u32,
    /// What did not work: nothing is right.
    pub failures: Vec<String>,
}

impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.failures.as_slice() {
            [] => f.write_str("ok"),
            failures => f.write_str(&failures.join(", ")),
        }
    }
}

/// Tries all pairs with one program in all roles; `each` sees them as they come. `None` where the machine offers no
/// namespaces.
///
/// # Errors
/// The nodes do not even start and join.
pub fn table(name: &str, program: &Program, mut each: impl FnMut(&Cell)) -> Result<Option<Vec<Cell>>> {
    let on_switch = |lab: &crate::Lab| Ok([lab.host("a", &["10.0.0.2/24"])?, lab.host("b", &["10.0.0.3/24"])?]);
    let Some(mut rig) = Rig::with_hosts(name, [program; 3], on_switch)? else { return Ok(None) };
    let addresses = rig.join(JOIN)?;
    let [a, b] = [first(&addresses[0])?, first(&addresses[1])?];
    rig.hosts[0].ping(b, Ping { patience: JOIN, ..Ping::default() })?;
    let mut cells = Vec::new();
    for underlay in UNDERLAY {
        set_underlay(&rig, underlay)?;
        for network in NETWORK {
            let failures = cell(&rig, network, [a, b]);
            let cell = Cell { network, underlay, failures };
            each(&cell);
            cells.push(cell);
            revive(&mut rig, program, b)?;
        }
    }
    Ok(Some(cells))
}

fn set_underlay(rig: &Rig, mtu: u32) -> Result<()> {
    let change = LinkChange { mtu: Some(mtu), ..LinkChange::default() };
    // A cable takes what its narrower end takes.
    rig.lab.internet().set_mtu(mtu)?;
    for host in rig.hosts.iter().chain([&rig.root_host]) {
        host.namespace().change("eth0", &change)?;
    }
    Ok(())
}

fn cell(rig: &Rig, network: u32, [a, b]: [IpAddr; 2]) -> Vec<String> {
    let mut failures = Vec::new();
    let mut note = |what: &str, result: Result<()>| {
        if result.is_err() && failures.iter().all(|known| known != what) {
            failures.push(what.to_owned());
        }
        result.is_ok()
    };
    let mut changed = rig.root.change_network(rig.network, &json!({ "mtu": network })).map(drop);
    for side in 0..2 {
        changed = changed.and_then(|()| wait_for("MTU", CHANGE, || Ok(has_mtu(rig, side, network)?.then_some(()))));
    }
    if !note("MTU not set", changed) {
        return failures;
    }
    let most = device_mtu(rig, 0).map_or(0, |(_, mtu)| mtu) as usize;
    let [host_a, host_b] = &rig.hosts;
    // Without this a full packet could meet a neighbour that is not known yet.
    note("ping", host_a.ping(b, Ping { patience: ANSWER, ..Ping::default() }).map(drop));
    for (host, target) in [(host_a, b), (host_b, a)] {
        let full = Ping { payload: most - 28, patience: ANSWER, ..Ping::default() };
        note(&format!("{most} bytes"), host.ping(target, full).map(drop));
        let long = Ping { payload: LONG, patience: ANSWER, ..Ping::default() };
        note("fragments", host.ping(target, long).map(drop));
    }
    note("TCP", tcp(host_a, host_b, b, 1_000_000).map(drop));
    failures
}

/// Starts both members again when one ended, as stock ones do when they are to send more than fits a packet. Whether they
/// find each other is for the next pair to say.
fn revive(rig: &mut Rig, program: &Program, b: IpAddr) -> Result<()> {
    if rig.members.iter().all(|member| member.api().get("/status").is_ok()) {
        return Ok(());
    }
    rig.root.change_network(rig.network, &json!({ "mtu": 2800 }))?;
    for (host, member) in rig.hosts.iter().zip(&mut rig.members) {
        member.end();
        *member = host.start(program, rig.lab.home(host.name())?).context("after a crash")?;
        member.wait_joined(rig.network, JOIN)?;
    }
    let _ = rig.hosts[0].ping(b, Ping { patience: JOIN, ..Ping::default() });
    Ok(())
}

/// Whether a member knows the MTU of its network and its device has it.
fn has_mtu(rig: &Rig, side: usize, network: u32) -> Result<bool> {
    let (told, device) = device_mtu(rig, side)?;
    Ok(told == network && (device == network || device == network.min(CARRIED)))
}

fn device_mtu(rig: &Rig, side: usize) -> Result<(u32, u32)> {
    let member: &Daemon = &rig.members[side];
    let found = member.network(rig.network)?;
    let told = found["mtu"].as_u64().context("no MTU")?;
    let device = found["portDeviceName"].as_str().context("no device")?;
    ensure!(!device.is_empty(), "no device");
    let link = rig.hosts[side].namespace().netlink()?.require_link(device)?;
    Ok((u32::try_from(told)?, link.mtu))
}

/// The cells as lines of text: one for each MTU of the network.
#[must_use]
pub fn render(cells: &[Cell]) -> String {
    let mut underlay = UNDERLAY;
    let mut network = NETWORK;
    underlay.sort_unstable();
    network.sort_unstable();
    let text = |row: u32, below: u32| {
        let found = cells.iter().find(|cell| (cell.network, cell.underlay) == (row, below));
        found.map(ToString::to_string).unwrap_or_default()
    };
    let width = cells.iter().map(|cell| cell.to_string().len()).max().unwrap_or(0).max(6) + 2;
    let head: String = underlay.map(|mtu| format!("{mtu:>width$}")).concat();
    let mut lines = format!("network \\ below{head}\n");
    for row in network {
        let line: String = underlay.map(|below| format!("{:>width$}", text(row, below))).concat();
        lines += &format!("{row:>15}{line}\n");
    }
    lines
}
