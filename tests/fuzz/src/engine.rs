//! Scenarios: bytes are read as actions around one engine. The harness holds the secrets of a root, a controller, a
//! member, a stranger and a forger, and seals what they send with the right keys, so that what is tried is behind
//! the seal.

mod messages;

use crate::input::Input as Bytes;
use crate::signed;
use crate::stage::{CONTROLLER, FORGER, MEMBER, ROOT, STRANGER, Stage, stage};
use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;
use zt_crypto::{SeededEntropy, Suite};
use zt_netconf::Settings;
use zt_node::engine::{Engine, EngineConfig, Input, Outbox, Output};
use zt_peer::{Endpoint, Job, JobDone, Link, LinkId, LinkKind, LinkRole, PhysicalPrefix, Source, VirtualPeer};
use zt_wire::packet::{HEADER_LEN, MAX_PACKET_LEN, write_header};
use zt_wire::verb::{Hello, OkHello, WorldVersion, emit_moons};
use zt_wire::{
    Address, DictionaryWriter, Emit, FrameBatch, InetAddress, IpPrefix, Mac, Mono, MulticastGroup, NetworkId, Now,
    PacketId, Verb,
};

/// Keys of a configuration (04 §3.1).
const CONFIG_KEYS: [&str; 24] = [
    "nwid", "id", "r", "ts", "f", "ml", "t", "n", "C", "S", "RT", "I", "R", "CAP", "TAG", "COO", "DNS", "mtu", "ctmd",
    "ssoe", "ssov", "ssoau", "ssoce", "v",
];
/// Actions in one scenario.
const ACTIONS: usize = 64;
/// Outputs and datagrams that one action may cause at most; more is a runaway.
const RUNAWAY: usize = 20_000;

/// A packet that the engine sent to a puppet, opened.
#[derive(Clone)]
struct Seen {
    puppet: usize,
    id: u64,
    verb: Verb,
    payload: Vec<u8>,
}

struct Scene {
    stage: &'static Stage,
    engine: Engine,
    outbox: Outbox,
    now: Now,
    due: Option<Mono>,
    next_id: u64,
    /// What the engine sent, newest last.
    seen: VecDeque<Seen>,
    /// What the harness sent, to be replayed.
    sent: VecDeque<(SocketAddr, Vec<u8>)>,
    own_network: NetworkId,
    commits_fail: bool,
    links: u32,
}

/// Runs the scenario that the bytes describe.
pub fn engine(data: &[u8]) {
    let mut input = Bytes::new(data);
    let mut scene = Scene::new(input.u8());
    for _ in 0..ACTIONS {
        if input.is_empty() {
            break;
        }
        scene.act(&mut input);
        scene.settle();
    }
    scene.end();
}

fn address_of(puppet: usize, other: u8) -> SocketAddr {
    SocketAddr::from(([44, other & 3, 1 + puppet as u8, 10], 9993 + u16::from(other >> 6)))
}

impl Scene {
    fn new(how: u8) -> Self {
        let stage = stage();
        let now = Now { mono: Mono(1_000_000_000), unix_ms: stage.unix_ms + 1000 };
        let entropy = |n| Box::new(SeededEntropy::new(n));
        let engine = Engine::new(
            now,
            EngineConfig {
                identity: std::sync::Arc::clone(&stage.own),
                vl1_entropy: entropy(1),
                vl2_entropy: entropy(2),
                controller_entropy: Some(entropy(3)),
                has_peer_cache: how & 1 == 1,
                allow_loopback: false,
                ask_paths: false,
                ask_addresses: false,
                hear_messages: true,
            },
        );
        let own_network = NetworkId(stage.own.address().as_u64() << 24 | 1);
        let mut scene = Self {
            stage,
            engine,
            outbox: Outbox::new(),
            now,
            due: None,
            next_id: 0x1234_5678_0000_0000,
            seen: VecDeque::new(),
            sent: VecDeque::new(),
            own_network,
            commits_fail: false,
            links: 0,
        };
        scene.open(how);
        scene
    }

