//! Where the engine puts bytes: buffers of the caller, reused from turn to turn.

use std::collections::BTreeMap;
use std::ops::Range;
use zt_peer::Transmits;
use zt_wire::batch::MAX_FRAME_LEN;
use zt_wire::ether::ETHERNET_HEADER_LEN;
use zt_wire::{EthernetRef, FrameBatch, Mac, NetworkId};

/// Frames kept for one network while its port is busy; more are dropped, as any full queue drops.
const FRAMES: usize = 256;
/// Frames of a list, and their bytes, that may wait before more are dropped.
const LISTED: usize = 4096;
const LIST_BYTES: usize = 8 << 20;
/// Memory a list keeps when it is emptied.
const LIST_KEPT: usize = 64 << 10;

/// Datagrams to send and frames to deliver.
#[derive(Default)]
pub struct Outbox {
    /// Datagrams, still to be sealed with [`Transmits::seal`].
    pub transmits: Transmits,
    /// Frames for the local port of each network.
    pub frames: BTreeMap<NetworkId, FrameBatch>,
    /// With [`Outbox::listing`]: the frames of all networks in order of arrival, in place of `frames`.
    pub list: Option<FrameList>,
    /// Frames lost because nobody took them in time.
    pub overflow: u64,
}

/// Frames of all networks in the order in which they came, without limit to their size: for owners that hand each on
/// at once and have no queue per port.
#[derive(Default)]
pub struct FrameList {
    bytes: Vec<u8>,
    frames: Vec<ListedFrame>,
}

/// One frame of a [`FrameList`].
#[derive(Clone, Debug)]
pub struct ListedFrame {
    /// Network it is of.
    pub network: NetworkId,
    /// Destination MAC.
    pub destination: Mac,
    /// Source MAC.
    pub source: Mac,
    /// EtherType.
    pub ethertype: u16,
    payload: Range<usize>,
}

impl FrameList {
    /// The frames, in order.
    #[must_use]
    pub fn frames(&self) -> &[ListedFrame] {
        &self.frames
    }

    /// What follows the header of a frame of this list.
    #[must_use]
    pub fn payload(&self, frame: &ListedFrame) -> &[u8] {
        self.bytes.get(frame.payload.clone()).unwrap_or_default()
    }

    /// Forgets all frames and keeps the memory, up to a bound.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.frames.clear();
        self.bytes.shrink_to(LIST_KEPT);
    }

    fn push(&mut self, network: NetworkId, frame: &EthernetRef<'_>) -> bool {
        if self.frames.len() >= LISTED || self.bytes.len() >= LIST_BYTES {
            return false;
        }
        let start = self.bytes.len();
        self.bytes.extend_from_slice(frame.payload);
        let EthernetRef { destination, source, ethertype, .. } = *frame;
        self.frames.push(ListedFrame { network, destination, source, ethertype, payload: start..self.bytes.len() });
        true
    }
}

impl Outbox {
    /// An empty outbox.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// An empty outbox whose frames are listed in order of arrival, whatever their network.
    #[must_use]
    pub fn listing() -> Self {
        Self { list: Some(FrameList::default()), ..Self::default() }
    }

    /// Gives back the memory of frames that was not needed since the last call: a network that rests costs next to nothing.
    /// For now and then, half a minute or so.
    pub fn rest(&mut self) {
        self.frames.values_mut().for_each(FrameBatch::trim);
    }

    pub(super) fn deliver(&mut self, network: NetworkId, frame: EthernetRef<'_>) {
        let delivered = match &mut self.list {
            Some(list) => list.push(network, &frame),
            None => {
                let batch = self.frames.entry(network).or_insert_with(new_batch);
                push(batch, &frame)
            }
        };
        if !delivered {
            self.overflow += 1;
        }
    }
}

fn push(batch: &mut FrameBatch, frame: &EthernetRef<'_>) -> bool {
    let length = ETHERNET_HEADER_LEN + frame.payload.len();
    let pushed = batch.push_up_to(length, |slot| {
        let slot = slot.get_mut(..length).ok_or(())?;
        slot[..6].copy_from_slice(&frame.destination.0);
        slot[6..12].copy_from_slice(&frame.source.0);
        slot[12..14].copy_from_slice(&frame.ethertype.to_be_bytes());
        slot[14..].copy_from_slice(frame.payload);
        Ok::<usize, ()>(length)
    });
    matches!(pushed, Some(Ok(())))
}

/// For frames of any length that a network carries: which of them are too long for its port, only the port knows.
fn new_batch() -> FrameBatch {
    FrameBatch::with_headroom(FRAMES, MAX_FRAME_LEN, 0)
}
