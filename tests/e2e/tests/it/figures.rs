//! How fast our nodes come up and heal. Each test prints its figure beside its limit; a figure above the limit is marked
//! and fails only under `ZT_STRICT=1`, because machines that run tests are noisy. The simulator holds the same limits on
//! a virtual clock, where they fail the build.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use anyhow::Result;
use serde_json::json;
use zt_test_e2e::rig::{Rig, first};
use zt_test_e2e::{Cut, Host, Ping, figure};

const WAIT: Duration = Duration::from_secs(20);

fn often() -> Ping {
    Ping { interval: Duration::from_millis(50), patience: WAIT, ..Ping::default() }
}

/// A second of traffic in both directions that has found its path.
fn chat(host: &Host, target: IpAddr) -> Result<()> {
    for _ in 0..20 {
        host.ping(target, often())?;
        std::thread::sleep(Duration::from_millis(50));
    }
    Ok(())
}

#[test]
fn from_start_to_online_and_from_join_to_ping() -> Result<()> {
    let Some(rig) = Rig::new("online")? else { return Ok(()) };
    let [a, b] = rig.members;
    // Both were strangers to the root, which lets in one of a /24 in two seconds (02 §6.2, gate G1).
    a.wait_online(WAIT)?;
    b.wait_online(WAIT)?;
    let start = Instant::now();
    let b = b.restart()?;
    b.wait_online(WAIT)?;
    figure("end, start and ONLINE", start.elapsed(), Duration::from_millis(1000))?;

    rig.root.change_network(rig.network, &json!({ "private": false }))?;
    a.wait_online(WAIT)?;
    a.join(rig.network)?;
    let mut addresses = a.wait_joined(rig.network, WAIT)?;
    addresses.sort_by_key(|cidr| cidr.address().is_ipv6());
    let start = Instant::now();
    b.join(rig.network)?;
    b.wait_joined(rig.network, WAIT)?;
    rig.hosts[1].ping(first(&addresses)?, often())?;
    figure("join to first ping", start.elapsed(), Duration::from_millis(1500))
}

#[test]
fn a_cut_path_and_a_new_address() -> Result<()> {
    let Some(rig) = Rig::new("heal")? else { return Ok(()) };
    let [_, of_b] = rig.join(WAIT)?;
    let [a, b] = &rig.hosts;
    let target = first(&of_b)?;
    a.ping(target, often())?;
    rig.members[0].wait_direct(rig.members[1].address(), WAIT)?;
    chat(a, target)?;

    rig.lab.internet().cut(&Cut::between("10.0.0.2", "10.0.0.3")?)?;
    let cut = a.ping(target, often())?;
    rig.lab.internet().cut(&[])?;
    rig.members[0].wait_direct(rig.members[1].address(), WAIT)?;
    std::thread::sleep(Duration::from_secs(2));
    a.ping(target, often())?;

    b.delete_address("eth0", "10.0.0.3/24")?;
    b.add_address("eth0", "10.0.0.33/24")?;
    let moved = a.ping(target, often())?;
    figure("cut path to traffic over the root", cut, Duration::from_secs(3))?;
    figure("address change healed", moved, Duration::from_secs(3))
}

#[test]
fn a_path_cut_in_one_direction() -> Result<()> {
    let Some(rig) = Rig::new("oneway")? else { return Ok(()) };
    let [_, of_b] = rig.join(WAIT)?;
    let target = first(&of_b)?;
    rig.hosts[0].ping(target, often())?;
    rig.members[0].wait_direct(rig.members[1].address(), WAIT)?;
    chat(&rig.hosts[0], target)?;
    rig.lab.internet().cut(&[Cut::one_way("10.0.0.3", "10.0.0.2")?])?;
    let healed = rig.hosts[0].ping(target, often())?;
    figure("path dead in one direction", healed, Duration::from_secs(3))
}

#[test]
fn shut_out_members_are_silent() -> Result<()> {
    let Some(rig) = Rig::new("silence")? else { return Ok(()) };
    let [_, of_b] = rig.join(WAIT)?;
    let target = first(&of_b)?;
    rig.hosts[0].ping(target, often())?;
    rig.root.authorise(rig.network, rig.members[1].address(), false)?;
    let start = Instant::now();
    let mut last_answer = Duration::ZERO;
    while start.elapsed() < Duration::from_secs(4) {
        if rig.hosts[0].ping_once(target, Duration::from_millis(100))?.is_some() {
            last_answer = start.elapsed();
            std::thread::sleep(Duration::from_millis(20));
        }
    }
    figure("shut out to silence", last_answer, Duration::from_secs(1))
}
