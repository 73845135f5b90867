//! Virtual ports as operators treat them: names that are taken, devices that go, settings made by hand, bridges, and the
//! multicast of the host.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddrV6, UdpSocket};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde_json::json;
use socket2::{Domain, Protocol, SockRef, Socket, Type};
use zt_tap::linux::netlink::LinkChange;
use zt_test_e2e::rig::{Rig, first};
use zt_test_e2e::{Daemon, Host, Lab, Masquerade, Ping, Program, multicast, wait_for};
use zt_wire::NetworkId;

const WAIT: Duration = Duration::from_secs(30);

fn device(daemon: &Daemon, network: NetworkId) -> Result<String> {
    let found = daemon.network(network)?;
    Ok(found["portDeviceName"].as_str().context("a device")?.to_owned())
}

fn ping(host: &Host, target: &str) -> Result<Duration> {
    host.ping(target.parse()?, Ping { patience: WAIT, ..Ping::default() })
}

fn change(host: &Host, device: &str, change: &LinkChange) -> Result<()> {
    Ok(host.namespace().change(device, change)?)
}

#[test]
fn a_name_that_is_taken_or_impossible_gives_way_to_the_next() -> Result<()> {
    let Some(lab) = Lab::new("names")? else { return Ok(()) };
    let host = lab.host("root", &["10.0.0.1/24"])?;
    let mut make = Command::new("ip");
    make.args(["tuntap", "add", "mode", "tap", "name", "somebodys"]);
    ensure!(host.run(make, WAIT)?.0.success(), "ip tuntap");
    host.namespace().add_bridge("brx")?;
    let key = lab.identity(1);
    let planet = lab.planet(&[(key.identity(), &["10.0.0.1/9993"])])?;
    let controller = key.identity().address;
    let wished = ["averyverylongname0", "brx", "somebodys", "a/b", "free0"];
    let networks: Vec<String> = (1..=wished.len()).map(|number| format!("{controller}00ab0{number}")).collect();
    let lines: String = networks.iter().zip(wished).map(|(network, name)| format!("{network}={name}\n")).collect();
    let home = lab.home("root")?.with_identity(&key)?.with_planet(&planet)?;
    home.write("devicemap", lines.as_bytes())?;
    let daemon = host.start(&Program::ours()?, home)?;
    for (network, name) in networks.iter().zip(wished) {
        daemon.api().post(&format!("/controller/network/{network}"), &json!({ "private": false }))?;
        let id = network.parse().map_err(|_| anyhow::anyhow!("{network}"))?;
        // The answer to the join has the name already.
        let joined = daemon.join(id)?["portDeviceName"].as_str().unwrap_or_default().to_owned();
        assert_eq!(joined == name, name == "free0", "{name}: {joined:?}");
        ensure!(!joined.is_empty(), "{name}: no device in the answer");
        let status = daemon.wait_status(id, "OK", WAIT)?;
        let problem = status["portDeviceProblem"].as_str().unwrap_or_default();
        assert_eq!(problem.contains(&format!("asks for the name {name}:")), name != "free0", "{status}");
        ensure!(
            name == "free0" || daemon.output().iter().any(|line| line.contains("WARN") && line.contains(name)),
            "{name}"
        );
    }
    let link = host.namespace().netlink()?.require_link("somebodys")?;
    assert!(!link.up && host.namespace().addresses("somebodys")?.is_empty(), "{link:?}");
    Ok(())
}

#[test]
fn a_device_deleted_while_the_network_was_refused_is_there_again_afterwards() -> Result<()> {
    let Some(rig) = Rig::new("deleted")? else { return Ok(()) };
    let addresses = rig.join(WAIT)?;
    let target = first(&addresses[1])?.to_string();
    ping(&rig.hosts[0], &target)?;
    let a = &rig.members[0];
    rig.root.authorise(rig.network, a.address(), false)?;
    a.wait_status(rig.network, "ACCESS_DENIED", WAIT)?;
    rig.hosts[0].namespace().delete_device(&device(a, rig.network)?)?;
    rig.root.authorise(rig.network, a.address(), true)?;
    a.wait_status(rig.network, "OK", WAIT)?;
    // OK says that there is a device.
    rig.hosts[0].namespace().netlink()?.require_link(&device(a, rig.network)?)?;
    ping(&rig.hosts[0], &target)?;
    Ok(())
}

