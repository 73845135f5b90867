//! Groups: announcing, gathering, sending, serving others.

use std::time::Duration;

use zt_netconf::{DropReason, FrameVerdict, NetworkConfig, NetworkType, Verdict};
use zt_wire::netconf::Specialist;
use zt_wire::verb::{
    ErrorCode, ErrorDetail, ErrorReply, GatherResults, MulticastFrame, MulticastGather, MulticastLike, OkBody,
    OkMulticastGather, OkReply, Subscription,
};
use zt_wire::{Address, Emit as _, InetAddress, Mac, Message, MulticastGroup, NetworkId, PacketId, Verb};

use crate::world::{A, B, CONTROLLER, NET, World, group};

fn mac(address: Address) -> Mac {
    Mac::for_member(address, NET)
}

fn like(groups: &[(NetworkId, MulticastGroup)]) -> MulticastLike<'static> {
    let subscriptions =
        groups.iter().map(|(network, group)| Subscription { network: *network, group: *group }).collect();
    MulticastLike { subscriptions, rest: &[] }
}

/// A world in which A and B have talked: both know the other's certificate.
fn talking() -> World {
    let mut world = World::with_members();
    world.unicast(A, B, b"1");
    world.unicast(B, A, b"2");
    world.delivered(A);
    world.delivered(B);
    world
}

#[test]
fn broadcasts_reach_known_members_and_those_learned_later() {
    let mut world = World::with_members();
    let now = world.now;
    // Nobody is known: the frame waits, and the controller is asked.
    let verdict = world.node(A).frame(now, mac(A), Mac::BROADCAST, 0x0800, b"anybody");
    assert_eq!(verdict, FrameVerdict::Sent(0));
    let gather = world.node(A).take_sent(Verb::MULTICAST_GATHER);
    assert_eq!(gather.iter().map(|p| p.to).collect::<Vec<_>>(), [CONTROLLER]);
    let Ok(Message::MulticastGather(asked)) = Message::parse(gather[0].verb, &gather[0].payload) else {
        panic!("a gather");
    };
    assert_eq!((asked.limit, asked.membership.is_some()), (33, true));
    let results = GatherResults { total: 1, members: vec![B, A] };
    let ok = OkMulticastGather { network: NET, group: MulticastGroup::BROADCAST, results, rest: &[] };
    let ok = OkReply { in_re_packet: gather[0].id, body: OkBody::MulticastGather(ok) };
    world.node(A).receive_body(now, CONTROLLER, &ok);
    world.exchange();
    world.retry();
    let delivered = world.delivered(B);
    assert_eq!(delivered.len(), 1);
    assert_eq!((delivered[0].destination, delivered[0].source), (Mac::BROADCAST, mac(A)));
    // The next one goes out at once.
    let verdict = world.node(A).frame(now, mac(A), Mac::BROADCAST, 0x0800, b"again");
    assert_eq!(verdict, FrameVerdict::Sent(1));
    world.exchange();
    assert_eq!(world.delivered(B).len(), 1);
}

#[test]
fn a_waiting_frame_is_forgotten_after_5_seconds() {
    let mut world = talking();
    let now = world.now;
    world.node(A).frame(now, mac(A), group(1).mac, 0x0800, b"x");
    let later = now.plus(Duration::from_millis(5_000));
    world.node(A).wire.sent.clear();
    world.node(A).receive_body(later, B, &like(&[(NET, group(1))]));
    assert!(world.node(A).take_sent(Verb::MULTICAST_FRAME).is_empty());
    world.node(A).frame(later, mac(A), group(2).mac, 0x0800, b"y");
    world.node(A).receive_body(later, B, &like(&[(NET, group(2))]));
    assert_eq!(world.node(A).take_sent(Verb::MULTICAST_FRAME).len(), 1);
    world.node(A).receive_body(later, B, &like(&[(NET, group(2))]));
    assert!(world.node(A).take_sent(Verb::MULTICAST_FRAME).is_empty(), "only one copy each");
}

