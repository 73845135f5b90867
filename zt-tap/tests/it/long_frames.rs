//! Real traffic through two TAP devices, at each level of offload.

use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, poll};
use zt_tap::netns::Namespace;
use zt_tap::{HostConfig, HostState, LinuxHost, LinuxTap, Offloads, TapCounts, TapOffloads, TapSpec};
use zt_wire::batch::MAX_FRAME_LEN;
use zt_wire::{FrameBatch, Mac};

use crate::{cidr, namespace, permitted};

const PATIENCE: Duration = Duration::from_secs(20);

/// What passed a cable.
#[derive(Debug, Default)]
struct Passed {
    longest: usize,
    wrong_checksums: usize,
    counts: [TapCounts; 2],
}

/// Carries frames between two devices until it is told to stop.
struct Cable {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Passed>,
}

impl Cable {
    fn new(mut taps: [LinuxTap; 2]) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = std::thread::spawn(move || {
            let mut passed = Passed::default();
            let room = || FrameBatch::with_headroom(64, MAX_FRAME_LEN, 0);
            let (mut batch, mut unused) = (room(), room());
            while !stopped.load(Ordering::Relaxed) {
                let mut wait = [PollFd::new(&taps[0], PollFlags::IN), PollFd::new(&taps[1], PollFlags::IN)];
                let tenth = rustix::event::Timespec { tv_sec: 0, tv_nsec: 100_000_000 };
                poll(&mut wait, Some(&tenth)).expect("poll");
                for from in [0, 1] {
                    batch.clear();
                    // What comes from the one is shown where it lies, what comes from the other is copied.
                    let mut keep = |frame: &[u8]| batch.push(frame).expect("room for as many as were asked for");
                    let read = match from {
                        0 => taps[0].try_frames(&mut unused, 64, &mut keep),
                        _ => taps[1].try_recv(&mut batch),
                    };
                    if read.is_err() {
                        continue;
                    }
                    for frame in batch.iter() {
                        passed.longest = passed.longest.max(frame.bytes.len());
                        passed.wrong_checksums += usize::from(!has_right_checksum(frame.bytes));
                    }
                    while !batch.is_empty() {
                        let taken = taps[1 - from].try_send(&batch).expect("a device takes frames");
                        batch.consume(taken);
                    }
                }
            }
            passed.counts = [taps[0].counts(), taps[1].counts()];
            passed
        });
        Self { stop, thread }
    }

    fn pull(self) -> Passed {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().expect("the cable")
    }
}

/// False for a TCP segment or UDP datagram that a receiver would drop.
fn has_right_checksum(frame: &[u8]) -> bool {
    let (addresses, transport, protocol) = match frame[12..14] {
        [0x08, 0x00] => (&frame[26..34], 34, frame[23]),
        [0x86, 0xdd] => (&frame[22..54], 54, frame[20]),
        _ => return true,
    };
    let length = ((frame.len() - transport) as u16).to_be_bytes();
    let all = [addresses, &[0, protocol], &length, &frame[transport..]].concat();
    let mut sum: u32 = all.chunks(2).map(|word| u32::from(word[0]) << 8 | u32::from(*word.get(1).unwrap_or(&0))).sum();
    while sum > 0xffff {
        sum = (sum >> 16) + (sum & 0xffff);
    }
    !matches!(protocol, 6 | 17) || sum == 0xffff
}

fn open(namespace: &Namespace, octet: u8, mtu: u16, offloads: Offloads) -> Option<LinuxTap> {
    let spec = TapSpec { name: "ztlong0".into(), mac: Mac([0x32, 0, 0, 0, 0, octet]), mtu };
    let opened = namespace.run(|| LinuxTap::open_with(&spec, offloads)).expect("run");
    let tap = permitted("TAP devices", opened)?;
    let addresses = [format!("10.44.0.{octet}/24"), format!("fd44::{octet}/64")].map(|text| cidr(&text));
    let state = HostState { up: Some(true), addresses: addresses.into(), ..HostState::default() };
    let applied = namespace.run(|| LinuxHost::new().expect("netlink").apply("ztlong0", &state)).expect("run");
    assert!(applied.expect("applied").failed.is_empty());
    Some(tap)
}

/// Makes the kernel of a namespace use addresses without asking around first.
fn without_detection_of_duplicates(namespace: &Namespace) {
    let off = || std::fs::write("/proc/sys/net/ipv6/conf/default/accept_dad", "0");
    namespace.run(off).expect("run").expect("a setting of the kernel");
}

fn exchange(a: &Namespace, b: &Namespace, address: &str) {
    let address: SocketAddr = address.parse().expect("an address");
    let sink = b.tcp_receive(address, PATIENCE).expect("a server");
    let to = sink.address();
    a.tcp_send(to, 2_000_000, PATIENCE).expect("sent");
    assert_eq!(sink.join().expect("received what was sent").bytes, 2_000_000);

    let receiver = b.run(|| UdpSocket::bind(address)).expect("run").expect("a socket");
    receiver.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    let local = if address.is_ipv6() { "[::]:0" } else { "0.0.0.0:0" };
    let sender = a.run(|| UdpSocket::bind(local)).expect("run").expect("a socket");
    let to = receiver.local_addr().expect("bound");
    let mut buffer = [0; 2000];
    for round in 0..20_u8 {
        for number in 0..10_u8 {
            sender.send_to(&[[round, number].as_slice(), &[number; 1000]].concat(), to).expect("sent");
        }
        for number in 0..10_u8 {
            let length = receiver.recv(&mut buffer).expect("a datagram");
            assert_eq!(buffer[..length], [[round, number].as_slice(), &[number; 1000]].concat(), "in order, whole");
        }
    }
}

#[test]
fn traffic_is_the_same_at_every_level() {
    for offloads in Offloads::LEVELS {
        for mtu in [1280, 2800, 9000] {
            let (Some(a), Some(b)) = (namespace(), namespace()) else { return };
            without_detection_of_duplicates(&a);
            without_detection_of_duplicates(&b);
            let Some(tap_a) = open(&a, 1, mtu, offloads) else { return };
            let Some(tap_b) = open(&b, 2, mtu, offloads) else { return };
            // What this kernel can: any since Linux 6.2 can all.
            assert_eq!(tap_a.offloads(), TapOffloads { from_host: offloads, to_host: offloads });
            let cable = Cable::new([tap_a, tap_b]);
            exchange(&a, &b, "10.44.0.2:7000");
            exchange(&b, &a, "[fd44::1]:7000");
            let passed = cable.pull();
            assert_eq!(passed.counts, [TapCounts::default(); 2], "{offloads:?}, {mtu}");
            assert_eq!(passed.wrong_checksums, 0, "{offloads:?}, {mtu}");
            assert_eq!(passed.longest, usize::from(mtu) + 14, "{offloads:?}: full frames, and none longer");
        }
    }
}
