//! A member under test: one VL2 with a layer below that records what it is asked to send.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};
use zt_crypto::{SecretIdentity, SeededEntropy};
use zt_netconf::{Carrier, NetworkConfig, SendOptions, Verdict, Vl2};
use zt_wire::{Address, Body, EthernetRef, Identity, Message, Mono, NetworkId, Now, PacketId, SoftwareVersion, Verb};

use crate::hex;

/// Time at which members under test live.
pub(crate) const T: i64 = 1_795_000_000_000;

/// Everything that was sent: receiver, verb, payload; and every frame delivered, in the words of the vector files.
#[derive(Default)]
pub(crate) struct Below {
    pub(crate) known: BTreeMap<Address, Identity>,
    pub(crate) roots: Vec<Address>,
    pub(crate) sent: Vec<(Address, Verb, Vec<u8>)>,
    pub(crate) delivered: Vec<Value>,
    /// Packets to which an OK is expected.
    expected: Vec<(PacketId, Verb)>,
    next_id: u64,
}

impl Below {
    /// The last packet of this verb to which an OK is expected.
    pub(crate) fn id_of(&self, verb: Verb) -> Option<PacketId> {
        self.expected.iter().rev().find(|(_, asked)| *asked == verb).map(|(id, _)| *id)
    }

    /// True when an OK to this packet is expected.
    pub(crate) fn asked(&self, id: &[u8]) -> bool {
        self.expected.iter().any(|(expected, _)| expected.0.to_be_bytes() == id)
    }
}

impl Carrier for Below {
    fn identity(&self, address: Address) -> Option<Identity> {
        self.known.get(&address).copied()
    }
    fn request_identity(&mut self, _: Address) {}
    fn roots(&self) -> Vec<Address> {
        self.roots.clone()
    }
    fn is_root(&self) -> bool {
        false
    }
    fn direct_latency(&self, _: Address) -> Option<Duration> {
        None
    }
    fn send(&mut self, to: Address, body: &dyn Body, options: SendOptions) -> Option<PacketId> {
        self.sent.push((to, body.verb(), body.to_vec()));
        self.next_id += 1;
        let id = PacketId(0x5eed_0000_0000_0000 + self.next_id);
        if options.expect_reply {
            self.expected.push((id, body.verb()));
        }
        Some(id)
    }
    fn reply(&mut self, body: &dyn Body, options: SendOptions) {
        self.send(Address::NIL, body, options);
    }
    fn deliver(&mut self, network: NetworkId, frame: EthernetRef<'_>) {
        self.delivered.push(json!({
            "network": network.to_string(),
            "sourceMac": hex(&frame.source.0),
            "destMac": hex(&frame.destination.0),
            "etherType": format!("{:04x}", frame.ethertype),
            "data": hex(frame.payload),
        }));
    }
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
    pub(crate) own: Identity,
}

impl Member {
    /// A member that knows the given identities of the file.
    pub(crate) fn new(file: &Value, own: &str, known: &[&str]) -> Self {
        let identities: Vec<_> = known.iter().map(|name| *secret(file, name).identity()).collect();
        Self::with_identities(*secret(file, own).identity(), &identities)
    }

    /// A member that knows the given identities.
    pub(crate) fn with_identities(own: Identity, known: &[Identity]) -> Self {
        let version = SoftwareVersion::new(1, 14, 1);
        let known = known.iter().map(|identity| (identity.address, *identity)).collect();
        Self {
            vl2: Vl2::new(own, version, Box::new(SeededEntropy::new(1))),
            below: Below { known, ..Below::default() },
            now: Now { mono: Mono::from_millis(1_000), unix_ms: T },
            own,
        }
    }

    pub(crate) fn join(&mut self, network: NetworkId, saved: Option<&NetworkConfig>) {
        let saved = saved.map(NetworkConfig::to_text);
        self.vl2.join(self.now, network, saved.as_deref(), &mut self.below);
    }

    /// Hands in a packet; `None` when it is malformed.
    pub(crate) fn receive(&mut self, from: &Identity, id: PacketId, verb: Verb, payload: &[u8]) -> Option<Verdict> {
        let message = Message::parse(verb, payload).ok()?;
        Some(self.vl2.handle_message(self.now, from, id, &message, &mut self.below))
    }
}