#[test]
fn arp_goes_to_the_group_of_the_queried_address_even_without_broadcast() {
    let mut world = World::new();
    world.authority.template.flags = 0;
    world.authority.authorised.extend([A, B]);
    world.join(A);
    world.join(B);
    world.unicast(A, B, b"1");
    world.unicast(B, A, b"2");
    world.delivered(B);
    let now = world.now;
    let queried = MulticastGroup::for_ip("10.1.2.3".parse().expect("an address"));
    let node = world.node(B);
    node.vl2.set_tap_groups(NET, &[queried], &mut node.wire);
    world.exchange();
    let mut arp = [0u8; 28];
    arp[..8].copy_from_slice(&[0, 1, 8, 0, 6, 4, 0, 1]);
    arp[24..].copy_from_slice(&[10, 1, 2, 3]);
    assert_eq!(world.node(A).frame(now, mac(A), Mac::BROADCAST, 0x0806, &arp), FrameVerdict::Sent(1));
    world.exchange();
    assert_eq!(world.delivered(B).len(), 1);
    let verdict = world.node(A).frame(now, mac(A), Mac::BROADCAST, 0x0800, b"x");
    assert_eq!(verdict, FrameVerdict::Dropped(DropReason::BroadcastDisabled));
}

#[test]
fn neighbour_solicitations_of_derived_addresses_never_leave() {
    let mut world = World::new();
    world.authority.template.flags |= NetworkConfig::NDP_EMULATION;
    world.authority.template.addresses = vec![InetAddress::V6(NET.rfc4193(A), 88)];
    world.authority.authorised.insert(A);
    world.join(A);
    let now = world.now;
    let mut packet = [0u8; 72];
    packet[0] = 0x60;
    packet[6] = 58;
    packet[40] = 0x87;
    packet[48..64].copy_from_slice(&NET.rfc4193(B).octets());
    let to = Mac([0x33, 0x33, 0xff, 0, 0, 1]);
    let verdict = world.node(A).frame(now, mac(A), to, 0x86dd, &packet);
    assert_eq!(verdict, FrameVerdict::Answered);
    let answer = world.delivered(A).remove(0);
    assert_eq!((answer.source, answer.destination), (mac(B), mac(A)));
    assert_eq!(&answer.payload[66..72], &mac(B).0);
}

#[test]
fn a_limit_of_0_turns_multicast_off() {
    let mut world = World::new();
    world.authority.template.multicast_limit = 0;
    world.authority.authorised.extend([A, B]);
    world.join(A);
    world.join(B);
    world.unicast(A, B, b"1");
    let now = world.now;
    let verdict = world.node(A).frame(now, mac(A), Mac::BROADCAST, 0x0800, b"x");
    assert_eq!(verdict, FrameVerdict::Dropped(DropReason::MulticastDisabled));
    let body = MulticastFrame { network: NET, group: MulticastGroup::BROADCAST, payload: b"x", ..Default::default() };
    let verdict = world.node(B).receive_body(now, A, &body);
    assert_eq!(verdict, Verdict::Accepted { trust: true });
    assert_eq!(world.node(B).drops("multicast disabled"), 1);
}

#[test]
fn malformed_multicast_frames_are_dropped() {
    let mut world = talking();
    let now = world.now;
    let frame = |group: MulticastGroup, source| MulticastFrame {
        network: NET,
        group,
        source,
        payload: b"x",
        ..Default::default()
    };
    let node = world.node(B);
    node.receive_body(now, A, &frame(MulticastGroup::new(mac(B)), None));
    assert_eq!(node.drops("destination is no group"), 1);
    for source in [Mac::ZERO, Mac::BROADCAST, mac(B)] {
        node.receive_body(now, A, &frame(MulticastGroup::BROADCAST, Some(source)));
    }
    assert_eq!(node.drops("invalid source mac"), 3);
    node.receive_body(now, A, &frame(MulticastGroup::BROADCAST, Some(Mac([2; 6]))));
    assert_eq!(node.drops("bridging not allowed (remote)"), 1);
    assert!(world.delivered(B).is_empty());
}

