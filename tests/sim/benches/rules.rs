//! What a verdict costs: `cargo xtask bench rules`.
//!
//! The compiled engine beside an evaluator of the shape that the reference has: a walk through the rules as they are, in one
//! loop over one list of types (`zt_test_sim::reference`, without logs). Each line judges the same 64 frames by both, in turns.

#![expect(clippy::print_stdout, reason = "a benchmark prints")]

use std::hint::black_box;
use std::time::{Duration, Instant};
use zt_netconf::NetworkConfig;
use zt_netconf::rules::{FrameFacts, Policy};
use zt_test_sim::reference::{self, Decider, Frame, Record};
use zt_test_sim::scene::{NETWORK, OTHER, OWN, peer_policy};
use zt_wire::rules::{Forward, IntegerMatch, Ipv4Prefix, Ipv6Prefix, Rule, RuleKind, TagMatch, TosMatch};
use zt_wire::{Address, Capability, Custody, Mac, Signature, Tag};

/// Time of our configuration.
const T: i64 = 1_795_000_000_000;
/// Frames of one round.
const FRAMES: usize = 64;
/// Measured for each line.
const SPAN: Duration = Duration::from_millis(1500);

fn main() {
    println!("{:<52} {:>6} {:>9} {:>10} {:>7}", "rules", "number", "ns", "walked ns", "ratio");
    let tcp4: Vec<_> = (0..FRAMES).map(tcp4).collect();
    let tcp6: Vec<_> = (0..FRAMES).map(tcp6).collect();
    line("default set: accept", Case::new(vec![accept()], 0x0800, &tcp4));
    line("customary script: IPv4, ARP, IPv6", Case::new(customary(), 0x0800, &tcp4));
    line("100 rules, all walked, IPv4 TCP", Case::new(walked(false), 0x0800, &tcp4));
    line("100 rules, all walked, IPv6 TCP, one extension", Case::new(walked(true), 0x86dd, &tcp6));
    line("100 rules, 50 sets that end at their first match", Case::new(short(), 0x0800, &tcp4));
    line("tags of both ends: 20 sets", Case::tagged(tagged(), 0x0800, &tcp4));
    line("no base rule, the 8th of 8 capabilities accepts", Case::capable(0x0800, &tcp4));
}

/// One line: who decides about which frames, that come in.
struct Case<'a> {
    config: NetworkConfig,
    record: Record,
    ethertype: u16,
    frames: &'a [Vec<u8>],
}

impl<'a> Case<'a> {
    fn new(rules: Vec<Rule>, ethertype: u16, frames: &'a [Vec<u8>]) -> Self {
        let mut config = NetworkConfig::new(NETWORK, OWN, T);
        config.credential_window = 1_800_000;
        config.rules = rules.into();
        Self { config, record: Record::default(), ethertype, frames }
    }

    /// Each side has eight tags.
    fn tagged(rules: Vec<Rule>, ethertype: u16, frames: &'a [Vec<u8>]) -> Self {
        let mut case = Self::new(rules, ethertype, frames);
        case.config.tags = (0..8).map(|id| tag(id, OWN)).collect();
        case.record.tags = (0..8).map(|id| tag(id, OTHER)).collect();
        case
    }

    fn capable(ethertype: u16, frames: &'a [Vec<u8>]) -> Self {
        let mut case = Self::new(vec![ethertype_is(0x8137), RuleKind::Drop.into()], ethertype, frames);
        case.record.capabilities = (0..8).map(capability).collect();
        case
    }
}

fn line(name: &str, case: Case<'_>) {
    let policy = Policy::new(&case.config);
    let peer = peer_policy(&policy, &case.record);
    let decider = Decider { own: OWN, config: &case.config, record: Some(&case.record) };
    let (source_mac, destination_mac) = (Mac::for_member(OTHER, NETWORK), Mac::for_member(OWN, NETWORK));
    let compiled = || {
        for payload in case.frames {
            let ethertype = case.ethertype;
            let (source, destination) = (OTHER, OWN);
            let facts =
                FrameFacts { inbound: true, source, destination, source_mac, destination_mac, ethertype, payload };
            black_box(&policy.judge(black_box(&facts), Some(&peer), &mut || 0));
        }
    };
    let walked = || {
        for payload in case.frames {
            let ethertype = case.ethertype;
            let (source, destination) = (OTHER, OWN);
            let frame = Frame { inbound: true, source, destination, source_mac, destination_mac, ethertype, payload };
            black_box(&reference::filter(decider, black_box(&frame), false, &mut || 0));
        }
    };
    let (mut engine, mut shape) = (f64::MAX, f64::MAX);
    let start = Instant::now();
    while start.elapsed() < SPAN {
        engine = engine.min(round(compiled));
        shape = shape.min(round(walked));
    }
    let rules = case.config.rules.len() + case.record.capabilities.iter().map(|c| c.rules.len()).sum::<usize>();
    println!("{name:<52} {rules:>6} {engine:>9.1} {shape:>10.1} {:>7.2}", engine / shape);
}

/// Nanoseconds for each frame of a few rounds; the best counts: others use this machine as well.
fn round(mut once: impl FnMut()) -> f64 {
    let begin = Instant::now();
    for _ in 0..8 {
        once();
    }
    begin.elapsed().as_nanos() as f64 / (8 * FRAMES) as f64
}

fn accept() -> Rule {
    RuleKind::Accept.into()
}

fn not(kind: RuleKind) -> Rule {
    Rule { not: true, ..kind.into() }
}

