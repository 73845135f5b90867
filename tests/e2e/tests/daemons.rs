//! Our daemons on a laboratory.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use serde_json::json;
use zt_test_e2e::{Cidr, Cut, Daemon, Host, Lab, Ping, Program, multicast, tcp};
use zt_wire::NetworkId;

const WAIT: Duration = Duration::from_secs(20);

/// A root, which is the controller too, and two members of one network.
struct Rig {
    lab: Lab,
    root: Daemon,
    _root_host: Host,
    hosts: [Host; 2],
    members: [Daemon; 2],
    network: NetworkId,
    planet: Vec<u8>,
}

impl Rig {
    fn new(name: &str) -> Result<Option<Self>> {
        let Some(lab) = Lab::new(name)? else { return Ok(None) };
        let zt = Program::ours()?;
        let root_host = lab.host("root", &["10.0.0.1/24"])?;
        let key = lab.identity(1);
        let planet = lab.planet(&[(key.identity(), &["10.0.0.1/9993"])])?;
        let home = lab.home("root")?.with_identity(&key)?.with_planet(&planet)?;
        let root = root_host.start(&zt, home)?;
        let network = root.create_network(&json!({
            "name": "lab", "private": true,
            "v4AssignMode": { "zt": true },
            "v6AssignMode": { "6plane": true, "rfc4193": true, "zt": false },
            "routes": [{ "target": "10.9.0.0/16" }],
            "ipAssignmentPools": [{ "ipRangeStart": "10.9.0.1", "ipRangeEnd": "10.9.0.99" }],
        }))?;
        let hosts = [lab.host("a", &["10.0.0.2/24"])?, lab.host("b", &["10.0.0.3/24"])?];
        let start = |host: &Host| -> Result<Daemon> { host.start(&zt, lab.home(host.name())?.with_planet(&planet)?) };
        let members = [start(&hosts[0])?, start(&hosts[1])?];
        Ok(Some(Self { lab, root, _root_host: root_host, hosts, members, network, planet }))
    }

    /// Joins both members and lets them in; their addresses.
    fn join(&self) -> Result<[Vec<Cidr>; 2]> {
        for member in &self.members {
            member.wait_online(WAIT)?;
            member.join(self.network)?;
            member.wait_status(self.network, "ACCESS_DENIED", WAIT)?;
            self.root.authorise(self.network, member.address(), true)?;
        }
        let [a, b] = &self.members;
        Ok([a.wait_joined(self.network, WAIT)?, b.wait_joined(self.network, WAIT)?])
    }
}

#[test]
fn a_network_carries_everything() -> Result<()> {
    let Some(rig) = Rig::new("network")? else { return Ok(()) };
    let [of_a, of_b] = rig.join()?;
    let [a, b] = &rig.hosts;
    assert_eq!(of_a.len(), 3, "{of_a:?}");
    for (from, to) in [(a, &of_b), (b, &of_a)] {
        for target in to {
            for payload in [56, 2700, 9000] {
                from.ping(target.address, Ping { payload, ..Ping::default() })?;
            }
        }
    }
    for (from, to, addresses) in [(a, b, &of_b), (b, a, &of_a)] {
        for target in addresses {
            tcp(from, to, target.address, 2_000_000)?;
        }
    }
    let v4 = |list: &[Cidr]| {
        list.iter().find_map(|cidr| match cidr.address {
            std::net::IpAddr::V4(ip) => Some(ip),
            std::net::IpAddr::V6(_) => None,
        })
    };
    let (ip_a, ip_b) = (v4(&of_a).context("IPv4")?, v4(&of_b).context("IPv4")?);
    multicast((a, ip_a), (b, ip_b), WAIT)?;
    multicast((b, ip_b), (a, ip_a), WAIT)?;
    rig.members[0].wait_direct(rig.members[1].address(), WAIT)?;

    // Shut out: silence.
    rig.root.authorise(rig.network, rig.members[1].address(), false)?;
    let start = Instant::now();
    while a.ping_once(ip_b.into(), Duration::from_millis(100))?.is_some() {
        assert!(start.elapsed() < Duration::from_secs(5), "still answers");
    }
    rig.members[1].wait_status(rig.network, "ACCESS_DENIED", WAIT)?;
    rig.root.authorise(rig.network, rig.members[1].address(), true)?;
    a.ping(ip_b.into(), Ping { patience: WAIT, ..Ping::default() })?;

    // Leaving and ending leave nothing behind.
    let [member_a, member_b] = rig.members;
    member_b.leave(rig.network)?;
    member_b.wait("no device", WAIT, || {
        let links = b.namespace().netlink()?.links()?;
        Ok((!links.iter().any(|link| link.name.starts_with("zt"))).then_some(()))
    })?;
    member_a.stop()?;
    member_b.stop()?;
    rig.root.stop()
}

#[test]
fn cut_paths_and_new_addresses_heal() -> Result<()> {
    let Some(rig) = Rig::new("heal")? else { return Ok(()) };
    let [_, of_b] = rig.join()?;
    let [a, b] = &rig.hosts;
    let target = of_b[0].address;
    a.ping(target, Ping::default())?;
    rig.members[0].wait_direct(rig.members[1].address(), WAIT)?;

    rig.lab.internet().cut(&Cut::between("10.0.0.2", "10.0.0.3")?)?;
    let healed = a.ping(target, Ping { patience: WAIT, ..Ping::default() })?;
    assert!(healed < Duration::from_secs(4), "over the root after {healed:?}");
    rig.lab.internet().cut(&[])?;
    rig.members[0].wait_direct(rig.members[1].address(), WAIT)?;

    b.delete_address("eth0", "10.0.0.3/24")?;
    b.add_address("eth0", "10.0.0.33/24")?;
    let healed = a.ping(target, Ping { patience: WAIT, ..Ping::default() })?;
    assert!(healed < Duration::from_secs(4), "new address after {healed:?}");
    Ok(())
}

#[test]
fn each_daemon_may_restart() -> Result<()> {
    let Some(mut rig) = Rig::new("restart")? else { return Ok(()) };
    let [_, of_b] = rig.join()?;
    let target = of_b[0].address;
    rig.hosts[0].ping(target, Ping::default())?;
    rig.root = rig.root.restart()?;
    rig.hosts[0].ping(target, Ping::default())?;
    rig.members = {
        let [a, b] = rig.members;
        [a.restart()?, b.restart()?]
    };
    rig.hosts[0].ping(target, Ping { patience: WAIT, ..Ping::default() })?;
    assert!(!rig.planet.is_empty());
    Ok(())
}
