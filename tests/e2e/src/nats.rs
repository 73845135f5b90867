//! Members behind NATs: which are crossed, which are relayed, and what happens when one restarts.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};

use crate::rig::{Rig, first};
use crate::{Masquerade, Nat, Ping, Program, within};

/// Direct within this time of the first traffic.
const DIRECT: Duration = Duration::from_secs(5);
/// A NAT that restarted unseen is noticed within this time.
const REBOUND: Duration = Duration::from_secs(3);
const WAIT: Duration = Duration::from_secs(90);

/// Two members behind NATs that keep ports: direct soon, and again soon after the NAT of B restarts. The programs play
/// root, A and B; `step` is told times. `None` where the machine has no namespaces.
///
/// # Errors
/// Not in time.
pub fn crossed(programs: [&Program; 3], step: &mut dyn FnMut(&str, Duration)) -> Result<Option<()>> {
    let Some((rig, nats)) = rig("nats", programs, Masquerade::PortPreserving)? else { return Ok(None) };
    let [_, of_b] = rig.join(WAIT)?;
    let target = first(&of_b)?;
    let start = Instant::now();
    rig.hosts[0].ping(target, often())?;
    step("first ping", start.elapsed());
    let [a, b] = &rig.members;
    while !(a.is_direct(b.address())? && b.is_direct(a.address())?) {
        ensure!(start.elapsed() < WAIT, "not direct within {WAIT:?} of first traffic");
        rig.hosts[0].ping(target, often())?;
        std::thread::sleep(Duration::from_millis(50));
    }
    step("direct", start.elapsed());
    within("first traffic to direct", start.elapsed(), DIRECT)?;
    // Stock nodes do not notice a restart that soon; the promise is for two of ours.
    if programs.iter().all(|program| matches!(program, Program::Ours(_))) {
        std::thread::sleep(Duration::from_secs(1));
        rig.hosts[0].ping(target, often())?;
        nats[1].rebind(20_000, 20_999)?;
        let healed = rig.hosts[0].ping(target, often())?;
        step("restart of a NAT healed", healed);
        within("restart of a NAT healed", healed, REBOUND)?;
    }
    Ok(Some(()))
}

/// Two members behind NATs that choose ports at random: relayed by the root, without loss. As [`crossed`].
///
/// # Errors
/// A ping is lost, or there is a direct path, which cannot be.
pub fn relayed(programs: [&Program; 3], step: &mut dyn FnMut(&str, Duration)) -> Result<Option<()>> {
    let Some((rig, _nats)) = rig("random", programs, Masquerade::RandomPorts)? else { return Ok(None) };
    let [of_a, of_b] = rig.join(WAIT)?;
    let start = Instant::now();
    rig.hosts[0].ping(first(&of_b)?, often())?;
    rig.hosts[1].ping(first(&of_a)?, often())?;
    step("first pings", start.elapsed());
    let end = Instant::now() + Duration::from_secs(4);
    while Instant::now() < end {
        let once = rig.hosts[0].ping_once(first(&of_b)?, Duration::from_secs(1))?;
        ensure!(once.is_some(), "a ping was lost over the root");
        std::thread::sleep(Duration::from_millis(100));
    }
    let [a, b] = &rig.members;
    ensure!(!a.is_direct(b.address())?, "NATs of this kind cannot be crossed");
    Ok(Some(()))
}

/// Both members behind NATs of this kind: 10.0.0.11 and 10.0.0.12.
fn rig(name: &str, programs: [&Program; 3], kind: Masquerade) -> Result<Option<(Rig, [Nat; 2])>> {
    let mut nats = None;
    let rig = Rig::with_hosts(name, programs, |lab| {
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
