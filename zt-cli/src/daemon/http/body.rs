//! Bodies of answers as hyper takes them: known as a whole, or read from a file piece by piece.

use std::fs::File;
use std::future::Future;
use std::io;
use std::ops::Range;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use hyper::body::{Body, Bytes, Frame, SizeHint};
use tokio::task::JoinHandle;

use super::app::read_piece;
use super::seat::{Phase, Seat};

/// Bytes of a file in memory at a time.
const PIECE: u64 = 64 << 10;

/// A body. Its end tells the seat that only the socket has work left.
pub(super) struct Sent {
    source: Source,
    left: u64,
    seat: Arc<Seat>,
}

enum Source {
    Whole(Option<Bytes>),
    File { file: Arc<File>, at: u64, reading: Option<JoinHandle<io::Result<Vec<u8>>>> },
}

impl Sent {
    pub(super) fn whole(bytes: Vec<u8>, seat: Arc<Seat>) -> Self {
        let left = bytes.len() as u64;
        Self { source: Source::Whole(Some(Bytes::from(bytes)).filter(|bytes| !bytes.is_empty())), left, seat }
    }

    pub(super) fn file(file: File, part: Range<u64>, seat: Arc<Seat>) -> Self {
        let source = Source::File { file: Arc::new(file), at: part.start, reading: None };
        Self { source, left: part.end - part.start, seat }
    }
}

impl Body for Sent {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let this = &mut *self;
        let bytes = match &mut this.source {
            Source::Whole(bytes) => bytes.take(),
            Source::File { .. } if this.left == 0 => None,
            Source::File { file, at, reading } => {
                let (length, place) = (usize::try_from(this.left.min(PIECE)).unwrap_or(usize::MAX), *at);
                let task = reading.get_or_insert_with(|| {
                    let file = Arc::clone(file);
                    tokio::task::spawn_blocking(move || read_piece(&file, place, length))
                });
                let piece = ready!(Pin::new(task).poll(cx));
                *reading = None;
                let piece = piece.map_err(io::Error::other)??;
                if piece.is_empty() {
                    // Shorter than it was: the length is told already, so the connection ends here.
                    return Poll::Ready(Some(Err(io::ErrorKind::UnexpectedEof.into())));
                }
                *at += piece.len() as u64;
                Some(Bytes::from(piece))
            }
        };
        this.left -= bytes.as_ref().map_or(0, |bytes| bytes.len() as u64);
        Poll::Ready(bytes.map(|bytes| Ok(Frame::data(bytes))))
    }

    // `is_end_stream` stays false: for a body that says it is empty hyper writes a length of its own, behind the others.
    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}

impl Drop for Sent {
    fn drop(&mut self) {
        self.seat.enter(Phase::Flushing);
    }
}
