//! Datagrams in a stream: the links that get through where UDP does not.
//!
//! | Layer | What it is |
//! |---|---|
//! | a datagram | a packet or fragment of 02, sealed already |
//! | a record | [`crate::record`], one datagram each; an empty one keeps a quiet stream alive |
//! | a dress | none behind the first flights of [`hello`]; real TLS; or the frames of a [`websocket`] |
//!
//! The stream has no secrets and proves nothing: who is at its other end is told by what VL1 opens. Nothing here keeps more
//! than one partial datagram, and of that only bytes that arrived.

pub mod hello;
pub mod websocket;

use alloc::vec::Vec;
use core::fmt;
use core::ops::ControlFlow;

use crate::packet::MAX_PHYS_MTU;
use crate::record::{self, NotARecord, Record, RecordReader};
use websocket::{FrameError, FrameReader, Opcode, Piece, Side};

/// What a stream brought.
#[derive(Debug, PartialEq, Eq)]
pub enum Arrived<'a> {
    /// A datagram, which may be opened in place.
    Datagram(&'a mut [u8]),
    /// Nothing but a sign of life.
    Alive,
    /// A record of this length, which no datagram has: passed over.
    TooLong(u16),
    /// A WebSocket peer wants this back.
    Ping(&'a [u8]),
    /// A WebSocket peer closes.
    Close,
}

/// Why nothing that follows in a stream can be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StreamError {
    /// No record.
    Record(NotARecord),
    /// No frame of a WebSocket, or none that belongs here.
    Frame(FrameError),
}

impl fmt::Display for StreamError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Record(error) => error.fmt(f),
            Self::Frame(error) => error.fmt(f),
        }
    }
}

impl core::error::Error for StreamError {}

/// One end of a stream of datagrams, after its handshake.
#[derive(Debug)]
pub struct Stream {
    records: RecordReader,
    frames: Option<FrameReader>,
}

impl Stream {
    /// Records alone, or inside of TLS.
    #[must_use]
    pub const fn plain() -> Self {
        Self { records: RecordReader::new(MAX_PHYS_MTU), frames: None }
    }

    /// Records inside of binary frames. The stream flows through them: their borders mean nothing.
    #[must_use]
    pub const fn websocket(side: Side) -> Self {
        Self { records: RecordReader::new(MAX_PHYS_MTU), frames: Some(FrameReader::new(side)) }
    }

    /// Bytes that wait for the rest of their datagram.
    #[must_use]
    pub fn buffered(&self) -> usize {
        self.records.buffered()
    }

    /// Takes the next bytes and hands what they bring to `each`, until that breaks.
    ///
    /// # Errors
    /// The stream is of no use any more.
    pub fn take(
        &mut self,
        bytes: &mut [u8],
        each: &mut dyn FnMut(Arrived<'_>) -> ControlFlow<()>,
    ) -> Result<(), StreamError> {
        let Self { records, frames } = self;
        match frames {
            None => take_records(records, bytes, each).map(drop),
            Some(frames) => {
                let mut broken = Ok(());
                let taken = frames.take(bytes, &mut |piece| match piece {
                    Piece::Data(data) => match take_records(records, data, each) {
                        Ok(flow) => flow,
                        Err(error) => {
                            broken = Err(error);
                            ControlFlow::Break(())
                        }
                    },
                    Piece::Ping(body) => each(Arrived::Ping(body)),
                    Piece::Pong => each(Arrived::Alive),
                    Piece::Close => each(Arrived::Close),
                });
                broken.and(taken.map_err(StreamError::Frame))
            }
        }
    }

    /// Appends what carries datagrams: call it once for all that leave together. `key` masks what a WebSocket client
    /// sends, a new one for each call.
    pub fn put<'a>(&self, datagrams: impl Iterator<Item = &'a [u8]>, key: impl FnOnce() -> [u8; 4], out: &mut Vec<u8>) {
        let start = out.len();
        let room = self.frames.as_ref().map_or(0, |_| websocket::MAX_HEADER);
        out.resize(start + room, 0);
        for datagram in datagrams {
            let Ok(length) = u16::try_from(datagram.len()) else { continue };
            out.extend_from_slice(&record::header(length));
            out.extend_from_slice(datagram);
        }
        if let Some(frames) = &self.frames {
            websocket::wrap(frames.side(), Opcode::Binary, key, start, out);
        }
    }

    /// Appends an empty record.
    pub fn put_alive(&self, key: impl FnOnce() -> [u8; 4], out: &mut Vec<u8>) {
        self.put(core::iter::once(&[] as &[u8]), key, out);
    }

    /// Appends the answer to a ping, or what closes a WebSocket; nothing where there is none.
    pub fn put_control(&self, opcode: Opcode, body: &[u8], key: impl FnOnce() -> [u8; 4], out: &mut Vec<u8>) {
        if let Some(frames) = &self.frames {
            let start = out.len();
            out.resize(start + websocket::MAX_HEADER, 0);
            out.extend_from_slice(body);
            websocket::wrap(frames.side(), opcode, key, start, out);
        }
    }
}

fn take_records(
    records: &mut RecordReader,
    bytes: &mut [u8],
    each: &mut dyn FnMut(Arrived<'_>) -> ControlFlow<()>,
) -> Result<ControlFlow<()>, StreamError> {
    let mut flow = ControlFlow::Continue(());
    let taken = records.take(bytes, &mut |record| {
        flow = each(match record {
            Record::Body([]) => Arrived::Alive,
            Record::Body(datagram) => Arrived::Datagram(datagram),
            Record::TooLong(length) => Arrived::TooLong(length),
        });
        flow
    });
    taken.map_err(StreamError::Record).map(|()| flow)
}

#[cfg(test)]
mod tests;
