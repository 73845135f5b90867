//! Long frames: cut as a plain segmenter would, joined so that cutting gives back what came.

use proptest::collection::vec;
use proptest::prelude::*;
use zt_tap::offload::{Cut, CutError, Gso, HEADER_LEN, Plan, Run, VnetHeader};
use zt_wire::FrameBatch;

/// Everything that all frames of a flow have in common.
#[derive(Clone, Debug)]
struct Flow {
    is_v6: bool,
    is_tcp: bool,
    tags: usize,
    host: u8,
    port: u16,
    options: usize,
    dont_fragment: bool,
    acknowledged: u32,
    /// Options of IPv4 or an extension header of IPv6, in units of 8 bytes.
    extension: usize,
}

fn flow() -> impl Strategy<Value = Flow> {
    let kinds = (any::<bool>(), any::<bool>(), 0usize..=2, 0u8..2, 0u16..2);
    (kinds, 0usize..=10, any::<bool>(), any::<u32>()).prop_map(
        |((is_v6, is_tcp, tags, host, port), options, dont_fragment, acknowledged)| Flow {
            is_v6,
            is_tcp,
            tags,
            host,
            port,
            options: if is_tcp { options } else { 0 },
            dont_fragment,
            acknowledged,
            extension: 0,
        },
    )
}

/// What only the kernel joins.
fn extended_flow() -> impl Strategy<Value = Flow> {
    (flow(), 0usize..=5).prop_map(|(flow, extension)| Flow { extension, ..flow })
}

/// Where a frame is in its flow.
#[derive(Clone, Copy, Debug, Default)]
struct Place {
    sequence: u32,
    identification: u16,
    flags: u8,
}

const ACK: u8 = 0x10;
const PSH: u8 = 0x08;
const FIN: u8 = 0x01;
const CWR: u8 = 0x80;

impl Flow {
    fn network(&self) -> usize {
        14 + 4 * self.tags
    }

    fn transport(&self) -> usize {
        self.network() + if self.is_v6 { 40 } else { 20 } + 8 * self.extension
    }

    fn payload(&self) -> usize {
        self.transport() + if self.is_tcp { 20 + 4 * self.options } else { 8 }
    }

    fn checksum(&self) -> usize {
        self.transport() + if self.is_tcp { 16 } else { 6 }
    }

    /// A frame with the checksum of its transport left open: that of the pseudo header.
    fn open(&self, place: Place, payload: &[u8]) -> Vec<u8> {
        let mut frame = vec![0x02, 0, 0, 0, 0, self.host, 0x02, 0, 0, 0, 0, 9];
        for tag in 0..self.tags {
            frame.extend([0x81, 0x00, 0x20, tag as u8]);
        }
        let transport_len = self.payload() - self.transport() + payload.len();
        let protocol = if self.is_tcp { 6 } else { 17 };
        if self.is_v6 {
            frame.extend([0x86, 0xdd, 0x60, 0x12, 0x34, 0x56]);
            frame.extend((8 * self.extension as u16 + transport_len as u16).to_be_bytes());
            frame.extend([if self.extension == 0 { protocol } else { 60 }, 64]);
            frame.extend([0xfd; 16]);
            frame.extend([self.host; 16]);
            if let Some(behind) = self.extension.checked_sub(1) {
                // Options for the destination: one that fills.
                frame.extend([protocol, behind as u8, 1, 4 + 8 * behind as u8]);
                frame.extend(vec![0; 4 + 8 * behind]);
            }
        } else {
            let fragment = if self.dont_fragment { 0x40 } else { 0 };
            let header_len = 20 + 8 * self.extension as u16;
            frame.extend([0x08, 0x00, 0x40 | (header_len / 4) as u8, 0x02]);
            frame.extend((header_len + transport_len as u16).to_be_bytes());
            frame.extend(place.identification.to_be_bytes());
            frame.extend([fragment, 0, 64, protocol, 0, 0, 10, 0, 0, 1, 10, 0, 1, self.host]);
            // Options that do nothing.
            frame.extend(vec![1; 8 * self.extension]);
            let checksum = !plain_sum(&frame[self.network()..]);
            frame[self.network() + 10..self.network() + 12].copy_from_slice(&checksum.to_be_bytes());
        }
        frame.extend(self.port.to_be_bytes());
        frame.extend(443u16.to_be_bytes());
        if self.is_tcp {
            frame.extend(place.sequence.to_be_bytes());
            frame.extend(self.acknowledged.to_be_bytes());
            frame.extend([(5 + self.options as u8) << 4, place.flags, 1, 2, 0, 0, 0, 0]);
            frame.extend((0..4 * self.options).map(|at| at as u8));
        } else {
            frame.extend((transport_len as u16).to_be_bytes());
            frame.extend([0, 0]);
        }
        let (addresses, len) = if self.is_v6 { (self.network() + 8, 32) } else { (self.network() + 12, 8) };
        let mut pseudo = frame[addresses..addresses + len].to_vec();
        pseudo.extend((transport_len as u16).to_be_bytes());
        pseudo.extend([0, protocol]);
        let pseudo = plain_sum(&pseudo);
        frame[self.checksum()..self.checksum() + 2].copy_from_slice(&pseudo.to_be_bytes());
        frame.extend(payload);
        frame
    }

