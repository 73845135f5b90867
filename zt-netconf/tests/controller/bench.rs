//! A controller on a table: identities from the recorded vectors, a store in memory, a clock that is set by hand.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use serde_json::{Map, Value, json};
use zt_crypto::{SecretIdentity, SeededEntropy};
use zt_netconf::NetworkConfig;
use zt_netconf::controller::{
    ApiOutcome, Change, Controller, ControllerOutput, Key, Record, Request, SendKind, Unserved,
};
use zt_wire::verb::{ConfigChunk, ErrorCode, Message, OkBody};
use zt_wire::{Address, Identity, Mono, NetworkId, Now, PacketId, Revocation, Verb};

/// Unix time at which a bench begins.
pub(crate) const START_MS: i64 = 1_795_000_000_000;
/// Metadata of a current node (04 §2.4).
pub(crate) const METADATA: &[u8] =
    b"v=0000000000000007\npv=000000000000000c\nmajv=0000000000000001\nminv=000000000000000e\n\
    revv=0000000000000001\nrevr=0000000000000001";

/// The recorded file with the identities.
#[expect(clippy::disallowed_methods, reason = "a test reads a file")]
pub(crate) fn recorded() -> Value {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/vectors/data/netconf.json");
    serde_json::from_slice(&std::fs::read(path).expect("the vectors are there")).expect("they are JSON")
}

/// One of the recorded identities: `ctl`, `a`, `b`, `d`.
pub(crate) fn secret(who: &str) -> SecretIdentity {
    static IDENTITIES: OnceLock<Value> = OnceLock::new();
    let identities = IDENTITIES.get_or_init(|| recorded()["identities"].clone());
    let text = identities[who]["identitySecret"].as_str().expect("a known name");
    SecretIdentity::from_text(text).expect("a valid identity")
}

/// The public part of a recorded identity.
pub(crate) fn identity(who: &str) -> Identity {
    *secret(who).identity()
}

/// What left the controller for a node.
#[derive(Clone, Debug)]
pub(crate) enum Sent {
    Reply(Box<NetworkConfig>),
    Push(Box<NetworkConfig>),
    Denied(ErrorCode),
    Revoked(Vec<Revocation>),
}

pub(crate) struct Bench {
    pub(crate) controller: Controller,
    pub(crate) now: Now,
    /// What is written, by key.
    pub(crate) store: BTreeMap<Key, Record>,
    /// Commits not confirmed yet.
    pub(crate) open: Vec<(u64, Vec<Change>)>,
    /// Confirm commits at once.
    pub(crate) fast: bool,
    pub(crate) sent: Vec<(Address, Sent)>,
    next_packet: u64,
}

impl Bench {
    pub(crate) fn new() -> Self {
        let mut controller = Controller::new(Arc::new(secret("ctl")), Box::new(SeededEntropy::new(7)));
        controller.start();
        Self::with(controller)
    }

    pub(crate) fn with(controller: Controller) -> Self {
        Self {
            controller,
            now: Now { mono: Mono::from_millis(1_000_000), unix_ms: START_MS },
            store: BTreeMap::new(),
            open: Vec::new(),
            fast: true,
            sent: Vec::new(),
            next_packet: 1,
        }
    }

    /// A controller that starts from what this one has written.
    pub(crate) fn restarted(&self) -> Self {
        let mut controller = Controller::new(Arc::new(secret("ctl")), Box::new(SeededEntropy::new(8)));
        for record in self.store.values() {
            // As text and back, as stores keep it.
            assert!(controller.load(Record::from_json(record.key(), record.to_json())));
        }
        controller.start();
        let mut bench = Self::with(controller);
        bench.store = self.store.clone();
        bench
    }

    pub(crate) fn wait(&mut self, ms: u64) {
        let end = self.now.plus(Duration::from_millis(ms));
        while let Some((at, _)) = self.controller.poll_timeout(self.now).filter(|(at, _)| *at <= end.mono) {
            let step = at.saturating_since(self.now.mono).max(Duration::from_millis(1));
            self.now = self.now.plus(step);
            self.controller.handle_timeout(self.now);
            self.drain();
        }
        self.now = end;
        self.controller.handle_timeout(self.now);
        self.drain();
    }

    pub(crate) fn write(&mut self, changes: &[Change]) {
        for change in changes {
            match change.record() {
                Some(record) => _ = self.store.insert(change.key(), record.clone()),
                None => _ = self.store.remove(&change.key()),
            }
        }
    }

    /// What is written of a record, as text.
    pub(crate) fn stored(&self, key: Key) -> Map<String, Value> {
        self.store[&key].to_json()
    }

    /// Puts a record into the store as another program does, and tells the controller; whether it took it.
    pub(crate) fn put_elsewhere(&mut self, key: Key, object: Map<String, Value>) -> bool {
        let record = Record::from_json(key, object);
        let taken = self.controller.handle_change(self.now, Change::put(record.clone()));
        if taken {
            self.store.insert(key, record);
        }
        taken
    }

    pub(crate) fn confirm(&mut self) {
        for (seq, changes) in std::mem::take(&mut self.open) {
            self.write(&changes);
            self.controller.handle_committed(self.now, seq);
        }
        self.drain();
    }

    pub(crate) fn drain(&mut self) {
        let mut parts: BTreeMap<(Address, bool), Vec<u8>> = BTreeMap::new();
        while let Some(output) = self.controller.poll_output(self.now) {
            match output {
                ControllerOutput::Commit { seq, changes } => {
                    if self.fast {
                        self.write(&changes);
                        self.controller.handle_committed(self.now, seq);
                    } else {
                        self.open.push((seq, changes));
                    }
                }
                ControllerOutput::Send { to, kind, body, .. } => self.take(to, kind, &body, &mut parts),
                ControllerOutput::Local { .. } | ControllerOutput::LocalRevocation { .. } => {
                    panic!("the controller's node has joined nothing here")
                }
            }
        }
        assert!(parts.is_empty(), "an update is incomplete");
    }

