//! Rule tables, credentials and frames drawn from bytes, to compare the rules engine with [`crate::reference`] on.
//!
//! The same bytes give the same scene: property tests make them by chance and shrink them, the fuzzer grows them. Addresses, ports,
//! tags and the like come from small pools, so that rules and frames have something to do with each other.

mod compare;
mod packets;
mod tables;

use crate::reference::{Decider, Frame, Record};
use zt_netconf::{NetworkConfig, NetworkType};
use zt_wire::credential::ownership::Thing;
use zt_wire::{Address, Capability, CredentialKind, Custody, Mac, NetworkId, Ownership, Signature, Tag};

pub use compare::{Difference, facts, in_words_of_the_reference, peer_policy};

/// Bytes that decide; when they run out, everything is 0.
#[derive(Clone, Debug)]
pub struct Bytes<'a>(&'a [u8]);

impl<'a> Bytes<'a> {
    /// Decisions from these bytes.
    #[must_use]
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    fn u8(&mut self) -> u8 {
        let Some((&first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        first
    }

    fn u16(&mut self) -> u16 {
        u16::from_be_bytes([self.u8(), self.u8()])
    }

    fn u32(&mut self) -> u32 {
        u32::from(self.u16()) << 16 | u32::from(self.u16())
    }

    fn u64(&mut self) -> u64 {
        u64::from(self.u32()) << 32 | u64::from(self.u32())
    }

    /// A number below `n`.
    fn below(&mut self, n: usize) -> usize {
        usize::from(self.u8()) % n.max(1)
    }

    /// True once in `n`.
    fn once_in(&mut self, n: usize) -> bool {
        self.below(n) == n - 1
    }

    fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())]
    }
}

/// The network of all scenes, that of its controller.
pub const NETWORK: NetworkId = NetworkId(0x6250_c6cc_f300_0001);
/// The node that decides.
pub const OWN: Address = Address::new(0x7f_2cb3_dbe7);
/// The other side.
pub const OTHER: Address = Address::new(0xdf_a68a_e067);
/// Somebody else.
pub const THIRD: Address = Address::new(0xb7_4f2a_493e);
/// Time of our configuration.
const T: i64 = 1_795_000_000_000;
/// How far apart credentials may be.
const WINDOW: i64 = 1_800_000;

/// Who decides about what, with what it knows.
#[derive(Clone, Debug)]
pub struct Scene {
    /// Our configuration.
    pub config: NetworkConfig,
    /// The record of the other side.
    pub record: Option<Record>,
    /// Direction.
    pub inbound: bool,
    /// The other side; outbound `NIL` in the first pass.
    pub other: Address,
    /// Source MAC.
    pub source_mac: Mac,
    /// Destination MAC.
    pub destination_mac: Mac,
    /// Ethertype.
    pub ethertype: u16,
    /// Frame without its header.
    pub payload: Vec<u8>,
    /// What MATCH_RANDOM gets.
    pub random: u32,
}

impl Scene {
    /// Draws a scene.
    #[must_use]
    pub fn draw(bytes: &mut Bytes<'_>) -> Self {
        let inbound = bytes.below(2) == 1;
        let other = if !inbound && bytes.once_in(4) { Address::NIL } else { OTHER };
        let (ethertype, payload) = packets::frame(bytes);
        let mut config = NetworkConfig::new(NETWORK, OWN, T);
        config.kind = NetworkType::Public;
        config.credential_window = WINDOW;
        config.flags = u64::from(bytes.u8());
        config.rules = tables::table(bytes, 48);
        if bytes.once_in(2) {
            config.capabilities = capabilities(bytes, OWN, 0);
        }
        config.tags = tags(bytes, OWN);
        config.ownerships = ownerships(bytes, OWN);
        config.addresses = packets::assigned(bytes);
        let record = (other == OTHER && !bytes.once_in(8)).then(|| Record {
            tags: tags(bytes, OTHER),
            capabilities: if bytes.once_in(2) { capabilities(bytes, OTHER, 1) } else { Vec::new() },
            ownerships: ownerships(bytes, OTHER),
            revoked: revoked(bytes),
        });
        let macs = [Mac::for_member(OWN, NETWORK), Mac::for_member(OTHER, NETWORK), Mac([2; 6]), Mac([0x33; 6])];
        let (source_mac, destination_mac) =
            (bytes.pick(&macs), bytes.pick(&[macs[0], macs[1], macs[3], Mac::BROADCAST]));
        Self { config, record, inbound, other, source_mac, destination_mac, ethertype, payload, random: bytes.u32() }
    }

