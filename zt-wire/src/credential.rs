//! Credentials: layouts only, signatures are 96 opaque bytes (04 §4, §5; 01 §9).

use alloc::vec::Vec;
use core::fmt;

use crate::{Address, BufferFull, NetworkId, ParseError, Reader, Writer};

pub mod capability;
pub mod membership;
pub mod ownership;
pub mod revocation;
pub mod tag;

use capability::Custody;

/// Signature of the combined key pair: 96 opaque bytes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Signature(pub [u8; 96]);

impl Signature {
    /// Length in bytes.
    pub const LEN: usize = 96;
    /// All zero: "no signature"; never verifies.
    pub const NONE: Self = Self([0; 96]);
    /// Type byte of a signature block.
    pub const TYPE: u8 = 1;
    /// Length of a signature block: type, length, signature.
    pub(crate) const BLOCK_LEN: usize = 99;

    /// Reads a signature block (04 §5.1). Other types are skipped and give [`Signature::NONE`].
    pub(crate) fn parse_block(r: &mut Reader<'_>) -> Result<Self, ParseError> {
        let kind = r.u8("signature type")?;
        let length_error = r.fail("signature length");
        let n = r.u16("signature length")?;
        if kind != Self::TYPE {
            r.bytes(usize::from(n), "skipped signature")?;
            return Ok(Self::NONE);
        }
        if usize::from(n) != Self::LEN {
            return Err(length_error);
        }
        r.array("signature").map(Self)
    }

    pub(crate) fn emit_block(&self, w: &mut Writer<'_>) -> Result<(), BufferFull> {
        w.put_u8(Self::TYPE)?;
        w.put_u16(Self::LEN as u16)?;
        w.put_bytes(&self.0)
    }
}

impl Default for Signature {
    fn default() -> Self {
        Self::NONE
    }
}

impl fmt::Debug for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let s = &self.0;
        write!(f, "Signature({:02x}{:02x}{:02x}{:02x}…)", s[0], s[1], s[2], s[3])
    }
}

/// What a credential is (04 §5.1).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CredentialKind(pub u8);

impl CredentialKind {
    /// Certificate of membership.
    pub const MEMBERSHIP: Self = Self(1);
    /// Capability.
    pub const CAPABILITY: Self = Self(2);
    /// Tag.
    pub const TAG: Self = Self(3);
    /// Certificate of ownership.
    pub const OWNERSHIP: Self = Self(4);
    /// Revocation.
    pub const REVOCATION: Self = Self(6);
}

impl fmt::Display for CredentialKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::MEMBERSHIP => f.write_str("membership"),
            Self::CAPABILITY => f.write_str("capability"),
            Self::TAG => f.write_str("tag"),
            Self::OWNERSHIP => f.write_str("ownership"),
            Self::REVOCATION => f.write_str("revocation"),
            Self(other) => write!(f, "credential {other}"),
        }
    }
}

impl fmt::Debug for CredentialKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// What memberships, tags, capabilities, ownership certificates and revocations have in common.
pub trait Credential {
    /// Kind of credential.
    fn kind(&self) -> CredentialKind;
    /// Network it is for.
    fn network(&self) -> NetworkId;
    /// ID within its kind; 0 for memberships.
    fn id(&self) -> u32;
    /// Time of issue by the clock of the controller, in milliseconds.
    fn timestamp(&self) -> i64;
    /// Holder (target of a revocation).
    fn issued_to(&self) -> Address;
    /// The bytes the signature is over, markers included.
    fn signed_bytes(&self) -> Vec<u8>;
    /// Who signed them, for whom, in order: one link from the controller to the holder, of a capability its chain of
    /// custody.
    fn chain(&self) -> impl Iterator<Item = Custody>;
    /// Most links that count.
    fn max_chain(&self) -> usize {
        1
    }
}

/// Reads "additional fields": a length and bytes that are skipped (04 §5.1).
pub(crate) fn skip_additional(r: &mut Reader<'_>) -> Result<(), ParseError> {
    let n = r.u16("length of additional fields")?;
    r.bytes(usize::from(n), "additional fields").map(|_| ())
}

/// Serialises with `7f` markers around (01 §9).
pub(crate) fn marked(len: usize, body: impl FnOnce(&mut Writer<'_>) -> Result<(), BufferFull>) -> Vec<u8> {
    let mut out = alloc::vec![0x7f; len + 16];
    let mut w = Writer::new(&mut out[8..8 + len]);
    body(&mut w).expect("the length of the body is exact");
    debug_assert_eq!(w.written(), len);
    out
}
