//! `session-2-bond.json` and `session-2-bond.pcap`: two stock members with two links each under balance-xor, one root, an
//! ad-hoc network and a ping that goes on.
//!
//! Every frame of the capture is one case: it is what the companion file says, and its packet opens to the recorded content.
//! Every QOS_MEASUREMENT is another: what it names came by its path at that time. Then each member is replayed: an
//! engine of ours with its secret, its links and the same policy gets what it got. Where the stock node reported, asked
//! whether a path works, or sent a frame, ours does so too, by the same link to the same address; frames that came are
//! delivered. Which of its two paths a frame takes is chance in the recording, where a ping is of no flow.

use std::collections::BTreeSet;
use std::net::{SocketAddr, SocketAddrV4};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use zt_crypto::Suite as Armor;
use zt_netconf::Settings;
use zt_node::engine::{Engine, Input, Outbox, Output};
use zt_peer::{BondConfig, BondPolicy, BondTemplate, Endpoint, Link, LinkId, LinkKind, LinkRole, Source};
use zt_wire::packet::HEADER_LEN;
use zt_wire::verb::QosMeasurement;
use zt_wire::{
    Address, FrameBatch, Mac, Mono, MulticastGroup, NetworkId, Now, Packet, PacketId, Parse, Reader, Verb, World,
    write_header,
};

use crate::pcap::{self, Datagram};
use crate::session::{Keyring, Opened, opens};
use crate::session_replay::engine;
use crate::{Case, Suite, hex, text, unhex};

/// These cases and how to execute them.
pub(crate) const SUITE: Suite = Suite {
    file: "session-2-bond.json",
    expected: 287 + 11 + 289,
    cases,
    // A report that names another packet: found wrong by opening it.
    alter: |file| {
        let payload = text(&file["packets"][144], "payload").replace("6fd9", "6fd8");
        file["packets"][144]["payload"] = payload.into();
    },
};

const NETWORK: NetworkId = NetworkId(0xff1c_0000_0000_0001);

/// What is common to all cases.
struct Stage {
    keyring: Keyring,
    capture: Vec<Datagram>,
    /// When each frame was seen, in microseconds after the first.
    micros: Vec<u64>,
    planet: World,
    /// Packets in the clear, by frame; none of junk.
    opened: Vec<Option<Opened>>,
    clock: i64,
}

fn cases(file: &Value) -> Vec<Case> {
    let capture = pcap::read("session-2-bond.pcap");
    let keyring = Keyring::new(file["identities"].as_object().expect("identities").values());
    let packets = file["packets"].as_array().expect("a list").clone();
    assert_eq!(packets.len(), capture.len(), "the companion describes every frame");
    let planet = unhex(text(file, "planet"));
    let planet = World::parse(&mut Reader::new(&planet)).expect("a world");
    let micros = packets.iter().map(|p| (p["timeMs"].as_f64().expect("a time") * 1000.0) as u64).collect();
    let opened: Vec<_> = capture.iter().map(|datagram| keyring.open(datagram.bytes.clone()).ok()).collect();
    let hello = opened[0].as_ref().expect("a HELLO");
    let clock = i64::from_be_bytes(hello.payload[5..13].try_into().expect("eight bytes"));
    let stage = Rc::new(Stage { keyring, capture, micros, planet, opened, clock });
    let mut cases = Vec::new();
    for (index, recorded) in packets.into_iter().enumerate() {
        let stage = Rc::clone(&stage);
        cases.push(Case::new(format!("frame {} opens", index + 1), move || {
            opens(&stage.keyring, &stage.capture, index, &recorded)
        }));
    }
    let members: Vec<Address> = ["0165a04fb4", "383b8ebc67"].map(|a| a.parse().expect("an address")).into();
    let replays: Vec<Rc<Player>> = members.iter().map(|own| Rc::new(Player::new(&stage, *own).play())).collect();
    for index in 0..stage.capture.len() {
        let Some(opened) = &stage.opened[index] else { continue };
        let title = |what: &str| format!("frame {}: {what}", index + 1);
        if opened.verb == Verb::QOS_MEASUREMENT {
            let stage = Rc::clone(&stage);
            cases.push(Case::new(title("names what came by its path"), move || names_what_came(&stage, index)));
        }
        let between = members.contains(&opened.source) && members.contains(&opened.destination);
        let datagram = &stage.capture[index];
        let own = is_at(datagram.from, opened.source) && is_at(datagram.to, opened.destination);
        let direct = between && own && is_straight(datagram);
        for (own, replay) in members.iter().zip(&replays) {
            let (stage, replay, own) = (Rc::clone(&stage), Rc::clone(replay), *own);
            if direct && opened.source == own {
                let title = title(&format!("{own} sends {} there", opened.verb));
                cases.push(Case::new(title, move || replay.sends_alike(&stage, index)));
            } else if opened.destination == own && opened.verb == Verb::FRAME && is_at(datagram.to, own) {
                let title = title(&format!("{own} delivers it"));
                cases.push(Case::new(title, move || replay.delivers(&stage, index)));
            }
        }
    }
    cases
}

