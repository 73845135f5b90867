//! Replays a recorded session into engines of ours, one for each stock node.
//!
//! An engine gets what its node got, when it got it, and its host does what that node's host did. It asks questions under IDs of its
//! own, so a recorded OK or ERROR gets the ID of our question of the same meaning and is sealed anew; everything else goes
//! in byte by byte.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use zt_crypto::{SeededEntropy, Suite as Armor};
use zt_netconf::Settings;
use zt_node::engine::{Engine, EngineConfig, Input, Outbox, Output};
use zt_node::status::DropReason;
use zt_peer::{Endpoint, Link, LinkId, LinkKind, LinkRole, Source};
use zt_wire::packet::HEADER_LEN;
use zt_wire::verb::Hello;
use zt_wire::{
    Address, Dictionary, FrameBatch, Mac, Membership, Mono, MulticastGroup, NetworkId, Now, Packet, PacketId, Parse,
    Reader, Verb, World, write_header,
};

use crate::pcap::Datagram;
use crate::session::{Keyring, assemble};
use crate::{hex, text, unhex};

/// How long a timer may be overdue in the replay, in milliseconds.
const MEANWHILE: u64 = 50;

/// One recorded packet.
#[derive(Clone, Debug)]
pub(crate) struct Recorded {
    pub(crate) frame: u64,
    /// Microseconds after the first frame.
    at: u64,
    /// Node that put the datagram on the wire.
    pub(crate) sender: &'static str,
    /// Node that received the datagram.
    pub(crate) receiver: &'static str,
    source: Address,
    pub(crate) destination: Address,
    hops: u64,
    cipher: u64,
    id: u64,
    pub(crate) verb: Verb,
    payload: Vec<u8>,
    moons: Option<(usize, Vec<u8>)>,
}

impl Recorded {
    /// The datagram went to the node that the packet is for.
    pub(crate) fn final_hop(&self) -> bool {
        NODES.iter().any(|(name, _)| *name == self.receiver) && address(self.receiver) == self.destination
    }

    /// A WHOIS for just that node.
    pub(crate) fn asks_for(&self, name: &str) -> bool {
        self.payload == address(name).to_bytes()
    }

    fn forwarded(&self) -> bool {
        address(self.sender) != self.source
    }
}

/// Nodes and their last octet under 10.77.0.
const NODES: [(&str, u8); 4] = [("root", 1), ("ctl", 2), ("m1", 3), ("m2", 4)];

fn address(name: &str) -> Address {
    Address::new(match name {
        "root" => 0x64_41ac_ed49,
        "ctl" => 0xb6_c8e6_9ecf,
        "m1" => 0x01_65a0_4fb4,
        _ => 0x38_3b8e_bc67,
    })
}

fn underlay(name: &str) -> SocketAddr {
    let octet = NODES.iter().find(|(node, _)| *node == name).expect("one of the nodes").1;
    SocketAddr::from(([10, 77, 0, octet], 9993))
}

fn node_at(text: &str) -> &'static str {
    let find = NODES.iter().find(|(name, _)| underlay(name).to_string() == text);
    find.unwrap_or_else(|| panic!("no node at {text}")).0
}

/// What is common to all replays.
pub(crate) struct Stage {
    pub(crate) keyring: Keyring,
    /// All packets, without junk and the first pieces.
    pub(crate) packets: Vec<Recorded>,
    network: NetworkId,
    planet: World,
    old_planet: World,
    moon: World,
}

impl Stage {
    pub(crate) fn new(file: &Value) -> Self {
        let world = |value: &Value| {
            let bytes = unhex(value.as_str().expect("a world"));
            World::parse(&mut Reader::new(&bytes)).expect("a world")
        };
        let nodes = file["nodes"].as_object().expect("nodes");
        let packets = file["packets"].as_array().expect("packets").iter().filter_map(packet).collect();
        Self {
            keyring: Keyring::new(nodes.values().map(|node| &node["identitySecret"])),
            packets,
            network: text(file, "networkId").parse().expect("a network ID"),
            planet: world(&file["planet"]["newFile"]),
            old_planet: world(&file["planet"]["oldFileOfM1"]),
            moon: world(&file["moon"]["file"]),
        }
    }
}

