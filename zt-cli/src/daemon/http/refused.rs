//! Requests and connections that were not served, counted by reason.

use std::sync::atomic::{AtomicU64, Ordering};

/// Why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// Its place was wanted by another connection while it waited.
    GaveWay,
    /// Its like held all places they may have.
    NoPlace,
    /// The head of a request did not arrive in time.
    SlowHead,
    /// The body did not arrive in time.
    SlowBody,
    /// The answer was not taken in time.
    SlowReader,
    /// More header lines, or a longer head, than are taken.
    LargeHead,
    /// A longer body than is taken.
    LargeBody,
    /// No right token, or a source that may not ask.
    NoAccess,
    /// The read-only token, where it opens nothing.
    ReadOnly,
    /// A name that is not this host's: somebody else may have made it lead here.
    ForeignHost,
    /// A page of another site.
    ForeignOrigin,
    /// No request at all.
    Malformed,
}

impl Refusal {
    const ALL: [Self; 12] = [
        Self::GaveWay,
        Self::NoPlace,
        Self::SlowHead,
        Self::SlowBody,
        Self::SlowReader,
        Self::LargeHead,
        Self::LargeBody,
        Self::NoAccess,
        Self::ReadOnly,
        Self::ForeignHost,
        Self::ForeignOrigin,
        Self::Malformed,
    ];

    const fn name(self) -> &'static str {
        match self {
            Self::GaveWay => "gave way",
            Self::NoPlace => "no place",
            Self::SlowHead => "slow head",
            Self::SlowBody => "slow body",
            Self::SlowReader => "slow reader",
            Self::LargeHead => "large head",
            Self::LargeBody => "large body",
            Self::NoAccess => "no access",
            Self::ReadOnly => "read only",
            Self::ForeignHost => "foreign host",
            Self::ForeignOrigin => "foreign origin",
            Self::Malformed => "malformed",
        }
    }
}

/// The counts.
#[derive(Debug, Default)]
pub(super) struct Refused([AtomicU64; Refusal::ALL.len()]);

impl Refused {
    pub(super) fn count(&self, refusal: Refusal) {
        self.0[refusal as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// Reasons that occurred.
    pub(super) fn counts(&self) -> impl Iterator<Item = (&'static str, u64)> + '_ {
        let counts =
            Refusal::ALL.iter().map(|refusal| (refusal.name(), self.0[*refusal as usize].load(Ordering::Relaxed)));
        counts.filter(|(_, count)| *count > 0)
    }
}
