use std::fmt;
use std::io;
use std::task::{Context, Poll};

use zt_wire::batch::FrameRef;
use zt_wire::{FrameBatch, MulticastGroup};

use super::Direction;
use crate::{PortState, Tap, TapCounts, TapInfo, TapOffloads};

/// Shows every frame that passes a port to a function.
pub struct Trace<T, F> {
    inner: T,
    look: F,
}

impl<T, F> Trace<T, F>
where
    T: Tap,
    F: FnMut(Direction, FrameRef<'_>) + Send,
{
    /// `look` is called once for each frame, in order, when it has passed.
    pub fn new(inner: T, look: F) -> Self {
        Self { inner, look }
    }
}

impl<T: fmt::Debug, F> fmt::Debug for Trace<T, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Trace").field(&self.inner).finish()
    }
}

impl<T, F> Tap for Trace<T, F>
where
    T: Tap,
    F: FnMut(Direction, FrameRef<'_>) + Send,
{
    fn info(&self) -> &TapInfo {
        self.inner.info()
    }

    fn poll_recv(&mut self, cx: &mut Context<'_>, batch: &mut FrameBatch) -> Poll<io::Result<usize>> {
        let before = batch.len();
        let result = self.inner.poll_recv(cx, batch);
        for frame in batch.iter().skip(before) {
            (self.look)(Direction::FromHost, frame);
        }
        result
    }

    fn poll_send(&mut self, cx: &mut Context<'_>, batch: &FrameBatch) -> Poll<io::Result<usize>> {
        let result = self.inner.poll_send(cx, batch);
        if let Poll::Ready(Ok(taken)) = result {
            for frame in batch.iter().take(taken) {
                (self.look)(Direction::ToHost, frame);
            }
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
