//! Frames of WebSockets (RFC 6455 §5), as far as a stream of bytes needs them.
//!
//! The bytes of binary messages are handed on as they come, unmasked in place, so neither a frame nor a message of any
//! length costs memory. Text, and what RFC 6455 forbids, is an error with a name.

use alloc::vec::Vec;
use core::fmt;
use core::ops::ControlFlow;

/// Longest header: two bytes, eight of length, four of the mask.
pub const MAX_HEADER: usize = 14;
/// Longest body of a control frame.
pub const MAX_CONTROL: usize = 125;

/// Which end we are: clients mask, servers do not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// We opened it.
    Client,
    /// It was opened to us.
    Server,
}

/// Kinds of frames that we write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Opcode {
    /// Bytes of the stream.
    Binary = 2,
    /// The end.
    Close = 8,
    /// The other end is to answer.
    Ping = 9,
    /// The answer.
    Pong = 10,
}

/// What frames brought.
#[derive(Debug, PartialEq, Eq)]
pub enum Piece<'a> {
    /// The next bytes of the stream.
    Data(&'a mut [u8]),
    /// To be answered with the same.
    Ping(&'a [u8]),
    /// An answer.
    Pong,
    /// The other end closes: nothing follows.
    Close,
}

/// Why a stream of frames cannot be read on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FrameError {
    /// A text message: datagrams are no text.
    Text,
    /// Bits or kinds of frames that nobody agreed upon.
    Reserved,
    /// A client's frame without a mask, or a server's with one.
    Mask,
    /// A control frame that is too long, or in parts.
    Control,
    /// A part without a beginning, or a beginning inside of another.
    Fragment,
    /// A length that is written longer than it need be, or that nothing can have.
    Length,
}

impl FrameError {
    /// The code with which a WebSocket is closed over it (RFC 6455 §7.4.1).
    #[must_use]
    pub const fn close_code(self) -> u16 {
        match self {
            Self::Text => 1003,
            _ => 1002,
        }
    }
}

impl fmt::Display for FrameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Text => "a text message in a WebSocket that carries datagrams",
            Self::Reserved => "a WebSocket frame of an unknown kind",
            Self::Mask => "a WebSocket frame that is masked by the wrong end",
            Self::Control => "a WebSocket control frame in parts, or longer than 125 bytes",
            Self::Fragment => "a part of a WebSocket message out of turn",
            Self::Length => "a WebSocket frame with a bad length",
        })
    }
}

impl core::error::Error for FrameError {}

/// A frame whose header was read.
#[derive(Clone, Copy, Debug)]
struct Open {
    opcode: u8,
    mask: Option<[u8; 4]>,
    /// Bytes that are still to come.
    left: u64,
    /// Bytes of it that came.
    at: usize,
}

/// Reads frames out of a stream, however it is segmented.
#[derive(Debug)]
pub struct FrameReader {
    side: Side,
    header: ([u8; MAX_HEADER], usize),
    open: Option<Open>,
    /// A message goes on in the next frame.
    is_fragmented: bool,
    control: [u8; MAX_CONTROL],
}

impl FrameReader {
    /// A reader of what the other end of `side` sends.
    #[must_use]
    pub const fn new(side: Side) -> Self {
        Self { side, header: ([0; MAX_HEADER], 0), open: None, is_fragmented: false, control: [0; MAX_CONTROL] }
    }

    pub(super) const fn side(&self) -> Side {
        self.side
    }

