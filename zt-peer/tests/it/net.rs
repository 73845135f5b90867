//! Nodes in one process: a virtual clock, links with latency, loss and cuts, NATs that rebind.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use zt_crypto::{Entropy, KeyPair, PeerKeys, SecretIdentity, SeededEntropy, sign_world};
use zt_peer::{
    Endpoint, Inbound, JobDone, Link, LinkId, LinkKind, LinkRole, Look, Outcome, Path, Place, Scratch, SendOptions,
    Source, Transmits, Vl1, Vl1Config, Vl1Event,
};
use zt_wire::verb::{Frame, Message, Verb};
use zt_wire::{Address, Body, FlowId, InetAddress, Mono, NetworkId, Now, Packet, Root, Signature, World, WorldKind};

/// Secrets of the reference's test nodes (vectors/packets.json); making new ones takes seconds.
pub(crate) const SECRETS: [&str; 6] = [
    "8528691118:0:d16505c372525df134ca0594dd6cbaadf7c0fcb09c85739b3e23561e56796e4398bbea7899b4b85eba33deed6ece4137c970020b736ba074b734591401033ed5:fc7fe78fda05d79550ffcdcc2daf1ee0049be9e28c59aeb1a20ba532ac888f769f20c57391dec5dabf74d3113f75d52106c6fe9ca69121c31e9cea43db685e96",
    "dfb77bc07a:0:435762f2bed8be0ae79c008df38f79d9a266a9746321c7f8527b1970bd7a0a3cc0eaf300eb340ecc73925d2e4cbb6e0532c350025ef00a44f844dac73135b585:81eee3b33e1a738e04a6bf4c2d124dca5d0426a102d12e3d75f89644045e35864161678102458e53cac357a17a2da6be62272bc88d293237f8337e8cd12a8028",
    "98ec576466:0:a48ac1564dac6dcda48ca5aaf9891b7f41fa04464981b28fbb22aeccbecb8d4e04b17bf7fa9f91de2239c973b55a28d8058536d66ab02d8e14775fab0532cba6:30745976c599e66fa834710d920801922a2e6d94a80caf78ad505fb8a895c0521523fe2fbbb7d733336458219d2fcd9106663258703f50c9ed62c982e8f5c81f",
    "7f9eecb1c1:0:616ee29c6ec3c0540627689a85436d640c9156672c8a21bc062f7f6130e9236d81ab7ac15da5b9406da4a4bf7acbfd4f26e8f40c5f9211ee3939e3ebcb3513ca:5fe0134f583dc0499ded1789f894fbd9723a3498adde4c177c87a97592b32e4af35ba8fefa8a1750a04ae5f76f00edc0c79a12ca4d878b895fd286dff6fd584d",
    "57260ec823:0:0c3cf8c98fb6aa851e501117908053cb11d758afc7640b4b86a761e0523a906a50d61453777e83d4e629e836bd7fe76b6b6b4055c42c7834a6cec7082fdd38c0:42023ff4098c8c14bf1df7a3043dd5d2f0a2b286193a43441b0d8dbcc8727597397105724850d98c6b9a2f28ffa472f43ba06316e68b815a65d446f3547ab917",
    "6559535f31:0:959a66172def81a2d25a08d9ce9a5c4b05e472fca56a8379af27429d5977bc3b14655afc51568e1514da7665903d7c8b0e226b0b42f96e851edfbf898324dcbe:2ed11c8d33105f56a40fffc5913e7cccf7b41f90c872089b6b64c40040debdadde530e6901bc129915ccbc81686573cdd3c989a2ffb94b7a3dc6a0b9f0a44436",
];

/// The network that test frames claim to be of.
pub(crate) const NETWORK: NetworkId = NetworkId(0x1122_3344_5566_7788);

/// One datagram under way.
struct Flying {
    from: SocketAddr,
    to: SocketAddr,
    bytes: Vec<u8>,
    ttl: Option<u8>,
}

