use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;
use std::{io, thread};

use proptest::prelude::*;
use zt_tap::channel::{self, ChannelTap, ChannelTaps};
use zt_tap::middleware::{Direction, Fault, FaultPlan, Pcap, PcapWriter, Trace};
use zt_tap::null::NullTaps;
use zt_tap::{Tap, TapFactory, TapSpec};
use zt_wire::{FrameBatch, Mac, MulticastGroup};

fn spec(name: &str) -> TapSpec {
    TapSpec { name: name.into(), mac: Mac([0x32, 0, 0, 0, 0, 1]), mtu: 100 }
}

fn pair(capacity: usize) -> (ChannelTap, ChannelTap) {
    channel::pair(spec("a").into(), spec("b").into(), capacity)
}

fn batch(frames: &[&[u8]]) -> FrameBatch {
    let mut batch = FrameBatch::new(16, 300);
    for frame in frames {
        batch.push(frame).expect("room");
    }
    batch
}

fn send(tap: &mut dyn Tap, batch: &FrameBatch) -> Poll<io::Result<usize>> {
    tap.poll_send(&mut Context::from_waker(Waker::noop()), batch)
}

fn recv(tap: &mut dyn Tap) -> Vec<Vec<u8>> {
    let mut batch = FrameBatch::new(16, 300);
    match tap.poll_recv(&mut Context::from_waker(Waker::noop()), &mut batch) {
        Poll::Ready(Ok(count)) => assert_eq!(count, batch.len()),
        Poll::Ready(Err(error)) => panic!("receive: {error}"),
        Poll::Pending => assert!(batch.is_empty()),
    }
    batch.iter().map(|frame| frame.bytes.to_vec()).collect()
}

fn taken(result: Poll<io::Result<usize>>) -> usize {
    match result {
        Poll::Ready(Ok(count)) => count,
        other => panic!("not taken: {other:?}"),
    }
}

#[derive(Default)]
struct Counter(AtomicUsize);

