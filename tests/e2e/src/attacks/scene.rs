//! The scene of an attack, and what is measured in it.

use std::fs;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow};
use zt_tap::netns::{Namespace, PingOptions};
use zt_wire::NetworkId;

use super::packets::Forge;
use super::sender::{Load, Sent};
use super::{Attack, Target};
use crate::nft::Counter;
use crate::rig::{first, network_settings};
use crate::{Daemon, Host, Lab, Options, Ping, Program};

/// The attacker's own address.
pub(crate) const OWN: Ipv4Addr = Ipv4Addr::new(10, 0, 4, 1);
/// Begin of the block (/16) whose addresses it writes on its packets.
pub(crate) const FORGED_BLOCK: [u8; 2] = [10, 66];
/// One of them.
pub(crate) const FORGED: Ipv4Addr = Ipv4Addr::new(10, 66, 6, 6);

/// Stock nodes need long for some things.
const WAIT: Duration = Duration::from_secs(90);
/// Between two pings, and how long an answer may take.
const PING_EVERY: Duration = Duration::from_millis(10);
const PING_PATIENCE: Duration = Duration::from_secs(1);
/// Header bytes that the kernel's counters count beside the payload.
const IP_AND_UDP: u64 = 28;
/// Kernel clock ticks in a second, as `/proc` counts them.
const TICKS: f64 = 100.0;

/// A root, two members, an attacker.
pub(super) struct Scene {
    lab: Lab,
    hosts: [Host; 3],
    daemons: [Daemon; 3],
    attacker: Host,
    network: NetworkId,
    /// The virtual address of the member that is attacked.
    address: IpAddr,
}

/// What an attack did.
#[derive(Debug, Clone, Copy)]
pub struct Measured {
    /// Packets in a second that left the attacker.
    pub rate: f64,
    /// Part of the pings between the members without an answer in a second.
    pub loss: f64,
    /// Round trip that 99 of 100 pings did not exceed.
    pub p99: Option<Duration>,
    /// Processor time of the victim, 1 = one core.
    pub cpu: f64,
    /// Memory of the victim at its highest, MB.
    pub rss_mb: f64,
    /// More than before the attack, MB.
    pub growth_mb: f64,
    /// Bytes of UDP payload that the attacker sent.
    pub sent_bytes: u64,
    /// Bytes of UDP payload that came to addresses that it forged.
    pub returned_bytes: u64,
    /// The attack goes by UDP.
    udp: bool,
    /// Time of a request to the victim's HTTP interface in the middle of it; `None` = no answer.
    pub api: Option<Duration>,
    /// After it, the time in which a member that has forgotten where the other is finds it; `None` = not in 5 s.
    pub meets: Option<Duration>,
}

impl Measured {
    /// Bytes that others got for each byte sent.
    #[must_use]
    pub fn ratio(&self) -> Option<f64> {
        (self.udp && self.sent_bytes > 0).then(|| self.returned_bytes as f64 / self.sent_bytes as f64)
    }
}

impl Scene {
    pub(super) fn new(program: &Program) -> Result<Option<Self>> {
        let Some(lab) = Lab::new("attacks")? else { return Ok(None) };
        let key = lab.identity(1);
        let planet = lab.planet(&[(key.identity(), &["10.0.1.1/9993"])])?;
        let mut hosts = Vec::new();
        let mut daemons = Vec::new();
        for number in 1..=3 {
            let host = lab.host(&format!("node{number}"), &[&format!("10.0.{number}.1/16")])?;
            host.default_route("eth0", OWN.into())?;
            let home = lab.home(host.name())?.with_planet(&planet)?.with_identity(&lab.identity(number))?;
            daemons.push(host.start_with(program, home, Options { log: "warn", ..Options::default() })?);
            hosts.push(host);
        }
        let attacker = lab.host("attacker", &[&format!("{OWN}/16")])?;
        let block = format!("{}.{}.0.0/16", FORGED_BLOCK[0], FORGED_BLOCK[1]);
        run(&attacker, "ip", &["route", "add", "local", &block, "dev", "lo"])?;
        // What comes to forged addresses is counted and ends there; nobody says that there is no such port.
        attacker.namespace().nft(&format!(
            "table inet attack {{ counter back {{}}\nchain in {{ type filter hook prerouting priority -300;\n\
             ip daddr {block} ip protocol udp counter name back drop\n\
             ip daddr {OWN} udp sport 9993 drop\n}}\n}}\n"
        ))?;
        let daemons: [Daemon; 3] = daemons.try_into().map_err(|_| anyhow!("three daemons"))?;
        let hosts: [Host; 3] = hosts.try_into().map_err(|_| anyhow!("three hosts"))?;
        let network = daemons[0].create_network(&network_settings())?;
        let mut address = None;
        for member in [&daemons[1], &daemons[2]] {
            member.wait_online(WAIT)?;
            member.join(network)?;
            daemons[0].authorise(network, member.address(), true)?;
            let mut addresses = member.wait_joined(network, WAIT)?;
            addresses.sort_by_key(|cidr| cidr.address().is_ipv6());
            address.get_or_insert(first(&addresses)?);
        }
        let address = address.context("two members")?;
        hosts[2].ping(address, Ping { patience: WAIT, ..Ping::default() })?;
        daemons[2].wait_direct(daemons[1].address(), WAIT)?;
        Ok(Some(Self { lab, hosts, daemons, attacker, network, address }))
    }

