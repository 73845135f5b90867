//! Memory for what leaves, used again and again.

use std::ops::{Deref, DerefMut};

/// Memory that is kept when there is nothing to send: what a root hands on of one batch of received trains.
const KEPT: usize = 640 * 1024;
/// It grows in steps, so that a batch that is somewhat longer than the last one needs no more.
const STEP: usize = 4 * 1024;

/// Bytes of a batch, appended at the end.
///
/// What was there before is not cleared when memory is used again: each byte would be written twice. Whoever takes
/// [`Buffer::grow`] writes every byte of it, or gives it back.
#[derive(Default)]
pub(super) struct Buffer {
    bytes: Vec<u8>,
    end: usize,
}

impl Buffer {
    pub(super) const fn new() -> Self {
        Self { bytes: Vec::new(), end: 0 }
    }

    /// More room at the end, with anything in it; all of it is to be written.
    pub(super) fn grow(&mut self, len: usize) {
        self.end += len;
        if self.end > self.bytes.len() {
            self.bytes.resize(self.end.next_multiple_of(STEP), 0);
        }
    }

    pub(super) fn push(&mut self, bytes: &[u8]) {
        let start = self.end;
        self.grow(bytes.len());
        self[start..].copy_from_slice(bytes);
    }

    /// Appends a copy of what lies there.
    pub(super) fn push_within(&mut self, start: usize, end: usize) {
        let at = self.end;
        self.grow(end - start);
        self.bytes.copy_within(start..end, at);
    }

    pub(super) fn truncate(&mut self, len: usize) {
        self.end = self.end.min(len);
    }

    pub(super) fn clear(&mut self) {
        self.end = 0;
        if self.bytes.capacity() > 2 * KEPT {
            self.bytes.truncate(KEPT);
            self.bytes.shrink_to_fit();
        }
    }
}

impl Deref for Buffer {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes[..self.end]
    }
}

impl DerefMut for Buffer {
    fn deref_mut(&mut self) -> &mut [u8] {
        &mut self.bytes[..self.end]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_holds_what_was_appended_and_keeps_a_bounded_memory() {
        let mut buffer = Buffer::default();
        buffer.push(b"one");
        buffer.push(b"two");
        buffer.push_within(0, 3);
        assert_eq!(&*buffer, b"onetwoone");
        buffer.truncate(3);
        buffer.grow(2);
        buffer[3..].copy_from_slice(b"ly");
        assert_eq!(&*buffer, b"onely");
        buffer.clear();
        assert!(buffer.is_empty());
        buffer.push(&vec![7; 3 * KEPT]);
        buffer.clear();
        assert!(buffer.is_empty() && buffer.bytes.capacity() <= 2 * KEPT);
    }
}