    /// A whole frame.
    fn frame(&self, place: Place, payload: &[u8]) -> Vec<u8> {
        let mut frame = self.open(place, payload);
        let mut checksum = !plain_sum(&frame[self.transport()..]);
        if checksum == 0 && !self.is_tcp {
            checksum = 0xffff;
        }
        frame[self.checksum()..self.checksum() + 2].copy_from_slice(&checksum.to_be_bytes());
        frame
    }

    /// Makes the checksums right again.
    fn mend(&self, frame: &mut [u8]) {
        let (network, transport, checksum) = (self.network(), self.transport(), self.checksum());
        if !self.is_v6 {
            frame[network + 10..network + 12].fill(0);
            let sum = !plain_sum(&frame[network..transport]);
            frame[network + 10..network + 12].copy_from_slice(&sum.to_be_bytes());
        }
        frame[checksum..checksum + 2].fill(0);
        let mut summed = frame[transport - if self.is_v6 { 32 } else { 8 }..].to_vec();
        // The pseudo header's length and protocol; what is summed may have an odd end.
        summed.splice(0..0, [0, if self.is_tcp { 6 } else { 17 }]);
        summed.splice(0..0, ((frame.len() - transport) as u16).to_be_bytes());
        let sum = !plain_sum(&summed);
        frame[checksum..checksum + 2].copy_from_slice(&sum.to_be_bytes());
    }

    fn header(&self, segment: u16, ecn: bool) -> VnetHeader {
        VnetHeader {
            needs_checksum: true,
            gso: Some(match (self.is_tcp, self.is_v6) {
                (true, false) => Gso::TcpV4,
                (true, true) => Gso::TcpV6,
                (false, _) => Gso::Udp,
            }),
            ecn,
            header_len: self.payload() as u16,
            segment,
            checksum_start: self.transport() as u16,
            checksum_offset: (self.checksum() - self.transport()) as u16,
        }
    }
}

fn plain_sum(bytes: &[u8]) -> u16 {
    let mut sum: u32 =
        bytes.chunks(2).map(|word| u32::from(word[0]) << 8 | u32::from(*word.get(1).unwrap_or(&0))).sum();
    while sum > 0xffff {
        sum = (sum >> 16) + (sum & 0xffff);
    }
    sum as u16
}

/// All segments of a frame.
fn cut(header: &VnetHeader, frame: &[u8]) -> Result<Vec<Vec<u8>>, CutError> {
    let mut cut = Cut::new(header, frame)?;
    let (mut frame, mut segments) = (frame.to_vec(), Vec::new());
    while !cut.is_done() {
        let len = cut.next_len();
        let segment = cut.next(&mut frame);
        assert_eq!(segment.len(), len);
        segments.push(segment.to_vec());
    }
    Ok(segments)
}

