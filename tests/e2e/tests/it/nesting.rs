//! The tunnel inside itself: no packet of a node may leave by a port of its own or by what rides on one.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use zt_test_e2e::nft::Counter;
use zt_test_e2e::rig::{Rig, first};
use zt_test_e2e::{Daemon, Host, IpPrefix, Lab, Masquerade, Nat, Ping, Program, tcp, wait_for};

const WAIT: Duration = Duration::from_secs(60);
const PATIENT: Ping = Ping { payload: 56, interval: Duration::from_millis(200), patience: WAIT };

/// Counts packets of the node that leave by devices whose names begin so.
fn watch(host: &Host, device: &str) -> Result<()> {
    Ok(host.namespace().nft(&format!(
        "table inet watch {{ chain out {{ type filter hook output priority 0;\n\
         oifname \"{device}*\" udp sport 9993 counter\noifname \"{device}*\" udp dport 9993 counter\n}}\n}}\n"
    ))?)
}

fn counted(host: &Host) -> Result<u64> {
    Ok(Counter::all(host, &["table", "inet", "watch"])?.iter().map(|counter| counter.packets).sum())
}

fn dropped(node: &Daemon, reason: &str) -> Result<u64> {
    let drops = node.api().get("/drops")?;
    let list = drops.as_array().context("drops")?;
    Ok(list.iter().find(|drop| drop["reason"] == reason).and_then(|drop| drop["count"].as_u64()).unwrap_or(0))
}

fn listening(node: &Daemon) -> Result<Vec<String>> {
    let status = node.api().get("/status")?;
    Ok(serde_json::from_value(status["config"]["settings"]["listeningOn"].clone())?)
}

fn v4(addresses: &[IpPrefix]) -> Result<std::net::Ipv4Addr> {
    match first(addresses)? {
        std::net::IpAddr::V4(address) => Ok(address),
        std::net::IpAddr::V6(_) => anyhow::bail!("IPv4 comes first"),
    }
}

/// Two routers, each with a LAN that is a managed route via it. Each tells the other its address in the LAN.
#[test]
fn addresses_behind_a_managed_route_are_no_path() -> Result<()> {
    let zt = Program::ours()?;
    let (mut inner, mut switches) = (Vec::new(), Vec::new());
    let hosts = |lab: &Lab| {
        let hosts = [lab.host("a", &["10.0.0.2/24"])?, lab.host("b", &["10.0.0.3/24"])?];
        for (number, router) in hosts.iter().enumerate() {
            let net = format!("192.168.{}0", number + 1);
            let lan = lab.switch()?;
            router.plug("lan0", &lan, &[&format!("{net}.1/24")])?;
            router.namespace().forward()?;
            // As a site has it: what is not routed goes out.
            router.default_route("eth0", "10.0.0.1".parse()?)?;
            let host = lab.host("inner", &[])?;
            host.unplug("eth0")?;
            host.plug("eth0", &lan, &[&format!("{net}.50/24")])?;
            host.default_route("eth0", format!("{net}.1").parse()?)?;
            inner.push(host);
            switches.push(lan);
        }
        Ok(hosts)
    };
    let Some(rig) = Rig::with_hosts("sites", [&zt, &zt, &zt], hosts)? else { return Ok(()) };
    for host in &rig.hosts {
        watch(host, "zt")?;
    }
    let [of_a, of_b] = rig.join(WAIT)?;
    let route = |number: u32, via: &[IpPrefix]| -> Result<Value> {
        Ok(json!({ "target": format!("192.168.{number}0.0/24"), "via": first(via)?.to_string() }))
    };
    let own = json!({ "target": "10.9.0.0/16", "via": null });
    rig.root.change_network(rig.network, &json!({ "routes": [own, route(1, &of_a)?, route(2, &of_b)?] }))?;
    inner[0].ping("192.168.20.50".parse()?, PATIENT)?;
    let [a, b] = &rig.members;
    a.wait_direct(b.address(), WAIT)?;
    // They told each other their LAN addresses, and refused them.
    wait_for("refusal", WAIT, || {
        inner[0].ping("192.168.20.50".parse()?, PATIENT)?;
        Ok((dropped(a, "unusable-path")? > 0 && dropped(b, "unusable-path")? > 0).then_some(()))
    })?;
    tcp(&inner[0], &inner[1], "192.168.20.50".parse()?, 1_000_000)?;
    for (host, node, other) in [(&rig.hosts[0], a, b), (&rig.hosts[1], b, a)] {
        ensure!(counted(host)? == 0, "{} sent its own packets into its tunnel", host.name());
        ensure!(dropped(node, "own packet in a port")? == 0);
        let peer = node.peer(other.address())?.context("a peer")?;
        ensure!(!peer["paths"].to_string().contains("192.168."), "{peer}");
    }
    rig.members.into_iter().try_for_each(Daemon::stop)
}