#[test]
fn what_the_operator_sets_on_a_device_stays() -> Result<()> {
    let Some(rig) = Rig::new("by-hand")? else { return Ok(()) };
    let addresses = rig.join(WAIT)?;
    let target = first(&addresses[1])?.to_string();
    let [a, _] = &rig.members;
    let [host, _] = &rig.hosts;
    let name = device(a, rig.network)?;
    let link = || Ok::<_, anyhow::Error>(host.namespace().netlink()?.require_link(&name)?);
    ping(host, &target)?;
    change(host, &name, &LinkChange { mtu: Some(1300), up: Some(false), ..LinkChange::default() })?;
    // A configuration that adds an address: neither that nor anything else of it touches MTU and state.
    let more = json!({ "ipAssignments": ["10.9.0.200", target.replace("10.9.0.", "10.9.1.")] });
    rig.root.change_member(rig.network, a.address(), &more)?;
    wait_for("another address", WAIT, || {
        let present = host.namespace().addresses(&name)?;
        Ok(present.iter().any(|address| address.cidr.address().to_string() == "10.9.0.200").then_some(()))
    })?;
    assert_eq!((link()?.mtu, link()?.up), (1300, false));
    // Up again by hand: the routes and IPv6 addresses that went with it come back by themselves.
    change(host, &name, &LinkChange { up: Some(true), ..LinkChange::default() })?;
    ping(host, &target)?;
    let six = addresses[1].iter().find(|cidr| cidr.address().is_ipv6()).context("an IPv6 address")?.address();
    ping(host, &six.to_string())?;
    assert_eq!(link()?.mtu, 1300);
    // Larger by hand, on both sides: such frames pass.
    for (host, member) in rig.hosts.iter().zip(&rig.members) {
        change(host, &device(member, rig.network)?, &LinkChange { mtu: Some(5000), ..LinkChange::default() })?;
    }
    host.ping(target.parse()?, Ping { payload: 4972, patience: WAIT, ..Ping::default() })?;
    // A new MTU of the network is the network's word again.
    rig.root.change_network(rig.network, &json!({ "mtu": 2000 }))?;
    wait_for("the MTU of the network", WAIT, || Ok((link()?.mtu == 2000).then_some(())))
}