/// What is sent from one address to another comes out elsewhere.
struct Tunnel {
    from: SocketAddr,
    to: SocketAddr,
    seen_as: SocketAddr,
    at: SocketAddr,
}

/// A link of a node as the network sees it.
#[derive(Clone, Copy)]
pub(crate) struct Port {
    /// Where its datagrams seem to come from.
    pub(crate) external: SocketAddr,
}

/// A node and what its owner would keep.
pub(crate) struct Node {
    pub(crate) vl1: Vl1,
    pub(crate) ports: BTreeMap<LinkId, Port>,
    pub(crate) frames: Vec<(Mono, Address, Vec<u8>)>,
    /// By which path each of them came.
    pub(crate) arrivals: Vec<Path>,
    pub(crate) events: Vec<(Mono, Vl1Event)>,
    pub(crate) records: BTreeMap<Address, Vec<u8>>,
    pub(crate) sent: usize,
    pub(crate) jobs: usize,
    /// The worker is busy with something else: jobs that were taken wait.
    pub(crate) worker_busy: bool,
    held: Vec<zt_peer::Job>,
    /// Sockets of the host that a wildcard link stands for.
    pub(crate) sockets: BTreeMap<LinkId, Vec<LinkId>>,
    /// What left, by the link it was handed to.
    pub(crate) handed: BTreeMap<LinkId, usize>,
    /// What left with the spam flag: when, where.
    pub(crate) spam: Vec<(Mono, Path)>,
    /// How questions about paths are answered, if they are.
    pub(crate) consent: Option<fn(&Path) -> bool>,
    /// What the layer above makes of frames.
    pub(crate) outcome: Outcome,
    out: Transmits,
    scratch: Scratch,
}

/// Latency and loss between two hosts.
#[derive(Clone, Copy)]
pub(crate) struct Line {
    pub(crate) latency_ms: u64,
    pub(crate) jitter_ms: u64,
    pub(crate) loss_percent: u64,
}

pub(crate) struct Net {
    pub(crate) now: Now,
    pub(crate) nodes: Vec<Node>,
    pub(crate) line: Line,
    /// Other latency and loss between two IP addresses, in both directions.
    pub(crate) lines: Vec<(SocketAddr, SocketAddr, Line)>,
    /// Directed pairs of (source, destination) IP addresses between which nothing passes.
    pub(crate) cuts: Vec<(SocketAddr, SocketAddr)>,
    /// Datagrams delivered: time, source, destination, bytes.
    pub(crate) log: Vec<(Mono, SocketAddr, SocketAddr, Vec<u8>)>,
    pub(crate) keep_log: bool,
    tunnels: Vec<Tunnel>,
    flying: BTreeMap<(Mono, u64), Flying>,
    serial: u64,
    dice: SeededEntropy,
}

pub(crate) fn secret(n: usize) -> Arc<SecretIdentity> {
    Arc::new(SecretIdentity::from_text(SECRETS[n]).expect("a good secret"))
}

pub(crate) fn address(n: usize) -> Address {
    secret(n).address()
}

/// What is under the seal of a packet between two nodes of the tests.
pub(crate) fn sealed_verb(datagram: &[u8]) -> Option<Verb> {
    let header = Packet::new_checked(datagram).ok()?;
    let holder = |of: Address| (0..SECRETS.len()).find(|n| address(*n) == of);
    let (from, to) = (secret(holder(header.source())?), secret(holder(header.destination())?));
    let mut bytes = datagram.to_vec();
    PeerKeys::new(to.agree(from.identity())?).open(&mut bytes).ok()?;
    Some(Packet::new_checked(bytes.as_slice()).ok()?.opened().verb())
}

pub(crate) fn addr(n: u8) -> SocketAddr {
    SocketAddr::from(([10, 0, n, 1], 9993))
}

