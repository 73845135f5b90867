//! Members tell a controller what it asked them (04 §8), and nobody tells what was not asked.

use std::time::Duration;

use zt_netconf::controller::{Command, NetworkPatch};
use zt_netconf::trace::{TraceEvent, TraceLevel, TraceRecord, key, rule_log};
use zt_test_sim::{Lab, NodeId, Place};
use zt_wire::rules::{Rule, RuleKind, TagMatch};

/// A network of two members with rules, whose traces go to its controller.
fn traced(name: &str, rules: Vec<Rule>, level: Option<TraceLevel>) -> Lab {
    let mut lab = Lab::new(name, 1, &[Place::Public, Place::Public]);
    let own = lab.sim.node(lab.controller).address();
    let patch = NetworkPatch {
        rules: Some(rules.into()),
        trace_target: Some(level.map(|_| own)),
        trace_level: level.map(|level| level.0),
        ..NetworkPatch::default()
    };
    lab.sim.command(lab.controller, Command::set_network(lab.network, patch));
    lab.sim.run_for(Duration::from_secs(2));
    lab
}

fn traces(lab: &Lab, member: NodeId, event: TraceEvent) -> Vec<TraceRecord> {
    let address = lab.sim.node(member).address();
    let all = lab.sim.node(lab.controller).traces.iter();
    all.filter(|trace| trace.member == address && trace.event == event).cloned().collect()
}

fn ping(lab: &mut Lab, count: u32) -> usize {
    let ping = lab.sim.ping(lab.members[0], lab.members[1], lab.network, Duration::from_millis(100), count);
    lab.sim.run_for(Duration::from_secs(3) + Duration::from_millis(100) * count);
    lab.sim.result(ping).arrived().len()
}

/// ICMP to nobody; all else passes.
fn no_icmp() -> Vec<Rule> {
    vec![Rule::from(RuleKind::IpProtocol(1)), Rule::from(RuleKind::Drop), Rule::from(RuleKind::Accept)]
}

#[test]
fn a_refused_ping_is_told_with_the_rule_that_refuses_it() {
    let mut lab = traced("trace", no_icmp(), Some(TraceLevel::RULES));
    assert_eq!(ping(&mut lab, 3), 0);
    let sender = lab.members[0];
    let told = traces(&lab, sender, TraceEvent::FILTER);
    let refused = |trace: &&TraceRecord| trace.number(key::RESULT) == Some(0);
    let trace = told.iter().find(refused).expect("a refused frame");
    assert_eq!(trace.network, Some(lab.network));
    assert_eq!(trace.number(key::ETHERTYPE), Some(0x0800));
    assert_eq!(trace.number(key::SOURCE), Some(lab.sim.node(sender).address().as_u64()));
    assert_eq!(trace.number(key::DESTINATION), Some(lab.sim.node(lab.members[1]).address().as_u64()));
    let log = trace.get(key::BASE_LOG).expect("a log");
    assert_eq!(log.len(), 512);
    let first = rule_log(&log).next().expect("the first rule");
    assert_eq!((first.plain, first.set), (Some(true), Some(true)), "its protocol is ICMP");
    let data = trace.get(key::DATA).expect("the frame");
    assert_eq!((data[0], data[9]), (0x45, 1), "an ICMP packet over IPv4");
    assert!(told.iter().any(|trace| trace.number(key::RESULT) == Some(1)), "ARP passes");
    let dropped = traces(&lab, sender, TraceEvent::OUTGOING_DROPPED);
    assert_eq!(dropped[0].get(key::REASON).as_deref(), Some(&b"filter blocked"[..]));
}

