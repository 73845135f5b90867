//! Putting fragments together (02 §3.4). Bounded, and no stranger can flush another's pieces.
//!
//! Deliberate: entries are keyed by (path, packet ID), not kept in a ring of 32. Paths of known peers have places of
//! their own that only packets by that very path can take; all strangers share a small separate room.

use zt_wire::packet::MAX_FRAGMENTS;
use zt_wire::{Mono, PacketId};

use crate::drop_reason::DropReason;
use crate::link::Path;
use crate::rate::REASSEMBLY_TIMEOUT;

/// Longest assembled packet.
const MAX_PACKET: usize = 10_024;
/// Incomplete packets by known paths.
const KNOWN_ROOM: usize = 128;
/// Incomplete packets by one known path.
const PER_KNOWN_PATH: usize = 48;
/// Incomplete packets by unknown paths.
const STRANGER_ROOM: usize = 32;
/// Incomplete packets by one unknown path.
const PER_STRANGER: usize = 4;

/// A piece of a packet as it was received.
#[derive(Clone, Copy)]
pub(crate) struct Piece<'a> {
    pub(crate) path: Path,
    /// The path belongs to a known peer.
    pub(crate) known: bool,
    pub(crate) id: PacketId,
    /// 0 for the head.
    pub(crate) number: u8,
    /// 0 for the head, which does not say.
    pub(crate) total: u8,
    pub(crate) bytes: &'a [u8],
}

/// What became of a piece.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// More pieces are needed.
    Incomplete,
    /// The packet is in the buffer.
    Complete,
    /// The piece has no use.
    Dropped(DropReason),
}

struct Entry {
    path: Path,
    known: bool,
    id: PacketId,
    begun: Mono,
    total: u8,
    /// Where each piece lies in `data`, by number; empty range = not there.
    spans: [(u16, u16); MAX_FRAGMENTS],
    present: u8,
    data: Vec<u8>,
}

#[derive(Default)]
pub(crate) struct Reassembly {
    entries: Vec<Entry>,
    spare: Vec<Vec<u8>>,
    /// Incomplete packets that gave way or expired since last asked.
    evicted: u64,
    expired: u64,
}

impl Reassembly {
    /// Takes a piece; when it completes its packet, that is in `out`.
    pub(crate) fn take(&mut self, now: Mono, piece: Piece<'_>, out: &mut Vec<u8>) -> Step {
        let n = usize::from(piece.number);
        let fragment = piece.number > 0;
        // Deliberate: the reference does not compare the number with the total (02 §3.4).
        let total_is_sane = (2..=MAX_FRAGMENTS).contains(&usize::from(piece.total));
        if fragment && (!total_is_sane || piece.number >= piece.total) {
            return Step::Dropped(DropReason::BadFragment);
        }
        if piece.bytes.is_empty() || piece.bytes.len() > MAX_PACKET {
            return Step::Dropped(DropReason::BadFragment);
        }
        let Some(at) = self.entries.iter().rposition(|e| e.id == piece.id && e.path == piece.path) else {
            self.begin(now, piece);
            return Step::Incomplete;
        };
        let entry = &mut self.entries[at];
        if entry.present & (1 << n) != 0 {
            return Step::Dropped(DropReason::DuplicateFragment);
        }
        // First total wins: a conflicting later one cannot be told from a forgery.
        if fragment && entry.total != 0 && entry.total != piece.total {
            return Step::Dropped(DropReason::BadFragment);
        }
        if entry.data.len() + piece.bytes.len() > MAX_PACKET {
            self.release(at);
            return Step::Dropped(DropReason::TooLong);
        }
        if fragment {
            entry.total = piece.total;
        }
        entry.present |= 1 << n;
        if entry.total != 0 && entry.present.count_ones() == u32::from(entry.total) {
            self.complete(at, n, piece.bytes, out);
            return Step::Complete;
        }
        entry.store(n, piece.bytes);
        Step::Incomplete
    }

