//! What waits for a link that is full: whole datagrams, by lane.
//!
//! What keeps paths alive leaves first, then what rules prefer (ACTION_PRIORITY, 04 §6.4), bucket by bucket. Each bucket that
//! waits gets its part, so that none starves, and the flows of a bucket take turns by their bytes. What is of one lane keeps its
//! order. None of this exists while a link takes what it is given.

mod class;

use super::Outgoing;
use class::{Class, Waiting};
use zt_peer::Endpoint;
use zt_wire::Lane;

/// Most bytes that wait for one link. It is no more than a moment of a fast link: who waits longer is better lost.
pub(super) const MOST_BYTES: usize = 512 << 10;
/// Most trains that wait for one link.
const MOST_TRAINS: usize = 2048;
/// What the last of all buckets may send in a turn of all; each one before it twice as much.
const PART: i64 = 2 << 10;
/// Control, and a class for each bucket.
const CLASSES: usize = 1 + Lane::BUCKETS;

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
    /// Empty as long as nothing ever waited.
    classes: Vec<Class>,
    bytes: usize,
    trains: usize,
    datagrams: usize,
    /// The class whose turn it is.
    serving: Option<usize>,
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
        self.trains == 0
    }

    /// Datagrams that wait.
    pub(super) fn len(&self) -> usize {
        self.datagrams
    }

    /// Appends as many datagrams of a train as there is room for, from the first on. What it is to leave before gives way to it.
    /// Returns how many datagrams are lost, of this train or of others.
    pub(super) fn push(&mut self, train: &Outgoing<'_>, lane: Lane, share: Share) -> usize {
        if self.classes.is_empty() {
            self.classes = (0..CLASSES).map(|_| Class::default()).collect();
        }
        let at = match (share, lane) {
            (Share::All, Lane::USUAL) => 0,
            (_, Lane { bucket, .. }) => 1 + usize::from(bucket),
        };
        let flow = flow_number(train.remote, lane);
        let mut lost = 0;
        while !self.has_room(train.bytes.len(), share) && self.give_way(at, flow, train.bytes.len(), &mut lost) {}
        let most = share.of(MOST_BYTES).saturating_sub(self.bytes);
        let fits = if train.bytes.len() <= most { train.count() } else { most / train.segment.max(1) };
        let count = if self.trains < share.of(MOST_TRAINS) { fits } else { 0 };
        if count > 0 {
            let part = train.first(count);
            self.bytes += part.bytes.len();
            self.trains += 1;
            self.datagrams += count;
            self.classes[at].push(flow, Waiting::new(&part));
        }
        lost + train.count() - count
    }

    fn has_room(&self, bytes: usize, share: Share) -> bool {
        self.bytes + bytes <= share.of(MOST_BYTES) && self.trains < share.of(MOST_TRAINS)
    }

    /// Lets the youngest train give way of the longest flow that leaves later, or that has more of the same bucket; false when
    /// there is none.
    fn give_way(&mut self, at: usize, flow: u8, bytes: usize, lost: &mut usize) -> bool {
        let later = (at + 1..CLASSES).rev().find(|class| !self.classes[*class].is_empty());
        // What keeps paths alive never gives way.
        let same = || (at > 0 && self.classes[at].longest_beside(flow, bytes).is_some()).then_some(at);
        let Some(class) = later.or_else(same) else { return false };
        let Some(out) = self.classes[class].drop_youngest() else { return false };
        self.bytes -= out.left().len();
        self.trains -= 1;
        self.datagrams -= out.count();
        *lost += out.count();
        if self.classes[class].is_empty() && self.serving == Some(class) {
            self.serving = None;
        }
        true
    }

    /// The train that leaves next.
    pub(super) fn front(&mut self) -> Option<Outgoing<'_>> {
        let class = self.serving.or_else(|| self.next_class())?;
        self.serving = Some(class);
        self.classes[class].front()
    }

    /// Takes out datagrams of the train that leaves next, from its first on.
    pub(super) fn consume(&mut self, datagrams: usize) {
        let Some(class) = self.serving else { return };
        let done = self.classes[class].consume(datagrams);
        self.bytes -= done.bytes;
        self.datagrams -= done.datagrams;
        if done.is_whole {
            self.trains -= 1;
            self.serving = None;
        }
    }

    /// Control as long as there is some; else the first bucket that has some of its part left.
    fn next_class(&mut self) -> Option<usize> {
        if self.is_empty() {
            return None;
        }
        if !self.classes[0].is_empty() {
            return Some(0);
        }
        loop {
            if let Some(at) = (1..CLASSES).find(|at| self.classes[*at].may_send()) {
                return Some(at);
            }
            for (at, class) in self.classes.iter_mut().enumerate().skip(1) {
                class.give(PART << (CLASSES - 1 - at));
            }
        }
    }
}

/// What is usual shares a bucket by receivers, the rest by flows.
fn flow_number(remote: Endpoint, lane: Lane) -> u8 {
    let host = match remote {
        Endpoint::Ip(at) => match at.ip() {
            std::net::IpAddr::V4(ip) => {
                ip.octets().iter().fold(0, |sum: u8, byte| sum.wrapping_mul(31).wrapping_add(*byte))
            }
            std::net::IpAddr::V6(ip) => {
                ip.octets().iter().fold(0, |sum: u8, byte| sum.wrapping_mul(31).wrapping_add(*byte))
            }
        },
        Endpoint::Mac(at) => at.0.iter().fold(0, |sum: u8, byte| sum.wrapping_mul(31).wrapping_add(*byte)),
    };
    lane.flow ^ host
}

#[cfg(test)]
mod tests;