#[test]
fn an_overlay_on_top_carries_nothing_of_ours() -> Result<()> {
    let Some(rig) = Rig::new("overlay")? else { return Ok(()) };
    let addresses = rig.join(WAIT)?;
    let ends = [v4(&addresses[0])?, v4(&addresses[1])?];
    rig.hosts[0].ping(ends[1].into(), PATIENT)?;
    for (number, (host, node)) in rig.hosts.iter().zip(&rig.members).enumerate() {
        let device = node.network(rig.network)?["portDeviceName"].as_str().context("a device")?.to_owned();
        let (local, remote) = (ends[number], ends[1 - number]);
        watch(host, "over")?;
        host.namespace().add_vxlan("over0", &device, [local, remote])?;
        host.namespace().set_mtu("over0", 1400)?;
        host.add_address("over0", &format!("10.42.0.{}/24", number + 1))?;
        // An address that comes later and is bound shows that the one before was looked at.
        host.add_address("eth0", &format!("10.0.0.1{number}/24"))?;
    }
    for (number, node) in rig.members.iter().enumerate() {
        node.wait("the later address", WAIT, || {
            let bound = listening(node)?;
            Ok(bound.iter().any(|text| text.starts_with(&format!("10.0.0.1{number}/"))).then_some(()))
        })?;
        let bound = listening(node)?;
        ensure!(!bound.iter().any(|text| text.starts_with("10.42.") || text.starts_with("10.9.")), "{bound:?}");
    }
    rig.hosts[0].ping("10.42.0.2".parse()?, PATIENT)?;
    tcp(&rig.hosts[0], &rig.hosts[1], "10.42.0.2".parse()?, 1_000_000)?;
    for host in &rig.hosts {
        ensure!(counted(host)? == 0, "{} sent its own packets into the overlay", host.name());
    }
    rig.members.into_iter().try_for_each(Daemon::stop)
}

/// Two sites, whose LANs are bridged through the tunnel into one. Each node has an address in there, tells it to the other,
/// and no table can say on which side of the bridge the other's is: what goes into the tunnel ends at the port.
#[test]
fn a_loop_through_two_bridges_is_cut() -> Result<()> {
    let zt = Program::ours()?;
    let mut switches = Vec::new();
    let hosts = |lab: &Lab| {
        let hosts = [lab.host("a", &["10.0.0.2/24"])?, lab.host("b", &["10.0.0.3/24"])?];
        for (number, host) in hosts.iter().enumerate() {
            let lan = lab.switch()?;
            host.plug("eth1", &lan, &[])?;
            host.namespace().add_bridge("br0")?;
            host.namespace().join_bridge("eth1", "br0")?;
            host.add_address("br0", &format!("192.168.1.{}/24", 100 + number))?;
            switches.push(lan);
        }
        Ok(hosts)
    };
    let Some(rig) = Rig::with_hosts("bridges", [&zt, &zt, &zt], hosts)? else { return Ok(()) };
    let [_, of_b] = rig.join(WAIT)?;
    rig.hosts[0].ping(first(&of_b)?, PATIENT)?;
    let [a, b] = &rig.members;
    for (node, host) in rig.members.iter().zip(&rig.hosts) {
        rig.root.change_member(rig.network, node.address(), &json!({ "activeBridge": true }))?;
        let device = node.network(rig.network)?["portDeviceName"].as_str().context("a device")?.to_owned();
        host.namespace().join_bridge(&device, "br0")?;
    }
    rig.hosts[0].ping("192.168.1.101".parse()?, PATIENT)?;
    a.wait_direct(b.address(), WAIT)?;
    // A new address makes them tell each other all of theirs again, now that the bridges are there.
    for (number, host) in rig.hosts.iter().enumerate() {
        host.add_address("eth0", &format!("10.0.0.1{number}/24"))?;
    }
    wait_for("a packet that is caught", WAIT, || {
        rig.hosts[0].ping("192.168.1.101".parse()?, PATIENT)?;
        rig.hosts[1].ping("192.168.1.100".parse()?, PATIENT)?;
        Ok((dropped(a, "own packet in a port")? + dropped(b, "own packet in a port")? > 0).then_some(()))
    })?;
    tcp(&rig.hosts[0], &rig.hosts[1], "192.168.1.101".parse()?, 1_000_000)?;
    for (node, other) in [(a, b), (b, a)] {
        let peer = node.peer(other.address())?.context("a peer")?;
        ensure!(!peer["paths"].to_string().contains("192.168."), "{peer}");
        // Questions that are not answered, not a storm.
        ensure!(dropped(node, "own packet in a port")? < 1000);
    }
    rig.members.into_iter().try_for_each(Daemon::stop)
}

