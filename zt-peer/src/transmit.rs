//! What leaves: datagrams in one buffer owned by the caller, sealed after the decisions are made.

mod buffer;

use std::ops::Range;
use std::sync::Arc;

use zt_crypto::{PeerKeys, Suite};
use zt_wire::packet::FRAGMENT_HEADER_LEN;
use zt_wire::{Address, FlowId, Lane, PacketId};

use crate::link::Path;

use buffer::Buffer;

/// A batch of outgoing datagrams; make one, reuse it.
///
/// [`Vl1`](crate::Vl1) appends to it. Packets of the fast path are still plain: call [`Transmits::seal`] (or
/// [`Vl1::seal`](crate::Vl1::seal)) before reading them with [`Transmits::iter`].
#[derive(Default)]
pub struct Transmits {
    buffer: Buffer,
    items: Vec<Item>,
    unsealed: usize,
    /// How many of them were sealed and told ([`Transmits::told`]).
    told: usize,
    lane: Lane,
    flow: Option<FlowId>,
}

struct Item {
    path: Path,
    range: Range<usize>,
    /// Length of the packet at the start of `range`, before it is cut in pieces.
    packet_len: usize,
    mtu: u16,
    ttl: Option<u8>,
    spam: bool,
    dont_fragment: bool,
    lane: Lane,
    seal: Option<(Arc<PeerKeys>, Suite)>,
    /// Whom it is for, if it is ours.
    to: Option<Address>,
    /// It may be answered by an ERROR: reported by [`Transmits::sealed`].
    frame: bool,
}

/// Consecutive packets for one path whose datagrams have one size: what one segmented send takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Train<'a> {
    /// Where to.
    pub path: Path,
    /// The bytes of all datagrams, one after the other.
    pub bytes: &'a [u8],
    /// Size of each datagram but the last, which may be shorter.
    pub segment_size: usize,
    /// IPv4 time to live to use instead of the system's default.
    pub ttl: Option<u8>,
    /// As in [`Transmit::spam`].
    pub spam: bool,
    /// As in [`Transmit::dont_fragment`].
    pub dont_fragment: bool,
    /// Where it waits when its link is full.
    pub lane: Lane,
    /// Number of datagrams.
    pub segments: usize,
    /// Number of packets: add it to `from` for the next train.
    pub packets: usize,
}

/// Most bytes of one segmented send: a UDP payload with room for the headers.
const MAX_TRAIN: usize = 65_000;

/// One or several datagrams of equal size for one path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Transmit<'a> {
    /// Where to.
    pub path: Path,
    /// The bytes of all of them, one after the other.
    pub bytes: &'a [u8],
    /// Size of each datagram but the last, which may be shorter; `None` = one datagram.
    pub segment_size: Option<u16>,
    /// IPv4 time to live to use instead of the system's default (NAT opening, 02 §6.8).
    pub ttl: Option<u8>,
    /// Send it over every link of the same family whose rank is not above this path's (08 §B.5), as its answer may come
    /// by any of them.
    pub spam: bool,
    /// It must arrive as it is or not at all: whoever can says so on the packet (for IPv4, the flag of that name). A probe
    /// of what the path carries.
    pub dont_fragment: bool,
}

impl Item {
    /// Size of each datagram of this packet but the last.
    fn segment_size(&self) -> usize {
        usize::from(self.mtu).min(self.range.len()).max(1)
    }

    fn pieces(&self) -> usize {
        self.range.len().div_ceil(self.segment_size())
    }
}

impl<'a> Transmit<'a> {
    /// Each datagram by itself.
    pub fn datagrams(&self) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        let size = self.segment_size.map_or(self.bytes.len().max(1), usize::from);
        self.bytes.chunks(size.max(1))
    }
}

impl Transmits {
    /// An empty batch.
    pub const fn new() -> Self {
        Self { buffer: Buffer::new(), items: Vec::new(), unsealed: 0, told: 0, lane: Lane::USUAL, flow: None }
    }

    /// Whether nothing is to be sent.
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// Number of packets in the batch.
    pub fn len(&self) -> usize {
        self.items.len()
    }

    /// Packets that are appended from now on are of this lane, until it is set again.
    pub fn set_lane(&mut self, lane: Lane) {
        self.lane = lane;
    }

    /// Packets to peers whose paths are bonded are of this flow from now on, until it is set again: all packets of one
    /// take one path (03 §15.3). `None`: they are of no flow, and take the ordinary one.
    pub fn set_flow(&mut self, flow: Option<FlowId>) {
        self.flow = flow;
    }

