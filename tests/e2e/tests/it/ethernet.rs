//! Members on one switch, without UDP and IP between them.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use zt_tap::netns::Namespace;
use zt_tap::{LinuxTap, TapSpec};
use zt_test_e2e::rig::{Rig, first};
use zt_test_e2e::streams::longest_silence;
use zt_test_e2e::{Daemon, Host, Lab, Ping, Program, Switch, figure};
use zt_wire::{FrameBatch, Mac};

const WAIT: Duration = Duration::from_secs(60);
/// The longest time without an answer when the cable is pulled, by issue.
const FALLBACK: Duration = Duration::from_secs(3);
const DEVICE: &str = "lan0";

/// Two members with UDP by one switch, and cables to another one without addresses.
struct Scene {
    rig: Rig,
    lan: Switch,
    target: std::net::IpAddr,
}

impl Scene {
    fn new(name: &str, mtu: u32) -> Result<Option<Self>> {
        let zt = Program::ours()?;
        let mut lan = None;
        let hosts = |lab: &Lab| -> Result<[Host; 2]> {
            let hosts = [lab.host("a", &["10.0.0.2/24"])?, lab.host("b", &["10.0.0.3/24"])?];
            let switch = lab.switch()?;
            for host in &hosts {
                host.plug(DEVICE, &switch, &[])?;
                host.namespace().set_mtu(DEVICE, mtu)?;
            }
            switch.set_mtu(mtu)?;
            lan = Some(switch);
            Ok(hosts)
        };
        let Some(rig) = Rig::with_hosts(name, [&zt, &zt, &zt], hosts)? else { return Ok(None) };
        let addresses = rig.join(WAIT)?;
        let target = first(&addresses[1])?;
        // While the node runs.
        for member in &rig.members {
            let settings = json!({ "settings": { "ethernet": [DEVICE] } });
            std::fs::write(member.home().join("local.conf"), settings.to_string())?;
        }
        rig.hosts[0].ping(target, Ping { patience: WAIT, ..Ping::default() })?;
        Ok(Some(Self { rig, lan: lan.context("made with the hosts")?, target }))
    }

    /// Waits until both members send by such a link to each other, pinging; how long that took.
    fn wait_kind(&self, kind: &str) -> Result<Duration> {
        let start = Instant::now();
        let [a, b] = &self.rig.members;
        for (one, other) in [(a, b), (b, a)] {
            one.wait(&format!("traffic by {kind}"), WAIT, || {
                self.rig.hosts[0].ping_once(self.target, Duration::from_millis(100))?;
                Ok((used(one, other)?["link"].as_str().unwrap_or("udp") == kind).then_some(()))
            })?;
        }
        Ok(start.elapsed())
    }
}

/// The path that a member sends to another one by.
fn used(from: &Daemon, to: &Daemon) -> Result<Value> {
    let peer = from.peer(to.address())?.unwrap_or_default();
    let paths = peer["paths"].as_array().cloned().unwrap_or_default();
    Ok(paths.into_iter().find(|path| path["preferred"] == true).unwrap_or_default())
}

/// How the interface stands in the eyes of the node.
fn port(node: &Daemon) -> Result<Value> {
    Ok(node.api().get("/status")?["ztEthernet"][0].clone())
}

/// Count of a name of drops.
fn drops(node: &Daemon, name: &str) -> Result<u64> {
    let drops = node.api().get("/drops")?;
    let found = drops.as_array().and_then(|all| all.iter().find(|drop| drop["reason"] == name));
    Ok(found.map_or(0, |drop| drop["count"].as_u64().unwrap_or(0)))
}

#[test]
fn traffic_goes_on_by_udp_when_the_cable_is_pulled_and_returns_with_it() -> Result<()> {
    let Some(scene) = Scene::new("ethernet", 1500)? else { return Ok(()) };
    let [a, b] = &scene.rig.members;
    figure("settings to traffic by Ethernet", scene.wait_kind("ethernet")?, Duration::from_secs(12))?;
    let path = used(a, b)?;
    let mac = port(b)?["mac"].as_str().context("in use")?.to_owned();
    ensure!(path["address"] == mac.as_str() && path["ifname"] == DEVICE, "{path}");
    for round in ["first", "second"] {
        // One's own cable: the kernel tells.
        let gap = longest_silence(&scene.rig.hosts[0], scene.target, || {
            scene.lan.power_port(0, false)?;
            scene.wait_kind("udp").map(drop)
        })?;
        figure(&format!("{round} gap with our cable pulled"), gap, FALLBACK)?;
        ensure!(port(a)?["problem"] == "nothing is plugged in", "{}", port(a)?);
        let mut back = Duration::ZERO;
        let gap = longest_silence(&scene.rig.hosts[0], scene.target, || {
            scene.lan.power_port(0, true)?;
            back = scene.wait_kind("ethernet")?;
            Ok(())
        })?;
        figure(&format!("{round} return to Ethernet"), back, Duration::from_secs(10))?;
        figure(&format!("{round} gap on the way back"), gap, Duration::from_secs(1))?;
        // The switch dies, and nobody is told.
        let gap = longest_silence(&scene.rig.hosts[0], scene.target, || {
            scene.lan.power(false)?;
            scene.wait_kind("udp").map(drop)
        })?;
        figure(&format!("{round} gap with the switch dead"), gap, FALLBACK)?;
        scene.lan.power(true)?;
        figure(&format!("{round} return to the switch"), scene.wait_kind("ethernet")?, Duration::from_secs(10))?;
    }
    Ok(())
}

