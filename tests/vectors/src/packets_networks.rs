//! `packets.json`, the verbs of virtual networks: what a member makes of each packet.

use std::sync::Arc;

use serde_json::{Value, json};
use zt_crypto::SecretIdentity;
use zt_netconf::{FrameVerdict, NetworkConfig, NetworkStatus, NetworkType, Verdict, Vl2Event};
use zt_wire::verb::{ChunkSeal, ConfigChunk, Frame, MulticastGather, MulticastLike, OkBody, OkReply, Subscription};
use zt_wire::{
    Address, Emit, EthernetRef, Identity, Mac, Membership, Message, MulticastGroup, NetworkId, PacketId, Qualifier,
    RuleKind, Verb,
};

use crate::member::{Member, number};
use crate::{Case, Suite, hex, text, unhex};

/// These cases and how to execute them.
pub(crate) const SUITE: Suite = Suite {
    file: "packets.json",
    expected: 83,
    cases,
    alter: |file| {
        for case in file["cases"].as_array_mut().expect("a list") {
            if case["case"] == json!("FRAME-06") {
                case["reaction"]["accountedAsReceived"] = json!(false);
            }
        }
    },
};

const VERBS: [&str; 9] = [
    "ERROR",
    "FRAME",
    "EXT_FRAME",
    "MULTICAST_LIKE",
    "NETWORK_CREDENTIALS",
    "NETWORK_CONFIG_REQUEST",
    "NETWORK_CONFIG",
    "MULTICAST_GATHER",
    "MULTICAST_FRAME",
];

/// OKs that networks judge.
const ANSWERS: [&str; 5] = ["OK-11", "OK-12", "OK-13", "OK-14", "OK-15"];

/// Deliberate: whoever shows its certificate gets ours, when it cannot have it yet; the reference waits for a frame.
const ANSWERED: [&str; 5] = [
    "NETWORK_CREDENTIALS-01",
    "NETWORK_CREDENTIALS-02",
    "NETWORK_CREDENTIALS-03",
    "NETWORK_CREDENTIALS-07",
    "NETWORK_CREDENTIALS-08",
];

/// Time at which the recorded node lived, and at which its certificate was issued.
const NOW: i64 = 1_750_000_000_000;
const ISSUED: i64 = 1_749_999_000_000;

fn cases(file: &Value) -> Vec<Case> {
    let all = file["cases"].as_array().expect("a list");
    let ours = all.iter().filter(|c| VERBS.contains(&text(c, "verb")) || ANSWERS.contains(&text(c, "case")));
    let mut slim = file.clone();
    slim["cases"] = Value::Null;
    let slim = Arc::new(slim);
    ours.map(|case| {
        let (file, case) = (Arc::clone(&slim), case.clone());
        Case::new(text(&case, "case").to_owned(), move || react(&file, &case))
    })
    .collect()
}

fn same<T: PartialEq + std::fmt::Debug>(what: &str, seen: T, expected: T) -> Result<(), String> {
    crate::same(what, &seen, &expected)
}

struct Rig {
    member: Member,
    controller: SecretIdentity,
    root: Address,
    public: NetworkId,
    private: NetworkId,
}

fn secret_of(file: &Value, name: &str) -> SecretIdentity {
    SecretIdentity::from_text(text(&file["identities"][name], "secret")).expect("a valid identity")
}

fn group(last: u32) -> MulticastGroup {
    MulticastGroup { mac: Mac::BROADCAST, adi: 0x0a00_0000 + last }
}

impl Rig {
    fn new(file: &Value, name: &str) -> Self {
        let names = ["target", "root", "controller", "peer"];
        let known: Vec<_> = names.iter().map(|name| *secret_of(file, name).identity()).collect();
        let mut member = Member::with_identities(known[0], &known);
        member.now.unix_ms = NOW;
        let mut rig = Self {
            member,
            controller: secret_of(file, "controller"),
            root: known[1].address,
            public: NetworkId(number(&file["publicNetwork"])),
            private: NetworkId(number(&file["privateNetwork"])),
        };
        rig.member.below.roots = vec![rig.root];
        // Configurations, where they are the subject, meet a network without one.
        let unconfigured = name.starts_with("NETWORK_CONFIG-") || ANSWERS[..3].contains(&name);
        let public = rig.config(rig.public, known[0], NetworkType::Public);
        rig.member.join(rig.public, (!unconfigured).then_some(&public));
        let mut private = rig.config(rig.private, known[0], NetworkType::Private);
        private.membership = Some(rig.certificate(known[0]));
        rig.member.join(rig.private, Some(&private));
        rig
    }

    fn config(&self, network: NetworkId, own: Identity, kind: NetworkType) -> NetworkConfig {
        let mut config = NetworkConfig::new(network, own.address, ISSUED);
        config.credential_window = 7_200_000;
        config.multicast_limit = 32;
        config.kind = kind;
        config.rules = vec![RuleKind::Accept.into()].into();
        config
    }

