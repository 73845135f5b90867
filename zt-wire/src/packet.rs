//! Header of a head packet: a view that reads and changes it in place (02 §3.1), and the constants of 02 §1.

use core::fmt;

use crate::{Address, PacketId, ParseError, Verb};

/// Protocol version sent in HELLO.
pub const PROTO_VERSION: u8 = 12;
/// The latest version before cipher 3: what a node tells that is not to be sent any (01 §5.5).
pub const PROTO_VERSION_WITHOUT_AES: u8 = 11;
/// Lower protocol versions are dropped.
pub const PROTO_VERSION_MIN: u8 = 4;
/// Length of a header with its verb byte; the shortest packet.
pub const HEADER_LEN: usize = 28;
/// Length of the header of a fragment.
pub const FRAGMENT_HEADER_LEN: usize = 16;
/// UDP payload per datagram unless configured otherwise.
pub const DEFAULT_PHYS_MTU: u16 = 1432;
/// Lowest physical MTU that can be configured.
pub const MIN_PHYS_MTU: u16 = 1400;
/// Highest physical MTU that can be configured.
pub const MAX_PHYS_MTU: u16 = 10324;
/// Most pieces of one packet, head included.
pub const MAX_FRAGMENTS: usize = 7;
/// Longest assembled packet, header included.
pub const MAX_PACKET_LEN: usize = 10024;
/// Longest payload of a packet.
pub const MAX_PAYLOAD_LEN: usize = MAX_PACKET_LEN - HEADER_LEN;
/// Largest value of the hop field.
pub const MAX_HOPS: u8 = 7;
/// A packet with this hop count is not forwarded any more.
pub const RELAY_MAX_HOPS: u8 = 3;
/// Payloads up to this length are not compressed.
pub const COMPRESSION_THRESHOLD: usize = 64;
/// Payload size of an ordinary virtual Ethernet.
pub const DEFAULT_VIRTUAL_MTU: u16 = 2800;
/// Smallest payload size of a virtual Ethernet (04 §3.2).
pub const MIN_VIRTUAL_MTU: u16 = 1280;
/// Largest payload size of a virtual Ethernet.
pub const MAX_VIRTUAL_MTU: u16 = 10000;

/// Offset of the destination address.
pub const OFFSET_DESTINATION: usize = 8;
/// Offset of the source address; `ff` there marks a fragment.
pub const OFFSET_SOURCE: usize = 13;
/// Offset of the byte with flags, cipher and hops.
pub const OFFSET_FLAGS: usize = 18;
/// Offset of the authentication code.
pub const OFFSET_MAC: usize = 19;
/// Offset of the verb byte, where the protected region starts.
pub const OFFSET_VERB: usize = 27;

/// Deprecated "encrypted" flag: set exactly with cipher 1.
pub const FLAG_ENCRYPTED: u8 = 0x80;
/// More pieces follow this head.
pub const FLAG_FRAGMENTED: u8 = 0x40;
/// Bits of the cipher suite.
pub const CIPHER_MASK: u8 = 0x38;
/// Bits of the hop count; they are not authenticated.
pub const HOPS_MASK: u8 = 0x07;
/// Verb byte: payload is compressed.
pub const VERB_COMPRESSED: u8 = 0x80;
/// Verb byte: the verb.
pub const VERB_MASK: u8 = 0x1f;

/// Cipher suites of 02 §3.1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Cipher {
    /// Authenticated, not encrypted.
    Poly1305None = 0,
    /// Salsa20/12 with Poly1305.
    Salsa = 1,
    /// Nothing; the MAC field is a trusted path ID.
    Trusted = 2,
    /// AES-GMAC-SIV.
    AesGmacSiv = 3,
}

impl Cipher {
    /// The suite with this number.
    pub const fn from_raw(raw: u8) -> Option<Self> {
        match raw {
            0 => Some(Self::Poly1305None),
            1 => Some(Self::Salsa),
            2 => Some(Self::Trusted),
            3 => Some(Self::AesGmacSiv),
            _ => None,
        }
    }
}

/// View of the header of a head packet, which is readable whether or not the packet is sealed. Getters never panic: the
/// length was checked.
///
/// Verb and payload are noise while a packet is sealed, so they are not here: [`Packet::clear`] shows them where the header
/// says that they travel in clear, [`Packet::opened`] when the packet was opened.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Packet<T> {
    bytes: T,
}

