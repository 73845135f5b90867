//! The data path does not allocate: counted by the allocator of this test program.

mod sys;

use std::time::Duration;

use zt_crypto::{SecretIdentity, SeededEntropy};
use zt_netconf::{Carrier, FrameVerdict, NetworkConfig, NetworkType, SendOptions, Verdict, Vl2};
use zt_wire::rules::{Forward, TagMatch};
use zt_wire::verb::{ExtFrame, Frame, NetworkCredentials};
use zt_wire::{
    Address, Body, Capability, Custody, EthernetRef, Identity, Mac, Message, Mono, NetworkId, Now, PacketId, Rule,
    RuleKind, Signature, SoftwareVersion, Tag,
};

/// Counts, and keeps nothing.
#[derive(Default)]
struct Sink {
    /// Whose signatures count.
    controller: Option<Identity>,
    sent: usize,
    delivered: usize,
}

impl Carrier for Sink {
    fn identity(&self, address: Address) -> Option<Identity> {
        self.controller.filter(|controller| controller.address == address)
    }
    fn request_identity(&mut self, _: Address) {}
    fn roots(&self) -> Vec<Address> {
        Vec::new()
    }
    fn is_root(&self) -> bool {
        false
    }
    fn direct_latency(&self, _: Address) -> Option<Duration> {
        None
    }
    fn send(&mut self, _: Address, body: &dyn Body, _: SendOptions) -> Option<PacketId> {
        self.sent += body.encoded_len().min(1);
        None
    }
    fn reply(&mut self, _: &dyn Body, _: SendOptions) {}
    fn deliver(&mut self, _: NetworkId, _: EthernetRef<'_>) {
        self.delivered += 1;
    }
}

const CONTROLLER: &str = "6250c6ccf3:0:f48276772fdf1fc5c14310507c504db64c041a55f0c3035e8df6ad5b652fb1477f0d9226b96c797f9319a5ced8cb398da64ddbd4957986c6757af398d0c5ffff:b55150c61ae12a22dc367c1fdb375eb544df15a0a9e6c7f6d2aef4dfd7abe4718ef165aa68f12c59be6f7ac01958431d0848e934b57068bb098a2af8ca2602f7";

/// A network that tells members apart: what tags and a capability of the sender allow, with a copy for a third node.
fn ruled(controller: &SecretIdentity, network: NetworkId, own: Address, now: i64) -> NetworkConfig {
    let rule = Rule::from;
    let not = |kind: RuleKind| Rule { not: true, ..Rule::from(kind) };
    let same = TagMatch { id: 1, value: 0 };
    let observer = Forward { address: Address::new(0xb7_4f2a_493e), flags: 0, length: 64 };
    let mut config = NetworkConfig::new(network, own, now);
    config.kind = NetworkType::Public;
    config.credential_window = 1_800_000;
    config.rules = vec![
        not(RuleKind::EtherType(0x0800)),
        rule(RuleKind::EtherType(0x86dd)),
        rule(RuleKind::Drop),
        not(RuleKind::TagsDifference(same)),
        rule(RuleKind::Drop),
        rule(RuleKind::Tee(observer)),
        rule(RuleKind::IpProtocol(17)),
        rule(RuleKind::Accept),
    ]
    .into();
    config.tags = vec![tag(controller, network, own, now)];
    config.capabilities = vec![capability(controller, network, own, now)];
    config
}

fn tag(controller: &SecretIdentity, network: NetworkId, holder: Address, timestamp: i64) -> Tag {
    let signer = controller.address();
    let mut tag = Tag { network, timestamp, id: 1, value: 7, issued_to: holder, signer, signature: Signature::NONE };
    tag.signature = controller.sign(&tag.signed_bytes());
    tag
}

/// One that accepts TCP.
fn capability(controller: &SecretIdentity, network: NetworkId, holder: Address, timestamp: i64) -> Capability {
    let rules: Vec<Rule> = vec![RuleKind::IpProtocol(6).into(), RuleKind::Accept.into()];
    let custody = vec![Custody { to: holder, from: controller.address(), signature: Signature::NONE }];
    let mut capability = Capability { network, timestamp, id: 5, rules: rules.into(), max_custody: 1, custody };
    capability.custody[0].signature = controller.sign(&capability.signed_bytes());
    capability
}

