//! What a path carries: pieces of a full frame by the MTU below, and how long TCP stalls when a path becomes narrow
//! while it is used, in silence or not.

use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow, ensure};
use zt_tap::linux::netlink::LinkChange;

use crate::rig::{Rig, first};
use crate::{Host, Lab, Ping, Program, Switch};

/// MTUs of the devices below for which pieces are counted.
pub const UNDERLAY: [u32; 4] = [1280, 1400, 1500, 9000];
/// Payload of a ping that fills a frame of a network of the usual MTU, 2800.
const FULL: usize = 2772;
const PINGS: u32 = 20;
/// What is shorter is no piece of a full frame.
const SHORT: usize = 300;
const JOIN: Duration = Duration::from_secs(60);
const ANSWER: Duration = Duration::from_secs(10);
/// Before the path changes, and after.
const BEFORE: Duration = Duration::from_secs(3);
const AFTER: Duration = Duration::from_secs(9);

/// A change of the path while TCP uses it.
#[derive(Clone, Copy, Debug)]
pub struct Change {
    /// MTU of all devices before.
    pub before: u32,
    /// MTU of the router in the middle after.
    pub after: u32,
    /// No router fragments, and none says a word.
    pub silent: bool,
}

/// The changes that are tried.
pub const CHANGES: [Change; 4] = [
    Change { before: 9000, after: 1500, silent: true },
    Change { before: 1500, after: 1400, silent: true },
    Change { before: 1500, after: 1280, silent: true },
    Change { before: 1500, after: 1280, silent: false },
];

/// What became of TCP while the path changed.
#[derive(Clone, Copy, Debug)]
pub struct Stall {
    /// The longest time in which no byte arrived.
    pub longest: Duration,
    /// Bytes that arrived in the last three seconds.
    pub at_end: u64,
}

/// Two members on both sides of a router.
pub struct Divided {
    rig: Rig,
    router: Host,
    _behind: Switch,
    target: IpAddr,
}

impl Divided {
    /// Starts and joins them. `None` where the machine offers no namespaces.
    ///
    /// # Errors
    /// They do not start, join or reach each other.
    pub fn new(name: &str, program: &Program) -> Result<Option<Self>> {
        let mut kept = None;
        let hosts = |lab: &Lab| {
            let (router, behind) = (lab.host("router", &["10.0.0.254/24"])?, lab.switch()?);
            router.plug("eth1", &behind, &["10.1.0.254/24"])?;
            router.namespace().forward()?;
            let (a, b) = (lab.host("a", &["10.0.0.2/24"])?, lab.host("b", &[])?);
            b.unplug("eth0")?;
            b.plug("eth0", &behind, &["10.1.0.3/24"])?;
            a.default_route("eth0", "10.0.0.254".parse()?)?;
            b.default_route("eth0", "10.1.0.254".parse()?)?;
            for switch in [lab.internet(), &behind] {
                switch.set_mtu(9000)?;
            }
            kept = Some((router, behind));
            Ok([a, b])
        };
        let Some(rig) = Rig::with_hosts(name, [program; 3], hosts)? else { return Ok(None) };
        let (router, behind) = kept.context("was made")?;
        rig.root_host.default_route("eth0", "10.0.0.254".parse()?)?;
        let [_, of_b] = rig.join(JOIN)?;
        let divided = Self { rig, router, _behind: behind, target: first(&of_b)? };
        let [a, b] = &divided.rig.members;
        divided.rig.hosts[0].ping(divided.target, Ping { patience: JOIN, ..Ping::default() })?;
        a.wait_direct(b.address(), JOIN)?;
        b.wait_direct(a.address(), JOIN)?;
        Ok(Some(divided))
    }

    /// Gives all devices this MTU, and the path its router back.
    fn set_all(&self, mtu: u32) -> Result<()> {
        self.set_silent(false)?;
        let change = LinkChange { mtu: Some(mtu), ..LinkChange::default() };
        for host in self.rig.hosts.iter().chain([&self.rig.root_host]) {
            host.namespace().change("eth0", &change)?;
        }
        self.set_router(mtu)
    }

    fn set_router(&self, mtu: u32) -> Result<()> {
        for device in ["eth0", "eth1"] {
            self.router.namespace().set_mtu(device, mtu)?;
        }
        Ok(())
    }

    /// Pieces vanish before the hosts, and the router says nothing.
    fn set_silent(&self, silent: bool) -> Result<()> {
        let rules = |hook: &str, rule: &str| {
            let rule = if silent { rule } else { "" };
            format!("table ip quiet {{}}\ndelete table ip quiet\ntable ip quiet {{ chain c {{ {hook}; {rule}\n}}\n}}\n")
        };
        for host in &self.rig.hosts {
            nft(host, &rules("type filter hook prerouting priority -500", "ip frag-off & 0x3fff != 0 drop"))?;
        }
        nft(&self.router, &rules("type filter hook output priority 0", "icmp type destination-unreachable drop"))
    }