    /// The usual beginning: a planet, a link, the root answers, the network is known from the last run.
    fn open(&mut self, how: u8) {
        let stage = self.stage;
        let planet = stage.planet.clone();
        let loaded = self.engine.vl1_mut().load_world(self.now, planet, Source::Saved, &mut self.outbox.transmits);
        loaded.expect("the planet is good");
        self.engine.start_controller();
        self.add_link(LinkKind::Udp, 0, SocketAddr::from(([44, 0, 0, 10], 9993)));
        let saved = (how & 2 == 0).then_some(stage.saved.as_slice());
        self.engine.join(self.now, stage.network, saved, Settings::default(), &mut self.outbox);
        if how & 16 == 16 {
            let planet = stage.own_planet.clone();
            let loaded = self.engine.vl1_mut().load_world(self.now, planet, Source::Saved, &mut self.outbox.transmits);
            loaded.expect("a second planet is welcome");
        }
        if how & 4 == 0 {
            self.engine.controller_api(self.now, "POST", &format!("/controller/network/{}", self.own_network), b"{}");
            self.engine.join(self.now, self.own_network, None, Settings::default(), &mut self.outbox);
        }
        self.settle();
        if how & 8 == 0 {
            self.answer_hello(ROOT, 0);
            for puppet in [CONTROLLER, MEMBER] {
                self.send_hello(puppet, 0, 0, 12);
                self.settle();
                self.answer_hello(puppet, 0);
                self.settle();
            }
            self.send(MEMBER, 0, Verb::NETWORK_CREDENTIALS, &credentials(stage), Suite::AesGmacSiv, 0);
            self.settle();
        }
    }

    fn add_link(&mut self, kind: LinkKind, rank: i32, local: SocketAddr) {
        self.links += 1;
        let link =
            Link { id: LinkId(self.links), kind, rank, local: Endpoint::Ip(local), mtu: 0, role: LinkRole::Full };
        self.engine.handle(self.now, Input::LinkUp(link), &mut self.outbox);
    }

    fn act(&mut self, input: &mut Bytes<'_>) {
        match input.below(26) {
            0 => self.pass(Duration::from_millis(u64::from(input.u8()) * 4)),
            1 => self.pass(Duration::from_millis(u64::from(input.u16()) * 10)),
            2..=5 => self.send_raw(input),
            6 => self.send_ok(input),
            7 => self.send_error(input),
            8 => {
                let (puppet, other, ago, protocol) = (input.below(5), input.u8(), input.u8(), input.u8());
                self.send_hello(puppet, other, i64::from(ago) * 50_000, if protocol == 0 { 12 } else { protocol });
            }
            9 => {
                let (puppet, other) = (input.below(5), input.u8());
                self.answer_hello(puppet, other);
            }
            10 => self.send_frame(input),
            11 => self.send_credentials(input),
            12 => self.send_config(input),
            13 => self.host_frame(input),
            14 => self.api(input),
            15 => self.replay(input),
            16 => self.garbage(input),
            17 => self.change_links(input),
            18 => self.change_networks(input),
            19 => self.now.unix_ms += (i64::from(input.u16()) - 32_768) * 10_000,
            20 => self.change_worlds(input),
            21 => self.send_paths(input),
            22 | 23 => self.send_signed(input),
            24 => self.send_neighbour(input),
            _ => self.send_transit(input),
        }
    }

    /// Lets time pass, with the timers that fall due, a bounded number of them.
    fn pass(&mut self, time: Duration) {
        let end = self.now.plus(time);
        for _ in 0..64 {
            match self.due {
                Some(due) if due <= end.mono => {
                    let wait = due.saturating_since(self.now.mono);
                    self.now = self.now.plus(wait);
                    self.engine.handle(self.now, Input::Timeout, &mut self.outbox);
                    self.due = None;
                    self.settle();
                }
                _ => break,
            }
        }
        self.now = Now { mono: self.now.mono.max(end.mono), unix_ms: self.now.unix_ms.max(end.unix_ms) };
        self.engine.handle(self.now, Input::Timeout, &mut self.outbox);
    }

