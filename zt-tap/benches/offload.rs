//! What long frames cost for each frame of the network, without a device: `cargo bench -p zt-tap`.
//!
//! One frame of 64 KiB, as the kernel hands over, is cut into a batch; the frames of that batch are verified and joined to
//! one again. The last rows are of four streams whose frames arrive in turn. A second table has the sums by themselves.

#![expect(clippy::print_stdout, reason = "a benchmark prints")]

use std::hint::black_box;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::{Duration, Instant};

use zt_tap::offload::{Cut, Gso, Plan, VnetHeader};
use zt_wire::FrameBatch;
use zt_wire::ether::{checksum, sum_words, transport_checksum};

/// The usual MTU of a virtual network, and that of Ethernet.
const MTUS: [usize; 2] = [2800, 1500];
/// Frames in a batch, as a port gives them.
const BATCH: usize = 64;
/// Streams whose frames arrive in turn.
const STREAMS: u16 = 4;
/// Bytes of an Ethernet header.
const ETHERNET: usize = 14;
/// Options of TCP that nearly every segment has: two pads and timestamps.
const OPTIONS: [u8; 12] = [1, 1, 8, 10, 0, 0, 1, 2, 0, 0, 3, 4];
/// Measured for each figure.
const SPAN: Duration = Duration::from_millis(300);
/// Lengths that are summed: an IPv4 header, addresses and the like, the rest of a block, whole packets.
const SUMS: [usize; 5] = [20, 36, 63, 1500, 2800];

fn main() {
    println!("{:<10} {:>5} {:>10} {:>10}", "ns/frame", "MTU", "cut", "join");
    let v4 = (IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1)), IpAddr::V4(Ipv4Addr::new(10, 0, 0, 2)));
    let v6 =
        (IpAddr::V6(Ipv6Addr::new(0xfd, 0, 0, 0, 0, 0, 0, 1)), IpAddr::V6(Ipv6Addr::new(0xfd, 0, 0, 0, 0, 0, 0, 2)));
    for mtu in MTUS {
        for (name, gso, (from, to)) in
            [("TCP, IPv4", Gso::TcpV4, v4), ("TCP, IPv6", Gso::TcpV6, v6), ("UDP, IPv4", Gso::Udp, v4)]
        {
            let long = Long::new(gso, from, to, 1, mtu, 65_535);
            let mut batch = FrameBatch::new(BATCH, ETHERNET + mtu);
            let cut = best(|| long.cut(&mut batch));
            println!("{name:<10} {mtu:>5} {cut:>10.1} {:>10.1}", best_join(&batch, 1));
        }
    }
    for mtu in MTUS {
        let parts = (1..=STREAMS).map(|port| Long::new(Gso::TcpV4, v4.0, v4.1, port, mtu, 12 * mtu));
        let parts: Vec<FrameBatch> = parts
            .map(|long| {
                let mut batch = FrameBatch::new(BATCH, ETHERNET + mtu);
                long.cut(&mut batch);
                batch
            })
            .collect();
        let mut batch = FrameBatch::new(BATCH, ETHERNET + mtu);
        for at in 0..parts[0].len() {
            for part in &parts {
                batch.push(part.frame(at).expect("all are of one length").bytes).expect("room for all");
            }
        }
        println!("{:<10} {mtu:>5} {:>10} {:>10.1}", "4 streams", "", best_join(&batch, parts.len()));
    }
    println!("\n{:<16} {}", "ns, bytes:", SUMS.map(|len| format!("{len:>8}")).concat());
    let bytes: Vec<u8> = (0..2800_u32).map(|at| (at * 7) as u8).collect();
    let sums = SUMS.map(|len| {
        best(|| {
            for _ in 0..100 {
                black_box(sum_words(black_box(&bytes[..len])));
            }
            100
        })
    });
    println!("{:<16} {}", "portable sum", sums.map(|each| format!("{each:>8.1}")).concat());
}

/// A long frame and the header before it.
struct Long {
    header: VnetHeader,
    frame: Vec<u8>,
}

