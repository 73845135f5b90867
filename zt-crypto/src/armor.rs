//! Sealing and opening of whole packets, in place (01 §5, §6).

use core::fmt;
use std::sync::OnceLock;

use subtle::ConstantTimeEq;
use thiserror::Error;
use zeroize::{Zeroize, Zeroizing};
use zt_wire::PacketId;
use zt_wire::packet::{
    CIPHER_MASK, FLAG_ENCRYPTED, HEADER_LEN, HOPS_MASK, OFFSET_DESTINATION, OFFSET_FLAGS as FLAGS, OFFSET_MAC as MAC,
    OFFSET_VERB as BODY,
};

use crate::SharedKey;
use crate::primitives::aes::{Aes, Gmac};
use crate::primitives::kbkdf::kbkdf;
use crate::primitives::poly::poly1305;
use crate::primitives::salsa::{PacketStream, Salsa12};

/// All of byte 18 but the hops, which relays change.
const NOT_HOPS: u8 = !HOPS_MASK;
/// Where the 16 bytes before the body begin; they make room for the additional data of cipher 3.
const AAD_ROOM: usize = BODY - 16;

/// How a packet is protected. Trusted paths are no suite: see [`trusted_path`](crate::trusted_path).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Suite {
    /// Cipher 0: authenticated, readable. For HELLO and a few verbs without user data (01 §5.5).
    Poly1305None,
    /// Cipher 1: for peers below protocol 12 or of unknown version.
    Salsa2012Poly1305,
    /// Cipher 3: for everything else.
    AesGmacSiv,
}

impl Suite {
    /// The number in byte 18.
    #[must_use]
    pub const fn number(self) -> u8 {
        match self {
            Self::Poly1305None => 0,
            Self::Salsa2012Poly1305 => 1,
            Self::AesGmacSiv => 3,
        }
    }

    const fn from_flags(flags: u8) -> Option<Self> {
        match (flags & CIPHER_MASK) >> 3 {
            0 => Some(Self::Poly1305None),
            1 => Some(Self::Salsa2012Poly1305),
            3 => Some(Self::AesGmacSiv),
            _ => None,
        }
    }
}

/// Why a packet was not opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Error)]
pub enum ArmorError {
    /// Shorter than 28 bytes.
    #[error("packet too short")]
    TooShort,
    /// Cipher 2 (to be judged by the trusted path rule, not by a key) or an unassigned one.
    #[error("cipher cannot be opened with a key")]
    NoSuchCipher,
    /// The packet was not sealed with these keys, or was changed on its way.
    #[error("packet not authentic")]
    NotAuthentic,
}

/// Everything derived from the key two peers share (01 §4). Does not change, may be used from any thread, is wiped
/// when dropped.
///
/// Relays change the three hop bits of byte 18; packets open all the same.
///
/// ```
/// use zt_crypto::{PeerKeys, SharedKey, Suite};
///
/// let keys = PeerKeys::new(SharedKey::from_bytes([7; 48]));
/// let plain = *b"8 randomDSTadSRCad\0\0\0\0\0\0\0\0\0\x06some payload";
/// let mut packet = plain;
/// let id = keys.seal(&mut packet, Suite::AesGmacSiv);
/// assert_eq!(packet[..8], id.0.to_be_bytes());
/// packet[18] += 2; // two relays
/// assert_eq!(keys.open(&mut packet), Ok(Suite::AesGmacSiv));
/// assert_eq!(packet[27..], plain[27..]);
/// ```
pub struct PeerKeys {
    key: SharedKey,
    aes: OnceLock<Box<AesKeys>>,
}

/// What cipher 3 needs: some hundred bytes of key schedules.
struct AesKeys {
    gmac: Gmac,
    aes: Aes,
}

impl AesKeys {
    fn new(key: &SharedKey) -> Self {
        let key = key.as_bytes();
        let k0 = kbkdf(key, b'0', 0, 0);
        let k1 = kbkdf(key, b'1', 0, 0);
        Self { gmac: Gmac::new(first32(&k0[..])), aes: Aes::new(first32(&k1[..])) }
    }
}

impl PeerKeys {
    /// The keys of those who share this one. The schedules of cipher 3 are made by the first packet that needs them, in a
    /// microsecond or two, and kept.
    #[must_use]
    pub const fn new(key: SharedKey) -> Self {
        Self { key, aes: OnceLock::new() }
    }

