//! `fragments.json`, list `reassembly`: pieces in any order, duplicated, altered (02 §3.4).

use std::net::SocketAddr;
use std::sync::Arc;

use serde_json::Value;
use zt_crypto::{PeerKeys, SecretIdentity, SeededEntropy};
use zt_peer::{
    Endpoint, Job, JobDone, Link, LinkId, LinkKind, LinkRole, Look, Place, Transmits, Vl1, Vl1Config, Vl1Event,
};
use zt_wire::verb::{Hello, OkBody, OkEcho, OkReply};
use zt_wire::{Address, Emit, Mono, Now, PacketId, SoftwareVersion, Verb, Writer, write_header};

use crate::{Case, Suite, load, same, text, unhex};

/// This list and how to execute it.
pub(crate) const SUITE: Suite = Suite {
    file: "fragments.json",
    expected: 22,
    cases,
    alter: |file| file["reassembly"][0]["messagesDelivered"] = 2.into(),
};

fn cases(file: &Value) -> Vec<Case> {
    let identities = load("packets.json")["identities"].clone();
    let all = file["reassembly"].as_array().expect("a list");
    all.iter()
        .map(|case| {
            let (case, pieces, identities) = (case.clone(), file["pieces"].clone(), identities.clone());
            Case::new(text(&case, "case").to_owned(), move || run(&case, &pieces, &identities))
        })
        .collect()
}

struct Target {
    vl1: Vl1,
    now: Now,
    out: Transmits,
}

fn secret(identities: &Value, name: &str) -> Arc<SecretIdentity> {
    let text = identities[name]["secret"].as_str().expect("a secret");
    Arc::new(SecretIdentity::from_text(text).expect("a good secret"))
}

/// Where the recorded pieces come from.
fn remote() -> Endpoint {
    Endpoint::Ip(SocketAddr::from(([10, 9, 0, 3], 9993)))
}

impl Target {
    /// A node that knows `peer`.
    fn new(identities: &Value) -> Self {
        let now = Now { mono: Mono::from_millis(1_000_000), unix_ms: 1_750_000_000_000 };
        let (own, peer) = (secret(identities, "target"), secret(identities, "peer"));
        let config = Vl1Config::new(Arc::clone(&own), Box::new(SeededEntropy::new(1)));
        let mut target = Self { vl1: Vl1::new(now, config), now, out: Transmits::new() };
        let local = Endpoint::Ip(SocketAddr::from(([10, 9, 0, 9], 9993)));
        let link = Link { id: LinkId(1), kind: LinkKind::Udp, rank: 0, local, mtu: 0, role: LinkRole::Full };
        target.vl1.add_link(now, link, &mut target.out);
        let hello = Hello {
            protocol: 12,
            version: SoftwareVersion::new(1, 14, 1),
            timestamp: 1_750_000_000_000,
            identity: *peer.identity(),
            destination: None,
            planet: None,
            moons: &[],
        };
        let mut bytes = vec![0; 28 + hello.encoded_len()];
        let (header, payload) = bytes.split_at_mut(28);
        write_header(header.try_into().expect("28"), own.address(), peer.address(), Verb::HELLO);
        hello.emit(&mut Writer::new(payload)).expect("room");
        let keys = PeerKeys::new(peer.agree(own.identity()).expect("an honest key"));
        keys.seal(&mut bytes, zt_crypto::Suite::Poly1305None);
        target.deliver(&bytes);
        target.answer_echo(&keys, peer.address());
        target
    }

    /// Answers the ECHO by which the node confirms the peer's address: it becomes a path.
    fn answer_echo(&mut self, keys: &PeerKeys, peer: Address) {
        self.vl1.seal(self.now, &mut self.out);
        let echo = self.out.iter().map(|t| t.bytes.to_vec()).find_map(|mut bytes| {
            keys.open(&mut bytes).ok()?;
            (Verb(bytes[27] & 0x1f) == Verb::ECHO).then_some(bytes)
        });
        let echo = echo.expect("an ECHO");
        let in_re_packet = PacketId(u64::from_be_bytes(*echo.first_chunk().expect("a packet")));
        self.out.clear();
        let ok = OkReply { in_re_packet, body: OkBody::Echo(OkEcho { data: &[] }) };
        let mut bytes = vec![0; 28 + ok.encoded_len()];
        let (header, payload) = bytes.split_at_mut(28);
        write_header(header.try_into().expect("28"), self.vl1.address(), peer, Verb::OK);
        ok.emit(&mut Writer::new(payload)).expect("room");
        keys.seal(&mut bytes, zt_crypto::Suite::AesGmacSiv);
        self.deliver(&bytes);
        self.out.clear();
    }

    /// Messages that came out of it.
    fn deliver(&mut self, datagram: &[u8]) -> usize {
        let mut datagram = datagram.to_vec();
        let mut assembled = Vec::new();
        let look = self.vl1.look(self.now, LinkId(1), remote(), &mut datagram, &mut assembled, &mut self.out);
        if let Look::Open(open) = look {
            let packet = if open.place == Place::Datagram { &mut datagram } else { &mut assembled };
            let opened = open.open(packet);
            let mut inflated = Vec::new();
            self.vl1.handle_opened(self.now, open.ticket, opened, packet, &mut inflated, &mut self.out);
        }
        while let Some(job) = self.vl1.poll_job() {
            let done = match job {
                Job::LoadPeer { address } => JobDone::Loaded { address, record: None },
                job => job.run(&Arc::clone(self.vl1.secret())),
            };
            self.vl1.handle_job(self.now, done, &mut self.out);
        }
        let mut messages = 0;
        while let Some(event) = self.vl1.poll_event() {
            messages += usize::from(matches!(event, Vl1Event::UserMessage { .. }));
        }
        messages
    }
}

fn run(case: &Value, pieces: &Value, identities: &Value) -> Result<(), String> {
    let mut target = Target::new(identities);
    let mut messages = 0;
    for step in case["deliver"].as_array().ok_or("no pieces")? {
        let name = text(step, "piece");
        let bytes = step["hex"].as_str().or_else(|| pieces[name].as_str()).ok_or_else(|| format!("no piece {name}"))?;
        messages += target.deliver(&unhex(bytes));
        target.out.clear();
    }
    let recorded = case["messagesDelivered"].as_u64();
    let expected = match text(case, "case") {
        // Safer point 8: newer packets of others do not flush an incomplete one.
        "evict-32" => Some(1),
        // Numbers that cannot be are refused (02 §3.4), so that they spoil nothing.
        _ => recorded,
    };
    same("messages", &Some(messages as u64), &expected)
}
