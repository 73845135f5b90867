//! C programs on the C library: its examples, in namespaces.

use std::io::Write as _;
use std::net::IpAddr;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow, ensure};
use serde_json::Value;
use zt_test_e2e::c_host::{CHost, CoreLibrary, Example};
use zt_test_e2e::rig::{first, network_settings};
use zt_test_e2e::{Cidr, Daemon, Home, Host, Lab, Ping, Program};

const WAIT: Duration = Duration::from_secs(30);

/// Tells a figure.
fn tell(what: &str, since: Instant) {
    let _ = writeln!(std::io::stdout(), "{:7.3} s  {what}", since.elapsed().as_secs_f64());
}

/// A root (which is the controller, too) and a member, both `zt`, and a host for a C program.
struct Scene {
    lab: Lab,
    root: Daemon,
    member_host: Host,
    member: Daemon,
    c_host: Host,
    c_home: Home,
    network: String,
    member_addresses: Vec<Cidr>,
}

impl Scene {
    /// Each host in a block of its own, as roots answer one stranger of a block in two seconds (02 §6.2).
    fn new(name: &str) -> Result<Option<Self>> {
        let Some(lab) = Lab::new(name)? else { return Ok(None) };
        let zt = Program::ours()?;
        let planet = lab.planet(&[(lab.identity(1).identity(), &["10.0.1.1/9993"])])?;
        let start = |name: &str, address: &str, seed: u64| -> Result<(Host, Daemon)> {
            let host = lab.host(name, &[address])?;
            let home = lab.home(name)?.with_identity(&lab.identity(seed))?.with_planet(&planet)?;
            let daemon = host.start(&zt, home)?;
            Ok((host, daemon))
        };
        let (_, root) = start("root", "10.0.1.1/16", 1)?;
        let (member_host, member) = start("member", "10.0.2.1/16", 2)?;
        let c_host = lab.host("c", &["10.0.3.1/16"])?;
        let c_key = lab.identity(3);
        let c_home = lab.home("c")?.with_identity(&c_key)?.with_planet(&planet)?;
        let network = root.create_network(&network_settings())?;
        root.authorise(network, member.address(), true)?;
        root.authorise(network, c_key.identity().address, true)?;
        member.wait_online(WAIT)?;
        member.join(network)?;
        let member_addresses = member.wait_joined(network, WAIT)?;
        let network = network.to_string();
        Ok(Some(Self { lab, root, member_host, member, c_host, c_home, network, member_addresses }))
    }

    /// Starts the C program on its host, as a member; returns its addresses, too.
    fn start_c(&self, program: Example, more: &[&str]) -> Result<(CHost, Vec<Cidr>)> {
        let program = program.build(&CoreLibrary::ours()?)?;
        let start = Instant::now();
        let arguments = [&["--join", &self.network], more].concat();
        let mut c = CHost::start(&self.c_host, &program, &self.c_home, &arguments)?;
        c.await_online(WAIT)?;
        tell("the C host is online", start);
        let network = self.network.parse().context("a network")?;
        let addresses = c.await_joined(network, WAIT)?;
        tell("the C host is a member", start);
        Ok((c, addresses))
    }

    /// Pings every address of the other, in both directions.
    fn ping_both_ways(&self, c_addresses: &[Cidr]) -> Result<()> {
        for target in &self.member_addresses {
            let time = self.c_host.ping(target.address, PING)?;
            tell_ping("C host to daemon", target.address, time);
        }
        for target in c_addresses {
            let time = self.member_host.ping(target.address, PING)?;
            tell_ping("daemon to C host", target.address, time);
        }
        Ok(())
    }
}

const PING: Ping = Ping { payload: 56, interval: Duration::from_millis(100), patience: WAIT };

fn tell_ping(what: &str, target: IpAddr, time: Duration) {
    let _ = writeln!(std::io::stdout(), "{:7.3} s  until a ping was answered, {what} at {target}", time.as_secs_f64());
}

/// How many peers have a working path of this type.
fn peers_by(dump: &Value, path_type: &str) -> usize {
    let peers = dump["peers"].as_array().map(Vec::as_slice).unwrap_or_default();
    peers.iter().filter(|peer| path_types(peer).iter().any(|found| found == path_type)).count()
}

