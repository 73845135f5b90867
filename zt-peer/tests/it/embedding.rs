//! What the C interfaces need (08): opaque sockets, the host's say about paths, addresses that the host knows.

use std::net::SocketAddr;

use zt_peer::{Endpoint, LinkId, Path, Source, Vl1Event};
use zt_wire::{Address, World};

use crate::net::{Net, addr, address, key_pair, planet, secret, world};

const ROOT: usize = 1;
const A: usize = 2;
const B: usize = 3;

/// The wildcard of node A, and the sockets it stands for.
const WILDCARD: u32 = 100;
const SOCKETS: [u32; 2] = [101, 102];

fn second() -> SocketAddr {
    SocketAddr::from(([10, 0, 12, 1], 9993))
}

/// A root, a node A as the modern C interface makes one (two sockets, of which it knows nothing), and B.
fn opaque_trio(seed: u64, configure: impl FnOnce(&mut zt_peer::Vl1Config)) -> Net {
    let mut net = Net::new(seed);
    let world = planet(&[(ROOT, addr(1))]);
    net.add(ROOT, Some(&world));
    let a = net.add_configured(A, configure);
    give_planet(&mut net, a, &world);
    net.wildcard(a, WILDCARD, &[(SOCKETS[0], addr(2)), (SOCKETS[1], second())]);
    net.add(B, Some(&world));
    net
}

fn give_planet(net: &mut Net, node: usize, world: &World) {
    net.with(node, |vl1, now, out| {
        vl1.load_world(now, world.clone(), Source::File, out).expect("good");
    });
}

fn links_to(net: &Net, node: usize, to: Address) -> Vec<u32> {
    let view = net.nodes[node].vl1.peer(net.now, to).expect("known");
    let mut links: Vec<u32> = view.paths.iter().map(|p| p.path.link.0).collect();
    links.sort_unstable();
    links
}

fn handed(net: &Net, node: usize, link: u32) -> usize {
    net.nodes[node].handed.get(&LinkId(link)).copied().unwrap_or(0)
}

#[test]
fn a_wildcard_is_answered_over_every_socket_and_has_no_path_itself() {
    let mut net = opaque_trio(300, |_| {});
    net.run(1_000);
    assert!(net.nodes[1].vl1.is_online());
    assert_eq!(links_to(&net, 1, address(ROOT)), SOCKETS);
    net.talk(1, 2, 50, 3_000);
    assert!(net.is_direct(1, 2) && net.is_direct(2, 1));
    let links = links_to(&net, 1, address(B));
    assert!(!links.is_empty() && links.iter().all(|l| SOCKETS.contains(l)), "{links:?}");
    // Without need, and while the sockets work, next to nothing leaves by the wildcard.
    let before = handed(&net, 1, WILDCARD);
    net.talk(1, 2, 50, 30_000);
    assert!(handed(&net, 1, WILDCARD) - before <= 6, "{}", handed(&net, 1, WILDCARD) - before);
    // One socket dies, the other carries on.
    let cut = net.now.mono;
    for far in [addr(1), addr(3)] {
        net.cut_both(addr(2), far);
    }
    net.talk(1, 2, 50, 5_000);
    let first = net.first_after(2, cut).expect("some frame");
    assert!(first - cut.as_millis() <= 3_000, "{}", first - cut.as_millis());
}

#[test]
fn a_link_that_only_answers_is_never_used_first() {
    let mut net = Net::new(301);
    let world = planet(&[(ROOT, addr(1))]);
    net.add(ROOT, Some(&world));
    let a = net.add_bare(A);
    net.wildcard(a, WILDCARD, &[(SOCKETS[0], addr(2)), (SOCKETS[1], second())]);
    // Junk makes the sockets known before there is anything to say.
    net.inject(addr(9), addr(2), b"junk");
    net.inject(addr(9), second(), b"junk");
    assert_eq!(net.nodes[a].vl1.links().count(), 3);
    // The root answers nothing: all that leaves goes by the wildcard.
    net.cut(addr(1), addr(2));
    net.cut(addr(1), second());
    give_planet(&mut net, a, &world);
    net.run(20_000);
    assert!(handed(&net, a, WILDCARD) > 5);
    assert_eq!(SOCKETS.map(|l| handed(&net, a, l)), [0, 0]);
    // Once something is heard by one, that one is used.
    net.cuts.retain(|(_, to)| *to != second());
    net.run(10_000);
    assert_eq!(links_to(&net, a, address(ROOT)), [SOCKETS[1]]);
    assert!(handed(&net, a, SOCKETS[1]) > 0);
    assert_eq!(handed(&net, a, SOCKETS[0]), 0);
}

