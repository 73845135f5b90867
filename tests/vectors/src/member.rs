//! A member under test: one VL2 with a layer below that records what it is asked to send.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value;
use zt_crypto::{SecretIdentity, SeededEntropy};
use zt_netconf::{Carrier, Frame, NetworkConfig, SendOptions, Verdict, Version, Vl2};
use zt_wire::{Address, Body, Identity, Message, Mono, NetworkId, Now, PacketId, Verb};

/// Time at which members under test live.
pub(crate) const T: i64 = 1_795_000_000_000;

/// Everything that was sent: receiver, verb, payload.
#[derive(Default)]
pub(crate) struct Below {
    pub(crate) known: BTreeMap<Address, Identity>,
    pub(crate) sent: Vec<(Address, Verb, Vec<u8>)>,
}

impl Carrier for Below {
    fn identity(&self, address: Address) -> Option<Identity> {
        self.known.get(&address).copied()
    }
    fn request_identity(&mut self, _: Address) {}
    fn roots(&self) -> Vec<Address> {
        vec![]
    }
    fn is_root(&self) -> bool {
        false
    }
    fn direct_latency(&self, _: Address) -> Option<Duration> {
        None
    }
    fn send(&mut self, to: Address, body: &dyn Body, _: SendOptions) -> Option<PacketId> {
        self.sent.push((to, body.verb(), body.to_vec()));
        None
    }
    fn reply(&mut self, body: &dyn Body, options: SendOptions) {
        self.send(Address::NIL, body, options);
    }
    fn deliver(&mut self, _: NetworkId, _: Frame<'_>) {}
}

/// An identity of a vector file by its name there.
pub(crate) fn secret(file: &Value, name: &str) -> SecretIdentity {
    let text = file["identities"][name]["identitySecret"].as_str().expect("an identity");
    SecretIdentity::from_text(text).expect("a valid identity")
}

/// An address in text.
pub(crate) fn address(value: &Value) -> Address {
    value.as_str().expect("an address").parse().expect("an address")
}

/// A number in 16 hex digits.
pub(crate) fn number(value: &Value) -> u64 {
    u64::from_str_radix(value.as_str().expect("hex digits"), 16).expect("hex digits")
}

/// One member.
pub(crate) struct Member {
    pub(crate) vl2: Vl2,
    pub(crate) below: Below,
    pub(crate) now: Now,
}

impl Member {
    /// A member that knows the given identities of the file.
    pub(crate) fn new(file: &Value, own: &str, known: &[&str]) -> Self {
        let version = Version { major: 1, minor: 14, revision: 1 };
        let own = *secret(file, own).identity();
        let identities = known.iter().map(|name| *secret(file, name).identity());
        let known = identities.map(|identity| (identity.address, identity)).collect();
        Self {
            vl2: Vl2::new(own, version, Box::new(SeededEntropy::new(1))),
            below: Below { known, sent: vec![] },
            now: Now { mono: Mono::from_millis(1_000), unix_ms: T },
        }
    }

    pub(crate) fn join(&mut self, network: NetworkId, saved: Option<&NetworkConfig>) {
        let saved = saved.map(NetworkConfig::to_text);
        self.vl2.join(self.now, network, saved.as_deref(), &mut self.below);
    }

    /// Hands in a packet; `None` when it is malformed.
    pub(crate) fn receive(&mut self, from: &Identity, id: PacketId, verb: Verb, payload: &[u8]) -> Option<Verdict> {
        let message = Message::parse(verb, payload).ok()?;
        Some(self.vl2.handle_message(self.now, from, id, 0, &message, &mut self.below))
    }
}
