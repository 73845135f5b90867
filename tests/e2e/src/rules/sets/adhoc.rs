//! Networks without a controller (04 §9), in both forms.

use anyhow::Result;
use zt_wire::{Mac, NetworkId};

use super::super::cast::Role::{A, B, C};
use super::super::frame::{self, ACK, Frame, SYN};
use super::super::plan::{Kind, Plan, RuleSet};
use super::super::scene::Scene;

pub(super) const SETS: &[RuleSet] = &[
    RuleSet::new("ad-hoc network of ports", ports, try_ports),
    RuleSet::new("ad-hoc network of IPv4", block, try_block),
];

/// Ports 8080 to 8089 over IPv6.
fn ports() -> Plan {
    Plan { kind: Kind::AdHoc(NetworkId(0xff1f_901f_9900_0000)), ..Plan::default() }
}

fn try_ports(s: &Scene<'_>) -> Result<()> {
    s.ping("B", A, s.v6(B).into());
    // No control frames here: what must pass is tried last, and heard last.
    let last = s.tcp6(A, B, 40000, 8080, SYN);
    for port in [8080, 8085, 8089] {
        s.passes(&format!("SYN to {port}"), A, B, &s.tcp6(A, B, 40000, port, SYN));
    }
    s.passes("ACK to any port", A, C, &s.tcp6(A, C, 8080, 40000, ACK));
    s.passes("UDP to 8081", B, A, &s.udp6(B, A, 40000, 8081));
    s.passes("UDP to any port", C, A, &s.udp6(C, A, 40000, 53));
    for port in [8079, 8090] {
        s.blocked_before(&format!("SYN to {port}"), A, B, &s.tcp6(A, B, 40000, port, SYN), &last);
    }
    let ipv4 = frame::ipv4([10, 7, 0, 1].into(), [10, 7, 0, 2].into(), 1, 0, &frame::icmp(8, 0));
    let ipv4 = Frame { head: ipv4, ..s.ether(A, B, frame::IPV4) };
    s.blocked_before("echo request over IPv4", A, B, &ipv4, &last);
    let arp = frame::arp(1, (s.station(A).mac, [10, 7, 0, 1].into()), (Mac::ZERO, [10, 7, 0, 2].into()));
    let arp = Frame { head: arp, ..s.ether(A, B, frame::ARP) };
    s.blocked_before("ARP request", A, B, &arp, &last);
    Ok(())
}

/// 28.0.0.0/8, a block that counts as private (04 §10.1).
fn block() -> Plan {
    Plan { kind: Kind::AdHoc(NetworkId(0xff1c_0000_0000_0001)), ..Plan::default() }
}

fn try_block(s: &Scene<'_>) -> Result<()> {
    s.ping("B", A, s.v4(B).into());
    s.ping("A over IPv6", B, s.v6(A).into());
    s.tcp("TCP", A, B, s.v4(B).into());
    s.passes("UDP", C, A, &s.udp4(C, A, 5000, 53));
    s.passes("wake on LAN", A, C, &s.ether(A, C, frame::WOL));
    s.blocked("UDP from a MAC of nobody", A, B, &s.udp4(A, B, 5000, 53).spoofed(Mac([2, 0, 0, 0, 0, 9])));
    Ok(())
}
