//! Engines and a wire, nothing else: what the driver does, by hand and in memory. The benchmark uses it too.

#![expect(unreachable_pub, reason = "a module of a test and of benchmarks")]

use serde_json::{Value, json};
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use zt_crypto::{KeyPair, SecretIdentity, SeededEntropy, sign_world};
use zt_netconf::{Managed, Settings};
use zt_node::engine::{Engine, EngineConfig, Input, NetworkChange, Outbox, Output, Persist};
use zt_peer::{Endpoint, Job, Link, LinkId, LinkKind, LinkRole, Look, Place, Source};
use zt_wire::time::{Mono, Now};
use zt_wire::{Address, FrameBatch, InetAddress, Mac, NetworkId, Root, Signature, World, WorldKind};

/// The link that every engine has.
pub const LINK: LinkId = LinkId(1);
/// Root and controller.
pub const ROOT: usize = 0;
/// A member.
pub const ALICE: usize = 1;
/// Another.
pub const BOB: usize = 2;

/// One engine with what its driver would have.
pub struct Node {
    pub engine: Engine,
    pub outbox: Outbox,
    pub secret: Arc<SecretIdentity>,
    pub at: SocketAddr,
    /// Frames that reached the host, with their Ethernet header.
    pub delivered: Vec<Vec<u8>>,
    /// What the port should be, newest last; `None` = closed.
    pub port: Vec<Option<Managed>>,
    /// Values to keep.
    pub persisted: Vec<Persist>,
    /// The disk is full.
    pub commits_fail: bool,
    /// Commits asked for.
    pub commits: usize,
    due: Option<Mono>,
}

/// A train of datagrams on its way.
pub struct Train {
    pub from: SocketAddr,
    pub to: SocketAddr,
    pub bytes: Vec<u8>,
    pub stride: usize,
}

/// Three nodes and the wire between them.
pub struct Rig {
    pub now: Now,
    pub nodes: Vec<Node>,
    pub wire: VecDeque<Train>,
    /// Datagrams are opened by another thread.
    pub opened_elsewhere: bool,
    /// Most datagrams in one train so far.
    pub longest_train: usize,
}

impl Rig {
    /// A root with a controller and two members, nobody joined yet.
    pub fn new() -> Self {
        let now = Now { mono: Mono(1_000_000), unix_ms: 1_760_000_000_000 };
        let secrets: Vec<_> = include_str!("identities.txt").lines().take(3).map(secret).collect();
        let at = |number: usize| SocketAddr::from(([44, 1 + number as u8, 0, 1], 9993));
        let planet = planet(&secrets[ROOT], at(ROOT));
        let nodes = secrets.into_iter().enumerate().map(|(n, secret)| Node::new(now, n, secret, at(n))).collect();
        let mut rig = Self { now, nodes, wire: VecDeque::new(), opened_elsewhere: false, longest_train: 0 };
        for node in &mut rig.nodes {
            let (vl1, out) = (node.engine.vl1_mut(), &mut node.outbox.transmits);
            vl1.load_world(now, planet.clone(), Source::File, out).expect("a good planet");
            node.engine.start_controller();
            let link = Link {
                id: LINK,
                kind: LinkKind::Udp,
                rank: 0,
                local: Endpoint::Ip(node.at),
                mtu: 0,
                role: LinkRole::Full,
            };
            node.engine.handle(now, Input::LinkUp(link), &mut node.outbox);
        }
        rig.settle();
        rig
    }

    /// As [`Rig::new`], with a public network that both members joined and a direct path between them.
    pub fn with_members() -> (Self, NetworkId) {
        let mut rig = Self::new();
        let network = rig.create_network(&json!({"private": false, "enableBroadcast": true}));
        rig.join(ALICE, network);
        rig.join(BOB, network);
        rig.pass(Duration::from_millis(500));
        // The first frame meets a stranger and makes the path.
        let hello = rig.frame(network, ALICE, BOB, b"first");
        rig.send_frames(ALICE, network, &[hello]);
        rig.pass(Duration::from_secs(1));
        (rig, network)
    }

