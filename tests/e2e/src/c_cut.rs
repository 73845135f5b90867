//! C hosts whose UDP is cut, with a TCP link to turn to and without.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow, ensure};
use serde_json::Value;
use zt_tap::netns::{Namespace, PingOptions};

use crate::c_host::{CHost, CoreLibrary, Example};
use crate::c_scene::{Member, Scene, Step, ping_both_ways};
use crate::rig::first;
use crate::{Daemon, Host, Program, within};

/// What is lost of a host's UDP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Loss {
    /// Nothing.
    None,
    /// What comes in; what goes out arrives.
    Incoming,
    /// All; the system refuses to send.
    Both,
}

/// The level is back at 0 after this time at the latest: probes of better levels come every 2.5 s.
const BACK: Duration = Duration::from_secs(6);
const WAIT: Duration = Duration::from_secs(60);

/// A host with a TCP relay among daemons of one program: it goes on by TCP, also with members that it has not met
/// before and when the relay restarts, and comes back to UDP. Pings of the host to a member go on all the time, and
/// none may be without an answer for longer than `silence`.
///
/// # Errors
/// The first step that failed. `None` where the machine has no namespaces.
pub fn with_relay(program: &Program, loss: Loss, silence: Duration, step: Step<'_>) -> Result<Option<()>> {
    let Some(scene) = Scene::new("c-cut", program)? else { return Ok(None) };
    let daemon = scene.daemon("daemon", 2, program)?;
    let core = CoreLibrary::ours()?;
    let mut relay = CHost::relay(&scene.lab.host("relay", &["10.0.9.1/16"])?, &core, 4443)?;
    let host = Example::Zt1Host.build(&core)?;
    let mut c = scene.c_host("c", 3, &host, &["--tcp-relay", "10.0.9.1:4443"], step)?;
    ping_both_ways(&c, &daemon, step)?;
    let before = c.node.dump()?;
    ensure!(peers_by(&before, "UDP") == 2, "root and daemon by UDP: {before}");

    // What applications do meanwhile: they go on.
    let (pinger, target, end) = (Arc::clone(c.host.namespace()), first(&daemon.addresses)?, AtomicBool::new(false));
    let longest = std::thread::scope(|threads| -> Result<Duration> {
        let pings = threads.spawn(|| longest_silence(&pinger, target, &end));
        let mut act = || -> Result<()> {
            cut(&mut c, &daemon, loss, step)?;
            meet_a_stranger(&scene, &mut c, program, step)?;
            restart_relay(&mut c, &daemon, &mut relay, step)?;
            heal(&mut c, &daemon, step)
        };
        let outcome = act();
        end.store(true, Ordering::Relaxed);
        let longest = pings.join().map_err(|_| anyhow!("the pings panicked"))?;
        outcome.and(longest)
    })?;
    step("longest time without an answer to a ping", longest);
    within("longest time without an answer to a ping", longest, silence)?;
    c.node.stop()?;
    relay.stop()?;
    Ok(Some(()))
}

fn cut(c: &mut Member<CHost>, daemon: &Member<Daemon>, loss: Loss, step: Step<'_>) -> Result<()> {
    let (mark, start) = (c.node.mark(), Instant::now());
    lose_udp(&c.host, loss)?;
    c.node.await_event_after(mark, "level 1", WAIT, level_is(1))?;
    step("UDP cut to level 1", start.elapsed());
    within("UDP cut to level 1", start.elapsed(), Duration::from_secs(7))?;
    ping_both_ways(c, daemon, step)?;
    step("UDP cut to pings by TCP, both ways", start.elapsed());
    let both = |dump: &Value| (count(dump, 0, "spam") > 0 && count(dump, 1, "spam") > 0).then_some(());
    c.node.await_dump("spam over both links", WAIT, both)?;
    step("UDP cut to spam over both links", start.elapsed());
    let by_tcp = c.node.dump()?;
    ensure!(peers_by(&by_tcp, "TCP_OUT") >= 2, "root and daemon by TCP: {by_tcp}");
    ensure!(peers_by(&by_tcp, "UDP") == 0, "nobody by UDP: {by_tcp}");
    Ok(())
}

/// A member that the host has not met before it had to use TCP, and that is then heard from a new address.
fn meet_a_stranger(scene: &Scene, c: &mut Member<CHost>, program: &Program, step: Step<'_>) -> Result<()> {
    let start = Instant::now();
    let stranger = scene.daemon("stranger", 5, program)?;
    ping_both_ways(c, &stranger, step)?;
    step("a stranger is a member and pinged by TCP", start.elapsed());

    let start = Instant::now();
    stranger.host.delete_address("eth0", "10.0.5.1/16")?;
    stranger.host.add_address("eth0", "10.0.6.1/16")?;
    ping_both_ways(c, &stranger, step)?;
    let address = stranger.node.address().to_string();
    c.node.await_dump("a path heard first by TCP", WAIT, |dump| {
        let types = path_types(peer(dump, &address).ok()?);
        types.iter().any(|found| found == "TCP_IN").then_some(())
    })?;
    step("the stranger moved, and is heard first by TCP", start.elapsed());
    stranger.node.stop()
}