fn packet(frame: &Value) -> Option<Recorded> {
    let content = match text(frame, "kind") {
        "packet" => frame,
        "fragment" => frame.get("assembled")?,
        _ => return None,
    };
    let number = |name: &str| content[name].as_u64().expect("a number");
    let node = |name: &str| text(content, name).parse().expect("an address");
    let mut moons = content["moonSectionPayloadOffset"].as_u64();
    let mut payload = unhex(text(content, "payload"));
    let receiver = node_at(text(frame, "to"));
    let destination = node("destination");
    // Deliberate: a HELLO that a root passes on names no endpoint.
    if let Some(at) = moons.as_mut().filter(|_| address(receiver) != destination) {
        payload.splice(13 + 71..13 + 71 + 7, [0]);
        *at -= 6;
    }
    Some(Recorded {
        frame: frame["frame"].as_u64().expect("a number"),
        at: (frame["timeMs"].as_f64().expect("a time") * 1000.0) as u64,
        sender: node_at(text(frame, "from")),
        receiver,
        source: node("source"),
        destination,
        hops: number("hops"),
        cipher: number("cipher"),
        id: u64::from_str_radix(text(content, "packetId"), 16).expect("an ID"),
        verb: (0..32).map(Verb).find(|verb| verb.to_string() == text(content, "verb")).expect("a verb"),
        payload,
        moons: moons.map(|at| (at as usize, unhex(text(content, "moonSectionPlain")))),
    })
}

/// A packet that our engine sent.
struct Sent {
    destination: Address,
    id: u64,
    verb: Verb,
    payload: Vec<u8>,
    meaning: String,
}

/// What our engine did in the place of one node.
pub(crate) struct Replay {
    sent: Vec<Sent>,
    /// Datagrams passed on for others.
    forwarded: BTreeSet<Vec<u8>>,
    /// Ethertype and content of the frames delivered to the host.
    delivered: Vec<Vec<u8>>,
    drops: Vec<(DropReason, u64)>,
    capture: Rc<Vec<Datagram>>,
}

impl Replay {
    /// One replay for each node.
    pub(crate) fn run_all(stage: &Rc<Stage>, capture: &Rc<Vec<Datagram>>) -> BTreeMap<&'static str, Rc<Self>> {
        NODES.iter().map(|(name, _)| (*name, Rc::new(Player::new(stage, name).play(capture)))).collect()
    }

    /// Whether our engine sent something that means the same.
    pub(crate) fn means(&self, stage: &Stage, theirs: &Recorded) -> Result<(), String> {
        if theirs.forwarded() {
            let datagram = &self.capture[theirs.frame as usize - 1].bytes;
            return if self.forwarded.contains(datagram) { Ok(()) } else { Err("not passed on".into()) };
        }
        let same = |ours: &&Sent| ours.destination == theirs.destination && ours.verb == theirs.verb;
        if theirs.verb == Verb::MULTICAST_LIKE {
            let told: BTreeSet<&[u8]> = self.sent.iter().filter(same).flat_map(|s| s.payload.chunks(18)).collect();
            let missing = theirs.payload.chunks(18).find(|group| !told.contains(group));
            return missing.map_or(Ok(()), |group| Err(format!("group {} is not told", hex(group))));
        }
        let meaning = meaning(stage, theirs.verb, &theirs.payload, theirs.moons.as_ref());
        if self.sent.iter().filter(same).any(|ours| ours.meaning == meaning) {
            return Ok(());
        }
        // Deliberate: who says HELLO first is asked by ECHO, which is shorter than what came.
        if theirs.verb == Verb::HELLO && self.sent.iter().any(|s| asks_instead(s, theirs)) {
            return Ok(());
        }
        let other: BTreeSet<&str> = self.sent.iter().filter(same).map(|ours| ours.meaning.as_str()).collect();
        Err(format!("nothing like {meaning}\n  among {other:#?}\n  drops {:?}", self.drops))
    }

    /// Whether our engine delivered the frame in a packet.
    pub(crate) fn delivers(&self, theirs: &Recorded) -> Result<(), String> {
        let frame = match theirs.verb {
            Verb::FRAME => &theirs.payload[8..],
            // Behind network, flags, gather limit, group (02 §6.15).
            _ => &theirs.payload[8 + 1 + 4 + 6 + 4..],
        };
        if self.delivered.iter().any(|ours| ours == frame) {
            return Ok(());
        }
        Err(format!("{} is not delivered; drops {:?}", hex(frame), self.drops))
    }
}

