//! `session-1.json` and `session-1.pcap`: four stock nodes, a root, a controller and two members, from the first HELLO
//! to pings over a direct path.
//!
//! Every frame of the capture is one case: it is what the companion file says, and its packet opens to the recorded content.
//! Then the capture is replayed into four engines of ours that hold the recorded secrets (`session_replay`),
//! and every packet that a stock node sent is one more case: ours sends one that means the same.
//! Every frame of the virtual network that arrived is a third: ours delivers it.
//!
//! What ours does otherwise, on purpose, is named in `deliberate`; and a HELLO that a root passes on names no endpoint,
//! where the reference names the root's, which is not its receiver's.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;

use serde_json::Value;
use zt_crypto::{PeerKeys, SecretIdentity};
use zt_wire::packet::{FRAGMENT_HEADER_LEN, HEADER_LEN};
use zt_wire::{Address, Fragment, Packet, Verb, classify, lz4};

use crate::pcap::{self, Datagram};
use crate::session_replay::{Recorded, Replay, Stage};
use crate::{Case, Suite, equal, same, text, unhex};

/// These cases and how to execute them.
pub(crate) const SUITE: Suite = Suite {
    file: "session-1.json",
    expected: 238 + 231 + 22,
    cases,
    // The address that an OK(HELLO) tells: found wrong by opening and by replaying.
    alter: |file| {
        let payload = text(&file["packets"][1], "payload").replace("0a4d0002", "0a4d0009");
        file["packets"][1]["payload"] = payload.into();
    },
};

/// Why ours does not send a packet.
fn deliberate(packet: &Recorded) -> Option<&'static str> {
    match (packet.verb, packet.frame) {
        (Verb::WHOIS, _) if packet.asks_for("root") => Some("a planet tells the identities of its roots"),
        (Verb::WHOIS, _) if packet.asks_for(packet.receiver) => Some("whom one can ask, one knows"),
        // The credentials came just before, over the root as well.
        (Verb::ERROR, 114) => Some("a frame is judged after the credentials that came before it"),
        _ => None,
    }
}

fn cases(file: &Value) -> Vec<Case> {
    let stage = Rc::new(Stage::new(file));
    let capture = Rc::new(pcap::read("session-1.pcap"));
    let packets = file["packets"].as_array().expect("a list");
    assert_eq!(packets.len(), capture.len(), "the companion describes every frame");
    let mut cases = Vec::new();
    for (index, recorded) in packets.iter().enumerate() {
        let (recorded, keyring, capture) = (recorded.clone(), stage.keyring.clone(), Rc::clone(&capture));
        cases
            .push(Case::new(format!("frame {} opens", index + 1), move || opens(&keyring, &capture, index, &recorded)));
    }
    let replays = Replay::run_all(&stage, &capture);
    for packet in stage.packets.iter() {
        let replay = Rc::clone(&replays[&packet.sender]);
        let (stage, packet) = (Rc::clone(&stage), packet.clone());
        let title = format!("frame {}: {} {} to {}", packet.frame, packet.sender, packet.verb, packet.destination);
        cases.push(Case::new(title, move || {
            let found = replay.means(&stage, &packet);
            match deliberate(&packet) {
                None => found,
                Some(why) if found.is_ok() => Err(format!("is sent after all, although: {why}")),
                Some(_) => Ok(()),
            }
        }));
    }
    for packet in stage.packets.iter().filter(|p| matches!(p.verb, Verb::FRAME | Verb::MULTICAST_FRAME)) {
        let Some(replay) = replays.get(packet.receiver).cloned() else { continue };
        if packet.final_hop() {
            let packet = packet.clone();
            let title = format!("frame {}: {} delivers it", packet.frame, packet.receiver);
            cases.push(Case::new(title, move || replay.delivers(&packet)));
        }
    }
    cases
}

/// The secrets of all nodes, and the keys between each two.
#[derive(Clone)]
pub(crate) struct Keyring {
    pub(crate) secrets: BTreeMap<Address, Arc<SecretIdentity>>,
    keys: Rc<BTreeMap<[Address; 2], PeerKeys>>,
}