    pub(crate) const fn flow(&self) -> Option<FlowId> {
        self.flow
    }

    /// Forgets everything, keeps the memory (up to a bound).
    pub fn clear(&mut self) {
        self.buffer.clear();
        self.items.clear();
        self.unsealed = 0;
        self.told = 0;
    }

    /// Moves everything out of `other` to the end of this batch.
    pub fn append(&mut self, other: &mut Self) {
        let shift = self.buffer.len();
        self.buffer.push(&other.buffer);
        let moved = other.items.drain(..).map(|mut item| {
            item.range = item.range.start + shift..item.range.end + shift;
            item
        });
        self.items.extend(moved);
        self.unsealed += std::mem::take(&mut other.unsealed);
        other.buffer.clear();
    }

    /// Encrypts and cuts everything that is still plain. Pure computation: needs no machine.
    pub fn seal(&mut self) {
        if self.unsealed == 0 {
            return;
        }
        for item in &mut self.items[self.told..] {
            if let Some((keys, suite)) = item.seal.take() {
                seal_item(&mut self.buffer, item, &keys, suite);
            }
        }
        self.unsealed = 0;
    }

    /// All that is sealed by now was told to those who want to know.
    pub(crate) fn told(&mut self) {
        if self.unsealed == 0 {
            self.told = self.items.len();
        }
    }

