//! The facts of a frame as numbers, so that most matches are one comparison (04 §6.5).

use zt_wire::ident::Mac;

use super::classes::Begin;
use super::facts::FrameFacts;
use super::transport::{Evasive, Network, Transport};

/// Fields of a frame. Of a field that a frame does not have, each match is a hard no (04 §6.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Field {
    EtherType,
    /// Length of the payload.
    Size,
    Source,
    Destination,
    MacSource,
    MacDestination,
    Ipv4Source,
    Ipv4Destination,
    /// The upper half.
    Ipv6Source,
    Ipv6Destination,
    Tos,
    Protocol,
    /// Type and code.
    Icmp,
    SourcePort,
    DestinationPort,
    /// The TCP bits of the characteristics.
    TcpBits,
}

/// Number of fields.
const COUNT: usize = Field::TcpBits as usize + 1;

impl Field {
    const fn bit(self) -> u32 {
        1 << self as u8
    }
}

/// Groups of fields that are read together.
pub(super) mod group {
    pub(in crate::rules) const ENDS: u8 = 1;
    pub(in crate::rules) const IP: u8 = 2;
    pub(in crate::rules) const TRANSPORT: u8 = 4;
}

impl Field {
    pub(super) const fn group(self) -> u8 {
        match self {
            Self::EtherType | Self::Size => 0,
            Self::Source | Self::Destination | Self::MacSource | Self::MacDestination => group::ENDS,
            Self::Ipv4Source | Self::Ipv4Destination | Self::Ipv6Source | Self::Ipv6Destination | Self::Tos => {
                group::IP
            }
            Self::Protocol | Self::Icmp | Self::SourcePort | Self::DestinationPort | Self::TcpBits => group::TRANSPORT,
        }
    }
}

/// A comparison with a field: whether some of its bits lie in a range.
#[derive(Clone, Copy, Debug)]
pub(super) struct Range {
    pub(super) field: Field,
    /// True for what is outside of the range that a rule names.
    outside: bool,
    mask: u64,
    first: u64,
    /// Last minus first.
    width: u64,
}

impl Range {
    /// True for what lies from `first` to `last` after `mask`; nothing does when `last` is the lesser one.
    pub(super) const fn masked(field: Field, mask: u64, first: u64, last: u64) -> Self {
        match last.checked_sub(first) {
            Some(width) => Self { field, outside: false, mask, first, width },
            None => Self::never(field),
        }
    }

    /// False, of every frame that has the field.
    pub(super) const fn never(field: Field) -> Self {
        Self { field, outside: false, mask: 0, first: 1, width: 0 }
    }

    /// The same, inverted when `not` is set: what is outside of a range is a range, too, that begins behind its end and
    /// goes on at 0.
    pub(super) const fn inverted(self, not: bool) -> Self {
        match (u64::MAX - self.width).checked_sub(1) {
            _ if !not => self,
            Some(width) => {
                Self { outside: true, first: self.first.wrapping_add(self.width).wrapping_add(1), width, ..self }
            }
            None => Self { outside: true, ..Self::never(self.field) },
        }
    }

    pub(super) const fn equal(field: Field, value: u64) -> Self {
        Self::masked(field, u64::MAX, value, value)
    }

    /// True when one of the bits is set.
    pub(super) const fn any(field: Field, bits: u64) -> Self {
        Self::masked(field, bits, 1, u64::MAX)
    }

    /// The same of every frame.
    pub(super) const fn always(result: bool) -> Self {
        let first = if result { 0 } else { 1 };
        Self::masked(Field::EtherType, 0, first, first)
    }

    /// How likely it is that a frame of another purpose fails here; 0 when nothing is gained by asking early.
    pub(super) const fn selectivity(&self, inbound: bool) -> u8 {
        match self.field {
            _ if self.outside => 0,
            // Always this node, in most rules that ask.
            Field::Source if !inbound => 0,
            Field::Destination if inbound => 0,
            Field::SourcePort | Field::DestinationPort if self.width < 1024 => 5,
            Field::Icmp => 5,
            Field::Source | Field::Destination | Field::MacSource | Field::MacDestination => 4,
            Field::Ipv4Source | Field::Ipv4Destination | Field::Ipv6Source | Field::Ipv6Destination => 3,
            Field::TcpBits => 3,
            Field::Protocol => 2,
            Field::EtherType | Field::Size | Field::Tos | Field::SourcePort | Field::DestinationPort => 1,
        }
    }

    /// True when the value makes no difference.
    pub(super) const fn is_constant(&self) -> bool {
        self.mask == 0 && matches!(self.field, Field::EtherType)
    }

    /// The only value that has another result than all others, and theirs.
    pub(super) const fn singled_out(&self) -> Option<(u64, bool)> {
        match self.width {
            _ if self.mask != u64::MAX => None,
            0 => Some((self.first, false)),
            width if width == u64::MAX - 1 => Some((self.first.wrapping_sub(1), true)),
            _ => None,
        }
    }

    /// Result for a value of the field.
    pub(super) const fn holds(&self, value: u64) -> bool {
        (value & self.mask).wrapping_sub(self.first) <= self.width
    }
}

/// The number of a MAC.
pub(super) fn mac(mac: Mac) -> u64 {
    mac.0.iter().fold(0, |number, byte| number << 8 | u64::from(*byte))
}

/// What is known of a frame. Fields are read by groups, when a table asks for one of them.
#[derive(Debug)]
pub(super) struct Fields {
    values: [u64; COUNT],
    present: u32,
    /// Fields that the frame hides.
    hidden: u32,
    read: u8,
}

