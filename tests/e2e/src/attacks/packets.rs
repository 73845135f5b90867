//! Packets as an attacker makes them.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use zt_crypto::{Entropy as _, PeerKeys, SecretIdentity, SeededEntropy, Suite};
use zt_wire::verb::{Hello, Verb, WorldVersion};
use zt_wire::{Address, Body, Identity, InetAddress, NetworkId, Packet, SoftwareVersion, Writer, lz4, write_header};

/// Identities that are valid and known to everybody: making one takes long.
const KEPT: &str = include_str!("../../../sim/fixtures/identities.txt");
/// Those before are of the nodes of other tests.
const FIRST: usize = 20;

/// What an attacker knows about its victim, and a source of packets.
pub(crate) struct Forge {
    pub(crate) victim: Identity,
    /// Other nodes, which the victim knows.
    pub(crate) others: Vec<Address>,
    pub(crate) network: NetworkId,
    pub(crate) dice: SeededEntropy,
}

/// A valid identity and its keys with the victim.
pub(crate) struct Mask {
    pub(crate) secret: Arc<SecretIdentity>,
    keys: PeerKeys,
}

impl Forge {
    pub(crate) fn new(victim: Identity, others: Vec<Address>, network: NetworkId) -> Self {
        Self { victim, others, network, dice: SeededEntropy::new(0xa77ac) }
    }

    /// The identity of this number.
    pub(crate) fn mask(&self, number: usize) -> Mask {
        let line = KEPT.lines().nth(FIRST + number).expect("as many identities as an attack uses");
        let secret = SecretIdentity::from_text(line).expect("written by examples/make_identities.rs");
        let keys = PeerKeys::new(secret.agree(&self.victim).expect("the victim's key is good"));
        Mask { secret: Arc::new(secret), keys }
    }

    /// A packet of an identity, sealed.
    pub(crate) fn sealed(&mut self, mask: &Mask, suite: Suite, body: &dyn Body) -> Vec<u8> {
        let mut bytes = self.plain(mask.secret.address(), body);
        mask.keys.seal(&mut bytes, suite);
        bytes
    }

    /// The same with its payload compressed, if that makes it shorter.
    pub(crate) fn compressed(&mut self, mask: &Mask, body: &dyn Body) -> Vec<u8> {
        let mut bytes = self.plain(mask.secret.address(), body);
        let mut squeezed = Vec::new();
        if let Some(block) = lz4::compress(&bytes[28..], &mut squeezed) {
            let block = block.to_vec();
            bytes.truncate(28);
            bytes.extend_from_slice(&block);
            Packet::new_checked(bytes.as_mut_slice()).expect("has a header").set_compressed(true);
        }
        mask.keys.seal(&mut bytes, Suite::Salsa2012Poly1305);
        bytes
    }

    /// HELLO of an identity, said to be of `identity`.
    pub(crate) fn hello(&mut self, mask: &Mask, identity: Identity) -> Vec<u8> {
        let body = hello(identity);
        let mut bytes = self.plain(identity.address, &body);
        mask.keys.seal(&mut bytes, Suite::Poly1305None);
        bytes
    }

    /// HELLO of a node, sealed with its keys.
    pub(crate) fn hello_of(&mut self, secret: &SecretIdentity, keys: &PeerKeys) -> Vec<u8> {
        let mut bytes = self.plain(secret.address(), &hello(*secret.identity()));
        keys.seal(&mut bytes, Suite::Poly1305None);
        bytes
    }

    /// Anything else of a node, sealed with its keys.
    pub(crate) fn sealed_of(&mut self, from: Address, keys: &PeerKeys, body: &dyn Body) -> Vec<u8> {
        let mut bytes = self.plain(from, body);
        keys.seal(&mut bytes, Suite::Salsa2012Poly1305);
        bytes
    }

    /// A packet of one node to another, which nobody between them can read: as long as `size`, with no meaning.
    pub(crate) fn relayed(&mut self, from: Address, to: Address, size: usize) -> Vec<u8> {
        let mut bytes = self.junk(size.max(28));
        let header = bytes.first_chunk_mut().expect("as long as a header");
        write_header(header, to, from, Verb::NOP);
        bytes[..8].copy_from_slice(&self.dice.next_u64().to_be_bytes());
        bytes
    }

    /// A packet that is not sealed yet, with an ID of its own.
    pub(crate) fn plain(&mut self, from: Address, body: &dyn Body) -> Vec<u8> {
        let mut bytes = vec![0; 28 + body.encoded_len()];
        let (header, payload) = bytes.split_at_mut(28);
        write_header(header.try_into().expect("split at its length"), self.victim.address, from, body.verb());
        body.emit(&mut Writer::new(payload)).expect("as long as it says");
        bytes[..8].copy_from_slice(&self.dice.next_u64().to_be_bytes());
        bytes
    }

    pub(crate) fn junk(&mut self, len: usize) -> Vec<u8> {
        let mut bytes = vec![0; len];
        self.dice.fill(&mut bytes);
        bytes
    }
}

/// A HELLO of a node with software of today.
pub(crate) fn hello(identity: Identity) -> Hello<'static> {
    let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Hello {
        protocol: 12,
        version: SoftwareVersion::new(1, 14, 1),
        timestamp: u64::try_from(since_1970.as_millis()).unwrap_or(0),
        identity,
        destination: Some(InetAddress::None),
        planet: Some(WorldVersion { id: 0, timestamp: 0 }),
        moons: &[],
    }
}