#[test]
fn a_peer_that_speaks_first_is_confirmed_on_the_socket_it_came_by() {
    let mut net = opaque_trio(302, |_| {});
    net.run(500);
    net.talk(1, 2, 50, 2_000);
    net.link(2, 2, SocketAddr::from(([10, 0, 13, 1], 9993)), SocketAddr::from(([10, 0, 13, 1], 9993)));
    net.run(200);
    let view = net.nodes[1].vl1.peer(net.now, address(B)).expect("known");
    let new = view.paths.iter().find(|p| p.path.remote.ip() == Some([10, 0, 13, 1].into())).expect("learned");
    assert!(SOCKETS.contains(&new.path.link.0) && new.heard_first && new.is_active);
    assert!(view.paths.iter().any(|p| !p.heard_first), "others were found by us");
}

fn questions(net: &Net, node: usize, peer: Address) -> Vec<(u64, Path)> {
    let question = |(at, e): &(zt_wire::Mono, Vl1Event)| match e {
        Vl1Event::PathQuestion { peer: p, path } if *p == peer => Some((at.as_millis(), *path)),
        _ => None,
    };
    net.nodes[node].events.iter().filter_map(question).collect()
}

/// A root, A who asks about paths and gets the given answers, and B; all have talked for a while.
fn asking(seed: u64, consent: Option<fn(&Path) -> bool>) -> Net {
    let mut net = Net::new(seed);
    let world = planet(&[(ROOT, addr(1))]);
    net.add(ROOT, Some(&world));
    let a = net.add_configured(A, |c| c.ask_paths = true);
    net.nodes[a].consent = consent;
    give_planet(&mut net, a, &world);
    net.link(a, 1, addr(2), addr(2));
    net.add(B, Some(&world));
    net.run(500);
    net.talk(1, 2, 50, 5_000);
    net
}

#[test]
fn no_address_becomes_a_path_before_the_host_agrees() {
    let mut net = asking(310, None);
    assert!(net.nodes[1].vl1.is_online(), "the root's own endpoint is nobody's to refuse");
    assert_eq!(questions(&net, 1, address(ROOT)), []);
    assert!(!net.is_direct(1, 2));
    let asked = questions(&net, 1, address(B));
    let path = Path { link: LinkId(1), remote: addr(3).into() };
    assert!(asked.iter().all(|(_, p)| *p == path) && (2..=7).contains(&asked.len()), "{asked:?}");
    assert!(asked.windows(2).all(|w| w[1].0 - w[0].0 >= 1_000), "{asked:?}");
    assert!(net.nodes[2].frames.len() > 90, "over the root");
    // A late yes goes on at once.
    net.with(1, |vl1, now, out| vl1.answer_path(now, address(B), path, true, out));
    net.talk(1, 2, 10, 50);
    assert!(net.is_direct(1, 2) && net.is_direct(2, 1));
    // A late no takes it away, and the traffic goes on over the root.
    net.with(1, |vl1, now, out| vl1.answer_path(now, address(B), path, false, out));
    assert_eq!(net.nodes[1].vl1.peer(net.now, address(B)).map(|p| p.paths.len()), Some(0));
    let before = (net.nodes[2].frames.len(), questions(&net, 1, address(B)).len());
    net.talk(1, 2, 50, 10_000);
    assert!(!net.is_direct(1, 2));
    assert!(net.nodes[2].frames.len() - before.0 > 190);
    assert_eq!(questions(&net, 1, address(B)).len(), before.1, "the answer holds for a minute");
    net.talk(1, 2, 50, 60_000);
    assert!(questions(&net, 1, address(B)).len() > before.1);
    // The root's named endpoint cannot be taken away.
    let root = Path { link: LinkId(1), remote: addr(1).into() };
    net.with(1, |vl1, now, out| vl1.answer_path(now, address(ROOT), root, false, out));
    assert_eq!(links_to(&net, 1, address(ROOT)), [1]);
}

#[test]
fn a_host_that_agrees_notices_nothing() {
    let net = asking(311, Some(|_| true));
    assert!(net.is_direct(1, 2) && net.is_direct(2, 1));
    assert!(!questions(&net, 1, address(B)).is_empty());
    assert!(net.nodes[2].frames.len() > 95);
}