    /// Performs everything that the engine wants, reads what it sends.
    fn settle(&mut self) {
        for round in 0.. {
            assert!(round < RUNAWAY, "the engine does not come to rest");
            match self.engine.poll(self.now, &mut self.outbox) {
                Output::Wait(due) => {
                    self.due = due;
                    break;
                }
                Output::Job(job) => {
                    let done = run(job, self.stage);
                    self.engine.handle(self.now, Input::JobDone(done), &mut self.outbox);
                }
                Output::Commit { seq, .. } => {
                    let input = if self.commits_fail { Input::CommitFailed(seq) } else { Input::Committed(seq) };
                    self.engine.handle(self.now, input, &mut self.outbox);
                }
                Output::Persist(_) | Output::Network(..) | Output::Event(_) | Output::Trace(_) => {}
            }
        }
        self.outbox.frames.values_mut().for_each(FrameBatch::clear);
        self.look_at_sent();
    }

    fn look_at_sent(&mut self) {
        self.engine.seal(self.now, &mut self.outbox);
        let mut count = 0;
        for transmit in self.outbox.transmits.iter() {
            for datagram in transmit.datagrams() {
                count += 1;
                assert!(count < RUNAWAY, "the engine floods");
                assert!(datagram.len() <= 10_324, "longer than any path carries");
                let Some(puppet) = self
                    .stage
                    .puppets
                    .iter()
                    .position(|puppet| datagram.get(8..13) == Some(&puppet.identity().address.to_bytes()[..]))
                else {
                    continue;
                };
                let mut packet = datagram.to_vec();
                if packet.len() < HEADER_LEN || packet[18] & 0x40 != 0 {
                    continue;
                }
                let id = u64::from_be_bytes(packet[..8].try_into().expect("8 bytes"));
                if self.stage.puppets[puppet].keys.open(&mut packet).is_ok() {
                    let seen = Seen { puppet, id, verb: Verb(packet[27] & 0x1f), payload: packet[28..].to_vec() };
                    if self.seen.len() == 32 {
                        self.seen.pop_front();
                    }
                    self.seen.push_back(seen);
                }
            }
        }
        self.outbox.transmits.clear();
    }

    fn arrive(&mut self, link: u32, remote: SocketAddr, datagram: &[u8]) {
        let mut bytes = datagram.to_vec();
        let stride = bytes.len();
        let input = Input::Datagrams { link: LinkId(link), remote: Endpoint::Ip(remote), bytes: &mut bytes, stride };
        self.engine.handle(self.now, input, &mut self.outbox);
    }

    /// Seals a packet of a puppet and lets it arrive.
    fn send(&mut self, puppet: usize, other: u8, verb: Verb, payload: &[u8], suite: Suite, how: u8) {
        let mut packet = vec![0; HEADER_LEN];
        let header: &mut [u8; HEADER_LEN] = packet.first_chunk_mut().expect("just made");
        write_header(header, self.stage.own.address(), self.stage.puppets[puppet].identity().address, verb);
        self.next_id = self.next_id.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        packet[..8].copy_from_slice(&self.next_id.to_be_bytes());
        let mut scratch = Vec::new();
        match zt_wire::lz4::compress(payload, &mut scratch).filter(|_| how & 8 == 8) {
            Some(block) => {
                packet[27] |= 0x80;
                packet.extend_from_slice(block);
            }
            None => packet.extend_from_slice(payload),
        }
        packet.truncate(MAX_PACKET_LEN);
        if verb == Verb::HELLO && payload.len() > 13 + 71 {
            self.mask_tail(puppet, &mut packet);
        }
        let mtu = if how & 16 == 16 { 200 } else { 1432 };
        let cut = zt_wire::fragment::pieces(packet.len(), mtu).filter(|_| packet.len() > mtu);
        if cut.is_some() {
            packet[18] |= 0x40;
        }
        self.stage.puppets[puppet].keys.seal(&mut packet, suite);
        packet[18] = packet[18] & !7 | how & 7;
        let remote = address_of(if how & 7 == 0 { puppet } else { ROOT }, other);
        let Some(pieces) = cut else { return self.put(remote, packet) };
        let total = packet.len().saturating_sub(mtu).div_ceil(mtu - 16) + 1;
        let mut datagrams: Vec<Vec<u8>> = Vec::new();
        for (number, range) in pieces.enumerate() {
            let Some(body) = packet.get(range) else { break };
            let mut datagram = Vec::new();
            if number > 0 {
                datagram.extend_from_slice(&packet[..13]);
                datagram.extend([0xff, (total << 4 | number) as u8, how & 7]);
            }
            datagram.extend_from_slice(body);
            datagrams.push(datagram);
        }
        if how & 32 == 32 {
            datagrams.reverse();
        }
        if how & 64 == 64 {
            datagrams.pop();
        }
        for datagram in datagrams {
            self.put(remote, datagram);
        }
    }

