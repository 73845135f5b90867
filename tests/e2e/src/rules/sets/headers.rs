//! Rules about what stands in the headers of a frame.

use std::time::Duration;

use anyhow::Result;
use serde_json::json;
use zt_wire::Mac;

use super::super::cast::Role::{A, B, C};
use super::super::frame::{self, ACK, Frame, RST, SYN};
use super::super::plan::{Plan, RuleSet};
use super::super::report::Wanted;
use super::super::scene::Scene;

pub(super) const SETS: &[RuleSet] = &[
    RuleSet::new("ICMP only", icmp_only, try_icmp_only),
    RuleSet::new("one TCP port", one_port, try_one_port),
    RuleSet::new("one TCP port closed", closed_port, try_closed_port),
    RuleSet::new("no SYN without ACK", one_way, try_one_way),
    RuleSet::new("IPv6 only", ipv6_only, try_ipv6_only),
    RuleSet::new("members, addresses, MACs", ends, try_ends),
    RuleSet::new("ICMP type, TOS, size, chance", fields, try_fields),
];

/// Late, so that the minute in which nobody knows which stock members take broadcasts is over.
pub(super) const LAST: &[RuleSet] = &[RuleSet::new("multicast and broadcast", groups, try_groups)];

fn icmp_only() -> Plan {
    Plan { rules: "accept ethertype arp; accept ipprotocol icmp4; accept ipprotocol icmp6; drop;", ..Plan::default() }
}

fn try_icmp_only(s: &Scene<'_>) -> Result<()> {
    s.passes("echo request", A, B, &s.echo4(A, B));
    s.passes("ICMPv6 echo request", B, A, &s.echo6(B, A));
    s.passes("ARP request", A, B, &s.arp(A, B));
    s.ping("B", A, s.v4(B).into());
    s.ping("A over IPv6", B, s.v6(A).into());
    for (from, to) in [(A, B), (B, A)] {
        s.blocked("UDP", from, to, &s.udp4(from, to, 5000, 53));
        s.blocked("TCP SYN", from, to, &s.tcp4(from, to, 5000, 22, SYN));
        s.blocked("UDP over IPv6", from, to, &s.udp6(from, to, 5000, 53));
    }
    s.blocked("wake on LAN", A, B, &s.ether(A, B, frame::WOL));
    Ok(())
}

fn one_port() -> Plan {
    Plan {
        rules: "accept ethertype arp; accept ipprotocol icmp6; accept ipprotocol tcp and dport 8080;
            accept ipprotocol tcp and sport 8080; drop;",
        ..Plan::default()
    }
}

fn try_one_port(s: &Scene<'_>) -> Result<()> {
    s.passes("SYN to 8080", A, B, &s.tcp4(A, B, 40000, 8080, SYN));
    s.passes("answer from 8080", B, A, &s.tcp4(B, A, 8080, 40000, SYN | ACK));
    s.passes("SYN to 8080 over IPv6", A, B, &s.tcp6(A, B, 40000, 8080, SYN));
    s.passes("SYN to 8080 behind an IPv6 option header", A, B, &s.ip6(A, B, 0, &behind(6, 40000, 8080)));
    s.blocked("SYN to 8081", A, B, &s.tcp4(A, B, 40000, 8081, SYN));
    s.blocked("SYN to 8081 over IPv6", A, B, &s.tcp6(A, B, 40000, 8081, SYN));
    s.blocked("SYN to 8081 behind an IPv6 option header", A, B, &s.ip6(A, B, 0, &behind(6, 40000, 8081)));
    s.blocked("UDP to 8080", A, B, &s.udp4(A, B, 40000, 8080));
    s.blocked("echo request", A, B, &s.echo4(A, B));
    Ok(())
}

/// A hop-by-hop header of 8 bytes with padding, then TCP.
fn behind(next: u8, source: u16, destination: u16) -> Vec<u8> {
    let mut body = vec![next, 0, 1, 4, 0, 0, 0, 0];
    body.extend(frame::tcp(source, destination, SYN));
    body
}

fn closed_port() -> Plan {
    Plan { rules: "drop ipprotocol tcp and dport 22; accept;", ..Plan::default() }
}

