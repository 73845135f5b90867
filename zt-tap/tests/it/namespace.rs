use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::process::Command;
use std::time::{Duration, Instant};

use zt_tap::HostRoute;
use zt_tap::netns::{Masquerade, Namespace, NatBox, PingOptions, Process, UserNamespace};

use crate::{cidr, namespace, permitted};

fn ip(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

fn address(text: &str) -> SocketAddr {
    text.parse().expect("an address with a port")
}

/// Two hosts and a cable with IPv4 and IPv6 addresses.
fn two_hosts() -> Option<(Namespace, Namespace)> {
    let (one, two) = (namespace()?, namespace()?);
    one.connect("eth0", &two, "eth0").expect("cable");
    for (host, last) in [(&one, 1), (&two, 2)] {
        host.add_address("eth0", cidr(&format!("10.0.0.{last}/24"))).expect("IPv4");
        host.add_address("eth0", cidr(&format!("fd00::{last}/64"))).expect("IPv6");
    }
    Some((one, two))
}

#[test]
fn ping_over_a_cable() {
    let Some((one, _two)) = two_hosts() else { return };
    for target in ["10.0.0.2", "fd00::2", "127.0.0.1"] {
        for payload in [0, 1, 56, 2700, 9000] {
            let options = PingOptions { payload, ..PingOptions::default() };
            let result = one.ping(ip(target), options);
            assert!(result.is_ok(), "{target}, {payload} bytes: {result:?}");
        }
    }
    let short = PingOptions { timeout: Duration::from_millis(50), ..PingOptions::default() };
    let silent = one.ping(ip("10.0.0.3"), short).expect_err("nobody");
    assert_eq!(silent.kind(), io::ErrorKind::TimedOut);
    let unroutable = one.ping(ip("192.0.2.1"), short).expect_err("no route");
    assert_eq!(unroutable.kind(), io::ErrorKind::NetworkUnreachable);
}

#[test]
fn cut_and_heal() {
    let Some((one, two)) = two_hosts() else { return };
    let options = PingOptions { timeout: Duration::from_millis(100), ..PingOptions::default() };
    if permitted("nft", two.cut(&[cidr("10.0.0.1/32")])).is_none() {
        return;
    }
    assert!(one.ping(ip("10.0.0.2"), options).is_err());
    assert!(one.ping(ip("fd00::2"), options).is_ok());
    two.cut(&[]).expect("nft");
    assert!(one.ping(ip("10.0.0.2"), options).is_ok());
    one.set_up("eth0", false).expect("down");
    assert!(two.ping(ip("10.0.0.1"), options).is_err());
}

#[test]
fn a_switch_and_tcp() {
    let (Some(switch), Some(one), Some(two)) = (namespace(), namespace(), namespace()) else {
        return;
    };
    switch.add_bridge("br0").expect("bridge");
    for (host, port, last) in [(&one, "p1", 1), (&two, "p2", 2)] {
        switch.connect(port, host, "eth0").expect("cable");
        switch.join_bridge(port, "br0").expect("plug");
        host.add_address("eth0", cidr(&format!("10.0.0.{last}/24"))).expect("address");
    }
    let patience = Duration::from_secs(5);
    let sink = two.tcp_receive(address("10.0.0.2:0"), patience).expect("listen");
    let sent = one.tcp_send(sink.address(), 20_000_000, patience).expect("send");
    assert_eq!(sent.bytes, 20_000_000);
    assert!(sent.megabits_per_second() > 1.0);
    assert_eq!(sink.join().expect("receive").bytes, 20_000_000);
    let nobody = two.tcp_receive(address("10.0.0.2:0"), Duration::from_millis(20));
    let error = nobody.expect("listen").join().expect_err("nobody came");
    assert_eq!(error.kind(), io::ErrorKind::TimedOut);
}

/// host 10.1.0.2 – NAT 203.0.113.1 – two servers on one switch, 203.0.113.8 and .9
struct NatRig {
    host: Namespace,
    nat: NatBox,
    servers: [UdpSocket; 2],
    _servers: Namespace,
}

fn nat_rig(kind: Masquerade) -> Option<NatRig> {
    let (host, router, outside) = (namespace()?, namespace()?, namespace()?);
    router.connect("lan", &host, "eth0").expect("cable");
    router.connect("wan", &outside, "eth0").expect("cable");
    host.add_address("eth0", cidr("10.1.0.2/24")).expect("address");
    router.add_address("lan", cidr("10.1.0.1/24")).expect("address");
    router.add_address("wan", cidr("203.0.113.1/24")).expect("address");
    let servers = ["203.0.113.8", "203.0.113.9"].map(|server| {
        outside.add_address("eth0", cidr(&format!("{server}/24"))).expect("address");
        let socket = outside.run(|| UdpSocket::bind((server, 7000))).expect("run").expect("bind");
        socket.set_read_timeout(Some(Duration::from_millis(500))).expect("timeout");
        socket
    });
    let default = HostRoute::new(cidr("203.0.113.0/24"), Some(ip("10.1.0.1")));
    host.add_route("eth0", &default).expect("route");
    let nat = permitted("nft", NatBox::new(router, "lan", "wan", kind))?;
    Some(NatRig { host, nat, servers, _servers: outside })
}

impl NatRig {
    /// What each server sees as the source of one socket.
    fn mappings(&self, socket: &UdpSocket) -> [SocketAddr; 2] {
        [0, 1].map(|i| {
            let to = self.servers[i].local_addr().expect("bound");
            socket.send_to(b"hello", to).expect("send");
            let (_, seen) = self.servers[i].recv_from(&mut [0; 16]).expect("receive");
            assert_eq!(seen.ip(), ip("203.0.113.1"));
            seen
        })
    }

    fn socket(&self) -> UdpSocket {
        let bound = self.host.run(|| UdpSocket::bind("10.1.0.2:9993"));
        let socket = bound.expect("run").expect("bind");
        socket.set_read_timeout(Some(Duration::from_millis(200))).expect("timeout");
        socket
    }
}

#[test]
fn a_nat_that_preserves_ports_and_filters() {
    let Some(rig) = nat_rig(Masquerade::PortPreserving) else {
        return;
    };
    let socket = rig.socket();
    // An uninvited packet neither passes nor spoils the mapping.
    rig.servers[1].send_to(b"?", "203.0.113.1:9993").expect("send");
    assert!(socket.recv_from(&mut [0; 16]).is_err());
    let seen = rig.mappings(&socket);
    assert_eq!(seen, [address("203.0.113.1:9993"); 2]);
    rig.servers[0].send_to(b"answer", seen[0]).expect("send");
    assert_eq!(socket.recv(&mut [0; 16]).expect("answer"), 6);
}

#[test]
fn a_nat_with_random_ports_and_one_that_restarts() {
    let Some(rig) = nat_rig(Masquerade::RandomPorts) else {
        return;
    };
    let socket = rig.socket();
    let seen = rig.mappings(&socket);
    assert_ne!(seen[0].port(), seen[1].port());
    assert_eq!(rig.mappings(&socket), seen, "flows keep their ports");

    rig.nat.rebind(20_000, 20_999).expect("rebind");
    let after = rig.mappings(&socket);
    assert!(after.iter().all(|s| (20_000..21_000).contains(&s.port())), "{after:?}");
    let ping = rig.host.ping(ip("203.0.113.9"), PingOptions::default());
    assert!(ping.is_ok(), "pings pass too: {ping:?}");
    assert!(rig.nat.namespace().addresses("wan").is_ok());
}

#[test]
fn programs_run_inside_and_end_with_their_handle() {
    let Some(ns) = namespace() else { return };
    let mut command = Command::new("sh");
    command.args(["-c", "echo up; echo oops >&2; cat /proc/self/net/dev; exit 3"]);
    let mut process = ns.spawn(command).expect("start");
    let status = process.wait(Duration::from_secs(5)).expect("end");
    assert_eq!(status.code(), Some(3));
    let output = process.output();
    assert!(output.contains(&"up".to_owned()) && output.contains(&"oops".to_owned()));
    let devices: Vec<_> = output.iter().filter(|line| line.contains(": ")).collect();
    assert_eq!(devices.len(), 1, "{output:?}");

    let sleep = || {
        let mut command = Command::new("sleep");
        command.arg("100");
        command
    };
    let mut asleep = ns.spawn(sleep()).expect("start");
    assert!(asleep.exited().expect("ask").is_none());
    let status = asleep.terminate(Duration::from_secs(5)).expect("ends");
    assert!(!status.success());

    let dropped = ns.spawn(sleep()).expect("start");
    let entry = format!("/proc/{}", dropped.id());
    drop(dropped);
    assert!(!std::fs::exists(entry).expect("ask"));

    let mut stubborn = Command::new("sh");
    stubborn.args(["-c", "trap '' TERM; echo ready; while :; do sleep 0.05; done"]);
    let mut stubborn = ns.spawn(stubborn).expect("start");
    let deadline = Instant::now() + Duration::from_secs(5);
    while stubborn.output().is_empty() && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(5));
    }
    let error = stubborn.terminate(Duration::from_millis(50)).expect_err("goes on");
    assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    assert!(stubborn.exited().expect("ask").is_some());
}

