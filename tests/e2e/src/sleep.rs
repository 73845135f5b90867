//! A host that sleeps, a daemon that is stopped, and clocks that jump: how soon there is traffic again.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use rustix::process::{Pid, Signal, kill_process};

use crate::rig::{Rig, first};
use crate::shim::Clocks;
use crate::{Daemon, Masquerade, Ping, Program};

const WAIT: Duration = Duration::from_secs(60);
/// Longest time without traffic after going on.
pub const LIMIT: Duration = Duration::from_secs(1);

/// How a member is away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Away {
    /// Its daemon is stopped by SIGSTOP for so long.
    Stopped(Duration),
    /// Its host sleeps for so many seconds, which takes no time here.
    Slept(i64),
}

/// Two members, behind NATs or on one switch; the second one is away for a while, and its NAT forgets it. How long after it
/// goes on pings of the first, and of itself, have an answer. `None` where the machine has no namespaces.
///
/// # Errors
/// There is none within a minute, or the daemon does not say that it was away.
pub fn away(name: &str, behind_nats: bool, away: Away) -> Result<Option<[Duration; 2]>> {
    let zt = Program::ours()?;
    let mut nats = Vec::new();
    let rig = Rig::with_hosts(name, [&zt, &zt, &zt], |lab| {
        if !behind_nats {
            return Ok([lab.host("a", &["10.0.0.2/24"])?, lab.host("b", &["10.0.0.3/24"])?]);
        }
        let one = lab.nat("10.0.0.11/24", "192.168.1.1/24", Masquerade::PortPreserving)?;
        let two = lab.nat("10.0.0.12/24", "192.168.2.1/24", Masquerade::PortPreserving)?;
        let hosts = [one.host("a", "192.168.1.2/24")?, two.host("b", "192.168.2.2/24")?];
        nats = vec![one, two];
        Ok(hosts)
    })?;
    let Some(rig) = rig else { return Ok(None) };
    let [of_a, of_b] = rig.join(WAIT)?;
    let clocks = Clocks::new(&rig.lab.folder())?;
    let (targets, [a, b]) = ([first(&of_b)?, first(&of_a)?], rig.members);
    b.stop()?;
    let b = rig.hosts[1].start_with(&zt, rig.lab.home("b")?, clocks.options())?;
    b.wait_joined(rig.network, WAIT)?;
    rig.hosts[0].ping(targets[0], often())?;
    a.wait_direct(b.address(), WAIT)?;
    let process = Pid::from_raw(i32::try_from(b.id())?).context("a process")?;
    kill_process(process, Signal::STOP)?;
    match away {
        Away::Stopped(time) => thread::sleep(time),
        Away::Slept(seconds) => clocks.set(0, seconds)?,
    }
    // The other one's NAT has heard something all the time.
    if let [_, nat] = nats.as_slice() {
        nat.rebind(20_000, 20_999)?;
    }
    kill_process(process, Signal::CONT)?;
    let answered = both(&rig.hosts, targets)?;
    b.wait("word of the sleep", WAIT, || {
        Ok(b.output().iter().any(|line| line.contains("this host slept")).then_some(()))
    })?;
    b.stop()?;
    a.stop()?;
    Ok(Some(answered))
}

/// The wall clock of a member, then that of the root and controller, jumps by so many seconds and back; each time pings go on for
/// `time`. The longest time between a ping and its answer, or the next that has one. `None` where the machine has no namespaces.
///
/// # Errors
/// They do not.
pub fn jump(name: &str, seconds: i64, time: Duration) -> Result<Option<Duration>> {
    let Some(mut rig) = Rig::new(name)? else { return Ok(None) };
    let zt = Program::ours()?;
    let [of_a, of_b] = rig.join(WAIT)?;
    let targets = [first(&of_b)?, first(&of_a)?];
    let clocks = Clocks::new(&rig.lab.folder())?;
    let mut worst = Duration::ZERO;
    for of_root in [false, true] {
        let (host, name) = if of_root { (&rig.root_host, "root") } else { (&rig.hosts[1], "b") };
        let start = || -> Result<Daemon> { host.start_with(&zt, rig.lab.home(name)?, clocks.options()) };
        if of_root {
            rig.root.end();
            rig.root = start()?;
            rig.root.wait_online(WAIT)?;
        } else {
            rig.members[1].end();
            rig.members[1] = start()?;
            rig.members[1].wait_joined(rig.network, WAIT)?;
        }
        both(&rig.hosts, targets)?;
        for wall in [seconds, 0] {
            clocks.set(wall, 0)?;
            let begin = Instant::now();
            while begin.elapsed() < time {
                for (host, target) in rig.hosts.iter().zip(targets) {
                    worst = worst.max(host.ping(target, often())?);
                }
            }
        }
    }
    for member in rig.members {
        ensure!(member.network(rig.network)?["status"] == "OK", "a member lost its network");
        member.stop()?;
    }
    Ok(Some(worst))
}

/// Both hosts ping the other: how long until each has an answer.
fn both(hosts: &[crate::Host; 2], targets: [std::net::IpAddr; 2]) -> Result<[Duration; 2]> {
    let [one, two] = hosts;
    thread::scope(|scope| {
        let other = scope.spawn(|| two.ping(targets[1], often()));
        let mine = one.ping(targets[0], often())?;
        let other = other.join().map_err(|_| anyhow::anyhow!("a ping panicked"))??;
        Ok([mine, other])
    })
}

fn often() -> Ping {
    Ping { interval: Duration::from_millis(50), patience: WAIT, ..Ping::default() }
}
