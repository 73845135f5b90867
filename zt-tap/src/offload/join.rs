//! Runs of frames of one flow, which go to the kernel as one.

use zt_wire::FrameBatch;
use zt_wire::ether::fold;

use super::checksum::{add, sum};
use super::layout::{IPV4_LEN, IPV6_LEN, TCP, TCP_LEN, UDP, UDP_LEN, Version, network, number, put};
use super::vnet::{Gso, VnetHeader};

/// Most frames of a run.
const MOST: usize = 64;
/// Most bytes behind the Ethernet header of a run: what the length of an IPv4 packet can say.
const LONGEST: usize = 65_535;
/// Most flows that are looked for in a batch at once: the one that was found first is forgotten for another.
const FLOWS: usize = 16;
/// Longest headers of a run: Ethernet, two VLAN tags, IPv6, TCP with all its options.
const HEADERS: usize = 14 + 8 + IPV6_LEN + 60;

/// Protocol number of ICMP over IPv6.
const ICMP_V6: u8 = 58;

const PSH: u8 = 0x08;
const ACK: u8 = 0x10;
const ECE: u8 = 0x40;
/// "Nobody may fragment this", in the 7th byte of an IPv4 header.
const DONT_FRAGMENT: u8 = 0x40;

/// Frames that go to the kernel together, or one by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Run {
    /// Index of the first frame.
    pub first: usize,
    /// Number of frames.
    pub count: usize,
    last: usize,
    segment: usize,
    /// Of what may be joined.
    shape: Option<Shape>,
}

/// The runs of a batch, in the order in which they go. Reused, it allocates nothing.
#[derive(Debug, Default)]
pub struct Plan {
    runs: Vec<Run>,
    /// For each frame the next of its run.
    next: Vec<usize>,
    open: Vec<Open>,
}

/// Headers of a run that stand for those of its frames.
#[derive(Debug)]
pub struct Headers {
    /// What goes before.
    pub vnet: VnetHeader,
    bytes: [u8; HEADERS],
    len: usize,
}

impl Headers {
    /// Ethernet, IP and transport header.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}

/// A run that may grow.
#[derive(Debug)]
struct Open {
    run: usize,
    shape: Shape,
    /// The checksum of its first frame was found right.
    is_verified: bool,
    /// TCP: sequence number of what comes next.
    sequence: u32,
    /// IPv4: identification of what comes next.
    identification: u16,
}

/// Where the parts of a frame are that may be joined with others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Shape {
    version: Version,
    is_tcp: bool,
    network: usize,
    transport: usize,
    payload: usize,
}

/// What a frame is to those who join.
enum Sort {
    /// May be part of a run.
    Segment(Shape),
    /// Belongs to a flow, and ends its run.
    Single(Shape),
    /// Belongs to some flow that cannot be told, as a fragment: ends all runs.
    Unknown,
    /// Belongs to no flow that is joined: nothing to keep in order with.
    Foreign,
}

impl Plan {
    /// Finds the runs of a batch: of TCP segments, and of UDP datagrams if asked for.
    pub fn make(&mut self, batch: &FrameBatch, with_udp: bool) {
        self.runs.clear();
        self.next.clear();
        self.open.clear();
        for (index, frame) in batch.iter().enumerate() {
            self.next.push(usize::MAX);
            // Nearly all frames of a stream come next in a run, and need not be looked at from scratch.
            if !self.joins(batch, index, frame.bytes) {
                self.place(batch, index, frame.bytes, with_udp);
            }
        }
    }

    /// The runs, in the order in which they go.
    #[must_use]
    pub fn runs(&self) -> &[Run] {
        &self.runs
    }