/// The usual bridge at home: one interface and the tap in a bridge, behind the router of the house; a member elsewhere has
/// an address in the LAN's block.
#[test]
fn a_far_member_and_the_hosts_behind_a_bridge_reach_each_other() -> Result<()> {
    let Some(lab) = Lab::new("bridge")? else { return Ok(()) };
    let zt = Program::ours()?;
    let root_host = lab.host("root", &["10.0.0.1/24"])?;
    let far_host = lab.host("far", &["10.0.0.2/24"])?;
    let nat = lab.nat("10.0.0.3/24", "192.168.1.1/24", Masquerade::PortPreserving)?;
    let (bridge_host, lan_host) = (nat.host("bridge", "192.168.1.100/24")?, nat.host("lan", "192.168.1.51/24")?);
    bridge_host.delete_address("eth0", "192.168.1.100/24")?;
    bridge_host.namespace().add_bridge("br0")?;
    bridge_host.namespace().join_bridge("eth0", "br0")?;
    bridge_host.add_address("br0", "192.168.1.100/24")?;
    bridge_host.default_route("br0", "192.168.1.1".parse()?)?;

    let key = lab.identity(1);
    let planet = lab.planet(&[(key.identity(), &["10.0.0.1/9993"])])?;
    let start = |host: &Host, seed| {
        let home = lab.home(host.name())?.with_identity(&lab.identity(seed))?.with_planet(&planet)?;
        host.start(&zt, home)
    };
    let (root, far, bridge) = (start(&root_host, 1)?, start(&far_host, 2)?, start(&bridge_host, 3)?);
    let network = root.create_network(&json!({ "private": true, "routes": [{ "target": "192.168.0.0/23" }] }))?;
    root.change_member(network, far.address(), &json!({ "authorized": true, "ipAssignments": ["192.168.1.201"] }))?;
    let member = json!({ "authorized": true, "activeBridge": true, "noAutoAssignIps": true });
    root.change_member(network, bridge.address(), &member)?;
    far.join(network)?;
    bridge.api().post(&format!("/network/{network}"), &json!({ "allowManaged": false }))?;
    far.wait_joined(network, WAIT)?;
    bridge.wait_status(network, "OK", WAIT)?;
    bridge_host.namespace().join_bridge(&device(&bridge, network)?, "br0")?;

    ping(&far_host, "192.168.1.51")?;
    ping(&lan_host, "192.168.1.201")?;
    for target in ["192.168.1.100", "192.168.1.1"] {
        ping(&far_host, target)?;
    }
    // An address put on the port by hand, or by a DHCP client, is looked for from the LAN.
    far_host.add_address(&device(&far, network)?, "192.168.1.77/24")?;
    ping(&lan_host, "192.168.1.77")?;
    // A machine whose MAC has the form of a member's, as one in 64 of those made at random.
    let mac = zt_wire::Mac::for_member(zt_wire::Address::new(0x42_ac11_0002), network);
    lan_host.namespace().set_up("eth0", false)?;
    change(&lan_host, "eth0", &LinkChange { mac: Some(mac), up: Some(true), ..LinkChange::default() })?;
    lan_host.default_route("eth0", "192.168.1.1".parse()?)?;
    ping(&lan_host, "192.168.1.201")?;
    ping(&far_host, "192.168.1.51")?;
    Ok(())
}

/// What a host needs of multicast from its first second on: groups it joined before there was a network, IPv6 prefixes by
/// router advertisement, and names by mDNS.
#[test]
fn multicast_of_the_host_works_from_the_start() -> Result<()> {
    let Some(rig) = Rig::new("multicast")? else { return Ok(()) };
    let [a, b] = &rig.members;
    for member in [a, b] {
        member.wait_online(WAIT)?;
        member.join(rig.network)?;
        member.wait_status(rig.network, "ACCESS_DENIED", WAIT)?;
    }
    // The device is there, the network is not: b's host joins a group already.
    let index = |side: usize| -> Result<u32> {
        let name = device(&rig.members[side], rig.network)?;
        Ok(rig.hosts[side].namespace().netlink()?.require_link(&name)?.index)
    };
    let (at_a, at_b) = (index(0)?, index(1)?);
    let early: Ipv6Addr = "ff05::7a74".parse()?;
    let listener = rig.hosts[1].namespace().run(|| -> io::Result<UdpSocket> {
        let socket = UdpSocket::bind("[::]:7774")?;
        socket.join_multicast_v6(&early, at_b)?;
        socket.set_read_timeout(Some(Duration::from_millis(100)))?;
        Ok(socket)
    })??;
    for member in [a, b] {
        rig.root.authorise(rig.network, member.address(), true)?;
    }
    let addresses = [a.wait_joined(rig.network, WAIT)?, b.wait_joined(rig.network, WAIT)?];
    let sender = rig.hosts[0].namespace().run(|| UdpSocket::bind("[::]:0"))??;
    SockRef::from(&sender).set_multicast_if_v6(at_a)?;
    wait_for("a group joined before the network", WAIT, || {
        sender.send_to(b"early", SocketAddrV6::new(early, 7774, 0, at_a))?;
        let mut buffer = [0; 16];
        Ok(listener.recv_from(&mut buffer).is_ok().then_some(()))
    })?;

    // A prefix advertised on the virtual LAN becomes an address of the other host.
    let router = rig.hosts[0].namespace().run(|| router_socket(at_a))??;
    let name = device(b, rig.network)?;
    wait_for("an address by advertisement", WAIT, || {
        router.send_to(&router_advertisement(), &SocketAddrV6::new("ff02::1".parse()?, 0, 0, at_a).into())?;
        std::thread::sleep(Duration::from_millis(100));
        let present = rig.hosts[1].namespace().addresses(&name)?;
        Ok(present.iter().any(|address| address.cidr.address().to_string().starts_with("fd77:77:77:77:")).then_some(()))
    })?;

    let four =
        |list: &[zt_wire::IpPrefix]| match list.iter().find(|cidr| cidr.address().is_ipv4()).map(|cidr| cidr.address())
        {
            Some(IpAddr::V4(address)) => Ok(address),
            _ => anyhow::bail!("no IPv4 address"),
        };
    let (from, to): (Ipv4Addr, Ipv4Addr) = (four(&addresses[0])?, four(&addresses[1])?);
    multicast((&rig.hosts[0], from), (&rig.hosts[1], to), WAIT)?;
    mdns((&rig.hosts[0], from), (&rig.hosts[1], to))
}

