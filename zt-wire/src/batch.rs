//! Reusable batches of Ethernet frames.

use alloc::vec::Vec;
use core::fmt;

use crate::ether::ETHERNET_HEADER_LEN;

/// Longest payload of a frame that any network carries, in bytes: the largest MTU there is (02 §1).
pub const MAX_MTU: usize = crate::packet::MAX_VIRTUAL_MTU as usize;

/// Longest frame that any port gives or takes: header, two VLAN tags, payload. A VLAN device on top
/// of a port has the MTU of the port, and its frames are longer by their tag.
pub const MAX_FRAME_LEN: usize = ETHERNET_HEADER_LEN + 2 * VLAN_TAG_LEN + MAX_MTU;

/// Bytes of one VLAN tag.
const VLAN_TAG_LEN: usize = 4;

/// Buffers grow in these steps, so that frames of mixed length do not grow one again and again.
const GROWTH: usize = 1024;

/// Room kept free before each frame by [`FrameBatch::new`]: enough for a packet header and the
/// fields that precede an Ethernet payload on the virtual wire, so that a frame can be sealed
/// where it lies.
pub const DEFAULT_HEADROOM: usize = 128;

/// A bounded, reusable list of frames, each in a buffer of its own with headroom.
///
/// Buffers are allocated when a slot is first used, as long as its frame needs, and kept by
/// [`FrameBatch::clear`], so a batch that is reused allocates nothing, and one for the longest frames
/// costs no more than the frames that came. A frame is the 14-byte Ethernet header and the payload,
/// without preamble and checksum.
pub struct FrameBatch {
    slots: Vec<Slot>,
    first: usize,
    end: usize,
    /// Most slots that were in use since [`FrameBatch::trim`], as far as `end` does not say it.
    peak: usize,
    max_frames: usize,
    headroom: usize,
    frame_size: usize,
}

struct Slot {
    buffer: Vec<u8>,
    start: usize,
    end: usize,
    offload: Offload,
}

/// Work on a frame that was left to someone else.
///
/// All fields are `None` on frames that are complete, which all frames of today's backends are;
/// the room is here so that segmentation and checksum offload need no other interface.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Offload {
    /// The frame holds several segments with this many payload bytes each (the last may be shorter).
    pub segment_size: Option<u16>,
    /// A checksum still has to be computed.
    pub checksum: Option<PendingChecksum>,
}

/// Where a checksum still has to be computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PendingChecksum {
    /// Offset in the frame from which to sum.
    pub start: u16,
    /// Offset from `start` at which the sum is stored.
    pub offset: u16,
}

/// One frame of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FrameRef<'a> {
    /// Ethernet header and payload.
    pub bytes: &'a [u8],
    /// Work left to do.
    pub offload: Offload,
}

/// One frame of a batch, to change in place.
pub struct FrameMut<'a> {
    slot: &'a mut Slot,
}

/// Why a frame was not put into a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PushError {
    /// All slots are taken.
    Full,
    /// The frame is longer than the slots of this batch.
    TooLong,
}

impl core::error::Error for PushError {}

impl fmt::Display for PushError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Full => "batch is full",
            Self::TooLong => "frame is longer than a slot",
        })
    }
}

impl FrameBatch {
    /// A batch for up to `max_frames` frames of up to `frame_size` bytes (header included).
    #[must_use]
    pub fn new(max_frames: usize, frame_size: usize) -> Self {
        Self::with_headroom(max_frames, frame_size, DEFAULT_HEADROOM)
    }

    /// As [`FrameBatch::new`], with `headroom` free bytes before each frame.
    #[must_use]
    pub fn with_headroom(max_frames: usize, frame_size: usize, headroom: usize) -> Self {
        Self { slots: Vec::new(), first: 0, end: 0, peak: 0, max_frames, headroom, frame_size }
    }

    /// Number of frames.
    #[must_use]
    pub fn len(&self) -> usize {
        self.end - self.first
    }