/// The relay ends and comes back: the host connects again, and the others find it behind another socket.
fn restart_relay(c: &mut Member<CHost>, daemon: &Member<Daemon>, relay: &mut CHost, step: Step<'_>) -> Result<()> {
    let (mark, start) = (c.node.mark(), Instant::now());
    relay.restart_in_place()?;
    let state = |wanted: &'static str| move |event: &Value| (event["state"] == wanted).then_some(());
    c.node.await_event_after(mark, "end of the connection", WAIT, state("closed"))?;
    c.node.await_event_after(mark, "another connection", WAIT, state("connected"))?;
    step("connected to the relay again", start.elapsed());
    ping_both_ways(c, daemon, step)?;
    step("pings by the restarted relay, both ways", start.elapsed());
    Ok(())
}

fn heal(c: &mut Member<CHost>, daemon: &Member<Daemon>, step: Step<'_>) -> Result<()> {
    let (mark, start) = (c.node.mark(), Instant::now());
    lose_udp(&c.host, Loss::None)?;
    await_level_0(&mut c.node, mark, start, step)?;
    let before = c.node.dump()?;
    ping_both_ways(c, daemon, step)?;
    let after = c.node.dump()?;
    ensure!(count(&after, 0, "sent") > count(&before, 0, "sent"), "pings by UDP: {after}");
    ensure!(peers_by(&after, "UDP") >= 2, "root and daemon by UDP: {after}");
    Ok(())
}

fn await_level_0(c: &mut CHost, mark: usize, start: Instant, step: Step<'_>) -> Result<()> {
    c.await_event_after(mark, "level 0", WAIT, level_is(0))?;
    step("UDP back to level 0", start.elapsed());
    within("UDP back to level 0", start.elapsed(), BACK)
}

/// A host that has nothing but UDP: it tries level 1, then 2, and comes back.
///
/// # Errors
/// The first step that failed. `None` where the machine has no namespaces.
pub fn without_relay(root: &Program, step: Step<'_>) -> Result<Option<()>> {
    let Some(scene) = Scene::new("c-despair", root)? else { return Ok(None) };
    let program = Example::Zt1Host.build(&CoreLibrary::ours()?)?;
    let mut c = scene.c_host("c", 3, &program, &[], step)?;
    let (mark, start) = (c.node.mark(), Instant::now());
    lose_udp(&c.host, Loss::Both)?;
    for level in [1, 2] {
        c.node.await_event_after(mark, &format!("level {level}"), WAIT, level_is(level))?;
        step(&format!("UDP cut to level {level}"), start.elapsed());
    }
    let (mark, start) = (c.node.mark(), Instant::now());
    lose_udp(&c.host, Loss::None)?;
    await_level_0(&mut c.node, mark, start, step)?;
    c.node.stop()?;
    Ok(Some(()))
}

/// Has a host lose its UDP from now on.
///
/// # Errors
/// `nft` is missing.
pub fn lose_udp(host: &Host, loss: Loss) -> Result<()> {
    let rule = |way: &str, lost: bool| match lost {
        true => format!("{way} eth0 meta l4proto udp drop"),
        false => String::new(),
    };
    Ok(host.namespace().nft(&format!(
        "table inet cut {{}}\ndelete table inet cut\ntable inet cut {{\n\
         chain in {{ type filter hook input priority 0;\n{}\n}}\n\
         chain out {{ type filter hook output priority 0;\n{}\n}}\n}}\n",
        rule("iifname", loss != Loss::None),
        rule("oifname", loss == Loss::Both)
    ))?)
}

fn level_is(level: i64) -> impl Fn(&Value) -> Option<()> {
    move |event| (event["code"] == "DESPERATION_CHANGE" && event["level"] == level).then_some(())
}

/// What was counted for the link of a level.
fn count(dump: &Value, level: usize, what: &str) -> u64 {
    dump["links"][level][what].as_u64().unwrap_or(0)
}

/// A peer in a dump.
///
/// # Errors
/// It is not there.
pub fn peer<'a>(dump: &'a Value, address: &str) -> Result<&'a Value> {
    let peers = dump["peers"].as_array().context("peers")?;
    peers.iter().find(|peer| peer["address"] == address).with_context(|| format!("no peer {address}: {dump}"))
}

/// Types of the paths of a peer that work.
#[must_use]
pub fn path_types(peer: &Value) -> Vec<String> {
    let paths = peer["paths"].as_array().cloned().unwrap_or_default();
    let active = paths.iter().filter(|path| path["active"] == true);
    active.filter_map(|path| path["type"].as_str().map(str::to_owned)).collect()
}

/// How many peers have a working path of this type.
fn peers_by(dump: &Value, path_type: &str) -> usize {
    let peers = dump["peers"].as_array().map(Vec::as_slice).unwrap_or_default();
    peers.iter().filter(|peer| path_types(peer).iter().any(|found| found == path_type)).count()
}

/// Pings without end until told to stop; the longest time without an answer.
pub(crate) fn longest_silence(from: &Namespace, target: IpAddr, stop: &AtomicBool) -> Result<Duration> {
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
