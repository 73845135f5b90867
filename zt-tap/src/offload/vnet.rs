//! The header before each frame of a device with IFF_VNET_HDR.

/// Bytes of the header: that of virtio 0.9, which is the default of the kernel.
pub const HEADER_LEN: usize = 10;

const NEEDS_CHECKSUM: u8 = 1;
const TCP_V4: u8 = 1;
const TCP_V6: u8 = 4;
const UDP: u8 = 5;
/// Set beside the kind when the first segment has CWR: congestion was told, once.
const ECN: u8 = 0x80;

/// What a long frame consists of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gso {
    /// Segments of a TCP stream over IPv4.
    TcpV4,
    /// Segments of a TCP stream over IPv6.
    TcpV6,
    /// UDP datagrams of one sender to one receiver.
    Udp,
}

/// `struct virtio_net_hdr`, numbers of this machine's byte order on the wire.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct VnetHeader {
    /// The checksum at `checksum_start + checksum_offset` holds that of the pseudo header alone.
    pub needs_checksum: bool,
    /// The frame is a long one.
    pub gso: Option<Gso>,
    /// The first segment says that congestion was heard of (CWR), the others do not.
    pub ecn: bool,
    /// Bytes of all headers of a long frame; a hint.
    pub header_len: u16,
    /// Bytes of payload in each segment but the last.
    pub segment: u16,
    /// Where to sum from: the transport header.
    pub checksum_start: u16,
    /// Where from there the sum is stored.
    pub checksum_offset: u16,
}

impl VnetHeader {
    /// The header as the kernel wrote it; `None` for kinds of long frames that were not asked for.
    #[must_use]
    pub fn from_bytes(bytes: &[u8; HEADER_LEN]) -> Option<Self> {
        let gso = match bytes[1] & !ECN {
            0 => None,
            TCP_V4 => Some(Gso::TcpV4),
            TCP_V6 => Some(Gso::TcpV6),
            UDP => Some(Gso::Udp),
            _ => return None,
        };
        let number = |at: usize| u16::from_ne_bytes([bytes[at], bytes[at + 1]]);
        Some(Self {
            needs_checksum: bytes[0] & NEEDS_CHECKSUM != 0,
            gso,
            ecn: bytes[1] & ECN != 0,
            header_len: number(2),
            segment: number(4),
            checksum_start: number(6),
            checksum_offset: number(8),
        })
    }

    /// The header as the kernel reads it.
    #[must_use]
    pub fn to_bytes(&self) -> [u8; HEADER_LEN] {
        let mut bytes = [0; HEADER_LEN];
        bytes[0] = if self.needs_checksum { NEEDS_CHECKSUM } else { 0 };
        bytes[1] = match self.gso {
            None => 0,
            Some(Gso::TcpV4) => TCP_V4,
            Some(Gso::TcpV6) => TCP_V6,
            Some(Gso::Udp) => UDP,
        } | if self.ecn { ECN } else { 0 };
        let numbers = [self.header_len, self.segment, self.checksum_start, self.checksum_offset];
        for (place, number) in bytes[2..].chunks_exact_mut(2).zip(numbers) {
            place.copy_from_slice(&number.to_ne_bytes());
        }
        bytes
    }
}
