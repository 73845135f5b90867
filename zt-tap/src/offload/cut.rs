//! A frame of the kernel's, taken apart.

use zt_wire::ether::fold;

use super::checksum::{subtract, sum};
use super::layout::{IPV4_LEN, IPV6_LEN, TCP_LEN, UDP_LEN, Version, network, number, put};
use super::vnet::{Gso, VnetHeader};

/// Flags in the 14th byte of a TCP header: those of the last segment alone (FIN, PSH), and that of the first (CWR).
const TCP_LAST: u16 = 0x01 | 0x08;
const TCP_FIRST: u16 = 0x80;
/// Where the checksum of UDP is in its header.
const UDP_CHECKSUM: u16 = 6;

/// Why a frame of the kernel's cannot be taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CutError {
    /// The header before the frame names places outside it, or headers that are not there.
    Malformed,
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

/// A long frame: where its parts are, and what the headers of all segments come to, so that each costs no more than its
/// copy and the sum of its payload.
#[derive(Clone, Copy, Debug)]
struct Long {
    gso: Gso,
    version: Version,
    network: usize,
    transport: usize,
    payload: usize,
    segment: usize,
    ecn: bool,
    /// Identification of the first segment, of IPv4.
    identification: u16,
    /// Sum of the IPv4 header without length, identification and checksum.
    network_sum: u16,
    /// TCP: sequence number of the first segment.
    sequence: u32,
    /// TCP: length of the header, and flags.
    flags: u16,
    /// Sum of pseudo header and transport header without lengths, sequence number, flags and checksum.
    transport_sum: u16,
}

/// Where a segment is in its long frame.
struct Place {
    /// Payload before it.
    from: usize,
    /// Segments before it.
    index: u16,
    is_last: bool,
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

    /// Makes the next segment where it lies in `frame`, which is the one that [`Cut::new`] looked at: its headers go before its
    /// payload, over the end of the segment before it, which nobody needs any more.
    pub fn next<'f>(&mut self, frame: &'f mut [u8]) -> &'f [u8] {
        let len = self.next_len();
        let (from, index) = (self.given, self.index);
        self.index += 1;
        match &self.kind {
            Kind::Whole(pending) => {
                if let Some(pending) = pending {
                    pending.fill(&mut frame[..len]);
                }
                &frame[..len]
            }
            Kind::Long(long) => {
                self.given += len - long.payload;
                let is_last = long.payload + self.given == self.len;
                if index > 0 {
                    // Those of the segment before, of which all that differs is written anew.
                    let before = from - long.segment;
                    frame.copy_within(before..before + long.payload, from);
                }
                let segment = &mut frame[from..from + len];
                let (headers, payload) = segment.split_at_mut(long.payload);
                long.finish(headers, payload.len(), sum(payload), Place { from, index, is_last });
                segment
            }
        }
    }
}

impl Pending {
    fn of(header: &VnetHeader, frame: &[u8]) -> Result<Self, CutError> {
        let start = usize::from(header.checksum_start);
        let at = start + usize::from(header.checksum_offset);
        if at + 2 > frame.len() { Err(CutError::Malformed) } else { Ok(Self { start, at }) }
    }

    /// Stores the checksum where it belongs.
    fn fill(&self, frame: &mut [u8]) {
        let checksum = !sum(&frame[self.start..]);
        put(frame, self.at, if self.is_udp() { never_zero(checksum) } else { checksum });
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
        let mut long = Self {
            gso,
            version,
            network,
            transport,
            payload,
            segment: header.segment.into(),
            ecn: header.ecn,
            identification: 0,
            network_sum: 0,
            sequence: 0,
            flags: 0,
            transport_sum: 0,
        };
        let length = u16::try_from(frame.len() - transport).map_err(|_| malformed)?;
        long.take_sums(frame, length);
        Ok(long)
    }

    /// The fields that differ between segments, and the sums of all others.
    fn take_sums(&mut self, frame: &[u8], length: u16) {
        let Self { network, transport, payload, .. } = *self;
        if self.version == Version::V4 {
            self.identification = number(frame, network + 4);
            let differ = [2, 4, 10].map(|at| number(frame, network + at));
            self.network_sum = differ.into_iter().fold(sum(&frame[network..transport]), subtract);
        }
        // The checksum field holds the pseudo header of the whole frame: of addresses, protocol and length. The addresses
        // may be others than those of the IP header, where there is a routing header.
        let mut all = subtract(sum(&frame[transport..payload]), length);
        if self.gso == Gso::Udp {
            all = subtract(all, number(frame, transport + 4));
        } else {
            self.flags = number(frame, transport + 12);
            let at = [number(frame, transport + 4), number(frame, transport + 6)];
            self.sequence = u32::from(at[0]) << 16 | u32::from(at[1]);
            all = [at[0], at[1], self.flags].into_iter().fold(all, subtract);
        }
        self.transport_sum = all;
    }

    /// Makes of a copy of the headers those of one segment, whose payload has this length and sum.
    fn finish(&self, headers: &mut [u8], payload: usize, sum: u16, place: Place) {
        let length = headers.len() + payload - self.network;
        if self.version == Version::V4 {
            let identification = self.identification.wrapping_add(place.index);
            let total = u64::from(self.network_sum) + length as u64 + u64::from(identification);
            put(headers, self.network + 2, length as u16);
            put(headers, self.network + 4, identification);
            put(headers, self.network + 10, !fold(total));
        } else {
            put(headers, self.network + 4, (length - IPV6_LEN) as u16);
        }
        let length = headers.len() + payload - self.transport;
        let total = u64::from(self.transport_sum) + u64::from(sum) + length as u64;
        if self.gso == Gso::Udp {
            put(headers, self.transport + 4, length as u16);
            put(headers, self.transport + 6, never_zero(!fold(total + length as u64)));
            return;
        }
        let sequence = self.sequence.wrapping_add(place.from as u32);
        let mut flags = self.flags;
        if !place.is_last {
            flags &= !TCP_LAST;
        }
        if self.ecn && place.index > 0 {
            flags &= !TCP_FIRST;
        }
        headers[self.transport + 4..self.transport + 8].copy_from_slice(&sequence.to_be_bytes());
        put(headers, self.transport + 12, flags);
        // A sum of 32-bit words is one of 16-bit words as soon as it is folded.
        put(headers, self.transport + 16, !fold(total + u64::from(sequence) + u64::from(flags)));
    }
}

/// A UDP checksum that comes out as zero is sent in the other form of zero (RFC 768).
fn never_zero(checksum: u16) -> u16 {
    if checksum == 0 { 0xffff } else { checksum }
}
