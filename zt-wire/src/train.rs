//! Trains: datagrams of one size that came together, one after the other; the last may be shorter.

use crate::packet::{FRAGMENT_HEADER_LEN, MAX_PACKET_LEN};
use crate::{Address, Datagram, Fragment, Packet, PacketId, classify};

/// A train of received datagrams, given out one by one.
#[derive(Debug)]
pub struct Train<'a> {
    bytes: &'a mut [u8],
    stride: usize,
}

/// What a train consists of.
#[derive(Debug, PartialEq, Eq)]
pub enum Unit<'a> {
    /// A datagram as it came.
    Datagram(&'a mut [u8]),
    /// A packet whose pieces came one behind the other (02 §3.2), put together where they lay.
    Packet(&'a mut [u8]),
}

impl<'a> Train<'a> {
    /// Datagrams of `stride` bytes each, but for the last.
    pub const fn new(bytes: &'a mut [u8], stride: usize) -> Self {
        Self { bytes, stride: if stride == 0 { 1 } else { stride } }
    }

    /// The next datagram. The pieces of a packet for `own` that follow each other in order, as senders of trains send them,
    /// come as one: the usual case needs neither a table of pieces nor a second buffer. All others come as they are.
    ///
    /// Nothing is proved by that: pieces are not authenticated until their packet is opened, and any of them may be forged.
    pub fn next_for(&mut self, own: Address) -> Option<Unit<'a>> {
        let bytes = core::mem::take(&mut self.bytes);
        if bytes.is_empty() {
            return None;
        }
        let pieces = pieces(bytes, self.stride, own);
        let end = bytes.len().min(self.stride * pieces.unwrap_or(1));
        let (unit, rest) = bytes.split_at_mut(end);
        self.bytes = rest;
        Some(match pieces {
            None => Unit::Datagram(unit),
            Some(_) => Unit::Packet(join(unit, self.stride)),
        })
    }
}

/// Of how many datagrams at the beginning of a train a packet for `own` consists, if it has all its pieces there.
fn pieces(train: &[u8], stride: usize, own: Address) -> Option<usize> {
    let mut datagrams = train.chunks(stride);
    let head = datagrams.next().filter(|head| classify(head) == Datagram::Head)?;
    let head = Packet::new_checked(head).ok().filter(|head| head.is_fragmented() && head.destination() == own)?;
    let (mut number, mut total, mut length) = (1, None, stride);
    loop {
        let piece = next_piece(&mut datagrams, head.id(), own)?;
        let total = *total.get_or_insert(piece.total());
        if piece.number() != number || piece.total() != total {
            return None;
        }
        length += piece.body().len();
        number += 1;
        if number == total {
            return (length <= MAX_PACKET_LEN).then_some(usize::from(total));
        }
    }
}

fn next_piece<'b>(
    datagrams: &mut core::slice::Chunks<'b, u8>,
    id: PacketId,
    own: Address,
) -> Option<Fragment<&'b [u8]>> {
    let datagram = datagrams.next().filter(|datagram| classify(datagram) == Datagram::Fragment)?;
    let piece = Fragment::new_checked(datagram).ok()?;
    (piece.is_sane() && piece.id() == id && piece.destination() == own).then_some(piece)
}

