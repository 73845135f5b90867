//! Links of a kind that the driver does not know: nodes without a UDP socket, on streams over Unix sockets.

use crate::nodes::{LOOPBACK, Node, Store, carry, config, frame, identity, run, until};
use crate::rig::planet;
use crate::stream::{Dialer, Hands, Listener};
use std::net::UdpSocket;
use std::path::PathBuf;
use std::sync::atomic::Ordering;
use tokio::net::UnixListener;
use zt_node::Driver;
use zt_node::driver::LinkSource;
use zt_peer::Endpoint;
use zt_tap::channel::ChannelTap;
use zt_wire::{Address, NetworkId, World};

/// A root and two members, each connected to the root by a stream, and nothing else.
struct Net {
    root: Node,
    members: [Node; 2],
    /// What the test does to the members' ends.
    hands: [Hands; 2],
    _folder: Folder,
}

/// A folder for sockets, gone with the test.
struct Folder(PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("zt-links-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&path).expect("a folder");
        Self(path)
    }
}

fn at(last: u8) -> Endpoint {
    Endpoint::Ip(std::net::SocketAddr::from(([127, 0, 0, last], 1)))
}

/// A node whose only links are those of its sources.
fn start(line: usize, world: &World, links: Vec<Box<dyn LinkSource>>) -> Node {
    let (mut config, taps, host) = config(line, world, 0);
    config.bind = Vec::new();
    config.links = links;
    config.controller = (line == 0).then(|| Box::new(Store { full: false }) as _);
    let (driver, handle) = Driver::new(config).expect("nothing to bind");
    Node { handle, taps, host, state: Default::default(), task: tokio::task::spawn_local(driver.run()) }
}

impl Net {
    fn new(name: &str) -> Self {
        let folder = Folder::new(name);
        let world = planet(&identity(0), at(9).socket_addr().expect("IP"));
        let path = |member: usize| folder.0.join(format!("{member}"));
        let end = |member: usize| at(u8::try_from(member).expect("small"));
        let listen = |member| {
            let listener = UnixListener::bind(path(member)).expect("a socket");
            let (local, remote) = (at(9), end(member));
            Box::new(Listener { listener, local, remote, hands: Hands::default() }) as Box<dyn LinkSource>
        };
        let root = start(0, &world, vec![listen(1), listen(2)]);
        let hands = [Hands::default(), Hands::default()];
        let member = |number: usize| {
            let dialer = Dialer::new(path(number), end(number), at(9), hands[number - 1].clone());
            start(number, &world, vec![Box::new(dialer)])
        };
        let members = [member(1), member(2)];
        Self { root, members, hands, _folder: folder }
    }

    /// All three in a network; its ports: the root's, then the members'.
    async fn join(&self) -> (NetworkId, ChannelTap, [ChannelTap; 2]) {
        let network = self.root.network().await;
        for node in [&self.root, &self.members[0], &self.members[1]] {
            node.online().await;
            node.join(network).await;
            node.becomes("OK").await;
        }
        let ports = [self.members[0].port().await, self.members[1].port().await];
        (network, self.root.port().await, ports)
    }
}

/// Paths of a node to another.
async fn paths(node: &Node, to: usize) -> usize {
    let to: Address = identity(to).address();
    let count = move |engine: &mut zt_node::Engine, now| {
        engine.peers(now).into_iter().find(|peer| peer.address == to).map_or(0, |peer| peer.paths.len())
    };
    node.handle.engine(count).await.expect("it runs")
}

async fn drops(node: &Node, name: &'static str) -> u64 {
    let status = node.handle.control(|control| control.status()).await.expect("it runs");
    status.drops.iter().find(|(drop, _)| drop.name() == name).map_or(0, |(_, count)| *count)
}

#[test]
fn nodes_talk_over_links_of_a_kind_of_the_embedder() {
    run(async {
        let net = Net::new("talk");
        let (network, _, [mut alice, mut bob]) = net.join().await;
        // By way of the root: none of them has another link.
        carry(&mut alice, &mut bob, &frame(network, 1, 2, &[1; 60])).await;
        carry(&mut bob, &mut alice, &frame(network, 2, 1, &[2; 2800])).await;
        let status = net.root.handle.control(|control| control.status()).await.expect("it runs");
        assert!(status.listening_on.is_empty(), "no UDP socket");
        assert!(status.traffic.datagrams_in > 0 && status.traffic.datagrams_out > 0);
    });
}