/// Whether our ECHO asks what a recorded HELLO asked: is the peer there?
fn asks_instead(ours: &Sent, theirs: &Recorded) -> bool {
    ours.verb == Verb::ECHO && ours.payload.is_empty() && ours.destination == theirs.destination
}

/// What a packet says, without what is random, signed or of the moment. The ID in an OK or ERROR stays.
fn meaning(stage: &Stage, verb: Verb, payload: &[u8], moons: Option<&(usize, Vec<u8>)>) -> String {
    match (verb, payload.first()) {
        (Verb::HELLO, _) => {
            let (at, moons) = moons.map_or((payload.len(), &[][..]), |(at, moons)| (*at, &moons[..]));
            format!("{} {} moons {}", hex(&payload[..5]), hex(&payload[13..at]), hex(moons))
        }
        (Verb::NETWORK_CONFIG_REQUEST, _) => {
            let length = usize::from(u16::from_be_bytes([payload[8], payload[9]]));
            format!("{} {}", hex(&payload[..8]), dictionary(stage, &payload[10..10 + length]))
        }
        // The reference names its only address twice.
        (Verb::PUSH_DIRECT_PATHS, _) => {
            let paths: BTreeSet<String> = payload[2..].chunks(11).map(hex).collect();
            format!("{paths:?}")
        }
        (Verb::NETWORK_CONFIG, _) => format!("{} {}", hex(&payload[..8]), chunk(stage, &payload[8..])),
        (Verb::OK, Some(&0x0b)) => format!("{} {}", hex(&payload[..17]), chunk(stage, &payload[17..])),
        _ => hex(payload),
    }
}

/// A whole configuration in one chunk: the dictionary, whether a signature follows, which is not compared.
fn chunk(stage: &Stage, bytes: &[u8]) -> String {
    let length = usize::from(u16::from_be_bytes([bytes[0], bytes[1]]));
    let (text, tail) = bytes[2..].split_at(length);
    assert_eq!(tail.len(), 1 + 8 + 4 + 4 + 1 + 2 + 96, "a signed chunk");
    format!("{} flags {}", dictionary(stage, text), tail[0])
}

/// The entries of a dictionary; of credentials only what they say.
fn dictionary(stage: &Stage, text: &[u8]) -> String {
    let mut entries: Vec<String> = Vec::new();
    for (key, value) in Dictionary::new(text).entries() {
        let key = String::from_utf8_lossy(key).into_owned();
        entries.push(match key.as_str() {
            "ts" => "ts".into(),
            "C" => {
                let com = Membership::parse(&mut Reader::new(&value)).expect("a certificate");
                assert_eq!(com.signer, stage.network.controller());
                let says = com.qualifiers.iter().map(|q| match q.id {
                    0 => format!("0±{}", q.max_delta),
                    _ => format!("{}={:x}±{}", q.id, q.value, q.max_delta),
                });
                format!("C={}", says.collect::<Vec<_>>().join(","))
            }
            // Network, (timestamp), flags, ID, things, (owner, signature).
            "COO" => format!("COO={} {}", hex(&value[..8]), hex(&value[16..value.len() - 5 - 104])),
            _ => format!("{key}={}", value.escape_ascii()),
        });
    }
    entries.sort();
    entries.join(" ")
}

/// Plays the part of one node.
struct Player {
    stage: Rc<Stage>,
    name: &'static str,
    own: Address,
    engine: Engine,
    outbox: Outbox,
    now: Now,
    start: Now,
    due: Option<Mono>,
    sent: Vec<Sent>,
    forwarded: BTreeSet<Vec<u8>>,
    delivered: Vec<Vec<u8>>,
    groups: Vec<MulticastGroup>,
}

