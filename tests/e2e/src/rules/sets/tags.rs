//! Rules about the tags of both ends.

use std::time::Duration;

use anyhow::{Context as _, Result, anyhow};
use serde_json::json;

use super::super::cast::Role::{self, A, B, C};
use super::super::plan::{Plan, RuleSet};
use super::super::report::Wanted;
use super::super::scene::Scene;

pub(super) const SETS: &[RuleSet] = &[
    RuleSet::new("tag equality", equality, try_equality),
    RuleSet::new("tag difference", difference, try_difference),
    RuleSet::new("tag and, or, xor", bits, try_bits),
    RuleSet::new("tag of sender, of receiver", one_end, try_one_end),
    RuleSet::new("tags alone, no rule for ARP", alone, try_alone),
    RuleSet::new("tags alone, BREAK", broken, try_broken),
];

fn equality() -> Plan {
    Plan {
        rules: "tag team id 100; accept ethertype arp; accept teq team 5; drop;",
        members: vec![json!({ "tags": [[100, 5]] }), json!({ "tags": [[100, 5]] }), json!({ "tags": [[100, 7]] })],
        ..Plan::default()
    }
}

fn try_equality(s: &Scene<'_>) -> Result<()> {
    s.passes("UDP", A, B, &s.udp4(A, B, 5000, 53));
    s.passes("UDP over IPv6", B, A, &s.udp6(B, A, 5000, 53));
    s.ping("B", A, s.v4(B).into());
    s.blocked("UDP", A, C, &s.udp4(A, C, 5000, 53));
    s.blocked("UDP", C, B, &s.udp4(C, B, 5000, 53));
    s.no_ping("C", B, C, s.v4(C).into());
    Ok(())
}

fn difference() -> Plan {
    Plan {
        rules: "tag level id 100; accept ethertype arp; accept ipprotocol udp and dport 1001 and tdiff level 0;
            accept ipprotocol udp and dport 1002 and tdiff level 10; drop ethertype ipv6 and not tdiff level 0; accept ethertype ipv6; drop;",
        members: vec![json!({ "tags": [[100, 50]] }), json!({ "tags": [[100, 50]] }), json!({ "tags": [[100, 60]] })],
        ..Plan::default()
    }
}

fn try_difference(s: &Scene<'_>) -> Result<()> {
    s.passes("UDP 1001, no difference", A, B, &s.udp4(A, B, 1, 1001));
    s.passes("UDP 1002, no difference", A, B, &s.udp4(A, B, 1, 1002));
    s.passes("UDP 1002, difference 10", A, C, &s.udp4(A, C, 1, 1002));
    s.passes("UDP 1002, difference −10", C, B, &s.udp4(C, B, 1, 1002));
    s.blocked("UDP 1001, difference 10", A, C, &s.udp4(A, C, 1, 1001));
    s.blocked("UDP 1001, difference −10", C, B, &s.udp4(C, B, 1, 1001));
    // The usual form: what differs is dropped.
    s.passes("IPv6, no difference", A, B, &s.udp6(A, B, 1, 1003));
    s.blocked("IPv6, difference 10", A, C, &s.udp6(A, C, 1, 1003));
    Ok(())
}

fn bits() -> Plan {
    Plan {
        rules:
            "tag groups id 100; accept ipprotocol udp and dport 1001 and tand groups 2; accept ipprotocol udp and dport 1002 and tor groups 7;
            accept ipprotocol udp and dport 1003 and txor groups 5; drop;",
        members: vec![json!({ "tags": [[100, 3]] }), json!({ "tags": [[100, 6]] }), json!({ "tags": [[100, 4]] })],
        ..Plan::default()
    }
}

fn try_bits(s: &Scene<'_>) -> Result<()> {
    s.passes("UDP 1001, 3 & 6 = 2", A, B, &s.udp4(A, B, 1, 1001));
    s.blocked("UDP 1001, 3 & 4 = 0", A, C, &s.udp4(A, C, 1, 1001));
    s.passes("UDP 1002, 3 | 6 = 7", B, A, &s.udp4(B, A, 1, 1002));
    s.passes("UDP 1002, 3 | 4 = 7", A, C, &s.udp4(A, C, 1, 1002));
    s.blocked("UDP 1002, 6 | 4 = 6", B, C, &s.udp4(B, C, 1, 1002));
    s.passes("UDP 1003, 3 ^ 6 = 5", A, B, &s.udp4(A, B, 1, 1003));
    s.blocked("UDP 1003, 3 ^ 4 = 7", C, A, &s.udp4(C, A, 1, 1003));
    Ok(())
}

