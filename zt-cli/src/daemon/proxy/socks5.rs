//! SOCKS5 as bytes (RFC 1928, RFC 1929): requests read, answers written. No message is longer than 515 bytes.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::target::{Host, Target};

const VERSION: u8 = 5;
const NO_AUTHENTICATION: u8 = 0;
const PASSWORD: u8 = 2;

/// What a buffer holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Read<T> {
    /// Not all of it.
    More,
    /// It, and how many bytes it takes.
    Done(T, usize),
    /// Something else.
    Bad,
}

/// What a client wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verb {
    Connect,
    Associate,
    Other,
}

/// Answers to a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Answer {
    Granted = 0,
    Failed = 1,
    NetworkUnreachable = 3,
    HostUnreachable = 4,
    Refused = 5,
    UnknownCommand = 7,
    UnknownAddress = 8,
}

/// The methods that a client offers: whether one of them is what `wants_password` asks for, as the answer's second byte.
pub(super) fn greeting(bytes: &[u8], wants_password: bool) -> Read<Option<u8>> {
    let (Some(version), count) = (bytes.first(), bytes.get(1)) else { return Read::More };
    if *version != VERSION {
        return Read::Bad;
    }
    let Some(count) = count.map(|count| usize::from(*count)) else { return Read::More };
    let Some(methods) = bytes.get(2..2 + count) else { return Read::More };
    let wanted = if wants_password { PASSWORD } else { NO_AUTHENTICATION };
    Read::Done(methods.contains(&wanted).then_some(wanted), 2 + count)
}

/// User and password.
pub(super) fn credentials(bytes: &[u8]) -> Read<(Vec<u8>, Vec<u8>)> {
    match bytes.first() {
        None => return Read::More,
        Some(1) => {}
        Some(_) => return Read::Bad,
    }
    let part = |at: usize| -> Option<(Vec<u8>, usize)> {
        let end = at + 1 + usize::from(*bytes.get(at)?);
        Some((bytes.get(at + 1..end)?.to_vec(), end))
    };
    let Some((user, end)) = part(1) else { return Read::More };
    let Some((password, end)) = part(end) else { return Read::More };
    Read::Done((user, password), end)
}

/// A request; the target is missing where the kind of address is unknown.
pub(super) fn request(bytes: &[u8]) -> Read<(Verb, Option<Target>)> {
    let Some(head) = bytes.first_chunk::<4>() else {
        return if bytes.first().is_some_and(|version| *version != VERSION) { Read::Bad } else { Read::More };
    };
    if head[0] != VERSION || head[2] != 0 {
        return Read::Bad;
    }
    let verb = match head[1] {
        1 => Verb::Connect,
        3 => Verb::Associate,
        _ => Verb::Other,
    };
    match address(&bytes[3..]) {
        Read::More => Read::More,
        Read::Bad => Read::Done((verb, None), bytes.len()),
        Read::Done(target, length) => Read::Done((verb, target), 3 + length),
    }
}

/// Kind, address and port. A name that is none has no target.
fn address(bytes: &[u8]) -> Read<Option<Target>> {
    let Some(kind) = bytes.first() else { return Read::More };
    let length = match kind {
        1 => 4,
        4 => 16,
        3 => match bytes.get(1) {
            Some(length) => 1 + usize::from(*length),
            None => return Read::More,
        },
        _ => return Read::Bad,
    };
    let Some(rest) = bytes.get(1..1 + length + 2) else { return Read::More };
    let port = u16::from_be_bytes([rest[length], rest[length + 1]]);
    let host = match kind {
        1 => Some(Host::Ip(Ipv4Addr::from(*rest.first_chunk::<4>().expect("looked at")).into())),
        4 => Some(Host::Ip(Ipv6Addr::from(*rest.first_chunk::<16>().expect("looked at")).into())),
        _ => std::str::from_utf8(&rest[1..length]).ok().and_then(Host::parse),
    };
    Read::Done(host.map(|host| Target { host, port }), 1 + length + 2)
}

/// The answer to a request.
pub(super) fn answer(answer: Answer, bound: SocketAddr) -> Vec<u8> {
    let mut bytes = vec![VERSION, answer as u8, 0];
    push_address(&mut bytes, bound);
    bytes
}

fn push_address(bytes: &mut Vec<u8>, address: SocketAddr) {
    match address.ip() {
        IpAddr::V4(ip) => {
            bytes.push(1);
            bytes.extend(ip.octets());
        }
        IpAddr::V6(ip) => {
            bytes.push(4);
            bytes.extend(ip.octets());
        }
    }
    bytes.extend(address.port().to_be_bytes());
}

/// Target and payload of a datagram from a client. Pieces of datagrams are not taken (RFC 1928 allows that).
pub(super) fn datagram(bytes: &[u8]) -> Option<(Target, &[u8])> {
    let [0, 0, 0, rest @ ..] = bytes else { return None };
    match address(rest) {
        Read::Done(Some(target), length) if target.port != 0 => Some((target, &rest[length..])),
        _ => None,
    }
}

/// A datagram for a client.
pub(super) fn wrapped(from: SocketAddr, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0, 0, 0];
    push_address(&mut bytes, from);
    bytes.extend_from_slice(payload);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_says_what_it_wants_piece_by_piece() {
        let whole = [5, 1, 0, 3, 4, b'w', b'e', b'b', b'1', 0x1f, 0x90];
        for end in 0..whole.len() {
            assert_eq!(request(&whole[..end]), Read::More, "{end}");
        }
        let target = Target { host: Host::Name("web1".to_owned()), port: 8080 };
        assert_eq!(request(&whole), Read::Done((Verb::Connect, Some(target)), whole.len()));
        assert_eq!(greeting(&[5, 2, 0, 2, 9], false), Read::Done(Some(0), 4));
        assert_eq!(greeting(&[5, 1, 0], true), Read::Done(None, 3));
        assert_eq!(credentials(&[1, 1, b'a', 2, b'b', b'c']), Read::Done((b"a".to_vec(), b"bc".to_vec()), 6));
    }

    #[test]
    fn what_is_no_socks5_is_told_at_its_first_byte() {
        assert_eq!(greeting(b"G", false), Read::Bad);
        assert_eq!(greeting(&[4, 1], false), Read::Bad);
        assert_eq!(request(&[4]), Read::Bad);
        assert_eq!(request(&[5, 1, 0, 9]), Read::Done((Verb::Connect, None), 4));
        assert_eq!(credentials(&[5]), Read::Bad);
    }

    #[test]
    fn datagrams_are_wrapped_and_unwrapped() {
        let from: SocketAddr = "[fd00::1]:53".parse().expect("an address");
        let bytes = wrapped(from, b"hello");
        let target = Target { host: Host::Ip(from.ip()), port: 53 };
        assert_eq!(datagram(&bytes), Some((target, &b"hello"[..])));
        assert_eq!(datagram(&[0, 0, 1, 1, 1, 2, 3, 4, 0, 53]), None, "a piece");
    }
}
