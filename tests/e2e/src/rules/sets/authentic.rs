//! Who a frame says it is from: certificates of ownership, and MACs.

use std::net::Ipv4Addr;
use std::time::Duration;

use anyhow::Result;
use serde_json::json;

use super::super::cast::Role::{A, B, C};
use super::super::frame::{self, Frame};
use super::super::plan::{Plan, RuleSet};
use super::super::scene::Scene;

pub(super) const SETS: &[RuleSet] = &[
    RuleSet::new("spoofed IP refused (ipauth)", ipauth, try_ipauth),
    RuleSet::new("certificates of ownership", owned, try_owned),
    RuleSet::new("spoofed MAC refused", macs, try_macs),
];

/// `chr inbound` leaves the refusal to the receiver; port 1000 is refused by the sender already.
fn ipauth() -> Plan {
    Plan {
        rules: "drop ipprotocol udp and dport 1000 and not chr ipauth;
            drop ipprotocol udp and dport 1001 and not chr ipauth and chr inbound;
            drop ethertype ipv4 or ethertype arp and not chr ipauth and chr inbound; accept;",
        ..Plan::default()
    }
}

fn try_ipauth(s: &Scene<'_>) -> Result<()> {
    let foreign = |port: u16, source: Ipv4Addr| s.ip4_as(A, B, source, 17, &frame::udp(1, port));
    s.passes("UDP from its own address", A, B, &s.udp4(A, B, 1, 53));
    s.passes("ARP request from its own address", A, B, &s.arp(A, B));
    s.ping("B", A, s.v4(B).into());
    s.blocked("UDP from the address of C", A, B, &foreign(53, s.v4(C)));
    s.blocked("UDP from an address of nobody", A, B, &foreign(53, Ipv4Addr::new(203, 0, 113, 9)));
    s.blocked("UDP from the address of C, refused by the sender", A, B, &foreign(1000, s.v4(C)));
    s.passes("UDP from its own address past the sender's rule", A, B, &s.udp4(A, B, 1, 1000));
    // The addresses of IPv6 that a network derives from its members' own are no matter of certificates alone.
    s.passes("UDP from its own address over IPv6", A, B, &s.udp6(A, B, 1, 1001));
    let derived = frame::ipv6(s.v6(C), s.v6(B), 17, &frame::udp(1, 1001));
    let derived = Frame { head: derived, ..s.udp6(A, B, 1, 1001) };
    s.differs("UDP from the IPv6 address of C", A, B, &derived, s.is_ours(&[B]), DERIVED);
    let claim = frame::arp(2, (s.station(A).mac, s.v4(C)), (s.station(B).mac, s.v4(B)));
    s.blocked("ARP reply for the address of C", A, B, &Frame { head: claim, ..s.arp(A, B) }.to(s.station(B).mac));
    Ok(())
}

const DERIVED: &str =
    "stock takes every address under the network's own prefixes from any member; ours looks whose it is";

fn owned() -> Plan {
    Plan { rules: "accept chr ipauth; drop;", ..Plan::default() }
}

fn try_owned(s: &Scene<'_>) -> Result<()> {
    let mut given = s.v4(A).octets();
    given[3] = 77;
    let as_77 = s.ip4_as(A, B, given.into(), 17, &frame::udp(1, 53));
    s.passes("UDP from an address that is certified", A, B, &s.udp4(A, B, 1, 53));
    s.blocked("UDP from an address that is not", A, B, &as_77);
    // Stock members take one packet of credentials a second from a peer, and the rest a minute later.
    std::thread::sleep(Duration::from_millis(1100));
    s.controller()?.change_member(
        s.network,
        s.cast.address(A),
        &json!({ "ipAssignments": [s.v4(A).to_string(), Ipv4Addr::from(given).to_string()] }),
    )?;
    s.passes("UDP from it when the controller has given it", A, B, &as_77);
    let as_a = s.ip4_as(C, B, s.v4(A), 17, &frame::udp(1, 53));
    s.blocked("UDP from an address of A", C, B, &as_a);
    Ok(())
}

fn macs() -> Plan {
    Plan { rules: "drop ethertype 0x88b6 and not chr macauth; accept;", ..Plan::default() }
}

fn try_macs(s: &Scene<'_>) -> Result<()> {
    let frame = s.udp4(A, B, 5000, 53);
    s.passes("UDP", A, B, &frame);
    s.blocked("UDP from the MAC of C", A, B, &frame.clone().spoofed(s.station(C).mac));
    s.blocked("UDP from a MAC of nobody", A, B, &Frame { from: zt_wire::Mac([2, 0, 0, 0, 0, 9]), ..frame });
    s.blocked("what no certificate of its MAC covers", A, B, &s.ether(A, B, 0x88b6));
    Ok(())
}