fn one_end() -> Plan {
    // Number 200 has a default, which C keeps.
    Plan {
        rules: "tag client id 100; tag server id 200 default 9; accept ethertype arp;
            accept ipprotocol udp and dport 1001 and tseq client 1;
            accept ipprotocol udp and dport 1002 and treq server 9; drop;",
        members: vec![
            json!({ "tags": [[100, 1], [200, 8]] }),
            json!({ "tags": [[100, 2], [200, 8]] }),
            json!({ "tags": [] }),
        ],
        ..Plan::default()
    }
}

fn try_one_end(s: &Scene<'_>) -> Result<()> {
    s.passes("UDP 1001 from who has the tag", A, B, &s.udp4(A, B, 1, 1001));
    s.blocked("UDP 1001 from who has another value", B, A, &s.udp4(B, A, 1, 1001));
    s.blocked("UDP 1001 from who has none", C, A, &s.udp4(C, A, 1, 1001));
    s.passes("UDP 1002 to who has the default", A, C, &s.udp4(A, C, 1, 1002));
    s.blocked("UDP 1002 to who has another value", A, B, &s.udp4(A, B, 1, 1002));
    Ok(())
}

/// Nothing but tags tells who may talk with whom: no rule for ARP, and none for control frames.
fn alone() -> Plan {
    Plan {
        rules: "tag team id 100; accept teq team 5;",
        bare: true,
        members: vec![json!({ "tags": [[100, 5]] }), json!({ "tags": [[100, 5]] }), json!({ "tags": [[100, 7]] })],
        ..Plan::default()
    }
}

fn try_alone(s: &Scene<'_>) -> Result<()> {
    let ping = |from: Role, to: Role| s.member(from).host.ping_once(s.v4(to).into(), Duration::from_secs(3));
    let first = ping(A, B)?.context("no answer").map(drop);
    s.note("A pings B for the first time", Wanted::Pass, first);
    let back = ping(B, A)?.context("no answer").map(drop);
    s.note("B pings A for the first time", Wanted::Pass, back);
    s.tcp("TCP", A, B, s.v4(B).into());
    for (from, to) in [(A, C), (C, B)] {
        let silent = s.member(from).host.silent(s.v4(to).into(), Duration::from_millis(500));
        s.note(&format!("{from:?} pings {to:?}"), Wanted::Block, silent);
    }
    s.ping("B still", A, s.v4(B).into());
    Ok(())
}

/// As many networks have it: only who has the tag talks with everybody.
fn broken() -> Plan {
    Plan {
        rules: "tag gateway id 666 enum 0 no enum 1 yes default no;
            break not tor gateway yes and not teq gateway yes; accept;",
        bare: true,
        members: vec![json!({ "tags": [[666, 1]] })],
        ..Plan::default()
    }
}

fn try_broken(s: &Scene<'_>) -> Result<()> {
    for (from, to) in [(A, B), (C, A)] {
        let answer = s.member(from).host.ping_once(s.v4(to).into(), Duration::from_secs(3))?;
        let what = format!("{from:?} pings {to:?} for the first time");
        if s.is_ours(&[from]) {
            s.note(&what, Wanted::Pass, answer.context("no answer").map(drop));
            s.tcp("TCP", from, to, s.v4(to).into());
        } else {
            let never = if answer.is_some() { Err(anyhow!("answered")) } else { Ok(()) };
            s.note_difference(&what, Wanted::Block, never, FIRST);
        }
    }
    let silent = s.member(C).host.silent(s.v4(B).into(), Duration::from_millis(500));
    s.note("C pings B", Wanted::Block, silent);
    Ok(())
}

const FIRST: &str = "stock takes a tag it does not know for one that matches, and breaks off before the ARP request leaves; \
    what ours sends first is answered, by stock members too";
