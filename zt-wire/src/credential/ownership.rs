//! Certificate of ownership of addresses (04 §5.4).

use alloc::vec::Vec;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::{Address, BufferFull, Emit, Mac, NetworkId, Parse, ParseError, Reader, Signature, Writer};

use super::capability::Custody;
use super::{Credential, CredentialKind, marked, skip_additional};

/// Most things in one certificate.
pub const MAX_THINGS: usize = 16;

/// Something that can be owned: a type and 16 bytes, left-aligned and zero-padded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Thing {
    /// 1 MAC, 2 IPv4, 3 IPv6; others are unknown.
    pub kind: u8,
    /// Value.
    pub value: [u8; 16],
}

impl Thing {
    fn from_slice(kind: u8, bytes: &[u8]) -> Self {
        let mut value = [0; 16];
        value[..bytes.len()].copy_from_slice(bytes);
        Self { kind, value }
    }

    /// The MAC, if it is one.
    pub fn mac(&self) -> Option<Mac> {
        (self.kind == 1).then(|| Mac(*self.value.first_chunk().expect("6 of 16 bytes")))
    }

    /// The IP address, if it is one.
    pub fn ip(&self) -> Option<IpAddr> {
        match self.kind {
            2 => Some(Ipv4Addr::from(*self.value.first_chunk::<4>().expect("4 of 16 bytes")).into()),
            3 => Some(Ipv6Addr::from(self.value).into()),
            _ => None,
        }
    }
}

impl From<Mac> for Thing {
    fn from(mac: Mac) -> Self {
        Self::from_slice(1, &mac.0)
    }
}

impl From<IpAddr> for Thing {
    fn from(ip: IpAddr) -> Self {
        match ip {
            IpAddr::V4(ip) => Self::from_slice(2, &ip.octets()),
            IpAddr::V6(ip) => Self::from_slice(3, &ip.octets()),
        }
    }
}

/// A certificate of ownership.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ownership {
    /// Network.
    pub network: NetworkId,
    /// Time of issue by the clock of the controller, in milliseconds.
    pub timestamp: i64,
    /// Flags, 0.
    pub flags: u64,
    /// Certificate ID.
    pub id: u32,
    /// What is owned, at most [`MAX_THINGS`].
    pub things: Vec<Thing>,
    /// Holder.
    pub issued_to: Address,
    /// Controller.
    pub signer: Address,
    /// Signature over [`Ownership::signed_bytes`].
    pub signature: Signature,
}

impl Ownership {
    /// True if the certificate covers this IP address.
    pub fn owns_ip(&self, ip: IpAddr) -> bool {
        self.things.iter().any(|t| t.ip() == Some(ip))
    }

    /// True if the certificate covers this MAC.
    pub fn owns_mac(&self, mac: Mac) -> bool {
        self.things.iter().any(|t| t.mac() == Some(mac))
    }

    fn signed_len(&self) -> usize {
        30 + 17 * self.things.len() + 10
    }

    fn emit_signed_fields(&self, w: &mut Writer<'_>) -> Result<(), BufferFull> {
        w.put_u64(self.network.0)?;
        w.put_u64(self.timestamp as u64)?;
        w.put_u64(self.flags)?;
        w.put_u32(self.id)?;
        w.put_u16(u16::try_from(self.things.len()).map_err(|_| BufferFull)?)?;
        for t in &self.things {
            w.put_u8(t.kind)?;
            w.put_bytes(&t.value)?;
        }
        self.issued_to.emit(w)?;
        self.signer.emit(w)
    }

    /// The bytes the signature is over.
    pub fn signed_bytes(&self) -> Vec<u8> {
        marked(self.signed_len() + 2, |w| {
            self.emit_signed_fields(w)?;
            w.put_u16(0)
        })
    }
}

impl Credential for Ownership {
    fn kind(&self) -> CredentialKind {
        CredentialKind::OWNERSHIP
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

impl<'a> Parse<'a> for Ownership {
    fn parse(r: &mut Reader<'a>) -> Result<Self, ParseError> {
        let network = NetworkId(r.u64("ownership network")?);
        let timestamp = r.u64("ownership timestamp")? as i64;
        let flags = r.u64("ownership flags")?;
        let id = r.u32("ownership ID")?;
        let count_error = r.fail("number of owned things");
        let n = usize::from(r.u16("number of owned things")?);
        // Deliberate (04 §5.4): the reference keeps a larger count and mis-parses the rest.
        if n > MAX_THINGS {
            return Err(count_error);
        }
        let mut things = Vec::with_capacity(n);
        for _ in 0..n {
            let kind = r.u8("type of owned thing")?;
            things.push(Thing { kind, value: r.array("owned thing")? });
        }
        let certificate = Self {
            network,
            timestamp,
            flags,
            id,
            things,
            issued_to: Address::from_bytes(r.array("ownership holder")?),
            signer: Address::from_bytes(r.array("ownership signer")?),
            signature: Signature::parse_block(r)?,
        };
        skip_additional(r)?;
        Ok(certificate)
    }
}

impl Emit for Ownership {
    fn encoded_len(&self) -> usize {
        self.signed_len() + Signature::BLOCK_LEN + 2
    }

    fn emit(&self, w: &mut Writer<'_>) -> Result<(), BufferFull> {
        self.emit_signed_fields(w)?;
        self.signature.emit_block(w)?;
        w.put_u16(0)
    }
}
