//! Joining, being refused, refreshing, leaving.

use zt_netconf::{LocalAnswer, NetworkConfig, NetworkStatus, SendOptions, Verdict, Vl2Event};
use zt_wire::verb::{ConfigChunk, ErrorCode, ErrorReply};
use zt_wire::{Emit, NetworkId, PacketId, Verb};

use crate::world::{A, Authority, B, CONTROLLER, NET, Node, START, World};

#[test]
fn joining_asks_and_applies_the_answer() {
    let mut world = World::with_members();
    let node = world.node(A);
    assert_eq!(node.network().status(), NetworkStatus::Ok);
    let config = node.network().config().expect("a configuration").clone();
    assert_eq!(config.issued_to, A);
    assert_eq!(node.events[0], Vl2Event::Up { network: NET });
    assert!(node.events.contains(&Vl2Event::ConfigUpdated { network: NET }));
    let saved = node.events.iter().rev().find_map(|event| match event {
        Vl2Event::Persist { text, .. } => Some(text.clone()),
        _ => None,
    });
    assert_eq!(NetworkConfig::from_text(&saved.expect("something to keep")).as_ref(), Ok(&config));
}

#[test]
fn an_unanswered_request_is_repeated_with_growing_waits() {
    let mut node = Node::new(A);
    let world = World::new();
    node.join(world.now);
    let mut times = vec![];
    let mut now = world.now;
    while times.len() < 8 {
        times.extend(node.take_sent(Verb::NETWORK_CONFIG_REQUEST).iter().map(|_| now.mono.as_millis() - 1000));
        let (at, _) = node.vl2.poll_timeout().expect("something to do");
        now = now.plus(at.saturating_since(now.mono));
        node.vl2.handle_timeout(now, &mut node.wire);
    }
    assert_eq!(times, [0, 250, 750, 1750, 3750, 8750, 13_750, 18_750]);
}

#[test]
fn a_saved_configuration_works_at_once_and_is_renewed_at_once() {
    let authority = Authority::new();
    let mut node = Node::new(A);
    let text = authority.config(A, START - 1000).to_text();
    node.vl2.join(World::new().now, NET, Some(&text), &mut node.wire);
    assert_eq!(node.network().status(), NetworkStatus::Ok);
    assert_eq!(node.network().last_update(), None);
    let asked = node.take_sent(Verb::NETWORK_CONFIG_REQUEST);
    assert_eq!(asked.len(), 1);
    assert_eq!(asked[0].options, SendOptions { compress: true, expect_reply: true });
}

#[test]
fn junk_on_disk_is_no_configuration_and_no_panic() {
    for text in [&b"\n"[..], b"", b"v=7\nnwid=", &[0xff; 300], b"v=7\nnwid=6250c6ccf3000001\nid=zz\nR=\x01"] {
        let mut node = Node::new(A);
        node.vl2.join(World::new().now, NET, Some(text), &mut node.wire);
        assert_eq!(node.network().status(), NetworkStatus::RequestingConfiguration);
    }
}

#[test]
fn a_refusal_is_shown_and_authorisation_noticed_within_2_seconds() {
    let mut world = World::new();
    world.join(A);
    assert_eq!(world.node(A).network().status(), NetworkStatus::AccessDenied);
    world.run(20_000);
    let asked = world.log.iter().filter(|packet| packet.verb == Verb::NETWORK_CONFIG_REQUEST).count();
    assert!((10..=12).contains(&asked), "{asked} requests in 20 s");
    world.authority.authorised.insert(A);
    world.run(2_000);
    assert_eq!(world.node(A).network().status(), NetworkStatus::Ok);
}

#[test]
fn a_refused_member_keeps_its_configuration() {
    let mut world = World::with_members();
    world.authority.authorised.clear();
    world.run(61_000);
    let network = world.node(A).network();
    assert_eq!(network.status(), NetworkStatus::AccessDenied);
    assert!(network.config().is_some());
}