    /// Takes the next bytes and hands what they bring to `each`, until that breaks.
    ///
    /// # Errors
    /// What follows cannot be read.
    pub fn take(
        &mut self,
        bytes: &mut [u8],
        each: &mut dyn FnMut(Piece<'_>) -> ControlFlow<()>,
    ) -> Result<(), FrameError> {
        let mut rest = bytes;
        while !rest.is_empty() {
            let Some(mut open) = self.open else {
                let used = self.take_header(rest)?;
                rest = &mut rest[used..];
                if self.open.is_some_and(|open| open.left == 0) && self.end(each).is_break() {
                    return Ok(());
                }
                continue;
            };
            let used = usize::try_from(open.left).map_or(rest.len(), |left| left.min(rest.len()));
            let (body, after) = rest.split_at_mut(used);
            if let Some(key) = open.mask {
                mask(body, key, open.at);
            }
            let flow = if is_control(open.opcode) {
                self.control[open.at..open.at + used].copy_from_slice(body);
                ControlFlow::Continue(())
            } else {
                each(Piece::Data(body))
            };
            open.at = open.at.wrapping_add(used);
            open.left -= used as u64;
            self.open = Some(open);
            rest = after;
            if flow.is_break() || (open.left == 0 && self.end(each).is_break()) {
                return Ok(());
            }
        }
        Ok(())
    }

    /// The frame is whole.
    fn end(&mut self, each: &mut dyn FnMut(Piece<'_>) -> ControlFlow<()>) -> ControlFlow<()> {
        match self.open.take() {
            Some(Open { opcode: 8, .. }) => each(Piece::Close),
            Some(Open { opcode: 9, at, .. }) => each(Piece::Ping(&self.control[..at])),
            Some(Open { opcode: 10, .. }) => each(Piece::Pong),
            _ => ControlFlow::Continue(()),
        }
    }

    /// Takes bytes of a header, and opens the frame when it is whole.
    fn take_header(&mut self, bytes: &[u8]) -> Result<usize, FrameError> {
        let mut used = 0;
        loop {
            let (header, have) = &mut self.header;
            let needed = needed(&header[..*have]);
            let more = (needed - *have).min(bytes.len() - used);
            header[*have..*have + more].copy_from_slice(&bytes[used..used + more]);
            *have += more;
            used += more;
            if *have < needed {
                return Ok(used);
            }
            if *have == needed && needed == self::needed(&header[..*have]) {
                break;
            }
        }
        let (header, have) = self.header;
        self.header.1 = 0;
        self.open = Some(self.opened(&header[..have])?);
        Ok(used)
    }

    fn opened(&mut self, header: &[u8]) -> Result<Open, FrameError> {
        let (first, second) = (header[0], header[1]);
        let (is_last, opcode) = (first & 0x80 != 0, first & 0x0f);
        if first & 0x70 != 0 || !matches!(opcode, 0..=2 | 8..=10) {
            return Err(FrameError::Reserved);
        }
        let is_masked = second & 0x80 != 0;
        if is_masked != (self.side == Side::Server) {
            return Err(FrameError::Mask);
        }
        let tail = if is_masked { header.len() - 4 } else { header.len() };
        let length = match second & 0x7f {
            126 => u64::from(u16::from_be_bytes([header[2], header[3]])),
            127 => header[2..tail].iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte)),
            length => u64::from(length),
        };
        let is_shortest = match second & 0x7f {
            126 => length > 125,
            127 => length > 0xffff && length >> 63 == 0,
            _ => true,
        };
        if !is_shortest {
            return Err(FrameError::Length);
        }
        if is_control(opcode) {
            if !is_last || length > MAX_CONTROL as u64 {
                return Err(FrameError::Control);
            }
        } else {
            if (opcode == 0) != self.is_fragmented {
                return Err(FrameError::Fragment);
            }
            if opcode == 1 {
                return Err(FrameError::Text);
            }
            self.is_fragmented = !is_last;
        }
        let mask = is_masked.then(|| [header[tail], header[tail + 1], header[tail + 2], header[tail + 3]]);
        Ok(Open { opcode, mask, left: length, at: 0 })
    }
}

const fn is_control(opcode: u8) -> bool {
    opcode >= 8
}

/// Bytes of a header, as far as those that are there tell.
fn needed(header: &[u8]) -> usize {
    let Some(second) = header.get(1) else { return 2 };
    let length = match second & 0x7f {
        126 => 2,
        127 => 8,
        _ => 0,
    };
    2 + length + if second & 0x80 != 0 { 4 } else { 0 }
}

/// Masks, or unmasks, what stands `at` bytes behind the begin of a frame's body.
fn mask(bytes: &mut [u8], key: [u8; 4], at: usize) {
    let mut key = key;
    key.rotate_left(at % 4);
    let wide = u64::from_ne_bytes([key[0], key[1], key[2], key[3], key[0], key[1], key[2], key[3]]);
    let mut chunks = bytes.chunks_exact_mut(8);
    for chunk in &mut chunks {
        if let Ok(word) = <[u8; 8]>::try_from(&*chunk) {
            chunk.copy_from_slice(&(u64::from_ne_bytes(word) ^ wide).to_ne_bytes());
        }
    }
    for (byte, key) in chunks.into_remainder().iter_mut().zip(key.iter().cycle()) {
        *byte ^= key;
    }
}

/// Makes a frame of what stands in `out` behind `start` and [`MAX_HEADER`] bytes of room.
pub(super) fn wrap(side: Side, opcode: Opcode, key: impl FnOnce() -> [u8; 4], start: usize, out: &mut Vec<u8>) {
    let body = start + MAX_HEADER;
    let length = out.len() - body;
    let mut header = [0; MAX_HEADER];
    header[0] = 0x80 | opcode as u8;
    let mut used = match length {
        0..=125 => {
            header[1] = length as u8;
            2
        }
        126..=0xffff => {
            header[1] = 126;
            header[2..4].copy_from_slice(&(length as u16).to_be_bytes());
            4
        }
        _ => {
            header[1] = 127;
            header[2..10].copy_from_slice(&(length as u64).to_be_bytes());
            10
        }
    };
    if side == Side::Client {
        let key = key();
        header[1] |= 0x80;
        header[used..used + 4].copy_from_slice(&key);
        used += 4;
        mask(&mut out[body..], key, 0);
    }
    out[start..start + used].copy_from_slice(&header[..used]);
    out.drain(start + used..body);
}

#[cfg(test)]
mod tests;
