//! What a virtual (or real) network must carry.

use std::collections::BTreeSet;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use quinn_udp::{Transmit, UdpSockRef, UdpSocketState};
use socket2::SockRef;
use zt_tap::netns::{PingOptions, Transfer};

use crate::Host;

/// How to ping until an answer comes.
#[derive(Debug, Clone, Copy)]
pub struct Ping {
    /// Bytes after the ICMP header.
    pub payload: usize,
    /// Time between requests, and the longest time for one answer.
    pub interval: Duration,
    /// Time for the first answer.
    pub patience: Duration,
}

impl Default for Ping {
    fn default() -> Self {
        Self { payload: 56, interval: Duration::from_millis(100), patience: Duration::from_secs(10) }
    }
}

impl Host {
    /// Pings until an answer comes; returns the time since the call.
    ///
    /// # Errors
    /// No answer in time.
    pub fn ping(&self, target: IpAddr, how: Ping) -> Result<Duration> {
        let mut pinger = self.namespace().pinger(target)?;
        pinger
            .ping_until(how.payload, how.interval, how.patience)
            .with_context(|| format!("no ping from {} to {target} with {} bytes", self.name(), how.payload))
    }

    /// One ping; `None` without an answer within `timeout`.
    ///
    /// # Errors
    /// None but those of making a socket.
    pub fn ping_once(&self, target: IpAddr, timeout: Duration) -> Result<Option<Duration>> {
        Ok(self.namespace().ping(target, PingOptions { timeout, ..PingOptions::default() }).ok())
    }

    /// That no ping is answered for `time`.
    ///
    /// # Errors
    /// One was answered.
    pub fn silent(&self, target: IpAddr, time: Duration) -> Result<()> {
        let start = Instant::now();
        while start.elapsed() < time {
            if self.ping_once(target, Duration::from_millis(100))?.is_some() {
                bail!("{} can reach {target} after {:?}", self.name(), start.elapsed());
            }
        }
        Ok(())
    }
}

/// Moves bytes by TCP from one host to an address of the other; what the sender measured.
///
/// # Errors
/// No connection, a break, other bytes than were sent.
pub fn tcp(from: &Host, to: &Host, address: IpAddr, bytes: u64) -> Result<Transfer> {
    let patience = Duration::from_secs(20);
    let what = || format!("TCP from {} to {} at {address}", from.name(), to.name());
    let sink = to.namespace().tcp_receive(SocketAddr::new(address, 0), patience).with_context(what)?;
    let sent = from.namespace().tcp_send(sink.address(), bytes, patience).with_context(what)?;
    let received = sink.join().with_context(what)?;
    if received.bytes != bytes {
        bail!("{}: {} of {bytes} bytes arrived", what(), received.bytes);
    }
    Ok(sent)
}

/// Moves datagrams of UDP from one host to an address of the other, as many of each length as one segmented send carries,
/// and as one where the sending kernel can. Lost ones are sent again, all of their length, as UDP loses by right.
///
/// # Errors
/// Some did not arrive within `patience`, or one arrived as it was not sent.
pub fn udp(from: &Host, to: &Host, address: IpAddr, lengths: &[usize], patience: Duration) -> Result<()> {
    let what = || format!("UDP from {} to {} at {address}", from.name(), to.name());
    let sink = to.namespace().run(|| UdpSocket::bind((address, 0)))??;
    sink.set_read_timeout(Some(Duration::from_millis(100)))?;
    let target = sink.local_addr()?;
    let unspecified: IpAddr =
        if address.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    let bind = || from.namespace().run(|| UdpSocket::bind((unspecified, 0)));
    // One for trains, which forbids to fragment, and one that lets IP do so.
    let (socket, plain) = (bind()??, bind()??);
    socket.set_nonblocking(true)?;
    let kernel = UdpSocketState::new(UdpSockRef::from(&socket))?;
    for &length in lengths {
        let count = (60_000 / length).clamp(1, kernel.max_gso_segments());
        let datagrams: Vec<u8> = (0..count).flat_map(|number| datagram(number, length)).collect();
        let start = Instant::now();
        let mut missing: BTreeSet<usize> = (0..count).collect();
        while !missing.is_empty() {
            if start.elapsed() > patience {
                bail!("{}: {} of {count} datagrams of {length} bytes not within {patience:?}", what(), missing.len());
            }
            let segment_size = (count > 1).then_some(length);
            let transmit =
                Transmit { destination: target, ecn: None, contents: &datagrams, segment_size, src_ip: None };
            // A train of what is longer than the MTU is refused.
            if kernel.try_send(UdpSockRef::from(&socket), &transmit).is_err() {
                datagrams.chunks(length).for_each(|datagram| drop(plain.send_to(datagram, target)));
            }
            let mut buffer = vec![0; 65_536];
            while !missing.is_empty()
                && let Ok(len) = sink.recv(&mut buffer)
            {
                let number = usize::from(buffer[0]);
                // Those of another length came late.
                if len == length {
                    ensure!(buffer[..len] == datagram(number, length)[..], "{}: datagram {number} was changed", what());
                    missing.remove(&number);
                }
            }
        }
    }
    Ok(())
}

/// What the datagram of this number and length says.
fn datagram(number: usize, length: usize) -> Vec<u8> {
    (0..length).map(|at| if at == 0 { number as u8 } else { (number * 31 + length * 7 + at * at) as u8 }).collect()
}

/// Sends UDP to a multicast group from one host until the other, which listens, gets one; both are named by their
/// virtual IPv4 address.
///
/// # Errors
/// Nothing came within `patience`.
pub fn multicast(from: (&Host, Ipv4Addr), to: (&Host, Ipv4Addr), patience: Duration) -> Result<Duration> {
    const GROUP: Ipv4Addr = Ipv4Addr::new(239, 77, 7, 1);
    const PORT: u16 = 7777;
    let listener = to.0.namespace().run(|| -> io::Result<UdpSocket> {
        let socket = UdpSocket::bind((GROUP, PORT))?;
        socket.join_multicast_v4(&GROUP, &to.1)?;
        socket.set_read_timeout(Some(Duration::from_millis(100)))?;
        Ok(socket)
    })??;
    let sender = from.0.namespace().run(|| UdpSocket::bind((from.1, 0)))??;
    SockRef::from(&sender).set_multicast_if_v4(&from.1)?;
    let start = Instant::now();
    let mut last = io::Error::from(io::ErrorKind::TimedOut);
    while start.elapsed() < patience {
        if let Err(error) = sender.send_to(MESSAGE, (GROUP, PORT)) {
            last = error;
        }
        let mut buffer = [0; 64];
        while let Ok((len, source)) = listener.recv_from(&mut buffer) {
            if buffer[..len] == *MESSAGE && source.ip() == from.1 {
                return Ok(start.elapsed());
            }
        }
    }
    bail!("no multicast from {} to {}: {last}", from.0.name(), to.0.name())
}

const MESSAGE: &[u8] = b"multicast of the lab";

/// Asks every 20 ms until there is a value.
///
/// # Errors
/// There is none within `patience`; says `what` and the last error of the question.
pub fn wait_for<T>(what: &str, patience: Duration, mut question: impl FnMut() -> Result<Option<T>>) -> Result<T> {
    let start = Instant::now();
    loop {
        let answer = question();
        match answer {
            Ok(Some(value)) => return Ok(value),
            Ok(None) if start.elapsed() < patience => {}
            Ok(None) => bail!("{what}: not within {patience:?}"),
            Err(_) if start.elapsed() < patience => {}
            Err(error) => return Err(error.context(format!("{what}: not within {patience:?}"))),
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}
