//! Certificate of membership (04 §4).

use alloc::vec::Vec;

use crate::{Address, BufferFull, Emit, NetworkId, Parse, ParseError, Reader, Signature, Writer};

use super::capability::Custody;
use super::{Credential, CredentialKind};

/// Most qualifiers of a certificate.
pub const MAX_QUALIFIERS: usize = 8;

/// One tuple of a membership.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Qualifier {
    /// Meaning of the value: 0 timestamp, 1 network, 2 holder, 3–6 fingerprint of the holder.
    pub id: u64,
    /// Value.
    pub value: u64,
    /// How far the value of another member may be from ours; all ones: not compared.
    pub max_delta: u64,
}

/// Certificate of membership.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Membership {
    /// Tuples in non-decreasing order of their IDs, at most [`MAX_QUALIFIERS`].
    pub qualifiers: Vec<Qualifier>,
    /// Who signed; [`Address::NIL`] if nobody, then the signature is not transported.
    pub signer: Address,
    /// Signature over the tuples.
    pub signature: Signature,
}

impl Membership {
    /// Qualifier ID of the timestamp.
    pub const TIMESTAMP: u64 = 0;
    /// Qualifier ID of the network.
    pub const NETWORK: u64 = 1;
    /// Qualifier ID of the holder.
    pub const ISSUED_TO: u64 = 2;
    /// First of the four qualifier IDs of the fingerprint.
    pub const FINGERPRINT: u64 = 3;

    /// The first qualifier with this ID.
    pub fn qualifier(&self, id: u64) -> Option<&Qualifier> {
        self.qualifiers.iter().find(|q| q.id == id)
    }

    fn value(&self, id: u64) -> u64 {
        self.qualifier(id).map_or(0, |q| q.value)
    }

    /// Network of tuple 1; zero if absent.
    pub fn network(&self) -> NetworkId {
        NetworkId(self.value(Self::NETWORK))
    }

    /// Holder of tuple 2; nil if absent.
    pub fn issued_to(&self) -> Address {
        Address::new(self.value(Self::ISSUED_TO))
    }

    /// Timestamp of tuple 0; 0 if absent.
    pub fn timestamp(&self) -> i64 {
        self.value(Self::TIMESTAMP) as i64
    }

    /// The tuple bytes alone: no markers, no count (04 §4.4).
    pub fn signed_bytes(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(24 * self.qualifiers.len());
        for q in &self.qualifiers {
            for v in [q.id, q.value, q.max_delta] {
                out.extend_from_slice(&v.to_be_bytes());
            }
        }
        out
    }
}

impl Credential for Membership {
    fn kind(&self) -> CredentialKind {
        CredentialKind::MEMBERSHIP
    }
    fn network(&self) -> NetworkId {
        self.network()
    }
    fn id(&self) -> u32 {
        0
    }
    fn timestamp(&self) -> i64 {
        self.timestamp()
    }
    fn issued_to(&self) -> Address {
        self.issued_to()
    }
    fn signed_bytes(&self) -> Vec<u8> {
        self.signed_bytes()
    }
    fn chain(&self) -> impl Iterator<Item = Custody> {
        core::iter::once(Custody { to: self.issued_to(), from: self.signer, signature: self.signature })
    }
}

impl<'a> Parse<'a> for Membership {
    fn parse(r: &mut Reader<'a>) -> Result<Self, ParseError> {
        let format_error = r.fail("membership format");
        if r.u8("membership format")? != 1 {
            return Err(format_error);
        }
        let count_error = r.fail("number of membership qualifiers");
        let n = usize::from(r.u16("number of membership qualifiers")?);
        if n > MAX_QUALIFIERS {
            return Err(count_error);
        }
        let mut qualifiers = Vec::with_capacity(n);
        let mut last = 0;
        for _ in 0..n {
            let order_error = r.fail("order of membership qualifiers");
            let id = r.u64("membership qualifier ID")?;
            if id < last {
                return Err(order_error);
            }
            last = id;
            let value = r.u64("membership qualifier value")?;
            let max_delta = r.u64("membership qualifier delta")?;
            qualifiers.push(Qualifier { id, value, max_delta });
        }
        let signer = Address::from_bytes(r.array("membership signer")?);
        let signature = match signer.is_nil() {
            true => Signature::NONE,
            false => Signature(r.array("membership signature")?),
        };
        Ok(Self { qualifiers, signer, signature })
    }
}

impl Emit for Membership {
    fn encoded_len(&self) -> usize {
        let signature = if self.signer.is_nil() { 0 } else { Signature::LEN };
        3 + 24 * self.qualifiers.len() + Address::LEN + signature
    }

    fn emit(&self, w: &mut Writer<'_>) -> Result<(), BufferFull> {
        w.put_u8(1)?;
        w.put_u16(u16::try_from(self.qualifiers.len()).map_err(|_| BufferFull)?)?;
        for q in &self.qualifiers {
            w.put_u64(q.id)?;
            w.put_u64(q.value)?;
            w.put_u64(q.max_delta)?;
        }
        self.signer.emit(w)?;
        if self.signer.is_nil() { Ok(()) } else { w.put_bytes(&self.signature.0) }
    }
}