/// Each of the two networks joins first with first and second with second; the reference also tries across.
fn is_straight(datagram: &Datagram) -> bool {
    link_of(*datagram.from.ip()) == link_of(*datagram.to.ip())
}

fn is_at(at: SocketAddrV4, node: Address) -> bool {
    at.ip().octets()[3] == octet_of(node)
}

fn octet_of(own: Address) -> u8 {
    if own == Address::new(0x01_65a0_4fb4) { 2 } else { 3 }
}

/// 10.77.1.0/24 is behind the first link, 10.77.2.0/24 behind the second.
fn link_of(ip: std::net::Ipv4Addr) -> LinkId {
    LinkId(ip.octets()[2].into())
}

/// Every record is of an odd ID in ascending order (as the little-endian number), and of a packet that came by that path
/// as long ago as it says.
fn names_what_came(stage: &Stage, index: usize) -> Result<(), String> {
    let (report, datagram) = (stage.opened[index].as_ref().expect("checked"), &stage.capture[index]);
    let message = QosMeasurement::parse(&mut Reader::new(&report.payload)).map_err(|e| e.to_string())?;
    for record in &message.records {
        let named = |at: &usize| stage.opened[*at].as_ref().is_some_and(|o| o.id == record.packet.0);
        let by_path = |at: &usize| {
            let came = &stage.capture[*at];
            came.from == datagram.to && came.to == datagram.from
        };
        let came = (0..index).filter(by_path).find(named);
        let came = came.ok_or_else(|| format!("{} did not come by this path", record.packet))?;
        let verb = stage.opened[came].as_ref().expect("found by it").verb;
        if record.packet.0 & 1 == 0 || matches!(verb, Verb::ACK | Verb::QOS_MEASUREMENT) {
            return Err(format!("{} of {verb} is no sample", record.packet));
        }
        let held = (stage.micros[index] - stage.micros[came]) / 1000;
        if held.abs_diff(record.held_ms.into()) > 10 {
            return Err(format!("{} was held {held} ms, not {}", record.packet, record.held_ms));
        }
    }
    Ok(())
}

/// A packet that our engine sent.
struct Sent {
    link: LinkId,
    to: SocketAddr,
    opened: Opened,
}

/// Plays the part of one member.
struct Player {
    stage: Rc<Stage>,
    own: Address,
    engine: Engine,
    outbox: Outbox,
    now: Now,
    start: Now,
    due: Option<Mono>,
    sent: Vec<Sent>,
    /// So many of them were looked at by [`Player::answer`].
    answered: usize,
    /// By which link and from where each packet came, by its ID on the wire.
    came: BTreeSet<(LinkId, SocketAddrV4, PacketId)>,
    /// Ethertype and content of the frames that were delivered.
    delivered: Vec<Vec<u8>>,
}

impl Player {
    fn new(stage: &Rc<Stage>, own: Address) -> Self {
        let start = Now { mono: Mono::from_millis(1_000_000), unix_ms: stage.clock };
        let mut player = Self {
            engine: engine(Arc::clone(&stage.keyring.secrets[&own]), false, start),
            stage: Rc::clone(stage),
            own,
            outbox: Outbox::new(),
            now: start,
            start,
            due: None,
            sent: Vec::new(),
            answered: 0,
            came: BTreeSet::new(),
            delivered: Vec::new(),
        };
        player.begin();
        player
    }

    fn begin(&mut self) {
        let mine = |d: &&Datagram| d.from.ip().octets()[3] == octet_of(self.own);
        let first = self.stage.capture.iter().position(|d| mine(&d)).expect("it sends");
        self.now = self.start.plus(Duration::from_micros(self.stage.micros[first]));
        let (vl1, out) = (self.engine.vl1_mut(), &mut self.outbox.transmits);
        vl1.set_bonding(self.now, BondConfig::all(BondTemplate::new(BondPolicy::BalanceXor)), out);
        vl1.load_world(self.now, self.stage.planet.clone(), Source::File, out).expect("a good planet");
        for number in [1, 2] {
            let local = SocketAddr::from(([10, 77, number, octet_of(self.own)], 9993));
            let (id, local) = (LinkId(number.into()), Endpoint::Ip(local));
            let link = Link { id, kind: LinkKind::Udp, rank: 0, local, mtu: 0, role: LinkRole::Full };
            self.engine.handle(
                self.now,
                Input::LinkInterface(id, ["zbva", "zbvb"][usize::from(number - 1)]),
                &mut self.outbox,
            );
            self.engine.handle(self.now, Input::LinkUp(link), &mut self.outbox);
        }
        self.engine.join(self.now, NETWORK, None, Settings::default(), &mut self.outbox);
        let groups = [MulticastGroup { mac: Mac([0x33, 0x33, 0, 0, 0, 1]), adi: 0 }];
        self.engine.handle(self.now, Input::Groups(NETWORK, &groups), &mut self.outbox);
        self.drain();
    }

