//! `packets.json`, reactions: what our VL1 does with each packet of a VL1 verb (02, 03 §17). Where ours is safer on
//! purpose the recorded reaction is replaced by ours, with the reason beside it.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use zt_crypto::{PeerKeys, SecretIdentity, SeededEntropy, Suite as Armor};
use zt_peer::{
    Endpoint, Inbound, Link, LinkId, LinkKind, LinkRole, Look, Outcome, PhysicalPrefix, Place, SendOptions, Source,
    Transmits, Vl1, Vl1Config, Vl1Event,
};
use zt_wire::verb::{Hello, OkBody, OkEcho, OkHello, OkReply, RemoteTrace, Unknown, UserMessage};
use zt_wire::{
    Address, Body, Identity, InetAddress, Mono, Now, Packet, PacketId, Parse, Reader, SoftwareVersion, Verb, World,
    Writer, write_header,
};

use crate::{Case, Suite, hex, same, text, unhex};

/// These cases and how to execute them.
pub(crate) const SUITE: Suite = Suite {
    file: "packets.json",
    expected: 122,
    cases,
    alter: |file| file["cases"][0]["reaction"]["accountedAsReceived"] = false.into(),
};

const VERBS: [&str; 13] = [
    "NOP",
    "HELLO",
    "OK",
    "WHOIS",
    "RENDEZVOUS",
    "ECHO",
    "PUSH_DIRECT_PATHS",
    "USER_MESSAGE",
    "REMOTE_TRACE",
    "RELAY",
    "ACK",
    "QOS_MEASUREMENT",
    "PATH_NEGOTIATION_REQUEST",
];

/// OKs that the layer above judges: executed with the network layouts.
const ABOVE: [&str; 5] = ["OK-11", "OK-12", "OK-13", "OK-14", "OK-15"];

fn cases(file: &Value) -> Vec<Case> {
    let all = file["cases"].as_array().expect("a list");
    let ours = all.iter().filter(|c| VERBS.contains(&text(c, "verb")) && !ABOVE.contains(&text(c, "case")));
    ours.map(|case| {
        let (file, case) = (Arc::new(slim(file)), case.clone());
        Case::new(text(&case, "case").to_owned(), move || react(&file, &case))
    })
    .collect()
}

/// The file without its cases.
fn slim(file: &Value) -> Value {
    let mut slim = file.clone();
    slim["cases"] = Value::Null;
    slim
}

/// What we do on purpose: accounted, and the verbs sent, as `verb to` in any order.
fn deliberate(case: &str) -> Option<(bool, Vec<&'static str>)> {
    Some(match case {
        // Safer point 6: an unencrypted ECHO is refused.
        "ECHO-06" => (false, vec![]),
        // Safer point 1: an ID that was never sent is never expected, whatever its upper half.
        "OK-09" => (false, vec![]),
        // The peer is learned from an authentic HELLO; what follows in it is malformed.
        "HELLO-18" | "HELLO-19" => (false, vec![]),
        // 02 §6.2 step 4: the ERROR is for the claimed identity, and cipher 1.
        "HELLO-21" => (false, vec!["ERROR 10.9.0.4/9993"]),
        // 02 §6.2, gate G1: capacity decides, not a rate; nobody waits here.
        "HELLO-23" => (true, vec!["ECHO 10.9.0.4/9993", "OK 10.9.0.4/9993"]),
        // 03 §7.4: a redirect is tried, and used once it answers.
        "PUSH_DIRECT_PATHS-05" => (true, vec!["ECHO 10.9.0.80/20000"]),
        // What comes from an address that is not proved is answered by no more bytes: by ECHO in place of HELLO.
        "HELLO-01" | "HELLO-02" | "HELLO-03" | "HELLO-04" | "HELLO-07" | "HELLO-08" | "HELLO-10" | "HELLO-11" => {
            (true, vec!["ECHO 10.9.0.4/9993", "OK 10.9.0.4/9993"])
        }
        // Too old for ECHO: asked by HELLO when it has sent more.
        "HELLO-05" | "HELLO-06" => (true, vec!["OK 10.9.0.4/9993"]),
        // Probes cost the peer what it sent; the other addresses wait until it has sent more.
        "PUSH_DIRECT_PATHS-04" => {
            let probed = ["96", "97", "98", "99", "100"];
            (true, probed.map(|n| &*format!("ECHO 10.9.0.{n}/20000").leak()).to_vec())
        }
        // 02 §7, Free choice: beacons are ignored.
        "RELAY-08" => (false, vec![]),
        _ => return None,
    })
}