#[test]
fn a_frame_with_a_gather_limit_is_answered() {
    let mut world = talking();
    let now = world.now;
    let body = MulticastFrame {
        network: NET,
        group: MulticastGroup::BROADCAST,
        gather_limit: Some(5),
        payload: b"x",
        ..Default::default()
    };
    world.node(B).receive_body(now, A, &body);
    let answers = world.node(B).take_sent(Verb::OK);
    let Ok(Message::Ok(OkReply { body: OkBody::MulticastFrame(ok), .. })) =
        Message::parse(Verb::OK, &answers[0].payload)
    else {
        panic!("an OK to MULTICAST_FRAME");
    };
    let results = ok.results.expect("results");
    assert_eq!(results.members, [B], "B subscribes to broadcast; the asker is left out");
    assert_eq!(results.total, 2);
}

#[test]
fn strangers_are_served_by_roots_and_controllers_only() {
    let mut world = World::with_members();
    let now = world.now;
    let foreign = NetworkId(0x1122_3344_5566_7788);
    let subscribe = like(&[(NET, group(1)), (foreign, group(2))]);
    let ask = |network, group| MulticastGather { network, group, limit: 10, ..Default::default() };
    let node = world.node(A);
    node.receive_body(now, B, &subscribe);
    assert_eq!(node.vl2.subscription_count(), 0, "no certificate seen, no root, no controller");
    node.receive_body(now, B, &ask(foreign, group(2)));
    assert!(node.take_sent(Verb::OK).is_empty());
    // The own controller has answered B.
    node.vl2.set_controller_authorised(now, foreign, B);
    node.receive_body(now, B, &subscribe);
    assert_eq!(node.vl2.subscription_count(), 1, "each network is judged on its own");
    let later = now.plus(Duration::from_secs(180));
    node.receive_body(later, B, &ask(foreign, group(2)));
    assert!(node.take_sent(Verb::OK).is_empty());
    // A root serves everybody.
    node.wire.root = true;
    node.receive_body(now, CONTROLLER, &subscribe);
    assert_eq!(node.vl2.subscription_count(), 3);
    node.wire.sent.clear();
    node.receive_body(now, B, &ask(foreign, group(2)));
    let answers = node.take_sent(Verb::OK);
    let Ok(Message::Ok(OkReply { in_re_packet, body: OkBody::MulticastGather(ok) })) =
        Message::parse(Verb::OK, &answers[0].payload)
    else {
        panic!("an OK to MULTICAST_GATHER");
    };
    assert_eq!(in_re_packet, PacketId(7));
    assert_eq!((ok.results.total, ok.results.members), (2, vec![CONTROLLER]));
}

#[test]
fn groups_are_announced_to_roots_controller_and_members_each_minute() {
    let mut world = World::new();
    let root = Address::new(0x99_0000_0001);
    world.node(A).wire.roots = vec![root];
    world.authority.authorised.extend([A, B]);
    world.join(A);
    world.join(B);
    world.unicast(A, B, b"1");
    world.unicast(B, A, b"2");
    let likes = |world: &World, to| {
        world.log.iter().filter(|p| p.from == A && p.to == to && p.verb == Verb::MULTICAST_LIKE).count()
    };
    assert_eq!((likes(&world, root), likes(&world, CONTROLLER), likes(&world, B)), (1, 1, 1));
    world.run(30_000);
    assert_eq!(likes(&world, root), 1);
    world.run(40_000);
    assert_eq!((likes(&world, root), likes(&world, CONTROLLER), likes(&world, B)), (2, 2, 2));
    // A new group goes out at once, alone.
    let node = world.node(A);
    node.vl2.set_tap_groups(NET, &[group(7)], &mut node.wire);
    let sent = node.take_sent(Verb::MULTICAST_LIKE);
    assert_eq!(sent.iter().map(|p| p.to).collect::<Vec<_>>(), [CONTROLLER, root, B]);
    assert!(sent.iter().all(|p| p.payload.len() == 18));
    // Upstreams hear of it once more: nobody says that a LIKE arrived.
    world.run(6_000);
    assert_eq!((likes(&world, root), likes(&world, CONTROLLER), likes(&world, B)), (3, 3, 2));
    world.run(40_000);
    assert_eq!((likes(&world, root), likes(&world, CONTROLLER)), (3, 3));
}

