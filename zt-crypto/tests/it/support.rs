//! What several tests need.

use proptest::prelude::*;
use zt_crypto::{PeerKeys, SharedKey, Suite};

/// Offset of the byte with flags, cipher and hops.
pub(crate) const FLAGS: usize = 18;
/// Offset of verb and payload.
pub(crate) const BODY: usize = 27;

/// A packet before sealing: random ID and addresses, maybe the fragmented flag, MAC zero.
pub(crate) fn plain_packet() -> impl Strategy<Value = Vec<u8>> {
    let body = prop_oneof![
        4 => proptest::collection::vec(any::<u8>(), 1..400),
        1 => proptest::collection::vec(any::<u8>(), 1..3000),
    ];
    (any::<[u8; 18]>(), any::<bool>(), body).prop_map(|(header, fragmented, body)| {
        let mut packet = header.to_vec();
        packet.push(if fragmented { 0x40 } else { 0 });
        packet.extend([0; 8]);
        packet.extend(body);
        packet
    })
}

pub(crate) fn keys() -> impl Strategy<Value = PeerKeys> {
    proptest::array::uniform32(any::<u8>()).prop_map(|half| {
        let mut key = [0; 48];
        key[..32].copy_from_slice(&half);
        key[32..].copy_from_slice(&half[..16]);
        PeerKeys::new(SharedKey::from_bytes(key))
    })
}

pub(crate) fn suite() -> impl Strategy<Value = Suite> {
    prop_oneof![Just(Suite::Poly1305None), Just(Suite::Salsa2012Poly1305), Just(Suite::AesGmacSiv)]
}