fn try_closed_port(s: &Scene<'_>) -> Result<()> {
    s.passes("SYN to 23", A, B, &s.tcp4(A, B, 40000, 23, SYN));
    s.passes("UDP to 22", A, B, &s.udp4(A, B, 40000, 22));
    s.ping("B", A, s.v4(B).into());
    s.tcp("TCP", A, B, s.v4(B).into());
    s.tcp("TCP over IPv6", B, A, s.v6(A).into());
    s.blocked("SYN to 22", A, B, &s.tcp4(A, B, 40000, 22, SYN));
    s.blocked("SYN to 22 over IPv6", A, B, &s.tcp6(A, B, 40000, 22, SYN));
    s.blocked("SYN to 22 behind an IPv6 option header", A, B, &s.ip6(A, B, 0, &behind(6, 40000, 22)));
    // What hosts take for TCP to port 22, and stock for something else.
    let ours = s.is_ours(&[A, B]);
    let tcp = frame::tcp(40000, 22, SYN);
    let fragment = [&[6, 0, 0, 0, 0, 0, 0, 7], &tcp[..]].concat();
    s.differs("SYN to 22 behind an IPv6 fragment header", A, B, &s.ip6(A, B, 44, &fragment), ours, WALK);
    let authenticated = [&[6, 4, 0, 0, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], &tcp[..]].concat();
    s.differs("SYN to 22 behind an AH", A, B, &s.ip4(A, B, 51, &authenticated), ours, WALK);
    s.differs("SYN to 22 behind an AH over IPv6", A, B, &s.ip6(A, B, 51, &authenticated), ours, WALK);
    let flags = frame::ipv4(s.v4(A), s.v4(B), 6, 1, &[0, 0, 0, 0, 0x50, SYN, 0, 0]);
    let flags = Frame { head: flags, ..s.tcp4(A, B, 40000, 22, SYN) };
    s.differs("a fragment over the flags of TCP", A, B, &flags, ours, FRAGMENTS);
    let mut tagged = s.tcp4(A, B, 40000, 22, SYN);
    tagged.head.splice(0..0, [0, 0, 8, 0]);
    tagged.ethertype = 0x8100;
    s.differs("SYN to 22 with a tag of VLAN 0", A, B, &tagged, ours, VLAN_0);
    Ok(())
}

const WALK: &str =
    "a host goes on to TCP behind this header, and so does ours; stock stops there, and the port is open";
const FRAGMENTS: &str =
    "such fragments change what the first one said, and only those who want to hide something send them";
const VLAN_0: &str = "hosts take a frame of VLAN 0 as one without a tag; stock sees no TCP in it";

fn one_way() -> Plan {
    // Whoever is C may not open connections; everybody may to it.
    Plan { rules: "drop chr tcp_syn and not chr tcp_ack and ztsrc $c; accept;", ..Plan::default() }
}

fn try_one_way(s: &Scene<'_>) -> Result<()> {
    for to in [A, B] {
        s.blocked("SYN", C, to, &s.tcp4(C, to, 40000, 22, SYN));
        s.blocked("SYN over IPv6", C, to, &s.tcp6(C, to, 40000, 22, SYN));
        s.passes("SYN+ACK", C, to, &s.tcp4(C, to, 22, 40000, SYN | ACK));
        s.passes("SYN", to, C, &s.tcp4(to, C, 40000, 22, SYN));
    }
    s.passes("ACK", C, A, &s.tcp4(C, A, 22, 40000, ACK));
    s.passes("RST over IPv6", C, B, &s.tcp6(C, B, 22, 40000, RST));
    s.passes("UDP", C, A, &s.udp4(C, A, 5000, 53));
    s.tcp("TCP", A, C, s.v4(C).into());
    Ok(())
}

fn ipv6_only() -> Plan {
    Plan { rules: "drop not ethertype ipv6; accept;", ..Plan::default() }
}

fn try_ipv6_only(s: &Scene<'_>) -> Result<()> {
    s.passes("UDP over IPv6", A, B, &s.udp6(A, B, 5000, 53));
    for address in &s.station(B).addresses {
        if address.address().is_ipv6() {
            s.ping(&format!("B at its /{}", address.bits()), A, address.address());
        }
    }
    s.tcp("TCP over IPv6", B, A, s.v6(A).into());
    s.blocked("echo request over IPv4", A, B, &s.echo4(A, B));
    s.blocked("ARP request", A, B, &s.arp(A, B));
    s.blocked("UDP over IPv4", B, A, &s.udp4(B, A, 5000, 53));
    Ok(())
}

fn ends() -> Plan {
    Plan {
        rules: "accept ipprotocol udp and dport 1001 and ztsrc $a and ztdest $b;
            accept ipprotocol udp and dport 1002 and ipsrc 198.18.0.0/15;
            accept ipprotocol udp and dport 1003 and ipdest 198.18.7.0/24;
            accept ipprotocol udp and dport 1004 and ipsrc fd00:77::/32;
            accept ztsrc $a or ztsrc $b and ipprotocol udp and dport 1006;
            drop;",
        ..Plan::default()
    }
}