    /// Peer and wire packet ID of the sealed packets that may be answered by an ERROR, but for those that were told; input of
    /// [`Vl1::handle_sealed`](crate::Vl1::handle_sealed).
    pub(crate) fn sealed(&self) -> impl Iterator<Item = (Address, PacketId)> + '_ {
        self.items[self.told..]
            .iter()
            .filter(|i| i.frame && i.seal.is_none())
            .filter_map(|i| Some((i.to?, self.id_of(i)?)))
    }

    /// Receiver, path and wire packet ID of every sealed packet of ours, but for those that were told.
    pub(crate) fn leaving(&self) -> impl Iterator<Item = (Address, Path, PacketId)> + '_ {
        let sealed = self.items[self.told..].iter().filter(|i| i.seal.is_none());
        sealed.filter_map(|i| Some((i.to?, i.path, self.id_of(i)?)))
    }

    fn id_of(&self, item: &Item) -> Option<PacketId> {
        let id = self.buffer.get(item.range.clone())?.first_chunk::<8>()?;
        Some(PacketId(u64::from_be_bytes(*id)))
    }

    /// The last packet leaves by another path as well; only one that is sealed.
    pub(crate) fn copy_last(&mut self, path: Path) {
        let Some(item) = self.items.last() else { return };
        debug_assert!(item.seal.is_none(), "its bytes are final");
        let (start, end) = (item.range.start, item.range.end);
        let at = self.buffer.len();
        let copy = Item { path, range: at..at + (end - start), seal: None, ..*item };
        self.buffer.push_within(start, end);
        self.items.push(copy);
    }

    /// The datagrams, in the order in which they were decided.
    ///
    /// # Panics
    /// In debug builds when something is still plain.
    pub fn iter(&self) -> impl Iterator<Item = Transmit<'_>> + '_ {
        debug_assert_eq!(self.unsealed, 0, "seal() first");
        self.items.iter().filter(|i| i.seal.is_none()).map(|i| Transmit {
            path: i.path,
            bytes: self.buffer.get(i.range.clone()).unwrap_or_default(),
            segment_size: (i.range.len() > usize::from(i.mtu)).then_some(i.mtu),
            ttl: i.ttl,
            spam: i.spam,
            dont_fragment: i.dont_fragment,
        })
    }

    /// The train of datagrams that starts with packet `from`, of at most `max_segments` datagrams; `None` at the end.
    ///
    /// # Panics
    /// In debug builds when something is still plain.
    pub fn train(&self, from: usize, max_segments: usize) -> Option<Train<'_>> {
        debug_assert_eq!(self.unsealed, 0, "seal() first");
        let first = self.items.get(from)?;
        let size = first.segment_size();
        let (start, mut end) = (first.range.start, first.range.end);
        let mut packets = 1;
        for item in self.items.get(from + 1..).unwrap_or_default() {
            let whole = (end - start).is_multiple_of(size);
            let fits = item.range.end - start <= MAX_TRAIN && (item.range.end - start).div_ceil(size) <= max_segments;
            let alike =
                item.path == first.path && item.ttl == first.ttl && item.spam == first.spam && item.lane == first.lane;
            let alike = alike && !item.dont_fragment && !first.dont_fragment;
            let same = alike && item.range.start == end;
            if !whole
                || !fits
                || !same
                || item.segment_size() > size
                || (item.pieces() > 1 && item.segment_size() != size)
            {
                break;
            }
            end = item.range.end;
            packets += 1;
        }
        let bytes = self.buffer.get(start..end)?;
        let segments = bytes.len().div_ceil(size);
        let Item { path, ttl, spam, dont_fragment, lane, .. } = *first;
        Some(Train { path, bytes, segment_size: size, ttl, spam, dont_fragment, lane, segments, packets })
    }

    /// The last packet is to be sent over every link up to that of its path.
    pub(crate) fn spam_last(&mut self) {
        if let Some(item) = self.items.last_mut() {
            item.spam = true;
        }
    }

    /// The last packet must not be fragmented on the way.
    pub(crate) fn keep_last_whole(&mut self) {
        if let Some(item) = self.items.last_mut() {
            item.dont_fragment = true;
        }
    }

    /// Bytes of the last packet, as they leave.
    pub(crate) fn last_len(&self) -> usize {
        self.items.last().map_or(0, |i| i.range.len())
    }

    /// Takes the last packet out again; only of one that is sealed.
    pub(crate) fn take_last(&mut self) -> Option<Taken> {
        let item = self.items.pop()?;
        self.told = self.told.min(self.items.len());
        debug_assert!(item.seal.is_none(), "its bytes are final");
        let bytes = self.buffer.get(item.range.clone())?.to_vec();
        self.buffer.truncate(item.range.start);
        Some(Taken { bytes, mtu: item.mtu, spam: item.spam })
    }

    /// Appends a packet that was taken out.
    pub(crate) fn put(&mut self, path: Path, packet: &Taken) {
        let start = self.buffer.len();
        self.buffer.push(&packet.bytes);
        let range = start..self.buffer.len();
        let Taken { bytes, mtu, spam } = packet;
        let (packet_len, mtu, spam) = (bytes.len(), *mtu, *spam);
        let lane = self.lane;
        let (ttl, dont_fragment, seal, to, frame) = (None, false, None, None, false);
        self.items.push(Item { path, range, packet_len, mtu, ttl, spam, dont_fragment, lane, seal, to, frame });
    }

    /// Appends one finished datagram.
    pub(crate) fn push_datagram(&mut self, path: Path, bytes: &[u8], ttl: Option<u8>) -> &mut [u8] {
        let start = self.buffer.len();
        self.buffer.push(bytes);
        let range = start..self.buffer.len();
        self.items.push(Item {
            path,
            range: range.clone(),
            packet_len: bytes.len(),
            mtu: u16::MAX,
            ttl,
            spam: false,
            dont_fragment: false,
            lane: self.lane,
            seal: None,
            to: None,
            frame: false,
        });
        &mut self.buffer[range]
    }

    /// Starts a packet: room for `len` bytes at the end of the buffer. All of them are to be written, or the draft is given up.
    pub(crate) fn room(&mut self, len: usize) -> Draft {
        let start = self.buffer.len();
        self.buffer.grow(len);
        Draft { start }
    }

    /// The bytes of a packet being written.
    pub(crate) fn draft(&mut self, draft: &Draft) -> &mut [u8] {
        &mut self.buffer[draft.start..]
    }

    /// Gives up a packet being written.
    pub(crate) fn cancel(&mut self, draft: Draft) {
        self.buffer.truncate(draft.start);
    }

    /// Shortens a packet being written (after compression).
    pub(crate) fn shorten(&mut self, draft: &Draft, len: usize) {
        self.buffer.truncate(draft.start + len);
    }

    /// Finishes a packet: it goes to `path`, cut at `mtu`, sealed by `seal` (later, or at once when `now`).
    /// Returns its ID if it is known already.
    pub(crate) fn finish(&mut self, draft: Draft, plan: Plan) -> Option<PacketId> {
        let Plan { path, mtu, seal, at_once, to, frame } = plan;
        let packet_len = self.buffer.len() - draft.start;
        let pieces = piece_count(packet_len, usize::from(mtu));
        let total = packet_len + (pieces - 1) * FRAGMENT_HEADER_LEN;
        // Pieces of one size: any split is legal (02 §3.3), and equal datagrams leave in one system call.
        let mtu = if pieces == 1 { mtu } else { u16::try_from(total.div_ceil(pieces)).unwrap_or(mtu) };
        self.buffer.grow(total - packet_len);
        let range = draft.start..draft.start + total;
        let lane = self.lane;
        let (to, ttl, spam, dont_fragment) = (Some(to), None, false, false);
        let mut item = Item { path, range, packet_len, mtu, ttl, spam, dont_fragment, lane, seal: None, to, frame };
        match seal {
            Some((keys, suite)) if at_once => seal_item(&mut self.buffer, &mut item, &keys, suite),
            Some(seal) => {
                item.seal = Some(seal);
                self.unsealed += 1;
            }
            None => cut(&mut self.buffer[item.range.clone()], packet_len, usize::from(mtu)),
        }
        let known = item.seal.is_none();
        let start = item.range.start;
        self.items.push(item);
        let id = self.buffer.get(start..)?.first_chunk::<8>()?;
        known.then(|| PacketId(u64::from_be_bytes(*id)))
    }
}