impl Player {
    fn new(stage: &Rc<Stage>, name: &'static str) -> Self {
        let own = address(name);
        let secret = &stage.keyring.secrets[&own];
        // The clock of the recording: the first HELLO tells it.
        let clock = i64::from_be_bytes(stage.packets[0].payload[5..13].try_into().expect("eight bytes"));
        let start = Now { mono: Mono::from_millis(1_000_000), unix_ms: clock };
        let mut player = Self {
            engine: engine(Arc::clone(secret), name == "ctl", start),
            stage: Rc::clone(stage),
            name,
            own,
            outbox: Outbox::new(),
            now: start,
            start,
            due: None,
            sent: Vec::new(),
            forwarded: BTreeSet::new(),
            delivered: Vec::new(),
            groups: Vec::new(),
        };
        player.begin();
        player
    }

    /// Worlds, network of the controller, socket: in the first moment of the node.
    fn begin(&mut self) {
        let first = self.stage.packets.iter().find(|p| p.sender == self.name).expect("every node sends").at;
        if self.name != "root" {
            self.now = self.start.plus(Duration::from_micros(first));
        }
        let planet = if self.name == "m1" { &self.stage.old_planet } else { &self.stage.planet }.clone();
        let (vl1, out) = (self.engine.vl1_mut(), &mut self.outbox.transmits);
        vl1.load_world(self.now, planet, Source::File, out).expect("a good planet");
        if self.name == "ctl" {
            vl1.load_world(self.now, self.stage.moon.clone(), Source::File, out).expect("a good moon");
            self.engine.start_controller();
            let network = serde_json::json!({
                "name": "session-1", "private": true, "enableBroadcast": true, "mtu": 2800, "multicastLimit": 32,
                "routes": [{"target": "10.177.0.0/24", "via": null}],
            });
            self.call(&format!("/controller/network/{}", self.stage.network), &network);
        }
        let local = Endpoint::Ip(underlay(self.name));
        let link = Link { id: LinkId(1), kind: LinkKind::Udp, rank: 0, local, mtu: 0, role: LinkRole::Full };
        self.engine.handle(self.now, Input::LinkUp(link), &mut self.outbox);
        self.drain();
    }

    fn call(&mut self, path: &str, body: &Value) {
        let outcome = self.engine.controller_api(self.now, "POST", path, body.to_string().as_bytes());
        assert_eq!(outcome.map(|o| o.status), Some(200), "{path}");
        self.drain();
    }

    fn play(mut self, capture: &Rc<Vec<Datagram>>) -> Replay {
        for index in 0..self.stage.packets.len() {
            let packet = self.stage.packets[index].clone();
            let at = self.start.plus(Duration::from_micros(packet.at));
            if at.mono > self.now.mono {
                self.pass_until(at);
            }
            self.host_acts(&packet);
            if packet.receiver == self.name {
                self.receive(capture, &packet);
            }
        }
        self.pass_until(self.now.plus(Duration::from_millis(MEANWHILE)));
        let Self { sent, forwarded, delivered, engine, .. } = self;
        Replay { sent, forwarded, delivered, drops: engine.drops(), capture: Rc::clone(capture) }
    }

    fn pass_until(&mut self, at: Now) {
        while let Some(due) = self.due.filter(|due| *due <= at.mono) {
            let step = due.saturating_since(self.now.mono).max(Duration::from_micros(1));
            self.now = self.now.plus(step);
            self.engine.handle(self.now, Input::Timeout, &mut self.outbox);
            self.drain();
        }
        self.now = at;
    }