    /// Forgets the schedules of cipher 3 until they are needed again: of many peers that are silent only the key stays in
    /// memory.
    pub fn rest(&mut self) {
        self.aes = OnceLock::new();
    }

    /// Reads the schedules, if there are any, into the processor's caches: for whoever is about to open packets of many, and would
    /// wait for the memory of one after the other.
    pub fn touch(&self) {
        if let Some(AesKeys { gmac, aes }) = self.aes.get().map(Box::as_ref) {
            gmac.touch();
            aes.touch();
        }
    }

    /// Whether there are no schedules in memory.
    pub fn is_at_rest(&self) -> bool {
        self.aes.get().is_none()
    }

    fn aes(&self) -> &AesKeys {
        self.aes.get_or_init(|| Box::new(AesKeys::new(&self.key)))
    }

    fn salsa(&self) -> &[u8; 32] {
        first32(self.key.as_bytes())
    }

    /// Protects a whole packet in place and returns its ID as it is on the wire.
    ///
    /// Bytes 0–7 must be random, the addresses and the fragmented bit final, the payload compressed if it will be.
    /// Writes cipher and MAC, and for [`Suite::AesGmacSiv`] also the packet ID.
    ///
    /// # Panics
    /// If the packet is shorter than 28 bytes, which no packet of the caller's can be.
    pub fn seal(&self, packet: &mut [u8], suite: Suite) -> PacketId {
        assert!(packet.len() >= HEADER_LEN, "a packet has a header and a verb");
        // Byte 18 is authenticated, so it has its final value before anything is computed.
        set_cipher(packet, suite.number());
        match suite {
            Suite::Poly1305None => self.seal_salsa(packet, false),
            Suite::Salsa2012Poly1305 => self.seal_salsa(packet, true),
            Suite::AesGmacSiv => self.seal_aes(packet),
        }
        PacketId(u64::from_be_bytes(field(packet, 0)))
    }

    /// Checks and decrypts a whole packet in place and says how it was protected.
    ///
    /// The header stays as it is on the wire. A caller must still refuse verbs that may not come in clear when the
    /// answer is [`Suite::Poly1305None`].
    ///
    /// # Errors
    /// The packet is not authentic, or has a cipher that no key opens. Nothing can be told about its content: with
    /// cipher 3 the body is then overwritten with zeros.
    pub fn open(&self, packet: &mut [u8]) -> Result<Suite, ArmorError> {
        if packet.len() < HEADER_LEN {
            return Err(ArmorError::TooShort);
        }
        let suite = Suite::from_flags(packet[FLAGS]).ok_or(ArmorError::NoSuchCipher)?;
        let authentic = match suite {
            Suite::Poly1305None => self.open_salsa(packet, false),
            Suite::Salsa2012Poly1305 => self.open_salsa(packet, true),
            Suite::AesGmacSiv => self.open_aes(packet),
        };
        if authentic { Ok(suite) } else { Err(ArmorError::NotAuthentic) }
    }

    /// Masks or unmasks the moon section of a HELLO, from its count to the end of the packet (01 §6).
    ///
    /// To be done before [`seal`](Self::seal) and after [`open`](Self::open), once, and never with the same packet
    /// ID for two different HELLOs.
    pub fn mask_hello_tail(&self, packet_id: PacketId, tail: &mut [u8]) {
        // Quirk (01 §6): the three low bits were once changed at sending; the rule remains.
        let nonce = (packet_id.0 & !7).to_be_bytes();
        Salsa12::new(self.salsa(), &nonce).apply(tail);
    }

    fn seal_salsa(&self, packet: &mut [u8], encrypt: bool) {
        let stream = self.start_salsa(packet);
        let key = Zeroizing::new(*stream.one_time_key());
        // The MAC is over what is on the wire: encrypt first.
        if encrypt {
            stream.apply(&mut packet[BODY..]);
        }
        let tag = poly1305(&key, &packet[BODY..]);
        packet[MAC..BODY].copy_from_slice(&tag[..8]);
    }

    fn open_salsa(&self, packet: &mut [u8], encrypted: bool) -> bool {
        let stream = self.start_salsa(packet);
        let tag = poly1305(stream.one_time_key(), &packet[BODY..]);
        // Checked before anything is decrypted: a forged packet costs one pass and stays as it came.
        if !bool::from(packet[MAC..BODY].ct_eq(&tag[..8])) {
            return false;
        }
        if encrypted {
            stream.apply(&mut packet[BODY..]);
        }
        true
    }

