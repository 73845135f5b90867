use std::io;
use std::task::{Context, Poll};

use zt_wire::batch::FrameRef;
use zt_wire::{FrameBatch, MulticastGroup};

use crate::{PortState, Tap, TapCounts, TapInfo, TapOffloads};

/// Which faults, as chances between 0.0 (never) and 1.0 (always).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FaultPlan {
    /// Start of the pseudo-random sequence: the same seed gives the same faults.
    pub seed: u64,
    /// A frame is lost.
    pub loss: f64,
    /// One bit of a frame is flipped.
    pub corruption: f64,
    /// A frame comes twice.
    pub duplication: f64,
}

impl Default for FaultPlan {
    fn default() -> Self {
        Self { seed: 1, loss: 0.0, corruption: 0.0, duplication: 0.0 }
    }
}

/// What happened to frames so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct FaultCounts {
    /// Frames that passed (once each, changed or not).
    pub passed: u64,
    /// Frames lost.
    pub lost: u64,
    /// Frames with a flipped bit.
    pub corrupted: u64,
    /// Frames that came twice.
    pub duplicated: u64,
}

/// Loses, corrupts and repeats frames of a port, both ways, without delay.
#[derive(Debug)]
pub struct Fault<T> {
    inner: T,
    plan: FaultPlan,
    random: u64,
    counts: FaultCounts,
    inbound: FrameBatch,
    outbound: FrameBatch,
}

impl<T: Tap> Fault<T> {
    /// `inner` with the faults of `plan`.
    pub fn new(inner: T, plan: FaultPlan) -> Self {
        Self {
            inner,
            plan,
            // The generator must not start at zero.
            random: plan.seed | 1 << 63,
            counts: FaultCounts::default(),
            inbound: FrameBatch::new(0, 0),
            outbound: FrameBatch::new(0, 0),
        }
    }

    /// What happened so far.
    #[must_use]
    pub fn counts(&self) -> FaultCounts {
        self.counts
    }

    /// Sends what the inner port had no room for.
    fn flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.outbound.is_empty() {
            match self.inner.poll_send(cx, &self.outbound) {
                Poll::Ready(Ok(taken)) => self.outbound.consume(taken),
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending => return Poll::Pending,
            }
        }
        Poll::Ready(Ok(()))
    }

    fn happens(&mut self, chance: f64) -> bool {
        // 53 bits fit a double exactly.
        chance > 0.0 && ((self.next() >> 11) as f64) < chance * (1_u64 << 53) as f64
    }

    fn next(&mut self) -> u64 {
        // xorshift64*
        self.random ^= self.random >> 12;
        self.random ^= self.random << 25;
        self.random ^= self.random >> 27;
        self.random.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// Copies `frame` to `to`, zero to two times; `to` has room for two.
    fn pass(&mut self, frame: FrameRef<'_>, to: &mut FrameBatch) {
        if self.happens(self.plan.loss) {
            self.counts.lost += 1;
            return;
        }
        self.counts.passed += 1;
        let at = to.len();
        let pushed = to.push_with_offload(frame.bytes, frame.offload).is_ok();
        if pushed && !frame.bytes.is_empty() && self.happens(self.plan.corruption) {
            self.counts.corrupted += 1;
            let bit = self.next() as usize % (frame.bytes.len() * 8);
            if let Some(mut copy) = to.frame_mut(at) {
                copy.bytes_mut()[bit / 8] ^= 1 << (bit % 8);
            }
        }
        if pushed && self.happens(self.plan.duplication) {
            self.counts.duplicated += 1;
            let _ = to.push_with_offload(frame.bytes, frame.offload);
        }
    }
}

impl<T: Tap> Tap for Fault<T> {
    fn info(&self) -> &TapInfo {
        self.inner.info()
    }

    fn poll_recv(&mut self, cx: &mut Context<'_>, batch: &mut FrameBatch) -> Poll<io::Result<usize>> {
        // The task that waits to send is woken for frames kept here too, and may only receive.
        let _ = self.flush(cx);
        let room = batch.max_frames() - batch.len();
        if batch.is_full() || room == 0 {
            return Poll::Ready(Ok(0));
        }
        // Every frame may come twice, so only half the room is asked for (a single free slot has
        // no room for the copy, which is then lost).
        let ask = room.div_ceil(2);
        if self.inbound.max_frames() != ask || self.inbound.frame_size() != batch.frame_size() {
            self.inbound = FrameBatch::new(ask, batch.frame_size());
        }
        let mut taken = std::mem::replace(&mut self.inbound, FrameBatch::new(0, 0));
        let before = batch.len();
        let result = loop {
            taken.clear();
            match self.inner.poll_recv(cx, &mut taken) {
                Poll::Ready(Ok(_)) => {}
                other => break other,
            }
            for frame in taken.iter() {
                self.pass(frame, batch);
            }
            if batch.len() > before {
                break Poll::Ready(Ok(batch.len() - before));
            }
        };
        self.inbound = taken;
        result
    }

    fn poll_send(&mut self, cx: &mut Context<'_>, batch: &FrameBatch) -> Poll<io::Result<usize>> {
        match self.flush(cx) {
            Poll::Ready(Ok(())) => {}
            Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
            Poll::Pending => return Poll::Pending,
        }
        let size = (batch.max_frames() * 2, batch.frame_size());
        if (self.outbound.max_frames(), self.outbound.frame_size()) != size {
            self.outbound = FrameBatch::new(size.0, size.1);
        }
        let mut out = std::mem::replace(&mut self.outbound, FrameBatch::new(0, 0));
        for frame in batch.iter() {
            self.pass(frame, &mut out);
        }
        self.outbound = out;
        match self.flush(cx) {
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            // What the inner port has no room for is kept and counts as taken.
            _ => Poll::Ready(Ok(batch.len())),
        }
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