    /// What the operator and the host did just before a frame.
    fn host_acts(&mut self, packet: &Recorded) {
        let network = self.stage.network;
        match (self.name, packet.frame) {
            ("m1", 15) | ("m2", 38) => {
                self.engine.join(self.now, network, None, Settings::default(), &mut self.outbox);
                let multicast = [MulticastGroup { mac: Mac([0x33, 0x33, 0, 0, 0, 1]), adi: 0 }];
                self.groups = multicast.to_vec();
                if self.name == "m2" {
                    self.groups.push(MulticastGroup { mac: Mac([1, 0, 0x5e, 0, 0, 1]), adi: 0 });
                }
            }
            ("m1", 63) => self.groups.push(MulticastGroup { mac: Mac([1, 0, 0x5e, 0, 0, 1]), adi: 0 }),
            // The host has an address now, for which ARP listens.
            ("m1", 81) | ("m2", 92) => {
                let last = if self.name == "m1" { 11 } else { 12 };
                self.groups.push(MulticastGroup::for_ip([10, 177, 0, last].into()));
            }
            ("m2", 148) => {
                let (id, seed) = (self.stage.moon.id, address("ctl"));
                self.engine.vl1_mut().orbit(self.now, id, Some(seed), &mut self.outbox.transmits);
            }
            ("ctl", 62) => return self.authorise("m1", "10.177.0.11"),
            ("ctl", 74) => return self.authorise("m2", "10.177.0.12"),
            ("m1", 84) => return self.host_sends(104),
            ("m1", 94) => return self.host_sends(106),
            _ if packet.sender == self.name && packet.verb == Verb::FRAME => return self.host_sends(packet.frame),
            _ => return,
        }
        let groups = self.groups.clone();
        self.engine.handle(self.now, Input::Groups(network, &groups), &mut self.outbox);
        self.drain();
    }

    fn authorise(&mut self, member: &str, ip: &str) {
        let path = format!("/controller/network/{}/member/{}", self.stage.network, address(member));
        self.call(&path, &serde_json::json!({"authorized": true, "ipAssignments": [ip]}));
    }

    /// The host sends the frame that a recorded packet carries.
    fn host_sends(&mut self, frame: u64) {
        let network = self.stage.network;
        let packet = self.stage.packets.iter().find(|p| p.frame == frame).expect("in the capture");
        let (destination, content) = match packet.verb {
            Verb::FRAME => (Mac::for_member(packet.destination, network), &packet.payload[8..]),
            _ => (Mac::BROADCAST, &packet.payload[23..]),
        };
        let mut bytes = destination.0.to_vec();
        bytes.extend(Mac::for_member(self.own, network).0);
        bytes.extend(content);
        let mut batch = FrameBatch::new(1, 4096);
        batch.push(&bytes).expect("it fits");
        self.engine.handle(self.now, Input::Frames(network, &batch), &mut self.outbox);
        self.drain();
    }

    fn receive(&mut self, capture: &[Datagram], packet: &Recorded) {
        let index = packet.frame as usize - 1;
        let datagram = &capture[index];
        let mut bytes = match self.with_our_id(packet) {
            Some(bytes) => bytes,
            None if zt_wire::classify(&datagram.bytes) == zt_wire::Datagram::Fragment => {
                // Both pieces: the first one is a frame of its own.
                let whole = assemble(capture, index).expect("the head came before");
                let head = whole.len() - (datagram.bytes.len() - zt_wire::packet::FRAGMENT_HEADER_LEN);
                let mut head = whole[..head].to_vec();
                self.hand_in(datagram, &mut head);
                datagram.bytes.clone()
            }
            None => datagram.bytes.clone(),
        };
        self.hand_in(datagram, &mut bytes);
    }

    fn hand_in(&mut self, datagram: &Datagram, bytes: &mut [u8]) {
        let remote = Endpoint::Ip(SocketAddr::V4(datagram.from));
        let stride = bytes.len();
        self.engine.handle(self.now, Input::Datagrams { link: LinkId(1), remote, bytes, stride }, &mut self.outbox);
        self.drain();
    }

    /// A recorded answer to the stock node's question as an answer to ours.
    fn with_our_id(&self, packet: &Recorded) -> Option<Vec<u8>> {
        if packet.destination != self.own || !matches!(packet.verb, Verb::OK | Verb::ERROR) {
            return None;
        }
        let asked = u64::from_be_bytes(*packet.payload.get(1..)?.first_chunk()?);
        let question = self.stage.packets.iter().find(|p| p.id == asked && p.source == self.own)?;
        let wanted = meaning(&self.stage, question.verb, &question.payload, question.moons.as_ref());
        let same = |s: &&Sent| s.verb == question.verb && s.destination == question.destination && s.meaning == wanted;
        let instead = |s: &&Sent| question.verb == Verb::HELLO && asks_instead(s, question);
        let ours = self.sent.iter().rev().find(same).or_else(|| self.sent.iter().rev().find(instead))?;
        let mut payload = packet.payload.clone();
        payload[1..9].copy_from_slice(&ours.id.to_be_bytes());
        if ours.verb == Verb::HELLO {
            payload[9..17].copy_from_slice(&ours.payload[5..13]);
        } else if ours.verb == Verb::ECHO {
            payload[0] = Verb::ECHO.0;
            payload.truncate(9);
        }
        let mut bytes = vec![0; HEADER_LEN];
        let header = bytes.first_chunk_mut().expect("made that long");
        write_header(header, packet.destination, packet.source, packet.verb);
        bytes[..8].copy_from_slice(&packet.id.to_be_bytes());
        bytes.extend(payload);
        let suite = if packet.cipher == 3 { Armor::AesGmacSiv } else { Armor::Salsa2012Poly1305 };
        self.stage.keyring.between(packet.source, self.own).ok()?.seal(&mut bytes, suite);
        Packet::new_checked(&mut bytes[..]).ok()?.set_hops(packet.hops as u8);
        Some(bytes)
    }

