use std::io;
use std::task::{Context, Poll, ready};

use tokio::io::unix::AsyncFd;
use zt_wire::{FrameBatch, MulticastGroup};

use super::LinuxTap;
use crate::offload::{Offloads, TapOffloads};
use crate::{PortState, Tap, TapCounts, TapFactory, TapInfo, TapSpec, sys};

/// A [`LinuxTap`] whose tasks are woken by the tokio reactor.
#[derive(Debug)]
pub struct AsyncTap {
    fd: AsyncFd<LinuxTap>,
}

impl AsyncTap {
    /// Registers a device with the current tokio runtime.
    ///
    /// # Errors
    /// When the reactor refuses it.
    ///
    /// # Panics
    /// Outside a tokio runtime that has its I/O driver on.
    pub fn new(tap: LinuxTap) -> io::Result<Self> {
        Ok(Self { fd: sys::register(tap)? })
    }
}

impl Tap for AsyncTap {
    fn info(&self) -> &TapInfo {
        self.fd.get_ref().info()
    }

    fn poll_recv(&mut self, cx: &mut Context<'_>, batch: &mut FrameBatch) -> Poll<io::Result<usize>> {
        if batch.is_full() {
            return Poll::Ready(Ok(0));
        }
        loop {
            let mut ready = ready!(self.fd.poll_read_ready_mut(cx))?;
            match ready.try_io(|fd| fd.get_mut().try_recv(batch)) {
                Ok(result) => {
                    // The next call need not find that out by one more read.
                    if ready.get_inner().is_drained() {
                        ready.clear_ready();
                    }
                    return Poll::Ready(result);
                }
                Err(_would_block) => {}
            }
        }
    }

    fn poll_frames(
        &mut self,
        cx: &mut Context<'_>,
        room: &mut FrameBatch,
        most: usize,
        each: &mut dyn FnMut(&[u8]),
    ) -> Poll<io::Result<usize>> {
        loop {
            let mut ready = ready!(self.fd.poll_read_ready_mut(cx))?;
            match ready.try_io(|fd| fd.get_mut().try_frames(room, most, each)) {
                Ok(result) => {
                    // The next call need not find that out by one more read.
                    if ready.get_inner().is_drained() {
                        ready.clear_ready();
                    }
                    return Poll::Ready(result);
                }
                Err(_would_block) => {}
            }
        }
    }

    fn poll_send(&mut self, cx: &mut Context<'_>, batch: &FrameBatch) -> Poll<io::Result<usize>> {
        if batch.is_empty() {
            return Poll::Ready(Ok(0));
        }
        loop {
            let mut ready = ready!(self.fd.poll_write_ready_mut(cx))?;
            match ready.try_io(|fd| fd.get_mut().try_send(batch)) {
                Ok(result) => return Poll::Ready(result),
                Err(_would_block) => {}
            }
        }
    }

    fn set_mtu(&mut self, mtu: u16) -> io::Result<()> {
        self.fd.get_mut().set_mtu(mtu)
    }

    fn observe(&mut self) -> io::Result<PortState> {
        self.fd.get_mut().observe()
    }

    fn multicast_groups(&mut self) -> io::Result<Vec<MulticastGroup>> {
        self.fd.get_mut().multicast_groups()
    }

    fn counts(&self) -> TapCounts {
        self.fd.get_ref().counts()
    }

    fn offloads(&self) -> Option<TapOffloads> {
        Some(self.fd.get_ref().offloads())
    }
}

/// Opens TAP devices of Linux for tokio programs, in the network namespace of the calling thread.
#[derive(Debug, Clone, Copy, Default)]
pub struct LinuxTaps {
    /// The most that is left to the kernel, as far as it can.
    pub offloads: Offloads,
}

impl TapFactory for LinuxTaps {
    fn open(&self, spec: &TapSpec) -> io::Result<Box<dyn Tap>> {
        Ok(Box::new(AsyncTap::new(LinuxTap::open_with(spec, self.offloads)?)?))
    }
}