    /// Forgets what is too old; returns when to ask again.
    pub(crate) fn expire(&mut self, now: Mono) -> Option<Mono> {
        let mut at = 0;
        while at < self.entries.len() {
            if now.saturating_since(self.entries[at].begun) >= REASSEMBLY_TIMEOUT {
                self.release(at);
                self.expired += 1;
            } else {
                at += 1;
            }
        }
        self.deadline()
    }

    /// How many incomplete packets gave way, and how many expired, since last asked.
    pub(crate) const fn take_lost(&mut self) -> (u64, u64) {
        (std::mem::replace(&mut self.evicted, 0), std::mem::replace(&mut self.expired, 0))
    }

    /// When the oldest entry expires.
    pub(crate) fn deadline(&self) -> Option<Mono> {
        self.entries.first().map(|e| e.begun + REASSEMBLY_TIMEOUT)
    }

    /// Forgets everything that came by paths for which `gone` holds.
    pub(crate) fn forget(&mut self, gone: impl Fn(&Path) -> bool) {
        self.entries.retain(|e| !gone(&e.path));
    }

    fn begin(&mut self, now: Mono, piece: Piece<'_>) {
        let (room, per_path) = if piece.known { (KNOWN_ROOM, PER_KNOWN_PATH) } else { (STRANGER_ROOM, PER_STRANGER) };
        let same = self.entries.iter().filter(|e| e.path == piece.path && e.known == piece.known).count();
        if same >= per_path {
            self.evict(|e| e.path == piece.path);
        } else if self.entries.iter().filter(|e| e.known == piece.known).count() >= room {
            self.evict_busiest(piece.known);
        }
        let mut data = self.spare.pop().unwrap_or_default();
        data.clear();
        let mut entry = Entry {
            path: piece.path,
            known: piece.known,
            id: piece.id,
            begun: now,
            total: piece.total,
            spans: [(0, 0); MAX_FRAGMENTS],
            present: 1 << piece.number,
            data,
        };
        entry.store(usize::from(piece.number), piece.bytes);
        self.entries.push(entry);
    }

    /// Drops the oldest entry that matches (entries are in order of age).
    fn evict(&mut self, matches: impl Fn(&Entry) -> bool) {
        if let Some(at) = self.entries.iter().position(matches) {
            self.release(at);
            self.evicted += 1;
        }
    }

    /// Drops the oldest entry of the path that holds most places.
    fn evict_busiest(&mut self, known: bool) {
        let held = |path: &Path| self.entries.iter().filter(|e| e.known == known && e.path == *path).count();
        let busiest = self.entries.iter().filter(|e| e.known == known).map(|e| (held(&e.path), e.path)).max();
        if let Some((_, path)) = busiest {
            self.evict(|e| e.known == known && e.path == path);
        }
    }

    fn complete(&mut self, at: usize, last: usize, bytes: &[u8], out: &mut Vec<u8>) {
        out.clear();
        let entry = &self.entries[at];
        for n in 0..usize::from(entry.total) {
            if n == last {
                out.extend_from_slice(bytes);
            } else {
                let (from, to) = entry.spans[n];
                out.extend_from_slice(entry.data.get(usize::from(from)..usize::from(to)).unwrap_or_default());
            }
        }
        self.release(at);
    }

    fn release(&mut self, at: usize) {
        let entry = self.entries.remove(at);
        if self.spare.len() < 4 {
            self.spare.push(entry.data);
        }
    }
}

impl Entry {
    fn store(&mut self, n: usize, bytes: &[u8]) {
        let from = self.data.len();
        self.data.extend_from_slice(bytes);
        let span = |v: usize| u16::try_from(v).expect("bounded by MAX_PACKET");
        self.spans[n] = (span(from), span(self.data.len()));
    }
}

#[cfg(test)]
mod tests;