struct Rig {
    vl1: Vl1,
    now: Now,
    out: Transmits,
    secrets: BTreeMap<String, Arc<SecretIdentity>>,
    events: Vec<Vl1Event>,
    own: Address,
}

fn socket(text: &str) -> Result<SocketAddr, String> {
    let parsed: InetAddress = text.parse().map_err(|_| format!("address {text}"))?;
    parsed.socket_addr().ok_or_else(|| format!("address {text}"))
}

const LINKS: [(u32, &str); 2] = [(7, "10.9.0.9/9993"), (8, "fd00::9/9993")];

impl Rig {
    fn new(file: &Value, am_root: bool) -> Result<Self, String> {
        let mut secrets = BTreeMap::new();
        for (name, identity) in file["identities"].as_object().ok_or("no identities")? {
            if let Some(Ok(secret)) = identity["secret"].as_str().map(SecretIdentity::from_text) {
                secrets.insert(name.clone(), Arc::new(secret));
            }
        }
        let target = Arc::clone(&secrets["target"]);
        let now = Now { mono: Mono::from_millis(5_000_000), unix_ms: 1_750_000_000_000 };
        let mut config = Vl1Config::new(Arc::clone(&target), Box::new(SeededEntropy::new(1)));
        config.version = SoftwareVersion::new(1, 14, 1);
        let mut rig = Self {
            vl1: Vl1::new(now, config),
            now,
            out: Transmits::new(),
            own: target.address(),
            secrets,
            events: Vec::new(),
        };
        let planet = unhex(text(file, "planet"));
        let mut planet = World::parse(&mut Reader::new(&planet)).map_err(|e| e.to_string())?;
        if am_root {
            planet.roots[0].identity = *target.identity();
        }
        rig.vl1.load_world(rig.now, planet, Source::BuiltIn, &mut rig.out).map_err(|e| e.to_string())?;
        for (id, local) in LINKS {
            let local = Endpoint::Ip(socket(local)?);
            let link = Link { id: LinkId(id), kind: LinkKind::Udp, rank: 0, local, mtu: 0, role: LinkRole::Full };
            rig.vl1.add_link(rig.now, link, &mut rig.out);
        }
        rig.jobs();
        Ok(rig)
    }

    fn jobs(&mut self) {
        while let Some(job) = self.vl1.poll_job() {
            let done = job.run(&Arc::clone(self.vl1.secret()));
            self.vl1.handle_job(self.now, done, &mut self.out);
        }
        let mut scratch = zt_peer::Scratch::default();
        while self.vl1.poll_ready(self.now, &mut scratch, &mut self.out).is_some() {}
        while let Some(event) = self.vl1.poll_event() {
            self.events.push(event);
        }
    }

    fn pass(&mut self, ms: u64) {
        self.now = self.now.plus(Duration::from_millis(ms));
    }

    fn keys(&self, name: &str) -> PeerKeys {
        let shared = self.secrets[name].agree(self.secrets["target"].identity());
        PeerKeys::new(shared.expect("an honest key"))
    }

    /// A packet as one of the recorded nodes makes it.
    fn craft(&self, from: &str, suite: Armor, id: u64, body: &dyn Body) -> Vec<u8> {
        let mut bytes = vec![0; 28 + body.encoded_len()];
        let (header, payload) = bytes.split_at_mut(28);
        let header = header.try_into().expect("split there");
        write_header(header, self.own, self.secrets[from].address(), body.verb());
        body.emit(&mut Writer::new(payload)).expect("has room");
        bytes[..8].copy_from_slice(&id.to_be_bytes());
        self.keys(from).seal(&mut bytes, suite);
        bytes
    }

