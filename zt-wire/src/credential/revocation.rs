//! Revocation of another credential (04 §5.5).

use alloc::vec::Vec;

use crate::{Address, BufferFull, Emit, NetworkId, Parse, ParseError, Reader, Signature, Writer};

use super::capability::Custody;
use super::{Credential, CredentialKind, marked, skip_additional};

/// A revocation. The two unused words of the layout are skipped and written as 0.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Revocation {
    /// Revocation ID, without meaning.
    pub id: u32,
    /// Network.
    pub network: NetworkId,
    /// ID of the credential revoked; 0 for a membership.
    pub credential_id: u32,
    /// Credentials with a timestamp up to this one are void, in milliseconds.
    pub threshold: i64,
    /// Flags, see [`Revocation::FAST_PROPAGATE`].
    pub flags: u64,
    /// Member whose credential is revoked.
    pub target: Address,
    /// Controller.
    pub signer: Address,
    /// Kind of the credential revoked.
    pub credential_kind: CredentialKind,
    /// Signature over [`Revocation::signed_bytes`].
    pub signature: Signature,
}

impl Revocation {
    /// Flag: members pass the revocation on to each other.
    pub const FAST_PROPAGATE: u64 = 1;

    /// True if members pass it on.
    pub const fn is_fast_propagate(&self) -> bool {
        self.flags & Self::FAST_PROPAGATE != 0
    }

    fn emit_signed_fields(&self, w: &mut Writer<'_>) -> Result<(), BufferFull> {
        w.put_u32(0)?;
        w.put_u32(self.id)?;
        w.put_u64(self.network.0)?;
        w.put_u32(0)?;
        w.put_u32(self.credential_id)?;
        w.put_u64(self.threshold as u64)?;
        w.put_u64(self.flags)?;
        self.target.emit(w)?;
        self.signer.emit(w)?;
        w.put_u8(self.credential_kind.0)
    }

    /// The bytes the signature is over.
    pub fn signed_bytes(&self) -> Vec<u8> {
        marked(53, |w| {
            self.emit_signed_fields(w)?;
            w.put_u16(0)
        })
    }
}

impl Credential for Revocation {
    fn kind(&self) -> CredentialKind {
        CredentialKind::REVOCATION
    }
    fn network(&self) -> NetworkId {
        self.network
    }
    fn id(&self) -> u32 {
        self.id
    }
    fn timestamp(&self) -> i64 {
        self.threshold
    }
    fn issued_to(&self) -> Address {
        self.target
    }
    fn signed_bytes(&self) -> Vec<u8> {
        self.signed_bytes()
    }
    fn chain(&self) -> impl Iterator<Item = Custody> {
        core::iter::once(Custody { to: self.target, from: self.signer, signature: self.signature })
    }
}

impl<'a> Parse<'a> for Revocation {
    fn parse(r: &mut Reader<'a>) -> Result<Self, ParseError> {
        r.u32("unused word of revocation")?;
        let id = r.u32("revocation ID")?;
        let network = NetworkId(r.u64("revocation network")?);
        r.u32("unused word of revocation")?;
        let revocation = Self {
            id,
            network,
            credential_id: r.u32("revoked credential ID")?,
            threshold: r.u64("revocation threshold")? as i64,
            flags: r.u64("revocation flags")?,
            target: Address::from_bytes(r.array("revocation target")?),
            signer: Address::from_bytes(r.array("revocation signer")?),
            credential_kind: CredentialKind(r.u8("revoked credential type")?),
            signature: Signature::parse_block(r)?,
        };
        skip_additional(r)?;
        Ok(revocation)
    }
}

impl Emit for Revocation {
    fn encoded_len(&self) -> usize {
        51 + Signature::BLOCK_LEN + 2
    }

    fn emit(&self, w: &mut Writer<'_>) -> Result<(), BufferFull> {
        self.emit_signed_fields(w)?;
        self.signature.emit_block(w)?;
        w.put_u16(0)
    }
}
