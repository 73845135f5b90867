//! How many connections may be open, and from where: strangers pay for a place with one of their source's own.
//!
//! When all places of those that have said nothing yet are taken, the longest waiting one gives way whose source has most of
//! them: who comes from elsewhere and speaks at once is served, however many others say nothing.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Notify;

/// Connections that have not said yet what they are, from one source.
const HALF_OPEN_PER_SOURCE: usize = 32;
/// The same from all of them.
const HALF_OPEN: usize = 512;

/// Bounds of a listener.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Connections at all.
    pub most: usize,
    /// From one source: an IPv4 address, or an IPv6 network of 64 bits.
    pub per_source: usize,
}

impl Default for Bounds {
    fn default() -> Self {
        Self { most: 4096, per_source: 256 }
    }
}

/// Why a connection has no place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Full {
    /// All places are taken.
    All,
    /// Those of its source are.
    Source,
    /// Too many have said nothing yet.
    HalfOpen,
}

/// An IPv4 address, or the upper half of an IPv6 address.
type Source = u64;

#[derive(Clone, Copy, Debug, Default)]
struct Taken {
    half_open: usize,
    open: usize,
}

/// One that has said nothing yet.
#[derive(Debug)]
struct Waiting {
    source: Source,
    gives_way: Arc<Notify>,
}

/// Who has places.
#[derive(Debug, Default)]
struct Places {
    bounds: Bounds,
    sources: BTreeMap<Source, Taken>,
    all: Taken,
    /// By number: who came first is first.
    waiting: BTreeMap<u64, Waiting>,
    next: u64,
}

impl Places {
    fn enter(&mut self, source: Source, is_proxy: bool) -> Result<(u64, Arc<Notify>), Full> {
        let of_it = self.sources.get(&source).copied().unwrap_or_default();
        if of_it.half_open >= HALF_OPEN_PER_SOURCE && !is_proxy {
            return Err(Full::HalfOpen);
        }
        self.room(source)?;
        if self.all.half_open >= HALF_OPEN {
            self.make_way(of_it.half_open)?;
        }
        self.sources.entry(source).or_default().half_open += 1;
        self.all.half_open += 1;
        let (number, gives_way) = (self.next, Arc::new(Notify::new()));
        self.next += 1;
        self.waiting.insert(number, Waiting { source, gives_way: Arc::clone(&gives_way) });
        Ok((number, gives_way))
    }

    /// Takes the place of one whose source has most of those that wait, if that is more than `own`.
    fn make_way(&mut self, own: usize) -> Result<(), Full> {
        let weight = |waiting: &Waiting| self.sources.get(&waiting.source).map_or(0, |of_it| of_it.half_open);
        let heaviest = self.waiting.iter().rev().max_by_key(|(_, waiting)| weight(waiting));
        let (&number, _) = heaviest.filter(|(_, waiting)| weight(waiting) > own).ok_or(Full::HalfOpen)?;
        if let Some(waiting) = self.leave_waiting(number) {
            waiting.gives_way.notify_one();
        }
        Ok(())
    }

    /// Takes one out of those that wait, unless it had to give way.
    fn leave_waiting(&mut self, number: u64) -> Option<Waiting> {
        let waiting = self.waiting.remove(&number)?;
        self.leave(waiting.source, true);
        Some(waiting)
    }

    /// Whether one more may stay.
    fn room(&self, source: Source) -> Result<(), Full> {
        let of_it = self.sources.get(&source).copied().unwrap_or_default();
        if self.all.open >= self.bounds.most {
            Err(Full::All)
        } else if of_it.open >= self.bounds.per_source {
            Err(Full::Source)
        } else {
            Ok(())
        }
    }

    /// It has said what it is, and counts for `stays`: who stands behind a proxy is counted by itself.
    fn settle(&mut self, number: u64, stays: Source) -> Result<(), Full> {
        let room = self.room(stays);
        self.leave_waiting(number).ok_or(Full::HalfOpen)?;
        room?;
        self.sources.entry(stays).or_default().open += 1;
        self.all.open += 1;
        Ok(())
    }

