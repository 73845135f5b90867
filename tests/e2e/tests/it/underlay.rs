//! What lies below: interfaces and paths of small MTU, hosts with hundreds of addresses.

use std::net::IpAddr;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use zt_test_e2e::rig::{Rig, first, network_settings};
use zt_test_e2e::{Daemon, Lab, Ping, Program, tcp};

const WAIT: Duration = Duration::from_secs(60);
/// The largest ping of a network of the usual MTU, 2800.
const FULL: Ping = Ping { payload: 2772, interval: Duration::from_millis(500), patience: Duration::from_secs(5) };
const BYTES: u64 = 3_000_000;

fn is_direct(rig: &Rig) -> Result<()> {
    let [a, b] = &rig.members;
    a.wait_direct(b.address(), WAIT)?;
    b.wait_direct(a.address(), WAIT)
}

#[test]
fn full_frames_pass_over_narrow_interfaces_that_change() -> Result<()> {
    let zt = Program::ours()?;
    let hosts = |lab: &Lab| {
        let hosts = [lab.host("a", &["10.0.0.2/24"])?, lab.host("b", &["10.0.0.3/24"])?];
        for host in &hosts {
            host.namespace().set_mtu("eth0", 1420)?;
        }
        Ok(hosts)
    };
    let Some(rig) = Rig::with_hosts("narrow", [&zt, &zt, &zt], hosts)? else { return Ok(()) };
    let [_, of_b] = rig.join(WAIT)?;
    let target = first(&of_b)?;
    let [a, b] = &rig.hosts;
    a.ping(target, Ping { patience: WAIT, ..Ping::default() })?;
    is_direct(&rig)?;
    for mtu in [1420, 1280, 1500, 600, 1420] {
        for host in [a, b] {
            host.namespace().set_mtu("eth0", mtu)?;
        }
        a.ping(target, FULL).with_context(|| format!("underlay {mtu}"))?;
        tcp(a, b, target, BYTES).with_context(|| format!("underlay {mtu}"))?;
    }
    rig.members.into_iter().try_for_each(Daemon::stop)
}

/// The host learns the path MTU from a router; IPv6 routers fragment nothing.
#[test]
fn a_narrow_path_behind_a_router_carries_tcp() -> Result<()> {
    let Some(lab) = Lab::new("pmtu")? else { return Ok(()) };
    let zt = Program::ours()?;
    let (near, far) = ("2001:db8:1::1", "2001:db8:2::1");
    let root_host = lab.host("root", &["2001:db8:1::2/64"])?;
    let router = lab.host("router", &["2001:db8:1::1/64"])?;
    let behind = lab.switch()?;
    router.plug("eth1", &behind, &["2001:db8:2::1/64"])?;
    router.namespace().forward()?;
    router.namespace().set_mtu("eth0", 1400)?;
    let host = lab.host("c", &[])?;
    host.unplug("eth0")?;
    host.plug("eth0", &behind, &["2001:db8:2::5/64"])?;
    host.default_route("eth0", far.parse()?)?;
    root_host.default_route("eth0", near.parse()?)?;

    let key = lab.identity(1);
    let planet = lab.planet(&[(key.identity(), &["2001:db8:1::2/9993"])])?;
    let home = |name: &str| -> Result<_> { lab.home(name)?.with_planet(&planet) };
    let root = root_host.start(&zt, home("root")?.with_identity(&key)?)?;
    let network = root.create_network(&network_settings())?;
    let member = host.start(&zt, home("c")?.with_identity(&lab.identity(2))?)?;
    for node in [&root, &member] {
        node.wait_online(WAIT)?;
        node.join(network)?;
        root.authorise(network, node.address(), true)?;
    }
    let [target, _] = [&root, &member].map(|node| node.wait_joined(network, WAIT));
    let target = target?.iter().map(|cidr| cidr.address()).find(IpAddr::is_ipv4).context("an IPv4 address")?;
    host.ping(target, Ping { patience: WAIT, ..Ping::default() })?;
    tcp(&host, &root_host, target, BYTES)?;
    member.stop()
}

#[test]
fn hundreds_of_addresses_hide_no_interface() -> Result<()> {
    let zt = Program::ours()?;
    let mut switch = None;
    let hosts = |lab: &Lab| {
        let hosts = [lab.host("a", &["10.0.0.2/24"])?, lab.host("b", &["10.0.0.3/24"])?];
        let labels: Vec<String> =
            (1..=150).flat_map(|n| [format!("10.1.0.{n}/24"), format!("10.2.{n}.1/32")]).collect();
        let labels: Vec<&str> = labels.iter().map(String::as_str).collect();
        // Its name comes before that of the way to the root.
        hosts[0].plug("aaa0", switch.insert(lab.switch()?), &labels)?;
        Ok(hosts)
    };
    let Some(rig) = Rig::with_hosts("labels", [&zt, &zt, &zt], hosts)? else { return Ok(()) };
    let [_, of_b] = rig.join(WAIT)?;
    rig.hosts[0].ping(first(&of_b)?, Ping { patience: WAIT, ..Ping::default() })?;
    let status = rig.members[0].api().get("/status")?;
    let bound: Vec<String> = serde_json::from_value(status["config"]["settings"]["listeningOn"].clone())?;
    ensure!(bound.iter().any(|text| text.starts_with("10.0.0.2/")), "{bound:?}");
    ensure!(bound.iter().any(|text| text.starts_with("10.1.0.1/")), "the primary address: {bound:?}");
    ensure!(bound.len() <= 10, "two ports on five addresses: {bound:?}");
    let told = rig.members[0].output().iter().filter(|line| line.contains("left_out") && line.contains("aaa0")).count();
    ensure!(told == 1, "told {told} times what was left out");
    rig.members.into_iter().try_for_each(Daemon::stop)
}
