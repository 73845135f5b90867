//! Worlds: planets and moons, the lists of root servers (01 §10.1).

use alloc::vec::Vec;
use core::fmt;

use crate::cursor::len_all;
use crate::{BufferFull, Emit, Identity, InetAddress, Parse, ParseError, Reader, Signature, Writer};

/// Most roots of a world.
pub const MAX_ROOTS: usize = 4;
/// Most endpoints of a root.
pub const MAX_ENDPOINTS: usize = 32;
/// A reader of world files takes at most so many bytes (01 §10.3).
pub const MAX_WORLD_FILE_LEN: usize = 8480;

/// What a world is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum WorldKind {
    /// Parses, but is never accepted.
    #[default]
    Null = 0,
    /// The roots every node starts with.
    Planet = 1,
    /// Additional roots.
    Moon = 127,
}

impl WorldKind {
    /// The kind with this number.
    pub const fn from_raw(raw: u8) -> Option<Self> {
        match raw {
            0 => Some(Self::Null),
            1 => Some(Self::Planet),
            127 => Some(Self::Moon),
            _ => None,
        }
    }
}

/// One root server.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Root {
    /// Who it is.
    pub identity: Identity,
    /// Where it is; the order is part of what is signed.
    pub endpoints: Vec<InetAddress>,
}

impl<'a> Parse<'a> for Root {
    fn parse(r: &mut Reader<'a>) -> Result<Self, ParseError> {
        let identity = Identity::parse(r)?;
        let count_error = r.fail("number of endpoints");
        let n = usize::from(r.u8("number of endpoints")?);
        if n > MAX_ENDPOINTS {
            return Err(count_error);
        }
        let endpoints = (0..n).map(|_| InetAddress::parse(r)).collect::<Result<_, _>>()?;
        Ok(Self { identity, endpoints })
    }
}

impl Emit for Root {
    fn encoded_len(&self) -> usize {
        Identity::LEN + 1 + len_all(&self.endpoints)
    }

    fn emit(&self, w: &mut Writer<'_>) -> Result<(), BufferFull> {
        self.identity.emit(w)?;
        w.put_u8(u8::try_from(self.endpoints.len()).map_err(|_| BufferFull)?)?;
        self.endpoints.iter().try_for_each(|e| e.emit(w))
    }
}

/// A planet or moon.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct World {
    /// Planet or moon.
    pub kind: WorldKind,
    /// World ID.
    pub id: u64,
    /// Timestamp or revision; milliseconds since 1970 by convention.
    pub timestamp: u64,
    /// Public key that must sign the next revision.
    pub update_key: [u8; 64],
    /// Signature of this revision.
    pub signature: Signature,
    /// Roots, at most [`MAX_ROOTS`]; the order is part of what is signed.
    pub roots: Vec<Root>,
}

impl World {
    /// The bytes the signature is over: re-serialised, attached data of moons counted as empty (01 §10.1).
    pub fn signed_bytes(&self) -> Vec<u8> {
        let whole = self.to_vec();
        let mut out = Vec::with_capacity(whole.len() + 16 - Signature::LEN);
        out.extend_from_slice(&[0x7f; 8]);
        out.extend_from_slice(&whole[..81]);
        out.extend_from_slice(&whole[81 + Signature::LEN..]);
        out.extend_from_slice(&[0xf7; 8]);
        out
    }

    /// Brings endpoints and roots into the order of the reference's tool on a little-endian machine (01 §10.4);
    /// only needed to make the same files. Any order is valid, but it is part of what is signed.
    pub fn sort_like_genmoon(&mut self) {
        // Quirk (01 §10.4): port and IPv4 address are compared as native integers of the network-order bytes.
        let key = |a: &InetAddress| match *a {
            InetAddress::None => (0, 0, u128::MIN),
            InetAddress::V4(ip, port) => (4, port.swap_bytes(), u128::from(u32::from(ip).swap_bytes())),
            InetAddress::V6(ip, port) => (6, port.swap_bytes(), u128::from(ip)),
        };
        for root in &mut self.roots {
            root.endpoints.sort_by_key(key);
        }
        self.roots.sort_by_key(|root| root.identity);
    }
}

impl<'a> Parse<'a> for World {
    fn parse(r: &mut Reader<'a>) -> Result<Self, ParseError> {
        let kind_error = r.fail("world type");
        let kind = WorldKind::from_raw(r.u8("world type")?).ok_or(kind_error)?;
        let id = r.u64("world ID")?;
        let timestamp = r.u64("world timestamp")?;
        let update_key = r.array("world update key")?;
        let signature = Signature(r.array("world signature")?);
        let count_error = r.fail("number of roots");
        let n = usize::from(r.u8("number of roots")?);
        if n > MAX_ROOTS {
            return Err(count_error);
        }
        let roots = (0..n).map(|_| Root::parse(r)).collect::<Result<_, _>>()?;
        if kind == WorldKind::Moon {
            let n = r.u16("length of attached data")?;
            r.bytes(usize::from(n), "attached data")?;
        }
        Ok(Self { kind, id, timestamp, update_key, signature, roots })
    }
}

impl Emit for World {
    fn encoded_len(&self) -> usize {
        let attached = if self.kind == WorldKind::Moon { 2 } else { 0 };
        1 + 8 + 8 + 64 + Signature::LEN + 1 + len_all(&self.roots) + attached
    }

    fn emit(&self, w: &mut Writer<'_>) -> Result<(), BufferFull> {
        w.put_u8(self.kind as u8)?;
        w.put_u64(self.id)?;
        w.put_u64(self.timestamp)?;
        w.put_bytes(&self.update_key)?;
        w.put_bytes(&self.signature.0)?;
        w.put_u8(u8::try_from(self.roots.len()).map_err(|_| BufferFull)?)?;
        self.roots.iter().try_for_each(|root| root.emit(w))?;
        if self.kind == WorldKind::Moon {
            w.put_u16(0)?;
        }
        Ok(())
    }
}

impl fmt::Display for World {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} {:016x} timestamp {} roots [", self.kind, self.id, self.timestamp)?;
        for (i, root) in self.roots.iter().enumerate() {
            let gap = if i == 0 { "" } else { ", " };
            write!(f, "{gap}{}", root.identity.address)?;
            for e in &root.endpoints {
                write!(f, " {e}")?;
            }
        }
        f.write_str("]")
    }
}
