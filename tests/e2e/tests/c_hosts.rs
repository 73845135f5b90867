//! C programs on the C library: its examples, in namespaces.

use std::io::Write as _;
use std::net::IpAddr;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow, ensure};
use serde_json::Value;
use zt_tap::netns::PingOptions;
use zt_test_e2e::c_host::{CHost, CoreLibrary, Example};
use zt_test_e2e::c_scene::{Member, Scene, beside_a_daemon, ping_both_ways};
use zt_test_e2e::rig::first;
use zt_test_e2e::{Cidr, Daemon, Host, Lab, Namespace, Ping, Program};

const WAIT: Duration = Duration::from_secs(30);

/// Tells a figure.
fn tell(what: &str, time: Duration) {
    let _ = writeln!(std::io::stdout(), "{:7.3} s  {what}", time.as_secs_f64());
}

/// Waits for the first answer to a ping.
fn ping(from: &Host, addresses: &[Cidr]) -> Result<()> {
    let target = first(addresses)?;
    let time = from.ping(target, Ping { patience: WAIT, ..Ping::default() })?;
    tell(&format!("{} pings {target}", from.name()), time);
    Ok(())
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
    beside_a_daemon(Example::SeedHost, &zt, &zt, &mut tell).map(drop)
}

#[test]
fn a_modern_c_host_beside_a_daemon() -> Result<()> {
    let zt = Program::ours()?;
    beside_a_daemon(Example::ModernHost, &zt, &zt, &mut tell).map(drop)
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

/// What was counted for the link of a level.
fn count(dump: &Value, level: usize, what: &str) -> u64 {
    dump["links"][level][what].as_u64().unwrap_or(0)
}

#[test]
fn a_c_host_whose_udp_is_cut_goes_on_by_tcp_and_comes_back() -> Result<()> {
    let Some(scene) = Scene::new("c-cut", &Program::ours()?)? else { return Ok(()) };
    let daemon = scene.daemon("daemon", 2, &Program::ours()?)?;
    let core = CoreLibrary::ours()?;
    let mut relay = CHost::relay(&scene.lab.host("relay", &["10.0.9.1/16"])?, &core, 4443)?;
    let program = Example::SeedHost.build(&core)?;
    let mut c = scene.c_host("c", 3, &program, &["--tcp-relay", "10.0.9.1:4443"], &mut tell)?;
    ping_both_ways(&c, &daemon, &mut tell)?;
    let before = c.node.dump()?;
    ensure!(peers_by(&before, "UDP") == 2, "root and daemon by UDP: {before}");

    // What applications do meanwhile: they go on.
    let (pinger, target, end) = (Arc::clone(c.host.namespace()), first(&daemon.addresses)?, AtomicBool::new(false));
    let silence = std::thread::scope(|threads| -> Result<Duration> {
        let pings = threads.spawn(|| longest_silence(&pinger, target, &end));
        let outcome = cut_and_heal(&scene, &mut c, &daemon, &mut relay);
        end.store(true, Ordering::Relaxed);
        let silence = pings.join().map_err(|_| anyhow!("the pings panicked"))?;
        outcome.and(silence)
    })?;
    tell("longest time without an answer to a ping", silence);
    ensure!(silence < Duration::from_secs(8), "pings were lost for {silence:?}");
    c.node.stop()?;
    relay.stop()
}

fn cut_and_heal(scene: &Scene, c: &mut Member<CHost>, daemon: &Member<Daemon>, relay: &mut CHost) -> Result<()> {
    let (mark, cut) = (c.node.mark(), Instant::now());
    cut_udp(&c.host, true)?;
    c.node.await_event_after(mark, "level 1", WAIT, level_is(1))?;
    tell("UDP cut to level 1", cut.elapsed());
    ensure!(cut.elapsed() < Duration::from_secs(7), "level 1 after {:?}", cut.elapsed());
    ping_both_ways(c, daemon, &mut tell)?;
    tell("UDP cut to pings by TCP, both ways", cut.elapsed());
    let both = |dump: &Value| (count(dump, 0, "spam") > 0 && count(dump, 1, "spam") > 0).then_some(());
    c.node.await_dump("spam over both links", WAIT, both)?;
    tell("UDP cut to spam over both links", cut.elapsed());
    meet_a_stranger(scene, c)?;
    restart_relay(c, daemon, relay)?;
    let by_tcp = c.node.dump()?;
    ensure!(peers_by(&by_tcp, "TCP_OUT") >= 2, "root and daemon by TCP: {by_tcp}");
    ensure!(peers_by(&by_tcp, "UDP") == 0, "nobody by UDP: {by_tcp}");

    let (mark, healed) = (c.node.mark(), Instant::now());
    cut_udp(&c.host, false)?;
    c.node.await_event_after(mark, "level 0", WAIT, level_is(0))?;
    tell("UDP back to level 0", healed.elapsed());
    ensure!(healed.elapsed() < Duration::from_secs(6), "level 0 after {:?}", healed.elapsed());
    let before = c.node.dump()?;
    ping_both_ways(c, daemon, &mut tell)?;
    let after = c.node.dump()?;
    ensure!(count(&after, 0, "sent") > count(&before, 0, "sent"), "pings by UDP: {after}");
    ensure!(peers_by(&after, "UDP") >= 2, "root and daemon by UDP: {after}");
    Ok(())
}

/// A member that the host has not met before it had to use TCP, and that is then heard from a new address.
fn meet_a_stranger(scene: &Scene, c: &mut Member<CHost>) -> Result<()> {
    let start = Instant::now();
    let stranger = scene.daemon("stranger", 5, &Program::ours()?)?;
    ping(&c.host, &stranger.addresses)?;
    ping(&stranger.host, &c.addresses)?;
    tell("a stranger is a member and pinged by TCP", start.elapsed());

    let start = Instant::now();
    stranger.host.delete_address("eth0", "10.0.5.1/16")?;
    stranger.host.add_address("eth0", "10.0.6.1/16")?;
    ping(&stranger.host, &c.addresses)?;
    let address = stranger.node.address().to_string();
    c.node.await_dump("a path heard first by TCP", WAIT, |dump| {
        let types = path_types(peer(dump, &address).ok()?);
        types.iter().any(|found| found == "TCP_IN").then_some(())
    })?;
    tell("the stranger moved, and is heard first by TCP", start.elapsed());
    stranger.node.stop()
}

/// The relay ends and comes back: the host connects again, and the others find it behind another socket.
fn restart_relay(c: &mut Member<CHost>, daemon: &Member<Daemon>, relay: &mut CHost) -> Result<()> {
    let (mark, start) = (c.node.mark(), Instant::now());
    relay.restart_in_place()?;
    let state = |wanted: &'static str| move |event: &Value| (event["state"] == wanted).then_some(());
    c.node.await_event_after(mark, "end of the connection", WAIT, state("closed"))?;
    c.node.await_event_after(mark, "another connection", WAIT, state("connected"))?;
    tell("connected to the relay again", start.elapsed());
    ping_both_ways(c, daemon, &mut tell)?;
    tell("pings by the restarted relay, both ways", start.elapsed());
    Ok(())
}

/// Pings without end until told to stop; the longest time without an answer.
fn longest_silence(from: &Namespace, target: IpAddr, stop: &AtomicBool) -> Result<Duration> {
    let mut pinger = from.pinger(target)?;
    let (mut longest, mut last) = (Duration::ZERO, Instant::now());
    while !stop.load(Ordering::Relaxed) {
        if pinger.ping(PingOptions { timeout: Duration::from_millis(100), ..PingOptions::default() }).is_ok() {
            longest = longest.max(last.elapsed());
            last = Instant::now();
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    Ok(longest.max(last.elapsed()))
}

#[test]
fn a_c_host_without_another_link_despairs_and_comes_back() -> Result<()> {
    let Some(scene) = Scene::new("c-despair", &Program::ours()?)? else { return Ok(()) };
    let program = Example::SeedHost.build(&CoreLibrary::ours()?)?;
    let mut c = scene.c_host("c", 3, &program, &[], &mut tell)?;
    let (mark, cut) = (c.node.mark(), Instant::now());
    cut_udp(&c.host, true)?;
    for level in [1, 2] {
        c.node.await_event_after(mark, &format!("level {level}"), WAIT, level_is(level))?;
        tell(&format!("UDP cut to level {level}"), cut.elapsed());
    }
    let (mark, healed) = (c.node.mark(), Instant::now());
    cut_udp(&c.host, false)?;
    c.node.await_event_after(mark, "level 0", WAIT, level_is(0))?;
    tell("UDP back to level 0", healed.elapsed());
    ensure!(healed.elapsed() < Duration::from_secs(6), "level 0 after {:?}", healed.elapsed());
    c.node.stop()
}