fn batch(frames: &[Vec<u8>]) -> FrameBatch {
    let mut batch = FrameBatch::with_headroom(frames.len(), 10_100, 0);
    for frame in frames {
        batch.push(frame).expect("room for all");
    }
    batch
}

/// A frame without the identification of what nobody may fragment, which segments get anew.
fn settled(frame: &[u8]) -> Vec<u8> {
    let mut frame = frame.to_vec();
    let network = (14..=22).step_by(4).find(|at| frame[at - 2..*at] == [0x08, 0x00]);
    if let Some(network) = network.filter(|at| frame[at + 6] & 0x40 != 0) {
        assert_eq!(plain_sum(&frame[network..network + 20]), 0xffff, "the checksum of the header");
        frame[network + 4..network + 6].fill(0);
        frame[network + 10..network + 12].fill(0);
    }
    frame
}

/// What the kernel is given for a run: the header before the frame, and the frame.
fn written(plan: &Plan, run: &Run, batch: &FrameBatch) -> Option<(VnetHeader, Vec<u8>)> {
    let headers = plan.headers(run, batch)?;
    let mut frame = headers.bytes().to_vec();
    for index in plan.frames(run) {
        frame.extend(&batch.frame(index)?.bytes[Plan::payload_at(run)..]);
    }
    Some((headers.vnet, frame))
}