    /// Does what the engine asks for and takes what it sends, until it waits.
    fn drain(&mut self) {
        loop {
            match self.engine.poll(self.now, &mut self.outbox) {
                Output::Wait(due) => {
                    self.due = due;
                    break;
                }
                Output::Job(job) => {
                    let secret = Arc::clone(&self.stage.keyring.secrets[&self.own]);
                    self.engine.handle(self.now, Input::JobDone(job.run(&secret)), &mut self.outbox);
                }
                Output::Commit { seq, .. } => {
                    self.engine.handle(self.now, Input::Committed(seq), &mut self.outbox);
                }
                Output::Persist(_) | Output::Network(..) | Output::Event(_) | Output::Trace(_) => {}
            }
        }
        self.engine.seal(self.now, &mut self.outbox);
        let trains: Vec<Vec<Vec<u8>>> =
            self.outbox.transmits.iter().map(|t| t.datagrams().map(<[u8]>::to_vec).collect()).collect();
        self.outbox.transmits.clear();
        for datagrams in trains {
            self.take(datagrams);
        }
        for batch in self.outbox.frames.values_mut() {
            self.delivered.extend(batch.iter().map(|frame| frame.bytes[12..].to_vec()));
            batch.clear();
        }
    }

    /// One packet of ours, in its pieces.
    fn take(&mut self, datagrams: Vec<Vec<u8>>) {
        let whole: Vec<u8> = datagrams
            .iter()
            .enumerate()
            .flat_map(|(n, d)| &d[if n == 0 { 0 } else { zt_wire::packet::FRAGMENT_HEADER_LEN }..])
            .copied()
            .collect();
        let Ok(head) = Packet::new_checked(&whole[..]) else { return };
        if head.source() != self.own {
            self.forwarded.extend(datagrams);
            return;
        }
        let opened =
            self.stage.keyring.open(whole).unwrap_or_else(|e| panic!("{}: ours does not open: {e}", self.name));
        let mut moons = None;
        if opened.verb == Verb::HELLO {
            let hello = Hello::parse(&mut Reader::new(&opened.payload)).expect("our own HELLO");
            let at = opened.payload.len() - hello.moons.len();
            let mut section = opened.payload[at..].to_vec();
            let keys = self.stage.keyring.between(self.own, opened.destination).expect("it was opened");
            keys.mask_hello_tail(PacketId(opened.id), &mut section);
            moons = Some((at, section));
        }
        let meaning = meaning(&self.stage, opened.verb, &opened.payload, moons.as_ref());
        let (destination, id, verb, payload) = (opened.destination, opened.id, opened.verb, opened.payload);
        self.sent.push(Sent { destination, id, verb, payload, meaning });
    }
}

pub(crate) fn engine(identity: Arc<zt_crypto::SecretIdentity>, controller: bool, now: Now) -> Engine {
    let entropy = |seed| Box::new(SeededEntropy::new(seed));
    let config = EngineConfig {
        identity,
        vl1_entropy: entropy(1),
        vl2_entropy: entropy(2),
        controller_entropy: controller.then(|| entropy(3) as _),
        has_peer_cache: false,
        allow_loopback: false,
        ask_paths: false,
        ask_addresses: false,
        hear_messages: true,
    };
    Engine::new(now, config)
}
