//! NAT boxes, described by their behaviour as in RFC 4787.

use crate::dice::Dice;
use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

/// What a mapping, or the filter on it, depends on (RFC 4787 §4.1 and §5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Depends {
    /// On the inner endpoint alone.
    Endpoint,
    /// Also on the remote IP address.
    Address,
    /// Also on the remote IP address and port.
    AddressAndPort,
}

impl Depends {
    /// All three.
    pub const ALL: [Self; 3] = [Self::Endpoint, Self::Address, Self::AddressAndPort];

    /// Short name for tables.
    #[must_use]
    pub const fn short(self) -> &'static str {
        match self {
            Self::Endpoint => "EI",
            Self::Address => "AD",
            Self::AddressAndPort => "APD",
        }
    }

    fn key(self, remote: SocketAddr) -> Option<SocketAddr> {
        match self {
            Self::Endpoint => None,
            Self::Address => Some(SocketAddr::new(remote.ip(), 0)),
            Self::AddressAndPort => Some(remote),
        }
    }
}

/// How outer ports are chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ports {
    /// The inner port when it is free, else one at random.
    Preserve,
    /// At random.
    Random,
}

/// Behaviour of a NAT box.
#[derive(Clone, Copy, Debug)]
pub struct NatKind {
    /// When a mapping is reused.
    pub mapping: Depends,
    /// From whom packets are let in.
    pub filtering: Depends,
    /// Choice of outer ports.
    pub ports: Ports,
    /// Idle time after which a mapping is forgotten; only packets from inside keep it.
    pub expiry: Duration,
    /// Whether inner hosts reach each other by their outer addresses.
    pub hairpin: bool,
}

impl NatKind {
    /// The usual home router: endpoint-independent mapping, port-dependent filtering, ports preserved, 30 s.
    pub const HOME: Self = Self {
        mapping: Depends::Endpoint,
        filtering: Depends::AddressAndPort,
        ports: Ports::Preserve,
        expiry: Duration::from_secs(30),
        hairpin: false,
    };
    /// The worst case: a port at random for each remote endpoint.
    pub const SYMMETRIC: Self = Self { mapping: Depends::AddressAndPort, ports: Ports::Random, ..Self::HOME };

    /// A kind of its own for each pair.
    #[must_use]
    pub const fn of(mapping: Depends, filtering: Depends) -> Self {
        let ports = if matches!(mapping, Depends::Endpoint) { Ports::Preserve } else { Ports::Random };
        Self { mapping, filtering, ports, ..Self::HOME }
    }

    /// One at random.
    pub fn draw(dice: &mut Dice) -> Self {
        Self {
            mapping: dice.pick(&Depends::ALL),
            filtering: dice.pick(&Depends::ALL),
            ports: dice.pick(&[Ports::Preserve, Ports::Random]),
            expiry: Duration::from_secs(dice.pick(&[20, 30, 60, 120])),
            hairpin: dice.chance(0.3),
        }
    }
}

struct Mapping {
    inner: SocketAddr,
    key: Option<SocketAddr>,
    used: u64,
    /// Remote endpoints that were sent to, and when.
    sent: BTreeMap<SocketAddr, u64>,
}

/// A NAT box with one outer address.
pub struct Nat {
    kind: NatKind,
    outer: IpAddr,
    mappings: BTreeMap<u16, Mapping>,
    rebound: u16,
}

impl Nat {
    /// A box without mappings.
    #[must_use]
    pub fn new(kind: NatKind, outer: IpAddr) -> Self {
        Self { kind, outer, mappings: BTreeMap::new(), rebound: 0 }
    }

    /// The outer address.
    #[must_use]
    pub const fn outer(&self) -> IpAddr {
        self.outer
    }

    /// Whether inner hosts reach each other by their outer addresses.
    #[must_use]
    pub const fn hairpin(&self) -> bool {
        self.kind.hairpin
    }

    /// Forgets all mappings and gives other ports from now on, also where it preserved them: a reboot, or a second
    /// uplink, which inner hosts cannot see.
    pub fn rebind(&mut self) {
        self.mappings.clear();
        self.rebound = self.rebound.wrapping_add(1000);
    }

