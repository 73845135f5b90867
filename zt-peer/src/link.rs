//! Links, endpoints and paths: how packets leave and arrive (issue "Decide now").

use std::fmt;
use std::net::{IpAddr, SocketAddr};

use zt_wire::Mac;
use zt_wire::{InetAddress, Scope};

/// Number of a link, chosen by the driver; never reused while the node runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LinkId(pub u32);

/// What carries the datagrams of a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LinkKind {
    /// A UDP socket.
    Udp,
    /// TCP connections that we opened: a datagram goes to where the connection leads.
    TcpOut,
    /// TCP connections that were opened to us. A remote address names the connection: nobody else reaches the peer by it,
    /// and it means nothing once the connection has ended.
    TcpIn,
    /// As [`LinkKind::TcpOut`], inside of WebSockets.
    WebSocket,
    /// A relay speaking some other protocol (HTTP, the TCP relay of 03 §16).
    Relay,
    /// Raw Ethernet frames.
    Ethernet,
}

impl LinkKind {
    /// As it is shown to people.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Udp => "udp",
            Self::TcpOut | Self::TcpIn => "tcp",
            Self::WebSocket => "websocket",
            Self::Relay => "relay",
            Self::Ethernet => "ethernet",
        }
    }

    /// Whether addresses on such a link are those of UDP sockets: what one peer sees there, others may try.
    #[must_use]
    pub const fn has_udp_addresses(self) -> bool {
        matches!(self, Self::Udp | Self::Relay)
    }

    /// Whether addresses on such a link can be sent to of our own accord, now and later.
    #[must_use]
    pub const fn has_lasting_addresses(self) -> bool {
        !matches!(self, Self::TcpIn)
    }
}

/// What a link may be used for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LinkRole {
    /// For everything.
    #[default]
    Full,
    /// Stands for whatever sockets the host has: datagrams leave by it and none come in by it. An answer to what was
    /// asked by it comes by another link of its kind and family, and makes a path on *that* one; once on each.
    Wildcard,
    /// A socket of the host that something came in by: for what was heard by it, never for first contact.
    AnswerOnly,
}

/// An address on a link.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Endpoint {
    /// IP address and port.
    Ip(SocketAddr),
    /// Ethernet address.
    Mac(Mac),
}

impl Endpoint {
    /// IP address, when this endpoint has one.
    pub const fn ip(&self) -> Option<IpAddr> {
        match self {
            Self::Ip(a) => Some(a.ip()),
            Self::Mac(_) => None,
        }
    }

    /// An Ethernet address that stands for several stations: nobody is there.
    pub const fn is_group(&self) -> bool {
        matches!(self, Self::Mac(mac) if mac.is_multicast())
    }

    /// IP address and port, when this endpoint has them.
    pub const fn socket_addr(&self) -> Option<SocketAddr> {
        match self {
            Self::Ip(a) => Some(*a),
            Self::Mac(_) => None,
        }
    }

    /// The form in which this endpoint is told in packets (02 §6.3).
    pub fn inet(&self) -> InetAddress {
        InetAddress::from(self.socket_addr())
    }

    /// Scope of the address; Ethernet counts as private (03 §1).
    pub fn scope(&self) -> Scope {
        self.ip().map_or(Scope::Private, Scope::of)
    }

    /// Whether both are of the same family, so that a link at one can send to the other.
    pub const fn same_family(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Ip(a), Self::Ip(b)) => a.is_ipv4() == b.is_ipv4(),
            (Self::Mac(_), Self::Mac(_)) => true,
            _ => false,
        }
    }

    /// Same host, whatever the port.
    pub fn same_host(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Ip(a), Self::Ip(b)) => a.ip() == b.ip(),
            (Self::Mac(a), Self::Mac(b)) => a == b,
            _ => false,
        }
    }
}

impl From<SocketAddr> for Endpoint {
    fn from(a: SocketAddr) -> Self {
        Self::Ip(a)
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ip(a) => write!(f, "{}/{}", a.ip(), a.port()),
            Self::Mac(m) => write!(f, "{m}"),
        }
    }
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// A local way to send and receive datagrams.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Link {
    /// Its number.
    pub id: LinkId,
    /// What carries it.
    pub kind: LinkKind,
    /// Preference: lower is tried first, may be negative (the seed's *desperation*, 08 §B.5: 0 UDP, 1 TCP tunnel,
    /// 2 HTTP relay, below 0 raw Ethernet). Rank decides before quality. A link of a rank above
    /// [`Vl1::level`](crate::Vl1::level) is used only for paths heard by it.
    pub rank: i32,
    /// What it may be used for.
    pub role: LinkRole,
    /// Local address. With an unspecified IP address it is never told to peers.
    pub local: Endpoint,
    /// Largest datagram payload in bytes; 0 = the default of 1432 (02 §1). What UDP and Ethernet take above the default is
    /// used on paths that have shown that they carry it.
    pub mtu: u16,
}

/// How large the datagrams of a path may be, in bytes of payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Room {
    /// What is used before anything is known.
    pub(crate) base: u16,
    /// The most that the link takes.
    pub(crate) most: u16,
    /// Headers in front of the payload, as far as the MTU of the link counts them.
    pub(crate) headers: u16,
    /// What the path carries is found out by probes; else the base is right.
    pub(crate) probed: bool,
}

impl Room {
    /// A size that is known.
    pub(crate) const fn fixed(size: u16) -> Self {
        Self { base: size, most: size, headers: 0, probed: false }
    }
}

impl Link {
    /// Whether datagrams handed to this wildcard may leave and be answered by the other link.
    pub(crate) fn stands_for(&self, other: &Self) -> bool {
        self.role == LinkRole::Wildcard && self.kind == other.kind && self.local.same_family(&other.local)
    }
}

/// A link and an address reached over it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Path {
    /// The link.
    pub link: LinkId,
    /// Where datagrams go to and come from.
    pub remote: Endpoint,
}

impl fmt::Debug for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.remote, self.link.0)
    }
}