impl Fields {
    pub(super) fn new(facts: &FrameFacts<'_>) -> Self {
        let mut fields = Self { values: [0; COUNT], present: 0, hidden: 0, read: 0 };
        fields.set(Field::EtherType, facts.ethertype.into());
        fields.set(Field::Size, facts.payload.len() as u64);
        fields
    }

    #[inline]
    fn set(&mut self, field: Field, value: u64) {
        self.values[field as usize] = value;
        self.present |= field.bit();
    }

    /// True when one of these groups is still to be read.
    pub(super) const fn lacks(&self, groups: u8) -> bool {
        groups & !self.read != 0
    }

    pub(super) fn read(&mut self, groups: u8, facts: &FrameFacts<'_>, network: Network<'_>, transport: &Transport<'_>) {
        let new = groups & !self.read;
        self.read |= groups;
        if new & group::ENDS != 0 {
            self.set(Field::Source, facts.source.as_u64());
            self.set(Field::Destination, facts.destination.as_u64());
            self.set(Field::MacSource, mac(facts.source_mac));
            self.set(Field::MacDestination, mac(facts.destination_mac));
        }
        if new & group::IP != 0 {
            self.read_ip(network);
        }
        if new & group::TRANSPORT != 0 {
            self.read_transport(transport);
        }
    }

    fn read_ip(&mut self, network: Network<'_>) {
        match network {
            Network::V4(packet) => {
                self.set(Field::Ipv4Source, packet.source().to_bits().into());
                self.set(Field::Ipv4Destination, packet.destination().to_bits().into());
                self.set(Field::Tos, packet.tos().into());
            }
            Network::V6(packet) => {
                self.set(Field::Ipv6Source, (packet.source().to_bits() >> 64) as u64);
                self.set(Field::Ipv6Destination, (packet.destination().to_bits() >> 64) as u64);
                self.set(Field::Tos, packet.traffic_class().into());
            }
            Network::PriorityTagged => {
                let all = [Field::Ipv4Source, Field::Ipv4Destination, Field::Ipv6Source, Field::Ipv6Destination];
                self.hidden |= all.iter().fold(Field::Tos.bit(), |bits, field| bits | field.bit());
            }
            Network::Other => {}
        }
    }

    fn read_transport(&mut self, transport: &Transport<'_>) {
        let mut read = |field: Field, value: Result<Option<u64>, Evasive>| match value {
            Ok(Some(value)) => self.set(field, value),
            Ok(None) => {}
            Err(_) => self.hidden |= field.bit(),
        };
        read(Field::Protocol, transport.protocol().map(|protocol| protocol.map(u64::from)));
        read(Field::Icmp, transport.icmp().map(|icmp| icmp.map(|(kind, code)| u64::from(kind) << 8 | u64::from(code))));
        let ports = transport.ports();
        read(Field::SourcePort, ports.map(|ports| ports.map(|[source, _]| source.into())));
        read(Field::DestinationPort, ports.map(|ports| ports.map(|[_, destination]| destination.into())));
        read(Field::TcpBits, transport.tcp_bits().map(Some));
    }

    /// True when the frame hides nothing.
    pub(super) const fn shows_all(&self) -> bool {
        self.hidden == 0
    }

    /// Those of at most 64 sets whose guards hold, the first one in the lowest bit. For a frame that hides nothing.
    #[inline]
    pub(super) fn live(&self, begins: &[Begin]) -> u64 {
        let passes = |range: &Range| {
            let field = range.field as usize;
            u64::from(self.present >> field & 1) & u64::from(range.holds(self.values[field]))
        };
        begins.iter().enumerate().fold(0, |live, (at, begin)| live | passes(&begin.guard) << at)
    }

    /// Compares one field.
    #[inline]
    pub(super) const fn compare(&self, range: &Range) -> Result<bool, Evasive> {
        let bit = range.field.bit();
        if self.present & bit != 0 {
            return Ok(range.holds(self.values[range.field as usize]));
        }
        if self.hidden & bit != 0 { Err(Evasive) } else { Ok(false) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_hold_both_ends_and_nothing_when_turned_round() {
        let range = Range::masked(Field::Size, u64::MAX, 5, 7);
        assert!([5, 6, 7].iter().all(|n| range.holds(*n)) && !range.holds(4) && !range.holds(8));
        let turned = Range::masked(Field::Size, u64::MAX, 7, 5);
        assert!([0, 1, 5, 6, 7, u64::MAX].iter().all(|n| !turned.holds(*n)));
        let any = Range::any(Field::TcpBits, 0x12);
        assert!(any.holds(0x02) && any.holds(0xffff) && !any.holds(0) && !any.holds(0xed));
        assert!(Range::always(true).holds(9) && !Range::always(false).holds(9));
        let outside =
            [range, turned, any, Range::always(true), Range::always(false)].map(|range| (range, range.inverted(true)));
        for (range, outside) in outside {
            assert!(
                [0, 1, 4, 5, 7, 8, 0x12, u64::MAX - 1, u64::MAX].iter().all(|n| range.holds(*n) != outside.holds(*n))
            );
        }
        let all = Range::masked(Field::Size, u64::MAX, 0, u64::MAX);
        assert!(all.holds(3) && !all.inverted(true).holds(3) && !all.inverted(true).holds(0));
        let five = Range::equal(Field::Size, 5);
        assert_eq!([five.singled_out(), five.inverted(true).singled_out()], [Some((5, false)), Some((5, true))]);
        assert_eq!([range.singled_out(), range.inverted(true).singled_out()], [None, None]);
        assert_eq!(mac(Mac([1, 2, 3, 4, 5, 6])), 0x0102_0304_0506);
    }
}