/// A finished packet that was taken out of a batch: its datagrams, one after the other.
#[derive(Clone, Debug)]
pub(crate) struct Taken {
    bytes: Vec<u8>,
    mtu: u16,
    spam: bool,
}

impl Taken {
    pub(crate) fn len(&self) -> usize {
        self.bytes.len()
    }
}

/// A packet being written at the end of the buffer.
pub(crate) struct Draft {
    start: usize,
}

/// What becomes of a draft.
pub(crate) struct Plan {
    pub(crate) path: Path,
    pub(crate) mtu: u16,
    pub(crate) seal: Option<(Arc<PeerKeys>, Suite)>,
    pub(crate) at_once: bool,
    pub(crate) to: Address,
    /// An ERROR may answer it.
    pub(crate) frame: bool,
}

fn seal_item(buffer: &mut [u8], item: &mut Item, keys: &PeerKeys, suite: Suite) {
    let bytes = &mut buffer[item.range.clone()];
    keys.seal(&mut bytes[..item.packet_len], suite);
    cut(bytes, item.packet_len, usize::from(item.mtu));
}

/// Number of datagrams a packet is cut in (02 §3.3).
pub(crate) fn piece_count(packet_len: usize, mtu: usize) -> usize {
    if packet_len <= mtu { 1 } else { 1 + (packet_len - mtu).div_ceil(mtu - FRAGMENT_HEADER_LEN) }
}

/// Moves the slices of a packet apart and puts fragment headers between (02 §3.2), last slice first, so that each
/// datagram but the last has exactly `mtu` bytes and all of them can leave in one segmented send.
fn cut(bytes: &mut [u8], packet_len: usize, mtu: usize) {
    let pieces = piece_count(packet_len, mtu);
    if pieces == 1 {
        return;
    }
    let slice = mtu - FRAGMENT_HEADER_LEN;
    let mut id_and_destination = [0; 13];
    id_and_destination.copy_from_slice(&bytes[..13]);
    for n in (1..pieces).rev() {
        let from = mtu + (n - 1) * slice;
        let to = (from + slice).min(packet_len);
        let at = n * mtu;
        bytes.copy_within(from..to, at + FRAGMENT_HEADER_LEN);
        bytes[at..at + 13].copy_from_slice(&id_and_destination);
        bytes[at + 13] = 0xff;
        bytes[at + 14] = u8::try_from((pieces << 4) | n).unwrap_or(0);
        bytes[at + 15] = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cut_keeps_every_byte_and_orders_headers() {
        for len in [1432usize, 1433, 2847, 2848, 2849, 2864, 2865, 5000, 9928] {
            let packet: Vec<u8> = (0..len).map(|i| (i % 251) as u8).collect();
            let pieces = piece_count(len, 1432);
            let mut bytes = packet.clone();
            bytes.resize(len + (pieces - 1) * 16, 0);
            cut(&mut bytes, len, 1432);
            let mut joined = Vec::new();
            for (n, d) in bytes.chunks(1432).enumerate() {
                if n == 0 {
                    joined.extend_from_slice(d);
                } else {
                    assert_eq!(d[..13], packet[..13]);
                    assert_eq!(d[13..16], [0xff, ((pieces << 4) | n) as u8, 0]);
                    joined.extend_from_slice(&d[16..]);
                }
            }
            assert_eq!(joined, packet, "length {len}");
            assert!(pieces <= 7);
        }
    }
}