    fn inject(&mut self, from: SocketAddr, bytes: &[u8]) {
        let mut datagram = bytes.to_vec();
        let mut assembled = Vec::new();
        let remote = Endpoint::Ip(from);
        let look = self.vl1.look(self.now, LinkId(7), remote, &mut datagram, &mut assembled, &mut self.out);
        if let Look::Open(open) = look {
            let packet = if open.place == Place::Datagram { &mut datagram } else { &mut assembled };
            let opened = open.open(packet);
            let mut inflated = Vec::new();
            let inbound = self.vl1.handle_opened(self.now, open.ticket, opened, packet, &mut inflated, &mut self.out);
            if let Inbound::Message(m) = inbound {
                let receipt = m.ticket;
                let outcome = Outcome::Accepted { trust: matches!(m.message.verb(), Verb::FRAME) };
                self.vl1.settle(self.now, receipt, outcome, packet, &mut self.out);
            }
        }
        self.jobs();
    }

    /// Takes what was sent: destination, TTL, and the packet opened as its receiver would.
    fn sent(&mut self) -> Vec<Sent> {
        self.vl1.seal(self.now, &mut self.out);
        let mut all = Vec::new();
        for t in self.out.iter() {
            for d in t.datagrams() {
                all.push((t.path.remote.inet().to_string(), t.ttl, d.to_vec()));
            }
        }
        self.out.clear();
        all.into_iter().map(|(to, ttl, bytes)| self.open(to, ttl, bytes)).collect()
    }

    fn open(&self, to: String, ttl: Option<u8>, mut bytes: Vec<u8>) -> Sent {
        let length = bytes.len();
        let mut sent = Sent { to, ttl, length, id: PacketId(0), cipher: None, verb: None, payload: Vec::new() };
        let Ok(head) = Packet::new_checked(&bytes[..]) else { return sent };
        if bytes[13] == 0xff {
            return sent;
        }
        sent.id = head.id();
        sent.cipher = Some(u64::from(head.cipher_raw()));
        let (from, dest) = (head.source(), head.destination());
        if from != self.own {
            return sent;
        }
        if let Some(clear) = head.clear().filter(|_| sent.cipher == Some(2)) {
            sent.verb = Some(clear.verb());
            sent.payload = clear.payload().to_vec();
            return sent;
        }
        let names = self.secrets.iter().filter(|(_, s)| s.address() == dest).map(|(n, _)| n.clone());
        for name in names.collect::<Vec<_>>() {
            let mut copy = bytes.clone();
            if self.keys(&name).open(&mut copy).is_ok() {
                bytes = copy;
                sent.verb = Some(Verb(bytes[27] & 0x1f));
                sent.payload = bytes[28..].to_vec();
                break;
            }
        }
        sent
    }

    fn hello(&self, name: &str, protocol: u8) -> Hello<'static> {
        Hello {
            protocol,
            version: SoftwareVersion::new(1, if protocol == 4 { 0 } else { 14 }, 1),
            timestamp: u64::try_from(self.now.unix_ms).expect("after 1970"),
            identity: *self.secrets[name].identity(),
            destination: None,
            planet: None,
            moons: &[],
        }
    }

    /// Makes `name` a peer with a direct path at `at`, of the given protocol version.
    fn acquaint(&mut self, name: &str, at: &str, protocol: u8) -> Result<(), String> {
        let remote = socket(at)?;
        self.pass(2_100);
        let question = |s: &Sent| matches!(s.verb, Some(Verb::HELLO | Verb::ECHO)) && s.to == at;
        let mut asked = None;
        // A peer too old for ECHO is asked by HELLO, once it has sent enough for that.
        for _ in 0..3 {
            if !self.vl1.is_upstream(self.secrets[name].address()) {
                let hello = self.craft(name, Armor::Poly1305None, 77, &self.hello(name, protocol));
                self.inject(remote, &hello);
            }
            asked = self.sent().into_iter().find(question);
            if asked.is_some() {
                break;
            }
            self.pass(2_100);
        }
        let asked = asked.ok_or_else(|| format!("no question to {name}"))?;
        self.answer(name, remote, &asked, protocol);
        let view = self.vl1.peer(self.now, self.secrets[name].address()).ok_or("no peer")?;
        if view.paths.is_empty() { Err(format!("no path to {name}")) } else { Ok(()) }
    }

    fn answer(&mut self, name: &str, remote: SocketAddr, asked: &Sent, protocol: u8) {
        self.pass(5);
        let ok = OkHello {
            protocol,
            version: SoftwareVersion::new(1, if protocol == 4 { 0 } else { 14 }, 0),
            ..OkHello::default()
        };
        let body = match asked.verb {
            Some(Verb::ECHO) => OkBody::Echo(OkEcho { data: &asked.payload }),
            _ => OkBody::Hello(ok),
        };
        let ok = OkReply { in_re_packet: asked.id, body };
        let suite = if protocol < 12 { Armor::Salsa2012Poly1305 } else { Armor::AesGmacSiv };
        let bytes = self.craft(name, suite, 78, &ok);
        self.inject(remote, &bytes);
        self.sent();
    }
}

