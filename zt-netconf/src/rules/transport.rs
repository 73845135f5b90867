//! What the transport header of an IP packet says, and whether the frame hides it (04 §6.5, §6.6).
//!
//! Deliberate, in three places, where the reference lets packets pass rules about ports that the receiving host then
//! takes as what those rules are about:
//!
//! * The walk goes on through AH, in both families, and through the IPv6 fragment header of a first or only fragment.
//!   MATCH_IP_PROTOCOL is true for the protocol it ends at, and for 44 and 51 when it went through them.
//! * Fragments that can change or leave out the transport header are *evasive*: a rule that asks for it drops the frame
//!   (RFC 1858, RFC 3128, RFC 7112).
//! * So are IP packets behind a VLAN tag of VLAN 0, which hosts take as if there was no tag.
//!
//! Other later fragments are read as the reference does: without the first one, which is judged like a whole packet,
//! they are of no use.

use std::net::Ipv6Addr;

use zt_wire::ether::{ETHERTYPE_IPV4, ETHERTYPE_IPV6, ETHERTYPE_VLAN, Ipv4Ref, Ipv6Ref};

/// EtherType of service VLAN tags.
const ETHERTYPE_SERVICE_VLAN: u16 = 0x88a8;
/// Protocol numbers.
const HOP_BY_HOP: u8 = 0;
const ICMP: u8 = 1;
const TCP: u8 = 6;
const UDP: u8 = 17;
const ROUTING: u8 = 43;
const FRAGMENT: u8 = 44;
const AH: u8 = 51;
const ICMPV6: u8 = 58;
const DESTINATION_OPTIONS: u8 = 60;
const SCTP: u8 = 132;
const MOBILITY: u8 = 135;
const UDP_LITE: u8 = 136;

/// Headers of a fragmented packet must end within so many bytes of its data, and its later fragments begin behind
/// them. Nobody who does not want to hide something sends fragments this small, or so many headers in one.
const FRAGMENTED_HEADERS: usize = 128;
/// Bytes of a TCP header up to the flags.
const TCP_FLAGS_END: usize = 14;
/// Bytes of a neighbour advertisement up to the end of its target.
const TARGET_END: usize = 24;
const NEIGHBOR_ADVERTISEMENT: u8 = 0x88;

/// True for the protocols that the walk goes through and that rules can ask for all the same.
pub(super) const fn is_passed(protocol: u8) -> bool {
    matches!(protocol, FRAGMENT | AH)
}

/// The network layer of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Network<'a> {
    V4(Ipv4Ref<'a>),
    V6(Ipv6Ref<'a>),
    /// Something of VLAN 0: what it is, rules cannot see, but the host will.
    PriorityTagged,
    Other,
}

impl<'a> Network<'a> {
    pub(super) fn new(ethertype: u16, payload: &'a [u8]) -> Self {
        let seen = match ethertype {
            ETHERTYPE_IPV4 => Ipv4Ref::new(payload).map(Self::V4),
            ETHERTYPE_IPV6 => Ipv6Ref::new(payload).map(Self::V6),
            ETHERTYPE_VLAN | ETHERTYPE_SERVICE_VLAN => match payload {
                [high, 0, ..] if high & 0x0f == 0 => Some(Self::PriorityTagged),
                _ => None,
            },
            _ => None,
        };
        seen.unwrap_or(Self::Other)
    }
}

/// What a rule asked for cannot be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Evasive;

/// The way to the transport header of a frame, and what rules ask about it. `None` is the hard no of 04 §6.4.
#[derive(Clone, Copy, Debug)]
pub(super) struct Transport<'a> {
    is_v6: bool,
    /// The one at the end of the extension headers; `None` when one of those is cut, or there is no IP packet.
    protocol: Option<u8>,
    through_fragment: bool,
    through_ah: bool,
    /// What follows the headers passed.
    bytes: &'a [u8],
    hidden: Hidden,
}

/// What hides the transport header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Hidden {
    Nothing,
    /// Ports and flags: the protocol is known.
    Header,
    /// The protocol too.
    Protocol,
}