    fn leave(&mut self, source: Source, half_open: bool) {
        let Some(of_it) = self.sources.get_mut(&source) else { return };
        for taken in [&mut *of_it, &mut self.all] {
            let count = if half_open { &mut taken.half_open } else { &mut taken.open };
            *count = count.saturating_sub(1);
        }
        if of_it.half_open == 0 && of_it.open == 0 {
            self.sources.remove(&source);
        }
    }
}

/// The places of all listeners.
#[derive(Clone, Debug, Default)]
pub(super) struct Admission(Arc<Mutex<Places>>);

/// A place, free again when this is dropped.
#[derive(Debug)]
pub(super) struct Place {
    places: Admission,
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    /// Of one that has said nothing yet, by number; told when it has to give way.
    Waiting(u64, Arc<Notify>),
    /// Of one that stays, by its source.
    Open(Source),
    /// None any more.
    Gone,
}

impl Admission {
    fn with<R>(&self, act: impl FnOnce(&mut Places) -> R) -> R {
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(super) fn set_bounds(&self, bounds: Bounds) {
        self.with(|places| places.bounds = bounds);
    }

    /// A place for a connection that was just accepted. A proxy that is believed stands for many: only what all have bounds it.
    pub(super) fn enter(&self, from: IpAddr, is_proxy: bool) -> Result<Place, Full> {
        let (number, gives_way) = self.with(|places| places.enter(source_of(from), is_proxy))?;
        Ok(Place { places: self.clone(), kind: Kind::Waiting(number, gives_way) })
    }
}

impl Place {
    /// Ends when a connection that has said nothing yet has to give way; never for another.
    pub(super) async fn gives_way(&self) {
        match &self.kind {
            Kind::Waiting(_, gives_way) => gives_way.notified().await,
            Kind::Open(_) | Kind::Gone => std::future::pending().await,
        }
    }

