use std::io::{self, Read};
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};

use socket2::{Domain, Protocol, Socket, Type};

use super::Namespace;

/// How to ping.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PingOptions {
    /// Bytes after the ICMP header (a packet is 28 bytes longer on IPv4, 48 on IPv6). Longer ones
    /// are fragmented by the host.
    pub payload: usize,
    /// How long to wait for one answer.
    pub timeout: Duration,
}

impl Default for PingOptions {
    fn default() -> Self {
        Self { payload: 56, timeout: Duration::from_secs(1) }
    }
}

/// Sends ICMP echo requests from one namespace to one address.
#[derive(Debug)]
pub struct Pinger {
    socket: Socket,
    target: IpAddr,
    ident: u16,
    sequence: u16,
}

impl Pinger {
    /// A pinger in the network namespace of the calling thread; it works from any thread.
    ///
    /// # Errors
    /// Without the right to raw sockets.
    pub fn new(target: IpAddr) -> io::Result<Self> {
        static NEXT_IDENT: AtomicU16 = AtomicU16::new(1);
        let (domain, protocol) = match target {
            IpAddr::V4(_) => (Domain::IPV4, Protocol::ICMPV4),
            IpAddr::V6(_) => (Domain::IPV6, Protocol::ICMPV6),
        };
        Ok(Self {
            socket: Socket::new(domain, Type::RAW, Some(protocol))?,
            target,
            ident: NEXT_IDENT.fetch_add(1, Ordering::Relaxed) ^ std::process::id() as u16,
            sequence: 0,
        })
    }

    /// One request; returns the time until its answer, whose payload was as sent.
    ///
    /// # Errors
    /// [`io::ErrorKind::TimedOut`] without an answer in time; of the system when the request cannot
    /// be sent (no route).
    pub fn ping(&mut self, options: PingOptions) -> io::Result<Duration> {
        self.sequence = self.sequence.wrapping_add(1);
        let request = self.request(options.payload);
        let sent = Instant::now();
        self.socket.send_to(&request, &SocketAddr::new(self.target, 0).into())?;
        // IPv4 sockets get the IP header too.
        let mut buffer = vec![0; options.payload + 128];
        loop {
            let left = options.timeout.saturating_sub(sent.elapsed());
            if left.is_zero() {
                return Err(io::ErrorKind::TimedOut.into());
            }
            let left = left.max(Duration::from_millis(1));
            self.socket.set_read_timeout(Some(left))?;
            match (&self.socket).read(&mut buffer) {
                Ok(len) if self.is_answer(&buffer[..len], &request) => return Ok(sent.elapsed()),
                Ok(_) => {}
                Err(error) if is_temporary(&error) => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Pings every `interval` until an answer comes; returns the time since the call.
    ///
    /// # Errors
    /// [`io::ErrorKind::TimedOut`] without an answer within `patience`. That the request cannot be
    /// sent (no route yet) is no error before.
    pub fn ping_until(&mut self, payload: usize, interval: Duration, patience: Duration) -> io::Result<Duration> {
        let start = Instant::now();
        let options = PingOptions { payload, timeout: interval };
        while start.elapsed() < patience {
            let sent = Instant::now();
            if self.ping(options).is_ok() {
                return Ok(start.elapsed());
            }
            std::thread::sleep(interval.saturating_sub(sent.elapsed()));
        }
        Err(io::ErrorKind::TimedOut.into())
    }

    fn request(&self, payload: usize) -> Vec<u8> {
        let kind = if self.target.is_ipv4() { 8 } else { 128 };
        let mut bytes = vec![kind, 0, 0, 0];
        bytes.extend(self.ident.to_be_bytes());
        bytes.extend(self.sequence.to_be_bytes());
        bytes.extend((0..payload).map(|i| i as u8));
        // The kernel sums ICMPv6 itself.
        if self.target.is_ipv4() {
            let sum = internet_checksum(&bytes);
            bytes[2..4].copy_from_slice(&sum.to_be_bytes());
        }
        bytes
    }

    fn is_answer(&self, packet: &[u8], request: &[u8]) -> bool {
        let (header, kind) = match self.target {
            IpAddr::V4(_) => (packet.first().map_or(0, |b| usize::from(b & 15) * 4), 0),
            IpAddr::V6(_) => (0, 129),
        };
        packet.get(header..).is_some_and(|icmp| icmp.first() == Some(&kind) && icmp.get(4..) == request.get(4..))
    }
}

impl Namespace {
    /// A pinger in this namespace.
    ///
    /// # Errors
    /// Without the right to raw sockets.
    pub fn pinger(&self, target: IpAddr) -> io::Result<Pinger> {
        self.run(|| Pinger::new(target))?
    }

    /// One ping from this namespace; see [`Pinger::ping`].
    ///
    /// # Errors
    /// As [`Pinger::ping`].
    pub fn ping(&self, target: IpAddr, options: PingOptions) -> io::Result<Duration> {
        self.pinger(target)?.ping(options)
    }
}

/// Also an ICMP error for an earlier packet, which says nothing about this one.
fn is_temporary(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::WouldBlock
            | io::ErrorKind::TimedOut
            | io::ErrorKind::Interrupted
            | io::ErrorKind::HostUnreachable
            | io::ErrorKind::NetworkUnreachable
            | io::ErrorKind::ConnectionRefused
    )
}

fn internet_checksum(bytes: &[u8]) -> u16 {
    let mut sum: u32 =
        bytes.chunks(2).map(|pair| u32::from(pair[0]) << 8 | u32::from(*pair.get(1).unwrap_or(&0))).sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}