/// Greater than every port.
const NO_PORT: u32 = 0x1_0000;

/// A fragment's place in its packet.
#[derive(Clone, Copy)]
struct Piece {
    /// Bytes before it.
    offset: usize,
    more: bool,
}

impl<'a> Transport<'a> {
    pub(super) fn new(network: Network<'a>) -> Self {
        match network {
            Network::V4(packet) => Self::of_v4(packet),
            Network::V6(packet) => Self::of_v6(packet),
            Network::PriorityTagged => Self { hidden: Hidden::Protocol, ..Self::NOTHING },
            Network::Other => Self::NOTHING,
        }
    }

    /// There is none.
    pub(super) const NOTHING: Self = Self {
        is_v6: false,
        protocol: None,
        through_fragment: false,
        through_ah: false,
        bytes: &[],
        hidden: Hidden::Nothing,
    };

    fn of_v4(packet: Ipv4Ref<'a>) -> Self {
        let field = u16::from_be_bytes([packet.bytes[6], packet.bytes[7]]);
        let piece = Piece { offset: usize::from(field & 0x1fff) * 8, more: field & 0x2000 != 0 };
        // The header length is not checked (04 §6.5): hosts refuse packets in which it is wrong.
        let start = packet.payload();
        let mut found = Self { protocol: Some(packet.protocol()), bytes: start, ..Self::NOTHING };
        if piece.offset == 0 {
            found.walk(start, piece.more.then_some(start));
        } else if packet.protocol() == AH && piece.offset < FRAGMENTED_HEADERS {
            found.hidden = Hidden::Protocol;
        } else if packet.protocol() == TCP && piece.offset < TCP_FLAGS_END {
            found.hidden = Hidden::Header;
        }
        found
    }

    fn of_v6(packet: Ipv6Ref<'a>) -> Self {
        let (protocol, bytes) = (Some(packet.next_header()), packet.payload());
        let mut found = Self { is_v6: true, protocol, bytes, ..Self::NOTHING };
        found.walk(packet.payload(), None);
        found
    }

    /// Goes through extension headers, AH and one fragment header, each at least eight bytes long. `data`: the data of
    /// the fragment, when this is the first of several.
    fn walk(&mut self, mut at: &'a [u8], mut data: Option<&'a [u8]>) {
        while let Some(protocol) = self.protocol {
            let fits = at.len() >= 8;
            let len = match protocol {
                HOP_BY_HOP | ROUTING | DESTINATION_OPTIONS | MOBILITY if self.is_v6 => {
                    if fits {
                        8 * usize::from(at[1]) + 8
                    } else {
                        usize::MAX
                    }
                }
                AH if fits => 4 * usize::from(at[1]) + 8,
                FRAGMENT if self.is_v6 && fits => {
                    let field = u16::from_be_bytes([at[2], at[3]]);
                    let piece = Piece { offset: usize::from(field & 0xfff8), more: field & 1 != 0 };
                    if self.through_fragment || (1..FRAGMENTED_HEADERS).contains(&piece.offset) {
                        self.hidden = Hidden::Protocol;
                    }
                    if piece.offset > 0 {
                        // A later one: nothing to be seen.
                        self.bytes = &[];
                        return;
                    }
                    self.through_fragment = true;
                    if piece.more {
                        data = Some(&at[8..]);
                    }
                    8
                }
                _ => break,
            };
            self.through_ah |= protocol == AH;
            let next = at.first().copied();
            // Ending exactly at the end of the frame is no failure (04 §6.6).
            match at.get(len..) {
                Some(rest) => (at, self.protocol) = (rest, next),
                None => (at, self.protocol) = (&[], None),
            }
        }
        self.bytes = at;
        if let Some(data) = data {
            self.check_first(data.len() - at.len());
        }
    }