#[test]
fn two_c_hosts_with_the_network_master_in_one_of_them() -> Result<()> {
    let Some(lab) = Lab::new("c-two")? else { return Ok(()) };
    let program = Example::SeedHost.build(&CoreLibrary::ours()?)?;
    let key = lab.identity(1);
    let planet = lab.planet(&[(key.identity(), &["10.0.1.1/9993"])])?;
    let hosts = [lab.host("master", &["10.0.1.1/16"])?, lab.host("member", &["10.0.2.1/16"])?];
    let home = lab.home("master")?.with_identity(&key)?.with_planet(&planet)?;
    let start = Instant::now();
    let mut master = CHost::start(&hosts[0], &program, &home, &["--master", "--member", "all"])?;
    let network = master.network()?;
    let of_master = master.await_joined(network, WAIT)?;
    tell("the master is a member of its own network", start);

    let start = Instant::now();
    let home = lab.home("member")?.with_identity(&lab.identity(2))?.with_planet(&planet)?;
    let mut member = CHost::start(&hosts[1], &program, &home, &["--simple", "--join", &network.to_string()])?;
    let of_member = member.await_joined(network, WAIT)?;
    tell("the other is a member, let in by the master", start);
    tell_ping("member to master", first(&of_master)?, hosts[1].ping(first(&of_master)?, PING)?);
    tell_ping("master to member", first(&of_member)?, hosts[0].ping(first(&of_member)?, PING)?);

    // Joined networks are part of what the library keeps for a node that was made with a home path.
    let start = Instant::now();
    let mut member = member.restart(&["--simple"])?;
    member.await_joined(network, WAIT)?;
    hosts[0].ping(first(&of_member)?, PING)?;
    tell("restarted, a member and pinged", start);

    let dump = master.dump()?;
    ensure!(dump["status"]["online"] == true, "a root is online: {dump}");
    let seen = peer(&dump, &member.address()?.to_string())?;
    ensure!(path_types(seen).contains(&"UDP".to_owned()), "a direct path: {seen}");
    ensure!(dump["networks"][0]["status"] == "OK" && dump["networks"][0]["device"] == "zt0", "{dump}");
    member.stop()?;
    master.stop()
}

#[test]
fn a_c_host_beside_a_daemon() -> Result<()> {
    let Some(scene) = Scene::new("c-daemon")? else { return Ok(()) };
    let (c, addresses) = scene.start_c(Example::SeedHost, &[])?;
    ensure!(addresses.len() == 3, "an IPv4, an rfc4193 and a 6plane address: {addresses:?}");
    scene.ping_both_ways(&addresses)?;
    c.stop()?;
    scene.member.stop()?;
    scene.root.stop()
}

#[test]
fn a_modern_c_host_beside_a_daemon() -> Result<()> {
    let Some(scene) = Scene::new("c-modern")? else { return Ok(()) };
    let (mut c, addresses) = scene.start_c(Example::ModernHost, &[])?;
    scene.ping_both_ways(&addresses)?;
    let dump = c.dump()?;
    let seen = peer(&dump, &scene.member.address().to_string())?;
    ensure!(seen["paths"].as_array().is_some_and(|paths| !paths.is_empty()), "a direct path: {seen}");
    c.stop()?;
    scene.member.stop()?;
    scene.root.stop()
}

#[test]
fn nodes_without_sockets() -> Result<()> {
    for example in [Example::TwoNodes, Example::TwoNodesModern] {
        let output = Command::new(example.build(&CoreLibrary::ours()?)?).output()?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
        let _ = writeln!(std::io::stdout(), "{example:?}:\n{text}");
        ensure!(output.status.success(), "{example:?}: {}\n{text}", output.status);
    }
    Ok(())
}

/// All UDP of a host is lost in both directions, or none.
fn cut_udp(host: &Host, cut: bool) -> Result<()> {
    let rules = ["iifname", "oifname"].map(|way| match cut {
        true => format!("{way} eth0 meta l4proto udp drop"),
        false => String::new(),
    });
    Ok(host.namespace().nft(&format!(
        "table inet cut {{}}\ndelete table inet cut\ntable inet cut {{\n\
         chain in {{ type filter hook input priority 0;\n{}\n}}\n\
         chain out {{ type filter hook output priority 0;\n{}\n}}\n}}\n",
        rules[0], rules[1]
    ))?)
}

fn level_is(level: i64) -> impl Fn(&Value) -> Option<()> {
    move |event| (event["code"] == "DESPERATION_CHANGE" && event["level"] == level).then_some(())
}

fn peer<'a>(dump: &'a Value, address: &str) -> Result<&'a Value> {
    let peers = dump["peers"].as_array().context("peers")?;
    peers.iter().find(|peer| peer["address"] == address).with_context(|| format!("no peer {address}: {dump}"))
}

/// Types of the paths that work.
fn path_types(peer: &Value) -> Vec<String> {
    let paths = peer["paths"].as_array().cloned().unwrap_or_default();
    let active = paths.iter().filter(|path| path["active"] == true);
    active.filter_map(|path| path["type"].as_str().map(str::to_owned)).collect()
}

/// Packets with the spam flag that were wanted over the link of a level.
fn spam(dump: &Value, level: usize) -> u64 {
    dump["links"][level]["spam"].as_u64().unwrap_or(0)
}