/// View of a head packet whose verb and payload are readable: it travels in clear, is not sealed yet, or was opened in place.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Opened<T> {
    packet: Packet<T>,
}

impl<T: AsRef<[u8]>> Packet<T> {
    /// Checks only the length: [`HEADER_LEN`] to [`MAX_PACKET_LEN`].
    pub fn new_checked(bytes: T) -> Result<Self, ParseError> {
        match bytes.as_ref().len() {
            HEADER_LEN..=MAX_PACKET_LEN => Ok(Self { bytes }),
            n if n < HEADER_LEN => Err(ParseError { what: "packet header", at: n }),
            _ => Err(ParseError { what: "packet length", at: MAX_PACKET_LEN }),
        }
    }

    /// The bytes of the packet.
    pub fn as_bytes(&self) -> &[u8] {
        self.bytes.as_ref()
    }

    /// Gives the buffer back.
    pub fn into_inner(self) -> T {
        self.bytes
    }

    fn field<const N: usize>(&self, at: usize) -> [u8; N] {
        *self.bytes.as_ref()[at..].first_chunk().expect("new_checked saw a whole header")
    }

    /// Packet ID as it stands in the packet.
    pub fn id(&self) -> PacketId {
        PacketId(u64::from_be_bytes(self.field(0)))
    }

    /// Destination address.
    pub fn destination(&self) -> Address {
        Address::from_bytes(self.field(OFFSET_DESTINATION))
    }

    /// Source address.
    pub fn source(&self) -> Address {
        Address::from_bytes(self.field(OFFSET_SOURCE))
    }

    /// The byte with flags, cipher and hops.
    pub fn flags(&self) -> u8 {
        self.bytes.as_ref()[OFFSET_FLAGS]
    }

    /// Number of the cipher suite, 0–7.
    pub fn cipher_raw(&self) -> u8 {
        (self.flags() & CIPHER_MASK) >> 3
    }

    /// The cipher suite; `None` for unassigned numbers.
    pub fn cipher(&self) -> Option<Cipher> {
        Cipher::from_raw(self.cipher_raw())
    }

    /// Number of relays that forwarded the packet, 0–7.
    pub fn hops(&self) -> u8 {
        self.flags() & HOPS_MASK
    }

    /// True if more pieces follow.
    pub fn is_fragmented(&self) -> bool {
        self.flags() & FLAG_FRAGMENTED != 0
    }

    /// Authentication code or trusted path ID.
    pub fn mac(&self) -> [u8; 8] {
        self.field(OFFSET_MAC)
    }

    /// The MAC field as trusted path ID.
    pub fn trusted_path_id(&self) -> u64 {
        u64::from_be_bytes(self.mac())
    }

    /// Verb and payload, if the cipher suite leaves them in clear ([`Cipher::Poly1305None`], [`Cipher::Trusted`]); nobody has
    /// vouched for them yet. `None` for a packet that is encrypted, or was and is opened now: see [`Packet::opened`].
    pub fn clear(&self) -> Option<Opened<&[u8]>> {
        let clear = matches!(self.cipher(), Some(Cipher::Poly1305None | Cipher::Trusted));
        clear.then(|| Opened { packet: Packet { bytes: self.bytes.as_ref() } })
    }

    /// The packet as one that was opened in place, or is not sealed yet: the caller's word, which the header cannot tell, since
    /// opening leaves the cipher suite as it is.
    pub fn opened(self) -> Opened<T> {
        Opened { packet: self }
    }
}

impl<T: AsRef<[u8]>> Opened<T> {
    /// The header.
    pub fn header(&self) -> &Packet<T> {
        &self.packet
    }

    /// Verb byte with its flags.
    pub fn verb_byte(&self) -> u8 {
        self.packet.as_bytes()[OFFSET_VERB]
    }

    /// The verb.
    pub fn verb(&self) -> Verb {
        Verb(self.verb_byte() & VERB_MASK)
    }

    /// True if the payload is compressed.
    pub fn is_compressed(&self) -> bool {
        self.verb_byte() & VERB_COMPRESSED != 0
    }

    /// What follows the verb byte.
    pub fn payload(&self) -> &[u8] {
        &self.packet.as_bytes()[HEADER_LEN..]
    }
}