#[test]
fn a_replicator_takes_over_the_copies() {
    let mut world = World::new();
    world.authority.template.specialists = vec![Specialist::new(B, Specialist::MULTICAST_REPLICATOR)];
    world.authority.authorised.extend([A, B]);
    world.join(A);
    world.join(B);
    assert_eq!(world.node(A).vl2.always_contact(), [B]);
    let now = world.now;
    world.node(A).wire.latencies.insert(B, Duration::from_millis(3));
    let verdict = world.node(A).frame(now, mac(A), Mac::BROADCAST, 0x0800, b"x");
    assert_eq!(verdict, FrameVerdict::Sent(1));
    let sent = world.node(A).take_sent(Verb::MULTICAST_FRAME);
    assert_eq!(sent[0].payload[8], 0x0c);
    // The replicator sends on to the others, not back.
    world.exchange();
    let later = now.plus(Duration::from_secs(1));
    let com = world.authority.membership(CONTROLLER, now.unix_ms);
    let node = world.node(B);
    let body = zt_wire::verb::NetworkCredentials { memberships: vec![com], ..Default::default() };
    node.receive_body(later, CONTROLLER, &body);
    node.receive_body(later, CONTROLLER, &like(&[(NET, MulticastGroup::BROADCAST)]));
    node.wire.sent.clear();
    node.receive(later, &sent[0]);
    let copies = node.take_sent(Verb::MULTICAST_FRAME);
    assert_eq!(copies.iter().map(|p| p.to).collect::<Vec<_>>(), [CONTROLLER]);
    assert_eq!(world.delivered(B).len(), 1);
}

fn gathered(in_re_packet: PacketId, network: NetworkId, group: MulticastGroup, members: Vec<Address>) -> Vec<u8> {
    let results = GatherResults { total: members.len() as u32, members };
    let ok = OkMulticastGather { network, group, results, rest: &[] };
    OkReply { in_re_packet, body: OkBody::MulticastGather(ok) }.to_vec()
}

/// Whoever tells a root that it listens to a group of a private network is named by it, and gets nothing all the same.
#[test]
fn a_frame_waits_for_the_certificate_of_its_recipient() {
    let mut world = World::with_members();
    let now = world.now;
    let com = world.authority.membership(B, now.unix_ms);
    let node = world.node(A);
    assert_eq!(node.frame(now, mac(A), Mac::BROADCAST, 0x0800, b"secret"), FrameVerdict::Sent(0));
    let asked = node.take_sent(Verb::MULTICAST_GATHER);
    let payload = gathered(asked[0].id, NET, MulticastGroup::BROADCAST, vec![B]);
    let answer = crate::world::Sent { from: CONTROLLER, to: A, verb: Verb::OK, payload, ..asked[0].clone() };
    node.wire.sent.clear();
    node.receive(now, &answer);
    assert!(node.take_sent(Verb::MULTICAST_FRAME).is_empty(), "B has shown nothing");
    // It is asked for its certificate, and shown ours, once a second.
    let to = |sent: Vec<crate::world::Sent>| sent.into_iter().map(|p| p.to).collect::<Vec<_>>();
    assert_eq!(to(node.take_sent(Verb::ERROR)), [B]);
    assert_eq!(to(node.take_sent(Verb::NETWORK_CREDENTIALS)), [B]);
    assert_eq!(node.frame(now, mac(A), Mac::BROADCAST, 0x0800, b"more"), FrameVerdict::Sent(0));
    assert!(node.take_sent(Verb::MULTICAST_FRAME).is_empty() && node.take_sent(Verb::ERROR).is_empty());
    assert!(node.drops("recipient without certificate") > 0);
    // One that does not agree opens nothing.
    let old = zt_wire::verb::NetworkCredentials {
        memberships: vec![world.authority.membership(B, now.unix_ms - 3_600_000)],
        ..Default::default()
    };
    let node = world.node(A);
    node.receive_body(now, B, &old);
    assert!(node.take_sent(Verb::MULTICAST_FRAME).is_empty());
    // The right one does, for all that waited.
    let good = zt_wire::verb::NetworkCredentials { memberships: vec![com], ..Default::default() };
    let later = now.plus(Duration::from_millis(1_000));
    node.receive_body(later, B, &good);
    assert_eq!(to(node.take_sent(Verb::MULTICAST_FRAME)), [B, B]);
}