    fn put(&mut self, remote: SocketAddr, datagram: Vec<u8>) {
        self.arrive(1, remote, &datagram);
        if self.sent.len() == 32 {
            self.sent.pop_front();
        }
        self.sent.push_back((remote, datagram));
    }

    /// Masks what follows the planet in a HELLO.
    fn mask_tail(&self, puppet: usize, packet: &mut [u8]) {
        let id = PacketId(u64::from_be_bytes(packet[..8].try_into().expect("8 bytes")));
        if let Ok(hello) = <Hello<'_> as zt_wire::Parse>::parse(&mut zt_wire::Reader::new(&packet[28..])) {
            let at = packet.len() - hello.moons.len();
            self.stage.puppets[puppet].keys.mask_hello_tail(id, &mut packet[at..]);
        }
    }

    fn api(&mut self, input: &mut Bytes<'_>) {
        self.commits_fail = input.below(8) == 7;
        let network = self.own_network;
        let member = self.stage.puppets[[MEMBER, STRANGER, ROOT][input.below(3)]].identity().address;
        let path = match input.below(4) {
            0 => format!("/controller/network/{network}"),
            1 | 2 => format!("/controller/network/{network}/member/{member}"),
            _ => format!("/controller/network/{network}/member"),
        };
        let written;
        let body = match input.below(5) {
            0 => br#"{"authorized": true}"#.as_slice(),
            1 => br#"{"authorized": false}"#,
            2 => br#"{"private": false, "v4AssignMode": "zt", "ipAssignmentPools": [{"ipRangeStart": "10.0.0.1", "ipRangeEnd": "10.0.0.9"}], "routes": [{"target": "10.0.0.0/24"}]}"#,
            3 => br#"{"v6AssignMode": "rfc4193,6plane", "multicastLimit": 2}"#,
            _ => {
                written = crate::json::object(input, 0);
                written.as_bytes()
            }
        };
        let method = ["POST", "GET", "DELETE"][input.below(3)];
        self.engine.controller_api(self.now, method, &path, body);
    }

    fn replay(&mut self, input: &mut Bytes<'_>) {
        let back = input.below(self.sent.len());
        let Some((mut remote, mut bytes)) = self.sent.iter().rev().nth(back).cloned() else { return };
        if input.bool() {
            remote = address_of(FORGER, input.u8());
        }
        if input.bool() && !bytes.is_empty() {
            let at = usize::from(input.u16()) % bytes.len();
            bytes[at] ^= 1 << (input.u8() & 7);
        }
        self.arrive(1 + u32::from(input.u8() & 1), remote, &bytes);
    }

    fn garbage(&mut self, input: &mut Bytes<'_>) {
        let mut bytes = input.some_bytes().to_vec();
        if input.bool() && bytes.len() >= 13 {
            let to = [self.stage.own.address(), self.stage.puppets[MEMBER].identity().address][input.below(2)];
            bytes[8..13].copy_from_slice(&to.to_bytes());
        }
        let remote = address_of(input.below(5), input.u8());
        self.arrive(1, remote, &bytes);
    }

    fn change_links(&mut self, input: &mut Bytes<'_>) {
        match input.below(6) {
            4 => {
                let address = self.stage.puppets[input.below(5)].identity().address;
                let attempt = vec![address_of(MEMBER, input.u8())];
                let blacklist = vec![IpPrefix::clamped(IpAddr::from([44, input.u8() & 3, 0, 0]), input.u8() % 33)];
                self.engine.vl1_mut().set_virtual(vec![VirtualPeer { address, attempt, blacklist }]);
            }
            5 => {
                let mapping = SocketAddr::from(([46, 0, 0, input.u8()], input.u16()));
                self.engine.vl1_mut().set_mappings(vec![mapping]);
            }
            0 => {
                let kind = [LinkKind::Udp, LinkKind::Relay, LinkKind::TcpOut][input.below(3)];
                let local = SocketAddr::from(([45, 0, 0, input.u8()], 9993));
                self.add_link(kind, i32::from(input.u8()) - 2, local);
            }
            1 => {
                let link = LinkId(1 + u32::from(input.u8() & 3));
                self.engine.handle(self.now, Input::LinkDown(link), &mut self.outbox);
            }
            2 => {
                let net = IpAddr::from([44, input.u8() & 3, 0, 0]);
                let prefix = IpPrefix::clamped(net, input.u8() % 33);
                let (mtu, blacklist) = (input.u16(), input.bool());
                let trusted_path_id = u64::from(input.u8() & 3);
                let prefix = PhysicalPrefix { prefix, trusted_path_id, mtu, blacklist };
                self.engine.vl1_mut().set_physical(vec![prefix]);
            }
            _ => {
                let (net, len) = (input.u8(), input.u8());
                let own = vec![IpPrefix::clamped(IpAddr::from([44, 1, net, 0]), len % 33)];
                self.engine.handle(self.now, Input::OwnPrefixes(own), &mut self.outbox);
                let through = vec![IpPrefix::clamped(IpAddr::from([44, net & 3, 0, 0]), len % 33)];
                let on_link = vec![IpPrefix::clamped(IpAddr::from([44, net & 1, 0, 0]), len / 8)];
                self.engine.handle(self.now, Input::Routed { through, on_link }, &mut self.outbox);
                let (link, remote) = (LinkId(1 + u32::from(len & 3)), Endpoint::Ip(address_of(MEMBER, net)));
                let narrow = Input::PathMtu { link, remote, size: u16::from(net) * 16 };
                self.engine.handle(self.now, narrow, &mut self.outbox);
            }
        }
    }

    fn change_networks(&mut self, input: &mut Bytes<'_>) {
        let network = self.pick_network(input);
        match input.below(4) {
            0 => {
                self.engine.leave(network);
            }
            1 => {
                let saved = input.bool().then(|| input.some_bytes().to_vec());
                self.engine.join(self.now, network, saved.as_deref(), Settings::default(), &mut self.outbox);
            }
            2 => {
                let groups: Vec<_> = (0..input.below(9))
                    .map(|_| MulticastGroup { mac: self.mac(input, network), adi: input.u32() })
                    .collect();
                self.engine.handle(self.now, Input::Groups(network, &groups), &mut self.outbox);
            }
            _ => self.engine.set_port_error(network, input.bool().then_some(1)),
        }
    }

    fn change_worlds(&mut self, input: &mut Bytes<'_>) {
        let transmits = &mut self.outbox.transmits;
        let vl1 = self.engine.vl1_mut();
        match input.below(5) {
            0 => vl1.orbit(self.now, self.stage.moon.id, Some(Address::new(self.stage.moon.id)), transmits),
            1 => {
                vl1.deorbit(self.now, self.stage.moon.id, transmits);
            }
            2 => {
                vl1.remove_planet(self.now, self.stage.planet.id, transmits);
            }
            3 => {
                let _ = vl1.load_world(self.now, self.stage.planet.clone(), Source::Operator, transmits);
            }
            _ => {
                let bytes = input.some_bytes();
                if let Ok(world) = <zt_wire::World as zt_wire::Parse>::parse(&mut zt_wire::Reader::new(bytes)) {
                    let _ = vl1.load_world(self.now, world, Source::File, transmits);
                }
            }
        }
    }

    /// RENDEZVOUS and PUSH_DIRECT_PATHS with addresses that make sense.
    fn send_paths(&mut self, input: &mut Bytes<'_>) {
        let (other, how) = (input.u8(), input.u8());
        let address = SocketAddr::from(([44, input.u8() & 3, input.u8(), input.u8()], input.u16()));
        let IpAddr::V4(ip) = address.ip() else { return };
        if input.bool() {
            let mut body = vec![0];
            body.extend(self.stage.puppets[[MEMBER, STRANGER, ROOT][input.below(3)]].identity().address.to_bytes());
            body.extend(address.port().to_be_bytes());
            body.push(4);
            body.extend(ip.octets());
            let puppet = [ROOT, MEMBER][input.below(2)];
            self.send(puppet, other, Verb::RENDEZVOUS, &body, Suite::AesGmacSiv, how & 7);
        } else {
            let count = input.below(40) as u16;
            let mut body = count.to_be_bytes().to_vec();
            for n in 0..count {
                body.extend([input.u8() & 3, 0, 0, 4, 6]);
                body.extend(ip.octets());
                body.extend((address.port().wrapping_add(n)).to_be_bytes());
            }
            self.send(MEMBER, other, Verb::PUSH_DIRECT_PATHS, &body, Suite::AesGmacSiv, how & 7);
        }
    }

    /// After any scenario the books are in order and bounded.
    fn end(&mut self) {
        self.pass(Duration::from_secs(30));
        self.settle();
        let _ = self.engine.status(self.now);
        let peers = self.engine.peers(self.now);
        assert!(peers.len() <= 64, "{} peers from five puppets", peers.len());
        let _ = self.engine.networks();
        let _ = self.engine.drops();
        self.engine.vl1_mut().persist_peers();
        self.settle();
    }
}

