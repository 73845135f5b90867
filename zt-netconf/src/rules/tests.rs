//! What tables say about frames in words. The recorded decisions of the reference, and random ones, are compared elsewhere.

use zt_wire::ident::{Address, Mac, NetworkId};
use zt_wire::rules::{Forward, IntegerMatch, Rule, RuleKind, RuleTable, TagMatch};
use zt_wire::{Capability, Ownership, Signature, Tag, Thing};

use super::words::{Ends, Frame};
use super::*;
use crate::config::NetworkConfig;

const NET: NetworkId = NetworkId(0x8056_c2e2_1c00_0001);
const OWN: Address = Address::new(0x11_1111_1111);
const PEER: Address = Address::new(0x22_2222_2222);
const THIRD: Address = Address::new(0x33_3333_3333);
const SYN: u64 = 0x02;
const IPAUTH: u64 = 1 << 60;

/// Entries separated by `;`, in short words: just enough for these tests.
fn table(text: &str) -> RuleTable {
    text.split(';').map(str::trim).filter(|entry| !entry.is_empty()).map(rule).collect::<Vec<_>>().into()
}

fn rule(text: &str) -> Rule {
    let mut words: Vec<_> = text.split(' ').collect();
    let mut take = |word: &str| words.iter().position(|w| *w == word).map(|at| words.remove(at)).is_some();
    let (not, or) = (take("not"), take("or"));
    let number = |at: usize| -> u32 {
        let word = words[at];
        word.strip_prefix("0x").map_or_else(|| word.parse(), |hex| u32::from_str_radix(hex, 16)).expect("a number")
    };
    let tag = || TagMatch { id: number(1), value: number(2) };
    let third = || Forward { address: THIRD, flags: 0, length: number(1) as u16 };
    let us = || Forward { address: OWN, flags: 0, length: 0 };
    let kind = match words[0] {
        "accept" => RuleKind::Accept,
        "drop" => RuleKind::Drop,
        "break" => RuleKind::Break,
        "priority" => RuleKind::Priority,
        "tee" => RuleKind::Tee(third()),
        "watch" => RuleKind::Watch(third()),
        "redirect" => RuleKind::Redirect(third()),
        "tee-us" => RuleKind::Tee(us()),
        "redirect-nobody" => RuleKind::Redirect(Forward::default()),
        "nothing" => RuleKind::Unknown { number: 12, value: Box::default() },
        "unknown" => RuleKind::Unknown { number: 60, value: Box::default() },
        "ethertype" => RuleKind::EtherType(number(1) as u16),
        "protocol" => RuleKind::IpProtocol(number(1) as u8),
        "dport" => RuleKind::DestinationPort(number(1) as u16..=number(1) as u16),
        "chr" => RuleKind::Characteristics(if words[1] == "ipauth" { IPAUTH } else { SYN }),
        "random" => RuleKind::Random(number(1)),
        "tequal" => RuleKind::TagsEqual(tag()),
        "tsender" => RuleKind::TagSender(tag()),
        "treceiver" => RuleKind::TagReceiver(tag()),
        other => panic!("{other}"),
    };
    Rule { kind, not, or }
}

/// The rules of a network and who is on it.
struct Scene {
    config: NetworkConfig,
    tags: Vec<Tag>,
    capabilities: Vec<Capability>,
    ownerships: Vec<Ownership>,
    inbound: bool,
}

fn tag(id: u32, value: u32) -> Tag {
    let signature = Signature::NONE;
    Tag { network: NET, timestamp: 0, id, value, issued_to: PEER, signer: NET.controller(), signature }
}

fn capability(id: u32, rules: &str) -> Capability {
    Capability { network: NET, timestamp: 0, id, rules: table(rules), max_custody: 1, custody: Vec::new() }
}

fn ownership(things: Vec<Thing>) -> Ownership {
    let signer = NET.controller();
    Ownership {
        network: NET,
        timestamp: 0,
        flags: 0,
        id: 1,
        things,
        issued_to: PEER,
        signer,
        signature: Signature::NONE,
    }
}

impl Scene {
    fn new(rules: &str) -> Self {
        let mut config = NetworkConfig::new(NET, OWN, 0);
        config.rules = table(rules);
        Self { config, tags: Vec::new(), capabilities: Vec::new(), ownerships: Vec::new(), inbound: false }
    }