    /// The key stream of a packet (01 §5.2).
    fn start_salsa(&self, packet: &[u8]) -> PacketStream {
        let mut key = Zeroizing::new(*self.salsa());
        // The header enters the key and not the MAC: whoever changes a bit of it or the length has the MAC of another key.
        for (byte, header) in key.iter_mut().zip(&packet[..FLAGS]) {
            *byte ^= header;
        }
        key[18] ^= packet[FLAGS] & NOT_HOPS;
        key[19] ^= packet.len() as u8;
        key[20] ^= (packet.len() >> 8) as u8;
        PacketStream::new(&key, &field(packet, 0))
    }

    fn seal_aes(&self, packet: &mut [u8]) {
        let iv = field(packet, 0);
        let AesKeys { gmac, aes } = self.aes();
        let mac = folded_gmac(gmac, iv, packet);
        let opaque = aes.encrypt_block(join(iv, mac));
        aes.apply_counter(first_counter(opaque), &mut packet[BODY..]);
        packet[..8].copy_from_slice(&opaque[..8]);
        packet[MAC..BODY].copy_from_slice(&opaque[8..]);
    }

    fn open_aes(&self, packet: &mut [u8]) -> bool {
        let opaque = join(field(packet, 0), field(packet, MAC));
        // This MAC is over the plain body, so decrypting comes first here; what was not authentic is wiped, nobody may act on it.
        let AesKeys { gmac, aes } = self.aes();
        aes.apply_counter(first_counter(opaque), &mut packet[BODY..]);
        let plain = aes.decrypt_block(opaque);
        let mac = folded_gmac(gmac, field(&plain, 0), packet);
        let authentic = bool::from(mac.ct_eq(&plain[8..]));
        if !authentic {
            packet[BODY..].zeroize();
        }
        authentic
    }
}

impl fmt::Debug for PeerKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PeerKeys(..)")
    }
}

/// GMAC over addresses, byte 18 without hops, padding and body, folded to 8 bytes (01 §5.3).
///
/// The additional data is put directly before the body for the time of the call, so that one pass over one
/// slice does it without a copy; the header is the same afterwards.
fn folded_gmac(gmac: &Gmac, iv: [u8; 8], packet: &mut [u8]) -> [u8; 8] {
    let header: [u8; 16] = packet[AAD_ROOM..BODY].try_into().expect("16 bytes");
    packet.copy_within(OFFSET_DESTINATION..MAC, AAD_ROOM);
    packet[AAD_ROOM + 10] &= NOT_HOPS;
    packet[AAD_ROOM + 11..BODY].fill(0);
    let mut nonce = [0; 12];
    nonce[..8].copy_from_slice(&iv);
    let tag = gmac.tag(nonce, &packet[AAD_ROOM..]);
    packet[AAD_ROOM..BODY].copy_from_slice(&header);
    core::array::from_fn(|i| tag[i] ^ tag[i + 8])
}

/// Writes the cipher into byte 18; the deprecated "encrypted" bit goes with cipher 1 (01 §5.1).
pub(crate) fn set_cipher(packet: &mut [u8], number: u8) {
    let kept = packet[FLAGS] & !(CIPHER_MASK | FLAG_ENCRYPTED);
    let encrypted = if number == 1 { FLAG_ENCRYPTED } else { 0 };
    packet[FLAGS] = kept | number << 3 | encrypted;
}

/// The counter block made of the 16 bytes that are on the wire.
fn first_counter(mut opaque: [u8; 16]) -> [u8; 16] {
    // Then no addition carries out of the last four bytes, which alone are counted up (01 §5.3).
    opaque[12] &= 0x7f;
    opaque
}

fn join(a: [u8; 8], b: [u8; 8]) -> [u8; 16] {
    let mut out = [0; 16];
    out[..8].copy_from_slice(&a);
    out[8..].copy_from_slice(&b);
    out
}

fn field(bytes: &[u8], at: usize) -> [u8; 8] {
    bytes[at..at + 8].try_into().expect("8 bytes")
}

fn first32(bytes: &[u8]) -> &[u8; 32] {
    bytes[..32].try_into().expect("at least 32 bytes")
}