#[test]
fn jumbo_frames_travel_whole() -> Result<()> {
    let Some(scene) = Scene::new("ethernet-jumbo", 9000)? else { return Ok(()) };
    scene.wait_kind("ethernet")?;
    let [a, b] = &scene.rig.members;
    ensure!(port(a)?["mtu"] == 8996, "{}", port(a)?);
    // A full frame of a network of the usual MTU is one datagram.
    let start = Instant::now();
    a.wait("full frames whole", WAIT, || {
        let how = Ping { payload: 2772, ..Ping::default() };
        scene.rig.hosts[0].ping(scene.target, how)?;
        let before = received(&scene.rig.hosts[1])?;
        for _ in 0..20 {
            scene.rig.hosts[0].ping(scene.target, how)?;
        }
        let pieces = received(&scene.rig.hosts[1])? - before;
        Ok((pieces <= 25).then_some(()))
    })?;
    figure("full frames whole after", start.elapsed(), WAIT)?;
    ensure!(used(a, b)?["link"] == "ethernet");
    // The switch narrows behind their backs.
    scene.lan.set_mtu(1500)?;
    let (host, target) = (&scene.rig.hosts[0], scene.target);
    a.wait("full frames through the narrow switch", WAIT, || {
        Ok(host.ping(target, Ping { payload: 2772, patience: Duration::from_secs(2), ..Ping::default() }).ok())
    })?;
    Ok(())
}

/// Frames that came by the cable.
fn received(host: &Host) -> Result<u64> {
    let text = host.namespace().run(|| std::fs::read_to_string("/proc/thread-self/net/dev"))??;
    let line = text.lines().find_map(|line| line.trim().strip_prefix("lan0:")).context("no such device")?;
    Ok(line.split_whitespace().nth(1).context("a count of packets")?.parse()?)
}

#[test]
fn foreign_frames_have_names_and_traffic_goes_on() -> Result<()> {
    let Some(scene) = Scene::new("ethernet-foreign", 1500)? else { return Ok(()) };
    scene.wait_kind("ethernet")?;
    let [a, _] = &scene.rig.members;
    let mac = port(a)?["mac"].as_str().context("in use")?.parse::<Mac>()?;
    let other = Mac([2, 9, 9, 9, 9, 9]);
    let frame = |to: Mac, from: Mac, payload: &[u8]| {
        [&to.0[..], &from.0, &[0x88, 0xb5], payload, &[0; 46][payload.len().min(46)..]].concat()
    };
    let hello = [&[0x5a, 1, 0, 100][..], &[7; 100]].concat();
    let long = [&[0x5a, 1, 5, 0xd0][..], &[7; 100]].concat();
    let frames = [
        ("ethernet-foreign", frame(mac, other, b"another protocol of this type")),
        ("ethernet-version", frame(mac, other, &[0x5a, 7, 0, 1, 9])),
        ("ethernet-empty", frame(mac, other, &[0x5a, 1, 0, 0])),
        ("ethernet-cut", frame(mac, other, &long)),
        ("ethernet-other-node", frame(Mac::BROADCAST, other, &hello)),
        ("ethernet-bad-source", frame(mac, Mac([3, 9, 9, 9, 9, 9]), &hello)),
    ];
    const FLOOD: u64 = 20_000;
    let stranger = scene.rig.lab.host("stranger", &[])?;
    stranger.plug("eth1", &scene.lan, &[])?;
    let inject = |inside: &Namespace| -> Result<()> {
        inside.add_bridge("br0")?;
        inside.join_bridge("eth1", "br0")?;
        let spec = TapSpec { name: "raw0".to_owned(), mac: Mac([2, 9, 9, 9, 9, 8]), mtu: 1500 };
        let mut tap = inside.run(|| LinuxTap::open(&spec))??;
        inside.set_up("raw0", true)?;
        inside.join_bridge("raw0", "br0")?;
        for (_, frame) in &frames {
            let mut batch = FrameBatch::new(64, 1600);
            for _ in 0..64 {
                batch.push(frame).ok().context("room for a frame")?;
            }
            for _ in 0..FLOOD / 64 / frames.len() as u64 {
                tap.try_send(&batch)?;
            }
        }
        Ok(())
    };
    let silence = longest_silence(&scene.rig.hosts[0], scene.target, || inject(stranger.namespace()))?;
    figure("gap under foreign frames", silence, FALLBACK)?;
    for (name, _) in &frames {
        // What a bridge does not pass on cannot arrive.
        if *name != "ethernet-bad-source" {
            a.wait(name, WAIT, || Ok((drops(a, name)? > 0).then_some(())))?;
        }
    }
    ensure!(used(a, &scene.rig.members[1])?["link"] == "ethernet");
    Ok(())
}