    /// The first fragment of several has to hold all headers, and those end early (RFC 7112). `headers`: what came
    /// before the transport header.
    fn check_first(&mut self, headers: usize) {
        let needed = match self.protocol {
            None | Some(AH | FRAGMENT) => {
                self.hidden = Hidden::Protocol;
                return;
            }
            Some(TCP) => TCP_FLAGS_END,
            Some(ICMPV6) => TARGET_END,
            Some(UDP | SCTP | UDP_LITE) => 4,
            Some(_) => 0,
        };
        if headers + needed > FRAGMENTED_HEADERS {
            self.hidden = Hidden::Protocol;
        } else if self.bytes.len() < needed && self.hidden == Hidden::Nothing {
            self.hidden = Hidden::Header;
        }
    }

    /// The protocol at the end of the extension headers.
    pub(super) fn protocol(&self) -> Result<Option<u8>, Evasive> {
        if self.hidden == Hidden::Protocol { Err(Evasive) } else { Ok(self.protocol) }
    }

    /// True for the final protocol, and for AH or a fragment header on the way there.
    pub(super) fn is_protocol(&self, protocol: u8) -> Result<Option<bool>, Evasive> {
        let last = self.protocol()?;
        let passed = (self.through_fragment && protocol == FRAGMENT) || (self.through_ah && protocol == AH);
        Ok(if passed { Some(true) } else { last.map(|last| last == protocol) })
    }

    /// Type and code of an ICMP message of the packet's family.
    pub(super) fn icmp(&self) -> Result<Option<(u8, u8)>, Evasive> {
        let protocol = self.protocol()?;
        let wanted = if self.is_v6 { ICMPV6 } else { ICMP };
        match self.bytes {
            _ if protocol != Some(wanted) => Ok(None),
            _ if self.hidden != Hidden::Nothing => Err(Evasive),
            [kind, code, ..] => Ok(Some((*kind, *code))),
            _ => Ok(None),
        }
    }

    /// Source and destination; [`NO_PORT`] when the protocol has none or they are not there.
    pub(super) fn ports(&self) -> Result<Option<[u32; 2]>, Evasive> {
        if self.hidden != Hidden::Nothing {
            return Err(Evasive);
        }
        let Some(protocol) = self.protocol else { return Ok(None) };
        let port = |high: u8, low: u8| match u32::from(high) << 8 | u32::from(low) {
            // Quirk (04 §6.5): over IPv6, port 0 counts as none.
            0 if self.is_v6 => NO_PORT,
            port => port,
        };
        Ok(Some(match self.bytes {
            [a, b, c, d, _, ..] if matches!(protocol, TCP | UDP | SCTP | UDP_LITE) => [port(*a, *b), port(*c, *d)],
            _ => [NO_PORT; 2],
        }))
    }

    /// The TCP bits of the characteristics.
    pub(super) fn tcp_bits(&self) -> Result<u64, Evasive> {
        if self.protocol()? != Some(TCP) {
            return Ok(0);
        }
        if self.hidden != Hidden::Nothing {
            return Err(Evasive);
        }
        // Quirk (04 §6.5): over IPv6, one byte more has to be there. Over IPv4, missing bytes count as 0.
        if self.is_v6 && self.bytes.len() <= TCP_FLAGS_END {
            return Ok(0);
        }
        let byte = |at: usize| u64::from(self.bytes.get(at).copied().unwrap_or(0));
        Ok((byte(12) & 0x0f) << 8 | byte(13))
    }

    /// The target of a neighbour advertisement, wherever in the chain it stands.
    pub(super) fn advertised(&self) -> Result<Option<Ipv6Addr>, Evasive> {
        let protocol = self.protocol()?;
        match self.bytes.get(TARGET_END - 16..) {
            _ if !self.is_v6 || protocol != Some(ICMPV6) => Ok(None),
            Some(target) if self.bytes[0] == NEIGHBOR_ADVERTISEMENT => {
                Ok(target.first_chunk::<16>().map(|target| (*target).into()))
            }
            _ if self.hidden == Hidden::Nothing => Ok(None),
            _ => Err(Evasive),
        }
    }
}
