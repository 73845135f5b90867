//! A frame of the kernel's, taken apart.

use super::checksum::{add, subtract, sum};
use super::layout::{IPV4_LEN, IPV6_LEN, TCP_LEN, UDP_LEN, Version, network, number, put};
use super::vnet::{Gso, VnetHeader};

/// Flags in the 14th byte of a TCP header: those of the last segment alone (FIN, PSH), and that of the first (CWR).
const TCP_LAST: u8 = 0x01 | 0x08;
const TCP_FIRST: u8 = 0x80;
/// Where the checksum of UDP is in its header.
const UDP_CHECKSUM: u16 = 6;

/// Why a frame of the kernel's cannot be taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CutError {
    /// The header before the frame names places outside it, or headers that are not there.
    Malformed,
    /// A segment is longer than the slot it goes to.
    TooLong,
}

/// A frame with its checksum left open, or a long one, and how much of it was given out.
#[derive(Clone, Copy, Debug)]
pub struct Cut {
    kind: Kind,
    /// Bytes of the frame.
    len: usize,
    /// Payload given out so far.
    given: usize,
    /// Segments given out so far.
    index: u16,
}

#[derive(Clone, Copy, Debug)]
enum Kind {
    /// As it is, with this checksum to be filled in.
    Whole(Option<Pending>),
    Long(Long),
}

#[derive(Clone, Copy, Debug)]
struct Pending {
    start: usize,
    at: usize,
}

#[derive(Clone, Copy, Debug)]
struct Long {
    gso: Gso,
    network: usize,
    transport: usize,
    payload: usize,
    segment: usize,
    ecn: bool,
    /// Sum of the pseudo header without the length.
    pseudo: u16,
}

impl Cut {
    /// Looks at a frame and the header that came before it.
    ///
    /// # Errors
    /// [`CutError::Malformed`].
    pub fn new(header: &VnetHeader, frame: &[u8]) -> Result<Self, CutError> {
        let kind = match header.gso {
            None if header.needs_checksum => Kind::Whole(Some(Pending::of(header, frame)?)),
            None => Kind::Whole(None),
            Some(gso) => Kind::Long(Long::of(gso, header, frame)?),
        };
        Ok(Self { kind, len: frame.len(), given: 0, index: 0 })
    }

    /// Whether all was given out.
    #[must_use]
    pub fn is_done(&self) -> bool {
        match &self.kind {
            Kind::Whole(_) => self.index > 0,
            Kind::Long(long) => self.index > 0 && long.payload + self.given >= self.len,
        }
    }

    /// Bytes of the next segment.
    #[must_use]
    pub fn next_len(&self) -> usize {
        match &self.kind {
            Kind::Whole(_) => self.len,
            Kind::Long(long) => long.payload + long.segment.min(self.len - long.payload - self.given),
        }
    }

    /// Writes the next segment of `frame`, which is the one that [`Cut::new`] looked at, and returns its length.
    ///
    /// # Errors
    /// [`CutError::TooLong`]; the segment is passed over then.
    pub fn next(&mut self, frame: &[u8], slot: &mut [u8]) -> Result<usize, CutError> {
        let len = self.next_len();
        let index = self.index;
        self.index += 1;
        let from = self.given;
        if let Kind::Long(long) = &self.kind {
            self.given += len - long.payload;
        }
        let slot = slot.get_mut(..len).ok_or(CutError::TooLong)?;
        match &self.kind {
            Kind::Whole(pending) => {
                slot.copy_from_slice(&frame[..len]);
                if let Some(pending) = pending {
                    let checksum = !sum(&slot[pending.start..]);
                    put(slot, pending.at, if pending.is_udp() { never_zero(checksum) } else { checksum });
                }
            }
            Kind::Long(long) => {
                let is_last = long.payload + self.given == self.len;
                slot[..long.payload].copy_from_slice(&frame[..long.payload]);
                slot[long.payload..].copy_from_slice(&frame[long.payload + from..][..len - long.payload]);
                long.finish(slot, from, index, is_last);
            }
        }
        Ok(len)
    }
}

