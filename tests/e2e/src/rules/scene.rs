//! A network of a rule set while it is tried: frames are sent by one member, and looked for at another.

use std::cell::RefCell;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow, bail, ensure};
use serde_json::Value;
use zt_tap::netns::PacketSocket;
use zt_wire::{IpPrefix, Mac, NetworkId};

use super::cast::{Cast, Member, ROLES, Role, WAIT};
use super::frame::{self, Frame, Mark};
use super::plan::{Kind, Plan};
use super::report::{Check, Wanted};
use crate::{Daemon, Ping};

/// A network of the cast.
#[derive(Debug)]
pub struct Scene<'a> {
    /// The machines.
    pub cast: &'a Cast,
    /// The network.
    pub network: NetworkId,
    /// How it was made.
    pub plan: Plan,
    stations: [Station; 3],
    checks: RefCell<Vec<Check>>,
}

/// A member's port in the network.
#[derive(Debug)]
pub struct Station {
    /// Name of the device.
    pub device: String,
    /// MAC of the member.
    pub mac: Mac,
    /// Addresses of the port.
    pub addresses: Vec<IpPrefix>,
    port: PacketSocket,
    heard: RefCell<Vec<Vec<u8>>>,
}

impl<'a> Scene<'a> {
    /// Waits until all members have the network.
    ///
    /// # Errors
    /// They do not get it.
    pub fn open(cast: &'a Cast, plan: Plan, network: NetworkId) -> Result<Self> {
        let station = |role: Role| -> Result<Station> {
            let Member { host, daemon, .. } = cast.member(role);
            let addresses = daemon.wait_joined(network, WAIT)?;
            let seen = daemon.network(network)?;
            let text = |key: &str| seen[key].as_str().map(str::to_owned).with_context(|| format!("no {key}"));
            let device = text("portDeviceName")?;
            let mac: Mac = text("mac")?.parse().map_err(|_| anyhow!("no MAC"))?;
            let port = host.namespace().packet_socket(&device)?;
            Ok(Station { device, mac, addresses, port, heard: RefCell::default() })
        };
        let stations = [station(Role::A)?, station(Role::B)?, station(Role::C)?];
        Ok(Self { cast, network, plan, stations, checks: RefCell::default() })
    }

    /// What was tried.
    #[must_use]
    pub fn into_checks(self) -> Vec<Check> {
        self.checks.into_inner()
    }

    /// A member.
    #[must_use]
    pub fn member(&self, role: Role) -> &Member {
        self.cast.member(role)
    }

    /// The port of a member.
    #[must_use]
    pub fn station(&self, role: Role) -> &Station {
        &self.stations[role as usize]
    }

    /// The controller of the network.
    ///
    /// # Errors
    /// It has none.
    pub fn controller(&self) -> Result<&Daemon> {
        match self.plan.kind {
            Kind::By(kind) => Ok(self.cast.controller(kind)),
            Kind::AdHoc(_) => bail!("an ad-hoc network has no controller"),
        }
    }

    /// Whether any of these is played by our program.
    #[must_use]
    pub fn is_ours(&self, roles: &[Role]) -> bool {
        roles.iter().any(|role| self.member(*role).program.kind() == "ours")
    }

    /// Notes the result of something of a kind of its own.
    pub fn note(&self, what: &str, wanted: Wanted, result: Result<()>) {
        let trouble = result.err().map(|error| format!("{error:#}"));
        self.checks.borrow_mut().push(Check { what: what.to_owned(), wanted, trouble, deliberate: None });
    }

    /// As [`Scene::note`], for what stock does otherwise than ours: why.
    pub fn note_difference(&self, what: &str, wanted: Wanted, result: Result<()>, why: &'static str) {
        self.note(what, wanted, result);
        if let Some(check) = self.checks.borrow_mut().last_mut() {
            check.deliberate = Some(why);
        }
    }

    /// That a frame arrives; it is sent again until it does.
    pub fn passes(&self, what: &str, from: Role, to: Role, frame: &Frame) {
        self.note(&format!("{from:?}→{to:?} {what}"), Wanted::Pass, self.arrives(from, to, frame, PATIENCE).map(drop));
    }

    /// That a frame does not arrive, though one that was sent after it did.
    pub fn blocked(&self, what: &str, from: Role, to: Role, frame: &Frame) {
        self.blocked_before(what, from, to, frame, &self.ether(from, to, frame::CONTROL));
    }

    /// As [`Scene::blocked`], with another frame that passes.
    pub fn blocked_before(&self, what: &str, from: Role, to: Role, frame: &Frame, control: &Frame) {
        self.note(&format!("{from:?}→{to:?} {what}"), Wanted::Block, self.is_dropped(from, to, frame, control));
    }

