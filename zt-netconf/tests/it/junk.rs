//! Whatever comes from the wire or the port: no panic, and bounded memory.

use proptest::collection::vec;
use proptest::prelude::*;

use zt_wire::verb::{Frame, MulticastLike, NetworkCredentials, Subscription};
use zt_wire::{Emit, Identity, Mac, Message, MulticastGroup, NetworkId, PacketId, Verb};

use crate::world::{A, B, CONTROLLER, NET, Node, World, identity};

/// Starts like a real message of the network, so that junk gets beyond the first check.
fn plausible(verb: u8, tail: &[u8]) -> Vec<u8> {
    let mut payload = match Verb(verb) {
        Verb::OK => vec![tail.first().copied().unwrap_or(0x0b), 0, 0, 0, 0, 0, 0, 0, 1],
        Verb::ERROR => vec![0x0b, 0, 0, 0, 0, 0, 0, 0, 1, tail.first().copied().unwrap_or(0) & 0x0f],
        Verb::NETWORK_CREDENTIALS => return tail.to_vec(),
        _ => vec![],
    };
    payload.extend_from_slice(&NET.0.to_be_bytes());
    payload.extend_from_slice(tail);
    payload
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(ProptestConfig::default().cases / 4))]

    #[test]
    fn messages(all in vec((2u8..0x16, any::<bool>(), vec(any::<u8>(), 0..200)), 0..60)) {
        let mut world = World::with_members();
        world.unicast(A, B, b"1");
        for (verb, from_controller, tail) in all {
            let payload = plausible(verb, &tail);
            let Ok(message) = Message::parse(Verb(verb), &payload) else { continue };
            let from = identity(if from_controller { CONTROLLER } else { B });
            world.now = world.now.plus(std::time::Duration::from_millis(700));
            let now = world.now;
            let node = world.node(A);
            node.wire.answer_to(from.address);
            node.vl2.handle_message(now, &from, PacketId(9), &message, &mut node.wire);
            node.vl2.handle_timeout(now, &mut node.wire);
            node.collect();
        }
    }

    #[test]
    fn frames(all in vec((any::<[u8; 6]>(), any::<bool>(), any::<u16>(), vec(any::<u8>(), 0..120)), 0..40)) {
        let mut world = World::with_members();
        let now = world.now;
        let own = Mac::for_member(A, NET);
        for (mac, ours, ethertype, payload) in all {
            let ethertype = [0x0800, 0x0806, 0x86dd, ethertype][usize::from(ethertype & 3)];
            let source = if ours { own } else { Mac(mac) };
            world.node(A).frame(now, source, Mac(mac), ethertype, &payload);
        }
    }
}

/// An identity that nobody made: enough for a layer that does not check keys.
fn stranger(number: u64) -> Identity {
    Identity { address: zt_wire::Address::new(0x10_0000_0000 + number), public_key: [3; 64] }
}

#[test]
fn a_crowd_on_a_public_network_is_bounded() {
    let mut world = World::new();
    world.authority.template.kind = zt_netconf::NetworkType::Public;
    world.authority.authorised.insert(A);
    world.join(A);
    let now = world.now;
    let node = world.node(A);
    let payload = Frame { network: NET, ethertype: 0x0800, payload: b"x" }.to_vec();
    let message = Message::parse(Verb::FRAME, &payload).expect("a frame");
    for number in 0..20_000 {
        let later = now.plus(std::time::Duration::from_micros(number));
        node.vl2.handle_message(later, &stranger(number), PacketId(1), &message, &mut node.wire);
        node.wire.sent.clear();
        node.wire.delivered.clear();
    }
    assert!((15_000..=16_384).contains(&node.network().member_count()));
    // They are forgotten when nothing happens for 10 minutes.
    let later = now.plus(std::time::Duration::from_secs(700));
    node.tend(later);
    assert_eq!(node.network().member_count(), 0);
}

#[test]
fn a_root_keeps_a_bounded_number_of_subscriptions() {
    let mut node = Node::new(A);
    node.wire.root = true;
    let now = World::new().now;
    let mut group = MulticastGroup::BROADCAST;
    let mut subscribe = |node: &mut Node, member: u64, network: NetworkId, groups: u32| {
        for part in 0..groups.div_ceil(500) {
            let subscription = |n: u32| {
                group.adi = part * 500 + n;
                Subscription { network, group }
            };
            let subscriptions = (0..500.min(groups)).map(subscription).collect();
            let payload = MulticastLike { subscriptions, rest: &[] }.to_vec();
            let message = Message::parse(Verb::MULTICAST_LIKE, &payload).expect("likes");
            node.vl2.handle_message(now, &stranger(member), PacketId(1), &message, &mut node.wire);
        }
    };
    // What filled the table once: 70 identities, 5 MB.
    for member in 0..80 {
        subscribe(&mut node, member, NetworkId(member << 24 | 1), 5_000);
    }
    assert_eq!(node.vl2.subscription_count(), 80 * 512, "a stranger has few places");
    assert!(node.drops("table full") > 0);
    for member in 80..400 {
        subscribe(&mut node, member, NetworkId(member << 24 | 1), 1_000);
    }
    assert_eq!(node.vl2.subscription_count(), 98_304);
    // Whoever comes later, a stranger or a member of a network of our controller, is filed and found.
    for (member, authorised) in [(500, false), (501, true)] {
        let network = NetworkId(0x77_0000_0000 << 24 | member);
        if authorised {
            node.vl2.set_controller_authorised(now, network, stranger(member).address);
        }
        subscribe(&mut node, member, network, 5);
        node.wire.answer_to(B);
        let ask = zt_wire::verb::MulticastGather {
            network,
            group: MulticastGroup { adi: 4, ..MulticastGroup::BROADCAST },
            limit: 9,
            ..Default::default()
        };
        node.receive_body(now, B, &ask);
        assert_eq!(node.take_sent(Verb::OK).len(), 1, "authorised: {authorised}");
    }
    assert_eq!(node.vl2.subscription_count(), 98_304 + 5);
}

#[test]
fn records_made_by_revocations_of_unknown_members_are_bounded() {
    let mut world = World::with_members();
    let mut now = world.now;
    let mut node = world.nodes.remove(&A).expect("node A");
    for number in 0..200 {
        now = now.plus(std::time::Duration::from_secs(1));
        let mut revocation = world.authority.revocation(stranger(number).address, 1);
        revocation.flags = 0;
        revocation.signature = world.authority.secret.sign(&revocation.signed_bytes());
        let body = NetworkCredentials { revocations: vec![revocation], ..NetworkCredentials::default() };
        node.receive_body(now, CONTROLLER, &body);
    }
    assert_eq!(node.network().member_count(), 200);
    // The widest window has passed: such a certificate cannot agree with ours, wherever the controller's clock goes.
    node.vl2.handle_timeout(now.plus(std::time::Duration::from_secs(3 * 3600)), &mut node.wire);
    assert_eq!(node.network().member_count(), 0);
}
