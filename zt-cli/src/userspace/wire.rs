//! The wire of a stack as smoltcp sees it: one frame that comes, and a queue of frames that leave.

use std::collections::VecDeque;

use smoltcp::phy::{self, Checksum, Device, DeviceCapabilities, Medium};
use smoltcp::time::Instant;

use super::flow::LONG;

/// Buffers kept for reuse.
const SPARE: usize = 16;
/// Headers of a frame, which are written over what the buffer held before.
const HEADERS: usize = 160;
/// The device takes long segments, of either version of IP.
pub(super) const LONG_FRAME: usize = LONG + 14 + 60;

/// A frame that leaves.
#[derive(Debug, Default)]
pub(super) struct Frame {
    bytes: Vec<u8>,
    len: usize,
}

impl Frame {
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes[..self.len]
    }

    pub(super) fn bytes_mut(&mut self) -> &mut [u8] {
        &mut self.bytes[..self.len]
    }
}

/// Frames that leave, oldest first.
#[derive(Debug, Default)]
pub(super) struct Outgoing {
    queue: VecDeque<Frame>,
    spare: Vec<Frame>,
}

impl Outgoing {
    pub(super) fn len(&self) -> usize {
        self.queue.len()
    }

    pub(super) fn pop(&mut self) -> Option<Frame> {
        self.queue.pop_front()
    }

    /// Takes a buffer back.
    pub(super) fn reuse(&mut self, frame: Frame) {
        if self.spare.len() < SPARE {
            self.spare.push(frame);
        }
    }
}

/// The device for one call of smoltcp.
pub(super) struct Wire<'a> {
    pub(super) incoming: Option<&'a [u8]>,
    pub(super) outgoing: &'a mut Outgoing,
}

pub(super) struct Received<'a>(&'a [u8]);
pub(super) struct Sending<'a>(&'a mut Outgoing);

impl phy::RxToken for Received<'_> {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, read: F) -> R {
        read(self.0)
    }
}

impl phy::TxToken for Sending<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, length: usize, fill: F) -> R {
        let mut frame = self.0.spare.pop().unwrap_or_default();
        if frame.bytes.len() < length {
            frame.bytes.resize(length, 0);
        }
        frame.len = length;
        let headers = length.min(HEADERS);
        frame.bytes[..headers].fill(0);
        let result = fill(frame.bytes_mut());
        self.0.queue.push_back(frame);
        result
    }
}

impl Device for Wire<'_> {
    type RxToken<'a>
        = Received<'a>
    where
        Self: 'a;
    type TxToken<'a>
        = Sending<'a>
    where
        Self: 'a;

    fn receive(&mut self, _now: Instant) -> Option<(Received<'_>, Sending<'_>)> {
        Some((Received(self.incoming.take()?), Sending(self.outgoing)))
    }

    /// There is always room: smoltcp forgets that it wanted to send again when there is none. Whoever calls it sees to it
    /// that the queue is short.
    fn transmit(&mut self, _now: Instant) -> Option<Sending<'_>> {
        Some(Sending(self.outgoing))
    }

    fn capabilities(&self) -> DeviceCapabilities {
        let mut capabilities = DeviceCapabilities::default();
        capabilities.medium = Medium::Ethernet;
        capabilities.max_transmission_unit = LONG_FRAME;
        // Those of TCP are summed on vector units, where frames come and are cut.
        capabilities.checksum.tcp = Checksum::None;
        capabilities
    }
}