proptest! {
    #[test]
    fn long_frames_are_cut_as_by_a_plain_segmenter(
        flow in extended_flow(), sequence: u32, identification: u16, segment in 1usize..3000, len in 1usize..9000,
        is_last_pushed: bool, is_end: bool, ecn: bool,
    ) {
        let payload: Vec<u8> = (0..len).map(|at| (at * 7 + at / 251) as u8).collect();
        let last = if is_last_pushed { PSH } else { 0 } | if is_end { FIN } else { 0 };
        let first = if ecn { CWR } else { 0 };
        let place = Place { sequence, identification, flags: ACK | first | last };
        let long = flow.open(place, &payload);
        let count = payload.chunks(segment).count();
        let wanted: Vec<Vec<u8>> = payload.chunks(segment).enumerate().map(|(index, part)| {
            let is_last = index + 1 == count;
            let flags = ACK | if index == 0 { first } else { 0 } | if is_last { last } else { 0 };
            let place = Place {
                sequence: sequence.wrapping_add((index * segment) as u32),
                identification: identification.wrapping_add(index as u16),
                flags,
            };
            flow.frame(place, part)
        }).collect();
        let header = flow.header(segment as u16, ecn && flow.is_tcp);
        prop_assert_eq!(VnetHeader::from_bytes(&header.to_bytes()), Some(header));
        prop_assert!(cut(&header, &long) == Ok(wanted));
    }

    #[test]
    fn a_checksum_that_was_left_open_is_filled_in(flow in extended_flow(), payload in vec(any::<u8>(), 0..2000)) {
        let place = Place { flags: ACK, ..Place::default() };
        let header = VnetHeader { gso: None, segment: 0, ..flow.header(0, false) };
        prop_assert!(cut(&header, &flow.open(place, &payload)) == Ok(vec![flow.frame(place, &payload)]));
        let complete = VnetHeader::default();
        prop_assert!(cut(&complete, &payload) == Ok(vec![payload]));
    }

    #[test]
    fn nothing_the_kernel_could_say_makes_a_cut_panic(
        header: [u8; HEADER_LEN], frame in vec(any::<u8>(), 0..200), flow in flow(),
    ) {
        for frame in [frame.clone(), [flow.open(Place::default(), &[]), frame].concat()] {
            let Some(header) = VnetHeader::from_bytes(&header) else { continue };
            for header in [header, VnetHeader { checksum_start: header.checksum_start % 100, checksum_offset: header.checksum_offset % 20, ..header }] {
                let Ok(segments) = cut(&header, &frame) else { continue };
                let given: usize = segments.iter().map(Vec::len).sum();
                prop_assert!(given >= 1 || frame.is_empty());
            }
        }
    }

    #[test]
    fn joined_frames_are_cut_to_what_they_were_and_keep_their_order(
        flows in vec(flow(), 1..4), steps in vec((0usize..4, 0usize..12, any::<bool>()), 1..64), with_udp: bool,
    ) {
        let mut places = vec![Place { sequence: u32::MAX - 3000, identification: u16::MAX - 5, flags: ACK }; flows.len()];
        let mut frames = Vec::new();
        for (which, what, is_long) in steps {
            let at = which % flows.len();
            let (flow, place) = (&flows[at], &mut places[at]);
            let len = if is_long { 1000 } else { 999 };
            let payload: Vec<u8> = (0..len).map(|byte| (byte + frames.len()) as u8).collect();
            match what {
                // An acknowledgement by itself; a push; a gap; a wrong checksum; what is no IP; a fragment.
                0 => frames.push(flow.frame(*place, &[])),
                1 => frames.push(flow.frame(Place { flags: ACK | PSH, ..*place }, &payload)),
                2 => {
                    place.sequence = place.sequence.wrapping_add(77);
                    frames.push(flow.frame(*place, &payload));
                }
                3 => {
                    let mut frame = flow.frame(*place, &payload);
                    *frame.last_mut().expect("a payload") ^= 1;
                    frames.push(frame);
                }
                4 => frames.push([[1; 12].as_slice(), &[0x08, 0x06], &[7; 28]].concat()),
                5 if !flow.is_v6 => {
                    let mut frame = flow.frame(*place, &payload);
                    frame[flow.network() + 6] = 0x20;
                    frames.push(frame);
                }
                6 => frames.push(flow.frame(Place { flags: ACK | FIN, ..*place }, &payload)),
                _ => frames.push(flow.frame(*place, &payload)),
            }
            if what != 0 {
                place.sequence = place.sequence.wrapping_add(len as u32);
                place.identification = place.identification.wrapping_add(1);
            }
        }
        let batch = batch(&frames);
        let mut plan = Plan::default();
        plan.make(&batch, with_udp);
        let order: Vec<usize> = plan.runs().iter().flat_map(|run| plan.frames(run).collect::<Vec<_>>()).collect();
        let mut sorted = order.clone();
        sorted.sort_unstable();
        prop_assert_eq!(sorted, (0..frames.len()).collect::<Vec<_>>(), "each frame once");
        for flow in &flows {
            let head = &flow.frame(Place::default(), &[0; 1])[..flow.network()];
            let network = flow.network();
            let own = |index: &&usize| {
                let frame = &frames[**index];
                frame.len() > flow.payload() && frame[..network] == *head && frame[flow.transport()..flow.transport() + 2] == flow.port.to_be_bytes()
                    && frame[network] >> 4 == if flow.is_v6 { 6 } else { 4 }
                    && frame[network + if flow.is_v6 { 6 } else { 9 }] == if flow.is_tcp { 6 } else { 17 }
            };
            let of_flow: Vec<usize> = order.iter().filter(own).copied().collect();
            prop_assert!(of_flow.is_sorted(), "{of_flow:?} of {order:?}");
        }
        for run in plan.runs() {
            let originals: Vec<&Vec<u8>> = plan.frames(run).map(|index| &frames[index]).collect();
            let Some((header, frame)) = written(&plan, run, &batch) else {
                prop_assert_eq!(run.count, 1);
                continue;
            };
            let parts = cut(&header, &frame);
            let parts = parts.map(|parts| parts.iter().map(|part| settled(part)).collect::<Vec<_>>());
            prop_assert!(parts == Ok(originals.iter().map(|frame| settled(frame)).collect()), "{run:?}");
        }
    }
}