    fn victim(&self, target: Target) -> usize {
        match target {
            Target::Root => 0,
            Target::Member => 1,
        }
    }

    pub(super) fn victim_namespace(&self, target: Target) -> &Namespace {
        self.hosts[self.victim(target)].namespace()
    }

    fn underlay(&self, target: Target) -> SocketAddr {
        let number = u8::try_from(self.victim(target) + 1).expect("three");
        SocketAddr::from(([10, 0, number, 1], 9993))
    }

    pub(super) fn forge(&self, target: Target) -> Result<Forge> {
        let seed = u64::try_from(self.victim(target) + 1)?;
        let victim = *self.lab.identity(seed).identity();
        Ok(Forge::new(victim, self.daemons.iter().map(Daemon::address).collect(), self.network))
    }

    /// Makes the attacker's identities known to the victim, by HELLOs from a block of its own each (02 §6.2, gate G1).
    pub(super) fn introduce(&self, target: Target, forge: &Forge, identities: usize) -> Result<()> {
        let socket = self.attacker_socket()?;
        let mut forge = Forge::new(forge.victim, Vec::new(), self.network);
        let masks: Vec<_> = (0..identities).map(|n| forge.mask(n)).collect();
        let known = |all: &serde_json::Value, address: zt_wire::Address| {
            let peers = all.as_array().into_iter().flatten();
            peers.into_iter().any(|peer| peer["address"] == address.to_string())
        };
        let start = Instant::now();
        while start.elapsed() < INTRODUCTIONS {
            let peers = self.daemons[self.victim(target)].api().get("/peer")?;
            let strange: Vec<usize> = (0..identities).filter(|n| !known(&peers, masks[*n].secret.address())).collect();
            if strange.is_empty() {
                break;
            }
            for number in strange.into_iter().take(8) {
                let hello = forge.hello(&masks[number], *masks[number].secret.identity());
                let load = Load::new(vec![hello], super::sender::Sources::Block);
                load.fire_once(&socket, self.underlay(target), number)?;
            }
            std::thread::sleep(Duration::from_millis(300));
        }
        Ok(())
    }

    pub(super) fn fire(&self, target: Target, load: &Load, rate: u32, stop: &AtomicBool) -> io::Result<Sent> {
        let socket = self.attacker_socket()?;
        load.fire(&socket, self.underlay(target), rate, stop)
    }

