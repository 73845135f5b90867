//! Which member of a bond carries which flow.
//!
//! Flows share a fixed number of buckets, so that no stranger's frames make memory grow and nothing is allocated for a
//! packet. All flows of a bucket take one path, in order; a bucket that was silent for a while is free.

use std::time::Duration;

use zt_wire::{FlowId, Mono};

/// Number of buckets. Eight flows meet in 3 of 100 cases.
const BUCKETS: usize = 1024;
/// A bucket without packets for this long is placed anew: longer than packets are ever on their way. (The reference
/// forgets after 243 s, as it moves flows packet by packet; nothing depends on it.)
const FREE: Duration = Duration::from_secs(10);
/// A flow that ought to leave a path waits this long for a pause, then goes in the midst of its packets.
const PATIENCE: Duration = Duration::from_secs(2);
/// A bucket that was moved stays where it is for this long.
const SETTLES: Duration = Duration::from_secs(10);

/// A flow that sends less than this part of what the greatest one does is no load.
const LITTLE: u32 = 16;

/// Number of a member of a bond; stable while it is one.
pub(super) type MemberId = u8;
const NOBODY: MemberId = MemberId::MAX;

#[derive(Clone, Copy, Debug)]
struct Bucket {
    member: MemberId,
    /// Where it goes in its next pause.
    target: MemberId,
    /// How long that pause must be, so that no packet overtakes those before it.
    pause_ms: u16,
    /// When it goes without a pause.
    forced: Mono,
    last: Mono,
    /// When it was moved last.
    moved: Mono,
    /// Bytes of this period.
    bytes: u32,
    /// Bytes of the period before.
    rate: u32,
}

const EMPTY: Bucket = Bucket {
    member: NOBODY,
    target: NOBODY,
    pause_ms: 0,
    forced: Mono::FAR,
    last: Mono::ZERO,
    moved: Mono::ZERO,
    bytes: 0,
    rate: 0,
};

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Flows {
    /// Made with the first flow.
    buckets: Vec<Bucket>,
}

/// A bucket that may be moved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Mover {
    bucket: usize,
    /// Bytes of the last whole period.
    pub(super) rate: u32,
}

impl Bucket {
    fn is_free(&self, now: Mono) -> bool {
        self.member == NOBODY || now.saturating_since(self.last) >= FREE
    }

    const fn is_new(&self) -> bool {
        self.rate == 0 && self.bytes > 0
    }

    fn follow(&mut self, now: Mono) {
        let pause = now.saturating_since(self.last) >= Duration::from_millis(self.pause_ms.into());
        if self.target != NOBODY && (pause || now >= self.forced) {
            (self.member, self.target, self.moved) = (self.target, NOBODY, now);
        }
    }
}

impl Flows {
    /// A packet of `len` bytes leaves: the member that carries its flow, if there is one.
    pub(super) fn carrier(&mut self, now: Mono, flow: FlowId, len: usize) -> Option<MemberId> {
        let bucket = self.buckets.get_mut(place(flow))?;
        if bucket.is_free(now) {
            return None;
        }
        bucket.follow(now);
        bucket.last = now;
        bucket.bytes = bucket.bytes.saturating_add(u32::try_from(len).unwrap_or(u32::MAX));
        Some(bucket.member)
    }

    /// Whether nobody carries a flow.
    pub(super) fn is_new(&self, now: Mono, flow: FlowId) -> bool {
        self.buckets.get(place(flow)).is_none_or(|bucket| bucket.is_free(now))
    }

    /// From now on a member carries a flow.
    pub(super) fn assign(&mut self, now: Mono, flow: FlowId, member: MemberId, len: usize) {
        if self.buckets.is_empty() {
            self.buckets.resize(BUCKETS, EMPTY);
        }
        let bytes = u32::try_from(len).unwrap_or(u32::MAX);
        // What was moved when it was another flow does not count.
        self.buckets[place(flow)] = Bucket { member, last: now, bytes, ..EMPTY };
    }

    /// Every flow of a member goes elsewhere at once: the path is dead, and order is nothing against that.
    pub(super) fn evacuate(&mut self, now: Mono, from: MemberId, mut to: impl FnMut(u32) -> Option<MemberId>) {
        for (number, bucket) in self.buckets.iter_mut().enumerate() {
            if bucket.target == from {
                bucket.target = NOBODY;
            }
            if bucket.member == from {
                bucket.member = to(u32::try_from(number).unwrap_or(0)).unwrap_or(NOBODY);
                bucket.moved = now;
            }
        }
    }