    fn inbound(rules: &str) -> Self {
        Self { inbound: true, ..Self::new(rules) }
    }

    fn facts<'a>(&self, frame: &'a Frame) -> FrameFacts<'a> {
        let (source, destination) = if self.inbound { (PEER, OWN) } else { (OWN, PEER) };
        FrameFacts {
            inbound: self.inbound,
            source,
            destination,
            source_mac: frame.source,
            destination_mac: frame.destination,
            ethertype: frame.ethertype,
            payload: &frame.payload,
        }
    }

    /// What is decided, and that the explanation says the same.
    fn explain(&self, frame: &Frame) -> Explanation {
        let policy = Policy::new(&self.config);
        let peer = PeerPolicy::new(&policy, &self.tags, &self.capabilities, &self.ownerships);
        let facts = self.facts(frame);
        let told = policy.explain(&facts, Some(&peer), &mut || 7);
        assert_eq!(policy.judge(&facts, Some(&peer), &mut || 7), told.verdict);
        told
    }

    /// What is decided while nothing is known of the other side.
    fn judge_stranger(&self, words: &str) -> Verdict {
        Policy::new(&self.config).judge_stranger(&self.facts(&read(words)), None, &mut || 7)
    }

    fn judge(&self, words: &str) -> Verdict {
        self.explain(&read(words)).verdict
    }
}

fn read(words: &str) -> Frame {
    let ips = |texts: [&str; 2]| texts.map(|text| text.parse().expect("an address")).to_vec();
    let ends = Ends {
        source: Mac([2, 0, 0, 0, 0, 1]),
        destination: Mac([2, 0, 0, 0, 0, 2]),
        source_ips: ips(["10.0.0.1", "fd00::1"]),
        destination_ips: ips(["10.0.0.2", "fd00::2"]),
    };
    Frame::read(words, &ends).unwrap_or_else(|wrong| panic!("{}", wrong.marked(words)))
}

fn by(rule: usize) -> By {
    By { rule: Some(rule), ..By::default() }
}

/// For a ping over IPv4, on its way out.
fn check(rules: &str, decision: Decision, by: By) {
    let verdict = Scene::new(rules).judge("ping");
    assert_eq!((verdict.decision, verdict.by), (decision, by), "{rules}");
}

#[test]
fn sets_end_at_actions() {
    check("accept", Decision::Accept, by(0));
    check("", Decision::NoMatch, By::default());
    check("ethertype 0x0806; accept", Decision::NoMatch, By::default());
    check("ethertype 0x0806; drop; accept", Decision::Accept, by(2));
    check("ethertype 0x0806; drop; ethertype 0x0800; drop; accept", Decision::Drop, by(3));
    check("not ethertype 0x0800; not ethertype 0x0806; not ethertype 0x86dd; drop; accept", Decision::Accept, by(4));
    check("nothing; priority; drop", Decision::Accept, by(1));
    check("break; accept", Decision::NoMatch, by(0));
    check("redirect-nobody; drop", Decision::Accept, by(0));
    check("redirect 0; drop", Decision::Redirect(THIRD), by(0));
}

#[test]
fn or_and_not_apply_from_left_to_right() {
    check("ethertype 1; or ethertype 0x0800; accept", Decision::Accept, by(2));
    check("ethertype 1; or ethertype 0x0800; ethertype 2; accept", Decision::NoMatch, By::default());
    check("ethertype 0x0800; ethertype 2; or protocol 1; accept", Decision::Accept, by(3));
    check("or ethertype 1; accept", Decision::Accept, by(1));
    check("ethertype 1; ethertype 0x0800; or not ethertype 2; accept", Decision::Accept, by(3));
    // A hard no stays one.
    check("not dport 1; accept", Decision::Accept, by(1));
    let arp = Scene::new("not dport 1; accept").judge("arp");
    assert_eq!(arp.decision, Decision::NoMatch);
}

#[test]
fn what_fails_first_is_asked_first_and_decides_the_same() {
    // `Scene::judge` compares with the walk in order, which knows of no guards.
    let scene = Scene::new(
        "ethertype 0x0800; protocol 6; dport 22; drop; ethertype 0x0800; protocol 17; dport 53; or dport 22; drop; \
         ethertype 0x86dd; dport 22; not protocol 17; drop; accept",
    );
    let by = |words: &str| scene.judge(words).by.rule;
    assert_eq!([by("tcp 22"), by("tcp 23"), by("udp 53"), by("udp 22")], [Some(3), Some(13), Some(8), Some(8)]);
    assert_eq!([by("tcp6 22"), by("tcp6 23"), by("arp"), by("ping")], [Some(8), Some(13), Some(13), Some(13)]);
}

