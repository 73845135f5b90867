//! C programs on the C library: its examples, in namespaces.

use std::io::Write as _;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use zt_test_e2e::c_cut::{self, Loss, path_types, peer};
use zt_test_e2e::c_host::{CHost, CoreLibrary, Example};
use zt_test_e2e::c_scene::beside_a_daemon;
use zt_test_e2e::rig::first;
use zt_test_e2e::{Host, IpPrefix, Lab, Ping, Program};

const WAIT: Duration = Duration::from_secs(30);

/// Tells a figure.
fn tell(what: &str, time: Duration) {
    let _ = writeln!(std::io::stdout(), "{:7.3} s  {what}", time.as_secs_f64());
}

/// Waits for the first answer to a ping.
fn ping(from: &Host, addresses: &[IpPrefix]) -> Result<()> {
    let target = first(addresses)?;
    let time = from.ping(target, Ping { patience: WAIT, ..Ping::default() })?;
    tell(&format!("{} pings {target}", from.name()), time);
    Ok(())
}

#[test]
fn two_c_hosts_with_the_network_master_in_one_of_them() -> Result<()> {
    let Some(lab) = Lab::new("c-two")? else { return Ok(()) };
    let program = Example::Zt1Host.build(&CoreLibrary::ours()?)?;
    let key = lab.identity(1);
    let planet = lab.planet(&[(key.identity(), &["10.0.1.1/9993"])])?;
    let hosts = [lab.host("master", &["10.0.1.1/16"])?, lab.host("member", &["10.0.2.1/16"])?];
    let home = lab.home("master")?.with_identity(&key)?.with_planet(&planet)?;
    let start = Instant::now();
    let mut master = CHost::start(&hosts[0], &program, &home, &["--master", "--member", "all"])?;
    let network = master.network()?;
    let of_master = master.await_joined(network, WAIT)?;
    tell("the master is a member of its own network", start.elapsed());

    let start = Instant::now();
    let home = lab.home("member")?.with_identity(&lab.identity(2))?.with_planet(&planet)?;
    let mut member = CHost::start(&hosts[1], &program, &home, &["--simple", "--join", &network.to_string()])?;
    let of_member = member.await_joined(network, WAIT)?;
    tell("the other is a member, let in by the master", start.elapsed());
    ping(&hosts[1], &of_master)?;
    ping(&hosts[0], &of_member)?;

    // Joined networks are part of what the library keeps for a node that was made with a home path.
    let start = Instant::now();
    let mut member = member.restart(&["--simple"])?;
    member.await_joined(network, WAIT)?;
    ping(&hosts[0], &of_member)?;
    tell("restarted, a member and pinged", start.elapsed());

    let dump = master.dump()?;
    ensure!(dump["status"]["online"] == true, "a root is online: {dump}");
    let seen = peer(&dump, &member.address()?.to_string())?;
    ensure!(path_types(seen).contains(&"UDP".to_owned()), "a direct path: {seen}");
    ensure!(dump["networks"][0]["status"] == "OK" && dump["networks"][0]["device"] == "zt0", "{dump}");
    // So are the networks of a master.
    let start = Instant::now();
    let mut master = master.restart(&["--master", "--member", "all"])?;
    ensure!(master.await_joined(network, WAIT)? == of_master, "the same address as before");
    tell("the master restarted, a member of the network that it made before", start.elapsed());

    member.stop()?;
    master.stop()
}

#[test]
fn a_c_host_beside_a_daemon() -> Result<()> {
    let zt = Program::ours()?;
    beside_a_daemon(Example::Zt1Host, &zt, &zt, &mut tell).map(drop)
}

#[test]
fn a_zt_c_host_beside_a_daemon() -> Result<()> {
    let zt = Program::ours()?;
    beside_a_daemon(Example::ZtHost, &zt, &zt, &mut tell).map(drop)
}

#[test]
fn nodes_without_sockets() -> Result<()> {
    for example in [Example::Zt1TwoNodes, Example::ZtTwoNodes] {
        let output = Command::new(example.build(&CoreLibrary::ours()?)?).output()?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
        let _ = writeln!(std::io::stdout(), "{example:?}:\n{text}");
        ensure!(output.status.success(), "{example:?}: {}\n{text}", output.status);
    }
    Ok(())
}

/// With our peers the silence is the time to level 1, and little more.
const SILENCE: Duration = Duration::from_secs(8);

#[test]
fn a_c_host_whose_udp_is_cut_goes_on_by_tcp_and_comes_back() -> Result<()> {
    c_cut::with_relay(&Program::ours()?, Loss::Both, SILENCE, &mut tell).map(drop)
}

#[test]
fn a_c_host_that_is_heard_by_udp_but_hears_nothing_goes_on_by_tcp() -> Result<()> {
    c_cut::with_relay(&Program::ours()?, Loss::Incoming, SILENCE, &mut tell).map(drop)
}

#[test]
fn a_c_host_without_another_link_despairs_and_comes_back() -> Result<()> {
    c_cut::without_relay(&Program::ours()?, &mut tell).map(drop)
}