    /// Indices of the frames of a run.
    pub fn frames(&self, run: &Run) -> impl Iterator<Item = usize> + use<'_> {
        core::iter::successors(Some(run.first), |at| self.next.get(*at).copied()).take(run.count)
    }

    /// Where the payload of each frame of a run begins.
    #[must_use]
    pub fn payload_at(run: &Run) -> usize {
        run.shape.map_or(0, |shape| shape.payload)
    }

    /// The headers of a run of several frames; `None` for a frame by itself, which goes as it is.
    #[must_use]
    pub fn headers(&self, run: &Run, batch: &FrameBatch) -> Option<Headers> {
        let shape = run.shape.filter(|_| run.count > 1)?;
        let (first, last) = (batch.frame(run.first)?.bytes, batch.frame(run.last)?.bytes);
        let mut bytes = [0; HEADERS];
        let head = &mut bytes[..shape.payload];
        head.copy_from_slice(&first[..shape.payload]);
        let behind = (run.count - 1) * run.segment + last.len() - shape.payload;
        let transport_len = shape.payload - shape.transport + behind;
        if shape.version == Version::V4 {
            put(head, shape.network + 2, (IPV4_LEN + transport_len) as u16);
            put(head, shape.network + 10, 0);
            let checksum = !sum(&head[shape.network..shape.transport]);
            put(head, shape.network + 10, checksum);
        } else {
            put(head, shape.network + 4, transport_len as u16);
        }
        let addresses = sum(&head[shape.addresses()..shape.transport]);
        let pseudo = add(addresses, add(shape.protocol().into(), transport_len as u16));
        if shape.is_tcp {
            head[shape.transport + 13] |= last[shape.transport + 13] & PSH;
        } else {
            put(head, shape.transport + 4, transport_len as u16);
        }
        put(head, shape.transport + usize::from(shape.checksum()), pseudo);
        let vnet = VnetHeader {
            needs_checksum: true,
            gso: Some(match (shape.is_tcp, shape.version) {
                (false, _) => Gso::Udp,
                (true, Version::V4) => Gso::TcpV4,
                (true, Version::V6) => Gso::TcpV6,
            }),
            ecn: false,
            header_len: shape.payload as u16,
            segment: run.segment as u16,
            checksum_start: shape.transport as u16,
            checksum_offset: shape.checksum(),
        };
        Some(Headers { vnet, bytes, len: shape.payload })
    }

    /// Appends a frame to the open run that it continues, if there is one.
    fn joins(&mut self, batch: &FrameBatch, index: usize, frame: &[u8]) -> bool {
        for at in 0..self.open.len() {
            let open = &mut self.open[at];
            let (run, shape) = (&self.runs[open.run], open.shape);
            if !open.is_next(frame) {
                continue;
            }
            let Some(first) = batch.frame(run.first) else { continue };
            if !run.has_room(frame.len()) || !shape.is_alike(first.bytes, frame) {
                continue;
            }
            // What arrives with a wrong checksum must not get a right one here.
            open.is_verified = open.is_verified || shape.is_intact(first.bytes);
            if !open.is_verified || !shape.is_intact(frame) {
                return false;
            }
            self.append(at, index, frame, shape);
            return true;
        }
        false
    }

    /// Begins a run with a frame that continues none: what is open of its flow ends.
    fn place(&mut self, batch: &FrameBatch, index: usize, frame: &[u8], with_udp: bool) {
        match sort(frame, with_udp) {
            Sort::Foreign => self.begin(index, 0, None),
            Sort::Unknown => {
                self.open.clear();
                self.begin(index, 0, None);
            }
            Sort::Single(shape) => {
                self.end(batch, frame, shape);
                self.begin(index, 0, None);
            }
            Sort::Segment(shape) => {
                self.end(batch, frame, shape);
                self.segment(index, frame, shape);
            }
        }
    }

    fn segment(&mut self, index: usize, frame: &[u8], shape: Shape) {
        self.begin(index, frame.len() - shape.payload, Some(shape));
        // What was pushed is not waited with.
        if shape.is_pushed(frame) {
            return;
        }
        if self.open.len() == FLOWS {
            self.open.remove(0);
        }
        self.open.push(Open {
            run: self.runs.len() - 1,
            shape,
            is_verified: false,
            sequence: shape.sequence(frame).wrapping_add((frame.len() - shape.payload) as u32),
            identification: shape.identification(frame).wrapping_add(1),
        });
    }

    fn begin(&mut self, index: usize, segment: usize, shape: Option<Shape>) {
        self.runs.push(Run { first: index, count: 1, last: index, segment, shape });
    }

    fn end(&mut self, batch: &FrameBatch, frame: &[u8], shape: Shape) {
        let found = self.open.iter().position(|open| {
            let first = batch.frame(self.runs[open.run].first).map(|first| first.bytes).unwrap_or_default();
            open.shape.is_same_flow(first, shape, frame)
        });
        if let Some(at) = found {
            self.open.swap_remove(at);
        }
    }

    fn append(&mut self, at: usize, index: usize, frame: &[u8], shape: Shape) {
        let open = &mut self.open[at];
        let run = &mut self.runs[open.run];
        self.next[run.last] = index;
        run.last = index;
        run.count += 1;
        let payload = frame.len() - shape.payload;
        open.sequence = open.sequence.wrapping_add(payload as u32);
        open.identification = open.identification.wrapping_add(1);
        if payload < run.segment || shape.is_pushed(frame) {
            self.open.swap_remove(at);
        }
    }
}

