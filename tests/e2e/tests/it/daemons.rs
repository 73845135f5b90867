//! Our daemons on a laboratory.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use zt_test_e2e::rig::Rig;
use zt_test_e2e::{IpPrefix, Ping, multicast, tcp};

const WAIT: Duration = Duration::from_secs(20);

#[test]
fn a_network_carries_everything() -> Result<()> {
    let Some(rig) = Rig::new("network")? else { return Ok(()) };
    let [of_a, of_b] = rig.join(WAIT)?;
    let [a, b] = &rig.hosts;
    assert_eq!(of_a.len(), 3, "{of_a:?}");
    for (from, to) in [(a, &of_b), (b, &of_a)] {
        for target in to {
            for payload in [56, 2700, 9000] {
                from.ping(target.address(), Ping { payload, ..Ping::default() })?;
            }
        }
    }
    for (from, to, addresses) in [(a, b, &of_b), (b, a, &of_a)] {
        for target in addresses {
            tcp(from, to, target.address(), 2_000_000)?;
        }
    }
    let v4 = |list: &[IpPrefix]| {
        list.iter().find_map(|cidr| match cidr.address() {
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
fn each_daemon_may_restart() -> Result<()> {
    let Some(mut rig) = Rig::new("restart")? else { return Ok(()) };
    let [_, of_b] = rig.join(WAIT)?;
    let target = of_b[0].address();
    rig.hosts[0].ping(target, Ping::default())?;
    rig.root = rig.root.restart()?;
    rig.hosts[0].ping(target, Ping::default())?;
    rig.members = {
        let [a, b] = rig.members;
        [a.restart()?, b.restart()?]
    };
    rig.hosts[0].ping(target, Ping { patience: WAIT, ..Ping::default() })?;
    Ok(())
}
