//! What waits for a link that is full: whole datagrams, in the order in which they were decided.

use super::Outgoing;
use std::collections::VecDeque;
use zt_peer::Endpoint;

/// Most bytes that wait for one link. It is no more than a moment of a fast link: who waits longer is better lost.
pub(super) const MOST_BYTES: usize = 512 << 10;
/// Most trains that wait for one link.
const MOST_TRAINS: usize = 2048;
/// Memory that an empty queue keeps.
const KEPT: usize = 64 << 10;

/// How much of a queue datagrams may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::driver) enum Share {
    /// Three quarters: what is made of frames of hosts. So a host that sends more than a link takes does not push out what
    /// keeps the paths by it alive.
    Frames,
    /// All of it.
    All,
}

/// A bounded queue of trains.
#[derive(Default)]
pub(super) struct Queue {
    bytes: Vec<u8>,
    /// Where the first train that waits begins in `bytes`.
    start: usize,
    trains: VecDeque<Waiting>,
    datagrams: usize,
}

struct Waiting {
    remote: Endpoint,
    length: usize,
    segment: usize,
    ttl: Option<u8>,
}

impl Share {
    const fn of(self, most: usize) -> usize {
        match self {
            Self::Frames => most / 4 * 3,
            Self::All => most,
        }
    }
}

impl Queue {
    pub(super) fn is_empty(&self) -> bool {
        self.trains.is_empty()
    }

    /// Datagrams that wait.
    pub(super) fn len(&self) -> usize {
        self.datagrams
    }

    /// Appends as many datagrams of a train as there is room for, from the first on, and returns how many.
    pub(super) fn push(&mut self, train: &Outgoing<'_>, share: Share) -> usize {
        if self.trains.len() >= share.of(MOST_TRAINS) {
            return 0;
        }
        let room = share.of(MOST_BYTES).saturating_sub(self.waiting_bytes());
        let count = if train.bytes.len() <= room { train.count() } else { room / train.segment.max(1) };
        if count > 0 {
            let Outgoing { remote, bytes, segment, ttl } = train.first(count);
            self.make_room(bytes.len());
            self.bytes.extend_from_slice(bytes);
            self.trains.push_back(Waiting { remote, length: bytes.len(), segment, ttl });
            self.datagrams += count;
        }
        count
    }

    /// The train that has waited longest.
    pub(super) fn front(&self) -> Option<Outgoing<'_>> {
        let Waiting { remote, length, segment, ttl } = *self.trains.front()?;
        let bytes = self.bytes.get(self.start..self.start + length)?;
        Some(Outgoing { remote, bytes, segment, ttl })
    }

    /// Takes out datagrams of the first train, from its first on.
    pub(super) fn consume(&mut self, datagrams: usize) {
        let Some(front) = self.trains.front_mut() else { return };
        let length = (datagrams * front.segment.max(1)).min(front.length);
        self.datagrams -= datagrams.min(front.length.div_ceil(front.segment.max(1)));
        self.start += length;
        front.length -= length;
        if front.length == 0 {
            self.trains.pop_front();
        }
        if self.trains.is_empty() {
            self.clear();
        }
    }

    fn clear(&mut self) {
        self.bytes.clear();
        self.bytes.shrink_to(KEPT);
        self.start = 0;
        self.datagrams = 0;
    }

    fn waiting_bytes(&self) -> usize {
        self.bytes.len() - self.start
    }

    /// Moves what waits to the front when more has left than that: each byte is moved once in the mean.
    fn make_room(&mut self, more: usize) {
        if self.bytes.len() + more > self.bytes.capacity() && self.start >= self.waiting_bytes() {
            self.bytes.drain(..self.start);
            self.start = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::SocketAddr;

    fn train(bytes: &[u8], segment: usize) -> Outgoing<'_> {
        Outgoing { remote: Endpoint::Ip(SocketAddr::from(([192, 0, 2, 1], 9993))), bytes, segment, ttl: None }
    }

    #[test]
    fn datagrams_leave_in_the_order_in_which_they_came() {
        let mut queue = Queue::default();
        let all: Vec<u8> = (0..=255).cycle().take(1000).collect();
        assert_eq!(queue.push(&train(&all[..600], 100), Share::All), 6);
        assert_eq!(queue.push(&Outgoing { ttl: Some(2), ..train(&all[600..], 150) }, Share::Frames), 3);
        assert_eq!(queue.len(), 9);
        queue.consume(2);
        assert_eq!(queue.front(), Some(train(&all[200..600], 100)));
        queue.consume(4);
        assert_eq!(queue.front(), Some(Outgoing { ttl: Some(2), ..train(&all[600..], 150) }));
        queue.consume(2);
        assert_eq!(queue.front(), Some(Outgoing { ttl: Some(2), ..train(&all[900..], 150) }), "a shorter last one");
        assert_eq!(queue.len(), 1);
        queue.consume(1);
        assert!(queue.is_empty() && queue.front().is_none());
    }

    #[test]
    fn a_queue_takes_whole_datagrams_until_it_is_full() {
        let mut queue = Queue::default();
        let bytes = vec![7; 60_000];
        let mut taken = 0;
        while let 1.. = queue.push(&train(&bytes, 1000), Share::Frames) {
            taken = queue.len();
        }
        assert_eq!(taken, MOST_BYTES / 4 * 3 / 1000);
        // What keeps the paths alive still has room.
        assert_eq!(queue.push(&train(&bytes[..200], 200), Share::All), 1);
        while let 1.. = queue.push(&train(&bytes, 1000), Share::All) {}
        assert_eq!(queue.push(&train(&bytes[..1000], 1000), Share::All), 0);
        assert!(queue.waiting_bytes() <= MOST_BYTES);
    }

    #[test]
    fn tiny_datagrams_do_not_make_a_long_queue() {
        let mut queue = Queue::default();
        while queue.push(&train(&[7; 4], 4), Share::All) > 0 {}
        assert_eq!(queue.len(), MOST_TRAINS);
    }

    #[test]
    fn memory_is_bounded_however_long_it_is_full() {
        let mut queue = Queue::default();
        let bytes = vec![7; 60_000];
        for _ in 0..10_000 {
            queue.push(&train(&bytes, 1000), Share::All);
            queue.consume(7);
        }
        assert!(queue.bytes.capacity() <= 4 * MOST_BYTES, "{}", queue.bytes.capacity());
        while !queue.is_empty() {
            queue.consume(100);
        }
        assert!(queue.bytes.capacity() <= KEPT);
    }
}