    /// The frame as the reference sees it.
    #[must_use]
    pub fn frame(&self) -> Frame<'_> {
        let (source, destination) = if self.inbound { (self.other, OWN) } else { (OWN, self.other) };
        Frame {
            inbound: self.inbound,
            source,
            destination,
            source_mac: self.source_mac,
            destination_mac: self.destination_mac,
            ethertype: self.ethertype,
            payload: &self.payload,
        }
    }

    /// Who decides, as the reference sees it.
    #[must_use]
    pub fn decider(&self) -> Decider<'_> {
        Decider { own: OWN, config: &self.config, record: self.record.as_ref() }
    }
}

/// Times around the edges of the window.
fn timestamp(bytes: &mut Bytes<'_>) -> i64 {
    T + bytes.pick(&[0, 0, 0, 0, WINDOW, WINDOW + 1, -WINDOW, -WINDOW - 1, i64::MIN / 2])
}

/// At most one for each ID, ascending.
fn tags(bytes: &mut Bytes<'_>, issued_to: Address) -> Vec<Tag> {
    let ids = bytes.u8();
    let tag = |id: u32, bytes: &mut Bytes<'_>| Tag {
        network: NETWORK,
        timestamp: timestamp(bytes),
        id,
        value: tables::tag_value(bytes),
        issued_to,
        signer: NETWORK.controller(),
        signature: Signature::NONE,
    };
    (0..tables::TAGS).filter(|id| ids & 1 << id != 0).map(|id| tag(id, bytes)).collect()
}

fn capabilities(bytes: &mut Bytes<'_>, to: Address, first: u32) -> Vec<Capability> {
    let capability = |id: u32, bytes: &mut Bytes<'_>| Capability {
        network: NETWORK,
        timestamp: timestamp(bytes),
        id,
        rules: tables::table(bytes, 12),
        max_custody: 1,
        custody: vec![Custody { to, from: NETWORK.controller(), signature: Signature::NONE }],
    };
    (first..first + 1 + bytes.below(3) as u32).map(|id| capability(id, bytes)).collect()
}

fn ownerships(bytes: &mut Bytes<'_>, issued_to: Address) -> Vec<Ownership> {
    let certificate = |id: u32, bytes: &mut Bytes<'_>| Ownership {
        network: NETWORK,
        timestamp: timestamp(bytes),
        flags: 0,
        id,
        things: (0..bytes.below(4)).map(|_| thing(bytes)).collect(),
        issued_to,
        signer: NETWORK.controller(),
        signature: Signature::NONE,
    };
    (1..1 + bytes.below(3) as u32).map(|id| certificate(id, bytes)).collect()
}

fn thing(bytes: &mut Bytes<'_>) -> Thing {
    match bytes.below(8) {
        0..3 => Thing::from(std::net::IpAddr::from(packets::ipv4(bytes))),
        3..6 => Thing::from(std::net::IpAddr::from(packets::ipv6(bytes))),
        6 => Thing::from(bytes.pick(&[Mac::for_member(OWN, NETWORK), Mac::for_member(OTHER, NETWORK), Mac([2; 6])])),
        _ => Thing { kind: bytes.u8(), value: [2; 16] },
    }
}

fn revoked(bytes: &mut Bytes<'_>) -> Vec<(CredentialKind, u32, i64)> {
    let kinds = [CredentialKind::TAG, CredentialKind::CAPABILITY, CredentialKind::OWNERSHIP];
    let one = |bytes: &mut Bytes<'_>| (bytes.pick(&kinds), bytes.below(3) as u32, T + bytes.pick(&[0, -1, 1]));
    let mut all: Vec<_> = (0..bytes.below(3)).map(|_| one(bytes)).collect();
    all.sort_unstable_by_key(|entry| (entry.0.0, entry.1));
    all.dedup_by_key(|entry| (entry.0.0, entry.1));
    all
}
