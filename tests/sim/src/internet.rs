//! The internet as a value: segments, interfaces, NAT boxes, and what happens to a datagram on its way.

use crate::dice::Dice;
use crate::nat::{Nat, NatKind};
use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

/// A computer, by number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MachineId(pub usize);

/// A network interface, by number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct IfaceId(pub usize);

/// A NAT box, by number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NatId(pub usize);

/// A network in which addresses are reached directly, by number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SegmentId(pub usize);

/// The public internet.
pub const INTERNET: SegmentId = SegmentId(0);

/// Routers between two segments of the internet: enough that a packet with TTL 2 dies among them (02 §6.8).
const CORE_HOPS: u8 = 5;

/// What happens to datagrams from one machine to another.
#[derive(Clone, Copy, Debug)]
pub struct Weather {
    /// Least delay one way.
    pub latency: Duration,
    /// Up to this much more, at random.
    pub jitter: Duration,
    /// Probability of loss.
    pub loss: f64,
    /// Probability that a datagram arrives twice.
    pub duplicate: f64,
    /// Probability that a datagram is overtaken by those of the next 30 ms.
    pub reorder: f64,
}

impl Weather {
    /// 10 ms one way, 1 ms jitter, nothing lost.
    pub const FAIR: Self = Self {
        latency: Duration::from_millis(10),
        jitter: Duration::from_millis(1),
        loss: 0.0,
        duplicate: 0.0,
        reorder: 0.0,
    };

    /// The same with a loss probability.
    #[must_use]
    pub const fn lossy(self, loss: f64) -> Self {
        Self { loss, ..self }
    }
}

/// How a datagram is to be carried.
#[derive(Clone, Copy, Debug, Default)]
pub struct Carriage {
    /// IPv4 time to live; `None` = 64.
    pub ttl: Option<u8>,
    /// Bytes of payload.
    pub len: usize,
    /// Nobody may fragment it.
    pub dont_fragment: bool,
    /// It went to all stations of a cable.
    pub to_all: bool,
}

/// The narrowest link on the way from one machine to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Narrow {
    /// The most payload that it carries in one piece.
    pub payload: usize,
    /// Longer datagrams are fragmented there, where that is allowed; else they vanish, and nobody is told.
    pub fragments: bool,
}

/// The line between an interface and the rest: a rate, a queue before it, and what it adds to the weather, in both
/// directions.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Uplink {
    /// Bits in a second, of datagrams with their headers.
    pub rate: u64,
    /// Datagrams that would wait longer are lost.
    pub queue: Duration,
    /// Delay one way.
    pub latency: Duration,
    /// Probability of loss.
    pub loss: f64,
}

/// Bytes of the headers of IP and UDP.
const HEADERS: usize = 28;

#[derive(Clone, Copy)]
struct Line {
    uplink: Uplink,
    /// Until when it is busy, outwards and inwards.
    busy: [u64; 2],
}

struct Iface {
    machine: MachineId,
    segment: SegmentId,
    addresses: Vec<IpAddr>,
    plugged: bool,
    payload: u16,
    line: Option<Line>,
}

#[derive(Clone, Copy)]
enum Attached {
    Iface(IfaceId),
    Nat(NatId),
}

#[derive(Default)]
struct Segment {
    addresses: BTreeMap<IpAddr, Attached>,
    gateway: Option<NatId>,
}

struct Boxed {
    nat: Nat,
    inner: SegmentId,
    outer: SegmentId,
}

/// Where and when a datagram arrives.
#[derive(Clone, Copy, Debug)]
pub struct Arrival {
    /// The interface.
    pub iface: IfaceId,
    /// Its address and port that were sent to.
    pub local: SocketAddr,
    /// The sender as seen there.
    pub remote: SocketAddr,
    /// Microseconds from now.
    pub delay: u64,
}

/// Segments, interfaces and NAT boxes with the weather between machines.
pub struct Internet {
    segments: Vec<Segment>,
    ifaces: Vec<Iface>,
    nats: Vec<Boxed>,
    /// Weather where nothing else is said.
    pub weather: Weather,
    between: BTreeMap<(MachineId, MachineId), Weather>,
    cuts: BTreeSet<(MachineId, MachineId)>,
    narrow: BTreeMap<(MachineId, MachineId), Narrow>,
    next_public: u32,
    dice: Dice,
}

