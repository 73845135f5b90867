//! Floods: what costs a node time, memory or attention.

use zt_crypto::Suite;
use zt_wire::verb::{Echo, MulticastLike, RemoteTrace, Subscription, UserMessage, Verb};
use zt_wire::{Address, Mac, MulticastGroup};

use super::packets::Forge;
use super::sender::{Load, Sources};

/// Different packets of one flood; they are repeated.
const VARIETY: usize = 512;

/// Bytes without meaning, addressed to the victim.
pub(super) fn garbage(forge: &mut Forge, _: usize) -> Load {
    let packets = (0..VARIETY).map(|_| {
        let mut bytes = forge.junk(100);
        bytes[8..13].copy_from_slice(&forge.victim.address.to_bytes());
        bytes[13] = 1;
        bytes
    });
    Load::new(packets.collect(), Sources::Block)
}

/// HELLOs of identities that nobody has, sealed by nothing.
pub(super) fn hello_bad_mac(forge: &mut Forge, _: usize) -> Load {
    let mask = forge.mask(0);
    let packets = (0..VARIETY).map(|n| {
        let mut identity = *mask.secret.identity();
        identity.address = Address::new(0x10_0000_0000 + n as u64);
        identity.public_key[..8].copy_from_slice(&(n as u64).to_be_bytes());
        let mut bytes = forge.hello(&mask, identity);
        bytes[19..27].copy_from_slice(&(n as u64).to_le_bytes());
        bytes
    });
    Load::new(packets.collect(), Sources::Block)
}

/// HELLOs that are sealed well, of identities that do not fit their addresses.
pub(super) fn hello_bad_identity(forge: &mut Forge, _: usize) -> Load {
    let mask = forge.mask(0);
    let packets = (0..VARIETY).map(|n| {
        let mut identity = *mask.secret.identity();
        identity.address = Address::new(0x11_0000_0000 + n as u64);
        forge.hello(&mask, identity)
    });
    Load::new(packets.collect(), Sources::Block)
}

/// One HELLO of a valid identity, played back from everywhere.
pub(super) fn hello_replayed(forge: &mut Forge, _: usize) -> Load {
    let mask = forge.mask(0);
    let bytes = forge.hello(&mask, *mask.secret.identity());
    Load::new(vec![bytes; 32], Sources::Block)
}

/// Pieces of packets whose other pieces never come.
pub(super) fn fragments(forge: &mut Forge, _: usize) -> Load {
    let packets = (0..VARIETY).map(|_| {
        let mut bytes = forge.junk(200);
        bytes[8..13].copy_from_slice(&forge.victim.address.to_bytes());
        bytes[13..16].copy_from_slice(&[0xff, 0x21, 0]);
        bytes
    });
    Load::new(packets.collect(), Sources::Block)
}

/// Packets of nodes that nobody knows: each is a reason to ask a root.
pub(super) fn unknown_sources(forge: &mut Forge, _: usize) -> Load {
    let mask = forge.mask(0);
    let packets = (0..VARIETY).map(|n| {
        let mut bytes = forge.sealed(&mask, Suite::Salsa2012Poly1305, &Echo { data: &[0; 32] });
        bytes[13..18].copy_from_slice(&Address::new(0x12_0000_0000 + n as u64 * 7_919).to_bytes());
        bytes
    });
    Load::new(packets.collect(), Sources::Block)
}

/// Some eighty bytes on the wire with thousands of dictionaries in them.
pub(super) fn remote_trace(forge: &mut Forge, _: usize) -> Load {
    let mask = forge.mask(0);
    let body = [b'x', 0].repeat(4_990);
    let packets = (0..VARIETY).map(|_| forge.compressed(&mask, &RemoteTrace { body: &body }));
    Load::new(packets.collect(), Sources::Own)
}

/// Messages for an application that is not there.
pub(super) fn user_message(forge: &mut Forge, _: usize) -> Load {
    let mask = forge.mask(0);
    let message = UserMessage { type_id: 70_000, data: &[7; 64] };
    let packets = (0..VARIETY).map(|_| forge.sealed(&mask, Suite::Salsa2012Poly1305, &message));
    Load::new(packets.collect(), Sources::Own)
}

/// Subscriptions of strangers, more than any table holds.
pub(super) fn multicast_like(forge: &mut Forge, identities: usize) -> Load {
    const PER_PACKET: usize = 76;
    const PACKETS: usize = 50;
    let network = forge.network;
    let mut packets = Vec::new();
    for number in 0..identities {
        let mask = forge.mask(number);
        for _ in 0..PACKETS {
            let subscriptions = (0..PER_PACKET).map(|_| {
                let random = forge.junk(10);
                let mac = Mac([0x33, 0x33, random[0], random[1], random[2], random[3]]);
                let adi = u32::from_be_bytes([random[4], random[5], random[6], random[7]]);
                Subscription { network, group: MulticastGroup { mac, adi } }
            });
            let body = MulticastLike { subscriptions: subscriptions.collect(), rest: &[] };
            debug_assert_eq!(zt_wire::Body::verb(&body), Verb::MULTICAST_LIKE);
            packets.push(forge.sealed(&mask, Suite::Salsa2012Poly1305, &body));
        }
    }
    Load::new(packets, Sources::Own)
}