impl Keyring {
    pub(crate) fn new<'v>(texts: impl Iterator<Item = &'v Value>) -> Self {
        let secrets = texts.map(|text| {
            let secret = SecretIdentity::from_text(text.as_str().expect("a text")).expect("an identity");
            (secret.address(), Arc::new(secret))
        });
        let secrets: BTreeMap<_, _> = secrets.collect();
        let mut keys = BTreeMap::new();
        for (a, own) in &secrets {
            for (b, other) in secrets.range(a..).skip(1) {
                let shared = own.agree(other.identity()).expect("honest keys");
                keys.insert([*a, *b], PeerKeys::new(shared));
            }
        }
        Self { secrets, keys: Rc::new(keys) }
    }

    /// Keys between two nodes.
    pub(crate) fn between(&self, a: Address, b: Address) -> Result<&PeerKeys, String> {
        self.keys.get(&[a.min(b), a.max(b)]).ok_or_else(|| format!("no secret of {a} or {b}"))
    }

    /// Opens a packet: verb, compression flag and content, decompressed.
    pub(crate) fn open(&self, mut bytes: Vec<u8>) -> Result<Opened, String> {
        let header = Packet::new_checked(&bytes[..]).map_err(|e| e.to_string())?;
        let (source, destination, id) = (header.source(), header.destination(), header.id());
        self.between(source, destination)?.open(&mut bytes).map_err(|e| e.to_string())?;
        let packet = Packet::new_checked(&bytes[..]).map_err(|e| e.to_string())?.opened();
        let (verb, compressed) = (packet.verb(), packet.is_compressed());
        let (cipher, hops) = (packet.header().cipher_raw(), packet.header().hops());
        let mut payload = packet.payload().to_vec();
        if compressed {
            let mut inflated = Vec::new();
            lz4::decompress_payload(&payload, &mut inflated).map_err(|e| e.to_string())?;
            payload = inflated;
        }
        Ok(Opened { source, destination, id: id.0, verb, compressed, cipher, hops, payload })
    }
}

/// An opened packet.
#[derive(Clone, Debug)]
pub(crate) struct Opened {
    pub(crate) source: Address,
    pub(crate) destination: Address,
    pub(crate) id: u64,
    pub(crate) verb: Verb,
    pub(crate) compressed: bool,
    pub(crate) cipher: u8,
    pub(crate) hops: u8,
    pub(crate) payload: Vec<u8>,
}

/// Puts the pieces of a packet together: those of the same ID among the datagrams before and at `index`.
pub(crate) fn assemble(capture: &[Datagram], index: usize) -> Result<Vec<u8>, String> {
    let last = &capture[index].bytes;
    let fragment = Fragment::new_checked(&last[..]).map_err(|e| e.to_string())?;
    let id = fragment.id().0.to_be_bytes();
    let mut whole = Vec::new();
    for earlier in &capture[..=index] {
        if earlier.bytes.get(..8) == Some(&id[..]) {
            let skip = if whole.is_empty() { 0 } else { FRAGMENT_HEADER_LEN };
            whole.extend_from_slice(&earlier.bytes[skip..]);
        }
    }
    if whole.len() < HEADER_LEN { Err("no head".into()) } else { Ok(whole) }
}

/// The frame is as described, and its packet opens to the recorded content.
pub(crate) fn opens(keyring: &Keyring, capture: &[Datagram], index: usize, recorded: &Value) -> Result<(), String> {
    let datagram = &capture[index];
    same("sender", &datagram.from.to_string().as_str(), &text(recorded, "from"))?;
    same("receiver", &datagram.to.to_string().as_str(), &text(recorded, "to"))?;
    same("TTL", &Some(u64::from(datagram.ttl)), &recorded["ttl"].as_u64())?;
    same("length", &Some(datagram.bytes.len() as u64), &recorded["udpLength"].as_u64())?;
    let kind = classify(&datagram.bytes);
    match text(recorded, "kind") {
        "junk" => same("class", &kind, &zt_wire::Datagram::Ignored),
        "fragmentedHead" => {
            let head = Packet::new_checked(&datagram.bytes[..]).map_err(|e| e.to_string())?;
            same("fragmented", &head.is_fragmented(), &true)
        }
        "fragment" => match &recorded["assembled"] {
            Value::Null => same("class", &kind, &zt_wire::Datagram::Fragment),
            assembled => content(keyring, assemble(capture, index)?, assembled),
        },
        _ => content(keyring, datagram.bytes.clone(), recorded),
    }
}

fn content(keyring: &Keyring, bytes: Vec<u8>, recorded: &Value) -> Result<(), String> {
    let mut opened = keyring.open(bytes)?;
    same("id", &format!("{:016x}", opened.id).as_str(), &text(recorded, "packetId"))?;
    same("source", &opened.source.to_string().as_str(), &text(recorded, "source"))?;
    same("destination", &opened.destination.to_string().as_str(), &text(recorded, "destination"))?;
    same("hops", &Some(u64::from(opened.hops)), &recorded["hops"].as_u64())?;
    same("cipher", &Some(u64::from(opened.cipher)), &recorded["cipher"].as_u64())?;
    same("verb", &opened.verb.to_string().as_str(), &text(recorded, "verb"))?;
    same("compressed", &Some(opened.compressed), &recorded["compressed"].as_bool())?;
    if let Some(at) = recorded["moonSectionPayloadOffset"].as_u64() {
        let moons = opened.payload.get_mut(at as usize..).ok_or("no moon section")?;
        equal("masked moons", moons, &unhex(text(recorded, "moonSectionMasked")))?;
        let keys = keyring.between(opened.source, opened.destination)?;
        keys.mask_hello_tail(zt_wire::PacketId(opened.id), moons);
    }
    equal("payload", &opened.payload, &unhex(text(recorded, "payload")))
}
