//! What becomes of sockets and ports when somebody manages the interfaces of a host.
#![expect(clippy::print_stdout, reason = "figures are told")]

use std::fmt::Write as _;
use std::fs;
use std::net::IpAddr;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use zt_test_e2e::rig::{Rig, first};
use zt_test_e2e::{Daemon, Host, Lab, Ping, Program, Switch};

const WAIT: Duration = Duration::from_secs(20);

fn often() -> Ping {
    Ping { interval: Duration::from_millis(50), patience: WAIT, ..Ping::default() }
}

/// Commands of `ip`, in one call.
fn ip(host: &Host, folder: &std::path::Path, lines: &str) -> Result<()> {
    let batch = folder.join("batch");
    fs::write(&batch, lines)?;
    let mut command = Command::new("ip");
    command.arg("-batch").arg(&batch);
    let (status, output) = host.run(command, WAIT)?;
    ensure!(status.success(), "ip -batch: {output}");
    Ok(())
}

/// Two members, the first with a second interface on a switch of its own, which goes with its value.
fn rig(name: &str) -> Result<Option<(Rig, Switch, [IpAddr; 2])>> {
    let zt = Program::ours()?;
    let mut other = None;
    let rig = Rig::with_hosts(name, [&zt, &zt, &zt], |lab: &Lab| {
        let hosts = [lab.host("a", &["10.0.0.2/24"])?, lab.host("b", &["10.0.0.3/24"])?];
        hosts[0].plug("eth1", other.insert(lab.switch()?), &["10.50.0.1/24"])?;
        Ok(hosts)
    })?;
    let Some(rig) = rig else { return Ok(None) };
    let [of_a, of_b] = rig.join(WAIT)?;
    let targets = [first(&of_b)?, first(&of_a)?];
    rig.hosts[0].ping(targets[0], often())?;
    Ok(other.map(|other| (rig, other, targets)))
}

#[test]
fn sockets_and_ports_follow_what_the_operator_does_with_interfaces() -> Result<()> {
    let Some((rig, _other, targets)) = rig("manager")? else { return Ok(()) };
    let [a, b] = &rig.hosts;
    let folder = rig.lab.folder();
    let device = rig.members[0].network(rig.network)?["portDeviceName"].as_str().context("a device")?.to_owned();
    let steps = [
        ("the interface is renamed", "link set eth0 down\nlink set eth0 name wan7\nlink set wan7 up".to_owned()),
        ("addresses flushed and given again", "addr flush dev wan7\naddr add 10.0.0.2/24 dev wan7".to_owned()),
        ("another address", "addr flush dev wan7\naddr add 10.0.0.22/24 dev wan7".to_owned()),
        ("a default route", "route add default via 10.0.0.1".to_owned()),
        ("another one", "route replace default via 10.50.0.254 dev eth1".to_owned()),
        ("and none", "route del default".to_owned()),
        ("the port is renamed", format!("link set {device} down\nlink set {device} name myvpn\nlink set myvpn up")),
        (
            "everything is taken down and set up",
            "addr flush dev wan7\naddr flush dev eth1\nlink set wan7 down\nlink set eth1 down\nlink set eth1 up\n\
             link set wan7 up\naddr add 10.50.0.1/24 dev eth1\naddr add 10.0.0.22/24 dev wan7"
                .to_owned(),
        ),
    ];
    for (what, lines) in steps {
        ip(a, &folder, &lines).context(what)?;
        let there = a.ping(targets[0], often()).context(what)?;
        let back = b.ping(targets[1], often()).context(what)?;
        println!("{what}: answers after {there:?} and {back:?}");
    }
    rig.members[0].wait("the new name", WAIT, || {
        Ok((rig.members[0].network(rig.network)?["portDeviceName"] == "myvpn").then_some(()))
    })?;
    // The cable is pulled, and the address stays: port 1 of the switch is that of the first host.
    let switch = rig.lab.internet();
    switch.power_port(1, false)?;
    ensure!(a.ping_once(targets[0], Duration::from_millis(300))?.is_none(), "the cable is not that of the first host");
    switch.power_port(1, true)?;
    println!("the cable is plugged in again: answer after {:?}", a.ping(targets[0], often())?);
    rig.members[0].wait("news of the cable", WAIT, || {
        Ok(rig.members[0].output().iter().any(|line| line.contains("plugged in again")).then_some(()))
    })?;
    rig.members.into_iter().try_for_each(Daemon::stop)
}

#[test]
fn thousands_of_routes_and_a_storm_of_addresses_stop_nothing() -> Result<()> {
    let Some((mut rig, _other, targets)) = rig("storm")? else { return Ok(()) };
    let folder = rig.lab.folder();
    let mut routes = String::new();
    for number in 0..10_000 {
        writeln!(routes, "route add 172.{}.{}.{}/32 dev eth1", 16 + number % 16, number / 16 % 250, number / 4000)?;
    }
    ip(&rig.hosts[0], &folder, &routes)?;
    let mut storm = String::new();
    for round in 0..10 {
        for what in ["add", "del"] {
            for number in 1..=60 {
                writeln!(storm, "addr {what} 10.200.{round}.{number}/32 dev eth1")?;
            }
        }
    }
    ip(&rig.hosts[0], &folder, &storm)?;
    println!("after 1,200 changes of addresses: {:?}", rig.hosts[0].ping(targets[0], often())?);
    // It starts among so many routes, too.
    let [a, b] = rig.members;
    rig.members = [a.restart()?, b];
    rig.members[0].wait_joined(rig.network, WAIT)?;
    rig.hosts[1].ping(targets[1], often())?;
    rig.members.into_iter().try_for_each(Daemon::stop)
}
