use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::Namespace;

/// How much was moved in which time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Transfer {
    /// Bytes of payload.
    pub bytes: u64,
    /// From the first byte to the last.
    pub elapsed: Duration,
}

impl Transfer {
    /// Millions of bits per second.
    #[must_use]
    pub fn megabits_per_second(&self) -> f64 {
        self.bytes as f64 * 8.0 / 1e6 / self.elapsed.as_secs_f64().max(1e-9)
    }
}

/// A TCP server that takes one connection and checks what it receives.
#[derive(Debug)]
pub struct TcpSink {
    address: SocketAddr,
    thread: JoinHandle<io::Result<Transfer>>,
}

impl TcpSink {
    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Waits for the end of the connection; the time runs from its first byte.
    ///
    /// # Errors
    /// [`io::ErrorKind::TimedOut`] or [`io::ErrorKind::WouldBlock`] when nothing came for as long
    /// as the patience given, [`io::ErrorKind::InvalidData`] when something else came than was
    /// sent; of the connection.
    pub fn join(self) -> io::Result<Transfer> {
        self.thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    }
}

impl Namespace {
    /// Starts a server for one connection; port 0 means any. It gives up when for `patience` no
    /// connection or no byte comes.
    ///
    /// # Errors
    /// When the address cannot be bound.
    pub fn tcp_receive(&self, bind: SocketAddr, patience: Duration) -> io::Result<TcpSink> {
        let listener = self.run(|| TcpListener::bind(bind))??;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let thread = std::thread::spawn(move || receive(&accept(&listener, patience)?));
        Ok(TcpSink { address, thread })
    }

    /// Connects and sends `bytes`; the time runs until the other side has read all.
    ///
    /// # Errors
    /// Of the connection; [`io::ErrorKind::TimedOut`] or [`io::ErrorKind::WouldBlock`] when nothing
    /// moves for `patience`.
    pub fn tcp_send(&self, to: SocketAddr, bytes: u64, patience: Duration) -> io::Result<Transfer> {
        let mut stream = self.run(|| TcpStream::connect_timeout(&to, patience))??;
        stream.set_write_timeout(Some(patience))?;
        stream.set_read_timeout(Some(patience))?;
        let pattern = pattern();
        let start = Instant::now();
        let mut sent = 0;
        while sent < bytes {
            let from = (sent % PERIOD) as usize;
            let len = (bytes - sent).min(CHUNK as u64) as usize;
            sent += stream.write(&pattern[from..from + len])? as u64;
        }
        stream.shutdown(Shutdown::Write)?;
        // The receiver closes when it has everything.
        while stream.read(&mut [0; 16])? > 0 {}
        Ok(Transfer { bytes, elapsed: start.elapsed() })
    }
}

fn accept(listener: &TcpListener, patience: Duration) -> io::Result<TcpStream> {
    let deadline = Instant::now() + patience;
    loop {
        match listener.accept() {
            Ok((stream, _)) => {
                stream.set_nonblocking(false)?;
                stream.set_read_timeout(Some(patience))?;
                return Ok(stream);
            }
            Err(error) if error.kind() != io::ErrorKind::WouldBlock => return Err(error),
            Err(_) if Instant::now() >= deadline => return Err(io::ErrorKind::TimedOut.into()),
            Err(_) => std::thread::sleep(Duration::from_millis(2)),
        }
    }
}

fn receive(mut stream: &TcpStream) -> io::Result<Transfer> {
    let pattern = pattern();
    let mut buffer = vec![0; CHUNK];
    let mut bytes = 0_u64;
    let mut start = None;
    loop {
        let len = stream.read(&mut buffer)?;
        let start = *start.get_or_insert_with(Instant::now);
        if len == 0 {
            let elapsed = start.elapsed();
            return Ok(Transfer { bytes, elapsed });
        }
        let from = (bytes % PERIOD) as usize;
        if buffer[..len] != pattern[from..from + len] {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "other bytes came than were sent"));
        }
        bytes += len as u64;
    }
}

/// Bytes that repeat with a period that no buffer size shares.
fn pattern() -> Vec<u8> {
    (0..PERIOD).map(|i| i as u8).cycle().take(CHUNK + PERIOD as usize).collect()
}

const PERIOD: u64 = 251;
const CHUNK: usize = 128 * 1024;