#[derive(Debug)]
struct Sent {
    to: String,
    ttl: Option<u8>,
    length: usize,
    id: PacketId,
    cipher: Option<u64>,
    verb: Option<Verb>,
    payload: Vec<u8>,
}

impl Sent {
    fn name(&self) -> String {
        match self.verb {
            Some(verb) => format!("{verb} {}", self.to),
            None if self.length == 4 => format!("junk {}", self.to),
            None => format!("forwarded {}", self.to),
        }
    }
}

fn react(file: &Value, case: &Value) -> Result<(), String> {
    let name = text(case, "case");
    let from = text(case, "from");
    let remote = socket(text(case, "fromPhysical"))?;
    let is_hello = text(case, "verb") == "HELLO";
    let am_root = matches!(name, "WHOIS-08" | "RELAY-05" | "RELAY-06" | "RELAY-07");
    let mut rig = Rig::new(file, am_root)?;
    if !am_root {
        rig.acquaint("root", "10.9.0.1/9993", 12)?;
    }
    let known_peer = !is_hello || from == "peer";
    if known_peer {
        rig.acquaint("controller", "10.9.0.2/9993", 12)?;
        let old = match name {
            "ECHO-07" => 11,
            "RENDEZVOUS-03" => 4,
            _ => 12,
        };
        rig.acquaint("peer", "10.9.0.3/9993", old)?;
    }
    // The impostor's secret stands beside its cases only.
    if let Some(text) = case["fromIdentitySecret"].as_str() {
        let secret = SecretIdentity::from_text(text).map_err(|e| e.to_string())?;
        rig.secrets.insert("impostor".into(), Arc::new(secret));
    }
    rig.pass(10_000);
    rig.sent();
    let wire = prepare(&mut rig, name, case, remote)?;
    rig.sent();
    rig.pass(1);
    rig.events.clear();
    rig.inject(remote, &wire);
    check(&mut rig, name, from, case)
}

/// What a case needs besides the usual: questions to be answered, configuration, a first packet.
fn prepare(rig: &mut Rig, name: &str, case: &Value, remote: SocketAddr) -> Result<Vec<u8>, String> {
    let wire = unhex(text(case, "wire"));
    match name {
        "ECHO-08" | "WHOIS-07" | "RELAY-06" => {
            rig.inject(remote, &wire);
            rig.pass(50);
        }
        "ECHO-10" | "ECHO-11" | "ECHO-12" | "USER_MESSAGE-05" => {
            let prefix = "10.9.0.0/24".parse().map_err(|_| "prefix")?;
            let entry = PhysicalPrefix { prefix, trusted_path_id: 0x1234, mtu: 0, blacklist: false };
            rig.vl1.set_physical(vec![entry]);
        }
        "RELAY-02" | "RELAY-04" => {
            let frame = Unknown { verb: Verb::FRAME, body: &[0; 12] };
            let bytes = rig.craft("peer", Armor::AesGmacSiv, 5, &frame);
            rig.inject(remote, &bytes);
        }
        "HELLO-21" | "HELLO-22" => {
            let protocol = if name == "HELLO-21" { 12 } else { 11 };
            let hello = rig.craft("stranger", Armor::Poly1305None, 6, &rig.hello("stranger", protocol));
            rig.inject(remote, &hello);
            rig.pass(2_100);
        }
        "HELLO-23" => {
            let other = rig.hello("other", 12);
            let hello = rig.craft("other", Armor::Poly1305None, 6, &other);
            rig.inject(socket("10.9.0.77/9993")?, &hello);
            rig.pass(100);
        }
        "PUSH_DIRECT_PATHS-12" => {
            for n in 0..9u64 {
                let push = Unknown { verb: Verb::PUSH_DIRECT_PATHS, body: &[0, 0] };
                let bytes = rig.craft("peer", Armor::AesGmacSiv, 50 + n, &push);
                rig.inject(remote, &bytes);
                rig.pass(1_000);
            }
        }
        _ if name.starts_with("OK-") => return answer(rig, name, case, remote),
        _ => {}
    }
    Ok(wire)
}