impl Run {
    /// Whether it may have one more frame of this length.
    fn has_room(&self, len: usize) -> bool {
        self.shape.is_some_and(|shape| {
            let payload = len.saturating_sub(shape.payload);
            let behind = shape.payload - shape.network + self.count * self.segment + payload;
            payload <= self.segment && self.count < MOST && behind <= LONGEST
        })
    }
}

impl Open {
    /// Whether the numbers in a frame are those that come next.
    fn is_next(&self, frame: &[u8]) -> bool {
        let shape = self.shape;
        if frame.len() <= shape.payload || shape.is_tcp && shape.sequence(frame) != self.sequence {
            return false;
        }
        // What nobody may fragment gets any identification.
        let is_whole = shape.version == Version::V6 || frame[shape.network + 6] & DONT_FRAGMENT != 0;
        is_whole || shape.identification(frame) == self.identification
    }
}

impl Shape {
    fn protocol(self) -> u8 {
        if self.is_tcp { TCP } else { UDP }
    }

    /// Where in the transport header the checksum is.
    fn checksum(self) -> u16 {
        if self.is_tcp { 16 } else { 6 }
    }

    fn sequence(self, frame: &[u8]) -> u32 {
        if !self.is_tcp {
            return 0;
        }
        let at = self.transport + 4;
        u32::from_be_bytes(frame[at..at + 4].try_into().expect("4 bytes"))
    }

    fn identification(self, frame: &[u8]) -> u16 {
        if self.version == Version::V4 { number(frame, self.network + 4) } else { 0 }
    }

    fn is_pushed(self, frame: &[u8]) -> bool {
        self.is_tcp && frame[self.transport + 13] & PSH != 0
    }

    /// Where both IP addresses are, which end at the transport header; the ports follow.
    fn addresses(self) -> usize {
        self.network + if self.version == Version::V4 { 12 } else { 8 }
    }

    fn is_same_flow(self, first: &[u8], other: Self, frame: &[u8]) -> bool {
        self.version == other.version
            && self.is_tcp == other.is_tcp
            && self.network == other.network
            && first[self.addresses()..self.transport + 4] == frame[self.addresses()..self.transport + 4]
            && first[..self.network] == frame[..self.network]
    }

