//! Members that are shut out, and credentials that are taken back.

use std::time::Duration;

use anyhow::{Result, ensure};
use serde_json::json;

use super::super::cast::{
    Role::{self, A, B, C},
    WAIT,
};
use super::super::frame::{self, Frame};
use super::super::plan::{Plan, RuleSet};
use super::super::report::Wanted;
use super::super::scene::Scene;
use crate::{Cut, wait_for};

pub(super) const SETS: &[RuleSet] = &[
    RuleSet::new("a member revoked", open, try_member),
    RuleSet::new("a revocation passed on by members", open, try_passed_on),
    RuleSet::new("a tag taken away", tagged, try_tag),
];

fn open() -> Plan {
    Plan { rules: "accept;", ..Plan::default() }
}

fn try_member(s: &Scene<'_>) -> Result<()> {
    for to in [A, B] {
        s.passes("UDP before", C, to, &s.udp4(C, to, 1, 53));
        s.passes("UDP before", to, C, &s.udp4(to, C, 1, 53));
    }
    s.controller()?.authorise(s.network, s.cast.address(C), false)?;
    // The certificate that C holds would be good for half an hour yet.
    for to in [A, B] {
        s.note(&format!("C→{to:?} UDP after"), Wanted::Block, ceases(s, C, to));
    }
    // Frames for C are nobody's loss: what it is told of them cannot be answered.
    for from in [A, B] {
        let silent = s.member(from).host.silent(s.v4(C).into(), Duration::from_millis(400));
        s.note(&format!("{from:?} pings C after"), Wanted::Block, silent);
    }
    s.passes("UDP after", A, B, &s.udp4(A, B, 1, 53));
    s.controller()?.authorise(s.network, s.cast.address(C), true)?;
    let again = s.arrives(C, A, &s.udp4(C, A, 1, 53), Duration::from_secs(70));
    s.note("C→A UDP when it is let in again", Wanted::Pass, again.map(drop));
    Ok(())
}

/// That soon no frame arrives any more, while those of others do.
fn ceases(s: &Scene<'_>, from: Role, to: Role) -> Result<()> {
    let frame = s.ether(from, to, frame::WOL);
    wait_for("an end", Duration::from_secs(10), || {
        let mark = s.send(from, &frame)?;
        std::thread::sleep(Duration::from_millis(100));
        Ok(s.heard(to, &mark)?.is_empty().then_some(()))
    })?;
    let marks = [s.send(from, &frame)?, s.send(from, &frame)?];
    // The receiver is alive, and its port works.
    s.control(if to == A { B } else { A }, to)?;
    std::thread::sleep(Duration::from_millis(200));
    for mark in marks {
        ensure!(s.heard(to, &mark)?.is_empty(), "arrives again");
    }
    Ok(())
}

/// B hears neither the controller nor a root, only A.
fn try_passed_on(s: &Scene<'_>) -> Result<()> {
    s.passes("UDP before", C, B, &s.udp4(C, B, 1, 53));
    s.passes("UDP before", A, B, &s.udp4(A, B, 1, 53));
    s.passes("UDP before", B, A, &s.udp4(B, A, 1, 53));
    for (one, other) in [(A, B), (B, A), (C, B), (B, C)] {
        s.member(one).daemon.wait_direct(s.cast.address(other), WAIT)?;
    }
    // Stock members take one packet of credentials a second from a peer, and nobody repeats a revocation.
    std::thread::sleep(Duration::from_millis(1100));
    let internet = s.cast.lab.internet();
    let cuts = [Cut::between("10.0.1.1", "10.0.4.1")?, Cut::between("10.0.2.1", "10.0.4.1")?].concat();
    internet.cut(&cuts)?;
    s.controller()?.authorise(s.network, s.cast.address(C), false)?;
    s.note("C→B UDP after, of which only A can tell B", Wanted::Block, ceases(s, C, B));
    s.passes("UDP after", A, B, &s.udp4(A, B, 1, 53));
    internet.cut(&[])
}

fn tagged() -> Plan {
    Plan {
        rules: "tag client id 100; accept ipprotocol udp and dport 1001 and tseq client 1;
            accept ipprotocol udp and dport 1002 and treq client 1; drop;",
        members: vec![json!({ "tags": [[100, 1]] }), json!({ "tags": [[100, 1]] }), json!({ "tags": [[100, 1]] })],
        ..Plan::default()
    }
}

fn try_tag(s: &Scene<'_>) -> Result<()> {
    let tagged: Frame = s.udp4(A, B, 1, 1001);
    s.passes("UDP with the tag of A", A, B, &tagged);
    s.passes("UDP with the tag of B", A, B, &s.udp4(A, B, 1, 1002));
    std::thread::sleep(Duration::from_millis(1100));
    s.controller()?.change_member(s.network, s.cast.address(A), &json!({ "tags": [[100, 2]] }))?;
    let daemon = &s.member(A).daemon;
    let sent = wait_for("an end", Duration::from_secs(10), || {
        let mark = s.send(A, &tagged)?;
        s.control(A, B)?;
        Ok(s.heard(B, &mark)?.is_empty().then_some(()))
    });
    s.note("A→B UDP when A has another value", Wanted::Block, sent);
    ensure!(daemon.network(s.network)?["status"] == "OK", "A stays a member");
    s.blocked("the same again", A, B, &tagged);
    s.passes("UDP with the tag of B still", A, B, &s.udp4(A, B, 1, 1002));
    s.passes("UDP with the tag of C", C, B, &s.udp4(C, B, 1, 1001));
    Ok(())
}