/// To somebody whose tags are not known yet more may leave: what is told is what became of the frame.
#[test]
fn a_frame_that_an_unknown_tag_lets_pass_is_told_as_passed() {
    let foreign = TagMatch { id: 1, value: 5 };
    let rules = [RuleKind::TagReceiver(foreign), RuleKind::Break, RuleKind::Accept].map(Rule::from);
    let mut lab = traced("stranger", rules.into(), Some(TraceLevel::RULES));
    ping(&mut lab, 1);
    let told = traces(&lab, lab.members[0], TraceEvent::FILTER);
    let passed =
        |trace: &&TraceRecord| trace.number(key::RESULT) == Some(1) && trace.number(key::ETHERTYPE) == Some(0x0806);
    let trace = told.iter().find(passed).expect("an ARP request left");
    let log = trace.get(key::BASE_LOG).expect("a log");
    assert_eq!(rule_log(&log).next().map(|first| first.plain), Some(Some(true)), "the tag is taken for a match");
}

#[test]
fn below_the_level_of_rules_only_dropped_frames_are_told_and_without_target_nothing() {
    let mut lab = traced("verbose", no_icmp(), Some(TraceLevel::VERBOSE));
    assert_eq!(ping(&mut lab, 3), 0);
    assert_eq!(traces(&lab, lab.members[0], TraceEvent::FILTER), []);
    assert!(!traces(&lab, lab.members[0], TraceEvent::OUTGOING_DROPPED).is_empty());
    let mut lab = traced("normal", no_icmp(), Some(TraceLevel::NORMAL));
    assert_eq!(ping(&mut lab, 3), 0);
    assert_eq!(traces(&lab, lab.members[0], TraceEvent::OUTGOING_DROPPED), []);
    let mut lab = traced("nobody", no_icmp(), None);
    assert_eq!(ping(&mut lab, 3), 0);
    assert_eq!(lab.sim.node(lab.controller).traces, []);
}

#[test]
fn the_way_to_a_member_is_told() {
    let mut lab = traced("paths", vec![Rule::from(RuleKind::Accept)], Some(TraceLevel::NORMAL));
    assert!(ping(&mut lab, 20) > 0);
    let peer = lab.sim.node(lab.members[1]).address().as_u64();
    let learned = traces(&lab, lab.members[0], TraceEvent::LEARNED_PATH);
    let learned = learned.iter().find(|trace| trace.number(key::REMOTE) == Some(peer)).expect("a path to the other");
    assert!(learned.get(key::REMOTE_AT).is_some_and(|at| at.ends_with(b"/9993")));
}

#[test]
fn a_flood_of_frames_makes_no_flood_of_traces() {
    let mut lab = traced("flood", no_icmp(), Some(TraceLevel::RULES));
    let ping = lab.sim.ping(lab.members[0], lab.members[1], lab.network, Duration::from_millis(1), 5_000);
    lab.sim.run_for(Duration::from_secs(6));
    assert_eq!(lab.sim.result(ping).arrived().len(), 0);
    let all = lab.sim.node(lab.controller).traces.len();
    assert!((64..=2 * (64 + 20 * 20)).contains(&all), "{all}");
    assert!(lab.sim.node(lab.members[0]).drops()["trace held back"] > 1_000);
}

#[test]
fn traces_that_nobody_asked_for_are_counted_and_forgotten() {
    let mut other = None;
    let mut lab = Lab::with("unasked", 1, &[Place::Public, Place::Public], |sim| {
        let node = sim.public_node("another controller");
        sim.node_mut(node).is_controller = true;
        other = Some(node);
    });
    let other = other.expect("made");
    // A controller that sends its members' traces to somebody else.
    let target = lab.sim.node(other).address();
    let patch = NetworkPatch {
        rules: Some(no_icmp().into()),
        trace_target: Some(Some(target)),
        trace_level: Some(15),
        ..NetworkPatch::default()
    };
    lab.sim.command(lab.controller, Command::set_network(lab.network, patch));
    lab.sim.run_for(Duration::from_secs(2));
    assert_eq!(ping(&mut lab, 3), 0);
    assert_eq!(lab.sim.node(other).traces, []);
    assert!(lab.sim.node(other).drops()["trace not asked for"] > 0);
}