/// The OK of a case, with the ID of a question that we asked of that peer in this very run.
fn answer(rig: &mut Rig, name: &str, case: &Value, remote: SocketAddr) -> Result<Vec<u8>, String> {
    let mut payload = unhex(text(case, "payload"));
    let from = text(case, "from");
    let to = rig.secrets[from].address();
    let question = match (payload.first().copied(), name) {
        (_, "OK-08" | "OK-09" | "OK-10") | (None, _) => None,
        (Some(1), _) => {
            let (id, local) = LINKS[0];
            let local = Endpoint::Ip(socket(local)?);
            let link = Link { id: LinkId(id), kind: LinkKind::Udp, rank: 0, local, mtu: 0, role: LinkRole::Full };
            if from == "root" {
                rig.vl1.add_link(rig.now, link, &mut rig.out);
            } else {
                // The full HELLO to an active peer.
                let request = Unknown { verb: Verb::FRAME, body: &[0; 12] };
                let frame = rig.craft(from, Armor::AesGmacSiv, 9, &request);
                rig.inject(remote, &frame);
                rig.pass(70_000);
                rig.vl1.handle_timeout(rig.now, &mut rig.out);
            }
            rig.sent().into_iter().find(|s| s.verb == Some(Verb::HELLO))
        }
        (Some(_), "OK-06") => {
            // Asked of the peer as if it were a root: its answer must not count.
            let options = SendOptions { compress: false, expect_reply: true };
            let whois = zt_wire::verb::Whois::one(rig.secrets["stranger"].address());
            rig.vl1.send(rig.now, to, &whois, options, &mut rig.out).map_err(|e| e.to_string())?;
            rig.sent().into_iter().find(|s| s.verb == Some(Verb::WHOIS))
        }
        (Some(_), _) => {
            let asked = Identity::parse(&mut Reader::new(&payload[9..]))
                .map_or(rig.secrets["stranger"].address(), |i| i.address);
            if name == "OK-04" {
                let message = UserMessage { type_id: 70_000, data: b"hi" };
                let sent = rig.vl1.send(rig.now, asked, &message, SendOptions::default(), &mut rig.out);
                sent.map_err(|e| e.to_string())?;
            } else {
                rig.vl1.whois(rig.now, asked, &mut rig.out);
            }
            rig.sent().into_iter().find(|s| s.verb == Some(Verb::WHOIS))
        }
    };
    if let Some(question) = question {
        payload[1..9].copy_from_slice(&question.id.0.to_be_bytes());
    } else if !matches!(name, "OK-08" | "OK-09" | "OK-10") {
        return Err("no question was asked".into());
    }
    Ok(rig.craft(from, Armor::AesGmacSiv, 10, &Unknown { verb: Verb::OK, body: &payload }))
}