/// NETWORK_CREDENTIALS with the member's certificate.
fn credentials(stage: &Stage) -> Vec<u8> {
    let mut payload = stage.membership.clone();
    payload.extend([0; 9]);
    payload
}

/// Jobs without memory-hard hashes: the harness knows who is valid, and has all keys.
fn run(job: Job, stage: &Stage) -> JobDone {
    let puppet = |identity: &zt_wire::Identity| stage.puppets.iter().position(|p| p.identity() == identity);
    match job {
        Job::Admit { identity, .. } => {
            let valid = puppet(&identity).filter(|&number| number != FORGER);
            JobDone::Admitted { identity, keys: valid.map(|number| std::sync::Arc::clone(&stage.puppets[number].keys)) }
        }
        Job::Introduce { identity, mut packet, number, validate } => {
            let known = puppet(&identity);
            let keys = known.map(|number| std::sync::Arc::clone(&stage.puppets[number].keys));
            let keys = keys.filter(|keys| keys.open(&mut packet).is_ok());
            let valid = keys.is_some() && (!validate || known != Some(FORGER));
            JobDone::Introduced { identity, keys, valid, packet, number }
        }
        Job::LoadPeer { address } => {
            let cached = stage.puppets.iter().find(|p| p.identity().address == address && address.as_u64() & 1 == 1);
            let record = cached.map(|puppet| {
                let mut record = vec![2];
                record.extend(puppet.identity().to_vec());
                record.extend([0, 12, 0, 1, 0, 14, 0, 1, 0, 2, 4, 44, 0, 9, 10, 0x27, 0x09, 6]);
                record.extend([0x26; 16]);
                record.extend([0x27, 0x09]);
                record
            });
            JobDone::Loaded { address, record }
        }
        job => job.run(&stage.own),
    }
}