    /// Whether there is no frame.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.first == self.end
    }

    /// Whether no slot is free.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.end == self.max_frames
    }

    /// How many more frames it takes until it is cleared.
    #[must_use]
    pub fn room(&self) -> usize {
        self.max_frames - self.end
    }

    /// The most frames it can hold.
    #[must_use]
    pub fn max_frames(&self) -> usize {
        self.max_frames
    }

    /// The longest frame it can hold, in bytes.
    #[must_use]
    pub fn frame_size(&self) -> usize {
        self.frame_size
    }

    /// Forgets all frames and keeps the buffers.
    pub fn clear(&mut self) {
        self.peak = self.peak.max(self.end);
        self.first = 0;
        self.end = 0;
    }

    /// Gives back the buffers that no frame has used since the last call: what a burst took goes when it
    /// is over. For now and then; a call for each batch would take them again and again.
    pub fn trim(&mut self) {
        let used = core::mem::take(&mut self.peak).max(self.end);
        if used < self.slots.len() {
            self.slots.truncate(used);
            self.slots.shrink_to_fit();
        }
    }

    /// Bytes of memory that it holds.
    #[must_use]
    pub fn memory(&self) -> usize {
        let buffers: usize = self.slots.iter().map(|slot| slot.buffer.capacity()).sum();
        buffers + self.slots.capacity() * size_of::<Slot>()
    }

    /// Forgets the first `count` frames (all of them if there are fewer): what a port took.
    pub fn consume(&mut self, count: usize) {
        self.first = self.first.saturating_add(count).min(self.end);
        // Slots in front are free again only now; moving frames forward would cost more than it gains.
        if self.first == self.end {
            self.clear();
        }
    }

    /// Appends a copy of `frame`.
    ///
    /// # Errors
    /// [`PushError`]; the batch is unchanged then.
    pub fn push(&mut self, frame: &[u8]) -> Result<(), PushError> {
        self.push_with_offload(frame, Offload::default())
    }

    /// Appends a copy of `frame` with its offload data.
    ///
    /// # Errors
    /// [`PushError`]; the batch is unchanged then.
    pub fn push_with_offload(&mut self, frame: &[u8], offload: Offload) -> Result<(), PushError> {
        if frame.len() > self.frame_size {
            return Err(PushError::TooLong);
        }
        let Some(slot) = self.spare(frame.len()) else {
            return Err(PushError::Full);
        };
        slot.end = slot.start + frame.len();
        slot.buffer[slot.start..slot.end].copy_from_slice(frame);
        slot.offload = offload;
        self.end += 1;
        Ok(())
    }

    /// Appends the frame that `fill` writes into the free slot it is given (of
    /// [`FrameBatch::frame_size`] bytes); `fill` returns the length. Nothing is appended on an
    /// error. `None` when the batch is full.
    pub fn push_with<E>(&mut self, fill: impl FnOnce(&mut [u8]) -> Result<usize, E>) -> Option<Result<(), E>> {
        self.push_up_to(self.frame_size, fill)
    }

    /// As [`FrameBatch::push_with`] for a frame of at most `most` bytes: `fill` is given a slot of
    /// that length, or of [`FrameBatch::frame_size`] if that is less.
    pub fn push_up_to<E>(
        &mut self,
        most: usize,
        fill: impl FnOnce(&mut [u8]) -> Result<usize, E>,
    ) -> Option<Result<(), E>> {
        let most = most.min(self.frame_size);
        let slot = self.spare(most)?;
        let start = slot.start;
        match fill(&mut slot.buffer[start..start + most]) {
            Ok(len) => {
                slot.end = start + len.min(most);
                slot.offload = Offload::default();
                self.end += 1;
                Some(Ok(()))
            }
            Err(error) => Some(Err(error)),
        }
    }

    /// The frame at `index`.
    #[must_use]
    pub fn frame(&self, index: usize) -> Option<FrameRef<'_>> {
        self.used().get(index).map(Slot::frame)
    }

    /// The frame at `index`, to change in place.
    pub fn frame_mut(&mut self, index: usize) -> Option<FrameMut<'_>> {
        self.slots[self.first..self.end].get_mut(index).map(|slot| FrameMut { slot })
    }

    /// The frames, oldest first.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = FrameRef<'_>> {
        self.used().iter().map(Slot::frame)
    }

    /// The frames, oldest first, to change in place.
    pub fn iter_mut(&mut self) -> impl ExactSizeIterator<Item = FrameMut<'_>> {
        self.slots[self.first..self.end].iter_mut().map(|slot| FrameMut { slot })
    }

    fn used(&self) -> &[Slot] {
        &self.slots[self.first..self.end]
    }

    /// The next free slot, empty, with a buffer for a frame of `len` bytes.
    fn spare(&mut self, len: usize) -> Option<&mut Slot> {
        if self.is_full() {
            return None;
        }
        if self.end == self.slots.len() {
            self.slots.push(Slot {
                buffer: Vec::new(),
                start: self.headroom,
                end: self.headroom,
                offload: Offload::default(),
            });
        }
        let slot = &mut self.slots[self.end];
        slot.start = self.headroom;
        slot.end = self.headroom;
        // A slot grows with what passes: most ports never carry the largest frame, and 64 slots of it are 640 KB.
        if slot.buffer.len() < self.headroom + len {
            let room = len.next_multiple_of(GROWTH).min(self.frame_size.max(len));
            slot.buffer.resize(self.headroom + room, 0);
        }
        Some(slot)
    }
}