    fn attacker_socket(&self) -> io::Result<UdpSocket> {
        self.attacker.namespace().run(|| UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 9993)))?
    }

    /// Measures while `act` goes on.
    pub(super) fn under(
        &self,
        attack: &Attack,
        time: Duration,
        act: impl FnOnce(&AtomicBool) -> io::Result<Sent> + Send,
    ) -> Result<Measured> {
        let victim = &self.daemons[self.victim(attack.target)];
        let stop = AtomicBool::new(false);
        let (before, rss_before) = (cpu_ticks(victim.id())?, rss_mb(victim)?);
        let returned_before = self.returned()?;
        let start = Instant::now();
        let (pings, rss, api, sent) = std::thread::scope(|scope| -> Result<_> {
            let attacker = scope.spawn(|| act(&stop));
            let api = scope.spawn(|| {
                std::thread::sleep(time / 2);
                let asked = Instant::now();
                victim.api().get("/status").ok().map(|_| asked.elapsed())
            });
            let watched = self.watch(victim, time);
            stop.store(true, Ordering::Relaxed);
            let sent = attacker.join().map_err(|_| anyhow!("the attacker panicked"))??;
            let api = api.join().map_err(|_| anyhow!("the question panicked"))?;
            let (pings, rss) = watched?;
            Ok((pings, rss, api, sent))
        })?;
        let wall = start.elapsed().as_secs_f64();
        let cpu = (cpu_ticks(victim.id())? - before) / TICKS / wall;
        // Late answers count as well.
        std::thread::sleep(Duration::from_millis(if attack.amplifies { 500 } else { 100 }));
        let rss = rss.max(rss_mb(victim)?);
        let returned_bytes = self.returned()? - returned_before;
        Ok(Measured {
            rate: sent.packets as f64 / wall,
            loss: pings.iter().filter(|p| p.is_none()).count() as f64 / pings.len().max(1) as f64,
            p99: percentile(&pings, 0.99),
            cpu,
            rss_mb: rss,
            growth_mb: rss - rss_before,
            sent_bytes: sent.bytes,
            returned_bytes,
            udp: matches!(attack.kind, super::Kind::Packets(..)),
            api,
            meets: self.meet()?,
        })
    }

    /// Pings from the other member, and looks at the victim's memory.
    fn watch(&self, victim: &Daemon, time: Duration) -> Result<(Vec<Option<Duration>>, f64)> {
        let mut pinger = self.hosts[2].namespace().pinger(self.address)?;
        let (start, mut pings, mut rss) = (Instant::now(), Vec::new(), 0_f64);
        while start.elapsed() < time {
            let asked = Instant::now();
            pings.push(pinger.ping(PingOptions { timeout: PING_PATIENCE, ..PingOptions::default() }).ok());
            rss = rss.max(rss_mb(victim)?);
            std::thread::sleep(PING_EVERY.saturating_sub(asked.elapsed()));
        }
        Ok((pings, rss))
    }

    /// The member that pinged forgets the other one's MAC address and finds it again.
    fn meet(&self) -> Result<Option<Duration>> {
        run(&self.hosts[2], "ip", &["neigh", "flush", "to", &self.address.to_string()])?;
        let patience = Ping { patience: Duration::from_secs(5), ..Ping::default() };
        Ok(self.hosts[2].ping(self.address, patience).ok())
    }

    /// Bytes of UDP payload that came to forged addresses so far.
    fn returned(&self) -> Result<u64> {
        let Counter { packets, bytes } = Counter::of(&self.attacker, &["counter", "inet", "attack", "back"])?;
        Ok(bytes - packets * IP_AND_UDP)
    }
}

/// Time for making identities known.
const INTRODUCTIONS: Duration = Duration::from_secs(20);

fn run(host: &Host, program: &str, arguments: &[&str]) -> Result<()> {
    let mut command = Command::new(program);
    command.args(arguments);
    let (status, text) = host.run(command, Duration::from_secs(5))?;
    anyhow::ensure!(status.success(), "{program} {arguments:?}: {status}: {text}");
    Ok(())
}

fn percentile(pings: &[Option<Duration>], part: f64) -> Option<Duration> {
    let mut times: Vec<Duration> = pings.iter().flatten().copied().collect();
    times.sort();
    let last = times.len().checked_sub(1)?;
    times.get((last as f64 * part).round() as usize).copied()
}

fn cpu_ticks(process: u32) -> Result<f64> {
    let text = fs::read_to_string(format!("/proc/{process}/stat"))?;
    let fields: Vec<&str> = text.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    // utime and stime, the 14th and 15th field; two come before the closing bracket.
    let ticks = |at: usize| -> Result<f64> { Ok(fields.get(at).context("a field of stat")?.parse()?) };
    Ok(ticks(11)? + ticks(12)?)
}

fn rss_mb(victim: &Daemon) -> Result<f64> {
    Ok(victim.memory()? as f64 / f64::from(1 << 20))
}