pub(crate) fn key_pair(seed: u64) -> KeyPair {
    KeyPair::generate(&mut SeededEntropy::new(seed))
}

pub(crate) fn world(kind: WorldKind, id: u64, timestamp: u64, roots: &[(usize, SocketAddr)], key: &KeyPair) -> World {
    let roots = roots
        .iter()
        .map(|(n, a)| Root { identity: *secret(*n).identity(), endpoints: vec![InetAddress::from(*a)] })
        .collect();
    let mut w = World { kind, id, timestamp, update_key: *key.public_key(), signature: Signature([0; 96]), roots };
    sign_world(&mut w, key);
    w
}

pub(crate) fn planet(roots: &[(usize, SocketAddr)]) -> World {
    world(WorldKind::Planet, 1, 1000, roots, &key_pair(77))
}

/// A link of which the node knows nothing but that it is there.
fn opaque(id: u32, role: LinkRole) -> Link {
    let local = Endpoint::Ip(SocketAddr::from(([0, 0, 0, 0], 0)));
    Link { id: LinkId(id), kind: LinkKind::Udp, rank: 0, local, mtu: 0, role }
}

/// The sockets by which something leaves.
fn egress(vl1: &Vl1, sockets: &BTreeMap<LinkId, Vec<LinkId>>, path: Path, spam: bool) -> Vec<LinkId> {
    let rank = vl1.links().find(|l| l.id == path.link).map_or(0, |l| l.rank);
    let fits = |l: &&Link| l.rank <= rank && l.role != LinkRole::AnswerOnly;
    let links = if spam { vl1.links().filter(fits).map(|l| l.id).collect() } else { vec![path.link] };
    links.into_iter().flat_map(|l| sockets.get(&l).cloned().unwrap_or(vec![l])).collect()
}

impl Net {
    pub(crate) fn new(seed: u64) -> Self {
        println!("seed {seed}");
        Self {
            now: Now { mono: Mono::from_millis(1_000_000), unix_ms: 1_700_000_000_000 },
            nodes: Vec::new(),
            line: Line { latency_ms: 5, jitter_ms: 0, loss_percent: 0 },
            lines: Vec::new(),
            cuts: Vec::new(),
            log: Vec::new(),
            keep_log: false,
            tunnels: Vec::new(),
            flying: BTreeMap::new(),
            serial: 0,
            dice: SeededEntropy::new(seed),
        }
    }

    /// A node with the secret `n`, one link at `addr(n)`, and the given planet.
    pub(crate) fn add(&mut self, n: usize, planet: Option<&World>) -> usize {
        let index = self.add_bare(n);
        if let Some(world) = planet {
            self.with(index, |vl1, now, out| {
                vl1.load_world(now, world.clone(), Source::File, out).expect("a good planet");
            });
        }
        let local = addr(u8::try_from(n).unwrap());
        self.link(index, 1, local, local);
        index
    }

    /// A node without links and worlds.
    pub(crate) fn add_bare(&mut self, n: usize) -> usize {
        self.add_configured(n, |_| {})
    }

    pub(crate) fn add_configured(&mut self, n: usize, configure: impl FnOnce(&mut Vl1Config)) -> usize {
        let entropy = Box::new(SeededEntropy::new(self.dice.next_u64()));
        let mut config = Vl1Config::new(secret(n), entropy);
        config.has_peer_cache = true;
        configure(&mut config);
        self.nodes.push(Node {
            vl1: Vl1::new(self.now, config),
            ports: BTreeMap::new(),
            frames: Vec::new(),
            arrivals: Vec::new(),
            events: Vec::new(),
            records: BTreeMap::new(),
            sent: 0,
            jobs: 0,
            worker_busy: false,
            held: Vec::new(),
            sockets: BTreeMap::new(),
            handed: BTreeMap::new(),
            spam: Vec::new(),
            consent: None,
            outcome: Outcome::Accepted { trust: true },
            out: Transmits::new(),
            scratch: Scratch::default(),
        });
        self.nodes.len() - 1
    }

