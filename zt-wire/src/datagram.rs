//! Telling datagrams apart (02 §2).

use crate::fragment::FRAGMENT_MARKER;
use crate::packet::{FRAGMENT_HEADER_LEN, HEADER_LEN, OFFSET_SOURCE};
use crate::{Address, ParseError, Reader};

/// Kind of a datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Datagram {
    /// A head packet: see [`Packet`](crate::Packet).
    Head,
    /// A further piece of a packet: see [`Fragment`](crate::Fragment).
    Fragment,
    /// Announcement on a LAN by software before 1.0.4: see [`LanBeacon`].
    LanBeacon,
    /// NAT openers, keep-alives and junk.
    Ignored,
}

/// Tells what a received datagram is, in the order of 02 §2.
pub fn classify(datagram: &[u8]) -> Datagram {
    match datagram.len() {
        LanBeacon::LEN => Datagram::LanBeacon,
        // Quirk (02 §2): a fragment with an empty body is ignored as well.
        0..=FRAGMENT_HEADER_LEN => Datagram::Ignored,
        _ if datagram[OFFSET_SOURCE] == FRAGMENT_MARKER => Datagram::Fragment,
        n if n >= HEADER_LEN => Datagram::Head,
        _ => Datagram::Ignored,
    }
}

/// Legacy LAN beacon (02 §7).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LanBeacon {
    /// Arbitrary.
    pub arbitrary: [u8; 8],
    /// Address of the sender.
    pub address: Address,
}

impl LanBeacon {
    /// Length of the datagram.
    pub const LEN: usize = 13;
}

impl<'a> crate::Parse<'a> for LanBeacon {
    fn parse(r: &mut Reader<'a>) -> Result<Self, ParseError> {
        Ok(Self { arbitrary: r.array("beacon")?, address: Address::from_bytes(r.array("beacon address")?) })
    }
}

impl crate::Emit for LanBeacon {
    fn encoded_len(&self) -> usize {
        Self::LEN
    }

    fn emit(&self, w: &mut crate::Writer<'_>) -> Result<(), crate::BufferFull> {
        w.put_bytes(&self.arbitrary)?;
        self.address.emit(w)
    }
}