    fn play(mut self) -> Self {
        for index in 0..self.stage.capture.len() {
            let stage = Rc::clone(&self.stage);
            let datagram = &stage.capture[index];
            let Some(opened) = &stage.opened[index] else { continue };
            self.pass_until(self.start.plus(Duration::from_micros(stage.micros[index])));
            if opened.source == self.own && datagram.from.ip().octets()[3] == octet_of(self.own) {
                self.host_sends(opened);
            } else if is_at(datagram.to, self.own) {
                self.receive(datagram, opened);
            }
            self.answer();
        }
        self
    }

    fn pass_until(&mut self, at: Now) {
        if at.mono < self.now.mono {
            return;
        }
        while let Some(due) = self.due.filter(|due| *due <= at.mono) {
            let step = due.saturating_since(self.now.mono).max(Duration::from_micros(1));
            self.now = self.now.plus(step);
            self.engine.handle(self.now, Input::Timeout, &mut self.outbox);
            self.drain();
            self.answer();
        }
        self.now = at;
    }

    /// The other member answers each ECHO of ours: the recording has answers to the stock node's questions only.
    fn answer(&mut self) {
        for at in std::mem::replace(&mut self.answered, self.sent.len())..self.sent.len() {
            let Sent { link, to: SocketAddr::V4(to), opened } = &self.sent[at] else { continue };
            let (link, to) = (*link, *to);
            if opened.verb != Verb::ECHO || !is_at(to, opened.destination) || link_of(*to.ip()) != link {
                continue;
            }
            let mut payload = vec![Verb::ECHO.0];
            payload.extend(opened.id.to_be_bytes());
            let answer =
                Opened { source: opened.destination, destination: self.own, verb: Verb::OK, payload, ..opened.clone() };
            // An ID of its own, of those that are not sampled.
            let answer = Opened { id: opened.id.wrapping_add(0x1_0000) & !1, hops: 0, ..answer };
            if let Some(bytes) = self.sealed(&answer) {
                self.hand_in(link, to, bytes);
            }
        }
    }

    /// The host sends the frame that a recorded packet carries.
    fn host_sends(&mut self, packet: &Opened) {
        let (destination, content) = match packet.verb {
            Verb::FRAME => (Mac::for_member(packet.destination, NETWORK), &packet.payload[8..]),
            // Behind network, flags, gather limit, group (02 §6.15).
            Verb::MULTICAST_FRAME => {
                let group = packet.payload[13..19].try_into().expect("six bytes");
                (Mac(group), &packet.payload[23..])
            }
            _ => return,
        };
        let mut bytes = destination.0.to_vec();
        bytes.extend(Mac::for_member(self.own, NETWORK).0);
        bytes.extend(content);
        let mut batch = FrameBatch::new(1, 4096);
        batch.push(&bytes).expect("it fits");
        self.engine.handle(self.now, Input::Frames(NETWORK, &batch), &mut self.outbox);
        self.drain();
    }

    fn receive(&mut self, datagram: &Datagram, packet: &Opened) {
        let bytes = if packet.destination == self.own && packet.verb == Verb::OK {
            self.with_our_id(datagram, packet)
        } else {
            Some(datagram.bytes.clone())
        };
        let Some(bytes) = bytes else { return };
        self.hand_in(link_of(*datagram.to.ip()), datagram.from, bytes);
    }

    fn hand_in(&mut self, link: LinkId, from: SocketAddrV4, mut bytes: Vec<u8>) {
        let (remote, stride) = (Endpoint::Ip(SocketAddr::V4(from)), bytes.len());
        let id = Packet::new_checked(&bytes[..]).expect("it was opened before").id();
        self.came.insert((link, from, id));
        self.engine.handle(self.now, Input::Datagrams { link, remote, bytes: &mut bytes, stride }, &mut self.outbox);
        self.drain();
    }