#[test]
fn a_link_dies_and_comes_back_and_the_other_goes_on() {
    run(async {
        let net = Net::new("die");
        let (network, mut root, [mut alice, mut bob]) = net.join().await;
        carry(&mut root, &mut alice, &frame(network, 0, 1, &[1; 60])).await;
        let [hands, _] = &net.hands;
        hands.is_barred.store(true, Ordering::Relaxed);
        hands.cut();
        // Both ends hear of it at once, and forget the paths by it.
        until(async || paths(&net.members[0], 0).await == 0 && paths(&net.root, 1).await == 0).await;
        carry(&mut root, &mut bob, &frame(network, 0, 2, &[2; 60])).await;
        carry(&mut bob, &mut root, &frame(network, 2, 0, &[3; 60])).await;
        hands.is_barred.store(false, Ordering::Relaxed);
        until(async || paths(&net.members[0], 0).await == 1).await;
        carry(&mut alice, &mut root, &frame(network, 1, 0, &[4; 60])).await;
        carry(&mut root, &mut alice, &frame(network, 0, 1, &[5; 60])).await;
    });
}

#[test]
fn a_link_is_full_and_the_other_goes_on() {
    run(async {
        let net = Net::new("full");
        let (network, mut root, [mut alice, mut bob]) = net.join().await;
        carry(&mut root, &mut alice, &frame(network, 0, 1, &[1; 60])).await;
        carry(&mut root, &mut bob, &frame(network, 0, 2, &[1; 60])).await;
        net.hands[0].is_deaf.store(true, Ordering::Relaxed);
        let much = frame(network, 0, 1, &[2; 2800]);
        while drops(&net.root, "link-queue-full").await == 0 {
            while root.has_room() {
                root.try_send(&much).expect("has room");
            }
        }
        // As full as it can be.
        carry(&mut root, &mut bob, &frame(network, 0, 2, &[3; 2800])).await;
        carry(&mut bob, &mut root, &frame(network, 2, 0, &[4; 60])).await;
        net.hands[0].is_deaf.store(false, Ordering::Relaxed);
        carry(&mut root, &mut alice, &frame(network, 0, 1, &[5; 60])).await;
        carry(&mut alice, &mut root, &frame(network, 1, 0, &[6; 60])).await;
    });
}

#[test]
fn a_worse_link_serves_until_udp_answers() {
    run(async {
        let folder = Folder::new("worse");
        let socket = UdpSocket::bind((LOOPBACK, 0)).expect("a free port");
        let udp = socket.local_addr().expect("bound");
        drop(socket);
        let (world, path) = (planet(&identity(0), udp), folder.0.join("1"));
        let listener = UnixListener::bind(&path).expect("a socket");
        let (local, remote) = (Endpoint::Ip(udp), at(1));
        let root = start(0, &world, vec![Box::new(Listener { listener, local, remote, hands: Hands::default() })]);
        let mut dialer = Dialer::new(path, remote, local, Hands::default());
        dialer.rank = 1;
        let (mut config, ..) = config(1, &world, 0);
        config.links = vec![Box::new(dialer)];
        let (driver, handle) = Driver::new(config).expect("loopback can be bound");
        tokio::task::spawn_local(driver.run());
        let how = async || {
            let how = handle.engine(|engine, _| (engine.is_online(), engine.vl1().level()));
            how.await.expect("it runs")
        };
        // By UDP nobody answers, so the stream is taken.
        until(async || how().await == (true, 1)).await;
        // From now on somebody does. The probe that finds that out leaves by both links.
        let bind = root.handle.control(move |control| control.set_bind(vec![LOOPBACK], vec![udp.port()]));
        bind.await.expect("it runs").expect("the port is free");
        until(async || how().await == (true, 0)).await;
    });
}
