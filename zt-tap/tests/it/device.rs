use std::io;
use std::os::fd::AsFd;
use std::task::{Context, Poll};
use std::time::Duration;

use zt_tap::channel;
use zt_tap::linux::netlink::LinkChange;
use zt_tap::netns::{Namespace, PingOptions};
use zt_tap::{AsyncTap, HostConfig, HostState, InterfaceWatcher, LinuxHost, LinuxTap, Tap, TapSpec};
use zt_wire::batch::MAX_FRAME_LEN;
use zt_wire::{FrameBatch, Mac};

use crate::watch::changed;
use crate::{cidr, device, namespace};

fn host_state(addresses: &[&str]) -> HostState {
    HostState { up: Some(true), addresses: addresses.iter().map(|text| cidr(text)).collect(), ..HostState::default() }
}

fn apply(namespace: &Namespace, tap: &str, state: &HostState) {
    let applied = namespace.run(|| LinuxHost::new().expect("netlink").apply(tap, state)).expect("run").expect("apply");
    assert!(applied.failed.is_empty(), "{applied:?}");
}

#[test]
fn a_device_has_its_name_mac_and_mtu_and_vanishes() {
    let Some(ns) = namespace() else { return };
    let Some(mut tap) = device(&ns, "zttest0", 7) else {
        return;
    };
    let find = || ns.netlink().expect("netlink").link("zttest0").expect("ask");
    let link = find().expect("there");
    assert_eq!(link.mac, Some(Mac([0x32, 0, 0, 0, 0, 7])));
    assert_eq!((link.mtu, link.up), (2800, false));
    assert_eq!(tap.info().name, "zttest0");
    tap.set_mtu(1400).expect("mtu");
    assert_eq!(find().expect("there").mtu, 1400);
    assert_eq!(tap.info().mtu, 1400);

    let spec = TapSpec { name: "zttest0".into(), mac: Mac([0x32, 0, 0, 0, 0, 8]), mtu: 2800 };
    let twice = ns.run(|| LinuxTap::open(&spec)).expect("run");
    let kind = twice.err().map(|error| error.kind());
    assert_eq!(kind, Some(io::ErrorKind::AlreadyExists));
    for name in ["", "a-name-of-16-byt", "zt%d"] {
        let spec = TapSpec { name: name.into(), ..spec.clone() };
        let refused = ns.run(|| LinuxTap::open(&spec)).expect("run");
        let kind = refused.err().map(|error| error.kind());
        assert_eq!(kind, Some(io::ErrorKind::InvalidInput), "{name:?}");
    }
    let mut watcher = ns.run(InterfaceWatcher::new).expect("run").expect("watcher");
    drop(tap);
    // A program that a test beside this one starts has the open file, too, until it is executed.
    while find().is_some() {
        assert!(changed(&mut watcher), "the device stays");
    }
}

#[test]
fn frames_go_both_ways() {
    let Some(ns) = namespace() else { return };
    let Some(mut tap) = device(&ns, "zttest0", 7) else {
        return;
    };
    let mut batch = FrameBatch::new(32, 2814);
    let nothing = tap.try_recv(&mut batch).expect_err("down");
    assert_eq!(nothing.kind(), io::ErrorKind::WouldBlock);
    apply(&ns, "zttest0", &host_state(&["10.44.0.1/24"]));

    // An ARP request from the network is answered by the kernel.
    let mut request = vec![0xff; 6];
    request.extend([0x32, 0, 0, 0, 0, 9]);
    request.extend([8, 6, 0, 1, 8, 0, 6, 4, 0, 1]);
    request.extend([0x32, 0, 0, 0, 0, 9, 10, 44, 0, 2]);
    request.extend([0, 0, 0, 0, 0, 0, 10, 44, 0, 1]);
    let mut out = FrameBatch::new(4, 4000);
    out.push(&[0; 3]).expect("room");
    out.push(&[0; 2815]).expect("room");
    out.push(&request).expect("room");
    assert_eq!(tap.try_send(&out).expect("sent"), 3);
    assert_eq!(tap.counts().too_long, 1);
    assert_eq!(tap.counts().refused, 1);
    let answered = (0..200).any(|_| {
        std::thread::sleep(Duration::from_millis(5));
        batch.clear();
        let _ = tap.try_recv(&mut batch);
        batch.iter().any(|f| f.bytes[12..14] == [8, 6] && f.bytes[..6] == [0x32, 0, 0, 0, 0, 9])
    });
    assert!(answered, "no ARP reply");
}