fn try_ends(s: &Scene<'_>) -> Result<()> {
    s.passes("UDP 1001", A, B, &s.udp4(A, B, 1, 1001));
    s.blocked("UDP 1001", B, A, &s.udp4(B, A, 1, 1001));
    s.blocked("UDP 1001", A, C, &s.udp4(A, C, 1, 1001));
    s.passes("UDP 1002 from 198.19.0.1", A, B, &s.ip4_as(A, B, [198, 19, 0, 1].into(), 17, &frame::udp(1, 1002)));
    s.blocked("UDP 1002 from 198.20.0.1", A, B, &s.ip4_as(A, B, [198, 20, 0, 1].into(), 17, &frame::udp(1, 1002)));
    let to = |last: u8| -> Frame {
        let head = frame::ipv4(s.v4(A), [198, 18, last, 9].into(), 17, 0, &frame::udp(1, 1003));
        Frame { head, ..s.udp4(A, B, 1, 1003) }
    };
    s.passes("UDP 1003 to 198.18.7.9", A, B, &to(7));
    s.blocked("UDP 1003 to 198.18.8.9", A, B, &to(8));
    let from = |block: u16| -> Frame {
        let source = [0xfd00, block, 0, 0, 0, 0, 0, 1].into();
        Frame { head: frame::ipv6(source, s.v6(B), 17, &frame::udp(1, 1004)), ..s.udp6(A, B, 1, 1004) }
    };
    s.passes("UDP 1004 from fd00:77::1", A, B, &from(0x77));
    s.blocked("UDP 1004 from fd00:78::1", A, B, &from(0x78));
    s.passes("UDP 1006 (OR)", B, A, &s.udp4(B, A, 1, 1006));
    s.blocked("UDP 1006 (OR)", C, A, &s.udp4(C, A, 1, 1006));
    Ok(())
}

fn fields() -> Plan {
    Plan {
        rules: "accept icmp 8 -1; accept icmp 3 4; accept iptos 0xfc 184; drop ethertype 0x88b6 and random 0;
            accept ethertype 0x88b6 and framesize 40-60; accept ethertype 0x88b7 and random 0.5; drop;",
        ..Plan::default()
    }
}

fn try_fields(s: &Scene<'_>) -> Result<()> {
    s.passes("echo request", A, B, &s.echo4(A, B));
    s.blocked("echo reply", A, B, &s.ip4(A, B, 1, &frame::icmp(0, 0)));
    s.passes("fragmentation needed", A, B, &s.ip4(A, B, 1, &frame::icmp(3, 4)));
    s.blocked("port unreachable", A, B, &s.ip4(A, B, 1, &frame::icmp(3, 3)));
    let mut expedited = s.udp4(A, B, 5000, 53);
    s.blocked("UDP", A, B, &expedited);
    expedited.head[1] = 184;
    s.passes("UDP with DSCP EF", A, B, &expedited);
    let sized = |ethertype: u16, padding: usize| s.ether(A, B, ethertype).padded(padding);
    s.passes("40 bytes", A, B, &sized(0x88b6, 24));
    s.passes("60 bytes", A, B, &sized(0x88b6, 44));
    s.blocked("39 bytes", A, B, &sized(0x88b6, 23));
    s.blocked("61 bytes", A, B, &sized(0x88b6, 45));
    s.chance("half of all frames", A, B, &s.ether(A, B, 0x88b7));
    Ok(())
}

fn groups() -> Plan {
    Plan {
        rules: "drop chr multicast and not chr broadcast; drop ethertype 0x88b6 and chr broadcast;
            drop ethertype 0x88b7 and not macdest ff:ff:ff:ff:ff:ff; accept;",
        ..Plan::default()
    }
}

fn try_groups(s: &Scene<'_>) -> Result<()> {
    s.passes("ARP request", A, B, &s.arp(A, B));
    // A stock member tells its controller and roots once a minute that it takes broadcasts.
    let all = s.udp4(A, B, 5000, 53).to(Mac::BROADCAST);
    s.note("A→B broadcast", Wanted::Pass, s.arrives(A, B, &all, Duration::from_secs(70)).map(drop));
    s.passes("broadcast by its MAC", A, B, &s.ether(A, B, 0x88b7).to(Mac::BROADCAST));
    s.blocked("the same to one", A, B, &s.ether(A, B, 0x88b7));
    s.passes("UDP", A, B, &s.udp4(A, B, 5000, 53));
    s.blocked("multicast", A, B, &s.udp4(A, B, 5000, 53).to(Mac([1, 0, 0x5e, 0, 0, 1])));
    s.blocked("IPv6 multicast", B, A, &s.udp6(B, A, 5000, 53).to(Mac([0x33, 0x33, 0, 0, 0, 1])));
    s.blocked("a broadcast that is refused", A, B, &s.ether(A, B, 0x88b6).to(Mac::BROADCAST));
    s.passes("what is refused as broadcast, to one", A, B, &s.ether(A, B, 0x88b6));
    s.change(&json!({ "enableBroadcast": false }))?;
    s.passes("ARP request without broadcast", B, A, &s.arp(B, A));
    s.blocked("broadcast without broadcast", A, B, &s.udp4(A, B, 5000, 53).to(Mac::BROADCAST));
    Ok(())
}
