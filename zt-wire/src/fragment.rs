//! Fragments: the view of one, and how a packet is cut (02 §3.2, §3.3).

use core::fmt;
use core::ops::Range;

use crate::packet::{FRAGMENT_HEADER_LEN, HEADER_LEN, MAX_FRAGMENTS, OFFSET_DESTINATION, OFFSET_SOURCE};
use crate::{Address, PacketId, ParseError};

/// First byte of what would be a source address: marks a fragment.
pub const FRAGMENT_MARKER: u8 = 0xff;

/// View of a fragment. Getters never panic: the length was checked.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Fragment<T> {
    bytes: T,
}

impl<T: AsRef<[u8]>> Fragment<T> {
    /// Checks length and marker. Whether the numbers make sense is told by [`Fragment::is_sane`].
    pub fn new_checked(bytes: T) -> Result<Self, ParseError> {
        let b = bytes.as_ref();
        if b.len() < FRAGMENT_HEADER_LEN {
            return Err(ParseError { what: "fragment header", at: b.len() });
        }
        if b[OFFSET_SOURCE] != FRAGMENT_MARKER {
            return Err(ParseError { what: "fragment marker", at: OFFSET_SOURCE });
        }
        Ok(Self { bytes })
    }

    fn field<const N: usize>(&self, at: usize) -> [u8; N] {
        *self.bytes.as_ref()[at..].first_chunk().expect("new_checked saw a whole header")
    }

    /// ID of the packet this is a piece of.
    pub fn id(&self) -> PacketId {
        PacketId(u64::from_be_bytes(self.field(0)))
    }

    /// Destination address.
    pub fn destination(&self) -> Address {
        Address::from_bytes(self.field(OFFSET_DESTINATION))
    }

    /// Claimed number of pieces, head included (0–15).
    pub fn total(&self) -> u8 {
        self.bytes.as_ref()[14] >> 4
    }

    /// Number of this piece (0–15).
    pub fn number(&self) -> u8 {
        self.bytes.as_ref()[14] & 0x0f
    }

    /// True if `2 <= total <= 7` and `1 <= number < total`.
    /// Deliberate: the reference does not compare number and total (02 §3.4).
    pub fn is_sane(&self) -> bool {
        (2..=MAX_FRAGMENTS as u8).contains(&self.total()) && (1..self.total()).contains(&self.number())
    }

    /// Hop count: the whole byte.
    pub fn hops(&self) -> u8 {
        self.bytes.as_ref()[15]
    }

    /// Slice of the packet.
    pub fn body(&self) -> &[u8] {
        &self.bytes.as_ref()[FRAGMENT_HEADER_LEN..]
    }

    /// The bytes of the fragment.
    pub fn as_bytes(&self) -> &[u8] {
        self.bytes.as_ref()
    }
}

impl<T: AsRef<[u8]> + AsMut<[u8]>> Fragment<T> {
    /// Sets the hop count.
    pub fn set_hops(&mut self, hops: u8) {
        self.bytes.as_mut()[15] = hops;
    }
}

impl<T: AsRef<[u8]>> fmt::Display for Fragment<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "ZT fragment {} of {}, > {}, id {}, hops {}, length {}",
            self.number(),
            self.total(),
            self.destination(),
            self.id(),
            self.hops(),
            self.as_bytes().len()
        )
    }
}

impl<T: AsRef<[u8]>> fmt::Debug for Fragment<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Writes the header of piece `number` of `total`, with hop count 0.
pub fn write_fragment_header(
    out: &mut [u8; FRAGMENT_HEADER_LEN],
    id: PacketId,
    destination: Address,
    total: u8,
    number: u8,
) {
    out[..OFFSET_DESTINATION].copy_from_slice(&id.0.to_be_bytes());
    out[OFFSET_DESTINATION..OFFSET_SOURCE].copy_from_slice(&destination.to_bytes());
    out[OFFSET_SOURCE] = FRAGMENT_MARKER;
    out[14] = total << 4 | number & 0x0f;
    out[15] = 0;
}

/// Cuts a packet for a path: the ranges of the packet that go into each datagram, the head first.
/// Every further range needs a fragment header in front. `None` if more than [`MAX_FRAGMENTS`] pieces were needed
/// (such a packet can never be received, 02 §3.3) or the MTU is absurdly small.
///
/// ```
/// let pieces: Vec<_> = zt_wire::fragment::pieces(1500, 1432).expect("two pieces").collect();
/// assert_eq!(pieces, [0..1432, 1432..1500]);
/// ```
pub fn pieces(packet_len: usize, mtu: usize) -> Option<Pieces> {
    // The head has to hold its header, and the other pieces more than theirs.
    if mtu < HEADER_LEN {
        return None;
    }
    let slice = mtu - FRAGMENT_HEADER_LEN;
    let total = 1 + packet_len.saturating_sub(mtu).div_ceil(slice);
    (total <= MAX_FRAGMENTS).then_some(Pieces { next: 0, packet_len, first: mtu, slice, total })
}

/// The least MTU at which a packet needs no more than [`MAX_FRAGMENTS`] pieces. Where a path takes less, larger pieces,
/// which the network below cuts again, are better than a packet that cannot be received.
///
/// ```
/// use zt_wire::fragment::{least_mtu, pieces};
/// assert_eq!(least_mtu(9928), 1432);
/// assert_eq!(pieces(9928, 1432).expect("seven pieces").len(), 7);
/// ```
pub const fn least_mtu(packet_len: usize) -> u16 {
    let least = (packet_len + (MAX_FRAGMENTS - 1) * FRAGMENT_HEADER_LEN).div_ceil(MAX_FRAGMENTS);
    if least > u16::MAX as usize { u16::MAX } else { least as u16 }
}

/// Iterator of [`pieces`].
#[derive(Clone, Debug)]
pub struct Pieces {
    next: usize,
    packet_len: usize,
    first: usize,
    slice: usize,
    total: usize,
}

impl Pieces {
    /// Number of pieces, those already taken included.
    pub const fn total(&self) -> usize {
        self.total
    }
}

impl Iterator for Pieces {
    type Item = Range<usize>;

    fn next(&mut self) -> Option<Range<usize>> {
        let start = if self.next == 0 { 0 } else { self.first };
        if self.next >= self.total {
            return None;
        }
        let end = (start + if self.next == 0 { self.first } else { self.slice }).min(self.packet_len);
        self.next += 1;
        self.first = end;
        Some(start..end)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = self.total - self.next;
        (left, Some(left))
    }
}

impl ExactSizeIterator for Pieces {}
