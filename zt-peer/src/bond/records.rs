//! Records of QOS_MEASUREMENT (03 §15.6): what came by a path and is to be reported, and what left by it and may be.

use std::time::Duration;

use zt_wire::verb::QosRecord;
use zt_wire::{Mono, PacketId};

/// Most records of one report.
pub(super) const MAX_RECORDS: usize = 140;
/// Places for packets that left: those of some tenths of a second at some thousand packets a second.
const SENT: usize = 1024;

/// Whether packets of this ID are sampled.
pub(super) const fn is_sampled(id: PacketId) -> bool {
    id.0 & 1 == 1
}

/// Sampled packets that came by a path and were not reported yet: the newest, as many as fit in one report, so that what
/// is told is fresh at any rate of packets.
#[derive(Debug, Default)]
pub(super) struct Received {
    ring: Vec<(PacketId, Mono)>,
    next: usize,
}

impl Received {
    pub(super) fn note(&mut self, now: Mono, id: PacketId) {
        if self.ring.len() < MAX_RECORDS {
            self.ring.push((id, now));
        } else {
            self.ring[self.next] = (id, now);
            self.next = (self.next + 1) % MAX_RECORDS;
        }
    }

    pub(super) const fn len(&self) -> usize {
        self.ring.len()
    }

    /// The report: records in ascending order of their IDs. Nothing is left.
    pub(super) fn take(&mut self, now: Mono) -> Vec<QosRecord> {
        let held = |at: Mono| u16::try_from(now.millis_since(at)).unwrap_or(u16::MAX);
        let mut records: Vec<QosRecord> =
            self.ring.drain(..).map(|(packet, at)| QosRecord { packet, held_ms: held(at) }).collect();
        self.next = 0;
        records.sort_by_key(|record| record.packet);
        records
    }
}

/// Sampled packets that left by a path. New ones take the places of old ones.
#[derive(Debug, Default)]
pub(super) struct Sent {
    places: Vec<(PacketId, Mono)>,
}

impl Sent {
    pub(super) fn note(&mut self, now: Mono, id: PacketId) {
        if self.places.is_empty() {
            self.places.resize(SENT, (PacketId(0), Mono::ZERO));
        }
        self.places[place(id)] = (id, now);
    }

    /// When a packet left, if that is known and not longer ago than `lifetime`. Each is taken once.
    pub(super) fn take(&mut self, now: Mono, id: PacketId, lifetime: Duration) -> Option<Mono> {
        let (known, at) = self.places.get_mut(place(id))?;
        let fits = *known == id && is_sampled(id) && now.saturating_since(*at) < lifetime;
        if fits {
            *known = PacketId(0);
        }
        fits.then_some(*at)
    }
}

/// IDs are random: any bits will do.
const fn place(id: PacketId) -> usize {
    (id.0 >> 8) as usize % SENT
}

#[cfg(test)]
mod tests {
    use super::*;

    fn t(ms: u64) -> Mono {
        Mono::from_millis(ms)
    }

    #[test]
    fn a_report_names_the_newest_in_order_and_then_nothing_is_left() {
        let mut received = Received::default();
        for n in 0..500u64 {
            received.note(t(1000 + n), PacketId((n * 7919) % 4093 * 2 + 1));
        }
        let records = received.take(t(1500));
        assert_eq!((records.len(), received.len()), (MAX_RECORDS, 0));
        assert!(records.windows(2).all(|pair| pair[0].packet < pair[1].packet));
        assert!(records.iter().all(|record| (1..=140).contains(&record.held_ms)), "the newest");
        received.note(t(2000), PacketId(5));
        assert_eq!(received.take(t(100_000))[0].held_ms, u16::MAX, "as long as can be told");
    }

    #[test]
    fn a_packet_is_taken_once_and_in_time() {
        let mut sent = Sent::default();
        let life = Duration::from_secs(30);
        assert_eq!(sent.take(t(1), PacketId(5), life), None);
        sent.note(t(1000), PacketId(0x101));
        assert_eq!(sent.take(t(1040), PacketId(0x103), life), None, "another in its place");
        assert_eq!(sent.take(t(1040), PacketId(0x101), life), Some(t(1000)));
        assert_eq!(sent.take(t(1040), PacketId(0x101), life), None);
        sent.note(t(1000), PacketId(0x101));
        assert_eq!(sent.take(t(31_000), PacketId(0x101), life), None, "too late");
        assert_eq!(sent.take(t(31_000), PacketId(0), life), None, "an empty place is no packet");
    }

    #[test]
    fn memory_is_bounded_at_any_rate() {
        let (mut sent, mut received) = (Sent::default(), Received::default());
        for n in 0..100_000u64 {
            sent.note(t(n), PacketId(n * 2 + 1));
            received.note(t(n), PacketId(n * 2 + 1));
        }
        assert_eq!((sent.places.len(), received.len()), (SENT, MAX_RECORDS));
    }
}