    fn certificate(&self, holder: Identity) -> Membership {
        let hash = zt_crypto::fingerprint(&holder);
        let word = |n: usize| u64::from_be_bytes(hash[n * 8..n * 8 + 8].try_into().expect("eight bytes"));
        let tuple = |id, value, max_delta| Qualifier { id, value, max_delta };
        let mut qualifiers = vec![
            tuple(0, ISSUED as u64, 7_200_000),
            tuple(1, self.private.0, 0),
            tuple(2, holder.address.as_u64(), u64::MAX),
        ];
        qualifiers.extend((0..4).map(|n| tuple(3 + n as u64, word(n), u64::MAX)));
        let mut com = Membership { qualifiers, signer: self.controller.address(), ..Membership::default() };
        com.signature = self.controller.sign(&com.signed_bytes());
        com
    }

    /// What must have happened before the recorded packet.
    fn prepare(&mut self, case: &Value, payload: &mut [u8], peer: &Identity) -> Result<(), String> {
        let controller = *self.controller.identity();
        match text(case, "case") {
            "MULTICAST_GATHER-01" | "MULTICAST_GATHER-04" | "MULTICAST_FRAME-02" => {
                self.subscribe(peer, 1);
                self.subscribe(&controller, 1);
            }
            "MULTICAST_GATHER-02" => {
                self.member.vl2.set_tap_groups(self.private, &[group(1)], &mut self.member.below);
            }
            "ERROR-06" => self.subscribe(peer, 1),
            "NETWORK_CREDENTIALS-09" => {
                self.member.receive(peer, PacketId(1), Verb::NETWORK_CREDENTIALS, payload);
            }
            "NETWORK_CONFIG-04" => self.first_chunk(payload)?,
            "OK-14" | "OK-15" => self.ask_who_has(payload)?,
            // The ID of the request is random; the gate below knows the one that was really sent.
            "OK-11" | "OK-12" => {
                let asked = self.member.below.id_of(Verb::NETWORK_CONFIG_REQUEST).ok_or("nothing was asked")?;
                payload[1..9].copy_from_slice(&asked.0.to_be_bytes());
            }
            _ => {}
        }
        Ok(())
    }

    fn subscribe(&mut self, who: &Identity, last: u32) {
        let subscriptions = vec![Subscription { network: self.public, group: group(last) }];
        let like = MulticastLike { subscriptions, rest: &[] };
        self.member.receive(who, PacketId(1), Verb::MULTICAST_LIKE, &like.to_vec());
    }

    /// The chunk before the recorded one: same text as in NETWORK_CONFIG-03, signed for this update.
    fn first_chunk(&mut self, second: &[u8]) -> Result<(), String> {
        let Ok(Message::NetworkConfig(second)) = Message::parse(Verb::NETWORK_CONFIG, second) else {
            return Err("malformed".into());
        };
        let seal = second.seal.ok_or("unsigned")?;
        let own = self.member.own.address;
        let mut config = self.config(self.public, self.member.own, NetworkType::Public);
        config.issued_to = own;
        config.revision = 1;
        config.name = b"pub".to_vec();
        let text = config.to_text();
        same("length of the text", text.len(), seal.total as usize)?;
        let (first, rest) = text.split_at(seal.index as usize);
        same("second half", hex(rest), hex(second.data))?;
        let unsigned =
            ConfigChunk { network: self.public, data: first, seal: Some(ChunkSeal { index: 0, ..seal }), rest: &[] };
        let signature = self.controller.sign(&unsigned.signed_bytes().ok_or("unsigned")?);
        let seal = ChunkSeal { index: 0, signature: &signature.0, ..seal };
        let chunk = ConfigChunk { seal: Some(seal), ..unsigned };
        let controller = *self.controller.identity();
        self.member.receive(&controller, PacketId(1), Verb::NETWORK_CONFIG, &chunk.to_vec());
        Ok(())
    }

    /// An ARP request whose answer is the recorded packet.
    fn ask_who_has(&mut self, payload: &mut [u8]) -> Result<(), String> {
        let arp = unhex("00010800060400010000000000000a0000010000000000000a000002");
        let source = Mac::for_member(self.member.own.address, self.public);
        let frame = EthernetRef { destination: Mac::BROADCAST, source, ethertype: 0x0806, payload: &arp };
        let (now, below) = (self.member.now, &mut self.member.below);
        same("sent at once", self.member.vl2.handle_frame(now, self.public, frame, below), FrameVerdict::Sent(0))?;
        let asked = self.member.below.id_of(Verb::MULTICAST_GATHER).ok_or("nobody was asked")?;
        payload[1..9].copy_from_slice(&asked.0.to_be_bytes());
        Ok(())
    }

