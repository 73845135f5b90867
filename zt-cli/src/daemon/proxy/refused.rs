//! What the proxies and forwards did not serve, counted by reason.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// As many clients as there are places for.
    NoPlace,
    /// The request did not arrive in time.
    SlowRequest,
    /// The head of a request is longer than is taken.
    LargeHead,
    /// No SOCKS5, or no request of HTTP.
    BadRequest,
    /// No right user and password.
    NoAccess,
    /// A command that is not offered.
    BadCommand,
    /// No server knows the name.
    NoName,
    /// No joined network has the address.
    NoNetwork,
    /// The other end refused, or did not answer.
    NoAnswer,
    /// A datagram that is none of the client's, or no SOCKS5.
    BadDatagram,
}

impl Refusal {
    const ALL: [Self; 10] = [
        Self::NoPlace,
        Self::SlowRequest,
        Self::LargeHead,
        Self::BadRequest,
        Self::NoAccess,
        Self::BadCommand,
        Self::NoName,
        Self::NoNetwork,
        Self::NoAnswer,
        Self::BadDatagram,
    ];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::NoPlace => "proxy: too many clients",
            Self::SlowRequest => "proxy: slow request",
            Self::LargeHead => "proxy: large head",
            Self::BadRequest => "proxy: bad request",
            Self::NoAccess => "proxy: no access",
            Self::BadCommand => "proxy: unknown command",
            Self::NoName => "proxy: unknown name",
            Self::NoNetwork => "proxy: no network has the address",
            Self::NoAnswer => "proxy: no answer",
            Self::BadDatagram => "proxy: bad datagram",
        }
    }
}

/// The counts.
#[derive(Clone, Debug, Default)]
pub(crate) struct Refused(Arc<[AtomicU64; Refusal::ALL.len()]>);

impl Refused {
    pub(super) fn count(&self, refusal: Refusal) {
        self.0[refusal as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// Reasons that occurred.
    pub(crate) fn counts(&self) -> impl Iterator<Item = (&'static str, u64)> + '_ {
        let counts = Refusal::ALL.iter().map(|why| (why.name(), self.0[*why as usize].load(Ordering::Relaxed)));
        counts.filter(|(_, count)| *count > 0)
    }
}