#[test]
fn frames_that_tags_and_capabilities_allow_or_refuse_do_not_allocate() {
    let controller = SecretIdentity::from_text(CONTROLLER).expect("an identity");
    let network = NetworkId(0x6250_c6cc_f300_0001);
    let node = |number| Identity { address: Address::new(number), public_key: [7; 64] };
    let (own, peer) = (node(0x7f_2cb3_dbe7), node(0xdf_a68a_e067));
    let mut sink = Sink { controller: Some(*controller.identity()), ..Sink::default() };
    let mut now = Now { mono: Mono(1), unix_ms: 1_795_000_000_000 };
    let mut vl2 = Vl2::new(own, SoftwareVersion::new(1, 14, 1), Box::new(SeededEntropy::new(1)));
    let config = ruled(&controller, network, own.address, now.unix_ms);
    vl2.join(now, network, Some(&config.to_text()), &mut sink);
    let shown = NetworkCredentials {
        tags: vec![tag(&controller, network, peer.address, now.unix_ms)],
        capabilities: vec![capability(&controller, network, peer.address, now.unix_ms)],
        ..NetworkCredentials::default()
    };
    let shown: Message<'_> = shown.into();
    assert_eq!(vl2.handle_message(now, &peer, PacketId(1), &shown, &mut sink), Verdict::Accepted { trust: true });
    let (own_mac, peer_mac) = (Mac::for_member(own.address, network), Mac::for_member(peer.address, network));
    let packet = |protocol: u8| {
        let mut packet = [0; 200];
        packet[0] = 0x45;
        packet[3] = 200;
        packet[9] = protocol;
        packet
    };
    // UDP by the rules, with a copy; TCP by a capability, with the same copy; GRE by nobody.
    let (udp, tcp, gre) = (packet(17), packet(6), packet(47));
    let (mut before, mut sent) = (0, 0);
    for round in 0..1_000 {
        // The first rounds make the records of peer and observer, and ask the peer for what it did not show.
        if round == 20 {
            (before, sent) = (sys::count(), sink.sent);
        }
        now = now.plus(Duration::from_millis(if round < 20 { 1_000 } else { 0 }));
        for (payload, passes) in [(&udp, true), (&tcp, true), (&gre, false)] {
            let out = EthernetRef { destination: peer_mac, source: own_mac, ethertype: 0x0800, payload };
            assert_eq!(vl2.handle_frame(now, network, out, &mut sink) == FrameVerdict::Sent(1), passes);
            let message: Message<'_> = Frame { network, ethertype: 0x0800, payload }.into();
            let had = sink.delivered;
            vl2.handle_message(now, &peer, PacketId(round), &message, &mut sink);
            assert_eq!(sink.delivered - had, usize::from(passes));
        }
    }
    assert_eq!(sys::count() - before, 0, "allocations in 5 880 frames");
    // Each frame that leaves, and a copy of each that leaves or comes.
    assert_eq!(sink.sent - sent, 980 * 2 * 3);
}

#[test]
fn frames_between_members_do_not_allocate() {
    let network = NetworkId(0xff0a_0000_0000_0001);
    let node = |number| Identity { address: Address::new(number), public_key: [7; 64] };
    let (own, peer) = (node(0x7f_2cb3_dbe7), node(0xdf_a68a_e067));
    let version = SoftwareVersion::new(1, 14, 1);
    let mut vl2 = Vl2::new(own, version, Box::new(SeededEntropy::new(1)));
    let mut sink = Sink::default();
    let mut now = Now { mono: Mono(1), unix_ms: 1_795_000_000_000 };
    vl2.join(now, network, None, &mut sink);
    let (own_mac, peer_mac) = (Mac::for_member(own.address, network), Mac::for_member(peer.address, network));
    let out = EthernetRef { destination: peer_mac, source: own_mac, ethertype: 0x0800, payload: &[1; 1400] };
    let plain: Message<'_> = Frame { network, ethertype: 0x0800, payload: &[2; 1400] }.into();
    let full: Message<'_> =
        ExtFrame::new(network, 0, EthernetRef { destination: own_mac, source: peer_mac, ..out }).into();
    let mut before = 0;
    for round in 0..1_000 {
        // The first round makes the record of the peer.
        if round == 1 {
            before = sys::count();
        }
        now = now.plus(Duration::from_micros(10));
        assert_eq!(vl2.handle_frame(now, network, out, &mut sink), FrameVerdict::Sent(1));
        for message in [&plain, &full] {
            let verdict = vl2.handle_message(now, &peer, PacketId(round), message, &mut sink);
            assert_eq!(verdict, Verdict::Accepted { trust: true });
        }
    }
    assert_eq!(sys::count() - before, 0, "allocations in 2 997 frames");
    assert_eq!((sink.delivered, sink.sent), (2_000, 1_000));
}
