//! Links that carry connections: an address there is the name of a connection, and a connection ends.

use std::net::SocketAddr;

use zt_peer::{Endpoint, Link, LinkId, LinkKind, LinkRole, Path};

use crate::contact::trio;
use crate::net::{Net, addr};

const OUT: LinkId = LinkId(9);
const IN: LinkId = LinkId(8);

/// Where the root listens, and what it sees of the connection of node 1.
fn listener() -> SocketAddr {
    SocketAddr::from(([10, 0, 1, 1], 443))
}

fn connection() -> SocketAddr {
    SocketAddr::from(([10, 0, 2, 1], 40_000))
}

/// A [`trio`] whose node 1 has no UDP, but a connection to the root.
fn over_tcp(seed: u64) -> Net {
    let mut net = trio(seed);
    net.keep_log = true;
    let ours = SocketAddr::from(([10, 7, 2, 1], 1));
    let local = Endpoint::Ip(SocketAddr::from(([0, 0, 0, 0], 0)));
    let (out, in_) = ((LinkKind::TcpOut, LinkRole::Full), (LinkKind::TcpIn, LinkRole::AnswerOnly));
    net.tunnel((ours, connection()), (listener(), addr(1)));
    net.link_of_kind(0, Link { id: IN, kind: in_.0, rank: 1, role: in_.1, local, mtu: 0 }, listener());
    net.cut_both(ours, addr(3));
    net.link_of_kind(1, Link { id: OUT, kind: out.0, rank: 1, role: out.1, local, mtu: 0 }, ours);
    net.run(500);
    net.talk(1, 2, 50, 5_000);
    for other in [addr(1), addr(3)] {
        net.cut_both(addr(2), other);
    }
    net.talk(1, 2, 50, 10_000);
    net
}

fn route(net: &Net, node: usize, to: usize) -> Option<Path> {
    let to = net.nodes[to].vl1.address();
    let view = net.nodes[node].vl1.peer(net.now, to)?;
    view.paths.into_iter().find(|p| p.preferred).map(|p| p.path)
}

#[test]
fn a_member_without_udp_is_reached_over_its_connection_to_the_root() {
    let mut net = over_tcp(400);
    let to_root = Path { link: OUT, remote: addr(1).into() };
    let to_member = Path { link: IN, remote: connection().into() };
    assert_eq!((route(&net, 1, 0), route(&net, 0, 1)), (Some(to_root), Some(to_member)));
    assert_eq!((route(&net, 1, 2), route(&net, 2, 1)), (None, None), "they reach each other over the root");
    let before = (net.nodes[1].frames.len(), net.nodes[2].frames.len());
    net.talk(1, 2, 50, 2_000);
    let after = (net.nodes[1].frames.len(), net.nodes[2].frames.len());
    assert_eq!((after.0 - before.0, after.1 - before.1), (40, 40));
}

#[test]
fn addresses_of_connections_are_told_to_nobody() {
    let mut net = over_tcp(401);
    net.talk(1, 2, 50, 60_000);
    let tried = net.log.iter().filter(|(_, from, to, _)| *to == connection() && from.ip() != listener().ip());
    assert_eq!(tried.count(), 0, "nobody tries to reach it where the root sees its connection");
    let seen = net.nodes[1].vl1.surface_addresses(net.now);
    assert!(!seen.contains(&connection()), "{seen:?}");
    // Nor is it kept for later.
    let member = net.nodes[1].vl1.address();
    net.with(0, |vl1, _, _| vl1.persist_peers());
    net.run(10);
    let record = net.nodes[0].records.get(&member).cloned().unwrap_or_default();
    assert!(!record.windows(6).any(|w| w == [10, 0, 2, 1, 0x9c, 0x40]), "{record:?}");
}

#[test]
fn a_root_whose_connection_ended_is_asked_at_once_by_a_new_one() {
    let mut net = over_tcp(402);
    let path = route(&net, 1, 0).expect("a way");
    let handed = net.nodes[1].handed.get(&OUT).copied();
    net.with(1, |vl1, now, out| vl1.path_down(now, path, out));
    assert_eq!(route(&net, 1, 0), None);
    assert!(net.nodes[1].handed.get(&OUT).copied() > handed, "the question is what makes the source connect");
    net.run(100);
    assert_eq!(route(&net, 1, 0), Some(path));
    assert_eq!(net.nodes[1].vl1.level(), 1, "that is no news about the level");
}

#[test]
fn a_connection_that_both_sides_know_to_be_gone_costs_a_moment() {
    let mut net = over_tcp(403);
    // The end of the connection is known at once at the root, too: nothing more goes there.
    let path = route(&net, 0, 1).expect("a way");
    net.with(0, |vl1, now, out| vl1.path_down(now, path, out));
    assert_ne!(route(&net, 0, 1), Some(path));
    let lost = net.now.mono;
    net.with(1, |vl1, now, out| {
        let path = Path { link: OUT, remote: addr(1).into() };
        vl1.path_down(now, path, out);
    });
    net.talk(1, 2, 20, 1_000);
    assert!(net.outage(1, lost) <= 100, "{}", net.outage(1, lost));
    assert_eq!(route(&net, 0, 1), Some(path));
}
