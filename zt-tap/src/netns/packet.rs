use std::io::{self, Read};

use socket2::{Domain, Protocol, Socket, Type};

use super::Namespace;
use crate::sys;

/// Sends and hears whole Ethernet frames on one device of a namespace, beside the host's IP stack: what a host would
/// not send (a foreign source, a broken header), and what it would not show.
#[derive(Debug)]
pub struct PacketSocket {
    socket: Socket,
}

impl Namespace {
    /// Opens a device for whole frames; works from any thread.
    ///
    /// # Errors
    /// `ENODEV`, or without the right to raw sockets.
    pub fn packet_socket(&self, device: &str) -> io::Result<PacketSocket> {
        let links = self.netlink()?.links()?;
        let link = links.iter().find(|link| link.name == device).ok_or(io::ErrorKind::NotFound)?;
        // Protocol 0 hears nothing until it is bound, so no frame of another device is among those that are heard.
        let socket = self.run(|| Socket::new(Domain::PACKET, Type::RAW, Some(Protocol::from(0))))??;
        sys::ignore_outgoing(&socket)?;
        socket.bind(&sys::packet_address(link.index))?;
        socket.set_nonblocking(true)?;
        socket.set_recv_buffer_size(BUFFER)?;
        Ok(PacketSocket { socket })
    }
}

impl PacketSocket {
    /// Sends one frame: destination, source, ethertype, payload.
    ///
    /// # Errors
    /// Of the kernel, as when the device is down or the frame is longer than its MTU.
    pub fn send(&self, frame: &[u8]) -> io::Result<()> {
        self.socket.send(frame).map(drop)
    }

    /// The next frame that came from the wire, in order; `None` when there is none now.
    ///
    /// # Errors
    /// Of the kernel, as when the device is gone.
    pub fn receive(&self) -> io::Result<Option<Vec<u8>>> {
        let mut buffer = vec![0; LONGEST];
        match (&self.socket).read(&mut buffer) {
            Ok(len) => {
                buffer.truncate(len);
                Ok(Some(buffer))
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
            Err(error) => Err(error),
        }
    }
}

const LONGEST: usize = 65_536;
const BUFFER: usize = 1 << 20;