    /// The program of a node ends and starts again with its first link and its peer cache; all else is forgotten.
    pub(crate) fn restart(&mut self, index: usize, n: usize, planet: &World) {
        let fresh = self.add_bare(n);
        let records = std::mem::take(&mut self.nodes[index].records);
        self.nodes.swap(index, fresh);
        self.nodes.pop();
        self.nodes[index].records = records;
        self.with(index, |vl1, now, out| {
            vl1.load_world(now, planet.clone(), Source::File, out).expect("a good planet");
        });
        let local = addr(u8::try_from(n).unwrap());
        self.link(index, 1, local, local);
    }

    pub(crate) fn link(&mut self, index: usize, id: u32, local: SocketAddr, external: SocketAddr) {
        self.link_ranked(index, id, local, external, 0);
    }

    pub(crate) fn link_ranked(&mut self, index: usize, id: u32, local: SocketAddr, external: SocketAddr, rank: i32) {
        let (id, kind, role) = (LinkId(id), LinkKind::Udp, LinkRole::Full);
        self.link_of_kind(index, Link { id, kind, rank, local: Endpoint::Ip(local), mtu: 0, role }, external);
    }

    pub(crate) fn link_of_kind(&mut self, index: usize, link: Link, external: SocketAddr) {
        self.nodes[index].ports.insert(link.id, Port { external });
        self.with(index, |vl1, now, out| vl1.add_link(now, link, out));
    }

    /// A link that stands for sockets, whose links the node learns of when something comes in by them.
    pub(crate) fn wildcard(&mut self, index: usize, id: u32, sockets: &[(u32, SocketAddr)]) {
        let ids = sockets.iter().map(|(id, _)| LinkId(*id)).collect();
        self.nodes[index].sockets.insert(LinkId(id), ids);
        for (id, external) in sockets {
            self.nodes[index].ports.insert(LinkId(*id), Port { external: *external });
        }
        self.with(index, |vl1, now, out| vl1.add_link(now, opaque(id, LinkRole::Wildcard), out));
    }

    pub(crate) fn unlink(&mut self, index: usize, id: u32) {
        self.nodes[index].ports.remove(&LinkId(id));
        self.with(index, |vl1, now, out| vl1.remove_link(now, LinkId(id), out));
    }

    /// A NAT gives the node's link another external port, unseen by the host.
    pub(crate) fn rebind(&mut self, index: usize, id: u32, external: SocketAddr) {
        self.nodes[index].ports.get_mut(&LinkId(id)).expect("a link").external = external;
    }

    pub(crate) fn cut(&mut self, a: SocketAddr, b: SocketAddr) {
        self.cuts.push((a, b));
    }

    pub(crate) fn cut_both(&mut self, a: SocketAddr, b: SocketAddr) {
        self.cut(a, b);
        self.cut(b, a);
    }

    /// The worker of a node has time again, or none.
    pub(crate) fn set_worker_busy(&mut self, index: usize, busy: bool) {
        self.nodes[index].worker_busy = busy;
        self.pump(index);
    }

    /// Calls the machine of a node as its owner would.
    pub(crate) fn with<R>(&mut self, index: usize, f: impl FnOnce(&mut Vl1, Now, &mut Transmits) -> R) -> R {
        let now = self.now;
        let node = &mut self.nodes[index];
        let result = f(&mut node.vl1, now, &mut node.out);
        self.pump(index);
        result
    }

    pub(crate) fn frame(&mut self, from: usize, to: usize, payload: &[u8]) {
        let to = *self.nodes[to].vl1.identity();
        let frame = Frame { network: NETWORK, ethertype: 0x0800, payload };
        self.send(from, to.address, &frame);
    }