#[test]
fn a_root_that_is_a_member_sends_nothing_to_strangers_who_subscribe() {
    let mut world = World::with_members();
    let now = world.now;
    let node = world.node(A);
    node.wire.root = true;
    node.receive_body(now, B, &like(&[(NET, MulticastGroup::BROADCAST)]));
    assert_eq!(node.vl2.subscription_count(), 1, "it is filed, for others to ask about");
    node.wire.sent.clear();
    assert_eq!(node.frame(now, mac(A), Mac::BROADCAST, 0x0800, b"secret"), FrameVerdict::Sent(0));
    assert!(node.take_sent(Verb::MULTICAST_FRAME).is_empty());
}

#[test]
fn a_public_network_needs_no_certificate() {
    let mut world = World::new();
    world.authority.template.kind = NetworkType::Public;
    world.authority.authorised.extend([A, B]);
    world.join(A);
    let now = world.now;
    let node = world.node(A);
    node.receive_body(now, B, &like(&[(NET, MulticastGroup::BROADCAST)]));
    assert_eq!(node.frame(now, mac(A), Mac::BROADCAST, 0x0800, b"open"), FrameVerdict::Sent(1));
}

#[test]
fn answers_are_bound_to_what_was_asked() {
    let mut world = talking();
    let now = world.now;
    let stranger = Address::new(0x99_0000_0007);
    let node = world.node(A);
    node.frame(now, mac(A), Mac::BROADCAST, 0x0800, b"x");
    let asked = node.take_sent(Verb::MULTICAST_GATHER).remove(0);
    let sent = node.take_sent(Verb::MULTICAST_FRAME);
    let count = node.vl2.subscription_count();
    let mut hear = |from, id, group, members: Vec<Address>| {
        let payload = gathered(id, NET, group, members);
        let answer = crate::world::Sent { from, to: A, verb: Verb::OK, payload, ..asked.clone() };
        node.receive(now, &answer);
        node.vl2.subscription_count() - count
    };
    // By a member that got a frame, but about another group; and by one that was not asked at all.
    assert_eq!(hear(B, sent.first().map_or(asked.id, |p| p.id), group(9), vec![stranger]), 0);
    assert_eq!(hear(Address::new(0xdf_a68a_e067), asked.id, group(8), vec![stranger]), 0);
    // The one that was asked is believed, up to the number that was asked for.
    let many: Vec<_> = (0..500).map(|n| Address::new(0x99_0000_1000 + n)).collect();
    let learned = hear(CONTROLLER, asked.id, MulticastGroup::BROADCAST, many);
    assert!((1..=33).contains(&learned), "{learned}");
    assert_eq!(node.drops("members not asked for"), 2);
}

/// A public network, in which nobody needs a certificate.
fn public(limit: u32, specialists: Vec<Specialist>) -> World {
    let mut world = World::new();
    world.authority.template.kind = NetworkType::Public;
    world.authority.template.multicast_limit = limit;
    world.authority.template.specialists = specialists;
    world.authority.authorised.extend([A, B]);
    world.join(A);
    world.join(B);
    world
}