impl Long {
    /// A frame whose IP packet has `len` bytes, for packets of `mtu` bytes.
    fn new(gso: Gso, from: IpAddr, to: IpAddr, port: u16, mtu: usize, len: usize) -> Self {
        let is_tcp = gso != Gso::Udp;
        let ports = [port.to_be_bytes(), 5201_u16.to_be_bytes()].concat();
        let network = if from.is_ipv4() { 20 } else { 40 };
        let transport_len = len - network;
        let mut transport = ports;
        if is_tcp {
            transport.extend([0, 0, 0, 1, 0, 0, 0, 9, 0x80, 0x10, 1, 2, 0, 0, 0, 0]);
            transport.extend(OPTIONS);
        } else {
            transport.extend((transport_len as u16).to_be_bytes());
            transport.extend([0; 2]);
        }
        let (protocol, at) = if is_tcp { (6, 16) } else { (17, 6) };
        // What is left open is the sum of the pseudo header, of which the length is that of the whole.
        let pseudo = !transport_checksum(from, to, protocol, &[]);
        let open = !checksum(&[], u64::from(pseudo) + transport_len as u64);
        transport[at..at + 2].copy_from_slice(&open.to_be_bytes());
        let headers = network + transport.len();
        let header = VnetHeader {
            needs_checksum: true,
            gso: Some(gso),
            ecn: false,
            header_len: (ETHERNET + headers) as u16,
            segment: (mtu - headers) as u16,
            checksum_start: (ETHERNET + network) as u16,
            checksum_offset: at as u16,
        };
        let mut frame =
            [&[2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2][..], &ip(from, to, protocol, transport_len), &transport].concat();
        frame.extend((headers..len).map(|at| (at * 7 + at / 251) as u8));
        Self { header, frame }
    }

    /// Fills `batch` with its segments, and returns how many there are.
    fn cut(&self, batch: &mut FrameBatch) -> usize {
        batch.clear();
        // As a read of the device leaves it: cutting writes headers into it.
        let mut frame = self.frame.clone();
        let mut cut = Cut::new(black_box(&self.header), black_box(&frame)).expect("headers that fit");
        while !cut.is_done() {
            batch.push(cut.next(&mut frame)).expect("room for all");
        }
        batch.len()
    }
}

/// EtherType and header of an IP packet that carries `len` bytes.
fn ip(from: IpAddr, to: IpAddr, protocol: u8, len: usize) -> Vec<u8> {
    match (from, to) {
        (IpAddr::V4(from), IpAddr::V4(to)) => {
            let mut header = vec![0x45, 0];
            header.extend((20 + len as u16).to_be_bytes());
            header.extend([0, 7, 0x40, 0, 64, protocol, 0, 0]);
            header.extend([from.octets(), to.octets()].concat());
            let sum = checksum(&header, 0).to_be_bytes();
            header[10..12].copy_from_slice(&sum);
            [&[0x08, 0x00][..], &header].concat()
        }
        (IpAddr::V6(from), IpAddr::V6(to)) => {
            let mut header = vec![0x86, 0xdd, 0x60, 0, 0, 0];
            header.extend((len as u16).to_be_bytes());
            header.extend([protocol, 64]);
            header.extend([from.octets(), to.octets()].concat());
            header
        }
        _ => unreachable!("both are of one version"),
    }
}

/// Finds and verifies the runs of a batch, and lays them out for the kernel.
fn best_join(batch: &FrameBatch, runs: usize) -> f64 {
    let mut plan = Plan::default();
    best(|| {
        plan.make(black_box(batch), true);
        assert_eq!(plan.runs().len(), runs, "all of a stream in one");
        for run in plan.runs() {
            black_box(plan.headers(run, batch));
            for index in plan.frames(run) {
                black_box(batch.frame(index).map(|frame| &frame.bytes[Plan::payload_at(run)..]));
            }
        }
        batch.len()
    })
}

/// Nanoseconds for each of what a round counts, in the best of many rounds: others use this machine as well.
fn best(mut round: impl FnMut() -> usize) -> f64 {
    let (start, mut best) = (Instant::now(), f64::MAX);
    while start.elapsed() < SPAN {
        let begin = Instant::now();
        let count: usize = (0..4).map(|_| round()).sum();
        best = best.min(begin.elapsed().as_nanos() as f64 / count as f64);
    }
    best
}
