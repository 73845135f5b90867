//! Cipher 2: packets in clear between networks the operator trusts (01 §5.4).

use subtle::ConstantTimeEq;
use zt_wire::packet::{CIPHER_MASK, HEADER_LEN, OFFSET_FLAGS, OFFSET_MAC, OFFSET_VERB};

use crate::armor::set_cipher;

/// Where the ID lies, in the place of the message authentication code.
const ID: core::ops::Range<usize> = OFFSET_MAC..OFFSET_VERB;

/// The number of "trusted path" in byte 18.
const CIPHER: u8 = 2;

/// Marks a packet as sent over the trusted path `id`; its body stays in clear and nothing protects it.
///
/// # Panics
/// If the packet is shorter than 28 bytes, which no packet of the caller's can be.
pub fn trusted_path(packet: &mut [u8], id: u64) {
    assert!(packet.len() >= HEADER_LEN, "a packet has a header and a verb");
    set_cipher(packet, CIPHER);
    packet[ID].copy_from_slice(&id.to_be_bytes());
}

/// Whether a packet is marked for the trusted path `id`, compared in constant time.
///
/// An `id` of 0 means "not trusted" and matches nothing; the reference gets this wrong (01 §5.4). The caller still
/// has to see that the packet came from the physical network which has this ID.
#[must_use]
pub fn trusted_path_id_matches(packet: &[u8], id: u64) -> bool {
    id != 0
        && packet.len() >= HEADER_LEN
        && packet[OFFSET_FLAGS] & CIPHER_MASK == CIPHER << 3
        && bool::from(packet[ID].ct_eq(&id.to_be_bytes()))
}