    /// Translates a packet from inside; gives its outer source. Microseconds.
    pub fn outbound(&mut self, now: u64, inner: SocketAddr, remote: SocketAddr, dice: &mut Dice) -> SocketAddr {
        let expiry = self.kind.expiry.as_micros() as u64;
        self.mappings.retain(|_, mapping| now - mapping.used < expiry);
        let key = self.kind.mapping.key(remote);
        let known = self.mappings.iter().find(|(_, mapping)| mapping.inner == inner && mapping.key == key);
        let port = match known {
            Some((&port, _)) => port,
            None => {
                let port = self.free_port(inner.port(), dice);
                self.mappings.insert(port, Mapping { inner, key, used: now, sent: BTreeMap::new() });
                port
            }
        };
        if let Some(mapping) = self.mappings.get_mut(&port) {
            mapping.used = now;
            mapping.sent.insert(remote, now);
        }
        SocketAddr::new(self.outer, port)
    }

    /// Translates a packet from outside; gives its inner destination, or `None` when it is filtered.
    #[must_use]
    pub fn inbound(&self, now: u64, remote: SocketAddr, port: u16) -> Option<SocketAddr> {
        let expiry = self.kind.expiry.as_micros() as u64;
        let mapping = self.mappings.get(&port).filter(|mapping| now - mapping.used < expiry)?;
        let pass = mapping.sent.iter().any(|(known, at)| {
            now - at < expiry
                && match self.kind.filtering {
                    Depends::Endpoint => true,
                    Depends::Address => known.ip() == remote.ip(),
                    Depends::AddressAndPort => *known == remote,
                }
        });
        pass.then_some(mapping.inner)
    }

    fn free_port(&self, wanted: u16, dice: &mut Dice) -> u16 {
        let wanted = wanted.wrapping_add(self.rebound).max(1024);
        if self.kind.ports == Ports::Preserve && !self.mappings.contains_key(&wanted) {
            return wanted;
        }
        loop {
            let port = 1024 + dice.below(64_000) as u16;
            if !self.mappings.contains_key(&port) {
                return port;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> SocketAddr {
        text.parse().expect("address in a test")
    }

    /// Sends to `a`; then tells who may answer and whether `b` sees the same port.
    fn behaviour(mapping: Depends, filtering: Depends) -> (bool, bool, bool, bool) {
        let mut dice = Dice::new(1);
        let mut nat = Nat::new(NatKind::of(mapping, filtering), "50.0.0.1".parse().expect("address"));
        let inner = at("192.168.1.2:9993");
        let (a, a2, b) = (at("40.0.0.1:1"), at("40.0.0.1:2"), at("40.0.0.2:1"));
        let outer = nat.outbound(0, inner, a, &mut dice);
        let open = |remote| nat.inbound(1, remote, outer.port()).is_some();
        let (same, other_port, other_host) = (open(a), open(a2), open(b));
        assert!(same);
        let shared = nat.outbound(2, inner, b, &mut dice) == outer;
        (other_port, other_host, shared, nat.outbound(3, inner, a2, &mut dice) == outer)
    }

    #[test]
    fn kinds_behave_as_named() {
        use Depends::{Address, AddressAndPort, Endpoint};
        for (filtering, port, host) in [(Endpoint, true, true), (Address, true, false), (AddressAndPort, false, false)]
        {
            assert_eq!(behaviour(Endpoint, filtering), (port, host, true, true));
            assert_eq!(behaviour(Address, filtering), (port, host, false, true));
            assert_eq!(behaviour(AddressAndPort, filtering), (port, host, false, false));
        }
    }

    #[test]
    fn mappings_expire_and_rebinding_changes_the_port() {
        let mut dice = Dice::new(1);
        let mut nat = Nat::new(NatKind::HOME, "50.0.0.1".parse().expect("address"));
        let (inner, remote) = (at("192.168.1.2:9993"), at("40.0.0.1:9993"));
        assert_eq!(nat.outbound(0, inner, remote, &mut dice).port(), 9993);
        assert!(nat.inbound(29_999_999, remote, 9993).is_some());
        assert!(nat.inbound(30_000_000, remote, 9993).is_none());
        nat.outbound(31_000_000, inner, remote, &mut dice);
        nat.rebind();
        assert!(nat.inbound(31_000_001, remote, 9993).is_none());
        assert_ne!(nat.outbound(31_000_002, inner, remote, &mut dice).port(), 9993);
    }
}
