//! Members behind NATs.

use std::io::Write as _;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use zt_test_e2e::rig::{Rig, first};
use zt_test_e2e::{Masquerade, Nat, Ping, Program};

const WAIT: Duration = Duration::from_secs(20);

/// Both members behind NATs of this kind: 10.0.0.11 and 10.0.0.12.
fn rig(name: &str, kind: Masquerade) -> Result<Option<(Rig, [Nat; 2])>> {
    let zt = Program::ours()?;
    let mut nats = None;
    let rig = Rig::with_hosts(name, [&zt, &zt, &zt], |lab| {
        let one = lab.nat("10.0.0.11/24", "192.168.1.1/24", kind)?;
        let two = lab.nat("10.0.0.12/24", "192.168.2.1/24", kind)?;
        let hosts = [one.host("a", "192.168.1.2/24")?, two.host("b", "192.168.2.2/24")?];
        nats = Some([one, two]);
        Ok(hosts)
    })?;
    Ok(rig.zip(nats))
}

fn often() -> Ping {
    Ping { interval: Duration::from_millis(50), patience: WAIT, ..Ping::default() }
}

fn print(what: &str, time: Duration) {
    let _ = writeln!(std::io::stdout(), "{:8.3} s  {what}", time.as_secs_f64());
}

#[test]
fn two_nats_that_keep_ports_are_crossed() -> Result<()> {
    let Some((rig, nats)) = rig("nats", Masquerade::PortPreserving)? else { return Ok(()) };
    let [_, of_b] = rig.join(WAIT)?;
    let target = first(&of_b)?;
    let start = Instant::now();
    rig.hosts[0].ping(target, often())?;
    print("first ping", start.elapsed());
    let [a, b] = &rig.members;
    while !(a.is_direct(b.address())? && b.is_direct(a.address())?) {
        ensure!(start.elapsed() < Duration::from_secs(5), "not direct within 5 s of first traffic");
        rig.hosts[0].ping(target, often())?;
        std::thread::sleep(Duration::from_millis(50));
    }
    print("direct", start.elapsed());

    std::thread::sleep(Duration::from_secs(1));
    rig.hosts[0].ping(target, often())?;
    nats[1].rebind(20_000, 20_999)?;
    let healed = rig.hosts[0].ping(target, often())?;
    print("rebinding healed", healed);
    ensure!(healed < Duration::from_secs(3), "rebinding: {healed:?}");
    Ok(())
}

#[test]
fn two_nats_with_random_ports_are_relayed() -> Result<()> {
    let Some((rig, _nats)) = rig("random", Masquerade::RandomPorts)? else { return Ok(()) };
    let [of_a, of_b] = rig.join(WAIT)?;
    rig.hosts[0].ping(first(&of_b)?, often())?;
    rig.hosts[1].ping(first(&of_a)?, often())?;
    let end = Instant::now() + Duration::from_secs(4);
    while Instant::now() < end {
        let once = rig.hosts[0].ping_once(first(&of_b)?, Duration::from_secs(1))?;
        ensure!(once.is_some(), "a ping was lost over the root");
        std::thread::sleep(Duration::from_millis(100));
    }
    let [a, b] = &rig.members;
    ensure!(!a.is_direct(b.address())?, "no NAT of this kind can be crossed");
    Ok(())
}
