//! WHOIS and its OK (02 §6.7).

use alloc::vec::Vec;

use crate::cursor::len_all;
use crate::{Address, BufferFull, Emit, Identity, Parse, ParseError, Reader, Writer};

/// WHOIS: asks for identities.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Whois<'a> {
    /// Addresses asked for.
    pub addresses: Vec<Address>,
    /// Trailing bytes, fewer than an address.
    pub rest: &'a [u8],
}

impl Whois<'_> {
    /// Asks for one identity.
    pub fn one(address: Address) -> Self {
        Self { addresses: alloc::vec![address], rest: &[] }
    }
}

impl<'a> Parse<'a> for Whois<'a> {
    fn parse(r: &mut Reader<'a>) -> Result<Self, ParseError> {
        let n = r.remaining() / Address::LEN;
        let addresses = (0..n).map(|_| Address::parse(r)).collect::<Result<_, _>>()?;
        Ok(Self { addresses, rest: r.rest() })
    }
}

impl Emit for Whois<'_> {
    fn encoded_len(&self) -> usize {
        Address::LEN * self.addresses.len() + self.rest.len()
    }

    fn emit(&self, w: &mut Writer<'_>) -> Result<(), BufferFull> {
        self.addresses.iter().try_for_each(|a| a.emit(w))?;
        w.put_bytes(self.rest)
    }
}

/// Answer to WHOIS.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OkWhois<'a> {
    /// Identities in the order asked, unknown ones left out; at least one when parsed.
    pub identities: Vec<Identity>,
    /// Whatever follows the last readable identity.
    pub rest: &'a [u8],
}

impl<'a> Parse<'a> for OkWhois<'a> {
    fn parse(r: &mut Reader<'a>) -> Result<Self, ParseError> {
        let mut identities = alloc::vec![Identity::parse(r)?];
        loop {
            let mut ahead = r.clone();
            let Ok(identity) = Identity::parse(&mut ahead) else { break };
            identities.push(identity);
            *r = ahead;
        }
        Ok(Self { identities, rest: r.rest() })
    }
}

impl Emit for OkWhois<'_> {
    fn encoded_len(&self) -> usize {
        len_all(&self.identities) + self.rest.len()
    }

    fn emit(&self, w: &mut Writer<'_>) -> Result<(), BufferFull> {
        self.identities.iter().try_for_each(|i| i.emit(w))?;
        w.put_bytes(self.rest)
    }
}
