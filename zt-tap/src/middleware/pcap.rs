use std::fmt;
use std::io::{self, Write};
use std::task::{Context, Poll};
use std::time::Duration;

use zt_wire::{FrameBatch, MulticastGroup};

use crate::{PortState, Tap, TapCounts, TapInfo, TapOffloads};

/// Writes frames as a pcap file (microseconds, Ethernet), which tcpdump and Wireshark read.
#[derive(Debug)]
pub struct PcapWriter<W> {
    out: W,
}

impl<W: Write> PcapWriter<W> {
    /// Writes the file header to `out`.
    ///
    /// # Errors
    /// Of `out`.
    pub fn new(mut out: W) -> io::Result<Self> {
        let mut header = [0; 24];
        header[..4].copy_from_slice(&0xa1b2_c3d4_u32.to_le_bytes());
        header[4..6].copy_from_slice(&2_u16.to_le_bytes());
        header[6..8].copy_from_slice(&4_u16.to_le_bytes());
        header[16..20].copy_from_slice(&SNAP_LEN.to_le_bytes());
        header[20..].copy_from_slice(&LINKTYPE_ETHERNET.to_le_bytes());
        out.write_all(&header)?;
        Ok(Self { out })
    }

    /// Appends one frame; `at` is the time since 1970.
    ///
    /// # Errors
    /// Of the writer.
    pub fn frame(&mut self, at: Duration, bytes: &[u8]) -> io::Result<()> {
        let len = u32::try_from(bytes.len()).unwrap_or(SNAP_LEN).min(SNAP_LEN);
        let seconds = at.as_secs() as u32; // pcap wraps in 2106
        self.out.write_all(&seconds.to_le_bytes())?;
        self.out.write_all(&at.subsec_micros().to_le_bytes())?;
        self.out.write_all(&len.to_le_bytes())?;
        self.out.write_all(&len.to_le_bytes())?;
        self.out.write_all(&bytes[..len as usize])
    }

    /// Writes what is buffered.
    ///
    /// # Errors
    /// Of the writer.
    pub fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }

    /// Gives the writer back.
    pub fn into_inner(self) -> W {
        self.out
    }
}

const SNAP_LEN: u32 = 65_535;
const LINKTYPE_ETHERNET: u32 = 1;

/// Writes every frame that passes a port, both ways, to a capture.
///
/// A write that fails ends the capture, not the port.
pub struct Pcap<T, W> {
    inner: T,
    writer: Option<PcapWriter<W>>,
    clock: Box<dyn FnMut() -> Duration + Send>,
}

impl<T: Tap, W: Write + Send> Pcap<T, W> {
    /// Captures `inner` into `writer`; `clock` tells the time since 1970 for each frame.
    pub fn new(inner: T, writer: PcapWriter<W>, clock: impl FnMut() -> Duration + Send + 'static) -> Self {
        Self { inner, writer: Some(writer), clock: Box::new(clock) }
    }

    /// Whether the capture still goes on.
    #[must_use]
    pub fn is_capturing(&self) -> bool {
        self.writer.is_some()
    }

    fn write<'a>(&mut self, frames: impl Iterator<Item = zt_wire::batch::FrameRef<'a>>) {
        let Some(writer) = &mut self.writer else {
            return;
        };
        for frame in frames {
            if writer.frame((self.clock)(), frame.bytes).is_err() {
                self.writer = None;
                return;
            }
        }
        if writer.flush().is_err() {
            self.writer = None;
        }
    }
}

impl<T: fmt::Debug, W> fmt::Debug for Pcap<T, W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Pcap").field(&self.inner).finish()
    }
}

impl<T: Tap, W: Write + Send> Tap for Pcap<T, W> {
    fn info(&self) -> &TapInfo {
        self.inner.info()
    }

    fn poll_recv(&mut self, cx: &mut Context<'_>, batch: &mut FrameBatch) -> Poll<io::Result<usize>> {
        let before = batch.len();
        let result = self.inner.poll_recv(cx, batch);
        self.write(batch.iter().skip(before));
        result
    }

    fn poll_send(&mut self, cx: &mut Context<'_>, batch: &FrameBatch) -> Poll<io::Result<usize>> {
        let result = self.inner.poll_send(cx, batch);
        if let Poll::Ready(Ok(taken)) = result {
            self.write(batch.iter().take(taken));
        }
        result
    }

    fn set_mtu(&mut self, mtu: u16) -> io::Result<()> {
        self.inner.set_mtu(mtu)
    }

    fn observe(&mut self) -> io::Result<PortState> {
        self.inner.observe()
    }

    fn multicast_groups(&mut self) -> io::Result<Vec<MulticastGroup>> {
        self.inner.multicast_groups()
    }

    fn counts(&self) -> TapCounts {
        self.inner.counts()
    }

    fn offloads(&self) -> Option<TapOffloads> {
        self.inner.offloads()
    }
}
