//! What came of streams and is of no use, counted by name.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::admission::Full;
use zt_wire::tunnel::StreamError;
use zt_wire::tunnel::websocket::FrameError;

macro_rules! drops {
    ($($(#[doc = $doc:literal])+ $name:ident = $text:literal,)+) => {
        /// Why a connection was refused or ended, or what it brought had no effect.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(super) enum Dropped {
            $($(#[doc = $doc])+ $name,)+
        }

        impl Dropped {
            const ALL: &'static [Self] = &[$(Self::$name,)+];

            pub(super) const fn name(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)+
                }
            }
        }
    };
}

drops! {
    /// All places are taken.
    Full = "tcp-no-place",
    /// Those of one source are.
    SourceFull = "tcp-no-place-for-source",
    /// Too many connections have said nothing yet.
    HalfOpen = "tcp-half-open",
    /// It did not say in time what it is.
    Slow = "tcp-handshake-timeout",
    /// It ended before it had said what it is.
    Cut = "tcp-handshake-cut",
    /// It said something that is no tunnel, TLS or HTTP.
    Garbage = "tcp-garbage",
    /// TLS was not agreed upon, or there is none here.
    Tls = "tcp-tls-refused",
    /// A request of HTTP that asks for no WebSocket.
    NoWebSocket = "tcp-no-websocket",
    /// What was to be a record is none.
    NotARecord = "tcp-not-a-record",
    /// A record that is longer than any datagram.
    LongRecord = "tcp-record-too-long",
    /// A text message in a WebSocket.
    Text = "tcp-websocket-text",
    /// Another frame that does not belong there.
    Frame = "tcp-websocket-frame",
    /// Nothing came for too long.
    Silent = "tcp-silent",
    /// Nothing that it sent had an answer.
    Unanswered = "tcp-unanswered",
    /// It ended in the middle of a datagram.
    CutInside = "tcp-cut-inside-a-record",
}

impl From<Full> for Dropped {
    fn from(full: Full) -> Self {
        match full {
            Full::All => Self::Full,
            Full::Source => Self::SourceFull,
            Full::HalfOpen => Self::HalfOpen,
        }
    }
}

impl From<StreamError> for Dropped {
    fn from(error: StreamError) -> Self {
        match error {
            StreamError::Record(_) => Self::NotARecord,
            StreamError::Frame(FrameError::Text) => Self::Text,
            StreamError::Frame(_) => Self::Frame,
        }
    }
}

/// The counts of all tunnels of a node.
#[derive(Clone, Debug)]
pub struct Counts(Arc<Vec<AtomicU64>>);

impl Default for Counts {
    fn default() -> Self {
        Self(Arc::new(Dropped::ALL.iter().map(|_| AtomicU64::new(0)).collect()))
    }
}

impl Counts {
    pub(super) fn add(&self, drop: Dropped) {
        if let Some(count) = self.0.get(drop as usize) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Names and counts of what occurred.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, u64)> + '_ {
        let counts = Dropped::ALL.iter().zip(self.0.iter()).map(|(drop, n)| (drop.name(), n.load(Ordering::Relaxed)));
        counts.filter(|(_, count)| *count > 0)
    }
}
