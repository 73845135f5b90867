//! Capability: rules a member may use beyond those of the network (04 §5.3).

use alloc::vec::Vec;

use crate::rules::RuleTable;
use crate::{Address, BufferFull, Emit, NetworkId, Parse, ParseError, Reader, Signature, Writer};

use super::{Credential, CredentialKind, marked, skip_additional};

/// Most rules of a capability.
pub const MAX_CAPABILITY_RULES: usize = 64;
/// Longest chain of custody.
pub const MAX_CUSTODY: usize = 7;

/// One hand-over of a capability.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Custody {
    /// New holder; not covered by the signature.
    pub to: Address,
    /// Who gave it and signed.
    pub from: Address,
    /// Signature over [`Capability::signed_bytes`].
    pub signature: Signature,
}

/// A capability.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Capability {
    /// Network.
    pub network: NetworkId,
    /// Time of issue by the clock of the controller, in milliseconds.
    pub timestamp: i64,
    /// Capability ID; lower ones are tried first.
    pub id: u32,
    /// Rules; received bytes are kept, so that signatures over unknown rules verify.
    pub rules: RuleTable,
    /// Longest chain allowed, 1–7.
    pub max_custody: u8,
    /// Chain of custody, at most `max_custody` entries.
    pub custody: Vec<Custody>,
}

impl Capability {
    /// The last holder in the chain; nil if there is none.
    pub fn issued_to(&self) -> Address {
        self.custody.last().map_or(Address::NIL, |c| c.to)
    }

    fn signed_len(&self) -> usize {
        8 + 8 + 4 + 2 + self.rules.encoded_len() + 1
    }

    fn emit_signed_fields(&self, w: &mut Writer<'_>) -> Result<(), BufferFull> {
        w.put_u64(self.network.0)?;
        w.put_u64(self.timestamp as u64)?;
        w.put_u32(self.id)?;
        w.put_u16(u16::try_from(self.rules.len()).map_err(|_| BufferFull)?)?;
        self.rules.emit(w)?;
        w.put_u8(self.max_custody)
    }

    /// The bytes every link of the chain signs.
    ///
    /// Deliberate (04 §5.3): the rules as received, not re-serialised, which accepts strictly more genuine ones.
    pub fn signed_bytes(&self) -> Vec<u8> {
        marked(self.signed_len() + 2, |w| {
            self.emit_signed_fields(w)?;
            w.put_u16(0)
        })
    }
}

impl Credential for Capability {
    fn kind(&self) -> CredentialKind {
        CredentialKind::CAPABILITY
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
        self.issued_to()
    }
    fn signed_bytes(&self) -> Vec<u8> {
        self.signed_bytes()
    }
    fn chain(&self) -> impl Iterator<Item = Custody> {
        self.custody.iter().copied()
    }
    fn max_chain(&self) -> usize {
        let most = usize::from(self.max_custody);
        if most > MAX_CUSTODY { 0 } else { most }
    }
}

impl<'a> Parse<'a> for Capability {
    fn parse(r: &mut Reader<'a>) -> Result<Self, ParseError> {
        let network = NetworkId(r.u64("capability network")?);
        let timestamp = r.u64("capability timestamp")? as i64;
        let id = r.u32("capability ID")?;
        let count_error = r.fail("number of capability rules");
        let n = usize::from(r.u16("number of capability rules")?);
        if n > MAX_CAPABILITY_RULES {
            return Err(count_error);
        }
        let rules = RuleTable::parse_count(r, n)?;
        let limit_error = r.fail("custody limit");
        let max_custody = r.u8("custody limit")?;
        if !(1..=MAX_CUSTODY).contains(&usize::from(max_custody)) {
            return Err(limit_error);
        }
        let mut custody = Vec::new();
        loop {
            let chain_error = r.fail("custody chain");
            let to = Address::from_bytes(r.array("custody chain")?);
            if to.is_nil() {
                break;
            }
            if custody.len() >= usize::from(max_custody) {
                return Err(chain_error);
            }
            let from = Address::from_bytes(r.array("custody giver")?);
            custody.push(Custody { to, from, signature: Signature::parse_block(r)? });
        }
        skip_additional(r)?;
        Ok(Self { network, timestamp, id, rules, max_custody, custody })
    }
}

impl Emit for Capability {
    fn encoded_len(&self) -> usize {
        self.signed_len() + (10 + Signature::BLOCK_LEN) * self.custody.len() + 5 + 2
    }

    fn emit(&self, w: &mut Writer<'_>) -> Result<(), BufferFull> {
        self.emit_signed_fields(w)?;
        for c in &self.custody {
            c.to.emit(w)?;
            c.from.emit(w)?;
            c.signature.emit_block(w)?;
        }
        Address::NIL.emit(w)?;
        w.put_u16(0)
    }
}