    /// A frame that stock lets pass and ours, where it decides, does not, on purpose: why.
    pub fn differs(&self, what: &str, from: Role, to: Role, frame: &Frame, by_ours: bool, why: &'static str) {
        if !by_ours {
            return self.passes(what, from, to, frame);
        }
        let result = self.is_dropped(from, to, frame, &self.ether(from, to, frame::CONTROL));
        self.note_difference(&format!("{from:?}→{to:?} {what}"), Wanted::Block, result, why);
    }

    /// Sends a frame until it is heard; what was heard.
    ///
    /// # Errors
    /// Not within `patience`.
    pub fn arrives(&self, from: Role, to: Role, frame: &Frame, patience: Duration) -> Result<Vec<u8>> {
        let start = Instant::now();
        while start.elapsed() < patience {
            let mark = self.send(from, frame)?;
            let sent = Instant::now();
            while sent.elapsed() < AGAIN {
                if let Some(heard) = self.heard(to, &mark)?.pop() {
                    return Ok(heard);
                }
                std::thread::sleep(POLL);
            }
        }
        bail!("does not arrive")
    }

    /// That a frame is dropped on its way: frames that must pass arrive before and after it.
    ///
    /// # Errors
    /// It arrives, or a control frame does not.
    pub fn is_dropped(&self, from: Role, to: Role, frame: &Frame, control: &Frame) -> Result<()> {
        let pass = || self.arrives(from, to, control, PATIENCE).context("control frame");
        pass()?;
        let marks = [self.send(from, frame)?, self.send(from, frame)?];
        pass()?;
        self.settle();
        for mark in marks {
            ensure!(self.heard(to, &mark)?.is_empty(), "arrives");
        }
        Ok(())
    }

    /// That of many frames some arrive and some do not.
    pub fn chance(&self, what: &str, from: Role, to: Role, frame: &Frame) {
        let result = || -> Result<()> {
            self.control(from, to)?;
            let marks: Vec<Mark> = (0..60).map(|_| self.send(from, frame)).collect::<Result<_>>()?;
            self.control(from, to)?;
            self.settle();
            let mut arrived = 0;
            for mark in &marks {
                arrived += self.heard(to, mark)?.len();
            }
            // Both sides throw the dice, so a quarter arrives.
            ensure!((1..=40).contains(&arrived), "{arrived} of {} arrive", marks.len());
            Ok(())
        };
        self.note(&format!("{from:?}→{to:?} {what}"), Wanted::Pass, result());
    }

    /// Waits for what a control frame could have overtaken.
    pub fn settle(&self) {
        std::thread::sleep(SETTLE);
    }

    /// That a control frame arrives.
    ///
    /// # Errors
    /// It does not.
    pub fn control(&self, from: Role, to: Role) -> Result<()> {
        let frame = self.ether(from, to, frame::CONTROL);
        self.arrives(from, to, &frame, PATIENCE).map(drop).context("control frame")
    }

    /// Sends a frame once, with a mark of its own.
    ///
    /// # Errors
    /// Of the device.
    pub fn send(&self, from: Role, frame: &Frame) -> Result<Mark> {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        let mut mark = *b"zt-probe--------";
        mark[8..].copy_from_slice(&NEXT.fetch_add(1, Ordering::Relaxed).to_be_bytes());
        self.station(from).port.send(&frame.bytes(&mark)).context("the device takes no frame")?;
        Ok(mark)
    }

    /// All frames with this mark that a member has heard up to now.
    ///
    /// # Errors
    /// Of the device.
    pub fn heard(&self, role: Role, mark: &Mark) -> Result<Vec<Vec<u8>>> {
        let station = self.station(role);
        let mut heard = station.heard.borrow_mut();
        while let Some(bytes) = station.port.receive().context("the device is gone")? {
            if heard.len() == KEPT {
                heard.remove(0);
            }
            heard.push(bytes);
        }
        Ok(heard.iter().filter(|bytes| bytes.windows(mark.len()).any(|part| part == mark)).cloned().collect())
    }

    /// That a ping of the host is answered.
    pub fn ping(&self, what: &str, from: Role, target: IpAddr) {
        let how = Ping { patience: PATIENCE, interval: Duration::from_millis(250), ..Ping::default() };
        let result = self.member(from).host.ping(target, how).map(drop);
        self.note(&format!("{from:?} pings {what}"), Wanted::Pass, result);
    }

    /// That no ping of the host is answered, between control frames that arrive.
    pub fn no_ping(&self, what: &str, from: Role, to: Role, target: IpAddr) {
        let result = self.control(from, to).and_then(|()| {
            self.member(from).host.silent(target, Duration::from_millis(400))?;
            self.control(from, to)
        });
        self.note(&format!("{from:?} pings {what}"), Wanted::Block, result);
    }

    /// That a TCP connection of the hosts carries bytes.
    pub fn tcp(&self, what: &str, from: Role, to: Role, target: IpAddr) {
        let result = crate::tcp(&self.member(from).host, &self.member(to).host, target, 100_000).map(drop);
        self.note(&format!("{from:?}→{to:?} {what}"), Wanted::Pass, result);
    }