    fn take(
        &mut self,
        to: Address,
        kind: SendKind,
        body: &dyn zt_wire::Body,
        parts: &mut BTreeMap<(Address, bool), Vec<u8>>,
    ) {
        let bytes = body.to_vec();
        let message = Message::parse(body.verb(), &bytes).expect("it is well formed");
        let sent = match (kind, message) {
            (SendKind::Reply, Message::Ok(ok)) => {
                let OkBody::NetworkConfig(chunk) = ok.body else { panic!("not a configuration") };
                assemble(&chunk, parts.entry((to, true)).or_default()).map(|c| Sent::Reply(Box::new(c)))
            }
            (SendKind::Push, Message::NetworkConfig(chunk)) => {
                assemble(&chunk, parts.entry((to, false)).or_default()).map(|c| Sent::Push(Box::new(c)))
            }
            (SendKind::Denied, Message::Error(e)) => {
                assert_eq!(e.in_re_verb, Verb::NETWORK_CONFIG_REQUEST);
                Some(Sent::Denied(e.code))
            }
            (SendKind::Revocations, Message::NetworkCredentials(c)) => {
                for r in &c.revocations {
                    let ctl = identity("ctl");
                    assert!(zt_crypto::verify_credential(&r.signed_bytes(), &r.signature, &ctl));
                }
                Some(Sent::Revoked(c.revocations))
            }
            (kind, other) => panic!("{kind:?} carries {other:?}"),
        };
        if let Some(sent) = sent {
            parts.retain(|_, text| !text.is_empty());
            self.sent.push((to, sent));
        }
    }

    pub(crate) fn api(&mut self, method: &str, path: &str, body: Value) -> ApiOutcome {
        let outcome = self.controller.api(self.now, method, path, body.to_string().as_bytes());
        self.drain();
        outcome
    }

    /// A POST that must succeed; the object.
    pub(crate) fn post(&mut self, path: &str, body: Value) -> Value {
        let outcome = self.api("POST", path, body);
        assert_eq!(outcome.status, 200, "{path}");
        serde_json::from_str(&outcome.body.expect("a body")).expect("JSON")
    }

    pub(crate) fn get(&mut self, path: &str) -> Value {
        let outcome = self.controller.api(self.now, "GET", path, b"");
        assert_eq!(outcome.status, 200, "{path}");
        serde_json::from_str(&outcome.body.expect("a body")).expect("JSON")
    }

    pub(crate) fn network(&mut self, body: Value) -> NetworkId {
        self.post("/controller/network", body)["id"].as_str().expect("an id").parse().expect("an id")
    }

    pub(crate) fn member(&mut self, network: NetworkId, who: &str, body: Value) -> Value {
        self.post(&format!("/controller/network/{network}/member/{}", identity(who).address), body)
    }

    pub(crate) fn authorise(&mut self, network: NetworkId, who: &str) {
        self.member(network, who, json!({"authorized": true}));
    }

    /// A request; what its sender got.
    pub(crate) fn ask(&mut self, network: NetworkId, who: &str) -> Vec<Sent> {
        self.ask_as(network, identity(who), METADATA).expect("it is served")
    }

    pub(crate) fn ask_as(
        &mut self,
        network: NetworkId,
        from: Identity,
        metadata: &[u8],
    ) -> Result<Vec<Sent>, Unserved> {
        self.drain();
        self.sent.clear();
        let packet = PacketId(self.next_packet);
        self.next_packet += 1;
        let request = Request { network, from, from_path: None, packet: Some(packet), metadata };
        self.controller.handle_request(self.now, request)?;
        self.drain();
        Ok(self.taken(from.address))
    }

    /// What a node got since the last look, and forgets it.
    pub(crate) fn taken(&mut self, to: Address) -> Vec<Sent> {
        let (mine, rest) = std::mem::take(&mut self.sent).into_iter().partition(|(a, _)| *a == to);
        self.sent = rest;
        let mine: Vec<(Address, Sent)> = mine;
        mine.into_iter().map(|(_, s)| s).collect()
    }

    /// The one configuration among what was sent.
    pub(crate) fn config(sent: &[Sent]) -> NetworkConfig {
        match sent {
            [Sent::Reply(c) | Sent::Push(c)] => (**c).clone(),
            other => panic!("one configuration expected: {other:?}"),
        }
    }
}

/// Checks a chunk as a member does; the configuration once it is complete.
fn assemble(chunk: &ConfigChunk<'_>, text: &mut Vec<u8>) -> Option<NetworkConfig> {
    let seal = chunk.seal.expect("signed");
    assert!(chunk.rest.is_empty() && seal.update_id != 0 && seal.flags == 0);
    let signature = seal.signature().expect("a known signature");
    assert!(zt_crypto::verify(&identity("ctl").public_key, &chunk.signed_bytes().expect("signed"), &signature));
    assert_eq!(seal.index as usize, text.len());
    text.extend_from_slice(chunk.data);
    if text.len() < seal.total as usize {
        return None;
    }
    let config = NetworkConfig::from_text(text).expect("a configuration");
    text.clear();
    Some(config)
}

/// True for a refusal with this code and nothing else.
pub(crate) fn refused(sent: &[Sent], code: ErrorCode) -> bool {
    matches!(sent, [Sent::Denied(c)] if *c == code)
}