/// Moves the bodies of pieces up to each other.
fn join(unit: &mut [u8], stride: usize) -> &mut [u8] {
    let mut end = stride;
    let mut from = stride;
    while from < unit.len() {
        let to = unit.len().min(from + stride);
        let body = from + FRAGMENT_HEADER_LEN..to;
        let len = body.len();
        unit.copy_within(body, end);
        end += len;
        from = to;
    }
    &mut unit[..end]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Verb;
    use crate::fragment::{pieces as cut, write_fragment_header};
    use crate::packet::{FLAG_FRAGMENTED, HEADER_LEN, OFFSET_FLAGS, write_header};
    use alloc::vec::Vec;

    const OWN: Address = Address::new(0x12_3456_789a);
    const OTHER: Address = Address::new(0xde_adbe_ef01);

    fn packet(id: u64, to: Address, len: usize) -> Vec<u8> {
        let mut bytes: Vec<u8> = (0..len).map(|at| (at % 251) as u8).collect();
        write_header(bytes.first_chunk_mut().expect("a header"), to, OTHER, Verb::FRAME);
        bytes[..8].copy_from_slice(&id.to_be_bytes());
        bytes
    }

    /// The datagrams that a packet is sent in.
    fn datagrams(packet: &mut Vec<u8>, mtu: usize) -> Vec<Vec<u8>> {
        let ranges: Vec<_> = cut(packet.len(), mtu).expect("can be cut").collect();
        if ranges.len() > 1 {
            packet[OFFSET_FLAGS] |= FLAG_FRAGMENTED;
        }
        let (id, to) = {
            let head = Packet::new_checked(packet.as_slice()).expect("a packet");
            (head.id(), head.destination())
        };
        let piece = |(number, range): (usize, &core::ops::Range<usize>)| {
            let mut header = [0; FRAGMENT_HEADER_LEN];
            write_fragment_header(&mut header, id, to, ranges.len() as u8, number as u8);
            let before = if number == 0 { &[] } else { &header[..] };
            [before, &packet[range.clone()]].concat()
        };
        ranges.iter().enumerate().map(piece).collect()
    }

    fn units(train: &mut [u8], stride: usize) -> Vec<(bool, Vec<u8>)> {
        let mut train = Train::new(train, stride);
        let next = || {
            Some(match train.next_for(OWN)? {
                Unit::Datagram(bytes) => (false, bytes.to_vec()),
                Unit::Packet(bytes) => (true, bytes.to_vec()),
            })
        };
        core::iter::from_fn(next).collect()
    }

    #[test]
    fn packets_in_order_come_whole_and_all_else_as_it_was() {
        let mut whole = packet(1, OWN, 1000);
        let mut two = packet(2, OWN, 1984);
        let mut three = packet(3, OWN, 2500);
        let mut relayed = packet(4, OTHER, 1984);
        let parts: Vec<Vec<u8>> =
            [&mut whole, &mut two, &mut relayed, &mut three].into_iter().flat_map(|p| datagrams(p, 1000)).collect();
        assert_eq!(parts.iter().map(Vec::len).collect::<Vec<_>>(), [1000, 1000, 1000, 1000, 1000, 1000, 1000, 532]);
        let expected =
            [(false, whole), (true, two), (false, parts[3].clone()), (false, parts[4].clone()), (true, three)];
        assert_eq!(units(&mut parts.concat(), 1000), expected);
    }

    #[test]
    fn the_longest_packet_comes_whole_and_a_longer_one_in_pieces() {
        let mut longest = packet(1, OWN, MAX_PACKET_LEN);
        let parts = datagrams(&mut longest, 1500);
        assert_eq!(units(&mut parts.concat(), 1500), [(true, longest)]);
        let mut parts = parts;
        let last = parts.pop().expect("pieces");
        parts.push([&last[..], &[0; 1]].concat());
        let expected: Vec<_> = parts.iter().map(|part| (false, part.clone())).collect();
        assert_eq!(units(&mut parts.concat(), 1500), expected);
    }

    #[test]
    fn what_is_not_a_whole_packet_in_order_is_left_as_it_is() {
        let good = datagrams(&mut packet(7, OWN, 2500), 1000);
        let change = |piece: usize, at: usize, value: u8| {
            let mut parts = good.clone();
            parts[piece][at] = value;
            parts
        };
        let bad = [
            good[..2].to_vec(),
            [good[0].clone(), good[2].clone()].to_vec(),
            [&good[1..2], &good[1..]].concat(),
            [&good[..1], &good[..1], &good[1..2]].concat(),
            // Another ID, destination, total, number, marker.
            change(1, 0, 9),
            change(2, 9, 9),
            change(2, 14, 0x42),
            change(2, 14, 0x31),
            change(1, 14, 0x32),
            change(1, 14, 0xf1),
            change(2, 13, 0x12),
            // It does not say that there are pieces; it says of itself that it is one.
            change(0, OFFSET_FLAGS, 0),
            change(0, 13, 0xff),
            [&good[..2], &[good[2][..FRAGMENT_HEADER_LEN].to_vec()]].concat(),
            [[0_u8; 13].to_vec(), good[1].clone()].to_vec(),
        ];
        for parts in bad {
            let expected: Vec<_> = parts.concat().chunks(1000).map(|part| (false, part.to_vec())).collect();
            assert_eq!(units(&mut parts.concat(), 1000), expected);
        }
    }

    #[test]
    fn any_bytes_come_out_with_no_byte_lost() {
        for stride in [0, 1, HEADER_LEN, 1000] {
            let mut bytes: Vec<u8> = (0..3000_usize).map(|at| (at * 31 % 256) as u8).collect();
            let expected = bytes.clone();
            let out: Vec<u8> = units(&mut bytes, stride).into_iter().flat_map(|(_, unit)| unit).collect();
            assert_eq!(out, expected);
        }
        assert_eq!(units(&mut [], 1000), []);
    }
}