fn check(rig: &mut Rig, name: &str, from: &str, case: &Value) -> Result<(), String> {
    let sent = rig.sent();
    let mut ours: Vec<String> = sent.iter().map(Sent::name).collect();
    ours.sort();
    let recorded = case["reaction"]["sends"].as_array().ok_or("no sends")?;
    let mut theirs: Vec<String> = recorded.iter().map(recorded_name).collect();
    let mut accounted = case["reaction"]["accountedAsReceived"] == true;
    let chosen = deliberate(name);
    if let Some((counted, sends)) = &chosen {
        accounted = *counted;
        theirs = sends.iter().map(|s| (*s).to_owned()).collect();
    }
    if rig.secrets.contains_key(from) {
        let peer = rig.vl1.peer(rig.now, rig.secrets[from].address());
        let heard = peer.is_some_and(|p| p.last_heard == Some(Duration::ZERO));
        same("accounted", &heard, &accounted)?;
    }
    // OKs of this run bring their own keep-alive; a HELLO goes out once by each link of the family.
    theirs.sort();
    same("sends", &ours, &theirs)?;
    if chosen.is_none() {
        compare_sends(&sent, recorded)?;
    }
    compare_events(rig, case)
}

fn recorded_name(send: &Value) -> String {
    let to = text(send, "to");
    match text(send, "kind") {
        "junk" => format!("junk {to}"),
        _ => match send["verb"].as_str() {
            Some(verb) => format!("{verb} {to}"),
            None => format!("forwarded {to}"),
        },
    }
}

/// Length, cipher, TTL and content of what was sent. Times and random bytes are ours.
fn compare_sends(sent: &[Sent], recorded: &[Value]) -> Result<(), String> {
    let mut left: Vec<&Sent> = sent.iter().collect();
    for theirs in recorded {
        let name = recorded_name(theirs);
        let fits = |s: &&Sent| s.name() == name && matches(s, theirs);
        let Some(at) = left.iter().position(fits) else {
            let seen: Vec<String> =
                sent.iter().map(|s| format!("{} {:?} {}", s.name(), s.cipher, hex(&s.payload))).collect();
            return Err(format!("nothing like {name} {} in {seen:?}", theirs["payload"]));
        };
        left.remove(at);
    }
    Ok(())
}

fn matches(ours: &Sent, theirs: &Value) -> bool {
    let number = |name: &str| theirs[name].as_u64();
    let ttl = number("ttl").filter(|t| *t != 0);
    // Deliberate: IPv6 has no such TTL; the datagram is sent as well.
    let ttl_fits = ours.ttl.map(u64::from) == ttl || ours.to.contains(':');
    if number("length") != Some(ours.length as u64) || !ttl_fits {
        return false;
    }
    if number("cipher").is_some_and(|c| ours.cipher != Some(c)) {
        return false;
    }
    let Some(payload) = theirs["payload"].as_str() else { return true };
    match ours.verb {
        // The timestamp is the clock's, the moon section is masked with our packet ID.
        Some(Verb::HELLO) => {
            let theirs = unhex(payload);
            ours.payload[..5] == theirs[..5] && ours.payload[13..ours.payload.len() - 2] == theirs[13..theirs.len() - 2]
        }
        Some(_) => hex(&ours.payload) == payload,
        None => true,
    }
}

fn compare_events(rig: &Rig, case: &Value) -> Result<(), String> {
    let recorded = case["reaction"]["events"].as_array().cloned().unwrap_or_default();
    let told: Vec<String> = rig.events.iter().flat_map(event_texts).collect();
    let theirs: Vec<String> = recorded
        .iter()
        .filter_map(Value::as_str)
        .filter(|e| e.starts_with("user message") || e.starts_with("remote trace"))
        .map(str::to_owned)
        .collect();
    same("events", &told, &theirs)?;
    for event in recorded.iter().filter_map(Value::as_str) {
        if let Some(t) = event.strip_prefix("planet timestamp is now ") {
            let held = rig.vl1.worlds().next().map(|w| w.timestamp.to_string());
            same("planet", &held.as_deref(), &Some(t))?;
        }
    }
    Ok(())
}

fn event_texts(event: &Vl1Event) -> Vec<String> {
    match event {
        Vl1Event::UserMessage { from, type_id, data } => {
            vec![format!("user message from {from} type {type_id} data {}", hex(data))]
        }
        Vl1Event::RemoteTrace { from, body } => (RemoteTrace { body })
            .dictionaries()
            .map(|dictionary| format!("remote trace from {from} text hex {}", hex(dictionary.as_bytes())))
            .collect(),
        _ => Vec::new(),
    }
}