#[test]
fn a_name_that_is_taken_or_impossible_is_refused_by_name() {
    let Some(ns) = namespace() else { return };
    let open = |name: &str| {
        let spec = TapSpec { name: name.into(), mac: Mac([0x32, 0, 0, 0, 0, 8]), mtu: 2800 };
        ns.run(|| LinuxTap::open(&spec)).expect("run")
    };
    ns.add_bridge("zttest0").expect("bridge");
    // As somebody else's device that waits for its program: the kernel would let us have it.
    let mut persistent = std::process::Command::new("ip");
    persistent.args(["tuntap", "add", "mode", "tap", "name", "zttest1"]);
    ns.enter_on_spawn(&mut persistent).expect("enter");
    assert!(persistent.status().expect("the program ip").success());
    let before = ns.netlink().expect("netlink").require_link("zttest1").expect("there");
    for name in ["zttest0", "zttest1", "lo"] {
        let kind = open(name).err().map(|error| error.kind());
        assert_eq!(kind, Some(io::ErrorKind::AlreadyExists), "{name:?}");
    }
    assert_eq!(ns.netlink().expect("netlink").require_link("zttest1").expect("there"), before);
    for name in [".", "..", "a/b", "a b", "a:b", "a\tb", "zt\u{2003}", "a\0b"] {
        let kind = open(name).err().map(|error| error.kind());
        assert_eq!(kind, Some(io::ErrorKind::InvalidInput), "{name:?}");
    }
    assert_eq!(open("zt-15-bytes-lon").expect("a good name").info().name, "zt-15-bytes-lon");
}

#[test]
fn frames_follow_the_larger_of_both_mtus_and_are_never_cut() {
    let Some(ns) = namespace() else { return };
    let Some(mut tap) = device(&ns, "zttest0", 7) else { return };
    apply(&ns, "zttest0", &host_state(&["10.44.0.1/24"]));
    let mtu = |mtu| ns.change("zttest0", &LinkChange { mtu: Some(mtu), ..LinkChange::default() }).expect("mtu");
    let send = |tap: &mut LinuxTap, len: usize| {
        let mut one = FrameBatch::new(1, MAX_FRAME_LEN);
        one.push(&vec![0; len]).expect("room");
        tap.try_send(&one).expect("taken");
        tap.counts().too_long
    };
    assert_eq!(send(&mut tap, 2815), 1);
    // By hand: larger. What is longer than the network's MTU arrives too.
    mtu(9000);
    let state = tap.observe().expect("there");
    assert_eq!((state.mtu, state.up), (9000, true));
    assert!(state.addresses.contains(&[10, 44, 0, 1].into()), "{state:?}");
    assert_eq!((send(&mut tap, 9014), send(&mut tap, 9015)), (1, 2));
    // By hand: smaller. Others still send what the network allows.
    mtu(1400);
    assert_eq!(tap.observe().expect("there").mtu, 1400);
    assert_eq!((send(&mut tap, 2814), send(&mut tap, 2815)), (2, 3));
    assert_eq!(tap.info().mtu, 2800);

    // A broadcast of 2,000 bytes does not fit a slot of 1,000: it is dropped and counted, not cut.
    mtu(2800);
    let socket = ns.run(|| std::net::UdpSocket::bind("10.44.0.1:0")).expect("run").expect("socket");
    socket.set_broadcast(true).expect("broadcast");
    let mut small = FrameBatch::new(4, 1000);
    let mut seen = Vec::new();
    let counted = (0..200).any(|_| {
        socket.send_to(&[7; 2000], "10.44.0.255:9").expect("sent");
        socket.send_to(&[7; 500], "10.44.0.255:9").expect("sent");
        std::thread::sleep(Duration::from_millis(5));
        small.clear();
        let _ = tap.try_recv(&mut small);
        seen.extend(small.iter().map(|frame| frame.bytes.len()));
        tap.counts().too_long > 3 && seen.contains(&542)
    });
    assert!(counted, "{seen:?}");
    assert!(!seen.contains(&1000), "{seen:?}");
}