/// An exit node, and a member that binds the address of its LAN: the default route leads into the tunnel.
#[test]
fn a_bound_address_keeps_its_way_out() -> Result<()> {
    let zt = Program::ours()?;
    let mut nat: Option<Nat> = None;
    let (mut web, mut switch) = (None, None);
    let hosts = |lab: &Lab| {
        let home = nat.insert(lab.nat("10.0.0.50/24", "192.168.1.1/24", Masquerade::PortPreserving)?);
        let (a, b) = (home.host("a", "192.168.1.2/24")?, lab.host("b", &["10.0.0.3/24"])?);
        let outside = switch.insert(lab.switch()?);
        b.plug("eth1", outside, &["203.0.113.1/24"])?;
        b.namespace().forward()?;
        let server = lab.host("web", &[])?;
        server.plug("eth1", outside, &["203.0.113.9/24"])?;
        server.default_route("eth1", "203.0.113.1".parse()?)?;
        web = Some(server);
        Ok([a, b])
    };
    let Some(rig) = Rig::with_hosts("exit", [&zt, &zt, &zt], hosts)? else { return Ok(()) };
    watch(&rig.hosts[0], "zt")?;
    let a = &rig.members[0];
    // What can be bound is taken; what is on a network of ours, or nowhere, is not.
    a.api().post("/config/settings", &json!({ "bind": ["192.168.1.2"] }))?;
    let [of_a, of_b] = rig.join(WAIT)?;
    rig.hosts[0].ping(first(&of_b)?, PATIENT)?;
    let own = json!({ "target": "10.9.0.0/16", "via": null });
    let everything = json!({ "target": "0.0.0.0/0", "via": first(&of_b)?.to_string() });
    rig.root.change_network(rig.network, &json!({ "routes": [own, everything] }))?;
    a.api().post(&format!("/network/{}", rig.network), &json!({ "allowDefault": true }))?;
    let server = "203.0.113.9".parse()?;
    rig.hosts[0].ping(server, PATIENT)?;
    tcp(&rig.hosts[0], web.as_ref().context("the server")?, server, 1_000_000)?;
    ensure!(counted(&rig.hosts[0])? == 0, "own packets went to the exit node");
    a.wait_direct(rig.members[1].address(), WAIT)?;
    // A managed address is not for sockets.
    a.api().post("/config/settings", &json!({ "bind": ["192.168.1.2", first(&of_a)?.to_string()] }))?;
    a.wait("the warning", WAIT, || {
        Ok(a.output().iter().any(|line| line.contains("on one of our own networks")).then_some(()))
    })?;
    let bound = listening(a)?;
    ensure!(bound.iter().all(|text| text.starts_with("192.168.1.2/")), "{bound:?}");
    rig.hosts[0].ping(server, PATIENT)?;
    rig.members.into_iter().try_for_each(Daemon::stop)
}