#[test]
fn the_configuration_is_refreshed_every_minute() {
    let mut world = World::with_members();
    world.run(61_000);
    let config = world.node(A).network().config().expect("a configuration");
    assert!(config.timestamp >= START + 60_000);
}

#[test]
fn errors_count_only_from_the_controller() {
    let mut world = World::with_members();
    let now = world.now;
    let node = world.node(A);
    let denied = |code| ErrorReply::network_error(Verb::NETWORK_CONFIG_REQUEST, PacketId(1), code, NET);
    let verdict = node.receive_body(now, B, &denied(ErrorCode::NETWORK_ACCESS_DENIED));
    assert_eq!(verdict, Verdict::Accepted { trust: false });
    assert_eq!(node.drops("not from or for the controller"), 1);
    assert_eq!(node.network().status(), NetworkStatus::Ok);
    node.receive_body(now, CONTROLLER, &denied(ErrorCode::OBJ_NOT_FOUND));
    assert_eq!(node.network().status(), NetworkStatus::NotFound);
    node.receive_body(now, CONTROLLER, &denied(ErrorCode::UNSUPPORTED_OPERATION));
    assert_eq!(node.network().status(), NetworkStatus::NotFound);
    let data = b"aV=1\niU=https://x\naSSOp=";
    node.receive_body(now, CONTROLLER, &ErrorReply::authentication_required(PacketId(1), NET, Some(data)));
    assert_eq!(node.network().status(), NetworkStatus::AuthenticationRequired);
    node.vl2.set_port_error(NET, Some(-1));
    assert_eq!(node.network().status(), NetworkStatus::PortError);
    node.vl2.set_port_error(NET, None);
    assert_eq!(node.network().status(), NetworkStatus::AuthenticationRequired);
}

/// Hands every chunk to the node as a push of `from`.
fn push(node: &mut Node, world: &mut World, text: &[u8], size: usize, from: zt_wire::Address) {
    let now = world.now;
    world.authority.chunks(text, size, 0, |chunk| {
        node.receive_body(now, from, &chunk);
    });
}

#[test]
fn pushes_from_anybody_count_when_signed_and_never_go_back() {
    let mut world = World::with_members();
    let mut node = world.nodes.remove(&A).expect("node A");
    let newer = world.authority.config(A, START + 5);
    push(&mut node, &mut world, &newer.to_text(), 100, B);
    assert_eq!(node.network().config(), Some(&newer));
    let acknowledged = node.take_sent(Verb::OK);
    assert_eq!(acknowledged.len(), 1);
    assert_eq!(acknowledged[0].payload[0], 8, "an OK to ECHO");
    let older = world.authority.config(A, START - 5);
    push(&mut node, &mut world, &older.to_text(), 100, CONTROLLER);
    assert_eq!(node.network().config(), Some(&newer));
    assert_eq!(node.drops("configuration older than ours"), 1);
    let foreign = world.authority.config(B, START + 9);
    push(&mut node, &mut world, &foreign.to_text(), 1000, CONTROLLER);
    assert_eq!(node.drops("configuration for another node or network"), 1);
}

#[test]
fn chunks_that_are_not_signed_by_the_controller_change_nothing() {
    let mut world = World::with_members();
    let now = world.now;
    let newer = world.authority.config(A, START + 5);
    let before = world.node(A).network().config().cloned();
    world.authority.secret = crate::world::secret(B);
    let mut node = world.nodes.remove(&A).expect("node A");
    push(&mut node, &mut world, &newer.to_text(), 10_000, CONTROLLER);
    assert_eq!(node.drops("configuration not signed by controller"), 1);
    let text = newer.to_text();
    let legacy = ConfigChunk { network: NET, data: &text, seal: None, rest: &[] };
    node.receive_body(now, B, &legacy);
    assert_eq!(node.drops("unsigned configuration not from controller"), 1);
    assert_eq!(node.network().config().cloned(), before);
    node.receive_body(now, CONTROLLER, &legacy);
    assert_eq!(node.network().config(), Some(&newer), "the controller itself may use the legacy form");
}

