//! Frames in words: what people write where a frame is asked for, and read where one is told.
//!
//! ```text
//! tcp 10.0.0.1:40000 > 10.0.0.2:22 syn      the addresses and the first port may be left out: tcp 22 syn
//! udp [fd00::1]:5353 > [fd00::2]:53         also sctp and udplite; tcp4 53 and tcp6 53 choose the family
//! icmp echo-request 10.0.0.1 > 10.0.0.2     icmp6 for IPv6; a type by name or as 3/1, and code; ping: of either family
//! arp who-has 10.0.0.2 tell 10.0.0.1        arp reply 10.0.0.2 is-at 02:00:00:00:00:01
//! ndp solicit fd00::2                       also advertise, router-solicit, router-advertise
//! dhcp discover                             also offer, request, ack
//! ipv4 proto 47 10.0.0.1 > 10.0.0.2         any IP protocol by number or name; ipv6 likewise
//! ethertype 0x88cc 60 bytes                 anything else, by number or name
//! hex 0x0800 4500001400000000…              with a payload as it is given
//! ```
//!
//! In front may stand `from MAC`, `to MAC`, `broadcast`, `multicast MAC` and `vlan ID`; behind, flags of TCP (`syn ack fin rst psh urg ece cwr ns`,
//! `no-flags`; without any it is `syn`, the first packet of a connection), `60 bytes` (length without the Ethernet header), `tos 16`,
//! `fragment 0 more`, `options 2` (words of four bytes in an IPv4 header) and `behind hop-by-hop,routing` (IPv6 extension headers).

mod build;
pub(super) mod names;
mod print;
mod read;

use core::fmt;
use std::net::IpAddr;

use zt_wire::Emit as _;
use zt_wire::ether::EthernetRef;
use zt_wire::ident::Mac;

/// One Ethernet frame.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Frame {
    /// Source MAC.
    pub source: Mac,
    /// Destination MAC.
    pub destination: Mac,
    /// EtherType.
    pub ethertype: u16,
    /// What follows the header.
    pub payload: Vec<u8>,
}

/// What words may leave out: who sends, and who is to receive.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ends {
    /// MAC of the sender.
    pub source: Mac,
    /// MAC of the receiver.
    pub destination: Mac,
    /// Addresses of the sender; the first of a family is taken.
    pub source_ips: Vec<IpAddr>,
    /// Addresses of the receiver.
    pub destination_ips: Vec<IpAddr>,
}

impl Ends {
    /// The same in the other direction.
    #[must_use]
    pub fn reversed(&self) -> Self {
        Self {
            source: self.destination,
            destination: self.source,
            source_ips: self.destination_ips.clone(),
            destination_ips: self.source_ips.clone(),
        }
    }
}

/// Why words name no frame.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("column {column}: expected {expected}, found {}", Found(.found))]
pub struct WordsError {
    /// Where, in characters from 1.
    pub column: usize,
    /// The word there; empty at the end.
    pub found: String,
    /// What could stand there.
    pub expected: String,
}

impl WordsError {
    /// The words with a mark below the place, and what is expected there: two lines.
    #[must_use]
    pub fn marked(&self, words: &str) -> String {
        let words: String = words.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        format!("{words}\n{:>column$} expected {}", '^', self.expected, column = self.column)
    }
}

struct Found<'a>(&'a str);

impl fmt::Display for Found<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() { f.write_str("the end") } else { write!(f, "{:?}", self.0) }
    }
}

impl Frame {
    /// Reads words; `ends` gives what they leave out.
    ///
    /// # Errors
    /// Where they say nothing that is known, and what could stand there.
    pub fn read(words: &str, ends: &Ends) -> Result<Self, WordsError> {
        read::read(words, ends).map(|said| said.build())
    }

    /// The frame in words. Bytes that they cannot name are left out: what is read from them again has the same headers.
    #[must_use]
    pub fn words(&self, ends: &Ends) -> String {
        Said::of(self).words(ends)
    }

    /// A frame from a port.
    #[must_use]
    pub fn of(frame: &EthernetRef<'_>) -> Self {
        let EthernetRef { destination, source, ethertype, payload } = *frame;
        Self { source, destination, ethertype, payload: payload.to_vec() }
    }

    /// The frame as a port takes it.
    #[must_use]
    pub fn ethernet(&self) -> EthernetRef<'_> {
        let Self { source, destination, ethertype, ref payload } = *self;
        EthernetRef { destination, source, ethertype, payload }
    }

    /// All bytes, with the Ethernet header.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        self.ethernet().to_vec()
    }
}

/// What words say, before it is bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Said {
    /// Source MAC.
    pub(super) source: Mac,
    /// Destination MAC.
    pub(super) destination: Mac,
    /// Tags in front of the content, each 16 bits as on the wire.
    pub(super) vlans: Vec<u16>,
    /// The content.
    pub(super) content: Content,
    /// Length of the payload, tags included, if it is not that of the headers.
    pub(super) size: Option<usize>,
}

/// What a frame carries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Content {
    /// IPv4 or IPv6.
    Ip(Ip),
    /// ARP for IPv4.
    Arp(zt_wire::ether::Arp),
    /// Anything else.
    Other { ethertype: u16, payload: Vec<u8> },
}

/// An IP packet; both addresses are of one family.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Ip {
    pub(super) source: IpAddr,
    pub(super) destination: IpAddr,
    pub(super) tos: u8,
    /// Words of four bytes behind the fixed IPv4 header.
    pub(super) options: u8,
    /// IPv6 extension headers, each of eight bytes.
    pub(super) behind: Vec<u8>,
    /// Offset in units of eight bytes, and whether more follow.
    pub(super) fragment: Option<(u16, bool)>,
    pub(super) upper: Upper,
}

/// What an IP packet carries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Upper {
    /// Something with ports; flags are those of TCP, the reserved bits of byte 12 above them.
    Ports { protocol: u8, source: u16, destination: u16, flags: u16 },
    /// ICMP of the packet's family.
    Icmp { kind: u8, code: u8 },
    /// Neighbour discovery: type, target, MAC that is told.
    Neighbor { kind: u8, target: std::net::Ipv6Addr, mac: Option<Mac> },
    /// DHCP message of this type.
    Dhcp(u8),
    /// Another protocol.
    Other(u8),
}

#[cfg(test)]
mod tests;