    /// Datagrams that arrive for each full frame, on average, once the path is known.
    ///
    /// # Errors
    /// Full frames do not pass.
    pub fn pieces(&self, underlay: u32) -> Result<f64> {
        self.set_all(underlay)?;
        let [a, b] = &self.rig.hosts;
        // The path is found out while long datagrams leave.
        let load = Ping { payload: FULL, patience: ANSWER, ..Ping::default() };
        let known = Instant::now() + Duration::from_secs(8);
        while Instant::now() < known {
            a.ping(self.target, load)?;
        }
        let wire = b.namespace().packet_socket("eth0")?;
        for _ in 0..PINGS {
            a.ping(self.target, load)?;
        }
        let mut long = 0;
        while let Some(frame) = wire.receive()? {
            long += pieces(&frame, underlay as usize);
        }
        Ok(f64::from(u32::try_from(long)?) / f64::from(PINGS))
    }

    /// The largest datagram that A says it cuts its packets to B for.
    ///
    /// # Errors
    /// There is no direct path.
    pub fn size(&self) -> Result<u64> {
        let [a, b] = &self.rig.members;
        let peer = a.peer(b.address())?.context("B is known")?;
        let paths = peer["paths"].as_array().context("paths")?;
        let used = paths.iter().find(|path| path["preferred"] == true).context("a direct path")?;
        used["datagramSize"].as_u64().context("its size")
    }

    /// What becomes of TCP when the path changes.
    ///
    /// # Errors
    /// No connection, or it breaks.
    pub fn stall(&self, change: Change) -> Result<Stall> {
        self.set_all(change.before)?;
        let [a, b] = &self.rig.hosts;
        a.ping(self.target, Ping { payload: FULL, patience: ANSWER, ..Ping::default() })?;
        let listener = b.namespace().run(|| TcpListener::bind(SocketAddr::new(self.target, 0)))??;
        let to = listener.local_addr()?;
        let mut sender = a.namespace().run(|| TcpStream::connect_timeout(&to, ANSWER))??;
        let (receiver, _) = listener.accept()?;
        sender.set_write_timeout(Some(Duration::from_millis(100)))?;
        let (over, start) = (AtomicBool::new(false), Instant::now());
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let block = [7; 16_384];
                while !over.load(Ordering::Relaxed) {
                    match sender.write(&block) {
                        Ok(_) => {}
                        Err(error) if is_pause(&error) => {}
                        Err(_) => break,
                    }
                }
            });
            let measured = scope.spawn(|| measure(receiver, start));
            std::thread::sleep(BEFORE);
            let changed = self.set_silent(change.silent).and_then(|()| self.set_router(change.after));
            let measured = measured.join().map_err(|_| anyhow!("the receiver panicked"));
            over.store(true, Ordering::Relaxed);
            changed?;
            measured?
        })
    }
}

fn measure(mut receiver: TcpStream, start: Instant) -> Result<Stall> {
    receiver.set_read_timeout(Some(Duration::from_millis(100)))?;
    let (end, mut last) = (start + BEFORE + AFTER, Instant::now());
    let (mut longest, mut at_end) = (Duration::ZERO, 0);
    let mut buffer = vec![0; 65_536];
    while Instant::now() < end {
        match receiver.read(&mut buffer) {
            Ok(0) => break,
            Ok(len) => {
                longest = longest.max(last.elapsed());
                last = Instant::now();
                at_end += if last + Duration::from_secs(3) > end { len as u64 } else { 0 };
            }
            Err(error) if is_pause(&error) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(Stall { longest: longest.max(last.elapsed()), at_end })
}

fn is_pause(error: &std::io::Error) -> bool {
    matches!(error.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut)
}

/// Pieces of full frames in what was heard: UDP in IPv4, a fragment of that, or a train of datagrams which the kernel did
/// not have to cut.
fn pieces(frame: &[u8], mtu: usize) -> usize {
    let is_udp = frame.get(12..14) == Some(&[8, 0]) && frame.get(23) == Some(&17);
    if is_udp && frame.len() > SHORT { (frame.len() - 42).div_ceil(mtu - 28) } else { 0 }
}

fn nft(host: &Host, rules: &str) -> Result<()> {
    let mut command = Command::new("nft");
    command.arg(rules);
    let (status, said) = host.run(command, ANSWER)?;
    ensure!(status.success(), "nft: {said}");
    Ok(())
}