/// Bytes of the VLAN tags of a frame (at most two): it may be that much longer than header and MTU.
#[must_use]
pub fn vlan_tags_len(frame: &[u8]) -> usize {
    let tagged = |at: usize| matches!(frame.get(at..at + 2), Some([0x81, 0x00] | [0x88, 0xa8]));
    match (tagged(12), tagged(12 + VLAN_TAG_LEN)) {
        (true, true) => 2 * VLAN_TAG_LEN,
        (true, false) => VLAN_TAG_LEN,
        (false, _) => 0,
    }
}

impl fmt::Debug for FrameBatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FrameBatch")
            .field("frames", &self.len())
            .field("max_frames", &self.max_frames)
            .field("frame_size", &self.frame_size)
            .finish_non_exhaustive()
    }
}

impl Slot {
    fn frame(&self) -> FrameRef<'_> {
        FrameRef { bytes: &self.buffer[self.start..self.end], offload: self.offload }
    }
}

impl FrameMut<'_> {
    /// Ethernet header and payload.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.slot.buffer[self.slot.start..self.slot.end]
    }

    /// Ethernet header and payload.
    pub fn bytes_mut(&mut self) -> &mut [u8] {
        &mut self.slot.buffer[self.slot.start..self.slot.end]
    }

    /// Free bytes before the frame.
    #[must_use]
    pub fn headroom(&self) -> usize {
        self.slot.start
    }

    /// Moves the start of the frame `count` bytes to the front and returns those bytes, which hold
    /// whatever was there. `None` when there is not that much headroom.
    pub fn prepend(&mut self, count: usize) -> Option<&mut [u8]> {
        let start = self.slot.start.checked_sub(count)?;
        self.slot.start = start;
        Some(&mut self.slot.buffer[start..start + count])
    }

    /// Takes `count` bytes off the front (all when there are fewer); they become headroom.
    pub fn strip(&mut self, count: usize) {
        self.slot.start = self.slot.start.saturating_add(count).min(self.slot.end);
    }

    /// Cuts the frame to at most `len` bytes.
    pub fn truncate(&mut self, len: usize) {
        self.slot.end = self.slot.end.min(self.slot.start.saturating_add(len));
    }

    /// Work left to do.
    #[must_use]
    pub fn offload(&self) -> Offload {
        self.slot.offload
    }

    /// Sets the work left to do.
    pub fn set_offload(&mut self, offload: Offload) {
        self.slot.offload = offload;
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec;

    use super::*;

    #[test]
    fn frames_come_back_in_order_and_buffers_are_reused() {
        let mut batch = FrameBatch::new(2, 20);
        assert_eq!(batch.push(&[1; 14]), Ok(()));
        assert_eq!(batch.push(&[2; 20]), Ok(()));
        assert_eq!(batch.push(&[3; 14]), Err(PushError::Full));
        assert_eq!(batch.push(&[3; 21]), Err(PushError::TooLong));
        let address = batch.frame(0).expect("first").bytes.as_ptr();
        batch.consume(1);
        assert_eq!(batch.len(), 1);
        assert_eq!(batch.frame(0).expect("second").bytes, [2; 20]);
        batch.consume(7);
        assert!(batch.is_empty());
        assert_eq!(batch.push(&[4; 14]), Ok(()));
        assert_eq!(batch.frame(0).expect("again").bytes.as_ptr(), address);
    }

    #[test]
    fn a_slot_grows_with_its_frames_up_to_the_limit() {
        let mut batch = FrameBatch::with_headroom(1, MAX_FRAME_LEN, 8);
        for len in [60, 1514, MAX_FRAME_LEN, 60] {
            batch.clear();
            batch.push(&vec![7; len]).expect("room");
            assert_eq!(batch.frame(0).expect("frame").bytes, vec![7; len]);
        }
        batch.clear();
        assert_eq!(batch.push(&vec![7; MAX_FRAME_LEN + 1]), Err(PushError::TooLong));
        assert_eq!(batch.push_up_to(100, |room| Ok::<_, ()>(room.len())), Some(Ok(())));
        assert_eq!(batch.frame(0).expect("frame").bytes.len(), 100);
    }

    #[test]
    fn what_a_burst_took_is_given_back_when_it_is_over() {
        let mut batch = FrameBatch::with_headroom(64, MAX_FRAME_LEN, 0);
        let carry = |batch: &mut FrameBatch, frames: usize| {
            (0..frames).for_each(|_| batch.push(&[7; 2814]).expect("room"));
            assert_eq!(batch.len(), frames);
            batch.consume(frames);
        };
        assert_eq!(batch.memory(), 0, "nothing before the first frame");
        carry(&mut batch, 64);
        let most = batch.memory();
        assert!(most > 64 * 2814);
        // In use until now: it is needed perhaps again.
        batch.trim();
        carry(&mut batch, 2);
        assert_eq!(batch.memory(), most);
        batch.trim();
        let little = batch.memory();
        assert!(little < 2 * 4096);
        carry(&mut batch, 2);
        assert_eq!(batch.memory(), little, "what is in use stays");
        // Frames that wait stay.
        batch.push(&[8; 60]).expect("room");
        batch.trim();
        batch.trim();
        assert_eq!(batch.frame(0).expect("it waits").bytes, [8; 60]);
        batch.clear();
        batch.trim();
        batch.trim();
        assert_eq!(batch.memory(), 0);
    }

    #[test]
    fn tags_are_seen() {
        let frame = |types: &[[u8; 4]]| [&[0; 12][..], &types.concat()].concat();
        assert_eq!(vlan_tags_len(&frame(&[[8, 0, 0, 0]])), 0);
        assert_eq!(vlan_tags_len(&frame(&[[0x81, 0, 0, 7], [8, 0, 0, 0]])), 4);
        assert_eq!(vlan_tags_len(&frame(&[[0x88, 0xa8, 0, 7], [0x81, 0, 0, 7], [8, 0, 0, 0]])), 8);
        assert_eq!(vlan_tags_len(&[]), 0);
    }

    #[test]
    fn headroom_is_given_and_taken() {
        let mut batch = FrameBatch::with_headroom(1, 20, 8);
        batch.push(b"frame").expect("room");
        let mut frame = batch.frame_mut(0).expect("frame");
        assert_eq!(frame.headroom(), 8);
        frame.prepend(3).expect("headroom").copy_from_slice(b"my ");
        assert_eq!(frame.bytes(), b"my frame");
        assert!(frame.prepend(6).is_none());
        frame.strip(3);
        frame.truncate(4);
        assert_eq!(frame.bytes(), b"fram");
    }

    #[test]
    fn a_failed_fill_appends_nothing() {
        let mut batch = FrameBatch::new(1, 20);
        assert_eq!(batch.push_with(|_| Err(7)), Some(Err(7)));
        assert!(batch.is_empty());
        assert_eq!(batch.push_with(|room| Ok::<_, ()>(room.len())), Some(Ok(())));
        assert_eq!(batch.frame(0).expect("frame").bytes.len(), 20);
        assert_eq!(batch.push_with(|_| Ok::<_, ()>(1)), None);
    }
}