    /// Whether all fields are the same that segments of one long frame have in common, and the lengths are right: a frame
    /// that is longer than the headers of the first, which has this shape, is a segment of the same flow and shape then.
    fn is_alike(self, first: &[u8], frame: &[u8]) -> bool {
        let same = |at: usize, len: usize| first[at..at + len] == frame[at..at + len];
        let (network, transport) = (self.network, self.transport);
        let packet = match self.version {
            // Version, length, TOS; flags, fragment offset, time to live, protocol; behind the checksum addresses and ports.
            Version::V4 => {
                usize::from(number(frame, network + 2)) == frame.len() - network
                    && same(network, 2)
                    && same(network + 6, 4)
                    && same(network + 12, 12)
            }
            // Version, class, flow label; next header, hop limit, addresses and ports.
            Version::V6 => {
                usize::from(number(frame, network + 4)) == frame.len() - transport
                    && same(network, 4)
                    && same(network + 6, 38)
            }
        };
        let segment = || {
            if self.is_tcp {
                // Acknowledged, length, then window; urgent pointer and options. Flags may differ by PSH.
                same(transport + 8, 5)
                    && (first[transport + 13] ^ frame[transport + 13]) & !PSH == 0
                    && same(transport + 14, 2)
                    && same(transport + 18, self.payload - transport - 18)
            } else {
                usize::from(number(frame, transport + 4)) == frame.len() - transport
                    && number(frame, transport + 6) != 0
            }
        };
        packet && same(0, network) && segment()
    }

    /// Whether the checksums of the IPv4 header and of the transport are right.
    fn is_intact(self, frame: &[u8]) -> bool {
        let header = self.version == Version::V6 || sum(&frame[self.network..self.transport]) == 0xffff;
        // The pseudo header: the addresses, which lie before what is summed, length and protocol.
        let pseudo = (frame.len() - self.transport) as u64 + u64::from(self.protocol());
        header && fold(pseudo + u64::from(sum(&frame[self.addresses()..]))) == 0xffff
    }
}

/// What a frame is to those who join.
fn sort(frame: &[u8], with_udp: bool) -> Sort {
    let Some((network, version)) = network(frame) else { return Sort::Foreign };
    let Some((transport, protocol)) = transport(frame, network, version) else { return Sort::Unknown };
    let shape = |is_tcp: bool, payload: usize| Shape { version, is_tcp, network, transport, payload };
    match protocol {
        TCP if frame.len() >= transport + TCP_LEN => {
            let payload = transport + usize::from(frame[transport + 12] >> 4) * 4;
            let flags = frame[transport + 13] & !(PSH | ECE);
            let is_segment = flags == ACK && payload >= transport + TCP_LEN && frame.len() > payload;
            if is_segment { Sort::Segment(shape(true, payload)) } else { Sort::Single(shape(true, transport)) }
        }
        UDP if with_udp && frame.len() >= transport + UDP_LEN => {
            let payload = transport + UDP_LEN;
            let is_whole = usize::from(number(frame, transport + 4)) == frame.len() - transport;
            let has_checksum = number(frame, transport + 6) != 0;
            let is_segment = is_whole && has_checksum && frame.len() > payload;
            if is_segment { Sort::Segment(shape(false, payload)) } else { Sort::Single(shape(false, transport)) }
        }
        UDP if !with_udp => Sort::Foreign,
        // Too short, or an extension header with who knows what behind it.
        TCP | UDP => Sort::Unknown,
        _ if version == Version::V6 && protocol != ICMP_V6 => Sort::Unknown,
        _ => Sort::Foreign,
    }
}

/// Where the transport header of a plain IP packet begins and its protocol; `None` for fragments, options and extension
/// headers, and for frames with something behind the packet.
fn transport(frame: &[u8], network: usize, version: Version) -> Option<(usize, u8)> {
    let packet = &frame[network..];
    match version {
        Version::V4 => {
            let is_plain = packet.len() >= IPV4_LEN && packet[0] == 0x45;
            let is_whole = is_plain && number(packet, 2) as usize == packet.len() && number(packet, 6) & 0xbfff == 0;
            is_whole.then(|| (network + IPV4_LEN, packet[9]))
        }
        Version::V6 => {
            let is_plain = packet.len() >= IPV6_LEN && usize::from(number(packet, 4)) == packet.len() - IPV6_LEN;
            is_plain.then(|| (network + IPV6_LEN, packet[6]))
        }
    }
}