#[test]
fn unknown_matches_are_what_the_configuration_says() {
    check("unknown; accept", Decision::NoMatch, By::default());
    let mut scene = Scene::new("unknown; accept");
    scene.config.flags = NetworkConfig::UNKNOWN_RULES_MATCH;
    assert_eq!(scene.judge("ping").decision, Decision::Accept);
}

#[test]
fn capabilities_grant_what_the_rules_leave_open() {
    let mut scene = Scene::new("ethertype 0x0806; accept; break; drop");
    scene.config.capabilities = vec![
        capability(9, "tee 0; accept"),
        capability(3, "tee 5; drop"),
        capability(5, "dport 22; watch 5; dport 22; accept"),
    ];
    let ssh = scene.judge("tcp 22");
    assert_eq!(ssh.by, By { capability: Some(5), rule: Some(3), tag: None });
    let copy = FrameCopy { to: THIRD, length: 5, watch: true };
    assert_eq!(ssh.copies, Copies { base: None, capability: Some(copy) });
    assert_eq!(scene.judge("tcp 23").by.capability, Some(9));
    // Those of the other side do not count on the way out, nor ours on the way in.
    let mut scene = Scene::inbound("");
    scene.config.capabilities = vec![capability(1, "accept")];
    assert_eq!(scene.judge("ping").decision, Decision::NoMatch);
    scene.capabilities = vec![capability(2, "accept")];
    assert_eq!(scene.judge("ping").by.capability, Some(2));
}

#[test]
fn copies_go_out_with_what_is_accepted() {
    let scene = Scene::new("tee 5; protocol 17; drop; protocol 6; watch 0; accept");
    let copy = scene.judge("ping").copies.base;
    assert_eq!(copy, Some(FrameCopy { to: THIRD, length: 5, watch: false }));
    let tcp = scene.judge("tcp 22 60 bytes");
    assert_eq!(tcp.copies.base, Some(FrameCopy { to: THIRD, length: 60, watch: true }));
    assert_eq!(scene.judge("udp 22").copies, Copies::default());
}

#[test]
fn tags_are_named_when_they_decide_and_when_they_are_missing() {
    let mut scene = Scene::inbound("ethertype 0x0806; accept; tequal 1 5; accept");
    let arp = scene.judge("arp");
    assert_eq!((arp.by.tag, arp.missing_tag), (None, None));
    // We lack it: nobody needs to be asked.
    assert_eq!((scene.judge("ping").decision, scene.judge("ping").missing_tag), (Decision::NoMatch, None));
    scene.config.tags = vec![tag(1, 5)];
    assert_eq!((scene.judge("ping").decision, scene.judge("ping").missing_tag), (Decision::NoMatch, Some(1)));
    scene.tags = vec![tag(1, 5)];
    let passed = scene.judge("ping");
    assert_eq!((passed.decision, passed.by.tag, passed.missing_tag), (Decision::Accept, Some(1), None));
    // Outbound, a tag that is not known lets pass, and skips a DROP.
    let mut scene = Scene::new("treceiver 1 5; drop; accept");
    assert_eq!((scene.judge("ping").by, scene.judge("ping").missing_tag), (by(2), Some(1)));
    scene.tags = vec![tag(1, 5)];
    assert_eq!(scene.judge("ping").by, By { rule: Some(1), tag: Some(1), capability: None });
}

#[test]
fn an_unknown_tag_of_a_stranger_lets_pass_break_too() {
    let mut scene = Scene::new("treceiver 1 5; break; protocol 6; break; protocol 17; drop; accept");
    assert_eq!((scene.judge("ping").decision, scene.judge("ping").missing_tag), (Decision::NoMatch, Some(1)));
    assert_eq!(scene.judge_stranger("ping").by, by(6));
    // One BREAK, as one DROP, and no more.
    assert_eq!(
        (scene.judge_stranger("tcp 22").by, scene.judge_stranger("tcp 22").decision),
        (by(3), Decision::NoMatch)
    );
    assert_eq!(scene.judge_stranger("udp 53").decision, Decision::Drop);
    // What we know ourselves is no matter of the stranger's.
    scene.config.tags = vec![tag(2, 5)];
    scene.config.rules = Scene::new("tsender 2 5; break; accept").config.rules;
    assert_eq!(scene.judge_stranger("ping").decision, Decision::NoMatch);
}