#[test]
fn a_user_namespace_has_a_root_and_a_network_of_its_own() {
    let mut command = Command::new("sh");
    command.args(["-c", "id -u; cat /proc/self/net/dev"]);
    UserNamespace::wrap(&mut command);
    let Some(mut process) = permitted("user namespaces", Process::spawn(command)) else {
        return;
    };
    process.wait(Duration::from_secs(5)).expect("ends");
    let output = process.output();
    assert_eq!(output.first().map(String::as_str), Some("0"), "{output:?}");
    assert_eq!(output.iter().filter(|line| line.contains(": ")).count(), 1);
}

#[test]
fn threads_stay_where_they_are() {
    let Some(ns) = namespace() else { return };
    let here = || std::fs::read_link("/proc/thread-self/ns/net").expect("readable");
    let before = here();
    let inside = ns.run(here).expect("run");
    assert_ne!(before, inside);
    assert_eq!(before, here());
    let current = Namespace::current().expect("current");
    assert_eq!(current.run(here).expect("run"), before);
}

#[test]
fn whole_frames_beside_the_stack() {
    let Some((one, two)) = two_hosts() else { return };
    let (from, to) = (one.packet_socket("eth0").expect("socket"), two.packet_socket("eth0").expect("socket"));
    // Neither of the two MACs is that of a device: no stack would send or take it.
    let mut frame = vec![2, 0, 0, 0, 0, 9, 2, 0, 0, 0, 0, 8, 0x88, 0xb5];
    frame.extend(b"a frame of the lab");
    from.send(&frame).expect("sent");
    let deadline = Instant::now() + Duration::from_secs(5);
    while to.receive().expect("open").as_deref() != Some(&frame[..]) {
        assert!(Instant::now() < deadline, "it does not come");
    }
    // What a host sends itself is not heard there.
    while let Some(heard) = from.receive().expect("open") {
        assert_ne!(heard, frame);
    }
    assert_eq!(one.packet_socket("eth1").expect_err("no device").kind(), io::ErrorKind::NotFound);
}
