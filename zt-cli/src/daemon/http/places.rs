//! Who gives way when there are too many connections: a table without sockets or clocks.
//!
//! Three rules. A connection that never showed a token shares a few places with its like, so that who has no token cannot
//! take the interface from who has one. Where a place is wanted, the connection goes that has waited longest for a request of
//! its client; one with a token goes last. Nobody goes while a request of a token's holder is being answered.

use std::collections::BTreeMap;
use std::net::IpAddr;

/// Connections at a time; more wait in the kernel.
pub(super) const MAX_CONNECTIONS: usize = 256;

/// Where a connection comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    /// This host.
    Local,
    /// An address in `allowManagementFrom`.
    Allowed,
    /// Any other address: only `/metrics` is open to it (06 §4.2).
    Foreign,
}

impl Origin {
    /// Connections without a token from everybody of this origin, and from one address of it.
    const fn strangers(self) -> (usize, usize) {
        match self {
            Self::Local => (64, 64),
            Self::Allowed => (64, 16),
            Self::Foreign => (16, 4),
        }
    }
}

#[derive(Clone, Copy, Debug)]
struct Place {
    origin: Origin,
    address: IpAddr,
    /// A request on it carried a right token.
    known: bool,
    /// A request is being answered.
    busy: bool,
    /// Order in which connections began to wait.
    since: u64,
}

/// What becomes of a new connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Admission {
    /// It has a place, with this number.
    Taken(u64),
    /// This connection has to go first.
    GiveWay(u64),
    /// All are at work for holders of a token: wait until something changes.
    Full,
    /// Its like has places enough, and none of them can go.
    Refused,
}

/// Connections and what they do.
#[derive(Debug, Default)]
pub(super) struct Places {
    next: u64,
    taken: BTreeMap<u64, Place>,
}

impl Places {
    /// A new connection.
    pub(super) fn admit(&mut self, origin: Origin, address: IpAddr) -> Admission {
        let (of_origin, of_address) = origin.strangers();
        let stranger = |place: &Place| !place.known && place.origin == origin;
        let neighbour = |place: &Place| stranger(place) && place.address == address;
        for (share, like) in [(of_address, &neighbour as &dyn Fn(&Place) -> bool), (of_origin, &stranger)] {
            if self.taken.values().filter(|place| like(place)).count() >= share {
                return self.longest_waiting(like).map_or(Admission::Refused, Admission::GiveWay);
            }
        }
        if self.taken.len() >= MAX_CONNECTIONS {
            let goes =
                self.longest_waiting(&|place| !place.known).or_else(|| self.longest_waiting(&|place| place.known));
            return goes.map_or(Admission::Full, Admission::GiveWay);
        }
        let (id, since) = (self.next, self.next);
        self.next += 1;
        self.taken.insert(id, Place { origin, address, known: false, busy: false, since });
        Admission::Taken(id)
    }

    fn longest_waiting(&self, like: &dyn Fn(&Place) -> bool) -> Option<u64> {
        let waiting = self.taken.iter().filter(|(_, place)| !place.busy && like(place));
        waiting.min_by_key(|(_, place)| place.since).map(|(id, _)| *id)
    }

    /// A request carried a right token.
    pub(super) fn is_known(&mut self, id: u64) {
        if let Some(place) = self.taken.get_mut(&id) {
            place.known = true;
        }
    }

    /// A request arrived.
    pub(super) fn works(&mut self, id: u64) {
        if let Some(place) = self.taken.get_mut(&id) {
            place.busy = true;
        }
    }

    /// The answer has left; it waits for the next request.
    pub(super) fn waits(&mut self, id: u64) {
        if let Some(place) = self.taken.get_mut(&id) {
            (place.busy, place.since) = (false, self.next);
            self.next += 1;
        }
    }

    /// It is gone.
    pub(super) fn leaves(&mut self, id: u64) {
        self.taken.remove(&id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;

    fn ip(n: u8) -> IpAddr {
        IpAddr::V4(Ipv4Addr::new(10, 0, 0, n))
    }

    fn taken(admission: Admission) -> u64 {
        let Admission::Taken(id) = admission else { panic!("{admission:?}") };
        id
    }

    #[test]
    fn connections_without_a_token_displace_each_other_only() {
        let mut places = Places::default();
        let known = taken(places.admit(Origin::Local, ip(1)));
        places.is_known(known);
        let first = taken(places.admit(Origin::Local, ip(1)));
        for _ in 1..64 {
            taken(places.admit(Origin::Local, ip(1)));
        }
        assert_eq!(places.admit(Origin::Local, ip(1)), Admission::GiveWay(first));
        places.leaves(first);
        // The one that comes in its place is the newest, so the next to go is the second.
        taken(places.admit(Origin::Local, ip(1)));
        assert_eq!(places.admit(Origin::Local, ip(1)), Admission::GiveWay(first + 1));
    }

    #[test]
    fn foreign_hosts_share_a_few_places() {
        let mut places = Places::default();
        for address in 0..4 {
            for _ in 0..4 {
                taken(places.admit(Origin::Foreign, ip(address)));
            }
        }
        assert_eq!(places.admit(Origin::Foreign, ip(2)), Admission::GiveWay(8), "one address displaces its own");
        assert_eq!(places.admit(Origin::Foreign, ip(9)), Admission::GiveWay(0), "a new one the oldest of all");
        (0..16).for_each(|id| places.works(id));
        assert_eq!(places.admit(Origin::Foreign, ip(9)), Admission::Refused);
        taken(places.admit(Origin::Local, ip(1)));
        taken(places.admit(Origin::Allowed, ip(1)));
    }

    #[test]
    fn idle_connections_give_way_and_busy_ones_do_not() {
        let mut places = Places::default();
        for _ in 0..MAX_CONNECTIONS {
            let id = taken(places.admit(Origin::Local, ip(1)));
            places.is_known(id);
            places.works(id);
        }
        assert_eq!(places.admit(Origin::Local, ip(1)), Admission::Full);
        places.waits(7);
        places.waits(3);
        assert_eq!(places.admit(Origin::Allowed, ip(1)), Admission::GiveWay(7), "that which waits longest");
        places.works(7);
        assert_eq!(places.admit(Origin::Allowed, ip(1)), Admission::GiveWay(3));
    }
}