fn ethertype_is(ethertype: u16) -> Rule {
    RuleKind::EtherType(ethertype).into()
}

fn customary() -> Vec<Rule> {
    let not = |ethertype| not(RuleKind::EtherType(ethertype));
    vec![not(0x0800), not(0x0806), not(0x86dd), RuleKind::Drop.into(), accept()]
}

/// 25 sets of three matches and an action, as a firewall has them: only the last match of each fails, and only the last
/// set accepts. Between them they ask for everything that a TCP segment has.
fn walked(v6: bool) -> Vec<Rule> {
    let ethertype = if v6 { 0x86dd } else { 0x0800 };
    let prefixes = |bits: u8| match v6 {
        false => RuleKind::Ipv4Source(Ipv4Prefix { ip: [10, 0, 0, 1].into(), bits: bits.min(32) }),
        true => RuleKind::Ipv6Source(Ipv6Prefix { ip: [0xfd00, 0, 0, 0, 0, 0, 0, 0].into(), bits: 64 }),
    };
    let mut all = Vec::new();
    for n in 0..24u16 {
        let first = match n % 3 {
            0 => RuleKind::EtherType(ethertype),
            1 => RuleKind::FrameSize(20..=1500),
            _ => RuleKind::DestinationAddress(OWN),
        };
        let second = match n % 4 {
            0 => RuleKind::IpProtocol(6),
            1 => prefixes(8 + n as u8),
            2 => RuleKind::IpTos(TosMatch { mask: 0xff, first: 0, last: 0x40 }),
            _ => RuleKind::SourcePort(1024..=65_535),
        };
        let third = match n % 6 {
            0 | 1 => RuleKind::DestinationPort(1000 + n..=1000 + n),
            2 => RuleKind::Characteristics(1 << 1),
            3 => RuleKind::MacSource(Mac([2, 0, 0, 0, 0, n as u8])),
            4 => RuleKind::SourcePort(1 + n..=1 + n),
            _ => RuleKind::IntegerRange(IntegerMatch { first: 300, last: 400, index: 8, format: 0x8f }),
        };
        all.extend([first, second, third].map(Rule::from));
        all.push(match n % 8 {
            7 => RuleKind::Tee(Forward { address: Address::new(1), flags: 0, length: 0 }).into(),
            _ => RuleKind::Drop.into(),
        });
    }
    all.extend([
        ethertype_is(ethertype),
        RuleKind::IpProtocol(6).into(),
        RuleKind::FrameSize(1..=1500).into(),
        accept(),
    ]);
    assert_eq!(all.len(), 100);
    all
}

/// 50 sets of a match that fails and its action.
fn short() -> Vec<Rule> {
    let set = |n: u16| [Rule::from(RuleKind::DestinationPort(1000 + n..=1000 + n)), RuleKind::Drop.into()];
    (0..49).flat_map(set).chain([ethertype_is(0x0800), accept()]).collect()
}

/// Departments that may not see each other, 20 times over.
fn tagged() -> Vec<Rule> {
    let tag = |n: u32| TagMatch { id: n % 8, value: n };
    let set = |n: u32| {
        let kind = match n % 4 {
            0 => RuleKind::TagsEqual(tag(n + 100)),
            1 => RuleKind::TagsBitwiseAnd(tag(n + 100)),
            2 => RuleKind::TagSender(tag(n + 100)),
            _ => RuleKind::TagReceiver(tag(n + 100)),
        };
        [ethertype_is(0x0800), kind.into(), RuleKind::Drop.into()]
    };
    (0..20).flat_map(set).chain([accept()]).collect()
}

fn tag(id: u32, issued_to: Address) -> Tag {
    let signer = NETWORK.controller();
    Tag { network: NETWORK, timestamp: T, id, value: id, issued_to, signer, signature: Signature::NONE }
}

/// Only the last has the port of the frames.
fn capability(id: u32) -> Capability {
    let ports = if id == 7 { 0..=65_535 } else { 1..=1 };
    let rules = [RuleKind::IpProtocol(6), RuleKind::DestinationPort(ports), RuleKind::Accept].map(Rule::from);
    let custody = Custody { to: OTHER, from: NETWORK.controller(), signature: Signature::NONE };
    Capability {
        network: NETWORK,
        timestamp: T,
        id,
        rules: rules.to_vec().into(),
        max_custody: 1,
        custody: vec![custody],
    }
}

/// A segment with data, from a port of its own to port 443.
fn segment(n: usize) -> Vec<u8> {
    let mut segment = vec![0; 20 + 16 * (n % 32)];
    segment[0..2].copy_from_slice(&(40_000 + 37 * n as u16).to_be_bytes());
    segment[2..4].copy_from_slice(&443u16.to_be_bytes());
    (segment[12], segment[13]) = (0x50, 0x18);
    segment
}

fn tcp4(n: usize) -> Vec<u8> {
    let mut packet = vec![0x45, 0, 0, 0, 0, 0, 0x40, 0, 64, 6, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2];
    packet.extend(segment(n));
    packet
}

/// With destination options of eight bytes.
fn tcp6(n: usize) -> Vec<u8> {
    let mut packet = vec![0x60, 0, 0, 0, 0, 0, 60, 64];
    for last in [1, 2] {
        packet.extend([0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, last]);
    }
    packet.extend([6, 0, 1, 4, 0, 0, 0, 0]);
    packet.extend(segment(n));
    packet
}