#[test]
fn forged_chunks_of_one_peer_are_looked_at_once_a_second() {
    let mut world = World::with_members();
    let now = world.now;
    let newer = world.authority.config(A, START + 5);
    let mut node = world.nodes.remove(&A).expect("node A");
    let honest = std::mem::replace(&mut world.authority.secret, crate::world::secret(B));
    for _ in 0..50 {
        push(&mut node, &mut world, &newer.to_text(), 10_000, B);
    }
    assert_eq!(node.drops("configuration not signed by controller"), 50);
    world.authority.secret = honest;
    let before = node.network().config().cloned();
    push(&mut node, &mut world, &newer.to_text(), 200, B);
    assert_eq!(node.network().config().cloned(), before, "not looked at");
    world.now = now.plus(std::time::Duration::from_secs(1));
    push(&mut node, &mut world, &newer.to_text(), 200, B);
    assert_eq!(node.network().config(), Some(&newer), "what is signed counts, in however many chunks");
}

#[test]
fn fast_propagated_chunks_reach_the_other_members() {
    let mut world = World::with_members();
    world.unicast(A, B, b"hello");
    let now = world.now;
    let newer = world.authority.config(A, START + 5).to_text();
    let node = world.nodes.get_mut(&A).expect("node A");
    world.authority.chunks(&newer, 10_000, 1, |chunk| {
        node.receive_body(now, CONTROLLER, &chunk);
        assert_eq!(node.wire.sent[0].to, B);
        assert_eq!(node.wire.sent[0].payload, chunk.to_vec());
        node.wire.sent.clear();
        node.receive_body(now, CONTROLLER, &chunk);
        assert!(node.take_sent(Verb::NETWORK_CONFIG).is_empty(), "only once");
    });
}

#[test]
fn leaving_forgets_everything() {
    let mut world = World::with_members();
    let node = world.node(A);
    node.vl2.leave(NET);
    node.collect();
    assert_eq!(node.events.last(), Some(&Vl2Event::Down { network: NET }));
    assert!(node.vl2.network(NET).is_none());
    assert_eq!(node.vl2.subscription_count(), 0);
}

#[test]
fn the_own_controller_is_asked_in_process() {
    let mut node = Node::new(A);
    let own = NetworkId(A.as_u64() << 24 | 5);
    let now = World::new().now;
    node.vl2.join(now, own, None, &mut node.wire);
    node.collect();
    assert!(node.wire.sent.is_empty());
    let asked =
        node.events.iter().any(|e| matches!(e, Vl2Event::RequestOwnController { network, .. } if *network == own));
    assert!(asked);
    node.vl2.handle_local_config(now, own, LocalAnswer::NotFound, &mut node.wire);
    assert_eq!(node.vl2.network(own).map(|n| n.status()), Some(NetworkStatus::NotFound));
    let text = NetworkConfig::new(own, A, START).to_text();
    node.vl2.handle_local_config(now, own, LocalAnswer::Text(&text), &mut node.wire);
    assert_eq!(node.vl2.network(own).map(|n| n.status()), Some(NetworkStatus::Ok));
}

#[test]
fn a_node_without_controller_says_so() {
    let mut world = World::with_members();
    let now = world.now;
    let request = zt_wire::verb::NetworkConfigRequest { network: NetworkId(5), ..Default::default() };
    let node = world.node(A);
    node.receive_body(now, B, &request);
    let errors = node.take_sent(Verb::ERROR);
    assert_eq!(errors[0].payload[9], ErrorCode::UNSUPPORTED_OPERATION.0);
}

