//! Tag: a number a controller pins to a member (04 §5.2).

use alloc::vec::Vec;

use crate::{Address, BufferFull, Emit, NetworkId, Parse, ParseError, Reader, Signature, Writer};

use super::capability::Custody;
use super::{Credential, CredentialKind, marked, skip_additional};

/// A tag.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tag {
    /// Network.
    pub network: NetworkId,
    /// Time of issue by the clock of the controller, in milliseconds.
    pub timestamp: i64,
    /// Tag ID.
    pub id: u32,
    /// Value.
    pub value: u32,
    /// Holder.
    pub issued_to: Address,
    /// Controller.
    pub signer: Address,
    /// Signature over [`Tag::signed_bytes`].
    pub signature: Signature,
}

impl Tag {
    fn emit_signed_fields(&self, w: &mut Writer<'_>) -> Result<(), BufferFull> {
        w.put_u64(self.network.0)?;
        w.put_u64(self.timestamp as u64)?;
        w.put_u32(self.id)?;
        w.put_u32(self.value)?;
        self.issued_to.emit(w)?;
        self.signer.emit(w)
    }

    /// The bytes the signature is over.
    pub fn signed_bytes(&self) -> Vec<u8> {
        marked(36, |w| {
            self.emit_signed_fields(w)?;
            w.put_u16(0)
        })
    }
}

impl Credential for Tag {
    fn kind(&self) -> CredentialKind {
        CredentialKind::TAG
    }
    fn network(&self) -> NetworkId {
        self.network
    }
    fn id(&self) -> u32 {
        self.id
    }
    fn timestamp(&self) -> i64 {
        self.timestamp
    }
    fn issued_to(&self) -> Address {
        self.issued_to
    }
    fn signed_bytes(&self) -> Vec<u8> {
        self.signed_bytes()
    }
    fn chain(&self) -> impl Iterator<Item = Custody> {
        core::iter::once(Custody { to: self.issued_to, from: self.signer, signature: self.signature })
    }
}

impl<'a> Parse<'a> for Tag {
    fn parse(r: &mut Reader<'a>) -> Result<Self, ParseError> {
        let tag = Self {
            network: NetworkId(r.u64("tag network")?),
            timestamp: r.u64("tag timestamp")? as i64,
            id: r.u32("tag ID")?,
            value: r.u32("tag value")?,
            issued_to: Address::from_bytes(r.array("tag holder")?),
            signer: Address::from_bytes(r.array("tag signer")?),
            signature: Signature::parse_block(r)?,
        };
        skip_additional(r)?;
        Ok(tag)
    }
}

impl Emit for Tag {
    fn encoded_len(&self) -> usize {
        34 + Signature::BLOCK_LEN + 2
    }

    fn emit(&self, w: &mut Writer<'_>) -> Result<(), BufferFull> {
        self.emit_signed_fields(w)?;
        self.signature.emit_block(w)?;
        w.put_u16(0)
    }
}