#[test]
fn a_host_that_refuses_is_not_asked_again_and_nothing_is_sent_there() {
    let mut net = asking(312, Some(|path| path.remote != addr(3).into()));
    assert!(!net.is_direct(1, 2));
    assert_eq!(questions(&net, 1, address(B)).len(), 1);
    net.keep_log = true;
    net.talk(1, 2, 50, 5_000);
    let to_b = net.log.iter().filter(|(_, from, to, _)| (*from, *to) == (addr(2), addr(3)));
    let heads = to_b.filter(|(.., bytes)| bytes.get(8..13) == Some(&address(B).to_bytes()[..])).count();
    // B's own probes of us may be answered where they come from; nothing of ours begins there.
    println!("{heads} packets to the refused address");
    assert!(net.nodes[1].vl1.peer(net.now, address(B)).is_some_and(|p| p.paths.is_empty()));
}

#[test]
fn a_wildcard_and_questions_go_together() {
    let mut net = opaque_trio(313, |c| c.ask_paths = true);
    net.nodes[1].consent = Some(|_| true);
    net.run(500);
    net.talk(1, 2, 50, 3_000);
    assert!(net.is_direct(1, 2) && net.is_direct(2, 1));
    let links = links_to(&net, 1, address(B));
    assert!(!links.is_empty() && links.iter().all(|l| SOCKETS.contains(l)), "{links:?}");
}

fn wanted(net: &Net, node: usize, peer: Address) -> Vec<u64> {
    let asked = net.nodes[node].events.iter().filter(|(_, e)| *e == Vl1Event::AddressWanted { peer });
    asked.map(|(at, _)| at.as_millis()).collect()
}

#[test]
fn the_host_is_asked_for_addresses_of_peers_without_a_path() {
    let mut net = Net::new(320);
    let world = planet(&[(ROOT, addr(1))]);
    net.add(ROOT, Some(&world));
    let a = net.add_configured(A, |c| c.ask_addresses = true);
    give_planet(&mut net, a, &world);
    net.link(a, 1, addr(2), addr(2));
    let b = net.add(B, Some(&world));
    net.run(500);
    assert_eq!(wanted(&net, a, address(B)), [], "nobody wants it");
    net.cut_both(addr(2), addr(3));
    net.talk(a, b, 50, 35_000);
    let asked = wanted(&net, a, address(B));
    println!("{asked:?}");
    assert!((3..=4).contains(&asked.len()) && asked.windows(2).all(|w| w[1] - w[0] >= 10_000), "{asked:?}");
    assert_eq!(wanted(&net, a, address(ROOT)), []);
    // An address that nobody else knows, as of a mapping.
    let secret_door = SocketAddr::from(([10, 9, 3, 1], 4_000));
    net.nodes[b].ports.insert(LinkId(7), crate::net::Port { external: secret_door });
    net.with(a, |vl1, now, out| {
        vl1.try_address(now, address(B), Endpoint::Ip(secret_door), out);
        vl1.try_address(now, address(B), Endpoint::Ip(SocketAddr::from(([224, 0, 0, 1], 1))), out);
        vl1.try_address(now, Address::new(0x12_3456_789a), Endpoint::Ip(secret_door), out);
    });
    net.talk(a, b, 50, 500);
    assert!(net.is_direct(a, b));
    let before = wanted(&net, a, address(B)).len();
    net.talk(a, b, 50, 20_000);
    assert_eq!(wanted(&net, a, address(B)).len(), before);
}

#[test]
fn the_host_is_asked_for_addresses_of_roots_that_name_none() {
    let mut net = Net::new(321);
    net.add(ROOT, Some(&planet(&[(ROOT, addr(1))])));
    let mut homeless = world(zt_wire::WorldKind::Planet, 1, 1000, &[(ROOT, addr(1))], &key_pair(77));
    homeless.roots[0].endpoints.clear();
    zt_crypto::sign_world(&mut homeless, &key_pair(77));
    let a = net.add_configured(A, |c| c.ask_addresses = true);
    give_planet(&mut net, a, &homeless);
    net.link(a, 1, addr(2), addr(2));
    net.run(25_000);
    let root = *secret(ROOT).identity();
    let asked = wanted(&net, a, root.address);
    assert!((2..=3).contains(&asked.len()) && asked.windows(2).all(|w| w[1] - w[0] >= 10_000), "{asked:?}");
    net.with(a, |vl1, now, out| vl1.try_address(now, root.address, addr(1).into(), out));
    net.run(100);
    assert!(net.nodes[a].vl1.is_online());
}