    /// Members known of the group that the file counts.
    fn members_of(&mut self, last: u32) -> Result<u32, String> {
        self.member.below.sent.clear();
        let ask = MulticastGather { network: self.public, group: group(last), limit: 10, ..MulticastGather::default() };
        let root = self.member.below.known[&self.root];
        self.member.receive(&root, PacketId(3), Verb::MULTICAST_GATHER, &ask.to_vec());
        let Some((_, verb, payload)) = self.member.below.sent.first() else { return Ok(0) };
        match Message::parse(*verb, payload) {
            Ok(Message::Ok(OkReply { body: OkBody::MulticastGather(ok), .. })) => Ok(ok.results.total),
            _ => Err("no OK(MULTICAST_GATHER)".into()),
        }
    }
}

fn react(file: &Value, case: &Value) -> Result<(), String> {
    let mut rig = Rig::new(file, text(case, "case"));
    let peer = *secret_of(file, "peer").identity();
    let from = *secret_of(file, text(case, "from")).identity();
    let mut payload = unhex(text(case, "payload"));
    rig.prepare(case, &mut payload, &peer)?;
    let verb = VERBS.iter().position(|verb| *verb == text(case, "verb"));
    let number_of = [2, 6, 7, 9, 10, 11, 12, 13, 14];
    let verb = Verb(verb.map_or(3, |index| number_of[index]));
    while rig.member.vl2.poll_event().is_some() {}
    // The reply gate belongs to the layer below: here it lets pass what was asked.
    let expected = verb != Verb::OK || rig.member.below.asked(&payload[1..9]);
    rig.member.below.sent.clear();
    rig.member.below.delivered.clear();
    let id = PacketId(number(&case["packetIdOnWire"]));
    let verdict = if expected { rig.member.receive(&from, id, verb, &payload) } else { None };
    let reaction = &case["reaction"];
    let accounted = matches!(verdict, Some(Verdict::Accepted { .. }));
    same("accounted", json!(accounted), reaction["accountedAsReceived"].clone())?;
    let mut seen = sent(&rig, &from);
    if ANSWERED.contains(&text(case, "case")) {
        let extra = seen.pop().ok_or("our credentials were not sent back")?;
        same(
            "extra",
            (extra.0.as_str(), extra.1.as_str()),
            (peer.address.to_string().as_str(), "NETWORK_CREDENTIALS"),
        )?;
    }
    same("sent", seen, recorded(reaction))?;
    let seen: Vec<_> = rig.member.below.delivered.clone();
    same("frames", json!(seen), reaction.get("framesToTap").cloned().unwrap_or(json!([])))?;
    status(&mut rig, reaction)?;
    events(&mut rig, reaction, &peer)
}

/// Verbs and payloads, replies with the address of the sender.
fn sent(rig: &Rig, from: &Identity) -> Vec<(String, String, String)> {
    let name = |verb: Verb| verb.name().unwrap_or("?").to_owned();
    let to = |to: Address| if to.is_nil() { from.address } else { to }.to_string();
    rig.member.below.sent.iter().map(|(address, verb, payload)| (to(*address), name(*verb), hex(payload))).collect()
}

fn recorded(reaction: &Value) -> Vec<(String, String, String)> {
    // Paths are pushed by the layer below.
    let ours = |packet: &&Value| packet["verb"] != json!("PUSH_DIRECT_PATHS");
    let one =
        |p: &Value| (text(p, "destination").to_owned(), text(p, "verb").to_owned(), text(p, "payload").to_owned());
    reaction["sends"].as_array().into_iter().flatten().filter(ours).map(one).collect()
}

fn status(rig: &mut Rig, reaction: &Value) -> Result<(), String> {
    let mut seen = Vec::new();
    while let Some(event) = rig.member.vl2.poll_event() {
        if let Vl2Event::ConfigUpdated { network } = event {
            let status = rig.member.vl2.network(network).map_or(NetworkStatus::NotFound, |n| n.status());
            seen.push(format!("network {network} operation 2 status {status}"));
        }
    }
    same("status", json!(seen), reaction.get("networkConfigCallbacks").cloned().unwrap_or(json!([])))
}

fn events(rig: &mut Rig, reaction: &Value, peer: &Identity) -> Result<(), String> {
    for event in reaction["events"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        let count = |text: &str| text.rsplit(' ').next().and_then(|n| n.parse().ok()).unwrap_or(0);
        if event.starts_with("members of") {
            same(event, rig.members_of(1)?, count(event))?;
        } else if event.starts_with("members known now") {
            same(event, rig.members_of(2)?, count(event))?;
        } else if event.contains("authorised on the private network") {
            let frame = Frame { network: rig.private, ethertype: 0x0800, payload: b"x" };
            let verdict = rig.member.receive(peer, PacketId(2), Verb::FRAME, &frame.to_vec());
            let authorised = verdict == Some(Verdict::Accepted { trust: true });
            same(event, authorised, !event.contains("not authorised"))?;
        } else if !event.contains("identity collision") {
            return Err(format!("event not understood: {event}"));
        }
    }
    Ok(())
}
