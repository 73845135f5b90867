//! One TCP stream between two members over a root, by UDP and by each kind of stream, in turn; see
//! `cargo xtask bench streams`.
#![expect(clippy::print_stdout, reason = "a program for people")]

use std::net::IpAddr;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use serde_json::{Value, json};
use zt_test_e2e::c_cut::{Loss, lose_udp};
use zt_test_e2e::streams::{Member, Scene};
use zt_test_e2e::{Cut, Ping, tcp};

const HELP: &str = "usage: streams [--megabytes N] [--rounds N] [--only NAME]

  --megabytes N   how much each stream moves [100]
  --rounds N      streams of each kind, in turn [5]
  --only NAME     one kind beside UDP: tcp, tls, ws or wss";

const WAIT: Duration = Duration::from_secs(90);
/// What a kind of stream has to carry of what UDP does.
const LEAST: f64 = 0.5;

fn main() -> ExitCode {
    match run(&std::env::args().skip(1).collect::<Vec<_>>()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            println!("streams: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(words: &[String]) -> Result<()> {
    let (mut megabytes, mut rounds, mut only) = (100_u64, 5_usize, None);
    let mut words = words.iter();
    while let Some(word) = words.next() {
        let value = words.next().with_context(|| format!("{word} needs a value\n{HELP}"))?;
        match word.as_str() {
            "--megabytes" => megabytes = value.parse().context(HELP)?,
            "--rounds" => rounds = value.parse().context(HELP)?,
            "--only" => only = Some(value.as_str()),
            other => bail!("unknown argument {other}\n{HELP}"),
        }
    }
    let wanted = |kind: &&str| only.is_none_or(|only| *kind == "udp" || *kind == only);
    let kinds: Vec<&'static str> = ["udp", "tcp", "tls", "ws", "wss"].into_iter().filter(wanted).collect();
    let ways: Result<Vec<Way>> = kinds.iter().map(|kind| Way::new(kind)).collect();
    let ways = ways?;
    // In turn, so that what else the machine does meets all of them.
    let mut speeds = vec![Vec::new(); ways.len()];
    for _ in 0..rounds.max(1) {
        for (way, speeds) in ways.iter().zip(&mut speeds) {
            speeds.push(way.speed(megabytes)?);
        }
    }
    println!("one TCP stream of {megabytes} MB over the root, median of {rounds}");
    let medians: Vec<f64> = speeds.iter_mut().map(|list| median(list)).collect();
    let mut short = Vec::new();
    for (way, speed) in ways.iter().zip(&medians) {
        let ratio = speed / medians[0];
        println!("{:4} {speed:9.0} Mbit/s   {ratio:.2} of UDP", way.kind);
        if ratio < LEAST {
            short.push(way.kind);
        }
    }
    if short.is_empty() { Ok(()) } else { bail!("less than {LEAST} of UDP: {}", short.join(", ")) }
}

fn median(list: &mut [f64]) -> f64 {
    list.sort_by(f64::total_cmp);
    list[list.len() / 2]
}

/// Two members that reach each other over the root by one kind of stream.
struct Way {
    kind: &'static str,
    members: [Member; 2],
    target: IpAddr,
    _scene: Scene,
}

impl Way {
    fn new(kind: &'static str) -> Result<Self> {
        let scene = Scene::with_log(kind, &json!({ "listen": [443] }), "info")?;
        let scene = scene.context("this machine has no namespaces or TAP devices")?;
        let settings = settings(&scene, kind)?;
        let member = |name: &str, address: &str, seed: u64| -> Result<Member> {
            let host = scene.lab.host(name, &[address])?;
            if kind != "udp" {
                lose_udp(&host, Loss::Both)?;
            }
            let member = scene.member(host, seed, &settings)?;
            member.node.wait_online(WAIT)?;
            Ok(member)
        };
        scene.lab.internet().cut(&Cut::between("10.0.0.2/32", "10.0.0.3/32")?)?;
        let members = [member("a", "10.0.0.2/24", 2)?, member("b", "10.0.0.3/24", 3)?];
        let _of_a = scene.address_of(&members[0])?;
        let target = scene.address_of(&members[1])?;
        members[0].host.ping(target, Ping { patience: WAIT, ..Ping::default() })?;
        for member in &members {
            scene.wait_kind(member, if kind == "tls" { "tcp" } else { kind_of_link(kind) })?;
        }
        let way = Self { kind, members, target, _scene: scene };
        way.speed(5)?;
        Ok(way)
    }

    /// Mbit/s of one stream.
    fn speed(&self, megabytes: u64) -> Result<f64> {
        let [from, to] = &self.members;
        Ok(tcp(&from.host, &to.host, self.target, megabytes * 1_000_000)?.megabits_per_second())
    }
}

/// As the status names it.
fn kind_of_link(kind: &str) -> &str {
    match kind {
        "ws" | "wss" => "websocket",
        other => other,
    }
}

/// Settings of members that leave nothing but this kind of stream.
fn settings(scene: &Scene, kind: &str) -> Result<Value> {
    let targets: &[&str] = match kind {
        "udp" => return Ok(json!({ "connect": false })),
        "tcp" => &["tcp://10.0.0.1"],
        "tls" => &["tls://10.0.0.1#sha256="],
        // Nobody listens there, so that the level rises to that of WebSockets.
        "ws" => &["tcp://10.0.0.1:9", "ws://10.0.0.1:443/"],
        _ => &["tcp://10.0.0.1:9", "wss://10.0.0.1/#sha256="],
    };
    let pin = if targets.iter().any(|target| target.ends_with('=')) { scene.pin()? } else { String::new() };
    let pinned = |target: &&str| if target.ends_with('=') { format!("{target}{pin}") } else { (*target).to_owned() };
    let targets: Vec<String> = targets.iter().map(pinned).collect();
    Ok(json!({ "roots": { scene.root.address().to_string(): targets } }))
}