impl<'a> Opened<&'a [u8]> {
    /// What follows the verb byte, for as long as the buffer lives.
    pub fn into_payload(self) -> &'a [u8] {
        &self.packet.bytes[HEADER_LEN..]
    }
}

impl<T: AsMut<[u8]>> Opened<T> {
    /// The payload, to be changed in place.
    pub fn payload_mut(&mut self) -> &mut [u8] {
        &mut self.packet.bytes.as_mut()[HEADER_LEN..]
    }
}

impl<T: AsRef<[u8]> + AsMut<[u8]>> Packet<T> {
    fn put(&mut self, at: usize, bytes: &[u8]) {
        self.bytes.as_mut()[at..at + bytes.len()].copy_from_slice(bytes);
    }

    fn set_bits(&mut self, at: usize, mask: u8, bits: u8) {
        let byte = &mut self.bytes.as_mut()[at];
        *byte = *byte & !mask | bits & mask;
    }

    /// Sets the packet ID.
    pub fn set_id(&mut self, id: PacketId) {
        self.put(0, &id.0.to_be_bytes());
    }

    /// Sets the destination address.
    pub fn set_destination(&mut self, a: Address) {
        self.put(OFFSET_DESTINATION, &a.to_bytes());
    }

    /// Sets the source address.
    pub fn set_source(&mut self, a: Address) {
        self.put(OFFSET_SOURCE, &a.to_bytes());
    }

    /// Sets the cipher suite and, as 02 §3.1 demands, the "encrypted" flag exactly for [`Cipher::Salsa`].
    pub fn set_cipher(&mut self, cipher: Cipher) {
        self.set_bits(OFFSET_FLAGS, CIPHER_MASK, (cipher as u8) << 3);
        let encrypted = if cipher == Cipher::Salsa { FLAG_ENCRYPTED } else { 0 };
        self.set_bits(OFFSET_FLAGS, FLAG_ENCRYPTED, encrypted);
    }

    /// Sets the hop count (3 bits).
    pub fn set_hops(&mut self, hops: u8) {
        self.set_bits(OFFSET_FLAGS, HOPS_MASK, hops);
    }

    /// Sets or clears "more pieces follow"; must happen before the packet is sealed.
    pub fn set_fragmented(&mut self, fragmented: bool) {
        self.set_bits(OFFSET_FLAGS, FLAG_FRAGMENTED, if fragmented { FLAG_FRAGMENTED } else { 0 });
    }

    /// Sets the authentication code.
    pub fn set_mac(&mut self, mac: [u8; 8]) {
        self.put(OFFSET_MAC, &mac);
    }

    /// Sets or clears the compressed flag.
    pub fn set_compressed(&mut self, compressed: bool) {
        self.set_bits(OFFSET_VERB, VERB_COMPRESSED, if compressed { VERB_COMPRESSED } else { 0 });
    }
}

impl<T: AsRef<[u8]>> fmt::Display for Packet<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ZT {} > {}, id {}, ", self.source(), self.destination(), self.id())?;
        match self.cipher() {
            Some(Cipher::Poly1305None) => f.write_str("plain")?,
            Some(Cipher::Salsa) => f.write_str("salsa")?,
            Some(Cipher::Trusted) => write!(f, "trusted {:016x}", self.trusted_path_id())?,
            Some(Cipher::AesGmacSiv) => f.write_str("aes")?,
            None => write!(f, "cipher {}", self.cipher_raw())?,
        }
        if let Some(clear) = self.clear() {
            write!(f, " {}", clear.verb())?;
        }
        write!(f, ", hops {}", self.hops())?;
        if self.is_fragmented() {
            f.write_str(", fragmented")?;
        }
        write!(f, ", length {}", self.as_bytes().len())
    }
}

impl<T: AsRef<[u8]>> fmt::Debug for Packet<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Writes a header with packet ID, flags and MAC zero, which sealing fills in.
pub fn write_header(out: &mut [u8; HEADER_LEN], destination: Address, source: Address, verb: Verb) {
    *out = [0; HEADER_LEN];
    out[OFFSET_DESTINATION..OFFSET_SOURCE].copy_from_slice(&destination.to_bytes());
    out[OFFSET_SOURCE..OFFSET_FLAGS].copy_from_slice(&source.to_bytes());
    out[OFFSET_VERB] = verb.0 & VERB_MASK;
}
