//! The peer cache's record (03 §12): version 2 of the reference's format, so that a home folder can be taken over.

use std::net::SocketAddr;

use zt_crypto::SecretIdentity;
use zt_wire::InetAddress;
use zt_wire::{Emit, Parse, ParseError, Reader};
use zt_wire::{Identity, SoftwareVersion};

use crate::link::Endpoint;
use crate::peer::PeerVersion;

/// First byte of a record.
const FORMAT: u8 = 2;
/// Between a record and our code of it. Other software reads the record and ignores what follows.
const VOUCHED: &[u8] = b"\0kept by zt\0";
/// Most addresses read.
const MAX_ADDRESSES: usize = 16;

/// What is kept about a peer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PeerRecord {
    pub(crate) identity: Identity,
    pub(crate) version: PeerVersion,
    pub(crate) addresses: Vec<SocketAddr>,
}

impl PeerRecord {
    pub(crate) fn emit(&self) -> Vec<u8> {
        let mut out = vec![FORMAT];
        out.extend_from_slice(&self.identity.to_vec());
        let v = self.version;
        for n in [u16::from(v.protocol), u16::from(v.software.major), u16::from(v.software.minor), v.software.revision]
        {
            out.extend_from_slice(&n.to_be_bytes());
        }
        let count = u16::try_from(self.addresses.len()).unwrap_or(u16::MAX);
        out.extend_from_slice(&count.to_be_bytes());
        for a in self.addresses.iter().take(usize::from(count)) {
            out.extend_from_slice(&InetAddress::from(*a).to_vec());
        }
        out
    }

    /// The record of a peer whose identity was validated, with a code that only we can make: it need not be validated
    /// again after a restart.
    pub(crate) fn emit_vouched(&self, secret: &SecretIdentity) -> Vec<u8> {
        let mut out = self.emit();
        out.extend_from_slice(VOUCHED);
        out.extend_from_slice(&secret.vouch(&self.identity));
        out
    }

    /// Whether the bytes of this record end with our own code of its identity.
    pub(crate) fn is_vouched(&self, secret: &SecretIdentity, bytes: &[u8]) -> bool {
        let code = bytes.strip_prefix(self.emit().as_slice()).and_then(|rest| rest.strip_prefix(VOUCHED));
        code.is_some_and(|code| secret.vouches_for(&self.identity, code))
    }

    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, ParseError> {
        let mut r = Reader::new(bytes);
        if r.u8("peer record format")? != FORMAT {
            return Err(r.fail("peer record format"));
        }
        let identity = Identity::parse(&mut r)?;
        let small = |n: u16| u8::try_from(n).unwrap_or(u8::MAX);
        let version = PeerVersion {
            protocol: small(r.u16("protocol")?),
            software: SoftwareVersion::new(small(r.u16("major")?), small(r.u16("minor")?), r.u16("revision")?),
        };
        let mut addresses = Vec::new();
        for _ in 0..r.u16("number of paths")? {
            let a = InetAddress::parse(&mut r)?;
            if let Some(a) = a.socket_addr().filter(|_| addresses.len() < MAX_ADDRESSES) {
                addresses.push(a);
            }
        }
        Ok(Self { identity, version, addresses })
    }

    pub(crate) fn endpoints(&self) -> Vec<Endpoint> {
        self.addresses.iter().copied().map(Endpoint::Ip).collect()
    }
}

#[cfg(test)]
mod tests {
    use zt_crypto::{KeyPair, SeededEntropy};
    use zt_wire::Address;

    use super::*;

    #[test]
    fn a_record_comes_back_and_junk_is_refused() {
        let record = PeerRecord {
            identity: Identity { address: Address::new(0x12_3456_789a), public_key: [7; 64] },
            version: PeerVersion { protocol: 12, software: SoftwareVersion::new(1, 14, 1) },
            addresses: vec!["1.2.3.4:9993".parse().unwrap(), "[2001:db8::1]:5".parse().unwrap()],
        };
        let bytes = record.emit();
        assert_eq!(bytes.len(), 1 + 71 + 8 + 2 + 7 + 19);
        assert_eq!(PeerRecord::parse(&bytes), Ok(record));
        for len in 0..bytes.len() {
            assert!(PeerRecord::parse(&bytes[..len]).is_err());
        }
        let mut other = bytes.clone();
        other[0] = 1;
        assert!(PeerRecord::parse(&other).is_err());
    }
    #[test]
    fn only_we_ourselves_vouch_for_a_record() {
        let secret = |n: u64| {
            let keys = KeyPair::generate(&mut SeededEntropy::new(n));
            let identity = Identity { address: Address::new(0x12_0000_0000 + n), public_key: *keys.public_key() };
            SecretIdentity::from_parts(identity, keys.secret_bytes()).unwrap()
        };
        let (us, them) = (secret(1), secret(2));
        let version = PeerVersion { protocol: 12, software: SoftwareVersion::new(1, 14, 1) };
        let addresses = vec!["1.2.3.4:9993".parse().unwrap()];
        let record = PeerRecord { identity: *secret(3).identity(), version, addresses };
        let bytes = record.emit_vouched(&us);
        let read = PeerRecord::parse(&bytes).unwrap();
        assert_eq!(read, record, "who does not know of the code reads the record");
        assert!(read.is_vouched(&us, &bytes) && !read.is_vouched(&them, &bytes));
        assert!(!read.is_vouched(&us, &record.emit()), "records of other software are validated");
        let other = PeerRecord { identity: *secret(4).identity(), ..record };
        let code = &bytes[read.emit().len()..];
        let forged = [other.emit().as_slice(), code].concat();
        assert!(!PeerRecord::parse(&forged).unwrap().is_vouched(&us, &forged));
        for len in 0..bytes.len() {
            assert!(!read.is_vouched(&us, &bytes[..len]));
        }
    }
}