impl Pending {
    fn of(header: &VnetHeader, frame: &[u8]) -> Result<Self, CutError> {
        let start = usize::from(header.checksum_start);
        let at = start + usize::from(header.checksum_offset);
        if at + 2 > frame.len() { Err(CutError::Malformed) } else { Ok(Self { start, at }) }
    }

    fn is_udp(&self) -> bool {
        self.at - self.start == usize::from(UDP_CHECKSUM)
    }
}

impl Long {
    fn of(gso: Gso, header: &VnetHeader, frame: &[u8]) -> Result<Self, CutError> {
        let malformed = CutError::Malformed;
        let (network, version) = network(frame).ok_or(malformed)?;
        let transport = usize::from(header.checksum_start);
        let shortest = network + if version == Version::V4 { IPV4_LEN } else { IPV6_LEN };
        let least = if gso == Gso::Udp { UDP_LEN } else { TCP_LEN };
        let fits = match gso {
            Gso::TcpV4 => version == Version::V4,
            Gso::TcpV6 => version == Version::V6,
            Gso::Udp => true,
        };
        if !fits || transport < shortest || frame.len() < transport + least || header.segment == 0 {
            return Err(malformed);
        }
        if version == Version::V4 && network + usize::from(frame[network] & 0x0f) * 4 != transport {
            return Err(malformed);
        }
        let payload = match gso {
            Gso::Udp => transport + UDP_LEN,
            Gso::TcpV4 | Gso::TcpV6 => transport + usize::from(frame[transport + 12] >> 4) * 4,
        };
        if payload < transport + least || frame.len() <= payload || !header.needs_checksum {
            return Err(malformed);
        }
        // The field holds the pseudo header of the whole frame: of addresses, protocol and length. The addresses may be
        // others than those of the IP header, where there is a routing header.
        let checksum = transport + if gso == Gso::Udp { 6 } else { 16 };
        let length = u16::try_from(frame.len() - transport).map_err(|_| malformed)?;
        let pseudo = subtract(number(frame, checksum), length);
        Ok(Self { gso, network, transport, payload, segment: header.segment.into(), ecn: header.ecn, pseudo })
    }

    /// Makes of a copy of the headers and a part of the payload, which begins at `from`, a frame.
    fn finish(&self, frame: &mut [u8], from: usize, index: u16, is_last: bool) {
        let length = frame.len();
        if frame[self.network] >> 4 == 4 {
            put(frame, self.network + 2, (length - self.network) as u16);
            let identification = number(frame, self.network + 4).wrapping_add(index);
            put(frame, self.network + 4, identification);
            put(frame, self.network + 10, 0);
            let checksum = !sum(&frame[self.network..self.transport]);
            put(frame, self.network + 10, checksum);
        } else {
            put(frame, self.network + 4, (length - self.network - IPV6_LEN) as u16);
        }
        let transport_len = (length - self.transport) as u16;
        let pseudo = add(self.pseudo, transport_len);
        if self.gso == Gso::Udp {
            put(frame, self.transport + 4, transport_len);
            put(frame, self.transport + 6, pseudo);
            let checksum = never_zero(!sum(&frame[self.transport..]));
            put(frame, self.transport + 6, checksum);
            return;
        }
        let at = self.transport + 4;
        let sequence = u32::from_be_bytes(frame[at..at + 4].try_into().expect("4 bytes"));
        frame[at..at + 4].copy_from_slice(&sequence.wrapping_add(from as u32).to_be_bytes());
        let flags = &mut frame[self.transport + 13];
        if !is_last {
            *flags &= !TCP_LAST;
        }
        if self.ecn && index > 0 {
            *flags &= !TCP_FIRST;
        }
        put(frame, self.transport + 16, pseudo);
        let checksum = !sum(&frame[self.transport..]);
        put(frame, self.transport + 16, checksum);
    }
}

/// A UDP checksum that comes out as zero is sent in the other form of zero (RFC 768).
fn never_zero(checksum: u16) -> u16 {
    if checksum == 0 { 0xffff } else { checksum }
}