    /// Changes the network and waits until all members know.
    ///
    /// # Errors
    /// They do not get it.
    pub fn change(&self, settings: &Value) -> Result<()> {
        let changed = self.controller()?.change_network(self.network, settings)?;
        let revision = changed["revision"].as_u64().context("a revision")?;
        for role in ROLES {
            let daemon = &self.member(role).daemon;
            daemon.wait("the changed network", WAIT, || {
                Ok((daemon.network(self.network)?["netconfRevision"].as_u64() >= Some(revision)).then_some(()))
            })?;
        }
        Ok(())
    }
}

impl Scene<'_> {
    /// The first IPv4 address of a member.
    ///
    /// # Panics
    /// It has none.
    #[must_use]
    pub fn v4(&self, role: Role) -> Ipv4Addr {
        let mut list = self.station(role).addresses.iter().map(|prefix| prefix.address());
        let found = list.find_map(|ip| match ip {
            IpAddr::V4(ip) => Some(ip),
            IpAddr::V6(_) => None,
        });
        found.expect("networks of rule sets give an IPv4 address")
    }

    /// The first IPv6 address of a member.
    ///
    /// # Panics
    /// It has none.
    #[must_use]
    pub fn v6(&self, role: Role) -> Ipv6Addr {
        let mut list = self.station(role).addresses.iter().map(|prefix| prefix.address());
        let found = list.find_map(|ip| match ip {
            IpAddr::V6(ip) => Some(ip),
            IpAddr::V4(_) => None,
        });
        found.expect("networks of rule sets give an IPv6 address")
    }

    /// A frame between two members with this ethertype and only a mark.
    #[must_use]
    pub fn ether(&self, from: Role, to: Role, ethertype: u16) -> Frame {
        Frame { from: self.station(from).mac, to: self.station(to).mac, ethertype, head: Vec::new(), padding: 30 }
    }

    /// An IPv4 packet between two members.
    #[must_use]
    pub fn ip4(&self, from: Role, to: Role, protocol: u8, body: &[u8]) -> Frame {
        self.ip4_as(from, to, self.v4(from), protocol, body)
    }

    /// As [`Scene::ip4`], with another source address.
    #[must_use]
    pub fn ip4_as(&self, from: Role, to: Role, source: Ipv4Addr, protocol: u8, body: &[u8]) -> Frame {
        let head = frame::ipv4(source, self.v4(to), protocol, 0, body);
        Frame { head, padding: 0, ..self.ether(from, to, frame::IPV4) }
    }

    /// An IPv6 packet between two members.
    #[must_use]
    pub fn ip6(&self, from: Role, to: Role, next: u8, body: &[u8]) -> Frame {
        let head = frame::ipv6(self.v6(from), self.v6(to), next, body);
        Frame { head, padding: 0, ..self.ether(from, to, frame::IPV6) }
    }

    /// UDP over IPv4.
    #[must_use]
    pub fn udp4(&self, from: Role, to: Role, source: u16, destination: u16) -> Frame {
        self.ip4(from, to, 17, &frame::udp(source, destination))
    }

    /// UDP over IPv6.
    #[must_use]
    pub fn udp6(&self, from: Role, to: Role, source: u16, destination: u16) -> Frame {
        self.ip6(from, to, 17, &frame::udp(source, destination))
    }

    /// TCP over IPv4.
    #[must_use]
    pub fn tcp4(&self, from: Role, to: Role, source: u16, destination: u16, flags: u8) -> Frame {
        self.ip4(from, to, 6, &frame::tcp(source, destination, flags))
    }

    /// TCP over IPv6.
    #[must_use]
    pub fn tcp6(&self, from: Role, to: Role, source: u16, destination: u16, flags: u8) -> Frame {
        self.ip6(from, to, 6, &frame::tcp(source, destination, flags))
    }

    /// An echo request over IPv4.
    #[must_use]
    pub fn echo4(&self, from: Role, to: Role) -> Frame {
        self.ip4(from, to, 1, &frame::icmp(8, 0))
    }

    /// An echo request over IPv6.
    #[must_use]
    pub fn echo6(&self, from: Role, to: Role) -> Frame {
        self.ip6(from, to, 58, &frame::icmp(128, 0))
    }

    /// An ARP request of one member for another, as broadcast.
    #[must_use]
    pub fn arp(&self, from: Role, to: Role) -> Frame {
        let sender = (self.station(from).mac, self.v4(from));
        let head = frame::arp(1, sender, (Mac::ZERO, self.v4(to)));
        Frame { to: Mac::BROADCAST, head, padding: 2, ..self.ether(from, to, frame::ARP) }
    }
}

/// Time for what must pass.
pub const PATIENCE: Duration = Duration::from_secs(20);
const AGAIN: Duration = Duration::from_millis(250);
const POLL: Duration = Duration::from_millis(2);
/// Time for a frame that could have been overtaken by the control frame.
const SETTLE: Duration = Duration::from_millis(30);
/// Frames kept of what a member heard.
const KEPT: usize = 256;