/// A question to the group of mDNS is heard, and its answer to the group is heard by who asked.
fn mdns(asks: (&Host, Ipv4Addr), answers: (&Host, Ipv4Addr)) -> Result<()> {
    const GROUP: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 251);
    let open = |(host, address): (&Host, Ipv4Addr)| -> Result<UdpSocket> {
        let socket = host.namespace().run(|| -> io::Result<UdpSocket> {
            let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 5353))?;
            socket.join_multicast_v4(&GROUP, &address)?;
            socket.set_multicast_loop_v4(false)?;
            socket.set_read_timeout(Some(Duration::from_millis(100)))?;
            Ok(socket)
        })??;
        SockRef::from(&socket).set_multicast_if_v4(&address)?;
        Ok(socket)
    };
    let (resolver, responder) = (open(asks)?, open(answers)?);
    // A query for zt.local, type A; the response repeats the name.
    let query = b"\0\0\0\0\0\x01\0\0\0\0\0\0\x02zt\x05local\0\0\x01\0\x01";
    wait_for("an mDNS answer", WAIT, || {
        let mut buffer = [0; 512];
        resolver.send_to(query, (GROUP, 5353))?;
        let (len, from) = responder.recv_from(&mut buffer)?;
        ensure!(buffer[..len] == *query && from.ip() == asks.1, "another question");
        buffer[2] = 0x84;
        responder.send_to(&buffer[..len], (GROUP, 5353))?;
        let (len, from) = resolver.recv_from(&mut buffer)?;
        Ok((from.ip() == answers.1 && buffer[2] == 0x84 && len == query.len()).then_some(()))
    })
}

/// A socket for ICMPv6 that sends to groups through one device.
fn router_socket(index: u32) -> io::Result<Socket> {
    let socket = Socket::new(Domain::IPV6, Type::RAW, Some(Protocol::ICMPV6))?;
    socket.set_multicast_if_v6(index)?;
    // Neighbour discovery is heard with this hop limit only.
    socket.set_multicast_hops_v6(255)?;
    Ok(socket)
}

/// A router advertisement (RFC 4861 §4.2) with the prefix fd77:77:77:77::/64 for autoconfiguration; the kernel sums it.
fn router_advertisement() -> Vec<u8> {
    let mut bytes = vec![134, 0, 0, 0, 64, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    // Prefix information: on link, autonomous, valid for an hour.
    bytes.extend([3, 4, 64, 0xc0]);
    bytes.extend(3600_u32.to_be_bytes());
    bytes.extend(1800_u32.to_be_bytes());
    bytes.extend([0; 4]);
    bytes.extend(Ipv6Addr::new(0xfd77, 0x77, 0x77, 0x77, 0, 0, 0, 0).octets());
    bytes
}