#[test]
fn ad_hoc_networks_need_nobody() {
    let mut node = Node::new(A);
    let now = World::new().now;
    let join = |node: &mut Node, id: u64| {
        node.vl2.join(now, NetworkId(id), None, &mut node.wire);
        let network = node.vl2.network(NetworkId(id)).expect("joined");
        network.status()
    };
    assert_eq!(join(&mut node, 0xff00_1600_1600_0000), NetworkStatus::Ok);
    assert_eq!(join(&mut node, 0xff00_5000_1000_0000), NetworkStatus::NotFound);
    assert_eq!(join(&mut node, 0xff0a_0000_0000_0001), NetworkStatus::Ok);
    assert_eq!(join(&mut node, 0xff0a_0123_4567_89ff), NetworkStatus::RequestingConfiguration);
    assert!(node.take_sent(Verb::NETWORK_CONFIG_REQUEST).is_empty());
}

#[test]
fn an_ad_hoc_network_passes_its_ports_over_ipv6_and_nothing_over_ipv4() {
    let id = NetworkId(0xff00_1600_1700_0000);
    let now = World::new().now;
    let mut node = Node::new(A);
    node.vl2.join(now, id, None, &mut node.wire);
    let config = node.vl2.network(id).and_then(|network| network.config()).expect("made here");
    assert_eq!(config.name_text(), "adhoc-0016-0017");
    assert_eq!(config.addresses, [zt_wire::InetAddress::V6(id.sixplane(A), 40)]);
    let mac = |address| zt_wire::Mac::for_member(address, id);
    let packet = |protocol: u8, port: u16, flags: u8| {
        let mut packet = [0; 60];
        (packet[0], packet[6], packet[53]) = (0x60, protocol, flags);
        packet[42..44].copy_from_slice(&port.to_be_bytes());
        packet
    };
    let mut passes = |ethertype: u16, payload: &[u8]| {
        let frame = zt_wire::EthernetRef { destination: mac(B), source: mac(A), ethertype, payload };
        let verdict = node.vl2.handle_frame(now, id, frame, &mut node.wire);
        matches!(verdict, zt_netconf::FrameVerdict::Sent(1))
    };
    const SYN: u8 = 0x02;
    let tcp = |passes: &mut dyn FnMut(u16, &[u8]) -> bool, port, flags| passes(0x86dd, &packet(6, port, flags));
    assert!(tcp(&mut passes, 0x16, SYN) && tcp(&mut passes, 0x17, SYN), "the ports of its name");
    assert!(!tcp(&mut passes, 0x18, SYN) && !tcp(&mut passes, 0x15, SYN), "and no others");
    assert!(tcp(&mut passes, 50_000, SYN | 0x10) && tcp(&mut passes, 50_000, 0x10), "answers");
    assert!(passes(0x86dd, &packet(58, 0, 0)), "ICMPv6");
    // Quirk (04 §9): all that is not TCP.
    assert!(passes(0x86dd, &packet(17, 53, 0)));
    assert!(!passes(0x0800, &[0x45; 40]) && !passes(0x0806, &[0; 28]));
}

#[test]
fn becoming_online_announces_and_asks_at_once() {
    let authority = Authority::new();
    let mut node = Node::new(A);
    let root = zt_wire::Address::new(0x99_0000_0001);
    node.wire.roots = vec![root];
    let text = authority.config(A, START - 1000).to_text();
    let now = World::new().now;
    node.vl2.join(now, NET, Some(&text), &mut node.wire);
    let later = now.plus(std::time::Duration::from_millis(4_000));
    node.vl2.handle_timeout(later, &mut node.wire);
    node.wire.sent.clear();
    node.vl2.handle_online(later, &mut node.wire);
    let likes = node.take_sent(Verb::MULTICAST_LIKE);
    assert!(likes.iter().any(|packet| packet.to == root));
    assert_eq!(node.vl2.poll_timeout().map(|(at, _)| at), Some(later.mono));
    node.vl2.handle_timeout(later, &mut node.wire);
    assert_eq!(node.take_sent(Verb::NETWORK_CONFIG_REQUEST).len(), 1);
}
