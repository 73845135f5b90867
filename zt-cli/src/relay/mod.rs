//! A TCP relay server (03 §16.3): what listens, accepts, reads and writes around
//! [`zt_peer::tcp_relay::Server`], which decides.
//!
//! One task for each connection, on one thread. A task has no buffer of its own but what waits for its client.

mod connection;
mod listen;
mod report;

pub use listen::{Options, serve};
pub use report::report;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::ops::RangeInclusive;
use std::rc::Rc;
use std::time::Instant;

use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::UdpSocket;
use tokio::sync::oneshot;
use zt_peer::tcp_relay::{ClientId, Server};
use zt_wire::time::Mono;

/// Wanted size of the buffers of each UDP socket in the kernel.
const SOCKET_BUFFER: usize = 256 << 10;
/// Room to read into, which the tasks share: none of them waits while it uses it.
const BUFFER: usize = 64 << 10;

/// What the tasks share.
struct Relay {
    server: Server,
    start: Instant,
    buffer: Box<[u8]>,
    /// Ends the tasks of connections that are to be closed.
    ends: BTreeMap<ClientId, oneshot::Sender<()>>,
    sockets: Sockets,
}

type Shared = Rc<RefCell<Relay>>;

impl Relay {
    fn now(&self) -> Mono {
        Mono::ZERO + self.start.elapsed()
    }
}

/// Where UDP sockets are bound.
struct Sockets {
    address: Ipv4Addr,
    ports: Option<RangeInclusive<u16>>,
    next: u16,
}

impl Sockets {
    /// A UDP socket of a connection's own.
    fn open(&mut self) -> io::Result<UdpSocket> {
        let Some(ports) = self.ports.clone() else { return bind(self.address, 0) };
        for _ in ports.clone() {
            let port = self.next;
            self.next = if port >= *ports.end() { *ports.start() } else { port + 1 };
            match bind(self.address, port) {
                Err(error) if error.kind() == io::ErrorKind::AddrInUse => {}
                result => return result,
            }
        }
        Err(io::ErrorKind::AddrInUse.into())
    }
}

fn bind(address: Ipv4Addr, port: u16) -> io::Result<UdpSocket> {
    let socket = Socket::new(Domain::IPV4, Type::DGRAM, Some(Protocol::UDP))?;
    socket.set_nonblocking(true)?;
    // A system that gives less still works.
    let _ = socket.set_recv_buffer_size(SOCKET_BUFFER).and_then(|()| socket.set_send_buffer_size(SOCKET_BUFFER));
    socket.bind(&SocketAddrV4::new(address, port).into())?;
    UdpSocket::from_std(socket.into())
}
