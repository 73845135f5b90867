//! NAT-PMP, the NAT Port Mapping Protocol (RFC 6886): requests and answers, as values.

use std::net::{IpAddr, Ipv4Addr};

use super::{Granted, Refused, Wanted};

/// Asks for the external address.
pub(super) const ADDRESS_REQUEST: [u8; 2] = [0, 0];

/// A request for a mapping of `seconds`, 0 to withdraw it.
pub(super) fn request(wanted: &Wanted, seconds: u32) -> [u8; 12] {
    let mut bytes = [0; 12];
    bytes[1] = 1;
    bytes[4..6].copy_from_slice(&wanted.inside.port().to_be_bytes());
    // To withdraw, the external port is 0 (RFC 6886 §3.4).
    let outside = if seconds == 0 { 0 } else { wanted.outside };
    bytes[6..8].copy_from_slice(&outside.to_be_bytes());
    bytes[8..12].copy_from_slice(&seconds.to_be_bytes());
    bytes
}

/// The external address of an answer; `None`: it is none.
pub(super) fn address(bytes: &[u8]) -> Option<Result<IpAddr, Refused>> {
    Some(match head(bytes, 0)? {
        Ok(()) => {
            let octets: [u8; 4] = bytes.get(8..12)?.try_into().ok()?;
            Ok(Ipv4Addr::from(octets).into())
        }
        Err(refused) => Err(refused),
    })
}

/// What an answer says of a mapping, without its address; `None`: it is none to this request.
pub(super) fn answer(bytes: &[u8], wanted: &Wanted) -> Option<Result<Granted, Refused>> {
    if let Err(refused) = head(bytes, 1)? {
        return Some(Err(refused));
    }
    let number = |at: usize| Some(u16::from_be_bytes(bytes.get(at..at + 2)?.try_into().ok()?));
    let seconds = u32::from_be_bytes(bytes.get(12..16)?.try_into().ok()?);
    (number(8)? == wanted.inside.port()).then_some(())?;
    Some(Ok(Granted { ip: None, port: number(10)?, seconds }))
}

fn head(bytes: &[u8], asked: u8) -> Option<Result<(), Refused>> {
    if bytes.len() < 8 || bytes[0] != 0 || bytes[1] != 0x80 | asked {
        return None;
    }
    Some(match u16::from_be_bytes([bytes[2], bytes[3]]) {
        0 => Ok(()),
        1 => Err(Refused::Version),
        code => Err(Refused::Code(code)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted() -> Wanted {
        Wanted { inside: "192.168.1.50:9993".parse().expect("an address"), outside: 10_000 }
    }

    #[test]
    fn requests_are_as_the_rfc_says() {
        assert_eq!(request(&wanted(), 1200), [0, 1, 0, 0, 0x27, 0x09, 0x27, 0x10, 0, 0, 4, 0xb0]);
        assert_eq!(request(&wanted(), 0), [0, 1, 0, 0, 0x27, 0x09, 0, 0, 0, 0, 0, 0]);
    }

    #[test]
    fn answers_are_read_and_others_are_none() {
        let told = [0, 0x80, 0, 0, 0, 0, 0, 9, 88, 7, 7, 9];
        assert_eq!(address(&told), Some(Ok(Ipv4Addr::new(88, 7, 7, 9).into())));
        assert_eq!(address(&[0, 0x80, 0, 3, 0, 0, 0, 9, 0, 0, 0, 0]), Some(Err(Refused::Code(3))));
        let mapped = [0, 0x81, 0, 0, 0, 0, 0, 9, 0x27, 0x09, 0x12, 0x67, 0, 0, 4, 0xb0];
        assert_eq!(answer(&mapped, &wanted()), Some(Ok(Granted { ip: None, port: 4711, seconds: 1200 })));
        for len in 0..mapped.len() {
            assert_eq!(answer(&mapped[..len], &wanted()), None);
            assert_eq!(address(&told[..len.min(11)]), None);
        }
        assert_eq!((address(&mapped), answer(&told, &wanted())), (None, None));
        let mut other = mapped;
        other[9] = 1;
        assert_eq!(answer(&other, &wanted()), None, "of another port of ours");
    }
}