    /// The connection has shown what it is, and who stands behind it.
    pub(super) fn settle(&mut self, from: IpAddr) -> Result<(), Full> {
        let Kind::Waiting(number, _) = &self.kind else { return Ok(()) };
        let (number, stays) = (*number, source_of(from));
        let settled = self.places.with(|places| places.settle(number, stays));
        self.kind = if settled.is_ok() { Kind::Open(stays) } else { Kind::Gone };
        settled
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.places.with(|places| match self.kind {
            Kind::Waiting(number, _) => drop(places.leave_waiting(number)),
            Kind::Open(source) => places.leave(source, false),
            Kind::Gone => {}
        });
    }
}

fn source_of(ip: IpAddr) -> Source {
    match ip.to_canonical() {
        IpAddr::V4(ip) => u64::from(u32::from(ip)),
        // No prefix of IPv6 that anybody has is as low as an IPv4 address.
        IpAddr::V6(ip) => (u128::from(ip) >> 64) as u64,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(n: u32) -> IpAddr {
        IpAddr::V4((0x0a00_0000 + n).into())
    }

    #[test]
    fn one_source_cannot_take_the_places_of_others() {
        let admission = Admission::default();
        let half: Vec<Place> =
            (0..HALF_OPEN_PER_SOURCE).map(|_| admission.enter(ip(1), false).expect("room")).collect();
        assert_eq!(admission.enter(ip(1), false).err(), Some(Full::HalfOpen));
        drop(admission.enter(ip(2), false).expect("another source"));
        drop(half);
        drop(admission.enter(ip(1), false).expect("room again"));

        admission.set_bounds(Bounds { most: 5, per_source: 3 });
        let mut open: Vec<Place> = Vec::new();
        for _ in 0..3 {
            let mut place = admission.enter(ip(1), false).expect("room");
            place.settle(ip(1)).expect("room");
            open.push(place);
        }
        assert_eq!(admission.enter(ip(1), false).err(), Some(Full::Source));
        for n in [2, 3] {
            let mut place = admission.enter(ip(n), false).expect("room");
            place.settle(ip(n)).expect("room");
            open.push(place);
        }
        assert_eq!(admission.enter(ip(4), false).err(), Some(Full::All));
        open.pop();
        drop(admission.enter(ip(4), false).expect("room again"));
        drop(open);
        admission
            .with(|places| assert!(places.sources.is_empty() && places.all.open == 0 && places.all.half_open == 0));
    }

    fn has_given_way(place: &Place) -> bool {
        let Kind::Waiting(number, _) = place.kind else { return false };
        place.places.with(|places| !places.waiting.contains_key(&number))
    }

    #[test]
    fn half_open_ones_are_bounded_in_all_and_an_ipv6_network_is_one_source() {
        let admission = Admission::default();
        let held: Vec<Place> = (0..10_000).filter_map(|n| admission.enter(ip(n), false).ok()).collect();
        assert_eq!(held.iter().filter(|place| !has_given_way(place)).count(), HALF_OPEN);
        assert!(has_given_way(&held[0]) && !has_given_way(&held[9_999]), "the longest waiting gives way");
        admission.with(|places| assert_eq!((places.all.half_open, places.waiting.len()), (HALF_OPEN, HALF_OPEN)));
        drop(held);
        admission.with(|places| assert!(places.sources.is_empty() && places.waiting.is_empty()));
        let v6 = |n: u16| IpAddr::from([0x2001, 0xdb8, 0, 7, n, n, n, n]);
        let held: Vec<Place> = (0..100).filter_map(|n| admission.enter(v6(n), false).ok()).collect();
        assert_eq!(held.len(), HALF_OPEN_PER_SOURCE);
    }

    #[test]
    fn the_heaviest_source_gives_way_and_gets_no_place_of_another() {
        let admission = Admission::default();
        let of = |source: u32, count: usize| -> Vec<Place> {
            (0..count).map(|_| admission.enter(ip(source), false).expect("room")).collect()
        };
        let mut first = admission.enter(ip(0), false).expect("room");
        let heavy: Vec<Vec<Place>> = (1..=15).map(|source| of(source, HALF_OPEN_PER_SOURCE)).collect();
        let rest = of(16, HALF_OPEN - 15 * HALF_OPEN_PER_SOURCE - 1);
        let mut newcomer = admission.enter(ip(17), false).expect("a heavy one gives way");
        assert!(has_given_way(&heavy[0][0]) && !has_given_way(&first) && !has_given_way(&heavy[1][0]));
        assert_eq!(admission.enter(ip(2), false).err(), Some(Full::HalfOpen), "it is as heavy as any");
        assert_eq!((first.settle(ip(0)), newcomer.settle(ip(17))), (Ok(()), Ok(())));
        let mut late = heavy.into_iter().next().and_then(|all| all.into_iter().next()).expect("the one that gave way");
        assert_eq!(late.settle(ip(1)), Err(Full::HalfOpen));
        drop((first, newcomer, late, rest));
        admission.with(|places| assert!(places.sources.is_empty() && places.all.half_open == 0));
    }

    #[test]
    fn those_behind_a_proxy_are_counted_each_by_itself() {
        let admission = Admission::default();
        admission.set_bounds(Bounds { most: 100, per_source: 2 });
        let behind = |n: u32| {
            let mut place = admission.enter(ip(0), true).expect("room");
            place.settle(ip(n)).map(|()| place)
        };
        let herd: Vec<Place> = (0..HALF_OPEN).map(|_| admission.enter(ip(0), true).expect("room")).collect();
        drop(admission.enter(ip(1), false).expect("one of them gives way"));
        drop(herd);
        let open: Vec<_> = (1..20).map(|n| behind(n).expect("room")).collect();
        let second = behind(1).expect("room");
        assert_eq!(behind(1).err(), Some(Full::Source));
        drop((open, second));
        admission.with(|places| assert!(places.sources.is_empty() && places.all.open == 0));
    }
}
