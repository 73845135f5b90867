//! A port with nobody behind it.

use std::io;
use std::task::{Context, Poll};

use zt_wire::FrameBatch;

use crate::{Tap, TapFactory, TapInfo, TapSpec};

/// A port that takes every frame, forgets it, and never has one to give: for nodes that serve
/// (roots, controllers) and need no Ethernet themselves.
#[derive(Debug)]
pub struct NullTap {
    info: TapInfo,
}

impl NullTap {
    /// A port that looks like `info`.
    #[must_use]
    pub fn new(info: TapInfo) -> Self {
        Self { info }
    }
}

impl Tap for NullTap {
    fn info(&self) -> &TapInfo {
        &self.info
    }

    fn poll_recv(&mut self, _cx: &mut Context<'_>, batch: &mut FrameBatch) -> Poll<io::Result<usize>> {
        if batch.is_full() {
            return Poll::Ready(Ok(0));
        }
        Poll::Pending
    }

    fn poll_send(&mut self, _cx: &mut Context<'_>, batch: &FrameBatch) -> Poll<io::Result<usize>> {
        Poll::Ready(Ok(batch.len()))
    }

    fn set_mtu(&mut self, mtu: u16) -> io::Result<()> {
        self.info.mtu = mtu;
        Ok(())
    }
}

/// Opens [`NullTap`]s.
#[derive(Debug, Clone, Copy, Default)]
pub struct NullTaps;

impl TapFactory for NullTaps {
    fn open(&self, spec: &TapSpec) -> io::Result<Box<dyn Tap>> {
        Ok(Box::new(NullTap::new(spec.clone().into())))
    }
}
