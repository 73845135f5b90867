//! Choosing the primary port (06 §1.5).

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, TcpListener, UdpSocket};

use zt_crypto::Entropy;

use super::http::ListenError;

/// Random ports tried before giving up.
const TRIES: usize = 256;

/// The port asked for if it is free, or a random free one for 0.
pub fn choose(wanted: u16, entropy: &mut dyn Entropy) -> Result<u16, ListenError> {
    let refused = |source| ListenError { port: wanted, source };
    if wanted != 0 {
        return try_port(wanted).map(|()| wanted).map_err(refused);
    }
    let mut last = None;
    for _ in 0..TRIES {
        let port = 20_000 + u16::try_from(entropy.below(45_500)).unwrap_or(0);
        match try_port(port) {
            Ok(()) => return Ok(port),
            Err(error) => last = Some(error),
        }
    }
    Err(refused(last.unwrap_or_else(|| io::ErrorKind::AddrInUse.into())))
}

/// Whether both a UDP socket for all addresses and a TCP listener for loopback can be had, on IPv4 or on IPv6; else what the system
/// says of IPv4.
fn try_port(port: u16) -> io::Result<()> {
    let both = |any: IpAddr, local: IpAddr| {
        UdpSocket::bind((any, port)).and_then(|_udp| TcpListener::bind((local, port)).map(drop))
    };
    both(Ipv4Addr::UNSPECIFIED.into(), Ipv4Addr::LOCALHOST.into())
        .or_else(|refused| both(Ipv6Addr::UNSPECIFIED.into(), Ipv6Addr::LOCALHOST.into()).map_err(|_| refused))
}