/// Pings without end until told to stop; the longest time without an answer.
fn longest_silence(host: &Host, target: IpAddr, stop: &AtomicBool) -> Result<Duration> {
    let (mut longest, mut last) = (Duration::ZERO, Instant::now());
    while !stop.load(Ordering::Relaxed) {
        if host.ping_once(target, Duration::from_millis(100))?.is_some() {
            longest = longest.max(last.elapsed());
            last = Instant::now();
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    Ok(longest.max(last.elapsed()))
}

#[test]
fn a_c_host_whose_udp_is_cut_goes_on_by_tcp_and_comes_back() -> Result<()> {
    let Some(scene) = Scene::new("c-cut")? else { return Ok(()) };
    let relay_host = scene.lab.host("relay", &["10.0.4.1/16"])?;
    let relay = CHost::relay(&relay_host, &CoreLibrary::ours()?, 4443)?;
    let (mut c, addresses) = scene.start_c(Example::SeedHost, &["--tcp-relay", "10.0.4.1:4443"])?;
    scene.ping_both_ways(&addresses)?;
    ensure!(peers_by(&c.dump()?, "UDP") == 2, "root and member by UDP: {}", c.dump()?);

    let target = first(&scene.member_addresses)?;
    let end = AtomicBool::new(false);
    let silence = std::thread::scope(|threads| -> Result<Duration> {
        // What applications do meanwhile: they go on.
        let pings = threads.spawn(|| longest_silence(&scene.c_host, target, &end));
        let outcome = cut_and_heal(&scene, &mut c, &addresses);
        end.store(true, Ordering::Relaxed);
        let silence = pings.join().map_err(|_| anyhow!("the pings panicked"))?;
        outcome.and(silence)
    })?;
    let _ = writeln!(std::io::stdout(), "{:7.3} s  longest time without an answer to a ping", silence.as_secs_f64());
    ensure!(silence < Duration::from_secs(8), "pings were lost for {silence:?}");
    c.stop()?;
    relay.stop()
}

fn cut_and_heal(scene: &Scene, c: &mut CHost, addresses: &[Cidr]) -> Result<()> {
    let (mark, cut) = (c.mark(), Instant::now());
    cut_udp(&scene.c_host, true)?;
    c.await_event_after(mark, "level 1", WAIT, level_is(1))?;
    tell("UDP cut to level 1", cut);
    ensure!(cut.elapsed() < Duration::from_secs(7), "level 1 after {:?}", cut.elapsed());
    scene.ping_both_ways(addresses)?;
    tell("UDP cut to pings by TCP, both ways", cut);
    c.await_dump("spam over both links", WAIT, |dump| (spam(dump, 0) > 0 && spam(dump, 1) > 0).then_some(()))?;
    tell("UDP cut to spam over both links", cut);
    meet_a_stranger(scene, c, addresses)?;
    let by_tcp = c.dump()?;
    ensure!(peers_by(&by_tcp, "TCP_OUT") >= 2, "root and member by TCP: {by_tcp}");

    let (mark, healed) = (c.mark(), Instant::now());
    cut_udp(&scene.c_host, false)?;
    c.await_event_after(mark, "level 0", WAIT, level_is(0))?;
    tell("UDP back to level 0", healed);
    ensure!(healed.elapsed() < Duration::from_secs(6), "level 0 after {:?}", healed.elapsed());
    scene.ping_both_ways(addresses)?;
    let sent = |dump: &Value, level: usize| dump["links"][level]["sent"].as_u64().unwrap_or(0);
    let before = c.dump()?;
    scene.ping_both_ways(addresses)?;
    let after = c.dump()?;
    ensure!(sent(&after, 0) > sent(&before, 0), "pings by UDP: {after}");
    ensure!(peers_by(&after, "UDP") >= 2, "root and member by UDP: {after}");
    Ok(())
}

/// A member that the host has not met before it had to use TCP, and that is heard from an address it never had before.
fn meet_a_stranger(scene: &Scene, c: &mut CHost, addresses: &[Cidr]) -> Result<()> {
    let start = Instant::now();
    let host = scene.lab.host("stranger", &["10.0.5.1/16"])?;
    let home = scene.lab.home("stranger")?.with_identity(&scene.lab.identity(4))?;
    let home = home.with_planet(&scene.c_home.read("planet")?)?;
    let daemon = host.start(&Program::ours()?, home)?;
    let network = scene.network.parse().context("a network")?;
    scene.root.authorise(network, daemon.address(), true)?;
    daemon.join(network)?;
    let of_stranger = daemon.wait_joined(network, WAIT)?;
    scene.c_host.ping(first(&of_stranger)?, PING)?;
    host.ping(first(addresses)?, PING)?;
    tell("a stranger is a member and pinged by TCP", start);

    let start = Instant::now();
    host.delete_address("eth0", "10.0.5.1/16")?;
    host.add_address("eth0", "10.0.6.1/16")?;
    host.ping(first(addresses)?, PING)?;
    let address = daemon.address().to_string();
    c.await_dump("a path heard first by TCP", WAIT, |dump| {
        let types = path_types(peer(dump, &address).ok()?);
        types.iter().any(|found| found == "TCP_IN").then_some(())
    })?;
    tell("the stranger moved, and is heard first by TCP", start);
    daemon.stop()
}