    /// Makes a network on the root's controller.
    pub fn create_network(&mut self, config: &Value) -> NetworkId {
        let network = NetworkId(self.nodes[ROOT].engine.address().as_u64() << 24 | 1);
        self.api(&format!("/controller/network/{network}"), config);
        network
    }

    /// Changes something on the controller.
    pub fn api(&mut self, path: &str, body: &Value) {
        let root = &mut self.nodes[ROOT];
        let outcome = root.engine.controller_api(self.now, "POST", path, body.to_string().as_bytes());
        assert_eq!(outcome.expect("a controller").status, 200, "{path}");
        self.settle();
    }

    /// Changes a member.
    pub fn member(&mut self, network: NetworkId, member: usize, body: &Value) {
        let address = self.address(member);
        self.api(&format!("/controller/network/{network}/member/{address}"), body);
    }

    pub fn join(&mut self, number: usize, network: NetworkId) {
        let node = &mut self.nodes[number];
        node.engine.join(self.now, network, None, Settings::default(), &mut node.outbox);
        self.settle();
    }

    pub fn address(&self, number: usize) -> Address {
        self.nodes[number].engine.address()
    }

    pub fn status(&self, number: usize, network: NetworkId) -> &'static str {
        self.nodes[number].engine.vl2().network(network).map_or("NOT JOINED", |joined| joined.status().name())
    }

    /// An Ethernet frame between two members.
    pub fn frame(&self, network: NetworkId, from: usize, to: usize, payload: &[u8]) -> Vec<u8> {
        let mac = |number| Mac::for_member(self.address(number), network).0;
        [&mac(to)[..], &mac(from), &0x0800_u16.to_be_bytes(), payload].concat()
    }

    /// The host sends frames in one batch.
    pub fn send_frames(&mut self, from: usize, network: NetworkId, frames: &[Vec<u8>]) {
        self.hand_in_frames(from, network, frames);
        self.settle();
    }

    /// As [`Rig::send_frames`], without carrying anything yet.
    pub fn hand_in_frames(&mut self, from: usize, network: NetworkId, frames: &[Vec<u8>]) {
        let mut batch = FrameBatch::new(frames.len(), 4096);
        for frame in frames {
            batch.push(frame).expect("made for them");
        }
        let node = &mut self.nodes[from];
        node.engine.handle(self.now, Input::Frames(network, &batch), &mut node.outbox);
        self.drain(from);
    }

    /// Time passes.
    pub fn pass(&mut self, span: Duration) {
        let end = self.now.plus(span);
        loop {
            let due = self.nodes.iter().filter_map(|node| node.due).min().filter(|due| *due <= end.mono);
            let Some(due) = due else { break };
            self.now = self.now.plus(due.saturating_since(self.now.mono).max(Duration::from_micros(1)));
            for number in 0..self.nodes.len() {
                let node = &mut self.nodes[number];
                if node.due.is_some_and(|due| due <= self.now.mono) {
                    node.engine.handle(self.now, Input::Timeout, &mut node.outbox);
                }
            }
            self.settle();
        }
        self.now = end;
    }

    /// Carries everything until all are quiet. A round trip takes a millisecond.
    pub fn settle(&mut self) {
        for number in 0..self.nodes.len() {
            self.drain(number);
        }
        while let Some(train) = self.wire.pop_front() {
            self.now = self.now.plus(Duration::from_micros(500));
            let Some(number) = self.nodes.iter().position(|node| node.at == train.to) else { continue };
            self.receive(number, train);
            self.drain(number);
        }
    }

    /// A train arrives.
    pub fn receive(&mut self, number: usize, mut train: Train) {
        if self.opened_elsewhere {
            return self.receive_apart(number, train);
        }
        let remote = Endpoint::Ip(train.from);
        let input = Input::Datagrams { link: LINK, remote, bytes: &mut train.bytes, stride: train.stride };
        let node = &mut self.nodes[number];
        node.engine.handle(self.now, input, &mut node.outbox);
    }

    /// All datagrams are looked at, then opened by a thread, the last first, then handed in.
    fn receive_apart(&mut self, number: usize, mut train: Train) {
        let node = &mut self.nodes[number];
        let mut packets = Vec::new();
        for datagram in train.bytes.chunks_mut(train.stride) {
            let mut assembled = Vec::new();
            let remote = Endpoint::Ip(train.from);
            let look = node.engine.look(self.now, LINK, remote, datagram, &mut assembled, &mut node.outbox);
            if let Look::Open(open) = look {
                let packet = if open.place == Place::Datagram { datagram.to_vec() } else { assembled };
                packets.push((open, packet));
            }
        }
        let worker = std::thread::spawn(move || {
            let open = |(open, mut packet): (zt_peer::Open, Vec<u8>)| {
                let opened = open.open(&mut packet);
                (open.ticket, opened, packet)
            };
            packets.into_iter().rev().map(open).collect::<Vec<_>>()
        });
        for (ticket, opened, packet) in worker.join().expect("opening never panics") {
            let input = Input::Opened { ticket, opened, packet: &packet };
            node.engine.handle(self.now, input, &mut node.outbox);
        }
    }

    /// Does what an engine asks for, until it waits.
    pub fn drain(&mut self, number: usize) {
        let node = &mut self.nodes[number];
        loop {
            match node.engine.poll(self.now, &mut node.outbox) {
                Output::Wait(due) => {
                    node.due = due;
                    break;
                }
                Output::Job(job) => node.run(self.now, job),
                Output::Commit { seq, .. } => {
                    node.commits += 1;
                    let input = if node.commits_fail { Input::CommitFailed(seq) } else { Input::Committed(seq) };
                    node.engine.handle(self.now, input, &mut node.outbox);
                }
                Output::Network(_, NetworkChange::Configure(managed)) => node.port.push(Some(managed)),
                Output::Network(_, NetworkChange::Left) => node.port.push(None),
                Output::Persist(value) => node.persisted.push(value),
                Output::Event(_) | Output::Trace(_) => {}
            }
        }
        for batch in node.outbox.frames.values_mut() {
            node.delivered.extend(batch.iter().map(|frame| frame.bytes.to_vec()));
            batch.clear();
        }
        node.engine.seal(self.now, &mut node.outbox);
        let mut packet = 0;
        while let Some(train) = node.outbox.transmits.train(packet, 64) {
            packet += train.packets;
            self.longest_train = self.longest_train.max(train.segments);
            if let (Endpoint::Ip(to), None) = (train.path.remote, train.ttl) {
                let bytes = train.bytes.to_vec();
                self.wire.push_back(Train { from: node.at, to, bytes, stride: train.segment_size });
            }
        }
        node.outbox.transmits.clear();
    }
}

