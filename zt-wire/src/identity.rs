//! Public identities: binary and text form, no cryptography (01 §3.6, §3.7).

use core::fmt;
use core::str::FromStr;

use crate::ident::hex_digit;
use crate::number::c_hex_u64;
use crate::{Address, BufferFull, Emit, Parse, ParseError, Reader, TextError, Writer};

/// Address and public keys of a node. Nothing here says that the address belongs to the key.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Identity {
    /// Address of the node.
    pub address: Address,
    /// Combined public key: 32 bytes Curve25519, 32 bytes Ed25519.
    pub public_key: [u8; 64],
}

impl Identity {
    /// Encoded length without secret.
    pub const LEN: usize = 71;

    /// Reads the text form the way the reference does (01 §3.6), with the secret key if there is one.
    ///
    /// Quirk: empty fields vanish, non-hex digits count as 0, the address is a C-style number. Our own files
    /// should be read with the strict [`FromStr`], which takes no secret.
    pub fn from_text_lenient(text: &[u8]) -> Option<(Self, Option<[u8; 64]>)> {
        if text.len() >= 384 {
            return None;
        }
        let text = text.split(|c| *c == 0).next().unwrap_or_default();
        let mut fields = text.split(|c| *c == b':').filter(|f| !f.is_empty());
        let address = Address::new(c_hex_u64(fields.next()?));
        if address.is_reserved() || fields.next()? != b"0" {
            return None;
        }
        let public_key = lenient_hex(fields.next()?)?;
        let secret = match fields.next() {
            Some(field) => Some(lenient_hex(field)?),
            None => None,
        };
        match fields.next() {
            Some(_) => None,
            None => Some((Self { address, public_key }, secret)),
        }
    }
}

/// Pairs of hex digits until 64 bytes are made; what is behind them is ignored.
fn lenient_hex(field: &[u8]) -> Option<[u8; 64]> {
    let digits = field.get(..128)?;
    let mut key = [0; 64];
    for (byte, pair) in key.iter_mut().zip(digits.chunks_exact(2)) {
        *byte = hex_digit(pair[0]).unwrap_or(0) << 4 | hex_digit(pair[1]).unwrap_or(0);
    }
    Some(key)
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:0:", self.address)?;
        self.public_key.iter().try_for_each(|b| write!(f, "{b:02x}"))
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let k = &self.public_key;
        write!(f, "Identity({}:0:{:02x}{:02x}{:02x}{:02x}…)", self.address, k[0], k[1], k[2], k[3])
    }
}

impl FromStr for Identity {
    type Err = TextError;

    /// Exactly `<10 hex>:0:<128 hex>`; a reserved address is refused.
    fn from_str(s: &str) -> Result<Self, TextError> {
        let error = TextError { what: "public identity" };
        let bytes = s.as_bytes();
        if bytes.len() != 141 || &bytes[10..13] != b":0:" {
            return Err(error);
        }
        let address: Address = s.get(..10).ok_or(error)?.parse().map_err(|_| error)?;
        let digits = &bytes[13..];
        if address.is_reserved() || !digits.iter().all(u8::is_ascii_hexdigit) {
            return Err(error);
        }
        lenient_hex(digits).map(|public_key| Self { address, public_key }).ok_or(error)
    }
}

impl<'a> Parse<'a> for Identity {
    /// A secret inside the bytes is skipped. Reserved addresses are not refused here (01 §3.7).
    fn parse(r: &mut Reader<'a>) -> Result<Self, ParseError> {
        let address = Address::from_bytes(r.array("identity address")?);
        let kind_error = r.fail("identity type");
        if r.u8("identity type")? != 0 {
            return Err(kind_error);
        }
        let public_key = r.array("identity public key")?;
        let secret_error = r.fail("identity secret length");
        match r.u8("identity secret length")? {
            0 => {}
            64 => {
                r.bytes(64, "identity secret")?;
            }
            _ => return Err(secret_error),
        }
        Ok(Self { address, public_key })
    }
}

impl Emit for Identity {
    fn encoded_len(&self) -> usize {
        Self::LEN
    }

    fn emit(&self, w: &mut Writer<'_>) -> Result<(), BufferFull> {
        self.address.emit(w)?;
        w.put_u8(0)?;
        w.put_bytes(&self.public_key)?;
        w.put_u8(0)
    }
}