#[test]
fn a_stream_is_one_run_and_so_is_a_burst_of_datagrams() {
    for is_v6 in [false, true] {
        for is_tcp in [false, true] {
            let flow = Flow {
                is_v6,
                is_tcp,
                tags: 0,
                host: 1,
                port: 5,
                options: 3 * usize::from(is_tcp),
                dont_fragment: true,
                acknowledged: 9,
                extension: 0,
            };
            let frames: Vec<Vec<u8>> = (0..20)
                .map(|at| {
                    flow.frame(Place { sequence: at * 1300, identification: at as u16, flags: ACK }, &[at as u8; 1300])
                })
                .collect();
            let batch = batch(&frames);
            let mut plan = Plan::default();
            plan.make(&batch, true);
            assert_eq!(plan.runs().len(), 1, "{flow:?}");
            plan.make(&batch, false);
            assert_eq!(plan.runs().len(), if is_tcp { 1 } else { 20 }, "{flow:?}");
        }
    }
}

#[test]
fn streams_that_alternate_are_one_run_each() {
    let flows: Vec<Flow> = (0..8)
        .map(|port| Flow {
            is_v6: false,
            is_tcp: true,
            tags: 0,
            host: 1,
            port,
            options: 0,
            dont_fragment: true,
            acknowledged: 9,
            extension: 0,
        })
        .collect();
    let frames: Vec<Vec<u8>> = (0..8u32)
        .flat_map(|at| {
            flows
                .iter()
                .map(move |flow| flow.frame(Place { sequence: at * 900, identification: 0, flags: ACK }, &[7; 900]))
        })
        .collect();
    let batch = batch(&frames);
    let mut plan = Plan::default();
    plan.make(&batch, true);
    assert_eq!(plan.runs().iter().map(|run| run.count).collect::<Vec<_>>(), [8; 8]);
}

#[test]
fn a_run_ends_where_an_ip_packet_does() {
    let flow = Flow {
        is_v6: false,
        is_tcp: true,
        tags: 0,
        host: 1,
        port: 1,
        options: 0,
        dont_fragment: true,
        acknowledged: 9,
        extension: 0,
    };
    let frames: Vec<Vec<u8>> = (0..30)
        .map(|at| flow.frame(Place { sequence: at * 2760, identification: 0, flags: ACK }, &[7; 2760]))
        .collect();
    let batch = batch(&frames);
    let mut plan = Plan::default();
    plan.make(&batch, true);
    assert_eq!(plan.runs().iter().map(|run| run.count).collect::<Vec<_>>(), [23, 7]);
}

#[test]
fn a_frame_that_differs_in_any_bit_is_not_joined_or_comes_back_as_it_was() {
    for kind in 0..8 {
        let flow = Flow {
            is_v6: kind & 1 != 0,
            is_tcp: kind & 2 != 0,
            tags: kind >> 2,
            host: 1,
            port: 5,
            options: 3,
            dont_fragment: false,
            acknowledged: 9,
            extension: 0,
        };
        let flow = Flow { options: if flow.is_tcp { 3 } else { 0 }, ..flow };
        let place = |at: u16| Place {
            sequence: 7 + 500 * u32::from(at),
            identification: 0xfffe_u16.wrapping_add(at),
            flags: ACK,
        };
        let frames: Vec<Vec<u8>> = (0..3).map(|at| flow.frame(place(at), &[at as u8; 500])).collect();
        let mut plan = Plan::default();
        plan.make(&batch(&frames), true);
        assert_eq!(plan.runs().len(), 1, "as they are: {flow:?}");
        for bit in 0..8 * flow.payload() {
            let mut frames = frames.clone();
            frames[1][bit / 8] ^= 1 << (bit % 8);
            for is_mended in [false, true] {
                if is_mended {
                    flow.mend(&mut frames[1]);
                }
                let batch = batch(&frames);
                plan.make(&batch, true);
                assert_eq!(plan.runs().iter().map(|run| run.count).sum::<usize>(), 3);
                for run in plan.runs() {
                    let Some((header, frame)) = written(&plan, run, &batch) else { continue };
                    let originals: Vec<Vec<u8>> = plan.frames(run).map(|index| frames[index].clone()).collect();
                    assert!(cut(&header, &frame) == Ok(originals), "bit {bit}, mended {is_mended}, {flow:?}");
                }
            }
        }
    }
}