    /// Places for flows.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.buckets.capacity()
    }

    /// Flows of each member.
    pub(super) fn count(&self, now: Mono, member: MemberId) -> usize {
        self.buckets.iter().filter(|bucket| bucket.member == member && !bucket.is_free(now)).count()
    }

    /// Flows of each member that send more than a little, or have begun just now.
    pub(super) fn busy(&self, now: Mono, member: MemberId) -> usize {
        let most = self.buckets.iter().map(|bucket| bucket.rate).max().unwrap_or(0);
        self.of(now, member).filter(|b| b.rate > most / LITTLE || b.is_new()).count()
    }

    /// Flows of a member that have begun in this period.
    pub(super) fn begun(&self, now: Mono, member: MemberId) -> usize {
        self.of(now, member).filter(|b| b.is_new()).count()
    }

    /// Of a member, or about to come to it.
    fn of(&self, now: Mono, member: MemberId) -> impl Iterator<Item = &Bucket> {
        let there = move |b: &Bucket| if b.target == NOBODY { b.member == member } else { b.target == member };
        self.buckets.iter().filter(move |bucket| there(bucket) && !bucket.is_free(now))
    }

    /// A period ends: what was counted in it is the rate of the next one.
    pub(super) fn next_period(&mut self) {
        for bucket in &mut self.buckets {
            bucket.rate = std::mem::take(&mut bucket.bytes);
        }
    }

    /// The flow of a member that may be moved and sends the most, up to `most` bytes in a period.
    pub(super) fn mover(&self, now: Mono, member: MemberId, most: u32) -> Option<Mover> {
        let settled = |b: &Bucket| b.moved == Mono::ZERO || now.saturating_since(b.moved) >= SETTLES;
        let fits = |b: &Bucket| b.member == member && b.target == NOBODY && b.rate > 0 && b.rate <= most;
        let fitting = self.buckets.iter().enumerate().filter(|(_, b)| fits(b) && settled(b) && !b.is_free(now));
        fitting.max_by_key(|(_, b)| b.rate).map(|(bucket, b)| Mover { bucket, rate: b.rate })
    }

    /// A flow goes to another member in its next pause of `pause`, or after some time without one.
    pub(super) fn move_to(&mut self, now: Mono, mover: Mover, to: MemberId, pause: Duration) {
        let Some(bucket) = self.buckets.get_mut(mover.bucket) else { return };
        bucket.target = to;
        bucket.pause_ms = u16::try_from(pause.as_millis()).unwrap_or(u16::MAX).max(1);
        bucket.forced = now + PATIENCE;
    }
}

const fn place(flow: FlowId) -> usize {
    flow.0 as usize % BUCKETS
}

#[cfg(test)]
mod tests {
    use super::*;

    fn t(ms: u64) -> Mono {
        Mono::from_millis(100_000 + ms)
    }

    #[test]
    fn a_flow_stays_with_its_member_until_it_was_silent() {
        let mut flows = Flows::default();
        assert_eq!(flows.carrier(t(0), FlowId(7), 100), None);
        flows.assign(t(0), FlowId(7), 2, 100);
        assert!(!flows.is_new(t(1), FlowId(7)) && flows.is_new(t(1), FlowId(8)));
        for n in 1..5 {
            assert_eq!(flows.carrier(t(n * 9_000), FlowId(7), 100), Some(2));
        }
        assert_eq!((flows.count(t(36_000), 2), flows.count(t(36_000), 1)), (1, 0));
        assert_eq!(flows.carrier(t(46_000), FlowId(7), 100), None);
        assert_eq!(flows.count(t(46_000), 2), 0);
    }

    #[test]
    fn a_dead_member_loses_all_its_flows_at_once() {
        let mut flows = Flows::default();
        for n in 0..100 {
            flows.assign(t(0), FlowId(n), (n % 2) as u8, 100);
        }
        flows.evacuate(t(1), 0, |_| Some(1));
        assert_eq!((flows.count(t(1), 0), flows.count(t(1), 1)), (0, 100));
        flows.evacuate(t(1), 1, |_| None);
        assert!(flows.is_new(t(1), FlowId(1)), "nobody is left");
    }

    #[test]
    fn a_moved_flow_waits_for_a_pause_and_not_for_ever() {
        let mut flows = Flows::default();
        let pause = Duration::from_millis(50);
        let send = |flows: &mut Flows, ms| flows.carrier(t(ms), FlowId(7), 1000);
        flows.assign(t(0), FlowId(7), 0, 1000);
        flows.next_period();
        let mover = flows.mover(t(10), 0, u32::MAX).expect("it sends");
        assert_eq!(mover.rate, 1000);
        flows.move_to(t(10), mover, 1, pause);
        assert!((1..20).all(|n| send(&mut flows, n * 40) == Some(0)), "no pause, no move");
        assert_eq!(send(&mut flows, 760 + 51), Some(1));
        flows.next_period();
        assert_eq!(flows.mover(t(900), 1, u32::MAX), None, "it has just moved");
        assert!((20..300).all(|n| send(&mut flows, n * 40 + 51) == Some(1)));
        flows.next_period();
        let mover = flows.mover(t(12_011), 1, u32::MAX).expect("settled");
        flows.move_to(t(12_011), mover, 0, pause);
        let first = (300..400).map(|n| n * 40 + 51).find(|ms| send(&mut flows, *ms) == Some(0));
        assert_eq!(first, Some(14_011), "after two seconds without a pause");
    }

    #[test]
    fn ten_thousand_flows_take_no_more_memory_than_one() {
        let mut flows = Flows::default();
        for n in 0..10_000u32 {
            flows.assign(t(0), FlowId(n.wrapping_mul(0x9e37_79b9)), 0, 1);
        }
        assert_eq!(flows.buckets.len(), BUCKETS);
    }
}