#[test]
fn groups_the_host_listens_to() {
    let Some(ns) = namespace() else { return };
    let Some(tap) = device(&ns, "zttest0", 7) else {
        return;
    };
    apply(&ns, "zttest0", &host_state(&["fd00::1:2a/64"]));
    // The kernel joins groups in the background.
    let expected = [[0x33, 0x33, 0, 0, 0, 1], [0x33, 0x33, 0xff, 1, 0, 0x2a]].map(Mac);
    let mut groups = Vec::new();
    let found = (0..200).any(|_| {
        std::thread::sleep(Duration::from_millis(5));
        groups = ns.run(|| tap.multicast_groups()).expect("run").expect("read");
        let listens = |mac: &Mac| groups.iter().any(|group| group.mac == *mac);
        expected.iter().all(listens)
    });
    assert!(found, "{groups:?}");
    assert!(groups.is_sorted());
}

#[test]
fn two_hosts_ping_through_devices_and_a_pair_in_memory() {
    let (Some(one), Some(two)) = (namespace(), namespace()) else {
        return;
    };
    let (Some(tap_one), Some(tap_two)) = (device(&one, "zttest1", 1), device(&two, "zttest2", 2)) else {
        return;
    };
    apply(&one, "zttest1", &host_state(&["10.44.0.1/24", "fd44::1/64"]));
    apply(&two, "zttest2", &host_state(&["10.44.0.2/24", "fd44::2/64"]));
    assert!(tap_one.as_fd().try_clone_to_owned().is_ok());

    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let network = std::thread::spawn(move || carry(tap_one, tap_two, stopped));
    let wait = Duration::from_secs(5);
    for (from, to) in [(&one, "10.44.0.2"), (&one, "fd44::2"), (&two, "10.44.0.1")] {
        let mut pinger = from.pinger(to.parse().expect("address")).expect("pinger");
        pinger.ping_until(56, Duration::from_millis(100), wait).unwrap_or_else(|error| panic!("{to}: {error}"));
        for payload in [0, 2700, 9000] {
            let options = PingOptions { payload, timeout: wait };
            pinger.ping(options).unwrap_or_else(|error| panic!("{to}, {payload} bytes: {error}"));
        }
    }
    let sink = two.tcp_receive("10.44.0.2:0".parse().expect("address"), wait).expect("listen");
    one.tcp_send(sink.address(), 3_000_000, wait).expect("send");
    assert_eq!(sink.join().expect("receive").bytes, 3_000_000);
    stop.send(()).expect("running");
    network.join().expect("network");
}

/// device – pair in memory – device
fn carry(one: LinuxTap, two: LinuxTap, stop: tokio::sync::oneshot::Receiver<()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build().expect("runtime");
    runtime.block_on(async move {
        let mut one = AsyncTap::new(one).expect("register");
        let mut two = AsyncTap::new(two).expect("register");
        let (mut near, mut far) = channel::pair(one.info().clone(), two.info().clone(), 64);
        let mut buffers = [(); 4].map(|()| FrameBatch::new(16, 2814));
        let [a, b, c, d] = &mut buffers;
        let work = std::future::poll_fn(|cx| {
            // Each direction goes on until it can do nothing more.
            while step(&mut one, &mut near, a, cx) | step(&mut near, &mut one, b, cx) {}
            while step(&mut two, &mut far, c, cx) | step(&mut far, &mut two, d, cx) {}
            Poll::<()>::Pending
        });
        tokio::select! {
            () = work => {}
            _ = stop => {}
        }
    });
}

fn step(from: &mut dyn Tap, to: &mut dyn Tap, batch: &mut FrameBatch, cx: &mut Context<'_>) -> bool {
    if batch.is_empty() && !matches!(from.poll_recv(cx, batch), Poll::Ready(Ok(1..))) {
        return false;
    }
    match to.poll_send(cx, batch) {
        Poll::Ready(Ok(count)) => {
            batch.consume(count);
            true
        }
        _ => false,
    }
}