    /// A frame of a flow, with its time of sending and its number.
    pub(crate) fn flow_frame(&mut self, from: usize, to: usize, flow: u32, number: u32) {
        let to = *self.nodes[to].vl1.identity();
        let mut payload = self.now.mono.as_millis().to_be_bytes().to_vec();
        payload.extend(flow.to_be_bytes());
        payload.extend(number.to_be_bytes());
        let frame = Frame { network: NETWORK, ethertype: 0x0800, payload: &payload };
        self.with(from, |vl1, now, out| {
            out.set_flow(Some(FlowId(flow)));
            vl1.send(now, to.address, &frame, SendOptions::default(), out).expect("sendable");
            out.set_flow(None);
        });
    }

    pub(crate) fn send(&mut self, from: usize, to: Address, body: &dyn Body) {
        self.with(from, |vl1, now, out| {
            vl1.send(now, to, body, SendOptions::default(), out).expect("sendable");
        });
    }

    /// Delivers one datagram to whoever has that external address.
    pub(crate) fn inject(&mut self, from: SocketAddr, to: SocketAddr, bytes: &[u8]) {
        if self.keep_log {
            self.log.push((self.now.mono, from, to, bytes.to_vec()));
        }
        let found =
            self.nodes.iter().enumerate().find_map(|(index, node)| {
                node.ports.iter().find(|(_, p)| p.external == to).map(|(id, _)| (index, *id))
            });
        let Some((index, link)) = found else { return };
        let now = self.now;
        let node = &mut self.nodes[index];
        if node.vl1.links().all(|l| l.id != link) {
            node.vl1.add_link(now, opaque(link.0, LinkRole::AnswerOnly), &mut node.out);
        }
        let mut datagram = bytes.to_vec();
        let mut assembled = Vec::new();
        let look = node.vl1.look(now, link, Endpoint::Ip(from), &mut datagram, &mut assembled, &mut node.out);
        if let Look::Open(open) = look {
            let packet = if open.place == Place::Datagram { &mut datagram } else { &mut assembled };
            let opened = open.open(packet);
            let mut inflated = Vec::new();
            let inbound = node.vl1.handle_opened(now, open.ticket, opened, packet, &mut inflated, &mut node.out);
            let taken = taken(inbound);
            node.take(now, taken, packet);
        }
        self.pump(index);
    }

    fn pump(&mut self, index: usize) {
        let now = self.now;
        let node = &mut self.nodes[index];
        let mut turns = 0;
        loop {
            turns += 1;
            assert!(turns < 5_000, "jobs and deferred packets go round");
            let held = if node.worker_busy { None } else { node.held.pop() };
            if let Some(job) = held.or_else(|| node.vl1.poll_job().inspect(|_| node.jobs += 1)) {
                if node.worker_busy && !matches!(job, zt_peer::Job::LoadPeer { .. }) {
                    node.held.push(job);
                    continue;
                }
                let done = match &job {
                    zt_peer::Job::LoadPeer { address } => {
                        JobDone::Loaded { address: *address, record: node.records.get(address).cloned() }
                    }
                    _ => job.run(&Arc::clone(node.vl1.secret())),
                };
                node.vl1.handle_job(now, done, &mut node.out);
                continue;
            }
            let Some(inbound) = node.vl1.poll_ready(now, &mut node.scratch, &mut node.out) else { break };
            let taken = taken(inbound);
            let packet = node.scratch.packet.clone();
            node.take(now, taken, &packet);
        }
        while let Some(event) = node.vl1.poll_event() {
            if let Vl1Event::PersistPeer { address, record } = &event {
                node.records.insert(*address, record.clone());
            }
            if let (Vl1Event::PathQuestion { peer, path }, Some(consent)) = (&event, node.consent) {
                node.vl1.answer_path(now, *peer, *path, consent(path), &mut node.out);
            }
            node.events.push((now.mono, event));
        }
        node.vl1.seal(now, &mut node.out);
        let mut leaving = Vec::new();
        for t in node.out.iter() {
            let Some(to) = t.path.remote.socket_addr() else { continue };
            *node.handed.entry(t.path.link).or_default() += 1;
            if t.spam {
                node.spam.push((now.mono, t.path));
            }
            for port in egress(&node.vl1, &node.sockets, t.path, t.spam) {
                let Some(port) = node.ports.get(&port) else { continue };
                for d in t.datagrams() {
                    node.sent += 1;
                    leaving.push(Flying { from: port.external, to, bytes: d.to_vec(), ttl: t.ttl });
                }
            }
        }
        node.out.clear();
        for f in leaving {
            self.fly(f);
        }
    }

