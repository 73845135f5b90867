//! Capabilities: rules that only their holder has, and that count on both sides.

use anyhow::Result;
use serde_json::json;

use super::super::cast::Role::{A, B, C};
use super::super::frame::SYN;
use super::super::plan::{Plan, RuleSet};
use super::super::scene::Scene;

pub(super) const SETS: &[RuleSet] = &[
    RuleSet::new("a capability of one side", one_holder, try_one_holder),
    RuleSet::new("BREAK leaves it to capabilities", broken, try_broken),
];

fn one_holder() -> Plan {
    Plan {
        rules: "accept ethertype arp; drop ethertype 0x88b6;
            cap names id 10 accept ipprotocol udp and dport 5000; accept ethertype 0x88b6; ;
            cap none id 20 drop ipprotocol tcp; accept ipprotocol tcp and dport 22; ;
            cap shell id 30 accept ipprotocol tcp and dport 22-23; ;",
        members: vec![json!({ "capabilities": [10, 20, 30] }), json!({}), json!({ "capabilities": [20] })],
        ..Plan::default()
    }
}

fn try_one_holder(s: &Scene<'_>) -> Result<()> {
    s.passes("UDP 5000 from the holder", A, B, &s.udp4(A, B, 1, 5000));
    s.passes("UDP 5000 from the holder over IPv6", A, C, &s.udp6(A, C, 1, 5000));
    s.blocked("UDP 5001 from the holder", A, B, &s.udp4(A, B, 1, 5001));
    s.blocked("UDP 5000 to the holder", B, A, &s.udp4(B, A, 1, 5000));
    s.blocked("UDP 5000 between others", B, C, &s.udp4(B, C, 1, 5000));
    s.blocked("what the table itself drops", A, B, &s.ether(A, B, 0x88b6));
    s.passes("a DROP of one capability does not bind another", A, B, &s.tcp4(A, B, 40000, 22, SYN));
    s.blocked("a DROP before the ACCEPT of the same", C, B, &s.tcp4(C, B, 40000, 22, SYN));
    Ok(())
}

fn broken() -> Plan {
    Plan {
        rules: "accept ethertype arp; break ipprotocol tcp; accept ipprotocol udp or ipprotocol tcp;
            cap shell id 1 accept ipprotocol tcp and dport 22; ;",
        members: vec![json!({ "capabilities": [1] }), json!({}), json!({})],
        ..Plan::default()
    }
}

fn try_broken(s: &Scene<'_>) -> Result<()> {
    s.passes("UDP, which is not broken off", B, A, &s.udp4(B, A, 1, 5000));
    s.passes("TCP 22 from the holder", A, B, &s.tcp4(A, B, 40000, 22, SYN));
    s.blocked("TCP 23 from the holder", A, B, &s.tcp4(A, B, 40000, 23, SYN));
    s.blocked("TCP 22 from another", C, B, &s.tcp4(C, B, 40000, 22, SYN));
    Ok(())
}
