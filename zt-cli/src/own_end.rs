//! TCP connections that are their own other end.
//!
//! The kernel makes such a one when nobody listens at a port of this host and it chooses that very port for the end that
//! asks. Nobody answers there, and who wants to listen at the port cannot.

use std::os::fd::AsFd;
use std::time::Duration;

use socket2::SockRef;

/// Whether a connection is one. Then it is gone at once when it is dropped, without a rest that would keep the port as well.
pub(crate) fn is_own_end(stream: &impl AsFd) -> bool {
    let socket = SockRef::from(stream);
    let is_one = matches!((socket.local_addr(), socket.peer_addr()), (Ok(local), Ok(remote)) if local == remote);
    if is_one {
        let _ = socket.set_linger(Some(Duration::ZERO));
    }
    is_one
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};

    use socket2::{Domain, Socket, Type};

    use super::*;

    #[test]
    fn a_connection_that_is_its_own_other_end_is_known_and_gone_at_once() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
        let at = listener.local_addr().expect("an address");
        assert!(!is_own_end(&TcpStream::connect(at).expect("a listener")));

        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
        socket.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into()).expect("a port");
        let own = socket.local_addr().expect("an address");
        socket.connect(&own).expect("nobody listens there");
        assert!(is_own_end(&socket));
        drop(socket);
        TcpListener::bind(own.as_socket().expect("an address")).expect("the port is free again");
    }
}