impl Wake for Counter {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

#[test]
fn a_pair_carries_frames_both_ways_in_order() {
    let (mut a, mut b) = pair(8);
    assert_eq!(taken(send(&mut a, &batch(&[&[1; 20], &[2; 30]]))), 2);
    assert_eq!(taken(send(&mut b, &batch(&[&[3; 14]]))), 1);
    assert_eq!(recv(&mut b), [vec![1; 20], vec![2; 30]]);
    assert_eq!(recv(&mut a), [vec![3; 14]]);
    assert!(recv(&mut a).is_empty());
}

#[test]
fn the_other_end_says_which_groups_it_listens_to() {
    let (near, mut far) = pair(4);
    let plan = FaultPlan::default();
    let mut near = Trace::new(Fault::new(Box::new(near) as Box<dyn Tap>, plan), |_, _| {});
    assert_eq!(near.multicast_groups().expect("in memory"), []);
    let groups = vec![MulticastGroup::new(Mac([1, 0, 0x5e, 0, 0, 1])), MulticastGroup::new(Mac::BROADCAST)];
    far.set_multicast_groups(groups.clone());
    assert_eq!(near.multicast_groups().expect("in memory"), groups);
    assert_eq!(far.multicast_groups().expect("in memory"), [], "the near end is a network");
    let mut nobody = NullTaps.open(&spec("n")).expect("always");
    assert_eq!(nobody.multicast_groups().expect("nobody listens"), []);
}

#[test]
fn a_full_pair_holds_the_sender_and_wakes_it() {
    let (mut a, mut b) = pair(2);
    let mut three = batch(&[&[1; 20], &[2; 20], &[3; 20]]);
    let count = taken(send(&mut a, &three));
    assert_eq!(count, 2);
    three.consume(count);
    let woken = Arc::new(Counter::default());
    let waker = Waker::from(Arc::clone(&woken));
    let mut cx = Context::from_waker(&waker);
    assert!(a.poll_send(&mut cx, &three).is_pending());
    assert_eq!(woken.0.load(Ordering::SeqCst), 0);
    assert_eq!(recv(&mut b).len(), 2);
    assert_eq!(woken.0.load(Ordering::SeqCst), 1);
    assert_eq!(taken(a.poll_send(&mut cx, &three)), 1);

    let mut empty = FrameBatch::new(4, 300);
    assert_eq!(recv(&mut b).len(), 1);
    assert!(b.poll_recv(&mut cx, &mut empty).is_pending());
    a.try_send(&[4; 20]).expect("room");
    assert_eq!(woken.0.load(Ordering::SeqCst), 2);
}

#[test]
fn frames_beyond_the_mtu_are_dropped_and_count_as_taken() {
    let (mut a, mut b) = pair(8);
    assert_eq!(taken(send(&mut a, &batch(&[&[1; 115], &[2; 114]]))), 2);
    assert_eq!(recv(&mut b), [vec![2; 114]]);
    a.set_mtu(101).expect("any");
    assert_eq!(taken(send(&mut a, &batch(&[&[1; 115]]))), 1);
    assert_eq!(recv(&mut b).len(), 1);
}

#[test]
fn what_is_lost_is_counted_and_a_raised_mtu_holds_for_both_ends() {
    let (mut a, mut b) = pair(1);
    assert_eq!(taken(send(&mut a, &batch(&[&[1; 115]]))), 1);
    b.try_send(&[1; 115]).expect("lost for its length, as on an Ethernet");
    assert_eq!((a.counts().too_long, b.counts().too_long), (1, 1));
    a.set_mtu(200).expect("any");
    assert!(b.has_room());
    b.try_send(&[1; 214]).expect("room");
    assert!(!b.has_room());
    assert_eq!(b.try_send(&[1; 20]).expect_err("full").kind(), io::ErrorKind::WouldBlock);
    assert_eq!(b.counts().full, 1);
    assert_eq!(b.observe().expect("open").mtu, 200);
    assert_eq!(b.info().mtu, 200);
    assert_eq!(recv(&mut a), [vec![1; 214]]);
    // A VLAN tag comes on top of the MTU.
    let mut tagged = vec![0; 218];
    tagged[12..14].copy_from_slice(&[0x81, 0]);
    b.try_send(&tagged).expect("room");
    assert_eq!(recv(&mut a), [tagged]);
}

#[test]
fn a_dropped_end_is_noticed_after_what_it_sent() {
    let (mut a, mut b) = pair(8);
    a.try_send(&[1; 20]).expect("room");
    drop(a);
    assert_eq!(b.try_recv().expect("frame"), [1; 20]);
    assert_eq!(b.try_recv().expect_err("gone").kind(), io::ErrorKind::BrokenPipe);
    let gone = b.try_send(&[1; 20]).expect_err("gone");
    assert_eq!(gone.kind(), io::ErrorKind::BrokenPipe);
    let mut empty = FrameBatch::new(4, 300);
    let polled = b.poll_recv(&mut Context::from_waker(Waker::noop()), &mut empty);
    assert!(matches!(polled, Poll::Ready(Err(_))));
}

#[test]
fn the_factory_hands_out_far_ends() {
    let taps = ChannelTaps::new();
    let mut near = taps.open(&spec("one")).expect("first");
    let taken_twice = taps.open(&spec("one")).err().map(|error| error.kind());
    assert_eq!(taken_twice, Some(io::ErrorKind::AlreadyExists));
    let mut far = taps.take("one").expect("far end");
    assert!(taps.take("one").is_none() && taps.take_any().is_none());
    far.try_send(&[7; 20]).expect("room");
    assert_eq!(recv(near.as_mut()), [vec![7; 20]]);
}

#[test]
fn nobody_takes_everything() {
    let mut tap = NullTaps.open(&spec("none")).expect("any");
    assert_eq!(taken(send(tap.as_mut(), &batch(&[&[1; 20], &[2; 20]]))), 2);
    assert!(recv(tap.as_mut()).is_empty());
}

#[test]
fn a_capture_holds_both_directions() {
    let (a, mut b) = pair(8);
    let (bytes, written) = mpsc::channel();
    let writer = PcapWriter::new(Channel(bytes)).expect("header");
    let mut a = Pcap::new(a, writer, || Duration::from_micros(1_500_007));
    b.try_send(&[2; 15]).expect("room");
    assert_eq!(recv(&mut a).len(), 1);
    assert_eq!(taken(send(&mut a, &batch(&[&[1; 14]]))), 1);
    assert!(a.is_capturing());
    drop(a);
    let capture: Vec<u8> = written.iter().flatten().collect();
    assert_eq!(capture.len(), 24 + 16 + 15 + 16 + 14);
    assert_eq!(capture[..4], [0xd4, 0xc3, 0xb2, 0xa1]);
    assert_eq!(capture[24..32], [1, 0, 0, 0, 0x27, 0xa1, 0x07, 0]);
    assert_eq!(capture[32..36], [15, 0, 0, 0]);
    assert_eq!(capture[40..55], [2; 15]);
}

struct Channel(mpsc::Sender<Vec<u8>>);

impl io::Write for Channel {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.send(bytes.to_vec()).map_err(io::Error::other)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_capture_that_fails_leaves_the_port_alone() {
    let (a, mut b) = pair(8);
    let writer = PcapWriter::new(io::Cursor::new([0_u8; 24])).expect("header fits");
    let mut a = Pcap::new(a, writer, Duration::default);
    assert_eq!(taken(send(&mut a, &batch(&[&[1; 14]]))), 1);
    assert!(!a.is_capturing());
    assert_eq!(recv(&mut b).len(), 1);
}

#[test]
fn a_trace_sees_each_frame_once() {
    let (a, mut b) = pair(8);
    let (seen, log) = mpsc::channel();
    let mut a = Trace::new(a, move |direction, frame| {
        let _ = seen.send((direction, frame.bytes.len()));
    });
    b.try_send(&[2; 15]).expect("room");
    assert_eq!(recv(&mut a).len(), 1);
    assert_eq!(taken(send(&mut a, &batch(&[&[1; 14], &[1; 20]]))), 2);
    drop(a);
    let expected = [(Direction::FromHost, 15), (Direction::ToHost, 14), (Direction::ToHost, 20)];
    assert_eq!(log.iter().collect::<Vec<_>>(), expected);
}

#[test]
fn faults_are_counted_and_replayable() {
    let plan = FaultPlan { seed: 42, loss: 0.25, corruption: 0.1, duplication: 0.1 };
    let run = || {
        let (a, mut b) = pair(4000);
        let mut a = Fault::new(a, plan);
        let mut arrived = Vec::new();
        for i in 0..1000_u32 {
            let mut frame = vec![0; 20];
            frame[..4].copy_from_slice(&i.to_be_bytes());
            assert_eq!(taken(send(&mut a, &batch(&[&frame]))), 1);
            b.try_send(&frame).expect("room");
            recv(&mut a);
            arrived.extend(recv(&mut b));
        }
        (arrived, a.counts())
    };
    let (arrived, counts) = run();
    assert_eq!(counts.passed + counts.lost, 2000);
    assert!((400..600).contains(&counts.lost), "{counts:?}");
    assert!((100..200).contains(&counts.corrupted), "{counts:?}");
    assert!((100..200).contains(&counts.duplicated), "{counts:?}");
    assert_eq!(run(), (arrived, counts));
}

#[test]
fn a_faulty_port_without_faults_changes_nothing() {
    let (a, mut b) = pair(1);
    let mut a = Fault::new(a, FaultPlan::default());
    // The inner port takes one frame at a time; the others wait and none is lost.
    assert_eq!(taken(send(&mut a, &batch(&[&[1; 20], &[2; 20], &[3; 20]]))), 3);
    assert_eq!(recv(&mut b), [vec![1; 20]]);
    assert!(send(&mut a, &batch(&[&[4; 20]])).is_pending());
    assert_eq!(recv(&mut b), [vec![2; 20]]);
    assert_eq!(taken(send(&mut a, &batch(&[&[4; 20]]))), 1);
    assert_eq!(recv(&mut b), [vec![3; 20]]);
    // Receiving sends what waits, too.
    assert!(recv(&mut a).is_empty());
    assert_eq!(recv(&mut b), [vec![4; 20]]);
}

#[test]
fn ends_work_from_two_threads() {
    let (mut a, mut b) = pair(4);
    let sender = thread::spawn(move || {
        for i in 0..5000_u32 {
            while a.try_send(&i.to_be_bytes()).is_err() {
                thread::yield_now();
            }
        }
    });
    let mut next = 0_u32;
    while next < 5000 {
        match b.try_recv() {
            Ok(frame) => {
                assert_eq!(frame, next.to_be_bytes());
                next += 1;
            }
            Err(error) => {
                assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
                thread::yield_now();
            }
        }
    }
    sender.join().expect("sender");
}

proptest! {
    #[test]
    fn no_frame_is_lost_or_changed(
        frames in prop::collection::vec(prop::collection::vec(any::<u8>(), 14..114), 0..60),
        capacity in 1..20_usize,
        window in 1..20_usize,
    ) {
        let (mut a, mut b) = pair(capacity);
        let mut arrived = Vec::new();
        let mut waiting = FrameBatch::new(window, 114);
        let mut rest = frames.iter();
        loop {
            while !waiting.is_full() {
                let Some(frame) = rest.next() else { break };
                waiting.push(frame).expect("room");
            }
            if waiting.is_empty() {
                break;
            }
            waiting.consume(taken(send(&mut a, &waiting)));
            arrived.extend(recv(&mut b));
        }
        loop {
            let more = recv(&mut b);
            if more.is_empty() {
                break;
            }
            arrived.extend(more);
        }
        prop_assert_eq!(arrived, frames);
    }
}