#[test]
fn who_watches_takes_what_is_not_meant_for_it() {
    assert_eq!(Scene::inbound("tee-us; drop").judge("ping").decision, Decision::SuperAccept);
    let scene = Scene::inbound("protocol 6; tee-us; tsender 1 5; drop; accept");
    // Its set is false, and the tag of the sender is not known: the drop is skipped.
    assert_eq!((scene.judge("ping").decision, scene.judge("ping").by), (Decision::SuperAccept, by(4)));
    assert_eq!(Scene::new("tee-us; drop").judge("ping").decision, Decision::Drop);
}

#[test]
fn packets_cannot_hide_from_rules_about_ports() {
    let scene = Scene::new("protocol 6; dport 22; drop; accept");
    let decision = |words: &str| scene.judge(words).decision;
    assert_eq!(decision("tcp 22"), Decision::Drop);
    assert_eq!(decision("tcp 22 options 3"), Decision::Drop);
    assert_eq!(decision("tcp6 22 behind hop-by-hop,destination,routing"), Decision::Drop);
    assert_eq!(decision("tcp 22 fragment 0 more"), Decision::Drop);
    // Deliberate (04 §6.6): the first fragment shows its ports over IPv6 as it does over IPv4.
    assert_eq!(decision("tcp6 22 fragment 0 more"), Decision::Drop);
    assert_eq!(decision("tcp6 23 fragment 0 more"), Decision::Accept);
    // Only IP over Ethernet is taken for a fragment.
    assert_eq!(decision("ethertype 0x88cc 40 bytes"), Decision::Accept);
    let scene = Scene::new("protocol 44; drop; accept");
    assert_eq!(scene.judge("tcp6 22 fragment 0 more").decision, Decision::Drop);
    assert_eq!(scene.judge("tcp6 22").decision, Decision::Accept);
}

#[test]
fn fragments_that_rewrite_or_leave_out_a_header_are_evasive() {
    let mut scene = Scene::new("ethertype 0x0806; drop; chr syn; drop; accept");
    let evaded = |verdict: Verdict| (verdict.decision, verdict.by) == (Decision::Evasive, by(2));
    // The second eight bytes of a TCP header, alone.
    let mut second = read("tcp 80 ack");
    (second.payload[6], second.payload[7]) = (0, 1);
    assert!(evaded(scene.explain(&second).verdict));
    // Only the first eight.
    let mut tiny = read("tcp 80 ack");
    tiny.payload[6] = 0x20;
    tiny.payload.truncate(28);
    assert!(evaded(scene.explain(&tiny).verdict));
    tiny.payload[6] = 0;
    assert_eq!(scene.explain(&tiny).verdict.decision, Decision::Accept, "a short packet is no fragment");
    // Later ones are of no use without the first.
    second.payload[7] = 2;
    assert_eq!(scene.explain(&second).verdict.decision, Decision::Accept);
    // Priority tags: the host takes them off.
    assert!(evaded(scene.judge("vlan 0 pcp 3 tcp 80 syn")));
    assert_eq!(scene.judge("vlan 5 tcp 80 syn").decision, Decision::Accept);
    // A rule that asks for nothing hidden decides as always, and a capability that is evaded grants nothing.
    assert_eq!(Scene::new("accept").explain(&tiny).verdict.decision, Decision::Accept);
    scene.config.rules = table("");
    scene.config.capabilities = vec![capability(1, "chr syn; drop; accept"), capability(2, "accept")];
    tiny.payload[6] = 0x20;
    assert_eq!(scene.explain(&tiny).verdict.by.capability, Some(2));
}