impl Internet {
    /// An empty internet.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self {
            segments: vec![Segment::default()],
            ifaces: Vec::new(),
            nats: Vec::new(),
            weather: Weather::FAIR,
            between: BTreeMap::new(),
            cuts: BTreeSet::new(),
            narrow: BTreeMap::new(),
            next_public: 0,
            dice: Dice::new(seed ^ 0x1e7),
        }
    }

    /// An address of global scope that nobody has; hosts far apart share no prefix.
    pub fn fresh_public(&mut self, v6: bool) -> IpAddr {
        self.next_public += 1;
        let n = self.next_public;
        if v6 {
            IpAddr::from([0x2600, (n >> 8) as u16, (n & 0xff) as u16, 0, 0, 0, 0, 1])
        } else {
            IpAddr::from([40 + (n % 8) as u8, (n >> 8) as u8, (n & 0xff) as u8, 10])
        }
    }

    /// Puts a NAT box with a new outer address before a new segment.
    pub fn add_nat(&mut self, kind: NatKind, outer: SegmentId) -> (NatId, SegmentId) {
        let address = if outer == INTERNET {
            self.fresh_public(false)
        } else {
            // Inside a carrier's NAT: shared address space.
            IpAddr::from([100, 64, 0, 10 + self.nats.len() as u8])
        };
        let (id, inner) = (NatId(self.nats.len()), SegmentId(self.segments.len()));
        self.segments.push(Segment { addresses: BTreeMap::new(), gateway: Some(id) });
        self.segments[outer.0].addresses.insert(address, Attached::Nat(id));
        self.nats.push(Boxed { nat: Nat::new(kind, address), inner, outer });
        (id, inner)
    }

    /// A NAT box.
    pub fn nat(&mut self, id: NatId) -> &mut Nat {
        &mut self.nats[id.0].nat
    }

    /// Puts an interface of a machine into a segment.
    ///
    /// # Panics
    /// When an address is taken.
    pub fn add_iface(&mut self, machine: MachineId, segment: SegmentId, addresses: &[IpAddr]) -> IfaceId {
        let id = IfaceId(self.ifaces.len());
        self.ifaces.push(Iface { machine, segment, addresses: Vec::new(), plugged: true, payload: 0, line: None });
        self.set_addresses(id, addresses);
        id
    }

    /// Replaces the addresses of an interface.
    ///
    /// # Panics
    /// When an address is taken.
    pub fn set_addresses(&mut self, id: IfaceId, addresses: &[IpAddr]) {
        let iface = &mut self.ifaces[id.0];
        let segment = &mut self.segments[iface.segment.0];
        for old in std::mem::replace(&mut iface.addresses, addresses.to_vec()) {
            segment.addresses.remove(&old);
        }
        for &address in addresses {
            let before = segment.addresses.insert(address, Attached::Iface(id));
            assert!(before.is_none(), "address {address} is taken");
        }
    }

    /// Addresses of an interface.
    #[must_use]
    pub fn addresses(&self, id: IfaceId) -> &[IpAddr] {
        &self.ifaces[id.0].addresses
    }

    /// Addresses of all other interfaces of the segment of one.
    #[must_use]
    pub fn neighbours(&self, id: IfaceId) -> Vec<IpAddr> {
        let segment = self.ifaces[id.0].segment;
        let others = self.segments[segment.0].addresses.iter();
        let others = others.filter(|(_, at)| !matches!(at, Attached::Iface(other) if *other == id));
        others.map(|(ip, _)| *ip).collect()
    }

    /// A segment that leads nowhere else: a switch.
    pub fn add_switch(&mut self) -> SegmentId {
        self.segments.push(Segment::default());
        SegmentId(self.segments.len() - 1)
    }

    /// The most payload that an interface takes in one datagram, as nodes are told it; 0 = nobody knows.
    pub fn set_payload(&mut self, id: IfaceId, payload: u16) {
        self.ifaces[id.0].payload = payload;
    }

    /// What was set by [`Internet::set_payload`].
    #[must_use]
    pub fn payload(&self, id: IfaceId) -> u16 {
        self.ifaces[id.0].payload
    }

    /// An interface has a line of its own from now on, or none that is noticed.
    pub fn set_uplink(&mut self, id: IfaceId, uplink: Option<Uplink>) {
        self.ifaces[id.0].line = uplink.map(|uplink| Line { uplink, busy: [0; 2] });
    }

    /// When a datagram that comes to a line at `at` is through; `None`: it is lost there.
    fn pass(&mut self, id: IfaceId, direction: usize, at: u64, len: usize) -> Option<u64> {
        let Some(Line { uplink, busy }) = &mut self.ifaces[id.0].line else { return Some(at) };
        let begins = busy[direction].max(at);
        if begins - at > uplink.queue.as_micros() as u64 || self.dice.chance(uplink.loss) {
            return None;
        }
        busy[direction] = begins + ((len + HEADERS) as u64 * 8_000_000).div_ceil(uplink.rate.max(1));
        Some(busy[direction] + uplink.latency.as_micros() as u64)
    }

    /// Pulls or plugs a cable.
    pub fn plug(&mut self, id: IfaceId, plugged: bool) {
        self.ifaces[id.0].plugged = plugged;
    }

    /// Loses everything from one machine to another, or stops to.
    pub fn cut(&mut self, from: MachineId, to: MachineId, cut: bool) {
        if cut {
            self.cuts.insert((from, to));
        } else {
            self.cuts.remove(&(from, to));
        }
    }

    /// Long datagrams from one machine to another meet a narrow link, or no longer do.
    pub fn narrow(&mut self, from: MachineId, to: MachineId, link: Option<Narrow>) {
        match link {
            Some(link) => self.narrow.insert((from, to), link),
            None => self.narrow.remove(&(from, to)),
        };
    }

    /// Carries a datagram; none, one or two copies arrive.
    pub fn carry(
        &mut self,
        now: u64,
        from: IfaceId,
        source: SocketAddr,
        destination: SocketAddr,
        how: Carriage,
    ) -> Vec<Arrival> {
        if !self.ifaces[from.0].plugged || !self.ifaces[from.0].addresses.contains(&source.ip()) {
            return Vec::new();
        }
        let Some(mut arrival) =
            self.route(now, self.ifaces[from.0].segment, source, destination, how.ttl.unwrap_or(64))
        else {
            return Vec::new();
        };
        let (machine, target) = (self.ifaces[from.0].machine, &self.ifaces[arrival.iface.0]);
        let pair = (machine, target.machine);
        if !target.plugged || self.cuts.contains(&pair) {
            return Vec::new();
        }
        let is_lost = |link: &Narrow| how.len > link.payload && (how.dont_fragment || !link.fragments);
        if self.narrow.get(&pair).is_some_and(is_lost) {
            return Vec::new();
        }
        let weather = *self.between.get(&pair).unwrap_or(&self.weather);
        let mut arrivals = Vec::new();
        let copies = 1 + usize::from(self.dice.chance(weather.duplicate));
        for _ in 0..copies {
            if self.dice.chance(weather.loss) {
                continue;
            }
            let late = if self.dice.chance(weather.reorder) { 30_000 } else { 0 };
            let jitter = self.dice.below(weather.jitter.as_micros() as u64 + 1);
            let Some(out) = self.pass(from, 0, now, how.len) else { continue };
            let there = out + weather.latency.as_micros() as u64 + jitter + late;
            let Some(through) = self.pass(arrival.iface, 1, there, how.len) else { continue };
            arrival.delay = through - now;
            arrivals.push(arrival);
        }
        arrivals
    }

    fn route(
        &mut self,
        now: u64,
        mut segment: SegmentId,
        mut source: SocketAddr,
        mut destination: SocketAddr,
        mut ttl: u8,
    ) -> Option<Arrival> {
        if segment == INTERNET {
            ttl = ttl.checked_sub(CORE_HOPS)?;
        }
        loop {
            match self.segments[segment.0].addresses.get(&destination.ip()) {
                Some(&Attached::Iface(iface)) => {
                    return Some(Arrival { iface, local: destination, remote: source, delay: 0 });
                }
                Some(&Attached::Nat(id)) => {
                    let Boxed { nat, inner, .. } = &self.nats[id.0];
                    destination = nat.inbound(now, source, destination.port())?;
                    segment = *inner;
                }
                None => {
                    self.segments[segment.0].gateway?;
                    let Boxed { nat, outer, .. } = &mut self.nats[self.segments[segment.0].gateway?.0];
                    let hairpin = destination.ip() == nat.outer();
                    if hairpin && !nat.hairpin() {
                        return None;
                    }
                    source = nat.outbound(now, source, destination, &mut self.dice);
                    if hairpin {
                        destination = nat.inbound(now, source, destination.port())?;
                        continue;
                    }
                    segment = *outer;
                    ttl = ttl.checked_sub(if segment == INTERNET { CORE_HOPS } else { 1 })?;
                }
            }
        }
    }
}