#[test]
fn what_a_replicator_passes_on_is_taken_and_teaches_no_bridge() {
    let others = Mac([0x0a, 1, 2, 3, 4, 5]);
    for (role, taken) in [(Specialist::MULTICAST_REPLICATOR, 2), (0, 0)] {
        let mut world = public(32, vec![Specialist::new(B, role)]);
        let now = world.now;
        for source in [mac(CONTROLLER), others] {
            let body = MulticastFrame {
                network: NET,
                source: Some(source),
                group: MulticastGroup::BROADCAST,
                ethertype: 0x0800,
                payload: b"passed on",
                ..Default::default()
            };
            world.node(A).receive_body(now, B, &body);
        }
        assert_eq!(world.delivered(A).len(), taken, "{role:x}");
        assert_eq!(world.node(A).drops("bridging not allowed (remote)"), 2 - taken as u64);
        assert_eq!(world.node(A).network().bridge_route_count(), 0);
    }
}

#[test]
fn no_more_copies_leave_than_the_limit_and_bridges_are_among_them() {
    let bridge = Address::new(0x77_0000_0001);
    let mut world = public(3, vec![Specialist::new(bridge, Specialist::ACTIVE_BRIDGE)]);
    let now = world.now;
    world.node(A).frame(now, mac(A), Mac::BROADCAST, 0x0800, b"who is there");
    let gather = world.node(A).take_sent(Verb::MULTICAST_GATHER).remove(0);
    world.node(A).wire.sent.clear();
    let members: Vec<Address> = (1..=4).map(|n| Address::new(0x66_0000_0000 + n)).collect();
    let payload = gathered(gather.id, NET, MulticastGroup::BROADCAST, members);
    let answer = crate::world::Sent { from: gather.to, to: A, verb: Verb::OK, payload, ..gather };
    world.node(A).receive(now, &answer);
    world.node(A).wire.sent.clear();
    assert_eq!(world.node(A).frame(now, mac(A), Mac::BROADCAST, 0x0800, b"x"), FrameVerdict::Sent(3));
    let copies = world.node(A).take_sent(Verb::MULTICAST_FRAME);
    assert_eq!((copies.len(), copies[0].to), (3, bridge));
    assert_eq!(copies[0].payload[8], 0x02, "and asks for one more member");
}

#[test]
fn a_frame_of_a_group_is_delivered_whether_or_not_the_port_listens() {
    let mut world = talking();
    let now = world.now;
    let group = MulticastGroup { mac: Mac([0x33, 0x33, 0, 0, 0, 0x99]), adi: 0 };
    let body = MulticastFrame { network: NET, group, ethertype: 0x86dd, payload: b"x", ..Default::default() };
    world.node(B).receive_body(now, A, &body);
    assert_eq!(world.delivered(B).len(), 1);
}

#[test]
fn who_does_not_want_a_group_gets_no_copies_any_more() {
    let mut world = talking();
    let now = world.now;
    let node = world.node(A);
    node.receive_body(now, B, &like(&[(NET, MulticastGroup::BROADCAST)]));
    assert_eq!(node.frame(now, mac(A), Mac::BROADCAST, 0x0800, b"x"), FrameVerdict::Sent(1));
    let unwanted = ErrorReply {
        in_re_verb: Verb::MULTICAST_FRAME,
        in_re_packet: PacketId(9),
        code: ErrorCode::UNWANTED_MULTICAST,
        detail: ErrorDetail::Group(NET, MulticastGroup::BROADCAST),
        ..ErrorReply::network_error(Verb::MULTICAST_FRAME, PacketId(9), ErrorCode::UNWANTED_MULTICAST, NET)
    };
    node.receive_body(now, B, &unwanted);
    assert_eq!(node.frame(now, mac(A), Mac::BROADCAST, 0x0800, b"x"), FrameVerdict::Sent(0));
}