#[test]
fn addresses_are_authentic_by_certificate_or_by_derivation() {
    let mut scene = Scene::inbound("chr ipauth; accept");
    assert_eq!(scene.judge("ping").decision, Decision::NoMatch);
    let owned = |text: &str| Thing::from(text.parse::<std::net::IpAddr>().expect("an address"));
    scene.ownerships = vec![ownership(vec![owned("10.0.0.1"), owned("fd00::1")])];
    for words in ["ping", "ping6", "arp", "ndp advertise fd00::1", "ndp solicit fd00::7 fd00::9 > ff02::1:ff00:7"] {
        assert_eq!(scene.judge(words).decision, Decision::Accept, "{words}");
    }
    for words in ["ping 10.0.0.3 > 10.0.0.2", "ndp advertise fd00::7", "ethertype 0x88cc 40 bytes"] {
        assert_eq!(scene.judge(words).decision, Decision::NoMatch, "{words}");
    }
    // Deliberate (04 §6.5): an extension header in front does not make the target of an advertisement invisible.
    let mut spoofed = read("ndp advertise fd00::7 fd00::1 > fd00::2");
    assert_eq!(scene.explain(&spoofed).verdict.decision, Decision::NoMatch);
    spoofed.payload[6] = 0;
    spoofed.payload.splice(40..40, [58, 0, 1, 4, 0, 0, 0, 0]);
    assert_eq!(scene.explain(&spoofed).verdict.decision, Decision::NoMatch);
    // Derived addresses: those of the sender, and only while ours are assigned and emulation is on.
    scene.ownerships.clear();
    let own = NET.sixplane(OWN);
    let from = |member: Address| format!("ping6 {} > {own}", NET.sixplane(member));
    assert_eq!(scene.judge(&from(PEER)).decision, Decision::NoMatch);
    scene.config.flags = NetworkConfig::NDP_EMULATION;
    scene.config.addresses = vec![zt_wire::InetAddress::new(own.into(), 40)];
    assert_eq!(scene.judge(&from(PEER)).decision, Decision::Accept);
    // Deliberate (04 §6.5): the reference takes those of third members too.
    assert_eq!(scene.judge(&from(THIRD)).decision, Decision::NoMatch);
}

#[test]
fn integers_are_read_as_the_reference_reads_them() {
    let decide = |first, last, index, format| {
        let mut scene = Scene::new("");
        let integer = IntegerMatch { first, last, index, format };
        scene.config.rules = vec![RuleKind::IntegerRange(integer).into(), RuleKind::Accept.into()].into();
        let payload = (1..=16).collect();
        let frame = Frame { source: Mac::ZERO, destination: Mac::ZERO, ethertype: 1, payload };
        scene.explain(&frame).verdict.decision == Decision::Accept
    };
    assert!(decide(0x0403, 0x0403, 2, 0x80 | 15), "little-endian, 16 bits");
    assert!(decide(0x0708, 0x0708, 0, 15), "big-endian, 16 bits: the end of the window");
    assert!(decide(0x0708_090a_0b0c_0d0e, u64::MAX, 6, 63) && !decide(0x0708_090a_0b0c_0d0f, u64::MAX, 6, 63));
    assert!(decide(0, 0, 9, 7) && !decide(1, 255, 9, 7), "beyond the frame it is 0");
    assert!(!decide(0, 0x1_0000_0000, 0, 63), "the width loses its high half");
}

#[test]
fn the_log_of_a_table_is_that_of_remote_trace() {
    let scene = Scene::new("ethertype 1; ethertype 2; or protocol 1; accept");
    let told = scene.explain(&read("ping"));
    assert_eq!(told.base().rule_log()[..3], [0x16, 0x09, 0]);
    let skipped = Scene::new("not ethertype 0x0800; drop; accept").explain(&read("ping"));
    assert_eq!(
        skipped.base().steps,
        [Step::Match { set: true, plain: true, holds: false }, Step::Action { set: false }, Step::Action { set: true }]
    );
    assert_eq!(skipped.base().rule_log()[..2], [0x0a, 0]);
}

#[test]
fn credentials_count_near_our_configuration_and_behind_a_revocation() {
    let mut config = NetworkConfig::new(NET, OWN, 1_000);
    config.credential_window = 100;
    let policy = Policy::new(&config);
    assert!(policy.counts(900, None) && policy.counts(1_100, Some(1_099)));
    assert!(!policy.counts(899, None) && !policy.counts(1_101, None) && !policy.counts(1_000, Some(1_000)));
    assert!(!policy.counts(i64::MIN, None) && !policy.counts(i64::MAX, None));
}