impl Node {
    fn new(now: Now, number: usize, secret: Arc<SecretIdentity>, at: SocketAddr) -> Self {
        let entropy = |part| Box::new(SeededEntropy::new(number as u64 * 16 + part));
        let config = EngineConfig {
            identity: Arc::clone(&secret),
            vl1_entropy: entropy(1),
            vl2_entropy: entropy(2),
            controller_entropy: (number == ROOT).then(|| entropy(3) as _),
            has_peer_cache: false,
            allow_loopback: false,
            ask_paths: false,
            ask_addresses: false,
            hear_messages: true,
        };
        Self {
            engine: Engine::new(now, config),
            outbox: Outbox::new(),
            secret,
            at,
            delivered: Vec::new(),
            port: Vec::new(),
            persisted: Vec::new(),
            commits_fail: false,
            commits: 0,
            due: None,
        }
    }

    fn run(&mut self, now: Now, job: Job) {
        let done = job.run(&self.secret);
        self.engine.handle(now, Input::JobDone(done), &mut self.outbox);
    }
}

fn secret(line: &str) -> Arc<SecretIdentity> {
    Arc::new(SecretIdentity::from_text(line).expect("a committed identity"))
}

/// A planet with one root.
pub fn planet(root: &SecretIdentity, at: SocketAddr) -> World {
    let key = KeyPair::generate(&mut SeededEntropy::new(7));
    let roots = vec![Root { identity: *root.identity(), endpoints: vec![InetAddress::from(at)] }];
    let mut world = World {
        kind: WorldKind::Planet,
        id: 7,
        timestamp: 1_700_000_000_000,
        update_key: *key.public_key(),
        signature: Signature([0; 96]),
        roots,
    };
    sign_world(&mut world, &key);
    world
}