    /// Tunnels two links: what one sends to the address of the other's node comes out at its link, and seems to come
    /// from the address of the first one's node.
    pub(crate) fn tunnel(&mut self, (a, a_node): (SocketAddr, SocketAddr), (b, b_node): (SocketAddr, SocketAddr)) {
        self.tunnels.push(Tunnel { from: a, to: b_node, seen_as: a_node, at: b });
        self.tunnels.push(Tunnel { from: b, to: a_node, seen_as: b_node, at: a });
    }

    fn fly(&mut self, f: Flying) {
        let same_ip = |a: SocketAddr, b: SocketAddr| a.ip() == b.ip();
        let from = f.from;
        let f = match self.tunnels.iter().find(|t| t.from == from && t.to == f.to) {
            Some(t) => Flying { from: t.seen_as, to: t.at, ..f },
            None => f,
        };
        let cut = self.cuts.iter().any(|(a, b)| same_ip(*a, from) && same_ip(*b, f.to));
        let between =
            |a: SocketAddr, b: SocketAddr| same_ip(a, from) && same_ip(b, f.to) || same_ip(b, from) && same_ip(a, f.to);
        let line = self.lines.iter().find(|(a, b, _)| between(*a, *b)).map_or(self.line, |(_, _, line)| *line);
        let Line { latency_ms, jitter_ms, loss_percent } = line;
        if cut || f.ttl.is_some() || self.dice.below(100) < loss_percent {
            return;
        }
        let ms = latency_ms - jitter_ms + self.dice.below(2 * jitter_ms + 1);
        self.serial += 1;
        self.flying.insert((self.now.mono + Duration::from_millis(ms), self.serial), f);
    }

    /// Lets time pass.
    pub(crate) fn run(&mut self, ms: u64) {
        let end = self.now.mono + Duration::from_millis(ms);
        let mut turns = (self.now.mono, 0);
        loop {
            turns = if turns.0 == self.now.mono { (turns.0, turns.1 + 1) } else { (self.now.mono, 0) };
            let due: Vec<_> = self.nodes.iter().map(|n| n.vl1.poll_timeout()).collect();
            assert!(turns.1 < 5_000, "time stands still at {}: {due:?}", self.now.mono);
            let timer = self.nodes.iter().filter_map(|n| n.vl1.poll_timeout()).map(|(at, _)| at).min();
            let arrival = self.flying.first_key_value().map(|((at, _), _)| *at);
            let next = [timer, arrival].into_iter().flatten().min().unwrap_or(Mono::FAR);
            if next > end {
                self.advance(end);
                return;
            }
            self.advance(next);
            while let Some(entry) = self.flying.first_entry().filter(|e| e.key().0 <= self.now.mono) {
                let f = entry.remove();
                self.inject(f.from, f.to, &f.bytes);
            }
            for index in 0..self.nodes.len() {
                if self.nodes[index].vl1.poll_timeout().is_some_and(|(at, _)| at <= self.now.mono) {
                    self.with(index, |vl1, now, out| vl1.handle_timeout(now, out));
                }
            }
        }
    }

