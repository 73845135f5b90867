//! TEE, WATCH and REDIRECT to a third member.

use anyhow::{Result, ensure};

use super::super::cast::Role::{A, B, C};
use super::super::frame::Frame;
use super::super::plan::{Plan, RuleSet};
use super::super::report::Wanted;
use super::super::scene::{PATIENCE, Scene};

pub(super) const SETS: &[RuleSet] = &[
    RuleSet::new("TEE to a third", tee, try_tee),
    RuleSet::new("WATCH by a third", watch, try_watch),
    RuleSet::new("REDIRECT to a third", redirect, try_redirect),
];

fn tee() -> Plan {
    Plan {
        rules: "tee -1 $c ipprotocol udp and dport 1001 and not chr inbound;
            tee 48 $c ipprotocol udp and dport 1002 and not chr inbound;
            tee -1 $c ipprotocol udp and dport 1003 and chr inbound;
            tee -1 $c ipprotocol udp and dport 1004;
            drop ipprotocol udp and dport 1005;
            accept;",
        ..Plan::default()
    }
}

fn try_tee(s: &Scene<'_>) -> Result<()> {
    copies(s, "the sender's copy", &s.udp4(A, B, 1, 1001), 1, None);
    copies(s, "the sender's copy of 48 bytes", &s.udp4(A, B, 1, 1002).padded(400), 1, Some(48));
    copies(s, "the receiver's copy", &s.udp4(A, B, 1, 1003), 1, None);
    copies(s, "copies of both", &s.udp4(A, B, 1, 1004), 2, None);
    no_copies(s, "a frame without a copy", &s.udp4(A, B, 1, 999));
    Ok(())
}

fn watch() -> Plan {
    Plan {
        rules: "watch -1 $c ipprotocol udp and dport 1001 and not chr inbound;
            watch 48 $c ipprotocol udp and dport 1002 and chr inbound;
            watch -1 $c ipprotocol udp and dport 1004;
            accept;",
        ..Plan::default()
    }
}

fn try_watch(s: &Scene<'_>) -> Result<()> {
    copies(s, "the sender's copy", &s.udp4(A, B, 1, 1001), 1, None);
    copies(s, "the receiver's copy of 48 bytes", &s.udp4(A, B, 1, 1002).padded(400), 1, Some(48));
    copies(s, "copies of both", &s.udp4(A, B, 1, 1004), 2, None);
    no_copies(s, "a frame without a copy", &s.udp4(A, B, 1, 999));
    Ok(())
}

fn redirect() -> Plan {
    Plan {
        rules: "redirect $c ipprotocol udp and dport 1001 and not chr inbound;
            redirect $c ipprotocol udp and dport 1002 and chr inbound;
            accept;",
        ..Plan::default()
    }
}

fn try_redirect(s: &Scene<'_>) -> Result<()> {
    for (what, port) in [("the sender", 1001), ("the receiver", 1002)] {
        let frame = s.udp4(A, B, 1, port);
        s.note(&format!("A→C redirected by {what}"), Wanted::Pass, s.arrives(A, C, &frame, PATIENCE).map(drop));
        s.blocked(&format!("redirected by {what}"), A, B, &frame);
    }
    s.passes("UDP", A, B, &s.udp4(A, B, 1, 999));
    no_copies(s, "a frame that goes its way", &s.udp4(A, B, 1, 999));
    Ok(())
}

/// That a frame from A arrives at B whole, and this many times at C, with at most `limit` bytes of payload.
fn copies(s: &Scene<'_>, what: &str, frame: &Frame, count: usize, limit: Option<usize>) {
    s.note(&format!("A→B→C {what}"), Wanted::Pass, count_copies(s, frame, count, limit));
}

fn no_copies(s: &Scene<'_>, what: &str, frame: &Frame) {
    s.note(&format!("A→C {what}"), Wanted::Block, count_copies(s, frame, 0, None));
}

fn count_copies(s: &Scene<'_>, frame: &Frame, count: usize, limit: Option<usize>) -> Result<()> {
    // Until both know C, and A knows B.
    s.control(A, C)?;
    s.control(B, C)?;
    s.arrives(A, B, frame, PATIENCE)?;
    let mark = s.send(A, frame)?;
    s.control(A, B)?;
    s.control(A, C)?;
    s.control(B, C)?;
    s.settle();
    let at_b = s.heard(B, &mark)?;
    ensure!(at_b == [frame.bytes(&mark)], "B hears {} frames", at_b.len());
    let at_c = s.heard(C, &mark)?;
    ensure!(at_c.len() == count, "C hears {} frames", at_c.len());
    let whole = frame.bytes(&mark);
    let wanted = &whole[..whole.len().min(limit.map_or(usize::MAX, |limit| 14 + limit))];
    for copy in at_c {
        ensure!(copy == wanted, "C hears {} bytes of {}", copy.len(), wanted.len());
    }
    Ok(())
}
