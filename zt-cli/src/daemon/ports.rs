//! Choosing the primary port (06 §1.5).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, TcpListener, UdpSocket};

use zt_crypto::Entropy;

use super::DaemonError;

/// Random ports tried before giving up.
const TRIES: usize = 256;

/// The port asked for if it is free, or a random free one for 0.
pub fn choose(wanted: u16, entropy: &mut dyn Entropy) -> Result<u16, DaemonError> {
    if wanted != 0 {
        return if is_free(wanted) { Ok(wanted) } else { Err(DaemonError::Port { port: wanted }) };
    }
    let mut random = || 20_000 + u16::try_from(entropy.below(45_500)).unwrap_or(0);
    (0..TRIES).map(|_| random()).find(|port| is_free(*port)).ok_or(DaemonError::Port { port: 0 })
}

/// Both a UDP socket for all addresses and a TCP listener for loopback can be had, on IPv4 or on IPv6.
fn is_free(port: u16) -> bool {
    let both =
        |any: IpAddr, local: IpAddr| UdpSocket::bind((any, port)).is_ok() && TcpListener::bind((local, port)).is_ok();
    both(Ipv4Addr::UNSPECIFIED.into(), Ipv4Addr::LOCALHOST.into())
        || both(Ipv6Addr::UNSPECIFIED.into(), Ipv6Addr::LOCALHOST.into())
}
