//! Traffic of many flows at a time, and what comes of it.

use std::io::{self, Read as _, Write as _};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow};

use crate::Host;

/// TCP connections that send as much as goes, until the value is dropped.
#[derive(Debug)]
pub struct Load {
    received: Arc<AtomicU64>,
    end: Arc<AtomicBool>,
    threads: Vec<JoinHandle<io::Result<()>>>,
}

const CHUNK: usize = 64 * 1024;
/// A call that goes on for so long looks whether it is the end.
const LOOK: Duration = Duration::from_millis(200);
const CONNECT: Duration = Duration::from_secs(20);

impl Load {
    /// Connects so many times from a host to an address of the other.
    ///
    /// # Errors
    /// No connection.
    pub fn start(from: &Host, to: &Host, address: IpAddr, flows: usize) -> Result<Self> {
        let mut load = Self { received: Arc::default(), end: Arc::default(), threads: Vec::new() };
        let listener = to.namespace().run(|| TcpListener::bind((address, 0)))??;
        let target = listener.local_addr()?;
        for _ in 0..flows {
            let out = from.namespace().run(|| TcpStream::connect_timeout(&target, CONNECT))?;
            let out = out.with_context(|| format!("TCP from {} to {}", from.name(), to.name()))?;
            let (inbound, _) = listener.accept()?;
            out.set_write_timeout(Some(LOOK))?;
            inbound.set_read_timeout(Some(LOOK))?;
            let end = Arc::clone(&load.end);
            load.threads.push(std::thread::spawn(move || send(out, &end)));
            let (end, received) = (Arc::clone(&load.end), Arc::clone(&load.received));
            load.threads.push(std::thread::spawn(move || receive(inbound, &received, &end)));
        }
        Ok(load)
    }

    /// What arrives in `time` from now on, in Mbit/s of payload.
    #[must_use]
    pub fn rate(&self, time: Duration) -> f64 {
        let (before, start) = (self.received.load(Ordering::Relaxed), Instant::now());
        std::thread::sleep(time);
        let bytes = self.received.load(Ordering::Relaxed) - before;
        bytes as f64 * 8.0 / 1e6 / start.elapsed().as_secs_f64()
    }

    /// The median of [`Load::rate`] over so many times.
    #[must_use]
    pub fn median(&self, time: Duration, times: usize) -> f64 {
        let mut rates: Vec<f64> = (0..times).map(|_| self.rate(time)).collect();
        rates.sort_by(f64::total_cmp);
        rates.get(times / 2).copied().unwrap_or_default()
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.end.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

fn is_waiting(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut | io::ErrorKind::Interrupted)
}

fn send(mut out: TcpStream, end: &AtomicBool) -> io::Result<()> {
    let bytes = vec![0x5a; CHUNK];
    while !end.load(Ordering::Relaxed) {
        match out.write(&bytes) {
            Err(error) if !is_waiting(&error) => return Err(error),
            _ => {}
        }
    }
    // What is in its buffer is of no use any more.
    socket2::SockRef::from(&out).set_linger(Some(Duration::ZERO))
}

fn receive(mut inbound: TcpStream, received: &AtomicU64, end: &AtomicBool) -> io::Result<()> {
    let mut buffer = vec![0; CHUNK];
    while !end.load(Ordering::Relaxed) {
        match inbound.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(len) => drop(received.fetch_add(len as u64, Ordering::Relaxed)),
            Err(error) if is_waiting(&error) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// What came of steady flows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Steady {
    /// The longest time for which one of the flows stood still.
    pub longest_gap: Duration,
    /// Datagrams that came behind a later one of their flow.
    pub overtaken: u64,
}

/// Time between two datagrams of a steady flow.
const EVERY: Duration = Duration::from_millis(10);

/// So many flows of UDP, each with a datagram every 10 ms, from a host to an address of the other while something is done.
///
/// # Errors
/// Those of what is done, or no socket.
pub fn steady_flows(
    [from, to]: [&Host; 2],
    address: IpAddr,
    flows: u16,
    act: impl FnOnce() -> Result<()>,
) -> Result<Steady> {
    let sink = to.namespace().run(|| UdpSocket::bind((address, 0)))??;
    sink.set_read_timeout(Some(LOOK))?;
    let target = sink.local_addr()?;
    let sources = from.namespace().run(|| (0..flows).map(|_| connected(target)).collect::<io::Result<Vec<_>>>())??;
    let end = AtomicBool::new(false);
    std::thread::scope(|threads| {
        let sender = threads.spawn(|| {
            let mut number = 0_u32;
            while !end.load(Ordering::Relaxed) {
                for (flow, source) in (0_u16..).zip(&sources) {
                    let mut datagram = [0; 64];
                    datagram[..2].copy_from_slice(&flow.to_be_bytes());
                    datagram[2..6].copy_from_slice(&number.to_be_bytes());
                    // A device without a neighbour refuses; the receiver sees what is missing.
                    let _ = source.send(&datagram);
                }
                number += 1;
                std::thread::sleep(EVERY);
            }
        });
        let receiver = threads.spawn(|| watch(&sink, flows, &end));
        let done = act();
        end.store(true, Ordering::Relaxed);
        sender.join().map_err(|_| anyhow!("the sender panicked"))?;
        let steady = receiver.join().map_err(|_| anyhow!("the receiver panicked"))?;
        done.map(|()| steady)
    })
}

fn connected(target: SocketAddr) -> io::Result<UdpSocket> {
    let any: SocketAddr = if target.is_ipv4() { ([0, 0, 0, 0], 0).into() } else { ([0_u16; 8], 0).into() };
    let socket = UdpSocket::bind(any)?;
    socket.connect(target)?;
    Ok(socket)
}

fn watch(sink: &UdpSocket, flows: u16, end: &AtomicBool) -> Steady {
    let start = Instant::now();
    let mut last = vec![(start, 0_u32); flows.into()];
    let mut steady = Steady { longest_gap: Duration::ZERO, overtaken: 0 };
    while !end.load(Ordering::Relaxed) {
        let mut datagram = [0; 64];
        let Ok(64) = sink.recv(&mut datagram) else { continue };
        let flow = u16::from_be_bytes([datagram[0], datagram[1]]);
        let number = u32::from_be_bytes([datagram[2], datagram[3], datagram[4], datagram[5]]);
        let Some((at, newest)) = last.get_mut(usize::from(flow)) else { continue };
        let now = Instant::now();
        steady.longest_gap = steady.longest_gap.max(now.saturating_duration_since(*at));
        *at = now;
        if number < *newest {
            steady.overtaken += 1;
        }
        *newest = number.max(*newest);
    }
    let open = last.iter().map(|(at, _)| at.elapsed()).max().unwrap_or_default();
    Steady { longest_gap: steady.longest_gap.max(open), ..steady }
}
