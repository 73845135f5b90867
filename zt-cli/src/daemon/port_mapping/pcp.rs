//! PCP, the Port Control Protocol (RFC 6887): one request and one answer, as values.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::{Granted, Refused, Wanted};

/// Bytes of a MAP request and of its answer.
pub(super) const LEN: usize = 60;
/// The number that an answer repeats.
pub(super) type Nonce = [u8; 12];

const VERSION: u8 = 2;
const MAP: u8 = 1;
const ANSWER: u8 = 0x80;
const UDP: u8 = 17;

/// A request for a mapping of `seconds`, 0 to withdraw it. `external`: the address and port that are liked, if any.
pub(super) fn request(wanted: &Wanted, nonce: &Nonce, seconds: u32) -> [u8; LEN] {
    let mut bytes = [0; LEN];
    (bytes[0], bytes[1]) = (VERSION, MAP);
    bytes[4..8].copy_from_slice(&seconds.to_be_bytes());
    bytes[8..24].copy_from_slice(&wanted.inside.ip().to_ipv6_mapped().octets());
    bytes[24..36].copy_from_slice(nonce);
    bytes[36] = UDP;
    bytes[40..42].copy_from_slice(&wanted.inside.port().to_be_bytes());
    bytes[42..44].copy_from_slice(&wanted.outside.to_be_bytes());
    bytes[44..60].copy_from_slice(&Ipv4Addr::UNSPECIFIED.to_ipv6_mapped().octets());
    bytes
}

/// What an answer says; `None`: it is none to this request.
pub(super) fn answer(bytes: &[u8], wanted: &Wanted, nonce: &Nonce) -> Option<Result<Granted, Refused>> {
    if bytes.first() == Some(&0) {
        // A gateway that speaks NAT-PMP alone answers in its version (RFC 6887 §9).
        return Some(Err(Refused::Version));
    }
    if bytes.len() < 24 || bytes[0] != VERSION || bytes[1] != MAP | ANSWER {
        return None;
    }
    match bytes[3] {
        0 => {}
        1 => return Some(Err(Refused::Version)),
        code => {
            let ours = bytes.get(24..36).is_none_or(|echoed| echoed == nonce);
            return ours.then_some(Err(Refused::Code(code.into())));
        }
    }
    let map = bytes.get(24..LEN)?;
    let number = |at: usize| u16::from_be_bytes([map[at], map[at + 1]]);
    if map[..12] != *nonce || map[12] != UDP || number(16) != wanted.inside.port() {
        return None;
    }
    let octets: [u8; 16] = map[20..36].try_into().ok()?;
    let ip = Ipv6Addr::from(octets);
    let ip = ip.to_ipv4_mapped().map_or(IpAddr::V6(ip), IpAddr::V4);
    let seconds = u32::from_be_bytes(bytes[4..8].try_into().ok()?);
    Some(Ok(Granted { ip: Some(ip), port: number(18), seconds }))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NONCE: Nonce = *b"twelve bytes";

    fn wanted() -> Wanted {
        Wanted { inside: "192.168.1.50:9993".parse().expect("an address"), outside: 9993 }
    }

    /// As a gateway answers.
    fn granted(port: u16, ip: Ipv4Addr) -> Vec<u8> {
        let mut bytes = request(&wanted(), &NONCE, 1200).to_vec();
        bytes[1] |= ANSWER;
        bytes[8..24].fill(0);
        bytes[42..44].copy_from_slice(&port.to_be_bytes());
        bytes[44..60].copy_from_slice(&ip.to_ipv6_mapped().octets());
        bytes
    }

    #[test]
    fn a_request_is_as_the_rfc_says() {
        let bytes = request(&wanted(), &NONCE, 1200);
        assert_eq!(bytes[..8], [2, 1, 0, 0, 0, 0, 4, 0xb0]);
        assert_eq!(bytes[8..24], [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 192, 168, 1, 50]);
        assert_eq!(bytes[24..44], *b"twelve bytes\x11\0\0\0\x27\x09\x27\x09");
        assert_eq!(bytes[44..], [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0, 0, 0, 0]);
    }

    #[test]
    fn another_port_than_asked_is_taken_as_it_was_given() {
        let ip = Ipv4Addr::new(88, 7, 7, 9);
        let answer = answer(&granted(4711, ip), &wanted(), &NONCE);
        assert_eq!(answer, Some(Ok(Granted { ip: Some(ip.into()), port: 4711, seconds: 1200 })));
    }

    #[test]
    fn what_answers_something_else_is_no_answer() {
        let whole = granted(9993, Ipv4Addr::new(88, 7, 7, 9));
        assert_eq!(answer(&whole, &wanted(), b"other number"), None);
        let other = Wanted { inside: "192.168.1.50:9994".parse().expect("an address"), outside: 9993 };
        assert_eq!(answer(&whole, &other, &NONCE), None);
        for len in 0..LEN {
            assert_eq!(answer(&whole[..len], &wanted(), &NONCE), None, "{len}");
        }
        let changed = |at: usize, to: u8| {
            let mut bytes = whole.clone();
            bytes[at] = to;
            answer(&bytes, &wanted(), &NONCE)
        };
        assert_eq!(changed(3, 1), Some(Err(Refused::Version)));
        assert_eq!(changed(3, 8), Some(Err(Refused::Code(8))));
        assert_eq!(changed(0, 0), Some(Err(Refused::Version)), "a gateway with NAT-PMP alone");
        assert_eq!((changed(1, 1), changed(36, 6)), (None, None));
    }
}
