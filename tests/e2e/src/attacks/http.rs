//! Connections to the HTTP interface that ask for nothing, or never finish asking.

use std::io::{self, Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use zt_tap::netns::Namespace;

use super::sender::Sent;

/// What is done with the connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Abuse {
    /// A request whose body never comes.
    HalfRequests,
    /// Bodies of 8 MB without a token.
    Bodies,
}

/// Connections held at a time.
const CONNECTIONS: usize = 64;
const BODY: usize = 8 << 20;

/// Opens connections and opens new ones when the node closes them.
pub(crate) fn hold(victim: &Namespace, abuse: Abuse, stop: &AtomicBool) -> io::Result<Sent> {
    victim.run(|| {
        let mut sent = Sent::default();
        let mut open: Vec<TcpStream> = Vec::new();
        while !stop.load(Ordering::Relaxed) {
            open.retain_mut(|stream| {
                let mut byte = [0; 64];
                !matches!(stream.read(&mut byte), Ok(0)) && still(stream, abuse, &mut sent)
            });
            while open.len() < CONNECTIONS {
                let Ok(stream) = connect(abuse, &mut sent) else { break };
                open.push(stream);
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        sent
    })
}

fn connect(abuse: Abuse, sent: &mut Sent) -> io::Result<TcpStream> {
    let to = SocketAddr::from((Ipv4Addr::LOCALHOST, 9993));
    let mut stream = TcpStream::connect_timeout(&to, Duration::from_millis(200))?;
    let (method, len) = match abuse {
        Abuse::HalfRequests => ("GET", 10),
        Abuse::Bodies => ("POST", BODY),
    };
    let head = format!("{method} /status HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len}\r\n\r\n");
    stream.write_all(head.as_bytes())?;
    stream.set_nonblocking(true)?;
    sent.packets += 1;
    sent.bytes += head.len() as u64;
    Ok(stream)
}

/// Writes more of a body; false when the connection is of no use any more.
fn still(stream: &mut TcpStream, abuse: Abuse, sent: &mut Sent) -> bool {
    if abuse != Abuse::Bodies {
        return true;
    }
    match stream.write(&[0; 65_536]) {
        Ok(len) => {
            sent.bytes += len as u64;
            true
        }
        Err(error) => error.kind() == io::ErrorKind::WouldBlock,
    }
}