    /// A recorded answer as one to the last question of ours of its kind on that path: HELLO and ECHO stand for each other.
    fn with_our_id(&self, datagram: &Datagram, packet: &Opened) -> Option<Vec<u8>> {
        let probe = |verb: Verb| matches!(verb, Verb::HELLO | Verb::ECHO);
        let asked = Verb(packet.payload[0]);
        let path = |s: &&Sent| s.link == link_of(*datagram.to.ip()) && s.to == SocketAddr::V4(datagram.from);
        let fits = |s: &&Sent| s.opened.verb == asked || probe(asked) && probe(s.opened.verb);
        let to_them = |s: &&Sent| s.opened.destination == packet.source;
        let ours = &self.sent.iter().rev().filter(path).filter(to_them).find(fits)?.opened;
        let mut payload = packet.payload.clone();
        payload[1..9].copy_from_slice(&ours.id.to_be_bytes());
        match (asked, ours.verb) {
            (Verb::HELLO, Verb::HELLO) => payload[9..17].copy_from_slice(&ours.payload[5..13]),
            (Verb::ECHO, Verb::HELLO) => return None,
            (_, Verb::ECHO) => {
                payload[0] = Verb::ECHO.0;
                payload.truncate(9);
            }
            _ => {}
        }
        self.sealed(&Opened { payload, ..packet.clone() })
    }

    fn sealed(&self, packet: &Opened) -> Option<Vec<u8>> {
        let mut bytes = vec![0; HEADER_LEN];
        write_header(bytes.first_chunk_mut().expect("made that long"), packet.destination, packet.source, packet.verb);
        bytes[..8].copy_from_slice(&packet.id.to_be_bytes());
        bytes.extend(&packet.payload);
        self.stage.keyring.between(packet.source, self.own).ok()?.seal(&mut bytes, Armor::AesGmacSiv);
        Packet::new_checked(&mut bytes[..]).ok()?.set_hops(packet.hops);
        Some(bytes)
    }

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
                _ => {}
            }
        }
        self.engine.seal(self.now, &mut self.outbox);
        for transmit in self.outbox.transmits.iter() {
            let bytes = transmit.bytes.to_vec();
            let (link, to) = (transmit.path.link, transmit.path.remote.socket_addr().expect("UDP"));
            if let Ok(opened) = self.stage.keyring.open(bytes) {
                self.sent.push(Sent { link, to, opened });
            }
        }
        self.outbox.transmits.clear();
        for batch in self.outbox.frames.values_mut() {
            self.delivered.extend(batch.iter().map(|frame| frame.bytes[12..].to_vec()));
            batch.clear();
        }
    }

    /// Ours sends what means the same, by the same link to the same address; a frame by either of them.
    fn sends_alike(&self, stage: &Stage, index: usize) -> Result<(), String> {
        let (theirs, datagram) = (stage.opened[index].as_ref().expect("checked"), &stage.capture[index]);
        let path = |s: &&Sent| s.link == link_of(*datagram.from.ip()) && s.to == SocketAddr::V4(datagram.to);
        let mut there = self.sent.iter().filter(|s| s.opened.destination == theirs.destination).filter(path);
        let probe = |verb: Verb| matches!(verb, Verb::HELLO | Verb::ECHO);
        let found = match theirs.verb {
            Verb::FRAME => self.sent.iter().any(|s| s.opened.verb == Verb::FRAME && s.opened.payload == theirs.payload),
            Verb::QOS_MEASUREMENT => {
                let reports = there.filter(|s| s.opened.verb == Verb::QOS_MEASUREMENT && s.opened.cipher == 0);
                let records: Vec<_> = reports
                    .filter_map(|s| QosMeasurement::parse(&mut Reader::new(&s.opened.payload)).ok())
                    .flat_map(|m| m.records)
                    .collect();
                let came = |id: PacketId| self.came.contains(&(link_of(*datagram.from.ip()), datagram.to, id));
                !records.is_empty() && records.iter().all(|record| came(record.packet))
            }
            Verb::OK => there.any(|s| s.opened.verb == Verb::OK && s.opened.payload.first() == theirs.payload.first()),
            Verb::MULTICAST_LIKE => self.sent.iter().any(|s| s.opened.verb == Verb::MULTICAST_LIKE),
            verb if probe(verb) => there.any(|s| probe(s.opened.verb)),
            verb => there.any(|s| s.opened.verb == verb),
        };
        let other: BTreeSet<String> =
            self.sent.iter().map(|s| format!("{} by {} to {}", s.opened.verb, s.link.0, s.to)).collect();
        if found { Ok(()) } else { Err(format!("no such among {other:#?}; drops {:?}", self.engine.drops())) }
    }

    fn delivers(&self, stage: &Stage, index: usize) -> Result<(), String> {
        let frame = &stage.opened[index].as_ref().expect("checked").payload[8..];
        let found = self.delivered.iter().any(|ours| ours == frame);
        let lost = || format!("{} is not delivered; drops {:?}", hex(frame), self.engine.drops());
        found.then_some(()).ok_or_else(lost)
    }
}