    /// Frames from one node to another, one each `gap` ms, for `ms`; numbers are the send times in ms.
    pub(crate) fn stream(&mut self, from: usize, to: usize, gap: u64, ms: u64) {
        for _ in 0..ms / gap {
            let stamp = self.now.mono.as_millis().to_be_bytes();
            self.frame(from, to, &stamp);
            self.run(gap);
        }
    }

    /// Frames both ways.
    pub(crate) fn talk(&mut self, a: usize, b: usize, gap: u64, ms: u64) {
        for _ in 0..ms / gap {
            let stamp = self.now.mono.as_millis().to_be_bytes();
            self.frame(a, b, &stamp);
            self.frame(b, a, &stamp);
            self.run(gap);
        }
    }

    fn advance(&mut self, to: Mono) {
        self.now = self.now.plus(to.saturating_since(self.now.mono));
    }

    /// Ms from `since` to the send time of the first frame that arrived at `node`.
    pub(crate) fn outage(&self, node: usize, since: Mono) -> u64 {
        self.first_after(node, since).expect("traffic goes on") - since.as_millis()
    }

    /// Cuts nodes 1 and 2 from each other while they talk every `gap` ms: both must hear again within `most` ms.
    pub(crate) fn cut_under_traffic(&mut self, gap: u64, most: u64) {
        self.cut_both(addr(2), addr(3));
        let cut = self.now.mono;
        self.talk(1, 2, gap, 6_000);
        for node in [1, 2] {
            let ms = self.outage(node, cut);
            println!("gap {gap}: node {node} hears again after {ms} ms");
            assert!(ms <= most, "gap {gap}: node {node} after {ms} ms");
        }
    }

    /// Send time of the first frame sent after `since` that `node` received.
    pub(crate) fn first_after(&self, node: usize, since: Mono) -> Option<u64> {
        let stamp = |bytes: &[u8]| u64::from_be_bytes(bytes[..8].try_into().unwrap());
        self.nodes[node].frames.iter().map(|(_, _, b)| stamp(b)).find(|ms| *ms >= since.as_millis())
    }

    pub(crate) fn moves(&self, node: usize) -> usize {
        self.nodes[node].events.iter().filter(|(_, e)| matches!(e, Vl1Event::PathChanged { .. })).count()
    }

    pub(crate) fn is_direct(&self, a: usize, b: usize) -> bool {
        let to = self.nodes[b].vl1.address();
        self.nodes[a].vl1.peer(self.now, to).is_some_and(|p| p.paths.iter().any(|p| p.preferred && !p.suspected))
    }

    pub(crate) fn drops(&self, node: usize, name: &str) -> u64 {
        self.nodes[node].vl1.drops().find(|(reason, _)| reason.name() == name).expect("a known reason").1
    }
}

enum Taken {
    Nothing,
    Message { from: Address, receipt: zt_peer::Ticket, frame: Option<Vec<u8>> },
}

fn taken(inbound: Inbound<'_>) -> Taken {
    let Inbound::Message(m) = inbound else { return Taken::Nothing };
    let frame = match &m.message {
        Message::Frame(f) => Some(f.payload.to_vec()),
        _ => None,
    };
    Taken::Message { from: m.ticket.from(), receipt: m.ticket, frame }
}

impl Node {
    fn take(&mut self, now: Now, taken: Taken, packet: &[u8]) {
        let Taken::Message { from, receipt, frame } = taken else { return };
        let outcome = if frame.is_some() { self.outcome } else { Outcome::Accepted { trust: false } };
        if let (Some(frame), Outcome::Accepted { .. }) = (frame, outcome) {
            if let Some(flow) = frame.get(8..12) {
                let flow = FlowId(u32::from_be_bytes(flow.try_into().unwrap()));
                self.vl1.flow_came(now, &receipt.reply_to(), flow);
            }
            self.frames.push((now.mono, from, frame));
            self.arrivals.push(receipt.path());
        }
        self.vl1.settle(now, receipt, outcome, packet, &mut self.out);
    }
}
